"""The tree of a recipe: uses of blocks, repeats and layers, kept beside the steps that they expand to.

``bind`` makes it, planning fills in what it infers, and all that shows a model by its blocks and repeats reads it.
For the stack ``2 * Unit(8) + Unit(4) + Flatten`` with the block ``Unit(n): Dense(_, n) + ReLU``, the tree is::

    RepeatNode(2 * …)                    the steps are its leaves:
        turn 0
            BlockNode(Unit(8))
                Step(Dense(_, 8))        #0 Dense(_, 8)
                Step(ReLU)               #1 ReLU
        turn 1
            BlockNode(Unit(8))
                Step(Dense(_, 8))        #2 Dense(_, 8)
                Step(ReLU)               #3 ReLU
    BlockNode(Unit(4))
        Step(Dense(_, 4))                #4 Dense(_, 4)
        Step(ReLU)                       #5 ReLU
    Step(Flatten)                        #6 Flatten

A :class:`Step` is a layer, a graph (``step.graph`` has its wires) or a use of a shared part (``step.shared`` is its
name; every use is the same step). Layers among its arguments are :class:`Steps` with trees of their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain as joined
from typing import Any, TypeAlias

from assembler.binding.arithmetic import is_inferred
from assembler.errors import NOWHERE, Place
from assembler.language.recipe import Graph, Layer, Repeat, Turns, Verbatim, leaves, map_leaves, print_value
from assembler.registry.entries import Entry


@dataclass(frozen=True, slots=True)
class BlockNode:
    """A use of a block.

    Args:
        call: the use as written, where it was written, with its arguments filled in: ``ConvNorm(64, kernel=3)``.
        nodes: what it expands to.
        hides: the target of the registry's layer of the block's name; empty if there is none.
    """

    call: Layer
    nodes: tuple[TreeNode, ...]
    hides: str = ""


@dataclass(frozen=True, slots=True)
class RepeatNode:
    """A ``*`` of the recipe, or a loop.

    Args:
        repeat: as written, with its count or its values filled in.
        turns: what each repetition expands to. Those of a ``*`` are equal.
    """

    repeat: Repeat | Turns
    turns: tuple[tuple[TreeNode, ...], ...]


@dataclass(frozen=True, slots=True)
class PassedNode:
    """Layers in a block that were written outside of it.

    Args:
        depth: in how many blocks they were written, counted from the whole stack or from their shared part.
    """

    depth: int
    nodes: tuple[TreeNode, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One use of one layer, from which a Cell will be built.

    Args:
        entry: the registry's entry.
        layer: the layer as written.
        arguments: argument → value, as written or by the entry's defaults. Layers are :class:`Steps`.
        extra: further positional arguments, for a class with ``*args``.
        path: the Cell's name in the model, once it is planned; a shared part's is ``shared``.
        shared: the name of a part that is built once; every use of it is the same step.
        named_at: where the recipe gives it that name.
        graph: how the layers in ``cells`` are wired, for a graph.
        name: that the recipe gives it in its row; empty if its place there is its name.
        chain: the layers of a row that is one Cell, or of a repeat of several sources; ``extra`` has each of them as
            a chain of one. A shared part of several layers is such a row, and so is what has or contains names.
    """

    entry: Entry
    layer: Layer
    arguments: Mapping[str, Any]
    extra: tuple[Any, ...] = ()
    path: str = ""
    shared: str = ""
    name: str = ""
    named_at: Place = NOWHERE
    graph: Graph | None = None
    chain: Steps | None = None

    @property
    def is_container(self) -> bool:
        """Whether layers are among the arguments."""
        return any(True for _ in steps_in(self))

    def mapped(self, change: Callable[[Steps], Any]) -> Step:
        """The same step with each chain in it replaced by ``change(chain)``."""
        arguments = {name: map_steps(value, change) for name, value in self.arguments.items()}
        return replace(
            self, arguments=arguments, extra=map_steps(self.extra, change), chain=self.chain and change(self.chain)
        )

    @property
    def unknown(self) -> list[str]:
        """The arguments written ``_``, or with ``_`` in their arithmetic."""
        return [name for name, value in self.arguments.items() if is_inferred(value)]

    def arguments_text(self, show: Callable[[Steps], str] = lambda steps: "…") -> str:
        """The arguments in the order and the form in which they were written, with ``_`` filled in.

        Args:
            show: prints the layers among the arguments.
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

    def plain_arguments(self) -> str:
        """The arguments without layers, and without those that have the layer's default values."""
        if self.graph is not None:
            return ""
        names = list(self.arguments)[: len(self.layer.args) - len(self.extra)]
        while names and not self.extra and self.is_default(names[-1]):
            names.pop()
        positional = [value for value in (*map(self.arguments.get, names), *self.extra) if not _holds_steps(value)]
        named = [
            name for name, _ in self.layer.kwargs if not (self.is_default(name) or _holds_steps(self.arguments[name]))
        ]
        return ", ".join(
            [*map(print_value, positional), *(f"{name}={print_value(self.arguments[name])}" for name in named)]
        )

    def is_default(self, name: str) -> bool:
        """Whether an argument has the value that it would have if it were not written."""
        declared = self.entry.parameters.get(name)
        default = self.entry.defaults.get(name, inspect.Parameter.empty if declared is None else declared.default)
        value = self.arguments[name]
        return type(value) is type(default) and bool(value == default)

    def text(self, show: Callable[[Steps], str] = lambda steps: "…") -> str:
        """The layer as it would be written in a recipe."""
        if self.graph is not None:
            return "graph"
        return f"{self.layer.name}({inside})" if (inside := self.arguments_text(show)) else self.layer.name

    def __str__(self) -> str:
        return self.text()


