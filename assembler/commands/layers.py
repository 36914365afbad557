"""``layers``: list the layers."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

import typer

from assembler.analysis.project import Project
from assembler.commands.project import ConfigDir, complete_layer, entries_of, print_rows
from assembler.errors import AssemblerError, SettingsError
from assembler.registry.entries import Entry
from assembler.words import suggestion


def layers(
    pattern: Annotated[
        str, typer.Argument(help="Part of a name, or a pattern such as 'Conv*'.", autocompletion=complete_layer)
    ] = "*",
    config_dir: ConfigDir = None,
) -> None:
    """List the layers of recipes with their arguments.

    In a file or a pipe, columns are separated by tabs.
    """
    known = entries_of(Project.at(config_dir).registry)
    found = [entry for entry in known if _fits(entry, pattern)]
    if not found:
        hint = suggestion(pattern, [entry.name for entry in known])
        raise SettingsError(f"no layer matches {pattern!r}.{hint}")
    rows = [(entry.name, scope_of_entry(entry), _arguments(entry), ", ".join(entry.infer)) for entry in found]
    print_rows(("layer", "scope", "arguments", "may be _"), rows)


def _fits(entry: Entry, pattern: str) -> bool:
    pattern = pattern.casefold()
    pattern = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return any(fnmatchcase(name.casefold(), pattern) for name in (entry.name, entry.full_name))


def scope_of_entry(entry: Entry) -> str:
    """``mindspore`` for an entry of ``registry.mindspore``; empty for a layer registered in Python, without a scope."""
    return entry.full_name.rpartition(".")[0]


def _arguments(entry: Entry) -> str:
    try:
        return entry.arguments_text()
    except AssemblerError as error:
        return f"({error.message})"
