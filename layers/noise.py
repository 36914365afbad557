"""Standard normal numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class Noise(nn.Cell):
    """Draw standard normal numbers in the shape of the input, whose values are not used.

    ``Residual(Noise + Scale(0.1))`` adds noise. Maps any shape to the same shape and dtype.

    Args:
        in_inference: whether to draw in inference, too; if not, it emits zeros there.

    Raises:
        TypeError: it is not a bool.
    """

    def __init__(self, in_inference: bool = True):
        super().__init__()
        if not isinstance(in_inference, bool):
            raise TypeError(f"in_inference must be True or False, not {in_inference!r}")
        self.in_inference = in_inference

    def construct(self, x: Tensor) -> Tensor:
        """Map any shape to the same shape."""
        if self.training or self.in_inference:
            return ops.randn_like(x).astype(x.dtype)
        return ops.zeros_like(x)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy, in inference."""
    if arguments["in_inference"]:
        raise NotImplementedError("random numbers")
    return np.zeros_like(x)
