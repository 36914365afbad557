"""What a Cell and a PyTorch module were made with, where it decides what they compute."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mindspore import nn

from assembler.binding.structure import walk
from assembler.language.recipe import print_value
from assembler.layers.attention import Attention
from assembler.layers.mixture_of_experts import MixtureOfExperts
from assembler.layers.relative_bias import RelativeBias
from assembler.planning.plan import Plan
from assembler.registry.frameworks import NAMES, PYTORCH

if TYPE_CHECKING:
    import torch.nn

SAME_NAMES = {
    "stride": "stride",
    "dilation": "dilation",
    "kernel_size": "kernel_size",
    "group": "groups",
    "num_groups": "num_groups",
    "eps": "eps",
    "epsilon": "eps variance_epsilon epsilon",
    "alpha": "negative_slope alpha",
    "start_dim": "start_dim",
    "end_dim": "end_dim",
    "ceil_mode": "ceil_mode",
    "count_include_pad": "count_include_pad",
    "mode": "mode",
    "align_corners": "align_corners",
    "bidirectional": "bidirectional",
    "num_layers": "num_layers",
    "heads": "num_heads",
    "axis": "dim",
    "output_size": "output_size",
}
"""An argument in a recipe → attributes of PyTorch's modules that are the same."""

WITHIN: Mapping[type[nn.Cell], Mapping[str, str]] = {
    Attention: {
        "heads": "num_heads num_attention_heads n_heads",
        "kv_heads": "num_key_value_heads",
        "rotary": "rope_theta",
        "window": "sliding_window",
        "scale": "scaling",
        "causal": "is_causal",
    },
    RelativeBias: {
        "buckets": "relative_attention_num_buckets",
        "max_distance": "relative_attention_max_distance",
        "causal": "is_causal",
    },
    MixtureOfExperts: {"top": "top_k num_experts_per_tok"},
}
"""Of Cells that compute more than layers in them do: an attribute → those of modules, or of their ``config``."""

ALWAYS = {"rope_type": "default", "partial_rotary_factor": 1.0, "attn_logit_softcapping": None}
"""What attention can be in transformers and is not here → the value there of what is here."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a Cell was made with.

    Args:
        cell: the Cell.
        arguments: those that the plan knows, with defaults.
    """

    cell: nn.Cell
    arguments: Mapping[str, Any]

    def get(self, name: str) -> Any:
        """An argument, or an attribute; None if there is none."""
        return self.arguments[name] if name in self.arguments else getattr(self.cell, name, None)


def made_with(planned: Plan, path: str, cell: nn.Cell) -> Made:
    """What a Cell was made with, from the plan if it is a layer there."""
    step = next((step for step in walk(planned.steps) if step.path == path), None)
    if step is None:
        return Made(cell, {})
    known = {name: one.default for name, one in step.entry.parameters.items() if one.default is not one.empty}
    return Made(cell, known | dict(step.arguments))


def differences(here: Made, there: torch.nn.Module, ndim: int = 0) -> Iterator[str]:
    """What differs, each with what to write.

    Args:
        ndim: the number of axes of the input, if it is known.
    """
    name, other = type(here.cell).__name__, type(there).__name__
    if not is_one_layer(here, there) and not list(here.cell.get_parameters()):
        if type(there).__module__.startswith("torch.nn."):  # others have no name in a recipe
            yield f"it is {name} here and {other} there; write {NAMES[PYTORCH].get(other, other)}"
        return
    yield from _padding(here, there)
    yield from _approximation(here, there)
    for argument, names in SAME_NAMES.items():
        value = here.get(argument)
        wanted = next((getattr(there, one) for one in names.split() if hasattr(there, one)), None)
        if argument == "axis" and ndim and isinstance(value, int) and isinstance(wanted, int):
            wanted = value if value % ndim == wanted % ndim else wanted
        if value is not None and wanted is not None and _plain(value, wanted) != _plain(wanted, value):
            yield _write(argument, _plain(value, wanted), _plain(wanted, value))


def is_one_layer(here: Made, there: torch.nn.Module) -> bool:
    """Whether a Cell has the name that the module's class has in a recipe."""
    other = type(there).__name__
    return NAMES[PYTORCH].get(other, other) == type(here.cell).__name__


def computes_as_its_class(module: torch.nn.Module) -> bool:
    """Whether a module computes what a class of PyTorch does; a subclass may do more in its own ``forward``."""
    return str(getattr(type(module).forward, "__module__", "")).startswith("torch.nn.")


def differences_within(cell: nn.Cell, there: Sequence[torch.nn.Module]) -> dict[str, str]:
    """What differs in a Cell that computes more than the layers in it do: argument → that, with what to write.

    Args:
        there: a module and those around it, the innermost first.
    """
    found: dict[str, str] = {}
    for argument, names in WITHIN.get(type(cell), {}).items():
        value = getattr(cell, argument)
        for wanted in islice(_values(there, names.split()), 1):
            if not _is_same(value, wanted):
                found[argument] = _write(argument, value, wanted)
    if "heads" in found:
        found.pop("scale", None)  # by default it follows from them
    for name, value in ALWAYS.items() if isinstance(cell, Attention) else ():
        for wanted in islice(_values(there, [name]), 1):
            if wanted != value:
                found[name] = (
                    f"{name} is {print_value(wanted)} there; {type(cell).__name__} has {print_value(value)} only"
                )
    return found


