"""What the rows of a network file mean: the arguments of other projects' modules, heads, keys, and modules of one's own."""

import logging
import re
import warnings
from pathlib import Path

import mindspore
import pytest
import yaml
from mindspore import nn

from assembler import Registry, plan
from assembler.errors import AssemblerError, BadTarget, SettingsError, UnknownLayer
from assembler.yolo import read_network
from assembler.yolo.modules import ABSENT, MODULES, UNUSUAL
from assembler.yolo.ultralytics import ULTRALYTICS
from tests.conftest import ROOT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mindyolo.models  # noqa: F401
    from mindyolo.models.model_factory import parse_model
    from mindyolo.utils.config import Config, load_config

START = "nc: 80\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\nhead:\n"
IMAGE = {"shape": [1, 3, 64, 64]}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """MindYOLO logs each string that it keeps."""
    monkeypatch.setattr(logging.getLogger("mindyolo"), "level", logging.ERROR)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("x.yaml")


def read(file, channels=3, **given):
    return read_network(str(file), channels=channels, **given)


def last(file, text, **given):
    """The last line of a network."""
    file.write_text(text)
    return str(read(file, **given).wires[-1].body)


def message(file, text, **given):
    """The first line of the error of a network."""
    with pytest.raises(AssemblerError) as error:
        last(file, text, **given)
    return str(error.value).splitlines()[0]


# ---- MindYOLO's modules

ANCHORS = [[10.0, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119]]

# from, repeats, arguments; row 0 emits 16 channels, row 1 as many as it takes
MINDYOLO_ROWS = {
    "ConvNormAct": (-1, 2, [16, 3, 1, None, 1, 1, "act=nn.ReLU()"]),
    "DWConvNormAct": (-1, 1, [24, 3, 2]),
    "Residualblock": (-1, 2, [16]),
    "DWBottleneck": (-1, 1, [16, False]),
    "DWC3": (-1, 2, [24]),
    "Upsample": (-1, 1, ["None", 2, "nearest"]),
    "Identity": (-1, 1, []),
    "Swish": (-1, 1, []),
    "Shortcut": ([-1, 0], 1, []),
    "ReOrg": (-1, 1, []),
    "MaxPool2d": (-1, 1, [2, 2]),
    "YOLOv3Head": ([-1, 0], 1, ["nc", "anchors", "stride"]),
    "YOLOv4Head": ([-1, 0, -1], 1, ["nc", [[10, 13]] * 9]),
    "YOLOv5Head": ([-1, 0], 1, ["nc", 3, "stride"]),
    "YOLOv7Head": ([-1, 0], 1, ["nc", "anchors", "stride"]),
    "YOLOv7AuxHead": ([-1, 0, -1, 0], 1, ["nc", "anchors", "stride"]),
    "YOLOv8Head": ([-1, 0], 1, ["nc", "reg_max", "stride"]),
    "YOLOv8SegHead": ([-1, 0], 1, ["nc", "reg_max", 32, 64, "stride"]),
    "YOLOv9Head": ([-1, 0, -1, 0], 1, ["nc", "reg_max", "stride"]),
    "YOLOv10Head": ([-1, 0], 1, ["nc", "reg_max", "stride"]),
    "YOLOv11Head": ([-1, 0], 1, ["nc", "reg_max", "stride"]),
    "Focus": (-1, 1, [24, 3]),
    "Bottleneck": (-1, 3, [16]),
    "C3": (-1, 3, [24, False]),
    "C2f": (-1, 3, [24, True]),
    "C2fCIB": (-1, 2, [32, True, True]),
    "C3k2": (-1, 2, [24, False, 0.25]),
    "C2PSA": (-1, 2, [128]),
    "PSA": (-1, 1, [128]),
    "SPPF": (-1, 1, [24, 5]),
    "SPPCSPC": (-1, 1, [24]),
    "SPPELAN": (-1, 1, [24, 8]),
    "ELAN1": (-1, 1, [24, 16, 8]),
    "RepNCSPELAN4": (-1, 1, [24, 16, 8, 2]),
    "RepConv": (-1, 1, [24, 3, 1]),
    "AConv": (-1, 1, [24]),
    "ADown": (-1, 1, [24]),
    "DownC": (-1, 1, [24]),
    "SCDown": (-1, 1, [24, 3, 2]),
    "MP": (-1, 1, []),
    "SP": (-1, 1, [5]),
    "Concat": ([-1, 0], 1, [1]),
    "CBLinear": (-1, 1, [[16, 24]]),
    "CBFuse": ([-1, 0], 1, [[0]]),
    "nn.Conv2d": (-1, 1, [24, 3]),
    "nn.BatchNorm2d": (-1, 1, [99]),
    "nn.SyncBatchNorm": None,  # needs a process group
    "nn.MaxPool2d": (-1, 1, [2, 2]),
    "YOLOXHead": None,  # refused: see tests/test_yolo.py
}


