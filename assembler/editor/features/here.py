"""What is at the cursor: the document, its names, and the files around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assembler.analysis import Item, Project
from assembler.analysis.document import TEXTS, Declared, Document
from assembler.analysis.files import including, is_foreign
from assembler.analysis.names import Names
from assembler.analysis.regions import Region
from assembler.analysis.tokens import Spot
from assembler.editor.features.common import file_of
from assembler.editor.features.signatures import arguments_of, block_arguments
from assembler.editor.features.still_true import items_in
from assembler.editor.workspace import Workspace, real
from assembler.errors import AssemblerError
from assembler.reading.recipe_files import defaults_of
from assembler.registry.entries import Entry


@dataclass(frozen=True)
class Here:
    """A place in an open file.

    Args:
        offset: of the place, in characters.
        is_wide: whether recipes are searched that are neither open nor in the project's folder of recipes.
    """

    workspace: Workspace
    file: Path
    offset: int
    is_wide: bool = False

    @classmethod
    def of(
        cls, workspace: Workspace, params: Mapping[str, Any], *, in_registry: bool = False, is_wide: bool = False
    ) -> Here | None:
        """The place that a request is about; None outside of files, in a registry, and in files of other programs."""
        file = file_of(params)
        if file is None or (file.parent.name == "registry" and not in_registry):
            return None
        lines = workspace.lines(file)
        return None if is_foreign(file, lines.text) else cls(workspace, file, lines.offset(params["position"]), is_wide)

    @cached_property
    def project(self) -> Project:
        """The project of the file."""
        return self.workspace.project(self.file)

    @cached_property
    def document(self) -> Document:
        """The file's text."""
        return self.read(self.file)

    @cached_property
    def names(self) -> Names:
        """The names of the file and of the recipes that it is part of."""
        known = {self.file: self.document}
        views = [[self.file, *self.below]]
        elsewhere = map(real, including(self.workspace.root)) if self.is_wide else ()
        recipes = dict.fromkeys([*self._recipes(), *elsewhere])
        views += [[file, *found] for file in recipes if file != self.file and (found := self._included(file))]
        near = {self.file, *self.below}
        chosen = [view for view in views if near & set(view)]
        documents = {file: known.get(file) or self.read(file) for view in chosen for file in view}
        return Names(self.document, tuple(tuple(documents[file] for file in dict.fromkeys(view)) for view in chosen))

    @cached_property
    def region(self) -> Region | None:
        """The key or value at the place."""
        return self.document.at(self.offset)

    @cached_property
    def spot(self) -> Spot:
        """What is at the place in its value."""
        assert self.region is not None
        return self.document.spot(self.region, self.offset)

    @property
    def is_in_layers(self) -> bool:
        """Whether the place is in a recipe text."""
        region = self.region
        if region is None or region.path[0] not in TEXTS or region.key[0] <= self.offset < region.key[1]:
            return False
        is_leaf = len(region.path) > 1 or region.path[0] in ("stack", "outputs")
        return is_leaf and "inputs" not in region.path[-2:]

    def read(self, file: Path) -> Document:
        """Another file as it is on the screen, or on the disk."""
        return Document(file, self.workspace.lines(file).text, file.parent.name == "blocks")

    @cached_property
    def below(self) -> list[Path]:
        """The files that this one includes, as its last readable text has them."""
        opened = self.workspace.open.get(self.file)
        read = opened.depends if opened is not None else ()
        below = [file for file in read if file != self.file and file.parent.name != "registry"]
        return below or [real(file) for file in self._named()]

    def _named(self) -> Iterator[Path]:
        """The files that ``defaults`` names, of a text that was never readable."""
        blocks = self.project.files("blocks")
        for region in self.document.regions:
            if region.path[0] == "defaults":
                said = self.document.text[slice(*region.value)]
                files = blocks if "/blocks" in said else self.project.recipes
                if (file := files.get(said.rpartition(":")[2].strip())) is not None:
                    yield file

    def _recipes(self) -> Iterator[Path]:
        """The recipes of the project, and those that are open."""
        folder = self.project.folder
        yield from map(real, sorted((folder / "recipe").rglob("*.yaml")) if folder is not None else ())
        yield from self.workspace.open

    def files(self) -> list[Path]:
        """The recipes and blocks of the project, and the files that are open; this one is the first."""
        folder = self.project.folder
        blocks = map(real, sorted((folder / "blocks").glob("*.yaml")) if folder is not None else ())
        found = dict.fromkeys([self.file, *self._recipes(), *blocks])
        return [file for file in found if file.parent.name != "registry"]

    def _included(self, file: Path) -> list[Path]:
        with suppress(AssemblerError, OSError):
            return [real(path) for path, _ in defaults_of(file, self.project.folders)]
        return []

    def entry(self, name: str) -> Entry | None:
        """The layer of a name, if there is just one."""
        with suppress(AssemblerError):
            found = self.project.registry.candidates(name)
            return found[0] if len(found) == 1 else None
        return None

    def block(self, name: str) -> Declared | None:
        """The block of a name that the place sees."""
        path = self.region.path if self.region is not None else ()
        return next((one for one in self.names.visible(path) if one.kind == "block" and one.name == name), None)

    def takes(self, name: str) -> Mapping[str, str]:
        """The arguments of a block or a layer, each with its default as text; empty for a required one."""
        if (block := self.block(name)) is not None:
            return block_arguments(block)
        entry = self.entry(name)
        return arguments_of(entry) if entry is not None else {}

    def item(self, start: int, end: int) -> Item | None:
        """The smallest item of the plan that begins with a name, such as ``Dense(_, 8)`` of ``Dense``."""
        opened = self.workspace.open.get(self.file)
        if opened is None:
            return None
        lines = self.workspace.lines(self.file)
        name = lines.text[start:end]
        for item in items_in(self.file, opened):
            if (
                lines.starts[min(item.span.line, len(lines.starts) - 1)] + item.span.column == start
                and item.name == name
            ):
                return item
        return None

    def range(self, start: int, end: int, file: Path | None = None) -> dict[str, Any]:
        """The LSP range of two offsets in a file, by default this one."""
        lines = self.workspace.lines(file or self.file)
        return {"start": lines.at(start), "end": lines.at(end)}
