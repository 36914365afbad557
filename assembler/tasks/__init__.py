"""The verbs: what a run does with its settings, one file each, and ``run``, which does it and leaves a record."""

from assembler.tasks.run import run

__all__ = ["run"]
