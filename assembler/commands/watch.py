"""``watch``: the plan of a recipe, updated whenever it is saved."""

from __future__ import annotations

import sys
import time
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assembler.analysis import LayerMemory, Project
from assembler.analysis.files import files_of
from assembler.analysis.project import Projects
from assembler.commands.project import ConfigDir, complete_recipe
from assembler.errors import AssemblerError, Place, noted
from assembler.files import short
from assembler.live.follow import whenever_changed
from assembler.runtime.limits import Budget
from assembler.words import say

if TYPE_CHECKING:
    from assembler.live.shown import LivePage


def watch(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A file or a name.", autocompletion=complete_recipe)],
    page: Annotated[
        bool, typer.Option("--page", help="Show it as a page in the browser, which only this machine can open.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Of the page; by default, any that is free.")
    ] = 0,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    config_dir: ConfigDir = None,
) -> None:
    """Show the plan of a recipe, anew whenever it is saved.

    With --page, --port or --open, it is a page with text, errors, diagram and layers, whose address it prints.

    Ctrl-C stops it. It watches the recipe, the files that its `defaults` include, its network file with the files that
    this is based on, and the registry. Layers in Python are imported once.
    """
    project = Project.at(config_dir)
    folder, file = project.folder, project.recipe(recipe)
    live = _served(file, port, open_) if page or open_ or port else None
    projects, memory = Projects(), LayerMemory()
    budget, found = Budget(), [file]

    def files() -> list[Path]:
        nonlocal budget, found
        budget, found = Budget(Place(label=short(file))), [file]  # for each look at the files and what is shown of them
        with suppress(AssemblerError), budget:  # what is shown reports it
            found = files_of(file, Project(folder))
        return found

    def look() -> None:
        if live is not None:
            live.look(projects.at(folder), found, budget, memory)
        else:
            show(file, projects.at(folder), budget, memory)

    whenever_changed(files, look)


def _served(file: Path, port: int, is_opened: bool) -> LivePage:
    """Serve the page of a recipe, and print its address.

    Raises:
        SettingsError: the port cannot be used.
    """
    from assembler.live.feed import Feed
    from assembler.live.server import Server
    from assembler.live.shown import LivePage
    from assembler.views.page import live_page

    feed = Feed()
    guard = Server(live_page(file.stem), feed, port).guard
    say(f"{guard.address}\nThe page of {short(file)}, for this machine only. Ctrl-C ends it.")
    sys.stdout.flush()  # planning takes a moment, and the output may be a file
    if is_opened and not webbrowser.open(guard.address_for_once()):
        say("no browser can be opened here", err=True)
    return LivePage(file, feed.publish)


def show(file: Path, project: Project, budget: Budget, memory: LayerMemory) -> None:
    """Clear the screen and print the plan or the errors."""
    from assembler.live.shown import analysed
    from assembler.views.summary import make_console, print_plan

    console = make_console()
    console.clear()
    errors: list[AssemblerError] = []
    with noted(errors), budget:
        found = analysed(file, project, memory)
        errors += found.errors or found.reading.open
        if not errors and found.plan is not None:
            print_plan(console, f"{file.stem}, {time.strftime('%H:%M:%S')}", found.plan)
    for error in errors:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
