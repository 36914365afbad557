"""Steps + input → plan: every shape, dtype and parameter count, with no weights.

A *placeholder* Cell stands where each layer goes, and the model is called once. A placeholder sees its real input,
fills the arguments marked ``_``, builds its layer on MindSpore's meta device, whose tensors have no storage, runs it,
and records a row. It is an ordinary Cell, so this works inside any container.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import mindspore
from mindspore import Tensor, mint, nn, ops

from assembler import device
from assembler.binding import Step, Steps, bind, map_steps, steps_in
from assembler.cells import cast, first_line, is_ours, lacks_kernel, make
from assembler.errors import AssemblerError, DeviceError, LayerFault, RecipeError, ShapeMismatch, raise_all
from assembler.recipe import Stack
from assembler.registry import Registry
from assembler.rows import Plan, Row, Spec, Specs, print_specs
from assembler.settings import Dtype

MAX_TRIAL = 50_000_000
"""Parameters of a layer that is run for real, on zeros, because the meta device lacks one of its operators."""


def plan(stack: Stack, registry: Registry, input: Specs | None = None, dtype: Dtype = "float32") -> Plan:
    """Resolve a stack: bind every argument and, given an input, find every shape.

    Nothing is allocated, except for single layers that the meta device cannot run.

    Args:
        input: shape and dtype of what goes in. Without it the plan has no rows, and ``_`` cannot be inferred.
        dtype: what the layers' float32 parameters are turned into.

    Raises:
        RecipeError, RegistryError: the recipe is wrong.
        LayerFault: a layer raises, its own exception being the cause.
        Mistakes: several of them.
    """
    steps = bind(stack, registry)
    if input is None:
        raise_all([_needs_input(step) for step in _walk(steps) if step.unknown])
        return Plan(steps, (), dtype)
    with device.mode("pynative"), device.untouched_generators():
        planner = _Planner(dtype)
        planner.try_constructors(steps)
        model = planner.placeholders(steps)
        planner.name_placeholders(model, "")
        with mindspore.DeviceCtx("meta"):
            model(planner.emit(input))
    rows = tuple(row for row in planner.rows if row is not None)
    return Plan(planner.resolved(steps), rows, dtype)


def _walk(steps: Steps) -> Iterator[Step]:
    for step in steps:
        yield step
        for inner in steps_in(step):
            yield from _walk(inner)


def _needs_input(step: Step) -> AssemblerError:
    names = " and ".join(map(repr, step.unknown))
    return RecipeError(f"{step.layer.name} infers {names} from its input; give the input's shape", step.layer.place)


class _Placeholder(nn.Cell):
    """Stands where a layer goes, and plans it when it is called."""

    def __init__(self, planner: _Planner, step: Step, path: str):
        super().__init__()
        self.planner = planner
        self.step = step
        self.path = path

    def __deepcopy__(self, memo: dict[int, Any]) -> _Placeholder:
        return _Placeholder(self.planner, self.step, self.path)  # containers copy layers to repeat them

    def construct(self, *inputs: Any) -> Any:
        return self.planner.visit(self.step, self.path, inputs)


class _Planner:
    """The state of one planning run."""

    def __init__(self, dtype: Dtype):
        self.dtype: Dtype = dtype
        self.rows: list[Row | None] = []
        self.emitted: dict[str, Row] = {}
        self.inferred: dict[Step, dict[str, Any]] = {}
        self.measured: dict[Any, tuple[Specs, int, int]] = {}
        self.real = False  # whether tensors are made with storage: while a container runs that meta cannot run

    # ---- before the call

    def try_constructors(self, steps: Steps) -> None:
        """Make each distinct layer whose arguments are all known, so that all refusals are told at once."""
        tried = set()
        mistakes: list[AssemblerError] = []
        for step in _walk(steps):
            if id(step.layer) in tried or step.unknown or step.is_container:
                continue
            tried.add(id(step.layer))
            try:
                self.on_meta(step)
            except AssemblerError as mistake:
                mistakes.append(mistake)
        raise_all(mistakes)

    def placeholders(self, steps: Steps, single: bool = False) -> nn.Cell:
        """A placeholder for each step: a SequentialCell, or the only one as it is."""
        cells = [_Placeholder(self, step, "") for step in steps]
        return cells[0] if single and len(cells) == 1 else nn.SequentialCell(cells)

    def name_placeholders(self, cell: nn.Cell, path: str) -> None:
        """Tell the placeholders where they stand in the Cell that holds them."""
        for name, inner in cell.cells_and_names(name_prefix=path):
            if isinstance(inner, _Placeholder):
                inner.path = name

    def resolved(self, steps: Steps) -> Steps:
        """The steps with what was inferred filled in, at any depth."""
        return Steps(self.resolve(step) for step in steps)

    def resolve(self, step: Step) -> Step:
        arguments = {**step.arguments, **self.inferred.get(step, {})}
        arguments = {name: map_steps(value, self.resolved) for name, value in arguments.items()}
        return replace(step, arguments=arguments, extra=map_steps(step.extra, self.resolved))

    # ---- during the call

    def visit(self, step: Step, path: str, inputs: Sequence[Any]) -> Any:
        """Plan one layer for the input that reaches it, and emit what it would emit."""
        given = tuple(map(specs_of, inputs))
        taken: Specs = given[0] if len(given) == 1 else given
        again = path in self.emitted  # one Cell called twice has one set of parameters, and one row
        at = len(self.rows)
        self.rows.append(None)  # a container stands before its layers
        self.infer(step, path, taken)
        filled = replace(step, arguments={**step.arguments, **self.inferred.get(step, {})})
        draft = Row(path, step.layer.name, filled.arguments_text(), taken, (), 0, 0)
        output, trainable, other = self.measure(filled, given, draft)
        row = replace(draft, output=output, trainable=trainable, other=other)
        self.emitted[path] = row
        self.rows[at] = None if again else row
        return self.emit(output)

    def infer(self, step: Step, path: str, taken: Specs) -> None:
        """Fill the arguments marked ``_`` from the input's shape."""
        for name in step.unknown:
            axes = step.entry.infer[name]
            shape = taken.shape if isinstance(taken, Spec) else ()
            try:
                value: Any = shape[axes] if isinstance(axes, int) else tuple(shape[axis] for axis in axes)
            except IndexError:
                draft = Row(path, step.layer.name, step.arguments_text(), taken, (), 0, 0)
                message = f"{self.edge(draft)}; {draft} cannot infer {name!r} from axis {axes} of it"
                raise ShapeMismatch(message, step.layer.place) from None
            known = self.inferred.setdefault(step, {})
            if known.setdefault(name, value) != value:
                message = f"#{path} {step.layer.name} is used twice and infers {name!r} as {known[name]} and as {value}"
                raise ShapeMismatch(message, step.layer.place)

    def measure(self, step: Step, given: tuple[Specs, ...], draft: Row) -> tuple[Specs, int, int]:
        """The output and the parameter counts of a layer, remembered for equal layers with equal inputs."""
        if step.is_container:
            return self.run(step, given, draft)
        key = (step.entry.name, step.text(), given)
        if key not in self.measured:
            self.measured[key] = self.run(step, given, draft)
        return self.measured[key]

    def run(self, step: Step, given: tuple[Specs, ...], draft: Row) -> tuple[Specs, int, int]:
        """Build and call one layer on the meta device or, where that fails, for real on zeros."""
        cell = self.on_meta(step, draft.path)
        parameters = list(cell.get_parameters())
        trainable = sum(math.prod(p.shape) for p in parameters if p.requires_grad)
        total = sum(math.prod(p.shape) for p in parameters)
        rows = len(self.rows)
        try:
            with mindspore.DeviceCtx("meta"):
                output = specs_of(cell(*map(self.emit, given)))
        except AssemblerError:
            raise
        except Exception as error:
            if total > MAX_TRIAL:
                raise self.refusal(step, draft, error) from error
            del self.rows[rows:]
            output = self.run_for_real(step, given, draft)
        return output, trainable, total - trainable

    def run_for_real(self, step: Step, given: tuple[Specs, ...], draft: Row) -> Specs:
        """Where an operator is missing on the meta device this succeeds; else it raises the layer's own exception."""
        try:
            with mindspore.DeviceCtx("CPU"), self.storage():
                cell = self.build(step, draft.path)
                return specs_of(cell(*map(self.emit, given)))
        except AssemblerError:
            raise
        except Exception as error:
            raise self.refusal(step, draft, error) from error

    def on_meta(self, step: Step, path: str = "") -> nn.Cell:
        with mindspore.DeviceCtx("meta"):
            return self.build(step, path)

    def build(self, step: Step, path: str) -> nn.Cell:
        """The layer's Cell, with placeholders for the layers inside it."""
        try:
            cell = make(step, lambda inner: self.placeholders(inner, single=True))
            self.name_placeholders(cell, path)
        except AssemblerError:
            if not step.is_container:
                raise
            cell = make(step, self.build_inner)  # it looks into its layers: they have to be there
        cast(cell, self.dtype, meta=not self.real)
        cell.set_train(False)
        return cell

    def build_inner(self, steps: Steps) -> nn.Cell:
        cells = [make(self.resolve(step), self.build_inner) for step in steps]
        return cells[0] if len(cells) == 1 else nn.SequentialCell(cells)

    @contextmanager
    def storage(self) -> Iterator[None]:
        before, self.real = self.real, True
        try:
            yield
        finally:
            self.real = before

    def emit(self, specs: Specs) -> Any:
        """A tensor, or tuples of them, of the given shape and dtype: without storage, or zeros."""
        if isinstance(specs, tuple):
            return tuple(map(self.emit, specs))
        dtype = device.as_dtype(specs.dtype)
        return ops.zeros(specs.shape, dtype) if self.real else mint.empty(specs.shape, dtype=dtype)

    # ---- what to say

    def refusal(self, step: Step, draft: Row, error: Exception) -> AssemblerError:
        """A layer that raised: about its input if the layer is MindSpore's or ours, else a fault inside it."""
        if not is_ours(step):
            said = f"{draft} raised {type(error).__name__}: {str(error).strip()}; {self.edge(draft)}"
            return LayerFault(said, step.layer.place)
        if lacks_kernel(error):
            said = f"{draft} cannot be planned: the meta device and the CPU lack an operator: {first_line(error)}"
            return DeviceError(said, step.layer.place)
        wants = self.wants(step, draft.input, error) or f"does not accept it: {first_line(error)}"
        return ShapeMismatch(f"{self.edge(draft)}; {draft} {wants}", step.layer.place)

    def edge(self, draft: Row) -> str:
        """Where a layer's input comes from."""
        parent, _, index = draft.path.rpartition(".")
        before = f"{parent}.{int(index) - 1}".lstrip(".") if index.isdigit() and index != "0" else None
        if before in self.emitted:
            return f"{self.emitted[before]} emits {print_specs(draft.input)}"
        return (
            f"#{parent} passes on {print_specs(draft.input)}" if parent else f"the input is {print_specs(draft.input)}"
        )

    def wants(self, step: Step, taken: Specs, error: Exception) -> str | None:
        """``wants (…, 8)``, if an argument that can be inferred differs from what the input has there."""
        if not isinstance(taken, Spec):
            return None
        for name, axis in step.entry.infer.items():
            wanted = step.arguments.get(name)
            if (
                not isinstance(axis, int)
                or not isinstance(wanted, int)
                or not -len(taken.shape) <= axis < len(taken.shape)
            ):
                continue
            if taken.shape[axis] != wanted:
                return f"wants (…, {wanted})" if axis == -1 else f"wants {wanted} on axis {axis} ({first_line(error)})"
        return None


def specs_of(value: Any) -> Specs:
    """Shape and dtype of a tensor, or of the tensors in tuples.

    Raises:
        TypeError: there is something else among them, such as the None of an operator that failed silently.
    """
    if isinstance(value, Tensor):
        return Spec(tuple(value.shape), str(value.dtype).lower())
    if isinstance(value, tuple | list):
        return tuple(map(specs_of, value))
    raise TypeError(f"a layer emits tensors, not {type(value).__name__}")
