"""``textDocument/documentSymbol`` and ``foldingRange``: a file's keys, its blocks, and what can be folded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assembler.editor.features.common import file_of
from assembler.editor.workspace import Workspace
from assembler.reading.places import Key, keys_of

_MODULE, _FUNCTION, _VARIABLE, _FIELD = 2, 12, 13, 8
"""Kinds of symbols in LSP."""

_INSIDE = {"blocks": _FUNCTION, "shared": _VARIABLE, "params": _VARIABLE, "graph": _FIELD, "stack": _FIELD,
           "checks": _FIELD, "backbone": _FIELD, "neck": _FIELD, "head": _FIELD}  # fmt: skip
"""Keys of a recipe or a network whose keys or items are symbols as well, and of which kind."""

MAX_SYMBOLS = 2000
"""Symbols of one file."""


def document_symbols(workspace: Workspace, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The outline of a file. While its YAML is broken, it has none."""
    if (file := file_of(params)) is None:
        return []
    if file.parent.name in ("blocks", "registry"):
        return [_symbol(workspace, file, key, _FUNCTION) for key in keys_of(file)[:MAX_SYMBOLS]]
    return [_symbol(workspace, file, key, _MODULE) for key in keys_of(file)]


def _symbol(workspace: Workspace, file: Path, key: Key, kind: int) -> dict[str, Any]:
    inner = _INSIDE.get(key.name) if kind == _MODULE else None
    children = key.children[:MAX_SYMBOLS] if inner is not None else ()
    lines = workspace.lines(file)
    return {
        "name": _title(key) or "?",
        "detail": " ".join(key.value.split())[:80] if key.value is not None and _title(key) == key.name else "",
        "kind": kind,
        "range": lines.range(key.whole),
        "selectionRange": lines.range(key.span),
        "children": [_symbol(workspace, file, child, inner or _FIELD) for child in children],
    }


def _title(key: Key) -> str:
    """A key's name; of an item of a list, what it says: ``3 * Unit(8)``, or the module of a network's row."""
    if not key.name.isdigit():
        return key.name
    said = key.value if key.value is not None else " ".join(one.value or one.name for one in key.children)
    return " ".join(said.split())[:80] or key.name


def folding_ranges(workspace: Workspace, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Keys and items of several lines, and comments of several lines."""
    if (file := file_of(params)) is None:
        return []
    pairs = dict.fromkeys(_spans(keys_of(file)))
    keys = [{"startLine": first, "endLine": last} for first, last in pairs]
    return [*keys, *_comments(workspace.lines(file).text)]


def _spans(keys: Sequence[Key]) -> Iterator[tuple[int, int]]:
    for key in keys:
        if key.whole.end_line > key.whole.line:
            yield key.whole.line, key.whole.end_line
        yield from _spans(key.children)


def _comments(text: str) -> Iterator[dict[str, Any]]:
    """Comments that fill several lines one after the other."""
    for found in re.finditer(r"(?:^[ \t]*#[^\n]*\n){2,}", f"{text}\n", re.MULTILINE):
        first = text.count("\n", 0, found.start())
        yield {"startLine": first, "endLine": first + found[0].count("\n") - 1, "kind": "comment"}
