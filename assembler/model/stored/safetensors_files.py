"""``.safetensors``: https://huggingface.co/docs/safetensors; with checksums if the assembler or MindSpore wrote it."""

from __future__ import annotations

import io
import json
import math
import mmap
import os
import zlib
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from assembler.errors import ParameterError
from assembler.files import require_file
from assembler.model.inputs import Array
from assembler.model.stored.opened import ArraySpec, ParameterFile, bytes_of, checksum, damaged, fill

MAX_HEADER = 2**24
"""Bytes of a header: the names, shapes and places of 100,000 tensors, and the metadata."""

_HEADER = "assembler.header"
"""The key of the checksum over shapes, types and metadata."""

_NO_CHECKSUM = "-" * 10
"""Placeholder for the checksum until it is known."""

_DTYPES = {
    "BOOL": "bool",
    "BF16": "bfloat16",
    "C64": "complex64",
    **{
        f"{letter}{bits}": f"{kind}{bits}" for letter, kind in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)
    },
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
}
"""Types of numbers as the format names them → as NumPy does."""


class SafetensorsFile(ParameterFile):
    """An open ``.safetensors`` file.

    Raises:
        ParameterError: its header is damaged, or has a dtype that NumPy does not support.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            file = require_file(path).open("rb", buffering=0)
        except OSError as error:
            raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
        with ExitStack() as opened:
            self._read_header(opened.enter_context(file))
            opened.pop_all()

    def _read_header(self, file: io.FileIO) -> None:
        path, self._file = self._path, file
        self._data, text = _header_of(path, file)
        header = _parsed(path, text)
        metadata = _metadata(path, header.pop("__metadata__", {}))
        if unknown := {one["dtype"] for one in header.values()} - set(_DTYPES):
            raise ParameterError(f"{path} has a dtype that NumPy does not support: {', '.join(sorted(unknown))}")
        self.arrays = {
            name: ArraySpec(tuple(header[name]["shape"]), _DTYPES[header[name]["dtype"]]) for name in sorted(header)
        }
        self._checksum = metadata.pop("crc_num", None)
        of_header = metadata.pop(_HEADER, None)
        if of_header is not None and of_header != _header_checksum(self.arrays, metadata):
            raise damaged(path, "its header was changed")
        if self._checksum is None and of_header is not None:
            raise damaged(path, "its checksum is missing")
        self.about = {name: text for name, text in metadata.items() if name != "format"}
        size = os.fstat(file.fileno()).st_size
        _require_no_gaps(path, header, size - self._data)
        self._begin = {name: self._data + one["data_offsets"][0] for name, one in header.items()}
        self._pages = _mapped(file, size)

    def read(self, name: str) -> Array:
        """The values of one array: pages of the file, which become memory of their own when they are written."""
        spec, begin = self.arrays[name], self._begin[name]
        dtype = np.dtype(spec.dtype)
        if self._pages is not None and begin % dtype.alignment == 0:
            return np.frombuffer(self._pages, dtype, spec.size, begin).reshape(spec.shape)
        array = np.empty(spec.shape, dtype)
        fill(self._path, self._file, bytes_of(array), begin)
        return array

    def verify(self) -> None:
        """Read everything once."""
        if self._checksum is None:
            return
        found = 0
        for name, spec in self.arrays.items():
            begin = self._begin[name]
            where = range(begin, begin + spec.size * np.dtype(spec.dtype).itemsize)
            found = checksum(self._path, self._file, where, zlib.crc32(name.encode(), found))
        if self._checksum.zfill(10) != f"{found:010}":
            raise damaged(self._path, "its values were changed")

    def close(self) -> None:
        """Release the file, except the pages that arrays use."""
        self._pages = None
        self._file.close()


def _mapped(file: io.FileIO, size: int) -> mmap.mmap | None:
    """The pages of a file, which writing does not change; None if the system or the file's disk does not map it."""
    try:
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):  # too little memory for all of it; or it has become shorter, which reading reports
        return None


