"""Plan → model: real Cells with real weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from mindspore import Parameter, Tensor, nn

from assembler.binding.structure import Step, Steps, root_graph, shared_parts
from assembler.errors import AssemblerError, ParameterError, noted, raise_all
from assembler.planning.cells import cast, in_a_row, make
from assembler.planning.plan import Plan, Rule, Weight
from assembler.runtime import device
from assembler.runtime.internals import signatures_read_once
from assembler.runtime.messages import reason
from assembler.settings import Dtype


def build(planned: Plan, seed: int | None = None) -> nn.Cell:
    """Build the model of a plan in inference mode: a SequentialCell, or for a graph a Cell that runs it.

    Parameters have the same names, and with the same seed the same values, as in the network written by hand: layers
    are created in reading order, inner layers first. Shared parts are created before all others, and their parameters
    have the part's name: ``tokens.embedding_table``. Rules for initial values and freezing are applied afterwards.

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
    with signatures_read_once():
        builder.cells(shared_parts(steps))
        graph = root_graph(steps)
        model = in_a_row(steps, builder.cells(steps)) if graph is None else builder.cell(graph)
    builder.name_parts()
    model.set_train(False)
    return model


_PART = "part_of_recipe"
"""The attribute of a Cell that holds the name of the shared part that it is."""


def cells_by_path(model: nn.Cell) -> dict[str, nn.Cell]:
    """The Cells of a built model by their paths in its plan, those of shared parts by their positions as well."""
    found = dict(model.cells_and_names())
    for cell in list(found.values()):
        if part := getattr(cell, _PART, ""):
            found |= dict(cell.cells_and_names(name_prefix=part))
    return found


class _Builder:
    """Creates Cells, and each shared part once."""

    def __init__(self, dtype: Dtype):
        self.dtype = dtype
        self.shared: dict[Step, nn.Cell] = {}

    def cells(self, steps: Iterable[Step]) -> list[nn.Cell]:
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

    def name_parts(self) -> None:
        """Name the parameters of shared parts after the part: MindSpore names them after the last use.

        A part that is used by others was made before them, so its own name is given last.
        """
        for step, cell in reversed(self.shared.items()):
            cell.update_parameters_name(f"{step.shared}.")
            setattr(cell, _PART, step.shared)

    def inner(self, steps: Steps) -> nn.Cell:
        """A chain inside a layer: a SequentialCell, or a single Cell as it is."""
        cells = self.cells(steps)
        return cells[0] if len(cells) == 1 else in_a_row(steps, cells)
