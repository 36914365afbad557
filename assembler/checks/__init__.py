"""Checks: named questions to the model, one file each. Importing this package registers them all."""

from assembler.checks import deterministic, finite, mean, modes, output, range, reference
from assembler.checks.base import CHECKS, Check, Outcome, Subject, Wanted, check, numbers, prepare, run

__all__ = [
    "CHECKS",
    "Check",
    "Outcome",
    "Subject",
    "Wanted",
    "check",
    "deterministic",
    "finite",
    "mean",
    "modes",
    "numbers",
    "output",
    "prepare",
    "range",
    "reference",
    "run",
]
