"""Building layers on MindSpore's meta device, with placeholders for the layers inside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mindspore import nn

from assembler.binding.structure import Step, Steps, walk
from assembler.errors import ArgumentMismatch, AssemblerError, noted, raise_all
from assembler.planning.cell_copies import made_without_storage
from assembler.planning.cells import cast, in_a_row, make
from assembler.planning.memory import LayerMemory
from assembler.planning.placeholders import Planner, name_placeholders, placeholder
from assembler.planning.plan import Weight
from assembler.planning.probing import Trials
from assembler.planning.step_notes import StepNotes
from assembler.planning.tensors import weights_of
from assembler.settings import Dtype


class Builder:
    """Makes the Cells of one planning run.

    Args:
        dtype: what float32 parameters are turned into.
        notes: where it notes which layers each container keeps.
        planner: what the placeholders call.
        memory: of layers that earlier plans made.
    """

    def __init__(
        self, dtype: Dtype, trials: Trials, notes: StepNotes, planner: Planner, memory: LayerMemory | None = None
    ):
        self._dtype: Dtype = dtype
        self._memory = memory
        self._trials = trials
        self._notes = notes
        self._planner = planner
        self._tried: dict[int, nn.Cell] = {}  # the layer as written, by identity → a Cell that nothing has called
        self._shared: dict[Step, nn.Cell] = {}  # shared parts without storage
        self._inside: set[Step] = set()  # those that a layer keeps as they are, and not as placeholders

    def try_constructors(self, steps: Steps) -> None:
        """Make each distinct layer whose arguments are all known, so that all refusals are reported at once.

        Raises:
            AssemblerError, Mistakes: what the constructors refuse.
        """
        tried = set()
        mistakes: list[AssemblerError] = []
        for step in walk(steps):
            if id(step.layer) in tried or step.unknown or step.is_container or step.shared:
                continue
            tried.add(id(step.layer))
            if self._memory is not None and self._memory.was_made(step, self._dtype):
                continue
            with noted(mistakes):
                self._tried[id(step.layer)] = self.build_on_meta(step)
        raise_all(mistakes)

    def take(self, step: Step, path: str) -> nn.Cell:
        """A Cell without storage to call: the one whose constructor was tried, one that was kept, or a new one.

        One Cell serves one call, for a call may change it, unless it is given back.
        """
        if (tried := self._tried.pop(id(step.layer), None)) is not None:
            return tried
        kept = self._memory.take(step, self._dtype) if self._memory is not None else None
        return self.build_on_meta(step, path) if kept is None else kept

    def give_back(self, step: Step, cell: nn.Cell) -> None:
        """Keep a Cell that was called for plans that call it for other inputs."""
        if self._memory is not None:
            self._memory.keep(step, self._dtype, cell)

    def build_on_meta(self, step: Step, path: str = "") -> nn.Cell:
        """The layer's Cell without storage."""
        with self._trials.on_meta():
            return self.build(step, path)

    def build(self, step: Step, path: str) -> nn.Cell:
        """The layer's Cell, with placeholders for the layers inside it; of a shared part, always the same.

        Raises:
            AssemblerError: the constructor refuses its arguments.
        """
        return self._one_if_shared(step, self._build_anew, step, path)

    def weights(self, cell: nn.Cell) -> tuple[Weight, ...]:
        """The parameters for the row of a Cell: all but those of shared parts, which have rows of their own."""
        own = set(map(id, cell.get_parameters())) if self._shared else set()
        others: set[int] = set()
        for step, part in self._shared.items():
            parameters = own.intersection(map(id, part.get_parameters()))
            if parameters and not any(inner is cell for _, inner in part.cells_and_names()):
                self._inside.add(step)
                others |= parameters
        return weights_of(cell, others)

    def has_inside(self, step: Step) -> bool:
        """Whether parameters of a shared part were found in a layer that has it inside."""
        return step in self._inside

    def _one_if_shared(self, step: Step, build: Callable[..., nn.Cell], *given: Any) -> nn.Cell:
        """A new Cell; of a shared part without storage, always the same."""
        if not step.shared or self._trials.real:
            return build(*given)
        if step not in self._shared:
            self._shared[step] = build(*given)
        return self._shared[step]

    def _build_anew(self, step: Step, path: str) -> nn.Cell:
        created = partial(self._make, step)
        cell = created() if self._trials.real else made_without_storage(created, self._trials)
        self._notes.note_slots(name_placeholders(cell, path))
        cast(cell, self._dtype, meta=not self._trials.real)
        cell.set_train(False)
        return cell

    def _make(self, step: Step) -> nn.Cell:
        """Make a layer of placeholders or, if it looks into its layers as those of a Transformer do, of layers."""
        try:
            return make(step, partial(placeholder, self._planner, step))
        except AssemblerError as first:
            if not step.is_container:
                raise
            try:
                return make(step, partial(self._build_inner, step))
            except ArgumentMismatch as second:
                if isinstance(first.__cause__, ValueError):  # of a value, and not of a layer that it looked into
                    raise first from first.__cause__
                if first.message != second.message:
                    second.message += f" ({first.message})"
                raise second from first

    def _build_inner(self, owner: Step, steps: Steps) -> nn.Cell:
        """Layers inside a layer that looks into them: they have to be there, so nothing can be inferred for them."""
        for step in steps:
            if step.unknown:
                message = (
                    f"'_' cannot be inferred inside {owner.layer.name}, which looks into its layers; write the value"
                )
                raise ArgumentMismatch(message, step.layer.place)
        cells = [self._one_if_shared(step, make, step, partial(self._build_inner, step)) for step in steps]
        return cells[0] if len(cells) == 1 else in_a_row(steps, cells)
