"""References of a recipe to its own values: ``${recipe.params.width}``, or ``${.width}``, filled in as Hydra does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from assembler.errors import Place, SettingsError

MAX_EXPANDED = 1_000_000
"""Limit of a recipe's characters and values after all references are resolved."""
MAX_REFERENCES = 20
"""Limit of a chain of references that refer to one another."""
COST_OF_REFERENCE = 200
"""A reference counts as this many characters or values, because it takes that much longer."""

REFERENCE = re.compile(r"\$\{\s*(?:(\.+)|recipe(?=[.\[}\s]))([-\w.\[\]]*)\s*\}")
"""A reference to a value of the recipe: absolute, or relative with one dot per level."""


def hold_size(recipe: Any) -> None:
    """Refuse a recipe that exceeds the limits when its references are resolved.

    Args:
        recipe: plain data with unresolved references.

    Raises:
        SettingsError: references are circular, or the recipe exceeds ``MAX_EXPANDED`` characters and values.
    """
    if "${" not in str(recipe):
        return
    try:
        _Sizes(recipe).of(recipe, (), 0)
    except RecursionError:
        raise SettingsError(_GOES_ON, Place(key="recipe")) from None


_GOES_ON = f"references refer to one another more than {MAX_REFERENCES} levels deep, or in a circle"


class _Sizes:
    """The expanded size of each value, by its keys; each is computed once."""

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe
        self.known: dict[tuple[str, ...], tuple[int, int]] = {}

    def of(self, value: Any, keys: tuple[str, ...], depth: int) -> tuple[int, int]:
        """The number of characters and values that a value expands to, and the length of its longest reference chain.

        Args:
            keys: its keys.
            depth: number of references followed so far.
        """
        if keys in self.known:
            return self.known[keys]
        place = Place(key=".".join(("recipe", *keys)))
        size, length = 1, 0
        inside: Iterator[tuple[int, int]] = iter(())
        if isinstance(value, Mapping):
            inside = (self.of(one, (*keys, str(key)), depth) for key, one in value.items())
        elif isinstance(value, list):
            inside = (self.of(one, (*keys, str(index)), depth) for index, one in enumerate(value))
        elif isinstance(value, str):
            size += len(value)
            inside = (self._referred(target, depth) for target in self._targets(value, keys))
        for one, references in inside if depth <= MAX_REFERENCES else ():
            size, length = size + one, max(length, references)
        if depth > MAX_REFERENCES or length > MAX_REFERENCES:
            raise SettingsError(_GOES_ON, place)
        if size > MAX_EXPANDED:
            said = f"it expands to more than {MAX_EXPANDED:,} characters and values"
            raise SettingsError(said, place)
        self.known[keys] = size, length
        return size, length

    def _referred(self, target: tuple[Any, tuple[str, ...]], depth: int) -> tuple[int, int]:
        size, length = self.of(*target, depth + 1)
        return size + COST_OF_REFERENCE, length + 1

    def _targets(self, text: str, keys: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
        """The values that a string refers to, each with its keys."""
        for found in REFERENCE.finditer(text):
            yield self._at(target_of(found, keys))

    def _at(self, keys: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
        """The value at some keys; or the reference, if one is on the path to them."""
        value = self.recipe
        for count, key in enumerate(keys):
            if isinstance(value, Mapping):
                value = value.get(key, value.get(int(key)) if key.isdecimal() and len(key) < 10 else None)
            elif isinstance(value, list) and key.isdecimal() and len(key) < 10 and int(key) < len(value):
                value = value[int(key)]
            else:
                return (value, keys[:count]) if isinstance(value, str) else (None, keys)
        return value, keys


def filled(recipe: Any) -> Any:
    """A recipe with its references resolved.

    Args:
        recipe: plain data with unresolved references.

    Raises:
        SettingsError: as ``hold_size``, and for a reference to an unknown key.
    """
    hold_size(recipe)
    return _Filler(recipe).of(recipe, ())


class _Filler:
    """Resolves references. ``hold_size`` has checked them, so that this terminates quickly."""

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe

    def of(self, value: Any, keys: tuple[str, ...]) -> Any:
        """A value with references resolved: a whole string becomes the value, a part of a string becomes text."""
        if isinstance(value, Mapping):
            return {name: self.of(one, (*keys, str(name))) for name, one in value.items()}
        if isinstance(value, list):
            return [self.of(one, (*keys, str(index))) for index, one in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        if whole := REFERENCE.fullmatch(value):
            return self._referred(whole, keys)
        return REFERENCE.sub(lambda found: str(self._referred(found, keys)), value)

    def _referred(self, found: re.Match[str], keys: tuple[str, ...]) -> Any:
        target = target_of(found, keys)
        value = self.recipe
        for count, key in enumerate(target):
            value = self.of(value, target[:count]) if isinstance(value, str) else value
            if isinstance(value, Mapping) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdecimal() and len(key) < 10 and int(key) < len(value):
                value = value[int(key)]
            else:
                place = Place(key=".".join(("recipe", *keys)))
                raise SettingsError(f"Interpolation key '{'.'.join(('recipe', *target))}' not found", place)
        return self.of(value, target)


def target_of(found: re.Match[str], keys: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that a reference at some keys refers to."""
    names = tuple(re.findall(r"[^.\[\]]+", found[2]))
    return (*keys[: len(keys) - len(found[1])], *names) if found[1] else names
