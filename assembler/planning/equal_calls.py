"""Equal calls of Cells in a Cell made by hand: those that had to be run for real are run once.

Two Cells are equal if their classes are, and all that they keep: for a parameter its shape and dtype, for a constant
its values, for a primitive its attributes. ``nn.Dense(8, 8)`` is equal to another, and not to ``nn.Dense(8, 4)``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from types import MethodType
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from assembler.planning.cell_copies import is_plain, is_stored, own_construct
from assembler.planning.probing import Found
from assembler.planning.specs import Spec
from assembler.planning.tensors import spec_of
from assembler.runtime.device import as_array

_BOOKKEEPING = frozenset({
    "_cell_init_args", "_create_time", "_id", "_lazy_construct_sig", "_param_prefix", "_scope", "arguments_key",
    "is_top_cell",
})  # fmt: skip
"""Attributes in which MindSpore keeps what differs between equal Cells, or what a call leaves. MindSpore 2.10.0."""


class EqualCalls:
    """Remembers what was found of each Cell for each input, of those classes of which any had to be run for real."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Found] = {}
        self._classes: set[type] = set()

    def key(self, cell: nn.Cell, inputs: Any, named: Any) -> Hashable:
        """What equal calls have in common; None if no Cell of this class was run for real yet."""
        return signature([cell, inputs, named]) if type(cell) in self._classes else None

    def find(self, key: Hashable) -> Found | None:
        """What is known of an equal call."""
        return None if key is None else self._found.get(key)

    def remember(self, key: Hashable, cell: nn.Cell, inputs: Any, named: Any, found: Found) -> None:
        """Remember a call; without a key, by what the Cell keeps now."""
        self._classes.add(type(cell))
        self._found[self.key(cell, inputs, named) if key is None else key] = found


def signature(value: Any) -> Hashable:
    """What a value has in common with those that are equal to it, whatever their identity.

    Of functions and of objects that are not known to keep all in attributes, it is the identity.
    """
    return _Signer().sign(value)


class _Signer:
    """One signature. What is met again, as a parameter that two Cells share, is signed by when it was met first."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}

    def sign(self, value: Any) -> Hashable:
        """The signature of one value inside."""
        kind = type(value)
        if kind in _PLAIN:
            return kind, repr(value) if kind is float else value
        if isinstance(value, Spec):
            return value
        if id(value) in self._met:
            return "again", self._met[id(value)]
        sign = next((sign for kinds, sign in _RULES if isinstance(value, kinds)), None)
        if sign is None and not is_plain(value):
            return _Same(value)
        self._met[id(value)] = len(self._met)
        return kind, self.attributes(vars(value)) if sign is None else sign(self, value)

    def attributes(self, named: Mapping[Any, Any]) -> Hashable:
        """The signature of items by name."""
        return tuple((self.sign(name), self.sign(value)) for name, value in named.items())

    def cell(self, cell: nn.Cell) -> Hashable:
        """The signature of all that a Cell keeps."""
        kept = {name: value for name, value in vars(cell).items() if name not in _BOOKKEEPING and name != "construct"}
        return self.attributes(kept), own_construct(vars(cell).get("construct"))

    def tensor(self, tensor: Tensor) -> Hashable:
        """Shape and dtype and, of a constant, its values."""
        is_constant = not isinstance(tensor, Parameter) and is_stored(tensor)
        return spec_of(tensor), as_array(tensor).tobytes() if is_constant else None


class _Same:
    """Equal to another of the same object, which it keeps alive."""

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


_PLAIN = (int, float, complex, bool, str, bytes, type(None))

_RULES: tuple[tuple[Any, Callable[[_Signer, Any], Hashable]], ...] = (
    (Tensor, _Signer.tensor),
    (nn.Cell, _Signer.cell),
    (ops.Primitive, lambda signer, value: signer.attributes(vars(value))),
    (MethodType, lambda signer, value: (_Same(value.__func__), signer.sign(value.__self__))),
    (dict, lambda signer, value: signer.attributes(value)),
    (list | tuple, lambda signer, value: tuple(map(signer.sign, value))),
    (set | frozenset, lambda signer, value: frozenset(map(signer.sign, value))),
    (np.ndarray, lambda signer, value: (value.shape, str(value.dtype), value.tobytes())),
)
