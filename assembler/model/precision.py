"""Mixed precision, and layers that a device cannot run in a type of float."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mindspore
from mindspore import nn
from mindspore.ops import functional

from assembler.binding.structure import Step, walk
from assembler.errors import AssemblerError, DeviceError, Place, SettingsError, raise_all
from assembler.planning.cells import cast, is_ours, make
from assembler.planning.plan import Plan, Row
from assembler.planning.specs import Spec
from assembler.planning.tensors import tensors_for, zeros
from assembler.runtime import device
from assembler.runtime.internals import AMP_MODEL
from assembler.runtime.messages import lacks_kernel, reason
from assembler.settings import Amp, Dtype

COMPLETE = ("float16", "float32")
"""The dtypes that every target supports."""


def mixed(model: nn.Cell, level: Amp) -> nn.Cell:
    """The model with automatic mixed precision: float16 where the level requires it, float32 elsewhere.

    O1 converts the layers on MindSpore's white list, such as convolutions and Dense; O2 all except its black list,
    which are norms; O3 all. Parameters and outputs stay in float32. The model is changed in place.
    """
    if level == "O0":
        return model
    # MindSpore's own O1 writes source code into the working directory and imports it.
    made = _white_list_only(model) if level == "O1" else mindspore.amp.auto_mixed_precision(model, level)
    made.set_train(False)
    return made


def _white_list_only(model: nn.Cell) -> nn.Cell:
    white = tuple(one for one in mindspore.amp.get_white_list() if issubclass(one, nn.Cell))
    model.to_float(mindspore.float32)
    for _, cell in model.cells_and_names():
        if isinstance(cell, white):
            cell.to_float(mindspore.float16)
    return _InFloat32(model)


class _InFloat32(nn.Cell):
    """A model with float32 outputs. Parameters keep their names."""

    def __init__(self, backbone: nn.Cell):
        super().__init__(auto_prefix=False)
        self._backbone = backbone  # as AMP_MODEL says

    def construct(self, *inputs: Any) -> Any:
        return functional.mixed_precision_cast(mindspore.float32, self._backbone(*inputs))


def plain_path(path: str) -> str:
    """A Cell's path without the wrappers of mixed precision."""
    return ".".join(part for part in path.split(".") if part != AMP_MODEL)


def require(dtype: Dtype, amp: Amp) -> None:
    """Refuse incompatible dtypes.

    Raises:
        SettingsError: mixed precision for a model that is not in float32.
    """
    if amp != "O0" and dtype != "float32":
        said = f"amp={amp} mixes float16 into a float32 model; it requires dtype=float32, not {dtype}"
        raise SettingsError(said, Place(key="amp"))


def require_kernels(planned: Plan, target: str) -> None:
    """Refuse all layers that a device cannot run in the plan's dtype, before the model is built.

    Each distinct layer is called once alone, with zeros, because MindSpore does not list its kernels.

    Raises:
        DeviceError, Mistakes: layers without a kernel.
    """
    if planned.dtype in COMPLETE:
        return
    rows = {row.path: row for row in planned.rows}
    tried: set[tuple[int, Spec]] = set()
    mistakes: list[DeviceError] = []
    for step in walk(planned.steps):
        row = rows.get(step.path)
        if row is None or step.is_container or not isinstance(row.input, Spec) or (id(step.layer), row.input) in tried:
            continue
        tried.add((id(step.layer), row.input))
        mistakes += _lacking(step, row, planned.dtype, target)
    raise_all(mistakes)


def _lacking(step: Step, row: Row, dtype: Dtype, target: str) -> Iterator[DeviceError]:
    """The error for a layer without a kernel, if it has none."""
    try:
        with device.mode("pynative"), device.untouched_generators(), device.contained():
            _on_zeros(step, dtype)(tensors_for(row.input, real=True))
    except AssemblerError:
        raise
    except Exception as error:
        if lacks_kernel(error) or is_ours(step.entry.implementation):
            said = f"{row} cannot run in {dtype} on {target}: {reason(error)}"
            yield DeviceError(said, row.place)


def _on_zeros(step: Step, dtype: Dtype) -> nn.Cell:
    """A layer whose parameters are zeros, so that random draws do not matter."""
    cell = make(step, lambda steps: nn.SequentialCell())  # it contains no layers
    cast(cell, dtype)
    for parameter in cell.get_parameters():
        parameter.assign_value(zeros(parameter.shape, parameter.dtype))
    cell.set_train(False)
    return cell
