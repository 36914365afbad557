import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assembler.errors import AssemblerError, GrammarError, Mistakes, flatten
from assembler.language.grammar import parse
from assembler.language.recipe import INFER, Chain, Layer, Repeat
from assembler.language.tree import MAX_TEXT
from assembler.language.yaml_form import parse_stack
from tests.strategies import ITEMS, LOOPS, STACKS

DENSE = Layer("Dense", (8, 128))
READS = [
    ("Centered", Layer("Centered")),
    ("Centered()", Layer("Centered")),
    ("Dense(8,128)", DENSE),
    ("  Dense(8, 128)\n", DENSE),
    ("Dense(8, 128)+Centered", Chain((DENSE, Layer("Centered")))),
    ("Dense(8, 128)\n  + Centered", Chain((DENSE, Layer("Centered")))),
    ("A + (B + C)", Chain((Layer("A"), Layer("B"), Layer("C")))),
    ("(A + B) + C", Chain((Layer("A"), Layer("B"), Layer("C")))),
    ("3 * A", Repeat(3, Layer("A"))),
    ("A * 3", Repeat(3, Layer("A"))),
    ("2 * (A + B) + C", Chain((Repeat(2, Chain((Layer("A"), Layer("B")))), Layer("C")))),
    ("2 * (3 * A)", Repeat(2, Repeat(3, Layer("A")))),
    ("A(k=1)", Layer("A", (), (("k", 1),))),
    ("A(-1, +2.5, 1e-3)", Layer("A", (-1, 2.5, 0.001))),
    ("A('x', \"y\", 'it''s')", Layer("A", ("x", "y", "its"))),
    ("A('# no comment (')", Layer("A", ("# no comment (",))),
    ("A(True, false, None, null)", Layer("A", (True, False, None, None))),
    ("A((1, 2), (3,), ())", Layer("A", ((1, 2), (3,), ()))),
    ("A([1, [2]], {'a': 1, 2: [_]})", Layer("A", ([1, [2]], {"a": 1, 2: [INFER]}))),
    ("A(_, 64)", Layer("A", (INFER, 64))),
    ("R(A + B, shortcut=C)", Layer("R", (Chain((Layer("A"), Layer("B"))),), (("shortcut", Layer("C")),))),
    ("Größe(1)", Layer("Größe", (1,))),
]


@pytest.mark.parametrize(("text", "stack"), READS)
def test_a_text_is_read_as(text, stack):
    assert parse(text) == stack


