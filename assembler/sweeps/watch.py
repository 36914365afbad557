"""Watch the jobs of a sweep through the files in its folder, whatever launcher runs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from time import monotonic, time
from typing import Any

from assembler.sweeps.points import LOCK, result_of
from assembler.sweeps.table import message_of, telling
from assembler.views.progress import SweepLine

INTERVAL = 0.3
"""Seconds between two looks, at least; and looking at many jobs takes at most a tenth of the time."""


class Watch:
    """Reports the progress of a running sweep, from a separate thread.

    Args:
        jobs: returns the folders of the jobs to run, each with the identity that its result must have, or None if any
            result is accepted.
        total: number of jobs; None if unknown.
        follow: called by the separate thread after each look.
        read: returns the result of a job by its folder and identity; None if it has none.
        in_order: whether jobs start in this order: a look then ends at the first that has not started.
    """

    def __init__(
        self,
        jobs: Callable[[], Iterable[tuple[Path, str | None]]],
        total: int | None,
        follow: Callable[[], None] = lambda: None,
        read: Callable[[Path, str | None], Mapping[str, Any] | None] = result_of,
        *,
        in_order: bool = False,
    ) -> None:
        self._jobs = jobs
        self._in_order = in_order
        self._read = read
        self._follow = follow
        self._line = SweepLine(total)
        self._since = time() - 1  # file times are coarse
        self.seen: set[Path] = set()  # the folders of jobs whose result was reported
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        self._line.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()
        self._in_order = False  # the last look is at all jobs
        self.look()
        self._line.__exit__()

    def _watch(self) -> None:
        pause = INTERVAL
        while not self._end.wait(pause):
            began = monotonic()
            self.look()
            pause = max(INTERVAL, 10 * (monotonic() - began))
            self._follow()

    def look(self) -> None:
        """Report new results."""
        running = 0
        for folder, identity in self._jobs():
            if folder in self.seen:
                continue
            if written_since(folder / "result.json", self._since) and (record := self._read(folder, identity)):
                self.seen.add(folder)
                self._tell(record)
            elif written_since(folder / LOCK, self._since):
                running += 1
            elif self._in_order:
                break
        self._line.draw(running)

    def _tell(self, record: Any) -> None:
        seconds = sum(record["seconds"].values()) if record.get("seconds") else None
        self._line.through(record["status"], " ".join(telling(record["overrides"])), seconds, message_of(record))


def written_since(file: Path, moment: float) -> bool:
    """Whether a file exists and was written since a time, in seconds since 1970."""
    try:
        return file.stat().st_mtime >= moment
    except OSError:
        return False
