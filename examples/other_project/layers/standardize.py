"""Signals of one loudness."""

from collections.abc import Mapping
from typing import Any

import mindspore
import numpy as np
from assembler import register
from mindspore import Tensor, nn, ops

EPSILON = 1e-6
"""What is added to the variance, in the square of the signal's unit: it keeps a silent signal finite."""


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + EPSILON)


@register(reference="layers.standardize.reference")
class Standardize(nn.Cell):
    """Each signal less its mean, over its standard deviation: how far a sensor is from the bearing does not count.

    Maps (..., samples) to the same shape and dtype; float16 is computed in float32. It has no parameters.
    """

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., samples) to (..., samples)."""
        wide = x.astype(mindspore.float32) if x.dtype == mindspore.float16 else x
        centred = wide - ops.mean(wide, -1, True)
        variance = ops.mean(ops.square(centred), -1, True)
        return (centred / ops.sqrt(variance + EPSILON)).astype(x.dtype)
