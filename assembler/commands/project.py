"""What several commands have: their options and completions, and how they print rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from assembler.analysis.project import Project
from assembler.errors import AssemblerError
from assembler.reading.recipe_paths import PROJECT
from assembler.registry.entries import Entry
from assembler.registry.registry import Registry
from assembler.words import make_console, make_table, make_text, say

ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config-dir", metavar="DIR", help="The folder with recipe/ and registry/; by default conf, if it exists."
    ),
]


def complete_recipe(context: typer.Context, incomplete: str) -> Iterator[str]:
    """The names of recipes, for shell completion."""
    return (name for name in _quietly(context).recipes if name.startswith(incomplete))


def complete_name(context: typer.Context, incomplete: str) -> Iterator[str]:
    """The names of recipes, blocks and layers, for shell completion."""
    yield from complete_recipe(context, incomplete)
    yield from (name for name in _quietly(context).blocks if name.startswith(incomplete))
    yield from complete_layer(context, incomplete)


def complete_layer(context: typer.Context, incomplete: str) -> Iterator[str]:
    """The names of layers, for shell completion."""
    try:
        known = entries_of(_quietly(context).registry)
        names = (name for entry in known for name in (entry.name, entry.full_name))
        return (name for name in names if name.startswith(incomplete))
    except AssemblerError:
        return iter(())


def _quietly(context: typer.Context) -> Project:
    folder = context.params.get("config_dir")
    return Project(Path(folder) if folder else PROJECT if PROJECT.is_dir() else None)


def entries_of(registry: Registry) -> list[Entry]:
    """All layers of a registry, including those of libraries."""
    return list(registry.all_entries())


def on_terminal() -> bool:
    """Whether the output is a terminal."""
    return sys.stdout.isatty()


def print_rows(names: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table on a terminal; elsewhere, lines with columns separated by tabs.

    Args:
        right: the names of the columns that contain numbers.
    """
    if not on_terminal():
        for row in rows:
            say("\t".join(row))
        return
    table = make_table()
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name in right else "left")
    for row in rows:
        table.add_row(*map(make_text, row))
    make_console().print(table)
