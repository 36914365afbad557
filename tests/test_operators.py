"""Functions as layers: every operator from one table, and what an entry may be."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import yaml
from mindspore import Tensor, grad, nn, ops

from assembler import Registry, assemble, checks, plan
from assembler.checks import Subject
from assembler.errors import ArgumentMismatch, BadTarget, FormatError, Mistakes, RegistryError, ShapeMismatch
from assembler.model import formats
from assembler.model.build import build
from assembler.model.describe import describe
from assembler.planning.probing import Trials
from assembler.planning.tensors import specs_of
from assembler.runtime import device
from assembler.views.code import code
from tests.conftest import ROOT
from tests.layer_cases import OPERATORS

TEXTS = [text for text, _, _ in OPERATORS]
POSITIVE = ("Log", "Sqrt")
NOT_ON_META = ("Interpolate(2)", "Interpolate((0.5", "Interpolate(3)")
"""MindSpore's nearest neighbours need a size that is a tensor; they are compiled instead."""

every = pytest.mark.parametrize(("text", "specs", "expected"), OPERATORS, ids=range(len(OPERATORS)))


def arrays(text, specs):
    """Inputs without zeros, so that no derivative jumps."""
    generator = np.random.default_rng(len(text))
    for spec in specs:
        shape, kind = spec if isinstance(spec[-1], str) else (spec, "float")
        if kind == "float":
            sign = 1 if text in POSITIVE else generator.choice([-1, 1], shape)
            yield generator.uniform(0.5, 2, shape) * sign
        else:
            yield generator.integers(0, 2, shape).astype(kind)


def tensors(text, specs, dtype):
    return [Tensor(one.astype(dtype) if one.dtype.kind == "f" else one) for one in arrays(text, specs)]


def recipe(text, inputs, scaled=False):
    """A recipe of an operator, a graph.

    Args:
        scaled: whether its first floats are multiplied by parameters.
    """
    names = list("abc"[: len(inputs)])
    said = {
        name: {"shape": list(one.shape), "dtype": str(one.dtype).lower(), "sample": "zeros"}
        for name, one in zip(names, inputs, strict=True)
    }
    graph = {}
    if scaled:
        first = next(index for index, one in enumerate(inputs) if one.is_floating_point())
        graph["scaled"] = f"LayerScale(_, init=1) @ {names[first]}"
        names[first] = "scaled"
    sources = names[0] if len(names) == 1 else f"({', '.join(names)})"
    return {"inputs": said, "graph": {**graph, "y": f"{text} @ {sources}"}}


def wide(tensor):
    """The numbers of a tensor, floats in float64."""
    array = tensor.asnumpy()
    return array.astype("float64") if array.dtype.kind == "f" else array


def listed(output):
    return list(output) if isinstance(output, tuple) else [output]


@every
def test_an_operator_is_planned_without_running(text, specs, expected, monkeypatch):
    def fail(self, error, *arguments, **named):
        raise AssertionError("the meta device lacks something") from error

    if not text.startswith(NOT_ON_META):
        monkeypatch.setattr(Trials, "otherwise", fail)
    for dtype in ("float32", "float16", "float64"):
        inputs = tensors(text, specs, dtype)
        planned = plan(recipe(text, inputs), dtype=dtype)
        shapes = [one.shape for one in listed(expected(*arrays(text, specs)))]
        assert [one.shape for one in listed(planned.output)] == shapes
        assert listed(planned.output)[0].dtype == dtype
        assert planned.parameters == 0


@pytest.mark.parametrize("mode", ["pynative", pytest.param("graph", marks=pytest.mark.slow)])
@every
def test_an_operator_matches_numpy(text, specs, expected, mode):
    for dtype, rtol in (("float32", 1e-5), ("float16", 2e-3), ("float64", 1e-13)):
        inputs = tensors(text, specs, dtype)
        planned = plan(recipe(text, inputs), dtype=dtype)
        with device.mode(mode):
            found = build(planned)(*inputs)
        assert specs_of(found) == planned.output
        wanted = expected(*map(wide, inputs))
        for one, other in zip(listed(found), listed(wanted), strict=True):
            np.testing.assert_allclose(one.asnumpy(), other, rtol=rtol, atol=rtol)


