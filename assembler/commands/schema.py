"""``schema``: what editors need to know, as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from assembler.commands.project import ConfigDir, Project, entries_of
from assembler.errors import noted
from assembler.files import write_text
from assembler.grammar import parse_block
from assembler.registry import Registry
from assembler.signatures import FILE, print_parameters
from assembler.source import load_yaml, short

SHIPPED = FILE.parent


def schema(
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where to write; by default schemas, in the assembler's clone assembler/schemas."
        ),
    ] = None,
    config_dir: ConfigDir = None,
) -> None:
    """Write JSON Schemas of recipes, registries and configurations, for editors that complete and check YAML.

    The layers of the project's registry files are in them.
    """
    ours = out is None and Path("assembler/schemas").resolve() == SHIPPED.resolve()
    folder = SHIPPED if ours else out or Path("schemas")
    project = Project(None) if ours else Project.at(config_dir)
    files = documents(project)
    if ours:
        files[FILE.name] = signatures(project.registry)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_text(folder / name, print_json(data))
        typer.echo(f"wrote {short(folder / name)}")
    line = f"# yaml-language-server: $schema=../../{short(folder)}/recipe.json"
    typer.echo(f"\nA recipe in conf/recipe/ has its schema by the line\n{line}")


def print_json(data: Any) -> str:
    """The text of a file."""
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def documents(project: Project) -> dict[str, Any]:
    """File name → schema."""
    import assembler.device  # noqa: F401 - before all that imports MindSpore: it sets the log level

    # isort: split
    from assembler.views.schema import schemas

    blocks = {}
    for file in project.files("blocks").values():
        for header, body in (load_yaml(file) or {}).items():
            with noted([]):  # a block that is wrong is told by `validate`
                block = parse_block(str(header), body, f"blocks/{file.name}")
                blocks[block.name] = block
    return {f"{kind}.json": data for kind, data in schemas(entries_of(project.registry), blocks).items()}


def signatures(registry: Registry) -> Mapping[str, Any]:
    """What MindSpore's classes and those of other packages take, and the versions that this is true of."""
    from assembler.entries import parameters_of

    theirs = [
        entry for entry in entries_of(registry) if not entry.target.startswith("assembler.") and not entry.signature
    ]
    packages = sorted({entry.target.partition(".")[0] for entry in theirs})
    layers = {entry.target: print_parameters(parameters_of(entry.cell)) for entry in theirs}
    return {"versions": {package: version(package) for package in packages}, "layers": dict(sorted(layers.items()))}
