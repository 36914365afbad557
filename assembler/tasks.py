"""The verbs: what a run does with its settings, what it leaves behind, and its exit code."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from assembler import errors
from assembler.errors import AssemblerError, InternalError, LayerFault, flatten, noted, raise_all
from assembler.files import write_text
from assembler.grammar import parse_recipe
from assembler.registry import LAYERS, Registry, trusted_by_project
from assembler.settings import RecipeSettings, Settings, read
from assembler.source import Sources, short

if TYPE_CHECKING:
    from assembler.binding import Steps
    from assembler.checks import Outcome, Prepared, Subject, Wanted
    from assembler.device import Device
    from assembler.rows import Plan

Scopes: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The configuration's ``registry``: scope → name → entry."""

PASSED, FAILED, WRONG = 0, 1, 2
"""Exit codes: all checks passed; a check failed; the recipe, the configuration or the device was wrong."""


@dataclass
class Result:
    """What a run found; what it did not come to is None or empty."""

    settings: Settings | None = None
    device: Device | None = None
    planned: Plan | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    error: AssemblerError | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The exit code."""
        if self.error is not None:
            return WRONG
        return PASSED if all(outcome.passed for outcome in self.outcomes) else FAILED

    @property
    def status(self) -> str:
        """The exit code in a word."""
        return ("passed", "failed", "error")[self.code]

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add what is inside to ``seconds``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 4)


def _read(settings: Settings, result: Result) -> tuple[Steps, list[Prepared]]:
    """Read the layers and the checks; what is wrong with any of them is told together.

    Raises:
        AssemblerError: the recipe or the configuration is wrong.
    """
    with result.timed("import"):
        import assembler.device  # noqa: F401 - before all that imports MindSpore: it sets the log level

        # isort: split
        from assembler import checks
    mistakes: list[AssemblerError] = []
    prepared: list[Prepared] = []
    with noted(mistakes):
        prepared = checks.prepare(wanted_checks(settings))
    steps = _bound(settings.recipe, settings.registry, mistakes)
    raise_all(mistakes)
    assert steps is not None
    return steps, prepared


def _bound(recipe: RecipeSettings, scopes: Scopes, mistakes: list[AssemblerError]) -> Steps | None:
    """The layers of a recipe with their arguments; None if something is wrong, which is noted."""
    import assembler.device  # noqa: F401 - before all that imports MindSpore: it sets the log level

    # isort: split
    from assembler.binding import bind

    parsed = registry = None
    with noted(mistakes):
        parsed = parse_recipe(recipe)
    with noted(mistakes):
        registry = registry_of(scopes)
    if parsed is None or registry is None:
        return None
    stack, definitions = parsed
    with noted(mistakes):
        return bind(stack, registry, definitions)
    return None


def _plan(steps: Steps, settings: Settings, result: Result) -> Plan:
    from assembler.checks import expectations
    from assembler.inputs import input_specs
    from assembler.planner import plan_steps

    with result.timed("plan"):
        result.planned = plan_steps(steps, input_specs(settings.recipe, settings.dtype), settings.dtype)
    result.outcomes = expectations(settings.recipe.expect, result.planned)
    return result.planned


def plan(settings: Settings, result: Result) -> None:
    """Plan the recipe, with no weights and on no device. ``result`` is filled as far as this comes.

    Raises:
        AssemblerError: the recipe or the configuration is wrong.
    """
    steps, _ = _read(settings, result)
    _plan(steps, settings, result)


def check(settings: Settings, result: Result) -> None:
    """Plan the recipe, build it on the device, and run its checks. ``result`` is filled as far as this comes.

    Raises:
        AssemblerError: the recipe, the configuration or the device is wrong.
    """
    steps, prepared = _read(settings, result)
    from assembler import checks, device
    from assembler.build import build
    from assembler.inputs import make_inputs

    result.device = device.pick(settings.device)
    device.require_dtype(settings.dtype, result.device)
    device.prepare(result.device)
    planned = _plan(steps, settings, result)
    if settings.guard:
        beside = _memory_of_checks(planned) if result.device.got == "cpu" else 0
        device.require_memory(planned.parameter_memory, planned.activations, result.device.got, beside=beside)
    samples = make_inputs(settings.recipe, settings.dtype, settings.seed)
    with result.timed("build"):
        device.seed(settings.seed)
        model = build(planned)
    subject = checks.Subject(model, planned, samples, settings.mode, settings.dtype)
    with result.timed("forward"):
        call(subject)
    with result.timed("checks"):
        result.outcomes += checks.run(prepared, subject)


def _memory_of_checks(planned: Plan) -> int:
    """Bytes that drawing the sample and comparing two outputs take: NumPy does both in float64, in a few steps."""
    from assembler.rows import numbers_in

    assert planned.input is not None
    assert planned.output is not None
    return 3 * 8 * numbers_in(planned.input) + 5 * 8 * numbers_in(planned.output)


TASKS: Mapping[str, Callable[[Settings, Result], None]] = {"check": check, "plan": plan}
"""What ``task=…`` does."""


def registry_of(scopes: Scopes) -> Registry:
    """The registry that the configuration describes, and the layers registered in Python.

    Raises:
        RegistryError, SettingsError, Mistakes: entries that cannot be taken up.
    """
    registry = Registry(trusted=(*LAYERS.trusted, *trusted_by_project()))
    mistakes: list[AssemblerError] = []
    for scope, entries in scopes.items():
        with noted(mistakes):
            registry.load(entries, f"registry.{scope}")
    raise_all(mistakes)
    for entry in LAYERS.registered():
        registry.add(entry)
    return registry


def wanted_checks(settings: Settings) -> list[Wanted]:
    """The checks of the group and then the recipe's own, each with its arguments and where they stand.

    A check that the group names without arguments is the recipe's if that names it, too; both run if both say more.
    """
    own = dict(settings.recipe.checks) if settings.checks.own else {}
    wanted: list[Wanted] = []
    for name, arguments in settings.checks.run.items():
        if name in own and not arguments:
            wanted.append((name, own.pop(name), f"recipe.checks.{name}"))
        else:
            wanted.append((name, arguments, f"checks.run.{name}"))
    return [*wanted, *((name, arguments, f"recipe.checks.{name}") for name, arguments in own.items())]


def call(subject: Subject) -> None:
    """Run the model once, so that a layer that raises is told as such and not as a failed check.

    Raises:
        DeviceError: a layer of MindSpore's or ours that the device cannot run.
        LayerFault: another layer raises.
    """
    from assembler.faults import blame

    try:
        _ = subject.outputs
    except Exception as error:
        raise blame(subject, error) from error


def run(compose: Callable[[], Mapping[str, Any]], folder: Path, sources: Sources, overrides: Sequence[str]) -> int:
    """Do what a configuration says, print it, and leave ``result.json`` and ``recipe.yaml`` in a folder.

    Nothing is raised, so that one job of a sweep does not stop the others.

    Args:
        compose: gives the composed configuration as plain data; it may raise what is wrong with it.
        folder: where to write; it must exist.
        sources: where the configuration came from, for messages.
        overrides: what the command line changed, for the record.

    Returns:
        The exit code.
    """
    result = Result()
    started = datetime.now(timezone.utc)
    config: Mapping[str, Any] = {}
    try:
        config = compose()
        result.settings = _settings_of(config)
        TASKS[result.settings.task.name](result.settings, result)
    except AssemblerError as error:
        result.error = sources.tell(error)
    except Exception as error:
        result.error = InternalError(
            f"a fault in the assembler itself, worth a report: {type(error).__name__}: {error}"
        )
        result.error.__cause__ = error
    leave(result, config, folder, {"started": started.isoformat(timespec="seconds"), "overrides": list(overrides)})
    show(result)
    if result.error is None:
        print(f"left in {short(folder)}")
    return result.code


def _settings_of(config: Mapping[str, Any]) -> Settings:
    """The configuration, validated. If it is wrong, the layers are looked at all the same, to tell all at once.

    Raises:
        SettingsError, Mistakes: unknown keys and values out of bounds, and what is wrong with the layers.
    """
    mistakes: list[AssemblerError] = []
    with noted(mistakes):
        return read(Settings, config)
    scopes = config.get("registry", {})
    if isinstance(scopes, Mapping) and all(isinstance(entries, Mapping) for entries in scopes.values()):
        with suppress(AssemblerError):  # what is wrong with the recipe's keys has been told
            _bound(read(RecipeSettings, config.get("recipe"), "recipe"), scopes, mistakes)
    raise_all(mistakes)
    raise AssertionError  # pragma: no cover - there is a mistake


def show(result: Result) -> None:
    """Print what a run found: tables to the standard output, a mistake to the standard error."""
    from assembler.views import summary

    console = summary.make_console()
    if result.planned is not None and result.settings is not None:
        summary.print_plan(console, result.settings.recipe.name, result.planned)
    if result.error is not None:
        summary.make_console(stderr=True).out(told(result.error), highlight=False)
        return
    assert result.settings is not None
    settings, device = result.settings, result.device
    if device is not None:
        console.print(f"on {device.got} ({device.why}), {settings.mode} mode, {settings.dtype}, seed {settings.seed}")
    if device is not None or result.outcomes:
        summary.print_outcomes(console, result.outcomes)


def leave(result: Result, config: Mapping[str, Any], folder: Path, about: Mapping[str, Any]) -> None:
    """Write ``result.json`` and, if there is a plan, ``recipe.yaml``; one of an earlier run does not stay."""
    from assembler.views import record

    data = {
        "version": record.VERSION,
        "status": result.status,
        **about,
        "task": result.settings.task.name if result.settings else None,
        **{name: config.get(name) for name in ("recipe", "mode", "seed", "dtype")},
        "device": vars(result.device) if result.device else None,
        "versions": record.versions(),
        "plan": record.plan_record(result.planned) if result.planned else None,
        "outcomes": [record.outcome_record(outcome) for outcome in result.outcomes],
        "error": told(result.error) if result.error else None,
        "seconds": result.seconds,
    }
    write_text(folder / "result.json", json.dumps(record.plain(data), indent=1, allow_nan=False) + "\n")
    (folder / "recipe.yaml").unlink(missing_ok=True)
    if result.planned is not None and result.settings is not None:
        write_text(folder / "recipe.yaml", record.recipe_text(result.settings.recipe, result.planned))


def told(error: AssemblerError) -> str:
    """A mistake as a person reads it: the message, after the tracebacks of faults inside layers."""
    return f"{''.join(traces(error))}{error}"


def traces(error: AssemblerError) -> Iterator[str]:
    """The original tracebacks of faults; of those inside layers, from the layer's own line on."""
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
