"""The files that a network file is based on: merged as MindYOLO merges them, each read once, and few of them."""

import csv
import warnings
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler import plan
from assembler.errors import AssemblerError, GrammarError, SettingsError
from assembler.yolo import documents, read_network
from assembler.yolo.documents import MAX_FILES, MAX_SIZE, files_of, load
from tests.conftest import ROOT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from mindyolo.utils.config import load_config

IMAGE = {"shape": [1, 3, 640, 640]}
ROWS = {"backbone": [[-1, 1, "ConvNormAct", [16, 3, 2]]], "head": [[[0], 1, "YOLOv8Head", ["nc", 16, [2]]]]}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(files):
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))


def head(**options):
    return str(read_network("x.yaml", channels=3, **options).wires[-1].body)


# ---- merging

NC = "Together(mindyolo.YOLOv8Head({}, 16, [2], [{}]))"

# the files, the classes, the channels
MERGED = {
    "data in the base, transforms in the file": (
        {"x.yaml": {"__BASE__": ["a.yaml"], "data": {"workers": 8}, "network": ROWS}, "a.yaml": {"data": {"nc": 7}}}, 7, 16
    ),
    "data in two bases": (
        {"x.yaml": {"__BASE__": ["a.yaml", "b.yaml"], "network": ROWS}, "a.yaml": {"data": {"nc": 7, "names": ["a"]}},
         "b.yaml": {"data": {"workers": 8, "names": {"deep": [1]}}}}, 7, 16,
    ),
    "a later base": (
        {"x.yaml": {"__BASE__": ["a.yaml", "b.yaml"], "network": ROWS}, "a.yaml": {"data": {"nc": 7}},
         "b.yaml": {"data": {"nc": 9}}}, 9, 16,
    ),
    "classes that the file changes": (
        {"x.yaml": {"__BASE__": ["a.yaml"], "data": {"nc": 3}, "network": ROWS}, "a.yaml": {"data": {"nc": 7, "a": 1}}}, 3, 16
    ),
    "the width alone": (
        {"x.yaml": {"__BASE__": ["a.yaml"], "network": {"width_multiple": 0.5}, "data": {"nc": 3}},
         "a.yaml": {"network": {"width_multiple": 1.0, **ROWS}}}, 3, 8,
    ),
    "a base of a base, in a folder": (
        {"x.yaml": {"__BASE__": "sub/a.yaml", "network": {"max_channels": 8}}, "sub/a.yaml": {"__BASE__": ["../b.yaml"], **{
         "network": {"depth_multiple": 1.0}}}, "b.yaml": {"data": {"nc": 5}, "network": ROWS}}, 5, 8,
    ),
    "a list, which is replaced": (
        {"x.yaml": {"__BASE__": ["a.yaml"], "network": {"backbone": [[-1, 1, "ConvNormAct", [32, 3, 2]]]}},
         "a.yaml": {"network": ROWS, "data": {"nc": 5}}}, 5, 32,
    ),
    "a mapping over a value": (
        {"x.yaml": {"__BASE__": ["a.yaml"], "data": {"nc": 6}, "network": ROWS}, "a.yaml": {"data": 3, "network": 4}}, 6, 16
    ),
    "the same base twice": (
        {"x.yaml": {"__BASE__": ["a.yaml", "b.yaml", "a.yaml"], "network": ROWS}, "a.yaml": {"data": {"nc": 7}},
         "b.yaml": {"data": {"nc": 9}}}, 7, 16,
    ),
    "YAML's own merging": (
        {"x.yaml": "__BASE__: [a.yaml]\ndata: {<<: {workers: 1}, other: 2}\n", "a.yaml": {"data": {"nc": 7}, "network": ROWS}}, 7, 16
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "classes", "channels"), MERGED.values(), ids=MERGED)
def test_bases_are_merged_recursively(files, classes, channels):
    write(files)
    assert head() == NC.format(classes, channels)
    said, _, _ = load_config("x.yaml") if "sub/a.yaml" not in files else (None, None, None)  # it takes lists alone
    assert said is None or said["data"]["nc"] == classes


KEYS = st.sampled_from(["a", "b", "nc"])
MAPPINGS = st.dictionaries(
    KEYS, st.recursive(st.integers(0, 3), lambda inner: st.dictionaries(KEYS, inner), max_leaves=6)
)


