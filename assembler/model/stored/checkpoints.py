"""``.ckpt``: MindSpore's protocol buffers, without MindSpore's own reader, which trusts the sizes in a file."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from google.protobuf.message import DecodeError
from mindspore import Parameter, Tensor

from assembler.errors import ParameterError
from assembler.files import require_file
from assembler.model.inputs import Array
from assembler.model.stored.opened import ArraySpec, ParameterFile, damaged, reason_of
from assembler.runtime.internals import checkpoint_entries

_PREFIX = "assembler."
"""Of the assembler's entries: texts, and a mark."""

_NUMBERS = {"bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))}
_NUMBERS |= {"float16", "float32", "float64", "bfloat16", "complex64", "complex128"}


class CheckpointFile(ParameterFile):
    """A ``.ckpt`` file, parsed and compared with its checksum.

    Raises:
        ParameterError: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._parts: dict[str, list[Any]] = {}
        try:
            content = memoryview(require_file(path).read_bytes())
        except OSError as error:
            raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
        has_checksum = bytes(content[-17:-10]) == b"crc_num"
        if has_checksum:
            content, checksum = content[:-17], int.from_bytes(content[-10:], "big")
            if zlib.crc32(content) != checksum:
                raise damaged(path, "its values were changed")
        try:
            for entry in checkpoint_entries(content):
                self._parts.setdefault(entry.tag, []).append(entry.tensor)  # long ones are split into several entries
            kinds = {name: _spec(tensors) for name, tensors in self._parts.items()}
        except (DecodeError, ValueError, TypeError) as error:
            raise damaged(path, reason_of(error)) from None
        own = {name for name in kinds if name.startswith(_PREFIX)}
        if own and not has_checksum:
            raise damaged(path, "its checksum is missing")
        if not kinds:
            raise damaged(path, "it is empty")
        self.arrays = {name: spec for name, spec in kinds.items() if name not in own and spec.dtype != "str"}
        texts = {name.removeprefix(_PREFIX): self.read(name) for name in own if kinds[name].dtype == "str"}
        self.about = {name: str(text[0]) for name, text in texts.items() if text.size}

    def read(self, name: str) -> Array:
        """The values of one array, whose parts all have the same shape and type."""
        spec = _spec(self._parts[name])
        content = bytearray().join(tensor.tensor_content for tensor in self._parts[name])
        if spec.dtype == "str":
            return np.frombuffer(content, f"U{len(content) // 4}") if content else np.array([], "U1")
        return np.frombuffer(content, np.dtype(spec.dtype)).reshape(spec.shape)

    def verify(self) -> None:
        """The checksum was compared when the file was parsed."""

    def close(self) -> None:
        """Release what was parsed."""
        self._parts = {}


def _spec(tensors: Sequence[Any]) -> ArraySpec:
    """The shape and type of an entry, whose content must be as long as they say."""
    shape, kind = tuple(tensors[0].dims), tensors[0].tensor_type.lower()
    if kind == "str":
        return ArraySpec((), kind)
    if kind not in _NUMBERS:  # NumPy would parse other strings as record types
        raise ValueError(f"{kind!r} is not a numeric type")
    shape = () if shape == (0,) else shape
    size = sum(len(tensor.tensor_content) for tensor in tensors)
    if any(length < 0 for length in shape) or size != math.prod(shape) * np.dtype(kind).itemsize:
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
