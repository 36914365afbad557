"""A model's layers in reading order, and which of them its blocks, repeats and Cells hold together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.binding.structure import Step, TreeNode, children
from assembler.model.naming.published import owners
from assembler.model.naming.roles import words
from assembler.model.naming.trees import Shape, Unit, units_of
from assembler.planning.plan import Plan

if TYPE_CHECKING:
    from mindspore import nn

Span = tuple[int, int]
"""The first layer, and the one after the last."""

_KINDS = {"Embedding": "embedding", "LearnedPositions": "position", "ClassToken": "token", "LayerScale": "scale"}


@dataclass(frozen=True)
class Targets:
    """What names are to be found for.

    Args:
        units: the layers that have parameters, in reading order.
        words: of each, what its path and its class are called.
        spans: what belongs together: the layers of a block, of a turn of a repeat, or of a Cell.
    """

    units: tuple[Unit, ...]
    words: tuple[frozenset[str], ...]
    spans: frozenset[Span]

    @property
    def shapes(self) -> dict[str, Shape]:
        """Parameter → shape."""
        return {name: unit.shapes[role] for unit in self.units for role, name in unit.names.items()}

    def without(self, names: Collection[str]) -> Targets:
        """The same without some parameters."""
        kept = [unit.without(names) for unit in self.units]
        before = [0]
        for unit in kept:
            before.append(before[-1] + bool(unit.names))
        spans = {(before[low], before[high]) for low, high in self.spans}
        return Targets(
            tuple(unit for unit in kept if unit.names),
            tuple(said for unit, said in zip(kept, self.words, strict=True) if unit.names),
            frozenset(_within(spans, before[-1])),
        )


def targets_of_model(model: nn.Cell, planned: Plan | None = None) -> Targets:
    """The layers of a model that is built.

    Args:
        planned: its plan; None of a Cell made by hand.
    """
    if planned is not None and planned.rows:
        weights = list(planned.weights())
        return targets_of(
            {name: one.shape for name, _, one in weights}, {name: one.owner for name, _, one in weights}, planned
        )
    return targets_of({one.name: tuple(one.shape) for one in model.get_parameters()}, owners(model))


def targets_of(shapes: Mapping[str, Shape], owners: Mapping[str, str], planned: Plan | None = None) -> Targets:
    """The layers of a model.

    Args:
        shapes: parameter → shape, in reading order.
        owners: parameter → class of the Cell that holds it.
        planned: the plan, whose blocks and repeats are spans.
    """
    units = tuple(units_of(shapes))
    kinds = [owners.get(next(iter(unit.names.values())), "") for unit in units]
    paths = [unit.path for unit in units]
    spans = set(_of_prefixes(paths)) | (set(_of_tree(planned, paths)) if planned is not None else set())
    return Targets(
        units,
        tuple(words(path) | _kind(kind) for path, kind in zip(paths, kinds, strict=True)),
        frozenset(_within(spans, len(units))),
    )


def _within(spans: Iterable[Span], count: int) -> Iterator[Span]:
    """The spans of several layers, but not of all."""
    return (span for span in spans if 1 < span[1] - span[0] < count)


def _kind(owner: str) -> frozenset[str]:
    """A word for the class of a Cell, if names of other frameworks have one."""
    word = "norm" if "Norm" in owner else _KINDS.get(owner)
    return frozenset([word] if word else [])


def _of_prefixes(paths: list[str]) -> Iterator[Span]:
    """The layers of each Cell."""
    found: dict[str, list[int]] = {}
    for index, path in enumerate(paths):
        parts = path.split(".")
        for length in range(1, len(parts)):
            found.setdefault(".".join(parts[:length]), []).append(index)
    yield from filter(None, map(_span, found.values()))


def _of_tree(planned: Plan, paths: list[str]) -> Iterator[Span]:
    """The layers of each block, and of each turn of a repeat."""
    for nodes in _groups(planned.steps.nodes):
        inside = [step.path for node in nodes for step in _steps(node)]
        if span := _span([index for index, path in enumerate(paths) if any(_is_in(path, outer) for outer in inside)]):
            yield span


def _groups(nodes: Iterable[TreeNode]) -> Iterator[tuple[TreeNode, ...]]:
    for node in nodes:
        yield (node,)
        yield from getattr(node, "turns", ())
        yield from _groups(children(node))


def _steps(node: TreeNode) -> Iterator[Step]:
    if isinstance(node, Step):
        yield node
        return
    for inner in children(node):
        yield from _steps(inner)


def _is_in(path: str, outer: str) -> bool:
    return path == outer or path.startswith(f"{outer}.")


def _span(indexes: list[int]) -> Span | None:
    """From the first to the last, if none is left out between."""
    if not indexes or indexes[-1] - indexes[0] + 1 != len(indexes):
        return None
    return indexes[0], indexes[-1] + 1
