"""Cells that were not assembled from a recipe are planned like those that were."""

import os

import mindspore
import numpy as np
import pytest
from mindspore import Parameter, Tensor, mint, nn, ops

from assembler import LAYERS, assemble, plan
from assembler.errors import LayerFault, RecipeError, ShapeMismatch
from assembler.layers.residual import Residual
from assembler.planning.specs import print_shape
from assembler.runtime import device


class Block(nn.Cell):
    """With operators and a parameter of its own beside those of the Cells inside."""

    def __init__(self, width):
        super().__init__()
        self.dense = nn.Dense(width, width)
        self.scale = Parameter(ops.ones((width,)), requires_grad=False)
        self.never_called = nn.Dense(width, 3)

    def construct(self, x):
        return ops.matmul(self.dense(x) * self.scale, ops.ones((x.shape[-1], 5)))


class Twice(nn.Cell):
    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(8, 8)

    def construct(self, x):
        return self.dense(self.dense(x))


class Tied(nn.Cell):
    """Two Cells with one parameter."""

    def __init__(self):
        super().__init__()
        self.one = nn.Dense(8, 8, has_bias=False)
        self.other = nn.Dense(8, 8, has_bias=False)
        self.other.weight = self.one.weight

    def construct(self, x):
        return self.other(self.one(x))


