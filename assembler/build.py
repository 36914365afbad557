"""Plan → model: real Cells with real weights."""

from __future__ import annotations

from mindspore import nn

from assembler.binding import Step, Steps, root_graph
from assembler.cells import cast, make
from assembler.errors import AssemblerError, noted, raise_all
from assembler.rows import Plan
from assembler.settings import Dtype


def build(planned: Plan) -> nn.Cell:
    """Build the model of a plan, set to inference: a SequentialCell, or of a graph a Cell that runs it.

    Parameters have the names, and under the same seed the values, of the network written by hand: layers are made in
    reading order, those inside a layer before it.

    Raises:
        ArgumentMismatch, LayerFault, Mistakes: constructors that fail, all of them.
    """
    return build_steps(planned.steps, planned.dtype)


def build_steps(steps: Steps, dtype: Dtype = "float32") -> nn.Cell:
    """Build steps of which every argument is known, as ``build`` does.

    Raises:
        ArgumentMismatch, LayerFault, Mistakes: constructors that fail, all of them.
    """
    builder = _Builder(dtype)
    graph = root_graph(steps)
    model = nn.SequentialCell(builder.cells(steps)) if graph is None else builder.cell(graph)
    model.set_train(False)
    return model


class _Builder:
    """Makes Cells, and each shared part once."""

    def __init__(self, dtype: Dtype):
        self.dtype = dtype
        self.shared: dict[Step, nn.Cell] = {}

    def cells(self, steps: Steps) -> list[nn.Cell]:
        cells: list[nn.Cell] = []
        mistakes: list[AssemblerError] = []
        for step in steps:
            with noted(mistakes):
                cells.append(self.cell(step))
        raise_all(mistakes)
        return cells

    def cell(self, step: Step) -> nn.Cell:
        if step in self.shared:
            return self.shared[step]
        cell = make(step, self.inner)
        cast(cell, self.dtype)  # one after the other: a model in float16 never takes the memory of one in float32
        if step.shared:
            self.shared[step] = cell
        return cell

    def inner(self, steps: Steps) -> nn.Cell:
        """A chain inside a layer: a SequentialCell, or the only Cell as it is."""
        cells = self.cells(steps)
        return cells[0] if len(cells) == 1 else nn.SequentialCell(cells)
