"""Picks and prepares the device: the target, the mode, the seed and other global state of MindSpore."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor

from assembler.errors import DeviceError, Place
from assembler.runtime import exits, internals
from assembler.settings import DeviceSettings, Mode

TARGETS = {"ascend": "Ascend", "gpu": "GPU", "cpu": "CPU"}
"""Our names for MindSpore's, the best first."""

RECURSION_LIMIT = 10_000
"""Depth of calls in Graph mode. MindSpore's 1000 is not enough for a SequentialCell of 500 layers."""


@dataclass(frozen=True)
class Device:
    """The device that a run got.

    Args:
        asked: as configured: auto, cpu, gpu or ascend.
        got: cpu, gpu or ascend.
        why: the reason, in a few words.
        fell_back: whether ``asked`` was absent and the run went on without it.
    """

    asked: str
    got: str
    why: str
    fell_back: bool = False


def why_absent(target: str) -> str | None:
    """Why this machine and MindSpore wheel cannot use a target (ascend, gpu, cpu); None if they can. Prints nothing."""
    name = TARGETS[target]
    if not internals.is_built_for(name):
        return f"this MindSpore {mindspore.__version__} was installed without {name} support, or its driver is missing"
    if not getattr(mindspore.device_context, target).is_available():
        return f"MindSpore finds no {name} on this machine"
    return None


def pick(settings: DeviceSettings) -> Device:
    """Choose the target.

    Raises:
        DeviceError: the one that was asked for is absent and ``fallback`` is off.
    """
    absent = {target: why_absent(target) for target in TARGETS}
    present = [target for target in TARGETS if absent[target] is None]
    asked = settings.target
    if asked == "auto":
        lacking = " and no ".join(name for target, name in TARGETS.items() if absent[target])
        why = f"MindSpore {mindspore.__version__} finds no {lacking}" if lacking else "the best of all"
        return Device(asked, present[0], why)
    if absent[asked] is None:
        return Device(asked, asked, "as asked")
    if settings.fallback:
        return Device(asked, present[0], f"{TARGETS[asked]} is absent: {absent[asked]}", fell_back=True)
    instead = f"Present: {', '.join(present)}. Use device=auto, or device.fallback=true to go on without it."
    raise DeviceError(f"{TARGETS[asked]} is absent: {absent[asked]}. {instead}", Place(key="device.target"))


def prepare(device: Device) -> None:
    """Make the device MindSpore's, with the settings that run fast on it.

    Raises:
        DeviceError: this process has already worked on another device.
    """
    name = TARGETS[device.got]
    if _prepared() == name:
        return
    try:
        mindspore.set_device(name)
        if name == "CPU":
            mindspore.runtime.launch_blocking()  # synchronous kernels: 10 to 20 times faster for small layers
    except RuntimeError as error:
        if mindspore.get_context("device_target") == name:
            return  # at work on this device before we came; all is well but for launch_blocking
        now = mindspore.get_context("device_target")
        raise DeviceError(
            f"this process already works on {now}; {name} needs a new one ({str(error).splitlines()[0]})",
            Place(key="device.target"),
        ) from None
    _done.append(name)


_done: list[str] = []


def _prepared() -> str | None:
    return _done[-1] if _done else None


@cache
def _dump_folder() -> str:
    folder = tempfile.TemporaryDirectory(prefix="assembler-")
    _folders.append(folder)
    exits.undo_by(folder.cleanup)
    return folder.name


_folders: list[tempfile.TemporaryDirectory[str]] = []


def seed(value: int) -> None:
    """Seed MindSpore's generators and NumPy's global one, from which MindSpore initialises weights."""
    mindspore.set_seed(value)


@contextmanager
def mode(name: Mode) -> Iterator[None]:
    """Run what is inside in PyNative or in Graph mode; the mode before is restored."""
    if name == "graph":
        mindspore.set_recursion_limit(RECURSION_LIMIT)
        # A failed compile writes its analysis to disk, by default into the working directory.
        os.environ.setdefault("MS_OM_PATH", _dump_folder())
    before = mindspore.get_context("mode")
    mindspore.set_context(mode=mindspore.GRAPH_MODE if name == "graph" else mindspore.PYNATIVE_MODE)
    try:
        yield
    finally:
        mindspore.set_context(mode=before)


@contextmanager
def exporting() -> Iterator[None]:
    """Export what is inside. Mode and syntax level, which a failed export leaves changed, are restored."""
    level = mindspore.get_context("jit_syntax_level")
    try:
        with mode("graph"):
            yield
    finally:
        mindspore.set_context(jit_syntax_level=level)


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable, of those that MindSpore reads as it goes; the one before is restored."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def contained() -> Iterator[None]:
    """Call layers that may raise, and leave nothing of a failure behind.

    What was computed asynchronously is waited for, so that its exceptions come up inside.
    """
    try:
        with exits.refused():
            yield
            internals.wait_for_operators()
    except BaseException as error:
        internals.restore_precision(error)
        raise


@contextmanager
def untouched_generators() -> Iterator[None]:
    """Leave the random numbers that come after as if nothing inside had drawn any."""
    numpy_state = np.random.get_state()
    mindspore_state = mindspore.get_rng_state()
    calls = internals.calls_of_random_operators()
    calls_before = dict(calls)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        mindspore.set_rng_state(mindspore_state)
        calls.clear()
        calls.update(calls_before)


def in_use() -> str:
    """The target that MindSpore works on, by our name for it: cpu, gpu or ascend."""
    now = mindspore.get_context("device_target")
    return next(target for target, name in TARGETS.items() if name == now)


def wake() -> None:
    """Let the device do something small, so that what follows does not pay for its start."""
    _ = (Tensor(0.0) + 1).asnumpy()


def synchronize() -> None:
    """Wait until everything that was asked of the device is done."""
    mindspore.runtime.synchronize()


def as_dtype(name: str) -> mindspore.dtype:
    """MindSpore's type of a name such as ``float16``."""
    return getattr(mindspore, name)


def as_array(tensor: Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    """A tensor's values in NumPy; bfloat16, which NumPy lacks, as float32."""
    return (tensor.astype(mindspore.float32) if tensor.dtype == mindspore.bfloat16 else tensor).asnumpy()
