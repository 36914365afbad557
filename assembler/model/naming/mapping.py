"""Which arrays of a file become which parameter, by which transform: data that can be printed, saved and read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assembler.errors import ParameterError
from assembler.model.inputs import Array
from assembler.model.naming.trees import Shape


@dataclass(frozen=True, slots=True)
class Transform:
    """What is done with the sources, joined along their first axis, in this order.

    Args:
        expert: which item of the first axis is taken; None is all of it.
        transposed: the two axes of a matrix are exchanged.
        rows: the part of the first axis that is taken; None is all of it.
        reshaped: axes of length 1 are added or removed, or the axes of a convolution joined.
    """

    transposed: bool = False
    rows: tuple[int, int] | None = None
    reshaped: bool = False
    expert: int | None = None

    def __str__(self) -> str:
        rows = f"rows {self.rows[0]}:{self.rows[1]}" if self.rows else ""
        expert = f"expert {self.expert}" if self.expert is not None else ""
        said = [expert, "transposed" if self.transposed else "", rows, "reshaped" if self.reshaped else ""]
        return ", ".join(filter(None, said))

    @classmethod
    def read(cls, text: str) -> Transform:
        """The transform that is printed so.

        Raises:
            ParameterError: there is no such transform.
        """
        parts = [part.strip() for part in text.split(",")] if text else []
        rows = [match for part in parts if (match := re.fullmatch(r"rows (\d{1,18}):(\d{1,18})", part))]
        experts = [int(match[1]) for part in parts if (match := re.fullmatch(r"expert (\d{1,18})", part))]
        found = cls(
            "transposed" in parts,
            (int(rows[0][1]), int(rows[0][2])) if rows else None,
            "reshaped" in parts,
            experts[0] if experts else None,
        )
        if str(found) != ", ".join(parts):
            raise ParameterError(
                f"no transform {text!r}; write expert 0, transposed, rows 0:64, reshaped, or several in this order"
            )
        return found

    def shape(self, shapes: Sequence[Shape], target: Shape) -> Shape | None:
        """The shape that sources of some shapes get; None if they cannot be transformed so."""
        first, *others = shapes
        if any(other[1:] != first[1:] or not other for other in others) or (others and not first):
            return None
        shape = (sum(one[0] for one in shapes), *first[1:]) if others else first
        if self.expert is not None:
            if others or len(shape) < 2 or self.expert >= shape[0]:
                return None
            shape = shape[1:]
        if self.transposed:
            if len(shape) != 2:
                return None
            shape = shape[::-1]
        if self.rows:
            low, high = self.rows
            if not shape or not low < high <= shape[0]:
                return None
            shape = (high - low, *shape[1:])
        return target if self.reshaped and fits(shape, target) else shape

    def apply(self, arrays: Sequence[Array], target: Shape) -> Array:
        """The values of the parameter."""
        array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        array = array[self.expert] if self.expert is not None else array
        array = array.T if self.transposed else array
        array = array[slice(*self.rows)] if self.rows else array
        return np.ascontiguousarray(array).reshape(target if self.reshaped else array.shape)


def fits(shape: Shape, target: Shape) -> bool:
    """Whether an array of one shape can be a parameter of another, reshaped if need be."""
    return shape == target or is_reshaped(shape, target)


def is_reshaped(shape: Shape, target: Shape) -> bool:
    """Whether an array becomes a parameter's by axes of length 1 more or less, or as a Dense flattens a convolution.

    As many axes in another order, such as ``(8, 1, 3, 3)`` and ``(1, 8, 3, 3)``, are another layer.
    """
    if len(shape) == len(target):
        return False
    is_flattened = len(shape) == 4 and len(target) == 2 and (shape[0], math.prod(shape[1:])) == target
    return is_flattened or without_ones(shape) == without_ones(target)


def without_ones(shape: Shape) -> Shape:
    """The axes longer than 1."""
    return tuple(length for length in shape if length != 1)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where the values of one parameter are from.

    Args:
        sources: names in the file.
        target: the parameter.
        transform: what is done with them.
    """

    sources: tuple[str, ...]
    target: str
    transform: Transform = Transform()


@dataclass(frozen=True, slots=True)
class NameMapping:
    """The use of a whole file.

    Args:
        assignments: one a parameter.
        skipped: arrays that are for no parameter, such as PyTorch's counts of batches.
        equal: an array that is stored twice, and the one that is used: a head with the table of the embedding.
        left: arrays that the model has no parameter for.
        lacking: parameters that the file has no array for.
    """

    assignments: tuple[Assignment, ...]
    skipped: tuple[str, ...] = ()
    equal: tuple[tuple[str, str], ...] = ()
    left: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    def renamed(self, came: Mapping[str, str]) -> NameMapping:
        """The same for other names in the file."""
        return NameMapping(
            tuple(replace(one, sources=tuple(came[name] for name in one.sources)) for one in self.assignments),
            tuple(came[name] for name in self.skipped),
            tuple((came[copy], came[used]) for copy, used in self.equal),
            tuple(came[name] for name in self.left),
            self.lacking,
        )
