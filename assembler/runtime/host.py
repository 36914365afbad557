"""The machine, its memory and this process's; MindSpore is not imported."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil


def machine() -> dict[str, Any]:
    """What a measurement depends on beside the device: system, processor, cores that this process may use, bytes."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": psutil.virtual_memory().total,
    }


@cache
def _processor() -> str | None:
    """The name of the processor; None if it is not known."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or None


def free_memory() -> int:
    """Bytes that the machine has free or that a control group of the process leaves, whichever is less.

    A container or a batch job is such a group.
    """
    return min([psutil.virtual_memory().available, *_left_in_control_groups()])


def data_memory() -> int | None:
    """Bytes that this process has asked for to write to; None where Linux does not report it."""
    return status_of_process("VmData")


def status_of_process(name: str) -> int | None:
    """Bytes that Linux reports for this process, such as ``VmRSS``; None elsewhere. See proc_pid_status(5)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None  # not Linux
    found = dict(line.partition(":")[::2] for line in lines).get(name)
    return int(found.split()[0]) * 1024 if found else None


def _left_in_control_groups(root: Path = Path("/")) -> Iterator[int]:
    """What each control group around this process leaves it, by the files of Linux.

    https://www.kernel.org/doc/html/latest/admin-guide/cgroup-v2.html, and cgroup-v1/memory.html beside it. Files that
    were read and could be dropped count as used there, but not here.
    """
    v1, v2 = root / "sys/fs/cgroup/memory", root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        if not kinds:
            names = ("memory.max", "memory.current", "inactive_file")
        top = v1 if kinds else v2
        group = top / path.strip("/")
        for folder in (group, *group.parents):  # inside a container, only the last of these exists
            with suppress(OSError, ValueError):
                limit, used = (int((folder / name).read_text(encoding="utf-8")) for name in names[:2])
                statistics = (folder / "memory.stat").read_text(encoding="utf-8")
                yield max(0, limit - used + int(dict(map(str.split, statistics.splitlines())).get(names[2], 0)))
            if folder == top:
                break
