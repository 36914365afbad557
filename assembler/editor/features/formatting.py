"""``textDocument/formatting``: recipe texts as the assembler prints them; all else stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from assembler.analysis.names import Document
from assembler.analysis.regions import Region
from assembler.editor.features.common import file_of
from assembler.editor.workspace import Workspace
from assembler.errors import AssemblerError
from assembler.language.grammar import parse, parse_line
from assembler.language.recipe import Chain, Wire

WIDTH = 120
"""Columns of a line."""

_FORMATTED = ("stack", "graph", "blocks", "shared")


def formatting(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """The edits that print each recipe text anew: spaces around operators and after commas, brackets where needed.

    A text that cannot be parsed, or that has a reference ``${…}`` or quotes around it, is left as it is.
    """
    file = file_of(params)
    if file is None or file.parent.name == "registry":
        return []
    lines = workspace.lines(file)
    document = Document(file, lines.text, file.parent.name == "blocks")
    edits = []
    for region, text in _texts(document):
        start, end = region.value
        now = printed(text, region, document.text)
        if now is not None and now != document.text[start:end]:
            edits.append({"range": {"start": lines.at(start), "end": lines.at(end)}, "newText": now})
    return edits


def _texts(document: Document) -> Iterator[tuple[Region, str]]:
    parents = {region.path[:count] for region in document.regions for count in range(1, len(region.path))}
    for region in document.regions:
        is_text = region.path[0] in _FORMATTED and not set(region.path[-2:]) & {"inputs", "outputs"}
        text = document.text[slice(*region.value)]
        if is_text and region.path not in parents and text and text[0] not in "'\"{[&*!" and "${" not in text:
            yield region, text


def printed(text: str, region: Region, source: str) -> str | None:
    """A text as the assembler prints it; None if it cannot be parsed, or would be another recipe.

    A text of several lines keeps its indentation and is broken before each ``+`` that does not fit.
    """
    is_wire = "graph" in region.path[-2:-1]
    if len(region.path) > 1 and region.path[0] == "stack" and region.key[0] != region.key[1]:
        is_wire = False
    flat = " ".join(text.split())
    try:
        if is_wire and "@" in flat:
            body, sources = parse_line(flat, "")
            wire = Wire("", body, tuple((name, element) for name, element, _ in sources))
            now, items = str(wire), [str(wire)]
            same = parse_line(now, "")[0] == body and [one[:2] for one in parse_line(now, "")[1]] == [
                one[:2] for one in sources
            ]
        else:
            body = parse(flat)
            now = str(body)
            items = [str(Chain((item,))) for item in body.items] if isinstance(body, Chain) else [now]
            same = parse(now) == body
    except (AssemblerError, RecursionError):
        return None
    if not same or re.search(r": |\s#", now):
        return None
    if "\n" not in text:
        return now
    start = region.value[0]
    indent = start - source.rfind("\n", 0, start) - 1
    if source[source.rfind("\n", 0, start) + 1 : start].strip():
        return None  # a plain text that begins beside its key
    return _wrapped(items, indent, "\r\n" if "\r\n" in text else "\n")


def _wrapped(items: list[str], indent: int, end: str) -> str:
    """Items in lines that begin with ``+``."""
    lines = [items[0]]
    for item in items[1:]:
        if indent + len(lines[-1]) + 3 + len(item) <= WIDTH:
            lines[-1] += f" + {item}"
        else:
            lines.append(f"+ {item}")
    return f"{end}{' ' * indent}".join(lines)
