"""Network files of MindYOLO and Ultralytics come to what MindYOLO itself builds, and to what is published."""

import json
import logging
import re
import shutil
import warnings
from pathlib import Path

import mindspore
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor
from typer.testing import CliRunner

from assembler import LAYERS, Registry, assemble, plan
from assembler.analysis.files import files_of
from assembler.analysis.project import Project
from assembler.binding.dump import dump
from assembler.commands.app import app
from assembler.errors import AbsentPackage, AssemblerError, GrammarError, SettingsError
from assembler.yolo import read_network
from assembler.yolo.modules import MODULES
from tests.conftest import ROOT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mindyolo.models  # noqa: F401
    from mindyolo.models.model_factory import Model, parse_model
    from mindyolo.utils.config import Config, load_config

FILES = ROOT / "tests" / "yolo"
IMAGE = {"shape": [1, 3, 640, 640]}


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """MindYOLO tells of every text that it keeps."""
    monkeypatch.setattr(logging.getLogger("mindyolo"), "level", logging.ERROR)


def network(name, **said):
    return {"file": str(FILES / name), "input": IMAGE, **said}


def counts_by_row(planned):
    """(trainable, all) parameters of each row of the file."""
    found = {}
    for row in planned.rows:
        name = row.path.partition(".")[0]
        trainable, all_of_them = found.get(name, (0, 0))
        found[name] = (trainable + row.trainable, all_of_them + row.trainable + row.other)
    return list(found.values())


def counts_of_mindyolo(file):
    """The same, of what MindYOLO's own parser builds from a file."""
    said, _, _ = load_config(str(file))
    with mindspore.DeviceCtx("meta"):
        cells, _, _ = parse_model(Config(said["network"]), [3], said["data"]["nc"])
    return [
        (sum(p.size for p in cell.trainable_params()), sum(p.size for p in cell.get_parameters())) for cell in cells
    ]


BUILT = ["yolov5n", "yolov7-tiny", "yolov8n", "yolov8x", "yolov11n",
         slow("yolov5s"), slow("yolov8s"), slow("yolov8m"), slow("yolov3"), slow("yolov9-t"), slow("yolov10n"), slow("yolov11m")]  # fmt: skip


@pytest.mark.parametrize("name", BUILT)
def test_each_row_has_as_many_parameters_as_in_mindyolo(name):
    planned = plan(network(f"mindyolo/{name}.yaml"))
    assert counts_by_row(planned) == counts_of_mindyolo(FILES / "mindyolo" / f"{name}.yaml")


def test_every_file_of_mindyolo_has_a_case():
    names = {one.values[0] if hasattr(one, "values") else one for one in BUILT}
    assert {file.stem for file in (FILES / "mindyolo").iterdir()} == {*names, "data", "yolov8-base", "yolox-nano"}


DFL = 16
"""Weights of the head that are constants; Ultralytics counts them."""

# file, scale, parameters as Ultralytics prints them
PUBLISHED = [
    ("ultralytics/yolov8.yaml", "n", 3_157_200 - DFL),
    ("ultralytics/yolov8.yaml", "s", 11_166_560 - DFL),
    slow("ultralytics/yolov8.yaml", "m", 25_902_640 - DFL),
    slow("ultralytics/yolov8.yaml", "l", 43_691_520 - DFL),
    ("ultralytics/yolov8.yaml", "x", 68_229_648 - DFL),
    ("ultralytics/yolov8-seg.yaml", "n", 3_409_968 - DFL),
    ("ultralytics/yolov5.yaml", "n", 2_654_816 - DFL),
    slow("ultralytics/yolo11.yaml", "n", 2_624_080 - DFL),
    ("ultralytics/yolov5s-anchors.yaml", None, 7_235_389),
    ("mindyolo/yolov5n.yaml", None, 1_872_157),
    slow("ultralytics/yolo11.yaml", "s", 9_458_752 - DFL),
    slow("ultralytics/yolo11.yaml", "m", 20_114_688 - DFL),
    slow("ultralytics/yolo11.yaml", "l", 25_372_160 - DFL),
    slow("ultralytics/yolo11.yaml", "x", 56_966_176 - DFL),
    slow("ultralytics/yolov10n.yaml", "n", 2_775_520 - DFL),
    slow("ultralytics/yolov10m.yaml", "m", 16_576_768 - DFL),
    ("ultralytics/yolov3.yaml", None, 103_754_144 - DFL),
    ("ultralytics/yolov3-tiny.yaml", None, 12_173_248 - DFL),
    ("ultralytics/yolov9t.yaml", None, 2_128_720 - DFL),
    ("ultralytics/yolov9c-seg.yaml", None, 27_897_120 - DFL),
    ("ultralytics/yolov8-p2.yaml", "n", 3_354_144 - DFL),
    slow("ultralytics/yolov8-p2.yaml", "s", 10_884_336 - DFL),
    slow("ultralytics/yolov8-p2.yaml", "m", 25_082_496 - DFL),
    slow("mindyolo/yolov3.yaml", None, 61_949_149),
]


@pytest.mark.parametrize(("name", "scale", "trainable"), PUBLISHED)
def test_a_network_has_as_many_parameters_as_is_published(name, scale, trainable):
    assert plan(network(name, scale=scale)).trainable == trainable


