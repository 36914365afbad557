"""The tasks of a run, one file each, and ``run``, which performs one and writes a record."""

from assembler.tasks.common import planned
from assembler.tasks.result import CODES, Result
from assembler.tasks.run import lost, run

__all__ = ["CODES", "Result", "lost", "planned", "run"]
