"""Plan → parts: the layers, blocks and repeats of a plan, with the input and output of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import Any, TypeAlias

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
    steps_in,
)
from assembler.language.recipe import Source
from assembler.planning.plan import Plan, Row
from assembler.planning.specs import Specs

InputSpecs: TypeAlias = tuple[Specs | None, ...]
"""The inputs of a part; None if one is not known."""


def _is_sequential(step: Step) -> bool:
    from mindspore import nn  # not for the pictures of records, which a sweep draws without MindSpore

    return step.entry.cell is nn.SequentialCell


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A layer, a block, or a repeat.

    Args:
        title: the layer's name, or the block's; empty for a repeat of several parts.
        key: equal for equal parts with equal shapes.
        kind: equal for equal parts of any shapes.
        step: the layer; None for a block or a repeat.
        names: its names in the recipe: a wire's name, and blocks that contain only this layer.
        arguments: of a layer as written, with ``_`` filled in, without layers.
        given: its inputs.
        emits: its output; None if it is not known.
        chains: the parts in it.
        repeat: how many times in a row it occurs.
        layers: how many layers it represents, each time.
        height: how deep it is nested: 0 for a layer without layers in it.
        own: parameters and MACs of the layer, without those of layers in it.
        sums: parameters and MACs of all layers that it represents, each time.
        marked: whether it is, or contains, a layer that is to be marked.
        paths: of the layer in the model, each time that it occurs; none of a block or a repeat.
    """

    title: str
    key: int = -1
    kind: int = -1
    step: Step | None = None
    names: tuple[str, ...] = ()
    arguments: str = ""
    given: InputSpecs = ()
    emits: Specs | None = None
    chains: tuple[tuple[Part, ...], ...] = ()
    repeat: int = 1
    layers: int = 0
    height: int = 0
    own: tuple[int, int] = (0, 0)
    sums: tuple[int, int] = (0, 0)
    marked: bool = False
    paths: tuple[str, ...] = ()

    @property
    def is_chain(self) -> bool:
        """Whether it only runs the parts in it, one after the other."""
        return bool(self.chains) and (self.step is None or _is_sequential(self.step))

    @property
    def is_graph(self) -> bool:
        """Whether the parts in it are connected by wires."""
        return self.step is not None and self.step.graph is not None

    @property
    def is_node(self) -> bool:
        """Whether it is drawn as a node, after the parts in it."""
        return not (self.is_chain or self.is_graph)

    @property
    def inside(self) -> Iterator[Part]:
        """The parts in it."""
        return chain.from_iterable(self.chains)

    def all_paths(self) -> Iterator[str]:
        """Those of the layers in it, and its own."""
        for one in self.inside:
            yield from one.all_paths()
        yield from self.paths

    def moved(self, old: str, new: str) -> Part:
        """The same part at another path of the model: ``0.inner`` → ``2.inner``, with all that is in it."""
        paths = tuple(new + one[len(old) :] if f"{one}.".startswith(f"{old}.") else one for one in self.paths)
        return replace(
            self, paths=paths, chains=tuple(tuple(one.moved(old, new) for one in row) for row in self.chains)
        )


def _together(parts: Sequence[Part]) -> Part:
    """The first of equal parts, with the paths of all."""
    first = parts[0]
    chains = tuple(
        tuple(_together(each) for each in zip(*rows, strict=True))
        for rows in zip(*(one.chains for one in parts), strict=True)
    )
    return replace(first, paths=tuple(path for one in parts for path in one.paths), chains=chains)


