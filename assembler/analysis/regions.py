"""The keys and values of a YAML file with their places, also while it is being typed and is not YAML yet.

``assembler.reading.places`` reads what is valid. In the middle of typing, most texts are not; this module reads lines
by their indentation, as a person does, and never fails::

    blocks:                      → ("blocks",)
      Unit(n): >-                → ("blocks", "Unit(n)")            value: Dense(_, n)
        Dense(_, n)                                                        + ReLU
        + ReLU
    stack: [Unit(8), Dense(      → ("stack",)                       value: [Unit(8), Dense(
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LINE = re.compile(
    r"(?P<indent> *)(?P<dashes>(?:- +|-$)*)(?:(?P<key>'[^']*'|\"[^\"]*\"|[^\s#'\"\[{&*!|>-][^#\n]*?) *:(?=\s|$))?"
)
_WHOLE = re.compile(r"(?:[ \t]*(?:#[^\n]*|---[ \t]*)?\r?\n)*[ \t]*(?=\{)")
_COMMENT = re.compile(r"(?:^|\s)#")
_BEFORE = re.compile(r"[ \t]*(?:&\S+[ \t]+)?(?:[|>][-+0-9]*[ \t]*(?=\r?\n))?\s*")
"""What is before a value: white space, an anchor, and the sign of a block scalar."""
_BEFORE_FLOW = re.compile(r"(?:\s|#[^\n]*(?:\n|\Z))*(?:&\S+\s+)?")
"""The same inside brackets, where comments may be, too."""
FLOW = re.compile(r"(?<=[\s,\[{])#[^\n]*|'(?:''|[^'])*'?|\"(?:\\.|[^\"\\])*\"?|[\[\]{},]|: |[^\[\]{},'\":#]+|.")


@dataclass(frozen=True, slots=True)
class Region:
    """A key and its value.

    Args:
        path: the keys around it and its own; of an item of a list, its number.
        key: offsets of the key; both the same for an item of a list.
        value: offsets of the value, without white space and comments around it.
    """

    path: tuple[str, ...]
    key: tuple[int, int]
    value: tuple[int, int]


def regions_of(text: str) -> list[Region]:
    """The keys of a text in their order, and those inside ``{…}`` and ``[…]``, the outer ones first."""
    found: list[Region] = []
    if (whole := _WHOLE.match(text)) is not None:  # the text is one mapping in flow style
        return _inside(text, Region((), (whole.end(), whole.end()), (whole.end(), len(text))))
    for region in _Block(text).found:
        found.append(region)
        if text[region.value[0] : region.value[0] + 1] in ("{", "["):
            found.extend(_inside(text, region))
    return found


def region_at(text: str, offset: int) -> Region | None:
    """The innermost region whose key or value has the offset, or whose value may continue there."""
    found = None
    for region in regions_of(text):
        if region.key[0] > offset:
            break
        is_after = region.key[1] < offset and region.value[1] < offset
        if not is_after or not text[region.value[1] : offset].strip():
            found = region if not is_after or _continues(text, region, offset) else found
    return found


def is_in_flow(text: str, region: Region, regions: Iterable[Region]) -> bool:
    """Whether a value is inside brackets of YAML, without quotes of its own, so that a comma would end it."""
    start, end = region.value
    around = (one.value for one in regions if one != region and one.value[0] <= start and end <= one.value[1])
    is_inside = _WHOLE.match(text) is not None or any(text[begin : begin + 1] in ("[", "{") for begin, _ in around)
    return is_inside and text[start : start + 1] not in ("'", '"')


def _continues(text: str, region: Region, offset: int) -> bool:
    """Whether what is typed at an offset after a value belongs to it: on its line, or below it and further in."""
    if "\n" not in text[region.value[1] : offset]:
        return True
    line = text.rfind("\n", 0, region.key[0]) + 1
    column = offset - text.rfind("\n", 0, offset) - 1
    return column > len(text[line : region.key[0]]) and text[region.key[1] : region.value[0]].strip(" \r\n") != ""


@dataclass
class _Open:
    """A key or an item that others may be inside of, further in than its column."""

    column: int
    path: tuple[str, ...]
    items: int = 0


@dataclass
class _Pending:
    """A key or an item whose value has not ended yet."""

    path: tuple[str, ...]
    key: tuple[int, int]
    start: int
    column: int


class _Block:
    """Reads block style line by line: a value ends where the next key or item begins."""

    def __init__(self, text: str):
        self.text = text
        self.found: list[Region] = []
        self.open: list[_Open] = []
        self.pending: _Pending | None = None
        self.end = 0  # of the pending value, as far as it is read
        offset = 0
        for line in text.splitlines(keepends=True):
            self.line(line.rstrip(), offset)
            offset += len(line)
        self.close(self.end)

    def line(self, line: str, offset: int) -> None:
        """Read one line."""
        match = _LINE.match(line)
        assert match is not None  # all of it is optional
        column = len(match["indent"])
        if not line:
            return
        if self.pending is not None and column > self.pending.column and self.goes_on(match, offset):
            self.end = offset + len(_without_comment(line))
        elif not line.lstrip().startswith("#"):
            self.close(self.end)
            for dash in re.findall(r"- *", match["dashes"]):
                self.item(offset + column + len(dash), column)
                column += len(dash)
            if match["key"] is not None:
                self.close(offset + len(line))
                self.key(match, offset, column)
            self.end = offset + len(_without_comment(line))

    def goes_on(self, match: re.Match[str], offset: int) -> bool:
        """Whether a line further in belongs to the value above it, rather than being a key or an item inside it."""
        assert self.pending is not None
        begin = self.text[self.pending.start : offset].strip()
        if begin.startswith((">", "|", "{", "[", "'", '"')):
            return True
        return not begin.startswith("#") and match["key"] is None and not match["dashes"]

    def item(self, start: int, column: int) -> None:
        """Begin an item of a list, which may be in the same column as its key."""
        while self.open and self.open[-1].column > column:
            self.open.pop()
        if not self.open:
            self.open.append(_Open(-1, ()))
        outer = self.open[-1]
        path = (*outer.path, str(outer.items))
        outer.items += 1
        self.open.append(_Open(column + 1, path))
        self.pending = _Pending(path, (start, start), start, column)

    def key(self, match: re.Match[str], offset: int, column: int) -> None:
        """Begin a key."""
        while self.open and self.open[-1].column >= column:
            self.open.pop()
        path = (*(self.open[-1].path if self.open else ()), match["key"].strip("'\""))
        self.open.append(_Open(column, path))
        start, end = match.span("key")
        self.pending = _Pending(path, (offset + start, offset + end), offset + match.end() + 1, column)

    def close(self, end: int) -> None:
        """Note the pending key or item with its value, which ends here."""
        if (one := self.pending) is None:
            return
        self.pending = None
        end = max(end, min(one.start, len(self.text)))
        found = _BEFORE.match(self.text, min(one.start, end), end)
        begin = found.end() if found else end
        if self.text[begin:end].startswith("#"):
            end = begin
        self.found.append(Region(one.path, one.key, (begin, end)))


def _without_comment(line: str) -> str:
    """A line without the comment at its end; a ``#`` inside quotes begins none."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: "_" * len(found[0]), line)
    comment = _COMMENT.search(bare)
    return line[: comment.start()].rstrip() if comment else line


