"""Plan → tree of parts as they are written, with what they cost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assembler.binding.structure import BlockNode, PassedNode, RepeatNode, Step, TreeNode, leaf_steps, steps_in
from assembler.language.recipe import Layer, Verbatim, is_stack, map_leaves, print_source
from assembler.planning.plan import Plan, Row


class Keys(dict[Any, int]):
    """Numbers for what is equal; both models of a comparison use the same."""

    def __missing__(self, about: Any) -> int:
        self[about] = len(self)
        return self[about]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A layer, a use of a block, a line of a graph, or one of several chains in a layer.

    Args:
        kind: only parts of one kind can be the same part changed: ``block ConvNorm``.
        text: as written, with ``…`` for the layers in it: ``Residual(…)``.
        path: of its first layer in the model.
        inside: the parts in it, in order.
        key: equal for parts that are written alike, inside as well.
        size: how many parts it is.
        parameters, macs: of all of it.
        own: parameters and MACs without those of the parts inside.
    """

    kind: str
    text: str
    path: str
    inside: tuple[Part, ...]
    key: int
    size: int
    parameters: int
    macs: int
    own: tuple[int, int] = field(default=(0, 0))


def parts_of(planned: Plan, keys: Keys) -> tuple[Part, ...]:
    """The parts of a plan. Repeats are written out, so that a turn that was added is a part that was added."""
    return tuple(_Reader(planned, keys).parts(planned.steps.nodes))


def parts_record(planned: Plan) -> list[dict[str, Any]]:
    """The parts of a plan for ``result.json``, in reading order. What is 0, or no text, is left out."""
    found: list[dict[str, Any]] = []
    waiting = [(part, 0) for part in reversed(parts_of(planned, Keys()))]
    while waiting:
        part, level = waiting.pop()
        waiting += [(inner, level + 1) for inner in reversed(part.inside)]
        own = {"kind": part.kind, "text": part.text, "path": part.path, "parameters": part.own[0], "macs": part.own[1]}
        found.append({"level": level, **{key: value for key, value in own.items() if value}})
    return found


class _Reader:
    def __init__(self, planned: Plan, keys: Keys):
        self.rows = {row.path: row for row in planned.rows}
        self.keys = keys
        self.seen: set[Step] = set()  # shared parts: what they cost is counted where they are used first

    def parts(self, nodes: Iterable[TreeNode]) -> Iterator[Part]:
        for node in nodes:
            match node:
                case Step():
                    yield self.layer(node)
                case BlockNode():
                    path = next((step.path for step in leaf_steps(node)), "")
                    yield self.part(f"block {node.call.name}", _text(node.call), path, self.parts(node.nodes))
                case RepeatNode():
                    for turn in node.turns:
                        yield from self.parts(turn)
                case PassedNode():
                    yield from self.parts(node.nodes)

    def layer(self, step: Step) -> Part:
        again = step in self.seen
        if step.shared:
            self.seen.add(step)
        row = None if again else self.rows.get(step.path)
        kind = f"shared {step.shared}" if step.shared else f"layer {step.layer.name}"
        text = f"{step.shared}, shared: {_text(step.layer)}" if step.shared else _text(step.layer)
        if step.graph is not None:
            text = (
                f"graph of ({', '.join(step.graph.inputs)}), emits {', '.join(map(print_source, step.graph.outputs))}"
            )
        text = f"{step.name} := {text}" if step.name else text
        return self.part(kind, text, step.path, () if again else self.inside(step), row)

    def inside(self, step: Step) -> Iterator[Part]:
        """The parts in a layer; of a graph its lines, of a layer with several chains each chain."""
        if step.graph is not None:
            for wire in step.graph.wires:
                steps = step.arguments["cells"][wire.name]
                text = f"{wire.name} @ ({', '.join(map(print_source, wire.sources))})"
                yield self.part("line", text, steps[0].path if steps else "", self.parts(steps.nodes))
            return
        chains = [step.chain] if step.chain else list(steps_in(step))
        if len(chains) == 1:
            yield from self.parts(chains[0].nodes)
            return
        for number, steps in enumerate(chains, 1):
            yield self.part("chain", f"chain {number}", steps[0].path if steps else "", self.parts(steps.nodes))

    def part(self, kind: str, text: str, path: str, inside: Iterable[Part], row: Row | None = None) -> Part:
        inside = tuple(inside)
        own = (row.parameters, row.macs) if row else (0, 0)
        return Part(
            kind,
            text,
            path,
            inside,
            self.keys[(kind, text, tuple(part.key for part in inside))],
            1 + sum(part.size for part in inside),
            own[0] + sum(part.parameters for part in inside),
            own[1] + sum(part.macs for part in inside),
            own,
        )


def _text(layer: Layer) -> str:
    """A layer or a use of a block as written, without the layers in it."""

    def bare(value: Any) -> Any:
        return map_leaves(value, lambda leaf: Verbatim("…") if is_stack(leaf) else leaf)

    args = tuple(map(bare, layer.args))
    text = str(Layer(layer.name, args, tuple((name, bare(value)) for name, value in layer.kwargs)))
    return re.sub(r"…(, …)+", "…", text)  # the text does not depend on the number of chains
