"""The parts of live pages, as the worker makes them of texts that may be unsaved, and sends them to the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assembler.editor.features.common import file_of
from assembler.editor.workspace import Workspace
from assembler.errors import AssemblerError, Place, Span
from assembler.files import short
from assembler.reading.texts import unsaved
from assembler.runtime.limits import Budget

if TYPE_CHECKING:
    from assembler.live.shown import LivePage


class Parts:
    """The recipes that pages show.

    Args:
        send: receives ``{"page": FILE, "part": …, "value": …}``.
    """

    def __init__(self, workspace: Workspace, send: Callable[[Mapping[str, Any]], None]):
        self.workspace = workspace
        self.send = send
        self.waiting: dict[Path, None] = {}  # to be shown anew
        self._pages: dict[Path, LivePage] = {}

    def begin(self, file: Path) -> None:
        """Show a recipe from now on."""
        from assembler.live.shown import LivePage

        if file not in self._pages:
            self._pages[file] = LivePage(file, partial(self._publish, file))
        self.changed(file)

    def changed(self, file: Path) -> None:
        """Show a recipe anew, if a page shows it."""
        if file in self._pages:
            self.waiting[file] = None

    def show(self, file: Path) -> None:
        """Make the parts of a recipe's page."""
        opened = self.workspace.open.get(file)
        with unsaved(self.workspace.texts()):
            project, budget = self.workspace.project(file), Budget(Place(label=short(file), span=Span(file)))
            self._pages[file].look(project, opened.depends if opened else (), budget, self.workspace.memory)

    def point(self, params: Mapping[str, Any]) -> None:
        """Show where the cursor is, on all pages with the text that it is in."""
        if (file := file_of(params)) is None:
            return
        line, units = params["position"]["line"], params["position"]["character"]
        column = self.workspace.lines(file).column(line, units)
        for page in self._pages.values():
            with suppress(AssemblerError), Budget(Place(label=short(file))):
                page.point(Span(file, line, column, line, column))

    def _publish(self, file: Path, part: str, value: str) -> None:
        self.send({"page": str(file), "part": part, "value": value})
