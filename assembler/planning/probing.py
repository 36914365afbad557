"""Calling one Cell to see what it emits and costs: on the meta device, or otherwise where that lacks an operator."""

from __future__ import annotations

import gc
import math
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mindspore
from mindspore import nn

from assembler.errors import AssemblerError
from assembler.files import short
from assembler.planning import compiler
from assembler.planning.costs import Counter, Meter, counts_itself, macs_by_itself
from assembler.planning.operators import Operators, Owned
from assembler.planning.specs import Spec
from assembler.planning.tensors import leaves_among, specs_among, tensors_for
from assembler.runtime import device
from assembler.runtime.internals import signatures_read_once, wait_for_operators
from assembler.runtime.messages import lacks_kernel, lacks_memory, lacks_meta_kernel, meta_lacks, reason
from assembler.runtime.meta_tensors import is_on_meta, meta_tensors_supplied, on_cpu, on_meta

MAX_TRIAL = 50_000_000
"""Parameters of a Cell that is run for real, on zeros, because the meta device lacks one of its operators."""

MAX_TRIAL_WORK = 3 * 2**29
"""The same for its input: numbers times the longest axis, which is what attention costs.

The head of YOLOv4, of which the meta device lacks an operator, has 1.3e9 for images of 640 × 640."""

WAY_OUT = "Give a smaller input, or write the layer with other operators"

MAX_TRIAL_STEPS = 2**35
"""The same for both: parameters times the longest axis, which is what recurrence costs."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a call showed.

    Args:
        output: what the Cell emits, with a Spec for each tensor and all else as it is.
        meter: what it cost, without the layers inside it that are planned for themselves.
        on_zeros: whether it was run for real on zeros, so that what depends on values may be otherwise.
    """

    output: Any
    meter: Meter
    on_zeros: bool = False