def _header_of(path: Path, file: io.FileIO) -> tuple[int, bytes]:
    """The position of the data, and the text of the header before it."""
    beginning = file.read(8) or b""
    size = int.from_bytes(beginning, "little")
    if size > MAX_HEADER:
        raise damaged(path, f"its header has {size:,} bytes; the limit is {MAX_HEADER:,}")
    text = file.read(size) or b""
    if len(beginning) < 8 or len(text) < size:
        raise damaged(path, "its header is incomplete")
    return 8 + size, text


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    """The header. A key that it has twice may mean something else to another program."""
    twice: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend(name for name, count in Counter(names).items() if count > 1)
        return dict(pairs)

    try:
        header = json.loads(text, object_pairs_hook=note)
    except (ValueError, RecursionError):
        raise damaged(path, "its header cannot be parsed") from None
    if twice:
        raise damaged(path, f"its header has {twice[0]!r} twice")
    if not isinstance(header, dict) or not text.startswith(b"{"):
        raise damaged(path, "its header is not a mapping")
    for name, one in header.items():
        if name != "__metadata__" and not _is_entry(one):
            raise damaged(path, f"its header does not have the dtype, shape and data_offsets of {name!r}")
    return header


def _is_entry(one: Any) -> bool:
    """Whether it is ``{"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}``."""
    if not isinstance(one, dict) or one.keys() != {"dtype", "shape", "data_offsets"}:
        return False
    shape, offsets = one["shape"], one["data_offsets"]
    if not isinstance(one["dtype"], str) or not isinstance(shape, list) or not isinstance(offsets, list):
        return False
    return len(offsets) == 2 and all(type(number) is int and 0 <= number < 2**63 for number in (*shape, *offsets))


def _metadata(path: Path, found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise damaged(path, "its metadata is not a mapping of strings")
    return found


def _require_no_gaps(path: Path, header: Mapping[str, Any], size: int) -> None:
    """Each array is as long as its shape, begins where another ends, and the last one ends the file."""
    end = 0
    for name, one in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, stop = one["data_offsets"]
        length = math.prod(one["shape"]) * np.dtype(_DTYPES[one["dtype"]]).itemsize
        if begin != end or stop - begin != length:
            raise damaged(path, f"{name!r} is not where, or not as long as, its header says")
        end = stop
    if end != size:
        raise damaged(path, f"its header describes {end:,} bytes, and {size:,} follow it")


def write(arrays: Mapping[str, Array], path: Path, about: Mapping[str, str], *, form: str = "ms") -> None:
    """Write a file with its checksums.

    Args:
        form: whose names the arrays have, as the file's metadata: ``ms`` or ``pt``.
    """
    arrays = {name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}
    metadata = {"format": form, **about}
    specs = {name: ArraySpec(array.shape, array.dtype.name) for name, array in arrays.items()}
    save_file(arrays, path, {**metadata, _HEADER: _header_checksum(specs, metadata), "crc_num": _NO_CHECKSUM})
    with path.open("r+b") as file, ThreadPoolExecutor(1) as pool:
        flushed = pool.submit(os.fsync, file.fileno())  # the disk works while the processor computes the checksum
        found = 0  # MindSpore's: the CRC-32 of all names and values, in the order of the names
        for name, array in arrays.items():
            found = zlib.crc32(bytes_of(array), zlib.crc32(name.encode(), found))
        flushed.result()
        header = file.read(int.from_bytes(file.read(8), "little"))
        before = b'"crc_num":"'  # quotes in metadata are always escaped
        file.seek(8 + header.index(before + _NO_CHECKSUM.encode()) + len(before))
        file.write(f"{found:010}".encode())


def _header_checksum(arrays: Mapping[str, ArraySpec], metadata: Mapping[str, str]) -> str:
    """The CRC-32 of what the checksum of values omits: shapes, types and metadata."""
    shapes = {name: [spec.dtype, list(spec.shape)] for name, spec in arrays.items()}
    return str(zlib.crc32(json.dumps([shapes, dict(metadata)], sort_keys=True).encode()))