@settings(max_examples=40, deadline=None)
@given(contents=st.lists(MAPPINGS, min_size=2, max_size=5), data=st.data())
def test_any_bases_are_merged_as_mindyolo_merges_them(tmp_path_factory, contents, data):
    folder = tmp_path_factory.mktemp("any")
    for index, content in enumerate(contents):
        below = list(range(index + 1, len(contents)))
        bases = data.draw(st.lists(st.sampled_from(below), max_size=3)) if below else []
        named = {"__BASE__": [f"{one}.yaml" for one in bases]} if bases else {}
        (folder / f"{index}.yaml").write_text(yaml.safe_dump({**named, "outer": content}))
    said, _, _ = load_config(str(folder / "0.yaml"))

    def plain(node):
        return (
            {name: plain(one) for name, one in node.entries("").items()} if isinstance(node.value, dict) else node.value
        )

    assert plain(load(folder / "0.yaml").outer["outer"]) == said["outer"]


def test_an_error_points_at_the_base_that_has_it():
    write({"x.yaml": {"__BASE__": ["a.yaml"], "data": {"workers": 1}}, "a.yaml": {"data": {"nc": -1}, "network": ROWS}})
    with pytest.raises(GrammarError) as error:
        head()
    assert str(error.value).splitlines()[0] == "a.yaml:2:7: nc must be at least 1, not -1"


# ---- how many files


@pytest.fixture
def opened(monkeypatch):
    """The files that are read, each time that they are."""
    found = []
    compose = documents.compose_yaml
    monkeypatch.setattr(documents, "compose_yaml", lambda file: (found.append(file.name), compose(file))[1])
    return found


def levels(count, times):
    """Files of which each names the next one so many times."""
    files = {f"{level}.yaml": {"__BASE__": [f"{level + 1}.yaml"] * times} for level in range(count)}
    return {**files, f"{count}.yaml": {"network": ROWS, "data": {"nc": 4}}, "x.yaml": {"__BASE__": ["0.yaml"]}}


# the files, how many of them are read
READ = {
    "one of which each names the next 20 times": (levels(3, 20), 5),
    "many levels": (levels(18, 2), 20),
    "a diamond": ({"x.yaml": {"__BASE__": ["a.yaml", "b.yaml"]}, "a.yaml": {"__BASE__": ["c.yaml"]},
                   "b.yaml": {"__BASE__": ["c.yaml"]}, "c.yaml": {"network": ROWS, "data": {"nc": 4}}}, 4),
    "each names all the others below": (
        {"x.yaml": {"__BASE__": ["0.yaml"]}, "18.yaml": {"network": ROWS, "data": {"nc": 4}},
         **{f"{level}.yaml": {"__BASE__": [f"{one}.yaml" for one in range(level + 1, 19)]} for level in range(18)}}, 20
    ),
    "other ways to write a name": (
        {"x.yaml": {"__BASE__": ["a.yaml", "./a.yaml", "sub/../a.yaml"]}, "sub/b.yaml": "", "a.yaml": {"network": ROWS,
         "data": {"nc": 4}}}, 2
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "count"), READ.values(), ids=READ)
def test_each_file_is_read_once(opened, files, count):
    write(files)
    assert head() == NC.format(4, 16)
    assert len(opened) == len(set(opened)) == count


@pytest.mark.parametrize(("files", "count"), READ.values(), ids=READ)
def test_each_file_is_watched_once(opened, files, count):
    write(files)
    assert len({path.resolve() for path in files_of(Path("x.yaml"))}) == count
    assert len(opened) == count


