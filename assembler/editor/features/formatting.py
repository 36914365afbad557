"""``textDocument/formatting``: recipe texts with the spaces that the assembler prints; all else stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from assembler.analysis.document import Document
from assembler.analysis.regions import Region
from assembler.analysis.tokens import WORDS, Token, tokens_of
from assembler.editor.features.common import file_of
from assembler.editor.workspace import Workspace
from assembler.errors import AssemblerError
from assembler.language.graph_lines import parse_line
from assembler.language.recipe import Source, Stack

_FORMATTED = ("stack", "graph", "blocks", "shared")


def formatting(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """The edits that write each recipe text with one space around operators and after commas.

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
        now = printed(text)
        if now is not None and now != document.text[start:end]:
            edits.append({"range": {"start": lines.at(start), "end": lines.at(end)}, "newText": now})
    return edits


def _texts(document: Document) -> Iterator[tuple[Region, str]]:
    for region, form in document.forms:
        is_text = region.path[0] in _FORMATTED and form.value == "layers"
        text = document.text[slice(*region.value)]
        if is_text and text and text[0] not in "'\"{[&*!" and "${" not in text:
            yield region, text


def printed(text: str) -> str | None:
    """A text with the assembler's spaces; None if it cannot be parsed, or would be another recipe.

    Numbers, quotes, brackets and line breaks stay as they are written.
    """
    now = _spaced(text)
    try:
        if _read(text) != _read(now):
            return None
    except (AssemblerError, RecursionError):
        return None
    return None if re.search(r": |\s#", now) else now  # what YAML would read in another way


def _read(text: str) -> tuple[Stack, list[Source]]:
    """A text as data, without its places."""
    body, sources = parse_line(text, "")
    return body, [(name, element) for name, element, _ in sources]


def _spaced(text: str) -> str:
    """A text with one space around operators and after commas, and none inside brackets; lines end where they did."""
    parts: list[str] = []
    depth = 0
    before: Token | None = None
    end = 0
    for token in tokens_of(text):
        is_first = before is None or (before.kind == "sign" and before.text not in (")", "]", "}"))
        is_unary = is_first or (before is not None and before.text in WORDS - {"_"})
        space = text[end : token.start]
        parts += space if "\n" in space else _gap(before, token, depth), token.text
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        before = Token("sign", "unary", 0, 0) if is_unary and token.text in ("-", "+", "*", "**") else token
        end = token.end
    return "".join(parts)


def _gap(before: Token | None, token: Token, depth: int) -> str:
    """The space between two tokens of a line."""
    if before is None or before.text in ("(", "[", "{", "unary", ":") or token.text in (")", "]", "}", ",", ":"):
        return ""
    if token.text in ("(", "["):
        is_applied = (before.kind == "name" and before.text not in WORDS) or before.text in (")", "]", "=")
        return "" if is_applied else " "
    return "" if "=" in (before.text, token.text) and depth else " "
