"""Examples of a batch that skip the layers in front."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class StochasticDepth(nn.Cell):
    """Set whole examples to zero with probability p in training, and scale the others by 1 / (1 - p).

    Maps any shape to the same; in inference it passes its input on. At the end of a residual branch, an example that
    is set to zero skips the branch. Huang et al., Deep networks with stochastic depth, arXiv:1603.09382; others call
    it DropPath.

    Args:
        p: probability, from 0 to below 1.

    Raises:
        ValueError: ``p`` is something else.
    """

    def __init__(self, p: float):
        super().__init__()
        if not isinstance(p, int | float) or not 0 <= p < 1:
            raise ValueError(f"p must be a number from 0 to below 1, not {p!r}")
        self.dropout = nn.Dropout(p=float(p))

    def construct(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return x * self.dropout(ops.ones((x.shape[0], *(1,) * (x.ndim - 1)), x.dtype))


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy, in inference."""
    return x
