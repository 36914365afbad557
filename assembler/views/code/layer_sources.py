"""The classes and functions of layers: imports of their modules, and copies of the source of the assembler's layers."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assembler.binding.structure import Step
from assembler.errors import BadTarget
from assembler.views.code.text import Bracketed, lines
from assembler.views.code.unify import unique

Import = tuple[str, str, str]
"""A module, the imported name (empty for the module itself), and its local name."""


@dataclass
class LayerSources:
    """The head of a file.

    Args:
        imports: the imports.
        constants: name → source of the copied constants.
        copies: name → source of the copied classes and functions, in the order of definition.
        names: class or function → its name in the file.
    """

    imports: set[Import] = field(default_factory=lambda: {("mindspore", "nn", "nn")})
    constants: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    names: dict[Any, str] = field(default_factory=dict)

    def read(self, steps: Iterable[Step]) -> None:
        """Add the imports and copies of some layers' classes and functions.

        Raises:
            BadTarget: one of them cannot be imported.
        """
        own = [step for step in steps if step.graph is None]
        found = {step.entry.implementation: step for step in own}
        named = {*found, *(step.entry.cell for step in own)}
        copied = {one for one in named if one.__module__.startswith("assembler.")}
        for one in sorted(copied, key=lambda one: str(one.__name__)):
            self.names[one] = one.__name__
            _Module(one.__module__).copy(one.__name__, self)
        for one, step in found.items():
            if one not in copied:
                self.names[one] = self.imported(one, step)

    def imported(self, one: Any, step: Step) -> str:
        """Import a class or function from its module; one of MindSpore from its public module."""
        target = step.entry.target
        module, _, name = target.rpartition(".")
        if module == "mindspore.nn":
            return f"nn.{name}"
        if module == "mindspore.ops":
            self.imports.add(("mindspore", "ops", "ops"))
            return f"ops.{name}"
        if module.startswith("mindspore.mint"):
            self.imports.add(("mindspore", "mint", "mint"))
            return target.removeprefix("mindspore.")
        if module == "__main__" or not _is_at(one, module, name):
            kind = "function" if step.entry.inputs else "class"
            message = (
                f"the {kind} of {step.layer.name} cannot be imported from {module!r}; "
                "move it to a module that can be imported"
            )
            raise BadTarget(message, step.layer.place)
        local = unique(name, self.taken)
        self.imports.add((module, name, local))
        return local

    @property
    def taken(self) -> set[str]:
        """The names in use in the file."""
        own = {"mindspore", "nn", *dir(builtins), *self.copies, *self.constants}
        return own | {local for _, _, local in self.imports}

    def head(self) -> Iterator[str]:
        """The imports, in the usual order."""
        standard = [one for one in self.imports if one[0].partition(".")[0] in sys.stdlib_module_names]
        blocks = [standard, [one for one in self.imports if one not in standard]]
        for number, block in enumerate(filter(None, blocks)):
            if number:
                yield ""
            whole = sorted({(module, local) for module, name, local in block if not name})
            yield from (f"import {module}" + (f" as {local}" if local != module else "") for module, local in whole)
            modules = sorted({module for module, name, _ in block if name}, key=str.lower)
            for module in modules:
                yield from _from(module, [(name, local) for one, name, local in block if one == module and name])


def _from(module: str, names: Iterable[tuple[str, str]]) -> Iterator[str]:
    said = [name if name == local else f"{name} as {local}" for name, local in sorted(names, key=_by_kind)]
    line = f"from {module} import {', '.join(said)}"
    yield from [line] if len(line) <= 120 else lines(Bracketed("(", tuple(said), ")"), before=f"from {module} import ")


def _by_kind(pair: tuple[str, str]) -> tuple[int, str]:
    """Constants, then classes, then the rest."""
    name = pair[0]
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


def _is_at(one: Any, module: str, name: str) -> bool:
    try:
        return getattr(importlib.import_module(module), name, None) is one
    except ImportError:
        return False


class _Module:
    """A module of the assembler: its top-level definitions, and the imports that they need."""

    def __init__(self, name: str):
        self.text = inspect.getsource(importlib.import_module(name))
        self.imported: dict[str, Import] = {}
        self.defined: dict[str, ast.stmt] = {}
        for node in ast.parse(self.text).body:
            if isinstance(node, ast.Import):
                self.imported.update(
                    {one.asname or one.name: (one.name, "", one.asname or one.name) for one in node.names}
                )
            elif isinstance(node, ast.ImportFrom):
                for one in node.names:
                    self.imported[one.asname or one.name] = (str(node.module), one.name, one.asname or one.name)
            else:
                self.defined.update(dict.fromkeys(_defines(node), node))

    def copy(self, name: str, sources: LayerSources) -> None:
        """Copy a definition, after those that it needs."""
        node = self.defined[name]
        for needed in _names(node):
            if needed in self.imported:
                sources.imports.add(self.imported[needed])
            elif needed in self.defined and needed != name and not {needed} & {*sources.copies, *sources.constants}:
                self.copy(needed, sources)
        text = ast.get_source_segment(self.text, node) or ""
        (sources.copies if isinstance(node, ast.ClassDef | ast.FunctionDef) else sources.constants)[name] = text


def _defines(node: Any) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _names(node: ast.AST) -> list[str]:
    return sorted({one.id for one in ast.walk(node) if isinstance(one, ast.Name)})
