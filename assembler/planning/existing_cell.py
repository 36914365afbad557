"""Plan a Cell that was not assembled from a recipe: a class, a function that makes one, or the Cell itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mindspore import nn

from assembler.binding.structure import Steps
from assembler.errors import LayerFault, RecipeError
from assembler.planning.cell_copies import made_without_storage, without_storage
from assembler.planning.cells import cast
from assembler.planning.plan import Plan
from assembler.planning.probing import Trials
from assembler.planning.specs import Specs, memory_of
from assembler.planning.tensors import recorded
from assembler.planning.walk import Walk
from assembler.registry.entries import parameters_of
from assembler.runtime import exits
from assembler.runtime.messages import reason
from assembler.settings import Dtype


def plan_cell(given: nn.Cell | Callable[[], nn.Cell], input: Specs, dtype: Dtype = "float32") -> Plan:
    """Plan a Cell, set to inference.

    Args:
        given: what makes the Cell, on the meta device; or a Cell, which stays as it is.
        input: shape and dtype of what goes in; for a Cell that takes several tensors, a tuple.
        dtype: what float32 parameters are turned into, if the Cell is made here.

    Returns:
        A plan without steps, with a row for each Cell that has parameters or runs operators, in the order of the calls.

    Raises:
        LayerFault: the Cell raises while it is made or called; its own exception is the cause.
    """
    trials = Trials()
    with trials.begin():
        cell = without_storage(given, trials) if isinstance(given, nn.Cell) else _make(given, dtype, trials)
        cell.set_train(False)
        walk = Walk(cell, trials)
        found = walk.run(input if isinstance(input, tuple) else (input,))
        rows, containers = walk.finished()
    return Plan(
        Steps(),
        tuple(rows),
        input,
        recorded(found.output),
        dtype,
        memory_of(input) + found.meter.peak,
        tuple(sorted(found.meter.uncounted)),
        containers=tuple(containers),
    )


def _make(given: Callable[[], Any], dtype: Dtype, trials: Trials) -> nn.Cell:
    name = getattr(given, "__name__", str(given))
    try:
        with exits.refused():
            cell = made_without_storage(given, trials)
    except Exception as error:
        hint = f"; give a function that makes it, such as lambda: {name}(8)" if _lacks_arguments(given) else ""
        raise LayerFault(f"{name}() fails while it is made: {reason(error)}{hint}") from error
    if not isinstance(cell, nn.Cell):
        raise RecipeError(f"{name}() gives {type(cell).__name__}, not an nn.Cell")
    with trials.on_meta():
        cast(cell, dtype, meta=True)
    return cell


def _lacks_arguments(given: Callable[[], Any]) -> bool:
    """Whether a class has arguments that have to be given."""
    parameters = parameters_of(given).values() if isinstance(given, type) else ()
    return any(one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters)
