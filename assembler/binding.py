"""Recipe → steps: every layer looked up, its arguments bound to its signature, repeats written out.

Nothing is built here. All mistakes of a recipe are found in one pass.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assembler.errors import ArgumentMismatch, AssemblerError, Place, RecipeError, noted, raise_all, suggestion
from assembler.recipe import (
    INFER,
    Chain,
    Layer,
    Repeat,
    Stack,
    Verbatim,
    is_stack,
    layers_in,
    leaves,
    map_leaves,
    print_value,
)
from assembler.registry import Entry, Registry

MAX_LAYERS = 100_000
"""Layers in one model, all repeats written out."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One use of one layer: what a Cell will be made of.

    Args:
        entry: the registry's entry.
        layer: the layer as written.
        arguments: argument → value, as written or by the entry's defaults. Layers stand here as :class:`Steps`.
        extra: further positional arguments, for a class with ``*args``.
        path: the Cell's name in the model, once it is planned.
    """

    entry: Entry
    layer: Layer
    arguments: Mapping[str, Any]
    extra: tuple[Any, ...] = ()
    path: str = ""

    @property
    def is_container(self) -> bool:
        """Whether layers are among the arguments."""
        return any(True for _ in steps_in(self))

    @property
    def unknown(self) -> list[str]:
        """The arguments written ``_``."""
        return [name for name, value in self.arguments.items() if value is INFER]

    def arguments_text(self, *, full: bool = False) -> str:
        """The arguments in the order and the form in which they were written, with ``_`` filled in.

        Args:
            full: print the layers among the arguments instead of ``…``.
        """

        def text(value: Any) -> str:
            return print_value(map_steps(value, lambda steps: Verbatim(steps.text() if full else "…")))

        names = list(self.arguments)[: len(self.layer.args) - len(self.extra)]
        positional = [*(self.arguments[name] for name in names), *self.extra]
        return ", ".join(
            [*map(text, positional), *(f"{name}={text(self.arguments[name])}" for name, _ in self.layer.kwargs)]
        )

    def text(self, *, full: bool = True) -> str:
        """The layer as it would be written in a recipe."""
        return f"{self.layer.name}({inside})" if (inside := self.arguments_text(full=full)) else self.layer.name

    def __str__(self) -> str:
        return self.text(full=False)


class Steps(tuple[Step, ...]):
    """A chain of steps: a whole stack, or a stack that is an argument of a layer."""

    __slots__ = ()

    def text(self) -> str:
        """The chain as it would be written in a recipe."""
        return " + ".join(step.text() for step in self)


def steps_in(step: Step) -> Iterator[Steps]:
    """The chains among a step's arguments, in order."""
    return (leaf for leaf in leaves([*step.arguments.values(), *step.extra]) if isinstance(leaf, Steps))


def walk(steps: Steps) -> Iterator[Step]:
    """Every step of a chain, those inside arguments included, in reading order."""
    for step in steps:
        yield step
        for inner in steps_in(step):
            yield from walk(inner)


def map_steps(value: Any, change: Callable[[Steps], Any]) -> Any:
    """An argument with each chain in it replaced by ``change(chain)``."""
    return map_leaves(value, lambda leaf: change(leaf) if isinstance(leaf, Steps) else leaf)


def bind(stack: Stack, registry: Registry) -> Steps:
    """Look up every layer of a stack, bind its arguments, and write the repeats out.

    Raises:
        UnknownLayer, ArgumentMismatch, RegistryError: one mistake.
        RecipeError: more than ``MAX_LAYERS`` layers.
        Mistakes: all of them, in reading order.
    """
    bound: dict[int, Step] = {}
    mistakes: list[AssemblerError] = []
    for layer in layers_in(stack):
        with noted(mistakes):
            bound[id(layer)] = _bind_layer(layer, registry)
    raise_all(mistakes)
    if (total := _count(stack)) > MAX_LAYERS:
        raise RecipeError(f"the stack has {total} layers; the limit is {MAX_LAYERS}", stack.place)
    return Steps(_expand(stack, bound))


