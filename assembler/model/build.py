"""Plan → model: real Cells with real weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from mindspore import Parameter, Tensor, nn

from assembler.binding.bind import Step, Steps, root_graph
from assembler.errors import AssemblerError, ParameterError, noted, raise_all
from assembler.planning.cells import cast, make
from assembler.planning.plan import Plan, Rule, Weight
from assembler.runtime import device
from assembler.runtime.messages import reason
from assembler.settings import Dtype


def build(planned: Plan, seed: int | None = None) -> nn.Cell:
    """Build the model of a plan in inference mode: a SequentialCell, or for a graph a Cell that runs it.

    Parameters have the same names, and with the same seed the same values, as in the network written by hand: layers
    are created in reading order, inner layers first. Rules for initial values and freezing are applied afterwards.

    Args:
        seed: seed of the plan's random initial values; by default drawn from NumPy's global generator, which
            ``mindspore.set_seed`` seeds.

    Raises:
        ArgumentMismatch, LayerFault, Mistakes: constructors that fail, all of them.
        ParameterError: an initializer that cannot make a parameter's shape.
    """
    model = build_steps(planned.steps, planned.dtype)
    weights = {name: weight for name, _, weight in planned.weights() if weight.frozen or weight.rule}
    if weights:
        _begin(model, weights, int(np.random.randint(2**31)) if seed is None else seed)
    return model


def _begin(model: nn.Cell, weights: Mapping[str, Weight], seed: int) -> None:
    """Set initial values, and freeze."""
    mistakes: list[AssemblerError] = []
    for parameter in model.get_parameters():
        weight = weights.get(parameter.name)
        if weight is None:
            continue
        if weight.frozen:
            parameter.requires_grad = False
        if weight.rule is not None:
            with noted(mistakes):
                _fill(parameter, weight.rule, seed)
    raise_all(mistakes)


def _fill(parameter: Parameter, rule: Rule, seed: int) -> None:
    """Set a parameter's values. Each parameter has its own seed, so it does not depend on which others are drawn."""
    own = int.from_bytes(hashlib.sha256(f"{seed} {parameter.name}".encode()).digest()[:4], "big")
    try:
        with device.untouched_generators():
            np.random.seed(own)
            values = Tensor(rule.values(parameter.shape), parameter.dtype)
    except (ValueError, TypeError, OverflowError) as error:
        message = f"{rule.value} cannot fill {parameter.name} {tuple(parameter.shape)}: {reason(error)}"
        raise ParameterError(message, rule.place) from None
    parameter.set_data(values)


def copy_of(model: nn.Cell, planned: Plan, dtype: Dtype | None = None) -> nn.Cell:
    """Another model of a plan, with the values of a model that was built from it.

    Args:
        dtype: dtype of its floating-point parameters; by default as planned.
    """
    with device.untouched_generators():
        copied = build_steps(planned.steps, dtype or planned.dtype)
    values = {one.name: one for one in model.get_parameters()}
    for parameter in copied.get_parameters():
        source = values[parameter.name]
        parameter.set_data(Tensor(device.as_array(source), parameter.dtype))
        parameter.requires_grad = source.requires_grad
    return copied


def build_steps(steps: Steps, dtype: Dtype = "float32") -> nn.Cell:
    """Build steps whose arguments are all known, as ``build`` does.

    Raises:
        ArgumentMismatch, LayerFault, Mistakes: constructors that fail, all of them.
    """
    builder = _Builder(dtype)
    graph = root_graph(steps)
    model = nn.SequentialCell(builder.cells(steps)) if graph is None else builder.cell(graph)
    model.set_train(False)
    return model


class _Builder:
    """Creates Cells, and each shared part once."""

    def __init__(self, dtype: Dtype):
        self.dtype = dtype
        self.shared: dict[Step, nn.Cell] = {}

    def cells(self, steps: Steps) -> list[nn.Cell]:
        cells: list[nn.Cell] = []
        mistakes: list[AssemblerError] = []
        for step in steps:
            with noted(mistakes):
                cells.append(self.cell(step))
        raise_all(mistakes)
        return cells

    def cell(self, step: Step) -> nn.Cell:
        if step in self.shared:
            return self.shared[step]
        cell = make(step, self.inner)
        cast(cell, self.dtype)  # one by one: a float16 model never needs the memory of a float32 one
        if step.shared:
            self.shared[step] = cell
        return cell

    def inner(self, steps: Steps) -> nn.Cell:
        """A chain inside a layer: a SequentialCell, or a single Cell as it is."""
        cells = self.cells(steps)
        return cells[0] if len(cells) == 1 else nn.SequentialCell(cells)
