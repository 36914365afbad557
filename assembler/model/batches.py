"""Which axes of an output are the batch: those whose size follows that of the inputs.

The size of an axis does not show it: ``LSTM(4, 4, bidirectional=True, batch_first=True)`` on (2, 3, 4) emits states of
(2, 2, 4), whose first axis counts directions. Planned with three examples, they are (2, 3, 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from assembler.language.recipe import leaves
from assembler.planning.plan import Plan, Row
from assembler.planning.planner import plan_steps
from assembler.planning.specs import Spec, Specs

Shape = tuple[int, ...]


def planned_with(planned: Plan, size: int, axis: int = 0) -> Plan:
    """The plan of the same layers with another size of an axis of every input that has it.

    Raises:
        AssemblerError: the layers do not accept that size.
    """
    assert planned.input is not None
    given = planned.input
    changed = (
        _resized(given, size, axis) if isinstance(given, Spec) else tuple(_resized(one, size, axis) for one in given)
    )
    return plan_steps(planned.steps, changed, planned.dtype)


def _resized(specs: Specs, size: int, axis: int) -> Specs:
    if not isinstance(specs, Spec) or len(specs.shape) <= axis:
        return specs
    return replace(specs, shape=(*specs.shape[:axis], size, *specs.shape[axis + 1 :]))


def shapes_of(specs: Specs) -> list[Shape]:
    """The shapes of tensors, also of those in tuples, in order."""
    return [spec.shape for spec in leaves([specs])]


def batch_axes(shapes: Sequence[Shape], batches: Sequence[int]) -> list[int]:
    """The axes that are the batch.

    Args:
        shapes: those of one tensor, one for each batch size.
    """
    return [axis for axis, sizes in enumerate(zip(*shapes, strict=False)) if list(sizes) == list(batches)]


def fixes_batch(shapes: Sequence[Shape], batches: Sequence[int]) -> bool:
    """Whether the first axis of a tensor should follow the batch and does not: (4, 8) and (4, 10) for 4 and 5 examples.

    It may be a multiple of the batch, another axis may be the batch, or the tensor may have nothing to do with the
    batch: it has the same shape for all batches, and that does not begin with the first batch size.

    Args:
        shapes: those of one tensor, one for each batch size.
    """
    if batch_axes(shapes, batches):
        return False
    first = [shape[0] if shape else 0 for shape in shapes]
    if all(first) and all(size * batches[0] == first[0] * batch for size, batch in zip(first, batches, strict=True)):
        return False
    return len(set(shapes)) > 1 or first[0] == batches[0]


def first_to_fix(planned: Plan, other: Plan, batches: tuple[int, int]) -> tuple[Row, Row] | None:
    """The first layer that fixes the batch of an input that follows it, as two plans have it.

    Args:
        batches: the batch sizes of the two plans.
    """
    there = {row.path: row for row in other.rows}
    pairs = [(row, there[row.path]) for row in planned.rows if row.path in there]
    found = [
        row
        for row, again in pairs
        if _fixed(row.output, again.output, batches) and not _fixed(row.input, again.input, batches)
    ]
    inner = planned.innermost(found)
    return (inner[0], there[inner[0].path]) if inner else None


def _fixed(specs: Specs, other: Specs, batches: tuple[int, int]) -> bool:
    """Whether one of some tensors fixes the batch."""
    both = zip(shapes_of(specs), shapes_of(other), strict=False)
    return any(fixes_batch(shapes, batches) for shapes in both)
