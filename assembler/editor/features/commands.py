"""``workspace/executeCommand``: the command line that runs, plans, checks or measures a recipe.

The server runs nothing itself: it answers with the command line, and the editor runs it in a terminal, where a person
sees it and can stop it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from assembler.editor.features.common import path_of
from assembler.editor.workspace import Workspace

TITLES = {"run": "run", "plan": "plan", "bench": "bench"}
"""Commands of the assembler that take a recipe, and their titles in a lens."""


def command(workspace: Workspace, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """``assembler.plan`` of a recipe's URI → ``{"command": ["python", "-m", "assembler", "plan", FILE], "cwd": …}``."""
    name = params["command"].removeprefix("assembler.")
    arguments = params.get("arguments") or []
    file = path_of(arguments[0]) if arguments and isinstance(arguments[0], str) else None
    if name not in TITLES or file is None:
        return None
    shown = str(file.relative_to(workspace.root)) if file.is_relative_to(workspace.root) else str(file)
    return {"command": [sys.executable, "-m", "assembler", name, shown], "cwd": str(workspace.root)}
