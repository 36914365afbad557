"""Where the names of a recipe are declared and used in all its files: params, blocks, shared parts, and wires."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from assembler.analysis.document import Declared, Document, Used


def _graph_around(path: tuple[str, ...]) -> tuple[str, ...] | None:
    """The keys around the innermost graph of which a text is a line or an output; None outside of graphs."""
    for index in reversed(range(len(path))):
        is_line = path[index] == "graph" and index < len(path) - 1
        if is_line or (path[index] == "outputs" and path[max(index - 1, 0)] != "graph"):
            return path[:index]
    return None


@dataclass(frozen=True)
class Names:
    """The names of a file and of the recipes that it is part of.

    Args:
        document: the file that is looked at.
        views: recipes, each with the files that it includes. That of the file itself, if it is a recipe, is the first.
    """

    document: Document
    views: tuple[tuple[Document, ...], ...] = ()

    def others(self, document: Document) -> list[Document]:
        """The files whose names a file sees: those that it includes; of a file of blocks, those of its recipes."""
        own = next((view for view in self.views if view[0].file == document.file), None)
        found = (
            own if own is not None and len(own) > 1 else [one for view in self.around([document.file]) for one in view]
        )
        return list({one.file: one for one in found if one.file != document.file}.values())

    def around(self, files: Iterable[Path]) -> list[tuple[Document, ...]]:
        """The views that contain one of some files."""
        known = set(files)
        return [view for view in self.views if known & {one.file for one in view}]

    def visible(self, path: tuple[str, ...], document: Document | None = None) -> Iterator[Declared]:
        """The names that a text at some keys sees, the innermost first."""
        document = document or self.document
        own = sorted(document.declared, key=lambda one: -len(one.scope))
        others = (one for other in self.others(document) for one in other.declared if one.is_global)
        graph = _graph_around(path)
        for one in (*(one for one in own if path[: len(one.scope)] == one.scope), *others):
            if one.kind not in ("wire", "input") or one.scope == graph:  # a graph sees no lines of one around it
                yield one

    def at(self, offset: int) -> Declared | None:
        """The declaration of the name at an offset; None if there is no name, or a layer's."""
        for one in self.document.declared:
            if one.start <= offset <= one.end:
                return one
        used = self.used_at(offset)
        return self.declaration(used, self.document) if used is not None else None

    def used_at(self, offset: int) -> Used | None:
        """The name that is used at an offset."""
        return next((one for one in self.document.used if one.start <= offset <= one.end), None)

    def declaration(self, used: Used, document: Document) -> Declared | None:
        """What a name is that is used in one of the files."""
        visible = self.visible(used.path, document)
        if used.role == "keyword":
            block = next((one for one in visible if one.kind == "block" and one.name == used.call), None)
            return self._argument(block, used.name) if block is not None else None
        wanted = ("wire", "input") if used.role == "source" else ("argument", "param", "block", "shared")
        return next((one for one in visible if one.name == used.name and one.kind in wanted), None)

    def _argument(self, block: Declared, name: str) -> Declared | None:
        home = next(one for one in self.documents() if one.file == block.file)
        inside = (one for one in home.declared if one.kind == "argument" and one.name == name)
        return next((one for one in inside if one.scope[-1] == block.header), None)

    def documents(self) -> list[Document]:
        """All files, this one first."""
        return list({one.file: one for view in ((self.document,), *self.views) for one in view}.values())

    def same(self, declared: Declared) -> list[Declared]:
        """A declaration with those of the same name in other files of its recipes, which replace it or are replaced.

        ``params: {depths: …}`` of ``resnet50`` is that of ``resnet``, and so of ``resnet18``.
        """
        if not declared.is_global:
            return [declared]
        found, files = {declared.file: declared}, set[Path]()
        while files != set(found):
            files = set(found)
            for view in self.around(files):
                for one in (one for document in view for one in document.declared):
                    if (one.kind, one.name, one.scope) == (declared.kind, declared.name, declared.scope):
                        found.setdefault(one.file, one)
        return list(found.values())

    def uses(self, declared: Declared) -> Iterator[tuple[Path, int, int]]:
        """The places where a name is used, without its declarations."""
        same = self.same(declared)
        views = self.around(one.file for one in same) if declared.is_global or declared.kind == "argument" else ()
        documents = {one.file: one for view in ((self.document,), *views) for one in view}
        for document in documents.values():
            for used in document.used:
                if used.name == declared.name and self.declaration(used, document) in same:
                    yield document.file, used.start, used.end
