"""The grammar in docs/design.md and the parser agree: each reads what is derived from, or printed for, the other."""

import re

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lark import Lark
from lark.exceptions import UnexpectedInput
from lark.grammar import NonTerminal
from lark.lexer import PatternStr

from assembler.errors import AssemblerError, GrammarError, flatten
from assembler.language.grammar import MAX_NUMBER, parse
from assembler.language.graph_lines import parse_header, parse_line, parse_sources
from assembler.language.recipe import Layer
from assembler.reading.recipe_files import load_recipe
from tests.conftest import ROOT, ZOO
from tests.strategies import ITEMS, LOOPS, STACKS
from tests.test_grammar import READS

(EBNF,) = re.findall(r"```ebnf\n(.*?)```", (ROOT / "docs" / "design.md").read_text(), re.DOTALL)

READERS = {
    "stack": parse,
    "line": lambda text: parse_line(text, "graph.x"),
    "sources": lambda text: parse_sources(text, "graph.outputs"),
    "header": lambda text: parse_header(text, Layer("ReLU"), "blocks"),
}
"""What can be derived from the grammar, and what reads it."""

GRAMMAR = Lark(EBNF, start=[*READERS], lexer="dynamic")


def derives(start, text):
    """Whether the grammar of the document derives a text."""
    try:
        GRAMMAR.parse(text, start=start)
    except UnexpectedInput:
        return False
    return True


# ---- from the document to the parser

RULES = {}
for rule in GRAMMAR.rules:
    RULES.setdefault(rule.origin, []).append(rule.expansion)


def words_of(terminal):
    """What a terminal may be; the document says in words how large an integer is."""
    if isinstance(terminal.pattern, PatternStr):
        return st.just(terminal.pattern.value)
    found = st.from_regex(terminal.pattern.to_regexp(), fullmatch=True)
    return found.filter(lambda text: int(text) <= MAX_NUMBER) if terminal.name == "INTEGER" else found


WORDS = {terminal.name: words_of(terminal) for terminal in GRAMMAR.terminals}


def find_heights():
    """How many rules lie one below the other in the lowest tree of each symbol."""
    heights = {}
    while heights != (higher := {symbol: 1 + min(map(height_in(heights), RULES[symbol])) for symbol in RULES}):
        heights = higher
    return heights


def height_in(heights):
    """The height of the expansion of a rule; nearly endless while one of its symbols is not known."""
    return lambda expansion: max((heights.get(one, 0 if one.is_term else 1000) for one in expansion), default=0)


HEIGHT = height_in(find_heights())


@st.composite
def sentences(draw, start):
    """Sentences of the grammar: random rules, and the lowest ones once there are words enough.

    ``hypothesis.extra.lark.from_lark`` has no such bound: it spends most of its time on sentences that grow too long.
    """
    enough = draw(st.integers(0, 30))
    words = []

    def derive(symbol):
        if symbol.is_term:
            word = draw(WORDS[symbol.name])
            while symbol.name == "NAME" and word in words:  # the document says in words that an argument is given once
                word += "_"
            words.append(word)
            return
        expansions = RULES[symbol]
        chosen = draw(st.sampled_from(expansions)) if len(words) < enough else min(expansions, key=HEIGHT)
        for one in chosen:
            derive(one)

    derive(NonTerminal(start))
    return draw(st.sampled_from(["", " ", "\n  "])).join(words)


