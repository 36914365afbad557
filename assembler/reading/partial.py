"""Settings without their wrong parts: the rest is read as well, so that all errors are reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import BaseModel, model_validator

from assembler.errors import AssemblerError, flatten, noted
from assembler.reading.places import lies_in
from assembler.settings import CheckSettings, RecipeSettings
from assembler.validation import read


class _Keys(RecipeSettings):
    """The keys of a recipe, each by itself: whether they can be combined is not checked."""

    @model_validator(mode="after")
    def _whole(self) -> _Keys:
        return self


_MEANING = ("params", "blocks", "shared", "outputs", "scale", "classes")
"""Keys that the meaning of layers and first values depends on."""

_LAYERS = ("stack", "graph", "file", "init")

_ANY_INPUT = {"shape": [1, 3, 640, 640]}
"""Replaces a wrong input. Only network files need it to be read: they are for images."""


def rest_of_recipe(data: Any) -> RecipeSettings | None:
    """The settings of a recipe without their wrong parts; None if there is no recipe at all.

    ``{"stack": "ReLU", "expect": 3, "checks": {"mean": 3, "finite": {}}}`` → those of ``{"stack": "ReLU", "checks":
    {"finite": {}}}``. They may have no layers.
    """
    if not isinstance(data, Mapping):
        return None
    rest = _right_keys(_Keys, data, "recipe", "checks")
    if any(name in data and name not in rest for name in _MEANING):
        rest = {name: value for name, value in rest.items() if name not in _LAYERS}
    if "inputs" not in rest and isinstance(data.get("inputs"), Mapping):
        rest["inputs"] = dict.fromkeys(data["inputs"], _ANY_INPUT)
    if not rest.get("inputs") and not rest.get("input"):
        rest["input"] = _ANY_INPUT
    return _read(_Keys, rest)


def rest_of_checks(data: Any) -> CheckSettings:
    """The settings of a group of checks without their wrong parts."""
    rest = _right_keys(CheckSettings, data, "checks", "run") if isinstance(data, Mapping) else {}
    return _read(CheckSettings, rest) or CheckSettings()


AnyModel = TypeVar("AnyModel", bound=BaseModel)


def _read(model: type[AnyModel], data: Mapping[str, Any]) -> AnyModel | None:
    with suppress(AssemblerError):
        return read(model, data)
    return None


def _right_keys(model: type[BaseModel], data: Mapping[str, Any], key: str, inner: str) -> dict[str, Any]:
    """The keys without errors; in the mapping under ``inner``, the names without errors."""
    mistakes: list[AssemblerError] = []
    with noted(mistakes):
        read(model, data, key)
    wrong = [mistake.place.key for mistake in flatten(mistakes)]

    def right(said: Mapping[str, Any], at: str) -> dict[str, Any]:
        return {name: said[name] for name in said if not any(lies_in(one, f"{at}.{name}") for one in wrong)}

    rest = right(data, key)
    return {**rest, inner: right(data[inner], f"{key}.{inner}")} if isinstance(data.get(inner), Mapping) else rest
