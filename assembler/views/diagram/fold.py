"""Diagram → the same diagram with blocks closed, or with nested boxes joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from assembler.views.diagram.data import Diagram, Edge, Group, Node

MOST_LEVELS = 4
"""Depths between which a reader chooses."""


def levels(drawn: Diagram) -> list[Diagram]:
    """The diagram at increasing depth, the last with all groups open; at most ``MOST_LEVELS``."""
    deepest = max((len(path(node.group, drawn.groups)) for node in drawn.nodes), default=0)
    found = [drawn]
    for depth in range(deepest - 1, -1, -1):
        closed = folded(drawn, depth)
        if len(closed.nodes) < len(found[0].nodes):
            found.insert(0, closed)
    while len(found) > MOST_LEVELS:
        sizes = [len(one.nodes) for one in found]
        found.pop(min(range(1, len(found) - 1), key=lambda at: sizes[at + 1] / sizes[at - 1]))
    return found


def folded(drawn: Diagram, depth: int) -> Diagram:
    """Close each group that is inside ``depth`` others: it becomes a node.

    ``input → [Twice: [Unit: Dense → ReLU] → Tanh] → output`` is, at depth 1, ``input → [Twice: Unit → Tanh] → output``.
    """
    nodes: list[Node] = []
    at: dict[object, int] = {}
    moved = []
    for node in drawn.nodes:
        groups = path(node.group, drawn.groups)[::-1]
        closed = groups[depth] if len(groups) > depth else None
        if closed is None or closed not in at:
            at[closed] = len(nodes)
            nodes.append(node if closed is None else _closed(drawn, closed))
        moved.append(at[closed])
    kept = [at for at in range(len(drawn.groups)) if len(path(at, drawn.groups)) <= depth]
    return _with_groups(Diagram(drawn.name, tuple(nodes), _contracted(drawn.edges, moved), drawn.groups), kept)


def _closed(drawn: Diagram, at: int) -> Node:
    """The node of a closed group. It counts what one repetition of it has."""
    group = drawn.groups[at]
    inside: list[Node | Group] = [one for one in drawn.nodes if at in path(one.group, drawn.groups)]
    inside += [one for one in drawn.groups if at in path(one.group, drawn.groups)]
    nodes = [one for one in inside if isinstance(one, Node)]

    def total(count: str) -> int:
        return sum(getattr(one, count) * times(one, at, drawn.groups) for one in inside if hasattr(one, count))

    title = group.title or ("" if group.names else " + ".join(_titles(inside)))
    return Node(
        "folded",
        title,
        group.names,
        group.arguments,
        group.shared,
        group.repeat,
        layers=group.layers + total("layers"),
        group=group.group,
        parameters=total("parameters"),
        macs=total("macs"),
        wrong=any(one.wrong for one in nodes),
        paths=tuple(path for one in nodes for path in one.paths),
    )


def _titles(inside: Sequence[Node | Group]) -> Iterator[str]:
    for one in inside:
        if isinstance(one, Node):
            yield one.title


def _contracted(edges: Sequence[Edge], moved: Sequence[int]) -> tuple[Edge, ...]:
    """The edges between nodes that moved; those inside a node are gone, and equal ones are one."""
    found: dict[Edge, None] = {}
    for edge in edges:
        if moved[edge.source] != moved[edge.target]:
            found[replace(edge, source=moved[edge.source], target=moved[edge.target])] = None
    return tuple(found)


def joined(drawn: Diagram) -> Diagram:
    """Join groups that hold nothing but one group: ``Double`` around ``Conv × 2`` becomes ``Double · Conv × 2``."""
    groups = list(drawn.groups)
    children = Counter(node.group for node in drawn.nodes) + Counter(group.group for group in drawn.groups)
    gone = set()
    for at, inner in enumerate(groups):
        outer = groups[inner.group] if inner.group != -1 else None
        if outer is None or children[inner.group] != 1 or not _joinable(outer, inner):
            continue
        gone.add(inner.group)
        groups[at] = replace(
            inner,
            names=(*outer.names, *([outer.title] if outer.title else []), *inner.names),
            arguments=inner.arguments or outer.arguments,
            shared=outer.shared or inner.shared,
            repeat=outer.repeat * inner.repeat,
            layers=outer.layers + inner.layers,
            group=outer.group,
        )
    kept = [at for at in range(len(groups)) if at not in gone]
    return _with_groups(replace(drawn, groups=tuple(groups)), kept)


def _joinable(outer: Group, inner: Group) -> bool:
    """Whether one group can hold what both are, without a change of what they count."""
    once = inner.repeat == 1 or (outer.repeat == 1 and not outer.layers)
    return once and not (outer.shared and inner.shared)


def _with_groups(drawn: Diagram, kept: Sequence[int]) -> Diagram:
    """The diagram with only some of its groups, numbered anew."""
    new = {old: at for at, old in enumerate(kept)} | {-1: -1}
    nodes = tuple(replace(node, group=new[node.group]) for node in drawn.nodes)
    return replace(
        drawn, nodes=nodes, groups=tuple(replace(drawn.groups[old], group=new[drawn.groups[old].group]) for old in kept)
    )


def path(group: int, groups: Sequence[Group]) -> list[int]:
    """A group and those around it, the innermost first."""
    found = []
    while group != -1:
        found.append(group)
        group = groups[group].group
    return found


def times(one: Node | Group, outer: int, groups: Sequence[Group]) -> int:
    """How many times it occurs within a group around it."""
    found = one.repeat
    for group in path(one.group, groups):
        if group == outer:
            break
        found *= groups[group].repeat
    return found
