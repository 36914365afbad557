"""Limits of time and memory for reading, composing, binding and planning one recipe, which may be untrusted.

Every size in a recipe is its author's choice, and layers may make tables, and loops, of any size. Runs and commands
therefore work within a :class:`Budget`. It holds for the whole process, so another program sets one only if it asks::

    with assembler.limits.limited():
        assembler.plan(Path("from_a_stranger.yaml"))
"""

from __future__ import annotations

import gc
import math
import os
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from types import FrameType, TracebackType

from assembler.errors import DeviceError, Place, SettingsError
from assembler.runtime import host
from assembler.runtime.exits import is_callback
from assembler.words import print_bytes

MAX_SECONDS = 300
"""Time for one recipe, unless ``ASSEMBLER_MAX_SECONDS`` is set. It holds in the main thread, which gets signals."""

MAX_GIB = 8
"""Memory for one recipe beyond what the process has, unless ``ASSEMBLER_MAX_GIB`` is set. It holds on Linux."""

_PER_CORE = 32 * 2**20
"""Bytes for the stacks and pools of a library's threads."""

_AGAIN = 0.05
"""Seconds between attempts to end what takes too long."""

_RECIPE = Place(key="recipe")


class Budget:
    """The time and memory for one recipe, from its files to its plan.

    It is entered for each stage; what one stage uses, the next ones lack. Afterwards all is as before. It does nothing
    inside another budget, or where the process has an alarm or a limit of its own.

    Args:
        place: of the recipe, for messages.
        seconds: what is left of the time that another process began to use.

    Raises:
        DeviceError: on leaving: what is inside took too much.
        SettingsError: an environment variable is not a positive number.
    """

    def __init__(self, place: Place = _RECIPE, seconds: float | None = None):
        self.place = place
        self._clock = _Clock(_set_by("ASSEMBLER_MAX_SECONDS", MAX_SECONDS), seconds)
        self._memory = _Memory(_set_by("ASSEMBLER_MAX_GIB", MAX_GIB))

    @property
    def seconds(self) -> float:
        """The time that is left."""
        return self._clock.left

    def __enter__(self) -> Budget:
        global _current
        if _current is None:
            _current = self
            self._memory.start()
            self._clock.start(sys._getframe(1))
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if _current is not self:
            return
        self.stop()
        said = None
        if self._clock.rang and isinstance(error, _TooLong | Exception):  # an Exception may have taken its place
            said = self._clock.message
        elif isinstance(error, MemoryError):
            said = self._memory.message
        if said:
            raise DeviceError(f"reading and planning it takes {said}", self.place) from None

    def stop(self) -> None:
        """Restore what was before, also in the middle of the context."""
        global _current
        _current = None
        self._clock.stop()
        self._memory.stop()


_current: Budget | None = None
"""The one that is entered."""


def limited() -> Budget:
    """A new budget, for programs that read or plan the recipes of others."""
    return Budget()


def accept_end() -> None:
    """Let :func:`end_early` have no effect while no budget is entered; to be called once by a program that uses it."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)


def end_early() -> None:
    """End what is inside the entered budget as if its time were over, unless it is where no exception may be raised.

    Another thread calls it, again and again until the budget is left.
    """
    os.kill(os.getpid(), signal.SIGALRM)


def stopped() -> Budget:
    """Stop the budget that is entered, for what takes as long as it does, and return it; a new one if there is none."""
    budget = _current or Budget()
    budget.stop()
    return budget


def _set_by(name: str, otherwise: float) -> float:
    """The limit in an environment variable."""
    said = os.environ.get(name, "")
    try:
        value = float(said) if said else float(otherwise)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        raise SettingsError(f"{name} must be a positive number, not {said!r}")
    return value


class _TooLong(BaseException):
    """Raised when the time is over; no layer catches it."""


class _Clock:
    """Raises ``_TooLong`` in the main thread when the time is over.

    Python runs signal handlers between any two instructions. An exception there would be lost in a callback of the
    garbage collector, or leave a module half imported, or state half restored. So it is raised only where it is safe;
    elsewhere, and where something catches it, the next attempt follows soon.
    """

    def __init__(self, seconds: float, left: float | None = None):
        self._seconds = seconds
        self.left = seconds if left is None else left
        self._began: float | None = None
        self._outer: FrameType | None = None
        self.rang = False

    @property
    def message(self) -> str:
        return f"more than {self._seconds:g} s; ASSEMBLER_MAX_SECONDS={2 * self._seconds:g} allows more"

    def start(self, outer: FrameType) -> None:
        """Begin; ``outer`` is the frame around what it is to end."""
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or not hasattr(signal, "setitimer") or signal.getitimer(signal.ITIMER_REAL)[0]:
            return  # there are no signals, or another clock runs
        self._outer, self._began, self.rang = outer, time.monotonic(), False
        self._before = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, max(self.left, 0.001), _AGAIN)

    def stop(self) -> None:
        if self._began is None:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        self.left -= time.monotonic() - self._began
        self._began = self._outer = None

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._is_safe(frame):
            self.rang = True
            raise _TooLong

    def _is_safe(self, frame: FrameType | None) -> bool:
        if isinstance(sys.exc_info()[1], _TooLong):
            return False  # it was raised, and something cleans up
        callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
        while frame is not None and frame is not self._outer:
            code = frame.f_code
            is_whole = code.co_name in _WHOLE_FUNCTIONS or code.co_filename in _WHOLE_FILES
            if is_whole or is_callback(code) or code in callbacks:
                return False
            frame = frame.f_back
        return True


_WHOLE_FUNCTIONS = ("__enter__", "__exit__", "when_collected")
"""Functions that are not ended halfway: they change and restore state, or Python drops their exceptions."""

_WHOLE_FILES = (
    "<frozen importlib._bootstrap>",
    "<frozen importlib._bootstrap_external>",
    pathlib.__file__,
    __file__,
)
"""Files whose functions are not ended halfway, nor what they call: imports, callbacks, open files, the clock itself."""


@lru_cache(maxsize=1)
def _free(read: Callable[[], int], second: int) -> int:
    """Free memory, read at most once a second: that takes longer than some stages."""
    return read()


class _Memory:
    """Lets Linux refuse memory beyond a limit, so that NumPy, MindSpore and Python raise exceptions."""

    def __init__(self, gib: float):
        self._gib = gib
        self._left = int(gib * 2**30)
        self._before: tuple[int, int] | None = None
        self.message: str | None = None  # None unless there is a limit

    def start(self) -> None:
        try:
            import resource
        except ImportError:  # Windows
            return
        had, before = host.data_memory(), resource.getrlimit(resource.RLIMIT_DATA)
        if had is None or before[0] != resource.RLIM_INFINITY:  # a limit of the user's
            return
        free = _free(host.free_memory, int(time.monotonic()))
        allowed = min(self._left, free)
        instead = f"ASSEMBLER_MAX_GIB={2 * self._gib:g} allows more" if allowed < free else "no more is free"
        with suppress(ValueError, OSError):
            limit = had + allowed + _PER_CORE * (os.cpu_count() or 1)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
            self._had, self._before = had, before
            most = int(self._gib * 2**30) if allowed < free else allowed
            self.message = f"more than {print_bytes(most)} of memory; {instead}"

    def stop(self) -> None:
        if self._before is None:
            return
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, self._before)
        self._left = max(0, self._left - max(0, (host.data_memory() or 0) - self._had))
        self._before = None
