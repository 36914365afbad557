"""What features share: files by their URI, and diagnostics as LSP has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from assembler.analysis import Diagnostic
from assembler.editor.workspace import Workspace

_SEVERITY = {"error": 1, "warning": 2, "information": 3}


def path_of(uri: str) -> Path | None:
    """The file of a URI; None of texts that are in no file, such as ``untitled:Untitled-1``."""
    parts = urlsplit(uri)
    return Path(url2pathname(parts.path)).resolve() if parts.scheme == "file" else None


def file_of(params: Mapping[str, Any]) -> Path | None:
    """The file that a request is about, if it is one."""
    return path_of(params["textDocument"]["uri"])


def as_lsp(workspace: Workspace, file: Path, found: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """The diagnostics of a file for ``textDocument/publishDiagnostics``."""
    lines = workspace.lines(file)
    return [
        {
            "range": lines.range(one.span),
            "severity": _SEVERITY[one.severity],
            "code": one.code,
            "source": "assembler",
            "message": one.message,
            "data": {"suggestions": list(one.suggestions), "mend": asdict(one.mend) if one.mend is not None else {}},
            "relatedInformation": [
                {
                    "location": {"uri": span.file.resolve().as_uri(), "range": workspace.lines(span.file).range(span)},
                    "message": text,
                }
                for span, text in one.related
            ],
        }
        for one in found
    ]
