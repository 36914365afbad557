"""How long a model takes and how much memory, by mode and batch size."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

from mindspore import nn

from assembler.model.inputs import Inputs
from assembler.runtime import device, memory
from assembler.settings import Mode


@dataclass(frozen=True, slots=True)
class Measurement:
    """A model in one mode with one batch size.

    Args:
        mode: pynative or graph.
        batch: size of the input's first axis.
        first_call: seconds of the first call with this batch size: in Graph mode it compiles.
        latency: seconds of a call, the median.
        lowest, highest: seconds of the fastest call and the slowest.
        spread: seconds from the first quartile to the third.
        throughput: samples a second: the batch size over the latency.
        memory: the most bytes in use while it was called; None where that is not told.
        repeat: how many calls the figures are of.
    """

    mode: Mode
    batch: int
    first_call: float
    latency: float
    lowest: float
    highest: float
    spread: float
    throughput: float
    memory: int | None
    repeat: int


def measure(
    model: nn.Cell,
    inputs: Inputs,
    mode: Mode,
    *,
    warmup: int,
    repeat: int,
    taken: int | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Measurement:
    """Time a model: one call by itself, some that do not count, and those that do.

    A call ends when the device is done. Python's garbage is collected before the calls that count and, as in any
    program, while they run.

    Args:
        model: as it was built; the first call in Graph mode compiles it.
        warmup: calls after the first one that do not count.
        repeat: calls that count.
        taken: bytes of memory, on the CPU, where another process has to find them out.
        tick: called after each call.

    Raises:
        Exception: whatever a layer raises.
    """

    def seconds() -> float:
        start = time.perf_counter()
        output = model(*inputs)
        device.synchronize()
        took = time.perf_counter() - start
        del output
        tick()
        return took

    target = device.in_use()
    memory.forget_peak(target)
    with device.mode(mode), device.contained():
        first = seconds()
        for _ in range(warmup):
            seconds()
        gc.collect()
        times = [seconds() for _ in range(repeat)]
    if target != "cpu":
        taken = memory.peak_memory(target)
    batch = int(inputs[0].shape[0])
    low, middle, high = quantiles(times, n=4, method="inclusive") if repeat > 1 else [median(times)] * 3
    return Measurement(mode, batch, first, middle, min(times), max(times), high - low, batch / middle, taken, repeat)


def memory_of(make: Callable[[], tuple[nn.Cell, Inputs]], mode: Mode) -> int | None:
    """The most bytes that a model takes on the CPU: its parameters, its inputs, and what two calls use.

    To be asked in a process that has not run a model before. The code of kernels that are loaded at their first use is
    in it, and in Graph mode what the compiler uses.

    Args:
        make: gives the model and its inputs.

    Returns:
        Bytes; None where that is not told.
    """
    device.wake()
    before = memory.resident_memory()
    model, inputs = make()
    memory.forget_peak("cpu")  # initialising parameters takes more than these are
    with device.mode(mode), device.contained():
        for _ in range(2):
            output = model(*inputs)
            device.synchronize()
        del output
    peak = memory.peak_memory("cpu")
    return None if before is None or peak is None else max(0, peak - before)
