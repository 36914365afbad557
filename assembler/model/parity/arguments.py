"""The arguments of a PyTorch module: which of them the recipe's inputs are."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

from assembler.errors import SettingsError
from assembler.words import suggestion

if TYPE_CHECKING:
    import torch
    from torch import nn


def check_names(module: nn.Module, names: Sequence[str]) -> None:
    """Require that a module has these arguments.

    Raises:
        SettingsError: it has not, or a name is there twice.
    """
    known = [one.name for one in _arguments(module)]
    for name in names:
        if known and name not in known:  # transformers would ignore it
            hint = suggestion(name, known) or f" It has {', '.join(known)}."
            raise SettingsError(f"--inputs: {type(module).__name__} has no argument {name!r}.{hint}")
        if names.count(name) > 1:
            raise SettingsError(f"--inputs has {name!r} twice")


def by_position(module: nn.Module, count: int) -> tuple[str, ...]:
    """The arguments that several inputs are without names; none of a single one, and if the module takes any."""
    found = [one.name for one in _arguments(module) if one.kind is not one.KEYWORD_ONLY][:count]
    return tuple(found) if len(found) == count > 1 else ()


def _arguments(module: nn.Module) -> list[inspect.Parameter]:
    """The arguments that have names; none if they cannot be read, as of a function in C."""
    try:
        found = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one for one in found if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]


def shown(given: Sequence[torch.Tensor], names: Sequence[str]) -> str:
    """Inputs in a message: ``input_ids (2, 16) int64``; without names ``(2, 16) int64``."""
    shapes = [f"{tuple(one.shape)} {str(one.dtype).removeprefix('torch.')}" for one in given]
    return ", ".join(map(" ".join, zip(names, shapes, strict=True)) if names else shapes)
