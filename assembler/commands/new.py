"""``new``: a recipe to start with."""

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
from assembler.words import say

_TEXT = """\
# {command}
{schema}# The input, the layers, the expected output, and the checks. See docs/recipes.md.
name: {name}
input: {{shape: [4, 8], sample: normal}} # the batch first
params: {{width: 16}} # change it by recipe.params.width=32
stack:
  - Dense(_, width) + ReLU # _ is inferred from the input
  - 2 * Residual(Dense(_, width) + ReLU) # each with its own weights
  - Dense(_, 3) + Softmax
expect: {{output: [_, 3]}} # every plan and run is compared with it
checks:
  range: {{min: 0, max: 1}}
"""


def new(
    name: Annotated[str, typer.Argument(help="Name of the recipe and of its file.")],
    config_dir: ConfigDir = None,
) -> None:
    """Write a small recipe to start with, and print how to run it.

    It goes into recipe/ of the configuration folder, which is created if it does not exist.
    """
    if not name.isidentifier():
        raise SettingsError(f"a recipe's name consists of letters, digits and _, not {name!r}")
    folder = config_dir or Path("conf")
    file = folder / "recipe" / f"{name}.yaml"
    if file.exists():
        raise SettingsError(f"{short(file)} already exists")
    command = command_for(name, folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, _TEXT.format(name=name, command=command, schema=_schema_line(file)))
    say(f"wrote {short(file)}; run it with\n{command}")


def _schema_line(file: Path) -> str:
    """The line that names the schema, if `python -m assembler schema` has written one."""
    found = next(
        (path for path in (Path("assembler/schemas"), Path("schemas")) if (path / "recipe.json").is_file()), None
    )
    if found is None:
        return ""
    return f"# yaml-language-server: $schema={os.path.relpath(found / 'recipe.json', file.parent)}\n"


def command_for(name: str, folder: Path) -> str:
    """The command that runs a recipe of a configuration folder: with the run script in this folder, or the clone's."""
    ours = Path(assembler.__file__).parent.parent / "run.py"
    script = Path("run.py") if Path("run.py").is_file() else ours
    if not script.is_file():  # only the package is installed, without a clone
        return f"python -m assembler validate --plan {folder / 'recipe' / name}.yaml"
    at_hand = script.resolve() != ours.resolve() or folder.resolve() == SHIPPED.resolve()
    return " ".join(["python", str(script), *([] if at_hand else ["--config-dir", str(folder)]), f"recipe={name}"])
