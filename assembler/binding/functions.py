"""Functions of numbers and lists, slices, and what a list of values is for a loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from assembler.binding.arithmetic import as_integer, compute, is_inferred, is_number, within_bounds
from assembler.errors import RecipeError
from assembler.language.names import FUNCTIONS
from assembler.language.recipe import Each, Layer, PassedIn, Repeat, Turns, is_stack, leaves, print_value

MAX_LIST = 100_000
"""Elements that ``range`` may make."""


def call(layer: Layer, args: Sequence[Any]) -> Any:
    """The result of a function of the recipe language.

    Args:
        layer: the call as written, for messages.
        args: its arguments.

    Raises:
        RecipeError: the arguments do not fit.
    """
    name = layer.name
    if layer.kwargs:
        raise RecipeError(f"{name} takes its arguments by position, without names")
    if not args:
        raise RecipeError(f"{name!r} is a function; write {_USAGE[name]}")
    if any(map(is_inferred, leaves(args))):
        raise RecipeError(f"{name} cannot be used with '_'; its value is known when the input's shape is")
    most = _MOST.get(name, len(args))
    if len(args) > most:
        raise RecipeError(f"{name} takes {most} argument{'s' * (most > 1)}, {len(args)} given; write {_USAGE[name]}")
    return CALLS[name](*args)


def bindings(each: Each, values: Any) -> list[Mapping[str, Any]]:
    """What the names of a loop are, for each value.

    Raises:
        RecipeError: the values are not a list, or a value has another number of parts than there are names.
    """
    values = list_of(values, "'for'")
    if len(each.names) == 1:
        return [{each.names[0]: value} for value in values]
    return [_unpacked(each.names, value) for value in values]


def _unpacked(names: Sequence[str], value: Any) -> Mapping[str, Any]:
    if not isinstance(value, list | tuple):
        raise RecipeError(f"'for {', '.join(names)}' needs a list of lists; {print_value(value)} is one value")
    if len(value) != len(names):
        what = f"'for {', '.join(names)}' has {len(names)} names"
        raise RecipeError(f"{what}, and {print_value(value)} has {len(value)} values")
    return dict(zip(names, value, strict=True))


def list_of(value: Any, whose: str) -> list[Any] | tuple[Any, ...]:
    """A list or a tuple.

    Raises:
        RecipeError: it is something else; the message says what to write.
    """
    if isinstance(value, list | tuple):
        return value
    if is_number(value):
        instead = f"; write range({as_integer(value)})" if whose == "'for'" and _is_whole(value) else ""
        raise RecipeError(f"{whose} needs a list, not the number {print_value(value)}{instead}")
    if is_stack(value):
        raise RecipeError(f"{whose} needs a list of values, not layers: {print_value(value)}")
    if isinstance(value, dict):
        raise RecipeError(f"{whose} needs a list, not a mapping")
    raise RecipeError(f"{whose} needs a list, not {print_value(value)}")


def _is_whole(number: Any) -> bool:
    return isinstance(as_integer(number), int)


def sliced(inside: Any, start: Any, stop: Any) -> Any:
    """A part of a list.

    Raises:
        RecipeError: it is not a list, or an end is not an integer.
    """
    if not isinstance(inside, list | tuple):
        raise RecipeError(f"only lists have slices, not {print_value(inside)}")
    return inside[slice(*(None if end is None else _integer(end, "a slice") for end in (start, stop)))]


def spread(value: Any) -> list[Any]:
    """What an argument with a star is: the elements of a list, the turns of a repeat or of a loop.

    Raises:
        RecipeError: it is something else.
    """
    match value:
        case list() | tuple():
            return list(value)
        case Repeat():
            return [value.body] * value.count
        case Turns():
            return list(value.turns)
        case PassedIn():
            return [PassedIn(one, value.depth) for one in spread(value.body)]
    if is_stack(value):
        raise RecipeError(f"'*' needs a list, a repeat or a loop; write {print_value(value)} without it")
    raise RecipeError(f"'*' needs a list, a repeat or a loop, not {print_value(value)}")


# ---- the functions


def _number(value: Any, name: str) -> Any:
    if not is_number(value):
        if is_stack(value):
            raise RecipeError(f"{name} takes numbers, not layers; layers are joined by '+': A + B")
        raise RecipeError(f"{name} takes numbers, not {print_value(value)}")
    return value


def _integer(value: Any, name: str) -> int:
    if not _is_whole(_number(value, name)):
        raise RecipeError(f"{name} takes integers, not {print_value(value)}; write round({print_value(value)})")
    return int(value)


def _numbers(args: Sequence[Any], name: str) -> list[Any]:
    """Numbers, given one by one or as a list."""
    values = list_of(args[0], name) if len(args) == 1 else args
    return [_number(value, name) for value in values]


def _extreme(name: str, of: Callable[..., Any]) -> Callable[..., Any]:
    def extreme(*args: Any) -> Any:
        values = _numbers(args, name)
        if not values:
            raise RecipeError(f"{name} needs at least one number; the list is empty")
        return of(values)

    return extreme


def _rounded(name: str, of: Callable[[Any], int]) -> Callable[[Any], Any]:
    def rounded(value: Any) -> Any:
        text = f"{name}({print_value(value)})"
        try:
            return within_bounds(of(_number(value, name)), text)
        except (OverflowError, ValueError):  # of infinity, and of what is not a number
            raise RecipeError(f"{text} is out of bounds") from None

    return rounded


def _sum(values: Any) -> Any:
    if is_stack(values) or (isinstance(values, list | tuple) and any(map(is_stack, values))):
        raise RecipeError("sum adds numbers; layers run one after the other in brackets: (Unit(w) for w in widths)")
    return reduce(lambda left, right: compute("+", (left, right)), _numbers([values], "sum"), 0)


def _len(value: Any) -> int:
    return len(value) if isinstance(value, dict) else len(list_of(value, "len"))


def _range(*args: Any) -> list[int]:
    numbers = [_integer(value, "range") for value in args]
    if len(numbers) == 3 and numbers[2] == 0:
        raise RecipeError("the step of a range must not be 0")
    found = range(*numbers)
    if len(found[: MAX_LIST + 1]) > MAX_LIST:
        raise RecipeError(f"range makes more than {MAX_LIST:,} numbers")
    return list(found)


def _zip(*lists: Any) -> list[tuple[Any, ...]]:
    lengths = [len(list_of(one, "zip")) for one in lists]
    if len(set(lengths)) > 1:
        raise RecipeError(f"zip needs lists of one length, not of {', '.join(map(str, lengths))}")
    return list(zip(*lists, strict=True))


CALLS: Mapping[str, Callable[..., Any]] = {
    "abs": lambda value: abs(_number(value, "abs")),
    "enumerate": lambda values: list(enumerate(list_of(values, "enumerate"))),
    "int": _rounded("int", int),
    "len": _len,
    "max": _extreme("max", max),
    "min": _extreme("min", min),
    "range": _range,
    "round": _rounded("round", round),
    "sum": _sum,
    "zip": _zip,
}
_MOST = {"abs": 1, "enumerate": 1, "int": 1, "len": 1, "range": 3, "round": 1, "sum": 1}
_USAGE: Mapping[str, str] = {
    "abs": "abs(number)",
    "enumerate": "enumerate(list)",
    "int": "int(number)",
    "len": "len(list)",
    "max": "max(a, b) or max(list)",
    "min": "min(a, b) or min(list)",
    "range": "range(stop) or range(start, stop)",
    "round": "round(number)",
    "sum": "sum(list)",
    "zip": "zip(list, list)",
}
assert set(CALLS) == set(_USAGE) == set(FUNCTIONS)