class Loss(nn.Cell):
    """The sum of the squares of the first output."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def construct(self, *inputs):
        y = self.model(*inputs)
        return ops.square(y[0] if isinstance(y, tuple) else y).sum()


def slope(loss, inputs, at, h=1e-6):
    """The derivative of a loss in NumPy for each number of one input."""
    found = np.zeros_like(inputs[at])
    for index in np.ndindex(found.shape):
        step = np.zeros_like(found)
        step[index] = h
        up, down = (loss(*inputs[:at], inputs[at] + one, *inputs[at + 1 :]) for one in (step, -step))
        found[index] = (up - down) / (2 * h)
    return found


@pytest.mark.parametrize("mode", ["pynative", pytest.param("graph", marks=pytest.mark.slow)])
@every
def test_the_gradients_of_an_operator_are_its_slopes(text, specs, expected, mode):
    given = list(arrays(text, specs))
    inputs = tensors(text, specs, "float64")
    floats = tuple(index for index, one in enumerate(given) if one.dtype.kind == "f")
    model = build(plan(recipe(text, inputs), dtype="float64"))
    with device.mode(mode):
        found = grad(Loss(model), floats)(*inputs)
    for at, gradient in zip(floats, found if len(floats) > 1 else [found], strict=True):
        wanted = slope(lambda *x: np.sum(listed(expected(*x))[0] ** 2), given, at)
        np.testing.assert_allclose(gradient.asnumpy(), wanted, rtol=1e-5, atol=1e-5)


FULL = yaml.safe_load((ROOT / "conf" / "checks" / "full.yaml").read_text())["run"]


@pytest.mark.slow
@every
def test_an_operator_passes_every_check(text, specs, expected):
    inputs = tensors(text, specs, "float32")
    planned = plan(recipe(text, inputs, scaled=True))
    subject = Subject(build(planned), planned, tuple(inputs), "pynative", "float32")
    outcomes = checks.run(checks.prepare([(name, None, f"checks.run.{name}") for name in FULL]), subject)
    if text.startswith("Noise"):  # passes no gradient on
        outcomes = [one for one in outcomes if one.name not in ("gradients", "trains")]
    assert [one for one in outcomes if one.passed is False] == []


@pytest.mark.parametrize(("text", "specs"), [(text, specs) for text, specs, _ in OPERATORS if len(specs) == 1])
def test_an_operator_matches_the_reference_of_its_entry(text, specs):
    (x,) = tensors(text, specs, "float32")
    planned = plan({"input": {"shape": list(x.shape)}, "stack": text})
    subject = Subject(build(planned), planned, (x,), "pynative", "float32")
    (outcome,) = checks.run(checks.prepare([("reference", None, "key")]), subject)
    assert outcome.passed or "mode='linear'" in outcome.detail, outcome


@pytest.mark.parametrize(("text", "specs"), [(text, specs) for text, specs, _ in OPERATORS if len(specs) == 1])
def test_an_operator_is_described_as_it_is(text, specs):
    (x,) = tensors(text, specs, "float32")
    model = assemble(text, input=x.shape)
    again = assemble(describe(model), input=x.shape)
    for one, other in zip(listed(model(x)), listed(again(x)), strict=True):
        assert np.array_equal(one.asnumpy(), other.asnumpy())


@every
def test_an_ejected_operator_computes_the_same(text, specs, expected, tmp_path):
    inputs = tensors(text, specs, "float32")
    planned = plan(recipe(text, inputs))
    file = tmp_path / "ejected.py"
    file.write_text(code("ejected", planned))
    spec = importlib.util.spec_from_file_location("ejected", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ejected = module.Ejected()
    ejected.set_train(False)
    for one, other in zip(listed(ejected(*inputs)), listed(build(planned)(*inputs)), strict=True):
        assert np.array_equal(one.asnumpy(), other.asnumpy())


NOT_IN_ONNX = ("Min(", "Interpolate(", "Clamp(min=0)", "Clamp(max=0.0)")
"""MindSpore's exporter lacks ReduceMin and the Resize operators, and a clamp with one bound."""


