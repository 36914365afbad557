"""The spectrum of a signal, in logarithms."""

from collections.abc import Mapping
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops


class LogSpectrum(nn.Cell):
    """log(|X_k|² / n + floor) of a signal of n samples, for the bins k = 0, 1, …, n // 2 of its Fourier transform X.

    Maps (..., n) to (..., n // 2 + 1), in the same dtype; float16 is computed in float32. With a sampling rate of f
    hertz, bin k is the frequency k f / n. It has no parameters.

    Args:
        floor: the power below which nothing is told apart, in the square of the signal's unit.

    Raises:
        ValueError: ``floor`` is not a number above 0.
    """

    def __init__(self, floor: float = 0.01):
        super().__init__()
        if not isinstance(floor, int | float) or not floor > 0:
            raise ValueError(f"floor must be a number above 0, not {floor!r}")
        self.floor = floor

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., n) to (..., n // 2 + 1)."""
        wide = x.astype(mindspore.float32) if x.dtype == mindspore.float16 else x
        spectrum = ops.rfft(wide)
        power = (ops.square(ops.real(spectrum)) + ops.square(ops.imag(spectrum))) / x.shape[-1]
        return ops.log(power + self.floor).astype(x.dtype)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return np.log(np.abs(np.fft.rfft(x)) ** 2 / x.shape[-1] + arguments["floor"])
