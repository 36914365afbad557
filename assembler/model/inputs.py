"""The inputs of a model: a recipe's ``input`` as a spec, and as a tensor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from assembler.errors import Place, SettingsError
from assembler.files import require_file
from assembler.language.recipe import leaves
from assembler.planning.specs import Spec, Specs
from assembler.settings import Dtype, Input, RecipeSettings
from assembler.validation import read

if TYPE_CHECKING:
    import numpy as np
    from mindspore import Tensor

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
else:
    Array = Any  # checks are registered without NumPy, which takes an eighth of the time of `validate` to import

Inputs: TypeAlias = "tuple[Tensor, ...]"
"""The inputs of a model."""


def input_specs(recipe: RecipeSettings, dtype: Dtype) -> Specs:
    """Shape and dtype of a recipe's input; a tuple if there are several.

    Raises:
        SettingsError: as ``input_spec``.
    """
    specs = tuple(input_spec(said, dtype, key) for key, said in _inputs(recipe))
    return specs[0] if recipe.input is not None else specs


def make_inputs(recipe: RecipeSettings, dtype: Dtype, seed: int) -> tuple[Tensor, ...]:
    """The input tensors.

    Raises:
        SettingsError: as ``make_input``.
    """
    return tuple(make_input(said, dtype, seed + index, key) for index, (key, said) in enumerate(_inputs(recipe)))


def _inputs(recipe: RecipeSettings) -> list[tuple[str, Input]]:
    if recipe.input is not None:
        return [("recipe.input", recipe.input)]
    return [(f"recipe.inputs.{name}", said) for name, said in recipe.inputs.items()]


def batch_of(specs: Specs) -> int:
    """The batch size of a recipe's inputs: the size of their first axes, which must be equal.

    Raises:
        SettingsError: they differ.
    """
    sizes = {spec.shape[0] for spec in (leaves(specs) if isinstance(specs, tuple) else [specs])}
    if len(sizes) > 1:
        said = f"the inputs need one batch size, but their first axes are {' and '.join(map(str, sorted(sizes)))}"
        raise SettingsError(said, Place(key="recipe.inputs"))
    return int(sizes.pop())


def with_batch(recipe: RecipeSettings, batch: int, key: str) -> RecipeSettings:
    """The recipe with another size of the first axis of every input.

    Samples are drawn with that size; explicit values are cut, or their rows repeated.

    Args:
        key: configuration key of the size, for messages.

    Raises:
        SettingsError: the inputs would have too many elements.
    """
    inputs = {name: _with_batch(said, batch, key) for name, said in recipe.all_inputs.items()}
    return recipe.model_copy(update={"input": inputs["input"]} if recipe.input is not None else {"inputs": inputs})


def _with_batch(said: Input, batch: int, key: str) -> Input:
    import numpy as np

    shape = said.shape if said.values is None else _values(said, key).shape
    assert shape is not None
    changed = {**said.model_dump(), "shape": [batch, *shape[1:]]}
    if said.values is not None:
        changed["values"] = np.resize(_values(said, key), (batch, *shape[1:])).tolist()
    return read(Input, changed, key)


def input_spec(said: Input, dtype: Dtype, key: str = "recipe.input") -> Spec:
    """Shape and dtype of the input, without allocating it.

    Args:
        dtype: the run's dtype, the default of the input's.
        key: configuration key of the input, for messages.

    Raises:
        SettingsError: the values are not a regular array of numbers, or do not have the given shape.
    """
    shape = said.shape if said.values is None else _values(said, key).shape
    assert shape is not None
    integers = said.sample == "integers" and said.values is None
    return Spec(shape, said.dtype or ("int32" if integers else dtype))


def make_input(said: Input, dtype: Dtype, seed: int, key: str = "recipe.input") -> Tensor:
    """The input tensor: the values, or a sample drawn with ``seed``.

    Raises:
        SettingsError: as ``input_spec``, and for a sample that does not fit into memory.
    """
    import numpy as np
    from mindspore import Tensor

    from assembler.runtime.device import as_dtype

    spec = input_spec(said, dtype, key)
    values = _sample(said, spec.shape, seed, key) if said.values is None else _values(said, key)
    with np.errstate(over="ignore"):
        return Tensor(values.astype("float32" if spec.dtype == "bfloat16" else spec.dtype), as_dtype(spec.dtype))


def _sample(said: Input, shape: tuple[int, ...], seed: int, key: str) -> Array:
    import numpy as np

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
        raise SettingsError(f"the input cannot be made: {error}", Place(key=key)) from None


def _values(said: Input, key: str) -> Array:
    place = Place(key=f"{key}.values")
    try:
        values = numbers(said.values)
    except SettingsError as mistake:
        mistake.place = place
        raise
    if values.ndim == 0 or values.size == 0:
        raise SettingsError("the values are not a list of numbers", place)
    if said.shape is not None and values.shape != said.shape:
        message = f"the values have shape {list(values.shape)}, not {list(said.shape)}"
        raise SettingsError(message, Place(key=f"{key}.shape"))
    return values


def load_array(file: Path) -> Array:
    """The array in a .npy file, memory-mapped.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it cannot be read, or is not numeric. Pickled objects are not loaded.
    """
    import numpy as np

    try:
        array = np.load(require_file(file), mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise
    except ValueError:
        raise
    except (EOFError, OSError) as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # NumPy's reader raises any exception for a bad header
        raise ValueError(f"not a .npy file: {type(error).__name__}: {error}") from None
    if isinstance(array, np.lib.npyio.NpzFile):
        array.close()
        raise ValueError("it contains several arrays, as .npz files do")
    if array.dtype.kind not in "iufbc":
        raise ValueError("it does not contain one array of numbers")
    return array


def numbers(values: Any) -> Array:
    """Numbers from YAML as an array.

    Raises:
        SettingsError: they are not numbers in lists of equal length.
    """
    import numpy as np

    try:
        array = np.asarray(values)
        if array.dtype.kind in "iufb":
            return array
    except (ValueError, OverflowError):
        pass
    raise SettingsError("the values are not numbers in lists of equal length")
