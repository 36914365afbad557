"""What layers got and emitted in one call of a model, and how arrays of two models are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from mindspore import Tensor, nn

from assembler.model.inputs import Array
from assembler.model.parity.kept import Store
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
        inputs: the tensors that it got, of a recorded call in a file.
        outputs: those that it emitted.
    """

    path: str
    inputs: Sequence[Array]
    outputs: Sequence[Array]

    @property
    def is_identity(self) -> bool:
        """Whether it changed no values, as Dropout in inference, and Flatten."""
        if not self.inputs or not self.outputs:
            return False
        before, after = self.inputs[0], self.outputs[0]
        return before.size == after.size and np.array_equal(before.reshape(-1), after.reshape(-1))


EXACT: Mapping[type[nn.Cell], Callable[[Array], Array]] = {nn.Tanh: np.tanh}
"""Layers whose kernels on the CPU are off by much more than roundings, and exact functions that replace their outputs.

Tanh of MindSpore 2.10 is off by 1e-4, which would hide a difference of a layer, or look like one.
"""


class Watch:
    """What is done with the calls of layers. A subclass replaces inputs or outputs."""

    def given(self, path: str, inputs: Sequence[Array]) -> Array | None:
        """What replaces the single input of a layer; None leaves it."""
        return None

    def emitted(self, call: Call) -> Array | None:
        """What replaces the single output of a layer; None leaves it."""
        return None


def call_model(
    model: nn.Cell, inputs: Sequence[Tensor], cells: Mapping[str, nn.Cell], watch: Watch | None = None
) -> tuple[list[Call], tuple[Array, ...]]:
    """Call a model in PyNative mode.

    Args:
        cells: those whose calls are recorded, with what they got and emitted before it was replaced.

    Returns:
        The calls in the order of their ends, and the model's outputs.
    """
    calls: list[Call] = []
    entered: list[tuple[Array, ...]] = []
    watch, store = watch or Watch(), Store()

    def enter(path: str, inputs: Any) -> Any:
        entered.append(arrays_in(inputs))
        other = watch.given(path, entered[-1])
        return None if other is None or len(inputs) > 1 else _tensor(other, inputs[0])

    def leave(path: str, cell: nn.Cell, inputs: Any, output: Any) -> Any:
        exact = EXACT[type(cell)](device.as_array(inputs[0])) if type(cell) in EXACT else None
        call = Call(path, entered.pop(), arrays_in(output) if exact is None else (exact,))
        if path in cells:
            calls.append(Call(path, store.keep(call.inputs), store.keep(call.outputs)))
        other = watch.emitted(call)
        other = exact if other is None else other
        return None if other is None or not isinstance(output, Tensor) else _tensor(other, output)

    handles: list[Any] = []
    watched = {**{path: cell for path, cell in model.cells_and_names() if type(cell) in EXACT}, **cells}
    for path, cell in {id(cell): (path, cell) for path, cell in watched.items()}.values():
        handles.append(cell.register_forward_pre_hook(lambda _, inputs, path=path: enter(path, inputs)))
        handles.append(cell.register_forward_hook(lambda cell, *both, path=path: leave(path, cell, *both)))
    try:
        with device.mode("pynative"), device.contained():
            return calls, arrays_in(model(*inputs))
    finally:
        for handle in handles:
            handle.remove()


def _tensor(array: Array, like: Tensor) -> Tensor:
    return Tensor(np.ascontiguousarray(array), like.dtype)


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
    bound = bound_of(chain(here, there, beside))
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
    magnitude, size = 0.0, 0
    for array in arrays:  # one at a time: they may be those of all layers
        if array.dtype.kind == "f":
            magnitude, size = max(magnitude, largest(array)), max(size, array.size)
    return rounding_bound(ROUNDINGS, magnitude, size, resolution("float32"))


def agreeing(array: Array, target: Array) -> Array | None:
    """An array in the shape of another, if it is certain in which order its axes are; otherwise None."""
    found = nearest(array, target)
    if found is None or found.shape == array.shape:
        return found
    return found if difference([found], [target]) <= bound_of([found, target]) else None


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
