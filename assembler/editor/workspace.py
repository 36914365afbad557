"""The open files of an editor and what is known of them: the state of the worker.

A file is analysed in two stages, ``read`` and ``plan``; see ``assembler.analysis.analyse``. What one analysis finds is
published for each file that it blames: an error in a block that two open recipes use is shown once, in the block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from assembler.analysis import Analysis, Diagnostic, LayerMemory, Project, analyse
from assembler.analysis.analyse import plan
from assembler.analysis.files import files_of, is_known
from assembler.analysis.project import Projects
from assembler.editor.lines import Lines
from assembler.errors import AssemblerError, Place, Span, flatten
from assembler.files import short
from assembler.reading.texts import read_bytes, state_of, unsaved, with_line_feeds
from assembler.runtime.limits import Budget

GROUPS = ("recipe", "blocks", "registry")
"""Folders in a configuration folder; their files are a project's."""


@lru_cache(maxsize=1000)
def real(file: Path) -> Path:
    """A file's path without links: an editor and a recipe may name it in two ways."""
    return file.resolve()


def _state_of(file: Path) -> Any:
    """What differs when a file has changed; None if it is not there."""
    with suppress(OSError, ValueError):
        return state_of(file)
    return None


@dataclass
class Opened:
    """A file that is open in the editor.

    Args:
        lines: its text, with line feeds at the ends of its lines.
        version: of the text, as the editor counts.
        analysis: of this text; None until it is read.
        is_planned: whether the analysis includes the plan.
        good: the last analysis with a plan, and the text that it was made of.
        depends: the files that the last analysis read, and their states then.
        blamed: what is shown of the last analysis, by the files that it blames.
        is_blamed_by_plan: whether that was found by planning.
    """

    lines: Lines
    version: int
    analysis: Analysis | None = None
    is_planned: bool = False
    good: tuple[Analysis, str] | None = None
    depends: Mapping[Path, Any] = field(default_factory=dict)
    blamed: Mapping[Path, list[Diagnostic]] = field(default_factory=dict)
    is_blamed_by_plan: bool = False


class Workspace:
    """The open files.

    Args:
        root: the folder that the editor has open, which is the working directory.
        config: the configuration folder; by default that around a file, else ``conf`` in the root.
        trusted: folders of which the Python that their projects name may be imported, such as layers.
        encoding: see :class:`Lines`.
    """

    def __init__(
        self, root: Path, config: Path | None = None, *, trusted: Sequence[Path] = (), encoding: str = "utf-16"
    ):
        self.root = root
        self.config = config
        self.encoding = encoding
        self.open: dict[Path, Opened] = {}
        self.trusted = [real(one) for one in trusted]
        self.projects = Projects()
        self.memory = LayerMemory()

    # ---- texts

    def change(self, file: Path, text: str, version: int) -> list[Path]:
        """Note the text of an open file.

        Returns:
            The open files to analyse anew, this one first.
        """
        before = self.open.get(file)
        now = Opened(Lines(with_line_feeds(text), self.encoding), version)
        if before is not None:
            now = replace(before, lines=now.lines, version=version)
        self.open[file] = now
        return self._forget(file)

    def close(self, file: Path) -> list[Path]:
        """Forget an open file. Returns the open files to analyse anew, which now read it from the disk."""
        if self.open.pop(file, None) is None:
            return []
        return self._forget(file)

    def saved(self) -> list[Path]:
        """Files changed on the disk. Returns the open files, all to be analysed anew."""
        with unsaved(self.texts()):
            for file, opened in self.open.items():
                opened.analysis, opened.is_planned = None, False
                if any(_state_of(one) != state for one, state in opened.depends.items() if one != file):
                    opened.good = None
        return list(self.open)

    def _forget(self, file: Path) -> list[Path]:
        """The open files that depend on a file, without their analyses; it comes first.

        The last plan of another file is forgotten, too: any of its shapes may have changed.
        """
        found = [file] if file in self.open else []
        found += [one for one, opened in self.open.items() if one != file and file in opened.depends]
        for one in found:
            self.open[one].analysis, self.open[one].is_planned = None, False
            if one != file:
                self.open[one].good = None
        return found

    def texts(self) -> dict[Path, str]:
        """The texts of all open files."""
        return {file: opened.lines.text for file, opened in self.open.items()}

    def lines(self, file: Path) -> Lines:
        """The text of any file, open or not; an empty one if it cannot be read."""
        if file in self.open:
            return self.open[file].lines
        with suppress(OSError, ValueError):
            return Lines(with_line_feeds(read_bytes(file).decode("utf-8", errors="replace")), self.encoding)
        return Lines("", self.encoding)

    def project(self, file: Path) -> Project:
        """The project of a file. Where a file is opened that lies elsewhere, no Python beside it is imported."""
        own = next((path.parent for path in file.parents if path.name in GROUPS), None)
        default = self.root / "conf"
        folder = self.config or own or (default if default.is_dir() else None)
        folder = folder if folder is None or folder.is_dir() else None
        home = real(Project(folder).home)
        return self.projects.at(folder, is_trusted=any(home.is_relative_to(one) for one in self.trusted))

    # ---- analyses

    def analyse(self, file: Path, *, shapes: bool) -> Analysis | None:
        """Analyse an open file within the limits of untrusted files, and keep what is found.

        Args:
            shapes: whether a recipe is planned.

        Returns:
            None if the file is not there.
        """
        opened = self.open[file]
        with unsaved(self.texts()):
            try:
                with Budget(Place(label=short(file), span=Span(file))):
                    if not is_known(file):
                        found = Analysis.failed(file, [])
                    elif shapes and opened.analysis is not None:
                        found = plan(opened.analysis, memory=self.memory)
                    else:
                        project = self.project(file)
                        found = analyse(file, project, shapes=shapes, memory=self.memory)
                        opened.depends = {one: _state_of(one) for one in map(real, files_of(file, project))}
            except AssemblerError as error:
                found = Analysis.failed(file, list(flatten([error])))
            except OSError:
                return None
        for one in found.errors:  # their frames would keep texts and analyses of the past
            one.__traceback__ = one.__context__ = one.__cause__ = None
        opened.analysis, opened.is_planned = found, shapes
        if found.plan is not None:
            opened.good = found, opened.lines.text
        return found

    def blame(self, file: Path) -> dict[Path, list[Diagnostic]]:
        """What is now wrong in the files that an open file's analysis blames, or blamed before.

        An empty list clears what the editor shows in a file.
        """
        opened = self.open.get(file)
        before: Mapping[Path, list[Diagnostic]] = {}
        if opened is not None:
            before, opened.blamed = opened.blamed, opened.analysis.diagnostics if opened.analysis else {}
            opened.is_blamed_by_plan = opened.is_planned and bool(opened.blamed)
        affected = [file, *before, *(opened.blamed if opened else ())]
        return {one: self.diagnostics(one) for one in dict.fromkeys(map(real, affected))}

    def diagnostics(self, file: Path) -> list[Diagnostic]:
        """What the analyses of all open files found in a file, each once."""
        found: dict[Diagnostic, None] = {}
        for opened in self.open.values():
            for path, remarks in opened.blamed.items():
                if real(path) == file:
                    found.update(dict.fromkeys(remarks))
        return sorted(found, key=lambda one: (one.span.line, one.span.column))
