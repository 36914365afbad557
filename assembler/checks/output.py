"""Whether the output is what was expected."""

from typing import Any

from assembler.checks.base import check
from assembler.language.recipe import print_value
from assembler.model.inputs import Array, numbers
from assembler.model.subject import Outcome, Subject, difference
from assembler.planning.plan import Plan
from assembler.planning.specs import Spec, print_shape


@check
def output(
    output: Array,
    planned: Plan,
    subject: Subject,
    shape: list[Any] | None = None,
    dtype: str | None = None,
    values: Any = None,
    atol: float | None = None,
) -> Outcome:
    """Whether the output has this shape, dtype and these values; by default, the shape and dtype of the plan.

    In the shape, ``_`` matches any size.
    Values may differ by ``atol``, by default 16 roundings, more for long sums, at the largest magnitude of any layer's
    output.
    """
    promised = planned.output
    while isinstance(promised, tuple):
        promised = promised[0]
    assert promised is not None
    wanted_shape = promised.shape
    if shape is not None:
        found = dict(enumerate(output.shape))
        wanted_shape = tuple(found.get(axis, size) if size == "_" else size for axis, size in enumerate(shape))
    # NumPy has no bfloat16: such an output arrives as float32, so its dtype is read from the plan.
    found_dtype = promised.dtype if promised.dtype == "bfloat16" else str(output.dtype)
    wanted_dtype = dtype or promised.dtype
    measured = f"{print_value(output.shape)} {found_dtype}"
    bound = f"{print_shape(Spec(wanted_shape, ''))} {wanted_dtype}"
    same = output.shape == wanted_shape and found_dtype == wanted_dtype
    if values is None or not same:
        return Outcome("output", same, measured, bound, relation="=")
    wanted = numbers(values)
    if wanted.shape != wanted_shape:
        return Outcome("output", False, measured, bound, f"the expected values have shape {print_value(wanted.shape)}")
    limit = subject.tolerance(16) if atol is None else atol
    apart = difference([output], [wanted])
    return Outcome("output", apart <= limit, f"{measured}, values off by {apart:.3g}", f"{bound}, {limit:.3g}")
