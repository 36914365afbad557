"""From an image to one of half the height and width."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class MergePatches(nn.Cell):
    """Join the channels of each 2 × 2 pixels, as in Swin, where a norm and a ``Dense`` follow.

    Maps (N, H, W, C) to (N, ⌈H / 2⌉, ⌈W / 2⌉, 4 C), and has no parameters. An odd height or width is padded with zeros.
    The pixels are joined column by column: upper left, lower left, upper right, lower right. Liu et al., Swin
    transformer, arXiv:2103.14030.
    """

    def construct(self, x: Tensor) -> Tensor:
        """Map (N, H, W, C) to (N, ⌈H / 2⌉, ⌈W / 2⌉, 4 C)."""
        _, height, width, channels = x.shape
        if height % 2 or width % 2:
            x = ops.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        rows, columns = (height + 1) // 2, (width + 1) // 2
        x = ops.transpose(ops.reshape(x, (-1, rows, 2, columns, 2, channels)), (0, 1, 3, 4, 2, 5))
        return ops.reshape(x, (-1, rows, columns, 4 * channels))


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)))
    return np.concatenate([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], axis=-1)
