"""The tables on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rich.console import Console
from rich.table import Table

from assembler import words
from assembler.language.recipe import print_value
from assembler.planning.plan import Plan
from assembler.planning.tables import MAX_ROWS, NUMBERS, ends, plan_table, sums
from assembler.settings.metrics import METRICS, Metric
from assembler.words import make_text, print_bytes, print_number, print_seconds, short_names

if TYPE_CHECKING:
    from assembler.model.parameters import Observed
    from assembler.model.subject import Outcome
    from assembler.model.timing import Measurement
    from assembler.model.weights import Loaded

_WIDE = 140

_NARROW = 110
"""On a terminal narrower than this, the layer table omits columns; ``result.json`` has them all."""


def make_console(*, stderr: bool = False) -> Console:
    """A console that does not truncate tables if the output is a file or a pipe."""
    console = words.make_console(stderr=stderr)
    return console if console.is_terminal else words.make_console(stderr=stderr, width=_WIDE)


def print_plan(console: Console, title: str, planned: Plan) -> None:
    """One row per layer, and the totals."""
    console.print(make_text(title, "bold"))
    left_out = {"input", "memory"} if console.width < _NARROW else set()
    names, rows = plan_table(planned, left_out)
    table = Table()
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name in NUMBERS else "left")
    for row in rows:
        table.add_row(*map(make_text, row))
    console.print(table)
    print_sums(console, planned)


def print_sums(console: Console, planned: Plan) -> None:
    """The totals of the layers."""
    for line in sums(planned):
        console.print(line)


def print_parameters(console: Console, parameters: Sequence[Observed]) -> None:
    """One row per parameter."""
    table = Table()
    measured = any(one.mean is not None for one in parameters)
    ruled = any(one.set_by for one in parameters)
    names = ["parameter", "layer", "shape", "dtype", "", *(["set by"] if ruled else [])]
    for name in [*names, *(["mean", "std", "min", "max"] if measured else [])]:
        table.add_column(name, overflow="fold")
    for one in ends(parameters):
        weight = one.weight
        texts = [one.name, one.row.layer, print_value(weight.shape), weight.dtype, weight.kind]
        texts += [one.set_by] if ruled else []
        texts += [print_measured(value) for value in (one.mean, one.std, one.least, one.most)] if measured else []
        table.add_row(*map(make_text, texts))
    if len(parameters) > MAX_ROWS:
        table.caption = f"the first and last of {len(parameters):,}; result.json has them all"
    console.print(table)


def say_loaded(loaded: Loaded, file: str) -> str:
    """A summary of what was loaded, in one line."""
    missing, extra = len(loaded.missing), len(loaded.extra)
    rest = [f"{missing} of the model's are not in the file"] if missing else []
    rest += [f"{extra} of the file's were skipped"] if extra else []
    return f"{len(loaded.names)} parameters loaded from {file}" + (f"; {' and '.join(rest)}" if rest else "")


def print_outcomes(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One row per check."""
    if not outcomes:
        console.print("no checks were requested")
        return
    table = Table()
    for name in ("check", "", "measured", "bound", "detail"):
        table.add_column(name, overflow="fold")
    for outcome in outcomes:
        verdict = make_text("passed", "green") if outcome.passed else make_text("FAILED", "bold red")
        verdict = verdict if outcome.applies else make_text("–", "dim")
        texts = (print_measured(outcome.measured), print_measured(outcome.bound), outcome.detail)
        table.add_row(outcome.name, verdict, *map(make_text, texts))
    console.print(table)


def print_bench(console: Console, measured: Sequence[Measurement]) -> None:
    """One row per measurement."""
    table = Table()
    for name in ("mode", "batch", "first call", "latency", "spread", "lowest", "highest", "samples/s", "memory"):
        table.add_column(name, overflow="fold", justify="left" if name == "mode" else "right")
    for one in measured:
        seconds = (one.first_call, one.latency, one.spread, one.lowest, one.highest)
        memory = "" if one.memory is None else print_bytes(one.memory)
        table.add_row(one.mode, f"{one.batch:,}", *map(print_seconds, seconds), f"{one.throughput:,.0f}", memory)
    console.print(table)
    calls = "1 call" if measured[0].repeat == 1 else f"{measured[0].repeat:,} calls"
    console.print(f"latency: the median of {calls}; spread: from the first quartile to the third")


def print_measured(value: Any) -> str:
    """A measured value or a bound, in short form."""
    if value is None:
        return ""
    if isinstance(value, float) or type(value) is int:
        return print_number(value)
    if isinstance(value, list):
        return f"[{', '.join(str(item) if type(item) is int else print_measured(item) for item in value)}]"
    return str(value)


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
    table = Table()
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
