"""The table of a sweep: one row per job, read from the jobs' files."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assembler.files import replacing, short
from assembler.hydra_edge.identity import NOT_OF_A_JOB
from assembler.settings.groups import PENDING, Groups, group_jobs
from assembler.settings.metrics import METRICS, metrics_of
from assembler.sweeps.columns import Columns, columns_of, print_csv
from assembler.sweeps.keys import VERSION, fill, number_versions
from assembler.sweeps.points import HYDRA, RESULT, Point, damage_of, read_points
from assembler.sweeps.results import Results

_ENDS = ("job", "status"), ("message", "started", "path")


@dataclass
class Table:
    """The results of a sweep.

    Args:
        rows: one mapping per job, all with the same keys: ``job`` and ``status``, the overrides, metrics, and then
            ``message``, ``started`` and ``path``. Values that a job does not have are None.
        overrides: the keys that the command line set.
        metrics: the keys of metrics; see ``metrics_of``.
        records: the ``result.json`` of each job.
    """

    rows: list[dict[str, Any]]
    overrides: list[str]
    metrics: list[str]
    records: dict[str, Mapping[str, Any]]

    @property
    def columns(self) -> list[str]:
        """The keys of the rows, in order."""
        return [*_ENDS[0], *self.overrides, *self.metrics, *_ENDS[1]]

    def groups(self, by: Sequence[str] | None = None) -> Groups:
        """Its jobs in groups; see ``assembler.settings.groups.group_jobs``."""
        return group_jobs(self.rows, self.overrides, self.metrics, by)


class Jobs(Columns):
    """The table of a sweep as columns."""

    what = "job"

    def __init__(self, table: Table) -> None:
        super().__init__(columns_of(table.columns, table.rows))
        self._table = table

    def groups(self, by: Sequence[str] | None = None) -> Columns:
        """Statistics over the jobs of a group, such as those that differ in the seed only: a row per group and metric.

        The columns are the keys of ``by``; ``jobs``, ``failed`` and ``pending``: how many jobs the group has, how many
        of them ended with the status ``failed`` or ``error``, and how many have no result; ``metric``; ``n``: how many
        have a value; ``mean``; ``std``, with n - 1 in the denominator; ``low`` and ``high``, the ends of the 95 %
        interval of the mean by Student's t distribution; ``min`` and ``max``. With n = 1, ``std``, ``low`` and
        ``high`` are None.

        Args:
            by: the keys that are equal in a group; None: all that vary except ``seed``.

        Raises:
            SettingsError: no job sets a key of ``by``.
        """
        groups = self._table.groups(by)
        return Columns(columns_of(groups.columns, list(groups.rows())))


def gather(folder: Path, results: Results | None = None) -> Table:
    """Read the results of a sweep from its folder, finished or not.

    A search has no list of its jobs; its table has those that have started.

    Args:
        results: those that were read before; new ones are added.
    """
    results = Results() if results is None else results
    points = {point.job: point for point in read_points(folder)}
    identities = {job: point.identity for job, point in points.items()}
    found = set(_jobs_in(folder))
    jobs = [*points, *sorted(found - set(points), key=lambda job: (len(job), job))]
    records = {job: record for job in jobs if (record := results.read(folder / job, identities.get(job))) is not None}
    rows = [_row(folder, job, records.get(job), points.get(job)) for job in jobs]
    values = [row[0] for row in rows]
    fill(values, [records.get(job) for job in jobs])
    number_versions(values, [points[job].without_seed if job in points else None for job in jobs])
    overrides = list(dict.fromkeys(key for one in values for key in one))
    overrides.sort(key=lambda key: key == VERSION)
    metrics = list(dict.fromkeys(key for row in rows for key in row[1]))
    metrics.sort(key=_order)
    table = Table([], overrides, metrics, records)
    table.rows = [dict.fromkeys(table.columns) | set_ | numbers | rest for set_, numbers, rest in rows]
    return table


def _jobs_in(folder: Path) -> Iterator[str]:
    """The folders inside a folder with files of a job, relative to it."""
    for path, folders, files in os.walk(folder):
        if RESULT in files or HYDRA in folders:
            yield os.path.relpath(path, folder)
        folders[:] = [name for name in folders if not name.startswith(".")]


def load(path: str | Path) -> Jobs:
    """The table of a sweep as columns, for ``pandas.DataFrame`` or ``polars.DataFrame`` to take.

    A column holds strings, booleans or numbers, and None where a job has no value.

    Args:
        path: the folder of the sweep, finished or not.

    Raises:
        FileNotFoundError: there is no sweep.
        SettingsError: its ``sweep.json`` is damaged. A damaged ``result.json`` of a job is reported in ``message``.
    """
    folder = Path(path)
    table = gather(folder)
    if not table.rows:
        raise FileNotFoundError(f"there is no job of a sweep in {folder}")
    return Jobs(table)


def _row(
    folder: Path, job: str, record: Mapping[str, Any] | None, point: Point | None
) -> tuple[dict[str, Any], dict[str, float], dict[str, Any]]:
    """The overrides of a job, its metrics, and the rest."""
    if record is None:
        assert point is not None
        status = "error" if point.error else PENDING
        rest = {
            "job": job,
            "status": status,
            "message": in_a_line(point.error or damage_of(folder / job) or "") or None,
            "path": short(folder / job),
        }
        return values_of(point.overrides), _planned(point), rest
    rest = {"job": job, "status": record["status"], "message": message_of(record) or None}
    rest |= {"started": record["started"], "path": short(folder / job)}
    values = values_of(record["overrides"])
    if point is not None:  # a later command may have found the same job by other overrides
        values |= {key: value for key, value in values_of(point.overrides).items() if key not in values}
    if point is not None and not record.get("plan"):  # a job that was lost
        return values, {**_planned(point), **metrics_of(record)}, rest
    return values, metrics_of(record), rest


def _planned(point: Point) -> dict[str, float]:
    return {f"plan.{name}": value for name, value in (point.plan or {}).items()}


def values_of(lines: Sequence[str]) -> dict[str, Any]:
    """Keys and values of overrides: ``{"recipe": "mlp", "recipe.params.width": 8}``; ``~key`` deletes a key.

    Overrides that do not change what a job does are left out.
    """
    pairs = (line.partition("=") for line in telling(lines))
    return {name.lstrip("+"): _value(value) if equals else True for name, equals, value in pairs}


def telling(lines: Sequence[str]) -> list[str]:
    """The overrides that change what a job does."""
    names = (line.lstrip("+~").partition("=")[0].partition(".")[0] for line in lines)
    return [line for line, name in zip(lines, names, strict=True) if name not in NOT_OF_A_JOB]


def _value(text: str) -> Any:
    """The value of an override as a number or boolean if it is one, else the string without its quotes."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


