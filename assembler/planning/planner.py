"""Steps + input → plan: every shape, dtype and parameter count, with no weights.

A *placeholder* Cell stands where layers go inside a layer, and the model is called once. A placeholder sees its real
input, fills the arguments marked ``_``, builds its layer on MindSpore's meta device, whose tensors have no storage,
runs it, and records a row. It is an ordinary Cell, so this works inside any container.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mindspore import nn

from assembler.binding.bind import Step, Steps, bind, root_graph, walk
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
from assembler.language.recipe import Definitions, Graph, Stack, leaves, print_source
from assembler.planning.cells import cast, is_ours, make, required_inputs
from assembler.planning.compiler import CannotTell
from assembler.planning.plan import Plan, Row, Weight
from assembler.planning.probing import Trials
from assembler.planning.specs import Spec, Specs, memory_of, print_specs
from assembler.planning.tensors import NoTensor, specs_among, specs_of, weights_of
from assembler.registry.registry import Registry
from assembler.runtime.messages import lacks_memory, reason, without_stack
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


def plan_steps(steps: Steps, input: Specs | None = None, dtype: Dtype = "float32") -> Plan:
    """Find every shape and cost.

    Nothing is allocated, except for single layers that the meta device cannot run.

    Args:
        input: shape and dtype of what goes in; for a graph of several inputs, a tuple. Without it the plan has no rows,
            and ``_`` cannot be inferred.
        dtype: what the layers' float32 parameters are turned into.

    Raises:
        RecipeError: the recipe is wrong.
        LayerFault: a layer raises, its own exception being the cause.
        DeviceError: it takes too much memory.
        Mistakes: several of them.
    """
    if input is None:
        raise_all([_needs_input(step) for step in walk(steps) if step.unknown])
        return Plan(steps, (), None, None, dtype)
    planner = _Planner(dtype)
    with planner.trials.begin():
        planner.try_constructors(steps)
        output, peak = planner.model(steps, input)
        planner.add_uncalled(steps)
    return Plan(
        planner.resolved(steps),
        tuple(planner.rows),
        input,
        output,
        dtype,
        memory_of(input) + peak,
        tuple(sorted(planner.without_rule)),
    )


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
        given, by_name = specs_among(inputs), specs_among(named)
        return self.planner.trials.stand_in(lambda: self.planner.visit(self.step, path, given, by_name))


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
        given = specs_of(input_data)
        return self.planner.trials.stand_in(lambda: self.planner.chain(self.steps, f"{path}.", given))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is remembered of a layer for an input.

    Args:
        inferred: the arguments marked ``_``.
        row: its row.
        peak: bytes alive at once inside it, beside its input.
        rows: those of the layers inside it.
        inside: what is noted of those layers, in reading order.
    """

    inferred: Mapping[str, Any]
    row: Row
    peak: int
    rows: tuple[Row, ...] = ()
    inside: tuple[_Note, ...] = ()


@dataclass(frozen=True, slots=True)
class _Note:
    """What is noted of a layer inside another: paths begin with that of the other."""

    inferred: Mapping[str, Any] | None
    path: str | None
    stands: str | None
    whole: bool


