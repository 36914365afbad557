"""What may be written in a registry file: targets, keys of an entry, and arguments of its layer. It imports nothing."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from assembler.analysis.mappings import arguments_at
from assembler.editor.features.choices import CLASS, FUNCTION, MODULE, PROPERTY, Choice
from assembler.editor.features.here import Here
from assembler.reading.texts import read_bytes
from assembler.reading.yaml_files import MAX_BYTES
from assembler.registry.signatures import known_parameters, known_targets
from assembler.settings import EntrySettings, FunctionSettings

_MODULES = ("mindspore.nn", "mindspore.ops", "mindspore.mint.nn", "mindspore.mint.nn.functional")


def registry_choices(here: Here, written: str) -> Iterator[Choice]:
    """All that may be written at a place of a registry file.

    Args:
        written: the part of a dotted path that is there already: ``mindspore.nn.De``.
    """
    region = here.region
    inside = arguments_at(here.document.text, here.offset, here.document.regions)
    if inside is None:
        if region is not None and len(region.path) == 1 and here.offset >= region.value[0] > region.key[1]:
            yield from _targets(here, written, of_function=False)
    elif inside.owner in ("infer", "defaults") and inside.key is None and region is not None:
        yield from _arguments(here, region.path[0], inside.keys)
    elif inside.key in ("target", "function"):
        yield from _targets(here, written, of_function=inside.key == "function")
    elif inside.key is None and not inside.is_list and not _is_nested(here, inside.at):
        other = {"target": "function", "function": "target"}
        for name in {**EntrySettings.model_fields, **FunctionSettings.model_fields}:
            if name not in inside.keys and other.get(name) not in inside.keys:
                yield Choice(name, PROPERTY, 0, insert=f"{name}: ")


def _is_nested(here: Here, at: int) -> bool:
    """Whether a mapping is a value inside an entry."""
    around = here.document.at(at)
    return around is None or len(around.path) > 1


def _arguments(here: Here, name: str, written: list[str]) -> Iterator[Choice]:
    """The arguments of an entry's class or function, as far as they are known without an import."""
    inside = [one for one in here.document.regions if one.path[:1] == (name,) and len(one.path) == 2]
    said = {one.path[1]: here.document.text[slice(*one.value)] for one in inside}
    target = said.get("target") or said.get("function", "")
    for one in known_parameters(target.strip("'\""), of_function="function" in said) or {}:
        if one not in written:
            yield Choice(one, PROPERTY, 0, f"argument of {target}", insert=f"{one}: ")


def _targets(here: Here, written: str, *, of_function: bool) -> Iterator[Choice]:
    """Dotted paths: what the written module has, and modules."""
    module = written.rpartition(".")[0]
    kind = FUNCTION if of_function else CLASS
    names = {*_shipped(module, of_function=of_function), *_own(here.project.home, module, of_function=of_function)}
    yield from (Choice(f"{module}.{name}", kind, 0) for name in sorted(names))
    inner = {f"{module}.{one}" if module else one for one in _modules_in(here.project.home, module)}
    yield from (Choice(one, MODULE, 1) for one in sorted({*inner, *_MODULES}) if one != module)


def _shipped(module: str, *, of_function: bool) -> Iterator[str]:
    """Classes or functions of MindSpore: those with a known signature, and all once its module is imported."""
    paths = (path.rpartition(".") for path in known_targets(of_function=of_function))
    yield from (name for package, _, name in paths if package == module)
    if module in _MODULES and module in sys.modules:
        is_kind = inspect.isfunction if of_function else inspect.isclass
        found = vars(sys.modules[module])
        yield from (name for name in found if not name.startswith("_") and is_kind(found[name]))


def _own(home: Path, module: str, *, of_function: bool) -> Iterator[str]:
    """Classes or functions in a Python file of the project, which is parsed and not imported."""
    kind = ast.FunctionDef if of_function else ast.ClassDef
    path = home.joinpath(*module.split(".")) if re.fullmatch(r"\w+(\.\w+)*", module) else None
    for file in (path.with_suffix(".py"), path / "__init__.py") if path is not None else ():
        with suppress(OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            body = ast.parse(read_bytes(file, MAX_BYTES)).body
            yield from (node.name for node in body if isinstance(node, kind) and not node.name.startswith("_"))


def _modules_in(home: Path, module: str) -> Iterator[str]:
    """Modules of the project in a package, or beside its configuration folder."""
    folder = home.joinpath(*module.split(".")) if module else home
    with suppress(OSError, ValueError):
        for one in folder.iterdir():
            is_package = one.is_dir() and (one / "__init__.py").is_file()
            if one.stem.isidentifier() and not one.stem.startswith("_") and (one.suffix == ".py" or is_package):
                yield one.stem
