"""Errors in the text of now → the layers of the last plan that they are about, whose text may have been another."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from assembler.analysis import Item, Use
from assembler.errors import Span
from assembler.words import common_start

_BETWEEN = re.compile(r"[\s+*@,()\[\]]*")
"""What may be between a layer and an error that is marked at this layer: ``Dense(_, 8) + `` and nothing behind it."""


def layers_at(
    spans: Collection[Span],
    items: Collection[Item],
    paths: Sequence[str],
    before: Mapping[Path, str],
    now: Mapping[Path, str],
) -> set[str]:
    """The paths of the layers that are, or were, where something is written; of a block or a repeat, all in it.

    Args:
        spans: places in the texts of now.
        items: of a plan that was made of earlier texts.
        paths: of all layers of the plan, in order.
        before, now: the texts by their files, whose paths have no links.
    """
    found: set[str] = set()
    files = {file: file.resolve() for file in {*(item.span.file for item in items), *(span.file for span in spans)}}
    for span in spans:
        file = files[span.file]
        if file in before and file in now:
            old = before[file]
            place = earlier(span.line, span.column, now[file].split("\n"), old.split("\n"))
            item = _item_at(offset_of(old, *place), [item for item in items if files[item.span.file] == file], old)
            if item is not None:
                found.update(path for use in item.uses for path in _inside(item, use, paths))
    return found


def _inside(item: Item, use: Use, paths: Sequence[str]) -> Sequence[str]:
    if item.kind == "layer" or use.path not in paths:
        return [use.path]
    at = paths.index(use.path)
    return paths[at : at + max(use.layers, 1)]


def _item_at(at: int, items: Iterable[Item], text: str) -> Item | None:
    """The innermost item around an offset; otherwise the last one before it, if nothing else is between."""
    ends = [(_start(item, text), _end(item, text), item) for item in items]
    around = [(start - end, item) for start, end, item in ends if start <= at <= end]
    if around:
        return max(around, key=lambda one: one[0])[1]
    left = [(end, start, item) for start, end, item in ends if end < at and _BETWEEN.fullmatch(text, end, at)]
    return max(left, key=lambda one: one[:2])[2] if left else None


def _start(item: Item, text: str) -> int:
    return offset_of(text, item.span.line, item.span.column)


def _end(item: Item, text: str) -> int:
    return offset_of(text, item.span.end_line, item.span.end_column)


def offset_of(text: str, line: int, column: int) -> int:
    """The offset of a line and a column, both counted from 0."""
    start = 0
    for _ in range(line):
        start = text.find("\n", start) + 1 or len(text)
    return min(start + column, len(text))


def earlier(line: int, column: int, now: Sequence[str], before: Sequence[str]) -> tuple[int, int]:
    """Where in earlier lines a line and a column were; inside what was edited, where that begins.

    >>> earlier(0, 14, ["stack: ReLU + Dence(_, 8)"], ["stack: ReLU + Dense(_, 8)"])
    (0, 14)
    >>> earlier(0, 21, ["stack: ReLU + Tanh + Dense(_, 8)"], ["stack: ReLU + Dense(_, 8)"])
    (0, 14)
    """
    for kind, old, old_end, new, new_end in _edits(before, now):
        if new <= line < new_end:
            if kind == "insert":
                return old, 0
            at = min(old + line - new, old_end - 1)
            return at, column if kind == "equal" else _earlier_column(column, now[line], before[at])
    return len(before), 0


def _edits(before: Sequence[str], now: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return SequenceMatcher(None, before, now, autojunk=False).get_opcodes()


def _earlier_column(at: int, now: str, before: str) -> int:
    same = common_start(now, before)
    if at <= same:
        return at
    tail = common_start(now[same:][::-1], before[same:][::-1])
    return at - len(now) + len(before) if at >= len(now) - tail else same


def changed_lines(before: str, now: str) -> list[int]:
    """The lines that an earlier text does not have there, counted from 0; where lines are gone, the next one."""
    old, new = ([line.rstrip("\r\n") for line in re.findall(r"[^\n]+\n?|\n", text)] for text in (before, now))
    edited = (range(start, max(end, start + 1)) for kind, *_, start, end in _edits(old, new) if kind != "equal")
    return sorted({line for lines in edited for line in lines if line < len(new)})
