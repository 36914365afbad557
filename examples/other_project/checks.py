"""What this project asks of its networks besides what the assembler asks."""

import numpy as np
from assembler.checks import Outcome, check


@check
def sums_to_one(output: np.ndarray, axis: int = -1, atol: float = 1e-5) -> Outcome:
    """Whether the output sums to 1 along an axis, as probabilities do. Measured: the largest distance from it."""
    apart = float(np.abs(output.sum(axis) - 1).max())
    return Outcome("sums_to_one", apart <= atol, apart, atol, relation="<=")
