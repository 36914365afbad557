"""Jobs in a separate process, so that a crash or a hang affects only one job."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from assembler.runtime import exits
from assembler.sweeps.child import encoded

SCRIPT = "ASSEMBLER_SCRIPT"
"""The environment variable with the script that started a sweep; launchers pass it to their workers."""

MOMENT = 2
"""Seconds that the process may take to end by itself."""


class Lost(Exception):
    """The process ended before it answered; the message explains why."""


class Child:
    """A process that answers requests: started at the first request, and restarted after it ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._script = ""
        self._ready = False
        self._registry: Any = None  # that of the last request

    def start(self) -> None:
        """Start the process if it is not running; it imports its modules in the background."""
        script = os.environ.get(SCRIPT, "")
        if self._process is not None and (self._process.poll() is not None or script != self._script):
            self.close()
        if self._process is None:
            # -c, because the module's folder must not be first on the path; the path is copied from this process.
            begin = f"import sys; sys.path[:] = {sys.path!r}; from assembler.sweeps.child import serve; serve()"
            self._script, self._ready, self._registry = script, False, None
            with exits.held_back():
                self._process = subprocess.Popen(
                    [sys.executable, "-c", begin, script],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    encoding="utf-8",
                    start_new_session=True,  # Ctrl-C is handled by the parent process
                )
            # A failed job may leave processes that keep the pipe open, which would hide its end.
            threading.Thread(target=_end_group, args=(self._process,), daemon=True).start()

    def ask(self, request: Mapping[str, Any], timeout: float | None = None, cwd: str | None = None) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Args:
            cwd: the working directory; None for this process's own.
            timeout: seconds after which the process is ended, without the time to start it.

        Raises:
            Lost: it ended before it answered.
        """
        self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        surroundings = {"cwd": cwd or str(Path.cwd()), "path": sys.path, "environment": dict(os.environ)}
        late = threading.Event()
        try:
            self._await_start(process)
            with _at_the_latest(timeout, late, process):
                process.stdin.write(encoded({**self._brief(request), **surroundings}) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        except BaseException:
            self.close()  # interrupted: do not continue the job in the background
            raise
        if late.is_set() and answer:
            self.close()  # the answer arrived in time, but the process is ended anyway
        if not answer:
            why = f"it took more than {timeout:g} s and was ended" if late.is_set() else _said(process.wait())
            self.close()
            raise Lost(why)
        return dict(json.loads(answer))

    def _brief(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request without its registry, most of it, if that is the registry of the last request."""
        config = dict(request["config"])
        registry = config.pop("registry", None)
        if registry is None or registry != self._registry:
            self._registry = registry
            return dict(request)
        return {**request, "config": config, "same_registry": True}

    def _await_start(self, process: subprocess.Popen[str]) -> None:
        if self._ready:
            return
        assert process.stdout is not None
        answer = process.stdout.readline()
        if not answer:
            raise Lost(f"it did not reach the job: {_said(process.wait())}")
        if fault := json.loads(answer)["fault"]:
            raise Lost(f"{self._script} cannot be imported by the process that runs jobs:\n{fault}")
        self._ready = True

    def close(self) -> None:
        """End the process and everything that it started; it has a moment to delete its temporary files."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                _kill(process, signal.SIGTERM)
                process.wait(MOMENT)
            _kill(process)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]


@contextmanager
def _at_the_latest(timeout: float | None, late: threading.Event, process: subprocess.Popen[str]) -> Iterator[None]:
    """End the process after a number of seconds, and set ``late``."""
    if timeout is None:
        yield
        return

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(timeout, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end_group(process: subprocess.Popen[str]) -> None:
    """Wait for a process, and end everything that it started."""
    process.wait()
    _kill(process)


def _kill(process: subprocess.Popen[str], number: int | None = None) -> None:
    """Send a signal to a process and everything that it started; by default the one that none can refuse."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL if number is None else number)
        else:
            process.kill()


def _said(code: int) -> str:
    """Why a process ended, by its exit code."""
    if code >= 0:
        return f"its process ended by itself, with exit code {code}"
    number = -code
    name = signal.Signals(number).name if number in set(signal.Signals) else ""
    hint = "; the system ends processes so when memory runs out" if number == signal.SIGKILL else ""
    return f"its process was ended by signal {number}{f' ({name})' if name else ''}{hint}"


CHILD = Child()
"""The instance of this process."""

atexit.register(CHILD.close)
exits.undo_by(CHILD.close)
