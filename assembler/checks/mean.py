"""Whether the output has a given mean."""

from assembler.checks.base import check
from assembler.model.inputs import Array
from assembler.model.subject import Outcome, Subject


@check
def mean(output: Array, subject: Subject, equals: float, atol: float | None = None) -> Outcome:
    """Whether the output's mean is ``equals`` to within ``atol``.

    A mean that is zero in theory has the rounding error of the subtracted values, so the default bound scales with the
    data: 8 roundings, more for long sums, at the largest magnitude of any layer's output.
    """
    import numpy as np

    measured = float(np.mean(output.astype(np.float64)))
    bound = subject.tolerance(8) if atol is None else atol
    limits = [equals - bound, equals + bound]
    return Outcome("mean", abs(measured - equals) <= bound, measured, limits, relation="within")
