"""What a check is, what it may ask for, and how all of a run's checks are run."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, get_type_hints

import numpy as np
from mindspore import Tensor, nn
from pydantic import BaseModel, ConfigDict, create_model

from assembler import device
from assembler.cells import first_line
from assembler.errors import AssemblerError, Place, SettingsError, noted, raise_all, suggestion
from assembler.inputs import Array
from assembler.rows import Plan
from assembler.settings import Dtype, Mode, read


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a check.

    Args:
        name: the check's name.
        passed: whether it holds.
        measured: what was found.
        bound: what it was compared with.
        detail: more, in words; for a check that could not be done, why.
    """

    name: str
    passed: bool
    measured: Any
    bound: Any
    detail: str = ""


class Subject:
    """What a check may ask for, by naming one of ``GIVEN`` as a parameter.

    Args:
        model: the Cell, set to inference.
        planned: its plan.
        inputs: the tensors that go in.
        mode: the mode of the run.
        dtype: the floating-point type of the run.
    """

    def __init__(self, model: nn.Cell, planned: Plan, inputs: tuple[Tensor, ...], mode: Mode, dtype: Dtype):
        self.model = model
        self.planned = planned
        self.inputs = inputs
        self.mode: Mode = mode
        self.dtype: Dtype = dtype

    @property
    def subject(self) -> Subject:
        """All of it."""
        return self

    def outputs_in(self, mode: Mode) -> list[Array]:
        """What one more call in a mode emits, as arrays: one, or those in a tuple in order."""
        with device.mode(mode), device.contained():
            return [device.as_array(tensor) for tensor in tensors_in(self.model(*self.inputs))]

    @cached_property
    def outputs(self) -> list[Array]:
        """What the model emits in the run's mode."""
        return self.outputs_in(self.mode)

    @property
    def output(self) -> Array:
        """The first of the outputs: the only one, but for layers such as LSTM that emit a tuple."""
        return self.outputs[0]

    @cached_property
    def input_array(self) -> Array:
        """The input as an array; of several, the first."""
        return device.as_array(self.inputs[0])

    @property
    def resolution(self) -> float:
        """The distance from 1 to the next number of the run's dtype: what one rounding may cost, relatively."""
        return 2.0**-7 if self.dtype == "bfloat16" else float(np.finfo(self.dtype).eps)

    def tolerance(self, roundings: float) -> float:
        """How far a result may be off: so many roundings, and more for long sums, at the model's largest magnitude.

        The error of a sum of n numbers grows like the square root of n roundings.
        """
        magnitude, size = self._extremes
        return (roundings + math.sqrt(size) / 4) * self.resolution * magnitude

    @cached_property
    def _extremes(self) -> tuple[float, int]:
        """The largest finite absolute value and the largest size, of the input and of what any layer emits.

        Found by one more call in PyNative mode, with hooks.
        """
        found = [*map(device.as_array, self.inputs), *self.outputs]
        extremes = [(largest(array), array.size) for array in found]

        def note(cell: nn.Cell, inputs: Any, output: Any) -> None:
            arrays = map(device.as_array, tensors_in(output))
            extremes.extend((largest(array), array.size) for array in arrays)

        cells = dict(self.model.cells_and_names())
        layers = [cells[row.path] for row in self.planned.rows if row.path in cells]
        handles = [cell.register_forward_hook(note) for cell in layers]
        try:
            self.outputs_in("pynative")
        finally:
            for handle in handles:
                handle.remove()
        return max(value for value, _ in extremes), max(size for _, size in extremes)


def largest(array: Array) -> float:
    """The largest finite absolute value, 0 if there is none."""
    values = np.abs(_wide(array))
    return float(np.max(values, initial=0.0, where=np.isfinite(values)))


def difference(one: list[Array], other: list[Array]) -> float:
    """The largest absolute difference; infinite where only one side is not finite, or shapes differ."""
    worst = 0.0
    for left, right in zip(one, other, strict=True):
        if left.shape != right.shape:
            return float("inf")
        left, right = _wide(left), _wide(right)
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        with np.errstate(invalid="ignore"):
            apart = np.where(same, 0.0, np.abs(left - right))
        worst = max(worst, float(np.max(np.where(np.isnan(apart), np.inf, apart), initial=0.0)))
    return worst


def _wide(array: Array) -> Array:
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)


def tensors_in(value: Any) -> list[Tensor]:
    """A tensor, or those in a tuple in order."""
    return [value] if isinstance(value, Tensor) else [tensor for item in value for tensor in tensors_in(item)]


@dataclass(frozen=True)
class Check:
    """A check as registered: a function and the arguments that YAML may give it."""

    name: str
    function: Callable[..., Outcome]
    asks: tuple[str, ...]
    settings: type[BaseModel]

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]


GIVEN = ("subject", "model", "planned", "input_array", "output", "outputs")
"""The attributes of :class:`Subject` that a check may name as parameters."""

CHECKS: dict[str, Check] = {}
"""Every check by name."""


def check(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Register a function as a check under its own name.

    Parameters in ``GIVEN`` are taken from the :class:`Subject`; the others are arguments from YAML, validated against
    their annotations.

    Raises:
        SettingsError: the name is taken.
    """
    name = function.__name__
    if name in CHECKS:
        raise SettingsError(f"a check named {name!r} is registered already")
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters
    asks = tuple(word for word in parameters if word in GIVEN)
    fields: dict[str, Any] = {
        word: (hints[word], ... if parameter.default is inspect.Parameter.empty else parameter.default)
        for word, parameter in parameters.items()
        if word not in asks
    }
    settings = create_model(name, __config__=ConfigDict(extra="forbid", hide_input_in_errors=True), **fields)
    CHECKS[name] = Check(name, function, asks, settings)
    return function


@dataclass(frozen=True)
class Prepared:
    """A check with its arguments validated, and the configuration key that they stand at."""

    check: Check
    settings: BaseModel
    key: str


Wanted: TypeAlias = tuple[str, Mapping[str, Any] | None, str]
"""A check's name, its arguments, and the configuration key that they stand at."""


def prepare(wanted: Iterable[Wanted]) -> list[Prepared]:
    """Look checks up and validate their arguments.

    Raises:
        SettingsError, Mistakes: unknown checks and arguments.
    """
    prepared: list[Prepared] = []
    mistakes: list[AssemblerError] = []
    for name, arguments, key in wanted:
        if name not in CHECKS:
            instead = suggestion(name, CHECKS) or f" There are: {', '.join(sorted(CHECKS))}."
            mistakes.append(SettingsError(f"no check named {name!r}.{instead}", Place(key=key)))
            continue
        with noted(mistakes):
            settings = read(CHECKS[name].settings, dict(arguments or {}), key)
            prepared.append(Prepared(CHECKS[name], settings, key))
    raise_all(mistakes)
    return prepared


def run(prepared: Iterable[Prepared], subject: Subject) -> list[Outcome]:
    """Run all checks. One that raises has failed, and the others run all the same.

    Raises:
        AssemblerError: what a check was told is wrong, such as a function that does not exist.
    """
    return [_run(one, subject) for one in prepared]


def _run(one: Prepared, subject: Subject) -> Outcome:
    given = {name: getattr(one.settings, name) for name in type(one.settings).model_fields}
    try:
        return one.check.function(**{name: getattr(subject, name) for name in one.check.asks}, **given)
    except AssemblerError as mistake:
        mistake.place = mistake.place if mistake.place.key else Place(key=one.key)
        raise
    except Exception as error:
        return Outcome(one.check.name, False, None, None, f"raised {first_line(error)}")
