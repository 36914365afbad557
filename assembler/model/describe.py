"""Cell → recipe: a network written by hand, as text."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from inspect import Parameter
from typing import Any

from mindspore import nn, ops
from mindspore.nn.utils import no_init_parameters

from assembler.binding.bind import bind
from assembler.errors import AssemblerError, RecipeError
from assembler.language.grammar import parse
from assembler.language.recipe import Layer, Named, Repeat, Stack, chain
from assembler.language.yaml_form import is_name
from assembler.layers.operator import Operator
from assembler.model.arguments import UNSET, Search, values
from assembler.model.build import build_steps
from assembler.model.contents import Contents, contents, is_chain, unlike
from assembler.registry.entries import Entry
from assembler.registry.registry import LAYERS, Registry
from assembler.runtime import device


def describe(cell: nn.SequentialCell, registry: Registry = LAYERS) -> str:
    """The recipe of a ``SequentialCell`` of registered layers, as text.

    Arguments are read from what the Cells hold. The text is returned only if the Cells that it creates hold the same:
    attributes, constants, attributes of primitives, and the shapes, dtypes and order of the parameters. Left out are
    the values of parameters, initializers, and which parameters are frozen. Names of Cells are names of items. Without
    names, SequentialCells in a SequentialCell become one chain, whose parameters are named by position.

    Raises:
        RecipeError: it is another Cell; a Cell's class is not registered; its arguments cannot be read; or two layers
            share a parameter.

    >>> describe(nn.SequentialCell(nn.Dense(8, 128), nn.ReLU(), nn.Conv2d(3, 8, 3, pad_mode="valid")))
    "Dense(8, 128) + ReLU + Conv2d(3, 8, 3, pad_mode='valid')"
    """
    if not is_chain(cell):
        raise RecipeError(f"describe() supports nn.SequentialCell, got {type(cell).__name__}")
    parts = list(_parts(cell))
    _refuse_shared(parts)
    describer = _Describer(registry)
    with device.untouched_generators():
        text = str(chain(describer.items(cell))) or "Identity"
        bind(parse(text), registry)  # a text has bounds that a network may exceed
    return text


def _parts(cells: nn.Cell, path: str = "") -> Iterator[tuple[str, nn.Cell]]:
    """The Cells that run one after another, with their paths."""
    for name, cell in vars(cells)["_cells"].items():
        if is_chain(cell):
            yield from _parts(cell, f"{path}{name}.")
        else:
            yield f"{path}{name}", cell


def _refuse_shared(parts: list[tuple[str, nn.Cell]]) -> None:
    owners: dict[int, str] = {}
    for path, cell in parts:
        for name, parameter in cell.parameters_and_names():
            if owners.setdefault(id(parameter), path) != path:
                raise RecipeError(
                    f"#{path} {type(cell).__name__} shares the parameter {name!r} with #{owners[id(parameter)]}; "
                    "a stack cannot express that. Write a recipe with `shared`"
                )


class _Describer:
    def __init__(self, registry: Registry):
        self.registry = registry
        self.known: dict[str, Layer] = {}
        self.entries: dict[Any, Entry] = {}  # by class or function
        for entry in registry.all_entries():
            is_of_a_library = registry.get(entry.name) is not entry
            if is_of_a_library and entry.target.rpartition(".")[0] not in sys.modules:
                continue  # a module that was not imported has no Cells here
            try:
                self.entries.setdefault(entry.implementation, entry)
            except AssemblerError:
                continue  # the entry is broken

    def items(self, cells: nn.Cell, path: str = "") -> list[Stack]:
        """The items of a chain. Chains in it are part of it, unless they have a name, or names in them."""
        found: list[Stack] = []
        for name, cell in vars(cells)["_cells"].items():
            part: list[Stack] = (
                self.items(cell, f"{path}{name}.") if is_chain(cell) else [self.layer(cell, f"{path}{name}")]
            )
            has_name, has_names = is_name(name), any(isinstance(one, Named) for one in part)
            if has_names != has_name and (has_names or (is_chain(cell) and len(part) == 1)):
                part = [Repeat(1, chain(part))]  # a row of its own
            found += [Named(name, chain(part))] if has_name and part else part
        return found

    def layer(self, cell: nn.Cell, path: str) -> Layer:
        """A Cell as a layer with arguments that create an equal Cell. Equal Cells are looked at once."""
        entry = self.entries.get(cell.function if type(cell) is Operator else type(cell))
        if entry is None:
            raise RecipeError(f"#{path} {type(cell).__name__} is not registered; add it with @register")
        if type(cell) is Operator:
            return Layer(self.registry.name_of(entry), kwargs=tuple(cell.arguments.items()))
        held = contents(cell)
        key = repr(held)
        if key not in self.known:
            self.known[key] = self.searched(entry, cell, held, path)
        return self.known[key]

    def searched(self, entry: Entry, cell: nn.Cell, held: Contents, path: str) -> Layer:
        label = self.registry.name_of(entry)
        choices, errors = self.choices(entry, cell, held, path)
        if missing := [name for name, options in choices.items() if not options]:
            said = f"#{path} {label} does not store {missing[0]!r}, so describe() cannot read it"
            raise errors[0] if errors else RecipeError(said)
        extra = self.extra(entry, cell, path)
        search = Search(label, choices, _stored(choices, cell), extra, lambda one: self.compare(held, one))
        layer, wrong = search.run()
        if wrong == []:
            return layer
        if errors:
            raise errors[0]
        closest = f"the closest, {layer}, differs in {wrong[0]!r}" if wrong else f"{layer} cannot be created"
        raise RecipeError(f"#{path} describe() finds no arguments that create this {label}: {closest}")

    def compare(self, held: Contents, layer: Layer) -> tuple[list[str] | None, int]:
        """The paths at which the Cell of a layer differs from a given one, None if there is none, and its size."""
        try:
            with no_init_parameters():  # constants have values, parameters only shapes
                made = build_steps(bind(parse(str(layer)), self.registry))[0]
        except AssemblerError:
            return None, 0
        holds = contents(made)
        return unlike(held, holds), len(holds)

    def choices(
        self, entry: Entry, cell: nn.Cell, held: Contents, path: str
    ) -> tuple[dict[str, list[Any]], list[RecipeError]]:
        """For each argument the values to try, and why Cells that may be arguments cannot be described."""
        choices: dict[str, list[Any]] = {}
        errors: list[RecipeError] = []
        for name, one in entry.parameters.items():
            if one.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
                continue
            choices[name] = [] if one.default is one.empty else [UNSET]
            value = getattr(cell, name, None)
            try:
                if isinstance(value, nn.CellList):
                    choices[name].append(self.stacks(value, f"{path}.{name}"))
                elif isinstance(value, nn.Cell):
                    choices[name].append(self.stack(value, f"{path}.{name}"))
            except RecipeError as error:
                errors.append(error)
            choices[name] += values(name, one.default, held)
        return choices, errors

    def extra(self, entry: Entry, cell: nn.Cell, path: str) -> tuple[Any, ...]:
        """The arguments of ``*args``, if the Cell stores them by that name."""
        for name, one in entry.parameters.items():
            stored = getattr(cell, name, None)
            if one.kind is Parameter.VAR_POSITIONAL and isinstance(stored, list | tuple | nn.CellList):
                return self.stacks(stored, f"{path}.{name}")
        return ()

    def stacks(self, values: Any, path: str) -> tuple[Any, ...]:
        return tuple(
            self.stack(one, f"{path}.{index}") if isinstance(one, nn.Cell) else one for index, one in enumerate(values)
        )

    def stack(self, cell: nn.Cell, path: str) -> Stack:
        """A Cell in a layer. Its chains stay as they are, because the layer may take them apart."""
        if type(cell) is not nn.SequentialCell:
            return self.layer(cell, path)
        parts = [
            self.sequential(one, f"{path}.{index}")
            if type(one) is nn.SequentialCell
            else self.layer(one, f"{path}.{index}")
            for index, one in enumerate(cell.cell_list)
        ]
        return chain(parts) if len(parts) > 1 else self.sequential(cell, path)

    def sequential(self, cell: nn.Cell, path: str) -> Layer:
        entry = self.entries.get(nn.SequentialCell)
        if entry is None:
            raise RecipeError(f"#{path} SequentialCell is not registered; add it with @register")
        return Layer(self.registry.name_of(entry), self.stacks(cell.cell_list, path))


def _stored(choices: Mapping[str, list[Any]], cell: nn.Cell) -> dict[str, Any]:
    """The optional arguments by whose names a Cell, or one of its primitives, has attributes, with their values."""
    names = {name for one in vars(cell).values() if isinstance(one, ops.Primitive) for name in vars(one)}
    optional = {name: options for name, options in choices.items() if options[0] is UNSET and len(options) > 1}
    return {name: options[1] for name, options in optional.items() if name in names or hasattr(cell, name)}