# scale, thousand millions of operations as Ultralytics publishes them: two a MAC
@pytest.mark.parametrize(
    ("scale", "published"), [("n", 8.7), ("s", 28.6), slow("m", 78.9), slow("l", 165.2), slow("x", 257.8)]
)
def test_yolov8_takes_as_many_operations_as_is_published(scale, published):
    assert 2 * plan(network("ultralytics/yolov8.yaml", scale=scale)).macs / 1e9 == pytest.approx(published, abs=0.1)


def test_every_file_of_ultralytics_has_a_case():
    names = {(one.values if hasattr(one, "values") else one)[0] for one in PUBLISHED}
    assert {f"ultralytics/{file.name}" for file in (FILES / "ultralytics").iterdir()} <= names


def test_one_network_in_both_forms_is_one_plan():
    ours, theirs = plan(network("ultralytics/yolov8.yaml", scale="n")), plan(network("mindyolo/yolov8n.yaml"))
    told = [
        [(row.path, row.layer, row.arguments, row.output, row.trainable) for row in one.rows] for one in (ours, theirs)
    ]
    assert told[0] == told[1]


def test_a_head_that_emits_a_number_cannot_be_planned():
    with pytest.raises(GrammarError) as error:
        plan(network("mindyolo/yolox-nano.yaml"))
    assert error.value.message == "YOLOXHead emits an integer among its tensors; only tensors can be planned"


@pytest.mark.parametrize("name", ["mindyolo/yolov8n.yaml", "mindyolo/yolov7-tiny.yaml", slow("mindyolo/yolov9-t.yaml")])
def test_what_is_dumped_plans_to_the_same(name):
    first = plan(network(name))
    data = yaml.safe_load(yaml.safe_dump(dump(first.steps), sort_keys=False))
    again = plan({"input": IMAGE, **data})
    assert again.rows == first.rows
    assert again.output == first.output


@pytest.mark.parametrize("name", ["yolov8n", slow("yolov5n"), slow("yolov7-tiny"), slow("yolov11n")])
def test_a_network_computes_what_mindyolo_computes(name):
    """With the same parameters, which are found by their names."""
    file = FILES / "mindyolo" / f"{name}.yaml"
    said, _, _ = load_config(str(file))
    theirs = Model(Config(said["network"]), 3, said["data"]["nc"]).set_train(False)
    ours = assemble(network(f"mindyolo/{name}.yaml", input={"shape": [1, 3, 64, 64]}))
    values = {parameter.name.removeprefix("model."): parameter for parameter in theirs.get_parameters()}
    for parameter in ours.get_parameters():
        parameter.set_data(values.pop(parameter.name[1:].replace(".inner.", ".")))
    assert not values
    x = Tensor(np.random.default_rng(0).random((1, 3, 64, 64), np.float32))
    assert np.array_equal(ours(x)[0].asnumpy(), theirs(x)[0].asnumpy())


# ---- the arithmetic


def numbers(start, *more):
    return st.sampled_from([start, *more])


@st.composite
def networks(draw):
    """Backbones of MindYOLO's, with a head that joins two of their rows."""
    rows = [[-1, 1, "ConvNormAct", [draw(st.integers(1, 90)), 3, 2]]]
    for _ in range(draw(st.integers(0, 5))):
        channels, number = draw(st.integers(1, 90)), draw(st.integers(1, 9))
        rows.append(
            draw(
                st.sampled_from(
                    [
                        [-1, number, "C2f", [channels, True]],
                        [-1, number, "C3", [channels]],
                        [-1, 1, "ConvNormAct", [channels, 3, 1, "None", "act=nn.ReLU()"]],
                        [-1, 1, "SPPF", [channels, 5]],
                        [-1, 1, "nn.BatchNorm2d", [7]],
                        [-1, number, "SP", [3]],
                    ]
                )
            )
        )
    taken = draw(st.integers(0, len(rows) - 1))
    return {
        "depth_multiple": draw(st.floats(0.1, 2)),
        "width_multiple": draw(st.floats(0.1, 2)),
        "max_channels": draw(numbers(None, 8, 64, 1024)),
        "stride": [8],
        "backbone": rows,
        "head": [[[-1, taken], 1, "Concat", [1]], [-1, 1, "ConvNormAct", [16, 1]]],
    }


@settings(max_examples=15, deadline=None)
@given(said=networks())
def test_any_network_has_as_many_parameters_as_in_mindyolo(tmp_path_factory, said):
    file = tmp_path_factory.mktemp("any") / "any.yaml"
    file.write_text(yaml.safe_dump({"network": said, "data": {"nc": 80}}))
    planned = plan({"file": str(file), "input": {"shape": [1, 3, 64, 64]}})
    assert counts_by_row(planned) == counts_of_mindyolo(file)


# ---- what is wrong

START = "nc: 80\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\nhead:\n"
TEXTS = (
    " is read, not evaluated: an argument is a number, a string, None, a list, one of the file's nc, anchors, reg_max, stride, "
    "max_channels, kpt_shape, or a layer such as nn.SiLU()"
)
REPEATS = "a number of repeats lies from 1 to 1,000; this is"
VALUES = "the arguments of a row are at most 1,000 values, in lists at most 10 deep"

