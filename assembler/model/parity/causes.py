"""Why a layer differs: what it was made with differs, or another layer, tried on the recorded input, does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from mindspore import Tensor, nn

from assembler.language.recipe import print_value
from assembler.layers.mixture_of_experts import MixtureOfExperts
from assembler.layers.swiglu import SwiGLU
from assembler.model.inputs import Array
from assembler.model.parity.calls import Call, apart, call_model
from assembler.model.parity.segments import Segment
from assembler.model.parity.traits import Made, differences, differences_within, is_one_layer
from assembler.runtime import device

if TYPE_CHECKING:
    import torch.nn


def of_pair(here: Made, there: Sequence[torch.nn.Module], part: Segment, calls: Iterable[Call]) -> Iterator[str]:
    """Likely causes if a pair gets the same and emits something else.

    Args:
        there: the module and those around it, the innermost first.
        calls: those of modules without parameters in it.
    """
    found = list(dict.fromkeys([*differences(here, there[0]), *of_within(here.cell, there, part, calls)]))
    yield from found
    if not found:
        yield from _transposed(here, part)


def of_within(cell: nn.Cell, there: Sequence[torch.nn.Module], part: Segment, calls: Iterable[Call]) -> Iterator[str]:
    """Likely causes within a Cell that computes more than the layers in it do.

    Args:
        there: a module and those around it, the innermost first.
        calls: those of modules without parameters in it.
    """
    found = list(differences_within(cell, there).values())
    yield from found or _other_gate(cell, part, calls)


def _other_gate(cell: nn.Cell, part: Segment, calls: Iterable[Call]) -> Iterator[str]:
    """Whether the module calls another activation than SiLU, which some Cells apply as a function."""
    if not isinstance(cell, SwiGLU | MixtureOfExperts):
        return
    for call in changing(calls):
        if not _are_floats(call.inputs):
            continue
        tried = {name: function(call.inputs[0]) for name, function in _activations().items()}
        name = next((name for name, output in tried.items() if _is_within(output, call.outputs, part)), "")
        if name not in ("", "SiLU"):
            yield f"it applies SiLU here and {name} there; {type(cell).__name__} has no other activation"
        if name:
            return


def _transposed(here: Made, part: Segment) -> Iterator[str]:
    """Whether the layer computes the same with its square weight transposed."""
    weight, bias = here.get("weight"), here.get("bias")
    if weight is None or weight.ndim != 2 or weight.shape[0] != weight.shape[1] or part.pair is None:
        return
    output = part.here.inputs[0] @ device.as_array(weight)
    output = output if bias is None else output + device.as_array(bias)
    if _is_within(output, part.pair.outputs(part.there), part):
        yield "the weight is transposed; a Linear has (outputs, inputs), and Conv1D of transformers (inputs, outputs)"


def changing(calls: Iterable[Call]) -> list[Call]:
    """The calls that changed values."""
    return [call for call in calls if not call.is_identity]


def first_apart(part: Segment) -> tuple[Call, Call] | None:
    """The first of the calls between two pairs that differs here and there; None if they do not correspond."""
    for one, other in _both(part):
        if not _is_within(one.outputs[0], other.outputs, part):
            # Where they get something else, or only one of them moves values, they are not the same layer.
            is_one = _is_within(one.inputs[0], other.inputs, part) and _only_moves(one) == _only_moves(other)
            return (one, other) if is_one else None
    return None


def _both(part: Segment) -> list[tuple[Call, Call]]:
    """The calls between two pairs that change values, here and there; none if they do not correspond."""
    here, there = (
        [call for call in changing(calls) if call.inputs and call.outputs]  # others get or emit no tensor, as ``len``
        for calls in (part.between, part.between_there)
    )
    return list(zip(here, there, strict=True)) if len(here) == len(there) else []


def _only_moves(call: Call) -> bool:
    """Whether a call changed the order of values alone, as Permute does."""
    before, after = call.inputs[0], call.outputs[0]
    return before.size == after.size and np.array_equal(np.sort(before, axis=None), np.sort(after, axis=None))


def unseen(
    made: Mapping[str, Made], modules: Mapping[str, torch.nn.Module], part: Segment
) -> Iterator[tuple[str, str]]:
    """What differs between two pairs that agree: the path of a Cell, and what it was made with."""
    calls = part.between, part.between_there
    both = zip(*calls, strict=True) if len(calls[0]) == len(calls[1]) else _both(part)
    for one, other in both:
        here, there, given = made[one.path], modules[other.path], one.inputs[0]
        if not _is_within(given, other.inputs, part):
            return
        # Pooling to one size is alike, and so is all that passes values on, such as Dropout.
        changes = given.shape == one.outputs[0].shape and not (one.is_identity or other.is_identity)
        if changes or is_one_layer(here, there):
            yield from ((one.path, said) for said in differences(here, there, given.ndim))


def of_between(made: Mapping[str, Made], modules: Mapping[str, torch.nn.Module], part: Segment) -> Iterator[str]:
    """Likely causes if what is between two pairs differs.

    Args:
        made: what the Cells between them were made with, those that change values.
        modules: of PyTorch by path.
    """
    if not_alike := list(_not_alike(part)):
        yield from not_alike
        return
    if other_shape := list(_other_shape(part)):
        yield from other_shape
        if all(_is_within(here, [there], part) for here, there in _outputs(part)):
            return
    both, found = first_apart(part), list[str]()
    if both is not None:
        here, there = both
        ndim = here.inputs[0].ndim
        found = [f"#{here.path}: {said}" for said in differences(made[here.path], modules[there.path], ndim)]
    found = found or list(_other_activation(made, part))
    if both is not None and not found:
        name, other = type(made[both[0].path].cell).__name__, type(modules[both[1].path]).__name__
        found = [] if name == other else [f"#{both[0].path}: it is {name} here and {other} there"]
    yield from found


def _not_alike(part: Segment) -> Iterator[str]:
    """What shows without trying anything: other sizes, and what is not a number."""
    for here, there in zip(part.here.inputs, part.there[0].inputs, strict=False):
        if here.size != there.size:
            yield f"it is {print_value(here.shape)} here and {print_value(there.shape)} there"
        elif (count := np.isnan(there).sum()) != np.isnan(here).sum():
            yield f"{count} of {there.size} values there are not numbers (NaN)"


def _outputs(part: Segment) -> list[tuple[Array, Array]]:
    """The outputs of both models; none before the last segment."""
    return list(zip(part.here.inputs, part.there[0].inputs, strict=False)) if part.pair is None else []


def _other_shape(part: Segment) -> Iterator[str]:
    """Outputs of the model in another shape."""
    for here, there in _outputs(part):
        if here.shape != there.shape:
            values = ", with the same values" if _is_within(here, [there], part) else ""
            yield f"the output is {print_value(here.shape)} here and {print_value(there.shape)} there{values}"


def _other_activation(made: Mapping[str, Made], part: Segment) -> Iterator[str]:
    """Whether another activation, or one more, gives the input that the module got."""
    expected = part.there[0].inputs
    if not _are_floats(part.here.inputs):
        return  # indices are for a table, not for an activation
    calls = [call for call in part.between if call.path in made]
    for place, call in enumerate(calls):
        if [one.shape for one in call.inputs] != [one.shape for one in call.outputs] or not _are_floats(call.inputs):
            continue
        emitted = _after(call.outputs[0], calls[place:], made)
        if emitted is not None and _is_within(emitted, expected, part):
            return  # what follows is to blame
        for name, function in _activations().items():
            output = _after(function(call.inputs[0]), calls[place:], made)
            if output is not None and _is_within(output, expected, part):
                yield f"#{call.path} is {type(made[call.path].cell).__name__} here and {name} there; write {name}"
                return
    for name, function in _activations().items():
        if _is_within(function(part.here.inputs[0]), expected, part):
            yield f"{name} is applied there and not here; write it"
            return


def _are_floats(inputs: Sequence[Array]) -> bool:
    return bool(inputs) and all(one.dtype.kind == "f" for one in inputs)


def _after(value: Array, calls: list[Call], made: Mapping[str, Made]) -> Array | None:
    """What Cells emit after the first of them emitted a value; None if they do not follow one after the other."""
    for before, after in pairwise(calls):
        if not np.array_equal(before.outputs[0].reshape(-1), after.inputs[0].reshape(-1)):
            return None
    for call in calls[1:]:
        if len(call.inputs) != 1 or call.inputs[0].size != value.size:
            return None
        _, (value, *_) = call_model(made[call.path].cell, [Tensor(value.reshape(call.inputs[0].shape))], {})
    return value


def _is_within(output: Array, expected: Sequence[Array], part: Segment) -> bool:
    found = apart("output", [output], expected, part.arrays)
    return found is not None and found.difference is not None and not found.is_beyond


def _activations() -> dict[str, Callable[[Array], Array]]:
    """Activations as a recipe writes them → the same in PyTorch."""
    import torch
    from torch.nn import functional

    def of(function: Callable[..., Any], **options: Any) -> Callable[[Array], Array]:
        return lambda x: function(torch.from_numpy(x.copy()), **options).numpy()

    return {
        "ReLU": of(functional.relu),
        "GELU(approximate=False)": of(functional.gelu),
        "GELU(approximate=True)": of(functional.gelu, approximate="tanh"),
        "SiLU": of(functional.silu),
        "ReLU6": of(functional.relu6),
        "LeakyReLU(alpha=0.01)": of(functional.leaky_relu, negative_slope=0.01),
        "LeakyReLU(alpha=0.1)": of(functional.leaky_relu, negative_slope=0.1),
        "LeakyReLU(alpha=0.2)": of(functional.leaky_relu, negative_slope=0.2),
        "HSwish": of(functional.hardswish),
        "HSigmoid": of(functional.hardsigmoid),
        "Sigmoid": of(torch.sigmoid),
        "Tanh": of(torch.tanh),
        "ELU": of(functional.elu),
        "Mish": of(functional.mish),
        "SeLU": of(functional.selu),
        "Softmax": of(functional.softmax, dim=-1),
        "Identity": of(lambda x: x),
    }
