"""A range of positions of an axis."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class Slice(nn.Cell):
    """Keep a range of positions of an axis, as Python's slices do: ``Slice(0, 4)`` keeps the first four channels.

    Maps (…, n, …) to (…, m, …), where m is the number of positions kept.

    Args:
        start: the first position; negative ones count from the end, and None is the beginning.
        stop: the position after the last one; None is the end.
        step: the distance between positions.
        axis: the axis; 1 is the channels of (N, C, H, W), 0 the batch.

    Raises:
        TypeError: one of them is not an integer.
        ValueError: ``step`` is below 1.
    """

    def __init__(self, start: int | None = None, stop: int | None = None, step: int = 1, axis: int = 1):
        super().__init__()
        given = (one for one in (start, stop) if one is not None)
        if not all(type(one) is int for one in (*given, step, axis)):
            raise TypeError(f"start, stop, step and axis must be integers, not {(start, stop, step, axis)}")
        if step < 1:
            raise ValueError(f"step must be at least 1, not {step}")
        self.start = start
        self.stop = stop
        self.step = step
        self.axis = axis
        kept, everything = slice(start, stop), slice(None)
        self.place = (everything,) * axis + (kept,) if axis >= 0 else (..., kept, *(everything,) * (-1 - axis))

    def construct(self, x: Tensor) -> Tensor:
        """Map (…, n, …) to (…, m, …)."""
        if self.axis >= x.ndim or self.axis < -x.ndim:
            raise ValueError("Slice: the input has too few axes")
        positions = tuple(range(x.shape[self.axis]))[self.start : self.stop]
        if len(positions) == 0:
            raise ValueError("Slice: no position of the axis is in the range")
        kept = x[self.place]
        if self.step == 1:
            return kept
        # MindSpore 2.10 cannot differentiate a slice with a step on the CPU: "StridedSliceGrad, memory out of bounds".
        return ops.gather(kept, Tensor(tuple(range(0, len(positions), self.step))), self.axis)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    positions = range(x.shape[arguments["axis"]])[arguments["start"] : arguments["stop"] : arguments["step"]]
    return x.take(positions, axis=arguments["axis"])
