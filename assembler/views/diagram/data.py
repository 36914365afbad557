"""A diagram as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

MAX_LABEL = 60
"""Characters in a line of a label; of a longer one the end is left out."""


@dataclass(frozen=True, slots=True)
class Node:
    """A box.

    Args:
        kind: ``input``, ``output``, ``layer``; ``merge``: a layer that stands behind the layers in it; ``folded``:
            a layer or block of which the inside is not shown; ``more``: what was left out.
        title: the layer's name, or the block's.
        names: what the recipe calls it: a wire's name, and blocks that it fills alone.
        arguments: of a layer as written, with ``_`` filled in, without layers; of an input or output the dtype.
        shared: the name of the shared part that it is.
        repeat: how many times in a row it comes.
        layers: how many layers it stands for, each time.
        group: the group that it is in, by its position; -1 if it is in none.
    """

    kind: str
    title: str
    names: tuple[str, ...] = ()
    arguments: str = ""
    shared: str = ""
    repeat: int = 1
    layers: int = 0
    group: int = -1

    @property
    def lines(self) -> list[str]:
        """What stands in it, line by line; the heading is the first."""
        lines = [_heading(self.names, self.title, self.repeat), self.arguments]
        if self.kind == "folded":
            lines.append("1 layer" if self.layers == 1 else f"{self.layers:,} layers")
        if self.shared:
            lines.append(f"shared: {self.shared}")
        return [line for line in map(clip, lines) if line]


@dataclass(frozen=True, slots=True)
class Group:
    """A box around others: a block, a repeat, or a layer that layers are in.

    Args:
        title, names, arguments, shared, repeat: as of a :class:`Node`.
        layers: 1 of a layer without a node of its own, such as ``SequentialCell``; else 0.
        group: the group that it is in, by its position, which is before its own; -1 if it is in none.
    """

    title: str
    names: tuple[str, ...] = ()
    arguments: str = ""
    shared: str = ""
    repeat: int = 1
    layers: int = 0
    group: int = -1

    @property
    def label(self) -> str:
        """Its heading."""
        shared = f" (shared: {self.shared})" if self.shared else ""
        return clip(f"{_heading(self.names, self.title, self.repeat)}{shared}")


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow. Its source stands before its target.

    Args:
        source, target: nodes, by their positions.
        shape: of what flows; empty if it is not known.
        count: how many times it is given: 2 of ``Add @ (x, x)``.
        dashed: whether it leads into layers, or out of layers, that were given to a layer that may use them in any way.
    """

    source: int
    target: int
    shape: str = ""
    count: int = 1
    dashed: bool = False

    @property
    def label(self) -> str:
        """What stands on it."""
        return clip(f"{self.shape} × {self.count}".strip() if self.count > 1 else self.shape)


@dataclass(frozen=True, slots=True)
class Diagram:
    """A plan as nodes, edges between them, and groups around them."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...] = ()

    def inside(self, group: int = -1) -> Sequence[int | Group]:
        """What stands directly in a group, or outside all groups, in order: nodes by their positions."""
        found: list[int | Group] = []
        for at, node in enumerate(self.nodes):
            here, last = node.group, -1
            while here not in (group, -1):
                here, last = self.groups[here].group, here
            if here == group:
                one: int | Group = at if last == -1 else self.groups[last]
                if not any(one is known for known in found):
                    found.append(one)
        return found


def _heading(names: Sequence[str], title: str, repeat: int) -> str:
    words = " · ".join([*names, *([title] if title else [])])
    return (f"{words} × {repeat:,}" if words else f"× {repeat:,}") if repeat > 1 else words


def clip(text: str) -> str:
    """A line that fits into a label: without line breaks, and not too long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * MAX_LABEL]).split())
    return line if len(line) <= MAX_LABEL else f"{line[: MAX_LABEL - 1]}…"


def record(drawn: Diagram) -> dict[str, Any]:
    """A diagram as JSON can hold it, without what is as usual."""
    return {
        "name": drawn.name,
        "nodes": [_short(node) for node in drawn.nodes],
        "edges": [_short(edge) for edge in drawn.edges],
        "groups": [_short(group) for group in drawn.groups],
    }


def _short(one: Node | Edge | Group) -> dict[str, Any]:
    usual = {field.name: field.default for field in fields(one) if field.default is not MISSING}
    return {key: value for key, value in asdict(one).items() if key not in usual or usual[key] != value}


def from_record(kept: Mapping[str, Any]) -> Diagram:
    """The diagram that ``record`` made data of.

    Raises:
        ValueError: it is not of that form.
    """
    try:
        drawn = TypeAdapter(Diagram).validate_python(_kept(kept))
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no diagram: {error}") from None
    groups, nodes = [one.group for one in drawn.groups], [one.group for one in drawn.nodes]
    if any(not -1 <= group < at for at, group in enumerate(groups)):
        raise ValueError("this is no diagram: a group is in one that does not come before it")
    if any(not -1 <= group < len(groups) for group in nodes):
        raise ValueError("this is no diagram: a node is in no group of it")
    if any(not 0 <= edge.source < edge.target < len(nodes) for edge in drawn.edges):
        raise ValueError("this is no diagram: an edge leads nowhere")
    return drawn


def _kept(kept: Mapping[str, Any]) -> Diagram:
    def named(one: Mapping[str, Any]) -> dict[str, Any]:
        return {**one, "names": tuple(one.get("names", ()))}

    return Diagram(
        kept["name"],
        tuple(Node(**named(node)) for node in kept["nodes"]),
        tuple(Edge(**edge) for edge in kept["edges"]),
        tuple(Group(**named(group)) for group in kept["groups"]),
    )
