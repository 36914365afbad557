"""``….safetensors.index.json``: a model in several files, and which array is in which."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Any

from assembler.errors import ParameterError
from assembler.files import require_file
from assembler.model.inputs import Array
from assembler.model.stored.opened import ParameterFile, damaged
from assembler.model.stored.safetensors_files import MAX_HEADER, SafetensorsFile


class ShardedFile(ParameterFile):
    """An index and its shards, whose headers are all read before any value is.

    Raises:
        ParameterError: the index is damaged, or a shard is missing, damaged, elsewhere, or lacks an array.
    """

    def __init__(self, path: Path) -> None:
        self._shard = _weight_map(path)
        self._files: dict[str, SafetensorsFile] = {}
        with ExitStack() as opened:
            for shard in dict.fromkeys(self._shard.values()):
                self._files[shard] = opened.enter_context(_open(path, shard))
            for name, shard in self._shard.items():
                if name not in self._files[shard].arrays:
                    raise ParameterError(f"{path}: {shard} has no {name!r}, which the index says is in it")
            self._opened = opened.pop_all()
        self.arrays = {name: self._files[self._shard[name]].arrays[name] for name in sorted(self._shard)}
        self.about = {}

    def read(self, name: str) -> Array:
        """The values of one array."""
        return self._files[self._shard[name]].read(name)

    def verify(self) -> None:
        """Compare each shard with its checksum."""
        for file in self._files.values():
            file.verify()

    def close(self) -> None:
        """Release the shards."""
        self._opened.close()


def _weight_map(path: Path) -> dict[str, str]:
    try:
        with require_file(path).open("rb") as file:
            content = file.read(MAX_HEADER + 1)
    except OSError as error:
        raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_HEADER:
        raise damaged(path, f"it is longer than {MAX_HEADER:,} bytes")
    try:
        index: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise damaged(path, "it cannot be parsed as JSON") from None
    found = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(found, dict) or not found or not all(isinstance(shard, str) for shard in found.values()):
        raise damaged(path, "it has no weight_map of names and files")
    return found


def _open(path: Path, shard: str) -> SafetensorsFile:
    if PurePath(shard).name != shard or "\\" in shard:
        raise ParameterError(f"{path}: the shard {shard!r} is not in the folder of its index")
    if PurePath(shard).suffix != ".safetensors":
        raise ParameterError(f"{path}: the shard {shard!r} must end in .safetensors")
    file = path.parent / shard
    if not file.is_file():
        raise ParameterError(f"{path}: there is no shard {shard!r} beside it")
    return SafetensorsFile(file)
