"""What planning finds out about each step: the values of ``_``, and the path of its layer in the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from assembler.binding.structure import Step, Steps
from assembler.errors import ShapeMismatch


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of one step; None for what is not known.

    Args:
        inferred: the values of the arguments marked ``_``.
        path: where the layer was called first.
        slot: where a container keeps it, called or not.
    """

    inferred: Mapping[str, Any] | None
    path: str | None
    slot: str | None


class StepNotes:
    """The notes of all steps."""

    def __init__(self) -> None:
        self._inferred: dict[Step, Mapping[str, Any]] = {}
        self._paths: dict[Step, str] = {}
        self._slots: dict[Step, str] = {}
        self._completed: dict[Step, Step] = {}

    def path(self, step: Step) -> str | None:
        """Where a layer was called first; None if it was not."""
        return self._paths.get(step)

    def slot(self, step: Step) -> str | None:
        """Where a container keeps a layer; None of layers that are inside none."""
        return self._slots.get(step)

    def of(self, step: Step) -> Note:
        """All that is known of a step."""
        return Note(self._inferred.get(step), self._paths.get(step), self._slots.get(step))

    def note_path(self, step: Step, path: str) -> None:
        """Note where a layer was called."""
        self._paths[step] = path

    def note_slots(self, slots: Mapping[Step, str]) -> None:
        """Note where a container keeps its layers."""
        self._slots.update(slots)

    def note_inferred(self, step: Step, path: str, found: Mapping[str, Any]) -> None:
        """Note the values of ``_``.

        Raises:
            ShapeMismatch: the same layer was used before and inferred other values.
        """
        known = self._inferred.setdefault(step, found)
        for name, value in found.items():
            if known[name] != value:
                message = f"#{path} {step.layer.name} is used twice and infers {name!r} as {known[name]} and as {value}"
                raise ShapeMismatch(message, step.layer.place)

    def repeat(self, step: Step, note: Note, before: int, path: str) -> None:
        """Note of a step what is known of its equal: of ``0.inner`` inside ``0``, ``7.inner`` inside ``7``.

        Args:
            before: the length of the path of the layer that the equal is inside.
            path: of the layer that the step is inside.

        Raises:
            ShapeMismatch: as ``note_inferred``.
        """
        if note.inferred is not None:
            self.note_inferred(step, path, note.inferred)
        if note.path is not None:
            self._paths[step] = path + note.path[before:]
        if note.slot is not None:
            self._slots[step] = path + note.slot[before:]

    def fill_in(self, steps: Steps) -> Steps:
        """The steps with the values of ``_`` and their paths filled in, at any depth."""
        return steps.mapped(self._fill_in_step)

    def _fill_in_step(self, step: Step) -> Step:
        if step not in self._completed:  # a shared part is one step, wherever it is used
            self._completed[step] = self._completion(step)
        return self._completed[step]

    def _completion(self, step: Step) -> Step:
        arguments = {**step.arguments, **self._inferred.get(step, {})}
        found = replace(step, arguments=arguments, path=self._paths.get(step, ""))
        return found.mapped(self.fill_in) if found.is_container else found
