"""The arguments that a Cell may have been created with, read from what it holds, and the search for the right ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter
from itertools import islice, permutations, product
from typing import Any

import mindspore

from assembler.language.recipe import Layer
from assembler.model.contents import Constant, Contents, Opaque, Weight, is_plain

MAX_VALUES = 12
"""Values that are tried for one argument."""

MAX_CELLS = 300
"""Cells that are created to find the arguments of one layer."""

MAX_COMPARED = 60_000
"""Values in these Cells, which bounds the time for large ones."""

MAX_STARTS = 8
"""Cells that are compared before the closest is improved."""


def values(name: str, default: Any, found: Contents) -> list[Any]:
    """The values that an argument may have had, the most likely first.

    Those under its name in the Cell, its primitives and inner Cells, each in all forms, then any of its type.

    Args:
        default: ``Parameter.empty`` for a required argument.
        found: what the Cell holds.

    >>> values("axis", -1, {"softmax.attrs.axis": (1,), "softmax.axis": 1})
    [1, (1,)]
    """
    named = sorted(
        (path for path in found if path == name or path.endswith(f".{name}")), key=lambda path: path.count(".")
    )
    by_name = [form for path in named for form in _forms(found[path], default)]
    return _distinct([*_distinct(by_name), *_by_type(default, found)])


def _by_type(default: Any, found: Contents) -> list[Any]:
    """Any values in a Cell that are of the type of a default. An argument without a default, or None, has any type."""
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, mindspore.Type):
        return _distinct(value.dtype.lower() for value in found.values() if isinstance(value, Weight))
    plain = [form for value in found.values() for form in _forms(value, default)]
    plain += [size for value in found.values() if isinstance(value, Weight) for size in value.shape]
    plain += [part for value in plain for part in _inside(value)]
    if default is Parameter.empty or default is None:
        kinds: tuple[type, ...] = (int, tuple, list, float, str, bool)
        return _distinct(value for kind in kinds for value in plain if type(value) is kind)
    same = [value for value in plain if type(value) is type(default)]
    if isinstance(default, int | float):
        return _distinct([*same, *_ratios(plain, type(default))])
    return _distinct(same) if is_plain(default) else []


def _forms(value: Any, default: Any) -> Iterator[Any]:
    """How an argument may have been written that is held as a value."""
    if isinstance(value, Constant):
        value = value.values
    if isinstance(value, Opaque) and isinstance(default, mindspore.Type):
        yield value.text.lower()  # Float16
    if value is None or not is_plain(value):
        return
    if isinstance(value, tuple | list) and len(value) > 1 and all(repr(one) == repr(value[0]) for one in value):
        yield value[0]  # Conv2d holds 3 as (3, 3)
    if isinstance(value, str) and isinstance(default, str) and default.islower():
        yield value.lower()  # pools hold 'pad' as 'PAD'
    yield value
    if type(value) is float and 0 < value < 1:
        yield round(1 - value, 12)  # BatchNorm2d holds 1 - momentum


def _inside(value: Any) -> Iterator[Any]:
    """The parts of a list or tuple, as tuples and single values: paddings hold (1, 2) as [[1, 2]]."""
    for part in value if isinstance(value, tuple | list) else ():
        yield tuple(part) if isinstance(part, list) else part
        yield from _inside(part)


def _ratios(values: list[Any], kind: type) -> Iterator[Any]:
    """The expansion or reduction by which one size leads to another."""
    sizes = _distinct(value for value in values if type(value) is int and value > 1)
    for one, other in permutations(sizes, 2):
        if one % other == 0:
            yield kind(one // other)
            if kind is float:
                yield other / one


def _distinct(values: Iterable[Any]) -> list[Any]:
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
        choices: for each argument the values to try, the best first; ``UNSET`` before them if it has a default.
        named: the optional arguments that the Cell holds by name.
        extra: further positional arguments, after the required.
        compare: gives the paths at which the Cell of a layer differs, None if the layer cannot be created, and how many
            values were compared.
    """

    name: str
    choices: Mapping[str, list[Any]]
    named: Mapping[str, Any]
    extra: tuple[Any, ...]
    compare: Callable[[Layer], tuple[list[str] | None, int]]

    def __post_init__(self) -> None:
        self.tried: dict[str, list[str] | None] = {}
        self.compared = 0
        self.required = [name for name, options in self.choices.items() if options[0] is not UNSET]

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
        if text not in self.tried and len(self.tried) < MAX_CELLS and self.compared < MAX_COMPARED:
            self.tried[text], count = self.compare(layer)
            self.compared += count
        return self.tried.get(text)

    def run(self) -> tuple[Layer, list[str] | None]:
        """Search, first with few arguments, then with those that the Cell holds by name, then one by one.

        Returns:
            The layer that comes closest, and the paths at which it differs.
        """
        best = self._started()
        while (wrong := self.wrong(best)) != []:
            better = next((one for one in self._neighbours(best) if self._is_closer(one, wrong)), None)
            if better is None:
                return self.layer(best), wrong
            best = better
        return self.layer(self._pruned(best)), []

    def _started(self) -> dict[str, Any]:
        """The closest of the first few choices of required arguments, each without and with the named ones."""
        indices = product(*(range(len(self.choices[name])) for name in self.required))
        nearest = sorted(islice(indices, 10_000), key=sum)[: MAX_CELLS // 4]
        found: list[dict[str, Any]] = []
        for one in nearest:
            start = {name: self.choices[name][at] for name, at in zip(self.required, one, strict=True)}
            bare = start | {name: UNSET for name in self.choices if name not in self.required}
            found += [each for each in (bare, self._with_named(bare)) if self.wrong(each) is not None]
            if len(found) >= MAX_STARTS or any(self.wrong(each) == [] for each in found):
                break
        first = {name: self.choices[name][0] for name in self.choices}
        return min(found, key=lambda each: len(self.wrong(each) or ()), default={**first, **self.named})

    def _with_named(self, bare: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that the Cell holds by name, and that it would not hold without them."""
        wrong = self.wrong(bare)
        missed = self.named if wrong is None else {path.rpartition(".")[2] for path in wrong}
        return {**bare, **{name: value for name, value in self.named.items() if name in missed}}

    def _neighbours(self, chosen: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Choices that differ in one argument, the likely ones first."""
        optional = [name for name in self.choices if name not in self.required]
        yield from ({**chosen, name: value} for name, value in self.named.items())
        for name in [*optional, *self.required]:
            yield from ({**chosen, name: value} for value in self.choices[name])

    def _is_closer(self, chosen: Mapping[str, Any], than: list[str] | None) -> bool:
        wrong = self.wrong(chosen)
        return wrong is not None and (than is None or len(wrong) < len(than))

    def _pruned(self, chosen: dict[str, Any]) -> dict[str, Any]:
        """The same without the arguments that change nothing."""
        for name in [name for name, value in chosen.items() if name not in self.required and value is not UNSET]:
            if self.wrong({**chosen, name: UNSET}) == []:
                chosen = {**chosen, name: UNSET}
        return chosen
