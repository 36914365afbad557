import pytest
from mindspore import nn

from assembler.binding import bind as binding
from assembler.binding.bind import bind
from assembler.binding.dump import dump
from assembler.errors import ArgumentMismatch, AssemblerError, RecipeError
from assembler.language.grammar import parse
from assembler.registry.registry import LAYERS, Registry

DENSE = (
    "Dense(in_channels, out_channels, weight_init=None, bias_init=None, has_bias=True, activation=None, dtype=float32)"
)


def texts(text):
    return dump(bind(parse(text), LAYERS))["stack"]


def test_repeats_are_written_out():
    assert texts("2 * (Dense(8, 8) + ReLU) + Tanh") == ["Dense(8, 8)", "ReLU", "Dense(8, 8)", "ReLU", "Tanh"]


def test_a_layer_inside_a_layer_prints_in_full_or_as_dots():
    (step,) = bind(parse("Residual(2 * Dense(8, 8), shortcut=Identity)"), LAYERS)
    assert dump((step,))["stack"] == ["Residual(Dense(8, 8) + Dense(8, 8), shortcut=Identity)"]
    assert str(step) == "Residual(…, shortcut=…)"


def test_defaults_of_the_registry_are_arguments_and_the_recipe_comes_first():
    registry = Registry()
    registry.load({"Gelu": {"target": "mindspore.nn.GELU", "defaults": {"approximate": False}}})
    (plain,) = bind(parse("Gelu"), registry)
    (other,) = bind(parse("Gelu(True)"), registry)
    assert plain.arguments == {"approximate": False}
    assert other.arguments == {"approximate": True}
    assert plain.text() == "Gelu"


MISTAKES = [
    ("Dence(8, 1)", "1: no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?\n    Dence(8, 1)\n    ^^^^^"),
    ("Dense(8, 1, has_bais=True)",
     "13: Dense has no argument 'has_bais'. Did you mean 'has_bias'?\n"
     "    Dense(8, 1, has_bais=True)\n                ^^^^^^^^"),
    ("Dense(8, 1, q=True)",
     f"13: Dense has no argument 'q'. It is {DENSE}.\n    Dense(8, 1, q=True)\n                ^"),
    ("Dense(8)", f"1: Dense is missing 'out_channels': {DENSE}\n    Dense(8)\n    ^^^^^"),
    ("Dense", f"1: Dense is missing 'in_channels' and 'out_channels': {DENSE}\n    Dense\n    ^^^^^"),
    ("ReLU(1, 2)", "6: ReLU takes no arguments, 2 given: ReLU()\n    ReLU(1, 2)\n         ^"),
    ("Centered(flags=1)",
     "10: Centered has no argument 'flags'. It is Centered().\n    Centered(flags=1)\n             ^^^^^"),
    ("MyLinear(1, 2, 3)",
     "16: MyLinear takes at most 2 arguments, 3 given: MyLinear(in_units, units)\n"
     "    MyLinear(1, 2, 3)\n                   ^"),
    ("Dense(8, 1, in_channels=8)",
     "13: Dense is given 'in_channels' twice\n    Dense(8, 1, in_channels=8)\n                ^^^^^^^^^^^"),
    ("LeakyReLU(_)",
     "1: LeakyReLU has no rule to infer 'alpha' from its input. Write its value, or add the input's axis to its "
     "registry entry: infer: {alpha: -1}\n    LeakyReLU(_)\n    ^^^^^^^^^"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_error_of_an_argument(text, message):
    with pytest.raises(AssemblerError) as error:
        bind(parse(text, "s"), LAYERS)
    assert str(error.value) == f"s:{message}"


class Wide(nn.Cell):
    """All kinds of arguments."""

    def __init__(self, first, *more, scale, shift=0.0, **rest):
        super().__init__()


class Strict(nn.Cell):
    """Named arguments only, but for the first."""

    def __init__(self, first, *, scale=1.0):
        super().__init__()


def test_named_and_further_arguments_are_bound_as_python_does():
    registry = Registry()
    registry.register(Wide)
    registry.register(Strict)
    (step,) = bind(parse("Wide(1, 2, 3, scale=4, other=5)"), registry)
    assert (step.arguments, step.extra) == ({"first": 1, "scale": 4, "other": 5}, (2, 3))
    assert step.text() == "Wide(1, 2, 3, scale=4, other=5)"
    for text, message in [
        ("Wide(1, 2)", "Wide is missing 'scale': Wide(first, *more, scale, shift=0.0, **rest)"),
        ("Strict(1, 2)", "Strict takes at most 1 argument, 2 given: Strict(first, *, scale=1.0)"),
        ("Strict(1, first=2)", "Strict is given 'first' twice"),
        ("Strict((1, _))", "'_' cannot be part of a value: first=_ of Strict infers the whole argument"),
    ]:
        with pytest.raises(ArgumentMismatch) as error:
            bind(parse(text), registry)
        assert error.value.message == message


def test_error_lists_every_mistake_of_a_recipe_in_reading_order():
    with pytest.raises(AssemblerError) as error:
        bind(parse("Dence(8) + Residual(Dense(8)) + Dense(8, b=3, c=4) + 3 * Relu"), LAYERS)
    assert [mistake.message.split(":")[0].split(".")[0] for mistake in error.value.mistakes] == [
        "no layer named 'Dence'",
        "Dense is missing 'out_channels'",
        "Dense has no argument 'b'",
        "Dense has no argument 'c'",
        "Dense is missing 'out_channels'",
        "no layer named 'Relu'",
    ]


def test_error_of_an_argument_written_in_yaml_has_its_key():
    from assembler.language.yaml_form import parse_stack

    with pytest.raises(ArgumentMismatch) as error:
        bind(parse_stack([{"Dense": {"in_channels": 8, "out_channels": 1, "has_bais": True}}], "recipe.stack"), LAYERS)
    assert str(error.value) == (
        "recipe.stack[0].Dense.has_bais: Dense has no argument 'has_bais'. Did you mean 'has_bias'?"
    )


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("100000 * (100000 * ReLU)", 10**10),
        ("100000 * Residual(ReLU)", 200_000),
        ("2 * (50000 * ReLU + ReLU)", 100_002),
    ],
)
def test_error_of_too_many_layers_comes_before_they_are_written_out(text, total):
    with pytest.raises(RecipeError) as error:
        bind(parse(text), LAYERS)
    assert error.value.message == f"the stack has {total:,} layers; the limit is {binding.MAX_LAYERS:,}"


def test_the_most_layers_there_may_be_are_bound():
    assert len(bind(parse("100000 * ReLU"), LAYERS)) == 100_000
