"""Recipe → steps: every layer looked up, its arguments bound to its signature, repeats written out.

Nothing is built here. All mistakes of a recipe are found in one pass.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assembler.binding.expansion import expand
from assembler.errors import (
    NOWHERE,
    AbsentPackage,
    ArgumentMismatch,
    AssemblerError,
    Place,
    RecipeError,
    noted,
    raise_all,
)
from assembler.language.recipe import (
    BROKEN,
    INFER,
    Chain,
    Definitions,
    Graph,
    Layer,
    Repeat,
    Shared,
    Source,
    Stack,
    Verbatim,
    is_stack,
    layers_in,
    leaves,
    map_leaves,
    print_value,
)
from assembler.registry.entries import TRUSTED, Entry
from assembler.registry.registry import Registry
from assembler.words import suggestion

MAX_LAYERS = 100_000
"""Layers in one model, all repeats written out."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Turn:
    """Which time of a repeat a step was written for: the 0th, the 1st, …"""

    repeat: Repeat
    index: int


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One use of one layer: what a Cell will be made of.

    Args:
        entry: the registry's entry.
        layer: the layer as written.
        arguments: argument → value, as written or by the entry's defaults. Layers stand here as :class:`Steps`.
        extra: further positional arguments, for a class with ``*args``.
        path: the Cell's name in the model, once it is planned.
        shared: the name of a part that is built once; every use of it is the same step.
        graph: how the layers in ``cells`` are wired, for a graph.
        turns: the repeats of its chain that it was written in, the outermost first.
    """

    entry: Entry
    layer: Layer
    arguments: Mapping[str, Any]
    extra: tuple[Any, ...] = ()
    path: str = ""
    shared: str = ""
    graph: Graph | None = None
    turns: tuple[Turn, ...] = ()

    @property
    def is_container(self) -> bool:
        """Whether layers are among the arguments."""
        return any(True for _ in steps_in(self))

    @property
    def unknown(self) -> list[str]:
        """The arguments written ``_``."""
        return [name for name, value in self.arguments.items() if value is INFER]

    def arguments_text(self, show: Callable[[Steps], str] = lambda steps: "…") -> str:
        """The arguments in the order and the form in which they were written, with ``_`` filled in.

        Args:
            show: what to print of the layers among the arguments.
        """

        if self.graph is not None:
            return ""

        def text(value: Any) -> str:
            return print_value(map_steps(value, lambda steps: Verbatim(show(steps))))

        names = list(self.arguments)[: len(self.layer.args) - len(self.extra)]
        positional = [*(self.arguments[name] for name in names), *self.extra]
        return ", ".join(
            [*map(text, positional), *(f"{name}={text(self.arguments[name])}" for name, _ in self.layer.kwargs)]
        )

    def text(self, show: Callable[[Steps], str] = lambda steps: "…") -> str:
        """The layer as it would be written in a recipe."""
        if self.graph is not None:
            return "graph"
        return f"{self.layer.name}({inside})" if (inside := self.arguments_text(show)) else self.layer.name

    def __str__(self) -> str:
        return self.text()


class Steps(tuple[Step, ...]):
    """A chain of steps: a whole stack, or a stack that is an argument of a layer."""

    __slots__ = ()


def steps_in(step: Step) -> Iterator[Steps]:
    """The chains among a step's arguments, in order."""
    return (leaf for leaf in leaves([*step.arguments.values(), *step.extra]) if isinstance(leaf, Steps))


def walk(steps: Steps) -> Iterator[Step]:
    """Every step of a chain, those inside arguments included, in reading order; a shared part once."""
    return _walk(steps, set())


def _walk(steps: Steps, shared: set[Step]) -> Iterator[Step]:
    for step in steps:
        if step in shared:
            continue
        if step.shared:
            shared.add(step)
        yield step
        for inner in steps_in(step):
            yield from _walk(inner, shared)


def root_graph(steps: Steps) -> Step | None:
    """The graph that a whole model is; None of a model that is a chain."""
    return steps[0] if len(steps) == 1 and steps[0].graph is not None else None


def map_steps(value: Any, change: Callable[[Steps], Any]) -> Any:
    """An argument with each chain in it replaced by ``change(chain)``."""
    return map_leaves(value, lambda leaf: change(leaf) if isinstance(leaf, Steps) else leaf)


