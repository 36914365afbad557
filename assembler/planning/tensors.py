"""Specs ↔ tensors: what a layer is called with while it is planned, and what it emits."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np
from mindspore import Tensor, mint, nn

from assembler.planning.plan import Weight
from assembler.planning.specs import Spec, Specs
from assembler.runtime.device import as_dtype


class NoTensor(TypeError):
    """An output of a layer is not a tensor."""


def specs_of(value: Any) -> Specs:
    """Shape and dtype of a tensor, or of the tensors in tuples.

    Raises:
        NoTensor: there is something else among them.
    """
    if isinstance(value, Tensor):
        return spec_of(value)
    if isinstance(value, tuple | list):
        return tuple(map(specs_of, value))
    raise NoTensor(f"a layer emits tensors, not {type(value).__name__}")


def spec_of(tensor: Tensor) -> Spec:
    """Shape and dtype of a tensor."""
    return Spec(tuple(tensor.shape), str(tensor.dtype).lower())


def map_values(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same value with every leaf changed: whatever is not a tuple, list, dict or dataclass, at any depth."""
    if isinstance(value, (Spec, Tensor)):  # a union would be made anew each time
        return change(value)
    if isinstance(value, tuple):
        items = [map_values(item, change) for item in value]
        return type(value)._make(items) if hasattr(value, "_make") else tuple(items)
    if isinstance(value, list):
        return [map_values(item, change) for item in value]
    if isinstance(value, dict):
        made: Any = copy.copy(value)
        for name, item in value.items():
            made[name] = map_values(item, change)
        return made
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = copy.copy(value)
        for field in dataclasses.fields(value):
            object.__setattr__(made, field.name, map_values(getattr(value, field.name), change))
        return made
    return change(value)


def specs_among(value: Any) -> Any:
    """What a layer is called with or emits, with a Spec for each tensor and all else as it is."""
    return map_values(value, lambda leaf: spec_of(leaf) if isinstance(leaf, Tensor) else leaf)


def leaves_among(value: Any) -> list[Any]:
    """The leaves of a value, in order: whatever is not a tuple, list, dict or dataclass."""
    found: list[Any] = []
    map_values(value, found.append)
    return found


def refuse_none(value: Any) -> None:
    """Refuse None in what a Cell emits on the meta device, where some operators give None instead of raising.

    Raises:
        NoTensor: there is one.
    """
    if any(leaf is None for leaf in leaves_among(value)):
        raise NoTensor("a layer emits tensors, not NoneType")


def recorded(value: Any) -> Specs:
    """The tensors of what ``specs_among`` gives, in tuples as they are nested; all else is left out.

    ``(y, (h, w))`` is recorded as ``y``, and ``{"boxes": a, "scores": b, "stride": 8}`` as ``(a, b)``.
    """
    if isinstance(value, Spec):
        return value
    items = _items(value)
    kept = tuple(found for found in map(recorded, items) if found != ())
    is_single = len(kept) == 1 and not (isinstance(value, tuple | list) and len(items) == 1)
    return kept[0] if is_single else kept


def kind_of(value: Any) -> str:
    """The kind of a value that is not a tensor: ``None``, ``int``, ``dict``."""
    return "None" if value is None else type(value).__name__


def not_a_tensor(value: Any) -> tuple[str, str] | None:
    """The first that is neither a tensor nor a tuple, in what ``specs_among`` gives.

    Returns:
        Its position, and what it is: ``("1.0", "int")`` of ``(y, (3, 4))``; no position if it is the value itself.
        None if there are tensors alone.
    """
    if isinstance(value, Spec):
        return None
    if not isinstance(value, tuple | list):
        return "", kind_of(value)
    for index, item in enumerate(value):
        if (found := not_a_tensor(item)) is not None:
            return f"{index}.{found[0]}".rstrip("."), found[1]
    return None


def _items(value: Any) -> Sequence[Any]:
    if isinstance(value, tuple | list):
        return value
    if isinstance(value, dict):
        return list(value.values())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    return ()


def tensors_for(value: Any, *, real: bool) -> Any:
    """A tensor for each Spec, and all else as it is.

    Args:
        real: make zeros; otherwise tensors of the device in use, which are not filled in.
    """

    def make(leaf: Any) -> Any:
        if not isinstance(leaf, Spec):
            return leaf
        return zeros(leaf.shape, as_dtype(leaf.dtype)) if real else mint.empty(leaf.shape, dtype=as_dtype(leaf.dtype))

    return map_values(value, make)


def zeros(shape: tuple[int, ...], dtype: Any) -> Tensor:
    """Zeros with storage. Operators on what ``ops.zeros`` makes are not shown to a dispatch mode; on these they are."""
    return Tensor(np.zeros(shape, np.int8)).astype(dtype)


def weights_of(cell: nn.Cell, known: Container[int] = (), *, expand: bool = True) -> tuple[Weight, ...]:
    """The parameters of a Cell by their names within it, each once.

    Args:
        known: the identities of parameters to leave out.
        expand: also those of the Cells inside it.
    """
    found: dict[int, Weight] = {}
    for path, inner in cell.cells_and_names() if expand else [("", cell)]:
        for name, parameter in inner.parameters_and_names(name_prefix=path, expand=False):
            if id(parameter) not in known and id(parameter) not in found:
                spec = spec_of(parameter)
                owner = type(inner).__name__
                found[id(parameter)] = Weight(name, owner, spec.shape, spec.dtype, parameter.requires_grad)
    return tuple(found.values())
