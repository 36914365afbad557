"""What is reported of a layer that cannot be planned: which shape arrives from where, and what the layer expects."""

from __future__ import annotations

from typing import Any

from assembler.binding.structure import Step, Steps
from assembler.errors import AssemblerError, DeviceError, LayerFault, RecipeError, ShapeMismatch
from assembler.language.recipe import Graph, Source, Wire, print_source
from assembler.planning.cells import is_ours, most_inputs, required_inputs
from assembler.planning.compiler import CannotTell
from assembler.planning.operators import LostParameters, TakesIntegers
from assembler.planning.plan import Row
from assembler.planning.row_table import RowTable
from assembler.planning.specs import Spec, Specs, print_specs
from assembler.planning.tensors import NoTensor, kind_of, not_a_tensor, recorded
from assembler.registry.entries import input_name
from assembler.runtime.messages import lacks_memory, reason, without_stack


def needs_input(step: Step) -> AssemblerError:
    """There is no input to infer ``_`` from."""
    message = f"{step.layer.name} infers {_names(step)} from its input; give the input's shape"
    return RecipeError(message, step.layer.place)


def never_called(step: Step, path: str) -> AssemblerError:
    """The layer around it does not call a layer, so that nothing can be inferred for it."""
    message = f"#{path} {step} is never called, so {_names(step)} cannot be inferred; write the value"
    return RecipeError(message, step.layer.place)


def _names(step: Step) -> str:
    return " and ".join(map(repr, step.unknown))


