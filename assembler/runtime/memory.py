"""Memory: what the device has left, and what a model takes of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import mindspore

from assembler.errors import DeviceError
from assembler.runtime import host
from assembler.runtime.device import TARGETS, wake
from assembler.words import print_bytes


def available_memory(target: str) -> int | None:
    """Bytes that a new model may take on a target (ascend, gpu, cpu); None if the device does not report it.

    On the CPU, see ``host.free_memory``.
    """
    if target == "cpu":
        return host.free_memory()
    try:
        wake()  # a device that has not worked yet reports nothing
        properties = mindspore.hal.get_device_properties(mindspore.get_context("device_id"), TARGETS[target])
    except (RuntimeError, ValueError):
        return None
    memory = getattr(properties, "free_memory", 0) or getattr(properties, "total_memory", 0)  # of a GPU
    return memory or None


def resident_memory() -> int | None:
    """Bytes of this process in the machine's memory; None where Linux does not report it."""
    return host.status_of_process("VmRSS")


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
    return host.status_of_process("VmHWM") if target == "cpu" else int(mindspore.runtime.max_memory_allocated())


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
