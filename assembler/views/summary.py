"""The tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from assembler.rows import Plan, Row, Spec, Specs, print_shape

if TYPE_CHECKING:
    from assembler.checks.base import Outcome

MAX_ROWS = 60
"""Rows of the layer table; of a longer one the middle is left out. ``result.json`` has them all."""

_NARROW = 120


def make_console(*, stderr: bool = False) -> Console:
    """A console that does not cut its tables off when the output is a file or a pipe."""
    console = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, width=_NARROW)
    return console


def print_plan(console: Console, title: str, planned: Plan) -> None:
    """One row a layer, and the totals."""
    console.print(Text(title, "bold"))
    table = Table()
    for name in ("", "layer", "arguments", "output", "dtype"):
        table.add_column(name, overflow="fold")
    table.add_column("parameters", justify="right")
    rows = planned.rows
    half = MAX_ROWS // 2
    for row in rows if len(rows) <= MAX_ROWS else rows[:half]:
        _add(table, row)
    if len(rows) > MAX_ROWS:
        table.add_row("…", f"{len(rows) - 2 * half} more", "", "", "", "")
        for row in rows[-half:]:
            _add(table, row)
    console.print(table)
    other = f", {planned.other:,} other" if planned.other else ""
    layers = "1 layer" if len(rows) == 1 else f"{len(rows)} layers"
    console.print(f"{layers}, {planned.trainable:,} trainable parameters{other}")


def _add(table: Table, row: Row) -> None:
    count = row.trainable + row.other
    texts = (row.path, row.layer, row.arguments, print_shape(row.output), _dtype(row.output), f"{count:,}")
    table.add_row(*map(Text, texts))


def _dtype(specs: Specs) -> str:
    while not isinstance(specs, Spec):
        specs = specs[0]
    return specs.dtype


def print_outcomes(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One row a check."""
    if not outcomes:
        console.print("no checks were asked for")
        return
    table = Table()
    for name in ("check", "", "measured", "bound", "detail"):
        table.add_column(name, overflow="fold")
    for outcome in outcomes:
        verdict = Text("passed", "green") if outcome.passed else Text("FAILED", "bold red")
        texts = (print_figure(outcome.measured), print_figure(outcome.bound), outcome.detail)
        table.add_row(outcome.name, verdict, *map(Text, texts))
    console.print(table)


def print_figure(value: Any) -> str:
    """A measured value or a bound, short."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return f"[{', '.join(map(print_figure, value))}]"
    return str(value)


def print_sweep(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """One row a job of a sweep."""
    console.print(Text("sweep", "bold"))
    table = Table()
    for name in ("job", "overrides", "status", "layers", "parameters", "checks", "seconds", "message"):
        table.add_column(name, overflow="fold", justify="right" if name in ("layers", "parameters") else "left")
    styles = {"passed": "green"}
    for row in rows:
        texts = {name: Text(str(row[name])) for name in row}
        texts["status"].stylize(styles.get(str(row["status"]), "bold red"))
        table.add_row(*(texts[column.header] for column in table.columns if isinstance(column.header, str)))
    console.print(table)
