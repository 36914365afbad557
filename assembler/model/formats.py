"""A built model as files for other programs, each read back and compared with the model before it is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import mindspore
import numpy as np
from mindspore import Tensor, nn

from assembler.errors import AssemblerError, FormatError, Place, SettingsError, noted, raise_all
from assembler.files import discard, inside, move, temporary_folder
from assembler.language.recipe import print_value
from assembler.model.batches import first_to_fix, fixes_batch, planned_with
from assembler.model.inputs import Array, Inputs
from assembler.model.subject import Outcome, Subject, difference, tensors_in
from assembler.planning.plan import Row
from assembler.planning.specs import Spec, print_shape
from assembler.planning.tensors import tensors_for
from assembler.runtime import device, exits
from assembler.runtime.messages import operator_without_onnx, reason

Reader: TypeAlias = Callable[[Inputs], list[Array]]
"""A file that was read back: inputs → outputs, in the model's order."""

ROUNDINGS = 16
"""Roundings that a file may differ from the model, more for long sums; the check ``modes`` allows the same."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to write.

    Args:
        inputs: the inputs of the Cell.
        names: names of the inputs.
        batch: the size of the first axis of every input if that axis is dynamic, else None.
    """

    inputs: Inputs
    names: tuple[str, ...]
    batch: int | None = None

    @property
    def batches(self) -> list[int]:
        """The batch sizes to try besides the model's own: one, and another."""
        return [] if self.batch is None else [batch for batch in (1, self.batch + 1) if batch != self.batch]

    def opens(self, tensor: Tensor) -> bool:
        """Whether the first axis of a tensor is dynamic."""
        return self.batch is not None and tensor.shape[:1] == (self.batch,)

    def resized(self, batch: int) -> Inputs:
        """The inputs with another batch size: fewer rows, or rows repeated."""
        return tuple(_rows(tensor, batch) if self.opens(tensor) else tensor for tensor in self.inputs)


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    Args:
        name: as configured, and the suffix of its files.
        reads: the program that reads it back.
        needs: required packages.
        leaves: suffixes of its files.
    """

    name: str
    reads: str
    needs: tuple[str, ...]
    leaves: tuple[str, ...]
    write: Callable[[nn.Cell, Order, Path], None]
    read: Callable[[Path], Reader]

    def __str__(self) -> str:
        return self.name.upper()

    def said(self, order: Order) -> str:
        """The format's name in messages."""
        return str(self) if order.batch is None else f"{self} with an open batch"


def _rows(tensor: Tensor, count: int) -> Tensor:
    """The first rows of a tensor, repeated from the start if it has fewer."""
    return Tensor(np.resize(tensor.asnumpy(), (count, *tensor.shape[1:])), tensor.dtype)


def emitted(cell: nn.Cell, inputs: Inputs) -> list[Array]:
    """The outputs of a Cell, as arrays."""
    with device.mode("pynative"), device.contained():
        return [device.as_array(tensor) for tensor in tensors_in(cell(*inputs))]


# ---- MINDIR


def write_mindir(cell: nn.Cell, order: Order, path: Path) -> None:
    """Write MindSpore's own format. Above 1 GiB it is a folder of weights and a file that names them."""
    inputs = [
        Tensor(shape=(None, *tensor.shape[1:]), dtype=tensor.dtype) if order.opens(tensor) else tensor
        for tensor in order.inputs
    ]
    # MindSpore refuses paths with spaces and similar characters; it completes a name without folders itself.
    with device.exporting(), inside(path.parent):
        mindspore.export(cell, *inputs, file_name=path.name, file_format="MINDIR")


def read_mindir(path: Path) -> Reader:
    """Read a MINDIR file back into MindSpore."""
    split = path.with_name(f"{path.stem}_graph.mindir")
    with inside(path.parent):
        cell = nn.GraphCell(mindspore.load(split.name if split.exists() else path.name))

    def call(inputs: Inputs) -> list[Array]:
        with device.mode("graph"), device.contained():
            return [device.as_array(tensor) for tensor in tensors_in(cell(*inputs))]

    return call


# ---- ONNX


def write_onnx(cell: nn.Cell, order: Order, path: Path) -> None:
    """Write ONNX by MindSpore's exporter.

    Inputs get the names of the order; outputs are ``output``, or ``output0``, ``output1`` and so on.
    """
    write = import_module("mindspore.onnx").export
    axes = {name: {0: "batch"} for name, tensor in zip(order.names, order.inputs, strict=True) if order.opens(tensor)}
    with device.exporting(), inside(path.parent):
        write(cell, *order.inputs, file_name=path.name, input_names=list(order.names), dynamic_axes=axes)
    onnx = import_module("onnx")
    model = onnx.load(path, load_external_data=False)
    _open_outputs(model.graph, cell, order)
    _name_outputs(model.graph, order)
    onnx.save(model, path)


