"""``validate``: all errors in files that can be found without planning them."""

from __future__ import annotations

from typing import Annotated

import typer

from assembler.analysis.analyse import analyse
from assembler.analysis.project import Project
from assembler.commands.project import ConfigDir, complete_recipe
from assembler.errors import AssemblerError, Place, flatten, noted
from assembler.files import short
from assembler.runtime.limits import Budget
from assembler.words import say


def validate(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", hidden=True, autocompletion=complete_recipe),
    ],
    plan: Annotated[bool, typer.Option("--plan", help="Plan the recipes as well.")] = False,
    config_dir: ConfigDir = None,
) -> None:
    """Report every error in files; run nothing.

    FILE is a file of a recipe, a registry or blocks, or a recipe's name. Files in folders named registry and blocks
    are read as such. The layers of blocks are looked up when a recipe uses them. Exit code 2 if there is an error.
    """
    project = Project.at(config_dir)
    wrong, told = 0, set[str]()
    for said in files:
        mistakes: list[AssemblerError] = []
        notes: list[str] = []
        with noted(mistakes), Budget(Place(label=said)):
            file = project.recipe(said)
            found = analyse(file, project, shapes=plan)
            mistakes += found.errors or (found.reading.open if plan else [])
            notes = found.reading.notes
        messages = dict.fromkeys(map(str, flatten(mistakes)))
        for message in messages:
            if message not in told:  # an error in a file that several include is reported once
                say(message, err=True)
        told.update(messages)
        for note in notes:
            say(f"{short(file)}: {note}")
        wrong += bool(mistakes)
    of = "1 file" if len(files) == 1 else f"{len(files)} files"
    if wrong:
        say(f"{of}, {wrong} with errors")
        raise typer.Exit(2)
    say(f"{of}, no errors")
