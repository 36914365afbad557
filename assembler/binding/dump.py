"""Plan → recipe: layers as strings with everything filled in, shared parts and graphs under names."""

from __future__ import annotations

from typing import Any

from assembler.binding.structure import Step, Steps, root_graph
from assembler.language.recipe import Graph, print_source


def dump(steps: Steps) -> dict[str, Any]:
    """The recipe whose plan is the same: ``stack`` or ``graph``, and ``blocks`` and ``shared`` if needed.

    A graph inside a layer becomes a block, because a string cannot hold one.
    """
    dumper = _Dumper()
    graph = root_graph(steps)
    layers: dict[str, Any]
    if graph is not None:
        assert graph.graph is not None
        layers = dumper.graph(graph, graph.graph)
        inputs = layers.pop("inputs")
        assert inputs  # the recipe's own
    else:
        layers = {"stack": [dumper.item(step) for step in steps]}
    named = {"blocks": dumper.blocks, "shared": dumper.shared}
    return {**{name: parts for name, parts in named.items() if parts}, **layers}


class _Dumper:
    def __init__(self) -> None:
        self.blocks: dict[str, Any] = {}
        self.shared: dict[str, Any] = {}
        self.names: dict[str, str] = {}  # a graph as printed → its block

    def chain(self, steps: Steps) -> str:
        return " + ".join(map(self.item, steps))

    def item(self, step: Step) -> str:
        """A layer of a chain, with its name there."""
        if not step.name:
            return self.step(step)
        if step.chain is None:
            return f"({step.name} := {self.step(step)})"
        is_row = len(step.chain) > 1 or step.chain.has_names
        return f"({step.name} := {self.chain(step.chain) if is_row else f'1 * ({self.chain(step.chain)})'})"

    def step(self, step: Step) -> str:
        if not step.shared:
            return self.whole(step)
        if step.shared not in self.shared:
            self.shared[step.shared] = ""  # comes before the parts inside it
            parts = [self.chain(steps) for steps in step.extra] if step.layer.name == "SequentialCell" else []
            self.shared[step.shared] = " + ".join(parts) or self.whole(step)
        return step.shared

    def whole(self, step: Step) -> str:
        if step.graph is not None:
            return self.block(step, step.graph)
        if step.chain is not None and step.layer.name == "SequentialCell":
            return f"1 * ({self.chain(step.chain)})"  # a turn of a repeat that has names is one Cell
        if step.chain is not None and len(turns := {self.chain(turn) for turn in step.extra}) == 1:
            return f"{len(step.chain)} * {turns.pop()}"
        return step.text(self.chain)

    def block(self, step: Step, graph: Graph) -> str:
        """The name of a block for a graph inside a layer; equal graphs are one block."""
        found = self.graph(step, graph)
        name = self.names.setdefault(repr(found), f"Graph{len(self.names) + 1}")
        self.blocks[name] = found
        return name

    def graph(self, step: Step, graph: Graph) -> dict[str, Any]:
        lines: dict[str, str] = {}
        for wire in graph.wires:
            steps = step.arguments["cells"][wire.name]
            text = self.chain(steps)
            sources = ", ".join(map(print_source, wire.sources))
            lines[wire.name] = (
                f"{text if len(steps) == 1 else f'({text})'} @ {f'({sources})' if ',' in sources else sources}"
            )
        return {"inputs": list(graph.inputs), "graph": lines, "outputs": list(map(print_source, graph.outputs))}
