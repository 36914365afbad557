"""A file's tree of names laid along a model's layers.

Each subtree takes neighbouring layers, as ``layer1.0`` takes those of the first block; in which order the children of a
node follow each other is searched. Of all orders in which every shape fits, the best is the one with the fewest
contradictions: names that the model uses otherwise, subtrees that cut blocks of the model apart, numbers that do not
ascend, and an ``input_norm`` after an ``output_norm``. If two are equally good and differ, neither is taken.

    file             model                       layer1 → 0, 1, 2;  fc → 3
    layer1.bn1       0  Conv2d      (4, 3, 3, 3)
    layer1.conv1     1  BatchNorm2d (4,)         conv1 is before bn1, because 0 has four axes
    layer1.conv2     2  Conv2d      (4, 4, 3, 3) conv2 is after conv1, because 2 > 1
    fc               3  Dense       (9, 4)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from assembler.model.naming.roles import rank
from assembler.model.naming.targets import Span
from assembler.model.naming.trees import Node, Unit

MAX_STEPS = 100_000
"""Steps of one search, about a second. ResNet-50 takes 700; many layers of one shape without numbers take more."""

Fit = Callable[[Unit, int], Iterator[tuple[int, int, Hashable]]]
"""How a layer of the file can be placed at a position: the position after it, the cost, and what is to be recorded."""


class TooManyOrders(Exception):
    """There are too many orders of equal layers to search them."""


@dataclass(frozen=True, slots=True)
class Found:
    """The best order of a subtree from one position to another.

    Args:
        cost: its contradictions.
        pairs: what was recorded of its layers, nested.
        key: equal for the same records in another order.
        rival: another one with this cost that differs, if there is one.
    """

    cost: int
    pairs: Any
    key: int
    rival: Any = None

    def then(self, other: Found) -> Found:
        """This, and after it the other."""
        rival = None
        if self.rival is not None or other.rival is not None:
            rival = (self.rival or self.pairs, other.rival or other.pairs)
        return Found(self.cost + other.cost, (self.pairs, other.pairs), self.key + other.key, rival)

    def costing(self, cost: int) -> Found:
        """The same with further contradictions."""
        return replace(self, cost=self.cost + cost)


def better(one: Found | None, other: Found) -> Found:
    """The better of two orders between the same positions."""
    if one is None or other.cost < one.cost:
        return other
    if other.cost > one.cost:
        return one
    rival = one.rival or (other.pairs if other.key != one.key else other.rival)
    return replace(one, rival=rival)


class Alignment:
    """The search for one file and one model.

    Args:
        fit: how a layer of the file fits at a position.
        spans: the model's blocks, none of which a subtree of the file should cut.
        limit: orders that cost as much or more are not searched.
    """

    def __init__(self, fit: Fit, spans: frozenset[Span], limit: int) -> None:
        self._fit = fit
        self._limit = limit
        self._spans = sorted(spans)
        self._known: dict[tuple[int, int], dict[int, Found]] = {}
        self._classes: dict[int, list[list[Node]]] = {}
        self._steps = 0

    def search(self, node: Node, start: int) -> dict[int, Found]:
        """Every position at which the subtree can end if it begins at ``start``, with its best order.

        Raises:
            TooManyOrders: it takes more than ``MAX_STEPS``.
        """
        key = (id(node), start)
        if key not in self._known:
            self._known[key] = self._of_unit(node.unit, start) if node.unit is not None else self._of_node(node, start)
        return self._known[key]

    def _of_unit(self, unit: Unit, start: int) -> dict[int, Found]:
        found: dict[int, Found] = {}
        for end, cost, pair in self._fit(unit, start):
            found[end] = better(found.get(end), Found(cost, (pair,), hash(pair)))
        return found

    def _of_node(self, node: Node, start: int) -> dict[int, Found]:
        """Children one after the other; the state is how many of each class are placed, and the position."""
        classes = self._classes.setdefault(id(node), classes_of(node))
        states = {((0,) * len(classes), start): Found(0, (), 0)}
        for _ in range(len(node.children)):
            following: dict[tuple[tuple[int, ...], int], Found] = {}
            for (placed, position), before in states.items():
                for index, end, found in self._next(classes, placed, position):
                    now = (*placed[:index], placed[index] + 1, *placed[index + 1 :])
                    if before.cost + found.cost < self._limit:
                        following[now, end] = better(following.get((now, end)), before.then(found))
            states = following
        return {end: found.costing(self._cut(start, end)) for (_, end), found in states.items()}

    def _next(
        self, classes: list[list[Node]], placed: tuple[int, ...], position: int
    ) -> Iterator[tuple[int, int, Found]]:
        """Each child that can be next: its class, where it ends, and its best order."""
        left = [(one[count], len(one) - count) for one, count in zip(classes, placed, strict=True) if count < len(one)]
        for index, (members, count) in enumerate(zip(classes, placed, strict=True)):
            if count == len(members):
                continue
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise TooManyOrders
            child = members[count]
            if ends := self.search(child, position):
                cost = sum(times for other, times in left if other is not child and _is_before(other, child))
                for end, found in ends.items():
                    yield index, end, found.costing(cost)

    def _cut(self, start: int, end: int) -> int:
        """How many blocks of the model have one end inside a subtree and the other outside."""
        if end - start < 2:
            return 0
        first = bisect_left(self._spans, (start + 1, 0))
        inside = sum(1 for low, high in self._spans[first:] if low < end < high)
        return inside + sum(1 for low, high in self._spans[:first] if low < start < high < end)


def _is_before(one: Node, other: Node) -> bool:
    """Whether a child should be before another by its number or its name; a module's own weight has neither."""
    if not (one.component and other.component):
        return False
    (stem, number), (other_stem, other_number) = one.place, other.place
    if stem == other_stem:
        return number < other_number
    return rank(one.component) < rank(other.component)


def classes_of(node: Node) -> list[list[Node]]:
    """The children that differ in nothing but their numbers, in ascending order: ``[[0, 1, 2], [3]]``.

    A module's own weight has no number.
    """
    found: dict[object, list[Node]] = {}
    for child in sorted(node.children.values(), key=lambda child: child.place):
        found.setdefault((not child.component, child.place[0], content(child)), []).append(child)
    return list(found.values())


def content(node: Node) -> object:
    """What a subtree holds: equal for subtrees that can be exchanged."""
    if node.unit is not None:
        return tuple(sorted(node.unit.shapes.items()))
    return tuple(sorted((name, content(child)) for name, child in node.children.items()))


def flat(pairs: Any) -> Iterator[Any]:
    """What was recorded, in order."""
    waiting = [pairs]
    while waiting:
        one = waiting.pop()
        if isinstance(one, tuple):
            waiting.extend(reversed(one))
        else:
            yield one
