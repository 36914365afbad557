"""Diagram → what a page shows of it: an SVG for each depth, and Mermaid's text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from assembler.views.diagram.data import Diagram
from assembler.views.diagram.fold import levels
from assembler.views.diagram.graphviz import paths_of_rows, to_dot
from assembler.views.diagram.mermaid import to_mermaid
from assembler.views.diagram.svg import height, to_svg

TALLEST = 1300.0
"""Height of a picture that is shown at first, in units of 4/3 pixels: two screens."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A diagram, drawn.

    Args:
        mermaid: the whole diagram as text.
        depths: SVG elements, of which each shows more of what is inside blocks than the one before; the last shows the
            whole diagram. Empty if no program draws them.
        shown: the index of the one that is shown at first.
    """

    mermaid: str
    depths: tuple[str, ...] = ()
    shown: int = 0

    def data(self) -> dict[str, Any]:
        """As data for JSON."""
        return asdict(self)


def rows(drawn: Diagram) -> list[dict[int, list[tuple[str, ...]]]]:
    """For each depth of its picture, the paths of the layers in each row of each box, by ``data-box`` of the SVG."""
    return [paths_of_rows(one) for one in levels(drawn)]


def picture(drawn: Diagram) -> Picture:
    """Draw a diagram at each depth. At first the deepest is shown that fits two screens."""
    svgs = [svg for one in levels(drawn) if (svg := to_svg(to_dot(one))) is not None]
    shown = max((at for at, svg in enumerate(svgs) if height(svg) <= TALLEST), default=0)
    return Picture(to_mermaid(drawn), tuple(svgs), shown)
