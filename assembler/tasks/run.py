"""One run: perform the task of a configuration, print its results, write a record, and return the exit code."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from assembler import errors
from assembler.errors import AssemblerError, InternalError, LayerFault, Mistakes, flatten
from assembler.files import discard, print_os_error, short, without_home, write_texts
from assembler.pipeline import read_settings
from assembler.reading.places import Sources
from assembler.runtime import host
from assembler.runtime.limits import Budget
from assembler.settings import Settings
from assembler.tasks.bench import bench
from assembler.tasks.check import check
from assembler.tasks.eject import eject
from assembler.tasks.export import export
from assembler.tasks.kept import Kept
from assembler.tasks.plan import plan
from assembler.tasks.result import Result
from assembler.views.progress import doing
from assembler.words import say

if TYPE_CHECKING:
    from assembler.model.weights import Loaded
    from assembler.planning.plan import Plan
    from assembler.views.diagram import Diagram, Picture

TASKS: Mapping[str, Callable[[Settings, Result], None]] = {
    "check": check,
    "plan": plan,
    "export": export,
    "eject": eject,
    "bench": bench,
}
"""The function of each ``task=…``."""


def run(
    compose: Callable[[], Mapping[str, Any]],
    folder: Path,
    sources: Sources,
    about: Mapping[str, Any],
    *,
    alone: bool = True,
    budget: Budget | None = None,
    kept: Kept | None = None,
) -> int:
    """Perform the task of a configuration, print its results, and write ``result.json``, the recipe and its diagram.

    No error is raised, so that one job of a sweep does not stop the others.

    Args:
        compose: returns the composed configuration as plain data; it may raise errors in it.
        folder: where to write; it must exist.
        sources: the files and overrides of the configuration, for messages.
        about: for the record: ``program`` and ``overrides`` of the command line, and ``identity``, a name for what the
            run does.
        alone: False for a job of a sweep, which has one page for all its jobs.
        budget: what reading and planning the recipe may still take; None for a new one.
        kept: what the process keeps from one run to the next; None for a process that has one run.

    Returns:
        The exit code.
    """
    result = Result(folder, budget=budget or Budget(), on_plan=show_plan, kept=kept or Kept())
    result.budget.place = sources.recipe
    started = _now()
    try:
        with result.budget:
            result.config = compose()
            result.settings = read_settings(result.config)
        TASKS[result.settings.task.name](result.settings, result)
    except AssemblerError as error:
        result.error = sources.tell(error)
    except OSError as error:
        result.error = AssemblerError(print_os_error(error, folder))
    except Exception as error:
        result.error = InternalError(
            f"a fault in the assembler itself; please report it: {type(error).__name__}: {error}"
        )
        result.error.__cause__ = error
    about = {"started": started, **about}
    try:
        with doing(f"writing {short(folder)}"):
            leave(result, folder, about, alone=alone)
    except OSError as error:
        result.error = Mistakes([*flatten(filter(None, [result.error])), AssemblerError(print_os_error(error, folder))])
        with suppress(OSError):  # in result.json, if it is another file that cannot be written
            leave(result, folder, about, alone=alone)
    show(result, about.get("overrides", ()))
    if result.error is None:
        say(f"saved in {short(folder)}")
    return result.code


def lost(config: Mapping[str, Any], folder: Path, about: Mapping[str, Any], why: str) -> int:
    """Write the record of a run that could not do so itself: its process ended, or its folder is gone.

    Args:
        config: the composed configuration.
        folder, about: see ``run``.
        why: how the process ended.

    Returns:
        The exit code.

    Raises:
        AssemblerError: a file cannot be written.
    """
    result = Result(folder, config=config, error=AssemblerError(why))
    try:
        if not folder.is_dir():
            discard(folder)
            folder.mkdir(parents=True)
        leave(result, folder, {"started": _now(), **about}, alone=False)
    except OSError as error:
        raise AssemblerError(print_os_error(error, folder)) from None
    return result.code


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def show_plan(result: Result) -> None:
    """Print the plan, as soon as it is known."""
    from assembler.views import summary

    assert result.settings is not None
    assert result.planned is not None
    console, title = summary.make_console(), result.settings.recipe.name
    drawn = partial(summary.draw_plan, console, title, result.planned, result.settings.show)
    console.print(result.known.once(("table", console.width, console.encoding), drawn), end="")


def show(result: Result, overrides: Iterable[str] = ()) -> None:
    """Print the results of a run but the plan: tables to the standard output, errors to the standard error.

    Args:
        overrides: of the command line.
    """
    from assembler.views import summary

    console = summary.make_console()
    if result.settings is not None and result.settings.show.by == "parameters" and result.parameters:
        summary.print_parameters(console, result.parameters)
    if result.error is not None:
        summary.make_console(stderr=True).out(told(result.error), highlight=False)
        return
    assert result.settings is not None
    settings, device = result.settings, result.device
    if device is not None:
        dtype = settings.dtype if settings.amp == "O0" else f"{settings.dtype} with amp {settings.amp}"
        console.print(f"on {device.got} ({device.why}), {settings.mode} mode, {dtype}, seed {settings.seed}")
    if result.loaded is not None:
        console.print(summary.say_loaded(result.loaded, str(settings.weights.load)))
        if settings.weights.show:
            summary.print_mapping(console, result.loaded)
    if result.bench:
        summary.print_bench(console, result.bench)
    if result.outcomes or (device is not None and not result.bench):
        summary.print_outcomes(console, result.outcomes)
    expected = [outcome for outcome in result.outcomes if outcome.name.startswith("expect.")]
    changed = any(override.lstrip("+~").startswith("recipe.") for override in overrides)
    if changed and not all(outcome.passed for outcome in expected):
        console.print("the recipe expects this of its own input; '~recipe.expect' drops it", highlight=False)
    if result.saved is not None:
        console.print(f"parameters saved in {result.saved}")
    for file in result.files:
        console.out(f"wrote {file}", highlight=False)


def leave(result: Result, folder: Path, about: Mapping[str, Any], *, alone: bool = True) -> None:
    """Write ``result.json`` and, if there is a plan, the recipe and its diagram; files of an earlier run are deleted.

    Args:
        about: further keys of ``result.json``.
        alone: whether to write a page, ``result.html``, as well.
    """
    from assembler.views import diagram, record

    once, planned = result.known.once, result.planned
    recipe = result.settings.recipe if result.settings else None
    drawn = once("diagram", lambda: diagram.diagram(planned, recipe.name)) if planned and recipe else None
    plan = once("record", lambda: _plan_record(planned, drawn)) if planned and drawn else None
    data = _record(result, about, plan)

    def texts() -> Iterator[tuple[str, str | None]]:
        made = {"plan": once("json", lambda: record.to_json(plan))}
        yield "result.json", record.to_json(data, made) + "\n"
        yield "recipe.yaml", once("recipe", lambda: record.recipe_text(recipe, planned)) if planned and recipe else None
        yield "diagram.mmd", once("mermaid", lambda: diagram.to_mermaid(drawn)) if drawn else None
        yield "mapping.yaml", _mapping_text(result.loaded)
        picture = diagram.picture(drawn) if drawn and alone else None
        if alone:
            whole = picture.depths[-1] if picture and picture.depths else None
        else:
            whole = once("picture", lambda: diagram.to_svg(diagram.to_dot(drawn))) if drawn else None
        yield "diagram.svg", diagram.standalone(whole) if whole else None
        yield "result.html", _page(result, data, picture, folder) if alone else None

    write_texts(folder, texts())


def _record(result: Result, about: Mapping[str, Any], plan: Mapping[str, Any] | None) -> dict[str, Any]:
    """The contents of ``result.json``.

    Args:
        plan: as ``_plan_record`` returns it.
    """
    from assembler.views import record

    settings = result.settings
    data = record.plain(
        {
            "version": record.VERSION,
            "status": result.status,
            **about,
            "task": settings.task.name if settings else None,
            **{name: result.config.get(name) for name in ("recipe", "mode", "seed", "dtype", "amp")},
            "device": vars(result.device) if result.device else None,
            "versions": record.versions(),
            "machine": host.machine(),
            "plan": None,
            "parameters": [record.parameter_record(one) for one in result.parameters],
            "weights": record.weights_record(result.loaded, settings.weights.load if settings else None, result.saved),
            "outcomes": [record.outcome_record(outcome) for outcome in result.outcomes],
            "files": result.files,
            "bench": [asdict(measured) for measured in result.bench],
            "error": told(result.error) if result.error else None,
            "seconds": result.seconds,
        }
    )
    return {**data, "plan": plan}  # which is plain


def _plan_record(planned: Plan, drawn: Diagram) -> dict[str, Any]:
    from assembler.views import diagram, diff, record

    parts, picture = diff.parts_record(planned), diagram.record(drawn)
    return record.plain({**record.plan_record(planned), "parts": parts, "diagram": picture})


def _page(result: Result, data: Mapping[str, Any], picture: Picture | None, folder: Path) -> str:
    from assembler.views.page import run_page

    name = result.settings.recipe.name if result.settings else folder.name
    there = _files_in(folder, [*_TEXTS, *result.files, *filter(None, [result.saved]), *_OF_HYDRA])
    return run_page(name, data, picture.data() if picture else None, there)


_TEXTS = ("result.json", "recipe.yaml", "diagram.mmd", "mapping.yaml", "diagram.svg")
"""What ``leave`` writes before the page."""


def _mapping_text(loaded: Loaded | None) -> str | None:
    """Which arrays became which parameters, unless the names in the file are the model's."""
    if loaded is None or loaded.mapping is None:
        return None
    from assembler.model.naming import to_yaml

    return to_yaml(loaded.mapping)


