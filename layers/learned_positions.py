"""A learned vector for each position."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn
from mindspore.common.initializer import Normal, initializer


class LearnedPositions(nn.Cell):
    """Add a learned vector for each position, so that later layers can use the order of the tokens.

    Maps (..., tokens, size) to the same shape; an input with fewer tokens takes the table's first rows.

    Args:
        tokens: maximum number of tokens.
        size: size of a token, the input's last axis.

    Raises:
        ValueError: one of them is not an integer of at least 1.

    Parameters:
        table: (tokens, size), float32, drawn from a normal with deviation 0.02, as GPT-2 and ViT do.
    """

    def __init__(self, tokens: int, size: int):
        super().__init__()
        if not all(isinstance(number, int) and number >= 1 for number in (tokens, size)):
            raise ValueError(f"tokens and size must be integers of at least 1, not {tokens!r} and {size!r}")
        self.tokens = tokens
        self.size = size
        self.table = Parameter(initializer(Normal(sigma=0.02), (tokens, size)))

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., tokens, size) to (..., tokens, size)."""
        if x.shape[-2] > self.tokens:
            raise ValueError("LearnedPositions: the input has more tokens than the table")
        if x.shape[-1] != self.size:
            raise ValueError("LearnedPositions: the size of the input's last axis differs from the table's")
        return x + self.table[: x.shape[-2]]


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return x + parameters["table"][: x.shape[-2]]
