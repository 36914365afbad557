"""What the names of a recipe mean: parameters, arithmetic, choices, blocks and shared parts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.binding import scopes
from assembler.binding.bind import bind
from assembler.binding.expansion import expand
from assembler.errors import AssemblerError, RecipeError, raise_all
from assembler.language.grammar import parse
from assembler.language.recipe import Definitions
from assembler.language.yaml_form import parse_block
from assembler.registry.registry import LAYERS
from tests.strategies import STACKS

PARAMS = {
    "width": 64,
    "depths": [2, 3],
    "rate": 0.5,
    "deep": True,
    "kind": "wide",
    "table": {"a": 7},
    "act": parse("Tanh"),
}
BLOCKS = [
    (
        "ConvNorm(channels, kernel=3, stride=1)",
        "Conv2d(_, channels, kernel, stride, padding=kernel // 2) + BatchNorm2d(_)",
    ),
    ("Twice(part)", "part + part"),
    ("Grows(size, more=size * 2)", "Dense(_, size) + Dense(_, more)"),
    ("Plain", "ReLU"),
    ("Uses(n)", "n * ConvNorm(8 * n) + Plain"),
    ("Early(n=2 * m, m=3)", "Dense(m, n)"),
]
DEFINITIONS = Definitions(
    PARAMS,
    {
        block.name: block
        for block in (parse_block(header, body, f"recipe.blocks.{header.split('(')[0]}") for header, body in BLOCKS)
    },
    {"head": parse("Dense(width, 10)"), "pair": parse("Dense(_, 8) + ReLU")},
)


def expanded(text, definitions=DEFINITIONS, layers=LAYERS):
    found, mistakes = expand(parse(text, "s"), definitions, layers)
    raise_all(mistakes)
    return found


MEANINGS = [
    ("Dense(8, width)", "Dense(8, 64)"),
    ("Dense(width // 3, width - 1)", "Dense(21, 63)"),
    ("Dense(-width, +width)", "Dense(-64, 64)"),
    ("Dense(2 * width + 1, (width + 1) * 2)", "Dense(129, 130)"),
    ("Dense(width / 4, width % 10, 2 ** 3)", "Dense(16.0, 4, 8)"),
    ("Dense(depths[0], depths[-1], table['a'])", "Dense(2, 3, 7)"),
    ("Dense(1 if deep else 2, 3 if not deep else 4)", "Dense(1, 4)"),
    ("Dense(width > 3, width <= 3, kind == 'wide', kind != 'wide')", "Dense(True, False, True, False)"),
    ("Dense(deep and width > 3, deep or width, not deep)", "Dense(True, True, False)"),
    ("Dense(width or 2, 0 or depths[0])", "Dense(64, 2)"),
    ("Dense(width and 2, 0 and 1 / 0, 1 or 1 / 0)", "Dense(2, 0, 1)"),
    ("Dense(0 or [] or kind, width and table and 3)", "Dense('wide', 3)"),
    ("Dropout(rate * 0.5)", "Dropout(0.25)"),
    ("Dense([width, depths], {'w': width})", "Dense([64, [2, 3]], {'w': 64})"),
    ("depths[1] * ReLU", "3 * ReLU"),
    ("ReLU * depths[1]", "3 * ReLU"),
    ("(depths[1] - 1) * (ReLU + Tanh)", "2 * (ReLU + Tanh)"),
    ("ReLU if deep else Tanh", "ReLU"),
    ("ReLU + (depths[0] - 2) * Tanh", "ReLU"),
    ("ReLU + 2 * (0 * Tanh) + Twice(0 * ReLU)", "ReLU"),
    ("ReLU + (Tanh if kind == 'narrow' else Identity + act)", "ReLU + Identity + Tanh"),
    ("act + Residual(act)", "Tanh + Residual(Tanh)"),
    ("Dense(8, 8, activation=act)", "Dense(8, 8, activation=Tanh)"),
    ("ConvNorm(width)", "Conv2d(_, 64, 3, 1, padding=1) + BatchNorm2d(_)"),
    ("ConvNorm(8, 1) + ConvNorm(channels=4, stride=2)",
     "Conv2d(_, 8, 1, 1, padding=0) + BatchNorm2d(_) + Conv2d(_, 4, 3, 2, padding=1) + BatchNorm2d(_)"),
    ("2 * Plain + Plain()", "2 * ReLU + ReLU"),
    ("Twice(ReLU + Tanh)", "ReLU + Tanh + ReLU + Tanh"),
    ("Residual(Twice(Plain))", "Residual(ReLU + ReLU)"),
    ("Grows(4) + Grows(4, 5)", "Dense(_, 4) + Dense(_, 8) + Dense(_, 4) + Dense(_, 5)"),
    ("Uses(2)", "2 * (Conv2d(_, 16, 3, 1, padding=1) + BatchNorm2d(_)) + ReLU"),
    ("head + ReLU + head", "head + ReLU + head"),
    ("1 / 0 if not deep else ReLU", "ReLU"),
    ("(Dense(_, w) for w in depths)", "Dense(_, 2) + Dense(_, 3)"),
    ("Dense(_, w) for w in depths", "Dense(_, 2) + Dense(_, 3)"),
    ("ReLU + (ConvNorm(c, k) + Plain for c, k in [[8, 1], (4, 5)]) + Tanh",
     "ReLU + Conv2d(_, 8, 1, 1, padding=0) + BatchNorm2d(_) + ReLU + Conv2d(_, 4, 5, 1, padding=2) + BatchNorm2d(_) + ReLU "
     "+ Tanh"),
    ("(Dense(_, i * w) for i, w in enumerate(depths))", "Dense(_, 0) + Dense(_, 3)"),
    ("(Dense(a, b) for a, b in zip(depths, [4, 5]))", "Dense(2, 4) + Dense(3, 5)"),
    ("(Dense(_, b) for _, b in zip(depths, [4, 5]))", "Dense(_, 4) + Dense(_, 5)"),
    ("(ReLU for _ in range(3))", "ReLU + ReLU + ReLU"),
    ("((Dense(a, b) for b in range(a)) for a in range(1, 3))", "Dense(1, 0) + Dense(2, 0) + Dense(2, 1)"),
    ("2 * (Dense(_, w) for w in depths)", "2 * (Dense(_, 2) + Dense(_, 3))"),
    ("(2 * Dense(_, w) for w in depths)", "2 * Dense(_, 2) + 2 * Dense(_, 3)"),
    ("(Dense(width, width) for width in depths) + Dense(width, 1)", "Dense(2, 2) + Dense(3, 3) + Dense(64, 1)"),
    ("(ReLU if i % 2 else Tanh for i in range(3))", "Tanh + ReLU + Tanh"),
    ("ReLU + (0 * Tanh if i < 2 else Tanh for i in range(3)) + (Tanh for i in [])", "ReLU + Tanh"),
    ("(part for part in [ReLU, act, 2 * Tanh])", "ReLU + Tanh + 2 * Tanh"),
    ("Residual(Dense(_, w) for w in depths)", "Residual(Dense(_, 2) + Dense(_, 3))"),
    ("Twice(Dense(_, w) for w in depths)", "Dense(_, 2) + Dense(_, 3) + Dense(_, 2) + Dense(_, 3)"),
    ("(head for i in range(2))", "head + head"),
    ("Parallel(*(3 * ReLU))", "Parallel(ReLU, ReLU, ReLU)"),
    ("Parallel(*(2 * (ReLU + Tanh)), Tanh)", "Parallel(ReLU + Tanh, ReLU + Tanh, Tanh)"),
    ("Parallel(*(Dense(_, w) for w in depths), *[act, ReLU], merge='add')",
     "Parallel(Dense(_, 2), Dense(_, 3), Tanh, ReLU, merge='add')"),
    ("Parallel(*[Dense(_, w) for w in depths])", "Parallel(Dense(_, 2), Dense(_, 3))"),
    ("Parallel(ReLU, *(0 * ReLU), *[])", "Parallel(ReLU)"),
    ("Parallel(*(ReLU if i else 0 * Tanh for i in range(3)))", "Parallel(ReLU, ReLU)"),
    ("Dense(*depths)", "Dense(2, 3)"),
    ("ConvNorm(*depths)", "Conv2d(_, 2, 3, 1, padding=1) + BatchNorm2d(_)"),
    ("LayerNorm([*depths, 4], 1, 1)", "LayerNorm([2, 3, 4], 1, 1)"),
    ("LayerNorm([2 ** i for i in range(4)], 1, 1)", "LayerNorm([1, 2, 4, 8], 1, 1)"),
    ("Dense(len(depths), len([]), len(table))", "Dense(2, 0, 1)"),
    ("Dense(min(depths), max(1, width), max(*depths))", "Dense(2, 64, 3)"),
    ("Dense(sum(depths), sum(2 * d for d in depths), sum([]))", "Dense(5, 10, 0)"),
    ("Dense(round(rate * 5), int(7.9), abs(-rate))", "Dense(2, 7, 0.5)"),
    ("Dense(len(depths) + 1, 2 * len(depths), len(depths) + len(depths))", "Dense(3, 4, 4)"),
    ("len(depths) * ReLU + (len(depths) - 1) * Tanh", "2 * ReLU + 1 * Tanh"),
    ("Dense(range(3), range(1, 4), range(4, 0, -2))", "Dense([0, 1, 2], [1, 2, 3], [4, 2])"),
    ("Dense(depths[1:], depths[:-1], depths[:])", "Dense([3], [2], [2, 3])"),
    ("Dense(depths[width / 64], depths[2.0 - 1:], range(width / 32))", "Dense(3, [3], [0, 1])"),
    ("Dense(_, 4 * _) + Dense(_, -_ // 2 + width)", "Dense(_, 4 * _) + Dense(_, ((-_) // 2) + 64)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "meaning"), MEANINGS, ids=[case[0] for case in MEANINGS])
def test_a_text_means_what_is_written_out(text, meaning):
    assert str(expanded(text)) == meaning


def test_layers_alone_mean_themselves():
    @given(STACKS)
    @settings(max_examples=50, deadline=None)
    def same(stack):
        assert expand(stack, Definitions())[0] == stack

    same()


MISTAKES = [
    ("-1 * ReLU", "s:1: a repeat count must be an integer of at least 0, not -1\n    -1 * ReLU\n    ^^^^^^^^^"),
    ("0 * ReLU", "s:1: this expands to zero layers\n    0 * ReLU\n    ^^^^^^^^"),
    ("Residual((width - 64) * ReLU)",
     "s:1: this expands to zero layers\n    Residual((width - 64) * ReLU)\n    ^^^^^^^^"),
    ("1.5 * ReLU", "s:1: a repeat count must be an integer of at least 0, not 1.5\n    1.5 * ReLU\n    ^^^^^^^^^^"),
    ("100001 * ReLU", "s:1: repeated 100001 times; the limit is 100000\n    100001 * ReLU\n    ^^^^^^^^^^^^^"),
    ("(width * width * width) * ReLU",
     "s:1: repeated 262144 times; the limit is 100000\n    (width * width * width) * ReLU\n    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("ReLU * Tanh", "s:1: '*' repeats a layer: write an integer on one side, layers on the other\n    ReLU * Tanh\n"
     "    ^^^^^^^^^^^"),
    ("Dense(-ReLU, 1)", "s:7: a sign is only allowed before a number\n    Dense(-ReLU, 1)\n          ^^^^^"),
    ("Dense(not ReLU, 1)", "s:11: ReLU is neither true nor false\n    Dense(not ReLU, 1)\n              ^^^^"),
    ("width", "s:1: expected a layer, found 64\n    width\n    ^^^^^"),
    ("ReLU + width", "s:1: '+' joins layers or adds numbers, not both: 64 is not a layer\n    ReLU + width\n    ^^^^^^^^^^^^"),
    ("Dense(kind + 1, 1)", "s:7: '+' needs numbers, not 'wide'\n    Dense(kind + 1, 1)\n          ^^^^^^^^"),
    ("Dense(width // 0, 1)", "s:7: division by zero\n    Dense(width // 0, 1)\n          ^^^^^^^^^^"),
    ("Dense(9 ** 99, 1)", "s:7: 9 ** 99 is too large\n    Dense(9 ** 99, 1)\n          ^^^^^^^"),
    ("Dense(9 ** 60, 1)", "s:7: 9 ** 60 is out of bounds\n    Dense(9 ** 60, 1)\n          ^^^^^^^"),
    ("Dense((-8) ** 0.5, 1)", "s:7: -8 ** 0.5 is out of bounds\n    Dense((-8) ** 0.5, 1)\n          ^^^^^^^^^^^"),
    ("Dense(depths[2], 1)", "s:7: 2 is not an element: there are 2 elements\n    Dense(depths[2], 1)\n          ^^^^^^^^^"),
    ("Dense(table['b'], 1)", "s:7: 'b' is not an element: there are keys a\n    Dense(table['b'], 1)\n          ^^^^^^^^^^"),
    ("Dense(width[0], 1)", "s:7: only lists and mappings have elements, not 64\n    Dense(width[0], 1)\n          ^^^^^^^^"),
    ("Dense(kind < 3, 1)", "s:7: 'wide' and 3 cannot be ordered\n    Dense(kind < 3, 1)\n          ^^^^^^^^"),
    ("Dense(8, 3 if [_] == [8] else 4)", "s:15: '_' cannot be compared; its value is known when the input's shape is\n"
     "    Dense(8, 3 if [_] == [8] else 4)\n                  ^^^^^^^^^^"),
    ("Dense(8, 3 if (1, [2 * _]) == [8] else 4)", "s:15: '_' cannot be compared; its value is known when the input's shape is\n"
     "    Dense(8, 3 if (1, [2 * _]) == [8] else 4)\n                  ^^^^^^^^^^^^^^^^^^^"),
    ("Dense(8, table.a)", "s:10: 'table' is a mapping; write table['a']\n    Dense(8, table.a)\n             ^^^^^^^"),
    ("Early", "recipe.blocks.Early:1: the default of 'n' uses 'm'; a default may use the arguments before it\n"
     "    Early(n=2 * m, m=3)\n    ^^^^^^^^^^^^^^^^^^^"),
    ("Dense(ReLU == Tanh, 1)", "s:7: layers cannot be compared\n    Dense(ReLU == Tanh, 1)\n          ^^^^^^^^^^^^"),
    ("width(3)", "s:1: 'width' is a value, not a layer: it takes no arguments\n    width(3)\n    ^^^^^"),
    ("head(3)", "s:1: 'head' is a shared part: it takes no arguments\n    head(3)\n    ^^^^"),
    ("Dense(8, widht)", "s:10: 'widht' is not defined. Did you mean 'width'?\n    Dense(8, widht)\n             ^^^^^"),
    ("ConvNrm(8)", "s:1: 'ConvNrm' is not defined. Did you mean 'ConvNorm' or 'Conv3d' or 'Conv2d'?\n    ConvNrm(8)\n    ^^^^^^^"),
    ("ConvNorm", "s:1: ConvNorm is missing 'channels': ConvNorm(channels, kernel=3, stride=1)\n    ConvNorm\n    ^^^^^^^^"),
    ("ConvNorm(8, kernl=1)",
     "s:1: ConvNorm has no argument 'kernl'. Did you mean 'kernel'?\n    ConvNorm(8, kernl=1)\n    ^^^^^^^^"),
    ("ConvNorm(8, channels=1)", "s:1: ConvNorm is given 'channels' twice\n    ConvNorm(8, channels=1)\n    ^^^^^^^^"),
    ("ConvNorm(1, 2, 3, 4)", "s:1: ConvNorm(channels, kernel=3, stride=1) takes at most 3 arguments, 4 given\n"
     "    ConvNorm(1, 2, 3, 4)\n    ^^^^^^^^"),
    ("Plain(1)", "s:1: Plain() takes no arguments, 1 given\n    Plain(1)\n    ^^^^^"),
    ("ReLU + Twice(3)", "recipe.blocks.Twice:1: expected a layer, found 6\n    part + part\n    ^^^^^^^^^^^\n"
     "  in the block Twice, used at s:8\n    ReLU + Twice(3)\n           ^^^^^"),
    ("Uses(0.5)",
     "recipe.blocks.Uses:1: a repeat count must be an integer of at least 0, not 0.5\n    n * ConvNorm(8 * n) + Plain\n"
     "    ^^^^^^^^^^^^^^^^^^^\n  in the block Uses, used at s:1\n    Uses(0.5)\n    ^^^^"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[case[0] for case in MISTAKES])
def test_error_of_a_meaning(text, message):
    with pytest.raises(AssemblerError) as error:
        expanded(text)
    assert str(error.value) == message


def test_error_lists_all_mistakes_and_those_of_layers_too():
    with pytest.raises(AssemblerError) as error:
        bind(parse("Dence(8, 1) + Dense(8, depths[9]) + Dense(8, kind - 1) + Tahn"), LAYERS, DEFINITIONS)
    assert [mistake.message.partition(":")[0] for mistake in error.value.mistakes] == [
        "9 is not an element",
        "'-' needs numbers, not 'wide'",
        "no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?",
        "no layer named 'Tahn'. Did you mean 'Tanh'?",
    ]


def definitions(params=(), blocks=(), shared=()):
    made = (parse_block(header, body, "recipe.blocks.b") for header, body in blocks)
    return Definitions(
        dict(params), {block.name: block for block in made}, {name: parse(text) for name, text in shared}
    )


CLASHES = [
    (definitions(params=[("ReLU", 1)]), "'ReLU' is a parameter and a layer of the registry; one of them needs another name"),
    (definitions(params=[("a", 1)], shared=[("a", "ReLU")]),
     "'a' is a shared part and a parameter; one of them needs another name"),
    (definitions(shared=[("n", "ReLU")], blocks=[("B(n)", "ReLU")]),
     "'n' is an argument of the block B and a shared part; one of them needs another name"),
]  # fmt: skip


def test_an_argument_comes_before_a_parameter():
    found = expanded("B(3) + Dense(1, n)", definitions(params=[("n", 7)], blocks=[("B(n)", "Dense(n, n)")]))
    assert str(found) == "Dense(3, 3) + Dense(1, 7)"


@pytest.mark.parametrize(("clashing", "message"), CLASHES, ids=[case[1][:20] for case in CLASHES])
def test_error_of_a_name_that_means_two_things(clashing, message):
    with pytest.raises(RecipeError) as error:
        expanded("ReLU" if "ReLU'" not in message else "Tanh", clashing)
    assert error.value.message == message


INSTEAD = "; what is repeated is a repeat or a loop: (Unit(w) for w in widths)"
CIRCLES = [
    ([("A", "A + ReLU")], f"blocks use each other in a circle: A → A{INSTEAD}"),
    (
        [("A", "B"), ("B", "C(1)"), ("C(n)", "Residual(A)")],
        f"blocks use each other in a circle: A → B → C → A{INSTEAD}",
    ),
    ([("A(n)", "ReLU if n == 0 else A(n - 1)")], f"blocks use each other in a circle: A → A{INSTEAD}"),
]


@pytest.mark.parametrize(("blocks", "message"), CIRCLES)
def test_error_of_a_circle(blocks, message):
    with pytest.raises(RecipeError) as error:
        expanded("A(3)" if "n" in blocks[0][0] else "A", definitions(blocks=blocks))
    assert error.value.message == message


def test_error_of_a_part_that_uses_itself():
    with pytest.raises(RecipeError) as error:
        expanded("a", definitions(shared=[("a", "Residual(a)")]))
    assert error.value.message == "the shared part a uses itself"
    assert str(error.value).endswith("  in the shared part a, used at s:1\n    a\n    ^")


def test_blocks_that_double_are_stopped(monkeypatch):
    monkeypatch.setattr(scopes, "MAX_VALUES", 10_000)  # a hundredth of what it is, and of the time
    blocks = [("B0", "ReLU"), *((f"B{n}", f"B{n - 1} + B{n - 1}") for n in range(1, 40))]
    with pytest.raises(RecipeError) as error:
        expanded("B39", definitions(blocks=blocks))
    assert error.value.message == "the recipe expands to more than 10,000 values"


def test_ten_thousand_layers_are_expanded_and_bound_in_a_moment():
    import time

    start = time.perf_counter()
    steps = bind(parse("5000 * Plain + 1250 * Grows(8) + 625 * Uses(1)"), LAYERS, DEFINITIONS)
    assert len(steps) == 5000 + 2500 + 3 * 625
    assert time.perf_counter() - start < 2


WORDS = ["(", ")", "[", "]", ", ", " + ", "2 * ", "*", "_", "i", "a", "3", ":", "depths", "kind", "act", "head", "ReLU", "Twice(",
         "ConvNorm(", "Parallel(", " for i in ", " for a, b in ", "range(", "enumerate(", "zip(", "len(", "max(", "sum(", "round(",
         " if ", " else ", "table", "deep", "-", "/ 2", "[1:]", "Dense(_, "]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map("".join))
@settings(max_examples=400, deadline=None)
def test_any_text_of_words_means_something_or_points_at_its_mistake(text):
    test_any_text_means_something_or_points_at_its_mistake.hypothesis.inner_test(text)


@given(st.text("Dense(8, width)*+-/[]<>=0123456789 ifelsenotandrdepthsConvNormTwicehead_.'"))
@settings(max_examples=300, deadline=None)
def test_any_text_means_something_or_points_at_its_mistake(text):
    try:
        stack = expanded(text)
    except AssemblerError as error:
        assert str(error)
    else:
        assert str(stack)
