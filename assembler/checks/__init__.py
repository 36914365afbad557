"""Checks: named questions to the model, one file each. Importing this package registers them all."""

from assembler.checks import deterministic, finite, mean, modes, output, range, reference
from assembler.checks.base import CHECKS, Check, Outcome, Subject, check, prepare, run

__all__ = [
    "CHECKS",
    "Check",
    "Outcome",
    "Subject",
    "check",
    "deterministic",
    "finite",
    "mean",
    "modes",
    "output",
    "prepare",
    "range",
    "reference",
    "run",
]
