"""What a sweep consists of: its jobs, by what they do, and where each is. ``sweep.json`` holds them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assembler.errors import Place, SettingsError
from assembler.files import short, write_text
from assembler.sweeps.records import read_ledger, read_result
from assembler.words import first_line

LEDGER = "sweep.json"
RESULT = "result.json"
LOCK = ".lock"
"""In a job's folder from when it starts; the process that runs it holds a lock on it."""


VERSION = 1
"""Of the form of ``sweep.json``."""


@dataclass
class Point:
    """One job of a sweep.

    Args:
        job: its folder, as a path from the sweep's.
        identity: what it does, in sixteen characters; see ``assembler.hydra_edge.identity.identity_of``.
        overrides: what the command line says of it.
        error: why it cannot be run; None if it can.
        plan: what its model comes to: layers, parameters, macs and so on; empty if that is not known.
    """

    job: str
    identity: str
    overrides: list[str]
    error: str | None = None
    plan: dict[str, Any] | None = None


class Ledger:
    """The jobs of a sweep folder, those of earlier commands included.

    It is written before a job starts, whole or not at all, so that a job keeps its folder whenever the sweep is killed.

    Args:
        folder: that of the sweep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._points = {point.identity: point for point in read_points(folder)}

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points.values())

    def get(self, identity: str) -> Point | None:
        """The job that does this, if there is one."""
        return self._points.get(identity)

    def add(self, point: Point) -> None:
        """Take up a job, or what is newly known of it; it takes the place of one that could not be composed."""
        for known in [known for known in self if known.error and known.overrides == point.overrides]:
            del self._points[known.identity]
        self._points[point.identity] = point

    def numbers(self) -> Iterator[int]:
        """Numbers of jobs that no folder has yet."""
        taken = {point.job for point in self}
        number = len(self._points)
        while True:
            if str(number) not in taken and not (self.folder / str(number)).exists():
                yield number
            number += 1

    def write(self) -> None:
        """Write ``sweep.json``."""
        data = {"version": VERSION, "jobs": [asdict(point) for point in self]}
        write_text(self.folder / LEDGER, json.dumps(data, indent=1) + "\n")


def read_points(folder: Path) -> list[Point]:
    """The jobs that ``sweep.json`` of a folder tells of; none if there is no such file, as of a search.

    Raises:
        SettingsError: the file is damaged.
    """
    file = folder / LEDGER
    try:
        return [Point(**job) for job in read_ledger(file)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        said = f"it is damaged ({first_line(error)}); move it away, or give the sweep another sweep.name"
        raise SettingsError(said, Place(label=short(file))) from None


def result_of(folder: Path, identity: str | None = None) -> Mapping[str, Any] | None:
    """What a job left, or None: of the job with this identity, if one is given. What is damaged does not count."""
    try:
        data = read_result(folder / RESULT)
    except (OSError, ValueError):
        return None
    return data if identity is None or data.get("identity") == identity else None


def damage_of(folder: Path) -> str | None:
    """What is wrong with what a job left; None if it left nothing, or all is well."""
    try:
        read_result(folder / RESULT)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return f"its {RESULT} cannot be read: {first_line(error)}"
    return None
