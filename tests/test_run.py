"""run.py as a person types it: what it prints, what it leaves, and its exit codes."""

import json
import os
import subprocess
import sys

import mindspore
import numpy as np
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from mindspore import Tensor, nn

from assembler import checks
from assembler.checks import CHECKS, Outcome
from assembler.hydra_edge import explain
from tests.conftest import DIAGRAMS, MINE, ROOT

RECIPES = ", ".join(sorted(path.stem for path in (ROOT / "conf" / "recipe").glob("*.yaml")))

PROJECT = {
    "pyproject.toml": '[tool.assembler]\ntrusted = ["theirs"]\n',
    "theirs/__init__.py": "",
    "theirs/layers.py": """\
from mindspore import nn


class Raises(nn.Cell):
    def construct(self, x):
        return self.deeper(x)

    def deeper(self, x):
        raise KeyError("inside")


class RaisesOnNumbers(nn.Cell):
    def construct(self, x):
        if float(x.sum()) != 0:
            raise KeyError("on numbers")
        return x


class Exits(nn.Cell):
    def construct(self, x):
        raise SystemExit(5)


class ExitsOnNumbers(nn.Cell):
    def construct(self, x):
        if float(x.sum()) != 0:
            raise SystemExit(0)
        return x


class ExitsEarly(nn.Cell):
    def __init__(self):
        raise SystemExit("early")


class NoCell:
    pass
""",
}


ONLY_PYNATIVE = """\
from mindspore import nn


class OnlyPynative(nn.Cell):
    def construct(self, x):
        return x * len({str(axis) for axis in x.shape})
"""


@pytest.fixture
def project(tmp_path):
    """A folder with layers of somebody else's."""
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)


def test_the_main_job(run):
    done = run()
    assert (done.code, done.err) == (0, "")
    assert "0  Dense     8, 128     (4, 8)    (4, 128)      1,152  4,096  2.0 KiB\n" in done.out
    assert "2 layers, 1,152 trainable parameters (4.5 KiB), 4,096 MACs\n" in done.out
    assert "(4, 8) → (4, 128) float32, about 4.1 KiB of activations\n" in done.out
    assert "pynative mode, float32, seed 0" in done.out
    assert done.out.count("passed") == 6
    assert sorted(path.name for path in done.folder.iterdir() if path.is_file()) == [
        *DIAGRAMS,
        "recipe.yaml",
        "result.html",
        "result.json",
        "run.log",
    ]


def test_the_result_of_a_run(run):
    data = json.loads((run("recipe=lenet5", "mode=graph", "seed=3").folder / "result.json").read_text())
    assert data["version"] == 1
    assert data["status"] == "passed"
    assert data["overrides"] == ["recipe=lenet5", "mode=graph", "seed=3"]
    assert (data["mode"], data["seed"], data["dtype"]) == ("graph", 3, "float32")
    assert (data["device"]["asked"], data["device"]["got"]) == ("auto", "cpu")
    assert set(data["versions"]) == {"python", "assembler", "mindspore", "numpy", "hydra-core"}
    assert data["recipe"]["name"] == "lenet5"
    assert data["plan"]["stack"][0] == "Conv2d(1, 6, 5, pad_mode='pad', padding=2, has_bias=True)"
    assert data["plan"]["layers"][7] == {
        "path": "7",
        "layer": "Dense",
        "arguments": "400, 120",
        "input": {"shape": [2, 400], "dtype": "float32"},
        "output": {"shape": [2, 120], "dtype": "float32"},
        "trainable": 48120,
        "frozen": 0,
        "other": 0,
        "parameter_memory": 4 * 48120,
        "macs": 2 * 400 * 120,
        "memory": 4 * 2 * 120,
        "on_zeros": False,
    }
    assert (data["plan"]["trainable"], data["plan"]["other"]) == (61706, 0)
    assert (data["plan"]["parameters"], data["plan"]["parameter_memory"]) == (61706, 4 * 61706)
    assert (data["plan"]["macs"], data["plan"]["uncounted"]) == (2 * 416_520, [])
    assert data["plan"]["activations"] == 4 * 2 * (28 * 28 + 2 * 6 * 28 * 28)  # the input, Conv2d's output and ReLU's
    assert data["plan"]["input"] == {"shape": [2, 1, 28, 28], "dtype": "float32"}
    assert data["plan"]["output"] == {"shape": [2, 10], "dtype": "float32"}
    assert [outcome["check"] for outcome in data["outcomes"]] == [
        *(f"expect.{name}" for name in ("trainable", "output")),
        *("output", "finite", "deterministic", "reference"),
    ]
    assert all(outcome["passed"] for outcome in data["outcomes"])
    assert data["error"] is None
    assert set(data["seconds"]) == {"import", "plan", "build", "forward", "checks"}


def test_the_resolved_recipe_runs_to_the_same_plan(run, tmp_path, recipe_file):
    first = run("recipe=lenet5")
    plan = json.loads((first.folder / "result.json").read_text())["plan"]
    recipe_file((first.folder / "recipe.yaml").read_text())
    again = run(*MINE)
    assert again.code == 0
    as_written = {"parts": plan["parts"]}  # with ``_`` where the resolved recipe has sizes
    assert json.loads((again.folder / "result.json").read_text())["plan"] | as_written == plan


def test_a_failed_check_is_exit_code_1_and_the_others_run(run):
    done = run("recipe.checks.mean.equals=1")
    assert done.code == 1
    assert (done.out.count("FAILED"), done.out.count("passed")) == (1, 5)
    data = json.loads((done.folder / "result.json").read_text())
    assert data["status"] == "failed"
    assert [o["check"] for o in data["outcomes"] if not o["passed"]] == ["mean"]


