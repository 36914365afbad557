"""Schemas of layers in a recipe."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from assembler.errors import AssemblerError
from assembler.language.recipe import INFER, Block, print_value
from assembler.registry.entries import Entry, input_name
from assembler.views.schema.models import Node

NAME = r"^[^\W\d]\w*$"
"""A name in a recipe."""

_HEADER = r"^\s*[^\W\d]\w*\s*(\(.*\))?\s*$"


def ref(name: str) -> Node:
    """A reference to a definition."""
    return {"$ref": f"#/definitions/{name}"}


_VALUE, _GIVEN = ref("value"), ref("given")
_THEIRS = ("mindspore", "mindcv")
"""Packages whose docstrings are not copied into schemas."""


def definitions(entries: Iterable[Entry], blocks: Mapping[str, Block]) -> Node:
    """Definitions of all forms of layers, and of each layer's arguments."""
    layers = {_name(entry): _layer(entry) for entry in entries}
    shipped = {name: _block(block) for name, block in blocks.items() if name not in layers}
    known = {name: ref(f"layer {name}") for name in [*layers, *shipped]}
    graph = {"graph": ref("graph"), "inputs": {"type": "array"}, "outputs": ref("outputs")}
    return {
        "stack": {"type": ["string", "array"], "minLength": 1, "minItems": 1, "items": ref("item")},
        "item": {"type": ["string", "object"], "minLength": 1, "allOf": [ref("layer")]},
        "part": {
            "type": ["string", "array", "object"],
            "minItems": 1,
            "items": ref("item"),
            "if": {"required": ["stack"], "type": "object"},
            "then": {"properties": {"stack": ref("stack")}, "maxProperties": 1},
            "else": ref("layer"),
        },
        "layer": {
            "description": "A layer or a block with its arguments: {Dense: {in_channels: 8, out_channels: 128}}.",
            "minProperties": 1,
            "if": {"required": ["graph"], "type": "object"},
            "then": {"properties": graph, "additionalProperties": False},
            "else": {"properties": known, "additionalProperties": ref("arguments"), "maxProperties": 1},
        },
        "arguments": {"type": ["object", "array", "null", "string"], "items": _VALUE, "additionalProperties": _VALUE},
        "value": {
            "if": {"required": ["stack"], "type": "object"},
            "then": {"properties": {"stack": ref("part")}, "maxProperties": 1},
        },
        "given": {
            "allOf": [_VALUE],
            "pattern": "^(?!_$)",
            "patternErrorMessage": "this argument cannot be inferred from the input; write its value",
        },
        "graph": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": NAME},
            "additionalProperties": ref("part"),
        },
        "outputs": {"type": ["string", "array", "null"], "items": {"type": "string"}, "minItems": 1},
        "blocks": {"type": "object", "propertyNames": {"pattern": _HEADER}, "additionalProperties": ref("part")},
        **{f"layer {name}": node for name, node in {**layers, **shipped}.items()},
    }


def _name(entry: Entry) -> str:
    """The name in mappings: with the scope for a library's layer, because the short name may not be unique."""
    return entry.name if entry.scope.startswith("registry.") else entry.full_name


def _layer(entry: Entry) -> Node:
    """The arguments of a layer in a mapping."""
    try:
        parameters = entry.parameters
        said = f"{entry.describe()}\n\n{entry.target}"
    except AssemblerError:  # such as a library that is not installed
        return {**_taking({}, [], None, True), "description": entry.target}
    summary, told = ("", {}) if entry.target.partition(".")[0] in _THEIRS else _docs(entry.implementation)
    properties = {}
    for name, one in parameters.items():
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            properties[name] = _argument(entry, name, one, told.get(name))
    required = [name for name in properties if parameters[name].default is inspect.Parameter.empty]
    required = [name for name in required if name not in entry.defaults]
    kinds = [one.kind for one in parameters.values()]
    slots = sum(kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
    most = None if inspect.Parameter.VAR_POSITIONAL in kinds else slots
    node = _taking(properties, required, most, inspect.Parameter.VAR_KEYWORD in kinds)
    return {"title": _name(entry), **node, "description": f"{summary}\n\n{said}".strip()}


def _taking(properties: Node, required: list[str], most: int | None, others: bool) -> Node:
    """Arguments by name in a mapping, or by position in a list."""
    node: Node = {"type": ["object", "array", *([] if required else ["null"])], "properties": properties}
    node["additionalProperties"] = _VALUE if others else False
    node["items"] = _VALUE
    if required:
        node |= {"required": required, "minItems": len(required)}
    return node if most is None else {**node, "maxItems": most}


def _argument(entry: Entry, name: str, parameter: inspect.Parameter, said: str | None) -> Node:
    default = entry.defaults.get(name, parameter.default)
    node: Node = {"allOf": [_VALUE if name in entry.infer or entry.inferred_number else _GIVEN]}
    words = [said] if said else []
    if default is not parameter.empty:
        words.append(f"Default: {print_value(default)}.")
        if default is not INFER and default is not None and _is_json(default):
            node["default"] = default
    if name in entry.infer:
        number, axis = entry.source(name)
        words.append(f"`_` infers it from axis {axis} of {input_name(number)}.")
    return {**node, "description": " ".join(words)} if words else node


def _is_json(value: Any) -> bool:
    return isinstance(value, bool | int | str) or (isinstance(value, float) and json.loads(json.dumps(value)) == value)


def _block(block: Block) -> Node:
    """The arguments of a shipped block in a mapping; a recipe may define its own block with the same name."""
    properties: Node = {
        name: {"allOf": [_VALUE], **({} if default is ... else {"description": f"Default: {print_value(default)}."})}
        for name, default in block.defaults.items()
    }
    node = _taking(properties, [], None, True)
    return {
        "title": block.name,
        **node,
        "description": f"{block}, a block of {block.place.key}; include it by `defaults`.",
    }


def _docs(implementation: Any) -> tuple[str, dict[str, str]]:
    """The first paragraph of a docstring, and its Args."""
    text = inspect.getdoc(implementation) or ""
    found = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    items = re.findall(r"^ {4}(\w+): (.*?)(?=^ {4}\S|\Z)", found[1], re.MULTILINE | re.DOTALL) if found else []
    summary = text.partition("\n\n")[0].replace("\n", " ")
    return _plain(summary), {name: f"{_plain(said)}" for name, said in items}


def _plain(text: str) -> str:
    said = " ".join(text.split()).replace("``", "`")
    return said[:1].upper() + said[1:]
