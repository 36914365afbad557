"""Hints for files that do not fit a model: names with a typing error, and a head of another size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from assembler.words import closest

Shape = tuple[int, ...]

MAX_LAYERS = 3
"""If more layers have another shape, the file is of another architecture, and no layer is to be left out."""


def hint_for_name(name: str, shape: Shape, others: Mapping[str, Shape], said: str) -> str:
    """``said`` with a similar name of the same shape and the same last part; empty if there is none.

    Args:
        others: the names that can be meant, and their shapes.
        said: text with ``{}`` for the name.
    """
    fitting = [other for other in others if others[other] == shape]
    similar = [other for other in closest(name, fitting) if _differs_in_one_part(name, other)]
    return said.format(repr(similar[0])) if similar else ""


def _differs_in_one_part(name: str, other: str) -> bool:
    parts, others = name.split("."), other.split(".")
    return len(parts) == len(others) and sum(map(str.__ne__, parts, others)) == 1


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


def _layer(name: str) -> str:
    return name.rpartition(".")[0]
