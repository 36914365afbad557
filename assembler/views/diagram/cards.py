"""Diagram → cards: what is drawn as one box, a row for each layer, because it runs one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from assembler.views.diagram.data import Diagram, Edge, Group, clip

PILLS = frozenset({"input", "output", "more"})
"""Kinds of nodes that are drawn alone."""

MANY_JOINS = 3
"""Nested ways around the middle of a network, from which on it is drawn as a U."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a card: a layer, or the heading of the rows below it that are indented more.

    Args:
        at: the index of the node; for a heading, of the group.
        is_heading: whether it is a group.
        depth: the groups of this card that it is in.
    """

    at: int
    is_heading: bool = False
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Card:
    """A box around layers of which each passes its output to the next alone."""

    rows: tuple[Row, ...]

    @property
    def nodes(self) -> list[int]:
        """The indices of its nodes, in order."""
        return [row.at for row in self.rows if not row.is_heading]


@dataclass(frozen=True, slots=True)
class Frame:
    """A group that is more than a chain: a box with a title around cards.

    Args:
        group: its index.
    """

    group: int
    inside: tuple[Card | Frame, ...]


def arranged(drawn: Diagram) -> tuple[Card | Frame, ...]:
    """The cards and frames of a diagram, in order.

    A group whose layers form a chain is one card. Among other layers, a card begins with each layer that multiplies:
    ``Conv2d → BatchNorm2d → ReLU → Conv2d → ReLU`` is two.
    """
    return tuple(_Reader(drawn).inside(-1))


class _Reader:
    def __init__(self, drawn: Diagram):
        self.drawn = drawn
        self.sent: list[list[Edge]] = [[] for _ in drawn.nodes]
        self.taken: list[list[Edge]] = [[] for _ in drawn.nodes]
        for edge in drawn.edges:
            self.sent[edge.source].append(edge)
            self.taken[edge.target].append(edge)

    def inside(self, group: int) -> Iterator[Card | Frame]:
        rows: list[Row] = []
        for one in self.drawn.inside(group):
            if rows and (isinstance(one, Group) or not self.continues(rows[-1].at, one)):
                yield Card(tuple(rows))
                rows = []
            if not isinstance(one, Group):
                rows.append(Row(one))
            elif self.is_chain(self.nodes(at := self.drawn.where(one))):
                yield Card(tuple(self.rows(at, 0)))
            else:
                yield Frame(at, tuple(self.inside(at)))
        if rows:
            yield Card(tuple(rows))

    def continues(self, before: int, at: int) -> bool:
        """Whether a node outside of chains belongs to the card of the one before it."""
        kinds = {self.drawn.nodes[before].kind, self.drawn.nodes[at].kind}
        return not kinds & {*PILLS, "folded"} and not self.drawn.nodes[at].macs and self.follows(before, at)

    def follows(self, before: int, at: int) -> bool:
        """Whether a node passes its output to another alone, which takes nothing else."""
        sent, taken = self.sent[before], self.taken[at]
        return len(sent) == 1 and sent == taken and sent[0].count == 1 and not sent[0].dashed

    def is_chain(self, nodes: Sequence[int]) -> bool:
        return all(self.follows(*pair) for pair in pairwise(nodes)) and not any(
            self.drawn.nodes[at].kind in PILLS for at in nodes
        )

    def nodes(self, group: int) -> list[int]:
        """The nodes in a group, and in those inside it."""
        inside = self.drawn.inside(group)
        return [at for one in inside for at in (self.nodes(self.drawn.where(one)) if isinstance(one, Group) else [one])]

    def rows(self, group: int, depth: int) -> Iterator[Row]:
        """A heading, and what is under it."""
        yield Row(group, True, depth)
        for one in self.drawn.inside(group):
            if isinstance(one, Group):
                yield from self.rows(self.drawn.where(one), depth + 1)
            else:
                yield Row(one, False, depth + 1)


def turning_point(drawn: Diagram, cards: Sequence[Card]) -> int | None:
    """The first card of the way up, if a network goes down and up again beside its way down, such as a U-Net.

    Args:
        cards: all, in order.
    """
    card = {node: at for at, one in enumerate(cards) for node in one.nodes}
    ends = sorted({(card[edge.source], card[edge.target]) for edge in drawn.edges})
    around = [(source, target) for source, target in ends if target > source + 1]
    nested = all(inner[0] > outer[0] and inner[1] < outer[1] for outer, inner in pairwise(around))
    return around[-1][1] if nested and len(around) >= MANY_JOINS else None


def shape_of(drawn: Diagram, at: int) -> str:
    """The shape of a node's output; empty if it is not known, or has several."""
    shapes = {clip(edge.shape) for edge in drawn.edges if edge.source == at and edge.shape}
    return shapes.pop() if len(shapes) == 1 else ""


def kind_of(drawn: Diagram, at: int) -> str:
    """What a node's colour shows: ``multiplies`` (it has MACs), ``parameters`` but no MACs, ``joins``, or ``""``."""
    node = drawn.nodes[at]
    if node.macs:
        return "multiplies"
    joins = node.kind == "merge" or sum(edge.count for edge in drawn.edges if edge.target == at) > 1
    return "parameters" if node.parameters else "joins" if joins else ""
