"""Which layer of a built model raised."""

from __future__ import annotations

from typing import Any

from mindspore import nn

from assembler import device
from assembler.binding import Step, steps_in
from assembler.cells import first_line, is_ours
from assembler.checks.base import Subject
from assembler.errors import AssemblerError, DeviceError, LayerFault
from assembler.rows import Row


def blame(subject: Subject, error: Exception) -> AssemblerError:
    """Tell a failed forward pass by the layer that raised.

    The pass is made once more in PyNative mode with hooks that note which Cells were entered and not left. If it does
    not fail there, only the compilation for Graph mode does, and the model as a whole is named.
    """
    row = _culprit(subject)
    if row is None:
        said = f"the model runs in PyNative mode, but Graph mode refuses it: {first_line(error)}"
        return LayerFault(said) if subject.mode == "graph" else LayerFault(f"the model raised {first_line(error)}")
    step = _step_of(subject, row)
    if is_ours(step):
        return DeviceError(f"{row} cannot run on this device: {first_line(error)}", step.layer.place)
    return LayerFault(f"{row} raised {type(error).__name__}: {str(error).strip()}", step.layer.place)


def _culprit(subject: Subject) -> Row | None:
    """The innermost layer of the plan that raises in PyNative mode."""
    rows = {row.path: row for row in subject.planned.rows}
    entered: list[str] = []
    handles: list[Any] = []
    for path, cell in subject.model.cells_and_names():
        if path in rows:
            handles += _watch(cell, path, entered)
    try:
        with device.mode("pynative"):
            subject.model(subject.input)
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


def _step_of(subject: Subject, row: Row) -> Step:
    """The step whose text is the row's: the top-level one of its path, or one of the layers inside it."""
    index, *inner = row.path.split(".")
    step = subject.planned.steps[int(index)]
    if not inner:
        return step
    candidates = [step]
    while candidates:
        step = candidates.pop(0)
        if step.layer.name == row.layer and step.arguments_text() == row.arguments:
            return step
        candidates += [inside for steps in steps_in(step) for inside in steps]
    return subject.planned.steps[int(index)]
