"""The jobs of a sweep, with their identities and folders. They are stored in ``sweep.json``."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assembler.errors import Place, SettingsError
from assembler.files import replacing, short
from assembler.words import first_line

LEDGER = "sweep.json"
RESULT = "result.json"
HYDRA = ".hydra"
"""The folder of Hydra's files in a job's folder."""

LOCK = ".lock"
"""Created in a job's folder when it starts; the process that runs the job holds a lock on it."""


VERSION = 1
"""Version of the format of ``sweep.json``."""


@dataclass
class Point:
    """One job of a sweep.

    Args:
        job: its folder, relative to the sweep's.
        identity: a hash of what it does, 16 characters; see ``assembler.hydra_edge.identity.identity_of``.
        overrides: its overrides on the command line.
        error: why it cannot run; None if it can.
        plan: metrics of its plan: layers, parameters, macs and so on; empty if unknown.
        without_seed: a hash of what it does but for its seed; None if it cannot be composed.
    """

    job: str
    identity: str
    overrides: list[str]
    error: str | None = None
    plan: dict[str, Any] | None = None
    without_seed: str | None = None


class Ledger:
    """The jobs of a sweep folder, including those of earlier commands.

    ``sweep.json`` is written atomically before a job starts, so a job keeps its folder even if the sweep is killed.

    Args:
        folder: the folder of the sweep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._points = {point.identity: point for point in read_points(folder)}
        self._wrong = {tuple(point.overrides): point.identity for point in self if point.error}

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points.values())

    def get(self, identity: str) -> Point | None:
        """The job with this identity, if any."""
        return self._points.get(identity)

    def add(self, point: Point) -> None:
        """Add a job, or update it; it replaces one that could not be composed."""
        wrong = self._points.get(self._wrong.pop(tuple(point.overrides), ""))
        if wrong is not None and wrong.error and wrong.overrides == point.overrides:
            del self._points[wrong.identity]
        self._points[point.identity] = point
        if point.error:
            self._wrong[tuple(point.overrides)] = point.identity

    def numbers(self) -> Iterator[int]:
        """Unused numbers for folders of jobs."""
        taken = {point.job for point in self}
        number = len(self._points)
        while True:
            if str(number) not in taken and not (self.folder / str(number)).exists():
                yield number
            number += 1

    def write(self) -> None:
        """Write ``sweep.json``."""
        data = {"version": VERSION, "jobs": [asdict(point) for point in self]}
        with replacing(self.folder / LEDGER) as new:  # flushed: jobs without it are another sweep's
            new.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def folder_name(job: str) -> str:
    """A job's folder, relative to the sweep's, in its one spelling: ``a//b`` and ``a/./b`` are ``a/b``.

    Raises:
        ValueError: it is not inside the sweep's folder.
    """
    folder = posixpath.normpath(job)
    if folder.startswith("/") or folder in (".", "..") or folder.startswith("../"):
        raise ValueError(f"{job!r} is not a folder inside the sweep's")
    return folder


def read_points(folder: Path) -> list[Point]:
    """The jobs in ``sweep.json`` of a folder; empty if there is no such file, as in a search.

    Raises:
        SettingsError: the file is damaged.
    """
    from assembler.sweeps.records import (
        read_ledger,
    )  # whose forms take 10 ms, which validate and a single run do without

    file = folder / LEDGER
    try:
        return [Point(**{**job, "job": folder_name(job["job"])}) for job in read_ledger(file)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        said = f"it is damaged ({first_line(error)}); move it away, or give the sweep another sweep.name"
        raise SettingsError(said, Place(label=short(file))) from None


def result_of(folder: Path, identity: str | None = None) -> Mapping[str, Any] | None:
    """The result of a job, or None if it is missing, damaged, or has another identity than the given one."""
    from assembler.sweeps.records import read_result

    try:
        data = read_result(folder / RESULT)
    except (OSError, ValueError):
        return None
    return data if identity is None or data.get("identity") == identity else None


def damage_of(folder: Path) -> str | None:
    """The error of a job's result file; None if the file is missing or valid."""
    from assembler.sweeps.records import read_result

    try:
        read_result(folder / RESULT)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return f"its {RESULT} cannot be read: {first_line(error)}"
    return None
