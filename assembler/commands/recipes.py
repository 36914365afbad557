"""``recipes``: list the recipes and their sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from assembler.analysis.project import Project
from assembler.commands.project import ConfigDir, print_rows
from assembler.errors import AssemblerError, Place
from assembler.files import short
from assembler.reading.recipe_files import load_recipe
from assembler.reading.recipe_paths import find_network
from assembler.reading.yaml_files import read_yaml
from assembler.runtime.limits import Budget
from assembler.words import first_line


def recipes(
    plan: Annotated[bool, typer.Option("--plan", help="Plan recipes that do not state their size.")] = False,
    config_dir: ConfigDir = None,
) -> None:
    """List the recipes of the project and the shipped ones.

    params are those of a recipe, set by recipe.params.NAME=VALUE. Sizes are those of a recipe's `expect`, which every
    run checks. In a file or a pipe, columns are separated by tabs.
    """
    project = Project.at(config_dir)
    rows = []
    for name, file in project.recipes.items():
        try:
            with Budget(Place(label=short(file))):
                data = load_recipe(file)
                sizes = _expected(data)
                if plan and "" in sizes and "???" not in str(data):  # a value is still missing
                    sizes = _planned(file, project)
                rows.append((name, *sizes, _params(data), about(file)))
        except AssemblerError as error:
            rows.append((name, "", "", "", f"wrong: {first_line(error)}"))
    print_rows(("recipe", "parameters", "MACs", "params", ""), rows, ("parameters", "MACs"))


def _expected(data: Any) -> tuple[str, str]:
    """Parameters and MACs, if a recipe expects them."""
    expect = data.get("expect") if isinstance(data, Mapping) else None
    said = expect if isinstance(expect, Mapping) else {}
    figures = (said.get("parameters", said.get("trainable")), said.get("macs"))
    parameters, macs = (f"{figure:,}" if isinstance(figure, int) else "" for figure in figures)
    return parameters, macs


def _planned(file: Path, project: Project) -> tuple[str, str]:
    from assembler.api import plan

    found = plan(file, registry=project.registry)
    return f"{found.parameters:,}", f"{found.macs:,}"


def about(file: Path) -> str:
    """The first comment at the top of a recipe; without one, the recipe that it is based on."""
    file, _ = find_network(file)
    for line in file.read_text(encoding="utf-8").splitlines():
        said = line.removeprefix("#").strip()
        if not line.startswith("#"):
            break
        if not said.startswith(("python ", "assembler ", "yaml-language-server:", "@")):
            return said
    data = read_yaml(file)
    data = data if isinstance(data, Mapping) else {}
    below = [name for name in data.get("defaults") or [] if isinstance(name, str) and not name.startswith(("/", "_"))]
    return f"based on {below[0]}" if below else ""


def _params(data: Any) -> str:
    """The parameters with their values: ``width=256 depth=2``."""
    params = data.get("params") if isinstance(data, Mapping) else None
    return " ".join(f"{name}={json.dumps(value)}" for name, value in (params or {}).items())
