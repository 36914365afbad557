"""Networks written by hand, described as recipes."""

from collections import OrderedDict
from dataclasses import replace
from functools import cache

import mindspore
import numpy as np
import pytest
from mindspore import mint, nn, ops

from assembler import LAYERS, Registry, assemble, describe
from assembler.binding.bind import Steps, bind
from assembler.errors import AssemblerError, RecipeError
from assembler.language.grammar import parse
from assembler.layers.centered import Centered
from assembler.layers.parallel import Parallel
from assembler.layers.residual import Residual
from assembler.model.build import build_steps
from assembler.model.contents import contents, unlike
from assembler.planning.planner import plan_stack
from assembler.planning.tensors import specs_of
from tests.conftest import every_third
from tests.layer_cases import NATIVE, NOT_ON_CPU, OURS, SEVERAL_INPUTS

TEXTS = [
    "Dense(8, 128) + Centered",
    "MyLinear(64, 8) + MyLinear(8, 1)",
    "Conv2d(3, 8, 3, stride=2, pad_mode='valid', has_bias=True) + BatchNorm2d(8) + ReLU",
    "Conv2d(4, 8, (3, 5), group=2) + MaxPool2d(2, stride=2)",
    "Residual(Dense(8, 8) + ReLU, shortcut=Dense(8, 8))",
    "Dense(8, 4, has_bias=False, activation=Tanh) + LayerNorm((4,))",
    "Attention(8, 2, causal=True) + RMSNorm(8, epsilon=1e-05) + SwiGLU(8, 16)",
    "Dropout(p=0.25) + Flatten + Embedding(10, 4)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_text_assembles_is_described_as_it_again(text):
    model = assemble(text)
    told = describe(model)
    assert [p.name for p in assemble(told).get_parameters()] == [p.name for p in model.get_parameters()]
    assert describe(assemble(told)) == told
    assert told.replace("kernel_size=", "") == text or "Residual" in text or "MaxPool" in text


def test_a_network_by_hand_is_described():
    net = nn.SequentialCell(nn.Dense(8, 8), Residual(nn.SequentialCell(nn.ReLU(), nn.Dense(8, 8))), Centered())
    assert describe(net) == "Dense(8, 8) + Residual(ReLU + Dense(8, 8)) + Centered"
    branches = nn.SequentialCell(Parallel(nn.Dense(8, 2), nn.ReLU(), merge="concat"))
    assert describe(branches) == "Parallel(Dense(8, 2), ReLU)"


def test_layers_of_libraries_are_described_with_their_scopes():
    from mindcv.models.squeezenet import Fire

    net = nn.SequentialCell(nn.Conv2d(3, 8, 3), mint.nn.Linear(8, 4), mint.nn.Tanh())
    assert describe(net) == "Conv2d(3, 8, 3) + mint.Linear(8, 4) + mint.Tanh"
    assert describe(nn.SequentialCell(Fire(8, 2, 4, 3))) == "mindcv.Fire(8, 2, 4, 3)"


class Unknown(nn.Cell):
    def construct(self, x):
        return x


def test_error_of_a_layer_that_nobody_registered():
    with pytest.raises(RecipeError) as error:
        describe(nn.SequentialCell(nn.ReLU(), nn.SequentialCell(Unknown())))
    assert error.value.message == "#1.0 Unknown is not registered; add it with @register"


def test_error_of_a_cell_that_is_no_chain():
    with pytest.raises(RecipeError) as error:
        describe(nn.Dense(3, 4))
    assert error.value.message == "describe() supports nn.SequentialCell, got Dense"


FORMS = {
    "Softmax(axis=1)": lambda: nn.Softmax(1),
    "LogSoftmax(axis=1)": lambda: nn.LogSoftmax(1),
    "GLU(axis=1)": lambda: nn.GLU(1),
    "HShrink(lambd=0.7)": lambda: nn.HShrink(0.7),
    "SoftShrink(lambd=0.7)": lambda: nn.SoftShrink(0.7),
    "CELU(alpha=2.0)": lambda: nn.CELU(2.0),
    "RReLU(lower=0.1, upper=0.1)": lambda: nn.RReLU(0.1, 0.1),
    "LRN(depth_radius=3, bias=0.1, alpha=2.0, beta=0.9)": lambda: nn.LRN(3, 0.1, 2.0, 0.9),
    "AvgPool2d(kernel_size=3, pad_mode='pad', padding=1, count_include_pad=False, divisor_override=2)": lambda: (
        nn.AvgPool2d(3, pad_mode="pad", padding=1, count_include_pad=False, divisor_override=2)
    ),
    "MaxPool2d(kernel_size=3, pad_mode='pad', padding=1, dilation=2, ceil_mode=True)": lambda: nn.MaxPool2d(
        3, pad_mode="pad", padding=1, dilation=2, ceil_mode=True
    ),
    "BatchNorm2d(8, momentum=0.8)": lambda: nn.BatchNorm2d(8, momentum=0.8),
    "LayerNorm((8, 8))": lambda: nn.LayerNorm((8, 8)),
    "Unflatten(1, (2, 2))": lambda: nn.Unflatten(1, (2, 2)),
    "GELU(approximate=False)": lambda: nn.GELU(False),
    "PReLU(channel=4)": lambda: nn.PReLU(4, 0.1),
    "Pad(((0, 0), (1, 2)))": lambda: nn.Pad(((0, 0), (1, 2))),
    "LSTM(8, 6, num_layers=2)": lambda: nn.LSTM(8, 6, 2),
    "Dense(8, 4, dtype='float16')": lambda: nn.Dense(8, 4, dtype=mindspore.float16),
    "Residual(SequentialCell(Dense(8, 8)))": lambda: Residual(nn.SequentialCell(nn.Dense(8, 8))),
    "Residual(ReLU + SequentialCell(Tanh, ReLU))": lambda: Residual(
        nn.SequentialCell(nn.ReLU(), nn.SequentialCell(nn.Tanh(), nn.ReLU()))
    ),
}
"""Texts → layers of which a Cell does not store every argument as it was given."""


@pytest.mark.parametrize("text", FORMS)
def test_arguments_that_a_cell_stores_in_another_form_are_found(text):
    assert describe(nn.SequentialCell(FORMS[text]())) == text


def test_names_of_parts_are_names_of_items():
    inner = nn.SequentialCell(OrderedDict(fc=nn.Dense(8, 4), act=nn.ReLU()))
    net = nn.SequentialCell(OrderedDict(stem=nn.Dense(8, 8), body=inner, none=nn.SequentialCell()))
    text = describe(net)
    assert text == "(stem := Dense(8, 8)) + (body := (fc := Dense(8, 4)) + (act := ReLU))"
    assert_equal_outputs(net, assemble(text), sample((2, 8)))


def test_a_chain_of_nothing_is_an_identity():
    assert describe(nn.SequentialCell()) == "Identity"


def test_a_cell_that_was_run_is_described_as_before():
    net = nn.SequentialCell(nn.Dense(8, 8), nn.Dropout(p=0.5), nn.LayerNorm((8,)))
    before = describe(net)
    net.set_train()
    net(sample((2, 8)))
    assert describe(net) == before


def test_describing_draws_no_random_numbers():
    net = nn.SequentialCell(nn.Dense(8, 8), nn.LSTM(8, 6), nn.Dropout(p=0.5))
    mindspore.set_seed(3)
    expected = np.random.rand()
    mindspore.set_seed(3)
    describe(net)
    assert np.random.rand() == expected


def non_default(value):
    """Other values of the type of a default."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value + 2]
    if isinstance(value, float):
        return [value + 0.25, value * 0.5]
    if isinstance(value, tuple | list):
        return [type(value)(one + 1 if isinstance(one, int) else one for one in value)]
    if isinstance(value, str):
        return ["valid", "same", "pad", "zeros", "relu", "NHWC", "mean", "add"]
    return [2, (2, 2), 0.5, "relu"] if value is None else []


@cache
def arguments_of(name):
    """The arguments of a layer's case, ``_`` filled in, as for its class."""
    text, *spec = CASES[name]
    steps = plan_stack(parse(text), LAYERS, specs_of(sample(*spec))).steps if spec else bind(parse(text), LAYERS)
    return steps[0]


def variants(name):
    """Cells of a layer: with the arguments of its case, and with each other argument in turn."""
    step = arguments_of(name)
    yield lambda: build_steps(Steps((step,)))[0]
    for argument, one in LAYERS[name].parameters.items():
        if one.default is not one.empty and argument not in step.arguments:
            for value in non_default(one.default):
                changed = replace(step, arguments={**step.arguments, argument: value})
                if not step.extra:
                    yield lambda changed=changed: build_steps(Steps((changed,)))[0]


def sample(shape, dtype="float32"):
    generator = np.random.default_rng(0)
    values = generator.integers(0, 10, shape) if dtype == "int32" else generator.normal(size=shape)
    return mindspore.Tensor(values.astype(dtype))


def assert_equal_outputs(one, other, x):
    """Equal outputs after copying the parameters, or both raise."""
    for source, copy in zip(one.get_parameters(), other.get_parameters(), strict=True):
        assert (source.shape, source.dtype) == (copy.shape, copy.dtype)
        copy.set_data(source)
    try:
        expected = one(x)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        with pytest.raises((RuntimeError, ValueError, TypeError, AttributeError, IndexError)):
            other(x)
        return
    for left, right in zip(tensors(expected), tensors(other(x)), strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left.asnumpy(), right.asnumpy())


def tensors(output):
    return [one for part in output for one in tensors(part)] if isinstance(output, tuple) else [output]


CASES = {**OURS, **NATIVE, **{name: (text,) for name, text in SEVERAL_INPUTS.items()}}
REFUSED = {"RNN", "Unfold", "TransformerEncoder", "TransformerDecoder", "Transformer"}
"""Layers whose Cells do not hold some argument in any form that is known."""


@pytest.mark.parametrize("name", every_third(CASES))
def test_a_layer_is_described_as_it_is_or_not_at_all(name):
    check(name, next(variants(name)), may_refuse=name in REFUSED)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_described_with_any_argument_as_it_is_or_not_at_all(name):
    for create in variants(name):
        try:
            create()
        except AssemblerError:
            continue  # the constructor refuses the value
        check(name, create, may_refuse=name in REFUSED)


def check(name, create, may_refuse):
    """A recipe of a layer creates an equal one; without a recipe, there is a reason."""
    net = nn.SequentialCell(create())
    net.set_train(False)
    try:
        text = describe(net)
    except RecipeError as error:
        assert may_refuse, error.message
        return
    again = assemble(text)
    assert describe(again) == text
    if name != "SequentialCell":  # becomes a part of the chain
        assert unlike(contents(net[0]), contents(again[0])) == []
    if len(CASES[name]) > 1 and name not in NOT_ON_CPU | {"RReLU"}:  # which is random
        assert_equal_outputs(net, again, sample(*CASES[name][1:]))


def test_refused_layers_are_refused():
    for name in REFUSED - {"Transformer"}:  # with the arguments of its case, that is described
        with pytest.raises(RecipeError, match=f"#0 describe\\(\\) finds no arguments that create this {name}: "):
            describe(nn.SequentialCell(next(variants(name))()))


def test_a_shared_parameter_is_refused():
    layer = nn.Dense(8, 8)
    with pytest.raises(RecipeError) as error:
        describe(nn.SequentialCell(layer, nn.ReLU(), layer))
    assert error.value.message == (
        "#2 Dense shares the parameter 'weight' with #0; a stack cannot express that. Write a recipe with `shared`"
    )
    relu = nn.ReLU()
    assert describe(nn.SequentialCell(relu, relu)) == "ReLU + ReLU"


class Scaled(nn.Cell):
    """A layer with an argument that it does not store, and whatever a test gives it."""

    def __init__(self, factor=1.0, **others):
        super().__init__()
        self.table = mindspore.Tensor(np.linspace(0, factor, 20, dtype=np.float32))
        for name, value in others.items():
            setattr(self, name, value)

    def construct(self, x):
        return x * self.table[-1]


OWN = Registry(shipped=True)
OWN.register(Scaled)


def test_constants_are_compared():
    assert describe(nn.SequentialCell(Scaled()), OWN) == "Scaled"
    with pytest.raises(RecipeError) as error:
        describe(nn.SequentialCell(Scaled(3.0)), OWN)
    assert error.value.message == (
        "#0 describe() finds no arguments that create this Scaled: the closest, Scaled, differs in 'table'"
    )


def test_a_parameter_in_a_plain_list_is_a_constant():
    def listed(values):
        return contents(Scaled(held=[mindspore.Parameter(mindspore.Tensor(values, mindspore.float32))]))

    assert unlike(listed([1.0]), listed([2.0])) == ["held.0"]
    assert unlike(listed([1.0]), listed([1.0])) == []


def hooked(cell):
    cell.register_forward_hook(lambda cell, given, output: output * 2)
    return cell


def replaced(cell):
    cell.construct = lambda x: x
    return cell


CHANGED = {
    "a hook": hooked,
    "another construct": replaced,
    "mixed precision": lambda cell: cell.to_float(mindspore.float16),
    "an attribute": lambda cell: setattr(cell, "note", {"deep": [np.arange(3)]}) or cell,
    "a function": lambda cell: setattr(cell, "f", ops.relu) or cell,
}
"""Ways to change a Cell that no argument expresses."""


@pytest.mark.parametrize("change", CHANGED)
def test_a_cell_that_was_changed_is_refused(change):
    with pytest.raises(
        RecipeError, match=r"#0 describe\(\) finds no arguments that create this Dense: the closest, Dense\(8, 4\)"
    ):
        describe(nn.SequentialCell(CHANGED[change](nn.Dense(8, 4))))


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), ((1, 2), [1, 2]), (None, 0), (slice(1), slice(2)), (np.zeros(2), np.ones(2)), (min, max)],
)
def test_values_of_another_type_are_another_layer(one, other):
    assert unlike(contents(Scaled(value=one)), contents(Scaled(value=other))) != []
    assert unlike(contents(Scaled(value=one)), contents(Scaled(value=one))) == []


def test_equal_closures_are_equal():
    def times(factor):
        return lambda x: x * factor

    assert unlike(contents(Scaled(f=times(2))), contents(Scaled(f=times(2)))) == []
    assert unlike(contents(Scaled(f=times(2))), contents(Scaled(f=times(3)))) == ["f.around"]
