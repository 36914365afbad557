"""How the process ends: by Ctrl-C or SIGTERM at any moment, or with a standard output that cannot be written.

An exception from a signal handler would be lost in a callback of C++, or end MindSpore's import with a crash. The
handler therefore ends the process itself, after it has deleted what is half-written.
"""

from __future__ import annotations

import _weakrefset
import errno
import importlib
import io
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import CodeType, FrameType
from typing import Any, NoReturn

from assembler.runtime import collector

INTERRUPTED = 130
"""The exit code after Ctrl-C, as usual for programs."""

BROKEN_PIPE, UNPRINTED = 141, 2
"""The exit codes if the reader of the standard output is gone, as usual for programs, or its disk is full."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)

TRACKERS = ("multiprocessing.resource_tracker", "joblib.externals.loky.backend.resource_tracker")
"""What starts a process of its own on first use, and then lets the signals through to this thread again."""

_AGAIN = 0.05
"""Seconds until a signal is raised again that arrived where Python drops exceptions."""

_undo: list[Callable[[], object]] = []
_raises, _raised = False, False
_held, _pending = 0, False
_advice = ""
_silent = False
_owner = 0  # a forked process inherits the handler, but not what is to be undone


class _Output(io.FileIO):
    """A standard stream: its first error is remembered and later output is dropped, so that the run is finished."""

    error: OSError | None = None
    is_reported = False

    def write(self, data: Any) -> int:
        if self.error is None:
            try:
                return super().write(data)
            except OSError as error:
                self.error = error
        return len(data)


def prepare(*, silent: bool = False) -> None:
    """Make this process the assembler's own. It ends by signals: ``interrupted`` on the standard error, exit code 130.

    A script calls it before it imports what takes long, of which Python's search for cyclic garbage is a part (see
    :mod:`assembler.runtime.collector`). In other threads than the main one it does nothing.

    Args:
        silent: whether to print nothing.
    """
    global _silent, _owner
    if not _answer_by(_end):
        return
    _silent, _owner = silent, os.getpid()
    collector.set_up()
    from assembler.files import delete_temporary

    undo_by(delete_temporary)


def _end(number: int, frame: Any) -> None:
    global _raises, _raised, _pending
    if _held:
        _pending = True
        return
    if not _raises:
        interrupted()
    if any(is_callback(code) for code in _codes(frame)):
        again = threading.Timer(_AGAIN, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        return
    _raises, _raised = False, True
    raise KeyboardInterrupt


def _codes(frame: FrameType | None) -> Iterator[CodeType]:
    """The code of a frame and of those around it."""
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def is_callback(code: CodeType) -> bool:
    """Whether Python calls a function when an object is deleted, and drops what it raises."""
    return code.co_name == "__del__" or code.co_filename in (weakref.__file__, _weakrefset.__file__)


def interrupted() -> NoReturn:
    """End the process now: undo what is half-done, print one line, and exit with 130."""
    if os.getpid() != _owner:
        os._exit(INTERRUPTED)
    _answer_by(signal.SIG_IGN)  # to a second Ctrl-C
    for undo in reversed(_undo):
        with suppress(Exception):
            undo()
    if not _silent:
        print_interrupted()
    os._exit(INTERRUPTED)


def print_interrupted() -> None:
    """Print the one line."""
    _print(f"interrupted{_advice}")


def _answer_by(handler: Any) -> bool:
    """Set the handler of the signals; Python refuses this in other threads than the main one."""
    try:
        for number in SIGNALS:
            signal.signal(number, handler)
    except ValueError:
        return False
    return True


def _print(line: str) -> None:
    """Print on the standard error without its locks, which the interrupted code may hold."""
    shown = "\r\x1b[K\x1b[?25h" if os.isatty(2) else ""  # delete a progress bar, and show the cursor again
    with suppress(OSError):
        os.write(2, f"{shown}{line}\n".encode())


def raise_first(advice: str = "") -> None:
    """Let the first signal raise ``KeyboardInterrupt``. For a sweep, whose process runs no models.

    Args:
        advice: added to the line that ``interrupted`` prints.
    """
    global _raises, _raised, _advice
    _raises, _raised, _advice = True, False, advice


def has_raised() -> bool:
    """Whether a signal has raised ``KeyboardInterrupt`` since :func:`raise_first`.

    A library may raise another exception while it handles that one.
    """
    return _raised


def raise_none() -> None:
    """Let a signal end the process again."""
    global _raises
    _raises = False


def undo_by(undo: Callable[[], object]) -> None:
    """Call a function if a signal ends the process. It must not import, or wait for a lock."""
    if undo not in _undo:
        _undo.append(undo)


@contextmanager
def undone_by(undo: Callable[[], object]) -> Iterator[None]:
    """As :func:`undo_by`, if a signal ends the process inside."""
    _undo.append(undo)
    try:
        yield
    finally:
        _undo.remove(undo)


@contextmanager
def refused() -> Iterator[None]:
    """Run code of a layer or a check, which does not end the program.

    Raises:
        RuntimeError: it raises ``SystemExit``.
    """
    try:
        yield
    except SystemExit as error:
        raise RuntimeError(f"{error!r} would end the program").with_traceback(error.__traceback__) from error


@contextmanager
def apart() -> Iterator[None]:
    """Let processes that are started inside not get Ctrl-C from the terminal; this process has to end them.

    Here another thread receives it. A blocking call of this thread is not interrupted, but one that polls is.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for name in TRACKERS:
            with suppress(ImportError):
                importlib.import_module(name).ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def held_back() -> Iterator[None]:
    """As :func:`apart`; signals end this process only after what is inside: keep it short."""
    global _held, _pending
    _held += 1
    try:
        with apart():
            yield
    finally:
        _held -= 1
        if _pending and not _held:
            _pending = False
            _end(signal.SIGINT, None)


