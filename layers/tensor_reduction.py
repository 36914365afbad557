"""A layer that is quadratic in its input."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Normal, initializer


class TensorReduction(nn.Cell):
    """y_k = Σ_ij W_ijk x_i x_j for each row x of the input.

    Maps (..., in_units) to (..., units). Each row's outer product is flattened and multiplied by the flattened
    weight, so a batch of B rows needs B × in_units² numbers of working memory.

    Args:
        in_units: size of the input's last axis.
        units: size of the output's last axis.

    Raises:
        ValueError: one of them is below 1.

    Parameters:
        weight: (in_units, in_units, units), float32, drawn from a normal with deviation 1 / in_units, so that an
            input with entries of unit size gives outputs of unit size: y_k sums in_units² terms.
    """

    def __init__(self, in_units: int, units: int):
        super().__init__()
        if min(in_units, units) < 1:
            raise ValueError(f"in_units and units must be at least 1, not {in_units} and {units}")
        self.in_units = in_units
        self.units = units
        self.weight = Parameter(initializer(Normal(sigma=1.0 / in_units), (in_units, in_units, units)))

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., in_units) to (..., units)."""
        pairs = ops.expand_dims(x, -1) * ops.expand_dims(x, -2)
        pairs = ops.reshape(pairs, (*x.shape[:-1], self.in_units * self.in_units))
        return ops.matmul(pairs, ops.reshape(self.weight, (self.in_units * self.in_units, self.units)))


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy, as in the formula."""
    return np.einsum("ijk,...i,...j->...k", parameters["weight"], x, x)
