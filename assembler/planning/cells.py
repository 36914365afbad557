"""Step → Cell: making one layer, and reporting whether the recipe or the layer is wrong when that fails."""

from __future__ import annotations

import inspect
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import mindspore
from mindspore import mint, nn

from assembler.binding.structure import Step, Steps, map_steps, walk
from assembler.errors import ArgumentMismatch, AssemblerError, DeviceError, LayerFault, Place, RecipeError, raise_all
from assembler.registry.entries import TRUSTED, Entry
from assembler.registry.libraries import libraries
from assembler.runtime import exits
from assembler.runtime.device import as_dtype
from assembler.runtime.messages import reason
from assembler.settings import Dtype


def make(step: Step, make_inner: Callable[[Steps], nn.Cell]) -> nn.Cell:
    """Make the Cell of a step from arguments that are all known.

    Args:
        make_inner: what to make of a chain that is an argument.

    Raises:
        ArgumentMismatch: the constructor refuses its arguments.
        LayerFault: it fails in another way; the original exception is its cause.
    """
    arguments = {name: _argument(name, value, make_inner) for name, value in step.arguments.items()}
    try:
        with exits.refused():
            if step.chain is not None and step.chain.has_names:
                cell = in_a_row(step.chain, [make_inner(inner) for inner in step.extra])
            elif not step.extra:
                cell = step.entry.make(**arguments)
            else:  # what stands before *args has to be given by position, too
                before = [arguments.pop(name) for name in list(arguments)[: len(step.layer.args) - len(step.extra)]]
                cell = step.entry.make(*before, *map_steps(step.extra, make_inner), **arguments)
    except AssemblerError:
        raise
    except MemoryError as error:
        raise DeviceError(f"{step} does not fit into memory: {reason(error)}", _place(step)) from error
    except Exception as error:
        if "Cell" in str(error) and (named := [value for value in arguments.values() if isinstance(value, str)]):
            said = f"{named[0]!r} is a string; a layer in params is written {{stack: {named[0]}}}"
            raise ArgumentMismatch(said, _place(step)) from error
        if is_ours(step.entry.implementation) or isinstance(error, TypeError | ValueError):
            raise ArgumentMismatch(f"{step} cannot be made: {reason(error)}", _place(step)) from error
        raise LayerFault(f"{step} fails while it is made: {reason(error)}", _place(step)) from error
    return cell


def in_a_row(steps: Steps, cells: Sequence[nn.Cell]) -> nn.SequentialCell:
    """The Cells of some steps as one Cell, with the names that the recipe gives them."""
    return nn.SequentialCell(OrderedDict(zip(steps.names, cells, strict=True)) if steps.has_names else list(cells))


def require_names(steps: Steps) -> None:
    """Refuse names that a Cell cannot have.

    Raises:
        Mistakes, RecipeError: attributes of every Cell, such as ``name``.
    """
    row = nn.SequentialCell([])
    mistakes: list[AssemblerError] = []
    for step in walk(steps):
        if step.name and hasattr(row, step.name):
            said = f"{step.name!r} is an attribute of every Cell; rename the item"
            mistakes.append(RecipeError(said, step.named_at))
        if step.graph is None:
            continue
        graph = step.entry.cell({}, (), ())
        for wire in step.graph.wires:
            if hasattr(graph, wire.name):
                said = f"{wire.name!r} is an attribute of every Cell; rename the wire"
                mistakes.append(RecipeError(said, wire.place))
    raise_all(mistakes)


def _argument(name: str, value: Any, make_inner: Callable[[Steps], nn.Cell]) -> Any:
    if name == "dtype" and isinstance(value, str) and isinstance(getattr(mindspore, value, None), mindspore.Type):
        return as_dtype(value)
    return map_steps(value, make_inner)


def _place(step: Step) -> Place:
    return step.layer.place


def cast(cell: nn.Cell, dtype: Dtype, *, meta: bool = False) -> None:
    """Turn a Cell's float32 parameters into another type of float, in place.

    Args:
        meta: whether they lie on the meta device, where there are no values to convert.
    """
    if dtype == "float32":
        return
    for parameter in cell.get_parameters():
        if parameter.dtype != mindspore.float32:
            continue
        if meta:
            parameter.assign_value(mint.empty(parameter.shape, dtype=as_dtype(dtype)))
        else:
            parameter.set_dtype(as_dtype(dtype))


def is_ours(implementation: Any) -> bool:
    """Whether a class or function is MindSpore's, the assembler's or a shipped library's.

    What it raises is about its input.
    """
    package = str(implementation.__module__).partition(".")[0]
    return package in TRUSTED or package in {
        entry.target.partition(".")[0]
        for library in libraries().values()
        if library.ships
        for entry in library.entries.values()
    }


def required_inputs(entry: Entry) -> list[str]:
    """The names of the inputs that a layer cannot be called without."""
    if entry.inputs:
        return entry.input_names
    return [one.name for one in _inputs(entry.cell) if one.kind is one.POSITIONAL_OR_KEYWORD]


def most_inputs(cell: type[nn.Cell]) -> float:
    """How many inputs a Cell takes at most, those with defaults included."""
    _, *parameters = inspect.signature(cell.construct).parameters.values()
    several = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    return math.inf if several else sum(one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters)


def takes_several(cell: type[nn.Cell]) -> bool:
    """Whether a Cell takes several inputs one by one, not as a tuple."""
    required = _inputs(cell)
    return len(required) > 1 or any(one.kind is one.VAR_POSITIONAL for one in required)


def _inputs(cell: type[nn.Cell]) -> list[inspect.Parameter]:
    """The parameters of a Cell's ``construct`` that are given by position and have no defaults."""
    _, *parameters = inspect.signature(cell.construct).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [one for one in parameters if one.default is one.empty and one.kind in kinds]