class Looks(nn.Cell):
    """Meta cannot run it: it looks at values, after a Cell that meta can run."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(8, 8)

    def construct(self, x):
        x = self.dense(x)
        return x + float(x.asnumpy().sum())


class Raises(nn.Cell):
    def construct(self, x):
        raise KeyError("inside")


class Exits(nn.Cell):
    def construct(self, x):
        raise SystemExit(5)


def exits_early():
    raise SystemExit


def table(given, **inputs):
    rows = plan(given, **inputs).rows
    return [(row.path, row.layer, print_shape(row.output), row.trainable, row.other, row.macs) for row in rows]


def test_there_is_a_row_for_each_cell_that_does_something():
    assert table(lambda: nn.SequentialCell(Block(8), nn.SequentialCell(nn.ReLU(), nn.Dense(5, 2))), input=(4, 8)) == [
        ("0", "Block", "(4, 5)", 0, 8, 4 * 8 * 5),
        ("0.dense", "Dense", "(4, 8)", 72, 0, 4 * 8 * 8),
        ("1.0", "ReLU", "(4, 5)", 0, 0, 0),
        ("1.1", "Dense", "(4, 2)", 12, 0, 4 * 5 * 2),
        ("0.never_called", "Dense", "()", 27, 0, 0),
    ]


def test_a_cell_called_twice_has_one_row():
    assert table(Twice, input=(4, 8)) == [("dense", "Dense", "(4, 8)", 72, 0, 2 * 4 * 8 * 8)]


def test_a_shared_parameter_is_counted_once():
    assert [row[3:] for row in table(Tied, input=(4, 8))] == [(64, 0, 4 * 64), (0, 0, 4 * 64)]


def test_a_cell_that_meta_cannot_run_is_one_row_and_its_parts_are_counted_once():
    assert table(lambda: nn.SequentialCell(nn.Dense(8, 8), Looks(), nn.ReLU()), input=(4, 8)) == [
        ("0", "Dense", "(4, 8)", 72, 0, 4 * 64),
        ("1", "Looks", "(4, 8)", 72, 0, 4 * 64),
        ("2", "ReLU", "(4, 8)", 0, 0, 0),
    ]


@pytest.mark.parametrize("text", [
    "Conv2d(_, 8, 3) + BatchNorm2d(_) + ReLU + MaxPool2d(2, 2) + Flatten + Dense(_, 10)",
    "2 * Residual(Conv2d(_, 3, 3) + ReLU) + Flatten + Dense(_, 4)",
    "Conv2dTranspose(_, 8, 3) + LayerNorm(_) + GELU",
])  # fmt: skip
def test_a_network_plans_alike_by_hand_and_from_text(text):
    ours = plan(text, input=(2, 3, 8, 8))
    model = assemble(text, input=(2, 3, 8, 8))
    theirs = plan(model, input=(2, 3, 8, 8))
    for sum_ in ("trainable", "other", "parameter_memory", "macs", "activations", "output"):
        assert getattr(ours, sum_) == getattr(theirs, sum_), sum_
    assert {row.path for row in ours.rows} >= {row.path for row in theirs.rows if row.layer != "Identity"}


@pytest.mark.parametrize(
    "name", ["nn.MultiheadAttention", "nn.TransformerEncoderLayer", "nn.Upsample", "mint.nn.MaxPool2d"]
)
def test_what_meta_lacks_plans_to_what_the_cpu_does(name):
    make, shapes = {
        "nn.MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2), [(5, 2, 8)] * 3),
        "nn.TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(8, 2), [(5, 2, 8)]),
        "nn.Upsample": (lambda: nn.Upsample(size=(8, 6)), [(2, 3, 4, 3)]),
        "mint.nn.MaxPool2d": (lambda: mint.nn.MaxPool2d(2), [(2, 3, 8, 8)]),
    }[name]
    found = plan(make, input=shapes)
    assert found.trainable == sum(parameter.size for parameter in make().get_parameters())
    if name == "mint.nn.MaxPool2d":  # the CPU lacks it, too
        assert found.output.shape == (2, 3, 4, 4)
        return
    emitted = make().set_train(False)(*(Tensor(np.ones(shape, np.float32)) for shape in shapes))
    shapes_found = [one.shape for one in found.output] if isinstance(emitted, tuple) else [found.output.shape]
    assert shapes_found == [one.shape for one in (emitted if isinstance(emitted, tuple) else [emitted])]


def test_the_attention_of_many_inputs_is_counted():
    found = plan(lambda: nn.MultiheadAttention(8, 2), input=[(5, 2, 8), (7, 2, 8), (7, 2, 8)])
    projections = (5 + 7 + 7 + 5) * 2 * 8 * 8
    assert found.macs == projections + 2 * (2 * 5 * 7 * 8)


def test_a_large_model_takes_no_memory():
    found = plan(lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8192, 64, 32768), 2), input=(128, 1, 8192))
    assert found.parameters == 2 * (4 * (8192**2 + 8192) + 2 * 8192 * 32768 + 32768 + 8192 + 4 * 8192)
    assert found.output.shape == (128, 1, 8192)


class Caches(nn.Cell):
    """Leaves things behind when it is called."""

    def __init__(self):
        super().__init__()
        self.mask = None
        self.calls = 0
        self.count = Parameter(Tensor(np.zeros((2, 4), np.float32)), requires_grad=False)

    def construct(self, x):
        if self.mask is None:
            self.mask = ops.tril(ops.ones((2, 4)))
        self.calls = self.calls + 1
        self.count.set_data(x)
        return x * self.mask


def test_a_cell_that_keeps_things_is_left_as_it_was():
    cell = Caches()
    plan(cell, input=(2, 4))
    assert (cell.mask, cell.calls, cell.count.asnumpy().sum()) == (None, 0, 0)
    x = Tensor(np.ones((2, 4), np.float32))
    assert cell(x).asnumpy().sum() == 3
    plan(cell, input=(2, 4))
    assert (cell.calls, cell(x).asnumpy().sum()) == (1, 3)


def test_a_cell_is_left_as_it_was():
    cell = nn.SequentialCell(nn.Dense(8, 4), nn.Dropout(p=0.5), nn.BatchNorm1d(4))
    cell.set_train(True)
    cell[1].set_train(False)
    before = [parameter.asnumpy().copy() for parameter in cell.get_parameters()]
    plan(cell, input=(4, 8))
    assert [one.training for _, one in cell.cells_and_names()] == [True, True, False, True]
    assert all("construct" not in vars(one) for _, one in cell.cells_and_names())
    for parameter, values in zip(cell.get_parameters(), before, strict=True):
        assert np.array_equal(parameter.asnumpy(), values)
    cell.set_train(False)
    assert cell(Tensor(np.ones((4, 8), np.float32))).shape == (4, 4)


def test_a_factory_does_not_draw_random_numbers():
    device.seed(1)
    expected = np.random.rand()
    device.seed(1)
    plan(lambda: nn.Dense(8, 4), input=(4, 8))
    plan(Looks, input=(4, 8))
    assert np.random.rand() == expected
    assert mindspore.get_context("mode") == mindspore.PYNATIVE_MODE


def test_the_dtype_of_a_factory_is_the_one_asked_for():
    found = plan(lambda: nn.Dense(8, 4), input=(4, 8), dtype="float16")
    assert (found.output.dtype, found.parameter_memory) == ("float16", 2 * 36)


def test_a_failed_attempt_takes_no_memory():
    text = "TransformerEncoderLayer(64, 2, dim_feedforward=64)"
    by_hand = plan(lambda: nn.TransformerEncoderLayer(64, 2, dim_feedforward=64), input=(16, 2, 64))
    assert by_hand.activations == pytest.approx(plan(text, input=(16, 2, 64)).activations, rel=0.1)


def test_a_residual_holds_its_input():
    relu = plan(lambda: Residual(nn.SequentialCell(nn.ReLU(), nn.ReLU())), input=(4, 256))
    assert relu.activations == 3 * 4 * 4 * 256


class Compiled(nn.Cell):
    """Part of it is compiled, which runs past PyNative mode."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(8, 8)

    @mindspore.jit
    def construct(self, x):
        return self.dense(x)


