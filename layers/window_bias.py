"""A learned number for each offset between two tokens of a window."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Normal, initializer


class WindowBias(nn.Cell):
    """A learned number for each head and each offset of a key from a query: the ``positions`` of ``Attention`` in Swin.

    Maps the position of each key minus that of each query, (size², size²), int32, to (heads, size², size²) in the dtype
    of the table. Tokens are those of a square window in reading order, so that only the shape of the input counts.
    Liu et al., Swin transformer, arXiv:2103.14030.

    Args:
        heads: how many heads.
        size: height and width of the window.

    Raises:
        ValueError: one of them is not an integer of at least 1, or the input has another shape.

    Parameters:
        table: ((2 size - 1)², heads), float32, drawn from a normal with deviation 0.02. Row
            (2 size - 1)(Δy + size - 1) + Δx + size - 1 is for a query Δy below its key and Δx to its right.
    """

    def __init__(self, heads: int, size: int):
        super().__init__()
        if not all(type(number) is int and number >= 1 for number in (heads, size)):
            raise ValueError(f"heads and size must be integers of at least 1, not {heads!r} and {size!r}")
        self.heads = heads
        self.size = size
        self.index = Tensor(_rows(size))
        self.table = Parameter(initializer(Normal(sigma=0.02), ((2 * size - 1) ** 2, heads)))

    def construct(self, distances: Tensor) -> Tensor:
        """Map (size², size²) to (heads, size², size²)."""
        if distances.shape != self.index.shape:
            raise ValueError("WindowBias: the tokens must be those of a window, size × size")
        return ops.transpose(ops.gather(self.table, self.index, 0), (2, 0, 1))


def _rows(size: int) -> np.ndarray:
    """The row of the table for each query and key."""
    y, x = np.divmod(np.arange(size * size), size)
    down, right = (place[:, None] - place + size - 1 for place in (y, x))
    return ((2 * size - 1) * down + right).astype(np.int32)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return parameters["table"][_rows(arguments["size"])].transpose(2, 0, 1)