_OF_HYDRA = (".hydra/config.yaml", "run.log")
"""What Hydra leaves in a run folder for people."""


def _files_in(folder: Path, names: Iterable[str]) -> list[tuple[str, int]]:
    """The files of a folder among some names, with their sizes. Empty ones are left out."""
    top = folder.resolve()
    found: dict[str, int] = {}
    for name in names:
        with suppress(OSError, ValueError):  # it is not there, or elsewhere
            file = (top / name).resolve(strict=True)
            if file.is_file() and file.stat().st_size:
                found[file.relative_to(top).as_posix()] = file.stat().st_size
    return list(found.items())


def told(error: AssemblerError) -> str:
    """The printed form of an error: the message, after the tracebacks of exceptions inside layers."""
    return without_home(f"{''.join(traces(error))}{error}")


def traces(error: AssemblerError) -> Iterator[str]:
    """The original tracebacks of exceptions; inside layers, they begin at the layer's own line."""
    for mistake in flatten([error]):
        cause = mistake.__cause__
        if cause is None or not isinstance(mistake, LayerFault | InternalError):
            continue
        frames = cause.__traceback__
        if isinstance(mistake, LayerFault):
            frames = _from_the_layer_on(frames) or frames
        yield from traceback.format_exception(type(cause), cause, frames, chain=False)


def _from_the_layer_on(frames: TracebackType | None) -> TracebackType | None:
    import mindspore

    engine = tuple(str(Path(str(module.__file__)).parent) for module in (errors, mindspore, traceback))
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(engine):
        frames = frames.tb_next
    return frames
