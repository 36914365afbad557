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
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(
    r"(?P<indent> *)(?P<dashes>(?:- +|-$)*)(?:(?P<key>'[^']*'|\"[^\"]*\"|[^\s#'\"\[{&*!|>-][^#\n]*?) *:(?=\s|$))?"
)
_COMMENT = re.compile(r"(?:^|\s)#")
_FLOW = re.compile(r"'(?:''|[^'])*'|\"(?:\\.|[^\"\\])*\"|[\[\]{},]|: |[^\[\]{},'\":]+|.")


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
    for region in _of_lines(text):
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


def _continues(text: str, region: Region, offset: int) -> bool:
    """Whether what is typed at an offset after a value belongs to it: on its line, or below it and further in."""
    if "\n" not in text[region.value[1] : offset]:
        return True
    line = text.rfind("\n", 0, region.key[0]) + 1
    column = offset - text.rfind("\n", 0, offset) - 1
    return column > len(text[line : region.key[0]]) and text[region.key[1] : region.value[0]].strip(" \r\n") != ""


def _of_lines(text: str) -> Iterator[Region]:
    """The keys of block style, and the items of its lists."""
    open_keys: list[tuple[int, tuple[str, ...], int]] = []  # indentation, path, items so far
    pending: tuple[tuple[str, ...], tuple[int, int], int, int] | None = (
        None  # path, key, where the value begins, indent
    )
    end = offset = 0
    for line in text.splitlines(keepends=True):
        bare = line.rstrip()
        match = _LINE.match(bare)
        assert match is not None  # all of it is optional
        indent = len(match["indent"])
        is_text = pending is not None and bare and indent > pending[3] and _goes_on(text, pending, match, offset)
        if is_text:
            end = offset + len(_without_comment(bare))
        elif bare and not bare.lstrip().startswith("#"):
            if pending is not None:
                yield _closed(text, pending, end)
            pending, end = None, offset
            column = indent
            for dash in re.findall(r"- *", match["dashes"]):
                while (
                    open_keys
                    and open_keys[-1][0] >= column
                    and not (open_keys[-1][0] == column and open_keys[-1][2] < 0)
                ):
                    open_keys.pop()
                path, number = (open_keys[-1][1], -open_keys[-1][2] - 1) if open_keys else ((), 0)
                if open_keys:
                    open_keys[-1] = (open_keys[-1][0], path, open_keys[-1][2] - 1)
                open_keys.append((column + 1, (*path, str(number)), -1))
                column += len(dash)
                place = offset + column
                pending, end = ((*path, str(number)), (place, place), place, column - len(dash)), place
            if match["key"] is not None:
                start = offset + match.start("key")
                if match["dashes"] and pending is not None:
                    yield _closed(text, pending, offset + len(bare))
                while open_keys and open_keys[-1][0] >= column:
                    open_keys.pop()
                path = (*(open_keys[-1][1] if open_keys else ()), match["key"].strip("'\""))
                open_keys.append((column, path, -1))
                pending = path, (start, offset + match.end("key")), offset + match.end() + 1, column
            end = offset + len(_without_comment(bare))
        offset += len(line)
    if pending is not None:
        yield _closed(text, pending, end)


def _goes_on(
    text: str, pending: tuple[tuple[str, ...], tuple[int, int], int, int], match: re.Match[str], offset: int
) -> bool:
    """Whether a line further in belongs to the value above it, rather than being a key inside it."""
    begin = text[pending[2] : offset].strip()
    if begin.startswith((">", "|", "{", "[", "'", '"')):
        return True
    return bool(begin) and not begin.startswith("#") and match["key"] is None and not match["dashes"]


def _without_comment(line: str) -> str:
    """A line without the comment at its end; a ``#`` inside quotes begins none."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: "_" * len(found[0]), line)
    comment = _COMMENT.search(bare)
    return line[: comment.start()].rstrip() if comment else line


def _closed(text: str, pending: tuple[tuple[str, ...], tuple[int, int], int, int], end: int) -> Region:
    path, key, start, _ = pending
    found = re.compile(r"[ \t]*(?:[|>][-+0-9]*[ \t]*\r?\n\s*)?").match(text, min(start, max(end, start)))
    begin = min(found.end() if found else start, max(end, start))
    if text[begin : max(end, begin)].lstrip().startswith("#"):
        end = begin
    return Region(path, key, (begin, max(end, begin)))


def _inside(text: str, outer: Region) -> list[Region]:
    """The keys of a mapping and the items of a list in flow style."""
    reader = _Flow(text, outer)
    for token in _FLOW.finditer(text, *outer.value):
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
            name = self.text[self.begin : start]
            left = self.begin + len(name) - len(name.lstrip())
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

    def close(self, end: int) -> None:
        """Note the item that ends."""
        said = self.text[self.begin : end]
        if self.open and said.strip() and self.path != self.open[-1].path:
            left = self.begin + len(said) - len(said.lstrip())
            key = self.key if self.key[0] != self.key[1] else (left, left)
            self.found.append(Region(self.path, key, (left, left + len(said.strip()))))
