"""Whether a lower precision is sufficient."""

from typing import Literal

from assembler.checks.base import check
from assembler.model.inputs import Array
from assembler.model.subject import DoesNotApply, Outcome, Subject, difference, largest


@check(copies=1)
def precision(
    subject: Subject,
    outputs: list[Array],
    dtype: Literal["float16", "float32", "float64"] | None = None,
    rtol: float | None = None,
) -> Outcome:
    """Whether the model agrees with itself in another floating-point dtype. Measured: the largest difference.

    The other dtype is float16 by default, or float32 if the run uses float16.
    The bound is ``rtol`` times the largest magnitude of the output, or by default 64 roundings of the coarser dtype,
    more for long sums, at the largest magnitude of any layer's output, but at most a tenth of the largest output.
    """
    from assembler.model.build import copy_of
    from assembler.runtime.device import as_dtype

    dtype = dtype or ("float32" if subject.dtype == "float16" else "float16")
    if dtype == subject.dtype:
        raise DoesNotApply(f"the run itself uses {dtype}")
    model = copy_of(subject.bare, subject.planned, dtype)
    to, floats = as_dtype(dtype), as_dtype(subject.dtype)
    inputs = [one.astype(to) if one.dtype == floats else one for one in subject.inputs]
    apart = difference(outputs, subject.call(model, inputs))
    coarser = min(dtype, subject.dtype, key=lambda name: 0 if name == "bfloat16" else int(name[5:]))
    most = max(map(largest, outputs))
    # Where layers inside emit larger numbers, their roundings may be as large as the output: that is not agreement.
    bound = min(subject.tolerance(64, coarser), most / 10) if rtol is None else rtol * most
    return Outcome("precision", apart <= bound, apart, bound, f"{dtype} against {subject.dtype}", relation="<=")