REFUSES = [
    ("", "s: the stack is empty; it needs at least one layer"),
    (" \n ", "s:1: the stack is empty; it needs at least one layer"),
    ("Dense(8, 128", "s:6: '(' is never closed\n    Dense(8, 128\n         ^"),
    ("Dense(8))", "s:9: unmatched ')'\n    Dense(8))\n            ^"),
    ("A([1)", "s:5: ')' does not close '['\n    A([1)\n        ^"),
    ("A +", "s:4: a layer or a value is missing at the end\n    A +\n       ^"),
    ("A # why", "s:3: a stack cannot contain comments; put them on a YAML line\n    A # why\n      ^"),
    ("A, B", "s:1: expected a layer, found a tuple; layers are joined by '+': A + B\n    A, B\n    ^"),
    ("3", "s:1: expected a layer, found 3\n    3\n    ^"),
    ("A + _", "s:1: expected a layer, found A + _; '_' is for the arguments of a layer\n    A + _\n    ^^^^^"),
    ("A + 'B'", "s:5: expected a layer, found a string; remove the quotes: B\n    A + 'B'\n        ^^^"),
    ("A(1).b", "s:1: a dot can only separate a scope from a layer's name\n    A(1).b\n    ^^^^^^"),
    (
        "A(1)(2)",
        "s:1: a layer is not called with its input, which comes from the layer before it\n    A(1)(2)\n    ^^^^",
    ),
    ("_(1)", "s:1: '_' is not a layer\n    _(1)\n    ^"),
    ("A((*x, 1))", "s:4: '*' is for arguments and lists: Parallel(*branches)\n    A((*x, 1))\n       ^^"),
    ("A(**x)", "s:3: '**' is not part of the recipe language\n    A(**x)\n      ^^^"),
    ("A({**x})", "s:3: '**' is not part of the recipe language\n    A({**x})\n      ^^^^^"),
    ("A({(1,): 2})", "s:4: dict keys must be strings or numbers\n    A({(1,): 2})\n       ^^^^"),
    ("A(k=1, k=2)", "s:8: A is given 'k' twice\n    A(k=1, k=2)\n           ^"),
    ("A(b'x')", "s:3: b'x' is not a value of the recipe language\n    A(b'x')\n      ^^^^"),
    ("A(2j)", "s:3: 2j is not a value of the recipe language\n    A(2j)\n      ^^"),
    ("A(...)", "s:3: Ellipsis is not a value of the recipe language\n    A(...)\n      ^^^"),
    ("A(f'{x}')", "s:3: an f-string is not part of the recipe language\n    A(f'{x}')\n      ^^^^^^"),
    ("A @ B", "s:1: '@' is for lines of a graph; the layers of a stack are joined by '+': A + B\n    A @ B\n    ^^^^^"),
    ("lambda: A", "s:1: lambda is not part of the recipe language\n    lambda: A\n    ^^^^^^^^^"),
    (
        "[A for A in B]",
        "s:1: expected a layer, found a list; layers are in round brackets: (A for A in B)\n    [A for A in B]\n"
        "    ^^^^^^^^^^^^^^",
    ),
    ("A(x := 1)", "s:8: expected a layer, found 1\n    A(x := 1)\n           ^"),
    ("Ä + B().c", "s:5: a dot can only separate a scope from a layer's name\n    Ä + B().c\n        ^^^^^"),
    ("A +\nB().c", "s:5: a dot can only separate a scope from a layer's name\n    B().c\n    ^^^^^"),
]


@pytest.mark.parametrize(("text", "message"), REFUSES)
def test_error_of_a_text_that_is_not_a_recipe(text, message):
    with pytest.raises(GrammarError) as error:
        parse(text, "s")
    assert str(error.value) == message


def test_error_of_python_points_at_its_spot():
    with pytest.raises(GrammarError, match="cannot parse this") as error:
        parse("A + B C")
    place = error.value.place  # Python's versions differ in how much they underline
    assert 0 <= place.start < place.end <= len("A + B C")


def test_error_lists_all_mistakes_of_a_text_in_order():
    with pytest.raises(Mistakes) as error:
        parse("A().b + C(**x) + 3 + D")
    assert [mistake.message for mistake in error.value.mistakes] == [
        "a dot can only separate a scope from a layer's name",
        "'**' is not part of the recipe language",
        "expected a layer, found 3",
    ]


LIMITS = [
    ("A" * (MAX_TEXT + 1), "the text has 100001 characters; the limit is 100000"),
    ("A(" * 51 + ")" * 51, "nested too deep; the limit is 50"),
    ("[" * 5000, "nested too deep; the limit is 50"),
    ("A(" + "-" * 2000 + "1)", "more than 1000 operators in one text"),
    ("A(" + "not " * 2000 + "1)", "more than 1000 operators in one text"),
    (" + ".join(["A"] * 3000), "more than 1000 operators in one text"),
    ("A(" + "9" * 5000 + ")", "cannot parse this"),
]


@pytest.mark.parametrize(("text", "message"), LIMITS, ids=[message[:20] for _, message in LIMITS])
def test_error_at_a_limit(text, message):
    with pytest.raises(GrammarError) as error:
        parse(text)
    assert error.value.message.startswith(message)


def test_a_thousand_layers_fit_in_one_text():
    assert len(parse(" + ".join(["A"] * 1001)).items) == 1001


