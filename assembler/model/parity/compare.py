"""The comparison: each layer gets what its module got, so that a difference is of one layer and of none before.

While the model runs, the output of each paired Cell is replaced by that of the module::

    here    Dense ─▶ GELU ─▶ Dense        there   fc1 ─▶ gelu ─▶ fc2
            └─ fc1's output ─▶ compared, as the input of the second Dense, with that of fc2

What is between two pairs has no parameters, and is compared as the input of the second. The model also runs without
this, from the sample to its outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np
from mindspore import Tensor, nn

from assembler.errors import LayerFault
from assembler.layers.attention import Attention
from assembler.layers.swiglu import SwiGLU
from assembler.model import naming
from assembler.model.build import cells_by_path
from assembler.model.inputs import Array
from assembler.model.parity import causes
from assembler.model.parity.calls import Apart, Call, apart, call_model
from assembler.model.parity.pairs import Pair, pairs_of
from assembler.model.parity.paths import enclosing, modules_by_path
from assembler.model.parity.report import Compared, Comparison, Finding
from assembler.model.parity.segments import Segment, segments
from assembler.model.parity.torch_module import call_module
from assembler.model.parity.traits import Made, computes_as_its_class, length_notes, made_with, training_notes
from assembler.planning.plan import Plan
from assembler.runtime import device
from assembler.words import counted

if TYPE_CHECKING:
    import torch.nn

FAINT = 2.0**-12
"""An input times this has variances at which an epsilon is seen."""

LAST: Mapping[type, str] = {Attention: "output", SwiGLU: "down"}
"""Cells that compute between the layers in them → the layer that gets the result."""


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
            LayerFault: the module does not accept the sample, or returns no tensor.
        """
        found = self._compare(self.pairs)
        pair = found.first.pair if found.first else None
        if pair is None or not _does_more(pair, self.pairs, self.modules):
            return found
        # The module may compute in itself what the layers after the Cell do: one that adds an activation to a Linear.
        others = {path: other for path, other in self.pairs.items() if other.there != pair.there}
        again = self._compare(others)
        if again.first is not None:
            return found
        computes = f"{pair.there[0]} {type(self.modules[pair.there[0]]).__name__} computes more than this layer"
        note = f"{self._title(pair.here)}: {computes.strip()}; the layers after it were compared with it"
        return replace(again, notes=(*again.notes, note))

    def _compare(self, pairs: Mapping[str, Pair]) -> Comparison:
        parts, expected = segments(self.model, self.cells, self.module, self.modules, self.inputs, pairs, self.names)
        rows: list[Compared] = []
        for part in parts:
            found = self._apart(part)
            if part.pair is not None:
                rows.append(self._row(part.pair, found))
            if found is not None and found.is_beyond:
                rows += [] if part.pair is not None else [Compared("output", "output", found)]
                return Comparison(tuple(rows), self._finding(parts, part, found), self._notes())
        _, outputs = call_model(self.model, self.inputs, {})
        arrays = (array for part in parts for array in part.arrays)
        whole = apart("output", outputs, expected, arrays, exactly=True)
        rows.append(Compared("output", "output", whole))
        is_beyond = whole is not None and whole.is_beyond
        said = "the output of the whole model; each layer alone is within the bound"
        if is_beyond:
            return Comparison(tuple(rows), Finding(said, ()), self._notes())
        notes = (*self._notes(), *self._too_short(), *self._unseen(parts), *_other_outputs(outputs, expected))
        return Comparison(tuple(rows), None, notes)

    def _apart(self, part: Segment) -> Apart | None:
        """The worst of a segment; an input beyond the bound is first."""
        if not part.there:
            return None
        assert part.pair is not None or not part.here.outputs
        there = part.there[0].inputs
        if part.pair is None:
            return apart("output", part.here.inputs, there, part.arrays, exactly=True)
        got = None if part.pair.is_bias else apart("input", part.here.inputs, there, part.arrays)
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
        if len(part.here.inputs) > 1 or len(part.there[0].inputs) > 1:
            return None
        here, there = (call.inputs[0] * np.float32(FAINT) for call in (part.here, part.there[0]))
        _, outputs = call_model(self.cells[part.pair.here], [Tensor(here)], {})
        try:
            _, expected = call_module(module, [there], ())
        except LayerFault:  # it takes more than a tensor
            return None
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
            found_causes = tuple(causes.of_pair(self._made(part.pair.here), there, part, calls))
            return Finding(where, found_causes, part.pair if found.what == "output" else None)
        between = causes.changing(part.between)
        made = {call.path: self._made(call.path) for call in between}
        if part.pair is not None and (within := self._within(parts, part)) is not None:
            return within if within.causes else Finding(within.where, self._between(made, part))
        both, uncalled = causes.first_apart(part), self._uncalled(parts, part)
        ends = [self._title(one.here) for one in (part.before, part.pair) if one]
        where = f"after {ends[0]}" if part.pair is None else f"between {' and '.join(ends)}"
        where = f"before {ends[0]}" if part.before is None and part.pair is not None else where
        shown = between if both is None else [both[0]]
        layers = ", ".join(self._title(call.path) for call in shown) or "no layer"
        return Finding(f"{layers}, {where}", (*uncalled, *self._between(made, part)))

    def _between(self, made: Mapping[str, Made], part: Segment) -> tuple[str, ...]:
        return (*causes.of_between(made, self.modules, part), *self._other_input(part))

    def _uncalled(self, parts: Sequence[Segment], part: Segment) -> tuple[str, ...]:
        """The modules of layers between two pairs that the PyTorch module does not call."""
        before = list(takewhile(lambda one: one is not part, parts))
        start = max((place + 1 for place, one in enumerate(before) if one.there), default=0)
        paths = [one.pair.there[0] for one in before[start:] if one.pair is not None]
        called = {call.path for one in parts for call in one.there}
        return tuple(
            f"{path} {type(self.modules[path]).__name__} is not called there" for path in paths if path not in called
        )

    def _unseen(self, parts: Sequence[Segment]) -> Iterator[str]:
        """What layers without parameters were made with that differs, where the sample shows no difference."""
        for part in parts:
            made = {call.path: self._made(call.path) for call in part.between}
            for path, said in causes.unseen(made, self.modules, part):
                yield f"{self._title(path)}: {said}; the sample does not show it"

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


def _does_more(pair: Pair, pairs: Mapping[str, Pair], modules: Mapping[str, torch.nn.Module]) -> bool:
    """Whether a module computes more than the layer of PyTorch that it is, or is several layers here."""
    is_several = sum(one.there == pair.there for one in pairs.values()) > 1 and pair.rows is None
    return is_several or not all(computes_as_its_class(modules[path]) for path in pair.there)


def _other_outputs(here: Sequence[Array], there: Sequence[Array]) -> Iterator[str]:
    """Outputs that only one has, as an auxiliary head of which the module makes use in training alone."""
    if len(there) != len(here):
        own, returned = counted(len(here), "output"), counted(len(there), "tensor")
        yield f"the recipe has {own}, and the module returns {returned}; the others were not compared"


def _calls_in(path: str, parts: Sequence[Segment]) -> list[Call]:
    """The calls of modules without parameters in a module."""
    return [call for part in parts for call in part.between_there if call.path.startswith(f"{path}.")]
