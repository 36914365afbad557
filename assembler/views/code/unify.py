"""Several chains of layers → one, with slots where they differ; repeats → loops.

For the two uses of a block, ``Dense(8, 16) + ReLU`` and ``Dense(16, 4) + ReLU``::

    unify    → Dense(slot 1, slot 2) + ReLU      slot 1 has (8, 16), slot 2 has (16, 4)
    arrange  → names in_channels, out_channels    of the slots
    fill     → Dense(in_channels, out_channels) + ReLU

and the repeat ``Dense(8, 8) + Dense(8, 8) + Dense(8, 8)`` → ``for _ in range(3): Dense(8, 8)``.
"""

from __future__ import annotations

import keyword
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from assembler.views.code.terms import (
    Call,
    LayerArgument,
    Literal,
    Loop,
    Nest,
    Range,
    Reference,
    Sequential,
    Slot,
    Term,
    Turns,
    Variable,
    Wires,
    children,
    mapped,
    rebuilt,
    walk,
)

T = TypeVar("T", Call, Wires, Nest)


def unify(terms: Sequence[Term | None], hint: str = "") -> Term:
    """One term for several of one skeleton, with a slot where they differ and for each layer argument and shared part.

    Args:
        terms: None for a use that does not reach this place.
        hint: the name of their argument.
    """
    known = [term for term in terms if term is not None]
    match known[0]:
        case Call() as first:
            hints = [argument.name for argument in first.arguments]
            shape = _same(term.shape for term in known if isinstance(term, Call))
            return replace(_with(first, terms, hints), shape=shape)
        case Sequential() as first:
            return replace(first, items=tuple(_items(terms)))
        case Wires() as first:
            each = [term.shapes for term in known if isinstance(term, Wires)]
            wires = _with(first, terms, [name for name, _, _ in first.wires])
            return replace(wires, shapes=tuple(_same(column) for column in zip(*each, strict=True)))
        case Nest() as first if all(_alike(first, term) for term in known):
            return _with(first, terms, ["size" if hint.endswith("shape") else hint] * len(first.items))
        case LayerArgument() as first:
            return Slot(tuple(terms), hint if first.whole and hint else "part")
        case Reference() as first:
            return Slot(tuple(terms), first.name)
        case first:
            return first if all(term == first for term in known) else Slot(tuple(terms), hint)


def _with(first: T, terms: Sequence[Term | None], hints: Sequence[str]) -> T:
    """The first of several terms of one skeleton, with the children of all of them unified."""
    each = [None if term is None else list(children(term)) for term in terms]
    columns = ([None if one is None else one[at] for one in each] for at in range(len(hints)))
    found = map(unify, columns, hints)
    return rebuilt(first, lambda _: next(found))  # type: ignore[return-value]


def _alike(first: Nest, other: Term) -> bool:
    form = (first.brackets, first.before, len(first.items))
    return isinstance(other, Nest) and (other.brackets, other.before, len(other.items)) == form


def _same(texts: Iterable[str]) -> str:
    """The string, if all are equal; else an empty one."""
    first, *others = texts
    return first if all(other == first for other in others) else ""


def _items(rows: Sequence[Term | None]) -> Iterator[Term]:
    """The items of chains of one skeleton, unified, with loops for repeats."""
    length = next(len(row.items) for row in rows if isinstance(row, Sequential))
    for at in range(length):
        column = [row.items[at] if isinstance(row, Sequential) else None for row in rows]
        if any(isinstance(item, Turns) for item in column):
            yield from _repeat([item.rows if isinstance(item, Turns) else () for item in column])
        else:
            yield unify(column)


# ---- repeats


def _repeat(turns: Sequence[Sequence[Sequential]]) -> Iterator[Term]:
    """The turns of a repeat, for each of several uses: a loop, after the first turn if only that differs."""
    counts = [len(rows) for rows in turns]
    body, moving = _turn(turns)
    if not moving:
        yield from _loop(counts, body)
        return
    rest = [rows[1:] for rows in turns]
    later, still = _turn(rest)
    if not still:
        first, _ = _turn([rows[:1] for rows in turns])
        yield from first.items
        yield from _loop(counts, later, less=1)
        return
    yield from _loop_over(counts, body, moving)


