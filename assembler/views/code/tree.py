"""Steps → terms: the blocks and the repeats that a recipe was written with, found again in its plan."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import mindspore
from mindspore import nn

from assembler.binding.bind import Step, Steps
from assembler.errors import NOWHERE, Place, RecipeError
from assembler.language.recipe import Graph, leaves
from assembler.layers.layer_norm_2d import LayerNorm2d
from assembler.layers.layer_scale import LayerScale
from assembler.layers.rms_norm import RMSNorm
from assembler.planning.plan import Plan
from assembler.planning.specs import print_shape
from assembler.views.code.terms import (
    Argument,
    Call,
    Literal,
    Nest,
    Part,
    Reference,
    Row,
    Term,
    Turns,
    Use,
    Wired,
    is_plain,
    moved,
    walk,
)

_CONSTANT = (
    nn.LayerNorm,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.GroupNorm,
    RMSNorm,
    LayerNorm2d,
    LayerScale,
)
"""Layers that begin as ones and zeros."""

_LONGEST = 8
"""Layers in a row whose repeats are looked for, where the recipe has none."""

Trail = tuple[tuple[str, Place], ...]
"""The blocks that something stands in, the outermost first, each with the place where it is used."""


def literal(value: Any, place: Place = NOWHERE) -> Term:
    """Plain data as Python writes it.

    Raises:
        RecipeError: it is of a kind that has no text.
    """
    if type(value) in (tuple, list):
        return Nest("()" if type(value) is tuple else "[]", tuple(literal(item, place) for item in value))
    if type(value) is dict:
        keys = tuple(_text(key, place) + ": " for key in value)
        return Nest("{}", tuple(literal(item, place) for item in value.values()), keys)
    return Literal(_text(value, place), value)


def _text(value: Any, place: Place) -> str:
    if isinstance(value, float):
        text = repr(float(value))
        return (
            re.sub(r"e([+-])0*", lambda sign: "e-" if sign[1] == "-" else "e", text)
            if math.isfinite(value)
            else f'float("{text}")'
        )
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, str):
        text = repr(str(value))
        return text if '"' in text else f'"{text[1:-1]}"'
    raise RecipeError(f"a value of the type {type(value).__name__} cannot be written as Python", place)


@dataclass(frozen=True, slots=True)
class _Found:
    """A step, the blocks it stands in, and how many of its repeats have been dealt with."""

    step: Step
    trail: Trail
    turns: int = 0


class Tree:
    """Reads a plan.

    Args:
        target: how a layer's class is written.
        parts: the shared parts, in the order of their first use; filled as the plan is read.
    """

    def __init__(self, planned: Plan, target: Callable[[Step], str]):
        self.target = target
        self.rows = {row.path: row for row in planned.rows}
        self.parts: dict[str, Term] = {}

    def chain(self, steps: Steps, trail: Trail = ()) -> Row:
        """A row of layers, where ``trail`` is what it is written in."""
        found = self.find(steps, trail)
        row = Row(tuple(self.split(found, trail)), alone=len(steps) == 1)
        if row.items and isinstance(only := row.items[0], Part) and len(row.items) == 1:
            return Row((replace(only, whole=True),), row.alone)
        return row

    def find(self, steps: Steps, trail: Trail) -> list[_Found]:
        """Each step with its trail. A shared part was written elsewhere: it is in the blocks that are around it."""
        known = [None if step.shared else trail_of(step) for step in steps]
        before, after = [trail], [trail]
        for one in known:
            before.append(before[-1] if one is None else one)
        for one in reversed(known):
            after.append(after[-1] if one is None else one)
        around = zip(before, reversed(after[:-1]), strict=False)
        trails = (_common(sides) if one is None else one for one, sides in zip(known, around, strict=True))
        return [_Found(step, one) for step, one in zip(steps, trails, strict=True)]

    def split(self, found: Sequence[_Found], trail: Trail) -> Iterator[Term]:
        """What a block has of its own, and between that what it was given."""
        depth = len(trail)
        for own, run in groupby(found, lambda one: one.trail[:depth] == trail or bool(one.step.shared)):
            members = list(run)
            if own:
                yield from self.row(members, depth)
            else:
                outside = _common([trail, *(one.trail for one in members)])
                yield Part(Row(tuple(self.row(members, len(outside))), len(members) == 1), len(outside))

    def row(self, found: Sequence[_Found], depth: int) -> Iterator[Term]:
        """The layers, repeats and blocks that stand directly at a depth."""
        return folded(list(self.items(found, depth)))

    def items(self, found: Sequence[_Found], depth: int) -> Iterator[Term]:
        """The same before equal neighbours are made repeats."""
        for key, members in _runs(found, depth):
            if key is None:
                yield self.one(members[0].step)
            elif key == "turns":
                rows = [Row(tuple(self.row(turn, depth))) for turn in _by_turn(members)]
                yield Turns(tuple(rows))
            else:
                yield from self.uses(members, depth)

    def uses(self, found: Sequence[_Found], depth: int) -> Iterator[Term]:
        """Uses of one block from the same place, one after the other: where a layer comes again, the next begins."""
        start = 0
        seen: set[Any] = set()
        for index, one in enumerate(found):
            key = (id(one.step.layer), *((id(turn.repeat), turn.index) for turn in one.step.turns[one.turns :]))
            if key in seen and not one.step.shared:
                yield self.use(found[start:index], depth)
                start, seen = index, set()
            seen.add(key)
        yield self.use(found[start:], depth)

    def use(self, found: Sequence[_Found], depth: int) -> Term:
        """A block, unless it is only another name for what is in it."""
        name = found[0].trail[depth][0]
        items = tuple(self.row(found, depth + 1))
        if len(items) == 1:
            match items[0]:
                case Use(block=""):
                    return replace(items[0], block=name, depth=depth)
                case Use() as only:
                    return moved(only, only.depth, depth - only.depth)
                case Reference() as only:
                    return only
                case Call() as call if is_plain(Nest("()", tuple(argument.value for argument in call.arguments))):
                    return call
        return Use(name, Row(items), depth, self._shape(found[-1].step))

    def one(self, step: Step) -> Term:
        """One layer."""
        if not step.shared:
            return self._whole(step, trail_of(step))
        if step.shared not in self.parts:
            self.parts[step.shared] = self.part(step)
        return Reference(step.shared, self._shape(step))

    def part(self, step: Step) -> Term:
        """What a shared part is: one layer, or a row of them, for which binding made a step of its own."""
        row = Steps(chain[0] for chain in step.extra) if step.layer.place is NOWHERE else Steps((step,))
        trail = trail_of(row[0])
        names = [name for name, _ in trail]
        inside = trail[: names.index(step.shared) + 1] if step.shared in names else trail
        return self._whole(step, inside) if row[0] is step else self.chain(row, inside)

    def _whole(self, step: Step, trail: Trail) -> Term:
        if step.graph is not None:
            return Use("", self.wired(step, step.graph, trail), len(trail), self._shape(step))
        place = step.layer.place
        positional = list(step.arguments)[: len(step.layer.args) - len(step.extra)]
        if step.entry.signature is not None and not step.extra:
            positional = []  # the class itself may take them in another order
        arguments = [Argument(name, self._value(step.arguments[name], trail, place, name)) for name in positional]
        arguments += [Argument("", self._value(value, trail, place)) for value in step.extra]
        for name, value in step.arguments.items():
            if name not in positional:
                arguments.append(Argument(_keyword(name, place), self._value(value, trail, place, name), keyword=True))
        return Call(self.target(step), tuple(arguments), shape=self._shape(step), draws=self._draws(step))

    def _shape(self, step: Step) -> str:
        row = self.rows.get(step.path)
        return print_shape(row.output) if row else ""

    def _draws(self, step: Step) -> bool:
        row = self.rows.get(step.path)
        if row is not None and row.parameters == 0:
            return False
        return step.entry.cell not in _CONSTANT or any("init" in name for name in step.arguments)

    def _value(self, value: Any, trail: Trail, place: Place, name: str = "") -> Term:
        if isinstance(value, Steps):
            return self.chain(value, trail)
        if name == "dtype" and isinstance(value, str) and isinstance(getattr(mindspore, value, None), mindspore.Type):
            return Literal(f"mindspore.{value}", value)
        if type(value) in (tuple, list, dict) and any(isinstance(leaf, Steps) for leaf in leaves(value)):
            if type(value) is not dict:
                return Nest(
                    "()" if type(value) is tuple else "[]", tuple(self._value(one, trail, place) for one in value)
                )
            keys = tuple(f"{_text(key, place)}: " for key in value)
            return Nest("{}", tuple(self._value(item, trail, place) for item in value.values()), keys)
        return literal(value, place)

    def wired(self, step: Step, graph: Graph, trail: Trail) -> Wired:
        """A graph that is written in what ``trail`` says."""
        cells = step.arguments["cells"]
        wires = tuple((wire.name, self.chain(cells[wire.name], trail), wire.sources) for wire in graph.wires)
        shapes = tuple(self._shape(cells[wire.name][-1]) for wire in graph.wires)
        return Wired(graph.inputs, wires, graph.outputs, shapes)


def folded(items: Sequence[Term]) -> Iterator[Term]:
    """Layers that come at least three times in a row, of which the recipe did not say so, as a repeat."""
    at = 0
    while at < len(items):
        length, times = next(_again(items, at), (1, 1))
        row = Row(tuple(items[at : at + length]))
        if times > 1 and not any(isinstance(term, Part) for term in walk(row)):
            yield Turns((row,) * times)
        else:
            length, times = 1, 1
            yield items[at]
        at += length * times


def _again(items: Sequence[Term], at: int) -> Iterator[tuple[int, int]]:
    """How many layers come how many times in a row, for the shortest such row."""
    for length in range(1, min(_LONGEST, (len(items) - at) // 3) + 1):
        row, times = items[at : at + length], 1
        while row == items[at + times * length : at + (times + 1) * length]:
            times += 1
        if times > 2:
            yield length, times


def trail_of(step: Step) -> Trail:
    """The blocks that a layer was written in."""
    return tuple(reversed(step.layer.place.within))


def _common(trails: Sequence[Trail]) -> Trail:
    """What they begin with, all of them."""
    first, last = min(trails, key=len), trails
    for length in range(len(first), 0, -1):
        if all(trail[:length] == first[:length] for trail in last):
            return first[:length]
    return ()


def _keyword(name: str, place: Place) -> str:
    if not name.isidentifier():
        raise RecipeError(f"the argument {name!r} cannot be written as Python", place)
    return name


def _key(one: _Found, depth: int) -> Any:
    """What stands next on the way down to a step: a repeat, a block, or itself."""
    if one.turns < len(one.step.turns):
        repeat = one.step.turns[one.turns].repeat
        within = tuple(reversed(repeat.place.within))
        if not (len(within) > depth and within[: depth + 1] == one.trail[: depth + 1]):
            return ("turns", id(repeat))
    return ("use", one.trail[depth]) if len(one.trail) > depth else None


def _runs(found: Sequence[_Found], depth: int) -> Iterator[tuple[str | None, list[_Found]]]:
    """Neighbours that stand in the same repeat or the same block; a layer that stands in none comes alone."""
    for key, run in groupby(found, lambda one: _key(one, depth)):
        members = list(run)
        if key is None:
            yield from ((None, [one]) for one in members)
        elif key[0] == "use":
            yield "use", members
        else:
            for again in _from_the_first_turn(members):
                yield "turns", again


def _from_the_first_turn(found: Sequence[_Found]) -> Iterator[list[_Found]]:
    """One repeat may be used twice in a row: the count begins anew."""
    members: list[_Found] = []
    for one in found:
        if members and _index(one) < _index(members[-1]):
            yield members
            members = []
        members.append(one)
    yield members


def _by_turn(found: Sequence[_Found]) -> Iterator[list[_Found]]:
    for _, turn in groupby(found, _index):
        yield [replace(one, turns=one.turns + 1) for one in turn]


def _index(one: _Found) -> int:
    return one.step.turns[one.turns].index