def test_a_stack_typed_on_the_command_line(run):
    done = run("recipe=inline", 'recipe.stack="Dense(8,128)+Centered"', "recipe.input.shape=[4,8]")
    assert (done.code, done.err) == (0, "")
    assert "2 layers, 1,152 trainable parameters" in done.out


@pytest.mark.parametrize("checks", ["none", "quick", "full"])
def test_the_groups_of_checks(run, checks):
    done = run("recipe=centered_vector", f"checks={checks}")
    assert done.code == 0
    outcomes = json.loads((done.folder / "result.json").read_text())["outcomes"]
    quick = ["output", "finite", "deterministic"]
    assert [outcome["check"] for outcome in outcomes] == {
        "none": [],
        "quick": [*quick, "mean", "independent"],
        "full": [*quick, "modes", "reference", "independent", "precision", "reload", "gradients", "trains", "frozen",
                 "mean"],
    }[checks]  # fmt: skip
    told = {outcome["check"]: outcome["detail"] for outcome in outcomes if not outcome["applies"]}
    assert told == ({
        "reload": "the model has no parameters",
        "gradients": "the model has no trainable parameters",
        "trains": "the model has no trainable parameters, or no output is floating-point",
        "frozen": "the recipe freezes nothing",
    } if checks == "full" else {})  # fmt: skip
    assert ("no checks were requested" in done.out) == (checks == "none")


def test_the_device_falls_back_and_records_it(run):
    done = run("device=ascend", "device.fallback=true")
    assert (done.code, done.err) == (0, "")
    assert "on cpu (Ascend is absent" in done.out
    device = json.loads((done.folder / "result.json").read_text())["device"]
    assert (device["asked"], device["got"], device["fell_back"]) == ("ascend", "cpu", True)


@pytest.mark.parametrize("values", ["[1, 2.5]", "[[1, 2], [3, 4]]"])
def test_values_as_input(run, recipe_file, values):
    recipe_file(f"input: {{values: {values}}}\nstack: ReLU\nchecks: {{output: {{values: {values}}}}}\n")
    assert run(*MINE).code == 0


def test_token_ids_as_input(run, recipe_file):
    recipe_file(
        "input: {shape: [2, 5], sample: integers, low: 3, high: 9}\n"
        "stack: Embedding(9, 4) + LSTM(_, 6)\n"
        "checks: {output: {shape: [2, 5, 6]}}\n"
    )
    done = run(*MINE)
    assert (done.code, done.err) == (0, "")


def measured(done, check):
    outcomes = json.loads((done.folder / "result.json").read_text())["outcomes"]
    return next(outcome["measured"] for outcome in outcomes if outcome["check"] == check)


@pytest.mark.parametrize("seed", [0, 3])
def test_the_input_is_drawn_from_the_seed(run, recipe_file, seed):
    recipe_file("input: {shape: [4, 8], low: 2, high: 5}\nstack: Identity\nchecks: {range: {}}\n")
    drawn = np.random.default_rng(seed).uniform(2, 5, (4, 8)).astype(np.float32)
    assert measured(run(*MINE, f"seed={seed}"), "range") == [float(drawn.min()), float(drawn.max())]


@pytest.mark.parametrize("seed", [0, 3])
def test_the_weights_are_drawn_from_the_seed(run, recipe_file, seed):
    recipe_file("input: {values: [[1, 2, 3]]}\nstack: Dense(3, 64) + Tanh\nchecks: {range: {}}\n")
    mindspore.set_seed(seed)
    by_hand = nn.SequentialCell(nn.Dense(3, 64), nn.Tanh())
    y = by_hand(Tensor(np.array([[1, 2, 3]], np.float32))).asnumpy()
    assert measured(run(*MINE, f"seed={seed}"), "range") == [float(y.min()), float(y.max())]


def test_help_lists_the_groups_and_every_check_with_its_arguments(run):
    done = run("--help")
    assert done.code == 0
    assert f"recipe: {RECIPES}\n" in done.out
    for name, check in ((name, one) for name, one in CHECKS.items() if "." not in name):
        arguments = ", ".join(check.settings.model_fields)
        line = next(line.split() for line in done.out.splitlines() if line.split()[:1] == [name])
        assert " ".join(line).endswith("{" + arguments + "}")


# ---- what a person does wrong: one clear message, exit code 2, no traceback