# ---- the standard output


def _take_over(name: str, descriptor: int) -> None:
    """Make ``sys.stdout`` or ``sys.stderr`` a stream that raises no errors; a closed one leads nowhere."""
    stream = getattr(sys, name)
    error = None
    if stream is None:
        error = OSError(errno.EBADF, os.strerror(errno.EBADF))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != descriptor:  # else a file that is opened later would get its number, and all that is printed
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
    elif not _writes_to(stream, descriptor) or _output_of(stream):
        return
    else:
        stream.flush()
    output = _Output(descriptor, "w", closefd=False)
    output.error = error
    # Without UTF-8, a terminal shows question marks, not a traceback.
    encoding, line_buffering = getattr(stream, "encoding", "utf-8"), getattr(stream, "line_buffering", False)
    text = io.TextIOWrapper(io.BufferedWriter(output), encoding, "replace", line_buffering=line_buffering)
    setattr(sys, name, text)


def _writes_to(stream: Any, descriptor: int) -> bool:
    try:
        return bool(stream.fileno() == descriptor)
    except (AttributeError, OSError):  # of a notebook, for example
        return False


def _output_of(stream: Any) -> _Output | None:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Output) else None


def is_unread() -> bool:
    """Whether the standard output cannot be written any more."""
    output = _output_of(sys.stdout)
    return output is not None and output.error is not None


@contextmanager
def handled() -> Iterator[None]:
    """Run a program inside. It ends with its own exit code, 130 after a signal, or 141 or 2 if it cannot print.

    Inside another such program, as Hydra's run in a command, an error of the standard output is reported once.

    Raises:
        SystemExit: always, unless another exception is raised inside.
    """
    prepare()
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        _take_over(name, descriptor)
    code: Any = None
    try:
        yield
    except SystemExit as stop:
        code = stop.code
    sys.stdout.flush()
    _answer_by(signal.SIG_IGN)  # what is left takes a moment, and a handler would be gone before its end
    output = _output_of(sys.stdout)
    if output is not None and output.error is not None:
        is_pipe = output.error.errno == errno.EPIPE
        if not (is_pipe or output.is_reported):  # a reader such as ``head`` has all that it wants
            _print(f"standard output: {output.error.strerror}")
        output.is_reported = True
        code = BROKEN_PIPE if is_pipe else UNPRINTED
    sys.exit(code)
