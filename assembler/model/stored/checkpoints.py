"""``.ckpt``: MindSpore's protocol buffers, without MindSpore's own reader, which trusts the sizes in a file."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Parameter, Tensor

from assembler.errors import ParameterError
from assembler.files import require_file
from assembler.model.inputs import Array
from assembler.model.stored.opened import ArraySpec, ParameterFile, bytes_of, checksum, damaged, fill, reason_of
from assembler.model.stored.wire import Wire

_PREFIX = "assembler."
"""Of the assembler's entries: texts, and a mark."""

_NUMBERS = {"bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))}
_NUMBERS |= {"float16", "float32", "float64", "bfloat16", "complex64", "complex128"}

_AXES = 32
"""The most that an array of NumPy has."""


@dataclass(frozen=True, slots=True)
class _Part:
    """An entry: an array, or a part of a long one.

    Args:
        shape, kind: of the whole array.
        content: where its bytes are.
    """

    shape: tuple[int, ...]
    kind: str
    content: range


class CheckpointFile(ParameterFile):
    """An open ``.ckpt`` file, compared with its checksum.

    Raises:
        ParameterError: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: dict[str, list[_Part]] = {}
        try:
            file = require_file(path).open("rb")
        except OSError as error:
            raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
        with ExitStack() as opened:
            self._file = opened.enter_context(file)
            try:
                self._open()
            except OSError as error:
                raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
            opened.pop_all()

    def _open(self) -> None:
        path, (content, has_checksum) = self._path, _checked(self._path, self._file)
        try:
            wire = Wire(self._file)
            for entry in wire.message(content).get(1, []):
                name, part = _entry(wire, entry)
                self._parts.setdefault(name, []).append(part)  # long ones are split into several entries
            kinds = {name: _spec(parts) for name, parts in self._parts.items()}
            own = {name for name in kinds if name.startswith(_PREFIX)}
            if own and not has_checksum:
                raise damaged(path, "its checksum is missing")
            texts = {name.removeprefix(_PREFIX): self._text(name) for name in own if kinds[name].dtype == "str"}
        except ValueError as error:
            raise damaged(path, reason_of(error)) from None
        if not kinds:
            raise damaged(path, "it is empty")
        self.arrays = {name: spec for name, spec in kinds.items() if name not in own and spec.dtype != "str"}
        self.about = {name: text for name, text in texts.items() if text}

    def read(self, name: str) -> Array:
        """The values of one array, in memory of their own."""
        spec = _spec(self._parts[name])
        array = np.empty(spec.shape, np.dtype(spec.dtype))
        self._fill(bytes_of(array), self._parts[name])
        return array

    def _text(self, name: str) -> str:
        buffer = bytearray(sum(len(part.content) for part in self._parts[name]))
        self._fill(memoryview(buffer), self._parts[name])
        return buffer.decode(f"utf-32-{sys.byteorder[0]}e")  # as NumPy stores strings

    def _fill(self, buffer: memoryview, parts: Sequence[_Part]) -> None:
        for part in parts:
            fill(self._path, self._file, buffer[: len(part.content)], part.content.start)
            buffer = buffer[len(part.content) :]

    def verify(self) -> None:
        """The checksum was compared when the file was opened."""

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _checked(path: Path, file: BufferedReader) -> tuple[range, bool]:
    """Where the entries are, and whether a checksum follows them, which is right."""
    size = file.seek(0, 2)
    file.seek(max(size - 17, 0))
    end = file.read(17)
    if end[:7] != b"crc_num" or len(end) < 17:
        return range(size), False
    if checksum(path, file, range(size - 17)) != int.from_bytes(end[7:], "big"):
        raise damaged(path, "its values were changed")
    return range(size - 17), True


def _entry(wire: Wire, where: int | range) -> tuple[str, _Part]:
    """An entry's name, and what it holds."""
    entry = wire.message(_bytes(where))
    tensor = wire.message(_only(entry, 2, "tensor"))
    shape: list[int] = []
    for one in tensor.get(1, []):
        shape += [one] if isinstance(one, int) else _packed(wire, one)
        if len(shape) > _AXES:
            raise ValueError(f"it has an array of more than {_AXES} axes")
    return wire.text(_only(entry, 1, "name")), _Part(
        tuple(shape), wire.text(_only(tensor, 2, "type")).lower(), _only(tensor, 3, "content")
    )


def _packed(wire: Wire, where: range) -> list[int]:
    """Integers one after the other."""
    found, at = list[int](), where.start
    while at < where.stop and len(found) <= _AXES:
        number, at = wire.number(at, where.stop)
        found.append(number)
    return found


def _only(message: Mapping[int, Sequence[int | range]], number: int, what: str) -> range:
    """A field that a message has once."""
    found = message.get(number, ())
    if len(found) != 1:
        raise ValueError(f"it has an entry with {len(found)} {what}s")
    return _bytes(found[0])


def _bytes(content: int | range) -> range:
    if isinstance(content, int):
        raise ValueError("it has a number where bytes should be")
    return content


def _spec(parts: Sequence[_Part]) -> ArraySpec:
    """The shape and type of an array, whose content must be as long as they say."""
    shape, kind = parts[0].shape, parts[0].kind
    if kind == "str":
        return ArraySpec((), kind)
    if kind not in _NUMBERS:  # NumPy would parse other strings as record types
        raise ValueError(f"{kind!r} is not a numeric type")
    shape = () if shape == (0,) else shape
    size = sum(len(part.content) for part in parts)
    if size != math.prod(shape) * np.dtype(kind).itemsize or max(shape, default=0) >= 2**63:
        raise ValueError(f"an array of {size:,} bytes is not {kind} of shape {shape}")
    return ArraySpec(shape, kind)


def write(parameters: Mapping[str, Parameter], path: Path, about: Mapping[str, str]) -> None:
    """Write a file with its checksum."""
    texts = {f"{_PREFIX}{name}": text for name, text in about.items()}
    # It is first: wherever the file is truncated, it shows that a checksum is expected at the end.
    held = [{"name": f"{_PREFIX}checked", "data": Tensor(1)}]
    held += [{"name": name, "data": parameter} for name, parameter in parameters.items()]
    try:
        mindspore.save_checkpoint(held, str(path), append_dict=texts, crc_check=True)
    finally:
        path.with_suffix(".tmp").unlink(missing_ok=True)  # left by MindSpore after a failure
