"""Cells one after the other that all take the same further inputs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mindspore import nn


class Turns(nn.Cell):
    """Run Cells of several inputs one after the other, such as the layers of a decoder, which all look at one memory.

    ``Turns(a, b)`` maps x, memory to b(a(x, memory), memory). What a Cell emits takes the place of the first input of
    the next one; a tuple of k values that of the first k inputs. All Cells get the other inputs as they are.

    Args:
        turns: the Cells, at least one.

    Raises:
        TypeError: one of them is not a Cell.
        ValueError: there is none; or they are called with one tensor.

    Parameters:
        0, 1, …: those of the Cells.
    """

    def __init__(self, *turns: nn.Cell):
        super().__init__()
        if not turns:
            raise ValueError("Turns needs at least one Cell")
        for index, turn in enumerate(turns):
            if not isinstance(turn, nn.Cell):
                raise TypeError(f"turn {index} must be a Cell, not {type(turn).__name__}")
            self.insert_child_to_cell(str(index), turn)
        self.turns = turns

    def construct(self, *inputs: Any) -> Any:
        """Map the inputs of the first Cell, or one tuple of them, to what the last one emits."""
        given = inputs[0] if len(inputs) == 1 else inputs
        if not isinstance(given, tuple):  # a tensor would be taken apart along the batch
            raise ValueError("Turns takes several inputs: Turns(A) @ (x, memory)")
        emitted = self.turns[0](*given)
        for turn in self.turns[1:]:
            values = emitted if isinstance(emitted, tuple) else (emitted,)
            emitted = turn(*values, *given[len(values) :])
        return emitted


def reference(
    x: Sequence[np.ndarray], parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Sequence[Callable[..., Any]]]
) -> Any:
    """The same in NumPy; x is all of the inputs, and ``turns`` are functions of them."""
    first, *others = arguments["turns"]
    emitted = first(x)
    for turn in others:
        values = emitted if isinstance(emitted, tuple) else (emitted,)
        emitted = turn((*values, *x[len(values) :]))
    return emitted
