"""``textDocument/codeLens``: the size of the model, and commands, above its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assembler.analysis.files import is_known, kind_of
from assembler.editor.features.commands import TITLES
from assembler.editor.features.common import file_of
from assembler.editor.workspace import Opened, Workspace
from assembler.planning.plan import Plan
from assembler.reading.places import keys_of
from assembler.words import counted, print_bytes

_KEYS = ("stack", "graph", "backbone", "network", "file")
"""The key of the layers of a recipe or a network file."""


def code_lenses(workspace: Workspace, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lenses of a recipe; of other files none. While a text cannot be planned, only the commands are there."""
    file = file_of(params)
    opened = workspace.open.get(file) if file is not None else None
    if file is None or opened is None or not is_known(file) or kind_of(file) != "recipe":
        return []
    named = {key.name: key.span for key in keys_of(file)}
    span = next((named[name] for name in _KEYS if name in named), None)
    place = workspace.lines(file).position(span.line if span else 0, 0)
    where = {"start": place, "end": place}
    uri = params["textDocument"]["uri"]
    lenses = [
        {"range": where, "command": {"title": title, "command": f"assembler.{name}", "arguments": [uri]}}
        for name, title in {**TITLES, "page": "page"}.items()
    ]
    planned = _plan(opened)
    size = [{"range": where, "command": {"title": summary(planned), "command": ""}}] if planned is not None else []
    return size + lenses


def _plan(opened: Opened) -> Plan | None:
    return opened.analysis.plan if opened.analysis is not None else None


def summary(planned: Plan) -> str:
    """``12 layers · 61,706 parameters · 833,040 MACs · 241.0 KiB``, the memory being that of the parameters."""
    layers, parameters = counted(len(planned.rows), "layer"), counted(planned.parameters, "parameter")
    return f"{layers} · {parameters} · {planned.macs:,} MACs · {print_bytes(planned.parameter_memory)}"
