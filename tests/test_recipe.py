import pytest

from assembler.language.grammar import parse
from assembler.language.recipe import Chain, Layer, Repeat, chain, layers_in, print_value


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


def test_equal_texts_are_equal_data_wherever_they_stand():
    assert parse("A(1) + B") == parse("   A( 1 )+B")