def _turn(turns: Sequence[Sequence[Sequential]]) -> tuple[Sequential, list[Slot]]:
    """One turn for all, and the slots in it that change from turn to turn. The others have one value for each use."""
    owner = [use for use, rows in enumerate(turns) for _ in rows]
    flat = [row for rows in turns for row in rows]
    body = unify(flat)
    moving: list[Slot] = []

    def settle(term: Term) -> Term | None:
        if not isinstance(term, Slot):
            return None
        values: list[Term | None] = [None] * len(turns)
        for use, value in zip(owner, term.values, strict=True):
            if values[use] is not None and value is not None and values[use] != value:
                moving.append(term)
                return term
            values[use] = value if values[use] is None else values[use]
        return Slot(tuple(values), term.hint)

    settled = mapped(body, settle)
    assert isinstance(settled, Sequential)
    return settled, moving


def _count(counts: Sequence[int], less: int) -> Iterator[int]:
    return (count - less for count in counts if count)


def _loop(counts: Sequence[int], body: Sequential, less: int = 0) -> Iterator[Term]:
    """A loop of equal layers."""
    times = set(_count(counts, less))
    if times == {1}:
        yield from body.items
    elif times != {0}:
        known = tuple(literal_int(count) if count else None for count in counts)
        stop = literal_int(max(times)) if len(times) == 1 else Slot(known, "depth")
        yield Loop(("_",), Range(literal_int(0), stop, literal_int(1), less if len(times) > 1 else 0), body)


def _loop_over(counts: Sequence[int], body: Sequential, moving: Sequence[Slot]) -> Iterator[Term]:
    """A loop of layers with different arguments in each turn."""
    taken = {variable.text for variable in walk(body) if isinstance(variable, Variable)}
    taken |= {name for loop in walk(body) if isinstance(loop, Loop) for name in loop.names}
    found = arrange(moving, taken)
    columns = [list(_by_use(counts, values)) for values in found.values]
    body = found.fill(body)
    if len(columns) == 1:
        yield Loop(tuple(found.names), _progression(columns[0]) or _listed(columns[0], found.names[0]), body)
    else:
        each = [tuple(Nest("()", line) for line in zip(*uses, strict=True)) for uses in zip(*columns, strict=True)]
        yield Loop(tuple(found.names), _listed(each, "layers"), body)


def _by_use(counts: Sequence[int], values: Sequence[Term | None]) -> Iterator[tuple[Term, ...]]:
    start = 0
    known = next(value for value in values if value is not None)
    for count in counts:
        yield tuple(known if value is None else value for value in values[start : start + count])
        start += count


def _listed(uses: Sequence[tuple[Term, ...]], name: str) -> Term:
    nests = [Nest("()", values) for values in uses]
    return nests[0] if all(nest == nests[0] for nest in nests) else Slot(tuple(nests), f"each_{name}")


def _progression(uses: Sequence[tuple[Term, ...]]) -> Term | None:
    """Integers at equal distances as a range."""
    numbers = [[number for value in values if (number := _number(value)) is not None] for values in uses]
    if list(map(len, numbers)) != list(map(len, uses)) or max(map(len, numbers)) < 3:
        return None
    steps = {after - before for values in numbers for before, after in pairwise(values)}
    if len(steps) != 1 or (step := steps.pop()) == 0:
        return None
    start = unify([literal_int(values[0]) if values else None for values in numbers], "start")
    stop = unify([literal_int(values[-1] + step) if values else None for values in numbers], "stop")
    return Range(start, stop, literal_int(step))


def literal_int(number: int) -> Literal:
    """An integer as a term."""
    return Literal(str(number), number)


# ---- names for slots

Values = tuple[Term | None, ...]


@dataclass
class _EqualSlots:
    """Slots with equal values in every use."""

    values: Values
    slots: list[Slot]
    name: str = ""

    def takes(self, slot: Slot) -> bool:
        """Whether a slot has equal values, wherever both are known."""
        pairs = [(mine, other) for mine, other in zip(self.values, slot.values, strict=True) if mine and other]
        return bool(pairs) and all(mine == other and not isinstance(mine, LayerArgument) for mine, other in pairs)

    def add(self, slot: Slot) -> None:
        self.slots.append(slot)
        self.values = tuple(mine or other for mine, other in zip(self.values, slot.values, strict=True))


