"""A fully connected layer followed by ReLU."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Normal, initializer


class MyLinear(nn.Cell):
    """relu(x W + b), with W and b drawn from a standard normal.

    Maps (..., in_units) to (..., units).

    Args:
        in_units: size of the input's last axis.
        units: size of the output's last axis.

    Raises:
        ValueError: one of them is below 1.

    Parameters:
        weight: (in_units, units), float32. Note the order: ``nn.Dense`` stores its weight the other way round.
        bias: (units,), float32.
    """

    def __init__(self, in_units: int, units: int):
        super().__init__()
        if min(in_units, units) < 1:
            raise ValueError(f"in_units and units must be at least 1, not {in_units} and {units}")
        self.in_units = in_units
        self.units = units
        self.weight = Parameter(initializer(Normal(sigma=1.0), (in_units, units)))
        self.bias = Parameter(initializer(Normal(sigma=1.0), (units,)))

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., in_units) to (..., units)."""
        return ops.relu(ops.matmul(x, self.weight) + self.bias)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return np.maximum(x @ parameters["weight"] + parameters["bias"], 0)
