"""Spectra in a few bands."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer


def triangles(bins: int, bands: int) -> np.ndarray:
    """Weights (bins, bands) of overlapping triangles, evenly spaced; those of a band sum to 1."""
    centres = np.linspace(0, bins - 1, bands)
    spacing = (bins - 1) / (bands - 1)
    weights = np.maximum(0, 1 - np.abs(np.arange(bins)[:, None] - centres) / spacing)
    return weights / weights.sum(axis=0)


class Bands(nn.Cell):
    """The weighted mean of a spectrum in each of several overlapping bands, and a gain for each band.

    Maps (..., bins) to (..., bands), in the same dtype.

    Args:
        bins: size of the input's last axis.
        bands: how many.

    Raises:
        ValueError: ``bands`` is not an integer from 2 to ``bins``.

    Parameters:
        gain: (bands,), float32, ones.
    """

    def __init__(self, bins: int, bands: int):
        super().__init__()
        if not isinstance(bands, int) or not 2 <= bands <= bins:
            raise ValueError(f"bands must be an integer from 2 to {bins}, the number of bins, not {bands!r}")
        self.weights = Tensor(triangles(bins, bands))
        self.gain = Parameter(initializer("ones", (bands,)))

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., bins) to (..., bands)."""
        return (ops.matmul(x, self.weights.astype(x.dtype)) * self.gain).astype(x.dtype)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return x @ triangles(x.shape[-1], arguments["bands"]) * parameters["gain"]