def test_every_module_of_mindyolo_has_a_case():
    ultralytics = {"Conv", "DWConv", "nn.Upsample", "Silence", "Detect", "v10Detect", "Segment"}
    assert set(MINDYOLO_ROWS) == set(MODULES) - ultralytics


@pytest.mark.parametrize("scale", ["s", pytest.param("m", marks=pytest.mark.slow)])  # C3k2 depends on it
@pytest.mark.parametrize("name", [name for name, row in MINDYOLO_ROWS.items() if row])
def test_each_module_has_as_many_parameters_as_in_mindyolo(file, name, scale):
    """Of the row itself, and of one behind it, which takes what it emits."""
    sources, number, args = MINDYOLO_ROWS[name]
    wide = 128 if "PSA" in name else 16  # its attention has a head for 64 channels each
    said = {
        "depth_multiple": 0.67, "width_multiple": 1.0, "max_channels": 512, "scale": scale, "reg_max": 16,
        "anchors": ANCHORS, "stride": [2, 2],
        "backbone": [[-1, 1, "ConvNormAct", [wide, 3, 2]], [-1, 1, "ConvNormAct", [wide, 3, 1]]],
        "head": [[sources, number, name, args]],
    }  # fmt: skip
    if not name.endswith("Head") and name != "CBLinear":
        said["head"].append([-1, 1, "ConvNormAct", [8, 1]])
    if name == "CBFuse":
        said["head"][:1] = [[0, 1, "CBLinear", [[16, 24]]], [[-1, 1], 1, name, args]]
    file.write_text(yaml.safe_dump({"network": said, "data": {"nc": 7}}))
    given, _, _ = load_config(str(file))
    with mindspore.DeviceCtx("meta"):
        cells, _, _ = parse_model(Config(given["network"]), [3], 7)
    planned = plan({"file": "x.yaml", "input": IMAGE})
    assert planned.trainable == sum(one.size for one in cells.trainable_params())


