"""Plan → diagram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

from assembler.language.recipe import print_source
from assembler.planning.plan import Plan
from assembler.planning.specs import Spec, Specs, print_shape
from assembler.views.diagram.data import MAX_EDGES, MAX_NODES, Diagram, Edge, Group, Node
from assembler.views.diagram.fold import joined, path, times
from assembler.views.diagram.parts import InputSpecs, Part, Parts, is_plain_merge, is_turns, passes_on, taken_on

_Ends: TypeAlias = tuple[int, ...]
"""The nodes that a tensor comes from: several for a graph with several outputs."""


def diagram(planned: Plan, name: str = "", wrong: Collection[str] = ()) -> Diagram:
    """Draw a plan: its layers in blocks and repeats, and what flows between them.

    Equal neighbours with equal shapes are drawn once. The shapes of a plan without an input are not known, nor is the
    inside of a Cell that was made by hand.

    Args:
        name: of the recipe.
        wrong: the paths of layers that are marked; so is a block that is drawn without its inside and has one.
    """
    reader = Parts(planned, wrong)
    parts = reader.model()
    depth, spare = 0, MAX_NODES - len(reader.inputs) - max(1, len(reader.outputs))
    while _nodes(parts, depth) > spare and depth < max(part.height for part in parts):
        depth += 1
    drawn = _Drawer(reader, depth).draw(parts, name)
    keep = MAX_NODES - 1
    while len(drawn.nodes) > MAX_NODES or len(drawn.edges) > MAX_EDGES:
        drawn, keep = shortened(drawn, keep), keep // 2
    return joined(drawn)


def _nodes(parts: Iterable[Part], depth: int) -> int:
    """The number of nodes if parts that are nested up to this depth are folded."""
    return sum(1 if part.height <= depth else _nodes(part.inside, depth) + part.is_node for part in parts)


class _Drawer:
    """A diagram as it grows.

    Args:
        depth: parts that are nested up to this depth are folded.
    """

    def __init__(self, reader: Parts, depth: int):
        self.reader = reader
        self.depth = depth
        self.nodes: list[Node] = []
        self.groups: list[Group] = []
        self.edges: list[Edge] = []

    def draw(self, parts: tuple[Part, ...], name: str) -> Diagram:
        """The whole, from inputs to outputs."""
        sources: tuple[_Ends, ...] = tuple(
            (self.node(Node("input", "input", () if one == "input" else (one,), _dtype(specs))),)
            for one, specs in self.reader.inputs.items()
        )
        if self.reader.root is not None:
            ends = self.wires(parts[0], sources, -1)
        else:
            ends = (self.chain(parts, sources, -1) if parts else self.made_by_hand(sources),)
        self.outputs(ends)
        edges = tuple(replace(edge, count=count) for edge, count in Counter(self.edges).items())
        return Diagram(name, tuple(self.nodes), edges, tuple(self.groups))

    def made_by_hand(self, sources: tuple[_Ends, ...]) -> _Ends:
        """A model of which the rows are known, but not how they hang together."""
        node = self.node(Node("folded", "model", layers=len(self.reader.planned.rows)))
        self.join(sources, (self.reader.planned.input,), node)
        return (node,)

    def outputs(self, ends: tuple[_Ends, ...]) -> None:
        """Draw each output."""
        emitted = self.reader.planned.output
        each: InputSpecs = emitted if len(ends) > 1 and isinstance(emitted, tuple) else (emitted,) * len(ends)
        names = [(print_source(source),) for source in self.reader.outputs] if len(ends) > 1 else [()]
        for end, specs, name in zip(ends, each, names, strict=True):
            self.join((end,), (specs,), self.node(Node("output", "output", name, _dtype(specs))))

    def node(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def join(self, sources: Sequence[_Ends], given: InputSpecs, target: int, dashed: bool = False) -> None:
        """Draw edges from sources to a target."""
        for ends, specs in zip(sources, given, strict=False):
            each = specs if len(ends) > 1 and isinstance(specs, tuple) else (specs,) * len(ends)
            for end, one in zip(ends, each, strict=False):
                self.edges.append(Edge(end, target, print_shape(one) if one else "", dashed=dashed))

    # ---- parts

    def chain(self, parts: Iterable[Part], sources: tuple[_Ends, ...], group: int) -> _Ends:
        """Draw parts one after the other; return the last nodes."""
        for part in parts:
            sources = (self.part(part, sources, group),)
        return sources[0] if sources else ()

    def part(self, part: Part, sources: tuple[_Ends, ...], group: int) -> _Ends:
        if part.height <= self.depth:
            return self.layer(part, "folded" if part.chains else "layer", sources, group)
        if part.is_chain:
            is_part_of_turns = part.step is None and len(sources) > 1
            draw = self.turns if is_part_of_turns else self.chain
            return draw(part.chains[0], sources, self.group(part, group))
        if part.step is not None and is_turns(part.step):
            return self.turns(part.chains[0], sources, self.group(part, group))
        if part.is_graph:
            return tuple(chain(*self.wires(part, sources, self.group(part, group))))
        return self.container(part, sources, group)

    def turns(self, parts: Iterable[Part], sources: tuple[_Ends, ...], group: int) -> _Ends:
        """Draw layers that replace the first of their inputs in turn; return the last nodes."""
        ends: _Ends = ()
        for one in parts:
            ends = self.part(one, sources, group)
            count = len(taken_on(one.emits, ()))
            each = tuple((end,) for end in ends) if len(ends) == count else (ends,) * count
            sources = (*each, *sources[count:])
        return ends

    def layer(self, part: Part, kind: str, sources: tuple[_Ends, ...], group: int) -> _Ends:
        title = part.title or " + ".join(one.title for one in part.chains[0])
        layers = part.layers if kind == "folded" else 1
        shared = part.step.shared if part.step else ""
        sums = part.sums if kind == "folded" else part.own
        wrong = part.marked if kind == "folded" else self.reader.is_marked(part.step)
        paths = tuple(part.all_paths()) if kind == "folded" else part.paths
        node = self.node(
            Node(kind, title, part.names, part.arguments, shared, part.repeat, layers, group, *sums, wrong, paths)
        )
        self.join(sources, part.given, node)
        return (node,)

    def group(self, part: Part, group: int, layers: int | None = None) -> int:
        layers = (part.step is not None) if layers is None else layers
        shared = part.step.shared if part.step else ""
        named = part.is_graph or (part.is_chain and part.step is not None and not part.step.shared)
        title = "" if named and part.names else part.title
        self.groups.append(Group(title, part.names, part.arguments, shared, part.repeat, layers, group))
        return len(self.groups) - 1

    def wires(self, part: Part, sources: tuple[_Ends, ...], group: int) -> tuple[_Ends, ...]:
        """Draw a graph; return the nodes of each of its outputs."""
        assert part.step is not None
        assert part.step.graph is not None
        graph = part.step.graph
        if len(sources) == 1 < len(graph.inputs):  # they come as one tuple
            sources = tuple(_taken_from(sources[0], at) for at in range(len(graph.inputs)))
        values = dict(zip(graph.inputs, sources, strict=False))

        def taken(name: str, element: int | None) -> _Ends:
            return _taken_from(values.get(name, ()), element)

        for wire, parts in zip(graph.wires, part.chains, strict=True):
            values[wire.name] = self.chain(parts, tuple(taken(*source) for source in wire.sources), group)
        return tuple(taken(*source) for source in graph.outputs)

    def container(self, part: Part, sources: tuple[_Ends, ...], group: int) -> _Ends:
        """Draw a layer that contains others, after them."""
        assert part.step is not None
        plain, outer = is_plain_merge(part.step), group
        if not plain or part.names or part.repeat > 1:
            group = self.group(part, group, 0)
        ends = []
        for parts in part.chains:
            known = plain or None not in parts[0].given
            before = len(self.edges)
            ends.append(self.chain(parts, sources if known else (), group))
            if not plain:
                self.dash(before, sources)
        framed = group != outer
        alone = replace(part, names=(), repeat=1) if framed else part
        (node,) = self.layer(alone, "merge", (), group)
        for parts, end in zip(part.chains, ends, strict=True):
            self.join((end,), (parts[-1].emits if plain else None,), node, dashed=not plain)
        if not plain or passes_on(part.step):
            self.join(sources, part.given, node)
        return (node,)

    def dash(self, before: int, sources: tuple[_Ends, ...]) -> None:
        """Dash the edges from outside that were drawn after the first ``before`` ones."""
        outside = set(chain(*sources))
        drawn = self.edges[before:]
        self.edges[before:] = [replace(edge, dashed=True) if edge.source in outside else edge for edge in drawn]


def _taken_from(ends: _Ends, element: int | None) -> _Ends:
    """Where an element of a tuple comes from."""
    return ends if element is None or len(ends) == 1 else (ends[element],)


def _dtype(specs: Specs | None) -> str:
    return specs.dtype if isinstance(specs, Spec) else ""


def shortened(drawn: Diagram, keep: int) -> Diagram:
    """Leave out the middle, so that ``keep`` nodes are kept, and one with the number of layers that are not shown."""
    first, behind = keep // 2, max(keep // 2, len(drawn.nodes) - (keep - keep // 2))
    if first == behind:
        return drawn
    group = _around([node.group for node in drawn.nodes[first:behind]], drawn.groups)
    kept = [*drawn.nodes[:first], *drawn.nodes[behind:]]
    used = {at for node in kept for at in path(node.group, drawn.groups)} | set(path(group, drawn.groups))
    lost: list[Node | Group] = [one for at, one in enumerate(drawn.groups) if at not in used and one.layers]
    lost += drawn.nodes[first:behind]
    layers = sum(one.layers * times(one, group, drawn.groups) for one in lost)
    title = f"… {layers:,} more layers" if layers else f"… {behind - first:,} more"
    at = {old: new for new, old in enumerate(sorted(used))} | {-1: -1}
    nodes = [replace(node, group=at[node.group]) for node in kept]
    gone = drawn.nodes[first:behind]
    wrong, paths = any(node.wrong for node in gone), tuple(path for node in gone for path in node.paths)
    nodes.insert(first, Node("more", title, layers=layers, group=at[group], wrong=wrong, paths=paths))
    groups = tuple(replace(drawn.groups[old], group=at[drawn.groups[old].group]) for old in sorted(used))
    return Diagram(drawn.name, tuple(nodes), _contracted(drawn.edges, first, behind), groups)


def _contracted(edges: Iterable[Edge], first: int, behind: int) -> tuple[Edge, ...]:
    """The edges after a range of nodes became one node. Edges of it with equal ends become one."""

    def moved(at: int) -> int:
        return at if at < first else first if at < behind else at - (behind - first) + 1

    found: dict[object, Edge] = {}
    for edge in edges:
        edge = replace(edge, source=moved(edge.source), target=moved(edge.target))
        if edge.source == edge.target:
            continue
        key = (edge.source, edge.target) if first in (edge.source, edge.target) else edge
        known = found.setdefault(key, edge)
        if known.shape != edge.shape and not known.shape.endswith(", …"):
            found[key] = replace(known, shape=f"{known.shape}, …", count=1)
    return tuple(found.values())


def _around(inside: Sequence[int], groups: Sequence[Group]) -> int:
    """The innermost group that contains all these groups; -1 if none does."""
    paths = [path(group, groups) for group in set(inside)]
    return next((group for group in paths[0] if all(group in path for path in paths)), -1)