def _values(there: Sequence[torch.nn.Module], names: Sequence[str]) -> Iterator[Any]:
    """The attributes of some names, of modules and of their configurations."""
    for module in there:
        config = getattr(module, "config", None)
        rope = getattr(config, "rope_parameters", None)
        known = [vars(module), getattr(config, "__dict__", {}), rope if isinstance(rope, Mapping) else {}]
        found = (some[name] for some in known for name in names if name in some)
        yield from (one for one in found if one is None or isinstance(one, bool | int | float | str))


def _is_same(value: Any, wanted: Any) -> bool:
    if isinstance(value, float) and isinstance(wanted, int | float):
        return math.isclose(value, wanted)
    return bool(value == wanted)


def _write(argument: str, value: Any, wanted: Any) -> str:
    said = print_value(wanted)
    return f"{argument} is {print_value(value)} here and {said} there; write {argument}={said}"


def _plain(value: Any, other: Any) -> Any:
    """A value without what only one of the two frameworks adds: ``(1, 2)`` of a Conv1d and ``(2, 2)`` are 2."""
    if isinstance(value, tuple | list):
        length = len(other) if isinstance(other, tuple | list) else len(value)
        value = tuple(value)[-length:]
        return value[0] if len(set(value)) == 1 else value
    return value


def _padding(here: Made, there: torch.nn.Module) -> Iterator[str]:
    """Padding: how much, on which side, and of what."""
    mode, wanted = here.get("pad_mode"), getattr(there, "padding", None)
    if mode is None or wanted is None or not computes_as_its_class(there):  # it may pad in its own way
        return
    filled = getattr(there, "padding_mode", "zeros")
    if filled != "zeros":
        layer = {"reflect": "ReflectionPad2d", "replicate": "ReplicationPad2d"}.get(filled)
        write = f"write a layer such as {layer} before it" if layer else "no layer has this padding"
        yield f"the padding is zeros here and {filled} there; {write}"
    wanted = 0 if wanted == "valid" else _plain(wanted, wanted)
    padding = {"valid": 0, "pad": here.get("padding")}.get(str(mode).lower(), "same")
    padding = _plain(padding, padding)
    if padding == wanted or padding is None or (padding == "same" and _is_same_size(there)):
        return
    write = "pad_mode='valid'" if wanted == 0 else f"pad_mode='pad', padding={print_value(wanted)}"
    side = ""
    if padding == "same" and _plain(getattr(there, "stride", 1), 1) != 1:
        side = ", and 'same' pads more at the end than at the start"
    yield f"padding is {print_value(padding)} here and {print_value(wanted)} there{side}; write {write}"


def _is_same_size(there: torch.nn.Module) -> bool:
    """Whether a module pads as ``same`` does: equally at both ends, so that sizes stay."""
    names = ("kernel_size", "padding", "dilation", "stride")
    sizes = [getattr(there, name, 1) for name in names]
    if not all(isinstance(size, tuple) for size in sizes):
        return False
    return all(2 * pad == gap * (kernel - 1) and step == 1 for kernel, pad, gap, step in zip(*sizes, strict=True))


def _approximation(here: Made, there: torch.nn.Module) -> Iterator[str]:
    """GELU by tanh, or by the error function."""
    value, wanted = here.get("approximate"), getattr(there, "approximate", None)
    if value is None or wanted is None or (value in (True, "tanh")) == (wanted == "tanh"):
        return
    kinds = ("exact (erf)", "approximate (tanh)")
    here_is, there_is = kinds if wanted == "tanh" else kinds[::-1]
    yield f"GELU is {here_is} here and {there_is} there; write approximate={wanted == 'tanh'}"


def training_notes(here: Made, there: torch.nn.Module) -> Iterator[str]:
    """What differs in training only, and cannot be seen in outputs of inference."""
    value, wanted = getattr(here.cell, "momentum", None), getattr(there, "momentum", None)
    if value is None or wanted is None or not _is_of_mindspore_nn(here.cell) or abs(value - wanted) < 1e-9:
        return
    yield f"momentum is {1 - value:.6g} here and {1 - wanted:.6g} there (1 - {wanted:.6g}); it shows in training only"


def length_notes(cell: nn.Cell, there: Sequence[torch.nn.Module]) -> Iterator[str]:
    """What differs and needs more tokens than a sample has that shows no difference."""
    found = differences_within(cell, there)
    yield from (
        f"{found[name]}; the sample is too short to show it" for name in ("window", "max_distance") if name in found
    )


def _is_of_mindspore_nn(cell: nn.Cell) -> bool:
    return type(cell).__module__.startswith("mindspore.nn.") and "BatchNorm" in type(cell).__name__
