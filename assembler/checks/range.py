"""Whether the output is within limits."""

from assembler.checks.base import check
from assembler.model.inputs import Array
from assembler.model.subject import Outcome


@check
def range(output: Array, min: float = float("-inf"), max: float = float("inf")) -> Outcome:
    """Whether every value of the output is from ``min`` to ``max``, inclusive. Measured: the extremes."""
    import numpy as np

    lowest, highest = float(np.min(output)), float(np.max(output))
    return Outcome("range", bool(min <= lowest and highest <= max), [lowest, highest], [min, max], relation="within")
