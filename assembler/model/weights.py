"""Save a model's parameters to a file, and load them from one.

A ``.safetensors`` file (https://huggingface.co/docs/safetensors) contains tensors, and in its metadata the recipe and
the versions that it was made with. A ``.ckpt`` is MindSpore's own format; its entries contain the same as strings.
Files are exchangeable with plain MindSpore. Neither format contains code, and nothing here unpickles.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from google.protobuf.message import DecodeError
from mindspore import Parameter, Tensor, nn
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from assembler.errors import AssemblerError, ParameterError, Place, raise_all
from assembler.files import replacing, require_file
from assembler.language.recipe import print_value
from assembler.model import naming
from assembler.model.inputs import Array
from assembler.model.matching import Matching, hint_for_heads
from assembler.planning.plan import Plan
from assembler.runtime.internals import checkpoint_entries
from assembler.runtime.messages import reason
from assembler.settings import WEIGHT_FILES, Names
from assembler.words import closest

MAX_TOLD = 20
"""At most this many parameters that do not fit are listed; further ones are counted."""

_OURS = "assembler."
"""Prefix of the assembler's entries in a .ckpt."""


@dataclass(frozen=True)
class Stored:
    """The content of a file.

    Args:
        arrays: the values by name.
        about: metadata from when it was saved: ``recipe``, ``versions``; empty for files from elsewhere.
    """

    arrays: Mapping[str, Array]
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """The result of loading.

    Args:
        names: the parameters that were set.
        missing: parameters that the file does not have.
        extra: arrays of the file that the model does not have.
        mapping: how names and arrays of another framework were matched; None if the names were the model's.
    """

    names: tuple[str, ...]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    mapping: naming.Mapping | None = None


# ---- saving


def save(model: nn.Cell, path: Path, about: Mapping[str, str] | None = None) -> None:
    """Save all parameters of a model.

    The write is atomic: at any time, the path contains the complete old file or the complete new one. A link remains
    one, and the file that it leads to is written.

    Args:
        path: a ``.safetensors`` or ``.ckpt`` file, in an existing folder.
        about: strings to store with them, such as the recipe.

    Raises:
        ParameterError: another suffix, two parameters with one name, or a file that cannot be written.
    """
    _require_format(path)
    parameters = _by_name(model.get_parameters())
    try:
        with replacing(path, follow=True) as new:
            if path.suffix == ".ckpt":
                _write_checkpoint(parameters, new, about or {})
            else:
                _write_safetensors(parameters, new, about or {})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ParameterError(f"{path} cannot be written: {_reason(error)}") from None


