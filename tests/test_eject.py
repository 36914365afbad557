"""``task=eject``: the file imports without the assembler, reads as if written by hand, and is the same network."""

import ast
import importlib.util
import json
import re
import subprocess
import sys

import mindspore
import numpy as np
import pytest

from assembler import device, plan
from assembler.build import build
from assembler.errors import AssemblerError
from assembler.inputs import make_inputs
from assembler.settings import RecipeSettings, read
from assembler.source import load_recipe
from assembler.views.code import class_name, code, module_name
from tests.conftest import ROOT

RECIPES = sorted(file.stem for file in (ROOT / "conf" / "recipe").glob("*.yaml"))

IMAGE = {"input": {"shape": [1, 3, 32, 32], "sample": "normal"}}
TOKENS = {"input": {"shape": [2, 6], "sample": "integers", "high": 50}}
SMALL = {
    "alexnet": {"input": {"shape": [1, 3, 64, 64], "sample": "normal"}},
    "bert_base": {
        "inputs": {
            "words": {"shape": [2, 6], "sample": "integers", "high": 50},
            "segments": {"shape": [2, 6], "sample": "integers", "high": 2},
        },
        "params": {"width": 8, "heads": 2, "depth": 3, "vocabulary": 50, "positions": 7},
    },
    "convnext_tiny": {**IMAGE, "params": {"depths": [1, 2, 1, 3], "widths": [4, 8, 16, 32]}},
    "densenet121": {**IMAGE, "params": {"growth": 4, "depths": [1, 2, 1, 3]}},
    "gpt2_small": {**TOKENS, "params": {"vocabulary": 50, "positions": 7, "width": 8, "depth": 2, "heads": 2}},
    "llama2_7b": {
        **TOKENS,
        "params": {"vocabulary": 50, "width": 8, "hidden": 12, "depth": 2, "heads": 4, "kv_heads": 2},
    },
    "mixer_b16": {**IMAGE, "params": {"patch": 16, "width": 8, "depth": 2, "tokens": 4}},
    "mobilenet_v2": IMAGE,
    "resnet": IMAGE,
    "resnet18": IMAGE,
    "resnet50": {**IMAGE, "params": {"depths": [1, 2, 1, 2]}},
    "squeezenet1_1": IMAGE,
    "unet": {"input": {"shape": [1, 1, 32, 32]}, "params": {"width": 4}},
    "vgg": IMAGE,
    "vgg11": IMAGE,
    "vgg16": IMAGE,
    "vgg16_bn": IMAGE,
    "vit_b_16": {**IMAGE, "params": {"patch": 16, "width": 8, "depth": 2, "heads": 2}},
}
"""Recipes made small, so that their networks are built and compiled in a moment. The others are small already."""


NARROWED = ("alexnet", "vgg", "resnet", "densenet", "mobilenet", "squeezenet")
"""Recipes whose channels stand in the stack itself."""


def recipe_of(name, small=False):
    recipe = load_recipe(ROOT / "conf" / "recipe" / f"{name}.yaml")
    if small:
        changes = SMALL.get(name, {})
        recipe |= {**changes, "expect": {}, "params": {**recipe.get("params", {}), **changes.get("params", {})}}
        if name.startswith(NARROWED):
            recipe["stack"] = [re.sub(r"\d{2,}", narrower, line) for line in recipe["stack"]]
    return recipe


def narrower(number):
    return str(int(number[0]) // 8) if int(number[0]) % 8 == 0 else number[0]


def written(folder, name, planned):
    """The module, and the name of its class: the last one in it."""
    text = code(name, planned)
    file = folder / f"{module_name(name)}.py"
    file.write_text(text)
    return file, [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)][-1]


