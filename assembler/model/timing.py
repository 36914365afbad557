"""Time and memory of a model, by mode and batch size."""

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
    """The measurement of one mode and one batch size.

    Args:
        mode: pynative or graph.
        batch: size of the input's first axis.
        first_call: seconds of the first call with this batch size; in Graph mode it compiles.
        latency: median seconds of a call.
        lowest, highest: seconds of the fastest and the slowest call.
        first_quartile, third_quartile: a quarter, and three quarters, of the calls took at most so many seconds.
        spread: seconds between the first and the third quartile.
        throughput: samples per second: batch size / latency.
        memory: peak bytes in use during the calls; None where that is unknown.
        repeat: number of timed calls.
    """

    mode: Mode
    batch: int
    first_call: float
    latency: float
    lowest: float
    highest: float
    first_quartile: float
    third_quartile: float
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
    """Time a model: the first call separately, then warm-up calls, then timed calls.

    A call ends when the device has finished. Python's garbage is collected before the timed calls and, as in any
    program, during them.

    Args:
        model: a model that was not called yet; the first call in Graph mode compiles it.
        warmup: untimed calls after the first one.
        repeat: timed calls.
        taken: bytes of memory on the CPU, where another process measures them.
        tick: called after each call.

    Raises:
        Exception: any exception of a layer.
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
    ends = (min(times), max(times), low, high, high - low)
    return Measurement(mode, batch, first, middle, *ends, batch / middle, taken, repeat)


def memory_of(make: Callable[[], tuple[nn.Cell, Inputs]], mode: Mode) -> int | None:
    """Peak bytes of a model on the CPU: its parameters, its inputs, and two calls.

    Call it in a process that has not run a model before. It includes the code of kernels that are loaded at first use,
    and in Graph mode the memory of the compiler.

    Args:
        make: returns the model and its inputs.

    Returns:
        Bytes; None where that is unknown.
    """
    device.wake()
    before = memory.resident_memory()
    model, inputs = make()
    memory.forget_peak("cpu")  # initializing parameters needs more memory than they occupy
    with device.mode(mode), device.contained():
        for _ in range(2):
            output = model(*inputs)
            device.synchronize()
        del output
    peak = memory.peak_memory("cpu")
    return None if before is None or peak is None else max(0, peak - before)
