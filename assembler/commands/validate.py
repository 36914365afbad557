"""``validate``: all errors in files that can be found without planning them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from assembler.binding.structure import hidden_layers
from assembler.commands.project import ConfigDir, Project, complete_recipe, library_of, scope_of
from assembler.errors import AssemblerError, Mistakes, Place, SettingsError, flatten, noted
from assembler.files import short
from assembler.language.yaml_form import parse_block
from assembler.pipeline import bind_recipe
from assembler.reading.places import Sources, steps_of
from assembler.reading.recipe_files import load_recipe, recipe_files
from assembler.reading.recipe_paths import find_network
from assembler.reading.yaml_files import read_yaml
from assembler.registry.entries import Entry
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
            mistakes += mistakes_in(file, project, notes)
            if plan and not mistakes and _kind(file) == "recipe":
                _plan(file, project)
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


def _kind(file: Path) -> str:
    """The kind of a file: by its folder, or by the first line of a registry."""
    folder = file.resolve().parent.name
    if folder in ("registry", "blocks"):
        return folder
    with find_network(file)[0].open(encoding="utf-8", errors="replace") as stream:
        return "registry" if re.match(r"#\s*@package\s+registry\b", stream.readline(100)) else "recipe"


def mistakes_in(file: Path, project: Project, notes: list[str] | None = None) -> list[AssemblerError]:
    """All errors in a file, in reading order, each with its place.

    Args:
        notes: where remarks that are not errors are appended.
    """
    kind = _kind(file)
    found: list[AssemblerError] = []
    sources = Sources()
    with noted(found):
        if kind == "recipe":
            sources = Sources(recipe_files(file) | project.registry_files)
            found += _in_recipe(load_recipe(file), project, [] if notes is None else notes)
        else:
            key = f"registry.{scope_of(file)}" if kind == "registry" else "blocks"
            sources = Sources({key: [file]})
            found += _in_registry(file, project) if kind == "registry" else _in_blocks(read_yaml(file))
    return [_in_file(mistake, file) for mistake in flatten([sources.tell(Mistakes(list(flatten(found))))])]


def _in_file(mistake: AssemblerError, file: Path) -> AssemblerError:
    """The error with the name of the file, if its own place is not in a file."""
    if mistake.place.key and mistake.place.label is None:
        mistake.place = replace(mistake.place, label=f"{short(file)}, {mistake.place.key}")
    return mistake


def _in_recipe(data: Any, project: Project, notes: list[str]) -> list[AssemblerError]:
    """The errors of a recipe, except in values that only a run has."""
    found: list[AssemblerError] = []
    with noted(found):
        notes += hidden_layers(bind_recipe(data, lambda: project.registry, lambda: project.said).steps)
    return [mistake for mistake in flatten(found) if not _is_open(data, mistake.place.key)]


def _is_open(data: Any, key: str) -> bool:
    """Whether the value at a key is an interpolation, or not given yet."""
    for step in steps_of(key)[1:]:
        try:
            data = data[step]
        except (LookupError, TypeError):
            return False
    return isinstance(data, str) and ("${" in data or data == "???")


def _in_registry(file: Path, project: Project) -> list[AssemblerError]:
    """The errors in the entries of a registry file, and names that other files have as well."""
    first = file.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    if not re.match(r"#\s*@package\s+registry\.\w+\s*$", first):
        raise SettingsError(f"{short(file)}:1: the first line of a registry must be # @package registry.{file.stem}")
    if library := library_of(file):
        return [mistake for entry in library.entries.values() for mistake in _in_entry(entry)]
    entries = read_yaml(file)
    if not isinstance(entries, Mapping):
        raise SettingsError(f"{short(file)}: a registry must be a mapping of names to layers")
    others, scope = project.registry_without(scope_of(file)), scope_of(file)
    found: list[AssemblerError] = []
    for name, value in entries.items():
        with noted(found):
            others.load({name: value}, f"registry.{scope}")
            found += _in_entry(others[str(name)])
    return found


def _in_entry(entry: Entry) -> list[AssemblerError]:
    """The errors in an entry's class and arguments."""
    found: list[AssemblerError] = []
    with noted(found):
        _ = entry.parameters
    return found


def _in_blocks(data: Any) -> list[AssemblerError]:
    found: list[AssemblerError] = []
    if not isinstance(data, Mapping):
        raise SettingsError("a file of blocks must be a mapping of names to layers", Place(key="blocks"))
    for header, body in data.items():
        with noted(found):
            parse_block(str(header), body, f"blocks.{str(header).partition('(')[0].strip()}")
    return found


def _plan(file: Path, project: Project) -> None:
    from assembler.api import plan

    plan(file, registry=project.registry)