def _open_outputs(graph: Any, cell: nn.Cell, order: Order) -> None:
    """Make the sizes of outputs that depend on the batch dynamic: MindSpore writes those of the sample."""
    found = [[array.shape for array in emitted(cell, order.resized(batch))] for batch in order.batches]
    for output, *shapes in zip(graph.output, *found, strict=True):
        for axis, *sizes in zip(output.type.tensor_type.shape.dim, *shapes, strict=True):
            if sizes and sizes == order.batches:
                axis.dim_param = "batch"
            elif sizes and set(sizes) != {axis.dim_value}:
                axis.Clear()


def _name_outputs(graph: Any, order: Order) -> None:
    """Give outputs readable names. MindSpore's own option for this writes invalid files."""
    helper = import_module("onnx").helper
    for index, output in enumerate(graph.output):
        name = f"output{index}" if len(graph.output) > 1 else "output"
        while name in order.names:
            name += "_"
        graph.node.append(helper.make_node("Identity", [output.name], [name]))
        output.name = name


def read_onnx(path: Path) -> Reader:
    """Read an ONNX file with ONNX Runtime, on the CPU."""
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are also raised as exceptions
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def call(inputs: Inputs) -> list[Array]:
        return session.run(None, dict(zip(names, map(device.as_array, inputs), strict=True)))

    return call


FORMATS = {
    "mindir": Format("mindir", "MindSpore", (), (".mindir", "_graph.mindir", "_variables"), write_mindir, read_mindir),
    "onnx": Format("onnx", "ONNX Runtime", ("onnx", "onnxruntime"), (".onnx",), write_onnx, read_onnx),
}
"""Every format by name."""


def file_name(name: str) -> str:
    """A recipe's name as a file name, without a suffix."""
    return re.sub(r"[^0-9a-zA-Z_-]+", "_", name).strip("_") or "model"


def require(names: Sequence[str]) -> list[Format]:
    """The formats with these names, each once.

    Raises:
        SettingsError: a format's packages are not installed.
    """
    for name in names:
        if missing := [package for package in FORMATS[name].needs if find_spec(package) is None]:
            said = f"{FORMATS[name]} needs {' and '.join(missing)}, not installed: pip install 'assembler[{name}]'"
            raise SettingsError(said, Place(key="task.formats"))
    return [FORMATS[name] for name in dict.fromkeys(names)]


# ---- the whole


def export(
    subject: Subject, formats: Sequence[Format], folder: Path, name: str, order: Order
) -> tuple[list[Outcome], list[str]]:
    """Write a model in several formats, and keep the files that agree with the model when read back.

    No file is kept before all are written, so an exception leaves nothing new.

    Args:
        folder: where the files go. Existing files of these formats and this name are deleted.
        name: name of the files, without a suffix.
        order: what to write.

    Returns:
        One outcome per format: the largest difference, and its bound. And the files that were kept, as paths relative
        to the folder.

    Raises:
        FormatError, Mistakes: every layer that a format cannot store.
        SettingsError: the batch is dynamic, and the model does not run with another size, or an output does not follow
            the batch.
    """
    wanted = _wanted(subject, order)
    mistakes: list[AssemblerError] = []
    outcomes: list[Outcome] = []
    files: list[str] = []
    with temporary_folder(folder / f"{name}.export") as stage:
        paths = [stage / form.name / f"{name}.{form.name}" for form in formats]
        for form, path in zip(formats, paths, strict=True):
            path.parent.mkdir()
            with noted(mistakes):
                outcomes.append(_compared(subject, form, path, order, wanted))
        raise_all(mistakes)
        with exits.held_back():
            for form in formats:
                _discard(form, folder, name)
            for outcome, path in zip(outcomes, paths, strict=True):
                if outcome.passed:
                    files += [file for left in sorted(path.parent.iterdir()) for file in move(left, folder)]
    return outcomes, files


def _discard(form: Format, folder: Path, name: str) -> None:
    """Delete the files of an earlier export. A folder of weights is deleted only if its graph file is beside it."""
    whole = all((folder / f"{name}{end}").exists() for end in form.leaves[1:])
    for end in form.leaves if whole else form.leaves[:1]:
        discard(folder / f"{name}{end}")


def _wanted(subject: Subject, order: Order) -> list[tuple[Inputs, list[Array]]]:
    """Inputs with the model's outputs: as planned, and with other batch sizes if the batch is dynamic."""
    wanted = [(order.inputs, subject.outputs)]
    for batch in order.batches:
        inputs = order.resized(batch)
        try:
            wanted.append((inputs, emitted(subject.model, inputs)))
        except Exception as error:
            said = f"the model runs with batch {order.batch} but not with batch {batch}: {reason(error)}"
            raise SettingsError(said, Place(key="task.dynamic_batch")) from error
    _require_open([output for _, output in wanted], subject, order)
    return wanted


