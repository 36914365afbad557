"""Atomic file writes: a reader sees the old file or the new one, never half of it."""

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
    """The permissions that the umask allows; temporary files have fewer."""
    mask = os.umask(0o077)
    os.umask(mask)
    return most & ~mask


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it replaces the old file.

    The data is flushed to disk first. After an exception the old file is unchanged and the temporary one is gone. A
    killed process may leave a file whose name begins with a dot.
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
    """Change the working directory to a folder, and restore it afterwards."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def move(path: Path, folder: Path) -> list[str]:
    """Move a file, or a folder of files, into another folder of the same file system; replace what is there.

    Files are flushed to disk first and get the permissions of new files.

    Returns:
        The files, as paths relative to the new folder.
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
    """Delete a file, or a folder and its content, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically: to a temporary name in the same folder, to disk, then over the old name."""
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8")


def require_file(path: Path) -> Path:
    """The path, if it is a regular file or a folder: reading a pipe or a device may never end.

    Raises:
        OSError: it is a pipe or a device, or does not exist.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # reading a folder fails by itself
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return path


def short(file: Path) -> str:
    """The path relative to the working directory or to ``~``, the home folder, if it is below one; else in full."""
    for folder, name in ((Path.cwd, ""), (Path.home, "~/")):
        with suppress(ValueError, OSError, RuntimeError):  # it is elsewhere, or not a valid path
            return f"{name}{file.resolve().relative_to(folder().resolve())}"
    return str(file)


def without_home(text: str) -> str:
    """A text that may contain paths, such as a traceback, with the home folder replaced by ``~``."""
    with suppress(RuntimeError):  # the user has no home folder
        home = str(Path.home())
        if len(Path(home).parts) > 1:
            return text.replace(f"{home}/", "~/")
    return text
