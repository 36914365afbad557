"""``new``: a recipe to begin with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import assembler
from assembler.commands.project import ConfigDir
from assembler.errors import SettingsError
from assembler.files import short, write_text
from assembler.reading.recipe_files import SHIPPED

_TEXT = """\
# {command}
{schema}# What goes in, layers, what they come to, and what to check. docs/recipes.md tells of more.
name: {name}
input: {{shape: [4, 8], sample: normal}} # the batch first
params: {{width: 16}} # change it by recipe.params.width=32
stack:
  - Dense(_, width) + ReLU # _ is read from the input
  - 2 * Residual(Dense(_, width) + ReLU) # each with weights of its own
  - Dense(_, 3) + Softmax
expect: {{output: [_, 3]}} # every plan and run is held to it
checks:
  range: {{min: 0, max: 1}}
"""


def new(
    name: Annotated[str, typer.Argument(help="Of the recipe, and of its file.")],
    config_dir: ConfigDir = None,
) -> None:
    """Write a small recipe to begin with, and say how to run it.

    It goes into recipe/ of the folder of configuration, which is made if it is not there.
    """
    if not name.isidentifier():
        raise SettingsError(f"a recipe's name is of letters, digits and _, not {name!r}")
    folder = config_dir or Path("conf")
    file = folder / "recipe" / f"{name}.yaml"
    if file.exists():
        raise SettingsError(f"{short(file)} is there already")
    command = command_for(name, folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, _TEXT.format(name=name, command=command, schema=_schema_line(file)))
    typer.echo(f"wrote {short(file)}; run it by\n{command}")


def _schema_line(file: Path) -> str:
    """The line that names the schema, where `python -m assembler schema` has left one."""
    found = next(
        (path for path in (Path("assembler/schemas"), Path("schemas")) if (path / "recipe.json").is_file()), None
    )
    if found is None:
        return ""
    return f"# yaml-language-server: $schema={os.path.relpath(found / 'recipe.json', file.parent)}\n"


def command_for(name: str, folder: Path) -> str:
    """The command that runs a recipe of a folder of configuration: by the run script that is here, or by ours."""
    ours = Path(assembler.__file__).parent.parent / "run.py"
    script = Path("run.py") if Path("run.py").is_file() else ours
    if not script.is_file():  # there is a package alone, without a clone
        return f"python -m assembler validate --plan {folder / 'recipe' / name}.yaml"
    at_hand = script.resolve() != ours.resolve() or folder.resolve() == SHIPPED.resolve()
    return " ".join(["python", str(script), *([] if at_hand else ["--config-dir", str(folder)]), f"recipe={name}"])
