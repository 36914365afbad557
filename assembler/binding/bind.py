"""Recipe → tree of steps: every layer looked up, its arguments bound to its signature, repeats unrolled.

Nothing is built here. All errors of a recipe are found in one pass.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from assembler.binding.arithmetic import is_inferred
from assembler.binding.expansion import expand
from assembler.binding.structure import (
    BlockNode,
    PassedNode,
    RepeatNode,
    Step,
    Steps,
    TreeNode,
    root_graph,
    walk,
)
from assembler.errors import (
    NOWHERE,
    AbsentPackage,
    ArgumentMismatch,
    AssemblerError,
    Place,
    RecipeError,
    UnknownLayer,
    note,
    noted,
    raise_all,
)
from assembler.language.recipe import (
    BROKEN,
    INFER,
    BlockUse,
    Chain,
    Definitions,
    Graph,
    Layer,
    Named,
    PassedIn,
    Repeat,
    Shared,
    Source,
    Stack,
    Turns,
    Wire,
    children,
    has_names,
    is_row,
    is_stack,
    layers_in,
    leaves,
    map_leaves,
)
from assembler.registry.entries import TRUSTED, Entry
from assembler.registry.registry import Registry
from assembler.words import suggestion

__all__ = ["MAX_LAYERS", "Step", "Steps", "bind", "root_graph", "walk", "wiring"]

MAX_LAYERS = 100_000
"""Layers in one model, all repeats unrolled."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def bind(stack: Stack, registry: Registry, definitions: Definitions | None = None) -> Steps:
    """Fill in what the names of a stack mean, look up every layer, bind its arguments, and unroll the repeats.

    Raises:
        UnknownLayer, ArgumentMismatch, RegistryError: one error.
        RecipeError: more than ``MAX_LAYERS`` layers; a wire and another shared part of one name.
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
    blocks = definitions.blocks if definitions else ()
    writer = _Writer(bound, {name: registry[name].target for name in blocks if name in registry})
    try:
        steps = writer.whole(stack)
    except RecursionError:
        raise RecipeError("nested too deep", getattr(stack, "place", NOWHERE)) from None
    raise_all([*writer.mistakes, *_named_like_parts(steps)])
    return steps


def _named_like_parts(steps: Steps) -> Iterator[AssemblerError]:
    """Errors of wires of the whole that have the name of a shared part, because parameters are named after both."""
    parts = {step.shared for step in walk(steps) if step.shared}
    for step in steps:
        if step.name in parts:
            message = f"{step.name!r} is the name of an item and of a shared part; one of them needs another name"
            yield RecipeError(message, step.layer.place)
    graph = root_graph(steps)
    if graph is None or graph.graph is None:
        return
    for wire in graph.graph.wires:
        cells = graph.arguments["cells"][wire.name]
        if wire.name in parts and [step.shared for step in cells] != [wire.name]:
            message = f"{wire.name!r} is a wire and a shared part; one of them needs another name"
            yield RecipeError(message, wire.place)


def _count(value: Any) -> int:
    """Layers in a stack, repeats and arguments included; a shared part and a graph count as one layer more."""
    inside = sum(map(_count, children(value)))
    if isinstance(value, Repeat):
        return value.count * inside
    return inside + isinstance(value, Layer | Shared | Graph)


class _Writer:
    """Unrolls repeats: each use of a layer is a separate step, all uses of a shared part are one step."""

    def __init__(self, bound: Mapping[int, Step], hidden: Mapping[str, str]):
        self.bound = bound
        self.hidden = hidden
        self.shared: dict[str, Step] = {}
        self.mistakes: list[AssemblerError] = []

    def whole(self, stack: Stack) -> Steps:
        """The steps of a model: the row of a block that is all of it is the model's own."""
        if isinstance(stack, BlockUse) and has_names(stack.body):
            return self.row([self.use(stack, self.whole(stack.body).nodes)])
        return self.row(self.nodes(stack))

    def steps(self, stack: Stack) -> Steps:
        """The steps of a chain. A row of one layer with a name is one Cell with that layer in it."""
        steps = self.row(self.nodes(stack))
        return Steps((_row(stack, steps, _place_of(stack)),)) if len(steps) == 1 and steps.has_names else steps

    def row(self, nodes: Iterable[TreeNode]) -> Steps:
        """The steps of a row, in which each name is given once."""
        steps = Steps(nodes)
        names: set[str] = set()
        for step in steps:
            if step.name and step.name in names:
                said = f"{step.name!r} is the name of two items of one row; a block or a turn of a repeat is a row"
                note(self.mistakes, RecipeError(said, step.layer.place))
            names.add(step.name)
        return steps

    def nodes(self, stack: Stack) -> Iterator[TreeNode]:
        match stack:
            case Layer():
                step = self.bound[id(stack)]
                arguments = {name: self.value(value) for name, value in step.arguments.items()}
                yield replace(step, arguments=arguments, extra=tuple(map(self.value, step.extra)))
            case Repeat():
                yield RepeatNode(stack, tuple(self.inside(stack.body) for _ in range(stack.count)))
            case Turns():
                yield RepeatNode(stack, tuple(map(self.inside, stack.turns)))
            case Named():
                yield from self.named(stack)
            case BlockUse():
                yield self.use(stack, self.inside(stack.body))
            case PassedIn():
                yield PassedNode(stack.depth, tuple(self.nodes(stack.body)))
            case Shared():
                yield self.part(stack)
            case Graph():
                cells = {wire.name: self.wire(wire) for wire in stack.wires}
                yield Step(_GRAPH, Layer("graph", place=stack.place), {"cells": cells, **wiring(stack)}, graph=stack)
            case Chain():
                for item in stack.items:
                    yield from self.nodes(item)

    def use(self, stack: BlockUse, nodes: tuple[TreeNode, ...]) -> BlockNode:
        """A use of a block."""
        return BlockNode(stack.call, nodes, self.hidden.get(stack.call.name, ""))

    def inside(self, stack: Stack) -> tuple[TreeNode, ...]:
        """A block or a turn of a repeat in a row. If it has names, it is one Cell."""
        nodes = tuple(self.nodes(stack))
        return (_row(stack, self.row(nodes), _place_of(stack)),) if has_names(stack) else nodes

    def named(self, stack: Named) -> Iterable[TreeNode]:
        """An item with a name: the layer itself, or a Cell of a row."""
        steps = self.steps(stack.body)
        if stack.is_row or len(steps) > 1:
            steps = Steps((_row(stack.body, steps, stack.place),))
        return steps.mapped(lambda step: replace(step, name=stack.name, named_at=stack.place)).nodes

    def wire(self, wire: Wire) -> Steps:
        """The layers of a line. A repeat of several sources is one step, which passes them to every turn."""
        steps = self.steps(wire.body)
        if len(wire.sources) == 1 or not is_row(wire.body):
            return steps
        return Steps((_row(wire.body, steps, wire.place, _TURNS),))

    def value(self, value: Any) -> Any:
        return map_leaves(value, lambda leaf: self.steps(leaf) if is_stack(leaf) else leaf)

    def part(self, shared: Shared) -> Step:
        if shared.name not in self.shared:
            steps = self.steps(shared.body)
            step = steps[0] if len(steps) == 1 else _row(shared.body, steps, NOWHERE)
            # A part that is only another name of a part is that part.
            self.shared[shared.name] = step if step.shared else replace(step, shared=shared.name)
        return self.shared[shared.name]