@pytest.mark.slow
@every
def test_an_operator_is_exported_and_read_back(text, specs, expected, tmp_path):
    inputs = tensors(text, specs, "float32")
    planned = plan(recipe(text, inputs))
    subject = Subject(build(planned), planned, tuple(inputs), "pynative", "float32")
    order = formats.Order(subject.inputs, tuple("abc"[: len(inputs)]), None)
    for name in ("mindir", "onnx"):
        if name == "onnx" and text.startswith(NOT_IN_ONNX):
            with pytest.raises(FormatError, match="cannot be written as ONNX"):
                formats.export(subject, formats.require([name]), tmp_path, "operator", order)
            continue
        (outcome,), _ = formats.export(subject, formats.require([name]), tmp_path, "operator", order)
        assert outcome.passed, outcome


# ---- entries


def weighted(x, y, /, weight, *, bias=0.0):
    """A function with tensors by position, and arguments of both kinds."""
    return weight * x + y + bias


def decorated(*args, **kwargs):
    return args[0]


def test_the_arguments_of_a_function_are_those_after_its_tensors():
    registry = Registry(trusted=["tests"])
    registry.load({"F": {"function": "tests.test_operators.weighted", "inputs": 2}})
    assert registry["F"].describe() == "F(weight, *, bias=0.0)"
    x, y = (Tensor(np.ones((2, 3), "float32")) for _ in range(2))
    made = registry["F"].make(weight=2, bias=0.5)
    assert made(x, y).asnumpy().tolist() == [[3.5] * 3] * 2
    assert repr(made) == "Operator(weighted, weight=2, bias=0.5)"


def test_a_function_that_the_assembler_ships_is_known_without_importing_mindspore():
    said = "import sys; from assembler import LAYERS; print(LAYERS['TopK'].describe(), 'mindspore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "TopK(k, dim=None, largest=True, sorted=True) False\n"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"function": "mindspore.nn.ReLU"}, "mindspore.nn.ReLU is not a function"),
        ("mindspore.ops.relu", "mindspore.ops.relu is not an nn.Cell class; write {function: mindspore.ops.relu}"),
        ({"function": "os.system"}, "os.system is in 'os', which is not trusted. It is Python's standard library"),
        ({"function": "numpy.exp"}, "numpy.exp is in 'numpy', which is not trusted. If it is your own, trust it in"),
        ({"function": "mindspore.ops.subtrac"}, "'mindspore.ops' has no 'subtrac'. Did you mean 'subtract'"),
    ],
)
def test_error_of_a_function_that_is_none_or_not_trusted(entry, message):
    registry = Registry()
    registry.load({"F": entry})
    with pytest.raises(BadTarget) as error:
        _ = registry["F"].implementation
    assert error.value.message.startswith(message)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"function": "tests.test_operators.decorated"},
            "the arguments of tests.test_operators.decorated(*args, **kwargs) are unknown; list them: "
            "signature: F(argument, other=default)",
        ),
        ({"function": "mindspore.ops.exp", "inputs": 2}, "mindspore.ops.exp(input) does not take 2 tensors"),
    ],
)
def test_error_of_a_function_whose_arguments_are_not_known(entry, message):
    registry = Registry(trusted=["tests"])
    registry.load({"F": entry}, "registry.mine")
    with pytest.raises(RegistryError) as error:
        _ = registry["F"].parameters
    assert str(error.value) == f"registry.mine.F: {message}"


def test_error_of_keys_of_an_entry():
    entries = {
        "A": {"function": "mindspore.ops.exp", "target": "mindspore.nn.ReLU"},
        "B": {"function": "mindspore.ops.exp", "inputs": 0},
        "C": {"target": "mindspore.nn.ReLU", "inputs": 1},
    }
    with pytest.raises(Mistakes) as error:
        Registry().load(entries, "registry.mine")
    assert str(error.value) == (
        "registry.mine.A.target: unknown key 'target'; an entry has either target or function\n"
        "registry.mine.B.inputs: must be at least 1, not 0\n"
        "registry.mine.C.inputs: unknown key 'inputs'; it belongs to a function; write function in place of target"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Exp @ (a, b)", "a is (4, 8) float32 and b is (4, 8) float32; #y Exp takes 1 input: input"),
        ("Clamp @ (a, b)", "a is (4, 8) float32 and b is (4, 8) float32; #y Clamp takes 1 input: input"),
        ("Where @ (a, b)", "a is (4, 8) float32 and b is (4, 8) float32; #y Where takes 3 inputs: condition, input, other"),
        ("MatMul @ (a, b)", "a is (4, 8) float32 and b is (4, 8) float32; #y MatMul does not accept it: "),
    ],
)  # fmt: skip
def test_error_of_inputs_that_an_operator_does_not_take(text, message):
    with pytest.raises(ShapeMismatch) as error:
        plan({"inputs": {"a": {"shape": [4, 8]}, "b": {"shape": [4, 8]}}, "graph": {"y": text}})
    assert error.value.message.startswith(message)


