"""What all parameter files have in common."""

from __future__ import annotations

import io
import math
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from assembler.errors import ParameterError
from assembler.model.inputs import Array
from assembler.runtime.messages import reason

_File = TypeVar("_File", bound="ParameterFile")

_CHUNK = 2**22
"""Bytes that are read at once for a checksum."""


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """An array of a file.

    Args:
        shape, dtype: of its values; the dtype as NumPy names it.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)


class ParameterFile(ABC):
    """An open file. What its beginning promises is checked when it is opened; its values by ``verify``.

    Args:
        arrays: what it holds, by name.
        about: metadata from when it was saved: ``recipe``, ``versions``; empty for files from elsewhere.
    """

    arrays: Mapping[str, ArraySpec]
    about: Mapping[str, str]

    @abstractmethod
    def read(self, name: str) -> Array:
        """The values of one array, which the file uses no more.

        Raises:
            ParameterError: they cannot be read.
        """

    @abstractmethod
    def verify(self) -> None:
        """Compare all values with the checksum, if the file has one.

        Raises:
            ParameterError: they differ, or cannot be read.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the file."""

    def __enter__(self: _File) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fill(path: Path, file: io.FileIO | io.BufferedReader, buffer: memoryview, begin: int) -> None:
    """Read bytes of a file into a buffer.

    Raises:
        ParameterError: they cannot be read, or the file has become shorter.
    """
    try:
        file.seek(begin)
        while buffer:
            count = file.readinto(buffer)
            if not count:
                raise damaged(path, "it was truncated while it was read")
            buffer = buffer[count:]
    except OSError as error:
        raise ParameterError(f"{path} cannot be read: {error.strerror}") from None


def checksum(path: Path, file: io.FileIO | io.BufferedReader, where: range, before: int = 0) -> int:
    """The CRC-32 of some bytes of a file, a piece at a time.

    Args:
        before: that of what is before them.

    Raises:
        ParameterError: they cannot be read.
    """
    buffer = memoryview(bytearray(min(_CHUNK, len(where))))
    for begin in where[::_CHUNK]:
        piece = buffer[: min(_CHUNK, where.stop - begin)]
        fill(path, file, piece, begin)
        before = zlib.crc32(piece, before)
    return before


def bytes_of(array: Array) -> memoryview:
    """The memory of an array."""
    return array.reshape(-1).view(np.uint8).data


def damaged(path: Path, why: str) -> ParameterError:
    """The error of a file whose content contradicts itself."""
    return ParameterError(f"{path} is damaged, or not a {path.suffix} file: {why}")


def reason_of(error: Exception) -> str:
    """The message of an exception; for one of the operating system, its own text."""
    if match := re.search(r"I/O error: (.+?) \(os error", str(error)):  # safetensors wraps them
        return match[1]
    return (error.strerror or str(error)) if isinstance(error, OSError) else reason(error)
