"""``diff``: what differs between two recipes or runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assembler.analysis.project import Project
from assembler.commands.project import ConfigDir, complete_recipe
from assembler.errors import AssemblerError, Place, SettingsError
from assembler.files import short
from assembler.reading.places import Sources
from assembler.reading.recipe_files import load_recipe, recipe_files
from assembler.runtime.limits import Budget
from assembler.words import make_text, print_measured, say

if TYPE_CHECKING:
    from assembler.planning.plan import Plan
    from assembler.settings import Dtype

_LAYERS = ("name", "stack", "graph", "blocks", "shared", "defaults")
"""Keys of a recipe that the edits of its layers cover, or that say nothing of the model."""

_STYLES = {"+": "green", "-": "red", "~": "yellow"}


@dataclass(frozen=True)
class _Side:
    """One of the two.

    Args:
        planned: its plan.
        settings: what can differ beside the layers, by key.
        blocks: name → definition as written.
        measured: by a run.
    """

    planned: Plan
    settings: Mapping[str, Any]
    blocks: Mapping[str, str]
    measured: Mapping[str, str]


def diff(
    a: Annotated[
        str,
        typer.Argument(metavar="A", help="A recipe's name or file, or a run folder.", autocompletion=complete_recipe),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The other.", autocompletion=complete_recipe)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config_dir: ConfigDir = None,
) -> None:
    """Show what differs between two recipes or runs.

    That is settings, layers and sizes; of runs, what was measured as well.

    Layers are compared as they are written, so that a wider layer is one line. Exit code 1 if anything differs; what
    was measured does not count.
    """
    from assembler.views.diff import difference, record, settings_that_differ, text_lines

    project = Project.at(config_dir)
    with Budget(Place(label=a)):
        before = _side(a, project)
    with Budget(Place(label=b)):
        after = _side(b, project)
    found = difference(
        before.planned,
        after.planned,
        settings_that_differ(before.settings, after.settings),
        redefined=_redefined(before.blocks, after.blocks),
        measured=settings_that_differ(before.measured, after.measured),
    )
    if as_json:
        say(json.dumps({"a": a, "b": b, **record(found)}, indent=2, ensure_ascii=False, default=str))
    else:
        _print(text_lines(found))
    if found:
        raise typer.Exit(1)


def _print(lines: list[str]) -> None:
    from assembler.views.summary import make_console

    console = make_console()
    for line in lines or ["they are the same"]:
        console.print(make_text(line, _STYLES.get(line[2:3], "" if line[:1] == " " else "bold")), soft_wrap=True)


def _side(said: str, project: Project) -> _Side:
    folder = Path(said)
    if (folder / "result.json").is_file():
        return _of_run(folder, project)
    if folder.is_dir():
        raise SettingsError(f"{said} is not the folder of a run: it has no result.json")
    file = project.recipe(said)
    sources = Sources(recipe_files(file, project.folders) | project.registry_files)
    return _planned(load_recipe(file, project.folders), "float32", project, sources, {})


def _of_run(folder: Path, project: Project) -> _Side:
    """A run: its recipe as configured, and what was measured."""
    from assembler.sweeps.records import read_result

    file = folder / "result.json"
    try:
        result = read_result(file)
    except ValueError as error:
        raise SettingsError(f"{short(file)}: {error}") from None
    if not isinstance(result.get("recipe"), Mapping):
        raise SettingsError(f"{short(file)} has no recipe: the run ended before its configuration was read")
    beside = {key: result.get(key) for key in ("task", "mode", "seed", "dtype", "amp", "status")}
    sources = Sources(given={"recipe": result["recipe"]})
    side = _planned(result["recipe"], result.get("dtype", "float32"), project, sources, beside)
    return replace(side, measured=_measured(result))


def _measured(result: Mapping[str, Any]) -> dict[str, str]:
    """The outcomes of a run's checks, and its metrics except those of the plan and its duration."""
    from assembler.settings.metrics import METRICS, applying

    verdicts = {True: "passed", False: "failed"}
    outcomes = {
        one["check"]: f"{verdicts[one['passed']]}, {print_measured(one.get('measured'))}" for one in applying(result)
    }
    metrics = [one for one in METRICS if one.name.startswith("bench.")]
    return outcomes | {one.name: one.print(value) for one in metrics if (value := one.read(result)) is not None}


def _planned(data: Any, dtype: Dtype, project: Project, sources: Sources, beside: Mapping[str, Any]) -> _Side:
    from assembler import pipeline

    try:
        planned, _ = pipeline.plan(pipeline.bind_recipe(data, lambda: project.registry), dtype)
    except AssemblerError as error:
        raise sources.tell(error) from error.__cause__
    settings = {key: value for key, value in data.items() if key not in _LAYERS}
    blocks = {
        re.split(r"[ (]", str(header), maxsplit=1)[0]: f"{header}: {body}"
        for header, body in (data.get("blocks") or {}).items()
    }
    return _Side(planned, {**settings, **beside}, blocks, {})


def _redefined(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """The blocks that are defined in both and differ, or use one that does."""
    found = {name for name in before if before[name] != after.get(name)}
    known: set[str] = set()
    while known != found:
        known = set(found)
        found |= {name for name, text in before.items() if any(re.search(rf"\b{one}\b", text) for one in known)}
    return found
