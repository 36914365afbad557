"""What the last good plan still knows of a text that has been edited since, or that cannot be planned now.

In the middle of typing, a text is broken most of the time. Shapes that vanish at each key press flicker, and shapes
that are wrong mislead. So what an edit cannot have changed stays, and all else vanishes:

================================  ======================================================
the edit is in the value of       what stays
================================  ======================================================
``stack`` or ``graph``            the shapes of the items before the edit, in that value
``checks``, ``expect``, ``init``  all shapes
another key, or several           nothing
another file                      nothing
================================  ======================================================
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from assembler.analysis import Item
from assembler.editor.workspace import Opened, real
from assembler.words import common_start

_LAYERS = ("stack", "graph")
_NO_SHAPES = ("checks", "expect", "init", "freeze")
"""Keys of a recipe that no shape depends on."""


def items_in(file: Path, opened: Opened) -> list[Item]:
    """The items of an open file with shapes that are true of its present text."""
    if opened.analysis is not None and opened.analysis.plan is not None:
        return [item for item in opened.analysis.items if real(item.span.file) == file]
    if opened.good is None:
        return []
    analysis, text = opened.good
    return _kept([item for item in analysis.items if real(item.span.file) == file], text, opened.lines.text)


def _kept(items: list[Item], before: str, now: str) -> list[Item]:
    """The items of a text that are, with the same shapes, in the text that an edit made of it, where they are now."""
    start = common_start(before, now)
    rest = common_start(before[start:][::-1], now[start:][::-1])
    key, begin = _section(before, start, len(before) - rest)
    if (key, begin) != _section(now, start, len(now) - rest):
        return []
    line, column = before.count("\n", 0, start), start - before.rfind("\n", 0, start) - 1
    earlier = [item for item in items if (item.span.end_line, item.span.end_column) < (line, column)]
    if key in _LAYERS:
        first = before.count("\n", 0, begin)
        return [item for item in earlier if item.span.line >= first]
    if key not in _NO_SHAPES:
        return []
    moved = now.count("\n") - before.count("\n")
    return [*earlier, *(_moved(item, moved) for item in items if item.span.line > line)]


def _moved(item: Item, lines: int) -> Item:
    span = item.span
    return replace(item, span=replace(span, line=span.line + lines, end_line=span.end_line + lines))


def _section(text: str, start: int, end: int) -> tuple[str, int]:
    """The key of the recipe whose value contains a part of the text, and its offset; empty if no value contains it."""
    found, begin = "", -1
    for key in re.finditer(r"^(\w+)[ \t]*:", text, re.MULTILINE):
        if key.start() >= end and key.start() > start:
            break
        if key.start() > start or key.end() > start:
            return "", -1  # the part includes the name of a key
        found, begin = key[1], key.start()
    return found, begin
