"""``runs``: past runs and sweeps, newest first; ``runs show`` opens one."""

from __future__ import annotations

import csv
import os
import webbrowser
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from assembler.commands.project import on_terminal, print_rows
from assembler.errors import SettingsError
from assembler.files import require_file, short, write_text
from assembler.sweeps.points import LEDGER, RESULT
from assembler.words import counted, say

FOLDERS = ("outputs", "multirun")
"""Where Hydra puts runs and sweeps."""

_NAMES = ("when", "recipe", "status", "parameters", "MACs", "folder")
_NUMBERS = ("parameters", "MACs")
_MAX_CSV = 2**26
"""Bytes of a ``sweep.csv`` that is read for the status of its jobs."""

app = typer.Typer(invoke_without_command=True)


@dataclass(frozen=True)
class PastRun:
    """A run or a sweep on the disk.

    Args:
        folder: its folder.
        is_sweep: whether it has jobs.
        changed: when its record was written, in seconds since 1970.
    """

    folder: Path
    is_sweep: bool
    changed: float

    @property
    def page(self) -> Path | None:
        """Its page, if there is one."""
        file = self.folder / ("sweep.html" if self.is_sweep else "result.html")
        return file if file.is_file() else None

    def texts(self) -> tuple[str, ...]:
        """What is shown of it, by ``_NAMES``."""
        when = datetime.fromtimestamp(self.changed).isoformat(" ", "minutes")
        found = _of_sweep(self.folder) if self.is_sweep else _of_run(self.folder)
        return (when, *found, short(self.folder))


def past_runs(folders: Sequence[Path]) -> Iterator[PastRun]:
    """The runs and sweeps in some folders, in no order. Jobs of a sweep are not listed."""
    for top in folders:
        for path, inside, files in os.walk(top):
            found = LEDGER if LEDGER in files else RESULT if RESULT in files else None
            if found:
                inside.clear()
                yield PastRun(Path(path), found == LEDGER, (Path(path) / found).stat().st_mtime)


def _of_run(folder: Path) -> tuple[str, str, str, str]:
    from assembler.settings.metrics import METRICS
    from assembler.sweeps.records import read_result

    try:
        record = read_result(folder / RESULT)
    except (OSError, ValueError) as error:
        return ("", f"damaged: {error}", "", "")
    known = {metric.title: metric for metric in METRICS}
    values = ((known[name], known[name].read(record)) for name in _NUMBERS)
    figures = ["" if value is None else metric.print(value) for metric, value in values]
    task = record.get("task")
    recipe = record.get("recipe")
    name = str(recipe.get("name") or "") if isinstance(recipe, Mapping) else ""
    return (name if task in (None, "check") else f"{name} ({task})", str(record["status"]), figures[0], figures[1])


def _of_sweep(folder: Path) -> tuple[str, str, str, str]:
    """The jobs of a sweep by status, as its table has them; a sweep that was not ended has none."""
    from assembler.sweeps.records import read_ledger

    try:
        jobs = len(read_ledger(folder / LEDGER))
    except (OSError, ValueError) as error:
        return ("", f"damaged: {error}", "", "")
    name = f"sweep {folder.name}, {counted(jobs, 'job')}"
    file = folder / "sweep.csv"
    if not file.is_file() or file.stat().st_size > _MAX_CSV:
        return (name, "unfinished" if not file.is_file() else "", "", "")
    with require_file(file).open(encoding="utf-8", errors="replace", newline="") as stream:
        counts = Counter(row.get("status") or "" for row in csv.DictReader(stream))
    return (name, ", ".join(f"{count:,} {status}" for status, count in counts.most_common()), "", "")


def _newest(number: int) -> list[PastRun]:
    there = [Path(name) for name in FOLDERS if Path(name).is_dir()]
    return nlargest(number, past_runs(there), key=lambda run: run.changed)


@app.callback(invoke_without_command=True)
def runs(
    context: typer.Context,
    most: Annotated[int, typer.Option("--most", "-n", min=1, metavar="N", help="How many to list.")] = 20,
    html: Annotated[bool, typer.Option("--html", help="Write them as a page, runs.html, as well.")] = False,
) -> None:
    """List past runs and sweeps, newest first.

    They are found in outputs/ and multirun/.

    In a file or a pipe, columns are separated by tabs.
    """
    if context.invoked_subcommand is not None:
        return
    found = _newest(most)
    if not found:
        raise SettingsError("there is no run in outputs/ and multirun/ of this folder")
    rows = [(run, run.texts()) for run in found]
    print_rows(_NAMES, [texts for _, texts in rows], _NUMBERS)
    if html:
        _write_page(Path("runs.html"), rows)


def _write_page(file: Path, rows: Sequence[tuple[PastRun, tuple[str, ...]]]) -> None:
    from assembler.views.page import runs_page

    linked = [{"texts": texts, "page": quote(run.page.as_posix()) if run.page else None} for run, texts in rows]
    said = f"the newest {counted(len(rows), 'run')} in {' and '.join(f'{name}/' for name in FOLDERS)}"
    write_text(file, runs_page("Runs", said, _NAMES, _NUMBERS, linked))
    say(f"page: {file}")


@app.command()
def show(
    folder: Annotated[Path | None, typer.Argument(help="Folder of a run or sweep; by default the newest.")] = None,
) -> None:
    """Open the page of a run or sweep in the browser, and print where it is."""
    found = _newest(1) if folder is None else list(past_runs([folder]))
    if not found or (folder is not None and found[0].folder != folder):
        raise SettingsError(f"there is no run in {folder or 'outputs/ and multirun/ of this folder'}")
    run = found[0]
    print_rows(_NAMES, [run.texts()], _NUMBERS)
    if run.page is None:
        raise SettingsError(f"{short(run.folder)} has no page: a job of a sweep is on the page of its sweep")
    say(f"page: {short(run.page)}")
    if on_terminal():
        webbrowser.open(run.page.absolute().as_uri())
