"""The process that analyses: it answers the server's messages, one JSON text per line, until the server ends.

Messages that arrive::

    {"do": "open", "file": …, "text": …, "version": 3}       also after each edit
    {"do": "close", "file": …}   {"do": "saved"}
    {"do": "ask", "id": 7, "method": "textDocument/inlayHint", "params": …}
    {"do": "cancel", "id": 7}   {"do": "page", "file": …}     which a page shows from now on

and those that it sends::

    {"begin": FILE} and {"end": FILE}                         so that the server sees what takes too long
    {"publish": FILE, "version": 3, "diagnostics": […]}
    {"analysed": FILE, "version": 3, "stage": "read", "summary": …}
    {"answer": 7, "result": …}   {"refresh": true}
    {"page": FILE, "part": "text", "value": …}                for the server's page of the file

A text is read as soon as it arrives, then features are answered, then it is planned, then pages are made. MindSpore is
imported when the first texts are read, and not in a thread: two threads that import parts of it at once each find half
of it. A newer text ends the planning of an older one.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from assembler.editor.features import AFTER_PLAN, FEATURES, HIGHLIGHTS, RENAME
from assembler.editor.features.common import as_lsp, file_of
from assembler.editor.features.lens import summary
from assembler.editor.parts import Parts
from assembler.editor.process import REFUSED
from assembler.editor.workspace import Workspace
from assembler.errors import AssemblerError, Place
from assembler.reading.texts import unsaved
from assembler.runtime import collector
from assembler.runtime.limits import Budget, accept_end, end_early

PATIENCE = 0.3
"""Seconds that a plan may take although a newer text waits; a longer one is ended."""

_MOMENT = 0.2
"""Seconds without a message after which MindSpore is imported, or a page is made."""

_AGAIN = 0.02
"""Seconds between attempts to end it: an exception cannot be raised everywhere."""


def serve() -> None:
    """Answer the server, whose settings are the command line's only argument, as JSON."""
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    asked, replies = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # what layers print is not an answer
    accept_end()
    settings = json.loads(sys.argv[1])
    os.chdir(settings["root"])
    workspace = Workspace(
        Path(settings["root"]),
        Path(settings["config"]) if settings["config"] else None,
        trusted=[Path(folder) for folder in settings["trusted"]],
        encoding=settings["encoding"],
    )
    worker = Worker(workspace, requests, replies)
    threading.Thread(target=worker.listen, args=(asked,), daemon=True).start()
    worker.run()


def _import_planner() -> None:
    """Import all that planning needs, which takes seconds."""
    with suppress(ImportError):  # planning reports it
        import assembler.checks
        import assembler.model.inputs
        import assembler.model.parameters
        import assembler.planning.planner  # noqa: F401


