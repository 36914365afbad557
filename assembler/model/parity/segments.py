"""One call of each model, cut into parts: a pair of layers, and what is without parameters before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mindspore import Tensor, nn

from assembler.model.inputs import Array
from assembler.model.parity.calls import Call, Watch, agreeing, call_model
from assembler.model.parity.pairs import Pair
from assembler.model.parity.paths import first_paths
from assembler.model.parity.torch_module import call_module
from assembler.runtime import device

if TYPE_CHECKING:
    import torch.nn


ACTIVATION = ".activation"
"""Where a Dense has the layer of its argument ``activation``."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A pair with its calls, and the calls since the pair before. The last segment ends with the model's outputs.

    Args:
        pair: None for the last one.
        here: the call of the Cell; for the last one the outputs are its inputs.
        there: the calls of the modules; none if they were not called alone.
        between: the calls of Cells without parameters before it.
        between_there: those of modules.
        before: the pair before.
    """

    pair: Pair | None
    here: Call
    there: tuple[Call, ...]
    between: tuple[Call, ...]
    between_there: tuple[Call, ...]
    before: Pair | None

    @property
    def arrays(self) -> Iterable[Array]:
        """Everything whose roundings count, one at a time."""
        calls = [self.here, *self.there, *self.between, *self.between_there]
        return (array for call in calls for arrays in (call.inputs, call.outputs) for array in arrays)


def segments(
    model: nn.Cell,
    cells: Mapping[str, nn.Cell],
    module: torch.nn.Module,
    modules: Mapping[str, torch.nn.Module],
    inputs: Sequence[Tensor],
    pairs: Mapping[str, Pair],
    names: Sequence[str] = (),
) -> tuple[list[Segment], tuple[Array, ...]]:
    """Call both models, and cut the calls into segments in the order of the model's.

    The output of a Cell is replaced by what the module emits, so that no difference is passed on.

    Args:
        names: the module's argument that each input is; none if they are the first ones.

    Returns:
        The segments, and the outputs of the module.
    """
    watched = {path for pair in pairs.values() for path in pair.there} | _plain_modules(modules)
    there = _There(*call_module(module, [device.as_array(one) for one in inputs], sorted(watched), names))
    calls, outputs = call_model(model, inputs, _watched(cells, pairs), _Replacing(there, pairs, cells))
    return list(_cut(calls, outputs, there, pairs)), there.outputs


def _is_alike(here: Sequence[Array], there: Sequence[Call]) -> bool:
    """Whether a Cell and a module get inputs of one kind; LearnedPositions gets vectors, an Embedding numbers."""
    kinds = [[array.dtype.kind == "f" for array in arrays[:1]] for arrays in (here, there[0].inputs if there else ())]
    return kinds[0] == kinds[1]


class _There:
    """The calls of the module.

    Args:
        calls: in the order of their ends.
        outputs: of the whole module.
    """

    def __init__(self, calls: Sequence[Call], outputs: tuple[Array, ...]):
        self.calls = calls
        self.outputs = outputs
        self._places: dict[str, list[int]] = {}
        for place, call in enumerate(calls):
            self._places.setdefault(call.path, []).append(place)

    def places_of(self, pair: Pair, number: int) -> list[int]:
        """Where the calls are that belong to one call of a Cell; empty if one is missing."""
        of_each = [self._places.get(path, []) for path in pair.there]
        return [places[number] for places in of_each] if all(number < len(places) for places in of_each) else []

    def calls_of(self, pair: Pair, number: int) -> tuple[Call, ...]:
        """Those calls."""
        return tuple(self.calls[place] for place in self.places_of(pair, number))


class _Replacing(Watch):
    """A Cell of a pair gets and emits what its module does; of a Dense with an activation, the activation gets that."""

    def __init__(self, there: _There, pairs: Mapping[str, Pair], cells: Mapping[str, nn.Cell]):
        self.there = there
        self.pairs = pairs
        self.activated = {path for path in pairs if f"{path}{ACTIVATION}" in cells}
        self.counts: Counter[str] = Counter()

    def given(self, path: str, inputs: Sequence[Array]) -> Array | None:
        """The input of the module; for an activation, the output of the module."""
        owner = path.removesuffix(ACTIVATION)
        found = self._calls(owner)
        if not found or not inputs or self.pairs[owner].is_bias or (owner == path and not _is_alike(inputs, found)):
            return None
        arrays = found[0].inputs if owner == path else self.pairs[owner].outputs(found)
        return agreeing(arrays[0], inputs[0]) if arrays else None

    def emitted(self, call: Call) -> Array | None:
        """The output of the module."""
        if call.path not in self.pairs:
            return None
        found = self._calls(call.path)
        self.counts[call.path] += 1
        if not _is_alike(call.inputs, found) or len(call.outputs) > 1 or call.path in self.activated:
            return None
        outputs = self.pairs[call.path].outputs(found)
        return agreeing(outputs[0], call.outputs[0]) if len(outputs) == 1 else None

    def _calls(self, path: str) -> tuple[Call, ...]:
        return self.there.calls_of(self.pairs[path], self.counts[path]) if path in self.pairs else ()


def _cut(
    calls: Sequence[Call], outputs: tuple[Array, ...], there: _There, pairs: Mapping[str, Pair]
) -> Iterator[Segment]:
    paired = {path for pair in pairs.values() for path in pair.there}
    counts: Counter[str] = Counter()
    between: list[Call] = []
    before: Pair | None = None
    end = 0

    def plain(start: int, stop: int) -> tuple[Call, ...]:
        return tuple(call for call in there.calls[start:stop] if call.path not in paired)

    for call in calls:
        pair = pairs.get(call.path)
        if pair is None:
            between.append(call)
            continue
        activation = between.pop() if between and between[-1].path == f"{call.path}{ACTIVATION}" else None
        if activation is not None:
            call = Call(call.path, call.inputs, activation.inputs)
        places = there.places_of(pair, counts[call.path])
        counts[call.path] += 1
        places = places if _is_alike(call.inputs, [there.calls[place] for place in places]) else []
        found = tuple(there.calls[place] for place in places)
        yield Segment(pair, call, found, tuple(between), plain(end, min(places, default=end)), before)
        if places:
            between, before, end = [], pair, max(end, max(places) + 1)
        between += [activation] if activation is not None else []
    last = Call("", outputs, ())
    expected = Call("", there.outputs, ())
    yield Segment(None, last, (expected,), tuple(between), plain(end, len(there.calls)), before)


def _plain_modules(modules: Mapping[str, torch.nn.Module]) -> set[str]:
    """The modules without parameters and without modules in them, each by its first path."""
    first = first_paths(modules)
    return {
        path
        for path, module in modules.items()
        if first[id(module)] == path and not list(module.children()) and not list(module.parameters())
    }


def _watched(cells: Mapping[str, nn.Cell], pairs: Mapping[str, Pair]) -> dict[str, nn.Cell]:
    """The Cells of pairs, and those without parameters and Cells in them; each once, at the path of its pair."""
    found: dict[int, str] = {}
    for path, cell in cells.items():
        is_plain = not list(cell.cells()) and not list(cell.get_parameters())
        if path in pairs or (is_plain and id(cell) not in found):
            found[id(cell)] = path
    return {path: cells[path] for path in found.values()}