# the row; what is said, after the file and line; the column; what is underlined
ROWS = [
    ("[-1, 1, Conv]", "a row is a list [from, number, module, args]", 5, "[-1, 1, Conv]"),
    ("Conv", "a row is a list [from, number, module, args], not 'Conv'", 5, "Conv"),
    ("[-1, 1, [a], []]", "a module is a name such as C2f or nn.Upsample, not ['a']", 13, "[a]"),
    ("[-1, 1, a.b.C, []]", "a module is a name such as C2f or nn.Upsample, not 'a.b.C'", 13, "a.b.C"),
    ("[-1, 1, Conv, 64]", "the arguments of Conv are a list, not 64", 19, "64"),
    ("[1, 1, Conv, [64]]", "row 1 cannot take row 1: rows above it are 0 to 0", 6, "1"),
    ("[-2, 1, Conv, [64]]", "row 1 cannot take row -2: rows above it are 0 to 0", 6, "-2"),
    ("[x, 1, Conv, [64]]", "'from' is the number of a row, or a list of these, not 'x'", 6, "x"),
    ("[[], 1, Concat, [1]]", "Concat takes nothing: 'from' is empty", 6, "[]"),
    ("[[-1, 0], 1, Conv, [64]]", "Conv takes one row, and 'from' has 2", 18, "Conv"),
    ("[-1, 1, Concat, [1]]", "Concat takes several rows: 'from' is a list such as [-1, 6]", 13, "Concat"),
    ("[-1, 0, Conv, [64]]", f"{REPEATS} 0", 10, "0"),
    ("[-1, 1.5, Conv, [64]]", f"{REPEATS} 1.5", 10, "1.5"),
    ("[-1, 100000, C2f, [64]]", f"{REPEATS} 100000", 10, "100000"),
    ("[-1, 1, Conv, [x]]", "Conv begins with the number of channels that it emits, at most 1,000,000, not 'x'", 13, "Conv"),
    ("[-1, 1, Conv, []]", "Conv begins with the number of channels that it emits, at most 1,000,000", 13, "Conv"),
    ("[-1, 1, CBLinear, [64]]", "CBLinear begins with the channels of each tensor, such as [64, 128]", 13, "CBLinear"),
    ("[-1, 1, Conv, [64, __import__('os')]]", f'"__import__(\'os\')"{TEXTS}', 24, "__import__('os')"),
    ("[-1, 1, Conv, [64, 1+2]]", f"'1+2'{TEXTS}", 24, "1+2"),
    ("[-1, 1, Conv, [64, nn.SiLU(**x)]]", f"'nn.SiLU(**x)'{TEXTS}", 24, "nn.SiLU(**x)"),
    ("[-1, 1, Conv, [64, os.system]]", f"'os.system'{TEXTS}", 24, "os.system"),
    ("[-1, 1, Conv, [64, act=nn.SiLU]]", "nn.SiLU is a class; a layer is written nn.SiLU()", 24, "act=nn.SiLU"),
    ("[-1, 1, Conv, [64, {a: 1}]]", "an argument is a number, a string or a list, not dict", 24, "{a: 1}"),
    ("[[-1, 0], 1, Detect, [nc, anchors]]", "the file has no 'anchors'", 31, "anchors"),
    ("[[-1, 0], 1, Detect, []]", "Detect begins with the number of classes, such as nc", 18, "Detect"),
    ("[-1, 1, Conv, [64, [[[[[[[[[[[1]]]]]]]]]]]]]", VALUES, 24, "[[[[[[[[[[[1]]]]]]]]]]]"),
]  # fmt: skip


def read(file, channels=3, **said):
    return read_network(str(file), channels=channels, **said)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("x.yaml")


@pytest.mark.parametrize(("row", "said", "column", "underlined"), ROWS, ids=[row for row, *_ in ROWS])
def test_error_in_a_row(file, row, said, column, underlined):
    file.write_text(f"{START}  - {row}\n")
    with pytest.raises(GrammarError) as error:
        read(file)
    assert (
        str(error.value) == f"x.yaml:5:{column}: {said}\n    - {row}\n    {' ' * (column - 3)}{'^' * len(underlined)}"
    )


TWO = f"{START}  - [-1, 1, CBLinear, [[8, 8]]]\n"
SCALES = "scales: {n: [1, 1], s: [1, 2]}\n"
ROW = "  - [-1, 1, Conv, [64]]\n"
IS_ROWS = "is a list of rows [from, number, module, args]"
MINDYOLO = "network:\n  backbone: [[-1, 1, ConvNormAct, [8]]]\n  head: [[-1, 1, ConvNormAct, [8]]]\n"

