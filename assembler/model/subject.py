"""The model as checks see it, and their tolerances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assembler.model.inputs import Array
from assembler.planning.plan import Plan
from assembler.settings import Amp, Dtype, Mode

if TYPE_CHECKING:
    from mindspore import Tensor, nn


Relation = Literal["", "=", "<=", ">=", ">", "<", "within"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a check.

    Args:
        name: the check's name; with its module for a custom check.
        passed: whether it passed.
        measured: the measured value.
        bound: the value it was compared with.
        detail: an explanation; for a check that could not run, why.
        applies: whether the check applies to this model; if not, it is not counted.
        relation: how the measured value has to be related to the bound; ``within`` is for a pair of limits. Empty if
            that cannot be said in a word.
    """

    name: str
    passed: bool
    measured: Any
    bound: Any
    detail: str = ""
    applies: bool = True
    relation: Relation = ""


class DoesNotApply(Exception):
    """A check does not apply to a model. The message explains why.

    A check of the group ``checks`` is then reported as such; one that the recipe itself requests has failed.
    """


class Subject:
    """What a check can request by naming one of ``GIVEN`` as a parameter.

    Args:
        model: the Cell, in inference mode.
        planned: its plan.
        inputs: the input tensors.
        mode: the mode of the run.
        dtype: the floating-point dtype of the run.
        amp: its level of mixed precision, not applied to ``model``.
        folder: where a check may save files.
    """

    def __init__(
        self,
        model: nn.Cell,
        planned: Plan,
        inputs: tuple[Tensor, ...],
        mode: Mode,
        dtype: Dtype,
        amp: Amp = "O0",
        folder: Path | None = None,
    ):
        from assembler.model.precision import mixed

        self.bare = model
        self.model = mixed(model, amp)
        self.planned = planned
        self.inputs = inputs
        self.mode: Mode = mode
        self.dtype: Dtype = dtype
        self.amp: Amp = amp
        self.folder = folder

    def copy(self) -> nn.Cell:
        """A copy of the model that a check may change: separate parameters, equal values, inference mode."""
        return self._copy()

    def copy_for_training(self) -> tuple[nn.Cell, list[Tensor]]:
        """A copy in float32, because MindSpore's Adam supports only float32 and float16, with its inputs."""
        from assembler.runtime.device import as_dtype

        floats, single = as_dtype(self.dtype), as_dtype("float32")
        inputs = [one.astype(single) if one.dtype == floats else one for one in self.inputs]
        return self._copy("float32"), inputs

    def _copy(self, dtype: Dtype | None = None) -> nn.Cell:
        from assembler.model.build import copy_of
        from assembler.model.precision import mixed

        return mixed(copy_of(self.bare, self.planned, dtype), self.amp)

    @property
    def cells(self) -> dict[str, nn.Cell]:
        """The Cells of the model by the paths of the plan."""
        from assembler.model.build import cells_by_path
        from assembler.model.precision import plain_path

        return {plain_path(path): cell for path, cell in cells_by_path(self.model).items()}

    def call(self, model: nn.Cell, inputs: Sequence[Tensor], mode: Mode | None = None) -> list[Array]:
        """The outputs of a model in a mode, by default the run's, as arrays: one, or those in a tuple in order."""
        from assembler.runtime import device

        with device.mode(mode or self.mode), device.contained():
            return [device.as_array(tensor) for tensor in tensors_in(model(*inputs))]

    @property
    def subject(self) -> Subject:
        """All outputs, flattened."""
        return self

    def outputs_in(self, mode: Mode) -> list[Array]:
        """The outputs of one more call in a mode."""
        return self.call(self.model, self.inputs, mode)

    @cached_property
    def outputs(self) -> list[Array]:
        """The model's outputs in the run's mode."""
        return self.outputs_in(self.mode)

    @property
    def output(self) -> Array:
        """The first output: the only one, except for layers such as LSTM that emit a tuple."""
        return self.outputs[0]

    @cached_property
    def input_array(self) -> Array:
        """The first input, as an array."""
        from assembler.runtime.device import as_array

        return as_array(self.inputs[0])

    @property
    def resolution(self) -> float:
        """The relative error of one rounding in the run's dtype."""
        return resolution("float16" if self.amp != "O0" else self.dtype)

    def tolerance(self, roundings: float, dtype: Dtype | None = None) -> float:
        """The absolute tolerance: a number of roundings, more for long sums, at the model's largest magnitude.

        Args:
            dtype: the dtype of the roundings; by default the run's.
        """
        one = self.resolution if dtype is None else resolution(dtype)
        return rounding_bound(roundings, *self._extremes, one)

    @cached_property
    def _extremes(self) -> tuple[float, int]:
        """The largest finite absolute value and the largest size, over the input and all layers' outputs.

        Measured by one more call in PyNative mode, with hooks.
        """
        from assembler.runtime.device import as_array

        found = [*map(as_array, self.inputs), *self.outputs]
        extremes = [(largest(array), array.size) for array in found]

        def note(cell: nn.Cell, inputs: Any, output: Any) -> None:
            arrays = map(as_array, tensors_in(output))
            extremes.extend((largest(array), array.size) for array in arrays)

        cells = self.cells
        layers = [cells[row.path] for row in self.planned.rows if row.path in cells]
        handles = [cell.register_forward_hook(note) for cell in layers]
        try:
            self.outputs_in("pynative")
        finally:
            for handle in handles:
                handle.remove()
        return max(value for value, _ in extremes), max(size for _, size in extremes)


def rounding_bound(roundings: float, magnitude: float, size: int, one: float) -> float:
    """The absolute error of a number of roundings, more for long sums, at a magnitude.

    The error of a sum of n numbers grows like the square root of n roundings.

    Args:
        one: the relative error of one rounding.
    """
    return (roundings + math.sqrt(size) / 4) * one * magnitude


def resolution(dtype: Dtype) -> float:
    """The distance from 1 to the next number of a dtype: the relative error of one rounding."""
    import numpy as np

    return 2.0**-7 if dtype == "bfloat16" else float(np.finfo(dtype).eps)


def largest(array: Array) -> float:
    """The largest finite absolute value, or 0."""
    import numpy as np

    values = np.abs(wide(array))
    return float(np.max(values, initial=0.0, where=np.isfinite(values)))


def difference(one: list[Array], other: list[Array]) -> float:
    """The largest absolute difference; infinite where only one side is not finite, or shapes differ."""
    import numpy as np

    worst = 0.0
    for left, right in zip(one, other, strict=True):
        if left.shape != right.shape:
            return float("inf")
        left, right = wide(left), wide(right)
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        with np.errstate(invalid="ignore"):
            apart = np.where(same, 0.0, np.abs(left - right))
        worst = max(worst, float(np.max(np.where(np.isnan(apart), np.inf, apart), initial=0.0)))
    return worst


def wide(array: Array) -> Array:
    """The same numbers in float64, or complex128."""
    import numpy as np

    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in nested tuples, in order."""
    return [tensor for item in value for tensor in tensors_in(item)] if isinstance(value, list | tuple) else [value]