def test_error_of_several_sources_missing():
    with pytest.raises(ShapeMismatch) as error:
        plan("Subtract", input=(4, 8))
    assert error.value.message == "the input is (4, 8) float32; #0 Subtract takes 2 inputs: input, other"
    with pytest.raises(ShapeMismatch) as error:
        plan("Split(4) + Exp", input=(4, 8))
    assert error.value.message == (
        "#0 Split(4) emits a tuple ((4, 4), (4, 4)); #1 Exp takes one tensor. In a graph, states[0] is its first element"
    )


def test_error_of_a_reference_that_takes_no_arguments():
    registry = Registry()
    registry.load({"F": {"function": "mindspore.ops.clamp", "reference": "numpy.abs"}}, "registry.mine")
    with pytest.raises(BadTarget) as error:
        _ = registry["F"].reference_function
    assert str(error.value) == (
        "registry.mine.F: numpy.abs takes no arguments, unlike F(min=None, max=None); write signature: F()"
    )


@pytest.mark.parametrize("path", ["numpy.load", "numpy.sum", "numpy.nope"])
def test_error_of_a_reference_in_numpy_that_is_no_ufunc(path):
    registry = Registry()
    registry.load({"F": {"function": "mindspore.ops.exp", "reference": path}})
    with pytest.raises(BadTarget, match="is in 'numpy', which is not trusted"):
        _ = registry["F"].reference_function


# ---- layers of our own beside them


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Reshape((2, 4))", "Reshape((2, 4)) cannot be made: sizes must be integers, as in Reshape(8, 7, 7), not ((2, 4),)"),
        ("Reshape(-1, -1)", "Reshape(-1, -1) cannot be made: sizes must be at least 1, or -1 for one of them, not (-1, -1)"),
        ("Slice(1, 2, 0)", "Slice(1, 2, 0) cannot be made: step must be at least 1, not 0"),
        ("Slice('a')", "Slice('a') cannot be made: start, stop, step and axis must be integers, not ('a', None, 1, 1)"),
        ("Scale('a')", "Scale('a') cannot be made: by must be a number, not 'a'"),
        ("Interpolate(0)", "Interpolate(0) cannot be made: factor must be positive and finite, not 0"),
        ("Interpolate('a')", "Interpolate('a') cannot be made: factor must be a number or a tuple of numbers, not 'a'"),
    ],
)  # fmt: skip
def test_error_of_an_argument(text, message):
    with pytest.raises(ArgumentMismatch) as error:
        plan(text, input=(4, 8))
    assert error.value.message == message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Reshape(3)", "#0 Reshape(3) does not accept it"),
        ("Slice(8)", "#0 Slice(8) does not accept it: Slice: no position of the axis is in the range"),
        ("Interpolate((2, 2))", "#0 Interpolate((2, 2)) does not accept it: Interpolate: give one factor, or one for"),
    ],
)
def test_error_of_an_input_that_a_layer_does_not_take(text, said):
    with pytest.raises(ShapeMismatch) as error:
        plan(text, input=(4, 8))
    assert error.value.message.startswith(f"the input is (4, 8) float32; {said}")


def test_noise_is_drawn_anew_in_training_and_in_inference_unless_it_is_off():
    x = Tensor(np.full((200, 50), 7, "float16"))
    for text, training, draws in (
        ("Noise", False, True),
        ("Noise", True, True),
        ("Noise(in_inference=False)", True, True),
        ("Noise(in_inference=False)", False, False),
    ):
        model = assemble(text, input=x.shape, dtype="float16")
        model.set_train(training)
        one, other = (model(x).asnumpy() for _ in range(2))
        assert one.dtype == np.float16
        assert np.array_equal(one, other) != draws
        assert abs(one.astype("float64").mean()) < 0.04
        assert abs(one.astype("float64").std() - draws) < 0.04
