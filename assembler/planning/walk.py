"""One call of a model with every Cell in it watched: a row for each Cell that has parameters or runs operators."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mindspore import nn

from assembler.errors import AssemblerError, DeviceError, LayerFault, RecipeError, ShapeMismatch
from assembler.language.recipe import leaves, print_value
from assembler.planning.cell_copies import unwatched, with_zeros
from assembler.planning.cells import is_ours
from assembler.planning.compiler import CannotTell
from assembler.planning.costs import counts_itself, macs_by_itself
from assembler.planning.equal_calls import EqualCalls
from assembler.planning.operators import LostParameters, TakesIntegers
from assembler.planning.plan import Row
from assembler.planning.probing import Found, Trials
from assembler.planning.specs import Spec, Specs, print_specs
from assembler.planning.tensors import leaves_among, recorded, refuse_none, specs_among, weights_of
from assembler.registry.entries import parameters_of
from assembler.runtime import exits
from assembler.runtime.messages import reason


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


class Walk:
    """One call of a model, with every Cell in it watched."""

    def __init__(self, cell: nn.Cell, trials: Trials):
        self.cell = cell
        self.cells = [*_apart(cell)]
        self.trials = trials
        self.equals = EqualCalls()
        self.rows: dict[str, Row] = {}  # in the order of the calls
        self.busy: set[str] = set()  # paths of the Cells that run operators of their own
        self.calls: list[_Call] = []
        self.inputs: tuple[Any, ...] = ()  # of the model
        self.counted: dict[int, None] = {}  # parameters that have been counted, by identity, in order

    def run(self, inputs: tuple[Any, ...]) -> Found:
        """Call the model on the meta device."""
        self.inputs = inputs
        self.trials.names = frozenset(parameter.name for parameter in self.cell.get_parameters())
        with self.watched(), self.trials.on_meta():
            return self.trials.call(self.cell, inputs, {})

    def finished(self) -> tuple[list[Row], list[Row]]:
        """The rows worth a report, and those of the Cells around them that only call others or hold them.

        Cells that were not called but have parameters come last.
        """
        rows: list[Row] = []
        containers: list[Row] = []
        for path, cell in self.cells:
            if path not in self.rows:
                self.rows[path] = _row(path, cell, (), ())
                self.count(path, cell, expand=counts_itself(cell))
        cells = dict(self.cells)
        for path, row in self.rows.items():
            leaf = path in self.busy or not list(cells[path].cells())
            if row.parameters or row.macs or (leaf and row.output != ()):
                rows.append(row)
            elif not leaf:
                containers.append(row)
        return rows, containers

    def count(self, path: str, cell: nn.Cell, *, expand: bool = True) -> None:
        """Add a Cell's parameters to a row, but for those that have been counted."""
        if new := weights_of(cell, self.counted, expand=expand):
            self.counted.update(dict.fromkeys(map(id, cell.get_parameters(expand=expand))))
            self.rows[path] = replace(self.rows[path], weights=(*self.rows[path].weights, *new))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Every call of a Cell in the model goes through ``call``."""
        for path, cell in self.cells:
            object.__setattr__(cell, "construct", self.watching(path, cell, cell.construct))
        try:
            yield
        finally:
            for _, cell in self.cells:
                object.__delattr__(cell, "construct")

    def watching(self, path: str, cell: nn.Cell, construct: Callable[..., Any]) -> Callable[..., Any]:
        """The replacement of a Cell's ``construct``. A function, because it is not copied when the Cell is."""

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
            output = self.emitted(path, cell, partial(construct, *inputs, **named), given, by_name, here)
        finally:
            self.calls.pop()
        self.count(path, cell, expand=counts_itself(cell))
        if counts_itself(cell):
            meter.macs = here.macs + macs_by_itself(cell, given)
        macs, operators = meter.macs - here.macs, meter.operators - here.operators
        if self.calls:
            self.calls[-1].macs_inside += macs
            self.calls[-1].operators_inside += operators
        if operators > here.operators_inside:
            self.busy.add(path)
        row = self.rows[path]
        self.rows[path] = replace(row, output=recorded(specs_among(output)), macs=row.macs + macs - here.macs_inside)
        return output

    def emitted(
        self,
        path: str,
        cell: nn.Cell,
        construct: Callable[[], Any],
        inputs: Sequence[Any],
        named: Mapping[str, Any],
        here: _Call,
    ) -> Any:
        """What a Cell emits on the meta device or, if that fails, otherwise."""
        key = self.equals.key(cell, inputs, named)
        found = self.equals.find(key)
        if found is None:
            try:
                with exits.refused():
                    output = construct()
                refuse_none(output)
                return output
            except (TakesIntegers, LostParameters) as error:
                raise self.misused(self.rows[path], error) from error
            except AssemblerError:
                raise
            except Exception as error:
                self.forget(here, error)
                found = self.otherwise(error, path, cell, inputs, named)
                self.equals.remember(key, cell, inputs, named, found)
        return self.repeat(found, path, cell)

    def misused(self, row: Row, error: TakesIntegers | LostParameters) -> AssemblerError:
        """The error of a layer that runs an operator that cannot be right."""
        if isinstance(error, LostParameters):
            return RecipeError(f"{row} {error.message}")
        if row.input in self.inputs and isinstance(row.input, Spec):
            return ShapeMismatch(error.of_input(str(row), row.input))
        return ShapeMismatch(f"{row} takes integers, and its input is {print_specs(row.input)}")

    def forget(self, here: _Call, error: Exception) -> None:
        """Forget what was noted and made inside a call that failed, for it is made once more as a whole."""
        traceback.clear_frames(error.__traceback__)
        _keep_first(self.rows, here.rows)
        _keep_first(self.counted, here.counted)
        meter = self.trials.counter.meter
        assert meter is not None
        meter.macs, meter.operators, here.macs_inside, here.operators_inside = here.macs, here.operators, 0, 0

    def otherwise(
        self, error: Exception, path: str, cell: nn.Cell, inputs: Sequence[Any], named: Mapping[str, Any]
    ) -> Found:
        """What is found of a Cell that the meta device cannot run."""
        try:
            with self.trials.counter.use(None):
                return self.trials.otherwise(error, unwatched(cell), partial(with_zeros, cell), inputs, named)
        except (TakesIntegers, LostParameters) as misuse:
            raise self.misused(self.rows[path], misuse) from misuse
        except AssemblerError:
            raise
        except Exception as failure:
            row = self.rows[path]
            if isinstance(failure, CannotTell):
                raise DeviceError(f"{row} cannot be planned: {failure}") from failure
            if is_ours(type(cell)):
                raise ShapeMismatch(f"{row} does not accept {print_specs(row.input)}: {reason(failure)}") from failure
            kind = type(failure).__name__
            said = reason(failure).removeprefix(f"{kind}: ")
            raise LayerFault(f"{row} raised {kind}: {said}") from failure

    def repeat(self, found: Found, path: str, cell: nn.Cell) -> Any:
        """Note what was found of a Cell, or of its equal, and emit it."""
        meter = self.trials.counter.meter
        assert meter is not None
        meter.add(found.meter)
        self.rows[path] = replace(self.rows[path], on_zeros=found.on_zeros)
        self.count(path, cell)
        tensors = self.trials.tensors(found.output)
        self.trials.counter.hold(leaves_among(tensors))
        return tensors


def _apart(cell: nn.Cell) -> Iterator[tuple[str, nn.Cell]]:
    """The Cells in a Cell with their paths, without those in a Cell that counts its own MACs."""
    inside: set[int] = set()
    for path, one in cell.cells_and_names():
        if id(one) in inside:
            continue
        if counts_itself(one):
            inside |= {id(inner) for _, inner in one.cells_and_names() if inner is not one}
        yield path, one


def _taken(inputs: Sequence[Any], named: Mapping[str, Any]) -> Specs:
    """The tensors among what a Cell is called with; the only one as it is."""
    specs = tuple(leaf for leaf in leaves_among([inputs, named]) if isinstance(leaf, Spec))
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
        is_kept = parameter.name in vars(cell) or hasattr(kind, parameter.name)  # to look for others takes long
        value = getattr(cell, parameter.name, None) if is_kept else None
        plain = all(isinstance(one, int | float | str) for one in leaves(value))
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and plain and value != parameter.default:
            required = parameter.default is parameter.empty
            words.append(f"{'' if required else f'{parameter.name}='}{print_value(value)}")
    return ", ".join(words)