@pytest.mark.parametrize("start", READERS)
@given(st.data())
@settings(
    max_examples=60,
    deadline=None,
    phases=[
        Phase.reuse,
        Phase.generate,
    ],  # a sentence is short, and the error points at its spot: shrinking takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
def test_a_sentence_of_the_grammar_is_read(start, data):
    READERS[start](data.draw(sentences(start)))


NEAR_MISSES = {
    "stack": [
        "", "A +", "-A", "A B", "A, B", "A = B", "A()()", "A.", ".A", "A(x", "A)", "A @ b", "A # why",
        "3", "'A'", "_", "true", "None", "class", "A.class", "3A", "_(1)", "true(1)", "[A]", "(A, B)", "A + (B, C)",
        "A + _", "A + 'B'", "A + [1]", "A(1) + 3", "3 + A(1)", "A if b", "A if b else", "if b else A", "A or B", "not A",
        "A(,)", "A(1,, 2)", "A(k=)", "A(k=1, 2)", "A(class=1)", "A(a.b=1)", "A(k=*x)", "A(**x)", "A(x y)", "A(1 2)",
        "*A", "A + *B", "(*A)", "A((*x, 1))", "A({*x})", "A(*)", "A(* *x)", "A(x for x in y, 1)", "A(1, x for x in y)",
        "(A for x in y if z)", "(A for x in y for z in w)", "(A for 3 in y)", "(A for x.y in z)", "(A for x[0] in y)",
        "(A for x, in y)", "(A for x)", "(A for in y)", "(for x in y)", "(A async for x in y)", "[A for x in y]",
        "B + [A for x in y]", "B + A for x in y", "A for x in y + B", "for x in y: A", "(A for x in y) 3",
        "A(1 < 2 < 3)", "A(x in y)", "A(x is y)", "A(~x)", "A(x @ y)", "A(x | y)", "A(x := 1)", "A(lambda: 1)",
        "A(x[])", "A(x[1:2:3])", "x[1:2]", "A + x[1:]", "A(x.y().z)", "A({x: 1 for x in y})", "A(...)", "A(b'x')", "A(f'x')", "A(1j)", "A(007)",
        "A('x)", "A('\\x1')", "A('\n')", "A({1})", "A({1: })", "A({null: 1})", "A({(1,): 2})", "A({_: 1})", "A([1)",
    ],
    "line": ["", "A @", "@ a", "A @ b @ c", "A + B @ c", "A @ a + B", "A @ a, b", "A @ (a b)", "A @ (a, (b, c))",
             "A @ 3", "A @ B()", "A @ a.b", "A @ a[-1]", "A @ a[b]", "A @ a[0][1]", "3 @ a", "(A, B) @ c"],
    "sources": ["", ",", "a,,b", "a b", "a; b", "a[", "a[]", "a[x]", "a[-1]", "a[0][1]", "a[1.0]", "3", "'a'", "a.b",
                "a()", "a + b", "a @ b"],
    "header": ["", "3", "_", "true(x)", "A.b", "A.b(c)", "A[0]", "A + B", "(A)(b)(c)", "A(b)(c)", "A(1)", "A('b')", "A(_)",
               "A(true)", "A(b.c)", "A(b + c)", "A(b=)", "A(b=1, c)", "A(*b)", "A(**b)", "A(b, , c)", "A: b"],
}  # fmt: skip
"""Texts that are nearly sentences: neither the document nor the parser takes them."""


@pytest.mark.parametrize(("start", "text"), [(start, text) for start, texts in NEAR_MISSES.items() for text in texts])
def test_what_is_nearly_a_sentence_is_refused_by_both(start, text):
    assert not derives(start, text)
    with pytest.raises(AssemblerError) as error:
        READERS[start](text)
    assert all(isinstance(mistake, GrammarError) for mistake in flatten([error.value]))


# ---- from the parser to the document


@given(st.one_of(STACKS, LOOPS, ITEMS))
@settings(max_examples=60, deadline=None, phases=[Phase.reuse, Phase.generate])  # shrinking takes minutes
def test_a_printed_stack_is_a_sentence(stack):
    assert derives("stack", str(stack))


IN_WORDS = ("A('x', \"y\", 'it''s')", "Größe(1)")
"""The document says in words that neighbouring strings are joined, and that names have letters of any alphabet."""


@pytest.mark.parametrize("text", [text for text, _ in READS if text not in IN_WORDS])
def test_what_the_parser_is_known_to_read_is_a_sentence(text):
    assert derives("stack", text)


def texts_of(body):
    """What YAML holds of layers: each text with what it is."""
    if isinstance(body, str):
        yield "stack", body
    for item in body if isinstance(body, list) else ():
        yield from texts_of(item)
    if isinstance(body, dict) and "graph" in body:
        yield from (("line", text) for text in body["graph"].values() if isinstance(text, str))


@pytest.mark.parametrize("name", ZOO)
def test_the_texts_of_a_recipe_that_ships_are_sentences(name):
    recipe = load_recipe(ROOT / "conf" / "recipe" / f"{name}.yaml")
    texts = [*texts_of(recipe.get("stack")), *texts_of(recipe if "graph" in recipe else None)]
    for header, body in recipe.get("blocks", {}).items():
        texts += [("header", header), *texts_of(body)]
    assert texts
    for start, text in texts:
        assert derives(start, text), text
