"""Names that mean something in every recipe, unless the recipe or the registry gives them another meaning."""

from __future__ import annotations

FUNCTIONS = ("abs", "enumerate", "int", "len", "max", "min", "range", "round", "sum", "zip")
"""Functions of numbers and lists, which ``assembler.binding.functions`` evaluates."""
