"""Several tensors for a layer that takes them as one tuple."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mindspore import Tensor, nn


class Together(nn.Cell):
    """Pass several inputs to a Cell as one tuple, as heads of detectors require.

    Maps any tensors that ``inner`` accepts as a tuple to the output of ``inner``.

    Args:
        inner: the Cell.

    Raises:
        TypeError: ``inner`` is not a Cell.
    """

    def __init__(self, inner: nn.Cell):
        super().__init__()
        if not isinstance(inner, nn.Cell):
            raise TypeError(f"inner must be a Cell, not {type(inner).__name__}")
        self.inner = inner

    def construct(self, *inputs: Tensor) -> Any:
        """Map x, y, … to inner((x, y, …))."""
        return self.inner(inputs)


def reference(
    x: Sequence[np.ndarray], parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Callable[..., np.ndarray]]
) -> np.ndarray:
    """The same in NumPy; x is all of the inputs, and ``inner`` a function of them."""
    return arguments["inner"](x)
