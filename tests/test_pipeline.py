"""A recipe is read in one way, whichever door it comes in by: ``plan``, ``python run.py`` and ``validate``."""

import re
from pathlib import Path

import pytest
import yaml

from assembler import LAYERS, AssemblerError, plan
from assembler.binding import parsing
from assembler.errors import flatten
from assembler.pipeline import bind_recipe
from tests.conftest import MINE, every_third
from tests.test_commands import call, own_process

INPUT = {"shape": [4, 8]}
DENCE = "no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?"
TAHN = "no layer named 'Tahn'. Did you mean 'Tanh'?"
ZEROOO = "no initializer named 'Zerooo'. Did you mean 'Zero'?"
NOSUCH = "no check named 'nosuch'. There are: "
GRAPH = {"a": "Dense(8, 8)", "b": "Dence @ a"}

BOUND = {
    "a layer, a first value and a check": (
        {"name": "x", "input": INPUT, "stack": "Dence(8, 4)", "init": {"*.bias": "Zerooo"}, "checks": {"nosuch": {}}},
        [DENCE, ZEROOO, NOSUCH],
    ),
    "the same from the last key to the first": (
        {"checks": {"nosuch": {}}, "init": {"*.bias": "Zerooo"}, "stack": "Dence(8, 4)", "input": INPUT, "name": "x"},
        [NOSUCH, ZEROOO, DENCE],
    ),
    "a check that is no mapping": (
        {"input": INPUT, "stack": "Dence(8, 4)", "init": {"*": "Zerooo"}, "checks": {"mean": 3, "nosuch": {}}},
        [DENCE, ZEROOO, "must be a mapping, not 3", NOSUCH],
    ),
    "an argument of a check": (
        {"input": INPUT, "checks": {"nosuch": {}, "mean": {"equals": "x"}}, "stack": "Dence(8, 4)"},
        [NOSUCH, "must be a number, not 'x'", DENCE],
    ),
    "checks that are no mapping": (
        {"input": INPUT, "checks": [3], "stack": "Dence(8, 4)"},
        ["must be a mapping, not [3]", DENCE],
    ),
    "two layers of one text": ({"input": INPUT, "stack": "Dence(8, 4) + ReLU + Tahn"}, [DENCE, TAHN]),
    "arguments and layers in a list": (
        {"input": INPUT, "stack": [{"Dense": {"in_channels": 8, "out_chanels": 1}}, "ReLU + Tahn", "Dence"]},
        ["Dense is missing 'out_channels': Dense(", "Dense has no argument 'out_chanels'. Did you mean", TAHN, DENCE],
    ),
    "a block and what uses it": (
        {"input": INPUT, "blocks": {"A(n)": "Dence(8, n)", "B": "Dense(_, 2"}, "stack": "A(4) + Tahn"},
        ["'(' is never closed"],
    ),
    "the layers of a block": (
        {"input": INPUT, "stack": "A(4) + Tahn", "blocks": {"A(n)": "Dence(8, n) + Tahn"}},
        [TAHN, DENCE, TAHN],
    ),
    "a name and a text": (
        {"input": INPUT, "params": {"if": 3}, "stack": "Dense(8", "checks": {"nosuch": {}}},
        ["'if' cannot be used as a name", "'(' is never closed", NOSUCH],
    ),
    "a text and a first value": (
        {"input": INPUT, "stack": "Dense(8", "init": {"*": "Zerooo"}},
        ["'(' is never closed", ZEROOO],
    ),
    "expect of a wrong type": (
        {"input": INPUT, "expect": {"macs": 1.5, "output": "[4, 2]"}, "stack": "Dence(8, 4)"},
        ["must be an integer, not 1.5", "must be a shape such as [2, 10], or a list of shapes", DENCE],
    ),
    "an unknown key": (
        {"inptu": INPUT, "input": INPUT, "stack": "Dence(8, 4)"},
        ["unknown key 'inptu'. Did you mean 'input' or 'inputs' or 'init'?", DENCE],
    ),
    "an unknown key instead of the stack": (
        {"input": INPUT, "stcak": "Dence(8, 4)", "checks": {"nosuch": {}}},
        ["unknown key 'stcak'. Did you mean 'stack' ", NOSUCH],
    ),
    "a key that is missing": (
        {"input": INPUT, "checks": {"nosuch": {}}},
        ["'stack' is missing", NOSUCH],
    ),
    "keys that exclude each other": (
        {"input": INPUT, "stack": "Dence(8, 4)", "scale": "n"},
        [DENCE, "'scale' requires 'file', a network file"],
    ),
    "the shape of the input": (
        {"stack": "Dence(8, 4)", "input": {"shape": [4, 0]}},
        [DENCE, "must be at least 1, not 0"],
    ),
    "an input of a graph": (
        {"inputs": {"x": INPUT, "y": {"shape": 3}}, "graph": {"a": "Add @ (x, y)", "b": "Dence"}},
        ["a shape is a list: write shape: [3]", DENCE],
    ),
    "the outputs of a graph": ({"input": INPUT, "outputs": 3, "graph": GRAPH}, ["must be a string, not 3"]),
    "parameters that layers may name": ({"input": INPUT, "params": 3, "stack": "Dense(8, n)"}, ["must be a mapping, "]),
    "a reference that is not trusted": (
        {"input": INPUT, "stack": "ReLU", "checks": {"reference": {"rtol": "x", "function": "subprocess.call"}}},
        ["must be a number, not 'x'", "subprocess.call is in 'subprocess', which is not trusted. "],
    ),
    "a network file that is not there": (
        {"input": INPUT, "file": "none.yaml", "checks": {"nosuch": {}}},
        ["a network file is for images: the input needs a shape (N, C, H, W)", NOSUCH],
    ),
}  # fmt: skip
"""What → a recipe, and how each message begins, in order."""

