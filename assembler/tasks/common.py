"""What several tasks begin with: reading the configuration, planning it, building the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from assembler.binding.parsing import parse_recipe
from assembler.errors import AssemblerError, noted, raise_all
from assembler.registry.registry import LAYERS, Registry, said_by_project, trusted_for_recipes
from assembler.settings import ProjectSettings, RecipeSettings, Settings, WeightSettings
from assembler.tasks.result import Result

if TYPE_CHECKING:
    from mindspore import nn

    from assembler.binding.bind import Steps
    from assembler.checks import Prepared, Subject, Wanted
    from assembler.model.weights import Loaded
    from assembler.planning.plan import Plan, Rule

Scopes: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The configuration's ``registry``: scope → name → entry."""


def planned(settings: Settings, result: Result) -> tuple[Plan, list[Prepared]]:
    """Read the layers and the checks, tell what is wrong with any of them together, and plan.

    The outcomes of ``expect`` are the first of the result's.

    Raises:
        AssemblerError: the recipe or the configuration is wrong.
    """
    given = read_all(settings, result)
    return plan_of(given, settings, result), given.checks


def assembled(settings: Settings, result: Result) -> tuple[Subject, list[Prepared]]:
    """Plan the recipe, build it on the device, and run it forward once.

    Raises:
        AssemblerError: the recipe, the configuration or the device is wrong.
    """
    given = read_all(settings, result)
    from assembler import checks
    from assembler.model import precision
    from assembler.model.build import build
    from assembler.model.inputs import make_inputs
    from assembler.model.parameters import observe
    from assembler.runtime import device, memory

    target = prepare_device(settings, result)
    planned = plan_of(given, settings, result)
    if settings.guard:
        beside = _memory_of_checks(planned, given.checks, target)
        memory.require_memory(planned.parameter_memory, planned.activations, target, beside=beside)
    precision.require_kernels(planned, target)
    samples = make_inputs(settings.recipe, settings.dtype, settings.seed)
    with result.timed("build"):
        device.seed(settings.seed)
        model = build(planned, settings.seed)
    if settings.weights.load is not None:
        with result.timed("load"):
            result.loaded = load_weights(model, settings.weights)
    loaded = result.loaded.names if result.loaded else ()
    result.parameters = observe(planned, model, set(loaded), settings.weights.load)
    subject = checks.Subject(model, planned, samples, settings.mode, settings.dtype, settings.amp, folder=result.folder)
    with result.timed("forward"):
        call(subject)
    return subject, given.checks


def prepare_device(settings: Settings, result: Result) -> str:
    """Choose the device and make it ready.

    Returns:
        The target: cpu, gpu or ascend.

    Raises:
        DeviceError: it is absent, or in use otherwise.
        SettingsError: types of float that do not go together.
    """
    from assembler.model import precision
    from assembler.runtime import device

    result.device = device.pick(settings.device)
    precision.require(settings.dtype, settings.amp)
    device.prepare(result.device)
    return result.device.got


def load_weights(model: nn.Cell, said: WeightSettings) -> Loaded:
    """Load what the configuration names.

    Raises:
        ParameterError, Mistakes: it does not fit.
    """
    from assembler.model import weights

    assert said.load is not None
    return weights.load(model, Path(said.load), rename=said.rename, strict=said.strict, key="weights.load")


@dataclass
class Given:
    """What a configuration says, as read: layers with their arguments, first values of parameters, and checks."""

    steps: Steps
    rules: list[Rule]
    checks: list[Prepared]


def read_all(settings: Settings, result: Result) -> Given:
    """Read the layers, the first values and the checks; what is wrong with any of them is told together.

    Raises:
        AssemblerError: the recipe or the configuration is wrong.
    """
    with result.timed("import"):
        from assembler import checks
        from assembler.model.parameters import read_rules
    mistakes: list[AssemblerError] = []
    prepared: list[Prepared] = []
    rules: list[Rule] = []
    with noted(mistakes):
        prepared = checks.prepare(wanted_checks(settings), trusted_for_recipes(said_by_project()))
    steps = bound(settings.recipe, settings.registry, mistakes)
    with noted(mistakes):
        rules = read_rules(settings.recipe)
    raise_all(mistakes)
    assert steps is not None
    return Given(steps, rules, prepared)


def bound(recipe: RecipeSettings, scopes: Scopes, mistakes: list[AssemblerError]) -> Steps | None:
    """The layers of a recipe with their arguments; None if something is wrong, which is noted."""
    from assembler.binding.bind import bind

    parsed = registry = None
    of_registry: list[AssemblerError] = []
    with noted(of_registry):
        registry = registry_of(scopes)
    with noted(mistakes):
        parsed = parse_recipe(recipe, registry=registry)
    mistakes += of_registry
    if parsed is None or registry is None:
        return None
    stack, definitions = parsed
    with noted(mistakes):
        return bind(stack, registry, definitions)
    return None


def plan_of(given: Given, settings: Settings, result: Result) -> Plan:
    """The plan, and what ``expect`` says of it.

    Raises:
        AssemblerError: shapes do not fit, or what the recipe says of parameters fits none; it takes more time or memory
            than ``assembler.planning.limits`` allows.
    """
    from assembler.checks import expectations
    from assembler.model.inputs import input_specs
    from assembler.model.parameters import settle
    from assembler.planning.limits import limited
    from assembler.planning.planner import plan_steps

    with result.timed("plan"), limited():
        found = plan_steps(given.steps, input_specs(settings.recipe, settings.dtype), settings.dtype)
        result.planned = settle(found, given.rules, settings.recipe.freeze)
    result.outcomes = expectations(settings.recipe.expect, result.planned)
    return result.planned


def _memory_of_checks(planned: Plan, prepared: Sequence[Prepared], target: str) -> int:
    """Bytes that what is done with the model takes at most, one check at a time.

    On the CPU, NumPy draws the sample and compares outputs in float64, in a few steps.
    """
    from assembler.planning.specs import numbers_in

    assert planned.input is not None
    assert planned.output is not None
    drawing = 3 * 8 * numbers_in(planned.input) + 5 * 8 * numbers_in(planned.output) if target == "cpu" else 0
    return drawing + max((one.check.memory(planned) for one in prepared), default=0)


def registry_of(scopes: Scopes, project: ProjectSettings | None = None) -> Registry:
    """The registry that the configuration describes, and the layers registered in Python.

    Args:
        project: what the project says; by default that of the working directory.

    Raises:
        RegistryError, SettingsError, Mistakes: entries that cannot be taken up.
    """
    project = project or said_by_project()
    registry = Registry(trusted=(*LAYERS.trusted, *project.trusted), installed=True)
    mistakes: list[AssemblerError] = []
    for scope, entries in scopes.items():
        with noted(mistakes):
            registry.load(entries, f"registry.{scope}")
    raise_all(mistakes)
    for entry in LAYERS.registered(project.layers):
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
    from assembler.model.faults import blame

    try:
        _ = subject.outputs
    except Exception as error:
        raise blame(subject, error) from error
