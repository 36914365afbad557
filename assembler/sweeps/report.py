"""The report at the end of every sweep: a table of all jobs, on the terminal and as files in its folder."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assembler.errors import SettingsError
from assembler.files import short, write_text
from assembler.runtime import exits
from assembler.settings.groups import PENDING, Groups, has_seeds
from assembler.sweeps import points
from assembler.sweeps.columns import print_csv
from assembler.sweeps.points import Point
from assembler.sweeps.results import Results
from assembler.sweeps.table import Table, gather, in_a_line, to_csv, values_of, write_sqlite
from assembler.sweeps.watch import Watch
from assembler.tasks import CODES
from assembler.words import counted, say

if TYPE_CHECKING:
    pass

EVERY = 5.0
"""Seconds between two pages of a running sweep, at least; and writing them takes at most a tenth of the time."""

AT_LEAST_EVERY = 60.0
"""Seconds after which a page is written even if no job has ended, so that readers see that the sweep still runs."""


@dataclass
class _Sweep:
    folder: Path
    objective: str | None = None
    by: list[str] | None = None  # the keys by which jobs are grouped
    jobs: list[str] | None = None  # the jobs of this command, if known in advance
    watch: Watch | None = field(default=None, repr=False)
    results: Results = field(default_factory=lambda: Results(running=True), repr=False)
    drawn: dict[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    shown: int = -1  # results in the page that was written last
    written: float = -math.inf
    pause: float = EVERY

    @property
    def title(self) -> str:
        return short(self.folder).removeprefix("multirun/")


MOST_DRAWN = 2_000_000
"""Letters of all pictures in a page; further diagrams are text."""

_open: list[_Sweep] = []
"""The sweep that is running in this process, if any."""


def begin(folder: Path, objective: str | None = None, watch: Watch | None = None, by: list[str] | None = None) -> None:
    """Start the report of a sweep.

    Args:
        folder: its folder.
        objective: the metric that it optimizes.
        watch: its watcher, if its sweeper has none.
        by: the keys by which jobs are grouped; None: all that vary except ``seed``, if that varies.
    """
    _open[:] = [_Sweep(folder, objective, by, watch=watch)]
    if watch is not None:
        exits.raise_first()
        watch.__enter__()


def jobs(names: list[str], *, is_named: bool) -> None:
    """Set the jobs of this command; before this call, no job has started.

    From here on, a signal raises ``KeyboardInterrupt``, so that the sweep ends with its table.

    Args:
        is_named: whether the same command finds the folder of this sweep again.
    """
    for sweep in _open:
        sweep.jobs = names
    exits.raise_first("; the same command resumes it" if is_named else "")


def result_of(folder: Path, identity: str | None) -> Mapping[str, Any] | None:
    """The result of a job of the running sweep, read once for all who ask; None if it has none yet."""
    return _open[0].results.read(folder, identity) if _open else points.result_of(folder, identity)


def follow() -> None:
    """Write the page of the running sweep if jobs have ended since the last one, and that is long enough ago."""
    for sweep in _open:
        began = time.monotonic()
        waited = began - sweep.written
        if waited < sweep.pause or not sweep.folder.exists():
            continue
        with suppress(OSError, SettingsError):  # ``end`` reports them
            table = gather(sweep.folder, sweep.results)
            if table.rows and (len(sweep.results) != sweep.shown or waited >= AT_LEAST_EVERY):
                sweep.shown, sweep.written = len(sweep.results), time.monotonic()
                _write_page(sweep, table, _groups(sweep, table), running=True)
        sweep.pause = max(EVERY, 10 * (time.monotonic() - began))


def end() -> int | None:
    """Write and print the table of the running sweep.

    Returns:
        The exit code of the worst job; None if no sweep is running, or it has no jobs to run.
    """
    exits.raise_none()
    if not _open:
        return None
    sweep = _open.pop()
    if sweep.watch is not None:
        sweep.watch.__exit__()
    elif sweep.jobs is None:
        return None
    sweep.results.running = False
    table = gather(sweep.folder, sweep.results) if sweep.folder.exists() else Table([], [], [], {})
    if not table.rows:
        say(f"no job of this sweep left a result in {short(sweep.folder)}", err=True)
        return max(CODES.values())
    from assembler.views import summary
    from assembler.views.groups import print_groups

    console = summary.make_console()
    summary.print_sweep(console, sweep.title, table.rows, table.overrides, sweep.objective)
    try:
        groups = _groups(sweep, table)
    except SettingsError as error:
        say(error, err=True)
        groups = None
    if groups is not None:
        print_groups(console, groups, sweep.objective)
    jobs = None if sweep.jobs is None else set(sweep.jobs)
    mine = [row for row in table.rows if jobs is None or row["job"] in jobs]
    counts = {status: sum(row["status"] == status for row in mine) for status in (*CODES, PENDING)}
    said = f"{counted(len(mine), 'job')}: " + ", ".join(
        f"{count} {status}" for status, count in counts.items() if count
    )
    earlier = len(table.rows) - len(mine)
    say(said + (f"; {earlier} of earlier commands" if earlier else ""))
    written = _write(sweep, table, groups)
    if not written or counts[PENDING]:
        return max(CODES.values())
    return max(CODES[status] for status in CODES if counts[status])


def _groups(sweep: _Sweep, table: Table) -> Groups | None:
    """The groups of the jobs; None if no keys were chosen, and all jobs have the same seed.

    Raises:
        SettingsError: no job sets a chosen key.
    """
    return table.groups(sweep.by) if sweep.by is not None or has_seeds(table.rows) else None


def _write_page(sweep: _Sweep, table: Table, groups: Groups | None, *, running: bool = False) -> None:
    from assembler.views.page import sweep_page

    diagrams = _diagrams(table.records, sweep.drawn)
    next_one = max(AT_LEAST_EVERY, sweep.pause) if running else None
    page = sweep_page(sweep.title, table.rows, table.overrides, table.records, diagrams, groups, next_one)
    write_text(sweep.folder / "sweep.html", page)


def _write(sweep: _Sweep, table: Table, groups: Groups | None) -> bool:
    """Write the files of a sweep; a file that cannot be written is reported, and the others are written.

    Returns:
        Whether all were written.
    """
    folder = sweep.folder
    files: dict[str, Callable[[Path], None]] = {
        "sweep.csv": lambda path: write_text(path, to_csv(table)),
        "sweep.sqlite": lambda path: write_sqlite(path, table),
        "sweep.html": lambda path: _write_page(sweep, table, groups),
    }
    if groups is not None:
        files["groups.csv"] = lambda path: write_text(path, print_csv(groups.columns, groups.rows()))
    wrong = 0
    for name, write in files.items():
        try:
            write(folder / name)
        except (OSError, sqlite3.Error) as error:
            wrong += 1
            said = getattr(error, "strerror", None) or error
            say(f"{short(folder / name)} cannot be written: {said}", err=True)
    if not wrong:
        say(f"page: {short(folder / 'sweep.html')}")
    return not wrong


def _diagrams(
    records: Mapping[str, Mapping[str, Any]], drawn: dict[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The picture of each job; from ``MOST_DRAWN`` on, only its Mermaid text.

    Args:
        drawn: the distinct ones that were drawn before; new ones are added.
    """
    from assembler.views import diagram

    diagrams: dict[str, Mapping[str, Any]] = {}
    letters = sum(len(svg) for one in drawn.values() for svg in one["depths"])
    for job, record in records.items():
        kept = (record.get("plan") or {}).get("diagram")
        if kept:
            key = json.dumps(kept, sort_keys=True)
            if key not in drawn:
                try:
                    data = diagram.from_record(kept)
                except ValueError:  # damaged, or written by another program
                    continue
                pictured = letters < MOST_DRAWN
                picture = diagram.picture(data) if pictured else diagram.Picture(diagram.to_mermaid(data))
                drawn[key] = picture.data()
                letters += sum(map(len, picture.depths))
            diagrams[job] = drawn[key]
    return diagrams


def forecast(points: Sequence[Point]) -> None:
    """Print the plans of the jobs."""
    from assembler.views import summary

    rows = [
        {
            "job": point.job,
            "status": "error" if point.error else PENDING,
            "message": in_a_line(point.error or ""),
            **values_of(point.overrides),
            **{f"plan.{name}": value for name, value in (point.plan or {}).items()},
        }
        for point in points
    ]
    names = list(dict.fromkeys(name for point in points for name in values_of(point.overrides)))
    summary.print_sweep(summary.make_console(), "plans of the jobs", rows, names)
