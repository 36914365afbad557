"""From a model and the names and shapes of a file to the assignments between them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from assembler.model.naming.alignment import Alignment, Found, TooManyOrders, better, flat
from assembler.model.naming.mapping import Assignment, NameMapping, Transform, fits, is_reshaped, without_ones
from assembler.model.naming.roles import is_computed, words
from assembler.model.naming.stacked import apart as experts_apart
from assembler.model.naming.stacked import joined
from assembler.model.naming.targets import Targets
from assembler.model.naming.trees import Node, Shape, Unit, is_mixed, lettered, tree_of, units_of, unmixed

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
"""Layers of other frameworks that are several of the model's → those, in the order of their rows.

``query_key_value`` of GPT-NeoX and BLOOM is not one: its rows alternate between the three, head by head.
"""

TRANSPOSED = {"c_attn", "c_proj", "c_fc", "q_attn"}
"""Layers that GPT-2 stores as (inputs, outputs), all of them or none."""

HEADS = {"head", "decoder", "output", "unembed", "classifier", "projection"}
"""Words of a layer from tokens back to the vocabulary."""

MOST_APART = 2
"""Layers that the file or the model may lack where a search is to find out which; more are another architecture."""

_APART = 10**6
"""The cost of one of them, above that of all contradictions of names and order."""


class Refused(Exception):
    """A file whose arrays cannot be assigned.

    Args:
        why: in one line.
        is_ambiguous: whether two assignments are equally good.
    """

    def __init__(self, why: str, is_ambiguous: bool = False) -> None:
        super().__init__(why)
        self.is_ambiguous = is_ambiguous


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A layer of the file, and the model's layers that it is.

    Args:
        unit: in the file.
        parts: indexes of the model's layers, in the order of their rows in the file's layer; none if it is left over.
    """

    unit: Unit
    parts: tuple[int, ...]

    def __hash__(self) -> int:
        return hash(f"{self.unit.path} {self.parts}")  # sums of tuples' hashes collide, those of texts do not


def assign(targets: Targets, shapes: Mapping[str, Shape], *, apart: int = 0) -> NameMapping:
    """The assignment of the arrays of a file to the parameters of a model.

    Args:
        targets: the model.
        shapes: name → shape, of the file.
        apart: how many layers may be in one of them only, or differ in shape. Such layers are in the result as
            ``left``, as ``lacking``, or as assignments of another shape.

    Raises:
        Refused: more differ, or two assignments are equally good.
    """
    names = {name: shape for name, shape in shapes.items() if not is_computed(name)}
    skipped = tuple(name for name in shapes if name not in names)
    try:
        matrices, origins = experts_apart(targets, names)
    except ValueError as error:
        raise Refused(str(error)) from None
    units = units_of(matrices)
    for copies in ((), *_copies(targets, [unit for unit in units if unit.path not in origins])):
        kept = [unit for unit in units if unit not in copies]
        for is_transposed in (False, True) if any(map(_is_turned, kept)) else (False,):
            pairs = _aligned(targets, _turned(kept) if is_transposed else kept, apart)
            if pairs is not None:
                return joined(_mapping(targets, pairs, is_transposed, copies, skipped), origins)
    raise Refused(_computed_weights(shapes) or _difference(targets, units))


def _aligned(targets: Targets, units: list[Unit], apart: int) -> list[Pair] | None:
    """The pairs of the best order; None if no order fits."""
    known = frozenset[str]().union(*(words(unit.path) for unit in units)) & frozenset[str]().union(*targets.words)
    count = len(targets.units)

    def fit(unit: Unit, at: int) -> Iterator[tuple[int, int, Pair]]:
        said = words(unit.path) & known
        for gap in range(min(apart, count - at) + 1):
            for parts in _parts(unit, at + gap, targets):
                differ = len(said ^ (targets.words[parts[0]] & known)) if len(parts) == 1 else 0
                yield at + gap + len(parts), gap * _APART + differ, Pair(unit, parts)
        if apart:
            yield at, _APART, Pair(unit, ())
            if at < count and _resembles(unit, targets.units[at]):
                yield at + 1, _APART + len(said ^ (targets.words[at] & known)), Pair(unit, (at,))

    def best(tree: Node) -> Found | None:
        ends = Alignment(fit, targets.spans, (apart + 1) * _APART).search(tree, 0)
        found = [one.costing((count - end) * _APART) for end, one in ends.items() if count - end <= apart]
        return min((one for one in found if one.cost < (apart + 1) * _APART), key=lambda one: one.cost, default=None)

    try:
        found = best(tree_of(units))
        if is_mixed(units) and (other := best(lettered(unmixed(tree_of(units))))):
            found = better(found, other)
        if found is not None and found.rival is not None:
            among = best(tree_of(units, grouped=True))  # names decide where the tree alone does not
            if among is None or among.rival is not None:
                raise Refused(_rivals(targets, found), is_ambiguous=True)
            found = among
    except TooManyOrders:
        why = "it has too many layers of equal shapes without numbers in their names; weights.rename names them"
        raise Refused(why, is_ambiguous=True) from None
    return list(flat(found.pairs)) if found is not None else None


def _rivals(targets: Targets, found: Found) -> str:
    """A layer of the file that can be two of the model's: the first by name."""
    one = {pair.unit.path: pair.parts for pair in flat(found.pairs)}
    other = {pair.unit.path: pair.parts for pair in flat(found.rival)}
    path = min(path for path, parts in one.items() if other[path] != parts)
    name = path or "weight"  # of the module itself
    places = sorted(targets.units[parts[0]].path if parts else "left out" for parts in (one[path], other[path]))
    return f"{name} can be {' or '.join(places)}; weights.rename decides which"


def _parts(unit: Unit, at: int, targets: Targets) -> Iterator[tuple[int, ...]]:
    """The model's layers from a position on that a layer of the file can be."""
    if at < len(targets.units) and _fits(unit, [targets.units[at]]):
        yield (at,)
    wanted = FUSED.get(unit.path.rpartition(".")[2].lower(), ())
    near = range(at, min(at + len(wanted), len(targets.units)))
    parts = tuple(index for word in wanted for index in near if word in targets.words[index])
    if wanted and len(parts) == len(wanted) and _fits(unit, [targets.units[part] for part in parts]):
        yield parts


def _resembles(unit: Unit, target: Unit) -> bool:
    """Whether a layer may be the same one with another size, or without a bias."""
    both = [role for role in unit.shapes if role in target.shapes]
    return bool(both) and all(len(unit.shapes[role]) == len(target.shapes[role]) for role in both)


def _fits(unit: Unit, targets: list[Unit]) -> bool:
    """Whether a layer of the file is, in shape, some layers of the model one after the other."""
    if any(target.shapes.keys() != unit.shapes.keys() for target in targets):
        return False
    if len(targets) == 1:
        return all(fits(shape, targets[0].shapes[role]) for role, shape in unit.shapes.items())
    together = {role: _stacked([target.shapes[role] for target in targets]) for role in unit.shapes}
    return together == dict(unit.shapes)


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


# ---- tables that are stored twice


def _tables(targets: Targets) -> list[Unit]:
    """The embeddings of a model."""
    return [unit for unit, said in zip(targets.units, targets.words, strict=True) if "embedding" in said]


def _copies(targets: Targets, units: list[Unit]) -> Iterator[tuple[Unit, ...]]:
    """Layers that may be the table of an embedding once more: for the output, or as in T5 for each half."""
    for table in _tables(targets):
        same = [unit for unit in units if dict(unit.shapes) == dict(table.shapes)]
        yield from ((unit,) for unit in same if words(unit.path) & HEADS)
        if sum(dict(unit.shapes) == dict(table.shapes) for unit in targets.units) == 1:
            yield from (tuple(unit for unit in same if unit is not kept) for kept in same)


def _equal(targets: Targets, assignments: Sequence[Assignment], copies: Sequence[Unit]) -> Iterator[tuple[str, str]]:
    """Each copy and its table: their values must be equal."""
    sources = {one.target: one.sources[0] for one in assignments}
    for copy in copies:
        for table in _tables(targets):
            if dict(table.shapes) == dict(copy.shapes) and table.names["weight"] in sources:
                yield copy.names["weight"], sources[table.names["weight"]]


# ---- the result


