"""The verbs: what a run does with its settings, one file each, and ``run``, which does it and leaves a record."""

from assembler.tasks.common import planned
from assembler.tasks.result import CODES, Result
from assembler.tasks.run import lost, run

__all__ = ["CODES", "Result", "lost", "planned", "run"]
