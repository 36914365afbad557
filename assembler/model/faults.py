"""Which layer of a built model raised."""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path
from typing import Any

from mindspore import nn

from assembler.binding.structure import Step, walk
from assembler.errors import AssemblerError, DeviceError, LayerFault, RecipeError, ShapeMismatch
from assembler.files import short
from assembler.model.subject import Subject
from assembler.planning.cells import is_ours, takes_several
from assembler.planning.plan import Row
from assembler.planning.specs import print_specs
from assembler.planning.tensors import tensors_for
from assembler.runtime import device
from assembler.runtime.messages import lacks_kernel, reason, refused_line, refused_syntax, without_stack


def blame(subject: Subject, error: Exception) -> AssemblerError:
    """The error of a failed forward pass, with the layer that raised it.

    The pass is repeated in PyNative mode with hooks that record which Cells were entered and not left. If it does not
    fail there, the compilation for Graph mode has failed, and each layer is compiled alone to find the cause.
    """
    row = _culprit(subject)
    if row is None:
        if subject.mode == "graph":
            return _refused_by_graph_mode(subject, error)
        return LayerFault(f"the model raised {reason(error)}, but not when called again")
    step = _step_of(row, subject)
    if not is_ours(step.entry.implementation):
        return LayerFault(f"{row} raised {type(error).__name__}: {without_stack(error)}", row.place)
    if lacks_kernel(error):
        return DeviceError(f"{row} cannot run on this device: {reason(error)}", row.place)
    return ShapeMismatch(f"{row} does not accept {print_specs(row.input)}: {reason(error)}", row.place)


def _step_of(row: Row, subject: Subject) -> Step:
    return next(step for step in walk(subject.planned.steps) if step.path == row.path)


def _refused_by_graph_mode(subject: Subject, error: Exception) -> AssemblerError:
    """The layer that cannot be compiled, with its source line."""
    cells = subject.cells
    refused = [(row, said) for row in subject.planned.rows if (said := _compile(row, cells.get(row.path)))]
    inner = subject.planned.innermost([row for row, _ in refused])  # a layer around a refused one is refused, too
    if not inner:
        return RecipeError(f"the model runs in PyNative mode, but Graph mode refuses it: {reason(error)}")
    row, said = next(one for one in refused if one[0] is inner[0])
    where = _line_of(said, type(cells[row.path]))
    return RecipeError(f"{row} runs in PyNative mode, but Graph mode refuses it{where}: {reason(said)}", row.place)


def _compile(row: Row, cell: nn.Cell | None) -> Exception | None:
    """The error of Graph mode for one layer alone, if any."""
    if cell is None or row.input == ():
        return None
    given = tensors_for(row.input, real=True)
    several = isinstance(given, tuple) and takes_several(type(cell))
    try:
        with device.mode("graph"), device.contained():
            cell(*given) if several else cell(given)
    except Exception as error:
        return error
    return None


def _line_of(error: Exception, cell: type[nn.Cell]) -> str:
    """The line of a layer's source that the graph compiler reports, if it reports one."""
    try:
        file = inspect.getsourcefile(cell) or ""
        lines, first = inspect.getsourcelines(cell)
    except (OSError, TypeError):
        return ""
    number = refused_line(error, file)
    if syntax := refused_syntax(error):
        tree = ast.walk(ast.parse(textwrap.dedent("".join(lines))))
        fitting = (getattr(one, "lineno", 1) for one in tree if type(one).__name__ == syntax)
        number = next((first + line - 1 for line in fitting), number)
    if number is None or not first <= number < first + len(lines):
        return ""
    return f" at {short(Path(file))}:{number}, `{lines[number - first].strip()}`"


def _culprit(subject: Subject) -> Row | None:
    """The innermost layer of the plan that raises in PyNative mode."""
    rows = {row.path: row for row in subject.planned.rows}
    entered: list[str] = []
    handles: list[Any] = []
    for path, cell in subject.cells.items():
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
