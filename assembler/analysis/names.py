"""Where the names of a recipe are declared and used: params, blocks and their arguments, shared parts, and wires.

It reads texts that are being typed (see ``regions`` and ``tokens``), so that an editor can follow names in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from assembler.analysis.forms import Form, forms_of
from assembler.analysis.regions import Region, region_at, regions_of
from assembler.analysis.tokens import Name, Spot, names_in, spot_at, tokens_of

Kind = Literal["param", "block", "argument", "shared", "wire", "input"]

_DECLARES: dict[str, Kind] = {
    "params": "param",
    "blocks": "block",
    "shared": "shared",
    "graph": "wire",
    "inputs": "input",
}
"""Keys of a recipe whose keys are names."""

_GRAPHS = ("stack", "graph", "blocks", "shared")
"""Those with graphs inside, which have lines and inputs of their own."""

TEXTS = ("stack", "graph", "blocks", "shared", "params", "outputs")
"""Keys of a recipe with recipe texts in them."""

_REFERENCE = re.compile(r"(?<!\w)params\.(\w+)")
_PARAM = re.compile(r"\A(\w+)")


@dataclass(frozen=True, slots=True)
class Declared:
    """A name that a file declares.

    Args:
        start, end: offsets of the name.
        scope: the keys around it that see it; none for what the whole recipe sees. A wire is seen in its graph, an
            argument in its block.
        text: what it is, as written: the value of a param, the layers of a block.
        header: of a block, its name with its arguments.
    """

    kind: Kind
    name: str
    file: Path
    start: int
    end: int
    scope: tuple[str, ...] = ()
    text: str = ""
    header: str = ""

    @property
    def is_global(self) -> bool:
        """Whether other files see it. Lines of a recipe's graph are merged with those of files that it includes."""
        return self.kind in ("param", "block", "shared") or (self.kind in ("wire", "input") and not self.scope)


@dataclass(frozen=True, slots=True)
class Used:
    """A name that is used in a file.

    Args:
        start, end: offsets of the name.
        path: the keys of the text that it is in.
    """

    name: str
    role: str
    start: int
    end: int
    path: tuple[str, ...]
    call: str = ""


