"""A diagram as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

MAX_LABEL = 60
"""Characters in a line of a label; longer ones are cut."""

MAX_NODES = 60
"""Nodes of a diagram. In a larger plan the innermost blocks are folded; then, if needed, the middle is left out."""

MAX_EDGES = 400
"""Edges of a diagram; with more, the middle is left out. Mermaid draws at most 500."""

MAX_DEPTH = 100
"""Groups around each other in a diagram that is read from a record."""


@dataclass(frozen=True, slots=True)
class Node:
    """A box.

    Args:
        kind: ``input``, ``output``, ``layer``; ``merge``: a layer drawn after the layers in it; ``folded``:
            a layer or block whose inside is not shown; ``more``: layers that were left out.
        title: the layer's name, or the block's.
        names: its names in the recipe: a wire's name, and blocks that contain only this layer.
        arguments: for a layer, as written, with ``_`` filled in, without layers; for an input or output, the dtype.
        shared: the name of its shared part.
        repeat: how many times in a row it occurs.
        layers: how many layers it represents, each time.
        group: the index of the group that it is in, or -1.
        parameters, macs: of the layers that it represents, each time.
        wrong: whether it is marked, because it is or contains a layer with an error.
        paths: of the layers that it represents, in the model; not known of a diagram that is read from a record.
    """

    kind: str
    title: str
    names: tuple[str, ...] = ()
    arguments: str = ""
    shared: str = ""
    repeat: int = 1
    layers: int = 0
    group: int = -1
    parameters: int = 0
    macs: int = 0
    wrong: bool = False
    paths: tuple[str, ...] = field(default=(), compare=False)

    @property
    def heading(self) -> str:
        """Its names, and how many times in a row it occurs; a cross if it is marked."""
        return clip(("✕ " if self.wrong else "") + _heading(self.names, self.title, self.repeat))

    @property
    def notes(self) -> list[str]:
        """What else is known of it, by line: arguments; the layers that are not shown; the shared part."""
        notes = [self.arguments]
        if self.kind == "folded":
            notes.append("1 layer" if self.layers == 1 else f"{self.layers:,} layers")
        if self.shared:
            notes.append(f"shared: {self.shared}")
        return [line for line in map(clip, notes) if line]

    @property
    def lines(self) -> list[str]:
        """The lines of its text; the heading is the first."""
        return [line for line in (self.heading, *self.notes) if line]


@dataclass(frozen=True, slots=True)
class Group:
    """A box around others: a block, a repeat, or a layer that contains layers.

    Args:
        title, names, arguments, shared, repeat: as in :class:`Node`.
        layers: 1 for a layer that is not also a node, such as ``SequentialCell``; else 0.
        group: the index of the group that it is in, which is smaller than its own, or -1.
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
    """An arrow. Its source comes before its target.

    Args:
        source, target: the indices of nodes.
        shape: of the tensor; empty if it is not known.
        count: how many times the tensor is an input: 2 in ``Add @ (x, x)``.
        dashed: whether it connects layers that are arguments of a layer, which may use them in any way.
    """

    source: int
    target: int
    shape: str = ""
    count: int = 1
    dashed: bool = False

    @property
    def label(self) -> str:
        """The text on it."""
        return clip(f"{self.shape} × {self.count}".strip() if self.count > 1 else self.shape)


@dataclass(frozen=True, slots=True)
class Diagram:
    """A plan as nodes, edges between them, and groups around them."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...] = ()

    def inside(self, group: int = -1) -> Sequence[int | Group]:
        """What is directly in a group, or outside all groups, in order: groups, and nodes by their indices."""
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

    def where(self, group: Group) -> int:
        """The index of one of its groups. Equal groups have different indices."""
        return next(at for at, known in enumerate(self.groups) if known is group)


def _heading(names: Sequence[str], title: str, repeat: int) -> str:
    words = " · ".join([*names, *([title] if title else [])])
    return (f"{words} × {repeat:,}" if words else f"× {repeat:,}") if repeat > 1 else words


def clip(text: str) -> str:
    """A line that fits into a label: without line breaks, and not too long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * MAX_LABEL]).split())
    return line if len(line) <= MAX_LABEL else f"{line[: MAX_LABEL - 1]}…"


def record(drawn: Diagram) -> dict[str, Any]:
    """A diagram as data for JSON, without default values."""
    return {
        "name": drawn.name,
        "nodes": [_short(node) for node in drawn.nodes],
        "edges": [_short(edge) for edge in drawn.edges],
        "groups": [_short(group) for group in drawn.groups],
    }


def _short(one: Node | Edge | Group) -> dict[str, Any]:
    defaults = {each.name: each.default for each in fields(one) if each.default is not MISSING}
    kept = {key: value for key, value in asdict(one).items() if key not in defaults or defaults[key] != value}
    kept.pop("paths", None)  # the table of layers has them
    return kept


def from_record(kept: Mapping[str, Any]) -> Diagram:
    """The diagram from the data of ``record``.

    Raises:
        ValueError: the data is not a diagram.
    """
    try:
        drawn = TypeAdapter(Diagram).validate_python(_kept(kept))
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a diagram: {error}") from None
    groups, nodes = [one.group for one in drawn.groups], [one.group for one in drawn.nodes]
    if any(not -1 <= group < at for at, group in enumerate(groups)):
        raise ValueError("not a diagram: a group is in one that does not come before it")
    if any(not -1 <= group < len(groups) for group in nodes):
        raise ValueError("not a diagram: the group of a node does not exist")
    if len(drawn.nodes) > MAX_NODES or len(drawn.edges) > MAX_EDGES:
        raise ValueError(f"not a diagram: it has more than {MAX_NODES} nodes or {MAX_EDGES} edges")
    depths: list[int] = []
    for group in drawn.groups:
        depths.append(1 if group.group == -1 else depths[group.group] + 1)
    if max(depths, default=0) > MAX_DEPTH:
        raise ValueError(f"not a diagram: it has more than {MAX_DEPTH} groups around each other")
    if any(not 0 <= edge.source < edge.target < len(nodes) for edge in drawn.edges):
        raise ValueError("not a diagram: an edge does not lead from one node to a later one")
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
