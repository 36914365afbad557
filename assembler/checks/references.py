"""MindSpore's layers in NumPy, for the ``reference`` check. Each takes (x, parameters, arguments).

``arguments`` contains every argument of the layer, including defaults; layers among them are functions of an array.
A function raises NotImplementedError for arguments that it does not support.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Parameters: TypeAlias = Mapping[str, Array]
Arguments: TypeAlias = Mapping[str, Any]


def identity(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """x itself."""
    return x


def relu(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0)


def sigmoid(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """1 / (1 + exp(-x)), written so that no exponential overflows."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def tanh(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


def silu(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """x sigmoid(x)."""
    return x * sigmoid(x, parameters, arguments)


def gelu(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """x Φ(x), or its tanh approximation (Hendrycks and Gimpel, arXiv:1606.08415)."""
    if arguments.get("approximate", True):
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def softmax(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """exp(x) / Σ exp(x) along ``axis``."""
    axis = arguments.get("axis", -1)
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


_ACTIVATIONS = {"relu": relu, "sigmoid": sigmoid, "tanh": tanh, "gelu": gelu, "softmax": softmax, "silu": silu}


def dense(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """x Wᵀ + b, then the activation. W is (out_channels, in_channels)."""
    y = x @ parameters["weight"].T
    if arguments["has_bias"]:
        y = y + parameters["bias"]
    activation = arguments["activation"]
    if activation is None:
        return y
    if callable(activation):
        return activation(y)
    if activation not in _ACTIVATIONS:
        raise NotImplementedError(f"activation={activation!r}")
    return _ACTIVATIONS[activation](y, {}, {})


def embedding(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """The rows of the table (vocab_size, embedding_size) that x counts."""
    return parameters["embedding_table"][x]


def flatten(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """Join the axes from ``start_dim`` to ``end_dim``."""
    start, end = (axis % x.ndim for axis in (arguments["start_dim"], arguments["end_dim"]))
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


def conv2d(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """Cross-correlation of (N, C, H, W) with (out_channels, C / group, height, width)."""
    if arguments["data_format"] != "NCHW":
        raise NotImplementedError(f"data_format={arguments['data_format']!r}")
    weight, group = parameters["weight"], arguments["group"]
    seen = _windows(x, weight.shape[2:], arguments, fill=0)
    groups = zip(np.split(seen, group, axis=1), np.split(weight, group), strict=True)
    y = np.concatenate([np.einsum("nchwij,ocij->nohw", part, kernel) for part, kernel in groups], axis=1)
    return y + parameters["bias"][:, None, None] if arguments["has_bias"] else y


def max_pool2d(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """The largest of each window of (N, C, H, W)."""
    return _pool(x, arguments, fill=-np.inf).max(axis=(-2, -1))


def avg_pool2d(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """The mean of each window of (N, C, H, W)."""
    if arguments["pad_mode"] != "valid" or arguments["divisor_override"] is not None:
        raise NotImplementedError(f"pad_mode={arguments['pad_mode']!r} or divisor_override")
    return _pool(x, arguments, fill=0).mean(axis=(-2, -1))


def _pool(x: Array, arguments: Arguments, fill: float) -> Array:
    if arguments["data_format"] != "NCHW" or arguments["ceil_mode"] or arguments.get("return_indices"):
        raise NotImplementedError("data_format, ceil_mode or return_indices other than the default")
    return _windows(x, _pair(arguments["kernel_size"]), arguments, fill)


def _windows(x: Array, kernel: tuple[int, ...], arguments: Arguments, fill: float) -> Array:
    """Every window of the last two axes: (N, C, H, W) → (N, C, H', W', height, width), padding done."""
    stride, dilation = _pair(arguments["stride"]), _pair(arguments.get("dilation", 1))
    spans = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    padding = _padding(x.shape[2:], spans, stride, arguments)
    x = np.pad(x, [(0, 0), (0, 0), *padding], constant_values=fill)
    seen = np.lib.stride_tricks.sliding_window_view(x, tuple(spans), axis=(2, 3))  # type: ignore[call-overload]
    return seen[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def _padding(
    sizes: tuple[int, ...], spans: list[int], stride: tuple[int, ...], arguments: Arguments
) -> list[tuple[int, int]]:
    mode, padding = arguments["pad_mode"].lower(), arguments["padding"]
    if mode == "valid":
        return [(0, 0), (0, 0)]
    if mode == "pad":
        four = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
        four = (four[0], four[0], four[1], four[1]) if len(four) == 2 else four
        return [(four[0], four[1]), (four[2], four[3])]
    needed = [
        max((math.ceil(size / step) - 1) * step + span - size, 0)
        for size, span, step in zip(sizes, spans, stride, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in needed]  # "same": the odd one goes to the end


def _pair(value: Any) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value)


Reference: TypeAlias = Callable[[Array, Parameters, Arguments], Array]


# ---- functions of mindspore.ops; of several outputs, the first


def clamp(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """x, but not below ``min`` and not above ``max``."""
    return np.clip(x, arguments["min"], arguments["max"])


def sum_along(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """The sum along axes."""
    return x.sum(axis=_axes(arguments["dim"]), keepdims=arguments["keepdim"])


def max_along(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """The largest number along axes."""
    return x.max(axis=_axes(arguments["axis"]), keepdims=arguments["keepdims"])


def min_along(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """The smallest number along axes."""
    return x.min(axis=_axes(arguments["axis"]), keepdims=arguments["keepdims"])


def topk(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """The ``k`` largest or smallest numbers along an axis, in order."""
    axis = -1 if arguments["dim"] is None else arguments["dim"]
    ordered = np.sort(x, axis=axis)
    return (np.flip(ordered, axis) if arguments["largest"] else ordered).take(range(arguments["k"]), axis=axis)


def split(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """The first part along an axis."""
    sizes = arguments["split_size_or_sections"]
    return x.take(range(sizes if isinstance(sizes, int) else sizes[0]), axis=arguments["axis"])


def squeeze(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """x without those of the axes that have the size 1."""
    axes = np.atleast_1d(arguments["axis"])
    return x.squeeze(tuple(axis for axis in axes if x.shape[axis] == 1))


def expand_dims(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """x with one more axis, of size 1."""
    return np.expand_dims(x, arguments["axis"])


def tile(x: Array, parameters: Parameters, arguments: Arguments) -> Array:
    """x several times along each axis."""
    return np.tile(x, arguments["dims"])


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis
