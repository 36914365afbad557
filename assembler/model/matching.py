"""Which array of a file is meant by which parameter of a model, for messages about files that do not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from assembler.words import closest

Shape = tuple[int, ...]

_ROLES = {
    "gamma": "weight",
    "embedding_table": "weight",
    "weight": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "mean",
    "running_mean": "mean",
    "moving_variance": "variance",
    "running_var": "variance",
}
"""The last part of a parameter's name, in MindSpore and in PyTorch → what it is for."""

MAX_LAYERS = 3
"""If more layers have another shape, the file is of another architecture, and no layer is to be left out."""


class Matching:
    """Parameters that a file lacks, arrays that the model lacks, and which of them may be meant by which.

    ``1.gamma`` is ``1.weight`` and never ``1.bias``, although their shapes are equal. Layers with other names are
    paired by the roles and shapes of what is in them, in their order: ``0`` with ``fc``, ``1`` with ``norm``.

    Args:
        lacking: name → shape, of the model's parameters.
        left: name → shape, of the file's arrays.
    """

    def __init__(self, lacking: Mapping[str, Shape], left: Mapping[str, Shape]) -> None:
        self._lacking, self._left = lacking, left
        pairs = _pairs_of_layers(lacking, left)
        self._layers = pairs, {other: one for one, other in pairs.items()}

    def hint_for_missing(self, name: str) -> str:
        """What to say of a parameter that is not in the file: ``; it has '1.running_mean'``."""
        close = _counterparts(name, self._lacking[name], self._left, self._layers[0])
        return f"; it has {' and '.join(map(repr, close))}" if close else ""

    def hint_for_extra(self, name: str) -> str:
        """What to say of an array that is not in the model: ``; did you mean '1.moving_mean'?``."""
        if name.endswith(".num_batches_tracked"):
            return ", for MindSpore does not count batches; weights.rename={*.num_batches_tracked: null} skips it"
        close = _counterparts(name, self._left[name], self._lacking, self._layers[1])
        return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def _counterparts(name: str, shape: Shape, others: Mapping[str, Shape], layers: Mapping[str, str]) -> list[str]:
    """At most three names of the same shape and role, the likely ones only."""
    role, layer = _role(name), _layer(name)
    fitting = [other for other in others if others[other] == shape]
    same_role = [other for other in fitting if role is not None and _role(other) == role]
    for home in (layer, layers.get(layer)):
        if found := [other for other in same_role if _layer(other) == home]:
            return found[:1]
    any_role = [other for other in fitting if role is None or _role(other) is None]
    return next((found for some in (same_role, any_role) if (found := closest(name, some) or _only(some))), [])


def _only(names: list[str]) -> list[str]:
    return names if len(names) == 1 else []


def _pairs_of_layers(some: Mapping[str, Shape], others: Mapping[str, Shape]) -> dict[str, str]:
    """Layers of one side → layers of the other that have the same roles and shapes, in natural order."""
    groups, of_others = _by_content(some), _by_content(others)
    return {
        layer: other
        for content, layers in groups.items()
        if len(layers) == len(of_others.get(content, ()))
        for layer, other in zip(layers, of_others[content], strict=True)
    }


def _by_content(shapes: Mapping[str, Shape]) -> dict[frozenset[tuple[str, Shape]], list[str]]:
    contents: dict[str, set[tuple[str, Shape]]] = {}
    for name, shape in shapes.items():
        if role := _role(name):
            contents.setdefault(_layer(name), set()).add((role, shape))
    found: dict[frozenset[tuple[str, Shape]], list[str]] = {}
    for layer in sorted(contents, key=_in_natural_order):
        found.setdefault(frozenset(contents[layer]), []).append(layer)
    return found


def _in_natural_order(name: str) -> list[tuple[int, str]]:
    """Numbers by their value: ``layer2`` before ``layer10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def hint_for_heads(wrong: Sequence[str], fitting: Sequence[str], unmatched: int) -> list[str]:
    """How to load all but a few layers of another size; empty if the file is of another architecture.

    Args:
        wrong: arrays of the file with another shape than the model's.
        fitting: arrays of the file that fit.
        unmatched: number of names that only the file or only the model has.
    """
    layers = list(dict.fromkeys(_pattern(name, [*wrong, *fitting]) for name in wrong))
    rest = [name for name in fitting if f"{_layer(name)}.*" not in layers]
    if not 0 < len(layers) <= MAX_LAYERS or len(rest) <= unmatched:
        return []
    rules = ", ".join(f"{layer}: null" for layer in layers)
    return [f"'weights.rename={{{rules}}}' weights.strict=false loads all but {', '.join(layers)}"]


def _pattern(name: str, names: Iterable[str]) -> str:
    """``2.*`` for the parameters of a layer; the name itself if other layers are inside that one."""
    layer = _layer(name)
    has_layers = any(other.startswith(f"{layer}.") and _layer(other) != layer for other in names)
    return f"{layer}.*" if layer and not has_layers else name


def _role(name: str) -> str | None:
    return _ROLES.get(name.rpartition(".")[2])


def _layer(name: str) -> str:
    return name.rpartition(".")[0]