@dataclass
class Arranged:
    """Names for slots.

    Args:
        names: one for each argument.
        values: for each argument, one value per use.
        texts: slot → the expression in its place.
    """

    names: list[str]
    values: list[Values]
    texts: dict[Slot, str]

    def fill(self, row: Sequential) -> Sequential:
        """A chain with names in its slots."""
        found = mapped(row, self.at)
        assert isinstance(found, Sequential)
        return found

    def at(self, term: Term) -> Term | None:
        """The variable for a slot; None for other terms and for slots without a name."""
        if not isinstance(term, Slot) or term not in self.texts:
            return None
        first = next(value for value in term.values if value is not None)
        return Variable(self.texts[term], many=isinstance(first, LayerArgument) and not first.whole)


def arrange(slots: Sequence[Slot], taken: Collection[str]) -> Arranged:
    """Name slots: one name for equal slots, and none for those that follow from others by arithmetic."""
    groups: list[_EqualSlots] = []
    for slot in slots:
        for group in groups:
            if group.takes(slot):
                group.add(slot)
                break
        else:
            groups.append(_EqualSlots(slot.values, [slot]))
    _name(groups, slots, set(taken))
    follows = _following(groups)
    kept = [group for group in groups if id(group) not in follows]
    texts = {slot: follows.get(id(group), group.name) for group in groups for slot in group.slots}
    return Arranged([group.name for group in kept], [group.values for group in kept], texts)


def _name(groups: Sequence[_EqualSlots], slots: Sequence[Slot], taken: set[str]) -> None:
    """The first ``in_channels`` and the last ``out_channels`` keep their names; those between are hidden."""
    owner = {slot: group for group in groups for slot in group.slots}
    first = next((owner[slot] for slot in slots if slot.hint.startswith("in_")), None)
    last = next((owner[slot] for slot in reversed(slots) if slot.hint.startswith("out_")), None)
    for group in groups:
        ends = [slot.hint for slot in group.slots if slot.hint.startswith(("in_", "out_"))]
        hint = group.slots[0].hint or "value"
        if ends:
            stem = ends[0].partition("_")[2]
            hint = ends[0] if group is first else f"out_{stem}" if group is last else f"hidden_{stem}"
            hint = stem if group is first is last else hint
        group.name = unique(hint, taken)
        taken.add(group.name)


def unique(name: str, taken: Collection[str]) -> str:
    """A name that is not taken, with a number appended if needed."""
    name = f"{name}_" if keyword.iskeyword(name) else name
    return next(one for one in (name, *(f"{name}{number}" for number in range(2, len(taken) + 3))) if one not in taken)


_SMALL = ("kernel_size", "stride", "padding", "dilation", "depth", "start", "stop")


def _following(groups: Sequence[_EqualSlots]) -> dict[int, str]:
    """Arithmetic that computes a group's numbers from another's, by the group's id."""
    follows: dict[int, str] = {}
    needed: set[int] = set()
    for group in groups:
        for other in groups:
            if other is group or id(other) in follows or id(group) in needed:
                continue
            if text := _follows(group, other):
                follows[id(group)] = text
                needed.add(id(other))
                break
    return follows


def _follows(group: _EqualSlots, other: _EqualSlots) -> str | None:
    """``4 * channels`` or ``kernel_size // 2``, if that holds in every use, and there are at least two."""
    if group.name.startswith("out_") and other.name.startswith("in_"):
        return None
    pairs = {(_number(mine), _number(theirs)) for mine, theirs in zip(group.values, other.values, strict=True) if mine}
    numbers = [(mine, theirs) for mine, theirs in pairs if mine is not None and theirs is not None]
    if len(numbers) < 2 or len(numbers) < len(pairs):
        return None
    if group.name.startswith("pad") and all(mine == theirs // 2 for mine, theirs in numbers):
        return f"{other.name} // 2"
    if group.name in _SMALL or other.name in _SMALL or not all(theirs for _, theirs in numbers):
        return None
    factor = numbers[0][0] // numbers[0][1]
    if 2 <= factor <= 16 and all(mine == factor * theirs for mine, theirs in numbers):
        return f"{factor} * {other.name}"
    return None


def _number(term: Term | None) -> int | None:
    return term.value if isinstance(term, Literal) and type(term.value) is int else None
