"""Every registered layer, driven by one table from text to output; ours through gradients in both modes as well."""

import time
from functools import cache

import mindspore
import numpy as np
import psutil
import pytest
from mindspore import ParameterTuple, Tensor, grad, nn, ops, value_and_grad

from assembler import checks
from assembler import plan as plan_recipe
from assembler.checks import Subject
from assembler.errors import ShapeMismatch
from assembler.language.grammar import parse
from assembler.layers.add import Add
from assembler.layers.alibi import ALiBi
from assembler.layers.attention import Attention
from assembler.layers.centered import Centered
from assembler.layers.class_token import ClassToken
from assembler.layers.concat import Concat
from assembler.layers.half_spectrum import HalfSpectrum
from assembler.layers.interpolate import Interpolate
from assembler.layers.layer_norm_2d import LayerNorm2d
from assembler.layers.layer_scale import LayerScale
from assembler.layers.learned_positions import LearnedPositions
from assembler.layers.mamba import Mamba
from assembler.layers.mean import Mean
from assembler.layers.mixture_of_experts import MixtureOfExperts
from assembler.layers.multiply import Multiply
from assembler.layers.my_linear import MyLinear
from assembler.layers.noise import Noise
from assembler.layers.parallel import Parallel
from assembler.layers.patch_embedding import PatchEmbedding
from assembler.layers.permute import Permute
from assembler.layers.relative_bias import RelativeBias
from assembler.layers.residual import Residual
from assembler.layers.rms_norm import RMSNorm
from assembler.layers.select import Select
from assembler.layers.slice import Slice
from assembler.layers.squeeze_excite import SqueezeExcite
from assembler.layers.stochastic_depth import StochasticDepth
from assembler.layers.swiglu import SwiGLU
from assembler.layers.tensor_reduction import TensorReduction
from assembler.layers.together import Together
from assembler.layers.unembed import Unembed
from assembler.layers.window_bias import WindowBias
from assembler.layers.windows import Windows
from assembler.model.build import build
from assembler.planning.existing_cell import plan_cell
from assembler.planning.planner import plan_stack as plan
from assembler.planning.probing import Trials
from assembler.planning.specs import Spec
from assembler.planning.tensors import specs_of
from assembler.registry.registry import LAYERS
from assembler.runtime import device
from tests.conftest import every_third, mostly_slow
from tests.layer_cases import NATIVE, NO_KERNEL, NOT_ON_CPU, OF_INTEGERS, OPERATORS, OURS, SEVERAL_INPUTS, VARIANTS

ALL = {**OURS, **OF_INTEGERS, **NATIVE}
WRITTEN = [*OURS.values(), *VARIANTS]


def sample(shape, dtype="float32"):
    generator = np.random.default_rng(0)
    values = generator.integers(0, 10, shape) if dtype == "int32" else generator.normal(size=shape)
    return Tensor(values.astype(dtype))


def test_every_registered_layer_has_one_case():
    operators = {text.partition("(")[0] for text, _, _ in OPERATORS}
    assert sorted([*ALL, *SEVERAL_INPUTS, *operators]) == sorted(LAYERS)


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


def lacks_float64(text):
    return any(name in text for name in ("Conv2d", "PatchEmbedding", "Mamba"))  # MindSpore's Conv2d takes none


@pytest.mark.parametrize(
    ("text", "shape", "dtype"),
    [
        (text, shape, dtype)
        for text, shape in WRITTEN
        for dtype in ("float32", "float16", "float64")
        if dtype != "float64" or not lacks_float64(text)
    ],
)
def test_our_layers_are_planned_on_the_meta_device(text, shape, dtype, monkeypatch):
    def fail(self, error, *arguments, **named):
        raise AssertionError("the meta device lacks something") from error

    monkeypatch.setattr(Trials, "otherwise", fail)
    plan(parse(text), LAYERS, Spec(shape, dtype), dtype)


@pytest.mark.parametrize(("text", "shape"), WRITTEN)
def test_our_layers_match_the_reference_beside_them(text, shape):
    x = sample(shape)
    planned = plan(parse(text), LAYERS, specs_of(x))
    model = with_drawn_parameters(build(planned))
    (answer,) = checks.run(
        checks.prepare([("reference", None, "key")]), Subject(model, planned, (x,), "pynative", "float32")
    )
    assert answer.passed, answer


@pytest.mark.parametrize("name", every_third(OURS))
def test_our_layers_take_any_batch_without_compiling_anew(name):
    text, shape = OURS[name]
    model = build(plan(parse(text), LAYERS, Spec(shape, "float32")))
    model.set_inputs(Tensor(shape=(None, *shape[1:]), dtype=mindspore.float32))
    for batch in (2, 3):
        x = sample((batch, *shape[1:]))
        expected = model(x).asnumpy()
        with device.mode("graph"):
            assert np.array_equal(model(x).asnumpy(), expected)


