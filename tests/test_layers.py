"""Every registered layer, driven by one table from text to output; ours through gradients in both modes as well."""

import numpy as np
import pytest
from mindspore import Tensor, grad, nn, ops

from assembler import device
from assembler.build import build
from assembler.grammar import parse
from assembler.layers.centered import Centered
from assembler.layers.half_spectrum import HalfSpectrum
from assembler.layers.my_linear import MyLinear
from assembler.layers.residual import Residual
from assembler.layers.tensor_reduction import TensorReduction
from assembler.planner import plan_stack as plan
from assembler.registry import LAYERS
from assembler.rows import Spec
from assembler.tensors import specs_of
from tests.layer_cases import NATIVE, NOT_ON_CPU, OURS, SEVERAL_INPUTS

ALL = {**OURS, **NATIVE}


def sample(shape, dtype="float32"):
    generator = np.random.default_rng(0)
    values = generator.integers(0, 10, shape) if dtype == "int32" else generator.normal(size=shape)
    return Tensor(values.astype(dtype))


def test_every_registered_layer_has_one_case():
    assert sorted([*ALL, *SEVERAL_INPUTS]) == sorted(LAYERS)


@pytest.mark.parametrize("name", [name for name in ALL if name not in NOT_ON_CPU])
def test_the_plan_of_a_layer_is_what_it_does(name):
    text, *spec = ALL[name]
    x = sample(*spec)
    planned = plan(parse(text), LAYERS, specs_of(x))
    model = build(planned)
    assert specs_of(model(x)) == planned.output
    counts = [(p.requires_grad, int(np.prod(p.shape))) for p in model.get_parameters()]
    assert planned.trainable == sum(size for trainable, size in counts if trainable)
    assert planned.other == sum(size for trainable, size in counts if not trainable)
    cells = dict(model.cells_and_names())
    assert all(row.path in cells for row in planned.rows if "activation" not in row.path)


@pytest.mark.parametrize("name", sorted(NOT_ON_CPU - {"Roll"}))
def test_a_layer_that_the_cpu_lacks_is_planned_all_the_same(name):
    text, *spec = NATIVE[name]
    planned = plan(parse(text), LAYERS, specs_of(sample(*spec)))
    with pytest.raises(RuntimeError, match="Unsupported op"):
        build(planned)(sample(*spec))


def test_a_layer_that_neither_meta_nor_the_cpu_has_is_planned_by_the_compiler():
    planned = plan(parse("ReLU + Roll(2, 1)"), LAYERS, Spec((4, 8), "float32"))
    assert planned.output == Spec((4, 8), "float32")
    with pytest.raises(RuntimeError, match="Roll unregistered"):
        build(planned)(sample((4, 8)))


@pytest.mark.parametrize("name", SEVERAL_INPUTS)
def test_a_layer_with_several_inputs_is_made(name):
    model = build(plan(parse(SEVERAL_INPUTS[name]), LAYERS))
    assert type(model[0]) is LAYERS[name].cell


class Loss(nn.Cell):
    """A number to differentiate: the sum of squares in float32."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def construct(self, x):
        return ops.reduce_sum(ops.square(self.model(x).astype("float32")))


@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("name", OURS)
def test_our_layers_match_numpy_forward_and_backward(name, dtype, mode):
    text, shape = OURS[name]
    x = sample(shape, dtype)
    model = build(plan(parse(text), LAYERS, Spec(shape, dtype), dtype))
    reference = reference_of(name, model)
    rtol = {"float32": 1e-5, "float16": 1e-2, "float64": 1e-10}[dtype]
    wide = x.asnumpy().astype(np.float64)
    expected = reference(wide)
    with device.mode(mode):
        y = model(x)
        gradient = grad(Loss(model))(x)
    assert str(y.dtype).lower() == dtype
    np.testing.assert_allclose(y.asnumpy(), expected, rtol=0, atol=rtol * np.abs(expected).max())
    assert str(gradient.dtype).lower() == dtype
    slope = numerical_gradient(lambda values: np.sum(reference(values) ** 2), wide)
    np.testing.assert_allclose(gradient.asnumpy(), slope, rtol=0, atol=5 * rtol * np.abs(slope).max() + 1e-6)


def reference_of(name, model):
    """The layer's mathematics in NumPy float64, written here once more and by its definition."""
    p = {parameter.name: parameter.asnumpy().astype(np.float64) for parameter in model.get_parameters()}

    def reduction(x):
        w = p["0.weight"]
        y = np.zeros((len(x), w.shape[2]))
        for b, row in enumerate(x):
            for k in range(w.shape[2]):
                y[b, k] = sum(w[i, j, k] * row[i] * row[j] for i in range(8) for j in range(8))
        return y

    def spectrum(x):
        n = x.shape[-1]
        turn = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n // 2 + 1)) / n)
        return np.concatenate(((x @ turn).real, (x @ turn).imag), axis=-1)

    def residual(x):
        inner = np.maximum(x @ p["0.inner.0.weight"].T + p["0.inner.0.bias"], 0)
        return inner + x @ p["0.shortcut.weight"].T + p["0.shortcut.bias"]

    return {
        "Centered": lambda x: x - x.sum() / x.size,
        "MyLinear": lambda x: np.maximum(x @ p["0.weight"] + p["0.bias"], 0),
        "TensorReduction": reduction,
        "HalfSpectrum": spectrum,
        "Residual": residual,
    }[name]


def numerical_gradient(f, x, h=1e-6):
    slope = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        slope[index] = (f(x + step) - f(x - step)) / (2 * h)
    return slope


def test_centered_by_hand():
    assert Centered()(Tensor([1.0, 2.0, 3.0, 4.0, 5.0])).asnumpy().tolist() == [-2, -1, 0, 1, 2]


def test_my_linear_draws_from_a_standard_normal():
    device.seed(0)
    layer = MyLinear(200, 300)
    assert layer.weight.shape == (200, 300)
    assert layer.bias.shape == (300,)
    for values in (layer.weight.asnumpy(), layer.bias.asnumpy()):
        assert abs(values.mean()) < 4 / np.sqrt(values.size)
        assert abs(values.std() - 1) < 4 / np.sqrt(2 * values.size)


def test_tensor_reduction_of_any_leading_shape():
    layer = TensorReduction(3, 2)
    x = sample((2, 4, 3))
    rows = np.stack([layer(row).asnumpy() for row in x])
    np.testing.assert_allclose(layer(x).asnumpy(), rows, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_the_half_spectrum_determines_the_input(n):
    x = sample((3, n))
    y = HalfSpectrum()(x).asnumpy()
    m = n // 2 + 1
    assert y.shape == (3, 2 * m)
    back = np.fft.irfft(y[:, :m] + 1j * y[:, m:], n)
    np.testing.assert_allclose(back, x.asnumpy(), atol=1e-6)


def test_residual_passes_its_input_on():
    x = sample((4, 8))
    inner = nn.Dense(8, 8)
    assert np.array_equal(Residual(inner)(x).asnumpy(), (inner(x) + x).asnumpy())
