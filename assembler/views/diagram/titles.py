"""Titles of frames, moved beside the arrows that enter a frame from above."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from xml.etree import ElementTree

_SVG = "{http://www.w3.org/2000/svg}"

_WIDTHS = {
    **dict.fromkeys("'", 191),
    **dict.fromkeys("ijl", 222),
    **dict.fromkeys("|", 260),
    **dict.fromkeys(" !,./:;I[\\]ft\u00a0·", 278),
    **dict.fromkeys("()-r`{}", 333),
    **dict.fromkeys('"', 355),
    **dict.fromkeys("*", 389),
    **dict.fromkeys("^", 469),
    **dict.fromkeys("Jcksvxyz", 500),
    **dict.fromkeys("#$0123456789?L_abdeghnopqu", 556),
    **dict.fromkeys("+<=>~×", 584),
    **dict.fromkeys("FTZ", 611),
    **dict.fromkeys("&ABEKPSVXY", 667),
    **dict.fromkeys("CDHNRUw", 722),
    **dict.fromkeys("GOQ", 778),
    **dict.fromkeys("Mm", 833),
    **dict.fromkeys("%", 889),
    **dict.fromkeys("W", 944),
    **dict.fromkeys("…→@✕", 1000),
}
"""Thousandths of the font's size that each letter of Helvetica takes, and of fonts made to replace it."""

_BOLD = 1.065
"""How much more letters take in bold, on average."""

_PIECES = 24
"""Straight lines by which a part of a curve is replaced."""

_MARGIN = 8.0
"""Between a title and the sides of its frame."""


def width_of(text: ElementTree.Element) -> tuple[float, bool]:
    """The width of a text in Helvetica, and whether the widths of all its letters are known."""
    letters = (text.text or "").replace("\u200b", "")
    size = float(text.get("font-size", 14)) * (_BOLD if text.get("font-weight") else 1) / 1000
    return sum(_WIDTHS.get(letter, 1000) for letter in letters) * size, all(letter in _WIDTHS for letter in letters)


def clear_titles(root: ElementTree.Element) -> None:
    """Move the title of each frame, in Graphviz's SVG, to the first place from the left that no arrow crosses.

    If there is no such place, the title stays where it is.
    """
    groups = list(root.iter(f"{_SVG}g"))
    arrows = [
        line
        for group in groups
        if group.get("class") == "edge"
        for path in group.iter(f"{_SVG}path")
        for line in pairwise(_points(path.get("d", "")))
    ]
    for group in groups:
        title, frame = group.find(f"{_SVG}text"), group.find(f"{_SVG}path")
        if group.get("class") == "cluster" and title is not None and frame is not None:
            sides = [x for x, _ in _points(frame.get("d", ""))]
            _move(title, min(sides) + _MARGIN, max(sides) - _MARGIN, arrows)


def _move(title: ElementTree.Element, left: float, right: float, arrows: list[tuple[_Point, _Point]]) -> None:
    y, size, (width, _) = float(title.get("y", 0)), float(title.get("font-size", 14)), width_of(title)
    crossings = [
        (min(one[0], other[0]), max(one[0], other[0]))
        for one, other in arrows
        if min(one[1], other[1]) < y + 0.3 * size and max(one[1], other[1]) > y - size
    ]
    x = left
    for first, last in sorted(crossings):
        if first < x + width + 3 and last > x - 3:
            x = last + 4
    if x + width <= right:
        title.attrib |= {"x": f"{x:.2f}", "text-anchor": "start"}


_Point = tuple[float, float]


def _points(path: str) -> Iterator[_Point]:
    """Points along a path of curves: ``M0,0C1,1 2,2 3,3``."""
    numbers = [float(one) for one in re.findall(r"-?\d+\.?\d*", path)]
    ends = list(zip(numbers[::2], numbers[1::2], strict=False))
    for at in range(0, len(ends) - 3, 3):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = ends[at : at + 4]
        for piece in range(_PIECES + 1):
            t = piece / _PIECES
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            yield a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3
