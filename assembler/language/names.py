"""Names of a recipe: those that mean something in every recipe, and what the others may be."""

from __future__ import annotations

from assembler.errors import GrammarError, Place

FUNCTIONS = ("abs", "enumerate", "int", "len", "max", "min", "range", "round", "sum", "zip")
"""Functions of numbers and lists, which ``assembler.binding.functions`` evaluates."""


def require_ascii(name: str, place: Place) -> None:
    """Refuse a name of a Cell with other letters: MindSpore takes no such names of parameters.

    Raises:
        GrammarError: there are others.
    """
    if not name.isascii():
        raise GrammarError(f"{name!r} is not ASCII, and names of weights have to be; rename it", place)
