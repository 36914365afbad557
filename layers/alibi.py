"""Scores that fall with the distance between two tokens."""

from collections.abc import Mapping
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops


class ALiBi(nn.Cell):
    """-slope × distance, with a slope for each head: the ``positions`` of ``Attention`` in BLOOM.

    Maps the position of each key minus that of each query, (queries, keys), int32, to (heads, queries, keys), float32,
    and has no parameters. The slopes of a power of 2 of heads n are 2^(-8 / n), 2^(-16 / n), …, 2^-8. Another number
    of heads takes those of the next lower power, and then every other one of the next higher. Press et al., Train
    short, test long, arXiv:2108.12409.

    Args:
        heads: how many heads.

    Raises:
        ValueError: ``heads`` is not an integer of at least 1.
    """

    def __init__(self, heads: int):
        super().__init__()
        if type(heads) is not int or heads < 1:
            raise ValueError(f"heads must be an integer of at least 1, not {heads!r}")
        self.heads = heads
        self.slopes = Tensor(_slopes(heads).reshape(heads, 1, 1), mindspore.float32)

    def construct(self, distances: Tensor) -> Tensor:
        """Map (queries, keys) to (heads, queries, keys)."""
        return -self.slopes * ops.abs(distances).astype(mindspore.float32)


def _slopes(heads: int) -> np.ndarray:
    lower = 2 ** (heads.bit_length() - 1)
    slopes = 2.0 ** (-8 / lower * np.arange(1, lower + 1))
    others = 2.0 ** (-4 / lower * np.arange(1, 2 * (heads - lower), 2))
    return np.concatenate((slopes, others))


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return -_slopes(arguments["heads"])[:, None, None] * np.abs(x)
