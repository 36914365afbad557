"""``new``: a recipe to start with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
import yaml

from assembler.commands.project import ConfigDir
from assembler.commands.schema import FOLDER, SHIPPED
from assembler.errors import SettingsError
from assembler.files import short, write_text
from assembler.reading.recipe_paths import PROJECT
from assembler.words import say

_TEXT = """\
# {command}
# yaml-language-server: $schema={schema}
# The input, the layers, the expected output, and the checks. See docs/recipes.md.
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
    """Write a small recipe to start with.

    It prints the command that runs it. The recipe goes into recipe/ of the configuration folder, which is created if
    it does not exist. Its second line names its JSON Schema for editors, schemas/recipe.json; a schema without the
    project's own layers is written if there is none. `assembler schema` writes one with them.
    """
    if not name.isidentifier():
        raise SettingsError(f"a recipe's name consists of letters, digits and _, not {name!r}")
    if not isinstance(yaml.safe_load(name), str):
        raise SettingsError(f"{name!r} is a value in YAML, not a name; write another one")
    folder = config_dir or PROJECT
    file = folder / "recipe" / f"{name}.yaml"
    if file.exists():
        raise SettingsError(f"{short(file)} already exists")
    command = f"assembler run {name}" + (f" --config-dir {folder}" if config_dir else "")
    file.parent.mkdir(parents=True, exist_ok=True)
    schema = os.path.relpath(_schemas_here() / "recipe.json", file.parent)
    write_text(file, _TEXT.format(name=name, command=command, schema=schema))
    say(f"wrote {short(file)}; run it with\n{command}")


def _schemas_here() -> Path:
    """The folder of schemas in the working directory; without any, that of recipes is copied into it."""
    folders = (Path("assembler/schemas"), FOLDER)
    if found := next((folder for folder in folders if (folder / "recipe.json").is_file()), None):
        return found
    FOLDER.mkdir(exist_ok=True)
    write_text(FOLDER / "recipe.json", (SHIPPED / "recipe.json").read_text(encoding="utf-8"))
    return FOLDER
