"""``textDocument/hover`` and ``signatureHelp``: what the name at the cursor is, and what it is at this point."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from assembler.analysis import Item, Use
from assembler.analysis.document import Declared
from assembler.analysis.tokens import argument_at
from assembler.binding.arithmetic import is_inferred
from assembler.binding.expansion import expand
from assembler.binding.parsing import parse_definitions
from assembler.editor.features.here import Here
from assembler.editor.features.signatures import (
    arguments_of,
    block_arguments,
    inferred,
    origin_of,
    signature_of,
)
from assembler.editor.workspace import Workspace
from assembler.errors import AssemblerError
from assembler.files import short
from assembler.language.grammar import parse
from assembler.language.recipe import Definitions, Each, Layer, is_stack, leaves, print_value, walk
from assembler.planning.specs import print_specs
from assembler.registry.documentation import documentation
from assembler.registry.entries import Entry

MAX_SHOWN = 4000
"""Characters of a docstring or a block."""

MAX_VALUES = 12
"""Values of a loop that are shown."""

_CALL = "of_("
"""Put before an expression, so that it is read as an argument, on several lines, too."""

_WORDS = {"param": "parameter of the recipe", "argument": "argument of the block", "shared": "shared part",
          "wire": "line of the graph", "input": "input", "block": "block"}  # fmt: skip


def hover(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """The signature, documentation, arguments and shapes of a layer; the value of a param; the layers of a block."""
    here = Here.of(workspace, params)
    if here is None:
        return None
    if (declared := here.names.at(here.offset)) is not None:
        used = here.names.used_at(here.offset)
        start, end = (used.start, used.end) if used is not None else (declared.start, declared.end)
        return _answer(here, start, end, [*_of_declared(here, declared), *_of_expression(here)])
    used = here.names.used_at(here.offset)
    if used is None:
        return _answer(here, here.offset, here.offset, [*_of_loop(here), *_of_expression(here)])
    if used.role == "keyword":
        return _answer(here, used.start, used.end, _of_keyword(here, used.call, used.name))
    entry = here.entry(used.name)
    return _answer(here, used.start, used.end, _of_layer(entry)) if entry is not None else None


def _answer(here: Here, start: int, end: int, parts: list[str]) -> Any:
    """The answer, with what the plan knows of this point."""
    item = here.item(start, end)
    uses = _uses(here, item) if item is not None else []
    text = "\n\n".join(part for part in [*parts[:1], *uses, *parts[1:]] if part)
    return {"contents": {"kind": "markdown", "value": text}, "range": here.range(start, end)} if text else None


def _of_layer(entry: Entry) -> list[str]:
    said = _as_markdown(documentation(entry))[:MAX_SHOWN]
    return [_code(signature_of(entry), "python"), said, "\n".join(f"- {one}" for one in inferred(entry)),
            f"*{origin_of(entry)}*"]  # fmt: skip


def _as_markdown(docstring: str) -> str:
    """The part of a docstring that says how a layer is written, without the roles of reStructuredText."""
    said = re.split(r"^(?:Raises|Supported Platforms|Examples?):", docstring, maxsplit=1, flags=re.MULTILINE)[0]
    return re.sub(r":[a-z:]+:(?=`)", "", said).replace("``", "`").strip()


def _of_keyword(here: Here, call: str, name: str) -> list[str]:
    entry = here.entry(call)
    found = arguments_of(entry) if entry is not None else {}
    if entry is None or name not in found:
        return []
    rule = next((one for one in inferred(entry) if one.startswith(f"`{name}`")), "")
    return [_code(f"{name}={found[name]}" if found[name] else name, "python"), f"argument of {entry.name}", rule]


def _of_declared(here: Here, declared: Declared) -> list[str]:
    what = f"{_WORDS[declared.kind]}, {short(declared.file)}"
    if declared.kind == "block":
        return [_code(f"{declared.header}: {declared.text}"[:MAX_SHOWN], "yaml"), f"*{what}*"]
    if declared.kind == "argument":
        return [_code(declared.scope[-1], "python"), f"*{what}*"]
    value = f"{declared.name}: {declared.text}" if declared.text else declared.name
    return [_code(value[:MAX_SHOWN], "yaml"), _value(here, declared), f"*{what}*"]


def _value(here: Here, declared: Declared) -> str:
    """The value of a param after all files are merged, if that is another one."""
    opened = here.workspace.open.get(here.file)
    data = opened.analysis.reading.data if opened is not None and opened.analysis is not None else None
    values = data.get("params") if isinstance(data, Mapping) else None
    if declared.kind != "param" or not isinstance(values, Mapping) or declared.name not in values:
        return ""
    said = str(values[declared.name])
    return "" if said == declared.text.strip("'\"") else f"here it is `{said}`"


def _of_loop(here: Here) -> list[str]:
    """The loop that gives the name at the place its values, and these values if they are known without a use."""
    token = here.spot.token if here.region is not None and here.is_in_layers else None
    if token is None or token.kind != "name" or here.region is None:
        return []
    start, end = here.document.inside(here.region.value)
    with suppress(AssemblerError, RecursionError):
        read = parse(f"{_CALL}{here.document.text[start:end].partition('@')[0]})")
        at = here.offset - start + len(_CALL)
        loops = [one for one in walk(read) if isinstance(one, Each) and one.place.start <= at <= one.place.end]
        loops = [one for one in loops if token.text in one.names]
        if loops:
            loop = min(loops, key=lambda one: one.place.end - one.place.start)
            clause = f"for {', '.join(loop.names)} in {print_value(loop.values)}"
            return [_code(clause, "python"), _values(here, loop, token.text), "*name of a loop*"]
    return []


def _values(here: Here, loop: Each, name: str) -> str:
    """``w`` is 1, 2, 3; empty if that depends on a block's argument, or on a loop around it."""
    written = print_value(loop.values)
    found = None if _depends(here, written) else _value_here(here, written)
    if not isinstance(found, list | tuple) or not found:
        return ""
    part = loop.names.index(name)
    each = found if len(loop.names) == 1 else [one[part] for one in found]
    more = ", …" if len(each) > MAX_VALUES else ""
    return f"`{name}` is {', '.join(f'`{print_value(one)}`' for one in each[:MAX_VALUES])}{more}"


