"""``task=eject``: the file imports without the assembler, reads as if written by hand, and is the same network."""

import ast
import importlib.util
import inspect
import json
import re
import subprocess
import sys
from importlib.metadata import version

import mindspore
import numpy as np
import pytest
from mindspore import nn

from assembler import LAYERS, Registry, plan
from assembler.binding.bind import bind
from assembler.binding.structure import walk
from assembler.errors import BadTarget
from assembler.language.yaml_form import parse_stack
from assembler.layers.centered import Centered
from assembler.model.build import build
from assembler.model.inputs import make_inputs
from assembler.reading.recipe_files import load_recipe
from assembler.runtime import device
from assembler.settings import RecipeSettings
from assembler.validation import read
from assembler.views.code import class_name, code, module_name
from assembler.views.code.layer_sources import LayerSources
from assembler.views.code.text import flat
from assembler.views.code.tree import literal
from assembler.views.code.writer import Writer
from tests.conftest import RECIPES, ROOT, ZOO, mostly_slow
from tests.layer_cases import NATIVE, OURS

CASES = {**OURS, **NATIVE}


IMAGE = {"input": {"shape": [1, 3, 32, 32], "sample": "normal"}}
WORDS = {"shape": [2, 6], "sample": "integers", "high": 50}
TOKENS = {"input": WORDS}
GROUPED = {"vocabulary": 50, "width": 8, "hidden": 12, "depth": 2, "heads": 4, "kv_heads": 2}
SMALL = {
    "alexnet": {"input": {"shape": [1, 3, 64, 64], "sample": "normal"}},
    "bert_base": {
        "inputs": {
            "words": WORDS,
            "segments": {"shape": [2, 6], "sample": "integers", "high": 2},
        },
        "params": {"width": 8, "heads": 2, "depth": 3, "vocabulary": 50, "positions": 7},
    },
    "convnext_tiny": {**IMAGE, "params": {"depths": [1, 2, 1, 3], "widths": [4, 8, 16, 32]}},
    "dcgan": {"params": {"width": 2}, "init": {}},  # a file has no initial values of its own
    "dcn_v2": {"params": {"size": 2, "widths": [6, 4]}},
    "densenet121": {**IMAGE, "params": {"growth": 4, "depths": [1, 2, 1, 3]}},
    "efficientnet_b0": {
        **IMAGE,
        "params": {
            "stages": [[1, 4, 3, 1, 1, 0], [6, 4, 5, 2, 2, 1], [6, 8, 3, 2, 3, 3], [6, 8, 3, 1, 1, 6]],
            "total": 7,
        },
    },
    "googlenet": IMAGE,
    "gpt2_small": {**TOKENS, "params": {"vocabulary": 50, "positions": 7, "width": 8, "depth": 2, "heads": 2}},
    **{key: {**TOKENS, "params": GROUPED} for key in ("llama2_7b", "llama3_8b", "qwen2_0_5b")},
    "mistral_7b": {**TOKENS, "params": {**GROUPED, "window": 3}},
    "mixer_b16": {**IMAGE, "params": {"patch": 16, "width": 8, "depth": 2, "tokens": 4}},
    "mixtral_8x7b": {**TOKENS, "params": {**GROUPED, "experts": 3}},
    "mobilenet_v2": {**IMAGE, "params": {"stages": [[4, 2, 2], [8, 3, 1], [6, 1, 2]]}},
    "regnet_x_800mf": {**IMAGE, "params": {"widths": [4, 8, 16], "depths": [1, 3, 2], "group": 4}},
    "resnet": IMAGE,
    "resnet18": IMAGE,
    "resnet34": {**IMAGE, "params": {"depths": [1, 2, 1, 2]}},
    "resnet50": {**IMAGE, "params": {"depths": [1, 2, 1, 2]}},
    "resnext50_32x4d": {**IMAGE, "params": {"depths": [1, 2, 1, 2], "groups": 2, "group_width": 32}},
    "shufflenet_v2_x0_5": {**IMAGE, "params": {"widths": [4, 8], "depths": [2, 3], "last": 16}},
    "squeezenet1_1": IMAGE,
    "swin_t": {**IMAGE, "params": {"width": 4, "depths": [1, 2, 2], "heads": [1, 2, 4], "window": 3}},
    "t5_small": {
        "inputs": {"words": WORDS, "answer": {**WORDS, "shape": [2, 5]}},
        "params": {"vocabulary": 50, "width": 8, "hidden": 12, "depth": 2, "heads": 2, "head_dim": 3},
    },
    "unet": {"input": {"shape": [1, 1, 32, 32]}, "params": {"width": 4}},
    **{key: {**IMAGE, "params": {"widths": [4, 8, 8, 4, 4]}} for key in ("vgg", "vgg11", "vgg16", "vgg16_bn")},
    "vit_b_16": {**IMAGE, "params": {"patch": 16, "width": 8, "depth": 2, "heads": 2}},
    "wavenet": {
        "input": {"shape": [2, 12], "sample": "integers", "high": 8},
        "params": {"levels": 8, "channels": 4, "layers": 2, "stacks": 2},
    },
    "whisper_tiny": {
        "inputs": {"sound": {"shape": [2, 3, 10], "sample": "normal"}, "words": WORDS},
        "params": {"vocabulary": 50, "width": 8, "depth": 2, "heads": 2, "frames": 5, "positions": 7},
    },
}
"""Recipes made small, so that their networks are built and compiled in a moment. The others are small already."""


