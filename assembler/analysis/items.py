"""The items of a recipe as they are written, each with what the plan knows of it.

One text may be used several times: a layer in a block has a use for each use of the block, and one in a repeat a use
for each turn. ``2 * Unit(8)`` with ``Unit(n): Dense(_, n) + ReLU`` on (4, 16) has four items::

    2 * Unit(8)     repeat   one use
    Unit(8)         block    two uses: 136 parameters, then 72
    Dense(_, n)     layer    two uses
    ReLU            layer    two uses
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from assembler.binding.structure import BlockNode, PassedNode, RepeatNode, Step, Steps, TreeNode, steps_in
from assembler.errors import Place, Span
from assembler.language.recipe import Repeat
from assembler.planning.plan import Plan, Row
from assembler.planning.specs import Specs
from assembler.reading.places import Key, extent, keys_of


@dataclass(frozen=True, slots=True)
class Use:
    """What one use of an item is in the plan.

    Args:
        path: of its first layer in the model: ``3.inner.0``.
        input, output: shapes and dtypes; None where they are not known.
        parameters, macs, layers: of all layers in it.
    """

    path: str = ""
    input: Specs | None = None
    output: Specs | None = None
    parameters: int = 0
    macs: int = 0
    layers: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a stack, or one line of a graph, as it is written.

    Args:
        span: from its first character to its end: ``Dense(_, 8)``, ``3 * Unit(8)``, ``stem: Conv2d(…) @ input``.
        name: of the layer, the block or the wire; empty for a repeat.
        uses: one or more, in the order in which they run.
        is_argument: whether it is the only layer of an argument, such as ``Dense`` in ``Residual(Dense(_, 8))``.
    """

    span: Span
    kind: Literal["layer", "block", "repeat", "wire"]
    name: str
    uses: list[Use] = field(default_factory=list)
    is_argument: bool = False


def items_of(planned: Plan, locate: Callable[[Place], Place]) -> list[Item]:
    """The items of a plan, in the order of their files and places.

    Args:
        locate: finds a place in its file, as ``Sources.locate`` does.
    """
    finder = _Finder({row.path: row for row in planned.rows}, locate)
    finder.uses(planned.steps.nodes)
    return sorted(finder.items.values(), key=lambda item: item.span)


class _Finder:
    """Walks a tree of steps, and adds up what is in each node."""

    def __init__(self, rows: dict[str, Row], locate: Callable[[Place], Place]):
        self.rows = rows
        self.counted: set[str] = set()  # a shared part has its parameters once
        self.locate = locate
        self.spans: dict[tuple[str, str, int, int], Span | None] = {}
        self.items: dict[tuple[Span, str], Item] = {}
        self.networks: dict[Path, dict[tuple[int, int], Span]] = {}

    def uses(self, nodes: Iterable[TreeNode], *, is_argument: bool = False) -> list[Use]:
        """What the nodes of a chain are in the plan."""
        return [self.use(node, is_argument=is_argument) for node in nodes]

    def use(self, node: TreeNode, *, is_argument: bool = False) -> Use:
        match node:
            case Step():
                return self.step(node, is_argument)
            case BlockNode():
                span = self.span(node.call.place, node.call.end)
                return self.note(span, "block", node.call.name, _sum(self.uses(node.nodes)), is_argument)
            case RepeatNode():
                place = node.repeat.place if isinstance(node.repeat, Repeat) else node.repeat.each.place
                found = _sum([use for turn in node.turns for use in self.uses(turn)])
                return self.note(self.span(place), "repeat", "", found, is_argument)
            case PassedNode():
                return _sum(self.uses(node.nodes))

    def step(self, step: Step, is_argument: bool) -> Use:
        inside = [*self.chains(step)]
        row = self.rows.get(step.path)
        if row is None:  # the graph of a whole model, or what was not planned
            return _sum(inside)
        own = Use(step.path, row.input or None, row.output or None)
        if step.path not in self.counted:
            self.counted.add(step.path)
            own = replace(own, parameters=row.parameters, macs=row.macs, layers=1)
        found = replace(_sum([own, *inside]), path=own.path, input=own.input, output=own.output)
        if step.graph is not None or step.chain is not None:
            return found
        return self.note(self.span(step.layer.place, step.layer.end), "layer", step.layer.name, found, is_argument)

    def chains(self, step: Step) -> Iterator[Use]:
        """What the chains in a step are, and the lines of its graph."""
        if step.graph is None:
            for steps in [step.chain] if step.chain else steps_in(step):
                yield from self.uses(steps.nodes, is_argument=_is_alone(steps) and not step.chain)
            return
        for wire in step.graph.wires:
            found = _sum(self.uses(step.arguments["cells"][wire.name].nodes, is_argument=True))
            yield self.note(self.line(wire.place), "wire", wire.name, found, False)

    def note(self, span: Span | None, kind: str, name: str, use: Use, is_argument: bool) -> Use:
        """Add a use to the item of a span."""
        if span is not None:
            item = Item(span, kind, name, [], is_argument)  # type: ignore[arg-type]
            self.items.setdefault((span, kind), item).uses.append(use)
        return use

    def span(self, place: Place, end: int = 0) -> Span | None:
        """Where something is written, up to an offset in its text."""
        if place.span is not None:
            return replace(place.span, file=place.span.file.absolute())
        key = (place.key, place.text, place.start, max(end, place.end))
        if key not in self.spans:
            self.spans[key] = self.locate(replace(place, end=key[3], within=())).span
        return self.spans[key]

    def line(self, place: Place) -> Span | None:
        """The whole line of a wire: its name, layers and sources; of a network file, its row."""
        span = self.span(place)
        if span is None:
            return None
        if not place.key:
            return self.rows_of(span.file).get((span.line, span.column), span)
        found = extent(span.file, place.key.partition(".")[2]) or extent(span.file, place.key)
        return found[1] if found else span

    def rows_of(self, file: Path) -> dict[tuple[int, int], Span]:
        """The rows of a network file, by the place of their modules: ``Conv`` in ``[-1, 1, Conv, [64, 3, 2]]``."""
        if file not in self.networks:
            rows = (row for part in _walk(keys_of(file)) for row in part.children if len(row.children) == 4)
            modules = ((row.children[2].span, row.whole) for row in rows)
            self.networks[file] = {(span.line, span.column): whole for span, whole in modules}
        return self.networks[file]


def _walk(keys: Iterable[Key]) -> Iterator[Key]:
    for key in keys:
        yield key
        yield from _walk(key.children)


def _is_alone(steps: Steps) -> bool:
    return len(steps.nodes) == 1


def _sum(uses: list[Use]) -> Use:
    """What several uses, one after the other, are together."""
    if not uses:
        return Use()
    sums = {name: sum(getattr(use, name) for use in uses) for name in ("parameters", "macs", "layers")}
    return Use(uses[0].path, uses[0].input, uses[-1].output, **sums)
