import pytest

from assembler.language.grammar import parse
from assembler.language.recipe import (
    BlockUse,
    Chain,
    Graph,
    Layer,
    PassedIn,
    Repeat,
    Shared,
    Wire,
    bare,
    chain,
    layers_in,
    print_value,
    walk,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((), "()"),
        ((1,), "(1,)"),
        ([1, "a"], "[1, 'a']"),
        ({"a": (1, 2)}, "{'a': (1, 2)}"),
        (float("inf"), "1e999"),
        (float("-inf"), "-1e999"),
        (Layer("A", (1,)), "A(1)"),
    ],
)
def test_a_value_prints_as_it_is_written(value, text):
    assert print_value(value) == text


def test_a_chain_is_in_normal_form():
    a, b, c = map(Layer, "ABC")
    assert chain([a]) == a
    assert chain([chain([a, b]), c]) == chain([a, chain([b, c])]) == Chain((a, b, c))


def test_a_repeat_of_several_prints_in_brackets():
    assert str(Repeat(2, chain([Layer("A"), Layer("B")]))) == "2 * (A + B)"


def test_layers_are_found_in_reading_order_at_any_depth():
    stack = parse("A(B + 2 * C, [D], k={'x': (E,)}) + F")
    assert [layer.name for layer in layers_in(stack)] == list("ABCDEF")


def test_a_walk_goes_into_every_kind_of_node():
    use = BlockUse(Layer("Block", (Layer("Unused"),)), PassedIn(Layer("B"), 0))
    graph = Graph(("x",), (Wire("y", Shared("part", Layer("C")), (("x", None),)),), (("y", None),))
    stack = chain([Layer("A", ({"k": [1]},)), Repeat(2, use), graph])
    kinds = "Chain Layer dict list int Repeat BlockUse PassedIn Layer Graph Wire Shared Layer"
    assert [type(one).__name__ for one in walk(stack)] == kinds.split()
    assert [layer.name for layer in layers_in(stack)] == list("ABC")


def test_what_a_block_expands_to_prints_as_its_layers():
    use = BlockUse(Layer("Block"), PassedIn(Layer("A", (1,)), 0))
    assert str(chain([use, Repeat(2, use)])) == "A(1) + 2 * A(1)"
    assert bare(use) == Layer("A", (1,))


def test_equal_texts_are_equal_data_wherever_they_stand():
    assert parse("A(1) + B") == parse("   A( 1 )+B")