_SECTIONS = ("plan.", "checks.", "check.", "bench.", "seconds")


def _order(name: str) -> tuple[int, int]:
    """Metrics by section, each in the order of ``METRICS``; measurements of checks in the order of the jobs."""
    section = next((at for at, section in enumerate(_SECTIONS) if name.startswith(section)), len(_SECTIONS))
    return section, next((at for at, metric in enumerate(METRICS) if metric.name == name), len(METRICS))


def message_of(record: Mapping[str, Any]) -> str:
    """Why a run did not pass, in one line: the last line of its error, or the checks that failed."""
    if record.get("error"):
        return in_a_line(record["error"])
    failed = [outcome for outcome in record.get("outcomes") or [] if not outcome["passed"]]
    return ", ".join(f"{outcome['check']} failed" for outcome in failed)


def in_a_line(error: str) -> str:
    """The last line of an error that is not the excerpt of a file."""
    lines = error.splitlines() or [""]
    return next((line for line in reversed(lines) if line and not line.startswith((" ", "\t"))), lines[-1])


# ---- files


def to_csv(table: Table) -> str:
    """The rows as comma-separated values with a heading."""
    return print_csv(table.columns, table.rows)


def write_sqlite(path: Path, table: Table) -> None:
    """Write the rows as the table ``jobs`` of an SQLite file."""
    names = ", ".join(_quoted(name) for name in _apart(table.columns))
    marks = ", ".join("?" for _ in table.columns)
    values = [[_for_sqlite(row[name]) for name in table.columns] for row in table.rows]
    with replacing(path) as new, closing(sqlite3.connect(new)) as connection, connection:
        connection.execute(f"CREATE TABLE jobs ({names})")
        connection.executemany(f"INSERT INTO jobs VALUES ({marks})", values)


def _apart(names: Sequence[str]) -> Iterator[str]:
    """The names, numbered if they differ in case only, because SQLite ignores case."""
    seen: dict[str, int] = {}
    for name in names:
        count = seen[name.casefold()] = seen.get(name.casefold(), 0) + 1
        yield name if count == 1 else f"{name} ({count})"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _for_sqlite(value: Any) -> Any:
    too_large = type(value) is int and abs(value) >= 2**63  # the limit of SQLite's integers
    return float(value) if too_large else value if value is None or isinstance(value, int | float) else str(value)
