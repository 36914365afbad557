"""Whether the examples of a batch are kept apart."""

import numpy as np

from assembler.checks.base import check
from assembler.model.inputs import Array
from assembler.model.subject import DoesNotApply, Outcome, Subject, wide


@check
def independent(subject: Subject, outputs: list[Array], equals: bool = True, axis: int = 0) -> Outcome:
    """Whether what the model emits for one example of a batch does not depend on the others.

    All examples but the first are replaced by others, then all but the last. Measured: how much the output for the one
    that stayed changes at most. Nothing of it may, for shapes and so the order of all sums stay the same.

    Args:
        equals: false to ask whether it does depend on them.
        axis: that of the batch, in all inputs and outputs.
    """
    from mindspore import Tensor

    from assembler.runtime.device import as_array

    inputs = [as_array(one) for one in subject.inputs]
    sizes = {array.shape[axis] if array.ndim > axis else 0 for array in [*inputs, *outputs]}
    size = max(sizes)
    if len(sizes) != 1 or size == 0:
        raise DoesNotApply(f"the inputs and outputs are not all of one size along axis {axis}")
    if size == 1:
        raise DoesNotApply("the batch holds one example")
    apart = 0.0
    for kept in (0, size - 1):
        changed = [_all_but(array, kept, axis) for array in inputs]
        if all(np.array_equal(one, other) for one, other in zip(inputs, changed, strict=True)):
            raise DoesNotApply("the examples are all alike, so that nothing can be told from changing them")
        given = [Tensor(array, one.dtype) for array, one in zip(changed, subject.inputs, strict=True)]
        found = subject.call(subject.model, given)
        for one, other in zip(outputs, found, strict=True):
            apart = max(apart, _distance(one.take(kept, axis), other.take(kept, axis)))
    return Outcome("independent", (apart == 0) == equals, apart, 0, "" if equals else "more than 0 is asked for")


def _all_but(array: Array, kept: int, axis: int) -> Array:
    """The array with other examples around one: each is its neighbour, back to front."""
    changed = np.roll(np.flip(array, [other for other in range(array.ndim) if other != axis]), 1, axis)
    at = [slice(None)] * array.ndim
    at[axis] = slice(kept, kept + 1)
    changed[tuple(at)] = array[tuple(at)]
    return changed


def _distance(one: Array, other: Array) -> float:
    apart = np.abs(wide(one) - wide(other))
    return float(np.max(np.where(np.isnan(apart), 0.0 if np.isnan(one).all() else np.inf, apart), initial=0.0))
