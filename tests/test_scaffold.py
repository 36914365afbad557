"""Registry files of packages: those that ship, and what they are written by."""

import re
import sys

import pytest
import yaml
from mindspore import nn

from assembler import plan
from assembler.errors import RegistryError
from assembler.registry.registry import LAYERS, Registry
from assembler.registry.scaffold import scaffold
from tests.conftest import ROOT

LIBRARIES = LAYERS.libraries


@pytest.mark.parametrize("scope", ["mint", "mindcv", "mindyolo"])
def test_what_ships_is_what_its_command_writes(scope):
    text = (ROOT / "conf" / "registry" / f"{scope}.yaml").read_text()
    command = re.search(r"scaffold-registry (\S+) --scope (\w+)(.*)`", text)
    first = re.findall(r"--first (\w+)", command[3])
    assert scaffold(command[1], command[2], modules="--modules" in command[3], first=first) == text


@pytest.mark.parametrize("scope", ["mint", "mindcv", "mindyolo"])
def test_every_entry_that_ships_leads_to_a_layer(scope):
    entries = LIBRARIES[scope].entries
    assert len(entries) > 50
    for entry in entries.values():
        assert issubclass(entry.cell, nn.Cell)
        assert set(entry.infer) <= set(entry.parameters)


MINT = [
    ("Linear(_, 5)", (2, 7), "7, 5"),
    ("Conv1d(_, 4, 3)", (2, 3, 9), "3, 4, 3"),
    ("Conv2d(_, 4, 3)", (2, 3, 9, 9), "3, 4, 3"),
    ("Conv3d(_, 4, 3)", (2, 3, 9, 9, 9), "3, 4, 3"),
    ("ConvTranspose2d(_, 4, 3)", (2, 3, 9, 9), "3, 4, 3"),
    ("BatchNorm1d(_)", (2, 3, 9), "3"),
    ("BatchNorm2d(_)", (2, 3, 9, 9), "3"),
    ("BatchNorm3d(_)", (2, 3, 4, 9, 9), "3"),
    ("SyncBatchNorm(_)", None, ""),  # it needs several devices
    ("GroupNorm(3, _)", (2, 6, 4, 4), "3, 6"),
    ("LayerNorm(_)", (2, 5, 7), "(7,)"),
]


def test_every_rule_of_mint_has_a_case():
    assert {text.partition("(")[0] for text, _, _ in MINT} == {
        name for name, entry in LIBRARIES["mint"].entries.items() if entry.infer
    }


@pytest.mark.parametrize(("text", "shape", "arguments"), [case for case in MINT if case[1]])
def test_a_layer_of_mint_reads_its_sizes_from_the_input(text, shape, arguments):
    (row,) = plan(f"mint.{text}", input=shape).rows
    assert row.arguments == arguments


MINDCV = [
    ("BasicBlock(_, 8)", (2, 8, 9, 9)),
    ("BasicBlock(_, 8, 2, down_sample=Conv2d(8, 8, 1, 2) + BatchNorm2d(8))", (2, 8, 9, 9)),
    ("Bottleneck(_, 2)", (2, 8, 9, 9)),
    ("PreActBottleneck(_, 2)", (2, 8, 9, 9)),
    ("Fire(_, 4, 8, 8)", (2, 8, 9, 9)),
    ("Inception(_, 4, 4, 8, 4, 8, 8)", (2, 8, 9, 9)),
    ("Conv2dNormActivation(_, 16, 3)", (2, 8, 9, 9)),
    ("SqueezeExcite(_)", (2, 16, 9, 9)),
    ("mobilenetv2_InvertedResidual(_, 16, 1, 6)", (2, 8, 9, 9)),
    ("GhostModule(_, 16)", (2, 8, 9, 9)),
    ("Mlp(_, 32)", (2, 5, 8)),
    ("ConvMlp(_, 32)", (2, 8, 9, 9)),
    ("visformer_Mlp(_, 32)", (2, 8, 9, 9)),
    ("Block(8, 2)", (2, 5, 8)),
    ("convnext_Block(8)", (2, 8, 9, 9)),
]


@pytest.mark.parametrize(("text", "shape"), MINDCV, ids=[text.partition("(")[0] for text, _ in MINDCV])
def test_a_block_of_mindcv_plans_to_what_it_has(text, shape):
    """Its parameters are those of the class, made by hand with what the plan says of its arguments."""
    (row,) = [row for row in plan(f"mindcv.{text}", input=shape).rows if row.layer.startswith("mindcv.")]
    entry = LAYERS.find(row.layer, None)
    if "down_sample" in text:
        made = entry.cell(8, 8, 2, down_sample=nn.SequentialCell(nn.Conv2d(8, 8, 1, 2), nn.BatchNorm2d(8)))
        assert row.trainable + 8 * 8 + 16 == sum(one.size for one in made.trainable_params())
        return
    arguments = [int(value) for value in row.arguments.split(", ")]
    assert arguments[0] == shape[1] if len(shape) == 4 else shape[-1]
    assert row.trainable == sum(one.size for one in entry.cell(*arguments).trainable_params())


def test_a_block_of_mindyolo_reads_its_channels_from_the_input():
    rules = {name for name, entry in LIBRARIES["mindyolo"].entries.items() if entry.infer}
    assert {"ConvNormAct", "C2f", "SPPF"} < rules
    assert not rules & {"DFL", "YOLOv8Head", "Concat"}  # DFL's c1 is a quarter of the axis
    first, second = plan("mindyolo.C2f(_, 8) + mindyolo.SPPF(_, 16)", input=(2, 6, 9, 9)).rows
    assert (first.arguments, second.arguments) == ("6, 8", "8, 16")


