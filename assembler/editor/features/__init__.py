"""What the worker answers: one function per feature of LSP, ``(workspace, params) → the result`` as plain JSON.

To add a feature: write its function in a module here, and add a line to ``FEATURES`` and, in
``assembler.editor.server``, to ``ANSWERS``. A function is called with the unsaved texts in place, within the limits of
untrusted files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assembler.editor.features.commands import command
from assembler.editor.features.hints import inlay_hints
from assembler.editor.features.lens import code_lenses
from assembler.editor.features.outline import document_symbols, folding_ranges
from assembler.editor.workspace import Workspace

FEATURES: Mapping[str, Callable[[Workspace, Mapping[str, Any]], Any]] = {
    "textDocument/documentSymbol": document_symbols,
    "textDocument/foldingRange": folding_ranges,
    "textDocument/inlayHint": inlay_hints,
    "textDocument/codeLens": code_lenses,
    "workspace/executeCommand": command,
}
"""By the method of LSP."""

AFTER_PLAN = frozenset({"textDocument/inlayHint", "textDocument/codeLens"})
"""Features that wait until the file's plan is known."""
