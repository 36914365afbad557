"""What a layer's class says of itself, and where it is written, found without importing anything."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from pathlib import Path

from assembler.registry.entries import Entry
from assembler.registry.signatures import source_of, statements

_DEEP = 6
"""Modules that re-export a class, one from the other, at most."""


def documentation(entry: Entry) -> str:
    """The docstring of a layer's class or function; empty if it has none or cannot be found."""
    if (known := _loaded(entry)) is not None:
        return inspect.getdoc(known) or ""
    found = _definition(entry.target)
    return (ast.get_docstring(found[1]) or "") if found is not None else ""


def first_sentence(text: str) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join(text.strip().partition("\n\n")[0].split())


def defined_at(entry: Entry) -> tuple[Path, int] | None:
    """The file of a layer's class or function and its line, counted from 0; None if that is not in Python."""
    known = _loaded(entry)
    target = f"{known.__module__}.{known.__qualname__}" if known is not None else entry.target
    found = _definition(target)
    return (found[0], found[1].lineno - 1) if found is not None else None


def _loaded(entry: Entry) -> type | None:
    """The class or function, if its module is imported."""
    if entry.registered is not None:
        return entry.registered
    module, _, name = entry.target.rpartition(".")
    found = vars(sys.modules[module]).get(name) if module in sys.modules else None
    return found if isinstance(found, type) or inspect.isfunction(found) else None  # type: ignore[return-value]


@cache
def _definition(target: str, depth: int = 0) -> tuple[Path, ast.ClassDef | ast.FunctionDef] | None:
    """The file and the statement that defines a class or function; what modules re-export is followed."""
    module, _, name = target.rpartition(".")
    file = source_of(module) if module else None
    if file is None or depth > _DEEP:
        return None
    imports: list[str] = []
    for node in statements(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return file, node
        if isinstance(node, ast.ImportFrom):
            origin = _absolute(node, module, file)
            imports += [f"{origin}.{one.name}" for one in node.names if (one.asname or one.name) == name]
            imports += [f"{origin}.{name}" for one in node.names if one.name == "*"]
    return next((found for one in imports if (found := _definition(one, depth + 1))), None)


def _absolute(node: ast.ImportFrom, module: str, file: Path) -> str:
    """The module that an import names, without leading dots."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    above = parts[: len(parts) - node.level + (file.name == "__init__.py")]
    return ".".join(filter(None, (*above, node.module)))
