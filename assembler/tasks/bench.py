"""``task=bench``: measure the model's time and memory, by mode and batch size."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.errors import AssemblerError, Place, SettingsError, flatten
from assembler.pipeline import BoundRecipe, plan
from assembler.runtime import exits
from assembler.settings import BenchTask, Mode, Settings
from assembler.tasks.common import bind, load_weights, plan_bound, prepare_device
from assembler.tasks.result import Result

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from mindspore import nn

    from assembler.model.inputs import Inputs
    from assembler.model.weights import Loaded
    from assembler.planning.plan import Plan


MOMENT = 5
"""Seconds that another process may take to end by itself."""


@dataclass(frozen=True, slots=True)
class _Case:
    """The configuration for one measurement, and the plan with its batch size."""

    settings: Settings
    planned: Plan


def bench(settings: Settings, result: Result) -> None:
    """Measure the recipe in each mode with each batch size. If this fails, ``result`` has what was found before.

    Raises:
        AssemblerError: the recipe, the configuration or the device is wrong.
    """
    task = settings.task
    assert isinstance(task, BenchTask)
    from assembler.model import precision

    bound = bind(settings, result)
    target = prepare_device(settings, result)
    planned = plan_bound(bound, settings, result)
    cases = _cases(bound, planned, settings, task)
    if settings.guard:
        _require_memory(cases, target)
    precision.require_kernels(planned, target)
    from assembler.views.progress import progress

    apart = target == "cpu" and task.memory
    steps_in_all = len(task.modes) * len(cases) * (apart + 1 + task.warmup + task.repeat)
    with result.timed("bench"), progress(steps_in_all) as tick:
        # First, while this process has no model: only one model is in memory at a time.
        memory = [[_memory_apart(case, mode, tick) if apart else None for case in cases] for mode in task.modes]
        for mode, of_each in zip(task.modes, memory, strict=True):
            _time(mode, cases, of_each, result, tick)


def _cases(bound: BoundRecipe, planned: Plan, settings: Settings, task: BenchTask) -> list[_Case]:
    """The recipe with each batch size.

    Raises:
        SettingsError: the recipe has no single batch size to change, or the model does not run with another.
    """
    own = _Case(settings, planned)
    if task.batches is None:
        return [own]
    from assembler.model.inputs import batch_of, with_batch

    assert planned.input is not None
    had = batch_of(planned.input)
    cases = []
    for index, batch in enumerate(task.batches):
        key = f"task.batches[{index}]"
        if batch == had:
            cases.append(own)
            continue
        recipe = with_batch(settings.recipe, batch, key)
        try:
            # In the plan's steps every `_` has its value, so that the parameters are those of the model.
            changed, _ = plan(replace(bound, recipe=recipe, steps=planned.steps), settings.dtype)
            cases.append(_Case(settings.model_copy(update={"recipe": recipe}), changed))
        except AssemblerError as error:
            said = "; ".join(mistake.message for mistake in flatten([error]))
            raise SettingsError(f"the model does not run with a batch of {batch}: {said}", Place(key=key)) from error
    return cases


def _require_memory(cases: list[_Case], target: str) -> None:
    """Refuse a benchmark whose largest case needs more memory than is available.

    Raises:
        DeviceError: it does.
    """
    from assembler.planning.specs import numbers_in
    from assembler.runtime import memory

    most = max((case.planned for case in cases), key=lambda planned: planned.activations)
    assert most.input is not None
    sample = 3 * 8 * numbers_in(most.input) if target == "cpu" else 0  # NumPy draws it in float64
    memory.require_memory(most.parameter_memory, most.activations, target, beside=sample)


def _time(mode: Mode, cases: list[_Case], taken: list[int | None], result: Result, tick: Callable[[], object]) -> None:
    """Time each case, on a model built for the mode.

    Raises:
        DeviceError, LayerFault, RecipeError: a layer raises.
    """
    from assembler.checks import Subject
    from assembler.model import timing
    from assembler.model.faults import blame
    from assembler.runtime import device

    device.wake()
    model, _, result.loaded = _made(cases[0])
    for case, found in zip(cases, taken, strict=True):
        task = case.settings.task
        assert isinstance(task, BenchTask)
        inputs = _inputs(case)
        try:
            timed = timing.measure(model, inputs, mode, warmup=task.warmup, repeat=task.repeat, taken=found, tick=tick)
        except Exception as error:
            raise blame(Subject(model, case.planned, inputs, mode, case.settings.dtype), error) from error
        result.bench.append(timed)


def _inputs(case: _Case) -> Inputs:
    from assembler.model.inputs import make_inputs

    return make_inputs(case.settings.recipe, case.settings.dtype, case.settings.seed)


def _made(case: _Case) -> tuple[nn.Cell, Inputs, Loaded | None]:
    from assembler.model.build import build
    from assembler.model.precision import mixed
    from assembler.runtime import device

    inputs = _inputs(case)
    device.seed(case.settings.seed)
    model = build(case.planned, case.settings.seed)
    loaded = None if case.settings.weights.load is None else load_weights(model, case.planned, case.settings.weights)
    return mixed(model, case.settings.amp), inputs, loaded


def _memory_apart(case: _Case, mode: Mode, tick: Callable[[], object]) -> int | None:
    """Bytes that the model needs on the CPU, measured in a separate process.

    In one process, memory that MindSpore's allocator keeps from the first model is used by the next, which then seems
    to need none. None if the model cannot be called; timing it then reports the error.
    """
    import multiprocessing

    context = multiprocessing.get_context("spawn")  # after MindSpore was used, a forked process hangs
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_tell_memory, args=(case.settings, mode, sender), daemon=True)
    with exits.undone_by(lambda: _end(process)):
        with exits.held_back():
            process.start()
        sender.close()
        try:
            found: int | None = receiver.recv()
        except EOFError:
            found = None
        finally:
            receiver.close()
            process.join(MOMENT)  # to let it delete its temporary files
            process.kill()
            process.join()
    tick()
    return found


def _end(process: SpawnProcess) -> None:
    process.terminate()
    process.join(MOMENT)
    process.kill()


def _tell_memory(settings: Settings, mode: Mode, sender: Connection) -> None:
    """The main function of that other process. Errors are reported by the first process."""
    exits.prepare(silent=True)
    with suppress(BaseException):
        result = Result(Path())
        bound = bind(settings, result)
        prepare_device(settings, result)

        from assembler.model import timing

        case = _Case(settings, plan_bound(bound, settings, result))
        sender.send(timing.memory_of(lambda: _made(case)[:2], mode))
