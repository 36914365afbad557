"""Checks: named questions to the model, one file each. Importing this package registers them all."""

from assembler.checks import deterministic, finite, mean, modes, output, range, reference
from assembler.checks.base import CHECKS, Check, Outcome, Prepared, Subject, Wanted, check, prepare, run
from assembler.checks.expect import expectations

__all__ = [
    "CHECKS",
    "Check",
    "Outcome",
    "Prepared",
    "Subject",
    "Wanted",
    "check",
    "deterministic",
    "expectations",
    "finite",
    "mean",
    "modes",
    "output",
    "prepare",
    "range",
    "reference",
    "run",
]
