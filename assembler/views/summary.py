"""The tables on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from assembler.language.recipe import print_value
from assembler.planning.plan import Plan
from assembler.planning.tables import MAX_ROWS, NUMBERS, ends, plan_table, sums
from assembler.words import print_bytes

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
    console = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, width=_WIDE)
    return console


def print_plan(console: Console, title: str, planned: Plan) -> None:
    """One row per layer, and the totals."""
    console.print(Text(title, "bold"))
    left_out = {"input", "memory"} if console.width < _NARROW else set()
    names, rows = plan_table(planned, left_out)
    table = Table()
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name in NUMBERS else "left")
    for row in rows:
        table.add_row(*map(Text, row))
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
        texts += [print_figure(value) for value in (one.mean, one.std, one.least, one.most)] if measured else []
        table.add_row(*map(Text, texts))
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
        verdict = Text("passed", "green") if outcome.passed else Text("FAILED", "bold red")
        verdict = verdict if outcome.applies else Text("–", "dim")
        texts = (print_figure(outcome.measured), print_figure(outcome.bound), outcome.detail)
        table.add_row(outcome.name, verdict, *map(Text, texts))
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


def print_seconds(seconds: float) -> str:
    """A human-readable duration: ``1.234 ms``, or ``1.234 s`` from one second on."""
    return f"{seconds:.3f} s" if seconds >= 1 else f"{seconds * 1e3:.3f} ms"


def print_figure(value: Any) -> str:
    """A measured value or a bound, in short form."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if type(value) is int:
        return f"{value:,}"
    if isinstance(value, list):
        return f"[{', '.join(str(item) if type(item) is int else print_figure(item) for item in value)}]"
    return str(value)


_FIGURES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "layers": lambda row: print_figure(row.get("plan.layers")),
    "parameters": lambda row: print_figure(row.get("plan.parameters")),
    "MACs": lambda row: print_figure(row.get("plan.macs")),
    "checks": lambda row: f"{row['checks.passed']}/{row['checks.total']}" if row.get("checks.total") else "",
    "latency": lambda row: print_seconds(row["bench.latency_ms"] / 1e3) if row.get("bench.latency_ms") else "",
    "seconds": lambda row: print_figure(row.get("seconds")),
    "message": lambda row: row.get("message") or "",
}
"""Columns of the table of a sweep, each with its value for a job. ``sweep.csv`` has more."""


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
    console.print(Text(title, "bold"))
    varied = [name for name in overrides if len({str(row.get(name)) for row in rows}) > 1]
    if same := [f"{name}={rows[0].get(name)}" for name in overrides if name not in varied]:
        console.out(f"all with {' '.join(same)}", highlight=False)
    table = Table()
    left_out = _OF_WIDE_TABLES if console.width < _NARROW else ()
    figures = {name: show for name, show in _FIGURES.items() if name not in left_out and any(show(row) for row in rows)}
    if objective is not None:
        figures = {objective: lambda row: print_figure(row.get(objective)), **figures}
    for name in ("job", *varied, "status", *figures):
        justify: Literal["left", "right"] = "right" if name in _FIGURES_RIGHT else "left"
        table.add_column(
            Text(name), overflow="fold", justify=justify, no_wrap=name in ("job", "status", *_FIGURES_RIGHT)
        )
    for row in ends(rows):
        status = str(row["status"])
        texts = [str(row["job"]), *("" if row.get(name) is None else str(row[name]) for name in varied)]
        style = _STATUS.get(status, "bold red")
        table.add_row(*map(Text, texts), Text(status, style), *(Text(show(row)) for show in figures.values()))
    if len(rows) > MAX_ROWS:
        table.caption = f"the first and last of {len(rows):,}; sweep.csv has them all"
    console.print(table)


_FIGURES_RIGHT = ("layers", "parameters", "MACs", "checks", "latency", "seconds")

_OF_WIDE_TABLES = ("layers", "MACs", "seconds")

_STATUS = {"passed": "green", "pending": "dim"}
