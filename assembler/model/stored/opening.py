"""Which reader a file has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from assembler.errors import ParameterError
from assembler.files import require_file
from assembler.model.stored.checkpoints import CheckpointFile
from assembler.model.stored.opened import ParameterFile
from assembler.model.stored.pickled import PickledFile
from assembler.model.stored.safetensors_files import SafetensorsFile
from assembler.model.stored.sharded import ShardedFile
from assembler.settings import LOADED_FILES, parameter_format

_READERS: dict[str, Callable[[Path], ParameterFile]] = {
    ".safetensors": SafetensorsFile,
    ".ckpt": CheckpointFile,
    ".index.json": ShardedFile,
    ".pth": PickledFile,
    ".pt": PickledFile,
    ".bin": PickledFile,
}


def open_file(path: Path) -> ParameterFile:
    """Open a parameter file.

    Raises:
        ParameterError: the file does not exist, has an unknown format, is truncated, or was changed.
    """
    try:
        reader = _READERS[parameter_format(path, LOADED_FILES)]
    except ValueError as error:
        raise ParameterError(str(error)) from None
    if reader is not PickledFile:
        _refuse_pickle(path)
    return reader(path)


def _refuse_pickle(path: Path) -> None:
    try:
        with require_file(path).open("rb") as file:
            beginning = file.read(9)
    except OSError as error:
        raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
    is_safe = beginning[8:] == b"{"  # a header's length may look like the start of a pickle
    if beginning.startswith((b"\x80", b"PK\x03\x04")) and not is_safe:
        said = "it can run code and is not loaded. If its name ends in .pth, PyTorch reads it without"
        raise ParameterError(f"{path} is a pickle, as PyTorch saves; {said}")
