"""``watch``: the plan of a recipe, updated whenever it is saved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from assembler.commands.project import ConfigDir, Project, complete_recipe
from assembler.errors import AssemblerError, Place
from assembler.files import short
from assembler.live.follow import whenever_changed
from assembler.reading.recipe_files import load_recipe, recipe_files
from assembler.runtime.limits import Budget
from assembler.yolo import network_files


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


def files_of(file: Path, project: Project) -> list[Path]:
    """The files that a recipe's plan depends on."""
    taken_up: list[Path] = []
    with suppress(AssemblerError):  # `show` reports it
        taken_up = [path for paths in recipe_files(file).values() for path in paths]
    registries = (path for paths in project.registry_files.values() for path in paths)
    network: list[Path] = []
    with suppress(AssemblerError):
        data = load_recipe(file)
        if isinstance(data, Mapping) and isinstance(data.get("file"), str):
            network = network_files(data["file"])
    return [file, *taken_up, *network, *registries]


def show(file: Path, project: Project, budget: Budget) -> None:
    """Clear the screen and print the plan or the errors."""
    from assembler.api import plan
    from assembler.views.summary import make_console, print_plan

    console = make_console()
    console.clear()
    try:
        with budget:
            planned = plan(file, registry=project.registry)
    except AssemblerError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
    else:
        print_plan(console, f"{file.stem}, {time.strftime('%H:%M:%S')}", planned)
