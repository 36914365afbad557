"""The table of groups on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from assembler.planning.tables import MAX_ROWS, ends
from assembler.settings.groups import Groups, Statistics
from assembler.settings.metrics import METRICS
from assembler.words import counted, make_table, make_text, short_names

if TYPE_CHECKING:
    from rich.table import Table

MOST = 8
"""Metrics that are printed; ``groups.csv`` has all."""

_HEADINGS = (
    ("mean", "± 95 %", "std", "min", "max"),
    ("mean", "± 95 %", "std"),
    ("mean", "± 95 %"),
)
"""The statistics on a wide terminal and on narrower ones."""

_METRICS = {metric.name: metric for metric in METRICS}


def print_groups(console: Console, groups: Groups, objective: str | None = None) -> None:
    """For each metric that differs within a group, one row per group.

    Args:
        objective: the metric that the sweep optimizes; it comes first.
    """
    over = f" over {', '.join(groups.over)}" if groups.over else ""
    console.print(make_text(f"{counted(len(groups.groups), 'group')}{over}", "bold"))
    names = [name for name in groups.varied() if name == objective or _is_shown(name)]
    names.sort(key=lambda name: name != objective)
    only_time = names == ["seconds"] and objective != "seconds"  # of the whole run, which says little about a model
    if names and not only_time:
        unbounded = console.options.update(max_width=10_000)
        for headings in _HEADINGS:
            table = _table(groups, names[:MOST], headings)
            if console.measure(table, options=unbounded).maximum <= console.width:
                break
        console.print(table)
        console.print("± 95 %: half the confidence interval of the mean, by Student's t distribution")
        console.print("n: jobs with a value, failed ones included; the statistics are over these")
    else:
        console.print(f"no metric{' but seconds' if only_time else ''} differs within a group")
    more = f"{counted(len(names) - MOST, 'other metric')} and " if len(names) > MOST else ""
    console.print(
        "all statistics: groups.csv" if only_time else f"{more}metrics that are equal within groups: groups.csv"
    )


def _is_shown(name: str) -> bool:
    return name not in _METRICS or _METRICS[name].shown != "nowhere"


def _table(groups: Groups, names: Sequence[str], headings: Sequence[str]) -> Table:
    """A section per metric: its title, and one row per group."""
    table = make_table()
    table.add_column("", overflow="fold")
    counts = [key for key in ("failed", "pending") if any(getattr(group, key) for group in groups.groups)]
    for heading in ("n", *counts, *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    short = short_names(groups.by)
    for name in names:
        title, factor = _title(name)
        table.add_row(make_text(title, "bold"))
        for group in ends(groups.groups):
            one = group.metrics.get(name)
            lost = [str(getattr(group, key) or "") for key in counts]
            table.add_row(
                make_text(f"  {_label(group.values, short)}"),
                str(one.n if one else 0),
                *lost,
                *_texts(one, headings, factor),
            )
        table.add_section()
    if len(groups.groups) > MAX_ROWS:
        table.caption = f"the first and last of {len(groups.groups):,} groups; groups.csv has them all"
    return table


def _label(values: Mapping[str, Any], short: Mapping[str, str]) -> str:
    """The keys of a group, each with its value, if it has one: ``width=32 mode=graph``."""
    known = {key: value for key, value in values.items() if value is not None} or dict.fromkeys(values, "")
    return " ".join(f"{short[key]}={value}" for key, value in known.items()) or "all jobs"


def _title(name: str) -> tuple[str, float]:
    """A metric with its unit, and the factor of its values."""
    metric = _METRICS.get(name)
    if metric is None:
        return name, 1
    unit = "MiB" if metric.unit == "bytes" else metric.unit
    return (metric.title if unit in ("", "s", metric.title) else f"{metric.title} ({unit})"), metric.factor


def _texts(one: Statistics | None, headings: Sequence[str], factor: float) -> list[str]:
    """The statistics; – for what a single value does not have."""
    if one is None:
        return [""] * len(headings)
    values = {"mean": one.mean, "± 95 %": one.half, "std": one.std, "min": one.min, "max": one.max}
    return [_number(values[heading], factor, 3 if heading in ("± 95 %", "std") else 4) for heading in headings]


def _number(value: float | None, factor: float, digits: int) -> str:
    """So many significant digits, trailing zeros included, so that the numbers of a column can be compared."""
    if value is None:
        return "–"
    value *= factor
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == 0 else f"{value:#.{digits}g}".removesuffix(".")
    return text.replace("e-0", "e-")
