"""The first steps of several tasks: bind the recipe, plan it, build the model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from assembler import pipeline
from assembler.pipeline import BoundRecipe
from assembler.settings import Settings, WeightSettings
from assembler.tasks.result import Result

if TYPE_CHECKING:
    from mindspore import nn

    from assembler.checks import Prepared, Subject
    from assembler.model.weights import Loaded
    from assembler.planning.plan import Plan


def planned(settings: Settings, result: Result) -> tuple[Plan, list[Prepared]]:
    """Bind the layers and the checks, reporting all errors together, and plan.

    The first outcomes of the result are those of ``expect``.

    Raises:
        AssemblerError: the recipe or the configuration is wrong.
    """
    result.known = result.kept.plan_of(result.config, settings.registry)
    bound = bind(settings, result)
    return plan_bound(bound, settings, result), bound.checks


def assembled(settings: Settings, result: Result) -> tuple[Subject, list[Prepared]]:
    """Plan the recipe, build it on the device, and run it forward once.

    Raises:
        AssemblerError: the recipe, the configuration or the device is wrong.
    """
    bound = bind(settings, result)
    from assembler import checks
    from assembler.model import precision
    from assembler.model.build import build
    from assembler.model.inputs import make_inputs
    from assembler.model.parameters import observe
    from assembler.runtime import device, memory

    target = prepare_device(settings, result)
    planned = plan_bound(bound, settings, result)
    if settings.guard:
        beside = _memory_of_checks(planned, bound.checks, target)
        memory.require_memory(planned.parameter_memory, planned.activations, target, beside=beside)
    precision.require_kernels(planned, target)
    samples = make_inputs(settings.recipe, settings.dtype, settings.seed)
    with result.timed("build", f"building {settings.recipe.name}"):
        device.seed(settings.seed)
        model = build(planned, settings.seed)
    if settings.weights.load is not None:
        with result.timed("load", f"loading {settings.weights.load}"):
            result.loaded = load_weights(model, planned, settings.weights)
    loaded = result.loaded.names if result.loaded else ()
    result.parameters = observe(planned, model, set(loaded), settings.weights.load)
    subject = checks.Subject(model, planned, samples, settings.mode, settings.dtype, settings.amp, folder=result.folder)
    with result.timed("forward", f"running {settings.recipe.name}"):
        call(subject)
    return subject, bound.checks


def prepare_device(settings: Settings, result: Result) -> str:
    """Choose the device and make it ready.

    Returns:
        The target: cpu, gpu or ascend.

    Raises:
        DeviceError: it is absent, or already in use with other settings.
        SettingsError: ``dtype`` and ``amp`` cannot be combined.
    """
    from assembler.model import precision
    from assembler.runtime import device

    result.device = device.pick(settings.device)
    precision.require(settings.dtype, settings.amp)
    device.prepare(result.device)
    return result.device.got


def load_weights(model: nn.Cell, planned: Plan, said: WeightSettings) -> Loaded:
    """Load the file of ``weights.load``, renamed by ``weights.rename``: rules, or a mapping file.

    Raises:
        ParameterError, Mistakes, SettingsError: it does not fit the model, or the mapping file cannot be read.
    """
    from assembler.model import weights
    from assembler.model.naming import read_mapping

    assert said.load is not None
    rename = read_mapping(Path(said.rename)) if isinstance(said.rename, str) else said.rename
    return weights.load(
        model,
        Path(said.load),
        rename=rename,
        strict=said.strict,
        names=said.names,
        planned=planned,
        key="weights.load",
    )


def bind(settings: Settings, result: Result) -> BoundRecipe:
    """Bind the recipe; errors in it, its layers and the checks are reported together.

    Raises:
        AssemblerError: the recipe or the configuration is wrong.
    """
    with result.timed("import", "importing MindSpore"):
        from assembler import checks as checks
        from assembler.planning import planner as planner  # which imports MindSpore
    if result.known.planned is not None:
        return result.known.planned[0]
    with result.budget:
        return pipeline.bind_settings(settings, partial(result.kept.registry_of, settings.registry))


def plan_bound(bound: BoundRecipe, settings: Settings, result: Result) -> Plan:
    """The plan; the outcomes of ``expect`` are in ``result``.

    Raises:
        AssemblerError: shapes do not fit, a rule matches no parameter, or the budget is used up.
    """
    known = result.known
    with result.timed("plan", f"planning {settings.recipe.name}"), result.budget:
        if known.planned is None:
            known.planned = bound, *pipeline.plan(bound, settings.dtype)
    _, result.planned, outcomes = known.planned
    result.outcomes = [*outcomes]
    result.on_plan(result)
    return result.planned


def _memory_of_checks(planned: Plan, prepared: Sequence[Prepared], target: str) -> int:
    """Bytes that running the model and its checks, one at a time, needs at most.

    On the CPU, NumPy draws the sample and compares outputs in float64, in a few steps.
    """
    from assembler.planning.specs import numbers_in

    assert planned.input is not None
    assert planned.output is not None
    drawing = 3 * 8 * numbers_in(planned.input) + 5 * 8 * numbers_in(planned.output) if target == "cpu" else 0
    return drawing + max((one.check.memory(planned) for one in prepared), default=0)


def call(subject: Subject) -> None:
    """Run the model once, so that an exception of a layer is reported as such and not as a failed check.

    Raises:
        DeviceError: the device cannot run a layer of MindSpore or of the assembler.
        LayerFault: a custom layer raises.
    """
    from assembler.model.faults import blame

    try:
        _ = subject.outputs
    except Exception as error:
        raise blame(subject, error) from error
