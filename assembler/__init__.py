"""Declare MindSpore networks in text; have them assembled and checked.

>>> from assembler import assemble
>>> net = assemble("Dense(8, 128) + Centered")

MindSpore is imported when the first layer is needed, not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assembler.api import assemble, plan
    from assembler.describe import describe
    from assembler.errors import AssemblerError
    from assembler.registry import LAYERS, Registry, register

__version__ = "0.1.0"
__all__ = ["LAYERS", "AssemblerError", "Registry", "__version__", "assemble", "describe", "plan", "register"]

_HOME = {
    "assemble": "assembler.api",
    "AssemblerError": "assembler.errors",
    "LAYERS": "assembler.registry",
    "Registry": "assembler.registry",
    "describe": "assembler.describe",
    "plan": "assembler.api",
    "register": "assembler.registry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'assembler' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
