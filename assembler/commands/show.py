"""``show``: details of one layer."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from assembler.commands.layers import scope_of_entry
from assembler.commands.project import ConfigDir, Project, complete_layer
from assembler.errors import NOWHERE
from assembler.files import short
from assembler.registry.entries import Entry, input_name
from assembler.words import first_line, say

_LONGEST = 60
"""Limit of code lines to print; for a longer class, its file is printed."""


def show(
    name: Annotated[str, typer.Argument(help="Name of a layer.", autocompletion=complete_layer)],
    config_dir: ConfigDir = None,
) -> None:
    """Print a layer's arguments, docstring and source file, and a valid recipe with it."""
    registry = Project.at(config_dir).registry
    entry = registry.find(name, NOWHERE)
    from assembler.commands.examples import example

    say(f"{entry.describe()}\n")
    scope = scope_of_entry(entry)
    say(f"{entry.target}, {f'scope {scope}' if scope else 'registered in Python'}")
    for argument in entry.infer:
        number, axis = entry.source(argument)
        say(f"{argument} may be _: {_axes(axis)} of {input_name(number)}")
    for argument, value in entry.defaults.items():
        say(f"{argument} is {value!r} by default")
    if entry.reference:
        say(f"in NumPy: {entry.reference}")
    say(f"\n{inspect.cleandoc(vars(entry.cell).get('__doc__') or 'It has no docstring.')}\n")
    say(_code(entry))
    found = example(entry, registry)
    if isinstance(found, str):
        why = first_line(ValueError(found))
        say(f"no example: none of the candidates can be planned; error of the first:\n{why}")
        return
    recipe, said = found
    say(f"for example\n\n{_written(recipe)}\n{said}")


def _axes(axis: int | list[int]) -> str:
    return f"the size of axis {axis}" if isinstance(axis, int) else f"the sizes of axes {', '.join(map(str, axis))}"


def _code(entry: Entry) -> str:
    """The class's file and line, and its code if it is the assembler's and short."""
    try:
        lines, number = inspect.getsourcelines(entry.cell)
        place = f"{short(Path(inspect.getsourcefile(entry.cell) or ''))}:{number}"
    except (OSError, TypeError):
        return "its source was not found\n"
    ours = not entry.cell.__module__.startswith("mindspore.")
    return f"{place}\n\n{''.join(lines)}" if ours and len(lines) <= _LONGEST else f"{place}, {len(lines)} lines\n"


def _written(recipe: dict[str, Any]) -> str:
    """A recipe as YAML, with short mappings on one line."""
    lines = []
    for key, value in recipe.items():
        text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
        lines.append(f"{key}: {text.removesuffix('...' + chr(10)).strip()}")
    return "".join(f"{line}\n" for line in lines)
