"""JSON Schemas of the files under ``conf/``, for editors: from the registry, the checks and the models of settings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from assembler.checks import CHECKS, Check
from assembler.language.recipe import Block
from assembler.model.parameters import initializer_classes
from assembler.registry.entries import Entry
from assembler.settings import (
    CheckSettings,
    DeviceSettings,
    EntrySettings,
    FunctionSettings,
    RecipeSettings,
    Settings,
    ShowSettings,
    StoredValues,
    TaskSettings,
)
from assembler.views.schema.layers import NAME, definitions, ref
from assembler.views.schema.models import Node, nullable, schema_of

KINDS = ("recipe", "blocks", "registry", "checks", "device", "task", "show", "config")
"""The kinds of files with a schema; ``config`` is the primary configuration."""

_DEFAULTS = {
    "type": "array",
    "items": {"type": ["string", "object"]},
    "description": "The files that this one includes, in order; `_self_` is itself. See docs/recipes.md.",
}


def schemas(entries: Iterable[Entry], blocks: Mapping[str, Block]) -> dict[str, Node]:
    """A schema for each kind of file.

    Args:
        entries: the known layers.
        blocks: the known blocks.
    """
    recipe = _recipe()
    parts = {**definitions(entries, blocks), "checks": _checks(), "initializer": _initializer()}
    found = {
        "recipe": {**_needing(_file(recipe)), "definitions": parts},
        "blocks": {**_file({"type": "object", **_elsewhere(parts["blocks"])})},
        "registry": _file(_registry()),
        "checks": _file(_groups_checks()),
        "device": _file(schema_of(DeviceSettings)),
        "task": _file(schema_of(TaskSettings)),
        "show": _file(schema_of(ShowSettings)),
        "config": _file(_config(recipe)),
    }
    return {kind: {"$schema": "http://json-schema.org/draft-07/schema#", **found[kind]} for kind in KINDS}


def _file(node: Node) -> Node:
    """A whole file: it may contain Hydra's ``defaults``, and is not an interpolation."""
    node = {name: value for name, value in node.items() if name not in ("pattern", "patternErrorMessage")}
    return {**node, "type": "object", "properties": {"defaults": _DEFAULTS, **node.get("properties", {})}}


def _elsewhere(node: Any) -> Any:
    """The same for another file; references point to ``recipe.json``, which has the definitions."""
    if isinstance(node, list):
        return [_elsewhere(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {name: _elsewhere(value) for name, value in node.items()}
    if isinstance(found.get("$ref"), str) and found["$ref"].startswith("#"):
        found["$ref"] = f"recipe.json{found['$ref']}"
    return found


def _recipe() -> Node:
    """The keys of a recipe, all optional."""
    node = schema_of(RecipeSettings)
    said = node["properties"]
    special: dict[str, Node] = {
        "params": {"type": "object", "propertyNames": {"pattern": NAME}},
        "blocks": {"allOf": [ref("blocks")]},
        "shared": {"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": ref("part")},
        "stack": {"allOf": [ref("stack")]},
        "graph": {"allOf": [ref("graph")]},
        "outputs": {"allOf": [ref("outputs")]},
        "init": {"type": "object", "additionalProperties": ref("initializer")},
        "checks": {"allOf": [ref("checks")]},
    }
    for name, inner in special.items():
        said[name] = {**inner, "description": said[name]["description"]}
    return node


def _needing(node: Node) -> Node:
    """A recipe that includes no other needs its own layers and input; every recipe has at most one of each."""
    needed = (("input", "inputs"), ("stack", "graph", "file"))
    whole = [
        {
            "anyOf": [{"required": [name]} for name in names],
            "errorMessage": f"{' or '.join(map(repr, names))} is missing",
        }
        for names in needed
    ]
    of_graphs, of_files = ["inputs", "outputs"], ["scale", "classes"]
    exclude = (
        ("input", ["inputs"]),
        ("stack", ["graph", "file", *of_graphs, *of_files]),
        ("graph", ["file", *of_files]),
        ("file", ["params", "blocks", "shared", *of_graphs]),
    )
    both = [{"if": {"required": [one]}, "then": {"properties": dict.fromkeys(not_, False)}} for one, not_ in exclude]
    return {**node, "allOf": [{"if": {"required": ["defaults"]}, "else": {"allOf": whole}}, *both]}


def _checks() -> Node:
    """Checks by name, each with its arguments; a name with dots is a custom check."""
    properties = {}
    for name, check in sorted(CHECKS.items()):
        if "." not in name:
            node = {**schema_of(check.settings), "type": "object", "title": name, "description": _question(check)}
            node = {word: value for word, value in node.items() if not word.startswith("pattern")}
            properties[name] = node if node.get("required") else nullable(node)
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {r"\.": {"type": ["object", "null"]}},
        "additionalProperties": False,
    }


def _question(check: Check) -> str:
    """The description of a check, from its docstring."""
    text = inspect.getdoc(check.function) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("``", "`")


def _initializer() -> Node:
    """Initial values of a parameter."""
    names = sorted({cls.__name__ for cls in initializer_classes().values()} | {"zeros", "ones"})
    stored = {name: value for name, value in schema_of(StoredValues).items() if name not in ("type", "pattern")}
    return {
        **stored,
        "type": ["string", "number", "object"],
        "description": "A MindSpore initializer such as HeNormal(mode='fan_out'), a number, or stored values.",
        "anyOf": [{"enum": names}, {}],
    }


def _registry() -> Node:
    target = {"pattern": r"^[^\W\d]\w*(\.[^\W\d]\w*)+$", "patternErrorMessage": "must be package.module.Class"}
    function = {**target, "patternErrorMessage": "must be package.module.function"}
    of_class, of_function = (
        {
            name: value
            for name, value in schema_of(model).items()
            if name not in ("type", "pattern", "patternErrorMessage")
        }
        for model in (EntrySettings, FunctionSettings)
    )
    of_class["properties"]["target"] |= target
    of_function["properties"]["function"] |= function
    entry = {
        "type": ["object", "string"],
        "description": "A layer: its class, as package.module.Class, or a mapping with target or function.",
        **target,
        "if": {"type": "object", "required": ["function"]},
        "then": of_function,
        "else": of_class,
    }
    return {"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": entry}


def _groups_checks() -> Node:
    node = schema_of(CheckSettings)
    node["properties"]["run"] = {
        **_elsewhere({"allOf": [ref("checks")]}),
        "description": node["properties"]["run"]["description"],
    }
    return node


def _config(recipe: Node) -> Node:
    """The primary configuration, or a part of it: omitted keys have values elsewhere."""
    node = schema_of(Settings)
    said = node["properties"]
    special: dict[str, Node] = {
        "recipe": _elsewhere(deepcopy(recipe)),
        "registry": {"type": "object", "additionalProperties": _registry()},
        "checks": _groups_checks(),
        "task": {name: value for name, value in schema_of(TaskSettings).items() if name != "required"},
    }
    for name, inner in special.items():
        said[name] = {**inner, "description": said[name]["description"]}
    said["hydra"] = {"type": "object", "description": "Hydra's own settings."}
    return {name: value for name, value in node.items() if name != "required"}
