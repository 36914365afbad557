"""A constant factor."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn


class Scale(nn.Cell):
    """Multiply by a constant, which training does not change: ``Scale(0.5)``.

    Maps any shape to the same shape and has no parameters.

    Args:
        by: the factor.

    Raises:
        TypeError: ``by`` is not a number.
    """

    def __init__(self, by: float):
        super().__init__()
        if not isinstance(by, int | float):
            raise TypeError(f"by must be a number, not {by!r}")
        self.by = float(by)

    def construct(self, x: Tensor) -> Tensor:
        """Map any shape to the same shape."""
        return x * self.by


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return x * arguments["by"]
