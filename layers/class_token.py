"""A learned token before the others."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer


class ClassToken(nn.Cell):
    """Prepend a learned token, whose output a classifier reads: ``Select(0)`` selects it.

    Maps (batch, tokens, size) to (batch, tokens + 1, size). Dosovitskiy et al., An image is worth 16x16 words,
    arXiv:2010.11929.

    Args:
        size: size of a token, the input's last axis.

    Raises:
        ValueError: ``size`` is not an integer of at least 1.

    Parameters:
        token: (1, 1, size), float32, zeros.
    """

    def __init__(self, size: int):
        super().__init__()
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"size must be an integer of at least 1, not {size!r}")
        self.size = size
        self.token = Parameter(initializer("zeros", (1, 1, size)))

    def construct(self, x: Tensor) -> Tensor:
        """Map (batch, tokens, size) to (batch, tokens + 1, size)."""
        first = ops.broadcast_to(self.token, (x.shape[0], 1, self.size))
        return ops.concat((first, x), 1)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    token = parameters["token"]
    return np.concatenate((np.repeat(token, len(x), axis=0), x), axis=1)
