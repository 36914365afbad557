"""The report at the end of every sweep: a table of all jobs, on the terminal and as files in its folder."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assembler.files import short, write_text
from assembler.runtime import exits
from assembler.sweeps.points import Point
from assembler.sweeps.table import PENDING, Table, gather, in_a_line, to_csv, values_of, write_sqlite
from assembler.sweeps.watch import Watch
from assembler.tasks import CODES
from assembler.words import counted, say


@dataclass
class _Sweep:
    folder: Path
    objective: str | None = None
    jobs: list[str] | None = None  # the jobs of this command, if known in advance
    watch: Watch | None = field(default=None, repr=False)


MOST_DRAWN = 100
"""Limit of diagrams by Graphviz, which takes a tenth of a second for each."""

_open: list[_Sweep] = []
"""The sweep that is running in this process, if any."""


def begin(folder: Path, objective: str | None = None, watch: Watch | None = None) -> None:
    """Start the report of a sweep.

    Args:
        folder: its folder.
        objective: the metric that it optimizes.
        watch: its watcher, if its sweeper has none.
    """
    _open[:] = [_Sweep(folder, objective, watch=watch)]
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
    table = gather(sweep.folder) if sweep.folder.exists() else Table([], [], [], {})
    if not table.rows:
        say(f"no job of this sweep left a result in {short(sweep.folder)}", err=True)
        return max(CODES.values())
    from assembler.views import summary

    title = short(sweep.folder).removeprefix("multirun/")
    summary.print_sweep(summary.make_console(), title, table.rows, table.overrides, sweep.objective)
    jobs = None if sweep.jobs is None else set(sweep.jobs)
    mine = [row for row in table.rows if jobs is None or row["job"] in jobs]
    counts = {status: sum(row["status"] == status for row in mine) for status in (*CODES, PENDING)}
    said = f"{counted(len(mine), 'job')}: " + ", ".join(
        f"{count} {status}" for status, count in counts.items() if count
    )
    earlier = len(table.rows) - len(mine)
    say(said + (f"; {earlier} of earlier commands" if earlier else ""))
    written = _write(sweep.folder, title, table)
    if not written or counts[PENDING]:
        return max(CODES.values())
    return max(CODES[status] for status in CODES if counts[status])


def _write(folder: Path, title: str, table: Table) -> bool:
    """Write the files of a sweep; a file that cannot be written is reported, and the others are written.

    Returns:
        Whether all were written.
    """
    from assembler.views.page import sweep_page

    def page() -> str:
        return sweep_page(title, table.rows, table.overrides, table.records, _diagrams(table.records))

    files: Mapping[str, Callable[[Path], None]] = {
        "sweep.csv": lambda path: write_text(path, to_csv(table)),
        "sweep.sqlite": lambda path: write_sqlite(path, table),
        "sweep.html": lambda path: write_text(path, page()),
    }
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


def _diagrams(records: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The diagram of each job: SVG by Graphviz, if installed, for the first distinct ones, else Mermaid."""
    from assembler.views import diagram

    drawn: dict[str, str] = {}
    diagrams = {}
    for job, record in records.items():
        kept = (record.get("plan") or {}).get("diagram")
        if kept:
            key = json.dumps(kept, sort_keys=True)
            if key not in drawn:
                try:
                    data = diagram.from_record(kept)
                except ValueError:  # damaged, or written by another program
                    continue
                svg = diagram.to_svg(diagram.to_dot(data)) if len(drawn) < MOST_DRAWN else None
                drawn[key] = svg or diagram.to_mermaid(data)
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
