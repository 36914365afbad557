"""A bar that grows, for a person who waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

INTERVAL = 0.2
"""Seconds from one drawing to the next, at least."""


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on the standard error while something runs, and only if that is a terminal.

    Args:
        total: how many steps there are.

    Returns:
        What to call after each step.
    """
    console = Console(stderr=True)
    bar = Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal, auto_refresh=False,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=total)
        drawn = time.monotonic()

        def step() -> None:
            nonlocal drawn
            # Drawn between calls, and seldom: a thread that drew meanwhile would be measured, too.
            due = time.monotonic() - drawn > INTERVAL
            drawn = time.monotonic() if due else drawn
            bar.update(task, advance=1, refresh=due)

        yield step