class Loss(nn.Cell):
    """A number to differentiate: the sum of squares, at least in float32; and the output."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def construct(self, x):
        y = self.model(x)
        return ops.reduce_sum(ops.square(y if y.dtype == mindspore.float64 else y.astype("float32"))), y


def with_drawn_parameters(model):
    """The model, with every parameter drawn anew, so that zeros and ones hide nothing."""
    generator = np.random.default_rng(1)
    for parameter in model.get_parameters():
        values = generator.normal(scale=0.5, size=parameter.shape)
        parameter.set_data(Tensor(values.astype(str(parameter.dtype).lower())))
    return model


def model_of(name, dtype):
    text, shape = OURS[name]
    return with_drawn_parameters(build(plan(parse(text), LAYERS, Spec(shape, dtype), dtype)))


@cache
def expected_of(name, dtype):
    """The output and the gradients of the loss for the input and for each parameter, in float64."""
    x = sample(OURS[name][1], dtype).asnumpy().astype(np.float64)
    parameters = {
        parameter.name: parameter.asnumpy().astype(np.float64) for parameter in model_of(name, dtype).get_parameters()
    }

    def loss(x, parameters):
        return np.sum(reference_of(name, parameters)(x) ** 2)

    slopes = [numerical_gradient(lambda values: loss(values, parameters), x)]
    for one in parameters:
        slopes.append(numerical_gradient(lambda values, one=one: loss(x, {**parameters, one: values}), parameters[one]))
    return reference_of(name, parameters)(x), slopes


WAYS = [
    ("float32", "pynative"), ("float64", "pynative"), ("float32", "graph"),
    ("float16", "pynative"), ("float16", "graph"), ("float64", "graph"),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "mode"), mostly_slow(WAYS, WAYS[:3].__contains__))
@pytest.mark.parametrize("name", every_third(OURS))
def test_our_layers_match_numpy_forward_and_backward(name, dtype, mode):
    x = sample(OURS[name][1], dtype)
    if (name, dtype) in NO_KERNEL:
        with pytest.raises(ShapeMismatch, match=NO_KERNEL[name, dtype]):
            model_of(name, dtype)
        return
    model = model_of(name, dtype)
    weights = model.trainable_params()
    rtol = {"float32": 1e-5, "float16": 1e-2, "float64": 1e-10}[dtype]
    expected, slopes = expected_of(name, dtype)
    differentiate = value_and_grad(Loss(model), 0, ParameterTuple(weights) if weights else None, has_aux=True)
    with device.mode(mode):
        (_, y), gradients = differentiate(x)
    to_input, to_weights = gradients if weights else (gradients, ())
    assert str(y.dtype).lower() == dtype
    np.testing.assert_allclose(y.asnumpy(), expected, rtol=0, atol=rtol * np.abs(expected).max())
    largest = max(np.abs(slope).max() for slope in slopes)
    for gradient, slope in zip((to_input, *to_weights), slopes, strict=True):
        assert str(gradient.dtype).lower() == dtype
        np.testing.assert_allclose(gradient.asnumpy(), slope, rtol=0, atol=5 * rtol * largest + 1e-6)


def reference_of(name, p):
    """The layer's mathematics in NumPy float64, written here once more and by its definition.

    Args:
        p: the parameters by name.
    """

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

    def dense(path, x):
        return x @ p[f"0.{path}.weight"].T + p.get(f"0.{path}.bias", 0)

    def residual(x):
        return np.maximum(dense("inner.0", x), 0) + dense("shortcut", x)

    def parallel(x):
        return np.hstack((np.maximum(dense("branches.0.0", x), 0), x, dense("branches.2", x)))

    def patches(x):
        count, _, height, width = x.shape
        w, b = p["0.projection.weight"], p["0.projection.bias"]
        corners = [(i, j) for i in range(0, height, 2) for j in range(0, width, 2)]
        y = np.zeros((count, len(corners), len(w)))
        for n in range(count):
            for k, (i, j) in enumerate(corners):
                y[n, k] = [np.sum(kernel * x[n, :, i : i + 2, j : j + 2]) for kernel in w] + b
        return y

    def attention(x):
        """Two heads of four numbers, with one head of keys and values, token by token."""
        bias = p["0.positions.table"]  # of 4 buckets: 0 back, 1 or more back, none, and 1 or more ahead

        def turned(vector, position):
            y = np.zeros(4)
            for i in (0, 1):
                angle = position / 10000 ** (2 * i / 4)
                matrix = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
                y[i], y[i + 2] = matrix @ vector[[i, i + 2]]
            return y

        y = np.zeros_like(x)
        for n, sequence in enumerate(x):
            queries, keys, values = (dense(part, sequence) for part in ("query", "key", "value"))
            keys = [turned(key, position) for position, key in enumerate(keys)]
            for t in range(len(sequence)):
                for head, own in enumerate((slice(0, 4), slice(4, 8))):
                    query = turned(queries[t, own], t)
                    seen = range(max(0, t - 2), t + 1)
                    weights = np.exp([query @ keys[s] / 2 + bias[min(t - s, 1), head] for s in seen])
                    y[n, t, own] = weights @ values[seen] / weights.sum()
        return dense("output", y)

    def gated(x):
        gate = dense("gate", x)
        return dense("down", gate / (1 + np.exp(-gate)) * dense("up", x))

    def experts(x):
        y = np.zeros_like(x)
        for n, t in np.ndindex(x.shape[:2]):
            logits = dense("router", x[n, t])
            for e in set(range(3)) - {np.argmin(logits)}:
                gate = dense(f"experts.{e}.gate", x[n, t])
                emitted = dense(f"experts.{e}.down", gate / (1 + np.exp(-gate)) * dense(f"experts.{e}.up", x[n, t]))
                y[n, t] += emitted * np.exp(logits[e]) / (np.sum(np.exp(logits)) - np.exp(logits.min()))
        return y

    def windows(x):
        """Windows of 2 × 2 on 4 × 3 pixels, moved by one: every pixel looks at its neighbours in its own window."""
        image = np.zeros((4, 4, 2))  # with a column of padding
        image[:, :3] = x[0]
        y = np.zeros_like(image)
        tokens = {(i, j): [dense(f"inner.{part}", image[i, j]) for part in ("query", "key", "value")]
                  for i, j in np.ndindex(4, 4)}  # fmt: skip
        for i, j in tokens:
            seen = [(k, m) for k, m in tokens if (k + 1) // 2 == (i + 1) // 2 and (m + 1) // 2 == (j + 1) // 2]
            offsets = [3 * (i - k + 1) + j - m + 1 for k, m in seen]
            scores = [tokens[i, j][0] @ tokens[one][1] / np.sqrt(2) for one in seen]
            weights = np.exp(scores + p["0.inner.positions.table"][offsets, 0])
            y[i, j] = weights @ [tokens[one][2] for one in seen] / weights.sum()
        return dense("inner.output", y)[None, :, :3]

    def quarters(x):
        padded = np.concatenate((x, np.zeros((2, 4, 1, 2))), axis=2)
        y = np.zeros((2, 2, 2, 8))
        for n, i, j, dx, dy in np.ndindex(2, 2, 2, 2, 2):
            y[n, i, j, 4 * dx + 2 * dy : 4 * dx + 2 * dy + 2] = padded[n, 2 * i + dy, 2 * j + dx]
        return y

    def scanned(x):
        """Every token's state as a sum over those before it, channel by channel."""
        u, gate = np.split(dense("in_proj", x[0]), 2, axis=-1)
        before = np.vstack((np.zeros(4), u[:-1]))
        kernel = p["0.conv1d.weight"][:, 0, 0]
        u = before * kernel[:, 0] + u * kernel[:, 1] + p["0.conv1d.bias"]
        u = u / (1 + np.exp(-u))
        step, b, c = np.split(dense("x_proj", u), [1, 3], axis=-1)
        step = np.log(1 + np.exp(dense("dt_proj", step)))
        rates, y = -np.exp(p["0.A_log"]), u * p["0.D"]
        for t, channel, n in np.ndindex(5, 4, 2):
            for s in range(t + 1):
                decay = np.exp(rates[channel, n] * np.sum(step[s + 1 : t + 1, channel]))
                y[t, channel] += c[t, n] * decay * step[s, channel] * b[s, n] * u[s, channel]
        return dense("out_proj", y * gate / (1 + np.exp(-gate)))[None]

    def rms(x):
        return p["0.weight"] * x / np.sqrt(np.sum(x * x, -1, keepdims=True) / x.shape[-1] + 1e-6)

    def excited(x):
        y = x.copy()
        for n, image in enumerate(x):
            inner = np.maximum(dense("reduce", [channel.sum() / channel.size for channel in image]), 0)
            for c, factor in enumerate(1 / (1 + np.exp(-dense("expand", inner)))):
                y[n, c] *= factor
        return y

    def by_pixel(x):
        y = np.zeros_like(x)
        for n, i, j in np.ndindex(len(x), *x.shape[2:]):
            pixel = x[n, :, i, j] - np.sum(x[n, :, i, j]) / x.shape[1]
            y[n, :, i, j] = p["0.gamma"] * pixel / np.sqrt(pixel @ pixel / x.shape[1] + 1e-6) + p["0.beta"]
        return y

    return {
        "Centered": lambda x: x - x.sum() / x.size,
        "MyLinear": lambda x: np.maximum(x @ p["0.weight"] + p["0.bias"], 0),
        "TensorReduction": reduction,
        "HalfSpectrum": spectrum,
        "Residual": residual,
        "Parallel": parallel,
        "Permute": lambda x: np.einsum("nchw->nhwc", x),
        "Mean": lambda x: np.einsum("nchw->nc", x) / (x.shape[2] * x.shape[3]),
        "Select": lambda x: x[:, x.shape[1] - 2],
        "PatchEmbedding": patches,
        "ClassToken": lambda x: np.stack([np.vstack((p["0.token"][0], one)) for one in x]),
        "LearnedPositions": lambda x: np.stack([one + p["0.table"] for one in x]),
        "Attention": attention,
        "SwiGLU": gated,
        "MixtureOfExperts": experts,
        "Windows": windows,
        "MergePatches": quarters,
        "RMSNorm": rms,
        "Mamba": scanned,
        "LayerScale": lambda x: x @ np.diag(p["0.gamma"]),
        "Unembed": lambda x: np.einsum("bts,vs->btv", x, p["0.embedding.embedding_table"]),
        "SqueezeExcite": excited,
        "LayerNorm2d": by_pixel,
        "StochasticDepth": lambda x: x,
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


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_stochastic_depth_drops_whole_examples_in_training_and_keeps_their_mean(mode):
    layer = StochasticDepth(0.25).set_train(True)
    with device.mode(mode):
        device.seed(0)
        y = layer(Tensor(np.ones((4000, 3, 2), np.float32))).asnumpy()
    assert np.ptp(y, axis=(1, 2)).max() == 0
    assert set(np.unique(y)) == {0, np.float32(4 / 3)}
    assert abs((y == 0).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)


REFUSED = [
    (lambda: Parallel(), ValueError, "Parallel needs at least one branch"),
    (lambda: Parallel(nn.ReLU(), ops.relu), TypeError, "branch 1 must be a Cell, not function"),
    (lambda: Parallel(nn.ReLU(), merge="cat"), ValueError,
     "merge must be one of concat, stack, add, multiply, not 'cat'"),
    (lambda: Parallel(nn.ReLU(), axis=1.0), TypeError, "axis must be an integer, not 1.0"),
    (lambda: Concat("1"), TypeError, "axis must be an integer, not '1'"),
    (lambda: Permute(), ValueError, "axes must be 0, 1, … in some order, each once, not ()"),
    (lambda: Permute(0, 2, 2), ValueError, "axes must be 0, 1, … in some order, each once, not (0, 2, 2)"),
    (lambda: Permute((0, 2, 1)), TypeError, "axes must be integers, not ((0, 2, 1),)"),
    (lambda: Mean(1.5), TypeError, "axis must be an integer or a tuple of integers, not 1.5"),
    (lambda: Mean(()), ValueError, "axis must name at least one axis"),
    (lambda: Select(0, "1"), TypeError, "index and axis must be integers, not 0 and '1'"),
    (lambda: LayerScale(0), ValueError, "size must be an integer of at least 1, not 0"),
    (lambda: LayerScale(8, "ones"), TypeError, "init must be a number, not 'ones'"),
    (lambda: ClassToken(8.0), ValueError, "size must be an integer of at least 1, not 8.0"),
    (lambda: LearnedPositions(0, 8), ValueError, "tokens and size must be integers of at least 1, not 0 and 8"),
    (lambda: PatchEmbedding(3, 8, (2, 2)), ValueError,
     "in_channels, embed_dim and patch must be integers of at least 1, not 3, 8 and (2, 2)"),
    (lambda: RMSNorm(-1), ValueError, "size must be an integer of at least 1, not -1"),
    (lambda: RMSNorm(8, 0), ValueError, "epsilon must be a number above 0, not 0"),
    (lambda: LayerNorm2d(0), ValueError, "channels must be an integer of at least 1, not 0"),
    (lambda: LayerNorm2d(8, "1e-6"), ValueError, "epsilon must be a number above 0, not '1e-6'"),
    (lambda: SwiGLU(8, 0), ValueError, "in_channels and hidden must be integers of at least 1, not 8 and 0"),
    (lambda: SqueezeExcite(8, 0.5), ValueError, "channels and reduced must be integers of at least 1, not 8 and 0.5"),
    (lambda: SqueezeExcite(8, 2, "relu"), TypeError, "activation must be a Cell, not str"),
    (lambda: SqueezeExcite(8, 2, gate=ops.sigmoid), TypeError, "gate must be a Cell, not function"),
    (lambda: Attention(8, 0), ValueError, "heads must be an integer of at least 1, not 0"),
    (lambda: Attention(8, 2, window=True), ValueError, "window must be an integer of at least 1, not True"),
    (lambda: Attention(8, 3), ValueError, "heads must divide embed_dim, and 3 does not divide 8; or give head_dim"),
    (lambda: Attention(12, 6, 4), ValueError, "kv_heads must divide heads, and 4 does not divide 6"),
    (lambda: Attention(8, 2, rotary=True), ValueError,
     "rotary must be the base of the angles, such as 10000.0, or None, not True"),
    (lambda: Attention(6, 2, rotary=1e4), ValueError,
     "rotary needs heads of even size, and head_dim is 3"),
    (lambda: Attention(8, 2, scale=0), ValueError, "scale must be a number above 0, not 0"),
    (lambda: Attention(8, 2, has_bias="qkw"), ValueError,
     "has_bias must be True, False, or some of the letters 'qkvo', not 'qkw'"),
    (lambda: Attention(8, 2, positions="rotary"), TypeError, "positions must be a Cell, not str"),
    (lambda: RelativeBias(0), ValueError,
     "heads, buckets and max_distance must be integers of at least 1, not 0, 32 and 128"),
    (lambda: RelativeBias(2, 6), ValueError, "buckets must be a multiple of 4, and is 6"),
    (lambda: RelativeBias(2, 3, causal=True), ValueError, "buckets must be a multiple of 2, and is 3"),
    (lambda: RelativeBias(2, 32, 8), ValueError,
     "max_distance must be above 8, the buckets of one distance each, and is 8"),
    (lambda: ALiBi(1.5), ValueError, "heads must be an integer of at least 1, not 1.5"),
    (lambda: Mamba(8, 0), ValueError,
     "size, state, expand, kernel and rank must be integers of at least 1, not 0"),
    (lambda: WindowBias(2, 0), ValueError, "heads and size must be integers of at least 1, not 2 and 0"),
    (lambda: Windows(ops.relu, 2), TypeError, "inner must be a Cell, not function"),
    (lambda: Windows(nn.ReLU(), 0), ValueError, "size must be an integer of at least 1, not 0"),
    (lambda: Windows(nn.ReLU(), 2, 2), ValueError, "shift must be an integer from 0 to 1, not 2"),
    (lambda: MixtureOfExperts(8, 8, top=0), ValueError, "top must be an integer of at least 1, not 0"),
    (lambda: MixtureOfExperts(8, 8, 2, 3), ValueError, "top must be at most count, and 3 is above 2"),
    (lambda: Unembed(nn.Dense(8, 8)), TypeError,
     "embedding must be a Cell with an embedding_table of shape (vocabulary, size), not Dense"),
    (lambda: StochasticDepth(1), ValueError, "p must be a number from 0 to below 1, not 1"),
    (lambda: Together(ops.relu), TypeError, "inner must be a Cell, not function"),
    (lambda: Attention(8, 2, causal="no"), TypeError, "causal must be True or False, not 'no'"),
    (lambda: Noise("no"), TypeError, "in_inference must be True or False, not 'no'"),
    (lambda: RelativeBias(True), ValueError,
     "heads, buckets and max_distance must be integers of at least 1, not True, 32 and 128"),
    (lambda: RelativeBias(2, causal="no"), TypeError, "causal must be True or False, not 'no'"),
    (lambda: WindowBias(True, 2), ValueError, "heads and size must be integers of at least 1, not True and 2"),
    (lambda: ALiBi(True), ValueError, "heads must be an integer of at least 1, not True"),
    (lambda: Interpolate(2, "foo"), ValueError, "mode must be one of nearest, linear, bilinear, bicubic, trilinear, "
     "area, nearest-exact, not 'foo'"),
    (lambda: Interpolate(True), TypeError, "factor must be a number or a tuple of numbers, not True"),
    (lambda: Interpolate(float("nan")), ValueError, "factor must be positive and finite, not nan"),
    (lambda: Interpolate((2, float("inf"))), ValueError, "factor must be positive and finite, not (2, inf)"),
    (lambda: Interpolate(0), ValueError, "factor must be positive and finite, not 0"),
    (lambda: Slice(""), TypeError, "start, stop, step and axis must be integers, not ('', None, 1, 1)"),
    (lambda: Slice(0, []), TypeError, "start, stop, step and axis must be integers, not (0, [], 1, 1)"),
    (lambda: Slice(0, True), TypeError, "start, stop, step and axis must be integers, not (0, True, 1, 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "message"), REFUSED)
def test_error_of_an_argument(make, kind, message):
    with pytest.raises(kind) as error:
        make()
    assert str(error.value) == message


MISFITS = [
    ("RMSNorm(8)", (2, 1), "wants (…, 8)"),
    ("LayerScale(8)", (2, 1), "wants (…, 8)"),
    ("LayerNorm2d(4)", (2, 1, 3, 3), "wants 4 on axis 1 (LayerNorm2d: the input's channels, axis 1, "
     "differ from gamma's)"),
    ("LearnedPositions(1, 8)", (2, 5, 8), "wants 1 on axis -2 (LearnedPositions: the input has more tokens than the "
     "table)"),
    ("LearnedPositions(5, 8)", (2, 5, 1), "wants (…, 8)"),
    ("PatchEmbedding(3, 8, 4)", (2, 3, 8, 6), "does not accept it: PatchEmbedding: the image's height and width must "
     "be multiples of the patch"),
    ("Select(5)", (2, 5), "does not accept it: Select: the axis is too short for the index"),
    ("Select(-6)", (2, 5), "does not accept it: Select: the axis is too short for the index"),
    ("Reshape(3, 3)", (2, 8), "does not accept it: Reshape: the sizes are for another number of values"),
    ("Reshape(3, -1)", (2, 8), "does not accept it: Reshape: the sizes are for another number of values"),
    ("Slice(0, 1, axis=5)", (2, 8), "does not accept it: Slice: the input has too few axes"),
    ("Concat", (2, 5), "does not accept it: Concat takes two or more inputs"),
    ("Add", (2, 5), "does not accept it: Add takes two or more inputs"),
    ("Multiply", (2, 5), "does not accept it: Multiply takes two or more inputs"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shape", "said"), MISFITS)
def test_error_of_an_input_that_would_otherwise_be_stretched_or_cut(text, shape, said):
    with pytest.raises(ShapeMismatch) as error:
        plan(parse(text), LAYERS, Spec(shape, "float32"))
    assert error.value.message == f"the input is {shape} float32; #0 {text} {said}"


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_error_of_positions_of_another_number_of_heads(mode):
    with device.mode(mode), pytest.raises(ValueError, match="Attention: positions must have as many heads"):
        Attention(8, 2, positions=RelativeBias(1))(sample((2, 5, 8)))


def test_error_of_an_input_in_graph_mode():
    with pytest.raises(ValueError, match="too short for the index"), device.mode("graph"):
        Select(7)(sample((2, 5)))


@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize(
    ("make", "merge"),
    [
        (Add, lambda a, b, c: a + b + c),
        (Multiply, lambda a, b, c: a * b * c),
        (Concat, lambda *all: np.hstack(all)),
        (lambda: Concat(axis=2), lambda *all: np.concatenate(all, 2)),
    ],
    ids=["Add", "Multiply", "Concat", "Concat(axis=2)"],
)
def test_several_inputs_meet(make, merge, dtype, mode):
    layer = make()

    class Squared(nn.Cell):
        def construct(self, a, b, c):
            return ops.reduce_sum(ops.square(layer(a, b, c).astype("float32")))

    values = np.random.default_rng(0).normal(size=(3, 2, 3, 4)).astype(dtype)
    a, b, c = map(Tensor, values)
    with device.mode(mode):
        y = layer(a, b, c)
        gradients = grad(Squared(), (0, 1, 2))(a, b, c)
    wide = values.astype(np.float64)
    expected = merge(*wide)
    rtol = {"float32": 1e-5, "float16": 1e-2, "float64": 1e-5}[dtype]
    np.testing.assert_allclose(y.asnumpy(), expected, rtol=rtol)
    slope = numerical_gradient(lambda all: np.sum(merge(*all) ** 2), wide)
    for gradient, wanted in zip(gradients, slope, strict=True):
        np.testing.assert_allclose(gradient.asnumpy(), wanted, rtol=0, atol=rtol * np.abs(slope).max())


@pytest.mark.parametrize("name", ["Concat", "Add", "Multiply"])
def test_the_reference_of_a_layer_with_several_inputs(name):
    entry = LAYERS[name]
    values = [sample((2, 3)).asnumpy() + i for i in range(3)]
    arguments = {word: parameter.default for word, parameter in entry.parameters.items() if word == "axis"}
    expected = entry.cell()(*map(Tensor, values)).asnumpy()
    np.testing.assert_allclose(entry.reference_function(values, {}, arguments), expected, rtol=1e-6)


class Stacked(nn.Cell):
    """Takes its tensors as one tuple."""

    def construct(self, tensors):
        return ops.stack(tensors) * len(tensors)


@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("count", [1, 3])
def test_together_gives_tensors_as_one_tuple(mode, count):
    values = [sample((2, 3)).asnumpy() + i for i in range(count)]
    with device.mode(mode):
        emitted = Together(Stacked())(*map(Tensor, values)).asnumpy()
    np.testing.assert_allclose(emitted, np.stack(values) * count, rtol=1e-6)
    reference = LAYERS["Together"].reference_function
    assert np.array_equal(reference(values, {}, {"inner": lambda x: np.stack(x) * len(x)}), np.stack(values) * count)


def test_parameters_of_branches_are_numbered():
    model = Parallel(nn.Dense(2, 3), nn.SequentialCell(nn.ReLU(), nn.Dense(2, 3)))
    assert [parameter.name for parameter in model.get_parameters()] == [
        "branches.0.weight", "branches.0.bias", "branches.1.1.weight", "branches.1.1.bias",
    ]  # fmt: skip


def test_initial_values():
    assert np.all(LayerScale(3).gamma.asnumpy() == np.float32(1e-6))
    assert np.all(ClassToken(3).token.asnumpy() == 0)
    assert np.all(RMSNorm(3).weight.asnumpy() == 1)
    norm = LayerNorm2d(3)
    assert np.all(norm.gamma.asnumpy() == 1)
    assert np.all(norm.beta.asnumpy() == 0)
    device.seed(0)
    assert abs(LearnedPositions(200, 300).table.asnumpy().std() - 0.02) < 4 * 0.02 / np.sqrt(2 * 60000)


def test_a_shorter_input_takes_the_first_positions():
    layer = LearnedPositions(9, 8)
    x = sample((2, 5, 8))
    np.testing.assert_array_equal(layer(x).asnumpy(), x.asnumpy() + layer.table.asnumpy()[:5])


@pytest.mark.parametrize("norm", [RMSNorm, LayerNorm2d])
def test_a_norm_of_large_halves_stays_finite(norm):
    x = np.full((2, 8, 8, 8), 2000, np.float16)  # whose squares are beyond float16
    x[:, ::2, :, ::2] = x[:, 1::2, :, 1::2] = -2000
    y = norm(8)(Tensor(x))
    assert y.dtype == mindspore.float16
    np.testing.assert_allclose(np.abs(y.asnumpy()), 1, atol=2e-3)


def by_reference(step, layer, inputs):
    """What the NumPy function beside a layer emits in float64."""
    wide = [one.astype(np.float64) if one.dtype.kind == "f" else one for one in inputs]
    defaults = {name: one.default for name, one in step.entry.parameters.items()}
    arguments = {**defaults, **step.arguments}
    parameters = {name: one.asnumpy().astype(np.float64) for name, one in layer.parameters_and_names()}
    if arguments.get("positions") is not None:
        ((inner,),) = (arguments["positions"],)
        own = {name.removeprefix("positions."): one for name, one in parameters.items()}
        inside = {**{name: one.default for name, one in inner.entry.parameters.items()}, **inner.arguments}
        arguments["positions"] = lambda x: inner.entry.reference_function(x, own, inside)
    return step.entry.reference_function(wide, parameters, arguments)


def attend(layer, x):
    return layer(Tensor(x.astype(np.float32))).asnumpy()


def test_attention_is_that_of_mindspore():
    ours, theirs = Attention(16, 4), nn.MultiheadAttention(16, 4, batch_first=True)
    with_drawn_parameters(theirs)
    parts = (ours.query, ours.key, ours.value)
    weights = np.split(theirs.in_proj_weight.asnumpy(), 3)
    biases = np.split(theirs.in_proj_bias.asnumpy(), 3)
    for part, weight, bias in zip(parts, weights, biases, strict=True):
        part.weight.set_data(Tensor(weight))
        part.bias.set_data(Tensor(bias))
    ours.output.weight.set_data(theirs.out_proj.weight)
    ours.output.bias.set_data(theirs.out_proj.bias)
    x = sample((2, 5, 16))
    np.testing.assert_allclose(ours(x).asnumpy(), theirs(x, x, x)[0].asnumpy(), atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_causal_attention_does_not_see_what_comes_after(causal):
    layer = with_drawn_parameters(Attention(8, 2, causal=causal))
    x = sample((1, 6, 8)).asnumpy()
    changed = x.copy()
    changed[:, 4:] += 1
    same = np.isclose(attend(layer, x), attend(layer, changed), atol=1e-6).all(axis=(0, 2))
    assert same.tolist() == ([True] * 4 + [False] * 2 if causal else [False] * 6)


@pytest.mark.parametrize("rotary", [None, 10000.0])
def test_rotary_attention_knows_the_order(rotary):
    layer = with_drawn_parameters(Attention(8, 2, rotary=rotary))
    x = sample((1, 6, 8)).asnumpy()
    turned = attend(layer, x[:, ::-1])[:, ::-1]
    assert np.allclose(attend(layer, x), turned, atol=1e-5) is (rotary is None)


def test_rotary_attention_sees_distances_alone():
    """Equal queries and equal keys score by how far apart they stand."""
    layer = with_drawn_parameters(Attention(8, 2, rotary=100.0, has_bias=False))
    query, key = (sample((1, 2, 40, 4)).asnumpy()[:, :, :1].repeat(40, 2) * sign for sign in (1, -0.5))
    scores = layer.scores(Tensor(query), Tensor(key)).asnumpy()
    for distance in (0, 1, 7):
        along = np.diagonal(scores, distance, -2, -1)
        np.testing.assert_allclose(along, along[..., :1].repeat(along.shape[-1], -1), atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "mode"), [("float32", "pynative"), ("float32", "graph"), ("float16", "pynative"), ("float64", "pynative")]
)
@pytest.mark.parametrize(
    "text",
    [
        "Attention(8, 2, memory_dim=6)",
        "Attention(8, 4, kv_heads=2, rotary=100.0, causal=True, window=2, head_dim=4)",
        "Attention(8, 2, has_bias='qvo', scale=1.5, positions=RelativeBias(2, 8, 5))",
    ],
)
def test_attention_of_several_inputs_matches_the_reference(text, dtype, mode):
    shapes = [(2, 5, 8), *[(2, 7, 6 if "memory_dim" in text else 8)] * 2]
    inputs = [np.random.default_rng(i).normal(size=shape).astype(dtype) for i, shape in enumerate(shapes)]
    mask = np.random.default_rng(3).integers(0, 2, (2, 5, 7))
    cases = [[*inputs, mask], inputs[:2], inputs]
    for given in cases[:1] if mode == "graph" else cases:  # which compiles each for seconds
        planned = plan(parse(text), LAYERS)
        (step,) = planned.steps
        layer = with_drawn_parameters(build(planned)[0])
        for parameter in layer.get_parameters():
            parameter.set_dtype(getattr(mindspore, dtype))
        with device.mode(mode):
            y = layer(*map(Tensor, given))
        expected = by_reference(step, layer, given)
        assert str(y.dtype).lower() == dtype
        rtol = {"float32": 1e-5, "float16": 1e-2, "float64": 1e-10}[dtype]
        np.testing.assert_allclose(y.asnumpy(), expected, rtol=0, atol=rtol * np.abs(expected).max())


def test_a_masked_key_is_as_if_it_were_not_there():
    layer = with_drawn_parameters(Attention(8, 2))
    x, memory = sample((2, 5, 8)), sample((2, 7, 8))
    mask = Tensor(np.array([[1, 1, 1, 0, 0, 0, 0]] * 2, np.int32))
    for one in (mask, mask.astype(mindspore.bool_), ops.tile(ops.expand_dims(mask, 1), (1, 5, 1))):
        y = layer(x, memory, memory, one)
        np.testing.assert_allclose(y.asnumpy(), layer(x, memory[:, :3]).asnumpy(), atol=1e-6)
    assert np.isfinite(layer(x, memory, memory, mask * 0).asnumpy()).all()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((2, 5), np.float32), "the mask must be of integers or bool, nonzero where a key is seen"),
        (np.ones((2, 1, 5, 5), bool), r"the mask must be \(batch, keys\) or \(batch, queries, keys\)"),
    ],
)
@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_attention_refuses_other_masks(mask, message, mode):
    x = sample((2, 5, 8))
    with device.mode(mode), pytest.raises(ValueError, match=message):
        Attention(8, 2)(x, x, x, Tensor(mask))


def test_a_window_is_counted_from_the_token_itself():
    x = sample((1, 6, 8)).asnumpy()
    changed = x.copy()
    changed[:, 2] += 1
    for causal, expected in ((True, [1, 1, 0, 0, 1, 1]), (False, [1, 0, 0, 0, 1, 1])):
        layer = with_drawn_parameters(Attention(8, 2, causal=causal, window=2))
        same = np.isclose(attend(layer, x), attend(layer, changed), atol=1e-6).all(axis=(0, 2))
        assert same.tolist() == [bool(one) for one in expected]


def test_a_bias_is_shared_by_the_layers_that_it_is_given_to():
    recipe = {
        "input": {"shape": [2, 5, 8]},
        "shared": {"bias": "RelativeBias(2, 8, 10)"},
        "stack": "3 * Residual(Attention(_, 2, positions=bias))",
    }
    planned = plan_recipe(recipe)
    names = [parameter.name for parameter in build(planned).get_parameters()]
    assert names.count("bias.table") == 1
    assert len(names) == 3 * 8 + 1
    assert planned.trainable == 3 * 4 * (8 * 8 + 8) + 8 * 2


def test_attention_into_a_memory_is_a_line_of_a_graph():
    recipe = {
        "inputs": {
            "x": {"shape": [2, 5, 8]},
            "memory": {"shape": [2, 7, 6]},
            "mask": {"shape": [2, 7], "dtype": "int32"},
        },
        "graph": {
            "seen": "Attention(_, 2, memory_dim=_) @ (x, memory)",
            "again": "Attention(_, 2, memory_dim=_) @ (seen, memory, memory, mask)",
        },
    }
    planned = plan_recipe(recipe)
    assert planned.output == Spec((2, 5, 8), "float32")
    projections = 2 * (5 * 8 * 8 * 2 + 7 * 6 * 8 * 2)
    assert planned.macs == 2 * (projections + 2 * 2 * 8 * 5 * 7)
    assert planned.trainable == 2 * (2 * (8 * 8 + 8) + 2 * (6 * 8 + 8))


def test_a_mixture_counts_the_experts_that_a_token_takes():
    text, shape, expected = "MixtureOfExperts(_, 6, count=8, top=2)", (2, 5, 4), 10 * 4 * (8 + 2 * 3 * 6)
    planned = plan(parse(f"ReLU + {text}"), LAYERS, Spec(shape, "float32"))
    by_hand = plan_cell(build(planned), Spec(shape, "float32"))
    for found in (planned, by_hand):
        assert [row.macs for row in found.rows] == [0, expected]
        assert found.macs == expected
        assert found.trainable == 4 * 8 + 8 * 3 * 4 * 6


def test_a_mixture_of_46_billion_parameters_is_planned_at_once():
    process = psutil.Process()
    before, start = process.memory_info().rss, time.perf_counter()
    text = f"Embedding(32000, 4096) + 32 * ({MIXTRAL}) + RMSNorm(_) + Dense(_, 32000, has_bias=False)"
    planned = plan(parse(text), LAYERS, Spec((1, 64), "int32"))
    assert time.perf_counter() - start < 5  # on a quiet machine a third of a second
    assert process.memory_info().rss - before < 100e6
    assert planned.trainable == 46_702_792_704  # Mixtral 8x7B, as published
    attention = 4096 * (2 * 4096 + 2 * 1024) + 2 * 64 * 4096
    assert planned.macs == 64 * (32 * (attention + 4096 * (8 + 6 * 14336)) + 4096 * 32000)


MIXTRAL = (
    "Residual(RMSNorm(_) + Attention(_, 32, kv_heads=8, causal=True, rotary=1000000.0, has_bias=False)) + "
    "Residual(RMSNorm(_) + MixtureOfExperts(_, 14336))"
)


def test_an_embedding_is_tied_by_giving_the_same_cell():
    embedding = nn.Embedding(10, 8)
    model = nn.SequentialCell(embedding, Unembed(embedding))
    assert len(list(model.get_parameters())) == 1
    ids = Tensor(np.array([[1, 2, 3]], np.int32))
    table = embedding.embedding_table.asnumpy()
    np.testing.assert_allclose(model(ids).asnumpy(), table[[[1, 2, 3]]] @ table.T, atol=1e-6)


BLOCK = (
    "Residual(RMSNorm(_) + Attention(_, 32, kv_heads=8, causal=True, rotary=500000.0, has_bias=False)) + "
    "Residual(RMSNorm(_) + SwiGLU(_, 14336))"
)


@pytest.mark.parametrize("text", [f"32 * ({BLOCK})", " + ".join([BLOCK] * 32)], ids=["repeated", "written out"])
def test_a_language_model_of_7_billion_parameters_is_planned_at_once(text):
    text = f"Embedding(128256, 4096) + {text} + RMSNorm(_) + Dense(_, 128256, has_bias=False)"
    process = psutil.Process()
    before, start = process.memory_info().rss, time.perf_counter()
    planned = plan(parse(text), LAYERS, Spec((1, 4096), "int32"))
    assert time.perf_counter() - start < 5  # on a quiet machine a fifth of a second, and less than one
    assert process.memory_info().rss - before < 100e6
    assert planned.trainable == 8_030_261_248  # Llama 3 8B, as published
    assert planned.output == Spec((1, 4096, 128256), "float32")
    tokens, size, pairs = 4096, 4096, 4096 * 4096 * 4096
    dense = size * (2 * size + 2 * 1024 + 3 * 14336)
    assert planned.macs == 32 * (tokens * dense + 2 * pairs) + tokens * size * 128256
