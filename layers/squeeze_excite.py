"""Channels scaled by factors computed from the whole image."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class SqueezeExcite(nn.Cell):
    """x · gate(expand(activation(reduce(mean of each channel)))): a factor for each channel of each image.

    Maps (N, channels, H, W) to the same shape. Hu et al., Squeeze-and-excitation networks, arXiv:1709.01507.

    Args:
        channels: size of axis 1.
        reduced: size in between, a sixteenth of the channels in SENet.
        activation: the Cell in between; None is ``nn.ReLU``.
        gate: the Cell that the factors come from; None is ``nn.Sigmoid``.

    Raises:
        ValueError: a size is not an integer of at least 1.
        TypeError: ``activation`` or ``gate`` is not a Cell.

    Parameters:
        reduce.weight: (reduced, channels), float32, as ``nn.Dense`` draws it. Networks that write a 1 × 1 convolution
            here store the same numbers as (reduced, channels, 1, 1).
        reduce.bias: (reduced,), float32, the same.
        expand.weight: (channels, reduced), float32, the same.
        expand.bias: (channels,), float32, the same.
        activation, gate: those of the Cells, if any.
    """

    def __init__(self, channels: int, reduced: int, activation: nn.Cell | None = None, gate: nn.Cell | None = None):
        super().__init__()
        if not all(isinstance(number, int) and number >= 1 for number in (channels, reduced)):
            raise ValueError(f"channels and reduced must be integers of at least 1, not {channels!r} and {reduced!r}")
        for name, cell in (("activation", activation), ("gate", gate)):
            if cell is not None and not isinstance(cell, nn.Cell):
                raise TypeError(f"{name} must be a Cell, not {type(cell).__name__}")
        self.channels = channels
        self.reduced = reduced
        self.reduce = nn.Dense(channels, reduced)
        self.activation = nn.ReLU() if activation is None else activation
        self.expand = nn.Dense(reduced, channels)
        self.gate = nn.Sigmoid() if gate is None else gate

    def construct(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, channels, H, W)."""
        factors = self.gate(self.expand(self.activation(self.reduce(ops.mean(x, (2, 3))))))
        return x * ops.reshape(factors, (-1, self.channels, 1, 1))


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy; ``activation`` and ``gate`` are functions of an array here."""
    activation, gate = arguments["activation"], arguments["gate"]
    y = x.mean(axis=(2, 3)) @ parameters["reduce.weight"].T + parameters["reduce.bias"]
    y = np.maximum(y, 0) if activation is None else activation(y)
    y = y @ parameters["expand.weight"].T + parameters["expand.bias"]
    y = 0.5 * (1 + np.tanh(y / 2)) if gate is None else gate(y)
    return x * y[:, :, None, None]
