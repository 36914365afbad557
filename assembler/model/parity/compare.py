"""The comparison: each layer gets what its module got, so that a difference is of one layer and of none before.

While the model runs, the output of each paired Cell is replaced by that of the module::

    here    Dense ─▶ GELU ─▶ Dense        there   fc1 ─▶ gelu ─▶ fc2
            └─ fc1's output ─▶ compared, as the input of the second Dense, with that of fc2

What is between two pairs has no parameters, and is compared as the input of the second. The model also runs without
this, from the sample to its outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from mindspore import Tensor, nn

from assembler.layers.attention import Attention
from assembler.layers.swiglu import SwiGLU
from assembler.model import naming
from assembler.model.build import cells_by_path
from assembler.model.parity import causes
from assembler.model.parity.calls import Apart, Call, apart, call_model
from assembler.model.parity.pairs import Pair, pairs_of
from assembler.model.parity.paths import enclosing, modules_by_path
from assembler.model.parity.segments import Segment, segments
from assembler.model.parity.torch_module import call_module
from assembler.model.parity.traits import Made, length_notes, made_with, training_notes
from assembler.planning.plan import Plan
from assembler.runtime import device

if TYPE_CHECKING:
    import torch.nn

FAINT = 2.0**-12
"""An input times this has variances at which an epsilon is seen."""

LAST: Mapping[type, str] = {Attention: "output", SwiGLU: "down"}
"""Cells that compute between the layers in them → the layer that gets the result."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One row of the report.

    Args:
        here: the Cell, as ``#2 Dense``.
        there: the modules, as ``fc2 Linear``.
        apart: of its input, its output and its output for a faint input, the largest difference as a part of the bound.
            None if the module is not called as such; the next row includes it.
    """

    here: str
    there: str
    apart: Apart | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The first layer beyond the bound.

    Args:
        where: the layer, or the layers between two pairs.
        causes: likely ones, with what to write instead; empty if none was found.
    """

    where: str
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result.

    Args:
        rows: in the order of the model's calls, up to the first beyond the bound.
        first: that one; None if all agree.
        notes: what differs and cannot be seen in inference.
    """

    rows: tuple[Compared, ...]
    first: Finding | None
    notes: tuple[str, ...]


class Comparing:
    """A model and a PyTorch module with the same weights, both in inference in float32.

    Args:
        model: the model, whose parameters are loaded.
        planned: its plan.
        inputs: the sample.
        module: the PyTorch module.
        mapping: the assignment of the module's tensors to the model's parameters.
        names: the module's argument that each input is; none if they are the first ones.
    """

    def __init__(
        self,
        model: nn.Cell,
        planned: Plan,
        inputs: Sequence[Tensor],
        module: torch.nn.Module,
        mapping: naming.NameMapping,
        names: Sequence[str] = (),
    ):
        self.model, self.planned, self.inputs, self.module, self.names = model, planned, inputs, module, names
        self.cells, self.modules = cells_by_path(model), modules_by_path(module)
        self.pairs = pairs_of(mapping, self.cells, self.modules)
        self._titles = {row.path: str(row) for row in planned.rows}

    def run(self) -> Comparison:
        """Compare.

        Raises:
            LayerFault: the module does not accept the sample.
        """
        parts, expected = segments(
            self.model, self.cells, self.module, self.modules, self.inputs, self.pairs, self.names
        )
        rows: list[Compared] = []
        for part in parts:
            found = self._apart(part)
            if part.pair is not None:
                rows.append(self._row(part.pair, found))
            if found is not None and found.is_beyond:
                rows += [] if part.pair is not None else [Compared("output", "output", found)]
                return Comparison(tuple(rows), self._finding(parts, part, found), self._notes())
        _, outputs = call_model(self.model, self.inputs, {})
        whole = apart("output", outputs, expected, (array for part in parts for array in part.arrays))
        rows.append(Compared("output", "output", whole))
        is_beyond = whole is not None and whole.is_beyond
        said = "the output of the whole model; each layer alone is within the bound"
        if is_beyond:
            return Comparison(tuple(rows), Finding(said, ()), self._notes())
        return Comparison(tuple(rows), None, (*self._notes(), *self._too_short()))

    def _apart(self, part: Segment) -> Apart | None:
        """The worst of a segment; an input beyond the bound is first."""
        if not part.there:
            return None
        assert part.pair is not None or not part.here.outputs
        there = part.there[0].inputs
        got = apart("input" if part.pair else "output", part.here.inputs, there, part.arrays)
        if part.pair is None:
            return got
        got = None if part.pair.is_bias else got
        emitted = apart("output", part.here.outputs, part.pair.outputs(part.there), part.arrays)
        if got is not None and got.is_beyond:
            is_equal = got.shapes[0] == got.shapes[1]
            if is_equal or (emitted is not None and emitted.is_beyond):  # a module may pad outside of itself
                return got
        found = [one for one in (emitted, self._faint(part)) if one is not None]
        return max(found, key=lambda one: one.part, default=None)

    def _faint(self, part: Segment) -> Apart | None:
        """The outputs of a normalization for a faint input; None for other layers."""
        assert part.pair is not None
        module = self.modules[part.pair.there[0]]
        sizes = [parameter.ndim for parameter in module.parameters()]
        if len(part.there) > 1 or part.pair.rows or list(module.children()) or max(sizes, default=2) > 1:
            return None
        here, there = (call.inputs[0] * np.float32(FAINT) for call in (part.here, part.there[0]))
        _, outputs = call_model(self.cells[part.pair.here], [Tensor(here)], {})
        _, expected = call_module(module, [there], ())
        return apart("faint input", outputs, expected, [here])

    # ---- words

    def _row(self, pair: Pair, found: Apart | None) -> Compared:
        there = ", ".join(f"{path} {type(self.modules[path]).__name__}".strip() for path in pair.there)
        rows = f" {pair.rows[0]}:{pair.rows[1]}" if pair.rows else ""
        return Compared(self._title(pair.here).partition("(")[0], f"{there}{rows}", found)

    def _title(self, path: str) -> str:
        return self._titles.get(path) or f"#{path} {type(self.cells[path]).__name__}"

    def _made(self, path: str) -> Made:
        return made_with(self.planned, path, self.cells[path])

    def _finding(self, parts: Sequence[Segment], part: Segment, found: Apart) -> Finding:
        if part.pair is not None and found.what != "input":
            there = enclosing(part.pair.there[0], self.modules)
            module = type(there[0]).__name__ if list(there[0].children()) else there[0]
            where = f"{self._title(part.pair.here)}, which is {part.pair.there[0]} {module} there"
            calls = _calls_in(part.pair.there[0], parts)
            return Finding(where, tuple(causes.of_pair(self._made(part.pair.here), there, part, calls)))
        between = causes.changing(part.between)
        made = {call.path: self._made(call.path) for call in between}
        if part.pair is not None and (within := self._within(parts, part)) is not None:
            return within if within.causes else Finding(within.where, self._between(made, part))
        both = causes.first_apart(part)
        ends = [self._title(one.here) for one in (part.before, part.pair) if one]
        where = f"after {ends[0]}" if part.pair is None else f"between {' and '.join(ends)}"
        where = f"before {ends[0]}" if part.before is None and part.pair is not None else where
        shown = between if both is None else [both[0]]
        layers = ", ".join(self._title(call.path) for call in shown) or "no layer"
        return Finding(f"{layers}, {where}", self._between(made, part))

    def _between(self, made: Mapping[str, Made], part: Segment) -> tuple[str, ...]:
        return (*causes.of_between(made, self.modules, part), *self._other_input(part))

    def _other_input(self, part: Segment) -> Iterator[str]:
        """Whether a layer gets one of several inputs, and the module something else."""
        given = [device.as_array(one) for one in self.inputs]
        if len(given) > 1 and any(np.array_equal(one, got) for one in given for got in part.here.inputs):
            yield "it gets an input of the recipe here, and other values there; --inputs names the module's arguments"

    def _within(self, parts: Sequence[Segment], part: Segment) -> Finding | None:
        """The finding if a Cell computes, by functions that no call shows, what is between layers in it."""
        assert part.pair is not None
        path, _, last = part.pair.here.rpartition(".")
        if part.before is None or LAST.get(type(self.cells.get(path))) != last:
            return None
        name = part.before.there[0].rpartition(".")[0]
        there = enclosing(name, self.modules)
        where = f"{self._title(path)}, which is {f'{name} {type(there[0]).__name__}'.strip()} there"
        return Finding(where, tuple(causes.of_within(self.cells[path], there, part, _calls_in(name, parts))))

    def _notes(self) -> tuple[str, ...]:
        return tuple(
            f"{self._title(pair.here)}: {note}"
            for pair in self.pairs.values()
            for note in training_notes(self._made(pair.here), self.modules[pair.there[0]])
        )

    def _too_short(self) -> Iterator[str]:
        """What the sample is too short to show, each once."""
        found: dict[str, str] = {}
        for pair in self.pairs.values():
            for path in (pair.here, pair.here.rpartition(".")[0]):
                for note in length_notes(self.cells[path], enclosing(pair.there[0], self.modules)[1:]):
                    found.setdefault(note, self._title(path))
        yield from (f"{title}: {note}" for note, title in found.items())


def _calls_in(path: str, parts: Sequence[Segment]) -> list[Call]:
    """The calls of modules without parameters in a module."""
    return [call for part in parts for call in part.between_there if call.path.startswith(f"{path}.")]
