"""Memory: what the machine or the device has, and what this process uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import mindspore
import psutil

from assembler.errors import DeviceError
from assembler.runtime.device import TARGETS, wake
from assembler.words import print_bytes


def available_memory(target: str) -> int | None:
    """Bytes that a new model may take on a target (ascend, gpu, cpu); None if the device does not report it.

    On the CPU, what the machine has free or what the control group of the process has left, as in a container or a
    batch job, whichever is less.
    """
    if target == "cpu":
        return min([psutil.virtual_memory().available, *_left_in_control_groups()])
    try:
        wake()  # a device that has not worked yet reports nothing
        properties = mindspore.hal.get_device_properties(mindspore.get_context("device_id"), TARGETS[target])
    except (RuntimeError, ValueError):
        return None
    memory = getattr(properties, "free_memory", 0) or getattr(properties, "total_memory", 0)  # of a GPU
    return memory or None


def resident_memory() -> int | None:
    """Bytes of this process in the machine's memory; None where Linux does not report it."""
    return _status_of_process("VmRSS")


def forget_peak(target: str) -> None:
    """Let :func:`peak_memory` begin anew."""
    if target == "cpu":
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # see proc_pid_clear_refs(5)
    else:
        mindspore.runtime.reset_peak_memory_stats()


def peak_memory(target: str) -> int | None:
    """The most bytes that were in use since :func:`forget_peak`; None where it is not reported.

    On the CPU, where MindSpore does not count what it allocates, of the whole process; else what it allocated.
    """
    return _status_of_process("VmHWM") if target == "cpu" else int(mindspore.runtime.max_memory_allocated())


def data_memory() -> int | None:
    """Bytes that this process has asked for to write to; None where Linux does not report it."""
    return _status_of_process("VmData")


def _status_of_process(name: str) -> int | None:
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


def require_memory(
    parameters: int, activations: int, target: str, *, beside: int = 0, otherwise: str = "guard=false"
) -> None:
    """Refuse a model that cannot fit into the memory of a target (ascend, gpu, cpu), before it is built.

    Args:
        parameters, activations: bytes, as planned.
        beside: bytes that what is done with the model takes, if it is known.
        otherwise: what the message offers the caller instead.

    Raises:
        DeviceError: they are more than what is available.
    """
    available = available_memory(target)
    needed = parameters + activations + beside
    if available is not None and needed > available:
        checks = f", {print_bytes(beside)} for the sample and the checks" if beside else ""
        raise DeviceError(
            f"the model needs {print_bytes(needed)} ({print_bytes(parameters)} of parameters, about "
            f"{print_bytes(activations)} of activations{checks}), and {TARGETS[target]} has {print_bytes(available)} "
            f"available; {otherwise} builds it all the same"
        )
