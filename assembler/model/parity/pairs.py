"""Which Cell is which module: those whose parameters were assigned to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from mindspore import nn

from assembler.layers.mixture_of_experts import MixtureOfExperts
from assembler.layers.relative_bias import RelativeBias
from assembler.model import naming
from assembler.model.inputs import Array
from assembler.model.parity.calls import Call
from assembler.model.parity.paths import first_paths
from assembler.runtime import device

if TYPE_CHECKING:
    import torch.nn


@dataclass(frozen=True, slots=True)
class Pair:
    """A Cell and what it is in the PyTorch module.

    Args:
        here: path of the Cell.
        there: paths of modules whose outputs, joined along the features, are the Cell's: one, or those that it fuses.
        rows: the part of the features that is the Cell's; None is all of them.
        axis: of the features in the outputs there.
        is_bias: whether the Cell is a RelativeBias. It gets distances, and the Embedding there numbers of buckets, so
            that only outputs can be compared.
    """

    here: str
    there: tuple[str, ...]
    rows: tuple[int, int] | None = None
    axis: int = -1
    is_bias: bool = False

    def outputs(self, calls: Sequence[Call]) -> Sequence[Array]:
        """What the Cell should emit, from one call of each module."""
        if self.is_bias:
            return (np.moveaxis(calls[0].outputs[0], -1, 0),)  # (queries, keys, heads) there
        if len(calls) == 1 and self.rows is None:
            return calls[0].outputs
        joined = np.concatenate([call.outputs[0] for call in calls], self.axis)
        return (joined if self.rows is None else joined.take(range(*self.rows), self.axis),)


def pairs_of(
    mapping: naming.NameMapping, cells: Mapping[str, nn.Cell], modules: Mapping[str, torch.nn.Module]
) -> dict[str, Pair]:
    """The pairs by the paths of Cells.

    Args:
        mapping: the assignment of the module's tensors.
        cells, modules: by path.
    """
    found: dict[str, Pair] = {}
    one_path = first_paths(modules)
    for one in mapping.assignments:
        here = one.target.rpartition(".")[0]
        owners = [source.rpartition(".")[0] for source in one.sources]
        if one.transform.expert is not None:  # of all experts, which are one module
            continue
        if here in cells and all(path in modules and not list(modules[path].children()) for path in owners):
            there = tuple(one_path[id(modules[path])] for path in owners)
            is_bias = isinstance(cells[here], RelativeBias)
            found.setdefault(here, Pair(here, there, one.transform.rows, _axis(modules[owners[0]]), is_bias))
    for path, module in modules.items():
        is_attention = type(module).__name__ == "MultiheadAttention"  # it never calls the layer in it
        if is_attention and one_path[id(module)] == path and (here := _cell_of(path, mapping, cells)):
            found[here] = Pair(here, (path,))
    for here, cell in cells.items():
        if isinstance(cell, MixtureOfExperts) and (path := _router_of(cell, modules)):
            found = {name: pair for name, pair in found.items() if not name.startswith(f"{here}.")}
            found[here] = Pair(here, (path.rpartition(".")[0],))  # experts there get a part of the tokens
    return found


def _router_of(cell: MixtureOfExperts, modules: Mapping[str, torch.nn.Module]) -> str:
    """The module with the values of a router, because modules of transformers are not named as in its files."""
    own = device.as_array(cell.router.weight)
    weights = ((path, dict(module.named_parameters(recurse=False)).get("weight")) for path, module in modules.items())
    return next((path for path, one in weights if one is not None and np.array_equal(own, one.numpy(force=True))), "")


def _axis(module: torch.nn.Module) -> int:
    """The axis of the features: the second in convolutions, otherwise the last."""
    weight = getattr(module, "weight", None)
    return 1 if weight is not None and weight.ndim > 2 else -1


def _cell_of(path: str, mapping: naming.NameMapping, cells: Mapping[str, nn.Cell]) -> str:
    """The innermost Cell, other than the model, with the parameters of a module and of the modules in it."""
    prefix = f"{path}." if path else ""
    targets = {one.target for one in mapping.assignments if any(name.startswith(prefix) for name in one.sources)}
    fitting = [name for name, cell in cells.items() if name and {p.name for p in cell.get_parameters()} == targets]
    return max(fitting, key=len, default="")
