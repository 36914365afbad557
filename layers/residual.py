"""A layer around other layers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn


class Residual(nn.Cell):
    """inner(x) + shortcut(x), where the shortcut is x itself unless a Cell is given.

    Maps any shape that ``inner`` accepts to ``inner``'s output shape, which the shortcut's must equal or broadcast to.

    Args:
        inner: the Cell on the main path.
        shortcut: a Cell on the other path, such as a projection; None passes x unchanged.

    Raises:
        TypeError: one of them is not a Cell.
    """

    def __init__(self, inner: nn.Cell, shortcut: nn.Cell | None = None):
        super().__init__()
        for name, cell in (("inner", inner), ("shortcut", shortcut)):
            if not isinstance(cell, nn.Cell) and not (name == "shortcut" and cell is None):
                raise TypeError(f"{name} must be a Cell, not {type(cell).__name__}")
        self.inner = inner
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def construct(self, x: Tensor) -> Tensor:
        """Map an input of ``inner`` to the shape of its output."""
        return self.inner(x) + self.shortcut(x)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy; ``inner`` and ``shortcut`` are functions of an array here."""
    shortcut = arguments["shortcut"]
    return arguments["inner"](x) + (x if shortcut is None else shortcut(x))
