"""``.pth``, ``.pt`` and ``.bin`` of PyTorch: pickles, which PyTorch itself reads in its mode without code."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from assembler.errors import ParameterError
from assembler.files import require_file
from assembler.model.inputs import Array
from assembler.model.stored.opened import ArraySpec, ParameterFile, damaged, reason_of

_INSIDE = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts store the parameters beside other things."""


class PickledFile(ParameterFile):
    """A file that ``torch.save`` wrote, mapped into memory where its format allows.

    Raises:
        ParameterError: PyTorch is not installed, or refuses the file.
    """

    def __init__(self, path: Path) -> None:
        try:
            require_file(path)  # a missing file is said first, and not that PyTorch is missing
            torch = _torch(path)
            held = _loaded(torch, path)
        except OSError as error:
            raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
        except ParameterError:
            raise
        except Exception as error:  # PyTorch raises its own and Python's, as the damage will have it
            raise _refused(path, error) from None
        inside = next((held[key] for key in _INSIDE if isinstance(held.get(key), Mapping)), held)
        self._path = path
        self._tensors = {str(name): one for name, one in inside.items() if isinstance(one, torch.Tensor)}
        if not self._tensors:
            raise ParameterError(f"{path} has no tensors; it has {', '.join(map(repr, held)) or 'nothing with names'}")
        for name, one in self._tensors.items():
            if one.layout != torch.strided or one.device.type == "meta" or one.is_quantized:
                raise ParameterError(
                    f"{path}: {name} is sparse, quantized or without values; save it as a plain tensor"
                )
        self.arrays = {
            name: ArraySpec(tuple(one.shape), str(one.dtype).removeprefix("torch."))
            for name, one in self._tensors.items()
        }
        self.about = {}

    def read(self, name: str) -> Array:
        """The values of one tensor, copied."""
        tensor = self._tensors[name].detach()
        if self.arrays[name].dtype == "bfloat16":
            import torch

            return tensor.contiguous().view(torch.int16).numpy().copy().view(np.dtype("bfloat16"))
        return np.array(tensor.numpy())

    def verify(self) -> None:
        """Compare the checksums of the archive, which PyTorch does not; files of the older format have none.

        Raises:
            ParameterError: they differ.
        """
        if _is_archive(self._path):
            with zipfile.ZipFile(self._path) as archive:
                if (part := archive.testzip()) is not None:
                    raise damaged(self._path, f"the checksum of {part} differs")

    def close(self) -> None:
        """Release the tensors."""
        self._tensors = {}


def _torch(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise ParameterError(refusal(path)) from None
    return torch


def _loaded(torch: Any, path: Path) -> dict[str, Any]:
    """What the file holds: tensors, numbers, strings and containers of them; nothing in it is called."""
    options = {"map_location": "cpu", "weights_only": True}
    held = torch.load(path, mmap=_is_archive(path), **options)
    return dict(held) if isinstance(held, Mapping) else {}


def _is_archive(path: Path) -> bool:
    """Whether it is a zip file; the older format of PyTorch is not, and cannot be mapped."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _refused(path: Path, error: Exception) -> ParameterError:
    """The error for a file that PyTorch does not load; its own advice is to load it with the code in it."""
    if "weights_only" not in str(error):
        return damaged(path, reason_of(error).partition("\n")[0].rstrip(": "))
    return ParameterError(
        f"{path} has Python objects in it, and not only tensors; loading those can run code. "
        "Where the module is, write torch.save(module.state_dict(), …)"
    )


def refusal(path: Path) -> str:
    """Why a pickle is not loaded, and how to convert it."""
    return (
        f"{path} is a pickle, which can run code; pip install 'assembler[torch]' lets PyTorch read it without. "
        "Or convert it where PyTorch is:\n"
        f"  state = torch.load({path.name!r}, map_location='cpu', weights_only=True)\n"
        "  safetensors.torch.save_file({name: one.clone() for name, one in state.items()}, "
        f"{path.with_suffix('.safetensors').name!r})"
    )