@dataclass(frozen=True)
class Document:
    """A file of recipes or blocks as it is on the screen.

    Args:
        is_blocks: whether its keys are blocks.
    """

    file: Path
    text: str
    is_blocks: bool = False

    @cached_property
    def regions(self) -> list[Region]:
        """Its keys and values; those of a file of blocks are below ``blocks``, as in a recipe."""
        found = regions_of(self.text)
        return [Region(("blocks", *one.path), one.key, one.value) for one in found] if self.is_blocks else found

    def at(self, offset: int) -> Region | None:
        """The region at an offset."""
        found = region_at(self.text, offset)
        return Region(("blocks", *found.path), found.key, found.value) if found and self.is_blocks else found

    def spot(self, region: Region, offset: int) -> Spot:
        """What is at an offset in the value of a region, with offsets of the file."""
        begin, end = self.inside(region.value)
        start = min(begin, offset)
        return spot_at(" " * start + self.text[start : max(end, offset)], offset)

    def inside(self, offsets: tuple[int, int]) -> tuple[int, int]:
        """The offsets of a key or a value without quotes around it."""
        start, end = offsets
        quote = self.text[start : start + 1]
        if quote not in ("'", '"'):
            return start, end
        return start + 1, end - (end > start + 1 and self.text[end - 1] == quote)

    @cached_property
    def declared(self) -> list[Declared]:
        """The names that it declares."""
        return list(self._declarations())

    def _declarations(self) -> Iterator[Declared]:
        for region in self.regions:
            outer = region.path[-2] if len(region.path) > 1 else ""
            kind = _DECLARES.get(outer)
            is_inner = len(region.path) > 2 and (kind in ("param", "block", "shared") or region.path[0] not in _GRAPHS)
            if kind is None or is_inner:
                continue
            value = self.text[slice(*region.value)]
            if kind == "block":
                yield from self._block(region, value)
            elif region.key[0] != region.key[1]:
                yield Declared(kind, region.path[-1], self.file, *region.key, region.path[:-2], value)
            elif kind == "input" and value.isidentifier():
                yield Declared(kind, value, self.file, *region.value, region.path[:-2])

    def _block(self, region: Region, value: str) -> Iterator[Declared]:
        """A block and its arguments."""
        start, end = self.inside(region.key)
        header = self.text[start:end]
        tokens = [token for token in tokens_of(header) if token.kind == "name"]
        if not tokens:
            return
        first = tokens[0]
        yield Declared("block", first.text, self.file, start + first.start, start + first.end, (), value, header)
        for found in names_in(header):
            is_default = header[: found.token.start].rstrip().endswith("=")
            if found.token.start > first.start and not is_default:
                token = found.token
                yield Declared("argument", token.text, self.file, start + token.start, start + token.end, region.path)

    @cached_property
    def used(self) -> list[Used]:
        """The names that are used in its texts, in their order."""
        return sorted(self._uses(), key=lambda one: one.start)

    @cached_property
    def local(self) -> set[str]:
        """The names of loops and of items: ``w`` in ``for w in widths``, ``stem`` in ``stem := …``."""
        texts = (self.text[slice(*self.inside(region.value))] for region, form in self.forms if form.value == "layers")
        return {one.token.text for text in texts for one in names_in(text) if one.role == "target"}

    @cached_property
    def forms(self) -> list[tuple[Region, Form]]:
        """What its keys and values are, of those with names in them."""
        return forms_of(self.text, self.regions)

    @cached_property
    def leaves(self) -> list[Region]:
        """The regions without others inside, whose values are scalars."""
        parents = {region.path[:count] for region in self.regions for count in range(1, len(region.path))}
        return [region for region in self.regions if region.path not in parents]

    def _uses(self) -> Iterator[Used]:
        for region in self.leaves:
            yield from self._references(region)
        for region, form in self.forms:
            start, end = self.inside(region.key)
            if form.key and all(part.isidentifier() for part in self.text[start:end].split(".")):
                role = "value" if form.key == "layer" else "keyword"
                yield Used(region.path[-1], role, start, end, region.path, form.call)
            if form.value:
                yield from self._in_text(region, is_source=form.value == "sources")
        for region in self.regions:
            if region.path[0] == "blocks" and len(region.path) == 2:
                yield from self._in_header(region)

    def _references(self, region: Region) -> Iterator[Used]:
        """The params in interpolations: ``${.params.width}``, and ``${.width}`` of one param in another."""
        start, end = region.value
        for found in re.finditer(r"\$\{(\.*)([^}]*)\}", self.text[start:end]):
            around = region.path[: -len(found[1])] if found[1] else ()
            pattern = _PARAM if around == ("params",) else _REFERENCE
            for name in pattern.finditer(found[2]):
                at = start + found.start(2) + name.start(1)
                yield Used(name[1], "value", at, at + len(name[1]), region.path)

    def _in_text(self, region: Region, *, is_source: bool) -> Iterator[Used]:
        start, end = self.inside(region.value)
        if self.text[region.value[0] : region.value[0] + 1] == "*":  # an alias of YAML
            return
        for one in names_in(self.text[start:end]):
            if one.role not in ("target", "bound"):
                yield _used(one, start, region.path, "source" if is_source else one.role)

    def _in_header(self, region: Region) -> Iterator[Used]:
        """The names in the defaults of a block's arguments."""
        start, end = self.inside(region.key)
        header = self.text[start:end]
        for one in names_in(header):
            if header[: one.token.start].rstrip().endswith("="):
                yield _used(one, start, region.path, one.role)


def _used(one: Name, start: int, path: tuple[str, ...], role: str) -> Used:
    return Used(one.token.text, role, start + one.token.start, start + one.token.end, path, one.call)


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
