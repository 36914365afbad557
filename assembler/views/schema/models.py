"""Pydantic's models as JSON Schema draft-07, which YAML editors support.

Pydantic writes draft 2020-12. This module resolves its references, puts null into ``type``, and selects members of a
tagged union by tag, so that an editor reports an error at its key, not for a whole mapping that fits no alternative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from assembler.views.schema.words import DESCRIPTIONS

Node: TypeAlias = dict[str, Any]

OPEN = r"\$\{|^\?\?\?$"
"""A value that Hydra resolves: an interpolation, or a missing value."""

_KINDS = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_KEPT = (
    *("type", "const", "required", "pattern", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minProperties", "maxProperties"),
)


def schema_of(model: Any) -> Node:
    """The schema of a model, or of a union of models."""
    written = TypeAdapter(model).json_schema()
    return _draft7(written, written.get("$defs", {}))


def _draft7(node: Any, models: Mapping[str, Any]) -> Any:
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _draft7({**models[node["$ref"].rpartition("/")[2]], **_without(node, "$ref")}, models)
    if "discriminator" in node:
        return _tagged([_draft7(member, models) for member in node["oneOf"]], node["discriminator"]["propertyName"])
    if "anyOf" in node:
        return _any_of(node, models)
    found = {name: node[name] for name in _KEPT if name in node}
    if "enum" in node:
        return _said(node, {"anyOf": [{"enum": node["enum"]}, _opened({"type": "string"})]})
    if "properties" in node:
        owner = str(node.get("title"))
        found["properties"] = {
            name: _described(_draft7(inner, models), owner, name) for name, inner in node["properties"].items()
        }
    if "prefixItems" in node:
        found["items"] = [_draft7(item, models) for item in node["prefixItems"]]
        found["additionalItems"] = _draft7(node.get("items", True), models)
    elif "items" in node:
        found["items"] = _draft7(node["items"], models)
    if "additionalProperties" in node:
        found["additionalProperties"] = _draft7(node["additionalProperties"], models)
    return _said(node, _opened(found) if found.get("type") in _KINDS else found)


def _without(node: Node, *names: str) -> Node:
    return {name: value for name, value in node.items() if name not in names}


def _said(node: Node, found: Node) -> Node:
    """The same with its description and default, if any."""
    default = node.get("default")
    if "description" in node:
        found["description"] = node["description"].replace("``", "`")
    if default not in (None, {}, []) and not (isinstance(default, float) and math.isinf(default)):
        found["default"] = default
    return found


def _described(node: Node, owner: str, name: str) -> Node:
    said = DESCRIPTIONS.get(f"{owner}.{name}")
    return {**node, "description": said} if said else node


def _opened(node: Node) -> Node:
    """The same, or a string that Hydra resolves."""
    kind = node["type"]
    said = f"must be {_KINDS[kind]}, or an interpolation such as ${{recipe.params.width}}" if kind in _KINDS else ""
    told = {"patternErrorMessage": said} if said else {}
    return {**node, "type": kind if kind == "string" else [kind, "string"], "pattern": OPEN, **told}


def nullable(node: Node) -> Node:
    """The same, or null."""
    if "type" in node:
        kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
        return {**node, "type": [*kinds, "null"]}
    return {**node, "anyOf": [*node["anyOf"], {"type": "null"}]} if "anyOf" in node else node


def _any_of(node: Node, models: Mapping[str, Any]) -> Node:
    members = [member for member in node["anyOf"] if member != {"type": "null"}]
    if len(members) == 1:
        found = _draft7(members[0], models)
    else:
        found = {"anyOf": [_draft7(member, models) for member in members]}
    return _said(node, nullable(found) if len(members) < len(node["anyOf"]) else found)


def _tagged(members: list[Node], tag: str) -> Node:
    names = [member["properties"][tag]["const"] for member in members]
    chosen = [
        {"if": {"properties": {tag: {"const": name}}, "required": [tag]}, "then": member}
        for name, member in zip(names, members, strict=True)
    ]
    return {"type": "object", "properties": {tag: {"enum": names}}, "required": [tag], "allOf": chosen}
