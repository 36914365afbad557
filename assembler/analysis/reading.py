"""One file of any kind → its errors and, if it is a recipe without errors, the recipe with all names looked up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assembler.analysis.files import kind_of
from assembler.analysis.project import Project, library_of, scope_of
from assembler.binding.structure import hidden_layers
from assembler.errors import AssemblerError, Mistakes, Place, SettingsError, Span, flatten, noted
from assembler.files import short
from assembler.language.yaml_form import parse_block
from assembler.pipeline import BoundRecipe, bind_recipe
from assembler.reading.places import Sources, steps_of
from assembler.reading.recipe_files import load_recipe, recipe_files
from assembler.reading.texts import first_line
from assembler.reading.yaml_files import at_file, read_yaml
from assembler.registry.entries import Entry


@dataclass
class Reading:
    """What is known of a file before anything is planned.

    Args:
        sources: where the keys of its messages are written.
        errors: in reading order, each with its place.
        open: those in values that only a run has: ``???``, and references that cannot be resolved.
        notes: remarks that are not errors.
        data: of a recipe, with its defaults merged and references filled in; None if that failed.
        bound: a recipe without errors.
    """

    sources: Sources = field(default_factory=Sources)
    errors: list[AssemblerError] = field(default_factory=list)
    open: list[AssemblerError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: Any = None
    bound: BoundRecipe | None = None


def read_file(file: Path, project: Project) -> Reading:
    """Read a file, and find all errors that can be found without a plan.

    Raises:
        OSError: it does not exist.
    """
    kind, found = kind_of(file), Reading()
    with noted(found.errors):
        if kind == "recipe":
            found.sources = Sources(recipe_files(file) | project.registry_files)
            found.data = load_recipe(file)
            _bind(found, project)
        else:
            key = f"registry.{scope_of(file)}" if kind == "registry" else "blocks"
            found.sources = Sources({key: [file]})
            found.errors += _in_registry(file, project) if kind == "registry" else _in_blocks(read_yaml(file))
    found.errors = located(found.errors, found.sources, file)
    found.open = located(found.open, found.sources, file)
    return found


def located(errors: list[AssemblerError], sources: Sources, file: Path) -> list[AssemblerError]:
    """Errors with their places in files, in reading order.

    Args:
        file: named by those whose place is in no file.
    """
    found = list(flatten([sources.tell(Mistakes(list(flatten(errors))))]))
    for error in found:
        if error.place.key and error.place.label is None:
            label = f"{short(file)}, {error.place.key}"
            error.place = replace(error.place, label=label, span=error.place.span or Span(file))
    return found


def _bind(found: Reading, project: Project) -> None:
    """Bind a recipe; note its errors apart from values that only a run has."""
    errors: list[AssemblerError] = []
    with noted(errors):
        found.bound = bind_recipe(found.data, lambda: project.registry, lambda: project.said)
        found.notes += hidden_layers(found.bound.steps)
    for error in flatten(errors):
        (found.open if _is_open(found.data, error.place.key) else found.errors).append(error)


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
    if not re.match(r"#\s*@package\s+registry\.\w+\s*$", first_line(file)):
        place = Place(label=f"{short(file)}:1", span=Span(file))
        raise SettingsError(f"the first line of a registry must be # @package registry.{file.stem}", place)
    if library := library_of(file):
        return [error for entry in library.entries.values() for error in _in_entry(entry)]
    entries = read_yaml(file)
    if not isinstance(entries, Mapping):
        raise SettingsError("a registry must be a mapping of names to layers", at_file(file))
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
