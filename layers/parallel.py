"""Several layers side by side."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops

MERGES = ("concat", "stack", "add", "multiply")


class Parallel(nn.Cell):
    """Run every branch on the same input and merge the outputs.

    Maps any shape that all branches accept to the branches' output shapes, merged: ``concat`` joins them along an
    axis that they have, ``stack`` along a new one; ``add`` and ``multiply`` work element by element and broadcast.

    Args:
        branches: the Cells, at least one. An ``nn.Identity`` passes the input on.
        merge: ``concat``, ``stack``, ``add`` or ``multiply``.
        axis: the axis to join along; 1 is the channels of (N, C, H, W). Sums and products ignore it.

    Raises:
        TypeError: a branch is not a Cell, or ``axis`` is not an integer.
        ValueError: there is no branch, or no such merge.

    Parameters:
        branches.0, branches.1, …: those of the branches.
    """

    def __init__(self, *branches: nn.Cell, merge: str = "concat", axis: int = 1):
        super().__init__()
        if not branches:
            raise ValueError("Parallel needs at least one branch")
        for index, branch in enumerate(branches):
            if not isinstance(branch, nn.Cell):
                raise TypeError(f"branch {index} must be a Cell, not {type(branch).__name__}")
        if merge not in MERGES:
            raise ValueError(f"merge must be one of {', '.join(MERGES)}, not {merge!r}")
        if not isinstance(axis, int):
            raise TypeError(f"axis must be an integer, not {axis!r}")
        self.branches = nn.CellList(list(branches))
        self.merge = merge
        self.axis = axis

    def construct(self, x: Tensor) -> Tensor:
        """Map an input that all branches accept to their merged outputs."""
        outputs = []
        for branch in self.branches:
            outputs.append(branch(x))
        if self.merge == "concat":
            return ops.concat(outputs, self.axis)
        if self.merge == "stack":
            return ops.stack(outputs, self.axis)
        merged = outputs[0]
        for output in outputs[1:]:
            merged = merged + output if self.merge == "add" else merged * output
        return merged


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy; the branches are functions of an array here."""
    outputs = [branch(x) for branch in arguments["branches"]]
    merge = arguments["merge"]
    if merge in ("add", "multiply"):
        merged = outputs[0]
        for output in outputs[1:]:
            merged = merged + output if merge == "add" else merged * output
        return merged
    join = np.concatenate if merge == "concat" else np.stack
    return join(outputs, axis=arguments["axis"])
