"""Loops, stars, functions of numbers, and ``_`` in arithmetic: what they expand to, and what to write."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler import LAYERS, plan
from assembler.binding import functions
from assembler.binding.bind import bind
from assembler.binding.structure import PassedNode
from assembler.errors import AssemblerError, flatten
from assembler.language.grammar import parse
from assembler.model.build import build
from assembler.model.inputs import make_inputs
from assembler.planning.outline import outline
from assembler.planning.planner import plan_steps
from assembler.runtime import device
from assembler.settings import RecipeSettings
from assembler.validation import read
from assembler.views.diagram.data import record
from assembler.views.diagram.draw import diagram
from assembler.views.diff import difference

RECIPE = {
    "input": {"shape": [2, 8], "sample": "normal"},
    "params": {"widths": [16, 24], "stages": [[1, 2], [3, 4]], "n": 3, "table": {"a": 1}},
    "blocks": {"Unit(w, rate=0.0)": "Dense(_, w) + ReLU", "Wide(parts)": "Parallel(*parts)"},
    "shared": {"tied": "Dense(8, 8)"},
}

NEWCOMERS = [
    # `for` where it cannot be seen what is repeated
    ("ReLU + Unit(w) for w in widths", "put brackets around what is repeated: ReLU + (Unit(w) for w in widths)"),
    ("Unit(w) for w in widths + ReLU", "put brackets around what is repeated: (Unit(w) for w in widths) + ReLU"),
    ("Unit(w) for w in widths + ReLU + Tanh", "put brackets around what is repeated: (Unit(w) for w in widths) + ReLU + Tanh"),
    ("Unit(w) for w in widths @ x", "put brackets around what is repeated: (Unit(w) for w in widths) @ x"),
    ("Parallel(ReLU, Unit(w) for w in widths)",
     "cannot parse this: put brackets around what is repeated: A(x, (B(w) for w in widths))"),
    ("for w in widths: Unit(w)", "cannot parse this: 'for' comes after the layers: (Unit(w) for w in widths)"),
    ([{"for w in widths": "Unit(w)"}],
     "'for w in widths' is not a valid name of a layer; write (Unit(w) for w in widths) as a string"),
    # forms of Python that recipes lack
    ("(Unit(a + b) for a in widths for b in widths)",
     "brackets have one 'for'; put the inner one in brackets: ((Unit(a + b) for b in …) for a in …)"),
    ("(Unit(w) for w in widths if w > 16)",
     "'for' takes no 'if'; choose before it: (Unit(w) if w > 16 else 0 * Unit(w) for …)"),
    ("(Unit(w) async for w in widths)", "'async' is not part of the recipe language"),
    ("(Unit(a) for i, (a, b) in enumerate(stages))",
     "after 'for' is a name, or names with commas: for width, depth in stages"),
    ("(Unit(a) for a, in stages)", "after 'for' is a name, or names with commas: for width, depth in stages"),
    ("(Unit(w) for table.w in widths)", "after 'for' is a name, or names with commas: for width, depth in stages"),
    ("(Unit(w) for w, w in stages)", "'w' appears twice"),
    ("Unit({w: 1 for w in widths})", "layers with 'for' are in round brackets, values in square brackets"),
    ("{Unit(w) for w in widths}", "layers with 'for' are in round brackets, values in square brackets"),
    ("Unit(widths[::2])", "a slice has no step: depths[1:3]"),
    # a list where layers are expected, and the other way round
    ("[Unit(w) for w in widths]",
     "expected a layer, found a list; layers are in round brackets: (Unit(w) for w in widths)"),
    ("ReLU + [Unit(w) for w in widths]",
     "expected a layer, found a list; layers are in round brackets: (Unit(w) for w in widths)"),
    ("Unit(w for w in widths)",
     "expected a layer, found 16; a list of values is in square brackets: [w for w in widths]"),
    ("sum(Unit(w) for w in widths)",
     "sum adds numbers; layers run one after the other in brackets: (Unit(w) for w in widths)"),
    ("sum([ReLU, Tanh])", "sum adds numbers; layers run one after the other in brackets: (Unit(w) for w in widths)"),
    ("Unit(max(ReLU, Tanh))", "max takes numbers, not layers; layers are joined by '+': A + B"),
    # what `for` runs over
    ("(Unit(w) for w in 3)", "'for' needs a list, not the number 3; write range(3)"),
    ("(Unit(w) for w in n)", "'for' needs a list, not the number 3; write range(3)"),
    ("(Unit(w) for w in 0.5)", "'for' needs a list, not the number 0.5"),
    ("(Unit(w) for w in 'ab')", "'for' needs a list, not 'ab'"),
    ("(Unit(w) for w in table)", "'for' needs a list, not a mapping"),
    ("(Unit(w) for w in ReLU)", "'for' needs a list of values, not layers: ReLU"),
    ("(Unit(w) for w in wids)", "'wids' is not defined. Did you mean 'widths'?"),
    ("(Unit(w) for w in reversed(widths))", "'reversed' is not defined; the functions are abs, enumerate, int, len, max, min, "
                                           "range, round, sum, zip"),
    ("(Unit(w) for w in range(lenn(widths)))", "'lenn' is not defined; the functions are abs, enumerate, int, len, max, "
                                              "min, range, round, sum, zip"),
    ("(Unit(x) for w in widths)", "'x' is not defined; give it a value: params: {x: 16}"),
    ("(Dense(_, x) for w in widths)", "'x' is not defined; give it a value: params: {x: 16}"),
    ("(Dence(_, w) for w in widths)", "no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?"),
    ("(Unit(a) for a, b, c in stages)", "'for a, b, c' has 3 names, and [1, 2] has 2 values"),
    ("(Unit(a) for a, b in widths)", "'for a, b' needs a list of lists; 16 is one value"),
    ("(Unit(w) for w in [])", "this expands to zero layers"),
    # names that mean something else
    ("(Unit(tied) for tied in widths)",
     "'tied' is a name after 'for' and a shared part; one of them needs another name"),
    ("(Unit(3) for Unit in widths)", "'Unit' is a name after 'for' and a block; one of them needs another name"),
    ("(Unit(3) for ReLU in widths)",
     "'ReLU' is a name after 'for' and a layer of the registry; one of them needs another name"),
    # stars
    ("Parallel(*Unit(3))", "'*' needs a list, a repeat or a loop; write Dense(_, 3) + ReLU without it"),
    ("Parallel(*n)", "'*' needs a list, a repeat or a loop, not 3"),
    ("Parallel((*widths, 3))", "'*' is for arguments and lists: Parallel(*branches)"),
    ("Unit(*stages[0], *widths)", "Unit(w, rate=0.0) takes at most 2 arguments, 4 given"),
    # functions
    ("(Unit(w) for w in range(len))", "'len' is a function; write len(list)"),
    ("len", "'len' is a function; write len(list)"),
    ("len(widths)", "expected a layer, found 2"),
    ("Unit(len(n))", "len needs a list, not the number 3"),
    ("Unit(len(widths, 3))", "len takes 1 argument, 2 given; write len(list)"),
    ("Unit(max())", "'max' is a function; write max(a, b) or max(list)"),
    ("Unit(max(a=3))", "max takes its arguments by position, without names"),
    ("Unit(max([]))", "max needs at least one number; the list is empty"),
    ("Unit(min(3, 'a'))", "min takes numbers, not 'a'"),
    ("(Unit(w) for i, w in enumerate(3))", "enumerate needs a list, not the number 3"),
    ("Unit(abs('a'))", "abs takes numbers, not 'a'"),
    ("Unit(abs(True))", "abs takes numbers, not True"),
    ("Unit(round(2.5, 1))", "round takes 1 argument, 2 given; write round(number)"),
    ("Unit(int(1e999))", "int(1e999) is out of bounds"),
    ("Unit(round(1e30))", "round(1e+30) is out of bounds"),
    ("Unit(int(1e999 - 1e999))", "int(nan) is out of bounds"),
    ("Unit(sum([2 ** 62, 2 ** 62, 2 ** 62]))", "9223372036854775808 + 4611686018427387904 is out of bounds"),
    ("(ReLU for i in range(0.5))", "range takes integers, not 0.5; write round(0.5)"),
    ("(ReLU for i in range(1, 2, 0))", "the step of a range must not be 0"),
    ("(ReLU for i in range(100001))", "range makes more than 100,000 numbers"),
    ("(ReLU for i in range(-2 ** 62, 2 ** 62))", "range makes more than 100,000 numbers"),
    ("(Unit(a) for a, b in zip(widths, range(3)))", "zip needs lists of one length, not of 2, 3"),
    ("Unit(n[1:])", "only lists have slices, not 3"),
    ("Unit(sum(widths['a':]))", "a slice takes numbers, not 'a'"),
    # `_`
    ("Dense(_, len(_))", "len cannot be used with '_'; its value is known when the input's shape is"),
    ("Dense(_, 3 if _ > 8 else 4)", "'_' cannot be compared; its value is known when the input's shape is"),
    ("Dense(_, 3 if _ == 8 else 4)", "'_' cannot be compared; its value is known when the input's shape is"),
    ("Dense(_, 3 if 2 * _ else 4)", "'_' cannot choose; its value is known when the input's shape is"),
    ("Dense(_, 3 if not _ else 4)", "'_' cannot choose; its value is known when the input's shape is"),
    ("Dense(_, widths[_])", "_ is not an element: there are 2 elements"),
    ("_ * ReLU", "a repeat count must be an integer of at least 0, not _"),
    ("ReLU + _", "expected a layer, found ReLU + _; '_' is for the arguments of a layer"),
    ("Permute(0, _ - 7)", "'_' cannot be one of several arguments of Permute; write the value"),
    ("LeakyReLU(2 * _)", "LeakyReLU has no rule to infer 'alpha' from its input. Write its value, or add the input's axis "
                         "to its registry entry: infer: {alpha: -1}"),
    (f"Dense(_, _{' + 1' * 100})", "arithmetic with '_' has more than 200 numbers and operators"),
    ("Dense(_, 4 // (_ - 8))", "Dense, where _ is 8: out_channels=4 // (_ - 8): division by zero"),
    ("Dense(_, _ ** 70)", "Dense, where _ is 8: out_channels=_ ** 70: 8 ** 70 is too large"),
]  # fmt: skip
"""What is easily written by habit, and what is said of it."""


@pytest.mark.parametrize(("stack", "message"), NEWCOMERS, ids=[str(stack)[:60] for stack, _ in NEWCOMERS])
def test_error_says_what_to_write(stack, message):
    with pytest.raises(AssemblerError) as error:
        plan({**RECIPE, "stack": stack})
    (mistake,) = flatten([error.value])
    assert mistake.message == message
    assert mistake.place.key.startswith("recipe.stack")


def test_errors_of_turns_are_reported_once_for_each_place():
    with pytest.raises(AssemblerError) as error:
        plan({**RECIPE, "stack": "(Dense(_, x) + Dence(_, i) + Dense(_, i, q=1) for i in range(200))"})
    assert [mistake.message.partition(".")[0] for mistake in flatten([error.value])] == [
        "'x' is not defined; give it a value: params: {x: 16}",
        "no layer named 'Dence'",
        "Dense has no argument 'q'",
    ]


# ---- a loop is what it expands to

SAME = {
    "(Unit(w) for w in widths)": "Unit(16) + Unit(24)",
    "Unit(w) for w in widths": "Unit(16) + Unit(24)",
    "ReLU + (Dense(_, 8) + Tanh for _ in range(3))": "ReLU + 3 * (Dense(_, 8) + Tanh)",
    "(Unit(8, 0.1 * i / n) for i in range(n))": "Unit(8, 0.0) + Unit(8, 0.1 / 3) + Unit(8, 0.2 / 3)",
    "((Unit(a * b) for b in range(1, 3)) for a in widths)": "Unit(16) + Unit(32) + Unit(24) + Unit(48)",
    "(Residual(Dense(_, _)) if i % 2 else Dense(_, 2 * _) for i in range(4))":
        "2 * (Dense(_, 2 * _) + Residual(Dense(_, _)))",
    "Parallel(*(Dense(_, w) + ReLU for w in widths), *[Tanh, ReLU])":
        "Parallel(Dense(_, 16) + ReLU, Dense(_, 24) + ReLU, Tanh, ReLU)",
    "Wide(3 * Unit(4))": "Parallel(Unit(4), Unit(4), Unit(4))",
    "Wide(Unit(w) for w in widths)": "Parallel(*[Unit(w) for w in widths])",
    "Residual(tied + (tied for _ in range(2)))": "Residual(tied + tied + tied)",
}  # fmt: skip


def views(stack):
    """What people see of a plan. ``Wide`` is a block, whose name is shown."""
    planned = plan({**RECIPE, "stack": stack})
    nodes = [(node.title, node.arguments, node.times, node.each) for node, _ in outline(planned).walk() if node.row]
    return [str(row) for row in planned.rows], nodes, record(diagram(planned)), planned


@pytest.mark.parametrize("stack", SAME)
def test_a_loop_is_shown_as_what_it_expands_to(stack):
    rows, nodes, drawn, planned = views(stack)
    assert rows == views(SAME[stack])[0]
    if "Wide" not in stack:
        _, expected, expected_drawn, other = views(SAME[stack])
        assert (nodes, drawn) == (expected, expected_drawn)
        assert not difference(planned, other, {}).edits


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_a_loop_computes_what_it_expands_to(mode):
    def output(stack):
        recipe = {**RECIPE, "stack": stack}
        device.seed(1)
        model = build(plan(recipe))
        (sample,) = make_inputs(read(RecipeSettings, recipe, "recipe"), "float32", 0)
        with device.mode(mode):
            return [p.name for p in model.get_parameters()], device.as_array(model(sample))

    names, found = output("(Unit(w) + Parallel(*(Dense(_, _ // 2) for _ in range(2))) for w in widths)")
    expected_names, expected = output(
        "Unit(16) + Parallel(Dense(_, 8), Dense(_, 8)) + Unit(24) + Parallel(Dense(_, 12), Dense(_, 12))"
    )
    assert names == expected_names
    np.testing.assert_array_equal(found, expected)


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.sampled_from(["Unit({})", "Unit({}) + Tanh", "2 * Unit({})"]),
)
@settings(max_examples=30, deadline=None)
def test_a_loop_is_its_turns_joined(values, body):
    loop = plan({**RECIPE, "stack": f"({body.format('w')} for w in {values})"})
    joined = plan({**RECIPE, "stack": " + ".join(body.format(value) for value in values)})
    assert [str(row) for row in loop.rows] == [str(row) for row in joined.rows]


def test_equal_turns_are_planned_once(monkeypatch):
    from assembler.planning import planner

    looked = []
    look = planner._Planner.look
    monkeypatch.setattr(planner._Planner, "look", lambda self, *given: looked.append(given[0]) or look(self, *given))
    plan({**RECIPE, "stack": "(Residual(Dense(_, 8) + Dropout(p=0.1 * (i % 2))) for i in range(40))"})
    assert [step.layer.name for step in looked] == ["Residual", "Dense", "Dropout", "Residual", "Dropout"]
    looked.clear()
    plan({**RECIPE, "stack": "(LeakyReLU(a) for a in [1, 1.0, 1, 1.0])"})
    assert [str(step) for step in looked] == ["LeakyReLU(1)", "LeakyReLU(1.0)"]


def test_error_of_layers_nested_too_deep():
    blocks = {
        "B0(part)": "part",
        **{f"B{n}(part)": f"B{n - 1}({'Residual(' * 40}part{')' * 40})" for n in range(1, 45)},
    }
    with pytest.raises(AssemblerError) as error:
        plan({"input": {"shape": [2, 8]}, "blocks": blocks, "stack": "B44(ReLU)"})
    assert error.value.message == "nested too deep"


def test_a_loop_in_a_graph_and_in_a_shared_part():
    graph = {"grown": "(Unit(w) for w in widths) @ input", "both": "Concat(1) @ (grown, input)"}
    shared = {"row": "(Dense(_, w) for w in widths)"}
    found = plan({**{key: RECIPE[key] for key in ("input", "params", "blocks")}, "graph": graph})
    assert [row.path for row in found.rows] == ["grown.0", "grown.1", "grown.2", "grown.3", "both"]
    found = plan({**RECIPE, "shared": shared, "stack": "row + Dense(_, 8) + row"})
    assert [row.path for row in found.rows] == ["row", "row.0", "row.1", "1"]


def test_layers_that_a_block_was_given_with_a_star_are_marked_as_passed_in():
    (wide,) = plan({**RECIPE, "stack": "Wide(2 * Unit(4))"}).steps.nodes
    (parallel,) = wide.nodes
    passed = [node for steps in parallel.extra for node in steps.nodes]
    assert [(type(node), node.depth) for node in passed] == [(PassedNode, 0)] * 2


def test_names_of_a_loop_are_known_inside_it_alone():
    with pytest.raises(AssemblerError, match="'w' is not defined"):
        plan({**RECIPE, "stack": "(Unit(w) for w in widths) + Dense(_, w)"})


def test_a_function_is_a_name_of_last_resort():
    found = plan({**RECIPE, "params": {"len": 5}, "blocks": {"max(n)": "Dense(_, n)"}, "stack": "max(len)"})
    assert str(found.rows[0]) == "#0 Dense(8, 5)"


def test_every_function_has_a_row_above():
    assert set(functions.CALLS) <= {
        name for stack, _ in NEWCOMERS for name in functions.CALLS if f"{name}(" in str(stack)
    }


# ---- `_` in arithmetic

INFERRED = [
    ("Dense(_, 4 * _) + Dense(_, _ // 4)", (2, 8), ["Dense(8, 32)", "Dense(32, 8)"]),
    ("Dense(_, _)", (2, 8), ["Dense(8, 8)"]),
    ("Conv2d(_, _, 3, group=_)", (1, 6, 4, 4), ["Conv2d(6, 6, 3, group=6)"]),
    ("Conv2d(_, 2 * (_ + 1) ** 2 % 10 - 3, 3)", (1, 6, 4, 4), ["Conv2d(6, 5, 3)"]),
    ("Conv2d(_, _ / 2, 3)", (1, 6, 4, 4), ["Conv2d(6, 3, 3)"]),
    ("Conv2d(6, -_ + 8, 3)", (1, 6, 4, 4), ["Conv2d(6, 2, 3)"]),
    ("Attention(_, _ // 4)", (1, 3, 8), ["Attention(8, 2)"]),
    ("2 * Dense(_, 2 * _)", (2, 8), ["Dense(8, 16)", "Dense(16, 32)"]),
    ("(Dense(_, w) for w in [_, 2 * _])", (2, 8), ["Dense(8, 8)", "Dense(8, 16)"]),
    ("Grow(2 * _) + Grow(_)", (2, 8), ["Dense(8, 24)", "Dense(24, 36)"]),
    ("Residual(Dense(_, 3 * _) + Dense(_, 8))", (2, 8), ["Residual(…)", "Dense(8, 24)", "Dense(24, 8)"]),
]


@pytest.mark.parametrize(("stack", "shape", "rows"), INFERRED)
def test_an_argument_follows_from_the_number_that_is_inferred(stack, shape, rows):
    blocks = {"Grow(n)": "Dense(_, n * 3 // 2)"}
    found = plan({"input": {"shape": list(shape)}, "blocks": blocks, "stack": stack})
    assert [str(row).partition(" ")[2] for row in found.rows] == rows


def test_without_an_input_arithmetic_is_open():
    with pytest.raises(AssemblerError) as error:
        plan_steps(bind(parse("Dense(8, 4 * _)"), LAYERS))
    assert error.value.message == "Dense infers 'out_channels' from its input; give the input's shape"
