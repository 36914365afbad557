"""Whether the output stays within limits."""

import numpy as np

from assembler.checks.base import Outcome, check
from assembler.inputs import Array


@check
def range(output: Array, min: float = float("-inf"), max: float = float("inf")) -> Outcome:
    """Whether every value of the output lies from ``min`` to ``max``, both included. Measured: the extremes."""
    lowest, highest = float(np.min(output)), float(np.max(output))
    return Outcome("range", bool(min <= lowest and highest <= max), [lowest, highest], [min, max])
