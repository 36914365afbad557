"""Positions as LSP counts them, and edits of texts.

LSP counts lines from 0 and columns in UTF-16 code units, unless client and server agree on another encoding: ``😀`` is
two units, ``中`` is one. The analysis counts columns in characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from assembler.errors import Span

_BREAK = re.compile(r"\r\n|\n|\r")
"""What ends a line in LSP. Python's ``splitlines`` knows more."""

_UNITS = {
    "utf-8": lambda text: len(text.encode("utf-8", "surrogatepass")),
    "utf-16": lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2,
    "utf-32": len,
}


class Lines:
    """A text, cut into lines.

    Args:
        encoding: in which columns are counted: ``utf-8``, ``utf-16`` or ``utf-32``.
    """

    def __init__(self, text: str, encoding: str = "utf-16"):
        self.text = text
        self.units = _UNITS[encoding]

    @cached_property
    def starts(self) -> list[int]:
        """The offset of each line's first character."""
        return [0, *(found.end() for found in _BREAK.finditer(self.text))]

    def line(self, number: int) -> str:
        """A line without its end; empty after the last one."""
        if not 0 <= number < len(self.starts):
            return ""
        end = self.starts[number + 1] if number + 1 < len(self.starts) else len(self.text)
        return self.text[self.starts[number] : end].rstrip("\r\n")

    def offset(self, position: Mapping[str, int]) -> int:
        """The offset of an LSP position; of one outside the text, that of the nearest in it."""
        number = position["line"]
        if number >= len(self.starts):
            return len(self.text)
        return self.starts[number] + self.column(number, position["character"])

    def column(self, number: int, units: int) -> int:
        """The column in characters of one that is counted in units."""
        line = self.line(number)
        if line.isascii():
            return min(units, len(line))
        used = 0
        for column, character in enumerate(line):
            used += self.units(character)
            if used > units:
                return column
        return len(line)

    def position(self, number: int, column: int) -> dict[str, int]:
        """The LSP position of a column in characters."""
        line = self.line(number)
        before = line[:column]
        return {"line": number, "character": len(before) if before.isascii() else self.units(before)}

    def range(self, span: Span) -> dict[str, Any]:
        """The LSP range of a span of the file."""
        end = self.position(span.end_line, span.end_column)
        return {"start": self.position(span.line, span.column), "end": end}

    def changed(self, change: Mapping[str, Any], encoding: str = "utf-16") -> Lines:
        """The text after one edit of ``textDocument/didChange``."""
        if (where := change.get("range")) is None:
            return Lines(change["text"], encoding)
        start, end = self.offset(where["start"]), self.offset(where["end"])
        return Lines(f"{self.text[:start]}{change['text']}{self.text[max(start, end) :]}", encoding)
