"""Several tensors, one after the other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class Concat(nn.Cell):
    """Join two or more tensors along an axis, where several branches meet.

    Maps tensors that differ in the size of ``axis`` alone to one with the sum of those sizes there.

    Args:
        axis: the axis to join along; 1 is the channels of (N, C, H, W).

    Raises:
        TypeError: ``axis`` is not an integer.
    """

    def __init__(self, axis: int = 1):
        super().__init__()
        if not isinstance(axis, int):
            raise TypeError(f"axis must be an integer, not {axis!r}")
        self.axis = axis

    def construct(self, *inputs: Tensor) -> Tensor:
        """Map (…, a, …), (…, b, …), … to (…, a + b + …, …)."""
        if len(inputs) < 2:
            raise ValueError("Concat takes two or more inputs")
        return ops.concat(inputs, self.axis)


def reference(
    x: Sequence[np.ndarray], parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]
) -> np.ndarray:
    """The same in NumPy; x is all of the inputs."""
    return np.concatenate(x, axis=arguments["axis"])
