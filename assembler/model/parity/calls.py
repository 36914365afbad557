"""What layers got and emitted in one call of a model, and how arrays of two models are compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, permutations
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
        difference: the largest; infinite if the sizes differ; None if axes are split or joined in an unknown way.
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
        return self.difference / self.bound if self.bound else (math.inf if self.difference else 0.0)


def apart(
    what: str, here: Sequence[Array], there: Sequence[Array], beside: Iterable[Array] = (), *, exactly: bool = False
) -> Apart | None:
    """How far outputs are apart, those that both have; None if there are none.

    Args:
        beside: other arrays whose roundings count, such as the inputs.
        exactly: whether shapes have to be equal.
    """
    bound = bound_of(chain(here, there, beside))
    found = [_apart(what, one, other, bound, exactly) for one, other in zip(here, there, strict=False)]
    return max(found, key=lambda one: one.part, default=None)


def _apart(what: str, here: Array, there: Array, bound: float, exactly: bool) -> Apart:
    shapes = (here.shape, there.shape)
    if exactly:
        return Apart(what, shapes, difference([here], [there]), bound)
    found = nearest(there, here, bound)
    apart = math.inf if found is None else difference([here], [found])
    if apart > bound and found is not None and not _has_same_axes(here, there):
        return Apart(what, shapes, None, bound)
    return Apart(what, shapes, apart, bound)


def bound_of(arrays: Iterable[Array]) -> float:
    """The largest difference that roundings of such numbers explain. Integers are exact."""
    magnitude, size = 0.0, 0
    for array in arrays:  # one at a time: they may be those of all layers
        if array.dtype.kind == "f":
            magnitude, size = max(magnitude, largest(array)), max(size, array.size)
    return rounding_bound(ROUNDINGS, magnitude, size, resolution("float32"))


def agreeing(array: Array, target: Array) -> Array | None:
    """An array in the shape of another, if it is certain in which order its axes are; otherwise None."""
    bound = bound_of([array, target])
    found = nearest(array, target, bound)
    if found is None or array.shape == target.shape:
        return found
    return found if difference([found], [target]) <= bound else None


def nearest(array: Array, target: Array, bound: float) -> Array | None:
    """An array in the shape of another, in the first order of axes within a bound; None if sizes differ.

    If none is, it is as it is, or in the nearest order if the shapes differ.
    """
    found, least = None, math.inf
    for one in _orders(array, target.shape):
        apart = difference([one], [target])
        if found is None or apart <= bound or (apart < least and array.shape != target.shape):
            found, least = one, apart
        if least <= bound:
            break
    return found


def _orders(array: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """An array in a shape, in each order of axes that it may have: the channels may be second or last in one model.

    Of other shapes with the same axes, these are all orders. ``(2, 8, 8, 16)`` → ``(2, 16, 8, 8)`` has two of them.
    """
    if array.size != math.prod(shape):
        return
    if array.shape == shape or sorted(_axes(array.shape)) != sorted(_axes(shape)):
        orders = [array, np.moveaxis(array, 1, -1), np.moveaxis(array, -1, 1)] if array.ndim > 2 else [array]
        yield from (one.reshape(shape) for one in orders)
        return
    plain = array.reshape(_axes(array.shape))
    for order in permutations(range(plain.ndim)):
        if tuple(plain.shape[axis] for axis in order) == _axes(shape):
            yield plain.transpose(order).reshape(shape)


def _has_same_axes(one: Array, other: Array) -> bool:
    """Whether the axes differ in their order, and none is split or joined."""
    return sorted(_axes(one.shape)) == sorted(_axes(other.shape))


def _axes(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
