"""The same numbers in another shape."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class Reshape(nn.Cell):
    """Give each example another shape: ``Reshape(8, 7, 7)`` maps (N, 392) to (N, 8, 7, 7).

    Maps (N, …) to (N, sizes[0], sizes[1], …), for any number of axes.

    Args:
        sizes: the sizes behind the batch. One of them may be -1: what is left.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is neither positive nor -1, or several are -1.
    """

    def __init__(self, *sizes: int):
        super().__init__()
        if not all(isinstance(size, int) for size in sizes):
            raise TypeError(f"sizes must be integers, as in Reshape(8, 7, 7), not {sizes}")
        if sizes.count(-1) > 1 or any(size < 1 for size in sizes if size != -1):
            raise ValueError(f"sizes must be at least 1, or -1 for one of them, not {sizes}")
        self.sizes = sizes
        self.count = int(np.prod([size for size in sizes if size != -1]))

    def construct(self, x: Tensor) -> Tensor:
        """Map (N, …) to (N, *sizes)."""
        count = 1
        for size in x.shape[1:]:
            count *= size
        if count % self.count != 0 or (-1 not in self.sizes and count != self.count):
            raise ValueError("Reshape: the sizes are for another number of values")
        return ops.reshape(x, (x.shape[0], *self.sizes))


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return x.reshape(len(x), *arguments["sizes"])
