"""The sum of several tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mindspore import Tensor, nn


class Add(nn.Cell):
    """The elementwise sum of two or more tensors, where several branches meet.

    Maps tensors of one shape, or of shapes that broadcast, to that shape.
    """

    def construct(self, *inputs: Tensor) -> Tensor:
        """Map tensors of one shape to the same shape."""
        if len(inputs) < 2:
            raise ValueError("Add takes two or more inputs")
        merged = inputs[0]
        for other in inputs[1:]:
            merged = merged + other
        return merged


def reference(
    x: Sequence[np.ndarray], parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]
) -> np.ndarray:
    """The same in NumPy; x is all of the inputs."""
    merged = x[0]
    for other in x[1:]:
        merged = merged + other
    return merged