TreeNode: TypeAlias = Step | BlockNode | RepeatNode | PassedNode


class Steps(tuple[Step, ...]):
    """A chain of steps: a whole stack, or a stack that is an argument of a layer."""

    nodes: tuple[TreeNode, ...]
    """Its tree, whose leaves are the steps."""

    def __new__(cls, nodes: Iterable[TreeNode] = ()) -> Steps:
        """The chain of a tree."""
        nodes = tuple(nodes)
        steps = super().__new__(cls, joined.from_iterable(map(leaf_steps, nodes)))
        steps.nodes = nodes
        return steps

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the Cells in their row: those that the recipe gives, and positions."""
        return tuple(step.name or str(index) for index, step in enumerate(self))

    @property
    def has_names(self) -> bool:
        """Whether the recipe gives any of them."""
        return any(step.name for step in self)

    def mapped(self, change: Callable[[Step], Step]) -> Steps:
        """The same tree with each step changed."""

        def mapped(node: TreeNode) -> TreeNode:
            match node:
                case RepeatNode():
                    return replace(node, turns=tuple(tuple(map(mapped, turn)) for turn in node.turns))
                case BlockNode() | PassedNode():
                    return replace(node, nodes=tuple(map(mapped, node.nodes)))
                case Step():
                    return change(node)

        return Steps(map(mapped, self.nodes))


def leaf_steps(node: TreeNode) -> Iterator[Step]:
    """The steps of the chain that a node is in; not those inside their arguments."""
    if isinstance(node, Step):
        yield node
    else:
        for inner in children(node):
            yield from leaf_steps(inner)


def children(node: TreeNode) -> Iterator[TreeNode]:
    """What is directly in a node, in reading order; for a layer, the layers among its arguments."""
    match node:
        case Step():
            return joined.from_iterable(steps.nodes for steps in ([node.chain] if node.chain else steps_in(node)))
        case RepeatNode():
            return joined.from_iterable(node.turns)
        case BlockNode() | PassedNode():
            return iter(node.nodes)


def walk_tree(steps: Steps) -> Iterator[TreeNode]:
    """Every node of a chain, including those inside arguments, in reading order; a shared part once."""
    shared: set[Step] = set()
    waiting = list(reversed(steps.nodes))
    while waiting:
        node = waiting.pop()
        if isinstance(node, Step) and node.shared:
            if node in shared:
                continue
            shared.add(node)
        yield node
        waiting.extend(reversed(tuple(children(node))))


def walk(steps: Steps) -> Iterator[Step]:
    """Every step of a chain, including those inside arguments, in reading order; a shared part once."""
    return (node for node in walk_tree(steps) if isinstance(node, Step))


def steps_inside(step: Step) -> list[Step]:
    """Every step inside a step, as ``walk`` gives them."""
    return list(walk(Steps((step,))))[1:] if step.is_container else []


def hidden_layers(steps: Steps) -> list[str]:
    """A sentence for each block that is used and has the name of a layer of the registry."""
    used = {node.call.name: node.hides for node in walk_tree(steps) if isinstance(node, BlockNode) and node.hides}
    return [f"{name} is the block of this recipe, not the layer {target}" for name, target in used.items()]


def steps_in(step: Step) -> Iterator[Steps]:
    """The chains among a step's arguments, in order."""
    return (leaf for leaf in leaves([*step.arguments.values(), *step.extra]) if isinstance(leaf, Steps))


def shared_parts(steps: Steps) -> list[Step]:
    """The shared parts of a model in the order of their first use, but each after those that are inside it."""
    found: dict[Step, None] = {}

    def find(steps: Steps) -> None:
        for step in walk(steps):
            if step.shared and step not in found:
                for inner in [step.chain] if step.chain else steps_in(step):
                    find(inner)
                found[step] = None

    find(steps)
    return list(found)


def root_graph(steps: Steps) -> Step | None:
    """The graph of a model that is one graph; None for a chain, such as one of a shared part."""
    if len(steps) != 1 or steps[0].graph is None or steps[0].shared or steps[0].name:
        return None
    return steps[0]


def _holds_steps(value: Any) -> bool:
    return any(isinstance(leaf, Steps) for leaf in leaves(value))


def map_steps(value: Any, change: Callable[[Steps], Any]) -> Any:
    """An argument with each chain in it replaced by ``change(chain)``."""
    return map_leaves(value, lambda leaf: change(leaf) if isinstance(leaf, Steps) else leaf)


def equal_neighbours(keys: Sequence[object], shortest: int, least: int) -> Iterator[tuple[int, int]]:
    """Runs of items that occur several times in a row, whether or not the recipe has a repeat there.

    ``a b a b a c`` is ``(2, 2), (1, 1), (1, 1)``: two items two times, then two items once.

    Args:
        keys: equal for equal items.
        shortest: items in a run at least.
        least: how many times it has to occur.

    Yields:
        Length and times of each run: all items, in order. Any other item is a run of one, once.
    """
    at = 0
    while at < len(keys):
        found = (1, 1)
        for length in range(shortest, min(_LONGEST, (len(keys) - at) // least) + 1):
            row, times = keys[at : at + length], 1
            while row == keys[at + times * length : at + (times + 1) * length]:
                times += 1
            if times >= least:
                found = (length, times)
                break
        yield found
        at += found[0] * found[1]


_LONGEST = 8
"""The most items in a run."""
