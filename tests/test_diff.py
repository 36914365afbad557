"""``diff`` and ``assembler.views.diff``: the fewest edits that lead from one model to another."""

import json
import random
from itertools import combinations

import pytest
from typer.testing import CliRunner

from assembler import plan
from assembler.commands.app import app
from assembler.views.diff import difference, record, settings_that_differ, text_lines
from assembler.views.diff.parts import Keys, parts_of
from assembler.views.diff.script import script


def planned(layers, **rest):
    """The plan of layers, one a line; of a mapping, the plan of that recipe."""
    recipe = layers if isinstance(layers, dict) else {"stack": list(layers)}
    return plan({"name": "net", "input": {"shape": [2, 8]}, **recipe, **rest})


def edits(before, after, redefined=()):
    found = difference(planned(before), planned(after), {}, redefined=redefined)
    return [(one.sign, one.before and one.before.text, one.after and one.after.text, one.times) for one in found.edits]


BLOCKS = {"Unit(n)": "Dense(_, n) + ReLU"}
GRAPH = {"x": "Dense(_, 8) @ input", "y": "Dense(_, 8) @ x", "z": "Add @ (x, y)"}


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (["Dense(_, 4)"], ["Dense(_, 4)"], []),
        (["Dense(_, 4)", "ReLU"], ["Dense(_, 5)", "ReLU"], [("~", "Dense(_, 4)", "Dense(_, 5)", 1)]),
        (["ReLU"], ["GELU"], [("~", "ReLU", "GELU", 1)]),
        (["ReLU", "Tanh"], ["Tanh"], [("-", "ReLU", None, 1)]),
        (["ReLU", "Tanh"], ["ReLU", "Sigmoid", "Tanh"], [("+", None, "Sigmoid", 1)]),
        (["3 * (Dense(_, 4) + ReLU)"], ["5 * (Dense(_, 4) + ReLU)"], [("+", None, "Dense(_, 4)", 2), ("+", None, "ReLU", 2)]),
        (["Residual(Dense(_, 8))"], ["Residual(Dense(_, 8) + ReLU)"], [("+", None, "ReLU", 1)]),
        (["Residual(Dense(_, 8))"] * 9, ["Residual(Dense(_, 8) + ReLU)"] * 9, [("+", None, "ReLU", 9)]),
        (["Parallel(ReLU, Tanh)"], ["Parallel(ReLU, Tanh, GELU)"], [("+", None, "chain 3", 1)]),
        (["ReLU"] * 3, [], [("-", "ReLU", None, 3)]),
        (["Dense(_, 4)", *["ReLU"] * 40], ["Dense(_, 4)", *["ReLU"] * 20, "Tanh", *["ReLU"] * 19], [("~", "ReLU", "Tanh", 1)]),
        ({"stack": "4 * Unit(8)", "blocks": BLOCKS}, {"stack": "4 * Unit(16)", "blocks": BLOCKS}, [("~", "Unit(8)", "Unit(16)", 4)]),
        ({"stack": "4 * Unit(8)", "blocks": BLOCKS}, {"stack": "3 * Unit(8)", "blocks": BLOCKS}, [("-", "Unit(8)", None, 1)]),
        ({"graph": GRAPH}, {"graph": {**GRAPH, "z": "Add @ (input, y)"}}, [("~", "z @ (x, y)", "z @ (input, y)", 1)]),
        ({"graph": GRAPH}, {"graph": {**GRAPH, "y": "Dense(_, 8, has_bias=False) @ x"}}, [("~", "Dense(_, 8)", "Dense(_, 8, has_bias=False)", 1)]),
        ({"shared": {"d": "Dense(8, 8)"}, "stack": "d + ReLU + d"}, {"shared": {"d": "Dense(8, 8)"}, "stack": "d + ReLU"}, [("-", "d, shared: Dense(8, 8)", None, 1)]),
    ],
)  # fmt: skip
def test_the_fewest_edits(before, after, wanted):
    if not after:
        before, after = ["Dense(_, 8)", *before], ["Dense(_, 8)"]
    assert edits(before, after) == wanted


