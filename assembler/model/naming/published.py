"""A model's parameters as PyTorch stores them: by the mapping of a file that was loaded, or by their roles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from assembler.errors import ParameterError
from assembler.model.inputs import Array
from assembler.model.naming.mapping import Assignment, NameMapping
from assembler.model.naming.roles import ROLES
from assembler.model.naming.trees import Shape

if TYPE_CHECKING:
    from mindspore import nn


def owners(model: nn.Cell) -> dict[str, str]:
    """Parameter → class of the Cell that holds it."""
    return {
        parameter.name: type(cell).__name__
        for _, cell in model.cells_and_names()
        for parameter in cell.get_parameters(expand=False)
    }


def in_torch(
    values: Mapping[str, Array],
    owners: Mapping[str, str],
    mapping: NameMapping | None = None,
    shapes: Mapping[str, Shape] | None = None,
) -> dict[str, Array]:
    """The arrays of a file that PyTorch loads.

    Args:
        values: parameter → values.
        owners: parameter → class of the Cell that holds it.
        mapping: of the file that was loaded; None if there was none.
        shapes: name in that file → shape.

    Raises:
        ParameterError: two arrays would have one name, or the file was loaded in part.
    """
    found: dict[str, Array] = {}
    by_source: dict[str, list[Assignment]] = {}
    mapped = mapping.assignments if mapping else ()
    for one in mapped:
        for source in one.sources:
            by_source.setdefault(source, []).append(one)
    for source, some in by_source.items():
        found[source] = _source(source, some, values, shapes or {})
    for copy, used in mapping.equal if mapping else ():
        found[copy] = found[used]
    for name in sorted(values.keys() - {one.target for one in mapped}):
        published = _published(name, owners.get(name, ""))
        if published in found:
            said = (
                f"{name} of the model would be {published!r}, as another parameter is; give it a name by weights.rename"
            )
            raise ParameterError(said)
        found[published] = _as_there(values[name], owners.get(name, ""))
    return found


def _source(source: str, some: Sequence[Assignment], values: Mapping[str, Array], shapes: Mapping[str, Shape]) -> Array:
    """One array of the file, from the parameters that it was loaded into."""
    first = some[0]
    experts = {one.transform.expert for one in some if one.transform.expert is not None}
    if experts:  # below each other; their own axis is added at the end
        parts = [[one for one in some if one.transform.expert == expert] for expert in sorted(experts)]
        array = np.concatenate([_matrix(part, values) for part in parts])
    else:
        array = _matrix(some, values)
    if len(first.sources) > 1:
        low = sum(shapes[name][0] for name in first.sources[: first.sources.index(source)])
        array = array[low : low + shapes[source][0]]
    if array.shape != shapes[source] and array.size != math.prod(shapes[source]):
        raise ParameterError(f"{source} was loaded in part, so that a file with names of PyTorch lacks the rest of it")
    return array.reshape(shapes[source])


def _matrix(some: Sequence[Assignment], values: Mapping[str, Array]) -> Array:
    """One matrix of the file, from its rows."""
    array = values[some[0].target]
    if some[0].transform.rows:
        some = sorted(some, key=lambda one: one.transform.rows or (0, 0))
        array = np.concatenate([values[one.target] for one in some])
    return array.T if some[0].transform.transposed else array


def _published(name: str, owner: str) -> str:
    layer, _, last = name.rpartition(".")
    if owner == "PReLU" and last == "w":
        last = "weight"
    if "Norm" in owner or last == "embedding_table":
        last = ROLES.get(last, last)
    return f"{layer}.{last}" if layer else last


def _as_there(array: Array, owner: str) -> Array:
    """MindSpore's Conv1d is a Conv2d of height 1."""
    is_of_conv1d = owner in ("Conv1d", "Conv1dTranspose") and array.ndim == 4
    return array[:, :, 0, :] if is_of_conv1d else array
