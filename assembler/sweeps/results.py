"""The results of a sweep's jobs, read back from their folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from assembler.errors import AssemblerError
from assembler.reading.yaml_files import read_yaml
from assembler.settings.groups import PENDING
from assembler.sweeps.points import HYDRA, RESULT, damage_of, result_of

_USED = (
    *("status", "started", "overrides", "error", "task", "mode", "seed", "dtype", "amp", "device"),
    *("plan", "recipe", "program", "outcomes", "bench", "seconds"),
)
"""What tables and pages of a sweep use of ``result.json``."""


class Results:
    """The results of a sweep's jobs, each read once: a job writes it in one step and not again.

    Jobs with equal plans or recipes share one, because these are most of a result.

    Args:
        running: whether jobs still run, so that a job without a result is pending.
    """

    def __init__(self, running: bool = False) -> None:
        self.running = running
        self._known: dict[Path, Mapping[str, Any]] = {}
        self._shared: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._known)

    def read(self, folder: Path, identity: str | None) -> Mapping[str, Any] | None:
        """The parts of a job's result that tables and pages use; None if it has none yet.

        Args:
            identity: of the job; None for a job of a search, which has no list of its jobs.
        """
        if folder in self._known:
            return self._known[folder]
        record = _record(folder, identity, self.running)
        if record is None:
            return None
        kept = {key: record[key] for key in _USED if key in record}
        for key in ("plan", "recipe"):
            if value := kept.get(key):
                kept[key] = self._shared.setdefault(json.dumps(value), value)
        if (folder / RESULT).exists():
            self._known[folder] = kept
        return kept


def _record(job: Path, identity: str | None, running: bool) -> Mapping[str, Any] | None:
    """The record of a job; for a job of a search that was killed, what Hydra wrote when it started."""
    if (record := result_of(job, identity)) is not None or identity is not None:
        return record
    folder = job / HYDRA if (job / HYDRA).exists() else job
    started = datetime.fromtimestamp(folder.stat().st_mtime, timezone.utc).isoformat(timespec="seconds")
    left = {"overrides": _started_with(folder / "overrides.yaml"), "started": started}
    damage = damage_of(job)
    if running and damage is None:
        return {"status": PENDING, "error": None, **left}
    return {"status": "error", "error": damage or "it left no result.json", **left}


def _started_with(file: Path) -> list[str]:
    """The overrides that Hydra wrote; none if the file is missing or damaged."""
    try:
        found = read_yaml(file)
    except AssemblerError:
        return []
    return [str(one) for one in found] if isinstance(found, list) else []
