"""Diagram → Graphviz's language: cards of layers with shapes, frames around them, arrows between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from unicodedata import east_asian_width

from assembler.views.diagram.cards import PILLS, Card, Frame, Row, arranged, kind_of, shape_of, turning_point
from assembler.views.diagram.data import Diagram, Edge, Node, clip

MAX_CURVES = 100
"""Most edges that are drawn as curves. With many more, Graphviz takes about a minute to route them around nodes."""

LINE = "#7d8590"
"""Of arrows and frames: readable on light and on dark."""

COLOURS = {"multiplies": "#3b82d6", "parameters": "#1f9e77", "joins": "#d9822b", "": "#9aa2ab"}
"""Of the strip before each layer."""

WRONG = "#d93a32"
"""Of the strip before a layer that is marked."""

_SHADE = "26"
"""How opaque the colour behind a folded block, or a marked layer, is, of ff."""

NOTHING = "\u200b"
"""A space without width."""

ROOM = "\u00a0"
"""Put behind wide letters, of which Graphviz may not know the width."""

_LONG = 26
"""Letters of a line of arguments, about."""

_HEAD = """\
digraph {{
  graph [id={name}, bgcolor=transparent, ranksep=0.28, nodesep=0.3, pad=0.1, labeljust=l, style=rounded]
  graph [fontname=Helvetica, fontsize=11, color="{line}"]
  node [fontname=Helvetica, fontsize=11, shape=box, style=rounded, color="{line}"]
  node [margin="0.04,0.03", height=0.3, width=0.3]
  edge [fontname=Helvetica, fontsize=9, arrowsize=0.6, color="{line}"]"""


def to_dot(drawn: Diagram) -> str:
    """A directed graph in Graphviz's language. Node names are generated; strings of a recipe are in labels only."""
    name = _quoted(clip(drawn.name) or "model")
    lines = [_HEAD.format(name=name, line=LINE)]
    if len(drawn.edges) > MAX_CURVES:
        lines.append("  graph [splines=line, nslimit=2, nslimit1=2, mclimit=0.1]")
    inside = arranged(drawn)
    return "\n".join([*lines, *_inside(drawn, inside, "  "), *_edges(drawn, inside), "}", ""])


def paths_of_rows(drawn: Diagram) -> dict[int, list[tuple[str, ...]]]:
    """The paths of the layers in each row of each box, by the number in the box's name."""
    return {card.nodes[0]: [drawn.nodes[at].paths for at in card.nodes] for card in _cards(arranged(drawn))}


def _inside(drawn: Diagram, inside: Sequence[Card | Frame], indent: str) -> Iterator[str]:
    for one in inside:
        if isinstance(one, Frame):
            yield f"{indent}subgraph cluster{one.group} {{"
            yield f"{indent}  graph [label={_title(drawn.groups[one.group].label)}, margin=10]"
            yield from _inside(drawn, one.inside, f"{indent}  ")
            yield f"{indent}}}"
        else:
            yield f"{indent}n{one.nodes[0]} {_box(drawn, one)}"


def _title(label: str) -> str:
    """The title of a frame. As much room beside it leaves a way for arrows that come from above."""
    if not label:
        return '""'
    cells = f'<td>{_safe(label)}</td><td width="{6 * len(label)}"></td>'
    return f'<<table border="0" cellspacing="0"><tr>{cells}</tr></table>>'


def _box(drawn: Diagram, card: Card) -> str:
    node = drawn.nodes[card.nodes[0]]
    if node.kind in PILLS:
        shape = "plain" if node.kind == "more" else "box"
        lines = [*node.lines, *([shape_of(drawn, card.nodes[0])] if node.kind == "input" else [])]
        label = "\\n".join(_quoted(line)[1:-1] for line in lines if line)
        return f'[label="{label}", shape={shape}, margin="0.16,0.05", fontsize=10]'
    rows = "".join(_row(drawn, row) for row in card.rows)
    return f'[label=<<table border="0" cellborder="0" cellspacing="0" cellpadding="2.5">{rows}</table>>]'


def _row(drawn: Diagram, row: Row) -> str:
    indent = 2 * row.depth * ROOM
    if row.is_heading:
        return f"<tr><td></td>{_cell(f'{indent}{_safe(drawn.groups[row.at].label)}', 'left', 3)}</tr>"
    node = drawn.nodes[row.at]
    colour = WRONG if node.wrong else COLOURS[kind_of(drawn, row.at)]
    shade = f"{colour}{_SHADE}" if node.kind == "folded" or node.wrong else ""
    notes = "".join(f'{_safe(line)}<br align="left"/>' for line in _wrapped(node))
    cells = (
        (f"<b>{indent}{_safe(node.heading)}</b>", "left"),
        (notes, "left"),
        (_safe(shape_of(drawn, row.at)), "right"),
    )
    small = [
        (f'<font point-size="9">{text}</font>' if at and text else text, side) for at, (text, side) in enumerate(cells)
    ]
    return f'<tr><td width="4" bgcolor="{colour}"></td>{"".join(_cell(*one, shade=shade) for one in small)}</tr>'


def _cell(text: str, side: str, columns: int = 1, shade: str = "") -> str:
    span = f' colspan="{columns}"' if columns > 1 else ""
    fill = f' bgcolor="{shade}"' if shade else ""
    lines = f' balign="{side}"' if "<br" in text else ""
    return f'<td align="{side}"{lines}{span}{fill}>{text}</td>'


def _wrapped(node: Node) -> Iterator[str]:
    """Its notes in lines of about the same length."""
    for note in node.notes:
        line = ""
        for piece in re.split(r"(?<=, )", note):
            if line and len(line) + len(piece) > _LONG:
                yield line.rstrip()
                line = ""
            line += piece
        yield line


def _edges(drawn: Diagram, inside: Sequence[Card | Frame]) -> Iterator[str]:
    """The edges between cards. On the way up of a U, Graphviz is given them from below."""
    cards = list(_cards(inside))
    place = {node: at for at, card in enumerate(cards) for node in card.nodes}
    turn = turning_point(drawn, cards) if all(isinstance(one, Card) for one in inside) else None
    for edge in drawn.edges:
        source, target = place[edge.source], place[edge.target]
        if source == target:
            continue
        ends, style = [f"n{cards[source].nodes[0]}", f"n{cards[target].nodes[0]}"], []
        if turn is not None and target > source + 1:
            style.append("minlen=0, weight=4")
        elif turn is not None and target >= turn:
            ends.reverse()
            style.append("dir=back")
        label = _label(drawn, edge)
        style += [f"label={_quoted(f' {label}')}"] if label else []
        style += ["style=dashed"] if edge.dashed else []
        yield f"  {' -> '.join(ends)}" + (f" [{', '.join(style)}]" if style else "")


def _cards(inside: Sequence[Card | Frame]) -> Iterator[Card]:
    for one in inside:
        if isinstance(one, Frame):
            yield from _cards(one.inside)
        else:
            yield one


def _label(drawn: Diagram, edge: Edge) -> str:
    """What its source does not show: one of several shapes, and how many times it is an input."""
    if shape_of(drawn, edge.source) != clip(edge.shape):
        return edge.label
    return f"× {edge.count}" if edge.count > 1 else ""


def _safe(text: str) -> str:
    """A string within markup, with room for wide letters.

    Graphviz replaces ``\\N`` by a node's name, even if escaped, and cannot read ``]]`` before a tag.
    """
    room = 3 * ROOM * sum(east_asian_width(letter) in "WF" for letter in text)
    return escape(text, quote=True).replace("\\", f"\\{NOTHING}").replace("]", "&#93;") + room


def _quoted(text: str) -> str:
    """A string in quotes, with Graphviz's escapes and entities escaped."""
    return '"' + text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') + '"'
