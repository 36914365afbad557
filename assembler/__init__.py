"""Declare MindSpore networks as text; assemble and check them.

>>> from assembler import assemble
>>> net = assemble("Dense(8, 128) + Centered")

MindSpore is not imported here, but when the first layer is needed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assembler.api import assemble, plan
    from assembler.errors import AssemblerError
    from assembler.model.describe import describe
    from assembler.reading.recipe_files import recipes
    from assembler.registry.registry import LAYERS, Registry, register

# MindSpore reads its log level when it is imported. 4 is "critical": its errors are raised as exceptions anyway.
os.environ.setdefault("GLOG_v", "4")

__version__ = "0.1.0"
__all__ = ["LAYERS", "AssemblerError", "Registry", "__version__", "assemble", "describe", "plan", "recipes", "register"]

_HOME = {
    "assemble": "assembler.api",
    "AssemblerError": "assembler.errors",
    "LAYERS": "assembler.registry.registry",
    "Registry": "assembler.registry.registry",
    "describe": "assembler.model.describe",
    "plan": "assembler.api",
    "recipes": "assembler.reading.recipe_files",
    "register": "assembler.registry.registry",
}


_MODULES = ("checks", "limits", "sweeps")
"""Public modules, which ``import assembler`` makes available as well."""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"assembler.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'assembler' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
