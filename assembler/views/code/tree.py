"""Tree of steps → terms: the Python expression of each block, repeat and layer of a plan."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import mindspore
from mindspore import nn

from assembler.binding.structure import (
    BlockNode,
    PassedNode,
    RepeatNode,
    Step,
    Steps,
    TreeNode,
    children,
    equal_neighbours,
    leaf_steps,
    root_graph,
)
from assembler.binding.structure import walk as walk_steps
from assembler.errors import NOWHERE, Place, RecipeError
from assembler.language.recipe import Graph, leaves
from assembler.layers.layer_norm_2d import LayerNorm2d
from assembler.layers.layer_scale import LayerScale
from assembler.layers.rms_norm import RMSNorm
from assembler.planning.plan import Plan
from assembler.planning.specs import print_shape
from assembler.views.code.terms import (
    Argument,
    Call,
    LayerArgument,
    Literal,
    Nest,
    Reference,
    Sequential,
    Term,
    Turns,
    Use,
    Wires,
    emitted,
    is_plain,
    walk,
    without_outer,
)

_CONSTANT = (
    nn.LayerNorm,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.GroupNorm,
    RMSNorm,
    LayerNorm2d,
    LayerScale,
)
"""Layers whose initial values are ones and zeros."""


def literal(value: Any, place: Place = NOWHERE) -> Term:
    """Plain data as Python source.

    Raises:
        RecipeError: its type cannot be written as Python.
    """
    if type(value) in (tuple, list):
        return Nest("()" if type(value) is tuple else "[]", tuple(literal(item, place) for item in value))
    if type(value) is dict:
        keys = tuple(_text(key, place) + ": " for key in value)
        return Nest("{}", tuple(literal(item, place) for item in value.values()), keys)
    return Literal(_text(value, place), value)


def _text(value: Any, place: Place) -> str:
    if isinstance(value, float):
        text = repr(float(value))
        return (
            re.sub(r"e([+-])0*", lambda sign: "e-" if sign[1] == "-" else "e", text)
            if math.isfinite(value)
            else f'float("{text}")'
        )
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, str):
        text = repr(str(value))
        return text if '"' in text else f'"{text[1:-1]}"'
    raise RecipeError(f"a value of the type {type(value).__name__} cannot be written as Python", place)


class Tree:
    """Reads a plan.

    Args:
        names: class or function → its name in the file.
        parts: the shared parts in the order of their first use, each after those inside it; filled as the plan is
            read.
    """

    def __init__(self, planned: Plan, names: Mapping[Any, str]):
        self.names = names
        self.rows = {row.path: row for row in planned.rows}
        self.parts: dict[str, Term] = {}
        self.wired_directly = set(_wired_directly(planned.steps))

    def chain(self, steps: Steps, depth: int = 0) -> Sequential:
        """A chain of layers, written in this many blocks."""
        row = Sequential(tuple(self.row(steps.nodes, depth)), len(steps) == 1, _names(steps))
        if row.items and isinstance(only := row.items[0], LayerArgument) and len(row.items) == 1:
            whole = replace(only, whole=True, row=replace(only.row, names=row.names))
            return replace(row, items=(whole,))
        return row

    def row(self, nodes: Iterable[TreeNode], depth: int) -> Iterator[Term]:
        """The layers, repeats and blocks directly at a depth, with equal neighbours as repeats."""
        return folded(list(self.items(nodes, depth)))

    def items(self, nodes: Iterable[TreeNode], depth: int) -> Iterator[Term]:
        """Like ``row``, without repeats for equal neighbours."""
        for node in _opened(nodes, depth):
            match node:
                case Step():
                    yield self.one(node, depth)
                case RepeatNode():
                    yield Turns(tuple(Sequential(tuple(self.row(turn, depth))) for turn in node.turns))
                case BlockNode():
                    yield self.use(node, depth)
                case PassedNode():
                    alone = sum(1 for _ in leaf_steps(node)) == 1
                    yield LayerArgument(Sequential(tuple(self.row(node.nodes, node.depth)), alone), node.depth)

    def use(self, node: BlockNode, depth: int) -> Term:
        """A block, unless it only renames the layer or block in it."""
        name = node.call.name
        items = tuple(self.row(node.nodes, depth + 1))
        if len(items) == 1:
            match items[0]:
                case Use(block=""):
                    return replace(items[0], block=name, depth=depth)
                case Use() as only:
                    return without_outer(only)
                case Reference() as only:
                    return only
                case Sequential(names=(_, *_)) as only:
                    return Use(name, only, depth, emitted(only))
                case Call() as call if is_plain(Nest("()", tuple(argument.value for argument in call.arguments))):
                    return call
        *_, last = leaf_steps(node)
        return Use(name, Sequential(items), depth, self._shape(last))

    def one(self, step: Step, depth: int) -> Term:
        """One layer."""
        if not step.shared:
            return self._whole(step, depth)
        if step.shared not in self.parts:
            self.parts[step.shared] = self._whole(step, 0) if step.chain is None else self.chain(step.chain)
        return Reference(step.shared, self._shape(step))

    def _whole(self, step: Step, depth: int) -> Term:
        if step.graph is not None:
            return Use("", self.wired(step, step.graph, depth), depth, self._shape(step))
        if step.chain is not None and step.layer.name == "SequentialCell":
            return Sequential(tuple(self.row(step.chain.nodes, depth)), names=_names(step.chain))
        if step.chain is not None:
            turns = Nest("*", (Sequential(tuple(self.row(step.chain.nodes, depth))),))
            return Call(self.names[step.entry.cell], (Argument("", turns),), shape=self._shape(step))
        place = step.layer.place
        positional = list(step.arguments)[: len(step.layer.args) - len(step.extra)]
        if step.entry.signature is not None and not step.extra:
            positional = []  # the order of the class's own arguments may differ
        if step.entry.inputs:
            positional = []  # an Operator takes them by name
        arguments = [Argument(name, self._value(step.arguments[name], depth, place, name)) for name in positional]
        arguments += [Argument("", self._value(value, depth, place)) for value in step.extra]
        for name, value in step.arguments.items():
            if name not in positional:
                arguments.append(Argument(_keyword(name, place), self._value(value, depth, place, name), keyword=True))
        if step.entry.inputs:
            arguments.insert(0, Argument("function", Literal(self.names[step.entry.implementation])))
        return Call(self.names[step.entry.cell], tuple(arguments), shape=self._shape(step), draws=self._draws(step))

    def _shape(self, step: Step) -> str:
        row = self.rows.get(step.path)
        return print_shape(row.output) if row else ""

    def _draws(self, step: Step) -> bool:
        row = self.rows.get(step.path)
        if row is not None and row.parameters == 0:
            return False
        return step.entry.cell not in _CONSTANT or any("init" in name for name in step.arguments)

    def _value(self, value: Any, depth: int, place: Place, name: str = "") -> Term:
        if isinstance(value, Steps):
            return self.chain(value, depth)
        if name == "dtype" and isinstance(value, str) and isinstance(getattr(mindspore, value, None), mindspore.Type):
            return Literal(f"mindspore.{value}", value)
        if type(value) in (tuple, list, dict) and any(isinstance(leaf, Steps) for leaf in leaves(value)):
            if type(value) is not dict:
                return Nest(
                    "()" if type(value) is tuple else "[]", tuple(self._value(one, depth, place) for one in value)
                )
            keys = tuple(f"{_text(key, place)}: " for key in value)
            return Nest("{}", tuple(self._value(item, depth, place) for item in value.values()), keys)
        return literal(value, place)

    def wired(self, step: Step, graph: Graph, depth: int) -> Wires:
        """A graph, written in this many blocks."""
        cells = step.arguments["cells"]
        wires = tuple((wire.name, self.chain(cells[wire.name], depth), wire.sources) for wire in graph.wires)
        shapes = tuple(self._shape(cells[wire.name][-1]) for wire in graph.wires)
        unpacks = len(graph.inputs) > 1 and step not in self.wired_directly
        return Wires(graph.inputs, wires, graph.outputs, shapes, unpacks)


def _names(steps: Steps) -> tuple[str, ...]:
    return steps.names if steps.has_names else ()


def _wired_directly(steps: Steps) -> Iterator[Step]:
    """The whole model, if it is a graph, and the layers that get each of several sources as an input of its own."""
    if (root := root_graph(steps)) is not None:
        yield root
    for step in walk_steps(steps):
        for wire in step.graph.wires if step.graph else ():
            (first, *_) = step.arguments["cells"][wire.name]
            if len(wire.sources) > 1 and not first.shared:
                yield from first.chain or (first,)


def folded(items: Sequence[Term]) -> Iterator[Term]:
    """Make a repeat of layers that occur at least three times in a row without one in the recipe."""
    at = 0
    for length, times in equal_neighbours([object() if _holds_a_part(item) else item for item in items], 1, 3):
        if times > 1:
            yield Turns((Sequential(tuple(items[at : at + length])),) * times)
        else:
            yield items[at]
        at += length * times


def _holds_a_part(term: Term) -> bool:
    return any(isinstance(one, LayerArgument) for one in walk(term))


def _opened(nodes: Iterable[TreeNode], depth: int) -> list[TreeNode]:
    """Nodes at a depth, with layers passed in from there, and blocks of only such layers, replaced by what is in them.

    Neighbours that were passed in become one, at the depth of their outermost layers, and are passed in together.
    """
    found: list[TreeNode] = []
    for node in nodes:
        own = isinstance(node, PassedNode) and node.depth >= depth
        bare = isinstance(node, BlockNode) and all(isinstance(inner, PassedNode) for inner in node.nodes)
        for one in _opened(children(node), depth) if own or bare else [node]:
            if isinstance(one, PassedNode):
                run = [one]
                if found and isinstance(last := found[-1], PassedNode):
                    run = [last, one]
                    found.pop()
                outermost = min(at for node in run for at in _depths(node))
                one = PassedNode(outermost, tuple(inner for node in run for inner in node.nodes))
            found.append(one)
    return found


def _depths(node: TreeNode) -> Iterator[int]:
    """The depths of passed-in layers in a node and in its repeats."""
    if isinstance(node, PassedNode):
        yield node.depth
    if isinstance(node, PassedNode | RepeatNode):
        for inner in children(node):
            yield from _depths(inner)


def _keyword(name: str, place: Place) -> str:
    if not name.isidentifier():
        raise RecipeError(f"the argument {name!r} cannot be written as Python", place)
    return name
