"""A layer on each window of an image."""

from collections.abc import Callable, Mapping
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops


class Windows(nn.Cell):
    """Cut an image into windows, run a layer on the tokens of each, and join what it emits, as in Swin.

    Maps (N, H, W, C) to the same shape. An image whose height or width is not a multiple of ``size`` is padded with
    zeros at the bottom and the right. Liu et al., Swin transformer, arXiv:2103.14030.

    Args:
        inner: a Cell that maps (N × windows, size², C) to the same shape. If there is a shift, it is called with
            (x, x, x, mask) instead of x, as ``Attention`` is with a mask, here (N × windows, size², size²), int32:
            tokens that meet in a window from opposite edges of the image do not see each other.
        size: height and width of a window.
        shift: how far windows begin from the top and the left; what is cut off there is joined at the other side. An
            axis with one window is not shifted.

    Raises:
        TypeError: ``inner`` is not a Cell.
        ValueError: ``size`` is not an integer of at least 1, or ``shift`` one from 0 to below ``size``.

    Parameters:
        inner: those of the Cell; there are no others.
    """

    def __init__(self, inner: nn.Cell, size: int, shift: int = 0):
        super().__init__()
        if not isinstance(inner, nn.Cell):
            raise TypeError(f"inner must be a Cell, not {type(inner).__name__}")
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"size must be an integer of at least 1, not {size!r}")
        if not isinstance(shift, int) or not 0 <= shift < size:
            raise ValueError(f"shift must be an integer from 0 to {size - 1}, not {shift!r}")
        self.inner = inner
        self.size = size
        self.shift = shift

    def construct(self, x: Tensor) -> Tensor:
        """Map (N, H, W, C) to (N, H, W, C)."""
        count, height, width, channels = x.shape
        size = self.size
        rows, columns = (height + size - 1) // size, (width + size - 1) // size
        high, wide = rows * size, columns * size
        if high != height or wide != width:  # ops.pad cannot be compiled for an open batch, nor written as ONNX
            x = ops.Pad(((0, 0), (0, high - height), (0, wide - width), (0, 0)))(x)
        down, right = self.shift if rows > 1 else 0, self.shift if columns > 1 else 0
        x = self.cut(_roll(_roll(x, 1, high, down), 2, wide, right), rows, columns, channels)
        if down or right:
            mask = self.mask(rows, columns, down, right)
            mask = ops.broadcast_to(mask, (count, rows * columns, size * size, size * size))
            x = self.inner(x, x, x, ops.reshape(mask, (-1, size * size, size * size)))
        else:
            x = self.inner(x)
        x = ops.transpose(ops.reshape(x, (count, rows, columns, size, size, channels)), (0, 1, 3, 2, 4, 5))
        x = ops.reshape(x, (count, high, wide, channels))
        return _roll(_roll(x, 1, high, high - down), 2, wide, wide - right)[:, :height, :width]

    def cut(self, x: Tensor, rows: int, columns: int, channels: int) -> Tensor:
        """Map (N, rows × size, columns × size, C) to (N × rows × columns, size², C)."""
        size = self.size
        x = ops.transpose(ops.reshape(x, (-1, rows, size, columns, size, channels)), (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, size * size, channels))

    def mask(self, rows: int, columns: int, down: int, right: int) -> Tensor:
        """Whether two tokens of a window were neighbours before the shift: (1, windows, size², size²), int32."""
        below = ops.range(0, rows * self.size, 1) >= rows * self.size - down
        beside = ops.range(0, columns * self.size, 1) >= columns * self.size - right
        region = 2 * ops.reshape(below.astype(mindspore.int32), (1, -1, 1, 1))
        region = region + ops.reshape(beside.astype(mindspore.int32), (1, 1, -1, 1))
        region = self.cut(region, rows, columns, 1)
        return ops.expand_dims((region == ops.transpose(region, (0, 2, 1))).astype(mindspore.int32), 0)


def _roll(x: Tensor, axis: int, size: int, steps: int) -> Tensor:
    """Move what is first along an axis of that size to its end; not every device has an operator for it."""
    if steps == 0 or steps == size:
        return x
    first, rest = ops.split(x, [steps, size - steps], axis)
    return ops.concat((rest, first), axis)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy, window by window; ``inner`` is a function of an array, or of a list of four."""
    inner: Callable[..., np.ndarray] = arguments["inner"]
    size = arguments["size"]
    height, width = x.shape[1:3]
    padded = np.pad(x, ((0, 0), (0, -height % size), (0, -width % size), (0, 0)))
    high, wide = padded.shape[1:3]
    down, right = (arguments["shift"] if length > size else 0 for length in (high, wide))
    region = 2 * (np.arange(high) < down)[:, None] + (np.arange(wide) < right)
    y = np.zeros_like(padded)
    for top, left in np.ndindex(high // size, wide // size):
        i = (np.arange(size) + top * size + down)[:, None] % high
        j = (np.arange(size) + left * size + right)[None] % wide
        tokens = padded[:, i, j].reshape(len(x), size * size, -1)
        own = region[i, j].ravel()
        mask = np.repeat((own[:, None] == own)[None], len(x), axis=0)
        y[:, i, j] = inner([tokens, tokens, tokens, mask] if down or right else tokens).reshape(len(x), size, size, -1)
    return y[:, :height, :width]
