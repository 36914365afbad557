"""What a comparison with a PyTorch module found."""

from __future__ import annotations

from dataclasses import dataclass

from assembler.model.parity.calls import Apart
from assembler.model.parity.pairs import Pair


@dataclass(frozen=True, slots=True)
class Compared:
    """One row of the report.

    Args:
        here: the Cell, as ``#2 Dense``.
        there: the modules, as ``fc2 Linear``.
        apart: of its input, its output and its output for a faint input, the largest difference as a part of the bound.
            None if the module is not called as such; the next row includes it.
    """

    here: str
    there: str
    apart: Apart | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The first layer beyond the bound.

    Args:
        where: the layer, or the layers between two pairs.
        causes: likely ones, with what to write instead; empty if none was found.
        pair: the pair if it gets the same and emits something else.
    """

    where: str
    causes: tuple[str, ...]
    pair: Pair | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result.

    Args:
        rows: in the order of the model's calls, up to the first beyond the bound.
        first: that one; None if all agree.
        notes: what differs and cannot be seen in inference.
    """

    rows: tuple[Compared, ...]
    first: Finding | None
    notes: tuple[str, ...]
