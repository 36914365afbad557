"""Normalisation by the root mean square."""

from collections.abc import Mapping
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer


class RMSNorm(nn.Cell):
    """w x / sqrt(mean(x²) + ε) along the last axis.

    Maps (..., size) to the same shape and dtype; float16 is computed in float32. Zhang and Sennrich, Root mean square
    layer normalization, arXiv:1910.07467.

    Args:
        size: size of the input's last axis.
        epsilon: ε, which keeps a row of zeros finite.

    Raises:
        ValueError: ``size`` is not an integer of at least 1, or ``epsilon`` is not a number above 0.

    Parameters:
        weight: (size,), float32, ones.
    """

    def __init__(self, size: int, epsilon: float = 1e-6):
        super().__init__()
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"size must be an integer of at least 1, not {size!r}")
        if not isinstance(epsilon, int | float) or not epsilon > 0:
            raise ValueError(f"epsilon must be a number above 0, not {epsilon!r}")
        self.size = size
        self.epsilon = epsilon
        self.offset = Tensor(epsilon, mindspore.float64)  # a Python float would act as a float32
        self.weight = Parameter(initializer("ones", (size,)))

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., size) to (..., size)."""
        if x.shape[-1] != self.size:
            raise ValueError("RMSNorm: the size of the input's last axis differs from the weight's")
        wide = x if x.dtype == mindspore.float64 else x.astype(mindspore.float32)
        # By division, because MindSpore cannot write rsqrt to ONNX.
        root = ops.sqrt(ops.mean(ops.square(wide), -1, True) + self.offset.astype(wide.dtype))
        return (wide / root * self.weight).astype(x.dtype)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return parameters["weight"] * x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + arguments["epsilon"])