class Parts:
    """Reads a plan.

    Args:
        marked: the paths of layers to mark.
    """

    def __init__(self, planned: Plan, marked: Collection[str] = ()):
        self.planned = planned
        self.marked = marked
        self.root = root_graph(planned.steps)
        self.rows = {row.path: row for row in planned.rows}
        self.keys: dict[Any, int] = {}
        self.seen: set[Step] = set()  # shared parts that were used before
        self.again = 0  # how many of those are around
        self.uses = 0  # of shared parts, so far
        self.known: dict[tuple[Step | int, InputSpecs], Part] = {}

    @property
    def inputs(self) -> dict[str, Specs | None]:
        """The inputs of the model by name."""
        given = self.planned.input
        if self.root is None or self.root.graph is None:
            return {"input": given}
        names = self.root.graph.inputs
        return dict(zip(names, given if isinstance(given, tuple) else (given,) * len(names), strict=True))

    @property
    def outputs(self) -> tuple[Source, ...]:
        """The outputs of a graph; none for a chain."""
        return self.root.graph.outputs if self.root is not None and self.root.graph is not None else ()

    def model(self) -> tuple[Part, ...]:
        """The parts of the model; for a graph, the graph."""
        given = tuple(self.inputs.values())
        return self.chain(self.planned.steps.nodes, given) if self.root is None else (self.layer(self.root, given),)

    def chain(self, nodes: Iterable[TreeNode], given: InputSpecs) -> tuple[Part, ...]:
        """The parts of a chain, for the input of the first."""
        parts: list[Part] = []
        for node in _opened(nodes):
            match node:
                case Step():
                    part = self.layer(node, given)
                    parts.append(self.made(replace(part, names=(node.name, *part.names))) if node.name else part)
                case BlockNode():
                    parts.append(self.around(node.call.name, self.chain(node.nodes, given)))
                case _:
                    parts.append(self.around("", self.chain(node, given)))
            given = (parts[-1].emits,)
        return self.folded(parts)

    def around(self, name: str, inside: tuple[Part, ...]) -> Part:
        """A block, or a turn of a repeat, which has no name; if it contains a single layer, that layer."""
        first = inside[0]
        if len(inside) > 1 or (name and first.chains and first.repeat > 1):
            return self.made(Part(name, given=first.given, emits=inside[-1].emits, chains=(inside,)))
        return self.made(replace(first, names=(name, *first.names))) if name and first.chains else first

    def made(self, part: Part) -> Part:
        """A part with its key, layers and height computed."""
        step = part.step
        kinds = tuple(tuple(one.kind for one in chain) for chain in part.chains)
        inside = tuple(tuple(one.key for one in chain) for chain in part.chains)
        # What a layer gives to those in it depends on its inputs, even where it is not known.
        inside = kinds if step is not None and _is_opaque(step) else inside
        marked = self.is_marked(step) or any(one.marked for one in part.inside)
        named = (part.title, part.names, part.arguments, part.repeat, marked)
        # Unknown shapes may differ; a plan without an input has none.
        known = not self.rows or (None not in part.given and part.emits is not None)
        graph = step.graph if step else None
        wired = (graph.inputs, tuple(wire.sources for wire in graph.wires), graph.outputs) if graph else ()
        alike = (*named, wired, step and step.shared)
        key = self.keys.setdefault((*alike, part.given, part.emits, inside) if known else object(), len(self.keys))
        kind = self.keys.setdefault((*alike, kinds), len(self.keys))
        layers = (step is not None) + sum(one.repeat * one.layers for one in part.inside)
        height = 1 + max(one.height for one in part.inside) if part.chains else 0
        parameters, macs = (
            own + sum(one.repeat * one.sums[at] for one in part.inside) for at, own in enumerate(part.own)
        )
        return replace(part, key=key, kind=kind, layers=layers, height=height, sums=(parameters, macs), marked=marked)

    def is_marked(self, step: Step | None) -> bool:
        """Whether a layer itself is to be marked."""
        return step is not None and step.path in self.marked

    def folded(self, parts: list[Part]) -> tuple[Part, ...]:
        """Parts that occur several times in a row, as one with ``repeat``."""
        before: list[Part] = []
        while parts != before:
            before = parts
            parts = list(self.fold_alike(parts))
            parts = [one for part in parts for one in (part.chains[0] if _is_bare(part) else (part,))]
            parts = list(self.fold_rows(parts))
        return tuple(parts)

    def fold_alike(self, parts: Sequence[Part]) -> Iterator[Part]:
        """Equal neighbours as one."""
        for _, run in groupby(parts, lambda part: part.key):
            members = list(run)
            yield members[0] if len(members) == 1 else self.repeated((_together(members),), len(members))

    def fold_rows(self, parts: Sequence[Part]) -> Iterator[Part]:
        """Equal neighbouring runs of several parts as one."""
        at = 0
        for length, times in equal_neighbours([part.key for part in parts], 2, 2):
            turns = [parts[at + turn * length :][:length] for turn in range(times)]
            yield self.repeated(tuple(map(_together, zip(*turns, strict=True))), times) if times > 1 else parts[at]
            at += length * times

    def repeated(self, parts: tuple[Part, ...], times: int) -> Part:
        """Parts in a row, several times."""
        first = parts[0]
        if len(parts) == 1 and first.repeat == 1:
            return self.made(replace(first, repeat=times))
        whole = Part("", given=first.given, emits=parts[-1].emits, chains=(parts,), repeat=times)
        return self.made(whole)

    # ---- layers

    def layer(self, step: Step, given: InputSpecs) -> Part:
        """A layer and the parts in it, for its inputs. The layer as written is the same object in every repeat."""
        again = self.again > 0 or step in self.seen  # then it depends on its inputs only
        key, uses = (step if again else id(step.layer), given), self.uses
        if key in self.known:
            self.uses += again
            known = self.known[key]
            return known.moved(known.paths[0], step.path) if not again and known.paths[:1] != (step.path,) else known
        part = self.look(step, given)
        if again or (self.uses == uses and (None not in given or not self.rows)):
            self.known[key] = part
        return part

    def look(self, step: Step, given: InputSpecs) -> Part:
        """Like ``layer``, without its memory. A shared part's row is valid for inputs of the same shapes."""
        used = step in self.seen
        if step.shared:
            self.seen.add(step)
            self.uses += 1
        self.again += used
        row = self.rows.get(step.path) if step.path else None
        if row is not None and self.again and row.input != (given[0] if len(given) == 1 else given):
            row = None
        if row is not None and None in given:
            given = _given(row, len(given))
        own = (row.parameters, row.macs) if row is not None else (0, 0)
        chains = self.inside(step, given)
        self.again -= used
        arguments = step.plain_arguments()
        emits = (row.output or None) if row else self.planned.output if step is self.root else None
        return self.made(
            Part(
                step.layer.name,
                step=step,
                arguments=arguments,
                given=given,
                emits=emits,
                chains=chains,
                own=own,
                paths=(step.path,),
            )
        )

    def inside(self, step: Step, given: InputSpecs) -> tuple[tuple[Part, ...], ...]:
        """The parts of each chain in a layer."""
        if step.graph is not None:
            return tuple(self.wires(step, given))
        if is_turns(step):
            return (self.turns(step, given),)
        chains = list(steps_in(step))
        if _is_sequential(step) and chains:
            return (self.chain(children(step), given),)
        given = given if is_plain_merge(step) else (None,)
        return tuple(self.chain(each.nodes, given) for each in chains)

    def turns(self, step: Step, given: InputSpecs) -> tuple[Part, ...]:
        """The turns of a repeat of several inputs. Each is one layer, or a block of one."""
        parts: list[Part] = []
        for node in _turns(step.chain.nodes if step.chain else [one.nodes for one in steps_in(step)]):
            parts += self.chain((node,), given)
            given = taken_on(parts[-1].emits, given)
        return self.folded(parts)

    def wires(self, step: Step, given: InputSpecs) -> Iterator[tuple[Part, ...]]:
        """The parts of each wire of a graph; a single part has the wire's name, several are in a part that has it."""
        assert step.graph is not None
        values: dict[str, Specs | None] = dict(zip(step.graph.inputs, unpacked(step, given), strict=False))
        for wire in step.graph.wires:
            steps: Steps = step.arguments["cells"][wire.name]
            parts = self.chain(steps.nodes, tuple(_pick(values.get(name), at) for name, at in wire.sources))
            values[wire.name] = parts[-1].emits
            if len(parts) > 1 or parts[0].repeat > 1:
                whole = Part(wire.name, given=parts[0].given, emits=parts[-1].emits, chains=(parts,))
                yield (self.made(whole),)
            else:
                yield (self.made(replace(parts[0], names=(wire.name, *parts[0].names))),)


