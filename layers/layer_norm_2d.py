"""Layer normalisation of images."""

from collections.abc import Mapping
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer


class LayerNorm2d(nn.Cell):
    """γ (x - mean(x)) / sqrt(var(x) + ε) + β along the channels of each pixel, as in ConvNeXt.

    Maps (N, channels, H, W) to the same shape and dtype; float16 is computed in float32. It is ``nn.LayerNorm`` where
    the channels are axis 1. Ba et al., Layer normalization, arXiv:1607.06450; Liu et al., arXiv:2201.03545.

    Args:
        channels: size of axis 1.
        epsilon: ε, which keeps a pixel of equal channels finite.

    Raises:
        ValueError: ``channels`` is not an integer of at least 1, or ``epsilon`` is not a number above 0.

    Parameters:
        gamma: (channels,), float32, ones.
        beta: (channels,), float32, zeros.
    """

    def __init__(self, channels: int, epsilon: float = 1e-6):
        super().__init__()
        if not isinstance(channels, int) or channels < 1:
            raise ValueError(f"channels must be an integer of at least 1, not {channels!r}")
        if not isinstance(epsilon, int | float) or not epsilon > 0:
            raise ValueError(f"epsilon must be a number above 0, not {epsilon!r}")
        self.channels = channels
        self.epsilon = epsilon
        self.offset = Tensor(epsilon, mindspore.float64)  # a Python float would act as a float32
        self.gamma = Parameter(initializer("ones", (channels,)))
        self.beta = Parameter(initializer("zeros", (channels,)))

    def construct(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, channels, H, W)."""
        if x.shape[1] != self.channels:
            raise ValueError("LayerNorm2d: the input's channels, axis 1, differ from gamma's")
        wide = x if x.dtype == mindspore.float64 else x.astype(mindspore.float32)
        centred = wide - ops.mean(wide, 1, True)
        # By division, because MindSpore cannot write rsqrt to ONNX.
        root = ops.sqrt(ops.mean(ops.square(centred), 1, True) + self.offset.astype(wide.dtype))
        gamma = ops.reshape(self.gamma, (self.channels, 1, 1))
        beta = ops.reshape(self.beta, (self.channels, 1, 1))
        return (centred / root * gamma + beta).astype(x.dtype)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    gamma, beta = (parameters[name][:, None, None] for name in ("gamma", "beta"))
    mean, variance = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + arguments["epsilon"]) + beta
