"""The mean along axes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class Mean(nn.Cell):
    """The mean along one axis or several: ``Mean((2, 3))`` is global average pooling of (N, C, H, W).

    Maps any shape to the same without those axes, or with 1 in their places.

    Args:
        axis: an axis, or a tuple or list of them. Axis 0 is the batch.
        keep_dims: keep the axes, with size 1.

    Raises:
        TypeError: ``axis`` is something else.
        ValueError: it is empty.
    """

    def __init__(self, axis: int | tuple[int, ...] | list[int], keep_dims: bool = False):
        super().__init__()
        axes = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
        if not all(isinstance(one, int) for one in axes):
            raise TypeError(f"axis must be an integer or a tuple of integers, not {axis!r}")
        if not axes:
            raise ValueError("axis must name at least one axis")
        self.axes = axes
        self.keep_dims = bool(keep_dims)

    def construct(self, x: Tensor) -> Tensor:
        """Map any shape to one without the axes."""
        return ops.mean(x, self.axes, self.keep_dims)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    axis = arguments["axis"]
    return x.mean(axis=axis if isinstance(axis, int) else tuple(axis), keepdims=arguments["keep_dims"])