def bind(stack: Stack, registry: Registry, definitions: Definitions | None = None) -> Steps:
    """Fill in what the names of a stack mean, look up every layer, bind its arguments, and write the repeats out.

    Raises:
        UnknownLayer, ArgumentMismatch, RegistryError: one mistake.
        RecipeError: more than ``MAX_LAYERS`` layers.
        Mistakes: all of them, in reading order.
    """
    stack, mistakes = expand(stack, definitions or Definitions(), registry)
    bound: dict[int, Step] = {}
    absent: dict[str, AssemblerError] = {}
    for layer in layers_in(stack):
        if layer.name != BROKEN and id(layer) not in bound:
            with noted(mistakes):
                try:
                    bound[id(layer)] = _bind_layer(layer, registry)
                except AbsentPackage as mistake:
                    if absent.setdefault(mistake.package, mistake) is mistake:
                        raise
    raise_all(mistakes)
    if (total := _count(stack)) > MAX_LAYERS:
        raise RecipeError(
            f"the stack has {total:,} layers; the limit is {MAX_LAYERS:,}", getattr(stack, "place", NOWHERE)
        )
    return _Writer(bound).steps(stack)


def _count(stack: object) -> int:
    """Layers in a stack, repeats and arguments included."""
    if isinstance(stack, Repeat):
        return stack.count * _count(stack.body)
    if isinstance(stack, Chain):
        return sum(map(_count, stack.items))
    if isinstance(stack, Layer):
        return 1 + sum(map(_count, leaves([*stack.args, *(value for _, value in stack.kwargs)])))
    if isinstance(stack, Shared):
        return 1 + _count(stack.body)
    if isinstance(stack, Graph):
        return 1 + sum(_count(wire.body) for wire in stack.wires)
    return 0


class _Writer:
    """Writes repeats out, with a step of its own for each use of a layer, and one for all uses of a shared part."""

    def __init__(self, bound: Mapping[int, Step]):
        self.bound = bound
        self.shared: dict[str, Step] = {}

    def steps(self, stack: Stack) -> Steps:
        return Steps(self.expand(stack))

    def expand(self, stack: Any, turns: tuple[Turn, ...] = ()) -> Iterator[Step]:
        if isinstance(stack, Layer):
            step = self.bound[id(stack)]
            arguments = {name: self.value(value) for name, value in step.arguments.items()}
            yield replace(step, arguments=arguments, extra=tuple(map(self.value, step.extra)), turns=turns)
        elif isinstance(stack, Repeat):
            for index in range(stack.count):
                yield from self.expand(stack.body, (*turns, Turn(stack, index)))
        elif isinstance(stack, Shared):
            yield self.part(stack)
        elif isinstance(stack, Graph):
            cells = {wire.name: self.steps(wire.body) for wire in stack.wires}
            arguments = {"cells": cells, **wiring(stack)}
            yield Step(_GRAPH, Layer("graph", place=stack.place), arguments, graph=stack, turns=turns)
        else:
            for item in stack.items:
                yield from self.expand(item, turns)

    def value(self, value: Any) -> Any:
        return map_leaves(value, lambda leaf: self.steps(leaf) if is_stack(leaf) else leaf)

    def part(self, shared: Shared) -> Step:
        if shared.name not in self.shared:
            steps = self.steps(shared.body)
            step = steps[0] if len(steps) == 1 else Step(_CHAIN, Layer("SequentialCell"), {}, tuple(map(_alone, steps)))
            self.shared[shared.name] = replace(step, shared=shared.name)
        return self.shared[shared.name]


def _alone(step: Step) -> Steps:
    return Steps((step,))


_CHAIN = Entry("SequentialCell", "mindspore.nn.SequentialCell", trusted=TRUSTED)
_GRAPH = Entry("graph", "assembler.layers.graph.Graph", trusted=TRUSTED)


def wiring(graph: Graph) -> dict[str, Any]:
    """What ``assembler.layers.graph.Graph`` takes beside its Cells: positions instead of names."""
    at = {name: index for index, name in enumerate([*graph.inputs, *(wire.name for wire in graph.wires)])}

    def positions(sources: Iterable[Source]) -> tuple[tuple[int, int | None], ...]:
        return tuple((at[name], element) for name, element in sources)

    return {"sources": tuple(positions(wire.sources) for wire in graph.wires), "outputs": positions(graph.outputs)}


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
