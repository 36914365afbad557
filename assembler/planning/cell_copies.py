"""Copies of a Cell that was made by hand: without storage to plan it, and with storage to run a part of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

from mindspore import Parameter, Tensor, mint, nn, ops
from mindspore.nn.utils import no_init_parameters

from assembler.errors import RecipeError
from assembler.planning.probing import Trials
from assembler.planning.tensors import zeros
from assembler.runtime.internals import wait_for_operators
from assembler.runtime.messages import lacks_meta_kernel, reason


def without_storage(cell: nn.Cell, trials: Trials) -> nn.Cell:
    """The Cell once more, so that nothing that a call leaves behind is left in the original.

    Parameters have no storage. Constants, the other tensors that it keeps, have their values.

    Raises:
        RecipeError: it cannot be copied.
    """
    memo: dict[int, Any] = {}
    with trials.on_meta():
        for parameter in cell.get_parameters():
            values = mint.empty(parameter.shape, dtype=parameter.dtype)
            memo[id(parameter)] = Parameter(values, name=parameter.name, requires_grad=parameter.requires_grad)
    try:
        with trials.for_real():
            return copy.deepcopy(cell, memo)
    except Exception as error:
        message = f"{type(cell).__name__} cannot be copied; give a function that makes it: {reason(error)}"
        raise RecipeError(message) from error


def made_without_storage(make: Callable[[], Any], trials: Trials) -> Any:
    """A Cell made without storage. A constructor that needs values runs for real, first without those of parameters.

    Args:
        make: calls the constructor.

    Raises:
        Exception: whatever the constructor raises, except for want of values or of an operator of the meta device.
    """
    try:
        with trials.on_meta():
            cell = make()
            wait_for_operators()  # or what they raise comes up later
            return cell
    except Exception as error:
        if not any(map(lacks_meta_kernel, _causes(error))):
            raise
    with trials.for_real():
        try:
            with no_init_parameters():
                cell = make()
        except Exception:
            cell = make()  # it needs the values of parameters, too
    return without_storage(cell, trials) if isinstance(cell, nn.Cell) else cell


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def unwatched(cell: nn.Cell, memo: dict[int, Any] | None = None) -> nn.Cell:
    """The Cell once more, not watched."""
    made: nn.Cell = copy.deepcopy(cell, memo)
    for _, one in made.cells_and_names():
        watched = vars(one).pop("construct", None)
        function = own_construct(watched)
        if function not in (None, type(one).construct):  # the Cell had chosen one of its methods
            object.__setattr__(one, "construct", MethodType(function, one))
    return made


def own_construct(watched: Any) -> Any:
    """The function that is watched, of the method that replaces a Cell's ``construct``."""
    method = getattr(watched, "__wrapped__", None)
    return getattr(method, "__func__", None)


def with_zeros(cell: nn.Cell) -> nn.Cell:
    """The Cell once more, with storage: zeros for what has none, in parameters and in constants."""
    memo: dict[int, Any] = {}
    for tensor in kept_tensors(cell):
        if not is_stored(tensor):
            values = zeros(tensor.shape, tensor.dtype)
            if isinstance(tensor, Parameter):
                values = Parameter(values, name=tensor.name, requires_grad=tensor.requires_grad)
            memo[id(tensor)] = values
    return unwatched(cell, memo)


def is_stored(tensor: Tensor) -> bool:
    """Whether a tensor has values."""
    return str(tensor.device) != "meta"


def kept_tensors(cell: nn.Cell) -> Iterator[Tensor]:
    """Every tensor that a Cell keeps: in attributes, in lists, tuples and dicts, and in objects that it keeps."""
    seen: dict[int, Any] = {}
    waiting: list[Any] = [cell]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value
        elif isinstance(value, nn.Cell | ops.Primitive) or is_plain(value):
            waiting += vars(value).values()


class _Plain:
    """Keeps all its state in ``__dict__``."""


def is_plain(value: Any) -> bool:
    """Whether an object keeps all its state in ``__dict__``: no function, module or class, nor an object of C++."""
    return type(value).__basicsize__ == _Plain.__basicsize__ and hasattr(value, "__dict__")
