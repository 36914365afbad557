"""Which recipe files there are: shipped ones and a project's by name, others by path."""

from __future__ import annotations

import os
import re
from pathlib import Path

from assembler.reading.texts import exists

SHIPPED = Path(__file__).parent.parent / "conf"
"""The folder of the shipped recipes and blocks, searched after the file's own folders, as Hydra does."""


PROJECT = Path("conf")
"""The folder of a project's recipes and blocks, below the working directory."""


def recipes(folder: Path | None = PROJECT) -> dict[str, Path]:
    """The files of all recipes by name, in alphabetical order.

    Args:
        folder: a folder with ``recipe/``, whose files take precedence over shipped ones of the same name; by default
            ``conf`` in the working directory. None: only what ships.

    >>> recipes()["resnet50"].name
    'resnet50.yaml'
    """
    homes = [home / "recipe" for home in (SHIPPED, folder) if home is not None]
    files = ((home, file) for home in homes for file in home.rglob("*.yaml") if file.is_file())
    found = {file.relative_to(home).with_suffix("").as_posix(): file for home, file in files}
    return dict(sorted(found.items()))


def recipe_at(path: str, folder: Path) -> Path | None:
    """The recipe or network file of a path, from a folder; None if no such file exists.

    >>> recipe_at("resnet50", Path())
    """
    file = folder / path
    is_there = path.endswith((".yaml", ".yml")) and exists(find_network(file)[0])
    return file if is_there else None


def find_network(file: Path) -> tuple[Path, str | None]:
    """An existing file, and the scale in its name: ``yolov8n.yaml`` → ``yolov8.yaml``, ``n``."""
    match = re.match(r"(yolo[a-z]*-?v?\d+)([a-z])(?![a-z])", file.stem)
    letter = match[2] if match else None
    if match and not exists(file):
        family = file.with_name(match[1] + file.name[match.end() :])
        if exists(family):
            return family, letter
    return file, letter


def typed_path(file: Path) -> str:
    """The path of a file as a command names it: from the working directory if it is below it, otherwise in full."""
    here, whole = Path.cwd(), Path(os.path.normpath(file.absolute()))
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
