"""The verbs: what a run does with its settings, what it leaves behind, and its exit code."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assembler.errors import AssemblerError, LayerFault, Place, SettingsError, flatten, raise_all
from assembler.files import write_text
from assembler.grammar import parse_stack
from assembler.registry import LAYERS, Registry, trusted_by_project
from assembler.settings import RecipeSettings, Settings, read
from assembler.source import Sources

if TYPE_CHECKING:
    from mindspore import Tensor

    from assembler.checks import Outcome
    from assembler.device import Device
    from assembler.planner import Plan

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


def check(settings: Settings, result: Result) -> None:
    """Plan the recipe, build it on the device, and run its checks. ``result`` is filled as far as this comes.

    Raises:
        AssemblerError: the recipe, the configuration or the device is wrong.
    """
    mistakes: list[AssemblerError] = []
    stack = registry = None
    try:
        stack = parse_stack(settings.recipe.stack, "recipe.stack")
    except AssemblerError as mistake:
        mistakes.append(mistake)
    try:
        registry = registry_of(settings)
    except AssemblerError as mistake:
        mistakes.append(mistake)
    with result.timed("import"):
        from assembler import checks, device
        from assembler.build import build
        from assembler.planner import plan, specs_of
    try:
        prepared = checks.prepare(wanted_checks(settings))
    except AssemblerError as mistake:
        mistakes.append(mistake)
    raise_all(mistakes)
    assert stack is not None
    assert registry is not None

    result.device = device.pick(settings.device)
    device.require_dtype(settings.dtype, result.device)
    device.prepare(result.device)
    sample = make_input(settings)
    with result.timed("plan"):
        result.planned = plan(stack, registry, specs_of(sample), settings.dtype)
    with result.timed("build"):
        device.seed(settings.seed)
        model = build(result.planned)
    subject = checks.Subject(model, result.planned, sample, settings.mode, settings.dtype)
    with result.timed("forward"):
        call(subject)
    with result.timed("checks"):
        result.outcomes = checks.run(prepared, subject)


def registry_of(settings: Settings) -> Registry:
    """The registry that the configuration describes, and the layers registered in Python.

    Raises:
        RegistryError, SettingsError, Mistakes: entries that cannot be taken up.
    """
    registry = Registry(trusted=(*LAYERS.trusted, *trusted_by_project()))
    registry.load(settings.registry)
    for entry in LAYERS.registered():
        registry.add(entry)
    return registry


def wanted_checks(settings: Settings) -> dict[str, tuple[Mapping[str, Any] | None, str]]:
    """Check → arguments and where they stand: the group's, and the recipe's own, which come first in a clash."""
    wanted = {name: (arguments, f"checks.run.{name}") for name, arguments in settings.checks.run.items()}
    if settings.checks.own:
        own = settings.recipe.checks.items()
        wanted.update({name: (arguments, f"recipe.checks.{name}") for name, arguments in own})
    return wanted


def make_input(settings: Settings) -> Tensor:
    """The tensor that goes into the model: the recipe's values, or a sample drawn from ``seed``.

    Raises:
        SettingsError: the values are not a regular array of numbers, or not of the stated shape.
    """
    import numpy as np
    from mindspore import Tensor

    from assembler.device import as_dtype

    said = settings.recipe.input
    dtype = said.dtype or ("int32" if said.sample == "integers" and said.values is None else settings.dtype)
    if said.values is not None:
        try:
            values = np.asarray(said.values, dtype=np.float64)
        except (TypeError, ValueError):
            message = "the values are not numbers in lists of equal length"
            raise SettingsError(message, Place(key="recipe.input.values")) from None
        if values.ndim == 0 or values.size == 0:
            raise SettingsError("the values are not a list of numbers", Place(key="recipe.input.values"))
        if said.shape is not None and values.shape != said.shape:
            message = f"the values have shape {list(values.shape)}, not {list(said.shape)}"
            raise SettingsError(message, Place(key="recipe.input.shape"))
    else:
        assert said.shape is not None
        generator = np.random.default_rng(settings.seed)
        draw = {
            "uniform": lambda shape: generator.uniform(said.low, said.high, shape),
            "normal": generator.standard_normal,
            "integers": lambda shape: generator.integers(int(said.low), int(said.high), shape),
            "zeros": np.zeros,
            "ones": np.ones,
        }
        values = draw[said.sample](said.shape)
    via = "float32" if dtype == "bfloat16" else dtype
    return Tensor(values.astype(via), as_dtype(dtype))


def call(subject: Any) -> None:
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


def run(config: Mapping[str, Any], folder: Path, sources: Sources, overrides: Sequence[str]) -> int:
    """Do what a configuration says, print it, and leave ``result.json`` and ``recipe.yaml`` in a folder.

    Args:
        config: the composed configuration as plain data.
        folder: where to write; it must exist.
        sources: where the configuration came from, for messages.
        overrides: what the command line changed, for the record.

    Returns:
        The exit code.
    """
    from assembler.views import record, summary

    result = Result()
    started = datetime.now(timezone.utc)
    fault = ""
    try:
        result.settings = read(Settings, config)
        check(result.settings, result)
    except AssemblerError as error:
        result.error = sources.tell(error)
        fault = "".join(traces(error))
    console, errors = summary.make_console(), summary.make_console(stderr=True)
    if result.planned is not None and result.settings is not None:
        summary.print_plan(console, result.settings.recipe.name, result.planned)
        if result.device is not None and result.error is None:
            console.print(
                f"on {result.device.got} ({result.device.why}), {result.settings.mode} mode, "
                f"{result.settings.dtype}, seed {result.settings.seed}"
            )
    if result.error is None:
        summary.print_outcomes(console, result.outcomes)
    else:
        print_error(errors, fault, result.error)
    data = {
        "version": record.VERSION,
        "status": result.status,
        "started": started.isoformat(timespec="seconds"),
        "overrides": list(overrides),
        "recipe": config.get("recipe"),
        "mode": config.get("mode"),
        "seed": config.get("seed"),
        "dtype": config.get("dtype"),
        "device": vars(result.device) if result.device else None,
        "versions": record.versions(),
        "plan": record.plan_record(result.planned) if result.planned else None,
        "outcomes": [record.outcome_record(outcome) for outcome in result.outcomes],
        "error": None if result.error is None else f"{fault}{result.error}",
        "seconds": result.seconds,
    }
    write_text(folder / "result.json", json.dumps(record.plain(data), indent=1, allow_nan=False) + "\n")
    if result.planned is not None and result.settings is not None:
        write_text(folder / "recipe.yaml", record.recipe_text(result.settings.recipe, result.planned))
    return result.code


def print_error(console: Any, fault: str, error: AssemblerError) -> None:
    """The traceback of a fault inside a layer, if it is one, and the message."""
    console.out(f"{fault}{error}", highlight=False)


def traces(error: AssemblerError) -> Iterator[str]:
    """The original tracebacks of the faults inside layers, from the layer's own line on."""
    for mistake in flatten([error]):
        if isinstance(mistake, LayerFault) and mistake.__cause__ is not None:
            cause = mistake.__cause__
            frames = cause.__traceback__
            engine = (str(Path(__file__).parent), _mindspore_folder())
            while frames is not None and frames.tb_frame.f_code.co_filename.startswith(engine):
                frames = frames.tb_next
            yield from traceback.format_exception(type(cause), cause, frames or cause.__traceback__, chain=False)


def _mindspore_folder() -> str:
    import mindspore

    return str(Path(mindspore.__file__).parent)


__all__ = ["FAILED", "PASSED", "WRONG", "RecipeSettings", "Result", "check", "run"]