def test_compiled_functions_are_counted():
    assert table(lambda: nn.SequentialCell(Compiled(), nn.ReLU()), input=(4, 8))[0] == (
        "0.dense", "Dense", "(4, 8)", 72, 0, 4 * 64,
    )  # fmt: skip
    assert "MS_JIT" not in os.environ


def test_what_is_run_on_zeros_is_marked():
    rows = plan(lambda: nn.SequentialCell(nn.Dense(8, 8), Looks()), input=(4, 8)).rows
    assert [row.on_zeros for row in rows] == [False, True]


ERRORS = [
    (Raises, (4, 8), LayerFault, "Raises raised KeyError: 'inside'"),
    (lambda: nn.SequentialCell(nn.ReLU(), Raises()), (4, 8), LayerFault, "#1 Raises raised KeyError: 'inside'"),
    (lambda: nn.SequentialCell(nn.ReLU(), Exits()), (4, 8), LayerFault,
     "#1 Exits raised RuntimeError: SystemExit(5) would end the program"),
    (exits_early, (4, 8), LayerFault, "exits_early() fails while it is made: RuntimeError: SystemExit() would end the"),
    (lambda: nn.SequentialCell(nn.Dense(8, 4), nn.Dense(5, 2)), (4, 8), ShapeMismatch,
     "#1 Dense(5, 2) does not accept (4, 4) float32: "),
    (nn.Dense, (4, 8), LayerFault, "Dense() fails while it is made: "),
    (Block, (4, 8), LayerFault, "Block() fails while it is made: Block.__init__() missing 1 required positional "
     "argument: 'width'; give a function that makes it, such as lambda: Block(8)"),
    (lambda: 3, (4, 8), RecipeError, "<lambda>() gives int, not an nn.Cell"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "shape", "kind", "message"), ERRORS)
def test_error_of_a_cell(given, shape, kind, message):
    with pytest.raises(kind) as error:
        plan(given, input=shape)
    assert type(error.value) is kind
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["Dense", "Conv2d", "BatchNorm2d", "LSTM"])
def test_arguments_are_told_as_far_as_a_cell_keeps_them(name):
    text = {"Dense": "8, 4", "Conv2d": "3, 8, (3, 3)", "BatchNorm2d": "8", "LSTM": "8, 6"}[name]
    shape = {"Dense": (4, 8), "Conv2d": (1, 3, 8, 8), "BatchNorm2d": (1, 8, 2, 2), "LSTM": (5, 2, 8)}[name]
    cell = LAYERS[name].cell
    made = {"Dense": (8, 4), "Conv2d": (3, 8, 3), "BatchNorm2d": (8,), "LSTM": (8, 6)}[name]
    assert plan(lambda: cell(*made), input=shape).rows[0].arguments.startswith(text) or name == "LSTM"
