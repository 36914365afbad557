"""A function of tensors as a layer."""

from collections.abc import Callable
from typing import Any

from mindspore import Tensor, nn


class Operator(nn.Cell):
    """Call a function such as ``mindspore.ops.exp``: ``Operator(ops.clamp, min=0, max=6)`` maps x to clamp(x, 0, 6).

    Maps what the function maps, and has no parameters.

    Args:
        function: the function. Its first arguments are the tensors.
        arguments: its other arguments, by name.

    Raises:
        TypeError: ``function`` cannot be called.
    """

    def __init__(self, function: Callable[..., Any], /, **arguments: Any):
        super().__init__()
        if not callable(function):
            raise TypeError(f"function must be a function, not {function!r}")
        self.function = function
        self.arguments = arguments

    def extend_repr(self) -> str:
        """The function and its arguments, for ``print(model)``."""
        named = (f"{name}={value!r}" for name, value in self.arguments.items())
        return ", ".join([getattr(self.function, "__name__", "function"), *named])

    def construct(self, *inputs: Tensor) -> Any:
        """Map x, y, … to function(x, y, …, **arguments)."""
        return self.function(*inputs, **self.arguments)
