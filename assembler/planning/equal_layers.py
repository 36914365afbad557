"""Equal layers with equal inputs are planned once: what is known of the first is repeated for the others.

``2 * Residual(Dense(_, 8))`` on (4, 8) is planned for #0. For #1 the row of ``0.inner`` is recorded as ``1.inner``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from assembler.binding.structure import Step
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
        self._written: dict[int, Hashable] = {}  # the layer as written, by identity → what it is

    def key(self, step: Step, inside: Sequence[Step], inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Hashable:
        """What equal layers have in common; None of those that are always planned anew.

        The layer as written is the same object in every turn of a repeat, and an equal one in those of a group with
        ``for``. A shared part is one Cell, not one of several equals.
        """
        if named or any(one.shared for one in inside):
            return None
        identity = id(step.layer)
        if identity not in self._written:
            written = step.graph or step.layer
            self._written[identity] = written.place, _as_written(written)
        return self._written[identity], signature(inputs)

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


def _as_written(value: Any) -> Hashable:
    """What equal parts of a recipe have in common. 1 is neither True nor 1.0."""
    if isinstance(value, list | tuple):
        return (type(value), *map(_as_written, value))
    if isinstance(value, dict):
        return (dict, *((_as_written(key), _as_written(item)) for key, item in value.items()))
    if is_dataclass(value):
        return (type(value), *(_as_written(getattr(value, one.name)) for one in fields(value) if one.compare))
    if isinstance(value, float):
        return float, repr(value)
    return type(value), value if isinstance(value, Hashable) else id(value)
