"""Whether the output is finite."""

from assembler.checks.base import check
from assembler.model.inputs import Array
from assembler.model.subject import Outcome


@check
def finite(outputs: list[Array]) -> Outcome:
    """Whether no value of the output is infinite or NaN. Measured: how many are."""
    import numpy as np

    count = sum(int(np.count_nonzero(~np.isfinite(array))) for array in outputs)
    return Outcome("finite", count == 0, count, 0, relation="=")
