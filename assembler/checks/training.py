"""Training for checks: a loss on a model's outputs, its gradients, and a few steps of Adam."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from assembler.model.inputs import Array
from assembler.planning.specs import Spec, Specs
from assembler.planning.tensors import specs_of
from assembler.runtime import device


class _Loss(nn.Cell):
    """A scalar loss on a model's outputs: called with the model's inputs, then one target for each output.

    Args:
        model: the Cell.
        outputs: the positions of its floating-point outputs in nested tuples, each a tuple of indices.
    """

    def __init__(self, model: nn.Cell, outputs: Sequence[tuple[int, ...]]):
        super().__init__(auto_prefix=False)
        self.model = model
        self.outputs = tuple(outputs)
        self.targets = len(self.outputs)

    def construct(self, *given: Tensor) -> Tensor:
        emitted = self.model(*given[: len(given) - self.targets])
        loss = 0.0
        for index in range(self.targets):
            value = emitted
            for element in self.outputs[index]:
                value = value[element]
            loss = loss + self.measure(value, given[len(given) - self.targets + index])
        return loss


class Weighted(_Loss):
    """The sum of all outputs multiplied by the targets: the gradient in a random direction."""

    def measure(self, value: Tensor, target: Tensor) -> Tensor:
        """Sum over one output."""
        return ops.ReduceSum()(value * target)


class Distance(_Loss):
    """The mean square of the distance from the targets."""

    def measure(self, value: Tensor, target: Tensor) -> Tensor:
        """Mean over one output."""
        apart = value - target
        return ops.ReduceMean()(apart * apart)


class _Gradients(nn.Cell):
    """The gradients of a loss by parameters."""

    def __init__(self, loss: nn.Cell, parameters: Sequence[Parameter]):
        super().__init__(auto_prefix=False)
        self.loss = loss
        self.parameters = ParameterTuple(parameters)
        self.gradient = ops.GradOperation(get_by_list=True)

    def construct(self, *given: Tensor) -> Any:
        return self.gradient(self.loss, self.parameters)(*given)


def to_training(model: nn.Cell) -> None:
    """Set a model to training mode, except Dropout cells, whose noise would hide the measured effect."""
    model.set_train(True)
    for _, cell in model.cells_and_names():
        if isinstance(cell, nn.MultiheadAttention) or type(cell).__name__.startswith("Dropout"):
            cell.set_train(False)


def float_outputs(model: nn.Cell, inputs: Sequence[Tensor]) -> list[tuple[tuple[int, ...], Spec]]:
    """The positions of floating-point tensors in a model's outputs in training, and their specs.

    The model is called for it, because heads of detectors have different outputs in training and inference.
    """
    to_training(model)
    with device.mode("pynative"), device.contained():
        return list(_floats(specs_of(model(*inputs))))


def _floats(specs: Specs, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Spec]]:
    if not isinstance(specs, Spec):
        for index, one in enumerate(specs):
            yield from _floats(one, (*path, index))
    elif "float" in specs.dtype:
        yield path, specs


def random_targets(specs: Iterable[Spec]) -> list[Tensor]:
    """A fixed tensor for each output, from a standard normal."""
    generator = np.random.default_rng(0)
    return [Tensor(generator.standard_normal(one.shape), device.as_dtype(one.dtype)) for one in specs]


def gradients(loss: _Loss, parameters: Sequence[Parameter], given: Sequence[Tensor]) -> list[Array]:
    """The gradients of a loss by parameters, in the current mode."""
    return [device.as_array(one) for one in _Gradients(loss, parameters)(*given)]


def train(loss: _Loss, given: Sequence[Tensor], steps: int, learning_rate: float) -> float:
    """Take steps of Adam on the trainable parameters, in the current mode.

    Returns:
        The loss before the first step.
    """
    optimizer = nn.Adam(loss.model.trainable_params(), learning_rate=learning_rate)
    step = nn.TrainOneStepCell(loss, optimizer)
    losses = [float(np.float64(step(*given).asnumpy())) for _ in range(steps)]
    return losses[0]


def value_of(loss: _Loss, given: Sequence[Tensor]) -> float:
    """The loss itself."""
    return float(np.float64(loss(*given).astype(mindspore.float32).asnumpy()))
