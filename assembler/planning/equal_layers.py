"""Equal layers with equal inputs are planned once: what is known of the first is repeated for the others.

``2 * Residual(Dense(_, 8))`` on (4, 8) is planned for #0. For #1 the row of ``0.inner`` is recorded as ``1.inner``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any

from assembler.binding.structure import Step
from assembler.language.recipe import Graph, Layer
from assembler.planning.equal_calls import signature
from assembler.planning.plan import Row
from assembler.planning.row_table import RowTable
from assembler.planning.step_notes import Note, StepNotes


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a layer for an input.

    Args:
        inferred: the values of the arguments marked ``_``.
        row: its row.
        output: what it emits, with a Spec for each tensor.
        peak: bytes alive at once inside it, beside its input.
        rows: those of the layers inside it.
        inside: what is noted of those layers, in reading order.
    """

    inferred: Mapping[str, Any]
    row: Row
    output: Any
    peak: int
    rows: tuple[Row, ...] = ()
    inside: tuple[Note, ...] = ()


class EqualLayers:
    """Remembers what is known of each layer as written for each input."""

    def __init__(self, rows: RowTable, notes: StepNotes):
        self._rows = rows
        self._notes = notes
        self._known: dict[Hashable, Known] = {}
        self._written = _Written()

    def key(self, step: Step, inside: Sequence[Step], inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Hashable:
        """What equal layers have in common; None of those that are always planned anew.

        The layer as written is the same object in every turn of a repeat, and an equal one in those of a loop. A shared
        part is one Cell, not one of several equals.
        """
        if named or any(one.shared for one in inside):
            return None
        return self._written.number(step.graph or step.layer), signature(inputs)

    def find(self, key: Hashable) -> Known | None:
        """What is known of an equal layer."""
        return None if key is None else self._known.get(key)

    def remember(self, key: Hashable, known: Known, inside: Sequence[Step], since: int) -> None:
        """Remember a layer that was planned.

        Args:
            inside: the layers inside it.
            since: the index of the first of their rows.
        """
        if key is not None:
            notes = tuple(map(self._notes.of, inside))
            self._known[key] = replace(known, rows=self._rows.since(since), inside=notes)

    def repeat(self, known: Known, step: Step, path: str, inside: Sequence[Step]) -> None:
        """Record of a layer, and of the layers inside it, what is known of its equal."""
        self._notes.note_inferred(step, path, known.inferred)
        before = len(known.row.path)
        for one, note in zip(inside, known.inside, strict=True):
            self._notes.repeat(one, note, before, path)
        for row in known.rows:
            self._rows.add(replace(row, path=path + row.path[before:]))


class _Written:
    """Numbers layers as written: equal ones at one place, such as those of the turns of a loop, have one number.

    A layer inside another is in its key by its number, so that nested layers are read once.
    """

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._by_identity: dict[int, int] = {}

    def number(self, written: Layer | Graph) -> int:
        """The number of a layer, or of a graph."""
        if id(written) not in self._by_identity:
            key = (type(written), written.place, *self._fields(written))
            self._by_identity[id(written)] = self._numbers.setdefault(key, len(self._numbers))
        return self._by_identity[id(written)]

    def _key(self, value: Any) -> Hashable:
        """What equal values have in common. 1 is neither True nor 1.0."""
        if type(value) in _PLAIN:
            return type(value), value
        if isinstance(value, Layer | Graph):
            return type(value), self.number(value)
        if isinstance(value, list | tuple):
            return (type(value), *map(self._key, value))
        if isinstance(value, dict):
            return (dict, *((self._key(key), self._key(item)) for key, item in value.items()))
        if is_dataclass(value):
            return (type(value), *self._fields(value))
        if isinstance(value, float):
            return float, repr(value)
        return type(value), value if isinstance(value, Hashable) else id(value)

    def _fields(self, value: Any) -> Iterator[Hashable]:
        """The fields of a dataclass in which equal ones are equal."""
        return (self._key(getattr(value, name)) for name in _compared(type(value)))  # type: ignore[arg-type]


_PLAIN = (int, str, bool, type(None))


@cache
def _compared(kind: type) -> tuple[str, ...]:
    """The names of those fields."""
    return tuple(one.name for one in fields(kind) if one.compare)