def _without_last_comments(text: str) -> str:
    """A text without the comments below its last line that has more, and without the one there."""
    lines = text.split("\n")
    while len(lines) > 1 and not _without_comment(lines[-1]).strip():
        lines.pop()
    return "\n".join([*lines[:-1], _without_comment(lines[-1])])


def _inside(text: str, outer: Region) -> list[Region]:
    """The keys of a mapping and the items of a list in flow style."""
    reader = _Flow(text, outer)
    for token in FLOW.finditer(text, *outer.value):
        reader.step(token[0], token.start(), token.end())
    reader.close(outer.value[1])
    return sorted(reader.found, key=lambda one: (one.key[0], one.value[0], -one.value[1]))


@dataclass
class _Bracket:
    """A bracket that is open, with the keys before it, its items so far, and the key that it is the value of."""

    sign: str
    path: tuple[str, ...]
    key: tuple[int, int]
    start: int
    items: int = 0


class _Flow:
    """Reads flow style from the left: the item that begins is noted when it ends."""

    def __init__(self, text: str, outer: Region):
        self.text = text
        self.found: list[Region] = []
        self.open: list[_Bracket] = []
        self.path, self.key, self.begin = outer.path, outer.key, outer.value[0]

    def step(self, sign: str, start: int, end: int) -> None:
        """Read one token."""
        if sign in ("{", "["):
            self.open.append(_Bracket(sign, self.path, self.key, start))
        elif not self.open:
            return
        elif sign == ": " and self.open[-1].sign == "{":
            left = self.left(start)
            name = self.text[left:start]
            self.path = (*self.open[-1].path, name.strip().strip("'\""))
            self.key, self.begin = (left, left + len(name.strip())), end
            return
        elif sign in ("}", "]"):
            self.close(start)
            bracket = self.open.pop()
            if self.open:
                self.found.append(Region(bracket.path, bracket.key, (bracket.start, end)))
            self.path, self.begin = bracket.path, end
            return
        elif sign == ",":
            self.close(start)
            self.open[-1].items += 1
        else:
            return
        bracket, self.begin = self.open[-1], end
        self.path = bracket.path if bracket.sign == "{" else (*bracket.path, str(bracket.items))
        self.key = (end, end)

    def left(self, end: int) -> int:
        """Where the text since the last sign begins, without what is before a value."""
        before = _BEFORE_FLOW.match(self.text, self.begin, end)
        return before.end() if before is not None else self.begin

    def close(self, end: int) -> None:
        """Note the item that ends."""
        left = self.left(end)
        said = self.text[left:end]
        said = said if said[:1] in ("'", '"') else _without_last_comments(said)
        if self.open and said.strip() and self.path != self.open[-1].path:
            key = self.key if self.key[0] != self.key[1] else (left, left)
            self.found.append(Region(self.path, key, (left, left + len(said.strip()))))
