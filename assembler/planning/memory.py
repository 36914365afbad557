"""Layers remembered from one plan to the next, for programs that plan a recipe after each of its edits.

A layer's row depends on its class, its arguments, its inputs and the dtype of its parameters, and on nothing else in
the recipe: the key holds all of these. Layers with layers inside them, and shared parts, are planned anew each time.
Cells of MindSpore and of the assembler are kept, too: a call leaves them as they are, so one that was called for other
inputs need not be made again.
Classes are those of the process: a program that outlives a change of their code needs a new memory, and a new process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from assembler.binding.structure import Step, steps_in
from assembler.language.recipe import leaves
from assembler.planning.plan import Weight
from assembler.planning.specs import Spec, Specs
from assembler.registry.entries import TRUSTED, Entry
from assembler.settings import Dtype

if TYPE_CHECKING:
    from mindspore import nn  # the editor's server has a memory, and does not import MindSpore

Key: TypeAlias = tuple[Hashable, Hashable]
"""How a layer is made, and what it is called with."""

MAX_LAYERS = 5000
"""Layers that are remembered; the one that was not used for the longest time is forgotten."""

MAX_CELLS = 1000
"""Cells that are kept. Each takes 3 to 60 KiB."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What one layer does with one input.

    Args:
        output: what it emits, with a Spec for each tensor.
        emitted: the same for its row.
        peak: bytes alive at once inside it, beside its input.
        uncounted: operators without a rule for their MACs.
    """

    weights: tuple[Weight, ...]
    output: Any
    emitted: Specs
    macs: int
    peak: int
    on_zeros: bool
    uncounted: frozenset[str]


class LayerMemory:
    """What is known of layers, by all that it depends on."""

    def __init__(self) -> None:
        self._layers: OrderedDict[Hashable, tuple[Any, Remembered]] = OrderedDict()
        self._made: OrderedDict[Hashable, Any] = OrderedDict()
        self._cells: OrderedDict[Hashable, tuple[Any, nn.Cell | None]] = OrderedDict()

    def find(self, key: Key | None) -> Remembered | None:
        """What is known of a layer."""
        if key is None or key not in self._layers:
            return None
        self._layers.move_to_end(key)
        return self._layers[key][1]

    def remember(self, key: Key | None, entry: Entry, found: Remembered) -> None:
        """Remember a layer, unless it is of those that are always planned anew."""
        if key is not None:
            _keep(self._layers, key, (entry, found))  # the entry lives as long as its identity is in the key
            _keep(self._made, key[0], entry)

    def was_made(self, step: Step, dtype: Dtype) -> bool:
        """Whether the layer's constructor is known to accept its arguments."""
        key = key_of(step, (), dtype)
        return key is not None and key[0] in self._made

    def take(self, step: Step, dtype: Dtype) -> nn.Cell | None:
        """A Cell that was kept. It is taken out, because one that raises may not be as it was."""
        key = key_of(step, (), dtype)
        return None if key is None else self._cells.pop(key[0], (None, None))[1]

    def keep(self, step: Step, dtype: Dtype, cell: nn.Cell) -> None:
        """Keep a Cell without storage that was called without an error."""
        is_ours = step.entry.registered is None and step.entry.target.partition(".")[0] in TRUSTED
        if is_ours and (key := key_of(step, (), dtype)) is not None:
            _keep(self._cells, key[0], (step.entry, cell), MAX_CELLS)


def _keep(known: OrderedDict[Hashable, Any], key: Hashable, value: Any, most: int = MAX_LAYERS) -> None:
    known[key] = value
    if len(known) > most:
        known.popitem(last=False)


def key_of(step: Step, inputs: tuple[Any, ...], dtype: Dtype) -> Key | None:
    """What a layer's row depends on; None of those that are always planned anew."""
    if step.shared or step.graph or step.chain or step.unknown or any(True for _ in steps_in(step)):
        return None
    if not all(isinstance(one, Spec) for one in leaves(inputs)):
        return None
    return (id(step.entry), _frozen(dict(step.arguments)), _frozen(step.extra), dtype), _frozen(inputs)


def _frozen(value: Any) -> Hashable:
    """A value as a key. 1 is neither True nor 1.0, and 0.0 is not -0.0."""
    if type(value) in (int, str, bool):
        return type(value), value
    if isinstance(value, list | tuple):
        return (type(value), *map(_frozen, value))
    if isinstance(value, dict):
        return (dict, *((_frozen(key), _frozen(item)) for key, item in value.items()))
    return type(value), repr(value) if isinstance(value, float) else value
