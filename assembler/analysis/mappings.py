"""The layer whose arguments are written as a YAML mapping or list around a place, also while it is being typed.

``- Dense: {in_channels: 8, has_bias: `` with the place at the end is in the argument ``has_bias`` of ``Dense``. The
arguments may also be on lines of their own, below ``- Dense:``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from assembler.analysis.regions import FLOW, Region

_KEY = re.compile(r"(?P<lead>[ \t]*(?:- +)*)(?P<name>[\w.]+)[ \t]*:(?:[ \t]+(?P<value>.*))?")
"""A key on a line of its own."""


@dataclass(slots=True)
class Arguments:
    """A mapping or a list that is open at a place.

    Args:
        owner: the key that it is the value of, such as the name of a layer; in a list, its number.
        at: an offset in that key or its value.
        is_list: whether it is a list.
        index: of a list, how many items are before the place.
        key: whose value is at the place; None where a key begins.
        keys: all that are written before the place.
    """

    owner: str
    at: int
    is_list: bool = False
    index: int = 0
    key: str | None = None
    keys: list[str] = field(default_factory=list)


def arguments_at(text: str, offset: int, regions: Iterable[Region]) -> Arguments | None:
    """The innermost mapping or list around an offset that has an owner, in flow style or below a key.

    Args:
        regions: of the text.
    """
    for region in regions:
        start, end = region.value
        if start >= offset:
            break
        is_around = offset <= end or text[end:offset].strip(" ") == ""
        if text[start] in "{[" and is_around:
            return _in_flow(text, offset, region)
    return _in_block(text, offset)


def _in_flow(text: str, offset: int, region: Region) -> Arguments | None:
    """What is open between the beginning of a value in flow style and an offset."""
    found: list[Arguments] = []
    owner, word = region.path[-1], ""
    for token in FLOW.finditer(text, region.value[0], offset):
        sign = token[0]
        if sign in ("{", "["):
            owner = str(found[-1].index) if found and found[-1].is_list else owner
            found.append(Arguments(owner, token.start(), sign == "["))
            owner = ""
        elif sign in ("}", "]") and found:
            found.pop()
        elif sign == "," and found:
            found[-1].key, owner = None, ""
            found[-1].index += 1
        elif sign == ": " and found and not found[-1].is_list:
            owner = found[-1].key = word.strip().strip("'\"")
            found[-1].keys.append(owner)
        word = sign
    return found[-1] if found and found[-1].owner else None


def _in_block(text: str, offset: int) -> Arguments | None:
    """The keys above an offset in the same column, and the key that they are below."""
    *above, line = text[:offset].split("\n")
    here, column = _KEY.fullmatch(line), _column(line)
    if (here is not None and "-" in here["lead"]) or (here is None and re.fullmatch(r" *\w*", line) is None):
        return None
    found = Arguments("", 0, key=here["name"] if here is not None else None)
    end, is_deeper = offset - len(line) - 1, False
    for one in reversed(above):
        if one.strip() and not one.lstrip().startswith("#"):
            key = _KEY.fullmatch(one.rstrip())
            if _column(one) > column:
                is_deeper = True  # inside the key above it
            elif key is None or (is_deeper and len(key["lead"]) < column):
                return None
            elif len(key["lead"]) < column:
                found.owner, found.at = key["name"], end - len(one) + key.start("name")
                return found if not (key["value"] or "").partition("#")[0].strip() else None
            else:
                found.keys.insert(0, key["name"])
                is_deeper = False
        end -= len(one) + 1
    return None


def _column(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
