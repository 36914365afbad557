"""Layers with wires between them."""

from collections.abc import Mapping, Sequence
from typing import Any

from mindspore import Tensor, nn

Position = tuple[int, int | None]


class WiredCells(nn.Cell):
    """Runs Cells in order; each takes what came in or what Cells before it emitted.

    Args:
        cells: the Cells in the order in which they run, under the names that they get as attributes. One Cell may stand
            under several names.
        sources: for each Cell, the positions of what goes into it. Position i is the i-th input, and behind the inputs
            what the Cells emit. With each position stands the element to take if a tuple is there, else None.
        outputs: the same of what comes out; of several, a tuple.

    Raises:
        ValueError: a name that every Cell has already, such as ``name``.
    """

    def __init__(
        self, cells: Mapping[str, nn.Cell], sources: Sequence[Sequence[Position]], outputs: Sequence[Position]
    ):
        super().__init__()
        for name, cell in cells.items():
            if hasattr(self, name) and not isinstance(getattr(self, name), nn.Cell):
                raise ValueError(f"{name!r} is something that every Cell has; the wire needs another name")
            setattr(self, name, cell)
        self.order = tuple(cells.values())
        self.sources = tuple(map(tuple, sources))
        self.outputs = tuple(outputs)

    def construct(self, *inputs: Tensor) -> Any:
        """Map what goes in to what comes out."""
        values: tuple[Any, ...] = inputs
        for index in range(len(self.order)):
            given: tuple[Any, ...] = ()
            for position, element in self.sources[index]:
                given = (*given, values[position] if element is None else values[position][element])
            values = (*values, self.order[index](*given))
        emitted: tuple[Any, ...] = ()
        for position, element in self.outputs:
            emitted = (*emitted, values[position] if element is None else values[position][element])
        return emitted[0] if len(emitted) == 1 else emitted
