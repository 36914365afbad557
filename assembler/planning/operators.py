"""How operators run while a layer is planned.

Before one runs it is checked: indices are integers, and parameters are the model's own. A large product of zeros is not
computed, because it is zeros of a shape that the meta device knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import mindspore
from mindspore import Tensor

from assembler.errors import AssemblerError
from assembler.language.recipe import leaves
from assembler.planning.costs import RULES, SHARES
from assembler.planning.specs import Spec
from assembler.planning.tensors import specs_among, specs_of, tensors_for
from assembler.runtime.device import as_array
from assembler.runtime.internals import parameter_info
from assembler.runtime.meta_tensors import without_storage

# fmt: off
INDICES: Mapping[str, tuple[int, int | None]] = {
    "Gather": (1, 0), "Embedding": (0, 1), "EmbeddingLookup": (1, 0), "SparseGatherV2": (1, 0), "Take": (1, 0),
    "OneHot": (0, None), "OneHotExt": (0, None), "GatherD": (2, 0), "GatherNd": (1, 0), "IndexSelect": (2, 0),
    "EmbeddingFeatureMappingV2": (1, None), "TensorScatterUpdate": (1, 0), "IndexAdd": (1, 0), "ScatterNd": (0, None),
}
# fmt: on
"""Operators that take indices, by MindSpore's names: the positions of the indices, and of the tensor that they index.

MindSpore 2.10.0: the meta device and the graph compiler accept floats in most of them, and every device refuses them.
"""


class TakesIntegers(AssemblerError):
    """An operator gets floats as indices.

    Args:
        dtype: the dtype of the indices.
        high: how many entries there are to choose from, if that is known.
    """

    def __init__(self, dtype: str, high: int | None):
        super().__init__(f"takes integers as indices, not {dtype}")
        self.high = high

    def of_input(self, layer: str, input: Spec) -> str:
        """The message for a layer that gets the model's input: what to write instead."""
        high = "…" if self.high is None else self.high
        written = f"{{shape: {list(input.shape)}, sample: integers, high: {high}}}"
        return f"{layer} takes integers, and the input is {input.dtype}; write input: {written}"


class LostParameters(AssemblerError):
    """An operator uses parameters that the model does not have: they would be neither trained nor saved."""

    def __init__(self, operator: str):
        verb = "multiplies by" if operator in RULES else "uses"
        super().__init__(f"{verb} parameters that are not its own; keep layers in nn.CellList")


class Owned:
    """The parameters that a model may use.

    Args:
        parameters: its own.
        names: also any parameter of these names, for a model that is a copy of a part.
    """

    def __init__(self, parameters: Sequence[Tensor], names: Container[str] = ()):
        self._infos = [parameter_info(parameter) for parameter in parameters]  # alive, so that identities stay unique
        self._known = set(map(id, self._infos))
        self._names = names

    def has(self, tensor: Tensor) -> bool:
        """Whether a tensor is not a parameter, or is the model's own."""
        info = parameter_info(tensor)
        return info is None or id(info) in self._known or info.name in self._names


class Operators:
    """Runs the operators of one call.

    Args:
        owned: the parameters that they may use.
        real: whether they run for real, on zeros.
    """

    def __init__(self, owned: Owned, *, real: bool):
        self._owned = owned
        self._real = real

    def run(
        self,
        name: str,
        arguments: Sequence[Any],
        function: Callable[..., Any],
        given: Sequence[Any],
        named: Mapping[str, Any],
    ) -> Any:
        """Check and run an operator; see ``OperatorWatch.run``.

        Raises:
            TakesIntegers, LostParameters: about the layer that runs it, whose name the caller adds.
        """
        if name in INDICES:
            _check_indices(name, arguments)
        tensors = [leaf for leaf in leaves(list(arguments)) if isinstance(leaf, Tensor)]
        if not all(map(self._owned.has, tensors)):
            raise LostParameters(name)
        if not self._real and name in SHARES:
            given, named = without_storage(tuple(given)), {word: without_storage(one) for word, one in named.items()}
        if self._real and _is_large_product_of_zeros(name, tensors):
            try:
                return _product_of_zeros(function, given, named)
            except Exception:
                pass  # the meta device lacks it
        return function(*given, **named)


_LARGE = 2**14
"""Numbers that go into a product that is not computed."""


def _is_large_product_of_zeros(name: str, tensors: Sequence[Tensor]) -> bool:
    if name not in RULES or sum(math.prod(one.shape) for one in tensors) < _LARGE:
        return False
    enough = any if "MatMul" in name else all  # the others may add one of their operands
    return enough(not as_array(one).any() for one in tensors)


def _product_of_zeros(function: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """What a product emits that is zeros.

    Raises:
        Exception: the meta device cannot run it.
    """
    with mindspore.DeviceCtx("meta"):
        on_meta = tensors_for(specs_among([list(given), dict(named)]), real=False)
        specs = specs_of(function(*on_meta[0], **on_meta[1]))
    return tensors_for(specs, real=True)


def _check_indices(name: str, arguments: Sequence[Any]) -> None:
    position, source = INDICES[name]
    indices = arguments[position] if position < len(arguments) else None
    if not isinstance(indices, Tensor) or "float" not in str(indices.dtype).lower():
        return
    high = None
    if source is not None and isinstance(arguments[source], Tensor):
        high = arguments[source].shape[0]
    elif name.startswith("OneHot") and isinstance(arguments[1], int) and arguments[1] > 0:
        high = arguments[1]
    raise TakesIntegers(str(indices.dtype).lower(), high)
