"""What layers got and emitted, in a temporary file: memory has only what is compared now."""

from __future__ import annotations

import io
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from assembler.errors import SettingsError
from assembler.model.inputs import Array
from assembler.model.stored.opened import bytes_of, reason_of


class Store:
    """A temporary file, which is closed when nothing uses it or what is kept in it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="assembler-")  # noqa: SIM115 - as long as its arrays
        weakref.finalize(self, self._file.close)

    def keep(self, arrays: Iterable[Array]) -> Kept:
        """Write arrays.

        Raises:
            SettingsError: the disk is full.
        """
        return Kept(self, [self._write(array) for array in arrays])

    def read(self, place: Place) -> Array:
        """One array, which is the reader's own."""
        array = np.empty(place.shape, place.dtype)
        self._file.seek(place.begin)
        self._file.readinto(bytes_of(array))
        return array

    def _write(self, array: Array) -> Place:
        try:
            begin = self._file.seek(0, io.SEEK_END)
            self._file.write(bytes_of(np.ascontiguousarray(array)))
            self._file.flush()
        except OSError as error:
            said = f"the outputs of the layers cannot be written to {tempfile.gettempdir()}: {reason_of(error)}"
            raise SettingsError(f"{said}; set TMPDIR to a folder with more space") from None
        return Place(begin, array.shape, array.dtype)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array begins in the file, and how its bytes are read."""

    begin: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


class Kept(Sequence[Array]):
    """Arrays in the file of a store. Each use of one reads it."""

    def __init__(self, store: Store, places: Sequence[Place]) -> None:
        self._store = store
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> Kept: ...
    def __getitem__(self, index: int | slice) -> Array | Kept:
        if isinstance(index, slice):
            return Kept(self._store, self._places[index])
        return self._store.read(self._places[index])
