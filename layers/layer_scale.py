"""A learned factor for each feature."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn
from mindspore.common.initializer import initializer


class LayerScale(nn.Cell):
    """x γ, feature by feature: at the end of a residual branch it lets deep networks begin close to the identity.

    Maps (..., size) to the same shape. Touvron et al., Going deeper with image transformers, arXiv:2103.17239.

    Args:
        size: size of the input's last axis.
        init: initial value of γ.

    Raises:
        ValueError: ``size`` is not an integer of at least 1.
        TypeError: ``init`` is not a number.

    Parameters:
        gamma: (size,), float32, ``init`` everywhere.
    """

    def __init__(self, size: int, init: float = 1e-6):
        super().__init__()
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"size must be an integer of at least 1, not {size!r}")
        if not isinstance(init, int | float):
            raise TypeError(f"init must be a number, not {init!r}")
        self.size = size
        self.gamma = Parameter(initializer(float(init), (size,)))

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., size) to (..., size)."""
        if x.shape[-1] != self.size:
            raise ValueError("LayerScale: the size of the input's last axis differs from gamma's")
        return x * self.gamma


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return x * parameters["gamma"]
