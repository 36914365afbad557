"""Writing files so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def _mode(most: int = 0o666) -> int:
    """The rights that the person's umask leaves; temporary files have fewer."""
    mask = os.umask(0o077)
    os.umask(mask)
    return most & ~mask


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a new name in the same folder to write to; what is there at the end takes the old one's place.

    It goes to the disk before it does. After an exception the old file is as it was, and nothing else is left. A
    process that is killed may leave a file whose name begins with a dot.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    new = Path(name)
    try:
        yield new
        new.chmod(_mode())
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder; the working directory before is restored."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def move(path: Path, folder: Path) -> list[str]:
    """Move a file, or a folder of files, into another folder of the same file system, over what is there.

    It goes to the disk before it does, with the rights of new files.

    Returns:
        The files, as paths from the new folder.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        file.chmod(_mode())
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    if path.is_dir():
        path.chmod(_mode(0o777))
    discard(folder / path.name)
    path.replace(folder / path.name)
    return [str(file.relative_to(path.parent)) for file in files]


def discard(path: Path) -> None:
    """Delete a file, or a folder and what is in it, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically: to a new name in the same folder, to the disk, then over the old name."""
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8")


def require_file(path: Path) -> Path:
    """The path, if reading it ends: no pipe and no device.

    Raises:
        OSError: it is one of these, or there is nothing.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # reading a folder fails by itself
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    return path


def short(file: Path) -> str:
    """The path from the working directory if the file lies below it, or from ``~``, the person's home; else in full."""
    for folder, name in ((Path.cwd, ""), (Path.home, "~/")):
        with suppress(ValueError, OSError, RuntimeError):  # it lies elsewhere, or is no path at all
            return f"{name}{file.resolve().relative_to(folder().resolve())}"
    return str(file)


def without_home(text: str) -> str:
    """A text that may tell of files, such as a traceback, with ``~`` for the person's home."""
    with suppress(RuntimeError):  # nobody's
        home = str(Path.home())
        if len(Path(home).parts) > 1:
            return text.replace(f"{home}/", "~/")
    return text