def _by_name(parameters: Iterable[Parameter]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for parameter in parameters:
        if parameter.name in found:
            said = f"two parameters are named {parameter.name}, and a file can store one; rename one of them"
            raise ParameterError(said)
        found[parameter.name] = parameter
    return found


def _write_safetensors(parameters: Mapping[str, Parameter], path: Path, about: Mapping[str, str]) -> None:
    arrays = {name: np.asarray(parameters[name].asnumpy(), order="C") for name in sorted(parameters)}
    metadata = {"format": "ms", **about}
    save_file(arrays, path, {**metadata, _HEADER: _header_checksum(arrays, metadata), "crc_num": _NO_CHECKSUM})
    with path.open("r+b") as file, ThreadPoolExecutor(1) as pool:
        flushed = pool.submit(os.fsync, file.fileno())  # the disk works while the processor computes the checksum
        checksum = _Checksum()
        for name, array in arrays.items():
            checksum.add(name, array)
        flushed.result()
        header = file.read(int.from_bytes(file.read(8), "little"))
        before = b'"crc_num":"'  # quotes in metadata are always escaped
        file.seek(8 + header.index(before + _NO_CHECKSUM.encode()) + len(before))
        file.write(checksum.text.encode())


def _write_checkpoint(parameters: Mapping[str, Parameter], path: Path, about: Mapping[str, str]) -> None:
    texts = {f"{_OURS}{name}": text for name, text in about.items()}
    # It is first: wherever the file is truncated, it shows that a checksum is expected at the end.
    held = [{"name": f"{_OURS}checked", "data": Tensor(1)}]
    held += [{"name": name, "data": parameter} for name, parameter in parameters.items()]
    try:
        mindspore.save_checkpoint(held, str(path), append_dict=texts, crc_check=True)
    finally:
        path.with_suffix(".tmp").unlink(missing_ok=True)  # left by MindSpore after a failure


_HEADER = "assembler.header"
"""The key of the checksum over shapes, types and metadata."""

_NO_CHECKSUM = "-" * 10
"""Placeholder for the checksum until it is known."""


class _Checksum:
    """MindSpore's ``crc_num``: the CRC-32 of all names and values, in the order of the names."""

    def __init__(self) -> None:
        self.value = 0

    def add(self, name: str, array: Array) -> None:
        """Add the next by name."""
        self.value = zlib.crc32(_bytes_of(array), zlib.crc32(name.encode(), self.value))

    @property
    def text(self) -> str:
        """The checksum in a fixed number of digits."""
        return f"{self.value:010}"


def _bytes_of(array: Array) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _header_checksum(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> str:
    """The CRC-32 of what the checksum of values omits: shapes, types and metadata."""
    shapes = {name: [array.dtype.name, list(array.shape)] for name, array in arrays.items()}
    return str(zlib.crc32(json.dumps([shapes, dict(metadata)], sort_keys=True).encode()))


# ---- reading


def read_file(path: Path) -> Stored:
    """The content of a parameter file.

    Raises:
        ParameterError: the file does not exist, has an unknown format, is truncated, or was changed.
    """
    _require_format(path)
    try:
        with require_file(path).open("rb") as file:
            beginning = file.read(9)
    except OSError as error:
        raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
    is_safe = beginning[8:] == b"{"  # a header's length may look like the start of a pickle
    if beginning.startswith((b"\x80", b"PK\x03\x04")) and not is_safe:
        raise ParameterError(
            f"{path} is a pickle, as PyTorch saves; it can run code and is never loaded. Convert it to safetensors"
        )
    return _read_checkpoint(path) if path.suffix == ".ckpt" else _read_safetensors(path)


def _read_safetensors(path: Path) -> Stored:
    arrays: dict[str, Array] = {}
    checksum = _Checksum()
    try:
        with safe_open(path, framework="np") as file, ThreadPoolExecutor(1) as pool:
            metadata = dict(file.metadata() or {})
            known = metadata.pop("crc_num", None)
            for name in sorted(file.keys()):
                arrays[name] = file.get_tensor(name)
                if known is not None:  # checksum one while the next is read
                    pool.submit(checksum.add, name, arrays[name])
    except (AttributeError, TypeError) as error:
        raise ParameterError(f"{path} has a dtype that NumPy does not support: {reason(error)}") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, _reason(error)) from None
    if twice := _twice_in_header(path):
        raise _damaged(path, f"its header has {twice!r} twice")
    header = metadata.pop(_HEADER, None)
    if header is not None and header != _header_checksum(arrays, metadata):
        raise _damaged(path, "its header was changed")
    if known is None and header is not None:
        raise _damaged(path, "its checksum is missing")
    if known is not None and known.zfill(10) != checksum.text:
        raise _damaged(path, "its values were changed")
    return Stored(arrays, {name: text for name, text in metadata.items() if name != "format"})


MAX_HEADER = 2**24
"""Bytes of a header: the names, shapes and places of 100,000 tensors, and the metadata."""


def _twice_in_header(path: Path) -> str | None:
    """A key that a header has twice, of which safetensors keeps one and another program may keep the other."""
    found: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        found.extend(name for name, count in Counter(names).items() if count > 1)

    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MAX_HEADER:
            raise _damaged(path, f"its header has {size:,} bytes; the limit is {MAX_HEADER:,}")
        json.loads(file.read(size), object_pairs_hook=note)
    return next(iter(found), None)


def _read_checkpoint(path: Path) -> Stored:
    """Read MindSpore's protocol buffers, without MindSpore's own reader, which trusts the sizes in a file."""
    content = memoryview(path.read_bytes())
    has_checksum = bytes(content[-17:-10]) == b"crc_num"
    if has_checksum:
        content, checksum = content[:-17], int.from_bytes(content[-10:], "big")
        if zlib.crc32(content) != checksum:
            raise _damaged(path, "its values were changed")
    parts: dict[str, list[Any]] = {}
    try:
        for entry in checkpoint_entries(content):
            parts.setdefault(entry.tag, []).append(entry.tensor)  # long ones are split into several entries
        found = {name: _array_of(tensors) for name, tensors in parts.items()}
    except (DecodeError, ValueError, TypeError) as error:
        raise _damaged(path, _reason(error)) from None
    ours = {name.removeprefix(_OURS): array for name, array in found.items() if name.startswith(_OURS)}
    if ours and not has_checksum:
        raise _damaged(path, "its checksum is missing")
    if not found:
        raise _damaged(path, "it is empty")
    arrays = {name: one for name, one in found.items() if not name.startswith(_OURS) and one.dtype.kind != "U"}
    about = {name: str(one[0]) for name, one in ours.items() if one.dtype.kind == "U" and one.size}
    return Stored(arrays, about)


_NUMBERS = {"bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))}
_NUMBERS |= {"float16", "float32", "float64", "bfloat16", "complex64", "complex128"}


def _array_of(tensors: Sequence[Any]) -> Array:
    """The values of one entry, whose parts all have the same shape and type."""
    content = bytearray().join(tensor.tensor_content for tensor in tensors)
    shape, kind = list(tensors[0].dims), tensors[0].tensor_type.lower()
    if kind == "str":
        return np.frombuffer(content, f"U{len(content) // 4}") if content else np.array([], "U1")
    if kind not in _NUMBERS:  # NumPy would parse other strings as record types
        raise ValueError(f"{kind!r} is not a numeric type")
    values = np.frombuffer(content, np.dtype(kind))
    return values.reshape(() if shape == [0] else shape)


def _damaged(path: Path, why: str) -> AssemblerError:
    return ParameterError(f"{path} is damaged, or not a {path.suffix} file: {why}")


def _require_format(path: Path) -> None:
    if path.suffix not in WEIGHT_FILES:
        raise ParameterError(f"{path}: a parameter file must end in {' or '.join(WEIGHT_FILES)}")


def _reason(error: Exception) -> str:
    """The message of an exception; for one of the operating system, its own text."""
    if match := re.search(r"I/O error: (.+?) \(os error", str(error)):  # safetensors wraps them
        return match[1]
    return (error.strerror or str(error)) if isinstance(error, OSError) else reason(error)


# ---- loading


def load(
    model: nn.Cell,
    path: Path,
    *,
    rename: Mapping[str, str | None] | None = None,
    strict: bool = True,
    names: Names = "auto",
    planned: Plan | None = None,
    key: str = "",
) -> Loaded:
    """Load the parameters of a model from a file. On any error the model is unchanged.

    Args:
        path: a ``.safetensors`` or ``.ckpt`` file.
        rename: names in the file → names in the model, for names that differ. ``*`` in both matches any characters;
            the first matching pattern applies; None skips the array.
        strict: refuse a file with missing or additional parameters, or values of another dtype.
        names: ``mindspore``: those of the model; ``torch``: those of another framework, which are matched by their
            structure; ``auto``: matched if they are not those of the model.
        planned: the model's plan, whose blocks are matched, too.
        key: configuration key of the path, for messages.

    Raises:
        ParameterError, Mistakes: the file cannot be read, or does not fit; everything that does not fit is listed.
    """
    place = Place(key=key)
    try:
        stored = read_file(path)
    except ParameterError as error:
        error.place = place
        raise
    arrays, came = _renamed(
        stored.arrays, rename or {}, path, Place(key=f"{key.rpartition('.')[0]}.rename" if key else "")
    )
    parameters = _by_name(model.get_parameters())
    mapping: naming.Mapping | None = None
    if names == "torch" or (names == "auto" and arrays.keys() != parameters.keys() and strict):
        arrays, mapping = _matched(model, arrays, planned, path, place, must=names == "torch")
    mistakes = _wrong(parameters, arrays, strict=strict)
    missing = tuple(name for name in parameters if name not in arrays)
    extra = tuple(name for name in arrays if name not in parameters)
    if strict:
        mistakes += _unmatched(parameters, arrays, missing, extra)
    if mistakes:
        told = mistakes[:MAX_TOLD] + ([f"and {len(mistakes) - MAX_TOLD} more"] if len(mistakes) > MAX_TOLD else [])
        told += _other_heads(parameters, arrays, came, len(missing) + len(extra))
        told += [_WAYS_OUT] if strict else []
        lines = "".join(f"\n  {said}" for said in told)
        raise ParameterError(f"{path} does not fit the model:{lines}", place)
    set_names = tuple(name for name in parameters if name in arrays)
    if not set_names:
        raise ParameterError(f"{path} has none of the model's parameters", place)
    for name in set_names:
        _set(parameters[name], arrays[name])
    return Loaded(set_names, missing, extra, mapping)


def _matched(
    model: nn.Cell, arrays: dict[str, Array], planned: Plan | None, path: Path, place: Place, *, must: bool
) -> tuple[dict[str, Array], naming.Mapping | None]:
    """The arrays by the model's names, found by their structure; as they are if it is not found and need not be.

    Raises:
        ParameterError: it must be found and is not, or there are two.
    """
    targets = naming.targets_of_model(model, planned)
    try:
        mapping = naming.assign(targets, {name: array.shape for name, array in arrays.items()})
    except naming.Refused as error:
        if must or error.is_ambiguous:
            raise ParameterError(f"{path} does not fit the model: {error}", place) from None
        return arrays, None
    for copy, used in mapping.equal:
        if not np.array_equal(arrays[copy], arrays[used]):
            said = f"{path} does not fit the model: {copy} differs from {used}, and the model has one table for both"
            raise ParameterError(said, place)
    shapes = {one.name: tuple(one.shape) for one in model.get_parameters()}
    found = {
        one.target: one.transform.apply([arrays[name] for name in one.sources], shapes[one.target])
        for one in mapping.assignments
    }
    return found, mapping


def _set(parameter: Parameter, array: Array) -> None:
    """Give a parameter an array's values; an array of its dtype becomes its memory, because nothing else uses it."""
    tensor = Tensor.from_numpy(array) if array.flags.writeable else Tensor(array)
    parameter.set_data(tensor if tensor.dtype == parameter.dtype else tensor.astype(parameter.dtype))


_WAYS_OUT = (
    "rename maps names in the file to names in the model; strict=false loads what both have, and converts dtypes"
)
"""Ways to load a file that does not fit."""


def _wrong(parameters: Mapping[str, Parameter], arrays: Mapping[str, Array], *, strict: bool) -> list[str]:
    """Parameters whose shape or dtype differs in the file."""
    said: list[str] = []
    for name, parameter in parameters.items():
        if name not in arrays:
            continue
        array, shape, dtype = arrays[name], tuple(parameter.shape), str(parameter.dtype).lower()
        if array.shape != shape:
            said.append(f"{name} is {print_value(array.shape)} in the file, and {print_value(shape)} in the model")
        elif (strict or array.dtype.kind == "c") and array.dtype.name != dtype:
            said.append(f"{name} is {array.dtype.name} in the file, and {dtype} in the model")
    return said


def _unmatched(
    parameters: Mapping[str, Parameter], arrays: Mapping[str, Array], missing: Sequence[str], extra: Sequence[str]
) -> list[str]:
    """Parameters that the file lacks, and arrays that the model lacks; the first with their probable counterparts."""
    lacking = {name: tuple(parameters[name].shape) for name in missing}
    left = {name: arrays[name].shape for name in extra}
    match = Matching(lacking, left)
    said = [
        (match.hint_for_missing, f"{name} {print_value(lacking[name])} is not in the file", name) for name in missing
    ]
    said += [(match.hint_for_extra, f"{name} {print_value(left[name])} is not in the model", name) for name in extra]
    return [told + (hint(name) if index < MAX_TOLD else "") for index, (hint, told, name) in enumerate(said)]


def _other_heads(
    parameters: Mapping[str, Parameter], arrays: Mapping[str, Array], came: Mapping[str, str], unmatched: int
) -> list[str]:
    both = [name for name in parameters if name in arrays]
    wrong = [came[name] for name in both if arrays[name].shape != tuple(parameters[name].shape)]
    return hint_for_heads(wrong, [came[name] for name in both if came[name] not in wrong], unmatched)


def _renamed(
    arrays: Mapping[str, Array], rename: Mapping[str, str | None], path: Path, place: Place
) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays by the model's names, and the model's names → those in the file."""
    rules = [(pattern, _as_regex(pattern), new) for pattern, new in rename.items()]
    used: set[str] = set()
    found: dict[str, Array] = {}
    came: dict[str, str] = {}
    for name, array in arrays.items():
        new: str | None = name
        for pattern, regex, said in rules:
            if match := regex.fullmatch(name):
                used.add(pattern)
                new = None if said is None else _filled(said, match.groups())
                break
        if new is None:
            continue
        if new in found:
            raise ParameterError(f"{came[new]} and {name} would both be {new}", place)
        found[new], came[new] = array, name
    unused = [pattern for pattern in rename if pattern not in used]
    raise_all([_unused(pattern, arrays, path, place) for pattern in unused])
    return found, came


def _unused(pattern: str, arrays: Mapping[str, Array], path: Path, place: Place) -> AssemblerError:
    names = closest(pattern, arrays) or list(arrays)[:5]
    said = f"{pattern!r} matches nothing in {path}, which has {', '.join(names)}{', …' if len(arrays) > 5 else ''}"
    return ParameterError(said, Place(key=f"{place.key}.{pattern}") if place.key else place)


def _as_regex(pattern: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(map(re.escape, pattern.split("*"))))


def _filled(name: str, parts: Sequence[str]) -> str:
    """The name with each ``*`` replaced by the text that it matched."""
    pieces = name.split("*")
    fill = [*parts, *[""] * len(pieces)][: len(pieces) - 1]
    return "".join(piece + part for piece, part in zip(pieces, [*fill, ""], strict=True))
