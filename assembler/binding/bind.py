"""Recipe → tree of steps: every layer looked up, its arguments bound to its signature, repeats unrolled.

Nothing is built here. All errors of a recipe are found in one pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from assembler.binding.arguments import bind_layer
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
    AssemblerError,
    Place,
    RecipeError,
    note,
    noted,
    raise_all,
)
from assembler.language.recipe import (
    BROKEN,
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
    map_leaves,
)
from assembler.registry.entries import TRUSTED, Entry
from assembler.registry.registry import Registry

__all__ = ["MAX_LAYERS", "Step", "Steps", "bind", "root_graph", "walk", "wiring"]

MAX_LAYERS = 100_000
"""Layers in one model, all repeats unrolled."""


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
                    bound[id(layer)] = bind_layer(layer, registry)
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