ARGUMENTS = [
    (["recipe=mylinaer"], f"no recipe named 'mylinaer'. Did you mean 'mylinear'? There are: {RECIPES}.\n"),
    (["recip=lenet5"], "override recip=lenet5: unknown key 'recip'. Did you mean 'recipe'?\n"),
    (["sead=1"], "override sead=1: unknown key 'sead'. Did you mean 'seed'?\n"),
    (["+sead=1"], "override +sead=1: unknown key 'sead'. Did you mean 'seed'?\n"),
    (["recipe.inptu.shape=[1]"],
     "override recipe.inptu.shape=[1]: unknown key 'inptu'. Did you mean 'input' or 'inputs' or 'init'?\n"),
    (["recipe=resnet18", "recipe.params.depth=[1,1,1,1]"],
     "override recipe.params.depth=[1,1,1,1]: the recipe has no parameter 'depth'. Did you mean 'depths'?\n"),
    (["recipe=mlp", "recipe.params.classes=3"], "override recipe.params.classes=3: the recipe has no parameter "
     "'classes'. It has: width, depth.\n"),
    (["recipe.input.low=-1"], "override recipe.input.low=-1: recipe.input.low is not in this configuration; "
                              "write +recipe.input.low=-1 to add it\n"),
    (["mode=grap", "dtype=float99"],
     "override mode=grap: 'grap' is not one of pynative or graph. Did you mean 'graph'?\n"
     "override dtype=float99: 'float99' is not one of float16, float32, float64 or bfloat16. "
     "Did you mean 'float64' or 'float32' or 'float16'?\n"),
    (["seed=x"], "override seed=x: must be an integer, not 'x'\n"),
    (["recipe.input.shape=[4,0]"], "override recipe.input.shape=[4,0]: must be at least 1, not 0\n"),
    (["device=tpu"], "no device named 'tpu'. Did you mean 'gpu' or 'cpu'? There are: ascend, auto, cpu, gpu.\n"),
    (["checks=all"], "no checks named 'all'. Did you mean 'full'? There are: full, none, quick.\n"),
    (["task=chekc"], "no task named 'chekc'. Did you mean 'check'? There are: bench, check, eject, export, plan.\n"),
    (["registry=[mindspore,mine]"],
     "no registry named 'mine'. Did you mean 'mint' or 'mindspore' or 'mindcv'? There are: layers, mindcv, mindspore, mindyolo, mint.\n"),
    (["amp=O2", "dtype=float16"],
     "override amp=O2: amp=O2 mixes float16 into a float32 model; it requires dtype=float32, not float16\n"),
    (["recipe.stack=Dense(8,1)+ReLU"],
     "override recipe.stack=Dense(8,1)+ReLU: Hydra cannot parse this value; a string with parentheses, commas or "
     "braces needs double quotes inside single quotes: 'recipe.stack=\"Dense(8,1)+ReLU\"'\n"),
    (["recipe=glob([rtm]*x)"],
     "override recipe=glob([rtm]*x): a pattern with brackets needs double quotes inside single quotes: "
     "'recipe=glob(\"[rtm]*x\")'\n"),
    (["recipe=glob([rtm]*,exclude=t)"],
     "override recipe=glob([rtm]*,exclude=t): Hydra cannot parse the arguments of glob; write for example "
     "'recipe=glob(\"[a-m]*\")'\n"),
    (["seed=range(1:3)"],
     "override seed=range(1:3): Hydra cannot parse the arguments of range; write for example 'seed=range(1,5)'\n"),
    (["seed=choice([1,2)"],
     "override seed=choice([1,2): Hydra cannot parse the arguments of choice; write for example 'seed=choice(1,2)'\n"),
    (['recipe.stack="Dense(8, 1"'],
     'override recipe.stack="Dense(8, 1": \'(\' is never closed\n    Dense(8, 1\n         ^\n'),
    (['weights.rename={"a.*": "b.*"}'],
     "override weights.rename={\"a.*\": \"b.*\"}: Hydra cannot parse this value; write keys of a mapping without quotes: "
     "'weights.rename={key: value}'\n"),
    (["recipe.params={width: 3}"],
     "override recipe.params={width: 3}: recipe.params does not have these keys; write "
     "++recipe.params={width: 3} to add them\n"),
    (["task=bench", "task.batch=3"], "override task.batch=3: unknown key 'batch'. Did you mean 'batches'?\n"),
    (["centered"], "override centered: an override has the form key=value, such as recipe=lenet5\n"),
    (["recipe.input.shape=[4,"], "override recipe.input.shape=[4,: a bracket is not closed; if the value has spaces, "
                                 "use single quotes: 'recipe.input.shape=[4, 8]'\n"),
    (["recipe=centered,mlp"], "override recipe=centered,mlp: several values are a multirun; add -m for one job "
                              "each, or write a list as [1,2]\n"),
    (["recipe=5"], "override recipe=5: 5 is not a name; for a file 5.yaml, write 'recipe=\"5\"'\n"),
    (["hydra.rundir=x"],
     "override hydra.rundir: Hydra has no such key; list its keys with python run.py --cfg hydra\n"),
    (['recipe.stack="Residual(3)"'],
     'override recipe.stack="Residual(3)": Residual(3) cannot be made: inner must be a Cell, not int\n'
     "    Residual(3)\n    ^^^^^^^^\n"),
    (['recipe.stack="TensorReduction(0, 1)"'],
     'override recipe.stack="TensorReduction(0, 1)": TensorReduction(0, 1) cannot be made: in_units and units must be '
     "at least 1, not 0 and 1\n    TensorReduction(0, 1)\n    ^^^^^^^^^^^^^^^\n"),
    (["+checks.run.mean.equls=1"], "override +checks.run.mean.equls=1: 'equals' is missing\n"
                                   "override +checks.run.mean.equls=1: unknown key 'equls'. Did you mean 'equals'?\n"),
    (["recipe.stack=Dence", "recipe.checks.mean.equals=x"],
     "override recipe.stack=Dence: no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?\n    Dence\n    ^^^^^\n"
     "override recipe.checks.mean.equals=x: must be a number, not 'x'\n"),
    (["mode=grap", 'recipe.stack="Dence(8, 1) + Tahn"'],
     "override mode=grap: 'grap' is not one of pynative or graph. Did you mean 'graph'?\n"
     'override recipe.stack="Dence(8, 1) + Tahn": no layer named \'Dence\'. Did you mean \'Dense\' or \'BiDense\'?\n'
     "    Dence(8, 1) + Tahn\n    ^^^^^\n"
     'override recipe.stack="Dence(8, 1) + Tahn": no layer named \'Tahn\'. Did you mean \'Tanh\'?\n'
     "    Dence(8, 1) + Tahn\n                  ^^^^\n"),
    (["mode=grap", "recipe=mlp"], "override mode=grap: 'grap' is not one of pynative or graph. Did you mean 'graph'?\n"),
    (["mode=grap", "recipe=mlp", "recipe.params.depth=x"],
     "override mode=grap: 'grap' is not one of pynative or graph. Did you mean 'graph'?\n"
     "{conf}/recipe/mlp.yaml:10:5: a repeat count must be an integer of at least 0, not 'x'\n"
     "    - depth * Residual(Dense(_, width) + ReLU)\n      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"),
    (["mode=grap", "recipe.stack=[ReLU,3]"],
     "override mode=grap: 'grap' is not one of pynative or graph. Did you mean 'graph'?\n"
     "override recipe.stack=[ReLU,3]: an item of a stack is a string or a mapping of one layer to its arguments, not "
     "the number 3\n"),
    (["recipe.stack=[]"], "override recipe.stack=[]: the stack is empty; it needs at least one layer\n"),
    (["recipe.name=${nowhere}"], "override recipe.name=${nowhere}: Interpolation key 'nowhere' not found\n"),
    (["recipe.name=${nope:1}"], "override recipe.name=${nope:1}: Unsupported interpolation type nope\n"),
    (["recipe.checks.maen=3"], "override recipe.checks.maen=3: recipe.checks.maen is not in this configuration; "
                               "write +recipe.checks.maen=3 to add it\n"),
    (["+recipe.checks.maen.equals=3"],
     "override +recipe.checks.maen.equals=3: no check named 'maen'. Did you mean 'mean'?\n"),
    (["recipe.checks.mean.equals=x"], "override recipe.checks.mean.equals=x: must be a number, not 'x'\n"),
    (["recipe.input.shape=[4,9]"],
     "{conf}/recipe/centered.yaml:6:8: the input is (4, 9) float32; #0 Dense(8, 128) wants (…, 8)\n"
     "    stack: Dense(8, 128) + Centered\n"
     "           ^^^^^\n"),
    (["+registry.mine.X=os.system", "recipe.stack=X"],
     "override +registry.mine.X=os.system: os.system is in 'os', which is not trusted. "
     "It is Python's standard library, which has no layers or checks\n"),
    (["+registry.mine.X=mindspore.nn.Dens", "recipe.stack=X"],
     "override +registry.mine.X=mindspore.nn.Dens: 'mindspore.nn' has no 'Dens'. "
     "Did you mean 'Dense' or 'BiDense' or 'DenseThor'?\n"),
    (["+registry.mine.X=theirs.layers.NoCell", "recipe.stack=X"],
     "override +registry.mine.X=theirs.layers.NoCell: theirs.layers.NoCell is not an nn.Cell class\n"),
    (["+registry.mine.Dense=theirs.layers.Raises"],
     "override +registry.mine.Dense=theirs.layers.Raises: 'Dense' is already mindspore.nn.Dense (from "
     "registry.mindspore); choose another name for theirs.layers.Raises\n"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS, ids=[" ".join(case[0]) for case in ARGUMENTS])
def test_error_on_the_command_line(run, project, arguments, message):
    done = run(*arguments)
    assert done.err == (message.format(conf=ROOT / "conf") if "{conf}" in message else message)
    assert done.code == 2


@pytest.mark.parametrize("target", ["gpu", "ascend"])
def test_error_of_an_absent_device(run, target):
    done = run(f"device={target}")
    name = {"gpu": "GPU", "ascend": "Ascend"}[target]
    assert done.err.startswith(f"override device={target}: {name} is absent: ")
    assert done.err.endswith("Present: cpu. Use device=auto, or device.fallback=true to go on without it.\n")
    assert (done.err.count("\n"), done.out, done.code) == (1, "", 2)


FILES = [
    ("name: x\ninput: {shape: [4, 8]}\nstack: Dense(8, 1) + Dence(1, 1)\n",
     "conf/recipe/mine.yaml:3:22: no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?\n"
     "    stack: Dense(8, 1) + Dence(1, 1)\n"
     "                         ^^^^^\n"),
    ("input: {shape: [4, 8]}\nstack:\n  - Dense(8, 1)\n  - >-\n    ReLU\n    + Tahn\n",
     "conf/recipe/mine.yaml:6:7: no layer named 'Tahn'. Did you mean 'Tanh'?\n"
     "    + Tahn\n"
     "      ^^^^\n"),
    ("input: {shape: [4, 8]}\nstack:\n  - Dense: {in_channels: 8, out_chanels: 1}\n",
     "conf/recipe/mine.yaml:3:5: Dense is missing 'out_channels': Dense(in_channels, out_channels, weight_init=None, "
     "bias_init=None, has_bias=True, activation=None, dtype=float32)\n"
     "    - Dense: {in_channels: 8, out_chanels: 1}\n"
     "      ^^^^^\n"
     "conf/recipe/mine.yaml:3:29: Dense has no argument 'out_chanels'. Did you mean 'out_channels' or 'in_channels'?\n"
     "    - Dense: {in_channels: 8, out_chanels: 1}\n"
     "                              ^^^^^^^^^^^\n"),
    ("input: {shape: [4, 8]}\nstack: Dense('a', 1) + Dense(1, 1, has_bias='no')\n",
     "conf/recipe/mine.yaml:2:8: Dense('a', 1) cannot be made: For 'Dense', the 'in_channels' must be int, but got "
     "'str'\n"
     "    stack: Dense('a', 1) + Dense(1, 1, has_bias='no')\n"
     "           ^^^^^\n"
     "conf/recipe/mine.yaml:2:24: Dense(1, 1, has_bias='no') cannot be made: For 'Dense', the 'has_bias' must be a "
     "bool, but got str.\n"
     "    stack: Dense('a', 1) + Dense(1, 1, has_bias='no')\n"
     "                           ^^^^^\n"),
    ("inptu: {shape: [4, 8]}\nstack: ReLU\n",
          "conf/recipe/mine.yaml:1:1: unknown key 'inptu'. Did you mean 'input' or 'inputs' or 'init'?\n"
     "    inptu: {shape: [4, 8]}\n"
     "    ^^^^^\n"),
    ("input: {values: [[1, 2], [3]]}\nstack: ReLU\n",
     "conf/recipe/mine.yaml:1:9: the values are not numbers in lists of equal length\n"
     "    input: {values: [[1, 2], [3]]}\n"
     "            ^^^^^^\n"),
    ("input: {values: [1, 2], shape: [3]}\nstack: ReLU\n",
     "conf/recipe/mine.yaml:1:25: the values have shape [2], not [3]\n"
     "    input: {values: [1, 2], shape: [3]}\n"
     "                            ^^^^^\n"),
    ("input: {shape: [4, 8]\nstack: ReLU\n",
     "conf/recipe/mine.yaml:2:1: while parsing a flow mapping, expected ',' or '}', but got '<scalar>'\n"
     "    stack: ReLU\n"
     "    ^\n"),
    ("input: {shape: [4, 8]}\nstack: ReLU\nstack: Tanh\n",
     "conf/recipe/mine.yaml:3:1: while constructing a mapping, found duplicate key stack\n"
     "    stack: Tanh\n"
     "    ^\n"),
    ("input: {shape: [4, 8]}\nstack: *x\n",
     "conf/recipe/mine.yaml:2:8: found undefined alias 'x'; quote a string that begins with *\n"
     "    stack: *x\n"
     "           ^\n"),
    ("input: {shape: '${recipe.nowhere}'}\nstack: ReLU\n",
     "conf/recipe/mine.yaml:1:9: Interpolation key 'recipe.nowhere' not found\n"
     "    input: {shape: '${recipe.nowhere}'}\n"
     "            ^^^^^\n"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), FILES, ids=range(len(FILES)))
def test_error_in_a_recipe_file(run, recipe_file, text, message):
    recipe_file(text)
    done = run(*MINE)
    assert done.err == message
    assert done.code == 2


def test_error_of_values_that_are_to_be_given(run, recipe_file):
    recipe_file('input: {shape: "???"}\nstack: "???"\n')
    done = run(*MINE)
    assert (done.code, done.err) == (
        2,
        "conf/recipe/mine.yaml:1:9: recipe.input.shape has no value yet; give it one, such as 'recipe.input.shape=[4, 8]'\n"
        '    input: {shape: "???"}\n'
        "            ^^^^^\n"
        "conf/recipe/mine.yaml:2:1: recipe.stack has no value yet; give it one, such as "
        "'recipe.stack=\"Dense(8, 128) + Centered\"'\n"
        '    stack: "???"\n'
        "    ^^^^^\n",
    )


def test_a_group_check_with_arguments_runs_beside_the_recipes_own(run):
    done = run("+checks.run.output={shape: [9, 9]}")
    assert done.code == 1
    outcomes = json.loads((done.folder / "result.json").read_text())["outcomes"]
    assert [(o["check"], o["passed"]) for o in outcomes if o["check"] == "output"] == [
        ("output", False),
        ("output", True),
    ]


def test_token_ids_that_a_table_does_not_have(run, recipe_file):
    recipe_file("input: {shape: [2, 5], sample: integers, high: 100}\nstack: Embedding(10, 4)\n")
    done = run(*MINE)
    assert done.code == 2
    assert "#0 Embedding(10, 4) does not accept (2, 5) int32: RuntimeError: For 'Gather', " in done.err
    assert "device" not in done.err


def test_the_place_of_a_layer_that_raises_is_its_own(run, project):
    stack = "Residual(Identity + Residual(Identity + RaisesOnNumbers))"
    done = run("+registry.mine.RaisesOnNumbers=theirs.layers.RaisesOnNumbers", f'recipe.stack="{stack}"')
    assert "#0.inner.1.inner.1 RaisesOnNumbers raised KeyError: 'on numbers'\n" in done.err
    shown, carets = done.err.splitlines()[-2:]
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "RaisesOnNumbers"


def test_the_recipe_of_an_earlier_run_does_not_stay_beside_a_mistake(run):
    assert (run().folder / "recipe.yaml").exists()
    assert not (run("recipe.stack=Dence").folder / "recipe.yaml").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "name: a\nx: Ä".encode("latin-1"),
            "conf/recipe/mine.yaml is not UTF-8 text: line 2 has the byte 0xc4, as in GBK",
        ),
        (b"input:\n\tshape: [4, 8]\n", "conf/recipe/mine.yaml:2:1: a tab; YAML indents with spaces"),
        (b"name: \x07", "conf/recipe/mine.yaml: special characters are not allowed at character 7\n"),
    ],
)
def test_error_of_a_recipe_file_that_is_not_text(run, recipe_file, tmp_path, content, message):
    recipe_file("")
    (tmp_path / "conf" / "recipe" / "mine.yaml").write_bytes(content)
    done = run(*MINE)
    assert done.code == 2
    assert done.err.startswith(message)