class Refusals:
    """Errors that name the edge on which they arose.

    Args:
        rows: what is planned so far.
    """

    def __init__(self, rows: RowTable):
        self._rows = rows
        self._graphs: dict[str, Graph] = {}  # path → what is wired there
        self._before: dict[str, str] = {}  # path → that of the layer before it in its chain

    def note_graph(self, path: str, graph: Graph) -> None:
        """Note how the layers at a path are wired."""
        self._graphs[path] = graph

    def note_before(self, path: str, before: str) -> None:
        """Note which layer is before another in a chain; an empty path if it is the first."""
        self._before[path] = before

    def require_inputs(self, step: Step, draft: Row, inputs: tuple[Any, ...]) -> None:
        """Refuse another number of inputs than a graph has. Several may be passed as one tuple."""
        if step.graph is None:
            return
        names = step.graph.inputs
        is_tuple = len(inputs) == 1 < len(names) and isinstance(inputs[0], tuple | list)
        if len(inputs[0] if is_tuple else inputs) != len(names):
            takes = "1 input" if len(names) == 1 else f"{len(names)} inputs"
            message = f"{self.edge(draft)}; {draft} takes {takes}: {', '.join(names)}"
            raise ShapeMismatch(message, step.layer.place)

    def no_axis(self, step: Step, draft: Row, name: str) -> AssemblerError:
        """The input lacks the axis that an argument is inferred from."""
        number, axes = step.entry.source(name)
        if self._wants_one(step, draft):
            return self.takes_one(step, draft)
        which = "it" if isinstance(draft.input, Spec) else input_name(number)
        message = f"{self.edge(draft)}; {draft} cannot infer {name!r} from axis {axes} of {which}"
        return ShapeMismatch(message, step.layer.place)

    def misused(self, step: Step, draft: Row, error: TakesIntegers | LostParameters) -> AssemblerError:
        """A layer runs an operator that cannot be right. Of floats in the model's input, it says what to write."""
        if isinstance(error, LostParameters):
            return RecipeError(f"{draft} {error.message}", step.layer.place)
        edge = self.edge(draft)
        if not edge.startswith("the input is ") or not isinstance(draft.input, Spec):
            return ShapeMismatch(f"{edge}; {draft} takes integers", step.layer.place)
        return ShapeMismatch(error.of_input(str(draft), draft.input), step.layer.place)

    def require_input(self, step: Step, path: str, value: Any) -> None:
        """Refuse what no layer of a chain can take: neither a tensor nor a tuple that has one.

        Args:
            step: the layer that would take it, at ``path``.
            value: what the layer before it emits, with a Spec for each tensor.
        """
        if isinstance(value, Spec) or (isinstance(value, tuple | list) and recorded(value) != ()):
            return
        before = self._rows.get(self._before[path])
        raise ShapeMismatch(f"{before} emits {kind_of(value)}; {step} takes a tensor or a tuple", step.layer.place)

    def require_output(self, steps: Steps, value: Any) -> None:
        """Refuse a model that emits anything but tensors and tuples of them, which checks and files need."""
        found = not_a_tensor(value)
        if found is None:
            return
        where, kind = found
        last = steps[-1]
        subject = "the graph" if last.graph is not None else self._rows.get(steps.names[-1]) or last
        said = f"{subject} emits {kind}, not a tensor"
        if where:
            said = (
                f"{subject} emits a tuple; element {where} is {kind}, not a tensor. A graph passes on one element: y[0]"
            )
        raise ShapeMismatch(said, last.layer.place)

    def raised(self, step: Step, draft: Row, error: Exception) -> AssemblerError:
        """A layer raised: its input is wrong if the layer is MindSpore's or the assembler's, else the layer is."""
        names = required_inputs(step.entry)
        if len(names) > 1 and isinstance(draft.input, Spec):
            return self.miscounted(step, draft)
        if is_ours(step.entry.implementation) and self._wants_one(step, draft):
            return self.takes_one(step, draft)
        if isinstance(error, CannotTell | NoTensor):
            return DeviceError(f"{draft} cannot be planned: {error}", step.layer.place)
        if lacks_memory(error):
            return DeviceError(f"{draft} cannot be planned: it takes too much memory", step.layer.place)
        if not is_ours(step.entry.implementation):
            message = f"{draft} raised {type(error).__name__}: {without_stack(error)}; {self.edge(draft)}"
            return LayerFault(message, step.layer.place)
        if isinstance(error, IndexError) and (said := self._lacks_element(step, draft)):
            return said
        wants = _wants(step, draft.input, error) or f"does not accept it: {reason(error)}"
        return ShapeMismatch(f"{self.edge(draft)}; {draft} {wants}", step.layer.place)

    def _lacks_element(self, step: Step, draft: Row) -> AssemblerError | None:
        """The first source of a graph that is an element which there is not: ``s[7]``."""
        if step.graph is None:
            return None
        names = step.graph.inputs
        given = draft.input if len(names) > 1 and isinstance(draft.input, tuple) else (draft.input,)
        emitted: dict[str, Any] = dict(zip(names, given, strict=False))
        for wire in step.graph.wires:
            steps = step.arguments["cells"][wire.name]
            own = (draft.path, wire.name, *(steps.names[-1:] if len(steps) > 1 else ()))
            row = self._rows.get(".".join(filter(None, own)))
            emitted[wire.name] = row.output if row is not None else None
        uses = [(one, wire.place) for wire in step.graph.wires for one in wire.sources]
        for (name, element), place in [*uses, *((one, step.graph.place) for one in step.graph.outputs)]:
            found = emitted[name]
            if found is None or element is None:
                continue
            if element >= ((*found.shape, 0)[0] if isinstance(found, Spec) else len(found)):
                return ShapeMismatch(f"{name} is {print_specs(found)}, and has no element {element}", place)
        return None

    def miscounted(self, step: Step, draft: Row) -> AssemblerError:
        """More or fewer tensors arrive than the layer takes."""
        names = required_inputs(step.entry)
        count = "1 input" if len(names) == 1 else f"{len(names)} inputs"
        return ShapeMismatch(f"{self.edge(draft)}; {draft} takes {count}: {', '.join(names)}", step.layer.place)

    def _wants_one(self, step: Step, draft: Row) -> bool:
        """Whether a layer takes one tensor and gets several: as a tuple, or from more sources than it can take."""
        if isinstance(draft.input, Spec) or len(required_inputs(step.entry)) != 1:
            return False
        return not 1 < len(self._sources(draft)) <= most_inputs(step.entry.cell)

    def takes_one(self, step: Step, draft: Row) -> AssemblerError:
        """A tuple arrives at a layer that takes one tensor: ``LSTM(8, 4) + Dense(_, 2)``."""
        sources = self._sources(draft)
        if len(sources) > 1:
            message = f"{self.edge(draft)}; {draft} takes one tensor. What takes several is a block with a graph"
            return ShapeMismatch(message, step.layer.place)
        source = print_source(sources[0]) if sources else ""
        instead = f"Write {source}[0] for" if source.isidentifier() else "In a graph, states[0] is"
        message = f"{self.edge(draft)}; {draft} takes one tensor. {instead} its first element"
        return ShapeMismatch(message, step.layer.place)

    def edge(self, draft: Row) -> str:
        """Where a layer's input comes from: ``#0 ReLU emits (4, 8) float32``."""
        parent, _, index = draft.path.rpartition(".")
        if wired := self._wires(draft):
            return wired
        is_turn = index.isdigit() and index != "0"
        before = self._before.get(draft.path) or (f"{parent}.{int(index) - 1}".lstrip(".") if is_turn else "")
        if before and (row := self._rows.get(before)) is not None:
            return f"{row} emits {_with_others(row.output, draft.input)}"
        return f"{f'#{parent} passes on' if parent else 'the input is'} {print_specs(draft.input)}"

    def _sources(self, draft: Row) -> tuple[Source, ...]:
        """The sources of the wire whose first layer this is; none in a chain."""
        wire = self._wire(draft)
        return wire.sources if wire is not None else ()

    def _wire(self, draft: Row) -> Wire | None:
        """The wire whose first layer this is."""
        parent, _, index = draft.path.rpartition(".")
        is_first = index == "0" or self._before.get(draft.path) == ""
        path = parent if is_first and parent not in self._graphs else draft.path
        owner, _, name = path.rpartition(".")
        wires = self._graphs[owner].wires if owner in self._graphs else ()
        return next((wire for wire in wires if wire.name == name), None)

    def _wires(self, draft: Row) -> str | None:
        """The sources of a wire whose first layer this is: ``x is (4, 8) float32 and y is (4, 1) float32``."""
        wire = self._wire(draft)
        if wire is None:
            return None
        taken = draft.input if len(wire.sources) > 1 else (draft.input,)
        assert isinstance(taken, tuple)
        told = zip(map(print_source, wire.sources), map(print_specs, taken), strict=False)
        return " and ".join(f"{source} is {specs}" for source, specs in told)


def _with_others(emitted: Specs, taken: Specs) -> str:
    """What a layer emits, and the inputs of the next turn that it does not replace."""
    values = emitted if isinstance(emitted, tuple) else (emitted,)
    if not isinstance(taken, tuple) or taken[: len(values)] != values or len(taken) == len(values):
        return print_specs(taken)
    return f"{print_specs(emitted)} beside {', '.join(map(print_specs, taken[len(values) :]))}"


def _wants(step: Step, taken: Specs, error: Exception) -> str | None:
    """``wants (…, 8)``, if an argument that can be inferred differs from what the input has there."""
    if not isinstance(taken, Spec):
        return None
    for name in step.entry.infer:
        number, axis = step.entry.source(name)
        wanted = step.arguments.get(name)
        if number or not isinstance(axis, int) or not isinstance(wanted, int):
            continue
        if -len(taken.shape) <= axis < len(taken.shape) and taken.shape[axis] != wanted:
            return f"wants (…, {wanted})" if axis == -1 else f"wants {wanted} on axis {axis} ({reason(error)})"
    return None
