"""What may be written at a place: in texts of layers, arguments as a mapping, rows of network files, and elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from assembler.analysis.document import Declared
from assembler.analysis.mappings import Arguments, arguments_at
from assembler.analysis.tokens import Call, names_in
from assembler.editor.features.here import Here
from assembler.errors import AssemblerError
from assembler.language.names import FUNCTIONS
from assembler.registry.entries import Entry
from assembler.settings import RecipeSettings
from assembler.yolo.header import ROWS
from assembler.yolo.modules import MODULES, TORCH
from assembler.yolo.ultralytics import ULTRALYTICS

MODULE, CLASS, FUNCTION, VARIABLE, PROPERTY, KEYWORD, FILE, FIELD = 9, 7, 3, 6, 10, 14, 17, 5
"""Kinds of items in LSP."""

_KINDS = {"param": VARIABLE, "argument": VARIABLE, "block": FUNCTION, "shared": VARIABLE, "wire": VARIABLE,
          "input": VARIABLE}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """Something that may be written.

    Args:
        rank: the first ones have the lowest.
        layer: of a layer, its full name, by which it is explained when the editor asks.
    """

    label: str
    kind: int
    rank: int
    detail: str = ""
    about: str = ""
    layer: str = ""
    insert: str = ""


def choices_at(here: Here, before: str) -> Iterator[Choice]:
    """All that may be written at a place, whatever is typed there already."""
    line = before.rpartition("\n")[2]
    region = here.region
    if not line and not here.document.is_blocks:
        yield from _keys()
    elif (mapped := _mapped(here)) is not None:
        yield from _in_mapping(here, mapped)
    elif _is_module(here):
        yield from _modules(here)
    elif region is None:
        return
    elif here.is_in_layers:
        yield from _in_layers(here)
    elif here.document.is_blocks:
        return
    elif region.path[0] == "defaults":
        yield from _defaults(here, line)
    elif region.path[0] == "init" and region.path[1:] and here.offset >= region.value[0]:
        yield from _initializers()
    elif region.path[0] == "checks":
        yield from _checks(region.path, line)


def _keys() -> Iterator[Choice]:
    for name in ("defaults", *RecipeSettings.model_fields):
        yield Choice(name, FIELD, 0, insert=f"{name}: ")


# ---- recipe texts


def _in_layers(here: Here) -> Iterator[Choice]:
    region = here.region
    assert region is not None
    spot = here.spot
    if spot.token is not None and spot.token.kind in ("string", "number", "reference"):
        if spot.token.kind == "string" and spot.calls and str(spot.calls[-1].keyword).endswith("_init"):
            yield from _initializers()
        return
    visible = list(here.names.visible(region.path))
    if spot.is_source or region.path[-2:-1] == ("outputs",) or region.path[-1] == "outputs":
        is_output = "outputs" in region.path[-2:]
        wires = (one for one in visible if one.kind in ("wire", "input"))
        for one in wires:
            if is_output or one.file != here.file or one.start < region.value[0]:
                yield _declared(one, 0)
        return
    if spot.call is not None and spot.before is not None and spot.before.text in ("(", ","):
        yield from _arguments(here, spot.call)
    elif spot.call is not None and spot.before is not None and spot.before.text == "=":
        yield from _inferred(here, spot.call)
    text = here.document.text[slice(*region.value)]
    local = {one.token.text: None for one in names_in(text) if one.role == "target"}
    yield from (Choice(name, VARIABLE, 1, "of the loop") for name in local)
    yield from (_declared(one, 2) for one in visible if one.kind not in ("wire", "input"))
    yield from _layers(here)
    if spot.calls:
        yield from (Choice(name, FUNCTION, 6, "function of numbers and lists") for name in FUNCTIONS)


def _mapped(here: Here) -> Arguments | None:
    """The mapping or list of a layer's arguments at the place."""
    found = arguments_at(here.document.text, here.offset, here.document.regions)
    around = here.document.at(found.at) if found is not None else None
    if found is None or around is None or found.key in ("stack", "graph"):
        return None
    first, *inside = around.path
    is_inside = first == "stack" or (first in ("graph", "blocks", "shared") and len(inside) > 1)  # not a name itself
    return found if is_inside and (here.block(found.owner) or here.entry(found.owner)) else None


def _in_mapping(here: Here, mapped: Arguments) -> Iterator[Choice]:
    """Names of arguments, and their values, which are YAML's: neither params nor layers."""
    takes = here.takes(mapped.owner)
    if mapped.key is None and not mapped.is_list:
        for name, default in takes.items():
            if name not in mapped.keys:
                yield Choice(name, PROPERTY, 0, _default(default), insert=f"{name}: ")
        return
    name = mapped.key or next(iter([*takes][mapped.index : mapped.index + 1]), "")
    yield from _inferred(here, Call(mapped.owner, mapped.at, keyword=name))
    if name.endswith("_init"):
        yield from _initializers()
    if takes.get(name) in ("True", "False", "true", "false"):
        yield from (Choice(value, KEYWORD, 1, _default(takes[name])) for value in ("true", "false"))


