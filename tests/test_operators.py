"""Functions as layers: every operator from one table, and what an entry may be."""

import importlib.util

import numpy as np
import pytest
import yaml
from mindspore import Tensor, grad, nn, ops

from assembler import assemble, checks, plan
from assembler.checks import Subject
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