def _mapping(
    targets: Targets, pairs: list[Pair], is_transposed: bool, copies: Sequence[Unit], skipped: tuple[str, ...]
) -> NameMapping:
    assignments = tuple(one for pair in pairs for one in _assignments(targets, pair, is_transposed))
    used = {source for one in assignments for source in one.sources}
    set_names = {one.target for one in assignments}
    return NameMapping(
        assignments,
        skipped,
        tuple(_equal(targets, assignments, copies)),
        tuple(name for pair in pairs for name in pair.unit.names.values() if name not in used),
        tuple(name for name in targets.shapes if name not in set_names),
    )


def _assignments(targets: Targets, pair: Pair, is_transposed: bool) -> Iterator[Assignment]:
    turned = is_transposed and _is_turned(pair.unit)
    low = dict.fromkeys(pair.unit.names, 0)
    for part in pair.parts:
        target = targets.units[part]
        for role in [role for role in target.names if role in pair.unit.names]:
            shape = target.shapes[role]
            rows = None
            if len(pair.parts) > 1:
                rows = (low[role], low[role] + shape[0])
                low[role] += shape[0]
            is_new = rows is None and is_reshaped(pair.unit.shapes[role], shape)
            transform = Transform(turned and len(shape) == 2, rows, is_new)
            yield Assignment((pair.unit.names[role],), target.names[role], transform)


_COMPUTED = re.compile(r"(?:(.+)\.)?(?:(weight_g)|(weight_orig)|parametrizations\.weight\.original0?)")
"""The name of an array from which PyTorch computes a weight: of weight_norm, of spectral_norm, of a parametrization."""


def _computed_weights(names: Iterable[str]) -> str:
    """Which weight PyTorch computes from arrays of the file, and what stores the weight itself; empty if none."""
    for name in names:
        if match := _COMPUTED.fullmatch(name):
            layer, is_weight_norm, is_spectral_norm = match.groups()
            remedy = "remove_weight_norm" if is_weight_norm else "parametrize.remove_parametrizations"
            remedy = "remove_spectral_norm" if is_spectral_norm else remedy
            said = f"PyTorch computes a weight of {layer or 'the module'} from {name}"
            return f"{said}; save the file after torch.nn.utils.{remedy}"
    return ""


def biases_apart(targets: Targets, shapes: Mapping[str, Shape]) -> list[str]:
    """The biases of the model's layers that the file has without one only, as MindSpore's convolutions by default."""
    known = {_signature(unit) for unit in units_of(shapes)}
    with_bias = [unit for unit in targets.units if "bias" in unit.names and _signature(unit) not in known]
    return [unit.names["bias"] for unit in with_bias if _signature(unit.without([unit.names["bias"]])) in known]


def _difference(targets: Targets, units: list[Unit]) -> str:
    """Which layers are in one of both only, by their shapes, and which shapes are more frequent in one of them."""
    plain = [unit for unit in units if unit.path.rpartition(".")[2] not in {*FUSED, *TRANSPOSED}]
    said = [f"{unit.path} is like no layer of the model" for unit in _unlike(plain, targets.units)]
    if len(plain) == len(units):
        said += [f"{unit.path} of the model is like no layer of the file" for unit in _unlike(targets.units, units)]
    counts: dict[tuple[str, Shape], list[int]] = {}
    for side, some in enumerate((targets.units, units)):
        for unit in some:
            for role, shape in unit.shapes.items():
                counts.setdefault((role, without_ones(shape)), [0, 0])[side] += 1
    said += [
        f"the model has {mine} × {role} of shape {shape}, the file {other}"
        for (role, shape), (mine, other) in counts.items()
        if mine != other and not said
    ]
    more = f"; and {len(said) - 3} more" if len(said) > 3 else ""
    return "; ".join(said[:3]) + more if said else "the order of its layers differs from the model's"


def _unlike(some: Sequence[Unit], others: Sequence[Unit]) -> list[Unit]:
    """The layers without an equal one among the others."""
    known = {_signature(unit) for unit in others}
    return [unit for unit in some if _signature(unit) not in known]


def _signature(unit: Unit) -> object:
    return frozenset((role, without_ones(shape)) for role, shape in unit.shapes.items())
