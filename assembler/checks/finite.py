"""Whether the output is finite."""

import numpy as np

from assembler.checks.base import check
from assembler.model.inputs import Array
from assembler.model.subject import Outcome


@check
def finite(outputs: list[Array]) -> Outcome:
    """Whether no value of the output is infinite or NaN. Measured: how many are."""
    count = sum(int(np.count_nonzero(~np.isfinite(array))) for array in outputs)
    return Outcome("finite", count == 0, count, 0, relation="=")
