"""Layers with wires between them."""

from collections.abc import Mapping, Sequence
from typing import Any

from mindspore import nn

Position = tuple[int, int | None]


class WiredCells(nn.Cell):
    """Runs Cells in order; each takes graph inputs or outputs of earlier Cells.

    Args:
        cells: the Cells in the order of execution, by the names of their attributes. One Cell may have several names.
        sources: for each Cell, the sources of its inputs, as pairs (position, element). Positions count the graph's
            inputs, then the outputs of the Cells. The element is an index into a tuple, or None.
        outputs: the sources of the graph's outputs; several are emitted as a tuple.
        inputs: how many the graph has; several of them may be passed as one tuple.

    Raises:
        ValueError: a name that is an attribute of every Cell, such as ``name``.
    """

    def __init__(
        self,
        cells: Mapping[str, nn.Cell],
        sources: Sequence[Sequence[Position]],
        outputs: Sequence[Position],
        inputs: int = 1,
    ):
        super().__init__()
        for name, cell in cells.items():
            if hasattr(self, name) and not isinstance(getattr(self, name), nn.Cell):
                raise ValueError(f"{name!r} is an attribute of every Cell; rename the wire")
            setattr(self, name, cell)
        self._order = tuple(cells.values())
        self._sources = tuple(map(tuple, sources))
        self._outputs = tuple(outputs)
        self._inputs = inputs

    def construct(self, *inputs: Any) -> Any:
        """Map the graph's inputs to its outputs."""
        values: tuple[Any, ...] = inputs[0] if self._inputs > len(inputs) == 1 else inputs
        for index in range(len(self._order)):
            given: tuple[Any, ...] = ()
            for position, element in self._sources[index]:
                given = (*given, values[position] if element is None else values[position][element])
            values = (*values, self._order[index](*given))
        emitted: tuple[Any, ...] = ()
        for position, element in self._outputs:
            emitted = (*emitted, values[position] if element is None else values[position][element])
        return emitted[0] if len(emitted) == 1 else emitted
