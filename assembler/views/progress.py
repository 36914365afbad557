"""A bar that grows, for a person who waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn


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
        # Drawn between calls: a thread that drew meanwhile would be measured as well.
        yield lambda: bar.update(task, advance=1, refresh=True)