def imported(file, name):
    spec = importlib.util.spec_from_file_location(f"ejected_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # graph mode looks it up there
    spec.loader.exec_module(module)
    return getattr(module, name)


def parameters(model):
    return [
        [parameter.name, list(parameter.shape), str(parameter.dtype), parameter.requires_grad]
        for parameter in model.get_parameters()
    ]


def assert_the_same(folder, planned, samples, mode="pynative", name="network"):
    """The parameters are those of the recipe's model, and so, with other weights and its checkpoint, are the outputs."""
    device.seed(3)
    expected = build(planned)
    make = imported(*written(folder, name, planned))
    device.seed(3)
    found = make()
    assert parameters(found) == parameters(expected)
    for mine, other in zip(found.get_parameters(), expected.get_parameters(), strict=True):
        np.testing.assert_array_equal(device.as_array(mine), device.as_array(other), err_msg=mine.name)
    if parameters(expected):
        device.seed(4)
        found = make()
        mindspore.save_checkpoint(expected, str(folder / "network.ckpt"))
        assert mindspore.load_checkpoint(str(folder / "network.ckpt"), found)
    with device.mode(mode):
        wanted, got = expected(*samples), found.set_train(False)(*samples)
    assert isinstance(got, tuple) == isinstance(wanted, tuple)
    for one, two in zip(as_tuple(got), as_tuple(wanted), strict=True):
        np.testing.assert_array_equal(device.as_array(one), device.as_array(two))


def samples_of(recipe):
    return make_inputs(read(RecipeSettings, recipe, "recipe"), "float32", 0)


def as_tuple(output):
    return output if isinstance(output, tuple) else (output,)


@pytest.fixture(scope="session")
def ejected(tmp_path_factory):
    """Every recipe at its full size, ejected: name → file, class, plan."""
    folder = tmp_path_factory.mktemp("ejected")
    plans = {name: plan(recipe_of(name)) for name in RECIPES}
    return {name: (*written(folder, name, planned), planned) for name, planned in plans.items()}


BLOCKED = """
import importlib.util, json, sys, warnings

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "assembler":
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
warnings.simplefilter("ignore")
import mindspore

found = {}
for name, file, title in json.load(sys.stdin):
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    spec.loader.exec_module(module)
    with mindspore.DeviceCtx("meta"):
        model = getattr(module, title)()
    found[name] = [
        [parameter.name, list(parameter.shape), str(parameter.dtype), parameter.requires_grad]
        for parameter in model.get_parameters()
    ]
assert "assembler" not in sys.modules
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def without_us(ejected, tmp_path_factory):
    """What the files come to in a process that has no assembler, on the meta device: name → parameters."""
    given = json.dumps([(name, str(file), title) for name, (file, title, _) in ejected.items()])
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", RECIPES)
def test_a_file_needs_no_assembler_and_has_the_recipes_parameters(ejected, without_us, name):
    with mindspore.DeviceCtx("meta"):
        model = build(ejected[name][2])
    assert without_us[name] == parameters(model)


QUICK = ("bert_base", "centered", "centered_vector", "fourier", "gpt2_small", "inline", "lenet5", "mlp", "mylinear")
COMPILED = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RECIPES]


@pytest.mark.parametrize("name", RECIPES)
def test_a_file_computes_what_the_recipe_does(tmp_path, name):
    recipe = recipe_of(name, small=True)
    assert_the_same(tmp_path, plan(recipe), samples_of(recipe), name=name)


@pytest.mark.parametrize("name", COMPILED)
def test_a_file_computes_what_the_recipe_does_when_compiled(tmp_path, name):
    recipe = recipe_of(name, small=True)
    assert_the_same(tmp_path, plan(recipe), samples_of(recipe), "graph", name)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v2", "resnet50", "squeezenet1_1", "unet", "convnext_tiny"])
def test_a_file_computes_what_the_recipe_does_at_full_size(tmp_path, name, mode):
    recipe = recipe_of(name)
    assert_the_same(tmp_path, plan(recipe), samples_of(recipe), mode, name)


def test_files_are_formatted_and_clean(ejected):
    files = [str(file) for file, _, _ in ejected.values()]
    for command in (["format", "--check"], ["check", "--select", "E,F,I,B,UP,N,C4,SIM"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "120", *files],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
