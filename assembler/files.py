"""Writing files so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
        new.chmod(0o644)
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically: to a new name in the same folder, to the disk, then over the old name."""
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8")