class Trials:
    """Calls Cells, and counts what each costs."""

    def __init__(self) -> None:
        self.counter = Counter()
        self.names: frozenset[str] = frozenset()  # of the parameters around a copy of a Cell that is run for real
        self.real = False  # whether tensors are made with storage: while something runs that meta cannot run

    @contextmanager
    def begin(self) -> Iterator[None]:
        """The circumstances in which Cells can be made and called; all is as before afterwards."""
        with (
            device.mode("pynative"),
            device.environment("MS_JIT", "0"),  # compiled functions would run past the counter
            device.untouched_generators(),
            meta_tensors_supplied(),
            signatures_read_once(),
            self.counter,
        ):
            yield

    def on_meta(self) -> AbstractContextManager[None]:
        """What is made inside has no storage. Where that is so already, nothing is entered: it would take long."""
        return nullcontext() if is_on_meta() and not self.real else self._without_storage()

    @contextmanager
    def _without_storage(self) -> Iterator[None]:
        with on_meta(), self._storage(False):
            yield

    @contextmanager
    def for_real(self) -> Iterator[None]:
        """What is made inside has storage, on the CPU whichever device there is."""
        with on_cpu(), self._storage(True):
            yield

    @contextmanager
    def _storage(self, real: bool) -> Iterator[None]:
        before, self.real = self.real, real
        try:
            yield
        finally:
            self.real = before

    def tensors(self, value: Any) -> Any:
        """A tensor for each Spec, and all else as it is."""
        return tensors_for(value, real=self.real)

    def call(self, cell: nn.Cell, inputs: Sequence[Any], named: Mapping[str, Any]) -> Found:
        """Call a Cell where it lies, with a tensor for each Spec."""
        meter = Meter()
        with self.counter.use(None):
            given, by_name = self.tensors(inputs), self.tensors(named)
        owned = Owned(list(cell.get_parameters()), self.names if self.real else ())
        operators = Operators(owned, real=self.real)
        with device.contained(), _references_only(), self.counter.use(meter, operators):
            output = specs_among(cell(*given, **by_name))
        if counts_itself(cell):
            meter.macs = macs_by_itself(cell, inputs)
        return Found(output, meter)

    def stand_in(self, plan_inside: Callable[[], tuple[Any, int]]) -> Any:
        """Emit what a layer inside a Cell would, planned apart, without its costs.

        Args:
            plan_inside: gives what it emits and the bytes that are alive at once inside it.
        """
        meter = self.counter.meter
        with self.counter.use(None):
            output, peak = plan_inside()
        if meter is not None and meter.live + peak > meter.peak:
            wait_for_operators()  # they let go of tensors in another thread
            meter.peak = max(meter.peak, meter.live + peak)
        tensors = self.tensors(output)
        if peak:  # what makes nothing passes on the memory of its input
            self.counter.hold(leaves_among(tensors))
        return tensors

    def otherwise(
        self,
        error: Exception,
        cell: nn.Cell,
        remake: Callable[[], nn.Cell],
        inputs: Sequence[Any],
        named: Mapping[str, Any],
        *,
        compiles: bool = True,
    ) -> Found:
        """Call a Cell that failed on the meta device: for real on zeros if it is small, else by the graph compiler.

        Args:
            error: how it failed there.
            cell: itself. It is of no further use.
            remake: makes it anew, with storage.
            compiles: whether the compiler can be tried: not on Cells that hold stand-ins.

        Raises:
            CannotTell: there is no way to call it here.
            Exception: whatever the Cell raises of itself, not for want of an operator.
        """
        is_tried = is_small(cell, [*inputs, *named.values()])
        lacks = f"the meta device lacks {meta_lacks(error)}{_line_of(error)}"
        tried = f"{lacks}, and the layer is too large to be run on zeros"
        if is_tried:
            try:
                with self.for_real():
                    return replace(self.call(remake(), inputs, named), on_zeros=True)
            except AssemblerError:
                raise
            except Exception as failure:
                if not lacks_kernel(failure) and not lacks_memory(failure):
                    raise
                tried = f"{lacks}; {_tried_on_zeros(failure)}"
        if compiles:
            return self._compiled(error, cell, inputs, named, tried, is_tried)
        if lacks_meta_kernel(error):
            raise compiler.CannotTell(f"{tried}. {WAY_OUT}")
        raise error

    def _compiled(
        self,
        error: Exception,
        cell: nn.Cell,
        inputs: Sequence[Any],
        named: Mapping[str, Any],
        tried: str,
        is_tried: bool,
    ) -> Found:
        """What the graph compiler knows of a Cell that nothing can run here.

        Args:
            error: how it failed on the meta device.
            tried: what was tried before, for messages.
            is_tried: whether running it on zeros was.
        """
        try:
            with self.for_real():  # the compiler refuses to work inside the meta device's context
                return Found(*compiler.infer(cell, inputs, named))
        except compiler.CannotTell as why:
            if lacks_meta_kernel(error):
                raise compiler.CannotTell(f"{tried}; {why}. {WAY_OUT}") from None
            raise error from None
        except Exception as failure:
            if not lacks_meta_kernel(error):
                raise error from failure
            if is_tried:
                raise compiler.CannotTell(f"{tried}. {WAY_OUT}") from failure
            raise


def _tried_on_zeros(failure: Exception) -> str:
    """Why a Cell that failed on the meta device cannot be run on zeros either."""
    return f"the CPU lacks {'memory' if lacks_memory(failure) else 'an operator'}: {reason(failure).rstrip('.')}"


def _line_of(error: BaseException) -> str:
    """The line that failed, ``' at my_layers.py:12'``: the innermost that is not MindSpore's, nor of planning."""
    packages = (str(Path(mindspore.__file__).parent), str(Path(__file__).parent.parent))
    layers = str(Path(__file__).parent.parent / "layers")
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        if file.startswith(layers) or not file.startswith((*packages, "<")):
            return f" at {short(Path(file))}:{line}"
    return ""


@contextmanager
def _references_only() -> Iterator[None]:
    """Pause the garbage collector: what counts as alive must not depend on when it comes."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def is_small(cell: nn.Cell, inputs: Sequence[Any]) -> bool:
    """Whether a Cell can be run for real within a moment and little memory."""
    shapes = [leaf.shape for leaf in leaves_among(inputs) if isinstance(leaf, Spec)]
    work = sum(math.prod(shape) * max(shape, default=1) for shape in shapes)
    longest = max((axis for shape in shapes for axis in shape), default=1)
    parameters = sum(math.prod(p.shape) for p in cell.get_parameters())
    return work <= MAX_TRIAL_WORK and parameters <= MAX_TRIAL and parameters * longest <= MAX_TRIAL_STEPS