def _depends(here: Here, written: str) -> bool:
    """Whether an expression has names whose values depend on a use: of a block, or of a loop."""
    visible = here.names.visible(here.region.path) if here.region is not None else ()
    local = here.document.local | {one.name for one in visible if one.kind == "argument"}
    return bool(local.intersection(re.findall(r"\w+", written)))


def _value_here(here: Here, written: str) -> Any:
    """The value of an expression in the last text of the file that could be bound; None if it has none."""
    opened = here.workspace.open.get(here.file)
    bound = opened.analysis.reading.bound if opened is not None and opened.analysis is not None else None
    with suppress(AssemblerError, RecursionError):
        return _evaluated(written, parse_definitions(bound.recipe)) if bound is not None else None
    return None


def _of_expression(here: Here) -> list[str]:
    """The value of the argument at the place: ``4 * width`` is 64.

    In a block or a loop it depends on the use, so that there is none with the names of their arguments and values.
    """
    if here.region is None or not here.is_in_layers:
        return []
    start, end = here.document.inside(here.region.value)
    argument = argument_at(here.document.text[start:end], here.offset - start)
    if argument is None:
        return []
    written = here.document.text[start + argument[0] : start + argument[1]].strip()
    value = None if _depends(here, written) else _value_here(here, written)
    return [f"`{written}` is `{print_value(value)}`"] if value is not None and print_value(value) != written else []


def _evaluated(written: str, definitions: Definitions) -> Any:
    """The value of an argument; None if it is layers, or depends on more than the params."""
    call, errors = expand(parse(f"{_CALL}{written})"), Definitions(definitions.params))
    values = call.args if isinstance(call, Layer) and not errors else ()
    is_plain = len(values) == 1 and not any(is_stack(leaf) or is_inferred(leaf) for leaf in leaves(values))
    return values[0] if is_plain else None


def _uses(here: Here, item: Item) -> list[str]:
    """The arguments, shapes and costs of an item in the last plan."""
    opened = here.workspace.open[here.file]
    planned = opened.good[0].plan if opened.good is not None else None
    rows = {row.path: row for row in planned.rows} if planned is not None else {}
    known = rows if item.kind == "layer" else {}
    return ["\n".join(f"- {_use(use, known)}" for use in item.uses[:5])] if item.uses else []


def _use(use: Use, rows: Mapping[str, Any]) -> str:
    row = rows.get(use.path)
    written = f"`{row.layer}({row.arguments})` " if row is not None and row.arguments else ""
    shapes = f"{print_specs(use.input)} → {print_specs(use.output)}" if use.input and use.output else ""
    return f"{written}{shapes} · {use.parameters:,} parameters · {use.macs:,} MACs"


def _code(text: str, language: str) -> str:
    return f"```{language}\n{text}\n```"


def signature_help(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """The signature of the call around the cursor, and the argument that is being written."""
    here = Here.of(workspace, params)
    if here is None or not here.is_in_layers or (call := here.spot.call) is None:
        return None
    block, entry = here.block(call.name), here.entry(call.name)
    if block is not None:
        label, arguments, said = block.header, list(block_arguments(block)), ""
    elif entry is not None:
        label, arguments, said = signature_of(entry), list(arguments_of(entry)), documentation(entry)
    else:
        return None
    active = arguments.index(call.keyword) if call.keyword in arguments else call.index
    found = {
        "label": label,
        "documentation": {"kind": "markdown", "value": said.split("\n\n")[0]},
        "parameters": [{"label": _within(label, one)} for one in arguments],
    }
    return {"signatures": [found], "activeSignature": 0, "activeParameter": min(active, max(len(arguments) - 1, 0))}


def _within(label: str, argument: str) -> list[int]:
    """The offsets of an argument in a signature."""
    found = re.search(rf"[(,] *({re.escape(argument)})\b", label)
    return list(found.span(1)) if found else [0, 0]
