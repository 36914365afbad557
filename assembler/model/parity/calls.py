"""What layers got and emitted in one call of a model, and how arrays of two models are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mindspore import Tensor, nn

from assembler.model.inputs import Array
from assembler.model.subject import difference, largest, resolution, rounding_bound
from assembler.planning.tensors import leaves_among
from assembler.runtime import device

ROUNDINGS = 128
"""Roundings that a layer may differ by, as in the check ``reference``."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one layer.

    Args:
        path: the layer's, in its model.
        inputs: the tensors that it got.
        outputs: those that it emitted.
    """

    path: str
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]

    @property
    def is_identity(self) -> bool:
        """Whether it changed no values, as Dropout in inference, and Flatten."""
        if not self.inputs or not self.outputs or self.inputs[0].size != self.outputs[0].size:
            return False
        return np.array_equal(self.inputs[0].reshape(-1), self.outputs[0].reshape(-1))


def call_model(
    model: nn.Cell,
    inputs: Sequence[Tensor],
    cells: Mapping[str, nn.Cell],
    instead: Callable[[Call], Array | None] = lambda call: None,
) -> tuple[list[Call], tuple[Array, ...]]:
    """Call a model in PyNative mode.

    Args:
        cells: those whose calls are recorded.
        instead: what replaces the single output of a call; None leaves it.

    Returns:
        The calls in the order of their ends, and the model's outputs.
    """
    calls: list[Call] = []

    def watching(path: str) -> Callable[[nn.Cell, Any, Any], Any]:
        def note(cell: nn.Cell, given: Any, output: Any) -> Any:
            call = Call(path, arrays_in(given), arrays_in(output))
            calls.append(call)
            other = instead(call)
            if other is None or not isinstance(output, Tensor):
                return None
            return Tensor(np.ascontiguousarray(other), output.dtype)

        return note

    handles = [cell.register_forward_hook(watching(path)) for path, cell in cells.items()]
    try:
        with device.mode("pynative"), device.contained():
            return calls, arrays_in(model(*inputs))
    finally:
        for handle in handles:
            handle.remove()


def arrays_in(value: Any) -> tuple[Array, ...]:
    """The tensors of MindSpore in nested tuples, as arrays."""
    return tuple(device.as_array(one) for one in leaves_among(value) if isinstance(one, Tensor))


@dataclass(frozen=True, slots=True)
class Apart:
    """How far the arrays of both models are apart.

    Args:
        what: what was compared: ``input``, ``output`` or ``faint input``.
        shapes: here and there.
        difference: the largest; infinite if the sizes differ; None if the axes differ in a way that is not understood.
        bound: the largest that roundings explain.
    """

    what: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    difference: float | None
    bound: float

    @property
    def is_beyond(self) -> bool:
        """Whether roundings cannot explain it."""
        return self.difference is not None and self.difference > self.bound

    @property
    def part(self) -> float:
        """The difference as a part of the bound."""
        if self.difference is None:
            return -1.0
        return self.difference / self.bound if self.bound else (float("inf") if self.difference else 0.0)


def apart(what: str, here: Sequence[Array], there: Sequence[Array], beside: Iterable[Array] = ()) -> Apart | None:
    """How far outputs are apart, those that both have; None if there are none.

    Args:
        beside: other arrays whose roundings count, such as the inputs.
    """
    pairs = list(zip(here, there, strict=False))
    if not pairs:
        return None
    bound = bound_of([*here, *there, *beside])
    found = [_apart(what, one, other, bound) for one, other in pairs]
    return max(found, key=lambda one: one.part)


def _apart(what: str, here: Array, there: Array, bound: float) -> Apart:
    found = nearest(there, here)
    apart = float("inf") if found is None else difference([here], [found])
    if here.shape != there.shape and found is not None and apart > bound:
        return Apart(what, (here.shape, there.shape), None, bound)  # axes in another order: nothing is known
    return Apart(what, (here.shape, there.shape), apart, bound)


def bound_of(arrays: Iterable[Array]) -> float:
    """The largest difference that roundings of such numbers explain. Integers are exact."""
    floats = [array for array in arrays if array.dtype.kind == "f"]
    magnitude = max(map(largest, floats), default=0.0)
    size = max((array.size for array in floats), default=0)
    return rounding_bound(ROUNDINGS, magnitude, size, resolution("float32"))


def nearest(array: Array, target: Array) -> Array | None:
    """An array in the shape of another: with channels last or second, whichever is nearer; None if sizes differ."""
    if array.shape == target.shape:
        return array
    if array.size != target.size:
        return None
    orders = [array]
    if array.ndim > 2:
        orders += [np.moveaxis(array, 1, -1), np.moveaxis(array, -1, 1)]
    return min((one.reshape(target.shape) for one in orders), key=lambda one: difference([one], [target]))
