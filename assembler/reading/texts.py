"""The texts of files: one door, so that texts that an editor has not saved yet are read in place of files.

::

    with unsaved({Path("conf/blocks/mine.yaml"): "Unit(n): Dense(_, n)"}):
        load_recipe(Path("conf/recipe/a.yaml"))  # with the blocks as they are on the screen
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from assembler.files import require_file

MAX_KEPT = 256
"""Files whose last result :func:`kept_per_file` keeps."""


class _Unsaved:
    """Texts by their files. Links are followed: an editor may know a file by another name."""

    def __init__(self, texts: Mapping[Path, str]):
        self._texts = {os.path.realpath(file): text for file, text in texts.items()}
        self._known: dict[Path, str | None] = {}  # following links takes as long as reading the file

    def text(self, file: Path) -> str | None:
        """The text of a file, if there is one."""
        if file not in self._known:
            self._known[file] = self._texts.get(os.path.realpath(file))
        return self._known[file]


_unsaved: ContextVar[_Unsaved | None] = ContextVar("_unsaved", default=None)


@contextmanager
def unsaved(texts: Mapping[Path, str]) -> Iterator[None]:
    """Let texts take the place of files, which need not exist."""
    token = _unsaved.set(_Unsaved(texts))
    try:
        yield
    finally:
        _unsaved.reset(token)


def _of(file: Path) -> str | None:
    """The unsaved text of a file, if there is one."""
    texts = _unsaved.get()
    return texts.text(file) if texts is not None else None


def read_bytes(file: Path, limit: int = -1) -> bytes:
    """What a file contains, in UTF-8 if it is unsaved; at most ``limit`` bytes.

    Raises:
        OSError: it cannot be read, or is a pipe or a device.
        ValueError: its name contains a null character.
    """
    if (text := _of(file)) is not None:
        content = text.encode("utf-8", errors="surrogatepass")
        return content if limit < 0 else content[:limit]
    with require_file(file).open("rb") as stream:
        return stream.read(limit)


def with_line_feeds(text: str) -> str:
    """A text whose lines end with a line feed; YAML ends them with a carriage return alone, too. Offsets stay."""
    return re.sub(r"\r(?!\n)", "\n", text)


def first_line(file: Path) -> str:
    """The beginning of a file's first line, without its end; characters that are not UTF-8 are replaced.

    Raises:
        OSError: as ``read_bytes``.
    """
    return re.split(r"[\r\n]", read_bytes(file, 400).decode("utf-8", errors="replace"), maxsplit=1)[0]


def exists(file: Path) -> bool:
    """Whether there is such a file, on the disk or unsaved."""
    return _of(file) is not None or file.is_file()


def size_of(file: Path) -> int:
    """Bytes of a file.

    Raises:
        OSError: it does not exist.
    """
    text = _of(file)
    return file.stat().st_size if text is None else len(text.encode("utf-8", errors="surrogatepass"))


def state_of(file: Path) -> tuple[Any, ...]:
    """What differs when a file has changed: its unsaved text, or its time, size and inode number.

    Raises:
        OSError, ValueError: it does not exist, or cannot.
    """
    if (text := _of(file)) is not None:
        return (text,)
    found = file.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


Read = TypeVar("Read")


def kept_per_file(read: Callable[[Path], Read]) -> Callable[[Path], Read]:
    """Keep what a function reads from a file until the file, or the working directory that messages name, changes.

    Of each file only the last result is kept, so that a text that is edited for hours takes no more memory than one.

    The function raises what ``state_of`` raises.
    """
    kept: dict[Path, tuple[Any, Read]] = {}

    @wraps(read)
    def keeping(file: Path) -> Read:
        state = (os.getcwd(), *state_of(file))  # noqa: PTH109 - a Path takes ten times as long
        name = file.absolute()
        if (known := kept.get(name)) is not None and known[0] == state:
            return known[1]
        found = read(file)
        kept.pop(name, None)
        kept[name] = state, found
        if len(kept) > MAX_KEPT:
            del kept[next(iter(kept))]
        return found

    return keeping