def _count(stack: object) -> int:
    """Layers in a stack, repeats and arguments included."""
    if isinstance(stack, Repeat):
        return stack.count * _count(stack.body)
    if isinstance(stack, Chain):
        return sum(map(_count, stack.items))
    if isinstance(stack, Layer):
        return 1 + sum(map(_count, leaves([*stack.args, *(value for _, value in stack.kwargs)])))
    return 0


def _expand(stack: Stack, bound: Mapping[int, Step]) -> Iterator[Step]:
    if isinstance(stack, Layer):
        step = bound[id(stack)]
        yield Step(
            step.entry,
            step.layer,
            {name: _expand_value(value, bound) for name, value in step.arguments.items()},
            tuple(_expand_value(value, bound) for value in step.extra),
        )
    elif isinstance(stack, Repeat):
        for _ in range(stack.count):
            yield from _expand(stack.body, bound)
    else:
        for item in stack.items:
            yield from _expand(item, bound)


def _expand_value(value: Any, bound: Mapping[int, Step]) -> Any:
    return map_leaves(value, lambda leaf: Steps(_expand(leaf, bound)) if is_stack(leaf) else leaf)


def _bind_layer(layer: Layer, registry: Registry) -> Step:
    """Bind the arguments as Python would, but tell every mistake, each at its argument."""
    entry = registry.find(layer.name, layer.place)
    parameters = entry.parameters
    slots = [name for name, parameter in parameters.items() if parameter.kind in _POSITIONAL]
    named = [name for name, parameter in parameters.items() if parameter.kind in _NAMED]
    kinds = {parameter.kind for parameter in parameters.values()}
    mistakes: list[AssemblerError] = []
    arguments: dict[str, Any] = dict(zip(slots, layer.args, strict=False))
    extra = layer.args[len(slots) :]
    places = layer.argument_places
    if extra and inspect.Parameter.VAR_POSITIONAL not in kinds:
        count = "1 argument" if len(slots) == 1 else f"{len(slots)} arguments"
        takes = (
            f"takes at most {count}" if slots else "takes no arguments" if not named else "takes named arguments only"
        )
        mistakes.append(
            ArgumentMismatch(f"{layer.name} {takes}, {len(layer.args)} given: {entry.describe()}", places[len(slots)])
        )
    for (name, value), place in zip(layer.kwargs, places[len(layer.args) :], strict=True):
        if name in arguments:
            mistakes.append(ArgumentMismatch(f"{layer.name} is given {name!r} twice", place))
        elif name not in named and inspect.Parameter.VAR_KEYWORD not in kinds:
            mistakes.append(_no_such_argument(entry, name, named, place))
        else:
            arguments[name] = value
    arguments.update({name: value for name, value in entry.defaults.items() if name not in arguments})
    required = [name for name in dict.fromkeys([*slots, *named]) if parameters[name].default is inspect.Parameter.empty]
    if missing := [name for name in required if name not in arguments]:
        names = " and ".join(map(repr, missing))
        mistakes.append(ArgumentMismatch(f"{layer.name} is missing {names}: {entry.describe()}", layer.place))
    mistakes += [
        mistake
        for name, value in arguments.items()
        if (mistake := _cannot_infer(entry, name, value, layer)) is not None
    ]
    raise_all(mistakes)
    return Step(entry, layer, arguments, extra)


def _no_such_argument(entry: Entry, name: str, slots: list[str], place: Place) -> AssemblerError:
    instead = suggestion(name, slots) or f" It is {entry.describe()}."
    return ArgumentMismatch(f"{entry.name} has no argument {name!r}.{instead}", place)


def _cannot_infer(entry: Entry, name: str, value: object, layer: Layer) -> AssemblerError | None:
    if value is INFER and name not in entry.infer:
        message = (
            f"{entry.name} has no rule to infer {name!r} from its input. Write the value, or add to its registry entry "
            f"the axis of the input to read it from: infer: {{{name}: -1}}"
        )
    elif value is not INFER and INFER in leaves(value):
        message = f"'_' stands alone: {name}=_ of {entry.name} infers the whole argument"
    else:
        return None
    return ArgumentMismatch(message, layer.place)
