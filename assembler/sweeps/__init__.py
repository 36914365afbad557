"""One run or many: ``main``, ``job`` and ``launch`` of a run script, and ``load``, which reads a sweep's folder.

The modules of this package run the jobs of a sweep; ``assembler.launch`` starts them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assembler.hydra_edge.versions import main
    from assembler.launch import SweepTable, job, launch
    from assembler.sweeps.table import load

__all__ = ["SweepTable", "job", "launch", "load", "main"]

_HOME = {
    "SweepTable": "assembler.launch",
    "job": "assembler.launch",
    "launch": "assembler.launch",
    "load": "assembler.sweeps.table",
    "main": "assembler.hydra_edge.versions",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'assembler.sweeps' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
