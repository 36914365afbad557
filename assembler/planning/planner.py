"""Steps + input → plan: every shape, dtype and parameter count, with no weights.

A *placeholder* Cell is put where layers go inside a layer, and the model is called once on MindSpore's meta device,
whose tensors have no storage. A placeholder sees the input that reaches its layer, fills in the arguments marked ``_``,
builds the layer, calls it, and records a row. For ``Residual(Dense(_, 8)) + ReLU`` on (4, 8)::

    put      Residual(Placeholder(Dense(_, 8)))            named 0 and 0.inner
    called   0 Residual on (4, 8), which calls 0.inner     in_channels is 8: Dense(8, 8) is built and called
             1 ReLU on (4, 8)
    recorded 0 Residual, 0.inner Dense(8, 8) with 72 parameters and 256 MACs, 1 ReLU

The other modules have one job each: ``placeholders``, ``building``, ``equal_layers``, ``row_table``, ``step_notes`` and
``refusals``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mindspore import nn

from assembler.binding.arguments import as_argument
from assembler.binding.arithmetic import fill_in
from assembler.binding.bind import bind
from assembler.binding.structure import Step, Steps, root_graph, steps_inside, walk
from assembler.errors import AssemblerError, RecipeError, raise_all
from assembler.language.recipe import INFER, Definitions, Stack, leaves, print_value
from assembler.planning.building import Builder
from assembler.planning.cells import require_names
from assembler.planning.equal_layers import EqualLayers, Known
from assembler.planning.memory import LayerMemory, Remembered, key_of
from assembler.planning.operators import LostParameters, TakesIntegers
from assembler.planning.plan import Plan, Row
from assembler.planning.probing import Found, Trials
from assembler.planning.refusals import Refusals, needs_input, never_called
from assembler.planning.row_table import RowTable
from assembler.planning.specs import Spec, Specs, memory_of
from assembler.planning.step_notes import StepNotes
from assembler.planning.tensors import leaves_among, recorded, refuse_none
from assembler.registry.registry import Registry
from assembler.settings import Dtype


def plan_stack(
    stack: Stack,
    registry: Registry,
    input: Specs | None = None,
    dtype: Dtype = "float32",
    definitions: Definitions | None = None,
) -> Plan:
    """Bind every argument of a stack, and plan it as ``plan_steps`` does.

    Args:
        definitions: the recipe's parameters, blocks and shared parts.

    Raises:
        RecipeError, RegistryError, Mistakes: the recipe is wrong; and as ``plan_steps``.
    """
    return plan_steps(bind(stack, registry, definitions), input, dtype)


def plan_steps(
    steps: Steps, input: Specs | None = None, dtype: Dtype = "float32", memory: LayerMemory | None = None
) -> Plan:
    """Find every shape and cost.

    Nothing is allocated, except for single layers that the meta device cannot run.

    Args:
        input: shape and dtype of what goes in; for a graph of several inputs, a tuple. Without it the plan has no rows,
            and ``_`` cannot be inferred.
        dtype: what the layers' float32 parameters are turned into.
        memory: what earlier plans found of single layers; by default, each is planned anew.

    Raises:
        RecipeError: the recipe is wrong.
        LayerFault: a layer raises, its own exception being the cause.
        DeviceError: it takes too much memory.
        Mistakes: several of them.
    """
    require_names(steps)
    if input is None:
        raise_all([needs_input(step) for step in walk(steps) if step.unknown])
        return Plan(steps, (), None, None, dtype)
    try:
        return _Planner(dtype, memory).plan(steps, input)
    except RecursionError:
        raise RecipeError("nested too deep to be planned", steps[0].layer.place) from None


class _Planner:
    """One planning run: calls the layers in order, and passes what it finds to those who keep it."""

    def __init__(self, dtype: Dtype, memory: LayerMemory | None):
        self.dtype: Dtype = dtype
        self.memory = memory
        self.trials = Trials()
        self.rows = RowTable()
        self.notes = StepNotes()
        self.equals = EqualLayers(self.rows, self.notes)
        self.refusals = Refusals(self.rows)
        self.builder = Builder(dtype, self.trials, self.notes, self, memory)
        self.uncounted: set[str] = set()  # operators without a rule for their MACs

    def plan(self, steps: Steps, input: Specs) -> Plan:
        """Plan a whole model."""
        with self.trials.begin(), self.trials.on_meta():
            self.builder.try_constructors(steps)
            output, peak = self.model(steps, input)
            self.refusals.require_output(steps, output)
            self.add_uncalled(steps)
        activations, uncounted = memory_of(input) + peak, tuple(sorted(self.uncounted))
        emitted = recorded(output)
        return Plan(self.notes.fill_in(steps), tuple(self.rows), input, emitted, self.dtype, activations, uncounted)

    def model(self, steps: Steps, input: Specs) -> tuple[Any, int]:
        """Plan a chain, or a graph, which may take several tensors.

        Returns:
            As ``visit``.
        """
        if (graph := root_graph(steps)) is None:
            return self.chain(steps, "", input)
        inputs = input if isinstance(input, tuple) else (input,)
        output, peak = self.visit(graph, "", inputs, {})
        self.rows.remove("")  # the model itself; what it has is in the rows of its layers
        return output, peak

    def call_layer(self, step: Step, path: str, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
        """What a placeholder emits for one layer: tensors, as the layer would."""
        return self.trials.stand_in(lambda: self.visit(step, path, inputs, named))

    def call_chain(self, steps: Steps, path: str, input: Any) -> Any:
        """What a placeholder emits for a chain: tensors, as its last layer would."""
        return self.trials.stand_in(lambda: self.chain(steps, f"{path}.", input))

    def chain(self, steps: Steps, prefix: str, value: Any) -> tuple[Any, int]:
        """Plan layers one after the other.

        Args:
            value: what goes in, with a Spec for each tensor.

        Returns:
            What the last one emits, and the most bytes that are alive at once, without the chain's own input.
        """
        most = held = 0
        before = ""
        for name, step in zip(steps.names, steps, strict=True):
            path = f"{prefix}{name}"
            self.refusals.note_before(path, before)
            if before:
                self.refusals.require_input(step, path, value)
            before = path
            value, peak = self.visit(step, path, (value,), {})
            most = max(most, held + peak)
            if peak or held:  # what makes nothing passes on the memory of its input
                held = memory_of(recorded(value))
        return value, most

    def visit(self, step: Step, path: str, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, int]:
        """Plan one layer for the input that reaches it, and record its row.

        Args:
            inputs: a Spec for each tensor; other values are passed on as they are.
            named: the same for arguments by name.

        Returns:
            What it emits, and the most bytes that are alive at once inside it, beside its input.
        """
        path = step.shared or path
        if step.graph is not None:
            self.refusals.note_graph(path, step.graph)
        index = self.rows.open(path, step.layer.name)
        try:
            known = self.know(step, path, inputs, named)
        except AssemblerError:
            self.rows.cut(index)  # the layer around it may catch the error and call something else
            raise
        row = known.row if known.row.path == path else replace(known.row, path=path)
        if self.rows.close(index, row):
            self.notes.note_path(step, path)
        return known.output, known.peak

    def know(self, step: Step, path: str, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Known:
        """What is known of an equal layer or, if there was none yet, what this one does."""
        inside = steps_inside(step)
        key = self.equals.key(step, inside, inputs, named)
        known = self.equals.find(key)
        if known is None:
            rows = len(self.rows)
            known = self.look(step, path, inputs, named)
            self.equals.remember(key, known, inside, since=rows)
        else:
            self.equals.repeat(known, step, path, inside)
        return known

    def look(self, step: Step, path: str, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Known:
        """Find out what a layer does with an input that it has not been seen with."""
        tensors = tuple(leaf for leaf in leaves_among([inputs, named]) if isinstance(leaf, Spec))
        is_one_value = len(inputs) == 1 and not named
        taken: Specs = tensors[0] if len(tensors) == 1 else recorded(inputs[0]) if is_one_value else tensors
        draft = Row(path, step.layer.name, step.arguments_text(), taken, (), place=step.layer.place)
        self.refusals.require_inputs(step, draft, inputs)
        inferred = self.infer(step, draft, inputs)
        self.notes.note_inferred(step, path, inferred)
        if inferred:
            step = replace(step, arguments={**step.arguments, **inferred})
            draft = replace(draft, arguments=step.arguments_text())
        row, output, peak = self.recall(step, draft, inputs, named)
        return Known(inferred, row, output, peak)

    def recall(self, step: Step, draft: Row, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Row, Any, int]:
        """What an earlier plan found of a layer or, if there was none, what building and calling it shows.

        Returns:
            Its row, what it emits, and the bytes alive at once inside it.
        """
        memory = None if named else self.memory
        key = None if memory is None else key_of(step, inputs, self.dtype)
        if memory is not None and (known := memory.find(key)) is not None:
            self.uncounted |= known.uncounted
            row = replace(draft, weights=known.weights, output=known.emitted, macs=known.macs, on_zeros=known.on_zeros)
            return row, known.output, known.peak
        row, found = self.run(step, draft, inputs, named)
        if memory is not None and all(isinstance(one, Spec) for one in leaves(found.output)):
            meter = found.meter
            uncounted = frozenset(meter.uncounted)
            layer = Remembered(row.weights, found.output, row.output, row.macs, meter.peak, row.on_zeros, uncounted)
            memory.remember(key, step.entry, layer)
        return row, found.output, found.meter.peak

    def infer(self, step: Step, draft: Row, inputs: Sequence[Any]) -> dict[str, Any]:
        """The arguments marked ``_``, and those with ``_`` in their arithmetic."""
        found: dict[str, Any] = {}
        for name in step.unknown:
            written = step.arguments[name]
            if written is INFER and name in step.entry.infer:
                found[name] = self.read(step, draft, inputs, name)
                continue
            number = self.read(step, draft, inputs, step.entry.inferred_number)
            try:
                found[name] = as_argument(step.entry, name, fill_in(written, number))
            except RecipeError as mistake:
                message = f"{step.layer.name}, where _ is {number}: {name}={print_value(written)}: {mistake.message}"
                raise RecipeError(message, step.layer.place) from None
        return found

    def read(self, step: Step, draft: Row, inputs: Sequence[Any], name: str) -> Any:
        """What an argument is by its rule: read from the shape of the input that the registry entry names."""
        number, axes = step.entry.source(name)
        given = inputs[number] if number < len(inputs) else None
        shape = given.shape if isinstance(given, Spec) else ()
        try:
            return shape[axes] if isinstance(axes, int) else tuple(shape[axis] for axis in axes)
        except IndexError:
            raise self.refusals.no_axis(step, draft, name) from None

    def run(self, step: Step, draft: Row, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Row, Found]:
        """Build and call one layer.

        Returns:
            Its row, and what the call showed.
        """
        if step.entry.inputs not in (0, len(inputs)):  # a function would take what is too much for an argument
            raise self.refusals.miscounted(step, draft)
        cell = self.builder.take(step, draft.path)
        weights = self.builder.weights(cell)
        try:
            found = self.call(cell, step, draft.path, inputs, named)
        except (TakesIntegers, LostParameters) as error:
            raise self.refusals.misused(step, draft, error) from error
        except AssemblerError:
            raise
        except Exception as error:
            raise self.refusals.raised(step, draft, error) from error
        self.uncounted |= found.meter.uncounted
        emitted, macs = recorded(found.output), found.meter.macs
        return replace(draft, weights=weights, output=emitted, macs=macs, on_zeros=found.on_zeros), found

    def call(self, cell: nn.Cell, step: Step, path: str, inputs: Sequence[Any], named: Mapping[str, Any]) -> Found:
        """Call a Cell on the meta device or, where that fails, in another way."""
        rows = len(self.rows)
        try:
            with self.trials.on_meta():
                found = self.trials.call(cell, inputs, named)
                refuse_none(found.output)
                self.builder.give_back(step, cell)
                return found
        except AssemblerError:
            raise
        except Exception as error:
            self.rows.cut(rows)
            remake = partial(self.builder.build, step, path)
            return self.trials.otherwise(error, cell, remake, inputs, named, compiles=not step.is_container)

    def add_uncalled(self, steps: Steps) -> None:
        """A row for each layer that its container did not call: its parameters are there all the same."""
        for step in walk(steps):
            path = self.notes.slot(step)
            if step.shared and (path is not None or self.builder.has_inside(step)):
                path = step.shared
            if path is None or self.notes.path(step) is not None:
                continue
            if step.unknown:
                raise never_called(step, path)
            cell = self.builder.build_on_meta(step, path)
            self.notes.note_path(step, path)
            row = Row(path, step.layer.name, step.arguments_text(), (), (), place=step.layer.place)
            self.rows.add(replace(row, weights=self.builder.weights(cell)))
