"""Axes in another order."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class Permute(nn.Cell):
    """Put the axes in another order: ``Permute(0, 2, 3, 1)`` turns (N, C, H, W) into (N, H, W, C).

    Maps (n_0, n_1, …) to (n_axes[0], n_axes[1], …).

    Args:
        axes: for each axis of the output, the axis of the input that it is. Axis 0 is the batch.

    Raises:
        TypeError: an axis is not an integer.
        ValueError: the axes are not 0, 1, …, each once.
    """

    def __init__(self, *axes: int):
        super().__init__()
        if not all(isinstance(axis, int) for axis in axes):
            raise TypeError(f"axes must be integers, not {axes}")
        if not axes or sorted(axes) != list(range(len(axes))):
            raise ValueError(f"axes must be 0, 1, … in some order, each once, not {axes}")
        self.axes = axes

    def construct(self, x: Tensor) -> Tensor:
        """Map a tensor with as many axes as given to one with its axes reordered."""
        return ops.transpose(x, self.axes)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return x.transpose(arguments["axes"])
