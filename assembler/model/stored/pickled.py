"""``.pth``, ``.pt`` and ``.bin`` of PyTorch: pickles, which PyTorch itself reads in its mode without code."""

from __future__ import annotations

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
        torch = _torch(path)
        try:
            require_file(path)
            held = _loaded(torch, path)
        except OSError as error:
            raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
        except Exception as error:  # PyTorch raises its own and Python's, as the damage will have it
            raise damaged(path, reason_of(error).partition("\n")[0]) from None
        inside = next((held[key] for key in _INSIDE if isinstance(held.get(key), Mapping)), held)
        self._tensors = {str(name): one for name, one in inside.items() if isinstance(one, torch.Tensor)}
        if not self._tensors:
            raise damaged(path, "it has no tensors")
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
        """PyTorch compared the checksums of the archive that the file is."""

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
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"  # the older format cannot be mapped
    held = torch.load(path, mmap=is_zip, **options)
    return dict(held) if isinstance(held, Mapping) else {}


def refusal(path: Path) -> str:
    """Why a pickle is not loaded, and how to convert it."""
    return (
        f"{path} is a pickle, which can run code; pip install 'assembler[torch]' lets PyTorch read it without. "
        "Or convert it where PyTorch is:\n"
        f"  state = torch.load({path.name!r}, map_location='cpu', weights_only=True)\n"
        "  safetensors.torch.save_file({name: one.clone() for name, one in state.items()}, "
        f"{path.with_suffix('.safetensors').name!r})"
    )
