"""Images resized by a factor."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops

_MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact")


class Interpolate(nn.Cell):
    """Resize by a factor: ``Interpolate(2)`` maps (N, C, H, W) to (N, C, 2 H, 2 W).

    Maps (N, C, …) to (N, C, …) with all sizes behind the channels multiplied by the factor and rounded down.

    Args:
        factor: the factor, or one for each axis behind the channels.
        mode: as of ``mindspore.ops.interpolate``: ``nearest``, ``linear`` (of one axis), ``bilinear`` and ``bicubic``
            (of two), ``trilinear`` (of three), ``area``, ``nearest-exact``.
        align_corners: whether the values in the corners stay as they are, in the modes named after curves.

    Raises:
        TypeError: a factor is not a number.
        ValueError: a factor is not positive or not finite, or there is no such mode.
    """

    def __init__(
        self,
        factor: float | tuple[float, ...] | list[float],
        mode: str = "nearest",
        align_corners: bool | None = None,
    ):
        super().__init__()
        self.factors = tuple(factor) if isinstance(factor, tuple | list) else (factor,)
        if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in self.factors):
            raise TypeError(f"factor must be a number or a tuple of numbers, not {factor!r}")
        if not all(0 < one < np.inf for one in self.factors) or not self.factors:
            raise ValueError(f"factor must be positive and finite, not {factor!r}")
        if mode not in _MODES:
            raise ValueError(f"mode must be one of {', '.join(_MODES)}, not {mode!r}")
        self.mode = mode
        self.align_corners = align_corners

    def construct(self, x: Tensor) -> Tensor:
        """Map (N, C, …) to (N, C, …)."""
        sizes = x.shape[2:]
        factors = self.factors * len(sizes) if len(self.factors) == 1 else self.factors
        if len(factors) != len(sizes):
            raise ValueError("Interpolate: give one factor, or one for each axis behind the channels")
        size = tuple([int(factor * n) for factor, n in zip(factors, sizes)])  # noqa: B905 - Graph mode knows no strict
        return ops.interpolate(x, size=size, mode=self.mode, align_corners=self.align_corners)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy: the mode ``nearest``."""
    if arguments["mode"] != "nearest":
        raise NotImplementedError(f"mode={arguments['mode']!r}")
    factor = arguments["factor"]
    factors = factor if isinstance(factor, tuple | list) else (factor,) * (x.ndim - 2)
    for axis, one in enumerate(factors, 2):
        size = int(x.shape[axis] * one)
        x = x.take(np.arange(size) * x.shape[axis] // size, axis=axis)
    return x
