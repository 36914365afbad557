"""``definition``, ``references``, ``documentHighlight``, ``prepareRename`` and ``rename``: names across files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from assembler.analysis.document import Declared, Used
from assembler.analysis.tokens import WORDS
from assembler.editor.features.here import Here
from assembler.editor.workspace import Workspace
from assembler.errors import SettingsError
from assembler.files import short
from assembler.language.names import FUNCTIONS
from assembler.language.yaml_form import is_name
from assembler.registry.documentation import defined_at

_RENAMED = ("param", "block", "shared", "wire", "input")

_READ, _WRITE = 2, 3
"""Kinds of highlights in LSP."""


def definition(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """Where a name is declared: a param, a block, a shared part, a wire; or the class of a layer."""
    here = Here.of(workspace, params)
    if here is None:
        return None
    if (declared := here.names.at(here.offset)) is not None:
        return _location(here, declared.file, declared.start, declared.end)
    if (file := _included(here)) is not None:
        return {"uri": file.as_uri(), "range": _line(0)}
    used = here.names.used_at(here.offset)
    return _class(here, used.call if used.role == "keyword" else used.name) if used is not None else None


def _included(here: Here) -> Path | None:
    """The file that an entry of ``defaults`` includes."""
    region = here.region
    if region is None or region.path[0] != "defaults" or here.document.is_blocks:
        return None
    name = here.document.text[slice(*region.value)].rpartition(":")[2].strip()
    wanted = {f"{name}.yaml", f"{name}.yml"}
    return next((file for file in here.below if file.name in wanted), None) or here.project.recipes.get(name)


def _class(here: Here, name: str) -> Any:
    """The file and line of a layer's class or function."""
    entry = here.entry(name)
    found = defined_at(entry) if entry is not None else None
    return {"uri": found[0].resolve().as_uri(), "range": _line(found[1])} if found is not None else None


def _line(number: int) -> dict[str, Any]:
    place = {"line": number, "character": 0}
    return {"start": place, "end": place}


def _location(here: Here, file: Path, start: int, end: int) -> dict[str, Any]:
    return {"uri": file.resolve().as_uri(), "range": here.range(start, end, file)}


