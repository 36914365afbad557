"""The one way from settings to a plan: read, parse, bind, first values, checks; then plan, settle, expect.

All errors that can be found without a plan are found in one pass and raised together; ``Sources.tell`` sorts them by
place. MindSpore is imported to plan, and for a recipe that names initializers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from assembler.binding.bind import bind
from assembler.binding.parsing import parse_definitions, parse_layers
from assembler.binding.structure import Steps
from assembler.errors import AssemblerError, Mend, Place, RecipeError, noted, raise_all
from assembler.language.recipe import Definitions
from assembler.reading.partial import rest_of_checks, rest_of_recipe
from assembler.registry.entries import TRUSTED
from assembler.registry.registry import LAYERS, Registry, said_by_project, trusted_for_recipes
from assembler.settings import CheckSettings, Dtype, ProjectSettings, RecipeSettings, Settings
from assembler.validation import read

if TYPE_CHECKING:
    from assembler.checks import Outcome, Prepared
    from assembler.planning.memory import LayerMemory
    from assembler.planning.plan import Plan, Rule

OF_INPUT = ("macs", "output")
"""What ``expect`` holds that another input changes."""


@dataclass(frozen=True)
class BoundRecipe:
    """A recipe without errors, as far as they can be found without a plan.

    Args:
        recipe: its settings.
        steps: its layers with their arguments.
        rules: the first values of its parameters.
        checks: the checks to run, with their arguments.
    """

    recipe: RecipeSettings
    steps: Steps
    rules: list[Rule]
    checks: list[Prepared]


def plan(bound: BoundRecipe, dtype: Dtype, memory: LayerMemory | None = None) -> tuple[Plan, list[Outcome]]:
    """The plan of a recipe, and the outcomes of its ``expect``.

    Args:
        memory: as for ``plan_steps``.

    Raises:
        AssemblerError: shapes do not fit, or ``init`` or ``freeze`` match no parameter.
    """
    from assembler.checks import expectations
    from assembler.model.inputs import input_specs
    from assembler.model.parameters import settle
    from assembler.planning.planner import plan_steps

    planned = plan_steps(bound.steps, input_specs(bound.recipe, dtype), dtype, memory)
    planned = settle(planned, bound.rules, bound.recipe.freeze)
    return planned, expectations(bound.recipe.expect, planned)


def unmet(outcomes: Iterable[Outcome]) -> list[AssemblerError]:
    """The errors of a plan that is not what its recipe expects.

    Args:
        outcomes: as ``plan`` returns them.
    """
    return [
        RecipeError(
            f"the recipe expects {outcome.bound}, but the plan has {outcome.measured}",
            Place(key=f"recipe.{outcome.name}"),
            Mend(str(outcome.bound), str(outcome.measured)),
        )
        for outcome in outcomes
        if not outcome.passed
    ]


def bind_recipe(
    data: Any, registry: Callable[[], Registry], project: Callable[[], ProjectSettings] = said_by_project
) -> BoundRecipe:
    """Read and bind a recipe that is plain data.

    Args:
        registry: returns its layers; it may raise errors in them.
        project: returns the project's settings; by default those of the working directory.

    Raises:
        AssemblerError: all errors in the recipe, its layers and checks.
    """
    mistakes: list[AssemblerError] = []
    recipe = bound = None
    with noted(mistakes):
        recipe = read(RecipeSettings, data, "recipe")
    if (recipe := recipe or rest_of_recipe(data)) is not None:
        bound = _bind(recipe, CheckSettings(), registry, project, mistakes)
    raise_all(mistakes)
    assert bound is not None
    return bound


def bind_settings(settings: Settings, registry: Callable[[], Registry] | None = None) -> BoundRecipe:
    """Bind the recipe of a whole configuration, with the checks of its group.

    Args:
        registry: returns the registry of the configuration, as ``registry_of`` does by default.

    Raises:
        AssemblerError: all errors in the recipe, its layers and checks.
    """
    mistakes: list[AssemblerError] = []
    registry = registry or partial(registry_of, settings.registry)
    bound = _bind(settings.recipe, settings.checks, registry, said_by_project, mistakes)
    raise_all(mistakes)
    assert bound is not None
    return bound


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Validate a whole configuration. If it is wrong, its recipe is still bound, to report all errors at once.

    Raises:
        SettingsError, Mistakes: unknown keys, values out of bounds, and what ``bind_settings`` raises.
    """
    mistakes: list[AssemblerError] = []
    with noted(mistakes):
        return read(Settings, config)
    recipe, scopes = rest_of_recipe(config.get("recipe")), config.get("registry", {})
    readable = isinstance(scopes, Mapping) and all(isinstance(entries, Mapping) for entries in scopes.values())
    registry = partial(registry_of, scopes) if readable else lambda: None
    if recipe is not None:
        _bind(recipe, rest_of_checks(config.get("checks")), registry, said_by_project, mistakes)
    raise_all(mistakes)
    raise AssertionError  # pragma: no cover - there is an error


def registry_of(scopes: Mapping[str, Mapping[str, Any]], project: ProjectSettings | None = None) -> Registry:
    """The registry of a configuration, including the layers registered in Python.

    Args:
        scopes: the configuration's ``registry``: scope → name → entry.
        project: the project's settings; by default those of the working directory.

    Raises:
        RegistryError, SettingsError, Mistakes: entries that cannot be added.
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


def _bind(
    recipe: RecipeSettings,
    group: CheckSettings,
    registry: Callable[[], Registry | None],
    project: Callable[[], ProjectSettings],
    mistakes: list[AssemblerError],
) -> BoundRecipe | None:
    """Bind layers, first values and checks; None if the layers have errors, which are noted."""
    layers = trusted = None
    rules: list[Rule] = []
    checks: list[Prepared] = []
    with noted(mistakes):
        trusted = trusted_for_recipes(project()) if recipe.checks or group.run else ()
        layers = registry()
    steps, definitions = _bind_layers(recipe, layers, mistakes)
    if recipe.init and definitions is not None:
        from assembler.model.parameters import read_rules

        with noted(mistakes):
            rules = read_rules(recipe.init, definitions)
    if trusted is not None:
        own = layers.trusted if layers is not None else ()
        checks = _bind_checks(recipe, group, (*trusted, *(name for name in own if name not in TRUSTED)), mistakes)
    return BoundRecipe(recipe, steps, rules, checks) if steps is not None else None


def _bind_layers(
    recipe: RecipeSettings, registry: Registry | None, mistakes: list[AssemblerError]
) -> tuple[Steps | None, Definitions | None]:
    definitions = stack = None
    with noted(mistakes):
        definitions = parse_definitions(recipe)
    with noted(mistakes):
        if not recipe.stack is recipe.graph is recipe.file is None:
            stack = parse_layers(recipe, registry=registry)
    if registry is not None and stack is not None and definitions is not None:
        with noted(mistakes):
            return bind(stack, registry, definitions), definitions
    return None, definitions


def _bind_checks(
    recipe: RecipeSettings, group: CheckSettings, trusted: tuple[str, ...], mistakes: list[AssemblerError]
) -> list[Prepared]:
    from assembler.checks.base import prepare, require_references, wanted_checks

    wanted = wanted_checks(recipe.checks, group)
    with noted(mistakes):
        require_references(wanted, trusted)
    with noted(mistakes):
        return prepare(wanted, trusted)
    return []
