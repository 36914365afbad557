"""What a plan is: shapes, rows and sums, as frozen data. ``assembler.planner`` makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from assembler.binding import Steps
from assembler.errors import NOWHERE, Place
from assembler.recipe import print_value
from assembler.settings import Dtype


@dataclass(frozen=True, slots=True)
class Spec:
    """The shape and dtype of a tensor."""

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{print_value(self.shape)} {self.dtype}"


Specs: TypeAlias = Spec | tuple["Specs", ...]
"""What a layer takes or emits: a tensor, or tuples of them."""


def print_shape(specs: Specs) -> str:
    """The shapes alone: ``(4, 8)``, or ``((4, 8), (1, 4, 8))`` for a tuple."""
    if isinstance(specs, Spec):
        return print_value(specs.shape)
    return f"({', '.join(map(print_shape, specs))})"


def print_specs(specs: Specs) -> str:
    """Shape and dtype of a tensor, or the shapes of a tuple."""
    return str(specs) if isinstance(specs, Spec) else f"a tuple {print_shape(specs)}"


@dataclass(frozen=True, slots=True)
class Row:
    """One layer of a plan.

    Args:
        path: the layer's name in the model, as in its parameters' names: ``0``, ``3.inner.0``.
        layer: the layer's name in the registry.
        arguments: as written, with ``_`` filled in.
        input: shape and dtype of what reaches it.
        output: shape and dtype of what it emits.
        trainable: parameters that training changes. Those of layers inside it are counted in their own rows.
        other: parameters that it does not, such as the statistics of BatchNorm.
        place: where the layer stands in the recipe.
    """

    path: str
    layer: str
    arguments: str
    input: Specs
    output: Specs
    trainable: int
    other: int
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"#{self.path} {self.layer}({self.arguments})" if self.arguments else f"#{self.path} {self.layer}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe resolved.

    Args:
        steps: what to build, with every argument known.
        rows: one a layer, in reading order; none if no input shape was given.
        output: shape and dtype of what the model emits; None if no input shape was given.
        dtype: of the floating-point parameters.
    """

    steps: Steps
    rows: tuple[Row, ...]
    output: Specs | None
    dtype: Dtype

    @property
    def trainable(self) -> int:
        """Parameters that training changes."""
        return sum(row.trainable for row in self.rows)

    @property
    def other(self) -> int:
        """Parameters that training does not change."""
        return sum(row.other for row in self.rows)
