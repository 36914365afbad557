"""Whether the output has a certain mean."""

import numpy as np

from assembler.checks.base import Array, Outcome, check


@check
def mean(output: Array, resolution: float, magnitude: float, equals: float, atol: float | None = None) -> Outcome:
    """Whether the output's mean is ``equals`` to within ``atol``.

    A mean that is zero in theory is off by the rounding of what it was subtracted from, so the default bound scales
    with the data: 8 roundings at the largest magnitude of input and output.
    """
    measured = float(np.mean(output.astype(np.float64)))
    bound = 8 * resolution * max(magnitude, abs(equals)) if atol is None else atol
    return Outcome("mean", abs(measured - equals) <= bound, measured, f"{equals:g} ± {bound:.3g}")
