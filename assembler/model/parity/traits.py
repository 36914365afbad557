"""What a Cell and a PyTorch module were made with, where it decides what they compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mindspore import nn

from assembler.binding.structure import walk
from assembler.language.recipe import print_value
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


def differences(here: Made, there: torch.nn.Module) -> Iterator[str]:
    """What differs, each with what to write."""
    name, other = type(here.cell).__name__, type(there).__name__
    if NAMES[PYTORCH].get(other, other) != name and not list(here.cell.get_parameters()):
        yield f"it is {name} here and {other} there; write {NAMES[PYTORCH].get(other, other)}"
        return
    yield from _padding(here, there)
    yield from _approximation(here, there)
    for argument, names in SAME_NAMES.items():
        value = here.get(argument)
        wanted = next((getattr(there, one) for one in names.split() if hasattr(there, one)), None)
        if value is not None and wanted is not None and _plain(value, wanted) != _plain(wanted, value):
            said = print_value(_plain(wanted, value))
            yield f"{argument} is {print_value(_plain(value, wanted))} here and {said} there; write {argument}={said}"


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
    if mode is None or wanted is None:
        return
    filled = getattr(there, "padding_mode", "zeros")
    if filled != "zeros":
        yield f"the padding is zeros here and {filled} there; write a layer such as ReflectionPad2d before it"
    wanted = 0 if wanted == "valid" else _plain(wanted, wanted)
    padding = {"valid": 0, "pad": here.get("padding")}.get(str(mode).lower(), "same")
    padding = _plain(padding, padding)
    if padding == wanted or padding is None:
        return
    write = "pad_mode='valid'" if wanted == 0 else f"pad_mode='pad', padding={print_value(wanted)}"
    side = ""
    if padding == "same" and _plain(getattr(there, "stride", 1), 1) != 1:
        side = ", and 'same' pads more at the end than at the start"
    yield f"padding is {print_value(padding)} here and {print_value(wanted)} there{side}; write {write}"


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


def _is_of_mindspore_nn(cell: nn.Cell) -> bool:
    return type(cell).__module__.startswith("mindspore.nn.") and "BatchNorm" in type(cell).__name__