_CHAIN = Entry("SequentialCell", "mindspore.nn.SequentialCell", trusted=TRUSTED)
_TURNS = Entry("Turns", "assembler.layers.turns.Turns", trusted=TRUSTED)
_GRAPH = Entry("graph", "assembler.layers.wired_cells.WiredCells", trusted=TRUSTED)


def _row(stack: Stack, steps: Steps, place: Place, entry: Entry = _CHAIN) -> Step:
    """Steps in a row as one step."""
    layer = Layer(entry.name, (stack,), place=place)
    return Step(entry, layer, {}, tuple(Steps((step,)) for step in steps), chain=steps)


def _place_of(stack: Stack) -> Place:
    return getattr(stack, "place", NOWHERE)


def wiring(graph: Graph) -> dict[str, Any]:
    """The arguments of ``assembler.layers.wired_cells.WiredCells`` besides its Cells: positions instead of names."""
    at = {name: index for index, name in enumerate([*graph.inputs, *(wire.name for wire in graph.wires)])}

    def positions(sources: Iterable[Source]) -> tuple[tuple[int, int | None], ...]:
        return tuple((at[name], element) for name, element in sources)

    sources = tuple(positions(wire.sources) for wire in graph.wires)
    return {"sources": sources, "outputs": positions(graph.outputs), "inputs": len(graph.inputs)}


