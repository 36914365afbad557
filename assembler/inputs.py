"""What goes into a model: a recipe's ``input`` as a spec, and as the tensor itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from mindspore import Tensor

from assembler.device import as_dtype
from assembler.errors import Place, SettingsError
from assembler.rows import Spec
from assembler.settings import Dtype, Input

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def input_spec(said: Input, dtype: Dtype) -> Spec:
    """Shape and dtype of the input, of which nothing is allocated.

    Args:
        dtype: of the run; the input's unless it says otherwise.

    Raises:
        SettingsError: the values are not a regular array of numbers, or not of the stated shape.
    """
    shape = said.shape if said.values is None else _values(said).shape
    assert shape is not None
    integers = said.sample == "integers" and said.values is None
    return Spec(shape, said.dtype or ("int32" if integers else dtype))


def make_input(said: Input, dtype: Dtype, seed: int) -> Tensor:
    """The tensor that goes in: the values, or a sample drawn from ``seed``.

    Raises:
        SettingsError: as ``input_spec``, and a sample that does not fit into memory.
    """
    spec = input_spec(said, dtype)
    values = _sample(said, spec.shape, seed) if said.values is None else _values(said)
    with np.errstate(over="ignore"):
        return Tensor(values.astype("float32" if spec.dtype == "bfloat16" else spec.dtype), as_dtype(spec.dtype))


def _sample(said: Input, shape: tuple[int, ...], seed: int) -> Array:
    low, high = said.low, 1 if said.high is None else said.high
    generator = np.random.default_rng(seed)
    draw: dict[str, Callable[[tuple[int, ...]], Array]] = {
        "uniform": lambda shape: generator.uniform(low, high, shape),
        "normal": generator.standard_normal,
        "integers": lambda shape: generator.integers(int(low), int(high), shape),
        "zeros": np.zeros,
        "ones": np.ones,
    }
    try:
        return draw[said.sample](shape)
    except (MemoryError, OverflowError) as error:
        raise SettingsError(f"the input cannot be made: {error}", Place(key="recipe.input")) from None


def _values(said: Input) -> Array:
    place = Place(key="recipe.input.values")
    try:
        values = numbers(said.values)
    except SettingsError as mistake:
        mistake.place = place
        raise
    if values.ndim == 0 or values.size == 0:
        raise SettingsError("the values are not a list of numbers", place)
    if said.shape is not None and values.shape != said.shape:
        message = f"the values have shape {list(values.shape)}, not {list(said.shape)}"
        raise SettingsError(message, Place(key="recipe.input.shape"))
    return values


def numbers(values: Any) -> Array:
    """Numbers written in YAML as an array.

    Raises:
        SettingsError: they are not numbers in lists of equal length.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind in "iufb":
            return array
    except (ValueError, OverflowError):
        pass
    raise SettingsError("the values are not numbers in lists of equal length")
