"""Cell → recipe: a network written by hand, as text."""

from __future__ import annotations

import sys
from inspect import Parameter
from typing import Any

import mindspore
from mindspore import nn

from assembler.binding.bind import bind
from assembler.errors import AssemblerError, RecipeError
from assembler.language.grammar import parse
from assembler.language.recipe import Layer, Stack, chain, is_stack, leaves
from assembler.model.build import build_steps
from assembler.registry.entries import Entry
from assembler.registry.registry import LAYERS, Registry


def describe(cell: nn.SequentialCell, registry: Registry = LAYERS) -> str:
    """The recipe of a ``SequentialCell`` of registered layers, as text.

    Arguments are read from the attributes of the same names, where MindSpore's layers and the assembler's store them.
    Initializers are omitted. The layers that the text creates are compared with the given ones, so nothing is lost.

    Raises:
        RecipeError: it is another Cell; a Cell's class is not registered, or its arguments cannot be read.

    >>> describe(nn.SequentialCell(nn.Dense(8, 128), nn.ReLU(), nn.Conv2d(3, 8, 3, pad_mode="valid")))
    "Dense(8, 128) + ReLU + Conv2d(3, 8, 3, pad_mode='valid')"
    """
    if not isinstance(cell, nn.SequentialCell):
        raise RecipeError(f"describe() supports nn.SequentialCell, got {type(cell).__name__}")
    stack = _Describer(registry).chain(cell, "")
    with mindspore.DeviceCtx("meta"):
        made = build_steps(bind(parse(str(stack)), registry))
    if _parameters(made) != _parameters(cell):
        raise RecipeError(f"describe() cannot read every argument: {stack} has different parameters")
    return str(stack)


def _parameters(cell: nn.Cell) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in cell.parameters_and_names()}


_OPEN = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class _Describer:
    def __init__(self, registry: Registry):
        self.registry = registry
        self.entries: dict[type, Entry] = {}
        for entry in registry.all_entries():
            is_of_a_library = registry.get(entry.name) is not entry
            if is_of_a_library and entry.target.rpartition(".")[0] not in sys.modules:
                continue  # a module that was not imported has no Cells here
            try:
                self.entries.setdefault(entry.cell, entry)
            except AssemblerError:
                continue  # the entry is broken

    def chain(self, cells: nn.SequentialCell, path: str) -> Stack:
        return chain([self.layer(cell, f"{path}{index}") for index, cell in enumerate(cells)])

    def layer(self, cell: nn.Cell, path: str) -> Stack:
        if type(cell) is nn.SequentialCell:
            return self.chain(cell, f"{path}.")
        entry = self.entries.get(type(cell))
        if entry is None:
            raise RecipeError(f"#{path} {type(cell).__name__} is not registered; add it with @register")
        label = self.registry.name_of(entry)
        parameters = entry.parameters
        required = [
            name for name, one in parameters.items() if one.default is Parameter.empty and one.kind not in _OPEN
        ]
        for name in required:
            if not hasattr(cell, name):
                raise RecipeError(f"#{path} {label} has no attribute {name!r}, so describe() cannot read it")
        args = [self.value(getattr(cell, name), f"{path}.{name}") for name in required]
        for name in (name for name, one in parameters.items() if one.kind is Parameter.VAR_POSITIONAL):
            parts = enumerate(getattr(cell, name, ()))
            args += [self.value(one, f"{path}.{name}.{index}") for index, one in parts]
        plain = Layer(label, tuple(args))
        defaulted = [name for name, one in parameters.items() if one.default is not Parameter.empty]
        optional = [name for name in defaulted if hasattr(cell, name)]
        others = self.unlike(cell, plain, optional, path)
        layer = Layer(label, plain.args, tuple(others.items()))
        if wrong := self.unlike(cell, layer, list(others), path):
            raise RecipeError(f"#{path} {label} stores {min(wrong)!r} in another form, so describe() cannot read it")
        return layer

    def unlike(self, cell: nn.Cell, layer: Layer, names: list[str], path: str) -> dict[str, Any]:
        """The attributes in which a Cell differs from the one that a text creates."""
        if not names:
            return {}
        with mindspore.DeviceCtx("meta"):
            made = build_steps(bind(parse(str(layer)), self.registry))[0]
        found: dict[str, Any] = {}
        for name in names:
            here = self.value(getattr(cell, name), f"{path}.{name}")
            there = self.value(getattr(made, name, None), f"{path}.{name}")
            if _is_told(here) and here != there:
                found[name] = here
        return found

    def value(self, value: Any, path: str) -> Any:
        if isinstance(value, nn.Cell):
            return self.layer(value, path)
        if isinstance(value, tuple) and len(value) > 1 and len(set(value)) == 1:
            return value[0]  # Conv2d stores 3 as (3, 3)
        return value


def _is_told(value: Any) -> bool:
    """Whether a value can be written in a text."""
    return all(one is None or is_stack(one) or isinstance(one, bool | int | float | str) for one in leaves(value))
