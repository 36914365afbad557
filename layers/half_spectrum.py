"""The half of a real signal's spectrum that determines the rest."""

from collections.abc import Mapping
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops


class HalfSpectrum(nn.Cell):
    """The leading half of the input's Fourier coefficients along the last axis, as real numbers.

    Maps (..., n) to (..., 2 m) with m = n // 2 + 1, in the input's dtype.

    The coefficients are X_k = Σ_t x_t exp(-2πi k t / n), unscaled, for k = 0, 1, …, n // 2. Those m are the half
    that carries everything: the input is real, so X_{n-k} is the complex conjugate of X_k and the input can be
    recovered from them. The output holds Re X_0, …, Re X_{m-1} and then Im X_0, …, Im X_{m-1}, so that a ``Dense``
    can follow. Im X_0 is always zero, and so is Im X_{n/2} for an even n.
    """

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., n) to (..., 2 (n // 2 + 1))."""
        wide = x.astype(mindspore.float32) if x.dtype == mindspore.float16 else x
        spectrum = ops.rfft(wide)
        return ops.concat((ops.real(spectrum), ops.imag(spectrum)), -1).astype(x.dtype)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    spectrum = np.fft.rfft(x)
    return np.concatenate((spectrum.real, spectrum.imag), axis=-1)