@pytest.mark.parametrize("size", [64, 320, 608, 640])
def test_the_head_of_yolov4_plans_at_the_sizes_that_it_is_trained_with(file, size):
    """The meta device lacks an operator of it, so that it is run on zeros, at its real size."""
    rows = [[-1, 1, "ConvNormAct", [channels, 1, stride]] for channels, stride in ((256, 8), (512, 2), (1024, 2))]
    head = [[[2, 1, 0], 1, "YOLOv4Head", ["nc", [[10, 13]] * 9]]]
    file.write_text(yaml.safe_dump({"network": {"backbone": rows, "head": head}, "data": {"nc": 80}}))
    planned = plan({"file": "x.yaml", "input": {"shape": [1, 3, size, size]}})
    boxes = 3 * sum((size // stride) ** 2 for stride in (8, 16, 32))
    assert planned.output[0].shape == (1, boxes, 85)


# ---- Ultralytics' modules

# the row in Ultralytics' form behind 16 channels, and MindYOLO's Cell
TRANSLATED = [
    ("Bottleneck, [64]", "mindyolo.Bottleneck(16, 64, k=(3, 3))"),
    ("Bottleneck, [64, False]", "mindyolo.Bottleneck(16, 64, False, k=(3, 3))"),
    ("Bottleneck, [64, True, 1, [1, 3]]", "mindyolo.Bottleneck(16, 64, True, k=[1, 3])"),
    ("Bottleneck, [64, True, 1, [3, 3], 1.0]", "mindyolo.Bottleneck(16, 64, True, k=[3, 3], e=1.0)"),
    ("Focus, [64, 3, 1, None, 1, False]", "mindyolo.Focus(16, 64, 3, 1, act=False)"),
    ("SPPF, [64, 5, 3, False]", "mindyolo.SPPF(16, 64, 5)"),
    ("SPPELAN, [64, 32, 5]", "mindyolo.SPPELAN(16, 64, 32)"),
    ("RepNCSPELAN4, [64, 32, 16, n=2]", "mindyolo.RepNCSPELAN4(16, 64, 32, 16, 2)"),
    ("C3k2, [64, False, 0.25, 1, False]", "mindyolo.C3k2(16, 64, 1, False, 0.25, 1, False)"),
    ("Conv, [64, 3, 2, 1, 2, 1, False]", "mindyolo.ConvNormAct(16, 64, 3, 2, 1, 2, 1, False)"),
    ("nn.Upsample, [None, 2, nearest, False]", "mindyolo.Upsample(None, 2, 'nearest')"),
    ("Silence, []", "Identity"),
]


@pytest.mark.parametrize(("row", "line"), TRANSLATED, ids=[row for row, _ in TRANSLATED])
def test_a_row_of_ultralytics_is_mindyolos_cell_of_the_same_meaning(file, row, line):
    assert last(file, f"{START}  - [-1, 1, {row}]\n") == line


# with anchors in the file: as in the repositories of YOLOv3, v5 and v7
ANCHORED = [
    ("Bottleneck, [64]", "mindyolo.Bottleneck(16, 64)"),
    ("Bottleneck, [64, False]", "mindyolo.Bottleneck(16, 64, False)"),
    ("Bottleneck, [64, True, 1, 1.0]", "mindyolo.Bottleneck(16, 64, True, e=1.0)"),
    ("C3, [64, False]", "mindyolo.C3(16, 64, 1, False)"),
]


@pytest.mark.parametrize(("row", "line"), ANCHORED, ids=[row for row, _ in ANCHORED])
def test_a_row_of_a_file_with_anchors_is_as_in_yolov5s_repository(file, row, line):
    assert last(file, f"anchors: 3\n{START}  - [-1, 1, {row}]\n") == line


def test_yolov3_with_anchors_has_as_many_parameters_as_its_repository_prints(file):
    text = (ROOT / "tests" / "yolo" / "ultralytics" / "yolov3.yaml").read_text()
    file.write_text("anchors: 3\n" + text.replace("Detect, [nc]", "Detect, [nc, anchors]"))
    assert plan({"file": "x.yaml", "input": {"shape": [1, 3, 640, 640]}}).trainable == 61_949_149


def test_every_module_of_both_has_ultralytics_arguments_in_its_files():
    own = {"Detect", "v10Detect", "Segment"}  # assembler.yolo.heads has theirs
    start = list(MODULES).index("Focus")
    both = {name for name in list(MODULES)[start:] if not name.startswith("nn.")}
    assert set(ULTRALYTICS) == (both | {"ReOrg"}) - own


# the row, and the message behind its place
REFUSED = [
    ("Bottleneck, [64, True, 2]", "Bottleneck is built with g = 1 only, not 2"),
    ("Focus, [64, 3, 1, 1]", "Focus is built with p = None only, not 1"),
    ("SPPF, [64, 5, 3, True]", "SPPF is built with shortcut = False only, not True"),  # YOLO26's
    ("C3k2, [64, True, 0.5, True]", "C3k2 is built with g = 1 only, not True"),  # YOLO26's attention
    ("SPPELAN, [64, 32, 7]", "SPPELAN is built with k = 5 only, not 7"),
    ("Conv, [64, 3, 1, 1, 1, 1, True, 0.9]", "Conv takes c2, k, s, p, g, d, act, not 8 arguments"),
    ("C2f, [64, True, 1, 0.5, 0.97]", "C2f takes c2, shortcut, g, e, not 5 arguments"),
    ("Conv, [64, 3, k=1]", "Conv is given k twice"),
    ("nn.Dropout, [0.5, p=0.1]", "nn.Dropout is given p twice"),
    ("Silence, [1]", "Silence takes no arguments, not 1 argument"),
    ("nn.Upsample, [None, 2, bilinear, True]", "nn.Upsample is built with align_corners = None or False only, not True"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "said"), REFUSED, ids=[row for row, _ in REFUSED])
def test_error_of_an_argument_that_mindyolos_cell_lacks(file, row, said):
    assert message(file, f"{START}  - [-1, 1, {row}]\n").partition(": ")[2] == said


def test_the_arguments_of_mindyolos_files_are_mindyolos(file):
    rows = [[-1, 1, "Bottleneck", [16, True, [3, 3], [2, 2]]], [-1, 1, "SPPF", [16, 5, False]]]
    file.write_text(yaml.safe_dump({"network": {"backbone": rows[:1], "head": rows[1:]}}))
    assert [str(wire.body) for wire in read(file).wires] == [
        "mindyolo.Bottleneck(3, 16, True, [3, 3], [2, 2])",
        "mindyolo.SPPF(16, 16, 5, False)",
    ]


# ---- channels that are not scaled

HALF = "width_multiple: 0.25\n"

# keys of the file, the row behind 8 channels, the line: 0.25 of 80 is 24
EMITTED = [
    ("nc: 80\n", "Classify, [nc]", "Classify(8, 80)"),
    ("nc: 80\n", "Conv, [80]", "mindyolo.ConvNormAct(8, 80)"),
    ("nc: 80\n", "Conv, [81]", "mindyolo.ConvNormAct(8, 24)"),
    ("nc: 64\n", "C2f, [64, True]", "mindyolo.C2f(8, 64, 1, True)"),
    ("nc: 64\nanchors: 3\n", "Conv, [64]", "mindyolo.ConvNormAct(8, 16)"),
    ("nc: 64\nanchors: 3\n", "Conv, [207]", "mindyolo.ConvNormAct(8, 207)"),
    ("nc: 1\nanchors: [[1, 2, 3, 4]]\n", "Conv, [12]", "mindyolo.ConvNormAct(8, 12)"),
]


@pytest.mark.parametrize(("keys", "row", "line"), EMITTED)
def test_classes_are_not_scaled_in_ultralytics_files(file, keys, row, line):
    registry = Registry(shipped=True, installed=True)
    registry.register("assembler.layers.add.Add", name="Classify")
    text = f"{keys}{HALF}backbone:\n  - [-1, 1, Conv, [32, 3, 2]]\nhead:\n  - [-1, 1, {row}]\n"
    assert last(file, text, registry=registry) == line


def test_the_classes_that_a_recipe_gives_are_not_scaled_either(file):
    text = f"nc: 80\n{HALF}backbone:\n  - [-1, 1, Conv, [32, 3, 2]]\nhead:\n  - [-1, 1, Conv, [64]]\n"
    assert last(file, text, classes=64) == "mindyolo.ConvNormAct(8, 64)"
    assert last(file, text) == "mindyolo.ConvNormAct(8, 16)"


def test_mindyolo_scales_all_channels(file):
    rows = {"backbone": [[-1, 1, "ConvNormAct", [32]]], "head": [[-1, 1, "ConvNormAct", [80]]]}
    text = yaml.safe_dump({"network": {"width_multiple": 0.25, **rows}, "data": {"nc": 80}})
    assert last(file, text) == "mindyolo.ConvNormAct(8, 24)"


@pytest.mark.parametrize(("scale", "end"), [("n", ""), ("m", ""), ("l", ", True, 1.2"), ("x", ", True, 1.2")])
def test_the_larger_scales_of_a2c2f_are_residual(file, scale, end):
    registry = Registry(shipped=True, installed=True)
    registry.register("assembler.layers.add.Add", name="A2C2f")
    text = f"scales: {{{scale}: [1, 1, 1024]}}\n{START}  - [-1, 4, A2C2f, [32, True, 4]]\n"
    assert last(file, text, registry=registry, scale=scale) == f"A2C2f(16, 32, 4, True, 4{end})"


# ---- heads

# rows between, the head, MindYOLO's; row 0 emits 16 channels at the stride 2
HEADS = [
    ("", "Detect, [nc]", "YOLOv8Head(80, 16, [2], [16])"),
    ("C2f", "Detect, [nc]", "YOLOv8Head(80, 16, [2], [16])"),
    ("C3k2", "Detect, [nc]", "YOLOv11Head(80, 16, [2], [16])"),
    ("C2fCIB", "Detect, [nc]", "YOLOv11Head(80, 16, [2], [16])"),
    ("A2C2f", "Detect, [nc]", "YOLOv11Head(80, 16, [2], [16])"),
    ("C2fCIB", "v10Detect, [nc]", "YOLOv10Head(80, 16, [2], [16])"),
    ("", "Segment, [nc, 32, 256]", "YOLOv8SegHead(80, 16, 32, 256, [2], [16])"),
]


@pytest.mark.parametrize(("between", "head", "line"), HEADS)
def test_the_head_is_what_ultralytics_builds(file, between, head, line):
    registry = Registry(shipped=True, installed=True)
    registry.register("assembler.layers.add.Add", name="A2C2f")
    rows = f"  - [-1, 1, {between}, [16]]\n" if between else ""
    assert last(file, f"{START}{rows}  - [[-1], 1, {head}]\n", registry=registry) == f"Together(mindyolo.{line})"


def test_the_classes_of_the_newer_head_are_depthwise(file):
    """Counted by hand as Ultralytics' ``Detect`` builds it, for c = 16 channels, 80 classes and 64 box channels."""
    file.write_text(f"{START}  - [-1, 1, C2fCIB, [16]]\n  - [[-1], 1, Detect, [nc]]\n")
    head = plan({"file": "x.yaml", "input": IMAGE}).rows[-1].trainable

    def conv(c1, c2, k, g=1):
        return c1 * c2 * k * k // g + 2 * c2  # with the scale and the shift of its BatchNorm

    boxes = conv(16, 64, 3) + conv(64, 64, 3) + 64 * 64 + 64
    classes = conv(16, 16, 3, 16) + conv(16, 80, 1) + conv(80, 80, 3, 80) + conv(80, 80, 1) + 80 * 80 + 80
    assert head == boxes + classes


@pytest.mark.parametrize(("keys", "bins"), [("", 16), ("reg_max: 1\n", 1), ("reg_max: 8\n", 8), ("reg_max: 32\n", 32)])
@pytest.mark.parametrize("head", ["Detect", "v10Detect"])
def test_reg_max_of_the_file_is_the_heads(file, keys, bins, head):
    name = "YOLOv8Head" if head == "Detect" else "YOLOv10Head"
    assert (
        last(file, f"{keys}{START}  - [[0], 1, {head}, [nc]]\n") == f"Together(mindyolo.{name}(80, {bins}, [2], [16]))"
    )


OF_BOTH = "with 300 classes MindYOLO's Detect is wider than Ultralytics'; to have MindYOLO's, write YOLOv8Head, [300, 16, [2]]"

# keys, the head, the message behind its place
HEADS_REFUSED = [
    ("anchors: 3\n", "Segment, [nc, 32, 256]", "MindYOLO has Segment without anchors only; the file has anchors"),
    (
        "anchors: 3\n",
        "Segment, [nc, anchors, 32, 256]",
        "MindYOLO has Segment without anchors only; the file has anchors",
    ),
    ("anchors: 3\n", "v10Detect, [nc]", "MindYOLO has v10Detect without anchors only; the file has anchors"),
    ("anchors: 3\n", "Detect, [nc]", "MindYOLO has Detect without anchors only; the file has anchors"),
    ("anchors: 3\nreg_max: 8\n", "Detect, [nc, anchors]", "a Detect with anchors has no reg_max; the file has both"),
    ("", "Segment, [nc]", "Segment takes [nc, masks, channels of the masks] here"),
    ("", "Segment, [nc, 32, x]", "Segment takes [nc, masks, channels of the masks] here"),
    ("", "v10Detect, [nc, 3]", "v10Detect takes [nc] here"),
    ("", "Detect, [nc, 3, 4]", "Detect takes [nc] here"),
    ("", "Detect, [300]", OF_BOTH),
    ("reg_max: x\n", "Detect, [nc]", "reg_max is an integer above 0, not 'x'"),
    ("reg_max: 0\n", "Detect, [nc]", "reg_max is an integer above 0, not 0"),
]


@pytest.mark.parametrize(("keys", "head", "said"), HEADS_REFUSED)
def test_error_of_a_head_that_mindyolo_lacks(file, keys, head, said):
    assert message(file, f"{keys}{START}  - [[0], 1, {head}]\n").partition(": ")[2] == said


def test_more_classes_than_100_are_fine_where_both_heads_are_as_wide(file):
    text = f"{START}  - [-1, 1, Conv, [320]]\n  - [[-1], 1, Detect, [300]]\n"
    assert last(file, text) == "Together(mindyolo.YOLOv8Head(300, 16, [2], [320]))"
    assert (
        last(file, f"{START}  - [[0], 1, v10Detect, [300]]\n") == "Together(mindyolo.YOLOv10Head(300, 16, [2], [16]))"
    )


# ---- keys

ROW = "  - [-1, 1, Conv, [64]]\n"
UNKNOWN = "is not a known key of Ultralytics' networks; remove it if no layer depends on it."

# a line of the file, the message
KEYS_REFUSED = [
    ("end2end: true", "x.yaml:1:10: MindYOLO has no head with end2end but v10Detect, which has it without the key"),
    ("ch: 1", "x.yaml:1:5: ch is 1, and the recipe's input has 3: set recipe.input.shape"),
    ("channels: 4", "x.yaml:1:11: channels is 4, and the recipe's input has 3: set recipe.input.shape"),
    ("channels: x", "x.yaml:1:11: channels is 'x', and the recipe's input has 3: set recipe.input.shape"),
    ("text_model: clip", f"x.yaml:1:13: 'text_model' {UNKNOWN}"),
    (
        "widht_multiple: 0.5",
        f"x.yaml:1:17: 'widht_multiple' {UNKNOWN} Did you mean 'width_multiple' or 'depth_multiple'?",
    ),
    ("data: {nc: 3}", f"x.yaml:1:7: 'data' {UNKNOWN}"),
    ("activation: nn.ReLU()", "x.yaml:1:13: MindYOLO's Cells have SiLU inside and take no other activation"),
]


@pytest.mark.parametrize(("line", "said"), KEYS_REFUSED)
def test_error_of_a_key_whose_effect_is_not_known(file, line, said):
    assert message(file, f"{line}\n{START}{ROW}") == said


@pytest.mark.parametrize(
    "line",
    ["end2end: false", "ch: 3", "channels: 3", "inplace: true", "task: detect", "names: {0: a}", "kpt_shape: [17, 3]"],
)
def test_keys_that_leave_the_layers_as_they_are(file, line):
    assert last(file, f"{line}\n{START}{ROW}") == "mindyolo.ConvNormAct(16, 64)"


@pytest.mark.parametrize("name", ["ch", "end2end", "sync_bn", "widht_multiple"])
def test_error_of_a_key_that_mindyolos_networks_lack(file, name):
    rows = "  backbone: [[-1, 1, ConvNormAct, [8]]]\n  head: [[-1, 1, ConvNormAct, [8]]]\n"
    found = message(file, f"sync_bn: True\nepochs: 3\nnetwork:\n  {name}: 3\n{rows}")
    assert found.startswith(f"x.yaml:4:{len(name) + 5}: {name!r} is not a known key of MindYOLO's networks; ")


def test_all_unknown_keys_are_reported(file):
    file.write_text(f"a: 1\nb: 2\n{START}{ROW}")
    with pytest.raises(AssemblerError) as error:
        read(file)
    assert [str(one).partition(" is")[0] for one in error.value.mistakes] == ["x.yaml:1:4: 'a'", "x.yaml:2:4: 'b'"]


def test_the_scale_of_a_file_is_chosen_unless_its_name_or_the_recipe_chooses(tmp_path):
    text = f"scale: s\nscales: {{n: [1, 0.5], s: [1, 1], m: [1, 2]}}\n{START}  - [-1, 1, Conv, [64]]\n"
    assert last(tmp_path / "x.yaml", text) == "mindyolo.ConvNormAct(16, 64)"
    assert last(tmp_path / "yolov8n.yaml", text) == "mindyolo.ConvNormAct(8, 32)"
    assert last(tmp_path / "yolov8n.yaml", text, scale="m") == "mindyolo.ConvNormAct(32, 128)"


def test_the_shape_of_keypoints_is_a_name(file):
    registry = Registry(shipped=True, installed=True)
    registry.register("assembler.layers.add.Add", name="Pose")
    text = f"kpt_shape: [17, 3]\n{START}  - [[0], 1, Pose, [nc, kpt_shape]]\n"
    assert last(file, text, registry=registry) == "Together(Pose(80, [17, 3], [16]))"


# ---- modules of one's own


class _Emits(nn.Cell):
    """Map (N, c1, H, W) to (N, c2, H / s, W / s)."""

    def __init__(self, c1, c2, k=1, s=1):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, pad_mode="pad", padding=k // 2)

    def construct(self, x):
        return self.conv(x)


class _Repeats(nn.Cell):
    """The same, with n convolutions inside."""

    def __init__(self, c1, c2, n=1, shortcut=False):
        super().__init__()
        self.inner = nn.SequentialCell([nn.Conv2d(c1 if i == 0 else c2, c2, 1) for i in range(n)])

    def construct(self, x):
        return self.inner(x)


class _Keeps(nn.Cell):
    """Map (N, channels, H, W) to the same shape."""

    def __init__(self, channels, factor=2):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def construct(self, x):
        return self.conv(x)


class _Last(nn.Cell):
    """Map (N, in_channels, H, W) to (N, out_channels, H, W), with the depth in front of both."""

    def __init__(self, depth, in_channels, out_channels):
        super().__init__()
        self.inner = nn.SequentialCell([nn.Conv2d(in_channels, out_channels, 1) for _ in range(depth)][:1])

    def construct(self, x):
        return self.inner(x)


# the Cell, its row in the registry, the row in the file behind 8 channels at width 0.5, its line, what it emits
CUSTOM = [
    (_Emits, None, "-1, 1, Mine, [64]", "Mine(8, 32)", 32),
    (_Emits, None, "-1, 1, Mine, [64, 3, 2]", "Mine(8, 32, 3, 2)", 32),
    (_Emits, ["c1", "c2"], "-1, 1, Mine, [64]", "Mine(8, 32)", 32),
    (_Emits, ["c1"], "-1, 1, Mine, [8]", "Mine(8, 8)", 8),
    (_Emits, [], "-1, 1, Mine, [8, 8]", "Mine(8, 8)", 8),
    (_Emits, None, "-1, 2, Mine, [16]", "2 * Mine(8, 8)", 8),
    (_Repeats, None, "-1, 3, Mine, [64, True]", "Mine(8, 32, 3, True)", 32),
    (_Repeats, ["c1", "c2"], "-1, 1, Mine, [64, 2]", "Mine(8, 32, 2)", 32),
    (_Keeps, ["c1"], "-1, 1, Mine, []", "Mine(8)", 8),
    (_Keeps, ["c1"], "-1, 2, Mine, [4]", "2 * Mine(8, 4)", 8),
    (_Keeps, None, "-1, 1, Mine, [8]", "Mine(8)", 8),
    (_Last, ["n", "c1", "c2"], "-1, 3, Mine, [64]", "Mine(3, 8, 32)", 32),
]


@pytest.mark.parametrize(("cell", "row", "written", "line", "emitted"), CUSTOM)
@pytest.mark.parametrize("form", ["Ultralytics", "MindYOLO"])
def test_a_module_of_ones_own_takes_and_emits_channels(file, cell, row, written, line, emitted, form):
    registry = Registry(shipped=True, installed=True)
    registry.register(cell, name="Mine", **({} if row is None else {"row": row}))
    conv = "Conv" if form == "Ultralytics" else "ConvNormAct"
    text = f"width_multiple: 0.5\nbackbone:\n  - [-1, 1, {conv}, [16]]\nhead:\n  - [{written}]\n  - [-1, 1, {conv}, [20]]\n"
    file.write_text(text if form == "Ultralytics" else "network:\n  " + text.replace("\n", "\n  "))
    lines = [str(wire.body) for wire in read(file, registry=registry).wires]
    assert lines[1:] == [line, f"mindyolo.ConvNormAct({emitted}, 16)"]
    planned = plan({"file": "x.yaml", "input": {"shape": [1, 3, 16, 16]}}, registry=registry)
    assert planned.output.shape[1] == 16


@pytest.mark.parametrize(("args", "stride"), [("[16]", 2), ("[16, 3, 2]", 4), ("[16, 3, s=4]", 8), ("[16, 3]", 2)])
def test_the_stride_of_a_module_of_ones_own_counts(file, args, stride):
    registry = Registry(shipped=True, installed=True)
    registry.register(_Emits, name="Mine")
    text = f"{START}  - [-1, 1, Mine, {args}]\n  - [[-1], 1, Detect, [nc]]\n"
    assert last(file, text, registry=registry) == f"Together(mindyolo.YOLOv8Head(80, 16, [{stride}], [16]))"


@pytest.mark.parametrize("name", ["C2f", "Conv", "HGBlock", "C2", "Detect"])
def test_an_entry_with_a_row_takes_the_place_of_the_module_of_that_name(file, name):
    registry = Registry(shipped=True, installed=True)
    registry.register(_Emits, name=name, row=["c1", "c2"])
    assert last(file, f"{START}  - [-1, 1, {name}, [64]]\n", registry=registry) == f"{name}(16, 64)"


@pytest.mark.parametrize("name", ["RepNCSP", "RepNBottleneck", "C3k", "CIB"])
def test_a_cell_of_mindyolos_that_ultralytics_lacks_is_given_its_channels_by_its_parameters(file, name):
    number = ", 1" if name in ("RepNCSP", "C3k") else ""
    assert last(file, f"{START}  - [-1, 1, {name}, [64]]\n") == f"mindyolo.{name}(16, 64{number})"


# the row of an entry, the message
ROWS_REFUSED = [
    (["c1", "c3"], "registry.mine.Mine.row[1]: 'c3' is not one of c1, c2 or n."),
    (["c1", "c1"], "registry.mine.Mine.row: must name each of c1, c2 and n at most once, not ['c1', 'c1']"),
    ("c1", "registry.mine.Mine.row: must be a list, not 'c1'"),
    (["n", "c1", "n"], "registry.mine.Mine.row: must name each of c1, c2 and n at most once, not ['n', 'c1', 'n']"),
]


@pytest.mark.parametrize(("row", "said"), ROWS_REFUSED)
def test_error_of_a_row_in_the_registry(row, said):
    with pytest.raises(SettingsError) as error:
        Registry().load({"Mine": {"target": "assembler.layers.add.Add", "row": row}}, "registry.mine")
    assert str(error.value) == said


def test_error_of_a_module_of_ones_own_that_does_not_import(file):
    registry = Registry(shipped=True, installed=True)
    registry.register("assembler.nowhere.Mine")
    file.write_text(f"{START}  - [-1, 1, Mine, [64]]\n  - [-1, 1, Mine, [64]]\n")
    with pytest.raises(BadTarget) as error:  # one, not one a row
        read(file, registry=registry)
    assert "assembler.nowhere" in str(error.value)


@pytest.mark.parametrize("name", ["EnhancedC2f", "C3TR", "HGBlock", "Pose"])
def test_an_unknown_module_is_reported_once(file, name):
    file.write_text(START + 60 * f"  - [-1, 1, {name}, [64]]\n  - [-1, 1, Conv, [64]]\n")
    with pytest.raises(UnknownLayer) as error:
        read(file)
    assert str(error.value).startswith("x.yaml:5:13: ")
    assert f"register one in conf/registry: {name}: " in str(error.value)


def test_each_of_several_unknown_modules_is_reported(file):
    file.write_text(START + 3 * "  - [-1, 1, A1, []]\n  - [-1, 1, B1, []]\n" + "  - [-1, 0, Conv, [8]]\n")
    with pytest.raises(AssemblerError) as error:
        read(file)
    assert [str(one).partition(": ")[0] for one in error.value.mistakes] == [
        "x.yaml:5:13",
        "x.yaml:6:13",
        "x.yaml:11:10",
    ]


def test_no_module_is_in_two_tables():
    assert not set(ABSENT) & set(MODULES)
    assert not set(UNUSUAL) & {*ABSENT, *MODULES}


def test_the_example_of_the_docs_plans(file, tmp_path, monkeypatch):
    docs = (ROOT / "docs" / "recipes.md").read_text()
    section = docs.split("### A module of your own", 1)[1].split("\n## ", 1)[0]
    code, entry, rows = re.findall(r"```(?:python|yaml)\n(.*?)```", section, re.DOTALL)
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "my_layers.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path / "shapes")
    registry = Registry(shipped=True, installed=True, trusted=["my_layers"])
    registry.load(yaml.safe_load(entry), "registry.mine")
    file.write_text(f"{START}{rows}")
    planned = plan({"file": "x.yaml", "input": IMAGE}, registry=registry)
    assert planned.output.shape == (1, 64, 32, 32)
