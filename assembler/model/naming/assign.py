"""From a model and the names and shapes of a file to the assignments between them."""

from __future__ import annotations

import collections.abc as abc
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from assembler.model.naming.alignment import Alignment, Found, flat
from assembler.model.naming.mapping import Assignment, Mapping, Transform, without_ones
from assembler.model.naming.roles import is_computed, words
from assembler.model.naming.targets import Targets
from assembler.model.naming.trees import Shape, Unit, tree_of, units_of

FUSED = {
    "qkv": ("query", "key", "value"),
    "qkv_proj": ("query", "key", "value"),
    "in_proj": ("query", "key", "value"),
    "c_attn": ("query", "key", "value"),
    "wqkv": ("query", "key", "value"),
    "kv": ("key", "value"),
    "kv_proj": ("key", "value"),
    "gate_up_proj": ("gate", "up"),
}
"""Layers of other frameworks that are several of the model's → those, in the order of their rows."""

HEADS = {"head", "decoder", "output", "unembed", "classifier", "projection"}
"""Words of a layer from tokens back to the vocabulary."""

TRANSPOSED = {"c_attn", "c_proj", "c_fc", "q_attn"}
"""Layers that GPT-2 stores as (inputs, outputs), all of them or none."""


class Refused(Exception):
    """A file whose arrays cannot be assigned.

    Args:
        why: in one line.
        is_ambiguous: whether two assignments are equally good.
    """

    def __init__(self, why: str, is_ambiguous: bool = False) -> None:
        super().__init__(why)
        self.is_ambiguous = is_ambiguous


@dataclass(frozen=True, slots=True)
class Pair:
    """A layer of the file, and the model's layers that it is.

    Args:
        unit: in the file.
        parts: indexes of the model's layers, in the order of their rows in the file's layer.
    """

    unit: Unit
    parts: tuple[int, ...]


def assign(targets: Targets, shapes: abc.Mapping[str, Shape]) -> Mapping:
    """The assignment of every array of a file to the parameters of a model.

    Args:
        targets: the model.
        shapes: name → shape, of the file.

    Raises:
        Refused: an array or a parameter is left over, or two assignments are equally good.
    """
    names = {name: shape for name, shape in shapes.items() if not is_computed(name)}
    skipped = tuple(name for name in shapes if name not in names)
    units = units_of(names)
    for copy in (None, *_copies(targets, units)):
        kept = [unit for unit in units if unit is not copy]
        for is_transposed in (False, True):
            found = _aligned(targets, _turned(kept) if is_transposed else kept)
            if found is not None:
                assignments = tuple(_assignments(targets, found, is_transposed))
                return Mapping(assignments, skipped, _equal(targets, assignments, copy))
    raise Refused("no order of the file's layers fits the model's")


def _copies(targets: Targets, units: list[Unit]) -> list[Unit]:
    """Layers that may be the table of an embedding once more, for the output."""
    tables = [unit.shapes for unit, said in zip(targets.units, targets.words, strict=True) if "embedding" in said]
    return [
        unit
        for unit in units
        if words(unit.path) & HEADS and list(unit.shapes.values()) in [[*table.values()] for table in tables]
    ]


def _equal(targets: Targets, assignments: tuple[Assignment, ...], copy: Unit | None) -> tuple[tuple[str, str], ...]:
    """The copy of a table, and the table: their values must be equal."""
    if copy is None:
        return ()
    names = {
        unit.names["weight"]
        for unit, said in zip(targets.units, targets.words, strict=True)
        if "embedding" in said and unit.shapes["weight"] == copy.shapes["weight"]
    }
    return tuple((copy.names["weight"], one.sources[0]) for one in assignments if one.target in names)[:1]


def _aligned(targets: Targets, units: list[Unit]) -> Found | None:
    known = frozenset().union(*(words(unit.path) for unit in units)) & frozenset().union(*targets.words)

    def fit(unit: Unit, at: int) -> Iterator[tuple[int, int, Pair]]:
        said = words(unit.path) & known
        for parts in _parts(unit, at, targets):
            apart = sum(len(said ^ (targets.words[part] & known)) for part in parts) if len(parts) == 1 else 0
            yield at + len(parts), apart, Pair(unit, parts)

    found = Alignment(fit, targets.spans).search(tree_of(units), 0).get(len(targets.units))
    if found is not None and found.rival is not None:
        raise Refused(_rivals(targets, found), is_ambiguous=True)
    return found


def _rivals(targets: Targets, found: Found) -> str:
    """The first layer of the file that can be two of the model's."""
    one = {pair.unit.path: pair for pair in flat(found.pairs)}
    for other in flat(found.rival):
        mine = one[other.unit.path]
        if mine.parts != other.parts:
            first, second = (targets.units[pair.parts[0]].path for pair in (mine, other))
            return f"{other.unit.path} can be {first} or {second}, by its shapes and its name"
    raise AssertionError("rivals differ")


def _parts(unit: Unit, at: int, targets: Targets) -> Iterator[tuple[int, ...]]:
    """The model's layers from a position on that a layer of the file can be."""
    if at < len(targets.units) and _fits(unit, [targets.units[at]]):
        yield (at,)
    wanted = FUSED.get(unit.path.rpartition(".")[2].lower(), ())
    near = range(at, min(at + len(wanted), len(targets.units)))
    parts = tuple(index for word in wanted for index in near if word in targets.words[index])
    if wanted and len(parts) == len(wanted) and _fits(unit, [targets.units[part] for part in parts]):
        yield parts


def _fits(unit: Unit, targets: list[Unit]) -> bool:
    """Whether a layer of the file is, in shape, some layers of the model one after the other."""
    if any(target.shapes.keys() != unit.shapes.keys() for target in targets):
        return False
    if len(targets) == 1:
        return all(_is_reshaped(shape, targets[0].shapes[role]) for role, shape in unit.shapes.items())
    together = {role: _stacked([target.shapes[role] for target in targets]) for role in unit.shapes}
    return together == dict(unit.shapes)


def _is_reshaped(shape: Shape, target: Shape) -> bool:
    """Whether shapes differ in axes of length 1 only, or are those of a convolution over all that a Dense flattens."""
    if without_ones(shape) == without_ones(target):
        return True
    return len(shape) == 4 and len(target) == 2 and (shape[0], math.prod(shape[1:])) == target


def _stacked(shapes: list[Shape]) -> Shape | None:
    """The shape of arrays joined along their first axis."""
    if any(not shape or shape[1:] != shapes[0][1:] for shape in shapes):
        return None
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])


def _turned(units: list[Unit]) -> list[Unit]:
    """The layers with those of GPT-2 as (outputs, inputs)."""
    return [
        replace(unit, shapes={role: shape[::-1] for role, shape in unit.shapes.items()}) if _is_turned(unit) else unit
        for unit in units
    ]


def _is_turned(unit: Unit) -> bool:
    return unit.path.rpartition(".")[2] in TRANSPOSED


def _assignments(targets: Targets, found: Found, is_transposed: bool) -> Iterator[Assignment]:
    for pair in flat(found.pairs):
        turned = is_transposed and _is_turned(pair.unit)
        for role, source in pair.unit.names.items():
            low = 0
            for part in pair.parts:
                target = targets.units[part]
                shape = target.shapes[role]
                high = low + shape[0] if shape else 0
                transform = Transform(
                    turned and len(shape) == 2,
                    (low, high) if len(pair.parts) > 1 else None,
                    len(pair.parts) == 1 and pair.unit.shapes[role] != shape,
                )
                yield Assignment((source,), target.names[role], transform)
                low = high
