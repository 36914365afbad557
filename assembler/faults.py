"""Which layer of a built model raised."""

from __future__ import annotations

from typing import Any

from mindspore import nn

from assembler import device
from assembler.binding import walk
from assembler.cells import first_line, is_ours, lacks_kernel
from assembler.checks.base import Subject
from assembler.errors import AssemblerError, DeviceError, LayerFault, RecipeError, ShapeMismatch
from assembler.rows import Row, print_specs


def blame(subject: Subject, error: Exception) -> AssemblerError:
    """Tell a failed forward pass by the layer that raised.

    The pass is made once more in PyNative mode with hooks that note which Cells were entered and not left. If it does
    not fail there, only the compilation for Graph mode does, and the model as a whole is named.
    """
    row = _culprit(subject)
    if row is None:
        if subject.mode == "graph":
            return RecipeError(f"the model runs in PyNative mode, but Graph mode refuses it: {first_line(error)}")
        return LayerFault(f"the model raised {first_line(error)} once, and not again")
    step = next(step for step in walk(subject.planned.steps) if step.path == row.path)
    if not is_ours(step.entry.cell):
        return LayerFault(f"{row} raised {type(error).__name__}: {str(error).strip()}", row.place)
    if lacks_kernel(error):
        return DeviceError(f"{row} cannot run on this device: {first_line(error)}", row.place)
    return ShapeMismatch(f"{row} does not accept {print_specs(row.input)}: {first_line(error)}", row.place)


def _culprit(subject: Subject) -> Row | None:
    """The innermost layer of the plan that raises in PyNative mode."""
    rows = {row.path: row for row in subject.planned.rows}
    entered: list[str] = []
    handles: list[Any] = []
    for path, cell in subject.model.cells_and_names():
        if path in rows:
            handles += _watch(cell, path, entered)
    try:
        with device.mode("pynative"), device.contained():
            subject.model(*subject.inputs)
    except Exception:
        return rows[entered[-1]] if entered else None
    finally:
        for handle in handles:
            handle.remove()
    return None


def _watch(cell: nn.Cell, path: str, entered: list[str]) -> list[Any]:
    def enter(cell: nn.Cell, inputs: Any) -> None:
        entered.append(path)

    def leave(cell: nn.Cell, inputs: Any, output: Any) -> None:
        entered.remove(path)

    return [cell.register_forward_pre_hook(enter), cell.register_forward_hook(leave)]
