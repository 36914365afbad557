"""What the graph compiler tells, against what the meta device does."""

import os

import mindspore
import pytest
from mindspore import nn, ops

from assembler import plan
from assembler.planning import compiler
from assembler.planning.cells import cast
from assembler.planning.specs import Spec
from assembler.runtime import device


class Einsum(nn.Cell):
    def construct(self, x, y):
        return ops.einsum("bij,kj->bik", x, y)


class Tuples(nn.Cell):
    def construct(self, x):
        return x + 1, (ops.relu(x), x.reshape((-1,)))


class Branches(nn.Cell):
    def construct(self, x):
        return x + 1 if x.sum() > 0 else x


LAYERS = [
    (lambda: nn.Dense(8, 64), [(4, 8)]),
    (lambda: nn.Dense(8, 64), [(2, 3, 8)]),
    (lambda: nn.Dense(8, 64, activation="relu"), [(2, 3, 8)]),
    (lambda: nn.Conv2d(3, 8, 3, has_bias=True), [(2, 3, 8, 8)]),
    (lambda: nn.BatchNorm2d(8), [(2, 8, 8, 8)]),
    (lambda: nn.LayerNorm((64,)), [(2, 3, 64)]),
    (lambda: nn.GELU(), [(4, 8)]),
    (lambda: nn.Flatten(), [(4, 8, 2)]),
    (Einsum, [(3, 4, 8), (5, 8)]),
    (Tuples, [(4, 8)]),
]


def compiled(make, specs):
    with mindspore.DeviceCtx("meta"):
        cell = make().set_train(False)
        cast(cell, specs[0].dtype, meta=True)
    return compiler.infer(cell, specs, {})


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float16", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("make", "shapes"), LAYERS)
def test_the_compiler_tells_what_the_meta_device_does(make, shapes, dtype):
    specs = tuple(Spec(shape, dtype) for shape in shapes)
    output, meter = compiled(make, specs)
    found = plan(make, input=shapes, dtype=dtype)
    assert (output, meter.macs) == (found.output, found.macs)
    # On the meta device, normalisations emit their statistics as well, and views of tuples are told apart.
    assert meter.peak == pytest.approx(found.activations - sum(spec.memory for spec in specs), rel=0.07)


def test_a_graph_with_branches_is_refused():
    with pytest.raises(compiler.CannotTell, match="the compiled graph has branches or loops"):
        compiled(Branches, (Spec((4, 8), "float32"),))


@pytest.mark.parametrize("before", [None, "0"])
def test_mode_and_environment_are_as_before(monkeypatch, before):
    monkeypatch.delenv("MS_DEV_PRECOMPILE_ONLY", raising=False)
    if before is not None:
        monkeypatch.setenv("MS_DEV_PRECOMPILE_ONLY", before)
    with device.mode("pynative"):
        compiled(LAYERS[0][0], (Spec((4, 8), "float32"),))
        assert mindspore.get_context("mode") == mindspore.PYNATIVE_MODE
    assert os.environ.get("MS_DEV_PRECOMPILE_ONLY") == before