def _default(default: str) -> str:
    return f"by default {default}" if default else "required"


def _declared(one: Declared, rank: int) -> Choice:
    detail = one.header if one.kind == "block" else " ".join(one.text.split())[:80]
    return Choice(one.name, _KINDS[one.kind], rank, detail, f"{one.kind} of {one.file.name}")


def _arguments(here: Here, call: Call) -> Iterator[Choice]:
    """The names of arguments that are not written yet, and ``_`` where it may be."""
    yield from _inferred(here, call)
    for index, (name, default) in enumerate(here.takes(call.name).items()):
        if name not in call.keywords and index >= call.index:
            yield Choice(f"{name}=", PROPERTY, 0, _default(default))


def _inferred(here: Here, call: Call) -> Iterator[Choice]:
    """``_``, if the argument at the place may be inferred. It depends on what a block does with it."""
    block, entry = here.block(call.name), here.entry(call.name)
    names = list(here.takes(call.name))
    name = call.keyword or (names[call.index] if call.index < len(names) else "")
    if block is not None or (entry is not None and name in entry.infer):
        yield Choice("_", KEYWORD, 0, f"{name}: inferred from the input")


def _layers(here: Here) -> Iterator[Choice]:
    """The project's layers, then the assembler's and MindSpore's, then those of libraries."""
    with suppress(AssemblerError):
        registry = here.project.registry
        for entry in registry.all_entries():
            yield Choice(registry.name_of(entry), CLASS, _rank(entry), layer=registry.name_of(entry))


def _rank(entry: Entry) -> int:
    if entry.target.startswith("assembler."):
        return 4
    return 5 if entry.target.startswith("mindspore.nn.") else 3 if entry.registered is not None else 7


# ---- network files


def _is_module(here: Here) -> bool:
    """Whether the place is the third item of a row: ``[from, repeats, module, arguments]``."""
    path = here.region.path if here.region is not None else ()
    rows, *inside = path[1:] if path[:1] == ("network",) else path or ("",)
    found = arguments_at(here.document.text, here.offset, here.document.regions)
    is_third = found is not None and found.is_list and found.index == 2
    return is_third and rows in ROWS and len(inside) in (1, 2) and inside[1:] in ([], ["2"])


def _modules(here: Here) -> Iterator[Choice]:
    """Modules of the project, then those of MindYOLO; in Ultralytics' files its own first, and layers of torch."""
    with suppress(AssemblerError):
        for entry in here.project.registry.all_entries():
            if entry.row is not None:
                yield Choice(entry.name, CLASS, 0, layer=here.project.registry.name_of(entry))
    is_mindyolo = any(region.path == ("network",) for region in here.document.regions)
    own: Iterable[str] = () if is_mindyolo else ULTRALYTICS
    torch: Iterable[str] = () if is_mindyolo else TORCH
    yield from (Choice(name, CLASS, 1, "module of Ultralytics") for name in own)
    yield from (Choice(name, CLASS, 2, "module of MindYOLO") for name in MODULES if name not in {*own, *torch})
    yield from (Choice(name, CLASS, 3, "layer of torch") for name in torch)


# ---- other keys


def _defaults(here: Here, line: str) -> Iterator[Choice]:
    """Recipes, and blocks as ``/blocks@blocks: name``."""
    if re.search(r"/blocks@[\w.]+\s*:\s*$", line):
        yield from (Choice(name, FILE, 0, str(file)) for name, file in here.project.files("blocks").items())
        return
    yield from (Choice(name, FILE, 0, str(file)) for name, file in here.project.recipes.items() if file != here.file)
    yield Choice("_self_", KEYWORD, 1, "this file")
    yield Choice("/blocks@blocks: ", MODULE, 1, "the blocks of a file")


def _initializers() -> Iterator[Choice]:
    from assembler.model.parameters import initializer_classes

    for cls in dict.fromkeys(initializer_classes().values()):
        about = (cls.__doc__ or "").strip().split("\n")[0]
        yield Choice(cls.__name__, CLASS, 0, "initializer", about)


def _checks(path: tuple[str, ...], line: str) -> Iterator[Choice]:
    """The names of checks, and inside a check those of its arguments."""
    from assembler.checks import CHECKS

    check = CHECKS.get(path[1]) if len(path) > 1 else None
    is_inside = len(path) > 2 or (check is not None and re.search(r":\s*\{?[^}]*$", line) is not None)
    if check is not None and is_inside:
        for name, about in check.settings.model_fields.items():
            yield Choice(
                name, PROPERTY, 0, "" if about.is_required() else f"by default {about.default!r}", insert=f"{name}: "
            )
        return
    yield from (Choice(name, FUNCTION, 0, "check", one.summary) for name, one in _sorted(CHECKS))


def _sorted(checks: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return sorted(checks.items())
