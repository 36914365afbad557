"""The operations of the recipe language on expanded values: ``+`` and ``*`` of layers or numbers, choices, elements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from assembler.binding import functions
from assembler.binding.arithmetic import COMPARISONS, as_integer, compare, compute, is_inferred
from assembler.binding.scopes import Meanings, Scope, place_of
from assembler.language.recipe import Chain, Operation, Repeat, chain, is_stack, print_value

MAX_REPEAT = 100_000
"""Times a stack may be repeated by one ``*``."""
NOTHING = Chain(())
"""What a stack that is repeated zero times, or for no value, expands to. In a chain, it is left out."""


class Operations(Meanings, ABC):
    """What operations on values of a recipe result in; a subclass expands their operands."""

    @abstractmethod
    def value(self, written: Any, scope: Scope) -> Any:
        """Expand any value: layers, or plain data."""

    @abstractmethod
    def argument(self, written: Any, scope: Scope) -> Any:
        """Expand a value where a number or a string may be."""

    def sum(self, written: Any, values: list[Any], scope: Scope) -> Any:
        """``A + B``: layers one after the other, or the sum of numbers."""
        if all(map(is_stack, values)):
            return chain(values, scope.place(place_of(written)))
        if any(map(is_stack, values)):
            odd = next(value for value in values if not is_stack(value))
            said = no_layer(odd) or f"'+' joins layers or adds numbers, not both: {print_value(odd)} is not a layer"
            raise self.wrong(said, written, scope)
        total = values[0]
        for value in values[1:]:
            total = self.arithmetic(written, "+", (total, value), scope)
        return total

    def product(self, written: Any, left: Any, right: Any, scope: Scope) -> Any:
        """``3 * A``: a repeat, or the product of numbers."""
        if not is_stack(left) and not is_stack(right):
            return self.arithmetic(written, "*", (left, right), scope)
        count, body = (right, left) if is_stack(left) else (left, right)
        if is_stack(count):
            message = "'*' repeats a layer: write an integer on one side, layers on the other"
            raise self.wrong(message, written, scope)
        count = as_integer(count)
        if type(count) is not int or count < 0:
            raise self.wrong(
                f"a repeat count must be an integer of at least 0, not {print_value(count)}", written, scope
            )
        if count == 0 or body == NOTHING:
            return NOTHING
        if count > MAX_REPEAT:
            raise self.wrong(f"repeated {count} times; the limit is {MAX_REPEAT}", written, scope)
        return Repeat(count, body, scope.place(place_of(written)))

    def operation(self, written: Operation, scope: Scope) -> Any:
        """One operation. In a choice, only the chosen part is expanded."""
        name, operands = written.operator, written.operands
        if name == "if":
            condition, then, other = operands
            return self.value(then if self.truth(condition, written, scope)[0] else other, scope)
        if name in ("and", "or"):
            return self.chosen(written, scope)
        if name == "not":
            return not self.truth(operands[0], written, scope)[0]
        values = tuple(self.argument(operand, scope) for operand in operands)
        if name == "[:]":
            return self.used(self.located(functions.sliced, written, scope, *values), written, scope)
        if name == "[]":
            return self.element(written, values[0], values[1], scope)
        if name == "+" and len(values) == 2:
            return self.sum(written, list(values), scope)
        if name == "*":
            return self.product(written, values[0], values[1], scope)
        if name in COMPARISONS:
            return self.located(compare, written, scope, name, *values)
        return self.arithmetic(written, name, values, scope)

    def chosen(self, written: Operation, scope: Scope) -> Any:
        """The operand that decides ``a and b`` or ``a or b``, as in Python; those after it are not expanded."""
        value: Any = None
        for operand in written.operands:
            holds, value = self.truth(operand, written, scope)
            if holds == (written.operator == "or"):
                break
        return value

    def truth(self, written: Any, whole: Operation, scope: Scope) -> tuple[bool, Any]:
        """Whether a value holds, and the value."""
        value = self.argument(written, scope)
        if is_inferred(value):
            raise self.wrong("'_' cannot choose; its value is known when the input's shape is", whole, scope)
        if is_stack(value):
            raise self.wrong(f"{print_value(value)} is neither true nor false", written, scope)
        return bool(value), value

    def element(self, written: Operation, inside: Any, index: Any, scope: Scope) -> Any:
        """``depths[0]``, or ``sizes['a']``."""
        if not isinstance(inside, list | tuple | dict):
            raise self.wrong(f"only lists and mappings have elements, not {print_value(inside)}", written, scope)
        index = index if isinstance(inside, dict) else as_integer(index)
        try:
            return inside[index]
        except (LookupError, TypeError):
            kind = f"keys {', '.join(map(str, inside))}" if isinstance(inside, dict) else f"{len(inside)} elements"
            raise self.wrong(f"{print_value(index)} is not an element: there are {kind}", written, scope) from None

    def arithmetic(self, written: Any, name: str, values: tuple[Any, ...], scope: Scope) -> Any:
        """An operation on numbers."""
        said = next(filter(None, map(no_layer, values)), "") if name == "*" else ""
        if said:
            raise self.wrong(said, written, scope)
        return self.located(compute, written, scope, name, values)


def no_layer(value: Any) -> str:
    """The message for a string, or a list, that is used as layers; empty for any other value."""
    if isinstance(value, str):
        return f"{print_value(value)} is a string; a layer in params is written {{stack: {value}}}"
    if isinstance(value, list | tuple) and value and all(isinstance(one, str) or is_stack(one) for one in value):
        items = " + ".join(one if isinstance(one, str) else print_value(one) for one in value)
        return f"a list is not layers; layers are joined by '+': {items}"
    return ""
