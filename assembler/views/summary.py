"""The tables on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rich.console import Console, Group
from rich.segment import Segment, Segments

from assembler.language.recipe import print_value
from assembler.planning.plan import Plan
from assembler.planning.tables import MAX_ROWS, PlanTable, ends
from assembler.settings import ShowSettings
from assembler.settings.metrics import METRICS, Metric
from assembler.words import (
    counted,
    make_table,
    make_text,
    print_bytes,
    print_comparison,
    print_measured,
    print_seconds,
    short_names,
)
from assembler.words import make_console as make_console

if TYPE_CHECKING:
    from assembler.model.parameters import Observed
    from assembler.model.subject import Outcome
    from assembler.model.timing import Measurement
    from assembler.model.weights import Loaded

_NARROW = 110
"""On a terminal narrower than this, tables omit columns; ``result.json`` and ``sweep.csv`` have them all."""


def print_plan(console: Console, title: str, planned: Plan, show: ShowSettings | None = None) -> None:
    """The table of a plan, and its totals.

    Args:
        show: of a run: how the table is printed; how to see the rest is printed, too.
    """
    console.print(draw_plan(console, title, planned, show), end="")


def draw_plan(console: Console, title: str, planned: Plan, show: ShowSettings | None = None) -> Segments:
    """What ``print_plan`` prints on a console of this width."""
    table = PlanTable(planned, show.by, show.depth) if show else PlanTable(planned)
    notes = table.notes("show=layers", "show.depth={}") if show else ()
    whole = Group(make_text(title, "bold"), table, *(make_text(note, "dim") for note in notes))
    return Segments(list(Segment.simplify(console.render(whole))))


def print_parameters(console: Console, parameters: Sequence[Observed]) -> None:
    """One row per parameter. A narrow terminal omits the layers, which begin the names, too."""
    table = make_table()
    measured = any(one.mean is not None for one in parameters)
    dtypes = {one.weight.dtype for one in parameters}
    shows: dict[str, Callable[[Observed], str]] = {
        "parameter": lambda one: one.name,
        "layer": lambda one: one.row.layer if console.width >= _NARROW else "",
        "shape": lambda one: print_value(one.weight.shape),
        "dtype": lambda one: one.weight.dtype if len(dtypes) > 1 else "",
        "kind": lambda one: one.weight.kind,
        "set by": lambda one: one.set_by,
    }
    for name, key in {"mean": "mean", "std": "std", "min": "least", "max": "most"}.items() if measured else ():
        shows[name] = lambda one, get=attrgetter(key): print_measured(get(one))  # type: ignore[misc]
    shown = {name: [show(one) for one in ends(parameters)] for name, show in shows.items()}
    shown = {name: texts for name, texts in shown.items() if any(texts)}
    for name in shown:
        number = name in ("mean", "std", "min", "max")
        table.add_column(name, justify="right" if number else "left", no_wrap=name != "set by", overflow="fold")
    for texts in zip(*shown.values(), strict=True):
        table.add_row(*map(make_text, texts))
    if len(parameters) > MAX_ROWS:
        table.caption = f"the first and last of {len(parameters):,}; result.json has them all"
    console.print(table)
    console.print(f"{counted(len(parameters), 'parameter')}{f', all {dtypes.pop()}' if len(dtypes) == 1 else ''}")


def say_loaded(loaded: Loaded, file: str) -> str:
    """A summary of what was loaded, in one line."""
    missing, extra = len(loaded.missing), len(loaded.extra)
    rest = [f"{missing} of the model's are not in the file"] if missing else []
    rest += [f"{extra} of the file's were skipped"] if extra else []
    return f"{len(loaded.names)} parameters loaded from {file}" + (f"; {' and '.join(rest)}" if rest else "")


def print_mapping(console: Console, loaded: Loaded) -> None:
    """One row per parameter: where its values are from; then the arrays of the file that are for none."""
    from assembler.model.naming import entries

    if loaded.mapping is None:
        console.print("the names in the file are the model's")
        return
    table = make_table()
    rows = entries(loaded.mapping)
    for name in ("source", "target", "transform" if any("transform" in row for row in rows) else ""):
        table.add_column(name, overflow="fold")
    for row in rows:
        source = row["source"] if isinstance(row["source"], str) else " + ".join(row["source"])
        target = row["target"] or (f"equal to {row['equal']}" if "equal" in row else "skipped")
        table.add_row(make_text(source), make_text(target), make_text(row.get("transform", "")))
    console.print(table)


def print_outcomes(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One row per check."""
    if not outcomes:
        console.print("no checks were requested")
        return
    table = make_table()
    for name in ("check", "", "result", "detail" if any(outcome.detail for outcome in outcomes) else ""):
        table.add_column(name, overflow="fold", no_wrap=name in ("check", ""))
    for outcome in outcomes:
        verdict = make_text("passed", "green") if outcome.passed else make_text("FAILED", "bold red")
        verdict = verdict if outcome.applies else make_text("–", "dim")
        table.add_row(make_text(outcome.name), verdict, make_text(print_result(outcome)), make_text(outcome.detail))
    console.print(table)


