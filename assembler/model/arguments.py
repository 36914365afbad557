"""The arguments that a Cell may have been created with, read from what it holds, and the search for the right ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter
from itertools import islice, permutations, product
from typing import Any

import mindspore

from assembler.language.recipe import Layer, leaves
from assembler.model.contents import Constant, Contents, Opaque, Weight, is_plain

MAX_VALUES = 12
"""Values that are tried for one argument."""

MAX_CELLS = 400
"""Cells that are created to find the arguments of one layer."""


def values_by_name(name: str, found: Contents) -> list[Any]:
    """The values under an argument's name in a Cell, its inner Cells and primitives, each in all forms; best first.

    >>> values_by_name("axis", {"softmax.axis": (1,)})
    [(1,)]
    """
    named = [value for path, value in found.items() if path == name or path.endswith(f".{name}")]
    return _distinct(form for value in named for form in _forms(value))


def values_by_type(default: Any, found: Contents) -> list[Any]:
    """Any values in a Cell that are of the type of an argument's default, for an argument whose name it does not hold.

    Args:
        default: ``Parameter.empty`` or ``None`` for an argument of any type.
    """
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, mindspore.Type):
        return _distinct(value.dtype.lower() for value in found.values() if isinstance(value, Weight))
    plain = [form for value in found.values() for form in _forms(value)]
    plain += [size for value in found.values() if isinstance(value, Weight) for size in value.shape]
    plain += [leaf for value in plain if isinstance(value, tuple | list) for leaf in leaves(value)]
    if default is Parameter.empty or default is None:
        kinds: tuple[type, ...] = (int, tuple, list, float, str, bool)
        return _distinct(value for kind in kinds for value in plain if type(value) is kind)
    same = [value for value in plain if type(value) is type(default)]
    if isinstance(default, int | float):
        return _distinct([*same, *_ratios(plain, type(default))])
    return _distinct(same) if is_plain(default) else []


def _forms(value: Any) -> Iterator[Any]:
    """How an argument may have been written that is held as a value."""
    if isinstance(value, Constant):
        value = value.number
    if isinstance(value, Opaque) and value.text.isalnum():
        yield value.text.lower()  # Float16
    if value is None or isinstance(value, Weight) or not is_plain(value):
        return
    if isinstance(value, tuple | list) and len(value) > 1 and all(repr(one) == repr(value[0]) for one in value):
        yield value[0]  # Conv2d holds 3 as (3, 3)
    if isinstance(value, str):
        yield value.lower()  # pools hold 'pad' as 'PAD'
    yield value
    if type(value) is float and 0 < value < 1:
        yield round(1 - value, 12)  # BatchNorm2d holds 1 - momentum


def _ratios(values: list[Any], kind: type) -> Iterator[Any]:
    """The expansion or reduction by which one size leads to another."""
    sizes = _distinct(value for value in values if type(value) is int and value > 1)
    for one, other in permutations(sizes, 2):
        if one % other == 0:
            yield kind(one // other)
            if kind is float:
                yield other / one


def _distinct(values: Any) -> list[Any]:
    return list(islice({repr(value): value for value in values}.values(), MAX_VALUES))


class Unset:
    """The choice to leave an argument at its default."""

    def __repr__(self) -> str:
        return "Unset"


UNSET = Unset()


@dataclass
class Search:
    """Looks for the arguments with which a layer's class creates a given Cell again.

    Args:
        choices: for each argument the values to try, the best first; ``UNSET`` among them if it has a default.
        required: the arguments that are written by position, in order.
        extra: further positional arguments, after them.
        differences: what the Cell of a layer lacks to be the given one; None if the layer cannot be created.
    """

    name: str
    choices: Mapping[str, list[Any]]
    required: list[str]
    extra: tuple[Any, ...]
    differences: Callable[[Layer], list[str] | None]

    def __post_init__(self) -> None:
        self.tried: dict[str, list[str] | None] = {}

    def layer(self, chosen: Mapping[str, Any]) -> Layer:
        """The layer as text with these arguments."""
        named = tuple((name, value) for name, value in chosen.items() if name not in self.required)
        return Layer(
            self.name,
            (*(chosen[name] for name in self.required), *self.extra),
            tuple((name, value) for name, value in named if value is not UNSET),
        )

    def wrong(self, chosen: Mapping[str, Any]) -> list[str] | None:
        """The paths at which the Cell of these arguments differs; None if there is none, or too many were created."""
        layer = self.layer(chosen)
        text = str(layer)
        if text not in self.tried and len(self.tried) < MAX_CELLS:
            self.tried[text] = self.differences(layer)
        return self.tried.get(text)

    def run(self, named: Mapping[str, Any]) -> tuple[Layer, list[str] | None]:
        """Search, first with few arguments, then with those that the Cell holds by name, then one by one.

        Args:
            named: the optional arguments that the Cell holds by name.

        Returns:
            The layer that comes closest, and the paths at which it differs.
        """
        best = self._started(named)
        while (wrong := self.wrong(best)) != []:
            better = next((one for one in self._neighbours(best) if self._is_closer(one, wrong)), None)
            if better is None:
                return self.layer(best), wrong
            best = better
        return self.layer(self._pruned(best)), []

    def _started(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """The first required arguments with which a Cell can be created, and the named if it is closer with them."""
        indices = product(*(range(len(self.choices[name])) for name in self.required))
        nearest = sorted(islice(indices, 10_000), key=sum)[: MAX_CELLS // 4]
        unset = {name: UNSET for name in self.choices if name not in self.required}
        starts = [
            {name: self.choices[name][at] for name, at in zip(self.required, one, strict=True)} for one in nearest
        ]
        for start in starts:
            bare, full = {**start, **unset}, {**start, **unset, **named}
            found = [one for one in (bare, full) if self.wrong(one) is not None]
            if found:
                return min(found, key=lambda one: len(self.wrong(one) or ()))
        return {**starts[0], **unset, **named}

    def _neighbours(self, chosen: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for name, values in self.choices.items():
            yield from ({**chosen, name: value} for value in values if value is not chosen[name])

    def _is_closer(self, chosen: Mapping[str, Any], than: list[str] | None) -> bool:
        wrong = self.wrong(chosen)
        return wrong is not None and (than is None or len(wrong) < len(than))

    def _pruned(self, chosen: dict[str, Any]) -> dict[str, Any]:
        """The same without the arguments that change nothing."""
        for name in [name for name, value in chosen.items() if name not in self.required and value is not UNSET]:
            if self.wrong({**chosen, name: UNSET}) == []:
                chosen = {**chosen, name: UNSET}
        return chosen