PLANNED = {
    "a shape": ({"input": INPUT, "stack": "Dense(9, 4) + ReLU"}, ["the input is (4, 8) float32; #0 Dense(9, 4) wants "]),
    "two constructors": (
        {"input": INPUT, "stack": "Dense('a', 1) + Dense(1, 1, has_bias='no')"},
        ["Dense('a', 1) cannot be made: ", "Dense(1, 1, has_bias='no') cannot be made: "],
    ),
    "patterns of parameters": (
        {"freeze": ["nothing", "*.bias"], "input": INPUT, "stack": "Dense(8, 4)", "init": {"9.*": 0, "*.bias": 1}},
        ["'nothing' matches no parameter. ", "'9.*' matches no parameter. "],
    ),
}  # fmt: skip


FILE = "conf/recipe/mine.yaml"


def of_mapping(recipe, run):
    with pytest.raises(AssemblerError) as error:
        plan(recipe)
    return [mistake.message.splitlines()[0] for mistake in flatten([error.value])]


def of_file(recipe, run):
    return of_mapping(Path(FILE), run)


def of_run(recipe, run):
    return told(run(*MINE, "task=plan").err)


def of_validate(recipe, run):
    return told(call("validate", "--plan", FILE)[2])


def told(printed):
    return re.findall(rf"^{re.escape(FILE)}:\d+:\d+: (.*)$", printed, re.MULTILINE)


@pytest.mark.parametrize("name", every_third([*BOUND, *PLANNED]))
def test_every_door_reports_the_same_in_the_order_of_the_recipe(name, run, recipe_file):
    recipe, beginnings = {**BOUND, **PLANNED}[name]
    recipe_file(yaml.safe_dump(recipe, sort_keys=False))
    messages = of_mapping(recipe, run)
    assert [message[: len(beginning)] for message, beginning in zip(messages, beginnings, strict=True)] == beginnings
    assert {door.__name__: door(recipe, run) for door in (of_file, of_run, of_validate)} == dict.fromkeys(
        ("of_file", "of_run", "of_validate"), messages
    )


def test_what_is_wrong_outside_a_recipe_hides_nothing(run, recipe_file):
    recipe_file("stack: Dence(8, 4)\nchecks: {nosuch: {}, mean: 3}\ninput: {shape: [4, 8]}\n")
    said = ["+checks.run.range.min=x", "mode=grap", "+checks.run.mean=3", "+checks.run.maen={}"]
    lines = run(*MINE, "task=plan", *said).err.splitlines()
    assert [line.partition(". ")[0] for line in lines if line.startswith(("override", FILE))] == [
        "override +checks.run.range.min=x: must be a number, not 'x'",
        "override mode=grap: 'grap' is not one of pynative or graph",
        "override +checks.run.mean=3: must be a mapping, not 3",
        "override +checks.run.maen={}: no check named 'maen'",
        f"{FILE}:1:8: no layer named 'Dence'",
        f"{FILE}:2:10: no check named 'nosuch'",
        f"{FILE}:2:22: must be a mapping, not 3",
    ]


def test_a_recipe_is_parsed_once(monkeypatch):
    parsed = []
    monkeypatch.setattr(
        parsing, "parse_stack", lambda said, key, real=parsing.parse_stack: (parsed.append(key), real(said, key))[1]
    )
    bound = bind_recipe({"input": INPUT, "stack": "Dense(8, 4)", "init": {"*": "HeNormal"}}, lambda: LAYERS)
    assert (parsed, [rule.pattern for rule in bound.rules]) == (["recipe.stack"], ["*"])


def test_numbers_as_first_values_are_read_without_mindspore(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = {"input": INPUT, "stack": "Dense(8, 4)", "init": {"*.bias": 1, "*.weight": True}}
    Path("mine.yaml").write_text(yaml.safe_dump(recipe))
    code, _, err = own_process("validate", "mine.yaml")
    assert (code, err.count("init takes an initializer such as "), err.endswith("False\n")) == (2, 1, True)
