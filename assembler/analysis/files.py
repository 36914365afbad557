"""What kind a file is, and which files its plan depends on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from assembler.analysis.project import Project
from assembler.errors import AssemblerError
from assembler.reading.recipe_files import load_recipe, recipe_files
from assembler.reading.recipe_paths import find_network
from assembler.reading.texts import first_line, read_bytes
from assembler.reading.yaml_files import MAX_BYTES
from assembler.yolo import network_files

Kind: TypeAlias = Literal["recipe", "blocks", "registry"]
"""What a file is read as. A network file of MindYOLO or Ultralytics is a recipe."""


def kind_of(file: Path) -> Kind:
    """The kind of a file: by its folder, or by the first line of a registry.

    Raises:
        OSError: it cannot be read.
    """
    match file.resolve().parent.name:
        case "registry":
            return "registry"
        case "blocks":
            return "blocks"
    return "registry" if re.match(r"#\s*@package\s+registry\b", first_line(find_network(file)[0])) else "recipe"


def is_known(file: Path) -> bool:
    """Whether a YAML file is the assembler's: by its folder, its schema, or a key that only recipes have.

    Other YAML files are open in an editor, too, and the other groups of ``conf/`` are Hydra's.
    """
    if file.resolve().parent.name in ("recipe", "blocks", "registry"):
        return True
    text = read_bytes(file, MAX_BYTES).decode("utf-8", errors="replace")
    return re.search(r"^(?:stack|graph|backbone|network)[ \t]*:|assembler/schemas/", text, re.MULTILINE) is not None


def files_of(file: Path, project: Project) -> list[Path]:
    """The files that a recipe's plan depends on."""
    taken_up: list[Path] = []
    with suppress(AssemblerError):  # `analyse` reports it
        taken_up = [path for paths in recipe_files(file).values() for path in paths]
    registries = (path for paths in project.registry_files.values() for path in paths)
    network: list[Path] = []
    with suppress(AssemblerError):
        data = load_recipe(file)
        if isinstance(data, Mapping) and isinstance(data.get("file"), str):
            network = network_files(data["file"])
    return [file, *taken_up, *network, *registries]
