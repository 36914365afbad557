"""One file of recipes or blocks: the names that it declares and uses.

It reads texts that are being typed (see ``regions`` and ``tokens``), so that an editor can follow names in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