# the file, the scale, the message without its excerpt
FILES_WITH_MISTAKES = [
    ("", None, "x.yaml is not a network: it has no keys such as backbone and head"),
    ("- 1\n", None, "x.yaml is not a network: it has no keys such as backbone and head"),
    ("backbon: []\nhead: []\n", None, "x.yaml is not a network: it has no 'backbone'. Did you mean 'backbon'?"),
    ("backbone: []\nhead: []\n", None, "x.yaml:1:11: a network is a list of rows [from, number, module, args]"),
    ("backbone: [\n", None, "x.yaml:2:1: while parsing a flow node, expected the node content, but found '<stream end>'"),
    ("[" * 3000, None, "x.yaml:1:61: nested more than 60 deep"),
    (f"{START}  - [-1, 1, Conv, [!x 1]]\n", None,
     "x.yaml:5:20: tags such as !x are not supported; use quotes for a string"),
    (f"{START}  - [-1, 1, Conv, &a [*a]]\n", None, "x.yaml:5:23: *a is inside the value that it refers to"),
    ("a" * 200_001, None, "the files of the network have 200,001 bytes up to x.yaml; the limit is 200,000"),
    ("backbone:\n" + ROW * 1001 + "head: []\n", None, "x.yaml:1002:5: the network has 1,001 rows; the limit is 1,000"),
    ("backbone:\n  - [0, 1, Conv, [16]]\nhead: []\n", None, "x.yaml:2:6: row 0 cannot take row 0: the first row takes -1, the input"),
    (f"backbone:\n{ROW}{ROW}head:\n  - [0, 1, Conv, [16]]\n", None, "x.yaml:3:13: nothing uses row 1"),
    (START.replace("nc: 80", "") + "  - [[0, 0], 1, Detect, [nc]]\n", None,
     "x.yaml:5:26: the file has no 'nc'; give it as recipe.classes=80"),
    (f"{TWO}  - [-1, 1, Conv, [8]]\n", None, "x.yaml:6:13: Conv takes one tensor, and row 1 emits several"),
    (f"{TWO}  - [[-1, 0], 1, Concat, [1]]\n", None, "x.yaml:6:18: Concat joins rows that emit one tensor each"),
    (f"{START}  - [-1, 1, nn.Upsample, [None, 4]]\n  - [[1, 0], 1, Detect, [nc]]\n", None,
     "x.yaml:6:17: the sources of this row divide the image by 1/2, 2, which are not all integers"),
    (f"{START}  - [-1, 1, C3k2, [8]]\n  - [[1, 0], 1, Segment, [nc]]\n", None,
     "x.yaml:6:17: MindYOLO has no Segment as it is since YOLO11"),
    (f"{START}  - [-1, 1, Conv, [{'9' * 5000}]]\n", None,
     "x.yaml:5:20: a number has more than 100 digits"),
    (f"{START}  - [-1, 1, Conv, [64, {'a' * 201}]]\n", None, "x.yaml:5:24: this string has 201 characters; the limit is 200"),
    (f"{START}  - [-1, 1, Conv, {[64] * 1001}]\n", None, f"x.yaml:5:4020: {VALUES}"),
    (f"depth_multiple: 900\n{START}  - [-1, 3, C2f, [64]]\n", None, "x.yaml:6:10: this is 2,700 repeats at the scale's depth; the limit is 1,000"),
    (f"activation: nn.ReLU()\n{START}{ROW}", None,
     "x.yaml:1:13: MindYOLO's Cells have SiLU inside and take no other activation"),
    (SCALES + START + ROW, None, "x.yaml:1:9: the file has the scales n, s; choose one, such as recipe.scale=n"),
    (SCALES + START + ROW, "z", "recipe.scale: x.yaml has no scale 'z'. It has n, s."),
    (START + ROW, "n", "recipe.scale: x.yaml has no scales"),
    (f"scales: {{q: [1]}}\n{START}{ROW}", "q",
     "x.yaml:1:13: a scale is a list [depth, width, channels], the last of which may be left out"),
    (f"width_multiple: -1\n{START}{ROW}", None,
     "x.yaml:1:17: width_multiple takes numbers above 0 and at most 1,000,000, not -1"),
    ("backbone:\n" + ROW + "head: abc\n", None, f"x.yaml:3:7: head {IS_ROWS}, not 'abc'"),
    ("backbone:\n" + ROW + "head:\n", None, f"x.yaml:3:6: head {IS_ROWS}, not None"),
    ("backbone: {a: 1}\nhead: []\n", None, f"x.yaml:1:11: backbone {IS_ROWS}, not {{'a': 1}}"),
    (f"scales: [1, 2]\n{START}{ROW}", None,
     "x.yaml:1:9: scales is a mapping of letters to lists [depth, width, channels], not [1, 2]"),
    (f"scales: {{n: 1}}\n{START}{ROW}", "n",
     "x.yaml:1:13: a scale is a list [depth, width, channels], the last of which may be left out, not 1"),
    (f"network:\n{START}{ROW}", None, "x.yaml:1:9: network is a mapping with a backbone and a head, not None"),
    (f"{MINDYOLO}data: 80\n", None, "x.yaml:4:7: data is a mapping, such as {nc: 80}, not 80"),
    (f"{START}{ROW}nc: 3\n", None, "x.yaml:6:1: while constructing a mapping, found duplicate key nc"),
    (f"{START}{ROW}<<: 3\n", None,
     "x.yaml:1:1: cannot read this: expected a mapping or list of mappings for merging, but found scalar"),
    (f"stride: 8\n{START}{ROW}", None, "x.yaml:1:9: stride is a list of integers, such as [8, 16, 32], not 8"),
    (START.replace("80", "x") + ROW, None, "x.yaml:1:5: nc must be an integer, not 'x'"),
    (START.replace("80", "-3") + ROW, None, "x.yaml:1:5: nc must be at least 1, not -3"),
    (START.replace("80", "0") + ROW, None, "x.yaml:1:5: nc must be at least 1, not 0"),
    (START.replace("80", "") + ROW, None, "x.yaml:1:4: nc must be an integer, not None"),
    (f"{MINDYOLO}data: {{nc: -3}}\n", None, "x.yaml:4:12: nc must be at least 1, not -3"),
    ("__BASE__: [3]\n", None, "x.yaml:1:12: a base is a path relative to this file's folder, not 3"),
    ("__BASE__: [./x.yaml]\n", None, "x.yaml is based on itself"),
    ("__BASE__: [/etc/x.yaml]\n", None,
     "x.yaml:1:12: a base is a path relative to this file's folder, not '/etc/x.yaml'"),
    ("__BASE__: y.yaml\n", None, "x.yaml:1:11: there is no file y.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "scale", "said"), FILES_WITH_MISTAKES, ids=[said[:60] for _, _, said in FILES_WITH_MISTAKES]
)
def test_error_in_a_file(file, text, scale, said):
    file.write_text(text)
    with pytest.raises(AssemblerError) as error:
        read(file, scale=scale)
    assert str(error.value).splitlines()[0] == said


def test_error_of_a_file_that_is_none(file):
    for name, content, said in [
        ("x.txt", b"", "x.txt must end in .yaml or .yml"),
        (
            "x.yaml",
            b"\xff",
            "x.yaml is not UTF-8 text: line 1 has the byte 0xff, as in GBK or Latin-1; save the file as UTF-8",
        ),
        ("x.yml", None, "x.yml: No such file or directory"),
    ]:
        if content is not None:
            Path(name).write_bytes(content)
        with pytest.raises(SettingsError) as error:
            read(Path(name))
        assert str(error.value) == said


def test_all_mistakes_are_told_at_once(file):
    file.write_text(f"{START}  - [9, 1, Conv, [8]]\n  - [-1, 0, Conv, [1+2]]\n")
    with pytest.raises(AssemblerError) as error:
        read(file)
    assert [str(one).partition(": ")[0] for one in error.value.mistakes] == ["x.yaml:5:6", "x.yaml:6:20"]


LACKS = "MindYOLO has no module like Ultralytics'"


def register(name, row="[c1, c2, n]"):
    return f"register one in conf/registry: {name}: {{target: my_layers.{name}, row: {row}}}"


TORCHS = (
    "of torch's layers, nn.AdaptiveAvgPool2d, nn.AvgPool2d, nn.BatchNorm2d, nn.Conv2d, nn.ConvTranspose2d, nn.Dropout, "
    "nn.Flatten, nn.GELU, nn.Hardswish, nn.Identity, nn.LeakyReLU, nn.Linear, nn.MaxPool2d, nn.Mish, nn.ReLU, "
    "nn.ReLU6, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Upsample, nn.ZeroPad2d are known"
)

PLANNED = [
    ("[-1, 1, C2F, [64]]", f"x.yaml:5:13: no module named 'C2F'. Did you mean 'C2f' or 'C2fCIB'? Or {register('C2F')}"),
    ("[-1, 1, EnhancedModule, [64]]", f"x.yaml:5:13: no module named 'EnhancedModule'; {register('EnhancedModule')}"),
    (
        "[-1, 1, HGBlock, [48, 128, 3]]",
        f"x.yaml:5:13: how channels flow through HGBlock is not known; {register('HGBlock')}",
    ),
    (
        "[-1, 1, GhostBottleneck, [64]]",
        f"x.yaml:5:13: {LACKS} GhostBottleneck; {register('GhostBottleneck', '[c1, c2]')}",
    ),  # mindcv's
    ("[-1, 1, C3TR, [64]]", f"x.yaml:5:13: {LACKS} C3TR; {register('C3TR')}"),
    ("[-1, 1, Pose, [nc]]", f"x.yaml:5:13: {LACKS} Pose; register one in conf/registry: Pose: my_layers.Pose"),
    (
        "[-1, 1, ZeroPad1d, [1]]",
        f"x.yaml:5:13: no module named 'ZeroPad1d'. Did you mean 'ZeroPad2d'? Or {register('ZeroPad1d')}",
    ),  # mint's
    ("[-1, 1, nn.PReLU, []]", f"x.yaml:5:13: {TORCHS}, not nn.PReLU"),
    ("[-1, 1, Conv, [64, 3, 1, act=nn.ELU()]]", f"x.yaml:5:30: {TORCHS}, not nn.ELU"),
    ("[-1, 1, nn.Dropout, [0.1, True, 2]]", "x.yaml:5:13: nn.Dropout takes p, inplace, not 3 arguments"),
    ("[-1, 1, nn.Dropout, [keep_prob=0.5]]", "x.yaml:5:26: nn.Dropout takes p, inplace, not keep_prob"),
    (
        "[-1, 1, nn.Conv2d, [32, 3, 1, 1]]",
        "x.yaml:5:25: nn.Conv2d begins with the channels that it takes: 16 reach it, not 32",
    ),
    (
        "[-1, 1, nn.Linear, [32]]",
        "x.yaml:5:13: nn.Linear begins with the numbers of channels that it takes and emits, at most 1,000,000",
    ),
    ("[-1, 1, Conv, [64, ks=3]]", "x.yaml:5:24: Conv takes c2, k, s, p, g, d, act, not ks. Did you mean 's' or 'k'?"),
]
"""Rows, and what is said of them once layers are looked up."""


@pytest.mark.parametrize(("row", "said"), PLANNED)
def test_error_of_a_layer_points_at_its_row(file, row, said):
    file.write_text(f"{START}  - {row}\n")
    with pytest.raises(AssemblerError) as error:
        plan({"file": "x.yaml", "input": IMAGE})
    assert str(error.value).splitlines()[0] == said


def test_error_without_mindyolo_is_one(file, monkeypatch):
    library = LAYERS.libraries["mindyolo"]
    monkeypatch.setitem(vars(library), "missing", "mindyolo")
    file.write_text(START + 2 * ROW)
    with pytest.raises(AbsentPackage) as error:
        plan({"file": "x.yaml", "input": IMAGE})
    assert str(error.value) == (
        "x.yaml:3:13: 'mindyolo.ConvNormAct' requires the package mindyolo, which is not installed: pip install "
        f"'{library.extra}'\n    - [-1, 1, Conv, [16, 3, 2]]\n              ^^^^"
    )


SAID = [
    ({}, "recipe: 'input' is missing"),
    ({"input": {"shape": [1, 3]}}, "recipe.input: a network file is for images: the input needs a shape (N, C, H, W), such as "
     "[1, 3, 640, 640]"),
    ({"stack": "ReLU", "input": IMAGE}, "recipe.file: 'stack' and 'file' cannot be combined"),
    ({"file": "???", "input": IMAGE},
     "recipe.file: recipe.file has no value yet; give it one, such as recipe.file=yolov8n.yaml"),
    ({"params": {"a": 1}, "input": IMAGE}, "recipe.params: 'params' cannot be combined with 'file'"),
    ({"file": None, "stack": "ReLU", "input": IMAGE, "scale": "n"},
     "recipe.scale: 'scale' requires 'file', a network file"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "message"), SAID)
def test_error_of_a_recipe_with_a_file(file, said, message):
    file.write_text(START + ROW)
    with pytest.raises(AssemblerError) as error:
        plan({"file": "x.yaml", **said})
    assert str(error.value) == message


# ---- names, scales, classes


def test_the_scale_is_in_the_name_of_the_file(tmp_path):
    for name in ("yolov8.yaml", "yolov8-seg.yaml"):
        shutil.copy(FILES / "ultralytics" / name, tmp_path)
    for name, scale, channels in [
        ("yolov8s.yaml", None, 32),
        ("yolov8n-seg.yaml", None, 16),
        ("yolov8n.yaml", "x", 80),
        ("yolov8.yaml", "l", 64),
    ]:
        first, *_ = read(tmp_path / name, scale=scale).wires
        assert first.body.args == (3, channels, 3, 2)
    shutil.copy(FILES / "ultralytics" / "yolov8.yaml", tmp_path / "yolov8m.yaml")
    assert read(tmp_path / "yolov8m.yaml").wires[0].body.args == (3, 48, 3, 2)


def test_classes_and_channels_take_the_place_of_the_files(tmp_path):
    graph = read(FILES / "ultralytics" / "yolov8.yaml", channels=1, scale="n", classes=7)
    assert graph.wires[0].body.args[0] == 1
    assert str(graph.wires[-1]) == (
        "Together(mindyolo.YOLOv8Head(7, 16, [8, 16, 32], [64, 128, 256])) @ (m15, m18, m21)"
    )


def test_strides_of_a_head_are_found_out(file):
    """YOLOv8 with a fourth level, whose file says nothing of strides."""
    file.write_text(
        "nc: 3\nbackbone:\n  - [-1, 1, Conv, [8, 3, 2]]\n  - [-1, 1, ADown, [8]]\n  - [-1, 1, MP, []]\n"
        "  - [-1, 1, Conv, [8, 3, s=2]]\nhead:\n  - [-1, 1, nn.Upsample, [None, 2, nearest]]\n"
        "  - [[0, 1, -1, 3], 1, Detect, [nc]]\n"
    )
    assert str(read(file).wires[-1].body) == "Together(mindyolo.YOLOv8Head(3, 16, [2, 4, 8, 16], [8, 8, 8, 8]))"


def test_a_stride_counts_as_often_as_its_row_is_repeated(file):
    """But not where a module takes the number of repeats itself."""
    file.write_text(
        "nc: 3\nbackbone:\n  - [-1, 1, Conv, [64, 3, 2]]\n  - [-1, 2, Conv, [64, 3, 2]]\n  - [-1, 2, DownC, [64]]\n"
        "head:\n  - [-1, 2, nn.Upsample, [None, 2, nearest]]\n  - [[1, 2, 3], 1, Detect, [nc]]\n"
    )
    assert str(read(file).wires[-1].body) == "Together(mindyolo.YOLOv8Head(3, 16, [8, 16, 4], [64, 64, 64]))"
    planned = plan({"file": "x.yaml", "input": {"shape": [1, 3, 64, 64]}})
    assert [shape.output.shape[2] for shape in planned.rows if shape.path in ("m1.1", "m2", "m3.1")] == [8, 4, 16]


# the row of Ultralytics', what it comes to, and the shape that torch's documentation gives for (1, 16, 20, 20)
TORCH = [
    ("nn.ReLU, [True]", "ReLU", (1, 16, 20, 20)),
    ("nn.SiLU, []", "SiLU", (1, 16, 20, 20)),
    ("nn.Hardswish, []", "HSwish", (1, 16, 20, 20)),
    ("nn.GELU, []", "GELU(approximate=False)", (1, 16, 20, 20)),
    ("nn.LeakyReLU, []", "LeakyReLU(0.01)", (1, 16, 20, 20)),
    ("nn.LeakyReLU, [0.1, True]", "LeakyReLU(0.1)", (1, 16, 20, 20)),
    ("nn.Dropout, [0.1]", "Dropout(p=0.1)", (1, 16, 20, 20)),
    ("nn.Dropout, []", "Dropout(p=0.5)", (1, 16, 20, 20)),
    ("nn.Identity, [1, a=2]", "Identity", (1, 16, 20, 20)),
    ("nn.BatchNorm2d, [99]", "BatchNorm2d(16)", (1, 16, 20, 20)),
    ("nn.MaxPool2d, [2]", "MaxPool2d(2, 2, pad_mode='pad')", (1, 16, 10, 10)),
    ("nn.MaxPool2d, [3, 2, 1]", "MaxPool2d(3, 2, padding=1, pad_mode='pad')", (1, 16, 10, 10)),
    ("nn.MaxPool2d, [3, None, 0, 1, False, True]",
     "MaxPool2d(3, 3, padding=0, dilation=1, return_indices=False, ceil_mode=True, pad_mode='pad')", (1, 16, 7, 7)),
    ("nn.AvgPool2d, [3]", "AvgPool2d(3, 3, pad_mode='pad')", (1, 16, 6, 6)),
    ("nn.ZeroPad2d, [[0, 1, 0, 1]]", "ZeroPad2d((0, 1, 0, 1))", (1, 16, 21, 21)),
    ("nn.AdaptiveAvgPool2d, [1]", "AdaptiveAvgPool2d(1)", (1, 16, 1, 1)),
    ("nn.Flatten, []", "Flatten", (1, 6400)),
    ("nn.Linear, [20, 5]", "Dense(20, 5)", (1, 16, 20, 5)),
    ("nn.Conv2d, [16, 8, 3, 2]", "Conv2d(16, 8, 3, 2, pad_mode='pad', has_bias=True)", (1, 8, 9, 9)),
    ("nn.Conv2d, [16, 8, 3, 1, 1, bias=False]",
     "Conv2d(16, 8, 3, 1, padding=1, has_bias=False, pad_mode='pad')", (1, 8, 20, 20)),
    ("nn.ConvTranspose2d, [8, 2, 2, 0]",
     "Conv2dTranspose(16, 8, 2, 2, padding=0, pad_mode='pad', has_bias=True)", (1, 8, 40, 40)),
]  # fmt: skip


@pytest.mark.parametrize(("row", "line", "shape"), TORCH, ids=[row for row, *_ in TORCH])
def test_torchs_layers_are_mindspores_of_the_same_meaning(file, row, line, shape):
    file.write_text(f"{START}  - [-1, 1, {row}]\n")
    assert str(read(file).wires[-1].body) == line
    recipe = {"file": "x.yaml", "input": {"shape": [1, 3, 40, 40]}}
    assert plan(recipe).output.shape == shape
    assert assemble(recipe)(Tensor(np.ones((1, 3, 40, 40), np.float32))).shape == shape


def test_strides_of_torchs_layers_count(file):
    file.write_text(
        "nc: 3\nbackbone:\n  - [-1, 1, nn.MaxPool2d, [2]]\n  - [-1, 1, nn.Conv2d, [3, 8, 3, 4, 1]]\nhead:\n"
        "  - [-1, 1, nn.ConvTranspose2d, [8, 2, 2, 0]]\n  - [[0, 1, 2], 1, Detect, [nc]]\n"
    )
    assert str(read(file).wires[-1].body) == "Together(mindyolo.YOLOv8Head(3, 16, [2, 8, 4], [3, 8, 8]))"


def test_nn_is_mindspores_in_a_file_of_mindyolos(file):
    rows = [[-1, 1, "nn.MaxPool2d", [2]], [-1, 1, "nn.Conv2d", [16, 3]], [-1, 1, "nn.Dropout", [0.9]]]
    file.write_text(yaml.safe_dump({"network": {"backbone": rows, "head": [[-1, 1, "RepNCSP", [16, 16]]]}}))
    lines = [str(wire.body) for wire in read(file).wires]
    assert lines == ["MaxPool2d(2)", "Conv2d(3, 16, 3)", "Dropout(0.9)", "mindyolo.RepNCSP(16, 16)"]


def test_a_module_that_mindyolo_lacks_is_ones_own_with_the_flow_of_ultralytics(file):
    registry = Registry(shipped=True, installed=True)
    for name in ("C2", "OBB", "GhostConv"):
        registry.register("assembler.layers.add.Add", name=name)
    file.write_text(
        f"{START}  - [-1, 2, C2, [30, True]]\n  - [-1, 1, GhostConv, [8, 1, 2]]\n  - [[1, 2], 1, OBB, [nc, 1]]\n"
    )
    lines = [str(wire.body) for wire in read(file, registry=registry).wires[1:]]
    assert lines == ["C2(16, 32, 2, True)", "GhostConv(32, 8, 1, 2)", "Together(OBB(80, 1, [32, 8]))"]


def test_modules_of_ones_own_keep_their_arguments_and_channels(file):
    file.write_text(f"{START}  - [-1, 2, Tanh, []]\n  - [-1, 1, nn.ReLU, []]\n  - [-1, 1, Conv, [8]]\n")
    lines = [str(wire) for wire in read(file).wires]
    assert lines[1:] == ["(2 * Tanh) @ m0", "ReLU @ m1", "mindyolo.ConvNormAct(16, 8) @ m2"]


def test_the_file_in_the_docs_reads_as_they_say(file):
    docs = (ROOT / "docs" / "recipes.md").read_text()
    (shown,) = re.findall(r"```yaml\n(nc: .*?)```", docs, re.DOTALL)
    file.write_text(shown)
    lines = read(file, scale="n").wires
    assert f"{lines[4].name}: {lines[4]}" in docs
    assert plan({"file": "x.yaml", "scale": "n", "input": IMAGE}).output[1][0].shape == (1, 144, 160, 160)


def test_the_docs_name_the_modules_that_are_known():
    docs = (ROOT / "docs" / "recipes.md").read_text()
    section = docs.split("## Bring your YOLO file", 1)[1].split("\n## ", 1)[0]
    (told,) = re.findall(r"Of Ultralytics', (.*?) are MindYOLO's Cells", section, re.DOTALL)
    assert set(re.findall(r"`(.*?)`", told)) <= set(MODULES)


# ---- files


def test_error_of_a_recipe_file_points_at_a_key(file):
    file.write_text("name: a\ninput: {shape: [1, 3, 64, 64]}\nstack: ReLU\nfile: y.yaml\n")
    with pytest.raises(AssemblerError) as error:
        plan(file)
    assert str(error.value).splitlines()[0] == "x.yaml:4:1: 'stack' and 'file' cannot be combined"


def test_error_of_the_recipe_whose_file_is_still_to_be_given():
    with pytest.raises(SettingsError) as error:
        plan(ROOT / "conf" / "recipe" / "yolo.yaml")
    assert str(error.value).partition(": ")[2].splitlines()[0] == (
        "recipe.file has no value yet; give it one, such as recipe.file=yolov8n.yaml"
    )


def test_a_network_file_in_a_recipes_place_is_read_as_one(file, run):
    file.write_text(START + ROW)
    named = plan({"file": "x.yaml", "input": {"shape": [1, 3, 640, 640]}})
    assert str(plan(file)) == str(plan(file, input=(1, 3, 640, 640))) == str(named)
    assert CliRunner().invoke(app, ["validate", "x.yaml"]).exit_code == 0
    assert f"{named.trainable:,} trainable" in CliRunner().invoke(app, ["show", "x.yaml"]).stdout
    done = run("recipe=x.yaml", "task=plan")
    assert (done.code, done.err) == (0, "")
    assert f"{named.trainable:,} trainable parameters" in done.out


def test_watch_looks_at_the_network_file_and_its_bases(file, tmp_path):
    file.write_text("__BASE__: [sub/y.yaml, z.yaml]\n")
    (tmp_path / "sub").mkdir()
    Path("sub/y.yaml").write_text("__BASE__: ../x.yaml\n")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("input: {shape: [1, 3, 64, 64]}\nfile: x.yaml\n")
    watched = {path.resolve() for path in files_of(recipe, Project(ROOT / "conf"))}
    assert {tmp_path / name for name in ("recipe.yaml", "x.yaml", "sub/y.yaml", "z.yaml")} <= watched
    assert files_of(tmp_path / "none.yaml", Project(ROOT / "conf"))[0] == tmp_path / "none.yaml"


# ---- runs


@pytest.fixture
def here(tmp_path):
    shutil.copy(FILES / "ultralytics" / "yolov8.yaml", tmp_path)


def test_a_run_leaves_a_recipe_that_plans_to_the_same(run, here):
    done = run("task=plan", "recipe=yolo", "recipe.file=yolov8n.yaml", "+recipe.expect.trainable=3157184")
    assert (done.code, done.err) == (0, "")
    left = yaml.safe_load((done.folder / "recipe.yaml").read_text())
    assert left["graph"]["m1"] == "mindyolo.ConvNormAct(16, 32, 3, 2) @ m0"
    assert "file" not in left
    assert plan(done.folder / "recipe.yaml").trainable == 3157184


def test_a_network_passes_its_checks(run, here):
    done = run("recipe=yolo", "recipe.file=yolov8n.yaml", "recipe.input.shape=[1,3,64,64]")
    assert (done.code, done.err) == (0, "")


@pytest.mark.slow
def test_a_network_agrees_in_both_modes_and_is_written_as_python(run, here):
    small = ("recipe=yolo", "recipe.file=yolov8n.yaml", "recipe.input.shape=[1,3,64,64]")
    assert run(*small, "checks=none", "+checks.run={modes: {}, reload: {}, output: {}}").code == 0
    assert run(*small, "task=eject").code == 0


@pytest.mark.slow
def test_a_sweep_goes_over_scales(run, here):
    done = run("-m", "task=plan", "recipe=yolo", "recipe.file=yolov8.yaml", "recipe.scale=n,s")
    assert (done.code, done.err) == (0, "")
    jobs = json.loads((done.folder / "sweep.json").read_text())["jobs"]
    assert [job["plan"]["trainable"] for job in jobs] == [3_157_184, 11_166_544]


def test_error_of_a_run_points_at_the_file_or_the_command_line(run, here, tmp_path):
    (tmp_path / "x.yaml").write_text(f"{START}  - [-1, 1, C2F, [64]]\n")
    for arguments, said in [
        ((), "recipe.file has no value yet; give it one, such as recipe.file=yolov8n.yaml"),
        (
            ("recipe.file=yolov8.yaml", "recipe.scale=q"),
            "override recipe.scale=q: yolov8.yaml has no scale 'q'. It has n, s, m, l, x.",
        ),
        (("recipe.file=x.yaml",), "x.yaml:5:13: no module named 'C2F'. Did you mean 'C2f'"),
    ]:
        done = run("task=plan", "recipe=yolo", *arguments)
        assert done.code == 2
        assert said in done.err.splitlines()[0]