NARROWED = ("alexnet", "googlenet", "vgg", "resnet", "densenet", "mobilenet", "squeezenet", "efficientnet")
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
    """The parameters are those of the recipe's model, under the same seed with the same values.

    With other weights and the checkpoint of that model, the outputs are the same.
    """
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


QUICK = ("centered", "centered_vector", "fourier", "gpt2_small", "inline", "lenet5", "mlp", "mylinear")
COMPILED = mostly_slow(RECIPES, QUICK.__contains__)


@pytest.mark.parametrize("name", ZOO)
def test_a_file_computes_what_the_recipe_does(tmp_path, name):
    recipe = recipe_of(name, small=True)
    assert_the_same(tmp_path, plan(recipe), samples_of(recipe), name=name)


@pytest.mark.parametrize("name", COMPILED)
def test_a_file_computes_what_the_recipe_does_when_compiled(tmp_path, name):
    recipe = recipe_of(name, small=True)
    assert_the_same(tmp_path, plan(recipe), samples_of(recipe), "graph", name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v2", "resnet50", "squeezenet1_1", "convnext_tiny"])
def test_a_file_computes_what_the_recipe_does_at_full_size(tmp_path, name):
    recipe = recipe_of(name)
    assert_the_same(tmp_path, plan(recipe), samples_of(recipe), name=name)


def test_the_readme_shows_a_whole_file(ejected):
    assert f"```python\n{ejected['vgg16'][0].read_text()}```\n" in (ROOT / "docs" / "tasks.md").read_text()


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


@pytest.mark.parametrize("name", CASES)
def test_every_layer_is_ejected_with_its_arguments(tmp_path, name):
    text, shape, *dtype = CASES[name]
    planned = plan(text, input={"shape": list(shape), **({"dtype": dtype[0]} if dtype else {})})
    make = imported(*written(tmp_path, "network", planned))
    device.seed(3)
    expected = build(planned)
    device.seed(3)
    found = make()
    assert parameters(found) == parameters(expected)
    for mine, other in zip(found.get_parameters(), expected.get_parameters(), strict=True):
        np.testing.assert_array_equal(mine.asnumpy(), other.asnumpy())


def test_our_layers_need_mindspore_and_numpy_only():
    sources = LayerSources()
    sources.read(step for name in OURS for step in walk(bind(parse_stack(CASES[name][0]), LAYERS)))
    assert set(OURS) - {"Residual"} <= set(sources.copies)
    assert {module.partition(".")[0] for module, _, _ in sources.imports} <= {"mindspore", "numpy"}


# ---- what it looks like


def network(recipe, name="network", **given):
    """The text from the classes of the recipe on, without those that are copied."""
    text = code(name, plan({"input": {"shape": [4, 8]}, **recipe}, **given))
    _, *classes = text.split("\n\n\n")
    return "\n\n\n".join(one for one in classes if "def construct(self, x: Tensor)" not in one and "*inputs" not in one)


def test_a_whole_file():
    recipe = recipe_of("mlp") | {
        "params": {"width": 64, "depth": 1},
        "stack": "Flatten + Dense(_, 64) + ReLU + Centered",
    }
    assert (
        code("mlp", plan(recipe | {"name": "mlp"}))
        == f'''\
"""mlp: a network for MindSpore {version("mindspore")}.

    in          (32, 1, 28, 28) float32
    out         (32, 64) float32
    parameters  50,240

To use it::

    net = Mlp()
    mindspore.load_checkpoint("mlp.ckpt", net)
    net.set_train(False)
"""

from mindspore import Tensor, nn


{inspect.getsource(Centered)}

class Mlp(nn.SequentialCell):
    """Maps (32, 1, 28, 28) to (32, 64)."""

    def __init__(self):
        super().__init__(
            nn.Flatten(),  # (32, 784)
            nn.Dense(784, 64),  # (32, 64)
            nn.ReLU(),  # (32, 64)
            Centered(),  # (32, 64)
        )
'''
    )


def test_a_repeat_is_a_loop():
    expected = '''\
class Network(nn.SequentialCell):
    """Maps (4, 8) to (4, 8)."""

    def __init__(self):
        layers = []
        for _ in range(3):
            layers += [
                nn.Dense(8, 8),  # (4, 8)
                nn.ReLU(),  # (4, 8)
            ]
        super().__init__(layers)
'''
    assert network({"stack": "3 * (Dense(8, 8) + ReLU)"}) == expected
    assert network({"stack": "Dense(8, 8) + ReLU + Dense(8, 8) + ReLU + Dense(_, 8) + ReLU"}) == expected


def test_a_repeat_whose_sizes_change_runs_over_them():
    grown = network({"stack": "4 * Parallel(Identity, Dense(_, 3), axis=1)"})
    assert "for in_channels in range(8, 20, 3):" in grown
    assert "Parallel(nn.Identity(), nn.Dense(in_channels, 3), axis=1)" in grown
    first = network({"stack": "Dense(8, 4) + 3 * (Dense(_, 6) + ReLU)"})
    assert "nn.Dense(4, 6),  # (4, 6)" in first
    assert "for _ in range(2):" in first


def test_blocks_are_classes_with_arguments_for_what_differs():
    blocks = {
        "Mlp(width, depth=2)": "Dense(_, width) + depth * (Dense(_, width) + Tanh) + Dense(_, 8)",
        "Normed(part)": "Residual(LayerNorm(_) + part)",
    }
    stack = "Mlp(16) + Mlp(32, 3) + Normed(Mlp(4)) + Normed(Dense(_, 8)) + Residual(2 * Dense(_, 8))"
    assert (
        network({"blocks": blocks, "stack": stack})
        == '''\
class Mlp(nn.SequentialCell):
    """Dense + n * (Dense + Tanh) + Dense."""

    def __init__(self, channels, depth):
        layers = [nn.Dense(8, channels)]
        for _ in range(depth):
            layers += [nn.Dense(channels, channels), nn.Tanh()]
        layers.append(nn.Dense(channels, 8))  # (4, 8)
        super().__init__(layers)


class Normed(Residual):
    """Residual(LayerNorm + part)."""

    def __init__(self, *part):
        super().__init__(nn.SequentialCell(nn.LayerNorm((8,)), *part))


class Network(nn.SequentialCell):
    """Maps (4, 8) to (4, 8)."""

    def __init__(self):
        super().__init__(
            *Mlp(16, 2),  # (4, 8)
            *Mlp(32, 3),  # (4, 8)
            Normed(*Mlp(4, 2)),  # (4, 8)
            Normed(nn.Dense(8, 8)),  # (4, 8)
            Residual(nn.SequentialCell([nn.Dense(8, 8) for _ in range(2)])),  # (4, 8)
        )
'''
    )


def test_a_block_with_layers_that_it_was_given_is_one_class():
    blocks = {"Between(part)": "Tanh + part + Sigmoid"}
    text = network({"blocks": blocks, "stack": "Between(Dense(_, 8) + ReLU) + Between(Softmax)"})
    assert text.count("class ") == 2
    assert "            nn.Tanh(),  # (4, 8)\n            *part,\n            nn.Sigmoid(),  # (4, 8)\n" in text
    assert "*Between(nn.Softmax()),  # (4, 8)" in text


def test_arguments_follow_from_others_where_the_recipe_computed_them():
    blocks = {
        "ConvNorm(channels, kernel=3)": "Conv2d(_, channels, kernel, pad_mode='pad', padding=kernel // 2) + BatchNorm2d(_)",
        "Wide(channels)": "ConvNorm(channels, 1) + ConvNorm(4 * channels) + ConvNorm(channels, 1)",
    }
    text = network(
        {"input": {"shape": [1, 3, 8, 8]}, "blocks": blocks, "stack": "ConvNorm(4, 7) + Wide(6) + Wide(8) + Wide(10)"}
    )
    assert "def __init__(self, in_channels, out_channels, kernel_size=1):" in text
    assert "padding=kernel_size // 2" in text
    assert "*ConvNorm(out_channels, 4 * out_channels, kernel_size=3)," in text
    assert "*Wide(4, 6),  # (1, 6, 8, 8)" in text


@pytest.mark.parametrize("factor", [2, 8, 16, 17, 32])
def test_a_multiple_follows_up_to_sixteen_and_is_an_argument_beyond(factor):
    blocks = {"Wide(channels)": f"Dense(_, {factor} * channels) + Dense(_, channels)"}
    text = network({"blocks": blocks, "stack": "Wide(6) + Wide(10)"})
    if factor <= 16:
        assert f"nn.Dense(in_channels, {factor} * out_channels), nn.Dense({factor} * out_channels, " in text
        assert "*Wide(6, 10)," in text
    else:
        assert f"{factor} * " not in text
        assert f"*Wide(6, {10 * factor}, 10)," in text


def test_shared_parts_are_local_names():
    recipe = {"shared": {"mix": "Dense(_, 8) + ReLU"}, "stack": "Dense(_, 8) + mix + Tanh + mix + Residual(mix)"}
    assert (
        network(recipe)
        == '''\
class Network(nn.SequentialCell):
    """Maps (4, 8) to (4, 8)."""

    def __init__(self):
        mix = nn.SequentialCell(nn.Dense(8, 8), nn.ReLU())
        super().__init__(
            nn.Dense(8, 8),  # (4, 8)
            mix,  # (4, 8)
            nn.Tanh(),  # (4, 8)
            mix,  # (4, 8)
            Residual(mix),  # (4, 8)
        )
        mix.update_parameters_name("mix.")
'''
    )


def test_wires_are_local_names():
    recipe = {
        "input": None,
        "inputs": {"words": {"shape": [2, 6], "sample": "integers", "high": 9}, "picture": {"shape": [2, 5]}},
        "graph": {
            "states": "Embedding(9, 8) + LSTM(_, 4, batch_first=True) @ words",
            "text": "Mean(1) @ states[0]",
            "both": "Concat(axis=1) @ (text, picture)",
            "answer": "Dense(_, 3)",
        },
        "outputs": ["answer", "both"],
    }
    recipe["graph"]["states"] = "(Embedding(9, 8) + LSTM(_, 4, batch_first=True)) @ words"
    assert (
        network(recipe)
        == '''\
class Network(nn.Cell):
    """Maps ((2, 6), (2, 5)) to ((2, 3), (2, 9))."""

    def __init__(self):
        super().__init__()
        self.states = nn.SequentialCell(nn.Embedding(9, 8), nn.LSTM(input_size=8, hidden_size=4, batch_first=True))
        self.text = Mean(1)
        self.both = Concat(axis=1)
        self.answer = nn.Dense(9, 3)

    def construct(self, words, picture):
        states = self.states(words)  # ((2, 6, 4), ((1, 2, 4), (1, 2, 4)))
        text = self.text(states[0])  # (2, 4)
        both = self.both(text, picture)  # (2, 9)
        answer = self.answer(both)  # (2, 3)
        return answer, both
'''
    )


# ---- names and values that are somebody else's


HOSTILE = [
    'x"""\nimport os\nos.system("true")\n"""',
    "x\\",
    "a\u2028b\rc # \x00",
    "class",
    "2 layers",
    "",
    "mindspore",
    "nn",
    "Residual",
    "os.path",
    "../../etc/passwd",
    "é" * 300,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_recipes_name_cannot_leave_its_place(name):
    planned = plan({"input": {"shape": [4, 8]}, "stack": "Residual(Dense(_, 8)) + ReLU"})
    tree = ast.parse(code(name, planned))
    kinds = [type(node) for node in tree.body]
    assert kinds == [ast.Expr, ast.ImportFrom, ast.ClassDef, ast.ClassDef]
    assert re.fullmatch(r"[a-z_][a-z0-9_]{0,90}", module_name(name))
    assert module_name(name) not in (*sys.stdlib_module_names, "mindspore", "class")
    titles = [node.name for node in tree.body[-2:]]
    assert titles[0] == "Residual"
    assert titles[1].isidentifier()
    assert titles[1] not in ("Residual", "nn")


def test_names_become_those_of_modules_and_classes():
    names = ["lenet5", "vit_b_16", "My net", "2 layers", "Centered", "io"]
    assert [module_name(name) for name in names] == [
        "lenet5",
        "vit_b_16",
        "my_net",
        "net_2_layers",
        "centered",
        "io_net",
    ]
    assert [class_name(name) for name in names] == ["Lenet5", "VitB16", "MyNet", "Net2Layers", "Centered", "Io"]


def test_a_network_named_like_a_layer_or_a_block_is_told_apart():
    recipe = {"input": {"shape": [4, 8]}, "blocks": {"nn(n)": "Dense(_, n) + Centered"}, "stack": "nn(4) + nn(8)"}
    classes = [node.name for node in ast.parse(code("centered", plan(recipe))).body if isinstance(node, ast.ClassDef)]
    assert classes == ["Centered", "nn2", "CenteredNet"]


VALUES = [
    "it's",
    'say "x"',
    "\n\t\\",
    "'\"",
    "é\u202e",
    1e-5,
    1e22,
    -0.5,
    10**30,
    True,
    None,
    (),
    (1,),
    [[2.5]],
    {"a": (1, "b")},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_written_so_that_they_read_the_same(value):
    written = flat(Writer({}, {}, {}).expression(literal(value)))
    assert ast.literal_eval(written) == value
    assert "\u202e" not in written


def test_values_are_written_as_people_write_them():
    shown = network({"stack": "Dropout(p=1e-05) + HShrink(1e999) + Dense(_, 8, dtype='float16')"}, dtype="float16")
    assert "nn.Dropout(p=1e-5)," in shown
    assert 'nn.HShrink(float("inf")),' in shown
    assert "nn.Dense(8, 8, dtype=mindspore.float16)" in shown


# ---- other people's layers


GATE = """\
from mindspore import nn, ops


class Gate(nn.Cell):
    def __init__(self, channels):
        super().__init__()
        self.dense = nn.Dense(channels, channels)

    def construct(self, x):
        return x * ops.sigmoid(self.dense(x))
"""


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A layer in a module of its own."""
    (tmp_path / "their_layers.py").write_text(GATE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("their_layers").Gate
    del sys.modules["their_layers"]


def test_layers_of_others_are_imported_from_their_own_module(tmp_path, gate):
    registry = Registry(shipped=True)
    registry.register(gate, infer={"channels": -1})
    registry.register(gate, name="Residual2", infer={"channels": -1})
    planned = plan("Gate(_) + Residual(Residual2(_))", input=(4, 8), registry=registry)
    assert "\nfrom their_layers import Gate\n" in code("network", planned)
    assert_the_same(tmp_path, planned, samples_of({"input": {"shape": [4, 8]}, "stack": "ReLU"}))


def test_a_layer_that_no_file_can_import_is_refused_by_its_name():
    class Local(nn.Cell):
        def construct(self, x):
            return x

    registry = Registry(shipped=True)
    registry.register(Local)
    planned = plan("ReLU + Local", input=(4, 8), registry=registry)
    with pytest.raises(BadTarget) as error:
        code("network", planned)
    assert error.value.message == (
        "the class of Local cannot be imported from "
        "'tests.test_eject.test_a_layer_that_no_file_can_import_is_refused_by_its_name.<locals>'; move it to a "
        "module that can be imported"
    )
    assert error.value.place.start == 7


# ---- the same network


TRICKY = {
    "a block of one layer that is an argument": {
        "blocks": {"Row(n)": "n * Dense(_, 8)"},
        "stack": "Residual(Row(1)) + Residual(Row(2)) + Row(1)",
    },
    "layers given to a block behind its own weights": {
        "blocks": {"Mixed(a, b)": "Residual(Dense(_, 8) + a + Dense(_, 8) + b)"},
        "stack": "Mixed(Dense(_, 4) + Dense(_, 8), ReLU) + Mixed(Mixed(Tanh, ReLU), Residual(Mixed(ReLU, Tanh)))",
    },
    "layers handed on from block to block": {
        "blocks": {"Outer(part)": "Inner(part) + Inner(Dense(_, 8))", "Inner(part)": "Residual(LayerNorm(_) + part)"},
        "stack": "Outer(Dense(_, 6) + Dense(_, 8)) + Outer(Inner(ReLU)) + 2 * Outer(3 * Dense(_, 8))",
    },
    "layers given to a block between its own": {
        "blocks": {
            "Between(part)": "LayerNorm(_) + part + Tanh",
            "Twice(part)": "part + part",
            "Onto(part)": "Between(Dense(_, 8) + part)",
            "First(part)": "Residual(Dense(_, 8)) + Residual(ReLU + part)",
            "Second(part)": "First(Tanh + part)",
        },
        "stack": "Between(Dense(_, 8)) + Between(Dense(_, 4) + Dense(_, 8)) + Twice(Dense(_, 8)) + Onto(ReLU) "
        "+ Residual(Onto(Twice(Dense(_, 8)))) + Second(Dense(_, 8)) + Second(Residual(Onto(Dense(_, 8))))",
    },
    "layers given on by a block that is nothing else": {
        "blocks": {
            "First(part)": "Residual(Dense(_, 8)) + Residual(part)",
            "Second(part)": "First(Residual(part) + ReLU)",
            "Third": "Second(Dense(_, 8)) + Second(Tanh)",
        },
        "stack": "Third + Third + Second(Second(Dense(_, 8)))",
    },
    "layers given to a block that repeats them": {
        "blocks": {
            "Twice(part)": "2 * (Residual(part) + ReLU)",
            "Normed(part)": "Residual(LayerNorm(_) + part)",
            "Thrice(part)": "3 * Normed(part) + Residual(part)",
            "Both(a, b)": "Residual(a + LayerNorm(_) + b)",
            "Again(part)": "Both(part, Thrice(part))",
        },
        "stack": "Twice(Dense(_, 8)) + Thrice(Dense(_, 4) + Dense(_, 8)) + Again(Twice(Dense(_, 8))) + Again(ReLU)",
    },
    "repeats in repeats": {
        "blocks": {"Row(n, m)": "n * (Dense(_, m) + m * Residual(Dense(_, m)))"},
        "stack": "2 * Row(2, 3) + Row(1, 2) + Residual(2 * (Row(2, 2) + 2 * ReLU))",
    },
    "a block used twice in a row by a repeat": {
        "blocks": {"Row(n)": "n * Dense(_, 8) + ReLU"},
        "stack": "2 * Row(2) + Row(3) + Row(3)",
    },
    "shared parts in blocks": {
        "shared": {"mix": "Dense(8, 8) + ReLU", "other": "Residual(mix)", "layers": "Dense(8, 8)"},
        "blocks": {"Use(n)": "Dense(_, 8) + mix + n * Dense(_, 8)"},
        "stack": "layers + Use(1) + Use(2) + other + Residual(other + ReLU) + layers + 3 * (mix + Tanh)",
    },
    "graphs in blocks in repeats": {
        "blocks": {
            "Fork(n)": {
                "graph": {
                    "left": "Dense(_, n) @ input",
                    "right": "n * Dense(_, n) @ input",
                    "class": "Add @ (left, right)",
                    "__out": "Dense(_, 8)",
                }
            }
        },
        "stack": "Fork(2) + 2 * Fork(3) + Residual(Fork(4)) + 2 * (Fork(3) + ReLU)",
    },
    "loops": {
        "params": {"stages": [[1, 8, 1], [2, 12, 2], [2, 8, 3]]},
        "blocks": {
            "Unit(t, n, rate)": "Dense(_, t * _) + ReLU + Dense(_, n) + Dropout(p=rate)",
            "Stage(t, n, depth)": "Unit(t, n, 0.0) + (Residual(Unit(t, n, 0.1 * i / depth)) for i in range(1, depth))",
            "Over(parts)": "(Residual(part) + LayerNorm(_) for part in parts)",
            "Each(part, n)": "(part + Dense(_, 8 + i) for i in range(n)) + Dense(_, 8)",
        },
        "stack": "(Stage(t, n, depth) for t, n, depth in stages) + Over([Dense(_, 8), ReLU]) + Over([Dense(_, 8) + Tanh])"
        " + Each(ReLU, 2) + Each(Dense(_, 4), 3) + ((Dense(_, 8 + a * b) for b in range(a)) for a in range(1, 3))",
    },
    "loops whose turns have different forms": {
        "shared": {"mix": "Dense(8, 8)"},
        "blocks": {
            "Unit(part)": "Residual(Dense(_, 8) + part)",
            "Turns(n)": "(Unit(ReLU) if i % 2 else Unit(Tanh) + mix for i in range(n))",
        },
        "stack": "Turns(2) + Turns(5) + Parallel(*(Dense(_, 2) + ReLU for _ in range(3)), *[mix, Tanh]) + Dense(_, 8) "
        "+ Residual(0 * ReLU if i == 1 else Dense(_, 8) for i in range(4))",
    },
    "inputs with names that Python has": {
        "inputs": {"self": {"shape": [4, 8]}, "getattr": {"shape": [4, 8]}},
        "graph": {
            "sum": "Add @ (self, getattr)",
            "print": "(Dense(_, 2) + Dense(_, 8)) @ getattr",
            "last": "Add @ (print, self)",
        },
        "outputs": ["last", "sum"],
    },
    "repeats of several sources, and graphs of several inputs in chains": {
        "inputs": {"x": {"shape": [4, 8]}, "side": {"shape": [4, 8]}},
        "shared": {"part": "Two(2)"},
        "blocks": {
            "One(n)": {"inputs": ["x", "side"], "graph": {"a": "n * Dense(_, 8) @ x", "b": "Add @ (a, side)"}},
            "Two(n)": {
                "inputs": ["x", "y"],
                "graph": {"u": "n * Dense(_, 8) @ x", "v": "Dense(_, 8) @ y"},
                "outputs": ["u", "v"],
            },
            "Decoder(n, depth)": "depth * One(n)",
        },
        "graph": {
            "y": "3 * One(1) @ (x, side)",
            "z": "2 * Decoder(2, 2) @ (y, side)",
            "both": "Two(1) @ (y, z)",
            "on": "(2 * Two(2) + part + One(1)) @ both",
            "last": "part @ (on, side)",
            "end": "2 * Add @ (last[0], last[1])",
        },
    },
}
TRICKY["graphs in blocks in repeats"]["blocks"]["Fork(n)"]["graph"]["right"] = "(n * Dense(_, n)) @ input"


@pytest.mark.parametrize("mode", ["pynative", pytest.param("graph", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TRICKY)
def test_a_file_is_the_same_network(tmp_path, name, mode):
    recipe = TRICKY[name] if "inputs" in TRICKY[name] else {"input": {"shape": [4, 8]}, **TRICKY[name]}
    assert_the_same(tmp_path, plan(recipe), samples_of(recipe), mode)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_a_file_has_the_dtype_of_its_run(tmp_path, dtype):
    recipe = {"input": {"shape": [4, 8]}, "stack": "Dense(8, 4) + LayerNorm(_) + Dense(4, 4, dtype='float16')"}
    recipe = recipe if dtype == "float16" else recipe | {"stack": "Dense(8, 4) + ReLU"}
    planned = plan(recipe, dtype=dtype)
    assert f"parameter.set_dtype(mindspore.{dtype})" in code("network", planned)
    assert_the_same(tmp_path, planned, make_inputs(read(RecipeSettings, recipe, "recipe"), dtype, 0))


# ---- as a run


def test_a_run_writes_a_file_and_says_so(run):
    done = run("task=eject", "recipe=lenet5", "recipe.name=My net")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-2] == "wrote my_net.py"
    assert json.loads((done.folder / "result.json").read_text())["files"] == ["my_net.py"]
    assert (done.folder / "my_net.py").read_text().startswith('"""My net: a network for MindSpore ')


def test_a_run_that_fails_leaves_no_file(run, tmp_path):
    (tmp_path / "mine.py").write_text(GATE.replace("class", "def make():\n  pass\n\nclass"))
    done = run("task=eject", "recipe=inline", "recipe.stack=Dence", "recipe.name=mine")
    assert done.code == 2
    assert "no layer named 'Dence'" in done.err
    assert not list(done.folder.glob("*.py"))
    assert json.loads((done.folder / "result.json").read_text())["files"] == []


def test_what_a_recipe_freezes_is_frozen_and_its_first_values_are_told_to_be_elsewhere(tmp_path):
    recipe = {
        "input": {"shape": [4, 8]},
        "stack": "Dense(8, 4) + 2 * Dense(4, 4)",
        "freeze": ["0.*", "2.bias"],
        "init": {"Dense.weight": "HeNormal"},
    }
    text = code("partly", plan(recipe))
    (tmp_path / "partly_frozen.py").write_text(text)
    spec = importlib.util.spec_from_file_location("partly_frozen", tmp_path / "partly_frozen.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert [one.name for one in module.Partly().get_parameters() if not one.requires_grad] == [
        "0.weight", "0.bias", "2.bias"
    ]  # fmt: skip
    assert "import mindspore\n" not in text
    assert "parameters  76; training does not change 40 of them" in text
    assert "not those of the recipe's init: load a checkpoint." in text
    assert "init: load" not in code("whole", plan({**recipe, "init": {}}))