class Worker:
    """Does what is most urgent: texts are read before features are answered, and planned last.

    Args:
        requests: what the server asks, filled by another thread.
    """

    def __init__(self, workspace: Workspace, requests: queue.Queue[dict[str, Any]], replies: TextIO):
        self.workspace = workspace
        self.requests = requests
        self.replies = replies
        self.unread: dict[Path, None] = {}  # the most urgent first
        self.unplanned: dict[Path, None] = {}
        self.dependent: set[Path] = set()  # to be planned because another file changed: the editor does not ask again
        self.waiting: list[dict[str, Any]] = []
        self.pages = Parts(workspace, self.send_part)
        self.is_imported = False
        self.planning: tuple[Path, float] | None = None  # since when
        self.is_superseded = False

    def run(self) -> None:
        """Work until the process ends."""
        while True:
            self.receive()
            self.work()

    # ---- messages

    def listen(self, asked: TextIO) -> None:
        """Receive messages, in a thread of its own. When the server ends, so does this process, whatever it does."""
        for line in asked:
            message = json.loads(line)
            self.requests.put(message)
            if message["do"] == "open" and self.planning is not None:
                threading.Thread(target=self.supersede, args=(self.planning,), daemon=True).start()
        with suppress(OSError, AttributeError):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    def supersede(self, planning: tuple[Path, float]) -> None:
        """End a plan that takes long, because a newer text waits."""
        time.sleep(max(0.0, planning[1] + PATIENCE - time.monotonic()))
        while self.planning is planning:
            self.is_superseded = True
            end_early()
            time.sleep(_AGAIN)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message to the server."""
        self.replies.write(json.dumps(message) + "\n")
        self.replies.flush()

    def send_part(self, message: Mapping[str, Any]) -> None:
        """Send a part of a page, except the error that a newer text ended its plan."""
        if message["part"] != "text" or self.planning is None or not self.is_superseded:
            self.send(message)

    def receive(self) -> None:
        """Note all messages that are there; wait for one if there is nothing to do."""
        is_idle = not (self.unread or self.ready() or self.unplanned)
        seconds = _MOMENT if self.pages.waiting or not self.is_imported else None
        with suppress(queue.Empty):
            while True:
                self.note(self.requests.get(is_idle, seconds))
                is_idle = False

    def note(self, message: dict[str, Any]) -> None:
        """Note one message."""
        match message["do"]:
            case "open":
                file = Path(message["file"])
                self.again(self.workspace.change(file, message["text"], message["version"]))
            case "close":
                file = Path(message["file"])
                blamed = self.workspace.blame(file)
                self.unread.pop(file, None)
                self.unplanned.pop(file, None)
                self.pages.waiting.pop(file, None)
                self.again(self.workspace.close(file))
                for path in blamed:
                    self.publish(path)
            case "saved":
                self.dependent.update(found := self.workspace.saved())
                self.again(found)
            case "page":
                self.pages.begin(Path(message["file"]))
            case "ask":
                self.waiting.append(message)
            case "cancel":
                self.waiting = [one for one in self.waiting if one["id"] != message["id"]]

    def again(self, files: list[Path]) -> None:
        """Files have to be analysed, the first of them at once."""
        for file in files:
            self.unplanned.pop(file, None)
        self.dependent.update(files[1:])
        self.unread = {**dict.fromkeys(files), **self.unread}

    # ---- work

    def work(self) -> None:
        """Do one thing, the most urgent."""
        if self.unread:
            file = next(iter(self.unread))
            del self.unread[file]
            self.read(file)
        elif ready := self.ready():
            self.waiting.remove(ready)
            self.answer(ready)
        elif not self.is_imported:
            _import_planner()
            collector.settle()
            self.is_imported = True
        elif self.unplanned:
            file = next(iter(self.unplanned))
            del self.unplanned[file]
            self.plan(file)
        elif self.pages.waiting:
            file = next(iter(self.pages.waiting))
            del self.pages.waiting[file]
            self.show(file)

    def ready(self) -> dict[str, Any] | None:
        """The first question that can be answered now."""
        return next((one for one in self.waiting if one["method"] not in AFTER_PLAN or not self.unplanned), None)

    def read(self, file: Path) -> None:
        """Find what is wrong without a plan."""
        found = self.analyse(file, shapes=False)
        if found and self.workspace.open[file].analysis.reading.bound is not None:  # type: ignore[union-attr]
            self.unplanned = {file: None, **self.unplanned}

    def plan(self, file: Path) -> None:
        """Plan a recipe, unless a newer text arrives meanwhile."""
        self.planning, self.is_superseded = (file, time.monotonic()), False
        try:
            self.analyse(file, shapes=True)
        finally:
            self.planning = None

    def show(self, file: Path) -> None:
        """Make a page, unless a newer text arrives meanwhile, which does not wait for it."""
        self.planning, self.is_superseded = (file, time.monotonic() - PATIENCE), False
        self.send({"begin": str(file)})
        try:
            self.pages.show(file)
        except Exception:
            traceback.print_exc()
        finally:
            self.planning = None
        self.send({"end": str(file)})

    def analyse(self, file: Path, *, shapes: bool) -> bool:
        """Analyse an open file, and send what is found. Returns whether it could be read."""
        opened = self.workspace.open.get(file)
        if opened is None:
            return False
        self.send({"begin": str(file)})
        try:
            found = self.workspace.analyse(file, shapes=shapes)
        except Exception:
            traceback.print_exc()  # a fault of the assembler: the editor's log has it, and the server continues
            found = None
        self.send({"end": str(file)})
        if found is None or (shapes and self.is_superseded):
            return False
        if shapes or not self.is_shown_until_planned(file):
            for path in self.workspace.blame(file):
                self.publish(path)
        if shapes or found.reading.bound is None:  # otherwise a plan follows
            self.pages.changed(file)
            if file in self.dependent:
                self.dependent.discard(file)
                self.send({"refresh": True})
        about = {"version": opened.version, "stage": "plan" if shapes else "read"}
        planned = summary(found.plan) if found.plan is not None else None
        self.send({"analysed": str(file), "summary": planned, **about})
        return True

    def is_shown_until_planned(self, file: Path) -> bool:
        """Whether errors of shapes stay until the new plan is there, which is soon: else they flicker at each key."""
        opened = self.workspace.open[file]
        is_right = opened.analysis is not None and opened.analysis.reading.bound is not None
        return is_right and opened.is_blamed_by_plan and self.is_imported

    def publish(self, file: Path) -> None:
        """Send the diagnostics of a file."""
        opened = self.workspace.open.get(file)
        found = as_lsp(self.workspace, file, self.workspace.diagnostics(file))
        version = opened.version if opened is not None else None
        self.send({"publish": str(file), "version": version, "diagnostics": found})

    def answer(self, message: Mapping[str, Any]) -> None:
        """Answer a question of the editor."""
        params = message["params"]
        file = file_of(params) if "textDocument" in params else None
        self.send({"begin": str(file)})
        result = None
        try:
            with unsaved(self.workspace.texts()), Budget(Place(label=message["method"])):
                result = FEATURES[message["method"]](self.workspace, params)
        except AssemblerError as error:  # one in the text is reported by diagnostics
            result = {REFUSED: error.message} if message["method"] == RENAME else None
        except Exception:
            traceback.print_exc()
        self.send({"answer": message["id"], "result": result})
        if message["method"] == HIGHLIGHTS:  # editors ask for them wherever the cursor rests
            self.pages.point(params)
        self.send({"end": str(file)})
