"""Atomic file writes: a reader sees the old file or the new one, never half of it."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import stat
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


def _mode(most: int = 0o666) -> int:
    """The permissions that the umask allows; temporary files have fewer."""
    mask = os.umask(0o077)
    os.umask(mask)
    return most & ~mask


@contextmanager
def replacing(path: Path, *, follow: bool = False) -> Iterator[Path]:
    """Yield a temporary path on the same file system; on success it replaces the old file, once it is on the disk.

    After an exception the old file is unchanged and the temporary one is gone. A
    killed process may leave a folder whose name begins with a dot; the next one that writes the file deletes it.

    Args:
        follow: whether a link stays and the file that it leads to is replaced. This is for files that a person names:
            a link in a run folder may lead anywhere.

    Raises:
        OSError: the file cannot be written; it names the file.
    """
    with naming(path), temporary_folder(target := _target_of(path) if follow else path) as folder:
        new = folder / f"new{path.suffix}"
        yield new
        new.chmod(_mode())
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(target)


def _target_of(path: Path) -> Path:
    """Where a link leads, whether or not there is a file; any other path stays as it is."""
    if not path.is_symlink():
        return path
    with suppress(RuntimeError):  # a circle, before Python 3.13
        path = path.resolve()
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the operating system name this file, and no temporary one or none at all."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # of the class that belongs to the number


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside a file, locked while this process lives, and deleted afterwards.

    Folders for the same file that no process holds were left by killed processes, and are deleted. A folder without a
    lock stays: another process may have made it just now, and lock it next.
    """
    for lock in path.parent.glob(f".{glob.escape(path.name)}.*.new/lock"):
        with _held(lock.parent) as held:
            if held:
                shutil.rmtree(lock.parent, ignore_errors=True)
    while True:
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new"))
        _temporary.add(folder)
        try:
            with _held(folder) as held:
                if held is not False:  # another process may have taken the new lock for one that was left
                    yield folder
                    return
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _temporary.discard(folder)


_temporary: set[Path] = set()


def delete_temporary() -> None:
    """Delete the temporary folders of this process, which ends without a ``finally``."""
    for folder in list(_temporary):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[bool | None]:
    """Hold the lock of a temporary folder, and yield whether this worked; None if the file system has no locks."""
    from filelock import FileLock, Timeout  # 45 ms, for those who write

    lock = FileLock(folder / "lock")
    held: bool | None = True
    try:
        lock.acquire(timeout=0)
    except Timeout:
        held = False
    except (NotImplementedError, OSError):
        held = None
    try:
        yield held
    finally:
        lock.release()


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
        with naming(folder / path.name), file.open("rb") as opened:
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
    """Write a text file atomically: to a temporary name in the same folder, then over the old name.

    It is not flushed, which would take most of the time of a small run: what writes texts can be run again.
    """
    write_texts(path.parent, [(path.name, text)])


def write_texts(folder: Path, texts: Iterable[tuple[str, str | None]]) -> None:
    """Write files of one folder as ``write_text`` does, one after the other; a file without a text is deleted.

    Args:
        texts: the name of each file, and its text. A text may be made when the files before it are written.

    Raises:
        OSError: a file cannot be written; it names the file.
    """
    with ExitStack() as stack:
        temporary: Path | None = None  # one for all: making it takes longer than writing into it
        for name, text in texts:
            with naming(folder / name):
                if text is None:
                    (folder / name).unlink(missing_ok=True)
                    continue
                temporary = temporary or stack.enter_context(temporary_folder(folder / name))
                new = temporary / f"new-{name}"
                new.write_text(text, encoding="utf-8")
                new.chmod(_mode())
                new.replace(folder / name)


def require_file(path: Path) -> Path:
    """The path, if it is a regular file or a folder: reading a pipe or a device may never end.

    Raises:
        OSError: it is a pipe or a device, or does not exist.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # reading a folder fails by itself
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return path


def require_name(file: str) -> str:
    """The name of a file that a recipe or a network names: text that a file system and a terminal take.

    Raises:
        ValueError: it contains control characters.
    """
    if any(unicodedata.category(character) == "Cc" for character in file):
        raise ValueError("a name cannot contain control characters")
    return file


def short(file: Path) -> str:
    """The path relative to the working directory or to ``~``, the home folder, if it is below one; else in full."""
    for folder, name in ((Path.cwd, ""), (Path.home, "~/")):
        with suppress(ValueError, OSError, RuntimeError):  # it is elsewhere, or not a valid path
            relative = file.resolve().relative_to(folder().resolve())
            if relative.parts:  # the folder itself, as with hydra.job.chdir, is not "."
                return f"{name}{relative}"
    return str(file)


def print_os_error(error: OSError, where: Path | None = None) -> str:
    """An error of the operating system for people: ``run/result.json: No space left on device``.

    Args:
        where: named if the error itself names no file.
    """
    named = isinstance(error.filename, str | os.PathLike)
    file = Path(error.filename) if named else where
    said = error.strerror or str(error)
    return said if file is None else f"{short(file)}: {said}"


def without_home(text: str) -> str:
    """A text that may contain paths, such as a traceback, with the home folder replaced by ``~``."""
    with suppress(RuntimeError):  # the user has no home folder
        home = str(Path.home())
        if len(Path(home).parts) > 1:
            return text.replace(f"{home}/", "~/")
    return text
