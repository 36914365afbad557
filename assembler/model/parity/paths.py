"""The modules of a PyTorch module by their paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def modules_by_path(module: nn.Module) -> dict[str, nn.Module]:
    """All modules by their paths; one that has several paths has them all."""
    return dict(module.named_modules(remove_duplicate=False))


def enclosing(path: str, modules: Mapping[str, nn.Module]) -> list[nn.Module]:
    """A module and those around it, the innermost first."""
    parts = path.split(".") if path else []
    return [modules[".".join(parts[:length])] for length in range(len(parts), -1, -1)]


def first_paths(modules: Mapping[str, nn.Module]) -> dict[int, str]:
    """Of each module by its identity, the first path."""
    found: dict[int, str] = {}
    for path, module in modules.items():
        found.setdefault(id(module), path)
    return found
