"""The results of a run, collected while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assembler.errors import AssemblerError
from assembler.runtime.limits import Budget
from assembler.settings import Settings
from assembler.tasks.kept import Kept, Known
from assembler.views.progress import doing

if TYPE_CHECKING:
    from assembler.checks import Outcome
    from assembler.model.parameters import Observed
    from assembler.model.timing import Measurement
    from assembler.model.weights import Loaded
    from assembler.planning.plan import Plan
    from assembler.runtime.device import Device

PASSED, FAILED, WRONG = 0, 1, 2
"""Exit codes: all checks passed; a check failed; the recipe, the configuration or the device was wrong."""

CODES = {"passed": PASSED, "failed": FAILED, "error": WRONG}
"""Names of the exit codes: the ``status`` of ``result.json``."""


@dataclass
class Result:
    """The results of a run; those that it did not reach are None or empty.

    Args:
        folder: the run folder, where a task writes its files.
        config: the configuration, as plain data.
        settings: the same, validated.
        device: where it ran.
        planned: the plan.
        outcomes: of the checks.
        parameters: all parameters of the model.
        loaded: the outcome of ``weights.load``.
        saved: the file of ``weights.save``, once it is written.
        bench: the measurements.
        files: files that the task wrote, relative to the folder.
        error: the error that ended the run.
        seconds: duration of each part.
        budget: what reading and planning may still take.
        on_plan: called when the plan is known, before anything is built.
        kept: what the process keeps from earlier runs.
        known: the plan, and what was made of it.
    """

    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings | None = None
    device: Device | None = None
    planned: Plan | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    parameters: list[Observed] = field(default_factory=list)
    loaded: Loaded | None = None
    saved: str | None = None
    bench: list[Measurement] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    error: AssemblerError | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    on_plan: Callable[[Result], None] = lambda result: None
    kept: Kept = field(default_factory=Kept)
    known: Known = field(default_factory=Known)

    @property
    def code(self) -> int:
        """The exit code."""
        if self.error is not None:
            return WRONG
        return PASSED if all(outcome.passed for outcome in self.outcomes) else FAILED

    @property
    def status(self) -> str:
        """The name of the exit code."""
        return next(word for word, code in CODES.items() if code == self.code)

    @contextmanager
    def timed(self, name: str, what: str = "") -> Iterator[None]:
        """Add the duration of a block to ``seconds``.

        Args:
            what: the status line of a terminal; nothing may then be printed meanwhile.
        """
        start = time.perf_counter()
        try:
            with doing(what) if what else nullcontext():
                yield
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 4)
