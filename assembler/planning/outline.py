"""Plan → outline: blocks, repeats and layers as one tree, with subtotals, in which equal neighbours are one node.

The terminal, notebooks and pages show a plan by it. For ``2 * Unit(8) + Unit(4)`` with the block
``Unit(n): Dense(_, n) + ReLU``, on an input of (4, 16)::

    model                        all that follows
        block   Unit 8           #0–1, the first: its Dense has 16 inputs
            layer   Dense 16, 8
            layer   ReLU
        block   Unit 8           #2–3
            …
        block   Unit 4           #4–5
            …

With an input of (4, 8) both uses of ``Unit(8)`` are equal, and one node with ``times`` 2.

A Cell made by hand has no blocks. Its nodes are Cells in Cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from assembler.binding.structure import (
    BlockNode,
    PassedNode,
    RepeatNode,
    Step,
    TreeNode,
    equal_neighbours,
    steps_in,
)
from assembler.language.recipe import is_stack, leaves, print_value
from assembler.planning.specs import Specs
from assembler.settings.metrics import METRICS

if TYPE_CHECKING:
    from assembler.planning.plan import Plan, Row

SUMMED = (*(metric.key for metric in METRICS if metric.per_layer), "memory")
"""The attributes of a row that are added up."""

Kind: TypeAlias = Literal["model", "block", "repeat", "layer"]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A layer, a use of a block, a repeat of several nodes, or the model.

    Args:
        kind: what it is. A block that is only one layer with layers inside is a block with that layer's ``row``.
        title: the name of the layer or the block; of a repeat, what is in it.
        arguments: as written, with ``_`` filled in, without layers and without the values that are the layer's
            defaults.
        path, last: the paths of its first and last layer, without those inside them.
        input, output: shapes and dtypes; None if unknown.
        each: the sums of one occurrence by their keys: ``layers`` and ``SUMMED``.
        children: what is in it.
        times: how many equal neighbours are folded into it.
        count: how often it occurs in the model: ``times``, multiplied by those of the nodes around it.
        row: the plan's row of the layer; of the first, if several are folded. None of a shared part that is used again.
        key: equal for equal nodes of one outline, apart from paths and ``times``.
    """

    kind: Kind
    title: str
    arguments: str = ""
    path: str = ""
    last: str = ""
    input: Specs | None = None
    output: Specs | None = None
    each: Mapping[str, int] = field(default_factory=dict)
    children: tuple[Node, ...] = ()
    times: int = 1
    count: int = 1
    row: Row | None = None
    key: int = -1

    def total(self, key: str) -> int:
        """A sum over all occurrences: ``total("macs")``."""
        return self.each[key] * self.count

    def share(self, key: str, whole: Node) -> float:
        """What part of a sum of the model it is, from 0 to 1."""
        return self.total(key) / whole.total(key) if self.total(key) else 0.0

    @property
    def paths(self) -> str:
        """Its path; of several layers the first and the last: ``4.inner.0–3``."""
        return print_paths(self.path, self.last)

    def walk(self, depth: int | None = None) -> Iterator[tuple[Node, int]]:
        """What is in it, in reading order, with the depth of each: 0 for a child.

        Args:
            depth: how many levels.
        """
        waiting = [(child, 0) for child in reversed(self.children)]
        while waiting:
            node, level = waiting.pop()
            yield node, level
            if depth is None or level + 1 < depth:
                waiting.extend((child, level + 1) for child in reversed(node.children))


def print_paths(first: str, last: str) -> str:
    """The paths of the first and the last layer: ``4.inner.0–3``."""
    if first == last:
        return first
    before, _, name = last.rpartition(".")
    return f"{first}–{name if before == first.rpartition('.')[0] else last}"


def outline(planned: Plan, *, fold: bool = True) -> Node:
    """The outline of a plan.

    Args:
        fold: False keeps equal neighbours apart, so that there is a node for each row of the plan.

    Returns:
        The model. Its sums are the plan's.
    """
    outliner = _Outliner(planned, fold)
    nodes = outliner.chain(planned.steps.nodes) if planned.steps else outliner.cells(planned.containers)
    nodes += map(outliner.of_row, outliner.rows.values())  # what no step has
    return _counted(outliner.around("model", "", outliner.folded(nodes)), 1)


def _counted(node: Node, around: int) -> Node:
    """The node with its ``count``, and those in it."""
    count = around * node.times
    return replace(node, count=count, children=tuple(_counted(child, count) for child in node.children))