LISTS = [
    (["A", "B + C"], "A + B + C"),
    ([{"Dense": {"in_channels": 8, "out_channels": 128}}], "Dense(in_channels=8, out_channels=128)"),
    ([{"Dense": [8, 128]}, {"Centered": None}], "Dense(8, 128) + Centered"),
    ([{"Conv2d": {"in_channels": "_", "kernel_size": [3, 3]}}], "Conv2d(in_channels=_, kernel_size=[3, 3])"),
    ([{"Dense": {"activation": "relu"}}], "Dense(activation='relu')"),
    ([{"Residual": {"inner": {"stack": "A + B"}}}], "Residual(inner=A + B)"),
    ([{"Residual": [{"stack": ["A", {"B": [1]}]}]}], "Residual(A + B(1))"),
    ([{"Residual": [{"stack": {"A": [1]}}]}], "Residual(A(1))"),
    (["a.b.C", {"a.b.D": [1]}], "a.b.C + a.b.D(1)"),
    (["a.B", {"a.C": [1]}, {"a.D": None}], "a.B + a.C(1) + a.D"),
]


@pytest.mark.parametrize(("items", "text"), LISTS)
def test_a_list_means_the_same_as_a_text(items, text):
    assert parse_stack(items) == parse(text)


BAD_LISTS = [
    (3, "s: a stack is a string or a list, not the number 3"),
    (None, "s: a stack is a string or a list, not null"),
    ({"Dense": [1]}, "s: a stack is a string or a list, not a mapping; write each layer with a dash: - Dense: …"),
    ([], "s: the stack is empty; it needs at least one layer"),
    ([3], "s[0]: an item of a stack is a string or a mapping of one layer to its arguments, not the number 3"),
    (["A", {"B": 1, "C": 2}], "s[1]: an item of a stack is a string or a mapping of one layer to its arguments, "
                              "not a mapping of 2 keys"),
    ([{"B": True}], "s[0].B: the arguments of B are a mapping or a list, not true"),
    ([{"A + B": [1]}], "s[0].A + B: 'A + B' is not a valid name of a layer; remove the colon after it"),
    ([{"A": {"x": {"stack": "B(1", "2)": None}}}],
     "s[0].A.x: 'stack' cannot be combined with other keys; if YAML split its string at a comma, quote it"),
    (["A", "B().c"], "s[1]:1: a dot can only separate a scope from a layer's name\n    B().c\n    ^^^^^"),
]  # fmt: skip


@pytest.mark.parametrize(("items", "message"), BAD_LISTS)
def test_error_of_a_list(items, message):
    with pytest.raises(GrammarError) as error:
        parse_stack(items, "s")
    assert str(error.value) == message


def test_error_of_a_list_tells_every_item():
    with pytest.raises(Mistakes) as error:
        parse_stack(["A().b", "C", 3], "s")
    assert [str(mistake.place) for mistake in error.value.mistakes] == ["s[0]:1", "s[2]"]


def test_deep_mappings_are_refused():
    deep = 1
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(GrammarError, match="nested more than 50 deep"):
        parse_stack([{"A": {"x": deep}}])


@given(st.one_of(STACKS, LOOPS, ITEMS))
def test_printing_then_parsing_gives_the_same_recipe(stack):
    assert parse(str(stack)) == stack


@given(
    st.one_of(
        st.text(),
        st.text("Dense(8, 12)+*-_[]{}'\"=:.#\n A@lambdforin if"),
        st.one_of(STACKS, LOOPS, ITEMS).map(str).map(lambda s: s[:-1]),
    )
)
@example("\x00")
@example("\ud800")
@example("A\\")
@example("\f+A")
@example("A(\r\nB().c)")
@example("A for x in y\n + é")
@example("é + B for é in\n y @ z")
@example("'''")
@settings(max_examples=500)
def test_any_text_parses_or_points_at_its_mistake(text):
    try:
        parse(text)
    except AssemblerError as error:
        for mistake in flatten([error]):
            assert isinstance(mistake, GrammarError)
            assert 0 <= mistake.place.start <= mistake.place.end <= max(len(text), mistake.place.start + 1)
            assert mistake.place.start <= len(text)
            str(mistake)


YAML = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=8,
)


@given(YAML)
def test_any_yaml_is_a_stack_or_a_mistake(data):
    try:
        parse_stack(data)
    except AssemblerError as error:
        assert all(isinstance(mistake, GrammarError) for mistake in flatten([error]))