def references(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """The places where a name is used; of a layer, those in all files of the project."""
    here = Here.of(workspace, params, is_wide=True)
    if here is None:
        return None
    places = _places(here)
    if here.names.at(here.offset) is None and (used := here.names.used_at(here.offset)) is not None:
        places = list(_uses_of_layer(here, used))
    if not params.get("context", {}).get("includeDeclaration", True):
        declared = here.names.at(here.offset)
        same = {(one.file, one.start, one.end) for one in here.names.same(declared)} if declared is not None else set()
        places = [place for place in places if place not in same]
    return [_location(here, *place) for place in places]


def document_highlights(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """The places in this file of the name at the cursor; that of its declaration is one where it is written."""
    here = Here.of(workspace, params)
    if here is None:
        return None
    declared = here.names.at(here.offset)
    own = [(start, end) for file, start, end in _places(here) if file == here.file]
    written = (declared.start, declared.end) if declared is not None and declared.file == here.file else None
    return [{"range": here.range(*place), "kind": _WRITE if place == written else _READ} for place in own]


def _places(here: Here) -> list[tuple[Path, int, int]]:
    """The places of the name at the cursor, those of its declarations first; those of a layer in this file."""
    declared = here.names.at(here.offset)
    if declared is not None:
        written = [(one.file, one.start, one.end) for one in here.names.same(declared)]
        return list(dict.fromkeys([*written, *here.names.uses(declared)]))
    used = here.names.used_at(here.offset)
    same = (one for one in here.document.used if used is not None and (one.name, one.role) == (used.name, used.role))
    return [(here.file, one.start, one.end) for one in same]


def _uses_of_layer(here: Here, layer: Used) -> Iterator[tuple[Path, int, int]]:
    """The places of a layer's name, or of an argument of a layer, where no file declares the name as its own."""
    for file in here.files():
        if layer.name not in here.workspace.lines(file).text:
            continue
        document = here.document if file == here.file else here.read(file)
        own = {one.name for one in document.declared if one.kind not in ("wire", "input")}
        for used in document.used:
            if (used.name, used.role, used.call) == (layer.name, layer.role, layer.call) and used.name not in own:
                yield file, used.start, used.end


def prepare_rename(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """The range of a name that can be renamed."""
    here = Here.of(workspace, params)
    declared = here.names.at(here.offset) if here is not None else None
    if here is None or declared is None or declared.kind not in _RENAMED:
        return None
    used = here.names.used_at(here.offset)
    start, end = (used.start, used.end) if used is not None else (declared.start, declared.end)
    return {"range": here.range(start, end), "placeholder": declared.name}


def rename(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """The edits that give a param, a block, a shared part or a wire another name, in all files of the project.

    Raises:
        SettingsError: the new name is not valid or is in use, or a file is not the project's.
    """
    here = Here.of(workspace, params, is_wide=True)
    declared = here.names.at(here.offset) if here is not None else None
    if here is None or declared is None or declared.kind not in _RENAMED:
        raise SettingsError("only params, blocks, shared parts, inputs and lines of graphs can be renamed")
    _require(here, declared, params["newName"])
    changes: dict[str, list[dict[str, Any]]] = {}
    for file, start, end in _places(here):
        if not file.resolve().is_relative_to(workspace.root.resolve()):
            raise SettingsError(f"{declared.name!r} is in {short(file)}, which is outside the folder that is open")
        edit = {"range": here.range(start, end, file), "newText": params["newName"]}
        changes.setdefault(file.resolve().as_uri(), []).append(edit)
    return {"changes": changes}


def _require(here: Here, declared: Declared, name: str) -> None:
    is_wire = declared.kind in ("wire", "input")
    if not is_name(name) or name in WORDS or name in FUNCTIONS:
        raise SettingsError(f"{name!r} is not a name that a recipe can use")
    if declared.kind in ("wire", "shared") and not name.isascii():
        raise SettingsError(f"{name!r} is not ASCII, and names of weights have to be; choose another one")
    if name in _taken(here, declared):
        raise SettingsError(f"{name!r} is already a name here; choose another one")
    if not is_wire and here.entry(name) is not None:
        raise SettingsError(f"{name!r} is a layer; choose another name")
    if declared.kind in ("wire", "shared") and (key := _pattern_of(here, declared)):
        raise SettingsError(f"{declared.name!r} is in a pattern of {key}; change that by hand")
    if declared.kind == "wire" and _is_of_every_cell(name):
        raise SettingsError(f"{name!r} is an attribute of every Cell; choose another name")


def _is_of_every_cell(name: str) -> bool:
    """Whether a line cannot have a name, which only MindSpore knows."""
    from mindspore import nn

    return hasattr(nn.Cell(), name)


def _pattern_of(here: Here, declared: Declared) -> str:
    """The key with patterns of parameters, ``freeze`` or ``init``, that names a line of a graph or a shared part.

    Names of weights begin with a line of the recipe's own graph, and contain one of a graph inside: ``0.left.weight``.
    """
    for document in here.names.documents():
        for region in document.regions:
            key = region.path[0]
            said = region.path[-1] if key == "init" else document.text[slice(*document.inside(region.value))]
            if key in ("freeze", "init") and len(region.path) == 2:
                parts = said.split(".") if declared.scope else said.split(".")[:1]
                if any(_names(part, declared.name) for part in parts):
                    return key
    return ""


def _names(part: str, name: str) -> bool:
    """Whether a part of a pattern is about a name; ``*`` is about all of them."""
    return re.search(r"\w", part) is not None and fnmatchcase(name, part)


def _taken(here: Here, declared: Declared) -> Iterator[str]:
    """The names that texts see together with a name."""
    is_wire = declared.kind in ("wire", "input")
    views = here.names.around(one.file for one in here.names.same(declared))
    for document in {one.file: one for view in ((here.document,), *views) for one in view}.values():
        yield from () if is_wire else document.local
        for one in document.declared:
            is_other = (one.kind in ("wire", "input")) != is_wire
            is_weight = {one.kind, declared.kind} == {"wire", "shared"}  # both name weights, if of the whole recipe
            if (not is_other and (not is_wire or one.scope == declared.scope)) or (
                is_weight and not one.scope and not declared.scope
            ):
                yield one.name
    if declared.kind == "wire" and not _has_inputs(here, declared):
        yield "input"


def _has_inputs(here: Here, wire: Declared) -> bool:
    """Whether the graph of a line names its inputs; else there is one, ``input``."""
    views = here.names.around(one.file for one in here.names.same(wire))
    found = [one for view in ((here.document,), *views) for document in view for one in document.declared]
    return any(one.kind == "input" and one.scope == wire.scope for one in found)
