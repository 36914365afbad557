"""Whether the examples of a batch are independent."""

from assembler.checks.base import check
from assembler.errors import AssemblerError
from assembler.model.inputs import Array
from assembler.model.subject import DoesNotApply, Outcome, Subject, wide
from assembler.planning.plan import Plan


@check
def independent(subject: Subject, outputs: list[Array], equals: bool = True, axis: int = 0) -> Outcome:
    """Whether the output for one example of a batch does not depend on the others.

    All examples except the first are replaced, then all except the last. Measured: the largest change of the outputs
    for the kept example. It must be 0, because shapes and so the order of all sums are unchanged.

    An output is compared along the axis that grows by one in the plan for one example more; one without is not.

    Args:
        equals: false to check that it does depend on them.
        axis: the batch axis of all inputs. Of an output with several such axes, too, if it is among them.
    """
    import numpy as np
    from mindspore import Tensor

    from assembler.runtime.device import as_array

    inputs = [as_array(one) for one in subject.inputs]
    sizes = {array.shape[axis] if array.ndim > axis else 0 for array in inputs}
    size = max(sizes)
    if len(sizes) != 1 or size == 0:
        raise DoesNotApply(f"the inputs differ in size along axis {axis}")
    if size == 1:
        raise DoesNotApply("the batch has one example")
    along = _batch_axes(subject.planned, size, axis)
    apart = 0.0
    for kept in (0, size - 1):
        changed = [_all_but(array, kept, axis) for array in inputs]
        if all(np.array_equal(one, other) for one, other in zip(inputs, changed, strict=True)):
            raise DoesNotApply("all examples are equal, so replacing them shows nothing")
        given = [Tensor(array, one.dtype) for array, one in zip(changed, subject.inputs, strict=True)]
        found = subject.call(subject.model, given)
        for index, batch in along.items():
            apart = max(apart, _distance(outputs[index].take(kept, batch), found[index].take(kept, batch)))
    return Outcome("independent", (apart == 0) == equals, apart, 0, relation="=" if equals else ">")


def _batch_axes(planned: Plan, size: int, axis: int) -> dict[int, int]:
    """For each output that has one, by its index, the axis that is the batch."""
    from assembler.model.batches import batch_axes, planned_with, shapes_of

    assert planned.output is not None
    try:
        grown = planned_with(planned, size + 1, axis)
    except AssemblerError as error:
        raise DoesNotApply(f"the model cannot be planned with {size + 1} examples: {error.message}") from None
    assert grown.output is not None
    found: dict[int, int] = {}
    for index, shapes in enumerate(zip(shapes_of(planned.output), shapes_of(grown.output), strict=True)):
        axes = batch_axes(shapes, (size, size + 1))
        if axes:
            found[index] = axis if axis in axes else axes[0]
    if not found:
        raise DoesNotApply(f"no output has an axis that follows the batch, axis {axis} of the input")
    return found


def _all_but(array: Array, kept: int, axis: int) -> Array:
    """The array with all examples except one replaced by their neighbours, reversed."""
    import numpy as np

    changed = np.roll(np.flip(array, [other for other in range(array.ndim) if other != axis]), 1, axis)
    at = [slice(None)] * array.ndim
    at[axis] = slice(kept, kept + 1)
    changed[tuple(at)] = array[tuple(at)]
    return changed


def _distance(one: Array, other: Array) -> float:
    import numpy as np

    apart = np.abs(wide(one) - wide(other))
    return float(np.max(np.where(np.isnan(apart), 0.0 if np.isnan(one).all() else np.inf, apart), initial=0.0))
