"""Progress on the standard error, if that is a terminal: a status line, and bars."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.control import Control
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import ControlType

from assembler.words import make_console, make_text, say

INTERVAL = 0.2
"""Minimal seconds between two updates."""


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Print a status line, such as ``building densenet121 …``, and clear it at the end.

    Nothing may be printed meanwhile. No thread draws it and the cursor is not hidden, so that a process that crashes
    leaves the terminal as it was.
    """
    console = make_console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield
        return
    console.print(make_text(f"{what} …", "dim"), end="", no_wrap=True, overflow="ellipsis")
    try:
        yield
    finally:
        console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))


@contextmanager
def progress(total: int, what: str = "") -> Iterator[Callable[[], None]]:
    """Show a progress bar on the standard error, if that is a terminal.

    Args:
        total: number of steps.
        what: the label of the bar.

    Returns:
        A function to call after each step.
    """
    console = make_console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal, auto_refresh=False,
    )  # fmt: skip
    with bar:
        task = bar.add_task(what, total=total)
        drawn = time.monotonic()

        def step() -> None:
            nonlocal drawn
            # Updated between calls, and rarely: a drawing thread would affect the measurement.
            due = time.monotonic() - drawn > INTERVAL
            drawn = time.monotonic() if due else drawn
            bar.update(task, advance=1, refresh=due)

        yield step


class SweepLine:
    """The progress of a sweep: one live line on the standard error, if that is a terminal.

    Otherwise each finished job prints a line on the standard output.

    Args:
        total: number of jobs to run; None if unknown.
    """

    def __init__(self, total: int | None) -> None:
        self.total = total
        console = make_console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=console, transient=True, disable=not console.is_terminal, redirect_stdout=False,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=total)
        self._done = self._failed = 0

    def __enter__(self) -> SweepLine:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def through(self, status: str, overrides: str, seconds: float | None, message: str) -> None:
        """A job has finished."""
        self._done += 1
        self._failed += status != "passed"
        took = f"  {seconds:.1f} s" if seconds is not None else ""
        said = f"  {message}" if message else ""
        of = f"{self._done}/{self.total}" if self.total is not None else str(self._done)
        line = f"[{of}] {status:6}  {overrides}{took}{said}"
        if self._bar.disable:
            say(line)
        elif status != "passed":
            self._bar.console.out(line, highlight=False)

    def draw(self, running: int) -> None:
        """Update the numbers.

        Args:
            running: number of running jobs.
        """
        parts = [f"{self._done} done", *([f"{self._failed} not passed"] if self._failed else []), f"{running} running"]
        self._bar.update(self._task, completed=self._done, description=", ".join(parts))
