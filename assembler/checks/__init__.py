"""Checks of a model, one file each. Importing this package registers them all."""

from assembler.checks import (
    budget,
    deterministic,
    finite,
    frozen,
    golden,
    gradients,
    independent,
    mean,
    modes,
    output,
    precision,
    range,
    reference,
    reload,
    trains,
)
from assembler.checks.base import (
    CHECKS,
    Check,
    Prepared,
    Wanted,
    check,
    prepare,
    run,
)
from assembler.checks.expect import expectations
from assembler.model.subject import DoesNotApply, Outcome, Subject

__all__ = [
    "CHECKS",
    "Check",
    "DoesNotApply",
    "Outcome",
    "Prepared",
    "Subject",
    "Wanted",
    "budget",
    "check",
    "deterministic",
    "expectations",
    "finite",
    "frozen",
    "golden",
    "gradients",
    "independent",
    "mean",
    "modes",
    "output",
    "precision",
    "prepare",
    "range",
    "reference",
    "reload",
    "run",
    "trains",
]
