"""Diagram → Graphviz's language, and SVG if Graphviz is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from html import escape
from xml.etree import ElementTree

from assembler.views.diagram.data import Diagram, Edge, Group, Node, clip

TIMEOUT = 20.0
"""Seconds that Graphviz may take."""

MAX_CURVES = 100
"""Most edges that are drawn as curves. With many more, Graphviz takes about a minute to route them around nodes."""

_SHAPES = {"input": "oval", "output": "oval", "merge": "hexagon", "more": "plain", "shared": "cylinder"}

_FAINT = "#808080"

_NOTHING = "\u200b"
"""A space without width."""

_SVG = "{http://www.w3.org/2000/svg}"


def to_dot(drawn: Diagram) -> str:
    """A directed graph in Graphviz's language. Node names are generated; strings of a recipe are in labels only."""
    straight = len(drawn.edges) > MAX_CURVES
    lines = [
        "digraph {",
        f"  graph [id={_quoted(clip(drawn.name) or 'model')}, bgcolor=transparent, ranksep=0.35, nodesep=0.3]",
        "  graph [fontname=Helvetica, fontsize=11]",
        *(["  graph [splines=line, nslimit=2, nslimit1=2, mclimit=0.1]"] if straight else []),
        '  node [fontname=Helvetica, fontsize=11, shape=box, style=rounded, margin="0.12,0.05", height=0.3]',
        "  edge [fontname=Helvetica, fontsize=9, arrowsize=0.6]",
    ]
    return "\n".join([*lines, *_inside(drawn, -1, "  "), *(f"  {_edge(edge)}" for edge in drawn.edges), "}", ""])


def _inside(drawn: Diagram, group: int, indent: str) -> Iterator[str]:
    for one in drawn.inside(group):
        if isinstance(one, Group):
            at = next(at for at, known in enumerate(drawn.groups) if known is one)
            yield f"{indent}subgraph cluster{at} {{"
            yield f'{indent}  graph [label={_quoted(one.label)}, labeljust=l, style=rounded, color="{_FAINT}"]'
            yield from _inside(drawn, at, f"{indent}  ")
            yield f"{indent}}}"
        else:
            yield f"{indent}n{one} {_box(drawn.nodes[one])}"


def _box(node: Node) -> str:
    shape = _SHAPES.get("shared" if node.shared else node.kind, "")
    attributes = [f"label={_label(node.lines)}"]
    attributes += [f'shape={shape}, style=""'] if shape else []
    attributes += ["peripheries=2"] if node.kind == "folded" else []
    return f"[{', '.join(attributes)}]"


def _label(lines: list[str]) -> str:
    heading, *rest = [_safe(line) for line in lines] or [""]
    small = "".join(f'<br/><font point-size="9">{line}</font>' for line in rest)
    return f"<<b>{heading}</b>{small}>" if heading else '""'


def _edge(edge: Edge) -> str:
    style = ", style=dashed" if edge.dashed else ""
    return f"n{edge.source} -> n{edge.target} [label={_quoted(f' {edge.label}' if edge.label else '')}{style}]"


def _safe(text: str) -> str:
    """A string within markup.

    Graphviz replaces ``\\N`` by a node's name, even if escaped, and cannot read ``]]`` before a tag.
    """
    return escape(text, quote=True).replace("\\", f"\\{_NOTHING}").replace("]", "&#93;")


def _quoted(text: str) -> str:
    """A string in quotes, with Graphviz's escapes and entities escaped."""
    return '"' + text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') + '"'


def to_svg(dot: str) -> str | None:
    """An SVG element, drawn by Graphviz; None if that is not installed or fails.

    It can be put into a page unchanged: it refers to nothing outside, has no ids, and has the colour of the text
    around it. Its ``<title>`` is the graph's ``id``.
    """
    program = shutil.which("dot")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-Tsvg"], input=dot.encode(), capture_output=True, timeout=TIMEOUT, check=True)
        root = ElementTree.fromstring(done.stdout)
    except (OSError, subprocess.SubprocessError, ElementTree.ParseError):
        return None
    title = next((one.get("id", "") for one in root), "")
    _clean(root)
    root.attrib |= {"xmlns": "http://www.w3.org/2000/svg", "role": "img"}
    named = ElementTree.Element("title")
    named.text = title
    named.tail = "\n"
    root.insert(0, named)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _clean(element: ElementTree.Element) -> None:
    """Remove ids and Graphviz's own titles, and replace colours by that of the text around."""
    for inner in list(element):
        if inner.tag == f"{_SVG}title":
            element.remove(inner)
        else:
            _clean(inner)
    element.tag = str(element.tag).removeprefix(_SVG)
    for name in ("id", "class"):
        element.attrib.pop(name, None)
    for name in ("fill", "stroke"):
        if name in element.attrib:
            element.set(name, "none" if element.get(name) in ("none", "transparent") else "currentColor")
    if element.tag == "text":
        element.text = (element.text or "").replace(f"\\{_NOTHING}", "\\")
        element.set("fill", "currentColor")
