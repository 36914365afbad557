"""Graphviz's language → SVG, drawn by the first program that answers, and rebuilt from what is known to be harmless."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from xml.etree import ElementTree

from assembler.views.diagram.graphviz import COLOURS, LINE, NOTHING, ROOM, WRONG
from assembler.views.diagram.titles import clear_titles, width_of

TIMEOUT = 10.0
"""Seconds that a program may take."""

_too_slow: set[str] = set()
"""Programs that did not answer in time; they are not asked again."""

_NAMESPACE = "http://www.w3.org/2000/svg"

_PLACES = re.compile(r"[-+.,\d\sMCLSQTAHVZe]*")
"""Numbers and the commands of a path."""

_BOX = re.compile(r"n(\d+)")
"""The name of a box in Graphviz's language."""

_ATTRIBUTES = {
    **dict.fromkeys(("viewBox", "points", "d", "x", "y", "cx", "cy", "rx", "ry", "font-size"), _PLACES),
    "transform": re.compile(r"((translate|scale|rotate)\([-\d. ]*\) ?)*"),
    "text-anchor": re.compile("start|middle|end"),
    "font-weight": re.compile("bold"),
    **dict.fromkeys(("stroke-dasharray", "fill-opacity"), _PLACES),
}
"""Attributes that are kept, and what their values may be."""

_ELEMENTS = {"svg", "g", "path", "polygon", "polyline", "ellipse", "text"}

_FIXED = {LINE, WRONG, *COLOURS.values()}

_STYLE = "svg{color:#1b1f23;background:#fff}@media(prefers-color-scheme:dark){svg{color:#e6e8ea;background:#17191c}}"


def to_svg(dot: str) -> str | None:
    """An SVG element, drawn by an installed Graphviz, else by graphviz-pure; None if neither answers in time.

    It can be put into a page unchanged: it has no scripts, links, styles or ids, and its text has the colour of the
    text around it. Its ``<title>`` is the graph's ``id``, and the group of the box ``n3`` has ``data-box="3"``.
    """
    for program in _programs():
        if program in _too_slow:
            continue
        try:
            return _drawn(program, dot)
        except subprocess.TimeoutExpired:
            _too_slow.add(program)
        except (OSError, subprocess.SubprocessError, ElementTree.ParseError):
            continue
    return None


@lru_cache(maxsize=32)
def _drawn(program: str, dot: str) -> str:
    """What a program draws; most jobs of a sweep have the picture of the job before.

    Raises:
        OSError, subprocess.SubprocessError, ElementTree.ParseError: it draws nothing.
    """
    done = subprocess.run([program, "-Tsvg"], input=dot.encode(), capture_output=True, timeout=TIMEOUT, check=True)
    return _cleaned(ElementTree.fromstring(done.stdout))


def standalone(svg: str) -> str:
    """The content of a file: with a background and a colour of its own, light or dark as the reader's system."""
    opened, rest = svg.split(">", 1)
    return f"{opened}><style>{_STYLE}</style>{rest}"


def height(svg: str) -> float:
    """The height of an SVG, in units of 4/3 pixels."""
    found = re.match(r'<svg[^>]* viewBox="\S+ \S+ \S+ (\S+)"', svg)
    return float(found[1]) if found else 0.0


def _programs() -> Iterator[str]:
    """Programs that draw, in the order of preference."""
    if installed := shutil.which("dot"):
        yield installed
    try:
        files = distribution("graphviz-pure").files or []
    except PackageNotFoundError:
        return
    yield from (str(file.locate()) for file in files if file.stem == "graphviz-pure")


def _cleaned(root: ElementTree.Element) -> str:
    name = next((one.get("id", "") for one in root), "")
    clear_titles(root)
    made = _copied(root)
    made.attrib |= {"xmlns": _NAMESPACE, "role": "img", "font-family": "Helvetica,Arial,sans-serif"}
    titled = ElementTree.Element("title")
    titled.text = name
    made.insert(0, titled)
    return ElementTree.tostring(made, encoding="unicode") + "\n"


def _copied(element: ElementTree.Element) -> ElementTree.Element:
    """An element with only the elements and attributes that draw, and with the page's colours."""
    made = ElementTree.Element(str(element.tag).removeprefix(f"{{{_NAMESPACE}}}"))
    for name, value in element.attrib.items():
        if name in ("fill", "stroke"):
            made.set(name, _colour(value))
        elif name in _ATTRIBUTES and _ATTRIBUTES[name].fullmatch(value):
            made.set(name, value)
    if element.get("class") == "node" and (box := _BOX.fullmatch(element.findtext(f"{{{_NAMESPACE}}}title", ""))):
        made.set("data-box", box[1])
    if made.tag == "text":
        made.text = (element.text or "").replace(f"\\{NOTHING}", "\\").rstrip(ROOM)
        made.set("fill", "currentColor")
        _measure(made)
    made.extend(_copied(one) for one in element if str(one.tag).removeprefix(f"{{{_NAMESPACE}}}") in _ELEMENTS)
    return made


def _measure(text: ElementTree.Element) -> None:
    """Fix the width of a text, so that it fits its box in any font, if all its letters are known."""
    width, known = width_of(text)
    if text.text and known:
        text.attrib |= {"textLength": f"{width:.1f}", "lengthAdjust": "spacingAndGlyphs"}


def _colour(value: str) -> str:
    return "none" if value in ("none", "transparent") else value if value in _FIXED else "currentColor"