def _require_open(outputs: Sequence[list[Array]], subject: Subject, order: Order) -> None:
    """Refuse an output whose first axis does not follow the batch.

    Args:
        outputs: those of the model, for each batch size.
    """
    if order.batch is None:
        return
    batches = [order.batch, *order.batches]
    for index, arrays in enumerate(zip(*outputs, strict=True)):
        shapes = [array.shape for array in arrays]
        if fixes_batch(shapes, batches):
            said = _fixing_layer(subject, order.batch, batches[-1])
            if said is None:
                number = f" {index}" if len(outputs[0]) > 1 else ""
                one, other = print_value(shapes[0]), print_value(shapes[-1])
                said = f"output{number} is {one} with batch {order.batch} and {other} with batch {batches[-1]}"
            raise SettingsError(f"{said}: its first axis does not follow the batch", Place(key="task.dynamic_batch"))


def _fixing_layer(subject: Subject, batch: int, other: int) -> str | None:
    """What the first layer that fixes its batch emits with two batch sizes; None if the plan does not show it."""
    try:
        rows = first_to_fix(subject.planned, planned_with(subject.planned, other), (batch, other))
    except AssemblerError:
        return None
    if rows is None:
        return None
    one, two = (print_shape(row.output) for row in rows)
    return f"{rows[0]} emits {one} with batch {batch} and {two} with batch {other}"


def _compared(
    subject: Subject, form: Format, path: Path, order: Order, wanted: Sequence[tuple[Inputs, list[Array]]]
) -> Outcome:
    """Write a file, read it back and compare its outputs with the model's.

    Raises:
        FormatError, Mistakes: the format cannot store it.
    """
    try:
        form.write(subject.model, order, path)
        read = form.read(path)
        found = [read(inputs) for inputs, _ in wanted]
    except Exception as error:
        raise_all(list(_refused(subject, form, order, path)))
        raise FormatError(
            f"the model as a whole cannot be written as {form.said(order)}: {why(error, path)}"
        ) from error
    worst = max(apart(ours, theirs) for (_, ours), theirs in zip(wanted, found, strict=True))
    bound = subject.tolerance(ROUNDINGS)
    others = f", batches {', '.join(map(str, sorted([order.batch, *order.batches])))}" if order.batch else ""
    detail = f"read back by {form.reads}{others}"
    return Outcome(f"export.{form.name}", worst <= bound, worst, bound, detail, relation="<=")


def apart(ours: list[Array], theirs: list[Array]) -> float:
    """The largest absolute difference; infinite if the number, shape or dtype of the outputs differs."""
    if [array.dtype for array in ours] != [array.dtype for array in theirs]:
        return float("inf")
    return difference(ours, theirs)


# ---- what a format cannot store


def _refused(subject: Subject, form: Format, order: Order, path: Path) -> Iterator[FormatError]:
    """Each layer that cannot be written or read back alone; equal ones at one place of the recipe share a message."""
    cells = subject.cells
    known: dict[tuple[Any, ...], str | None] = {}
    refused: list[tuple[Row, str]] = []
    for row in subject.planned.rows:
        key = (row.layer, row.arguments, row.input)
        if key not in known:
            known[key] = _reason(cells.get(row.path), row, form, order, path)
        if (reason := known[key]) is not None:
            refused.append((row, reason))
    alike: dict[tuple[Any, ...], list[Row]] = {}
    inner = {row.path for row in subject.planned.innermost([row for row, _ in refused])}
    for row, reason in refused:
        if row.path in inner:
            alike.setdefault((row.layer, row.place.start, row.place.key, reason), []).append(row)
    for (*_, reason), (row, *others) in alike.items():
        also = f" (and {', '.join(f'#{other.path}' for other in others)})" if others else ""
        yield FormatError(f"{row}{also} cannot be written as {form.said(order)}: {reason}", row.place)


def _reason(cell: nn.Cell | None, row: Row, form: Format, order: Order, path: Path) -> str | None:
    """Why a layer cannot be written alone; None if it can, or cannot be called alone."""
    specs = (row.input,) if isinstance(row.input, Spec) else row.input
    if cell is None or not specs or not all(isinstance(spec, Spec) for spec in specs):
        return None
    names = tuple(f"input{index}" for index in range(len(specs)))
    alone = Order(tensors_for(specs, real=True), names, order.batch)
    variants = [alone.inputs, *map(alone.resized, alone.batches)]
    try:
        for inputs in variants:
            emitted(cell, inputs)
    except Exception:
        return None
    try:
        form.write(cell, alone, path)
        read = form.read(path)
        for inputs in variants:
            read(inputs)
    except Exception as error:
        return why(error, path)
    return None


INSTEAD = {"AdaptiveAvgPool2D": "; Mean((2, 3), True) is the same as a pool of size 1, and can be written"}
"""Equivalents of operators that ONNX files cannot store."""


def why(error: Exception, path: Path) -> str:
    """The error of MindSpore or the other program, in one line."""
    if missing := operator_without_onnx(error):
        return f"MindSpore's exporter does not know the operator {missing}{INSTEAD.get(missing, '')}"
    said = reason(error).replace(str(path), path.name)
    return said if len(said) <= 300 else f"{said[:300]}…"
