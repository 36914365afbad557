"""One position of an axis."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn


class Select(nn.Cell):
    """Pick one position of an axis, such as the class token: ``Select(0)`` maps (batch, tokens, size) to (batch, size).

    Maps any shape to the same without ``axis``.

    Args:
        index: the position; negative ones count from the end.
        axis: the axis that it is picked from and that is dropped.

    Raises:
        TypeError: one of them is not an integer.
    """

    def __init__(self, index: int, axis: int = 1):
        super().__init__()
        if not (isinstance(index, int) and isinstance(axis, int)):
            raise TypeError(f"index and axis must be integers, not {index!r} and {axis!r}")
        self.index = index
        self.axis = axis
        everything = slice(None)
        self.place = (everything,) * axis + (index,) if axis >= 0 else (..., index, *(everything,) * (-1 - axis))

    def construct(self, x: Tensor) -> Tensor:
        """Map (…, n, …) to (…, …)."""
        size = x.shape[self.axis]
        if not -size <= self.index < size:
            raise ValueError("Select: the axis is too short for the index")
        return x[self.place]


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return np.take(x, arguments["index"], axis=arguments["axis"])
