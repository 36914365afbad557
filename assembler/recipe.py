"""The frozen data that a stack is, and how it prints back to text.

A stack is a :class:`Layer`, a :class:`Repeat` or a :class:`Chain`. It is always in normal form: a chain has at least
two items and none of them is a chain, so that texts that mean the same are equal as data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from assembler.errors import NOWHERE, Place


class Verbatim(str):
    """A text that stands in an argument's place and prints as it is, without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


@dataclass(frozen=True, slots=True)
class Infer:
    """The argument ``_``: to be read from the shape of the layer's input."""

    def __str__(self) -> str:
        return "_"


INFER = Infer()


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as written: ``Dense(8, 128, has_bias=False)``."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    argument_places: tuple[Place, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name}({inside})" if (inside := self.arguments_text()) else self.name

    def arguments_text(self) -> str:
        """What stands between the parentheses."""
        named = (f"{name}={print_value(value)}" for name, value in self.kwargs)
        return ", ".join([*(print_value(value) for value in self.args), *named])


@dataclass(frozen=True, slots=True)
class Repeat:
    """``3 * A``: A three times over, each time with weights of its own."""

    count: int
    body: Stack
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        body = str(self.body) if isinstance(self.body, Layer) else f"({self.body})"
        return f"{self.count} * {body}"


@dataclass(frozen=True, slots=True)
class Chain:
    """``A + B``: run A, then B. Make one with :func:`chain`."""

    items: tuple[Layer | Repeat, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return " + ".join(str(item) for item in self.items)


Stack: TypeAlias = Layer | Repeat | Chain


def chain(parts: Iterable[Stack], place: Place = NOWHERE) -> Stack:
    """Join at least one part in normal form: ``A + (B + C)`` is ``A + B + C``, and a chain of one is that one."""
    items: list[Layer | Repeat] = []
    for part in parts:
        items.extend(part.items if isinstance(part, Chain) else [part])
    return items[0] if len(items) == 1 else Chain(tuple(items), place)


def is_stack(value: object) -> bool:
    """Whether an argument is layers rather than plain data."""
    return isinstance(value, Layer | Repeat | Chain)


def print_value(value: object) -> str:
    """An argument as it would be written in a recipe."""
    if isinstance(value, tuple):
        inside = ", ".join(map(print_value, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, list):
        return f"[{', '.join(map(print_value, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{print_value(key)}: {print_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Infer) or is_stack(value):
        return str(value)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "1e999" if value > 0 else "-1e999"  # repr is `inf`, which would read as a layer's name
    return repr(value)


def leaves(value: Any) -> Iterator[Any]:
    """What stands in nested lists, tuples and dicts, in order; of anything else, itself."""
    if type(value) in (list, tuple):
        for item in value:
            yield from leaves(item)
    elif type(value) is dict:
        for item in value.values():
            yield from leaves(item)
    else:
        yield value


def map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same nest of lists, tuples and dicts with every leaf changed."""
    if type(value) in (list, tuple):
        return type(value)(map_leaves(item, change) for item in value)
    if type(value) is dict:
        return {name: map_leaves(item, change) for name, item in value.items()}
    return change(value)


def layers_in(stack: object) -> Iterator[Layer]:
    """Every layer as written, once, in reading order; those inside arguments included."""
    if isinstance(stack, Layer):
        yield stack
        for value in leaves([*stack.args, *(value for _, value in stack.kwargs)]):
            yield from layers_in(value)
    elif isinstance(stack, Repeat):
        yield from layers_in(stack.body)
    elif isinstance(stack, Chain):
        for item in stack.items:
            yield from layers_in(item)
