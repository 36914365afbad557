"""``lsp``: the language server for editors."""

from __future__ import annotations

import typer

from assembler.words import say


def lsp() -> None:
    """Serve an editor over the standard input and output (LSP).

    Editors start it: see the page on editors in the documentation.
    """
    try:
        from assembler.editor.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("pygls", "lsprotocol", "attrs", "cattrs"):
            raise
        say("the language server needs pygls: pip install 'assembler[editor]'", err=True)
        raise typer.Exit(2) from None
    serve()
