"""The worker as the server sees it: started, asked, watched, and started again if it crashes or takes too long."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SECONDS = "ASSEMBLER_MAX_SECONDS"
GIB = "ASSEMBLER_MAX_GIB"
LIMITS = {SECONDS: "20", GIB: "4"}
"""The limits of one analysis in an editor, unless the environment sets them."""

GRACE = 5
"""Seconds after the limit until a worker that does not stop by itself is ended: some code cannot be interrupted."""

MAX_STARTS = 5
"""Starts in a row after which a worker that crashes without any text to blame is given up."""

REFUSED = "refused"
"""The key of an answer that says why an edit of the editor's is refused."""

_LINE = 2**26
"""Bytes of the longest message."""


class WorkerProcess:
    """A worker and the texts that it knows.

    Args:
        settings: for ``assembler.editor.worker.serve``.
        notify: receives what the worker sends without being asked, and ``{"lost": FILE, "why": …}`` when it was lost
            while it analysed a file.
    """

    def __init__(self, settings: Mapping[str, Any], notify: Callable[[Mapping[str, Any]], None]):
        self.settings = settings
        self.notify = notify
        self.texts: dict[str, dict[str, Any]] = {}
        self.shown: set[str] = set()  # files that pages show
        self.refused: set[str] = set()  # files whose text ended a worker
        self.answers: dict[int, asyncio.Future[Any]] = {}
        self.busy: tuple[str, float] | None = None  # the file that is analysed, and since when
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._revival: asyncio.Future[None] | None = None
        self._count = self._starts = 0
        self._why = ""
        self._is_closed = self._is_starting = False

    @property
    def is_alive(self) -> bool:
        """Whether a worker runs, or is being started."""
        return self._is_starting or (self._process is not None and self._process.returncode is None)

    async def start(self) -> None:
        """Start the worker, with all texts that did not end another one."""
        self._starts += 1
        self._is_starting = True
        try:
            await self._start()
        finally:
            self._is_starting = False

    async def _start(self) -> None:
        begin = f"import sys; sys.path[:] = {sys.path!r}; from assembler.editor.worker import serve; serve()"
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", begin, json.dumps(dict(self.settings)),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE,
            env={**LIMITS, **os.environ}, start_new_session=True,
        )  # fmt: skip
        self.busy, self._why = None, ""
        self._tasks = [asyncio.create_task(self._listen(self._process)), asyncio.create_task(self._watch())]
        for message in [one for file, one in self.texts.items() if file not in self.refused]:
            self._send(message)
        for name in self.shown - self.refused:
            self._send({"do": "page", "file": name})

    def open(self, file: Path, text: str, version: int) -> None:
        """Pass on the text of an open file."""
        message = {"do": "open", "file": str(file), "text": text, "version": version}
        self.texts[str(file)] = message
        self._starts = 0
        if not self.is_alive and not self._is_closed:
            self.refused.discard(str(file))
            self._revival = asyncio.ensure_future(self.start())  # which sends all texts
            return
        self._send(message)
        if str(file) in self.refused:
            self.refused.discard(str(file))
            if str(file) in self.shown:  # this worker does not know it
                self.show(file)

    def close_file(self, file: Path) -> None:
        """Pass on that a file is closed."""
        self.texts.pop(str(file), None)
        self.refused.discard(str(file))
        self._send({"do": "close", "file": str(file)})

    def show(self, file: Path) -> None:
        """Pass on that a page shows a file from now on."""
        self.shown.add(str(file))
        self._send({"do": "page", "file": str(file)})

    def saved(self) -> None:
        """Pass on that files changed on the disk."""
        self._send({"do": "saved"})

    async def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """The answer to a request of the editor; None if the worker was lost before it answered."""
        self._count += 1
        number = self._count
        if not self.is_alive:
            return None
        self.answers[number] = answer = asyncio.get_running_loop().create_future()
        self._send({"do": "ask", "id": number, "method": method, "params": params})
        try:
            return await answer
        except asyncio.CancelledError:
            self._send({"do": "cancel", "id": number})
            raise
        finally:
            self.answers.pop(number, None)

    async def restart(self) -> None:
        """End the worker and start another, such as after a change of the project's Python."""
        if self._process is not None and not self._is_closed:
            self._why, self._starts = "restart", 0
            self._kill()

    def close(self) -> None:
        """End the worker and everything that it started."""
        self._is_closed = True
        self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _send(self, message: Mapping[str, Any]) -> None:
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what the worker sends; when it ends, start another."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            message = json.loads(line)
            if "begin" in message:
                self.busy = message["begin"], time.monotonic()
            elif "end" in message:
                self.busy = None
            elif "answer" in message:
                if (answer := self.answers.pop(message["answer"], None)) is not None and not answer.done():
                    answer.set_result(message["result"])
            else:
                self.notify(message)
        await process.wait()
        if not self._is_closed:
            await self._lost(process.returncode or 0)

    async def _lost(self, code: int) -> None:
        """Refuse the text that ended the worker, if it was one, and start another."""
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        for answer in self.answers.values():
            if not answer.done():
                answer.set_result(None)
        file = self.busy[0] if self.busy is not None else ""
        if self._why != "restart" and file in self.texts:
            self.refused.add(file)
            self.notify({"lost": file, "why": self._why or f"the analysis of this text ended with exit code {code}"})
        if self._starts < MAX_STARTS:
            await self.start()
        elif self.texts:
            why = f"the process that analyses ended {MAX_STARTS} times in a row"
            self.notify({"lost": next(reversed(self.texts)), "why": why})

    async def _watch(self) -> None:
        """End a worker that is busy with one file for much longer than its limit."""
        limit = float(os.environ.get(SECONDS) or LIMITS[SECONDS]) + GRACE
        while True:
            await asyncio.sleep(0.5)
            if self.busy is not None and time.monotonic() - self.busy[1] > limit:
                self._why = f"the analysis of this text took more than {limit:g} s and was ended"
                self._kill()
                return
