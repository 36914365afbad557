"""Plan → model: real Cells with real weights."""

from __future__ import annotations

from functools import partial

from mindspore import nn

from assembler.binding import Steps
from assembler.cells import cast, make
from assembler.errors import AssemblerError, noted, raise_all
from assembler.rows import Plan
from assembler.settings import Dtype


def build(planned: Plan) -> nn.SequentialCell:
    """Build the model of a plan, set to inference.

    Parameters have the names, and under the same seed the values, of the network written by hand: layers are made in
    reading order, those inside a layer before it.

    Raises:
        ArgumentMismatch, LayerFault, Mistakes: constructors that fail, all of them.
    """
    model = nn.SequentialCell(_make_all(planned.steps, planned.dtype))
    model.set_train(False)
    return model


def _make_all(steps: Steps, dtype: Dtype) -> list[nn.Cell]:
    cells: list[nn.Cell] = []
    mistakes: list[AssemblerError] = []
    for step in steps:
        with noted(mistakes):
            cell = make(step, partial(_inner, dtype=dtype))
            cast(cell, dtype)  # one after the other: a model in float16 never takes the memory of one in float32
            cells.append(cell)
    raise_all(mistakes)
    return cells


def _inner(steps: Steps, dtype: Dtype) -> nn.Cell:
    """A chain inside a layer: a SequentialCell, or the only Cell as it is."""
    cells = _make_all(steps, dtype)
    return cells[0] if len(cells) == 1 else nn.SequentialCell(cells)
