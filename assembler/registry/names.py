"""What a word means where a recipe is expected: a recipe's name, or a stack. Python and the commands ask here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from assembler.errors import SettingsError
from assembler.files import short
from assembler.registry.registry import Registry
from assembler.words import suggestion

_NAME = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*")
"""What may be a name: ``resnet50``, ``mint.ReLU``, ``mine/net``. Everything else is a stack."""


def is_name(word: str) -> bool:
    """Whether a word may be the name of a recipe or a layer."""
    return bool(_NAME.fullmatch(word))


def find_recipe(word: str, recipes: Mapping[str, Path], registry: Registry) -> Path | None:
    """The file of a recipe's name; None if the word is a stack.

    Args:
        recipes: all recipes by name.
        registry: all layers.

    Raises:
        SettingsError: both a recipe and a layer have this name; or none has, and a recipe's name is close.
        RegistryError, Mistakes: a library's layers cannot be read.
    """
    if not is_name(word):
        return None
    file = recipes.get(word)
    if registry.candidates(word):
        if file is not None:
            instead = f"write '{word}()' for the layer, {short(file)} for the recipe"
            raise SettingsError(f"{word!r} is both a layer and a recipe; {instead}")
        return None
    if file is None and suggestion(word, recipes):
        raise SettingsError(f"no recipe or layer named {word!r}.{suggestion(word, [*recipes, *registry])}")
    return file