def test_error_of_a_folder_that_cannot_be_made(run):
    done = run("hydra.output_subdir=null", "hydra.run.dir=/proc/nope/x")
    assert (done.code, done.err) == (2, "/proc/nope: No such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], ""),
        pytest.param(
            ["recipe=inline", 'recipe.stack="Dense(9, 1)"', "recipe.input.shape=[4,8]"],
            'override recipe.stack="Dense(9, 1)": the input is (4, 8) float32; #0 Dense(9, 1) wants (…, 9)\n'
            "    Dense(9, 1)\n    ^^^^^\n",
            marks=pytest.mark.slow,
        ),
        (
            ["+registry.mine.X=theirs.layers.OnlyPynative", "recipe.stack=X", "mode=graph"],
            "override recipe.stack=X: #0 X runs in PyNative mode, but Graph mode refuses it at theirs/layers.py:6, "
            "`return x * len({str(axis) for axis in x.shape})`: RuntimeError: Unsupported expression 'SetComp'.\n"
            "    X\n    ^\n",
        ),
    ],
)
def test_mindspore_logs_nothing_beside_the_message(project, tmp_path, arguments, message):
    (tmp_path / "theirs" / "layers.py").write_text(ONLY_PYNATIVE)
    environment = {name: value for name, value in os.environ.items() if name not in ("GLOG_v", "PYTHONWARNINGS")}
    environment["PYTHONPATH"] = str(tmp_path)  # a new process: MindSpore reads its log level when it is imported
    command = [sys.executable, str(ROOT / "run.py"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == (message, 2 if message else 0)


@pytest.mark.slow
def test_a_terminal_without_utf_8_gets_its_tables(tmp_path):
    command = [sys.executable, "-W", "ignore", str(ROOT / "run.py")]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert b"1,152 trainable parameters" in done.stdout
    assert done.stderr == b""


@pytest.mark.slow
def test_two_runs_started_together_leave_two_folders(tmp_path):
    command = [sys.executable, "-W", "ignore", str(ROOT / "run.py"), "recipe=centered_vector"]
    runs = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0]
    assert len(list(tmp_path.glob("outputs/*/*/result.json"))) == 2


def test_a_run_that_is_wrong_leaves_a_whole_result_and_nothing_else(run):
    done = run("recipe.stack=Dence")
    data = json.loads((done.folder / "result.json").read_text())
    assert data["status"] == "error"
    assert data["error"] == (
        "override recipe.stack=Dence: no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?\n    Dence\n    ^^^^^"
    )
    assert sorted(path.name for path in done.folder.iterdir() if path.is_file()) == [
        "result.html",
        "result.json",
        "run.log",
    ]


@pytest.mark.parametrize("example", explain._FUNCTIONS.values())
def test_hydra_parses_the_examples_of_its_functions(example):
    override = OverridesParser.create().parse_override(f"seed={example}")
    assert override.is_sweep_override()


@pytest.mark.parametrize(
    ("layer", "line", "said"),
    [
        (
            "Raises",
            'raise KeyError("inside")',
            "#1 Raises raised KeyError: 'inside'; #0 Dense(8, 8) emits (4, 8) float32",
        ),
        ("RaisesOnNumbers", 'raise KeyError("on numbers")', "#1 RaisesOnNumbers raised KeyError: 'on numbers'"),
        (
            "Exits",
            "raise SystemExit(5)",
            "#1 Exits raised RuntimeError: SystemExit(5) would end the program; #0 Dense(8, 8) emits (4, 8) float32",
        ),
        (
            "ExitsOnNumbers",
            "raise SystemExit(0)",
            "#1 ExitsOnNumbers raised RuntimeError: SystemExit(0) would end the program",
        ),
        (
            "ExitsEarly",
            'raise SystemExit("early")',
            "ExitsEarly fails while it is made: RuntimeError: SystemExit('early') would end the program",
        ),
    ],
)
def test_a_layer_that_raises_keeps_its_own_traceback(run, project, layer, line, said):
    done = run(f"+registry.mine.{layer}=theirs.layers.{layer}", f'recipe.stack="Dense(8, 8) + {layer}"')
    assert done.code == 2
    head, first, *_ = done.err.splitlines()
    assert head == "Traceback (most recent call last):"
    assert "theirs/layers.py" in first
    assert line in done.err
    assert f'override recipe.stack="Dense(8, 8) + {layer}": {said}\n' in done.err
    assert done.err.endswith(f"    Dense(8, 8) + {layer}\n                  {'^' * len(layer)}\n")


def test_a_layer_that_graph_mode_refuses_is_told(run, project, tmp_path):
    (tmp_path / "theirs" / "layers.py").write_text(ONLY_PYNATIVE)
    done = run("+registry.mine.X=theirs.layers.OnlyPynative", "recipe.stack=X", "mode=graph", "checks=none")
    assert done.code == 2
    assert "#0 X runs in PyNative mode, but Graph mode refuses it at theirs/layers.py:6, `return x" in done.err
    assert not (tmp_path / "rank_0").exists()


GRAPH = """\
from mindspore import nn


class Inner(nn.Cell):
    def construct(self, x):
        try:
            return x + 1
        finally:
            pass


class Torn(nn.Cell):
    def construct(self, x):
        if x.sum() > 1e9:
            y = x
        else:
            y = (x, x)
        return y
"""


@pytest.mark.parametrize(
    ("stack", "told"),
    [
        ("ReLU + Residual(Dense(8, 8) + Inner) + Inner", "#1.inner.1 Inner runs in PyNative mode, but Graph mode refuses "
         "it at theirs/layers.py:6, `try:`: RuntimeError: Unsupported statement 'Try'."),
        ("Dense(8, 8) + Torn", "#1 Torn runs in PyNative mode, but Graph mode refuses it at theirs/layers.py:15, "
         "`y = x`: Cannot join the return values of different branches"),
    ],
)  # fmt: skip
def test_the_innermost_layer_that_graph_mode_refuses_is_named_with_its_line(run, project, tmp_path, stack, told):
    (tmp_path / "theirs" / "layers.py").write_text(GRAPH)
    names = [f"+registry.mine.{name}=theirs.layers.{name}" for name in ("Inner", "Torn")]
    done = run(*names, "recipe=inline", f'recipe.stack="{stack}"', "recipe.input.shape=[4,8]", "mode=graph")
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pyproject.toml", "run", "theirs"]


def test_a_layer_that_the_device_lacks_is_named(run):
    done = run("recipe=inline", 'recipe.stack="ReLU + InstanceNorm2d(_)"', "recipe.input.shape=[1,3,4,4]")
    assert done.code == 2
    assert done.err.startswith(
        'override recipe.stack="ReLU + InstanceNorm2d(_)": #1 InstanceNorm2d(3) cannot run on this device: '
        "RuntimeError: Unsupported op [InstanceNorm] on CPU"
    )
    assert "Traceback" not in done.err


def test_a_fault_of_the_assembler_itself_is_told_as_such(run, monkeypatch):
    from assembler.model import inputs

    monkeypatch.setattr(inputs, "make_input", lambda *arguments: 1 / 0)
    done = run()
    assert done.code == 2
    assert "ZeroDivisionError" in done.err
    assert done.err.endswith("a fault in the assembler itself; please report it: ZeroDivisionError: division by zero\n")
    assert json.loads((done.folder / "result.json").read_text())["status"] == "error"


def test_the_recipe_in_the_result_is_yaml_that_a_person_can_read(run):
    text = (run("recipe=mlp").folder / "recipe.yaml").read_text()
    assert yaml.safe_load(text)["stack"] == [
        "Flatten",
        "Dense(784, 256)",
        "ReLU",
        "Residual(Dense(256, 256) + ReLU)",
        "Residual(Dense(256, 256) + ReLU)",
        "Dense(in_channels=256, out_channels=10)",
    ]


# ---- task=plan, expect, guard


def test_a_plan_prints_its_table_and_runs_nothing(run, monkeypatch):
    from assembler.model import build, inputs
    from assembler.runtime import device

    for module, name in ((build, "build"), (device, "pick"), (device, "prepare"), (inputs, "make_input")):
        monkeypatch.setattr(module, name, lambda *arguments, name=name: pytest.fail(f"{name} was called"))
    done = run("task=plan", "recipe=lenet5")
    assert (done.code, done.err) == (0, "")
    assert "12 layers, 61,706 trainable parameters (241.0 KiB), 833,040 MACs\n" in done.out
    assert "(2, 1, 28, 28) → (2, 10) float32, about 79.6 KiB of activations\n" in done.out
    data = json.loads((done.folder / "result.json").read_text())
    assert (data["task"], data["device"], data["status"]) == ("plan", None, "passed")
    assert set(data["seconds"]) == {"import", "plan"}


def test_a_plan_is_the_same_as_that_of_a_check(run):
    plans = [json.loads((run(f"task={task}", "recipe=mlp").folder / "result.json").read_text())["plan"]
             for task in ("plan", "check")]  # fmt: skip
    assert plans[0] == plans[1]


@pytest.mark.parametrize("arguments", [["dtype=bfloat16"], ["device=ascend"], ["device=ascend", "dtype=bfloat16"]])
def test_a_plan_is_for_any_device(run, arguments):
    done = run("task=plan", *arguments)
    assert (done.code, done.err) == (0, "")
    assert ("bfloat16" in done.out) == ("dtype=bfloat16" in arguments)


def test_a_plan_takes_no_more_memory_than_a_small_one(run):
    done = run("task=plan", "recipe=inline", 'recipe.stack="100 * Dense(_, 65536)"', "recipe.input.shape=[1024,65536]")
    assert done.code == 0
    assert "429,503,283,200 trainable parameters (1.6 TiB)" in done.out


EXPECT = "input: {{shape: [4, 8]}}\nstack: Dense(_, 16) + Dense(_, 2)\nexpect: {}\n"


@pytest.mark.parametrize("task", ["plan", "check"])
def test_what_is_expected_is_told(run, recipe_file, task):
    recipe_file(EXPECT.format("{trainable: 178, parameters: 178, macs: 640, output: [4, 2]}"))
    done = run(*MINE, f"task={task}", "checks=none")
    assert (done.code, done.err) == (0, "")
    outcomes = json.loads((done.folder / "result.json").read_text())["outcomes"]
    assert [(o["check"], o["passed"], o["measured"]) for o in outcomes] == [
        ("expect.trainable", True, 178),
        ("expect.parameters", True, 178),
        ("expect.macs", True, 640),
        ("expect.output", True, [4, 2]),
    ]
    assert yaml.safe_load((done.folder / "recipe.yaml").read_text())["expect"]["macs"] == 640


@pytest.mark.parametrize("task", ["plan", "check"])
@pytest.mark.parametrize(
    ("expect", "row"),
    [
        ("{trainable: 1178}", "expect.trainable  FAILED  178, must be 1,178"),
        ("{parameters: 177}", "expect.parameters  FAILED  178, must be 177"),
        ("{macs: 641}", "expect.macs  FAILED  640, must be 641"),
        ("{output: [4, 3]}", "expect.output  FAILED  [4, 2], must be [4, 3]"),
        ("{output: [[4, 2]]}", "expect.output  FAILED  [4, 2], must be [[4, 2]]"),
    ],
)
def test_a_size_that_drifts_fails_the_run(run, recipe_file, task, expect, row):
    recipe_file(EXPECT.format(expect))
    done = run(*MINE, f"task={task}", "checks=none")
    assert (done.code, done.err) == (1, "")
    assert row in done.out
    assert json.loads((done.folder / "result.json").read_text())["status"] == "failed"


def test_the_checks_run_when_a_size_drifts(run, recipe_file):
    recipe_file(EXPECT.format("{macs: 641}"))
    done = run(*MINE)
    assert (done.code, done.out.count("FAILED"), done.out.count("passed")) == (1, 1, 3)


def test_a_model_that_cannot_fit_is_refused_before_it_is_built(run, monkeypatch):
    from assembler.model import build, inputs

    for module, name in ((build, "build"), (inputs, "make_input")):
        monkeypatch.setattr(module, name, lambda *arguments, name=name: pytest.fail(f"{name} was called"))
    done = run("recipe=inline", 'recipe.stack="100 * Dense(_, 65536)"', "recipe.input.shape=[1024,65536]")
    assert done.code == 2
    assert done.err.startswith(
        "the model needs 1.6 TiB (1.6 TiB of parameters, about 1.0 GiB of activations, 4.0 GiB for the sample and the "
        "checks), and CPU has "
    )
    assert done.err.endswith(" available; guard=false builds it all the same\n")
    assert "1.6 TiB" in done.out


def test_the_guard_counts_the_sample_and_the_checks(run, monkeypatch):
    from assembler.runtime import memory

    numbers = 1000 * 1000
    needed = 4 * 2 * numbers + 3 * 8 * numbers + 5 * 8 * numbers
    for available, code in ((needed, 0), (needed - 1, 2)):
        monkeypatch.setattr(memory, "available_memory", lambda target, available=available: available)
        done = run("recipe=inline", "recipe.stack=ReLU", "recipe.input.shape=[1000,1000]")
        assert done.code == code
    assert "(0 B of parameters, about 7.6 MiB of activations, 61.0 MiB for the sample and the checks)" in done.err


@pytest.mark.slow
def test_the_guard_counts_what_training_takes(run, monkeypatch):
    from assembler.runtime import memory

    planned = json.loads((run("checks=none").folder / "result.json").read_text())["plan"]
    needed = planned["parameter_memory"] + planned["activations"] + 3 * 8 * 4 * 8 + 5 * 8 * 4 * 128
    training = needed + 5 * planned["parameter_memory"] + 2 * 4 * 4 * 128  # what both layers emit is kept
    for available, quick, trains in ((needed - 1, 2, 2), (needed, 0, 2), (training - 1, 0, 2), (training, 0, 0)):
        monkeypatch.setattr(memory, "available_memory", lambda target, available=available: available)
        assert (run().code, run("+checks.run.trains={}").code) == (quick, trains)


@pytest.fixture
def _training_check():
    """A check of one's own that trains a copy."""

    @checks.check(copies=7, keeps_activations=True)
    def learns(output: np.ndarray) -> Outcome:
        """It passes."""
        return Outcome("learns", True, None, None)

    @checks.check
    def looks(output: np.ndarray) -> Outcome:
        """It takes nothing."""
        return Outcome("looks", True, None, None)

    yield
    for name in ("learns", "looks"):
        del CHECKS[f"{__name__}.{name}"]


@pytest.mark.usefixtures("_training_check")
@pytest.mark.parametrize(("name", "beside"), [("looks", 0), ("learns", 7 * 4 * (72 + 9) + 4 * 4 * (8 + 1))])
def test_the_guard_counts_what_a_check_of_ones_own_takes(run, tmp_path, monkeypatch, name, beside):
    from assembler.runtime import memory

    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    (tmp_path / "conf" / "recipe" / "mine.yaml").write_text(
        f"input: {{shape: [4, 8]}}\nstack: Dense(_, 8) + Dense(_, 1)\nchecks: {{{__name__}.{name}: {{}}}}\n"
    )
    mine = ("--config-dir", "conf", "recipe=mine")
    planned = json.loads((run(*mine).folder / "result.json").read_text())["plan"]
    needed = planned["parameter_memory"] + planned["activations"] + 3 * 8 * 4 * 8 + 5 * 8 * 4 + beside
    for available, code in ((needed, 0), (needed - 1, 2)):
        monkeypatch.setattr(memory, "available_memory", lambda target, available=available: available)
        assert run(*mine).code == code


def test_the_guard_counts_every_output(run, tmp_path, monkeypatch):
    from assembler.runtime import memory

    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    (tmp_path / "conf" / "recipe" / "mine.yaml").write_text(
        "input: {shape: [4, 8]}\ngraph:\n  small: Mean(-1) @ input\n  large: Dense(_, 1000) @ input\n"
        "outputs: [small, large]\n"
    )
    run("--config-dir", "conf", "recipe=mine", "checks=none")
    planned = json.loads((tmp_path / "run" / "result.json").read_text())["plan"]
    needed = planned["parameter_memory"] + planned["activations"] + 3 * 8 * 4 * 8 + 5 * 8 * (4 + 4 * 1000)
    for available, code in ((needed, 0), (needed - 1, 2)):
        monkeypatch.setattr(memory, "available_memory", lambda target, available=available: available)
        assert run("--config-dir", "conf", "recipe=mine", "checks=none").code == code


def test_the_guard_can_be_taken_away(run, monkeypatch):
    from assembler.runtime import memory

    monkeypatch.setattr(memory, "available_memory", lambda target: 10)
    assert run().code == 2
    assert run("guard=false").code == 0


def test_a_sweep_of_plans_compares_them(run):
    done = run("-m", "task=plan", "recipe=centered,lenet5")
    assert done.code == 0
    header, *rows = (done.folder / "sweep.csv").read_text().splitlines()
    column = header.split(",").index("plan.macs")
    assert [row.split(",")[column] for row in rows] == ["4096", "833040"]


def test_what_was_run_on_zeros_is_told(run):
    done = run("task=plan", "recipe=inline", 'recipe.stack="ReLU + 5 * Threshold(0.1, 20.0)"',
               "recipe.input.shape=[5,2,8]")  # fmt: skip
    assert (
        "planned by running on zeros (no meta kernel): #1 Threshold, #2 Threshold, #3 Threshold and 2 more; "
        "value-dependent shapes may differ "
    ) in " ".join(done.out.split()) + " "
