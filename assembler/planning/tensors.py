"""Specs ↔ tensors: what a layer is called with while it is planned, and what it emits."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
from mindspore import Tensor, mint, nn

from assembler.language.recipe import map_leaves
from assembler.planning.plan import Weight
from assembler.planning.specs import Spec, Specs
from assembler.runtime.device import as_dtype


class NoTensor(TypeError):
    """Something that a layer emits is no tensor."""


def specs_of(value: Any) -> Specs:
    """Shape and dtype of a tensor, or of the tensors in tuples.

    Raises:
        NoTensor: there is something else among them, such as the None of an operator that failed silently.
    """
    if isinstance(value, Tensor):
        return spec_of(value)
    if isinstance(value, tuple | list):
        return tuple(map(specs_of, value))
    raise NoTensor(f"a layer emits tensors, not {type(value).__name__}")


def spec_of(tensor: Tensor) -> Spec:
    """Shape and dtype of a tensor."""
    return Spec(tuple(tensor.shape), str(tensor.dtype).lower())


def specs_among(value: Any) -> Any:
    """What a layer is called with, with a Spec for each tensor and all else as it is."""
    return map_leaves(value, lambda leaf: spec_of(leaf) if isinstance(leaf, Tensor) else leaf)


def tensors_for(value: Any, *, real: bool) -> Any:
    """A tensor for each Spec, and all else as it is.

    Args:
        real: make zeros; otherwise tensors of the device in use, which are not filled in.
    """

    def make(leaf: Any) -> Any:
        if not isinstance(leaf, Spec):
            return leaf
        return zeros(leaf.shape, as_dtype(leaf.dtype)) if real else mint.empty(leaf.shape, dtype=as_dtype(leaf.dtype))

    return map_leaves(value, make)


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
