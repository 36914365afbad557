"""``watch``: the plan of a recipe, updated whenever it is saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from assembler.analysis.analyse import analyse
from assembler.analysis.files import files_of
from assembler.analysis.project import Project
from assembler.commands.project import ConfigDir, complete_recipe
from assembler.errors import AssemblerError, Place, noted
from assembler.files import short
from assembler.runtime import exits
from assembler.runtime.limits import Budget

_PAUSE = 0.1
"""Polling interval in seconds; there are few files, so polling is cheap."""


def watch(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A file or a name.", autocompletion=complete_recipe)],
    config_dir: ConfigDir = None,
) -> None:
    """Show the plan of a recipe, anew whenever it is saved.

    Ctrl-C stops it. It watches the recipe, the files that its `defaults` include, its network file with the files that
    this is based on, and the registry. Layers in Python are imported once.
    """
    folder = Project.at(config_dir).folder
    file = Project(folder).recipe(recipe)

    budget = Budget()

    def files() -> list[Path]:
        nonlocal budget
        budget = Budget(Place(label=short(file)))  # for each look at the files and what is shown of them
        with suppress(AssemblerError), budget:  # `show` reports it
            return files_of(file, Project(folder))
        return [file]

    whenever_changed(files, lambda: show(file, Project(folder), budget))


def whenever_changed(files: Callable[[], Iterable[Path]], do: Callable[[], None]) -> None:
    """Call a function now, and again whenever one of the files changes, as long as its output can be printed.

    Some editors replace a file, others write into it; both change its time, size or inode number.
    """
    before = None
    while not exits.is_unread():
        now = {file: _state(file) for file in files()}
        if now != before:
            do()
            before = now
        time.sleep(_PAUSE)


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def show(file: Path, project: Project, budget: Budget) -> None:
    """Clear the screen and print the plan or the errors."""
    from assembler.views.summary import make_console, print_plan

    console = make_console()
    console.clear()
    errors: list[AssemblerError] = []
    with noted(errors), budget:
        found = analyse(file, project, shapes=True)
        errors += found.errors or found.reading.open
        if not errors and found.plan is not None:
            print_plan(console, f"{file.stem}, {time.strftime('%H:%M:%S')}", found.plan)
    for error in errors:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
