"""Files that are edited: whoever follows them is called whenever one is saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from assembler.runtime import collector, exits

EVERY = 1.0
"""Seconds after which the files are looked at in any case: some file systems report no changes."""

_QUIET, _AT_MOST = 20, 200
"""Milliseconds without a change after which several are one; and until then at most, in a folder that never rests."""


def whenever_changed(files: Callable[[], Iterable[Path]], do: Callable[[], None]) -> None:
    """Call a function now, and again whenever one of the files changes, as long as its output can be printed.

    Some editors replace a file, others write into it; both change its time, size or inode number.

    Args:
        files: finds the files; it is called after each change, because a file may name others.
    """
    before: dict[Path, tuple[int, int, int] | None] | None = None
    changes: Iterator[object] = iter(())
    followed: set[Path] = set()
    while not exits.is_unread():
        now = {file: _state(file) for file in files()}
        if now == before:
            wait(changes)
            continue
        if (folders := _folders(now)) != followed:
            changes, followed = _changes(folders), folders
        do()
        if before is None:  # now MindSpore is imported
            collector.settle()
        before = now


def wait(changes: Iterator[object]) -> None:
    """Return after the next change, or a second."""
    next(changes)


def _changes(folders: Iterable[Path]) -> Iterator[object]:
    """An item for each change in the folders, and one each second."""
    from watchfiles import watch

    try:
        yield from watch(
            *folders,
            watch_filter=None,
            debounce=_AT_MOST,
            step=_QUIET,
            rust_timeout=round(1000 * EVERY),
            yield_on_timeout=True,
            recursive=False,
        )
    except OSError:  # the system follows no more folders, or one is gone
        while True:
            time.sleep(EVERY)
            yield None


def _folders(files: Iterable[Path]) -> set[Path]:
    """The folders in which changes of files are seen: of a link, its own and that of the file. They exist."""
    places = {place for file in files for place in (file.absolute(), file.resolve())}
    return {next(folder for folder in place.parents if folder.is_dir()) for place in places}


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
