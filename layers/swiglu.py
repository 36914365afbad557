"""The gated feed-forward layer of language models."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class SwiGLU(nn.Cell):
    """down(silu(gate(x)) up(x)), where silu(z) = z sigmoid(z).

    Maps (..., in_channels) to the same shape. Shazeer, GLU variants improve transformer, arXiv:2002.05202; the names
    are LLaMA's.

    Args:
        in_channels: size of the input's last axis, and of the output's.
        hidden: size in between.
        has_bias: whether the three layers add a bias.

    Raises:
        ValueError: a size is not an integer of at least 1.

    Parameters:
        gate.weight, up.weight: (hidden, in_channels), float32, as ``nn.Dense`` draws them.
        down.weight: (in_channels, hidden), float32, the same.
        gate.bias, up.bias, down.bias: (hidden,), (hidden,) and (in_channels,), float32, with ``has_bias`` alone.
    """

    def __init__(self, in_channels: int, hidden: int, has_bias: bool = False):
        super().__init__()
        if not all(isinstance(number, int) and number >= 1 for number in (in_channels, hidden)):
            raise ValueError(
                f"in_channels and hidden must be integers of at least 1, not {in_channels!r} and {hidden!r}"
            )
        self.in_channels = in_channels
        self.hidden = hidden
        self.has_bias = has_bias
        self.gate = nn.Dense(in_channels, hidden, has_bias=has_bias)
        self.up = nn.Dense(in_channels, hidden, has_bias=has_bias)
        self.down = nn.Dense(hidden, in_channels, has_bias=has_bias)

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., in_channels) to (..., in_channels)."""
        return self.down(ops.silu(self.gate(x)) * self.up(x))


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ parameters[f"{name}.weight"].T + parameters.get(f"{name}.bias", 0)

    gate = dense("gate", x)
    return dense("down", gate * 0.5 * (1 + np.tanh(gate / 2)) * dense("up", x))
