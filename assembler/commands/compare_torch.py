"""``compare-torch``: whether a recipe computes the same as a PyTorch module with the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assembler.analysis.project import Project
from assembler.commands.project import ConfigDir, complete_recipe
from assembler.errors import AssemblerError, Place, SettingsError
from assembler.language.recipe import print_value
from assembler.reading.places import Sources
from assembler.reading.recipe_files import load_recipe, recipe_files
from assembler.runtime.limits import Budget
from assembler.settings import DeviceSettings, RecipeSettings
from assembler.words import counted, make_table, make_text, say

if TYPE_CHECKING:
    from mindspore import Tensor, nn

    from assembler.model.parity import Comparison
    from assembler.pipeline import BoundRecipe
    from assembler.planning.plan import Plan


def compare_torch(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or file.", autocompletion=complete_recipe)],
    make: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FUNCTION",
            help="A function without arguments that returns a torch.nn.Module: my_project.reference:make, or "
            "reference.py:make. It is imported and called.",
        ),
    ],
    rename: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A mapping file, as weights.rename has, where names do not decide."),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="The module's arguments that the recipe's inputs are, in the recipe's order: "
            "input_ids,decoder_input_ids. By default the first ones.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the weights and the sample.", min=0)] = 0,
    config_dir: ConfigDir = None,
) -> None:
    """Compare a recipe with a PyTorch module, layer by layer.

    The module gets random weights. They are saved, loaded here as by weights.load, and both run on the recipe's sample
    in inference in float32. Each layer here gets the input that its module gets, so that a difference is its own. The
    report ends at the first layer beyond the bound, with the likely cause. Exit code 1 if there is one.
    """
    from assembler.model.parity import Comparing, arguments, hand_over, torch_module
    from assembler.runtime import device

    torch_module.require_torch()
    project = Project.at(config_dir)
    project.put_first()
    device.prepare(device.pick(DeviceSettings()))
    bound, planned, model, sample = _built(recipe, project, seed)
    names = _names_of(inputs, bound.recipe)
    module = torch_module.make_module(make, project.home)
    arguments.check_names(module, names)
    torch_module.randomize(module, seed)
    mapping = hand_over(module, model, planned, make, rename)
    found = Comparing(model, planned, sample, module, mapping, names).run()
    if not names and (taken := arguments.by_position(module, len(sample))):
        note = f"{', '.join(bound.recipe.inputs)} were given by position, as {', '.join(taken)}; --inputs names others"
        found = replace(found, notes=(note, *found.notes))
    _print(found, f"{bound.recipe.name} and {make}")
    if found.first is not None:
        raise typer.Exit(1)


def _built(recipe: str, project: Project, seed: int) -> tuple[BoundRecipe, Plan, nn.Cell, tuple[Tensor, ...]]:
    """The recipe, its plan, its model and its sample; the model was called once, for errors of its layers."""
    from assembler import pipeline
    from assembler.model.build import build
    from assembler.model.inputs import make_inputs
    from assembler.model.subject import Subject
    from assembler.tasks.common import call

    file = project.recipe(recipe)
    sources = Sources(recipe_files(file, project.folders) | project.registry_files)
    with Budget(Place(label=recipe)):
        try:
            data: Any = load_recipe(file, project.folders)
            bound = pipeline.bind_recipe(data, lambda: project.registry, lambda: project.said)
            planned, _ = pipeline.plan(bound, "float32")
            model, sample = build(planned, seed), make_inputs(bound.recipe, "float32", seed)
            call(Subject(model, planned, sample, "pynative", "float32"))
        except AssemblerError as error:
            raise sources.tell(error) from error.__cause__
    return bound, planned, model, sample


def _names_of(inputs: str | None, recipe: RecipeSettings) -> tuple[str, ...]:
    """The arguments that ``--inputs`` names, one for each input of a recipe; none without it.

    Raises:
        SettingsError: it names more or fewer.
    """
    if inputs is None:
        return ()
    names = tuple(name.strip() for name in inputs.split(","))
    own = list(recipe.inputs) or ["input"]
    if len(names) != len(own):
        said = (
            f"--inputs has {counted(len(names), 'name')} and the recipe {counted(len(own), 'input')}: {', '.join(own)}"
        )
        raise SettingsError(f"{said}; write one name for each, separated by commas")
    return names


# ---- the report


def _print(found: Comparison, title: str) -> None:
    from assembler.views.summary import make_console

    console = make_console()
    console.print(make_text(title, "bold"))
    table = make_table()
    for name, justify in _COLUMNS.items():
        table.add_column(name, justify=justify, overflow="fold")
    for row in found.rows:
        apart = row.apart
        if apart is None or apart.difference is None:
            table.add_row(*map(make_text, (row.here, row.there, "", "", "", "with the next")))
            continue
        here, there = map(print_value, apart.shapes)
        verdict = make_text("DIFFERS", "bold red") if apart.is_beyond else make_text(apart.what)
        table.add_row(
            *map(make_text, (row.here, row.there, here if here == there else f"{here}, there {there}")),
            *(make_text(f"{value:.1e}") for value in (apart.difference, apart.bound)),
            verdict,
        )
    console.print(table)
    for line in _lines(found):
        say(line)


_COLUMNS: dict[str, Any] = {
    "layer here": "left",
    "module there": "left",
    "shape": "left",
    "difference": "right",
    "bound": "right",
    "in": "left",
}
"""Heading → alignment."""


def _lines(found: Comparison) -> list[str]:
    """What is below the table."""
    lines = [f"note: {note}" for note in found.notes]
    if found.first is None:
        return [*lines, "all layers are within the bound"]
    what = found.rows[-1].apart
    lines += [f"the first difference, in its {what.what if what else 'output'}: {found.first.where}"]
    causes = [f"  likely cause: {cause}" for cause in found.first.causes]
    return [*lines, *(causes or ["  no cause was found among the arguments and common activations"])]