def test_of_a_block_that_is_defined_otherwise_what_is_inside_is_compared():
    other = {"Unit(n)": "Dense(_, n) + GELU"}
    before, after = {"stack": "3 * Unit(8)", "blocks": BLOCKS}, {"stack": "3 * Unit(16)", "blocks": other}
    assert edits(before, after, {"Unit"}) == [
        ("~", "Unit(8)", "Unit(16)", 3),
        ("~", "Dense(_, 8)", "Dense(_, 16)", 3),
        ("~", "ReLU", "GELU", 3),
    ]


# ---- seeded edits: each is one, and is found as one

LAYERS = ("ReLU", "GELU", "Tanh", "Sigmoid", "Softmax", "Dense(_, 6)", "Dense(_, 7)", "Dropout(0.5)", "Centered")


def a_network(dice):
    """Layers as nested lists: a list is a Residual whose parts keep the width."""

    def row(depth):
        parts = [dice.choice(LAYERS[:5]) if depth else dice.choice(LAYERS) for _ in range(dice.randint(3, 9))]
        if depth < 2:
            parts.insert(dice.randrange(len(parts)), row(depth + 1))
        return parts

    return row(0)


def written(parts):
    return [f"Residual({' + '.join(written(part))})" if isinstance(part, list) else part for part in parts]


def lists_in(parts):
    yield parts
    for part in parts:
        if isinstance(part, list):
            yield from lists_in(part)


def copied(parts):
    return [copied(part) if isinstance(part, list) else part for part in parts]


def insert(dice, parts):
    at = dice.randrange(len(parts) + 1)
    parts.insert(at, "HSwish")
    return [("+", None, "HSwish", 1)]


def delete(dice, parts):
    parts.insert(dice.randrange(len(parts) + 1), "HSwish")
    return None  # the reverse of an insertion


def widen(dice, parts):
    at = dice.randrange(len(parts) + 1)
    parts.insert(at, "LeakyReLU(0.1)")
    return [("~", "LeakyReLU(0.1)", "LeakyReLU(0.3)", 1)]


def repeat(dice, parts):
    parts.insert(dice.randrange(len(parts) + 1), "4 * HSwish")
    return [
        (
            sign := dice.choice("+-"),
            None if sign == "+" else "HSwish",
            "HSwish" if sign == "+" else None,
            dice.randint(1, 3),
        )
    ]


@pytest.mark.parametrize("seed", range(48))
def test_a_seeded_edit_is_found_as_one(seed):
    dice = random.Random(seed)
    change = (insert, delete, widen, repeat)[seed % 4]
    before = a_network(dice)
    after = copied(before)
    at = dice.randrange(len(list(lists_in(after))))
    wanted = change(dice, list(lists_in(after))[at])
    texts = ["\n".join(written(parts)) for parts in (before, after)]
    if change is delete:
        texts.reverse()
        wanted = [("-", "HSwish", None, 1)]
    if change is widen:
        texts = [texts[1], texts[1].replace("LeakyReLU(0.1)", "LeakyReLU(0.3)")]
    if change is repeat:
        sign, times = wanted[0][0], wanted[0][3]
        texts = [texts[1], texts[1].replace("4 * HSwish", f"{4 + times if sign == '+' else 4 - times} * HSwish")]
    assert edits(*(text.split("\n") for text in texts)) == wanted


@pytest.mark.parametrize("seed", range(12))
def test_a_seeded_other_wire_is_found_as_one(seed):
    dice = random.Random(seed)
    names = ["input"]
    lines = {}
    for number in range(dice.randint(4, 9)):
        lines[f"w{number}"] = f"{dice.choice(('Add', 'Multiply'))} @ ({names[-1]}, {dice.choice(names)})"
        names.append(f"w{number}")
    name = dice.choice(list(lines)[1:])
    head, _, sources = lines[name].partition(" @ ")
    first, second = sources.strip("()").split(", ")
    other = dice.choice([one for one in names[: names.index(name)] if one != second])
    after = {**lines, name: f"{head} @ ({first}, {other})"}
    assert edits({"graph": lines}, {"graph": after}) == [
        ("~", f"{name} @ ({first}, {second})", f"{name} @ ({first}, {other})", 1)
    ]


