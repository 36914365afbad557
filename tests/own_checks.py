"""A check of one's own, as another project would write it."""

import numpy as np

from assembler.checks import Outcome, check


@check
def smaller_than(output: np.ndarray, limit: float) -> Outcome:
    """Whether every value is below a limit. Measured: the largest."""
    largest = float(output.max())
    return Outcome("smaller_than", largest < limit, largest, limit)


def not_registered(output: np.ndarray) -> Outcome:
    """It lacks the decorator."""
    return Outcome("not_registered", True, None, None)


@check
def says_yes(output: np.ndarray) -> Outcome:
    """It returns something else."""
    return True


@check
def exits(output: np.ndarray) -> Outcome:
    """It tries to end the program."""
    raise SystemExit(0)


def log(x, parameters, arguments):
    """A reference."""
    return np.log(x)