WIDE = {f"{one}.yaml": "a: 1\n" for one in range(30)}
LARGE = "a: " + "b" * (MAX_SIZE // 3) + "\n"

# the files, the message
REFUSED = {
    "a chain": (levels(30, 1), "a network has at most 20 files; 19.yaml is one more"),
    "a chain of which each names the next 20 times": (levels(30, 20), "a network has at most 20 files; 19.yaml is one more"),
    "a long list": ({**WIDE, "x.yaml": {"__BASE__": [*WIDE]}}, "x.yaml:22:3: a network has at most 20 files; this names 30"),
    "a list of lists": (
        {**WIDE, "x.yaml": {"__BASE__": ["a.yaml", "b.yaml"]}, "a.yaml": {"__BASE__": [*WIDE][:10]},
         "b.yaml": {"__BASE__": [*WIDE][10:20]}}, "a network has at most 20 files; 17.yaml is one more",
    ),
    "a circle": ({"x.yaml": {"__BASE__": ["a.yaml"]}, "a.yaml": {"__BASE__": ["x.yaml"]}}, "x.yaml is based on itself"),
    "a circle below": (
        {"x.yaml": {"__BASE__": ["a.yaml"]}, "a.yaml": {"__BASE__": ["b.yaml"]}, "b.yaml": {"__BASE__": ["./a.yaml"]}},
        "a.yaml is based on itself",
    ),
    "large files": (
        {"x.yaml": {"__BASE__": ["a.yaml", "b.yaml", "c.yaml"]}, "a.yaml": LARGE, "b.yaml": LARGE, "c.yaml": LARGE},
        "the files of the network have 200,047 bytes up to c.yaml; the limit is 200,000",
    ),
    "a base that is no mapping": (
        {"x.yaml": {"__BASE__": ["a.yaml"]}, "a.yaml": "[1]\n"},
        "a.yaml is not a network: it has no keys such as backbone and head",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "said"), REFUSED.values(), ids=REFUSED)
def test_error_of_too_many_files(opened, files, said):
    write(files)
    with pytest.raises(AssemblerError) as error:
        head()
    assert str(error.value).splitlines()[0] == said
    assert len(opened) == len(set(opened)) <= MAX_FILES


@pytest.mark.parametrize("name", [["/etc/x.yaml"], "~/x.yaml", [3], [["a.yaml"]], {"a": 1}])
def test_error_of_a_base_that_is_not_a_relative_path(name):
    write({"x.yaml": {"__BASE__": name}})
    with pytest.raises(SettingsError) as error:
        head()
    assert "a base is a path relative to this file's folder, not " in str(error.value)


# ---- the files that MindYOLO ships, which are not part of this project

COUNTS = csv.DictReader((ROOT / "tests" / "yolo" / "counts.csv").read_text().splitlines())
MINDYOLO = {row["file"]: int(row["trainable"]) for row in COUNTS}
"""Trainable parameters of what MindYOLO 0.5.0 builds of its own files, for 80 classes."""
FOLDER = next((path for one in ROOT.parents if (path := one / "shared" / "yolo" / "mindyolo").is_dir()), None)

AUX = "mindyolo 0.5.0 fails to build YOLOv7AuxHead of integer anchors; write one as a float: 19.0"
C2 = "MindYOLO has no module like Ultralytics' C2; register one in conf/registry: C2: {target: my_layers.C2, row: [c1, c2, n]}"
LEFT_OUT = {
    **{
        name: "YOLOXHead emits an integer among its tensors; only tensors can be planned"
        for name in MINDYOLO
        if "yolox" in name
    },
    **{f"yolov7/yolov7-{name}.yaml": AUX for name in ("d6", "e6", "e6e", "w6")},
    "yolov8/yolov8x6.yaml": C2,  # MindYOLO fails, too
}

needs_files = pytest.mark.skipif(
    FOLDER is None,
    reason="MindYOLO's own network files are not part of this project; put them in ../shared/yolo/mindyolo",
)


@needs_files
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MINDYOLO if name not in LEFT_OUT])
def test_every_file_of_mindyolo_has_as_many_parameters_as_mindyolo_builds(name):
    assert plan({"file": str(FOLDER / name), "input": IMAGE}).trainable == MINDYOLO[name]


@needs_files
@pytest.mark.parametrize(("name", "said"), LEFT_OUT.items(), ids=LEFT_OUT)
def test_error_of_a_file_of_mindyolo_that_cannot_be_built_or_planned(name, said):
    with pytest.raises(AssemblerError) as error:
        read_network(str(FOLDER / name), channels=3)
    assert error.value.message == said


@needs_files
def test_every_network_file_of_mindyolo_has_a_case():
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/**/*.yaml") if "hyp" not in path.name}
    bases = {name for name in files if name.endswith("-base.yaml")}  # which have no depth and no width
    assert files - bases == {*MINDYOLO, *LEFT_OUT}
    assert len(MINDYOLO) - sum(name in MINDYOLO for name in LEFT_OUT) == 38
