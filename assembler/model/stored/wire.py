"""Protocol buffers where they are in a file: the fields of a message, whose contents are not read.

``0a 03 61 62 63 10 05`` is field 1 with three bytes, ``abc``, and field 2 with the number 5::

    {1: [range(2, 5)], 2: [5]}

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader

MAX_FIELDS = 2**20
"""Fields of a whole file: those of 100,000 arrays."""

MAX_TEXT = 2**16
"""Bytes of a string, such as a name."""

_SKIPPED = {1: 8, 5: 4}
"""Kinds of fields that have a fixed length."""


class Wire:
    """The messages of one file.

    Raises:
        ValueError: by every method, if the file is something else.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._left = MAX_FIELDS

    def message(self, where: range) -> dict[int, list[int | range]]:
        """Number of a field → its contents: integers, or where their bytes are."""
        found: dict[int, list[int | range]] = {}
        for number, content in self._fields(where):
            found.setdefault(number, []).append(content)
        return found

    def _fields(self, where: range) -> Iterator[tuple[int, int | range]]:
        at, end = where.start, where.stop
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise ValueError(f"it has more than {MAX_FIELDS:,} fields")
            key, at = self.number(at, end)
            kind, content = key & 7, range(0)
            if not 0 < key >> 3 < 2**29:
                raise ValueError(f"it has a field {key >> 3}")
            if kind == 0:
                value, at = self.number(at, end)
                yield key >> 3, value
                continue
            if kind == 2:
                length, at = self.number(at, end)
                content, at = range(at, at + length), at + length
            elif kind in _SKIPPED:
                at += _SKIPPED[kind]
            else:
                raise ValueError(f"it has a field of kind {kind}")
            if at > end:
                raise ValueError("it has a field that is longer than the file")
            if kind == 2:
                yield key >> 3, content

    def number(self, at: int, end: int) -> tuple[int, int]:
        """An integer of seven bits a byte, and the position after it."""
        self._file.seek(at)
        found = 0
        for count, byte in enumerate(self._file.read(min(10, end - at))):
            found |= (byte & 127) << 7 * count
            if byte < 128:
                return found, at + count + 1
        raise ValueError("it has a number that does not end")

    def text(self, where: range) -> str:
        """A string."""
        if len(where) > MAX_TEXT:
            raise ValueError(f"it has a name of more than {MAX_TEXT:,} bytes")
        self._file.seek(where.start)
        return self._file.read(len(where)).decode()
