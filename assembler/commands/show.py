"""``show``: what a layer, a block or a recipe is."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from assembler.analysis.project import Project
from assembler.commands.layers import scope_of_entry
from assembler.commands.project import ConfigDir, complete_name
from assembler.commands.recipes import about
from assembler.errors import NOWHERE, AssemblerError, Place, UnknownLayer
from assembler.files import short
from assembler.language.names import FUNCTIONS
from assembler.language.recipe import Block
from assembler.reading.recipe_files import load_recipe, recipe_files
from assembler.registry.entries import Entry, input_name
from assembler.registry.names import find_recipe
from assembler.registry.registry import Registry
from assembler.runtime.limits import Budget
from assembler.words import first_line, say

_LONGEST = 60
"""Limit of code lines to print; for a longer class, its file is printed."""


def show(
    name: Annotated[str, typer.Argument(help="Its name, or the file of a recipe.", autocompletion=complete_name)],
    config_dir: ConfigDir = None,
) -> None:
    """Explain a layer, a block or a recipe.

    Of a layer: its arguments, docstring, source, and a recipe with it. Of a block: its arguments, layers, and a recipe
    with it. Of a recipe: its files, parameters and sizes.
    """
    project = Project.at(config_dir)
    if found := project.blocks.get(name):
        _show_block(*found, project)
    elif name.endswith((".yaml", ".yml")):
        _show_within(name, project.recipe(name), project)
    elif file := find_recipe(name, project.recipes, project.registry):
        _show_within(name, file, project)
    elif name in FUNCTIONS and not project.registry.candidates(name):
        said = f"{name!r} is a function of the recipe language, for values: Dense(_, {name}(…)); it is not a layer"
        raise UnknownLayer(said)
    else:
        _show_layer(project.registry.find(name, NOWHERE), project.registry)


# ---- recipes


def _show_within(name: str, file: Path, project: Project) -> None:
    with Budget(Place(label=short(file))):
        _show_recipe(name, file, project)


def _show_recipe(name: str, file: Path, project: Project) -> None:
    """Print a recipe's files, parameters, input and sizes, and the commands that show more."""
    from assembler.api import plan
    from assembler.planning.sums import sums

    data = load_recipe(file, project.folders)
    said = about(file)
    say(f"{name}{f': {said}' if said else ''}\n")
    files = dict.fromkeys(path for paths in recipe_files(file, project.folders).values() for path in paths)
    say("\n".join(short(path) for path in files) + "\n")
    params = data.get("params") or {}
    for param, value in params.items():
        say(f"recipe.params.{param}={json.dumps(value)}")
    if params:
        say()
    try:
        say("\n".join(sums(plan(file, registry=project.registry))))
    except AssemblerError as error:
        say(f"it cannot be planned as it is: {first_line(error)}")
    say(f"\nits layers and its diagram: assembler plan {name}")


# ---- blocks


def _show_block(block: Block, file: Path, project: Project) -> None:
    """Print a block's arguments and layers, how a recipe includes it, and a recipe with it."""
    from assembler.commands.examples import example_of_block

    text = {str(key): value for key, value in project.blocks_in(file).items()}
    header = next(key for key in text if key.partition("(")[0].strip() == block.name)
    say(f"{block}\n\n{short(file)}\n\n{_written({header: text[header]})}")
    say(f"a recipe includes it by\n\ndefaults: [/blocks@blocks: {file.stem}, _self_]\n")
    _say_example(example_of_block(block, text, project.registry), without="blocks")


# ---- layers


def _show_layer(entry: Entry, registry: Registry) -> None:
    """Print a layer's arguments, docstring and source file, and a valid recipe with it."""
    from assembler.commands.examples import example

    say(f"{entry.describe()}\n")
    scope = scope_of_entry(entry)
    say(f"{entry.target}, {f'scope {scope}' if scope else 'registered in Python'}")
    if entry.inputs:
        say(f"it takes {', '.join(entry.input_names)}")
    for argument in entry.infer:
        number, axis = entry.source(argument)
        say(f"{argument} may be _: {_axes(axis)} of {input_name(number)}")
    for argument, value in entry.defaults.items():
        say(f"{argument} is {value!r} by default")
    if entry.reference:
        say(f"in NumPy: {entry.reference}")
    own = entry.implementation.__doc__ if entry.inputs else vars(entry.implementation).get("__doc__")  # not nn.Cell's
    say(f"\n{inspect.cleandoc(own or 'It has no docstring.')}\n")
    say(_code(entry))
    _say_example(example(entry, registry))


def _say_example(found: tuple[dict[str, Any], str] | str, without: str = "") -> None:
    """Print a recipe and its plan in one line, or why there is none."""
    if isinstance(found, str):
        why = first_line(ValueError(found))
        say(f"no example: none of the candidates can be planned; error of the first:\n{why}")
        return
    recipe, said = found
    say(f"for example\n\n{_written({key: value for key, value in recipe.items() if key != without})}\n{said}")


def _axes(axis: int | list[int]) -> str:
    return f"the size of axis {axis}" if isinstance(axis, int) else f"the sizes of axes {', '.join(map(str, axis))}"


def _code(entry: Entry) -> str:
    """The file and line of the class or function, and its code if it is the assembler's and short."""
    try:
        lines, number = inspect.getsourcelines(entry.implementation)
        place = f"{short(Path(inspect.getsourcefile(entry.implementation) or ''))}:{number}"
    except (OSError, TypeError):
        return "its source was not found\n"
    ours = not entry.implementation.__module__.startswith("mindspore.")
    return f"{place}\n\n{''.join(lines)}" if ours and len(lines) <= _LONGEST else f"{place}, {len(lines)} lines\n"


def _written(recipe: Mapping[str, Any]) -> str:
    """A recipe as YAML, with short mappings on one line."""
    lines = []
    for key, value in recipe.items():
        text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
        lines.append(f"{key}: {text.removesuffix('...' + chr(10)).strip()}")
    return "".join(f"{line}\n" for line in lines)