class _Planner:
    """The state of one planning run."""

    def __init__(self, dtype: Dtype):
        self.dtype: Dtype = dtype
        self.trials = Trials()
        self.rows: list[Row] = []
        self.at: dict[str, int] = {}  # path → where its row stands
        self.inferred: dict[Step, Mapping[str, Any]] = {}
        self.paths: dict[Step, str] = {}
        self.known: dict[Any, _Known] = {}
        self.made: dict[int, nn.Cell] = {}
        self.shared: dict[Step, nn.Cell] = {}
        self.counted: set[int] = set()  # parameters of shared parts that are in a row already
        self.complete: dict[Step, Step] = {}
        self.stands: dict[Step, str] = {}  # where the layers inside layers stand, called or not
        self.whole: set[Step] = set()  # those that are counted with the layer that looks into them
        self.graphs: dict[str, Graph] = {}  # path → what is wired there
        self.without_rule: set[str] = set()

    # ---- before the call

    def try_constructors(self, steps: Steps) -> None:
        """Make each distinct layer whose arguments are all known, so that all refusals are told at once."""
        tried = set()
        mistakes: list[AssemblerError] = []
        for step in walk(steps):
            if id(step.layer) in tried or step.unknown or step.is_container or step.shared:
                continue
            tried.add(id(step.layer))
            with noted(mistakes):
                self.made[id(step.layer)] = self.build_on_meta(step)
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
        return steps.mapped(self.resolve)

    def resolve(self, step: Step) -> Step:
        if step not in self.complete:  # a shared part is one step, wherever it is used
            self.complete[step] = self.completed(step)
        return self.complete[step]

    def completed(self, step: Step) -> Step:
        arguments = {**step.arguments, **self.inferred.get(step, {})}
        found = replace(step, arguments=arguments, path=self.paths.get(step, ""))
        return found.mapped(self.resolved) if found.is_container else found

    # ---- during the call

    def model(self, steps: Steps, input: Specs) -> tuple[Specs, int]:
        """Plan the whole: a chain, or a graph, which may take several tensors."""
        if (graph := root_graph(steps)) is None:
            return self.chain(steps, "", input)
        inputs = input if isinstance(input, tuple) else (input,)
        output, peak = self.visit(graph, "", inputs, {})
        del self.rows[self.at.pop("")]  # the model itself; what it has is in the rows of its layers
        self.at = {row.path: index for index, row in enumerate(self.rows)}
        return output, peak

    def chain(self, steps: Steps, prefix: str, specs: Specs) -> tuple[Specs, int]:
        """Plan layers one after the other.

        Returns:
            What the last one emits, and the most bytes that are alive at once, without the chain's own input.
        """
        most = held = 0
        for index, step in enumerate(steps):
            specs, peak = self.visit(step, f"{prefix}{index}", (specs,), {})
            most = max(most, held + peak)
            if peak or held:  # what makes nothing passes on the memory of its input
                held = memory_of(specs)
        return specs, most

    def visit(self, step: Step, path: str, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Specs, int]:
        """Plan one layer for the input that reaches it, and record its row.

        Args:
            inputs: a Spec for each tensor; other values are passed on as they are.
            named: the same for arguments by name.

        Returns:
            What it emits, and the most bytes that are alive at once inside it, beside its input.
        """
        if step.shared:
            path = self.paths.get(step, path)
        if step.graph is not None:
            self.graphs[path] = step.graph
        at = len(self.rows)
        self.rows.append(Row(path, step.layer.name, "", (), ()))  # a container stands before its layers
        # Equal layers with equal inputs are planned once. The layer as written is the same object in every repeat.
        inside = list(walk(Steps((step,))))[1:]
        key = None if named or any(one.shared for one in inside) else (id(step.layer), inputs)
        known = self.known.get(key) if key is not None else None
        if known is None:
            known = self.look(step, path, inputs, named)
            if key is not None:
                notes = tuple(map(self.note, inside))
                self.known[key] = replace(known, rows=tuple(self.rows[at + 1 :]), inside=notes)
        else:
            self.infer_as(step, path, known.inferred)
            self.replay(known, path, inside)
        self.record(at, step, replace(known.row, path=path))
        return known.row.output, known.peak

    def note(self, step: Step) -> _Note:
        return _Note(self.inferred.get(step), self.paths.get(step), self.stands.get(step), step in self.whole)

    def replay(self, known: _Known, path: str, inside: list[Step]) -> None:
        """Note the layers inside a layer as those inside its equal, and their rows."""
        before = len(known.row.path)
        for step, note in zip(inside, known.inside, strict=True):
            if note.inferred is not None:
                self.infer_as(step, path, note.inferred)
            if note.path is not None:
                self.paths[step] = path + note.path[before:]
            if note.stands is not None:
                self.stands[step] = path + note.stands[before:]
            if note.whole:
                self.whole.add(step)
        for row in known.rows:
            row = replace(row, path=path + row.path[before:])
            at = self.at.setdefault(row.path, len(self.rows))
            if at == len(self.rows):
                self.rows.append(row)
            else:
                self.rows[at] = replace(self.rows[at], macs=self.rows[at].macs + row.macs)

    def record(self, at: int, step: Step, row: Row) -> None:
        """Put a row where it belongs. One Cell called twice has one set of parameters, and one row."""
        before = self.at.setdefault(row.path, at)
        if before != at:
            self.rows[before] = replace(self.rows[before], macs=self.rows[before].macs + row.macs)
            del self.rows[at:]
            return
        self.paths[step] = row.path
        self.rows[at] = row

    def look(self, step: Step, path: str, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> _Known:
        """Find out what a layer does with an input that it has not been seen with."""
        tensors = tuple(leaf for leaf in leaves([*inputs, *named.values()]) if isinstance(leaf, Spec))
        taken: Specs = tensors[0] if len(tensors) == 1 else inputs[0] if len(inputs) == 1 and not named else tensors
        draft = Row(path, step.layer.name, step.arguments_text(), taken, (), place=step.layer.place)
        inferred = self.infer(step, draft)
        self.infer_as(step, path, inferred)
        if inferred:
            step = replace(step, arguments={**step.arguments, **inferred})
            draft = replace(draft, arguments=step.arguments_text())
        row, peak = self.run(step, draft, inputs, named)
        return _Known(inferred, row, peak)

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

    def run(self, step: Step, draft: Row, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Row, int]:
        """Build and call one layer on the meta device or, where that fails, in another way."""
        # Made already, to see whether its constructor refuses; but one Cell serves one call, for others may change it.
        cell = self.made.pop(id(step.layer), None) or self.build_on_meta(step, draft.path)
        draft = replace(draft, weights=self.uncounted(cell))
        rows = len(self.rows)
        try:
            try:
                with self.trials.on_meta():
                    found = self.trials.call(cell, inputs, named)
            except AssemblerError:
                raise
            except Exception as error:
                for row in self.rows[rows:]:
                    self.at.pop(row.path, None)
                del self.rows[rows:]
                remake = partial(self.build, step, draft.path)
                found = self.trials.otherwise(error, cell, remake, inputs, named, compiles=not step.is_container)
        except AssemblerError:
            raise
        except Exception as error:
            raise self.refusal(step, draft, error) from error
        self.without_rule |= found.meter.uncounted
        row = replace(draft, output=found.output, macs=found.meter.macs, on_zeros=found.on_zeros)
        return row, found.meter.peak

    def build_on_meta(self, step: Step, path: str = "") -> nn.Cell:
        """The layer's Cell without storage."""
        with self.trials.on_meta():
            return self.build(step, path)

    def uncounted(self, cell: nn.Cell) -> tuple[Weight, ...]:
        """A Cell's parameters, without those of shared parts that were counted before."""
        weights = weights_of(cell, self.counted)
        self.counted.update(id(one) for part in self.shared.values() for one in part.get_parameters())
        return weights

    def build(self, step: Step, path: str) -> nn.Cell:
        """The layer's Cell, with placeholders for the layers inside it; of a shared part, always the same."""
        if step.shared and not self.trials.real:
            if step not in self.shared:
                self.shared[step] = self.build_anew(step, path)
            return self.shared[step]
        return self.build_anew(step, path)

    def build_anew(self, step: Step, path: str) -> nn.Cell:
        try:
            cell = make(step, partial(self.placeholder, step))
        except AssemblerError as first:
            if not step.is_container:
                raise
            try:
                cell = make(step, partial(self.build_inner, step))  # it looks into its layers
            except ArgumentMismatch as second:
                if first.message != second.message:
                    second.message += f" ({first.message})"
                raise second from first
        for name, inner in cell.cells_and_names(name_prefix=path):
            if isinstance(inner, _Placeholder | _ChainPlaceholder):
                inner.path = name
                steps = inner.steps if isinstance(inner, _ChainPlaceholder) else (inner.step,)
                one = isinstance(inner, _Placeholder)
                self.stands.update((step, name if one else f"{name}.{at}") for at, step in enumerate(steps))
        cast(cell, self.dtype, meta=not self.trials.real)
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
        cells = [self.build_whole(step) for step in steps]
        return cells[0] if len(cells) == 1 else nn.SequentialCell(cells)

    def build_whole(self, step: Step) -> nn.Cell:
        self.whole.add(step)
        cell = self.shared.get(step) if not self.trials.real else None
        if cell is None:
            cell = make(step, partial(self.build_inner, step))
            if step.shared and not self.trials.real:
                self.shared[step] = cell
        return cell

    def add_uncalled(self, steps: Steps) -> None:
        """A row for each layer that its container did not call: its parameters are there all the same."""
        for step in walk(steps):
            if step in self.paths or step in self.whole or step not in self.stands:
                continue
            path = self.stands[step]
            if step.unknown:
                names = " and ".join(map(repr, step.unknown))
                message = f"#{path} {step} is never called, so {names} cannot be inferred; write the value"
                raise RecipeError(message, step.layer.place)
            cell = self.build_on_meta(step, path)
            self.paths[step] = path
            row = Row(path, step.layer.name, step.arguments_text(), (), (), place=step.layer.place)
            self.rows.append(replace(row, weights=self.uncounted(cell)))

    # ---- what to say

    def refusal(self, step: Step, draft: Row, error: Exception) -> AssemblerError:
        """A layer that raised: about its input if the layer is MindSpore's or ours, else a fault inside it."""
        names = required_inputs(step.entry.cell)
        if len(names) > 1 and isinstance(draft.input, Spec):
            said = f"{self.edge(draft)}; {draft} takes {len(names)} inputs: {', '.join(names)}"
            return ShapeMismatch(said, step.layer.place)
        if isinstance(error, CannotTell | NoTensor):
            return DeviceError(f"{draft} cannot be planned: {error}", step.layer.place)
        if lacks_memory(error):
            return DeviceError(f"{draft} cannot be planned: it takes too much memory", step.layer.place)
        if not is_ours(step.entry.cell):
            message = f"{draft} raised {type(error).__name__}: {without_stack(error)}; {self.edge(draft)}"
            return LayerFault(message, step.layer.place)
        wants = self.wants(step, draft.input, error) or f"does not accept it: {reason(error)}"
        return ShapeMismatch(f"{self.edge(draft)}; {draft} {wants}", step.layer.place)

    def edge(self, draft: Row) -> str:
        """Where a layer's input comes from."""
        parent, _, index = draft.path.rpartition(".")
        if parent in self.graphs or (index == "0" and parent.rpartition(".")[0] in self.graphs):
            owner, _, name = (draft.path if parent in self.graphs else parent).rpartition(".")
            wire = next((wire for wire in self.graphs[owner].wires if wire.name == name), None)
            if wire is not None:
                taken = draft.input if len(wire.sources) > 1 else (draft.input,)
                assert isinstance(taken, tuple)
                told = zip(map(print_source, wire.sources), map(print_specs, taken), strict=False)
                return " and ".join(f"{source} is {specs}" for source, specs in told)
        before = f"{parent}.{int(index) - 1}".lstrip(".") if index.isdigit() and index != "0" else None
        if before in self.at:
            return f"{self.rows[self.at[before]]} emits {print_specs(draft.input)}"
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
                return f"wants (…, {wanted})" if axis == -1 else f"wants {wanted} on axis {axis} ({reason(error)})"
        return None