def print_result(outcome: Outcome) -> str:
    """What a check measured, and what it had to be; see :func:`assembler.words.print_comparison`."""
    return print_comparison(outcome.measured, outcome.bound, outcome.relation, passed=outcome.passed)


def print_bench(console: Console, measured: Sequence[Measurement]) -> None:
    """One row per measurement. A narrow terminal omits the lowest and the highest."""
    table = make_table()
    extremes = ("lowest", "highest") if console.width >= _NARROW else ()
    with_memory = ["memory"] if any(one.memory is not None for one in measured) else []
    for name in ("mode", "batch", "first call", "latency", "spread", *extremes, "samples/s", *with_memory):
        table.add_column(name, justify="left" if name == "mode" else "right", no_wrap=True)
    for one in measured:
        bytes_ = [print_bytes(one.memory)] if one.memory is not None else []
        seconds = (one.first_call, one.latency, one.spread, *((one.lowest, one.highest) if extremes else ()))
        table.add_row(one.mode, f"{one.batch:,}", *map(print_seconds, seconds), f"{one.throughput:,.0f}", *bytes_)
    console.print(table)
    calls = counted(measured[0].repeat, "call")
    console.print(f"latency: the median of {calls}; spread: from the first quartile to the third")


def print_metric(metric: Metric, row: Mapping[str, Any]) -> str:
    """A metric of a job; empty if the job does not have it."""
    value = row.get(metric.name)
    if value is None:
        return ""
    return metric.print(value) if metric.out_of is None else f"{metric.print(value)}/{row[metric.out_of]}"


def print_sweep(
    console: Console,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    overrides: Sequence[str],
    objective: str | None = None,
) -> None:
    """One row per job of a sweep.

    Args:
        rows: see ``assembler.sweeps.table.Table``.
        overrides: the keys that the command line set. Those that are equal in all jobs are printed in one line.
        objective: the metric that the sweep optimizes.
    """
    console.print(make_text(title, "bold"))
    varied = [name for name in overrides if len({str(row.get(name)) for row in rows}) > 1]
    if same := [f"{name}={rows[0].get(name)}" for name in overrides if name not in varied]:
        console.out(f"all with {' '.join(same)}", highlight=False)
    table = make_table()
    columns = _columns(rows, objective, "always" if console.width < _NARROW else "wide")
    numbers = {metric.title for metric in METRICS}
    short = short_names(overrides)
    for name in ("job", *(short[name] for name in varied), "status", *columns):
        justify: Literal["left", "right"] = "right" if name in numbers else "left"
        table.add_column(make_text(name), overflow="fold", justify=justify, no_wrap=name in ("job", "status", *numbers))
    for row in ends(rows):
        status = str(row["status"])
        texts = [str(row["job"]), *("" if row.get(name) is None else str(row[name]) for name in varied)]
        style = _STATUS.get(status, "bold red")
        table.add_row(
            *map(make_text, texts), make_text(status, style), *(make_text(show(row)) for show in columns.values())
        )
    if len(rows) > MAX_ROWS:
        table.caption = f"the first and last of {len(rows):,}; sweep.csv has them all"
    console.print(table)


_Show: TypeAlias = Callable[[Mapping[str, Any]], str]


def _columns(
    rows: Sequence[Mapping[str, Any]], objective: str | None, width: Literal["always", "wide"]
) -> dict[str, _Show]:
    """What is shown of each job after its status, by the headings; ``sweep.csv`` has more."""
    wanted = [metric for metric in METRICS if metric.shown in ("always", width)]
    columns: dict[str, _Show] = {metric.title: partial(print_metric, metric) for metric in wanted}
    columns["message"] = lambda row: row.get("message") or ""
    columns = {name: show for name, show in columns.items() if any(show(row) for row in rows)}
    return columns if objective is None else {objective: lambda row: print_measured(row.get(objective)), **columns}


_STATUS = {"passed": "green", "pending": "dim"}
