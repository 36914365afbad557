"""Plan a Cell that was not assembled from a recipe: a class, a function that makes one, or the Cell itself."""

from __future__ import annotations

import copy
import functools
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mindspore import Parameter, mint, nn

from assembler.binding.structure import Steps
from assembler.errors import AssemblerError, DeviceError, LayerFault, RecipeError, ShapeMismatch
from assembler.language.recipe import leaves, print_value
from assembler.planning.cells import cast, is_ours
from assembler.planning.compiler import CannotTell
from assembler.planning.costs import Meter
from assembler.planning.plan import Plan, Row
from assembler.planning.probing import Found, Trials
from assembler.planning.specs import Spec, Specs, memory_of, print_specs
from assembler.planning.tensors import specs_among, specs_of, weights_of, zeros
from assembler.registry.entries import parameters_of
from assembler.runtime.messages import reason
from assembler.settings import Dtype


def plan_cell(given: nn.Cell | Callable[[], nn.Cell], input: Specs, dtype: Dtype = "float32") -> Plan:
    """Plan a Cell, set to inference.

    Args:
        given: what makes the Cell, on the meta device; or a Cell, which stays as it is.
        input: shape and dtype of what goes in; for a Cell that takes several tensors, a tuple.
        dtype: what float32 parameters are turned into, if the Cell is made here.

    Returns:
        A plan without steps, with a row for each Cell that has parameters or runs operators, in the order of the calls.

    Raises:
        LayerFault: the Cell raises while it is made or called; its own exception is the cause.
    """
    trials = Trials()
    with trials.begin():
        cell = _copied(given, trials) if isinstance(given, nn.Cell) else _make(given, dtype, trials)
        cell.set_train(False)
        walk = _Walk(cell, trials)
        found = walk.run(input if isinstance(input, tuple) else (input,))
    return Plan(
        Steps(),
        tuple(walk.finished()),
        input,
        found.output,
        dtype,
        memory_of(input) + found.meter.peak,
        tuple(sorted(found.meter.uncounted)),
    )


def _make(given: Callable[[], Any], dtype: Dtype, trials: Trials) -> nn.Cell:
    name = getattr(given, "__name__", str(given))
    try:
        with trials.on_meta():
            cell = given()
    except Exception as error:
        hint = f"; give a function that makes it, such as lambda: {name}(8)" if _lacks_arguments(given) else ""
        raise LayerFault(f"{name}() fails while it is made: {reason(error)}{hint}") from error
    if not isinstance(cell, nn.Cell):
        raise RecipeError(f"{name}() gives {type(cell).__name__}, not an nn.Cell")
    with trials.on_meta():
        cast(cell, dtype, meta=True)
    return cell


def _lacks_arguments(given: Callable[[], Any]) -> bool:
    """Whether a class has arguments that have to be given."""
    parameters = parameters_of(given).values() if isinstance(given, type) else ()
    return any(one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters)


def _copied(cell: nn.Cell, trials: Trials) -> nn.Cell:
    """The Cell once more without storage, so that nothing that a call leaves behind is left in the original."""
    memo: dict[int, Any] = {}
    with trials.on_meta():
        for parameter in cell.get_parameters():
            values = mint.empty(parameter.shape, dtype=parameter.dtype)
            memo[id(parameter)] = Parameter(values, name=parameter.name, requires_grad=parameter.requires_grad)
        try:
            made = copy.deepcopy(cell, memo)
        except Exception as error:
            message = f"{type(cell).__name__} cannot be copied; give a function that makes it: {reason(error)}"
            raise RecipeError(message) from error
    return made


@dataclass(slots=True)
class _Call:
    """A call in progress.

    Args:
        macs, operators: the meter's when it began.
        rows, counted: how many there were of both.
        macs_inside, operators_inside: those of the calls inside it.
    """

    macs: int
    operators: int
    rows: int
    counted: int
    macs_inside: int = 0
    operators_inside: int = 0