BETWEEN = (
    "Conv2d(_, 8, 3) + mindcv.BasicBlock(_, 8) + LayerNorm2d(_) + Residual(mindcv.Fire(_, 4, 4, 4)) "
    "+ AdaptiveAvgPool2d(1) + Flatten + mint.Linear(_, 3) + Centered"
)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_blocks_of_mindcv_between_ours_pass_their_checks(run, mode):
    asked = "checks.run={output: {}, finite: {}, modes: {}, reload: {}, gradients: {}, frozen: {}, mean: {equals: 0}}"
    stack, shape = f'recipe.stack="{BETWEEN}"', "recipe.input.shape=[2, 3, 12, 12]"
    done = run("recipe=inline", stack, shape, f"mode={mode}", f"+{asked}")
    assert (done.code, done.err) == (0, "")


PACKAGE = {
    "__init__.py": "from goods.cells import Open\n",
    "cells.py": """\
from mindspore import nn
from goods.other import Twice

class Open(nn.Cell):
    def __init__(self, in_features, wide=False): super().__init__()
class Twice(nn.Cell):
    def __init__(self, in_chs: int, kernel: list): super().__init__()
class Sizes(nn.Cell):
    def __init__(self, in_channels: list): super().__init__()
class Network(nn.Cell):
    def __init__(self, num_classes=10): super().__init__()
class Needs(nn.Cell):
    def __init__(self, other: Twice, name: dict, object: Exception): super().__init__()
class _Hidden(nn.Cell): pass
class SomeLoss(nn.Cell): pass
def function(): pass
""",
    "other.py": "from mindspore import nn\nclass Twice(nn.Cell):\n    def __init__(self, layer: nn.Cell): super().__init__()\n",
}


@pytest.fixture
def goods(tmp_path, monkeypatch):
    (tmp_path / "goods").mkdir()
    for name, text in PACKAGE.items():
        (tmp_path / "goods" / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "goods"
    for name in [name for name in sys.modules if name.partition(".")[0] == "goods"]:
        del sys.modules[name]


def test_a_package_offers_its_layers(goods):
    text = scaffold("goods", "shop")
    assert text == (
        "# @package registry.shop\n# Written by `assembler scaffold-registry goods --scope shop`.\n\n"
        "Open: {target: goods.Open, infer: {in_features: -1}}\n"
    )


def test_the_modules_of_a_package_define_layers(goods):
    text = scaffold("goods", "shop", modules=True, first=["cells"])
    assert text.splitlines()[1] == (
        "# Written by `assembler scaffold-registry goods --scope shop --modules --first cells`."
    )
    assert yaml.safe_load(text) == {
        "Open": {"target": "goods.Open", "infer": {"in_features": -1}},
        "other_Twice": "goods.other.Twice",
        "Sizes": "goods.cells.Sizes",
        "Twice": {"target": "goods.cells.Twice", "infer": {"in_chs": 1}},
    }
    assert {"cells_Twice", "other_Twice"} < set(yaml.safe_load(scaffold("goods", "shop", modules=True)))


def test_error_of_a_package_without_layers(goods):
    with pytest.raises(RegistryError) as error:
        scaffold("goods", "a b")
    assert str(error.value) == "'a b' cannot be a scope's name in a recipe"
    with pytest.raises(RegistryError) as error:
        scaffold("json", "shop")
    assert str(error.value) == "'json' has no layers; --modules includes those that its modules define"
    with pytest.raises(RegistryError) as error:
        scaffold("absent_package", "shop")
    assert str(error.value) == "cannot import 'absent_package': ModuleNotFoundError: No module named 'absent_package'"
    (goods / "bad.py").write_text("raise OSError('no')\n")
    with pytest.raises(RegistryError) as error:
        scaffold("goods", "shop", modules=True)
    assert str(error.value) == "cannot import 'goods': OSError: no"


FUNCTIONS = """
from mindspore import Tensor, ops


def soft_clip(x: Tensor, limit: float = 1.0) -> Tensor:
    return limit * ops.tanh(x / limit)


def blend(x: Tensor, y: "Tensor", share=0.5):
    return share * x + (1 - share) * y


def of_any(*tensors: Tensor): ...
def of_numbers(x: float): ...
def of_an_object(x: Tensor, other: object): ...
def _private(x: Tensor): ...
"""


def test_functions_of_tensors_are_layers_if_asked_for(tmp_path, monkeypatch):
    (tmp_path / "their_functions.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RegistryError, match="has no layers"):
        scaffold("their_functions", "theirs")
    text = scaffold("their_functions", "theirs", functions=True)
    assert text == (
        "# @package registry.theirs\n"
        "# Written by `assembler scaffold-registry their_functions --scope theirs --functions`.\n\n"
        "Blend: {function: their_functions.blend, inputs: 2}\n"
        "SoftClip: {function: their_functions.soft_clip}\n"
    )
    registry = Registry(trusted=["their_functions"])
    registry.load(yaml.safe_load(text))
    assert plan("SoftClip(2.5)", input=(2, 3), registry=registry).output.shape == (2, 3)
    del sys.modules["their_functions"]
