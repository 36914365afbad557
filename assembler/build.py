"""Plan → model: real Cells with real weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mindspore import nn

from assembler.binding import Steps
from assembler.cells import cast, make
from assembler.errors import AssemblerError, noted, raise_all
from assembler.grammar import parse_stack
from assembler.planner import plan
from assembler.registry import LAYERS, Registry
from assembler.rows import Plan, Spec
from assembler.settings import Axis, Dtype, Model, read


def build(planned: Plan) -> nn.SequentialCell:
    """Build the model of a plan, set to inference.

    Parameters have the names, and under the same seed the values, of the network written by hand: layers are made in
    reading order, those inside a layer before it.

    Raises:
        ArgumentMismatch, LayerFault, Mistakes: constructors that fail, all of them.
    """
    model = nn.SequentialCell(_make_all(planned.steps))
    cast(model, planned.dtype)
    model.set_train(False)
    return model


def _make_all(steps: Steps) -> list[nn.Cell]:
    cells: list[nn.Cell] = []
    mistakes: list[AssemblerError] = []
    for step in steps:
        with noted(mistakes):
            cells.append(make(step, _inner))
    raise_all(mistakes)
    return cells


def _inner(steps: Steps) -> nn.Cell:
    """A chain inside a layer: a SequentialCell, or the only Cell as it is."""
    cells = _make_all(steps)
    return cells[0] if len(cells) == 1 else nn.SequentialCell(cells)


class _Given(Model):
    """The plain arguments of ``assemble``."""

    input: tuple[Axis, ...] | None
    dtype: Dtype


def assemble(
    stack: str | Sequence[Any],
    *,
    input: Sequence[int] | None = None,
    registry: Registry = LAYERS,
    dtype: Dtype = "float32",
) -> nn.SequentialCell:
    """Assemble a network from a recipe's text.

    Device, mode and seed are left as they are: they belong to the caller.

    Args:
        stack: ``"Dense(8, 128) + Centered"``, or a list as YAML would hold it.
        input: the input's shape, such as ``(4, 8)``. Needed for ``_``; with it, shapes that do not fit are refused
            before anything is built.
        registry: where the names come from.
        dtype: of the floating-point parameters and of the input.

    Returns:
        An ``nn.SequentialCell``, set to inference, with one Cell a layer.

    Raises:
        AssemblerError: what is wrong with the recipe, all at once.

    >>> net = assemble("Dense(8, 128) + Centered")
    >>> [parameter.name for parameter in net.get_parameters()]
    ['0.weight', '0.bias']
    """
    said = read(_Given, {"dtype": dtype, "input": input})
    spec = Spec(said.input, dtype) if said.input is not None else None
    return build(plan(parse_stack(stack), registry, spec, dtype))
