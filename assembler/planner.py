"""Steps + input → plan: every shape, dtype and parameter count, with no weights.

A *placeholder* Cell stands where layers go inside a layer, and the model is called once. A placeholder sees its real
input, fills the arguments marked ``_``, builds its layer on MindSpore's meta device, whose tensors have no storage,
runs it, and records a row. It is an ordinary Cell, so this works inside any container.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import mindspore
from mindspore import Tensor, mint, nn, ops

from assembler import device
from assembler.binding import Step, Steps, bind, map_steps, walk
from assembler.cells import cast, first_line, is_ours, lacks_kernel, make
from assembler.errors import (
    ArgumentMismatch,
    AssemblerError,
    DeviceError,
    LayerFault,
    RecipeError,
    ShapeMismatch,
    noted,
    raise_all,
)
from assembler.recipe import Stack, leaves, map_leaves
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
        raise_all([_needs_input(step) for step in walk(steps) if step.unknown])
        return Plan(steps, (), None, dtype)
    with device.mode("pynative"), device.untouched_generators():
        planner = _Planner(dtype)
        planner.try_constructors(steps)
        output = planner.chain(steps, "", input)
    rows = tuple(row for row in planner.rows if row is not None)
    return Plan(planner.resolved(steps), rows, output, dtype)


def _needs_input(step: Step) -> AssemblerError:
    names = " and ".join(map(repr, step.unknown))
    return RecipeError(f"{step.layer.name} infers {names} from its input; give the input's shape", step.layer.place)


class _Placeholder(nn.Cell):
    """Stands where one layer goes inside another, and plans it when it is called."""

    def __init__(self, planner: _Planner, step: Step, owner: Step, path: str | None = None):
        super().__init__()
        self.planner = planner
        self.step = step
        self.owner = owner
        self.path = path  # None until the Cell that holds it is made

    def __deepcopy__(self, memo: dict[int, Any]) -> _Placeholder:
        return _Placeholder(self.planner, self.step, self.owner)  # containers copy layers to repeat them

    def construct(self, *inputs: Any, **named: Any) -> Any:
        path = self.planner.path_of(self)
        output = self.planner.visit(self.step, path, _specs_of_arguments(inputs), _specs_of_arguments(named))
        return self.planner.emit(output)


class _ChainPlaceholder(nn.SequentialCell):
    """Stands where a chain goes inside a layer. Looked into, it shows a placeholder for each of its layers."""

    def __init__(self, planner: _Planner, steps: Steps, owner: Step):
        super().__init__([])
        self.planner = planner
        self.steps = steps
        self.owner = owner
        self.path: str | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> _ChainPlaceholder:
        return _ChainPlaceholder(self.planner, self.steps, self.owner)

    def __len__(self) -> int:
        return len(self.steps)

    def __bool__(self) -> bool:
        return True  # a SequentialCell without Cells of its own would be passed over by cells_and_names

    def __getitem__(self, index: int) -> _Placeholder:
        index = range(len(self.steps))[index]
        path = None if self.path is None else f"{self.path}.{index}"
        return _Placeholder(self.planner, self.steps[index], self.owner, path)

    def __iter__(self) -> Iterator[_Placeholder]:
        return (self[index] for index in range(len(self)))

    def construct(self, input_data: Any) -> Any:
        path = self.planner.path_of(self)
        return self.planner.emit(self.planner.chain(self.steps, f"{path}.", specs_of(input_data)))


class _Planner:
    """The state of one planning run."""

    def __init__(self, dtype: Dtype):
        self.dtype: Dtype = dtype
        self.rows: list[Row | None] = []
        self.emitted: dict[str, Row] = {}
        self.inferred: dict[Step, Mapping[str, Any]] = {}
        self.paths: dict[Step, str] = {}
        self.known: dict[Any, tuple[Mapping[str, Any], Row]] = {}
        self.real = False  # whether tensors are made with storage: while a container runs that meta cannot run

    # ---- before the call

    def try_constructors(self, steps: Steps) -> None:
        """Make each distinct layer whose arguments are all known, so that all refusals are told at once."""
        tried = set()
        mistakes: list[AssemblerError] = []
        for step in walk(steps):
            if id(step.layer) in tried or step.unknown or step.is_container:
                continue
            tried.add(id(step.layer))
            with noted(mistakes):
                self.on_meta(step)
        raise_all(mistakes)

    def placeholder(self, owner: Step, steps: Steps) -> nn.Cell:
        """What stands for a chain inside a layer."""
        if len(steps) == 1:
            return _Placeholder(self, steps[0], owner)
        return _ChainPlaceholder(self, steps, owner)

    def path_of(self, cell: _Placeholder | _ChainPlaceholder) -> str:
        """The name of a placeholder in the model, by which its parameters will go."""
        if cell.path is None:
            raise RecipeError(
                f"{cell.owner} keeps a layer where MindSpore does not find it, such as a plain list: it would not be "
                "trained or saved. Its class should keep it as an attribute or in an nn.CellList",
                cell.owner.layer.place,
            )
        return cell.path

    def resolved(self, steps: Steps) -> Steps:
        """The steps with what was inferred and where they stand filled in, at any depth."""
        return Steps(map(self.resolve, steps))

    def resolve(self, step: Step) -> Step:
        arguments = {**step.arguments, **self.inferred.get(step, {})}
        extra = step.extra
        if step.is_container:
            arguments = {name: map_steps(value, self.resolved) for name, value in arguments.items()}
            extra = map_steps(extra, self.resolved)
        return replace(step, arguments=arguments, extra=extra, path=self.paths.get(step, ""))

    # ---- during the call

    def chain(self, steps: Steps, prefix: str, specs: Specs) -> Specs:
        """Plan layers one after the other."""
        for index, step in enumerate(steps):
            specs = self.visit(step, f"{prefix}{index}", (specs,), {})
        return specs

    def visit(self, step: Step, path: str, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Specs:
        """Plan one layer for the input that reaches it: record its row and say what it emits.

        Args:
            inputs: a Spec for each tensor; other values are passed on as they are.
            named: the same for arguments by name.
        """
        again = path in self.emitted  # one Cell called twice has one set of parameters, and one row
        at = len(self.rows)
        self.rows.append(None)  # a container stands before its layers
        # Equal layers with equal inputs are planned once. The layer as written is the same object in every repeat.
        key = None if named or step.is_container else (id(step.layer), inputs)
        if key is None or key not in self.known:
            row = self.look(step, path, inputs, named)
            if key is not None:
                self.known[key] = (self.inferred.get(step, {}), row)
        else:
            inferred, row = self.known[key]
            self.infer_as(step, path, inferred)
            row = replace(row, path=path)
        self.paths[step] = path
        self.emitted[path] = row
        self.rows[at] = None if again else row
        return row.output

    def look(self, step: Step, path: str, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Row:
        """Find out what a layer does with an input that it has not been seen with."""
        tensors = tuple(leaf for leaf in leaves([*inputs, *named.values()]) if isinstance(leaf, Spec))
        taken: Specs = tensors[0] if len(tensors) == 1 else inputs[0] if len(inputs) == 1 and not named else tensors
        draft = Row(path, step.layer.name, step.arguments_text(), taken, (), 0, 0, step.layer.place)
        self.infer_as(step, path, self.infer(step, draft))
        filled = replace(step, arguments={**step.arguments, **self.inferred.get(step, {})})
        draft = replace(draft, arguments=filled.arguments_text())
        output, trainable, other = self.run(filled, draft, inputs, named)
        return replace(draft, output=output, trainable=trainable, other=other)

    def infer(self, step: Step, draft: Row) -> dict[str, Any]:
        """The arguments marked ``_``, read from the input's shape."""
        found: dict[str, Any] = {}
        for name in step.unknown:
            axes = step.entry.infer[name]
            shape = draft.input.shape if isinstance(draft.input, Spec) else ()
            try:
                found[name] = shape[axes] if isinstance(axes, int) else tuple(shape[axis] for axis in axes)
            except IndexError:
                message = f"{self.edge(draft)}; {draft} cannot infer {name!r} from axis {axes} of it"
                raise ShapeMismatch(message, step.layer.place) from None
        return found

    def infer_as(self, step: Step, path: str, found: Mapping[str, Any]) -> None:
        """Note what was inferred; the same layer used again has to infer the same."""
        known = self.inferred.setdefault(step, found)
        for name, value in found.items():
            if known[name] != value:
                message = f"#{path} {step.layer.name} is used twice and infers {name!r} as {known[name]} and as {value}"
                raise ShapeMismatch(message, step.layer.place)

    def run(self, step: Step, draft: Row, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Specs, int, int]:
        """Build and call one layer on the meta device or, where that fails, for real on zeros."""
        cell = self.on_meta(step, draft.path)
        parameters = list(cell.get_parameters())
        trainable = sum(math.prod(p.shape) for p in parameters if p.requires_grad)
        total = sum(math.prod(p.shape) for p in parameters)
        rows = len(self.rows)
        try:
            with device.contained(), mindspore.DeviceCtx("meta"), self.storage(False):
                output = specs_of(cell(*self.emit(inputs), **self.emit(named)))
        except AssemblerError:
            raise
        except Exception as error:
            if total > MAX_TRIAL:
                raise self.refusal(step, draft, error) from error
            for row in self.rows[rows:]:
                self.emitted.pop(row.path if row else "", None)
            del self.rows[rows:]
            output = self.run_for_real(step, draft, inputs, named)
        return output, trainable, total - trainable

    def run_for_real(self, step: Step, draft: Row, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Specs:
        """Where an operator is missing on the meta device this succeeds; else it raises the layer's own exception."""
        try:
            with device.contained(), mindspore.DeviceCtx("CPU"), self.storage(True):
                cell = self.build(step, draft.path)
                return specs_of(cell(*self.emit(inputs), **self.emit(named)))
        except AssemblerError:
            raise
        except Exception as error:
            raise self.refusal(step, draft, error) from error

    def on_meta(self, step: Step, path: str = "") -> nn.Cell:
        with mindspore.DeviceCtx("meta"), self.storage(False):
            return self.build(step, path)

    def build(self, step: Step, path: str) -> nn.Cell:
        """The layer's Cell, with placeholders for the layers inside it."""
        try:
            cell = make(step, partial(self.placeholder, step))
        except AssemblerError:
            if not step.is_container:
                raise
            cell = make(step, partial(self.build_inner, step))  # it looks into its layers
        for name, inner in cell.cells_and_names(name_prefix=path):
            if isinstance(inner, _Placeholder | _ChainPlaceholder):
                inner.path = name
        cast(cell, self.dtype, meta=not self.real)
        cell.set_train(False)
        return cell

    def build_inner(self, owner: Step, steps: Steps) -> nn.Cell:
        """Layers inside a layer that looks into them: they have to be there, so nothing can be inferred for them."""
        for step in steps:
            if step.unknown:
                message = (
                    f"'_' cannot be inferred inside {owner.layer.name}, which looks into its layers; write the value"
                )
                raise ArgumentMismatch(message, step.layer.place)
        cells = [make(step, partial(self.build_inner, step)) for step in steps]
        return cells[0] if len(cells) == 1 else nn.SequentialCell(cells)

    @contextmanager
    def storage(self, real: bool) -> Iterator[None]:
        """Whether the tensors made inside have storage."""
        before, self.real = self.real, real
        try:
            yield
        finally:
            self.real = before

    def emit(self, value: Any) -> Any:
        """Tensors where there are Specs: without storage, or zeros; all else as it is."""
        return map_leaves(value, self.emit_one)

    def emit_one(self, leaf: Any) -> Any:
        if not isinstance(leaf, Spec):
            return leaf
        dtype = device.as_dtype(leaf.dtype)
        return ops.zeros(leaf.shape, dtype) if self.real else mint.empty(leaf.shape, dtype=dtype)

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
        return f"{f'#{parent} passes on' if parent else 'the input is'} {print_specs(draft.input)}"

    def wants(self, step: Step, taken: Specs, error: Exception) -> str | None:
        """``wants (…, 8)``, if an argument that can be inferred differs from what the input has there."""
        if not isinstance(taken, Spec):
            return None
        for name, axis in step.entry.infer.items():
            wanted = step.arguments.get(name)
            if not isinstance(axis, int) or not isinstance(wanted, int):
                continue
            if -len(taken.shape) <= axis < len(taken.shape) and taken.shape[axis] != wanted:
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


def _specs_of_arguments(value: Any) -> Any:
    """What a layer is called with, with a Spec for each tensor."""
    return map_leaves(value, lambda leaf: specs_of(leaf) if isinstance(leaf, Tensor) else leaf)