class _Walk:
    """One call of a model, with every Cell in it watched."""

    def __init__(self, cell: nn.Cell, trials: Trials):
        self.cell = cell
        self.trials = trials
        self.rows: dict[str, Row] = {}  # in the order of the calls
        self.busy: set[str] = set()  # paths of the Cells that run operators of their own
        self.calls: list[_Call] = []
        self.counted: dict[int, None] = {}  # parameters that have been counted, by identity, in order

    def run(self, inputs: Sequence[Any]) -> Found:
        """Call the model on the meta device."""
        with self.watched(), self.trials.on_meta():
            return self.trials.call(self.cell, inputs, {})

    def finished(self) -> list[Row]:
        """The rows worth telling; Cells that were not called but have parameters come last."""
        rows: list[Row] = []
        for path, cell in self.cell.cells_and_names():
            if path not in self.rows:
                self.rows[path] = _row(path, cell, (), ())
                self.count(path, cell, expand=False)
        cells = dict(self.cell.cells_and_names())
        for path, row in self.rows.items():
            leaf = path in self.busy or not list(cells[path].cells())
            if row.parameters or row.macs or (leaf and row.output != ()):
                rows.append(row)
        return rows

    def count(self, path: str, cell: nn.Cell, *, expand: bool = True) -> None:
        """Add a Cell's parameters to a row, but for those that have been counted."""
        new = weights_of(cell, self.counted, expand=expand)
        self.counted.update(dict.fromkeys(map(id, cell.get_parameters(expand=expand))))
        self.rows[path] = replace(self.rows[path], weights=(*self.rows[path].weights, *new))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Every call of a Cell in the model goes through ``call``."""
        cells = list(self.cell.cells_and_names())
        for path, cell in cells:
            object.__setattr__(cell, "construct", self.watching(path, cell, cell.construct))
        try:
            yield
        finally:
            for _, cell in cells:
                object.__delattr__(cell, "construct")

    def watching(self, path: str, cell: nn.Cell, construct: Callable[..., Any]) -> Callable[..., Any]:
        """What stands in for a Cell's ``construct``. A function, because it is not copied when the Cell is."""

        @functools.wraps(construct)
        def watched(*inputs: Any, **named: Any) -> Any:
            return self.call(path, cell, construct, inputs, named)

        return watched

    def call(
        self, path: str, cell: nn.Cell, construct: Callable[..., Any], inputs: Any, named: Mapping[str, Any]
    ) -> Any:
        """Call what a Cell does, and note it."""
        meter = self.trials.counter.meter
        assert meter is not None
        given, by_name = specs_among(inputs), specs_among(named)
        self.rows.setdefault(path, _row(path, cell, _taken(given, by_name), ()))
        here = _Call(meter.macs, meter.operators, len(self.rows), len(self.counted))
        self.calls.append(here)
        try:
            output = construct(*inputs, **named)
            emitted = specs_of(output)
        except AssemblerError:
            raise
        except Exception as error:
            # Forget what was noted and made inside it, for it is now called once more as a whole.
            traceback.clear_frames(error.__traceback__)
            _keep_first(self.rows, here.rows)
            _keep_first(self.counted, here.counted)
            meter.macs, meter.operators, here.macs_inside, here.operators_inside = here.macs, here.operators, 0, 0
            output = self.otherwise(error, path, cell, given, by_name, meter)
            emitted = specs_of(output)
            self.count(path, cell)
        finally:
            self.calls.pop()
        self.count(path, cell, expand=False)
        macs, operators = meter.macs - here.macs, meter.operators - here.operators
        if self.calls:
            self.calls[-1].macs_inside += macs
            self.calls[-1].operators_inside += operators
        if operators > here.operators_inside:
            self.busy.add(path)
        row = self.rows[path]
        self.rows[path] = replace(row, output=emitted, macs=row.macs + macs - here.macs_inside)
        return output

    def otherwise(
        self, error: Exception, path: str, cell: nn.Cell, inputs: Sequence[Any], named: Mapping[str, Any], meter: Meter
    ) -> Any:
        """What a Cell emits that the meta device cannot run."""
        try:
            with self.trials.counter.use(None):
                found = self.trials.otherwise(error, _copy(cell), partial(_with_zeros, cell), inputs, named)
        except AssemblerError:
            raise
        except Exception as failure:
            row = self.rows[path]
            if isinstance(failure, CannotTell):
                raise DeviceError(f"{row} cannot be planned: {failure}") from failure
            if is_ours(type(cell)):
                raise ShapeMismatch(f"{row} does not accept {print_specs(row.input)}: {reason(failure)}") from failure
            raise LayerFault(f"{row} raised {type(failure).__name__}: {str(failure).strip()}") from failure
        meter.add(found.meter)
        self.rows[path] = replace(self.rows[path], on_zeros=found.on_zeros)
        tensors = self.trials.tensors(found.output)
        self.trials.counter.hold(tensors)
        return tensors


def _taken(inputs: Sequence[Any], named: Mapping[str, Any]) -> Specs:
    """The tensors among what a Cell is called with; the only one as it is."""
    specs = tuple(leaf for leaf in leaves([*inputs, *named.values()]) if isinstance(leaf, Spec))
    return specs[0] if len(specs) == 1 else specs


def _keep_first(noted: dict[Any, Any], length: int) -> None:
    for key in list(noted)[length:]:
        del noted[key]


def _row(path: str, cell: nn.Cell, taken: Specs, emitted: Specs) -> Row:
    return Row(path, type(cell).__name__, _arguments(cell), taken, emitted)


def _arguments(cell: nn.Cell) -> str:
    """What a Cell was made with, as far as it keeps that in attributes of the same names, and it is plain data."""
    words: list[str] = []
    kind: type = type(cell)
    for parameter in parameters_of(kind).values():
        value = getattr(cell, parameter.name, None)
        plain = all(isinstance(one, int | float | str) for one in leaves(value))
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and plain and value != parameter.default:
            required = parameter.default is parameter.empty
            words.append(f"{'' if required else f'{parameter.name}='}{print_value(value)}")
    return ", ".join(words)


def _copy(cell: nn.Cell) -> nn.Cell:
    """The Cell once more, not watched."""
    made = copy.deepcopy(cell)
    for _, one in made.cells_and_names():
        vars(one).pop("construct", None)
    return made


def _with_zeros(cell: nn.Cell) -> nn.Cell:
    """The Cell once more, with storage."""
    made = _copy(cell)
    for parameter in made.get_parameters():
        parameter.assign_value(zeros(parameter.shape, parameter.dtype))
    return made