class _Outliner:
    """Turns the tree of steps into nodes. A row is used once: further uses of a shared part are nodes without one."""

    def __init__(self, planned: Plan, fold: bool):
        self.rows = {row.path: row for row in planned.rows}
        self.planned = frozenset(self.rows)
        self.fold = fold
        self.keys: dict[Any, int] = {}

    def chain(self, nodes: Iterable[TreeNode]) -> list[Node]:
        """What a chain of a recipe shows."""
        return [shown for node in nodes for shown in self.shown(node)]

    def shown(self, node: TreeNode) -> list[Node]:
        """What a node of a recipe shows: layers that were passed to a block are like its own."""
        match node:
            case PassedNode():
                return self.chain(node.nodes)
            case RepeatNode():
                return [one for turn in node.turns for one in self.named("repeat", "", self.chain(turn))]
            case BlockNode():
                arguments = [*map(_plain, node.call.args), *(_plain(value, name) for name, value in node.call.kwargs)]
                return self.named("block", node.call.name, self.chain(node.nodes), ", ".join(filter(None, arguments)))
            case Step():
                return self.layer(node)

    def layer(self, step: Step) -> list[Node]:
        """A layer with the layers inside it; what is inside alone, if it has no row, as the graph of a whole model."""
        if step.shared and step.path in self.planned and step.path not in self.rows:
            again = Node("layer", f"{step.layer.name} (again)", path=step.path, last=step.path)
            return [self.keyed(replace(again, each=dict.fromkeys(("layers", *SUMMED), 0)))]
        row = self.rows.pop(step.path, None)
        inside = self.inside(step)
        if row is None:
            return inside
        node = self.of_row(row, inside, step.plain_arguments())
        return [self.keyed(replace(node, title=step.name)) if step.name and step.chain else node]

    def inside(self, step: Step) -> list[Node]:
        """The nodes of the layers inside a layer, or of the wires of a graph."""
        if step.graph is not None:
            wires = ((wire.name, step.arguments["cells"][wire.name]) for wire in step.graph.wires)
            return [node for name, steps in wires for node in self.named("block", name, self.chain(steps.nodes))]
        chains = [step.chain] if step.chain else steps_in(step)
        return [node for steps in chains for node in self.chain(steps.nodes)]

    def cells(self, containers: Iterable[Row]) -> list[Node]:
        """The Cells of a model made by hand: each is in the Cell whose path its own begins with."""
        rows = {**{row.path: row for row in containers}, **self.rows}
        inside: dict[str, list[str]] = {}
        placed: set[str] = set()
        for path in self.rows:
            while path not in placed and path:
                placed.add(path)
                inside.setdefault(around := _around(path, rows), []).append(path)
                path = around

        def nodes(path: str) -> list[Node]:
            children = [node for name in inside.get(path, ()) for node in nodes(name)]
            is_called = path in self.rows or rows[path].output != ()  # a list of Cells is not
            return [self.of_row(rows[path], children)] if is_called else children

        found = nodes("") if "" in self.rows else [node for name in inside.get("", ()) for node in nodes(name)]
        self.rows = {}
        return found

    # ---- nodes

    def of_row(self, row: Row, inside: Sequence[Node] = (), arguments: str | None = None) -> Node:
        """A layer."""
        children = self.folded(inside)
        own = {"layers": int(row.path in self.planned), **{key: getattr(row, key) for key in SUMMED}}
        said = row.arguments if arguments is None else arguments
        node = Node("layer", row.layer, said, row.path, row.path, row.input or None, row.output or None, row=row)
        return self.keyed(replace(node, each=_added(own, children), children=children))

    def named(self, kind: Kind, title: str, inside: Sequence[Node], arguments: str = "") -> list[Node]:
        """A block or a turn of a repeat; what is in it alone if that says more."""
        nodes = self.folded(inside)
        if len(nodes) > 1:
            return [self.around(kind, title, nodes, arguments)]
        if kind == "block" and nodes and nodes[0].kind == "layer" and nodes[0].children and nodes[0].times == 1:
            return [self.keyed(replace(nodes[0], kind="block", title=title, arguments=arguments))]
        return list(nodes)

    def around(self, kind: Kind, title: str, nodes: Sequence[Node], arguments: str = "") -> Node:
        """A node around others."""
        each = _added(dict.fromkeys(("layers", *SUMMED), 0), nodes)
        if not nodes:
            return Node(kind, title, each=each)  # a plan without an input has no rows
        first, last = nodes[0], nodes[-1]
        title = title or _joined([node.title for node in nodes])
        whole = Node(kind, title, arguments, first.path, last.last, first.input, last.output, each, tuple(nodes))
        return self.keyed(whole)

    def keyed(self, node: Node) -> Node:
        """The node with its key."""
        inside = tuple((child.key, child.times) for child in node.children)
        about = (node.kind, node.title, node.arguments, node.input, node.output, tuple(node.each.values()), inside)
        zeros = node.row is not None and node.row.on_zeros
        return replace(node, key=self.keys.setdefault((about, zeros), len(self.keys)))

    # ---- equal neighbours

    def folded(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """Equal neighbours as one node, with or without a repeat in the recipe. A turn that occurs once is opened."""
        before: list[Node] = []
        found = list(nodes)
        while self.fold and found != before:
            before = found
            found = self.runs([one for node in self.runs(found) for one in _opened(node)])
        return tuple(one for node in found for one in _opened(node))

    def runs(self, nodes: Sequence[Node]) -> list[Node]:
        """Runs of one or several nodes that occur several times in a row, as one node each."""
        found, at = [], 0
        for length, times in equal_neighbours([(node.key, node.times) for node in nodes], 1, 2):
            run, last = nodes[at : at + length], nodes[at + length * times - 1].last
            at += length * times
            if times == 1:
                found.append(run[0])
            elif length == 1 and run[0].times == 1:
                found.append(replace(run[0], times=times, last=last))
            else:
                found.append(replace(self.around("repeat", "", run), times=times, last=last))
        return found


def _joined(titles: Sequence[str]) -> str:
    """The title of what has none: ``Conv2d + ReLU``, ``Conv2d + … + ReLU``."""
    return " + ".join(titles if len(titles) <= 3 else [titles[0], "…", titles[-1]])


def _opened(node: Node) -> Sequence[Node]:
    return node.children if node.kind == "repeat" and node.times == 1 else (node,)


def _around(path: str, rows: Mapping[str, Row]) -> str:
    """The path of the Cell around one; ``""`` is the model."""
    around = path.rpartition(".")[0]
    while around and around not in rows:
        around = around.rpartition(".")[0]
    return around


def _added(own: Mapping[str, int], children: Iterable[Node]) -> dict[str, int]:
    sums = dict(own)
    for child in children:
        for key in sums:
            sums[key] += child.each[key] * child.times
    return sums


def _plain(value: Any, name: str = "") -> str:
    """An argument of a block; nothing of layers."""
    if any(is_stack(leaf) for leaf in leaves(value)):
        return ""
    return f"{name}={print_value(value)}" if name else print_value(value)
