"""``schema``: JSON Schemas for editors."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from assembler.analysis.project import Project
from assembler.commands.project import ConfigDir, entries_of
from assembler.errors import SettingsError, noted
from assembler.files import short, write_text
from assembler.language.yaml_form import parse_block
from assembler.reading.yaml_files import read_yaml
from assembler.registry.entries import Entry
from assembler.registry.registry import SCOPES, Registry
from assembler.registry.signatures import FILE, print_parameters
from assembler.words import say

SHIPPED = FILE.parent
FOLDER = Path("schemas")
"""Where a project has its schemas."""


def schema(
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Output folder; by default schemas, in the assembler's clone assembler/schemas."
        ),
    ] = None,
    config_dir: ConfigDir = None,
) -> None:
    """Write JSON Schemas for editors.

    They complete and check recipes, registries and configurations. The layers of the project's registry files are
    included.
    """
    ours = out is None and Path("assembler/schemas").resolve() == SHIPPED.resolve()
    folder = SHIPPED if ours else out or FOLDER
    project = Project(None) if ours else Project.at(config_dir)
    known = shipped_entries(project.registry) if ours else entries_of(project.registry)
    files = documents(known, project)
    if ours:
        files[FILE.name] = signatures(project.registry)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_text(folder / name, print_json(data))
        say(f"wrote {short(folder / name)}")
    line = f"# yaml-language-server: $schema=../../{short(folder)}/recipe.json"
    say(f"\nA recipe in conf/recipe/ gets its schema from the line\n{line}")


def print_json(data: Mapping[str, Any]) -> str:
    """The text of a file, with one line per definition, so that a diff shows which layers changed."""
    return _lines(data, 2, "") + "\n"


def _lines(data: Any, depth: int, indent: str) -> str:
    if not isinstance(data, Mapping) or depth == 0 or not data:
        return json.dumps(data, ensure_ascii=False)
    inner = indent + " "
    lines = [f"{inner}{json.dumps(key)}: {_lines(value, depth - 1, inner)}" for key, value in data.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def shipped_entries(registry: Registry) -> list[Entry]:
    """The layers that every installation has: none of optional packages."""
    announced = registry.libraries.values()
    brought = {library.scope for library in announced if library.distribution == "assembler" and not library.extra}
    return [entry for entry in entries_of(registry) if entry.scope in {f"registry.{name}" for name in SCOPES} | brought]


def documents(known: Sequence[Entry], project: Project) -> dict[str, Any]:
    """File name → schema."""
    from assembler.views.schema import schemas

    blocks = {}
    for file in project.files("blocks").values():
        for header, body in (read_yaml(file) or {}).items():
            with noted([]):  # `validate` reports an invalid block
                block = parse_block(str(header), body, f"blocks/{file.name}")
                blocks[block.name] = block
    return {f"{kind}.json": data for kind, data in schemas(known, blocks).items()}


def signatures(registry: Registry) -> Mapping[str, Any]:
    """The signatures of other packages' classes and functions in the registry, and the versions they are valid for.

    Raises:
        SettingsError: one of these packages is not installed.
    """
    from assembler.registry.entries import parameters_of

    announced = [library for library in registry.libraries.values() if library.distribution == "assembler"]
    if missing := [library.extra for library in announced if library.missing]:
        raise SettingsError(f"the signatures of a library are needed: pip install '{missing[0]}'")
    scopes = {*(f"registry.{scope}" for scope in SCOPES), *(library.scope for library in announced)}
    ours = [entry for entry in entries_of(registry) if entry.scope in scopes]
    theirs = [entry for entry in ours if not entry.target.startswith("assembler.") and not entry.signature]
    packages = sorted({entry.target.partition(".")[0] for entry in theirs})
    layers = {entry.target: print_parameters(parameters_of(entry.cell)) for entry in theirs if not entry.inputs}
    functions = {
        entry.target: print_parameters(inspect.signature(entry.implementation).parameters)
        for entry in theirs
        if entry.inputs
    }
    return {
        "versions": {package: version(package) for package in packages},
        "layers": dict(sorted(layers.items())),
        "functions": dict(sorted(functions.items())),
    }
