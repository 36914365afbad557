"""What a process that runs many jobs keeps from one to the next: the registry, and plans with what was made of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from assembler.errors import AssemblerError
from assembler.pipeline import BoundRecipe, registry_of
from assembler.registry.registry import LAYERS, Registry, said_by_project
from assembler.settings import ProjectSettings

if TYPE_CHECKING:
    from assembler.checks import Outcome
    from assembler.planning.plan import Plan

Made = TypeVar("Made")

NOT_OF_A_PLAN = ("mode", "seed", "device")
"""Keys of a configuration that do not change its plan."""

MAX_ROWS = 2_000
"""Rows of all plans that are kept; the plan that was not used for the longest time is dropped first."""


@dataclass
class Known:
    """The plan of a configuration, and what was made of it: each is made once.

    Args:
        planned: with its bound recipe, and the outcomes of ``expect``; None until it is planned.
        made: by name.
    """

    planned: tuple[BoundRecipe, Plan, list[Outcome]] | None = None
    made: dict[Any, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of the plan."""
        return len(self.planned[1].rows) if self.planned else 0

    def once(self, name: Any, make: Callable[[], Made]) -> Made:
        """Something made of the plan, by its name."""
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]


class Kept:
    """The registry of the last configuration, and the plans of the last configurations.

    Layers are imported once in a process, and are taken to depend on their arguments and inputs alone, as in
    ``planning.memory``. A recipe that names other files is planned anew each time, because they may change.
    """

    def __init__(self) -> None:
        self._made_of: Any = None  # what the registry depends on
        self._registry: Registry | None = None
        self._plans: OrderedDict[str, Known] = OrderedDict()

    def registry_of(self, scopes: Mapping[str, Mapping[str, Any]]) -> Registry:
        """The registry of a configuration. Most jobs of a sweep have that of the job before.

        Raises:
            AssemblerError: see ``pipeline.registry_of``.
        """
        project = self._look_at(scopes)
        if self._registry is None:
            self._registry = registry_of(scopes, project)
        return self._registry

    def _look_at(self, scopes: Mapping[str, Mapping[str, Any]]) -> ProjectSettings:
        """Drop everything if the registry is another one than before; return the project's settings."""
        project = said_by_project()
        registered = [(entry, entry.registered) for entry in LAYERS.registered(project.layers)]
        made_of = scopes, project, LAYERS.trusted, registered
        if made_of != self._made_of:
            self._made_of, self._registry = made_of, None
            self._plans.clear()
        return project

    def plan_of(self, config: Mapping[str, Any], scopes: Mapping[str, Mapping[str, Any]]) -> Known:
        """What is known of the plan of a configuration.

        Args:
            config: the whole configuration, as plain data.
            scopes: its ``registry``.
        """
        if _names_files(config.get("recipe")):
            return Known()
        try:
            self._look_at(scopes)
        except AssemblerError:  # binding reports it
            return Known()
        while len(self._plans) > 1 and sum(known.rows for known in self._plans.values()) > MAX_ROWS:
            self._plans.popitem(last=False)
        plain = {name: value for name, value in config.items() if name not in (*NOT_OF_A_PLAN, "registry")}
        key = repr((str(Path.cwd()), plain))
        known = self._plans.setdefault(key, Known())
        self._plans.move_to_end(key)
        return known


def _names_files(recipe: Any) -> bool:
    """Whether a recipe has a network's file, or first values from files."""
    if not isinstance(recipe, Mapping):
        return False
    init = recipe.get("init")
    values = init.values() if isinstance(init, Mapping) else ()
    return recipe.get("file") is not None or any(isinstance(value, Mapping) and "file" in value for value in values)
