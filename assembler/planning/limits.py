"""What planning a recipe may take: time and memory, for layers may make tables, and loops, of any size.

Layers are made without storage where MindSpore can do so; some make arrays all the same. The sizes are the recipe's.
Runs and commands plan within these bounds. They are the whole process's, so that in another program nothing
sets them unless it is asked to::

    with assembler.limits.limited():
        assembler.plan(Path("from_a_stranger.yaml"))
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from assembler.errors import DeviceError
from assembler.runtime import memory

MAX_SECONDS = 300
"""How long a plan may take. Known in the main thread only, where Python takes signals."""

MAX_MEMORY = 8 * 2**30
"""Bytes that planning may take beside what the process has, if the machine has as much. Known on Linux only."""

_PER_CORE = 32 * 2**20
"""Bytes for the stacks and pools of a library's threads."""


class _TooLong(BaseException):
    """Raised wherever Python is when the time is over; no layer catches it."""


@contextmanager
def limited() -> Iterator[None]:
    """Plan what is inside, within bounds; those before are restored.

    Beyond the memory, whoever asks for it is refused; NumPy and MindSpore raise exceptions.

    Raises:
        DeviceError: it takes longer than ``MAX_SECONDS``.
    """
    with _memory(min(MAX_MEMORY, memory.available_memory("cpu") or MAX_MEMORY)), _time(MAX_SECONDS):
        yield


@contextmanager
def _time(seconds: float) -> Iterator[None]:
    is_free = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if not is_free or signal.getitimer(signal.ITIMER_REAL)[0]:  # another clock runs
        yield
        return

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TooLong:
        raise DeviceError(f"planning takes more than {seconds:g} s, and was ended") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _memory(allowed: int) -> Iterator[None]:
    try:
        import resource
    except ImportError:  # not on Windows
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    has = memory.data_memory()
    if has is None or before[0] != resource.RLIM_INFINITY:  # a bound is set already, and is the person's
        yield
        return
    limit = has + allowed + _PER_CORE * (os.cpu_count() or 1)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, before)
