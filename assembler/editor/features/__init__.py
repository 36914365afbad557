"""What the worker answers: one function per feature of LSP, ``(workspace, params) → the result`` as plain JSON.

To add a feature: write its function in a module here, and add a line to ``FEATURES`` and, in
``assembler.editor.server``, to ``ANSWERS``. A function is called with the unsaved texts in place, within the limits of
untrusted files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assembler.editor.features.commands import command
from assembler.editor.features.completion import completion, resolve
from assembler.editor.features.fixes import code_actions
from assembler.editor.features.formatting import formatting
from assembler.editor.features.hints import inlay_hints
from assembler.editor.features.hover import hover, signature_help
from assembler.editor.features.lens import code_lenses
from assembler.editor.features.navigation import definition, document_highlights, prepare_rename, references, rename
from assembler.editor.features.outline import document_symbols, folding_ranges
from assembler.editor.workspace import Workspace

HIGHLIGHTS = "textDocument/documentHighlight"
"""The feature that editors ask for wherever the cursor rests."""

FEATURES: Mapping[str, Callable[[Workspace, Mapping[str, Any]], Any]] = {
    "textDocument/documentSymbol": document_symbols,
    "textDocument/foldingRange": folding_ranges,
    "textDocument/inlayHint": inlay_hints,
    "textDocument/codeLens": code_lenses,
    "textDocument/completion": completion,
    "completionItem/resolve": resolve,
    "textDocument/hover": hover,
    "textDocument/signatureHelp": signature_help,
    "textDocument/definition": definition,
    "textDocument/references": references,
    HIGHLIGHTS: document_highlights,
    "textDocument/prepareRename": prepare_rename,
    "textDocument/rename": rename,
    "textDocument/codeAction": code_actions,
    "textDocument/formatting": formatting,
    "workspace/executeCommand": command,
}
"""By the method of LSP."""

AFTER_PLAN = frozenset({"textDocument/inlayHint", "textDocument/codeLens"})
"""Features that wait until the file's plan is known."""

RENAME = "textDocument/rename"
"""The feature that says why, when it refuses."""