# ---- costs against every alignment


def every_alignment(before, after):
    """The least number of layers removed and added, by trying all common subsequences."""
    for length in range(min(len(before), len(after)), -1, -1):
        rows = {tuple(before[at] for at in chosen) for chosen in combinations(range(len(before)), length)}
        if rows & {tuple(after[at] for at in chosen) for chosen in combinations(range(len(after)), length)}:
            return length
    raise AssertionError


@pytest.mark.parametrize("seed", range(20))
def test_as_many_layers_stay_as_can(seed):
    dice = random.Random(seed)
    before, after = ([dice.choice(("ReLU", "ELU", "Tanh")) for _ in range(dice.randint(1, 6))] for _ in range(2))
    keys = Keys()
    left, right = parts_of(planned(before), keys), parts_of(planned(after), keys)
    found = script(left, right)
    touched = sum(one.times for one in found if one.before is not None)
    # replacing two layers costs less than removing one and adding one, so at most the pairs that stay are given up
    assert len(before) - touched <= every_alignment(before, after)
    assert len(before) - touched + sum(one.times for one in found if one.after is not None) == len(after)


# ---- figures


def test_figures_of_edits_and_of_what_follows_add_up():
    before, after = planned(["Dense(_, 16)", "ReLU", "Dense(_, 3)"]), planned(["Dense(_, 32)", "ReLU", "Dense(_, 3)"])
    found = difference(before, after, {})
    (edit,) = found.edits
    assert (edit.parameters, edit.macs) == (16 * 8 + 16, 2 * 16 * 8)
    assert found.through_sizes == (16 * 3, 2 * 16 * 3)
    assert after.parameters - before.parameters == edit.parameters + found.through_sizes[0]
    assert record(found)["metrics"]["parameters"] == [before.parameters, after.parameters]


def test_settings_that_differ_have_dotted_keys():
    assert settings_that_differ({"a": {"b": 1, "c": [1]}, "d": 2}, {"a": {"b": 1, "c": [2]}, "e": 3}) == {
        "a.c": ([1], [2]),
        "d": (2, None),
        "e": (None, 3),
    }


def test_ten_thousand_layers_are_compared_quickly():
    before, after = planned(["10000 * ReLU"]), planned(["5000 * ReLU", "Tanh", "5000 * ReLU"])
    assert [line.strip() for line in text_lines(difference(before, after, {}))][:2] == ["layers", "+ Tanh  #5000"]


# ---- the command


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        (tmp_path / name).write_text(text)
        return name

    return write


def call(*arguments):
    done = CliRunner().invoke(app, ["diff", *arguments])
    return done.exit_code, done.stdout, str(done.exception or "")


def test_the_command_says_what_differs_and_what_it_costs(files):
    a = files("a.yaml", "name: a\ninput: {shape: [4, 8]}\nparams: {n: 16}\nstack: Dense(_, n) + ReLU\n")
    b = files("b.yaml", "name: b\ninput: {shape: [4, 8]}\nparams: {n: 32}\nstack: Dense(_, n) + GELU\n")
    code, said, _ = call(a, b)
    assert code == 1
    assert said.splitlines()[:5] == [
        "settings",
        "  params.n: 16 → 32",
        "layers",
        "  ~ Dense(_, 16) → Dense(_, 32)  #0  (+144 parameters, +512 MACs)",
        "  ~ ReLU → GELU  #1",
    ]
    code, said, _ = call("--json", a, b)
    assert code == 1
    assert [one["edit"] for one in json.loads(said)["edits"]] == ["changed", "changed"]
    assert call(a, a)[:2] == (0, "they are the same\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing.yaml", "there is no file nothing.yaml"),
        ("resnet17", "no recipe named 'resnet17'. Did you mean 'resnet18'"),
        (".", ". is not the folder of a run: it has no result.json"),
    ],
)
def test_what_cannot_be_compared_is_said(files, name, said):
    code, _, error = call("lenet5", name)
    assert code == 1  # the error of the command, which main prints and turns into 2
    assert said in error