def is_plain_merge(step: Step) -> bool:
    """Whether a layer passes its input to each chain in it, and joins their outputs."""
    return step.entry.target in (_RESIDUAL, _PARALLEL)


def is_turns(step: Step) -> bool:
    """Whether it passes its inputs to several layers in turn, each of which replaces the first of them."""
    return step.entry.target == _TURNS


def _is_opaque(step: Step) -> bool:
    """Whether it passes to the layers in it what only its class knows."""
    opened = step.graph is not None or _is_sequential(step)
    return not (opened or is_turns(step) or is_plain_merge(step))


def taken_on(emits: Specs | None, given: InputSpecs) -> InputSpecs:
    """The inputs of the next turn."""
    values = emits if isinstance(emits, tuple) else (emits,)
    return (*values, *given[len(values) :])


def unpacked(step: Step, given: InputSpecs) -> InputSpecs:
    """The inputs of a graph, which may be passed as one tuple."""
    count = len(step.graph.inputs) if step.graph is not None else 1
    if len(given) == count or len(given) != 1:
        return given
    return given[0] if isinstance(given[0], tuple) else (None,) * count


def passes_on(step: Step) -> bool:
    """Whether it also joins its input."""
    return step.entry.target == _RESIDUAL and step.arguments.get("shortcut") is None


_RESIDUAL = "assembler.layers.residual.Residual"
_TURNS = "assembler.layers.turns.Turns"
_PARALLEL = "assembler.layers.parallel.Parallel"


def _is_bare(part: Part) -> bool:
    """Whether it adds nothing: a turn of a repeat that runs once."""
    return part.step is None and not part.title and not part.names and part.repeat == 1


def _pick(specs: Specs | None, element: int | None) -> Specs | None:
    return specs[element] if element is not None and isinstance(specs, tuple) else specs


def _given(row: Row, count: int) -> InputSpecs:
    """The inputs in a row."""
    if count == 1:
        return (row.input or None,)
    return row.input if isinstance(row.input, tuple) and len(row.input) == count else (None,) * count


def _turns(nodes: Iterable[TreeNode | tuple[TreeNode, ...]]) -> Iterator[TreeNode]:
    """The turns in some nodes: what has one layer, inside all repeats."""
    for node in nodes:
        if isinstance(node, tuple):
            yield from _turns(node)
        elif isinstance(node, RepeatNode) or sum(1 for _ in leaf_steps(node)) > 1:
            yield from _turns(tuple(children(node)))
        else:
            yield node


def _opened(nodes: Iterable[TreeNode]) -> Iterator[Step | BlockNode | tuple[TreeNode, ...]]:
    """Layers, blocks and turns of repeats, in order. Layers that a block was given are shown like its own."""
    for node in nodes:
        match node:
            case PassedNode():
                yield from _opened(node.nodes)
            case RepeatNode():
                yield from node.turns
            case _:
                yield node
