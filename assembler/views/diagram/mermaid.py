"""Diagram → Mermaid's language, which GitHub and others draw."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assembler.views.diagram.data import Diagram, Edge, Group, Node

_BOXES = {
    "input": '(["{}"])',
    "output": '(["{}"])',
    "merge": '{{{{"{}"}}}}',
    "folded": '[["{}"]]',
    "more": '("{}")',
    "shared": '[("{}")]',
}


def to_mermaid(drawn: Diagram) -> str:
    """A flowchart in Mermaid's language. Node names are generated; strings of a recipe are in labels only."""
    return "\n".join(["flowchart TB", *_inside(drawn, -1, "  "), *(f"  {_edge(edge)}" for edge in drawn.edges), ""])


def _inside(drawn: Diagram, group: int, indent: str) -> Iterator[str]:
    for one in drawn.inside(group):
        if isinstance(one, Group):
            at = drawn.where(one)
            yield f'{indent}subgraph g{at}["{escaped(one.label) or " "}"]'
            yield from _inside(drawn, at, f"{indent}  ")
            yield f"{indent}end"
        else:
            yield f"{indent}n{one}{_box(drawn.nodes[one])}"


def _box(node: Node) -> str:
    box = _BOXES.get("shared" if node.shared else node.kind, '["{}"]')
    return box.format("<br/>".join(map(escaped, node.lines)) or " ")


def _edge(edge: Edge) -> str:
    arrow = "-.->" if edge.dashed else "-->"
    label = f'|"{escaped(edge.label)}"|' if edge.label else ""
    return f"n{edge.source} {arrow}{label} n{edge.target}"


_KEPT = re.compile(r"[^\W_]|(?<=\w)[_.-](?=\w)|[ ,=()'×·…→]")

_ITEM = re.compile(r"\d+[.)]( |$)")
"""How an item of a list begins in Markdown."""


def escaped(text: str) -> str:
    """A string escaped so that Mermaid shows it unchanged: not as its syntax, Markdown, HTML or a directive."""
    mark = found.end(0) - len(found[1]) - 1 if (found := _ITEM.match(text)) else -1
    kept = {found.start() for found in _KEPT.finditer(text)} - {mark}
    return "".join(letter if at in kept else f"#{ord(letter)};" for at, letter in enumerate(text))