def _bind_layer(layer: Layer, registry: Registry) -> Step:
    """Bind the arguments as Python would, but report every error, each at its argument."""
    try:
        entry = registry.find(layer.name, layer.place)
    except UnknownLayer as error:
        if layer.args and all(isinstance(one, str) and registry.candidates(one.split("(")[0]) for one in layer.args):
            row = f"{layer.name}: {{stack: [{', '.join(layer.args)}]}}"
            error.message = f"no layer named {layer.name!r}; a row of layers with a name is written {row}"
        raise
    parameters = entry.parameters
    slots = [name for name, parameter in parameters.items() if parameter.kind in _POSITIONAL]
    named = [name for name, parameter in parameters.items() if parameter.kind in _NAMED]
    kinds = {parameter.kind for parameter in parameters.values()}
    mistakes: list[AssemblerError] = []
    arguments: dict[str, Any] = dict(zip(slots, layer.args, strict=False))
    extra = layer.args[len(slots) :]
    places = layer.argument_places
    is_whole = not any(isinstance(leaf, Layer) and leaf.name == BROKEN for leaf in leaves(extra))
    if extra and is_whole and inspect.Parameter.VAR_POSITIONAL not in kinds:
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
    arguments = {name: as_argument(entry, name, value) for name, value in arguments.items()}
    arguments.update({name: value for name, value in entry.defaults.items() if name not in arguments})
    required = [name for name in dict.fromkeys([*slots, *named]) if parameters[name].default is inspect.Parameter.empty]
    if missing := [name for name in required if name not in arguments]:
        names = " and ".join(map(repr, missing))
        mistakes.append(ArgumentMismatch(f"{layer.name} is missing {names}: {entry.describe()}", layer.place))
    mistakes += [
        mistake
        for name, value in [*arguments.items(), ("", list(extra))]
        if (mistake := _cannot_infer(entry, name, value, layer)) is not None
    ]
    raise_all(mistakes)
    return Step(entry, layer, arguments, extra)


_NO_SIZES = {"by", "central_fraction", "factor", "threshold", "value"}
"""Required arguments of shipped layers that may be any number."""


def _is_a_size(entry: Entry, name: str) -> bool:
    """Whether an argument takes integers: it can be inferred, its default is one, or a layer that ships requires it."""
    parameter = entry.parameters.get(name)
    if parameter is None or name in entry.infer:
        return name in entry.infer
    default = parameter.default[0] if isinstance(parameter.default, tuple) and parameter.default else parameter.default
    is_required = default is inspect.Parameter.empty and name not in _NO_SIZES
    return type(default) is int or (is_required and entry.target.partition(".")[0] in TRUSTED)


def as_argument(entry: Entry, name: str, value: Any) -> Any:
    """The value of an argument: whole floats are integers, if it takes integers."""
    return _as_size(value) if _is_a_size(entry, name) else value


def _as_size(value: Any) -> Any:
    """Whole floats as integers, such as ``width * 1.5``; any other value as it is."""
    if isinstance(value, list | tuple):
        return type(value)(map(_as_size, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_such_argument(entry: Entry, name: str, slots: list[str], place: Place) -> AssemblerError:
    instead = suggestion(name, slots) or f" It is {entry.describe()}."
    return ArgumentMismatch(f"{entry.name} has no argument {name!r}.{instead}", place)


def _cannot_infer(entry: Entry, name: str, value: object, layer: Layer) -> AssemblerError | None:
    has_rule = name in entry.infer if value is INFER else False
    if is_inferred(value) and not has_rule and not entry.inferred_number:
        message = (
            f"{entry.name} has no rule to infer {name!r} from its input. Write its value, or add the input's axis to "
            f"its registry entry: infer: {{{name}: -1}}"
        )
    elif not is_inferred(value) and any(map(is_inferred, leaves(value))):
        message = (
            f"'_' cannot be part of a value: {name}=_ of {entry.name} infers the whole argument"
            if name
            else f"'_' cannot be one of several arguments of {entry.name}; write the value"
        )
    else:
        return None
    return ArgumentMismatch(message, layer.place)
