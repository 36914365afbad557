"""Arithmetic and comparison of numbers, within bounds."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from assembler.errors import RecipeError
from assembler.language.grammar import MAX_NUMBER
from assembler.language.recipe import INFER, Infer, Operation, is_stack, leaves, print_value, walk

MAX_OPEN = 200
"""Numbers and operators of one value that has ``_`` in it; others are computed at once."""

ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def is_number(value: object) -> bool:
    """Whether a value is a number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_inferred(value: object) -> bool:
    """Whether a value is ``_``, or arithmetic with it, which is computed when the layer's input is known."""
    return isinstance(value, Infer | Operation)


def as_integer(value: object) -> object:
    """A whole float as an integer; any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def compute(name: str, values: tuple[Any, ...]) -> Any:
    """The result of one operator, or the operation itself if ``_`` is in it.

    Args:
        values: one for a sign, else two.

    Raises:
        RecipeError: a value is not a number, or the result is out of bounds.
    """
    for value in values:
        if not is_number(value) and not is_inferred(value):
            if len(values) == 1:
                raise RecipeError("a sign is only allowed before a number")
            raise RecipeError(f"{name!r} needs numbers, not {print_value(value)}")
    if any(map(is_inferred, values)):
        operation = Operation(name, values)
        if sum(1 for _ in islice(walk(operation), MAX_OPEN + 1)) > MAX_OPEN:
            raise RecipeError(f"arithmetic with '_' has more than {MAX_OPEN} numbers and operators")
        return operation
    if len(values) == 1:
        return -values[0] if name == "-" else values[0]
    left, right = values
    if name == "**" and (abs(right) > 64 or abs(left) > MAX_NUMBER):
        raise RecipeError(f"{print_value(left)} ** {print_value(right)} is too large")
    try:
        result = ARITHMETIC[name](left, right)
    except ZeroDivisionError:
        raise RecipeError("division by zero") from None
    except OverflowError:
        result = math.inf
    return within_bounds(result, f"{print_value(left)} {name} {print_value(right)}")


def within_bounds(result: Any, text: str) -> Any:
    """A result, if it is a number of the recipe language.

    Raises:
        RecipeError: it is complex, too large or not a number.
    """
    is_complex = isinstance(result, complex)
    if is_complex or (abs(result) > MAX_NUMBER and (isinstance(result, int) or result == math.inf)):
        raise RecipeError(f"{text} is out of bounds")
    return result


def fill_in(value: Any, number: int) -> Any:
    """The number of an argument that has ``_`` in its arithmetic.

    Args:
        number: what ``_`` is.

    Raises:
        RecipeError: as ``compute``.
    """
    if value is INFER:
        return number
    if isinstance(value, Operation):
        return compute(value.operator, tuple(fill_in(operand, number) for operand in value.operands))
    return value


def compare(name: str, left: Any, right: Any) -> bool:
    """Whether a comparison holds.

    Raises:
        RecipeError: the values cannot be compared.
    """
    if is_stack(left) or is_stack(right):
        raise RecipeError("layers cannot be compared")
    if any(map(is_inferred, leaves([left, right]))):
        raise RecipeError("'_' cannot be compared; its value is known when the input's shape is")
    try:
        return bool(COMPARISONS[name](left, right))
    except TypeError:
        raise RecipeError(f"{print_value(left)} and {print_value(right)} cannot be ordered") from None
