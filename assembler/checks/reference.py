"""Whether the model agrees with NumPy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from assembler.binding.structure import Step, Steps, map_steps, walk
from assembler.checks.base import check
from assembler.errors import NOWHERE
from assembler.model.inputs import Array
from assembler.model.subject import DoesNotApply, Outcome, Subject, difference, largest
from assembler.registry.entries import TRUSTED, reference_at
from assembler.registry.registry import said_by_project, trusted_for_recipes

if TYPE_CHECKING:
    from mindspore import nn


@check
def reference(
    subject: Subject,
    input_array: Array,
    output: Array,
    function: str | None = None,
    rtol: float | None = None,
) -> Outcome:
    """Whether the output agrees with NumPy in float64. Measured: the largest difference.

    ``function`` names a reference for the whole model, a function (x, parameters, arguments) in a package that the
    project trusts; otherwise every layer of the recipe needs a ``reference`` in its registry entry. The bound is
    ``rtol`` times the largest magnitude of NumPy's output, or by default 128 roundings, more for long sums, at the
    largest magnitude of any layer's output.
    """
    import numpy as np

    layers = (step for step in walk(subject.planned.steps) if step.chain is None)
    missing = sorted({step.layer.name for step in layers if step.entry.reference is None})
    if missing and function is None:
        raise DoesNotApply(f"no NumPy reference is registered for {', '.join(missing)}")
    from assembler.runtime.device import as_array

    cells = subject.cells
    try:
        if function is None:
            wanted = _chain(subject.planned.steps, cells=cells)(_wide(input_array))
        else:
            called = reference_at(function, _trusted(subject.planned.steps), NOWHERE)
            parameters = {one.name: _wide(as_array(one)) for one in subject.model.get_parameters()}
            wanted = np.asarray(called(_wide(input_array), parameters, {}))
    except NotImplementedError as error:
        raise DoesNotApply(f"the NumPy reference does not cover {error}") from None
    bound = subject.tolerance(128) if rtol is None else rtol * largest(wanted)
    apart = difference([output], [wanted])
    return Outcome("reference", apart <= bound, apart, bound, "against NumPy in float64", relation="<=")


def _trusted(steps: Steps) -> set[str]:
    """The packages whose functions may be named: those that a registry adds to the defaults, and the project's."""
    of_registries = [step.entry.trusted for step in walk(steps) if step.entry.trusted[: len(TRUSTED)] == TRUSTED]
    return {
        *(name for names in of_registries for name in names[len(TRUSTED) :]),
        *trusted_for_recipes(said_by_project()),
    }


def _wide(array: Array) -> Array:
    import numpy as np

    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _chain(steps: Steps, cells: Mapping[str, nn.Cell]) -> Callable[[Array], Array]:
    """The NumPy function of a chain of layers."""
    parts = [_layer(step, cells) for step in steps]

    def run(x: Array) -> Array:
        for part in parts:
            x = part(x)
        return x

    return run


def _layer(step: Step, cells: Mapping[str, nn.Cell]) -> Callable[[Array], Array]:
    import numpy as np

    function = step.entry.reference_function
    if step.chain is not None and function is None:
        return _chain(step.chain, cells)
    if function is None:
        raise NotImplementedError(step.layer.name)
    values = {
        name: step.arguments.get(name, parameter.default)
        for name, parameter in step.entry.parameters.items()
        if name in step.arguments or parameter.default is not inspect.Parameter.empty
    }
    values |= {name: step.extra for name, one in step.entry.parameters.items() if one.kind is one.VAR_POSITIONAL}
    arguments = {name: map_steps(value, partial(_chain, cells=cells)) for name, value in values.items()}
    parameters = _parameters(cells[step.path])
    return lambda x: np.asarray(function(x, parameters, arguments))


def _parameters(cell: nn.Cell) -> dict[str, Array]:
    """A Cell's parameters by where they are inside it, whatever their names are in the model."""
    from assembler.model.precision import plain_path
    from assembler.runtime.device import as_array

    return {plain_path(path): _wide(as_array(parameter)) for path, parameter in cell.parameters_and_names()}
