"""The table of a plan as texts, for the terminal and for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from assembler.html import html_table
from assembler.planning.specs import Spec, Specs, print_shape
from assembler.settings.metrics import METRICS, Metric, plan_metrics
from assembler.words import print_bytes

if TYPE_CHECKING:
    from assembler.planning.plan import Plan, Row

MAX_ROWS = 60
"""Rows of a table; of a longer one the middle is left out."""

_COUNTED = [metric for metric in METRICS if metric.per_layer and not metric.unit]
"""The metrics that have a column. Bytes of parameters follow from their number."""

NUMBERS = (*(metric.title for metric in _COUNTED), "memory")
"""The columns that hold numbers."""


def _shower(metric: Metric) -> Callable[[Row], str]:
    return lambda row: metric.print(getattr(row, metric.key))


_COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "": lambda row: row.path,
    "layer": lambda row: row.layer,
    "arguments": lambda row: row.arguments,
    "input": lambda row: print_shape(row.input),
    "output": lambda row: print_shape(row.output),
    "dtype": lambda row: _dtype(row.output),
    **{metric.title: _shower(metric) for metric in _COUNTED},
    "memory": lambda row: print_bytes(row.memory),
}
"""What each column shows of a row."""

Item = TypeVar("Item")


def plan_table(planned: Plan, left_out: Collection[str] = ()) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, and a row a layer; of many layers those at both ends, and how many are between them.

    Args:
        left_out: columns; those of parameters that the plan has none of are left out anyway.
    """
    none = [kind for kind in ("frozen", "other") if not getattr(planned, kind)]
    columns = {name: show for name, show in _COLUMNS.items() if name not in (*left_out, *none)}
    rows = [[show(row) for show in columns.values()] for row in ends(planned.rows)]
    if len(planned.rows) > MAX_ROWS:
        rows.insert(MAX_ROWS // 2, ["…", f"{len(planned.rows) - MAX_ROWS:,} more"])
    return list(columns), rows


def ends(items: Sequence[Item]) -> Sequence[Item]:
    """All, or as many as fit from both ends."""
    half = MAX_ROWS // 2
    return items if len(items) <= MAX_ROWS else [*items[:half], *items[-half:]]


_IN_SENTENCES = ("layers", "trainable", "frozen", "other", "parameters", "parameter_memory", "macs", "activations")
"""Metrics that the lines below the table have words for; any others are listed after these."""


def sums(planned: Plan) -> Iterator[str]:
    """The totals of the layers, in lines."""
    layers = "1 layer" if len(planned.rows) == 1 else f"{len(planned.rows):,} layers"
    others = [f", {count:,} {kind}" for kind in ("frozen", "other") if (count := getattr(planned, kind))]
    parameters = f"{planned.trainable:,} trainable parameters{''.join(others)}"
    values = planned.metrics()
    more = [f", {one.print(values[one.key])} {one.title}" for one in plan_metrics() if one.key not in _IN_SENTENCES]
    yield f"{layers}, {parameters} ({print_bytes(planned.parameter_memory)}), {planned.macs:,} MACs{''.join(more)}"
    if planned.uncounted:
        yield f"without the MACs of {', '.join(planned.uncounted)}, for which there is no rule"
    if tried := [f"#{row.path} {row.layer}" if row.path else row.layer for row in planned.rows if row.on_zeros]:
        names = ", ".join(tried[:3]) + (f" and {len(tried) - 3} more" if len(tried) > 3 else "")
        yield f"planned by running on zeros (no meta kernel): {names}; value-dependent shapes may differ"
    if planned.input is not None and planned.output is not None:
        memory = print_bytes(planned.activations)
        yield f"{print_shape(planned.input)} → {print_shape(planned.output)}, about {memory} of activations"


def _dtype(specs: Specs) -> str:
    while not isinstance(specs, Spec):
        specs = specs[0]
    return specs.dtype


def plan_html(planned: Plan) -> str:
    """A plan for notebooks; of one without an input shape, which has no rows, its line."""
    names, rows = plan_table(planned)
    return html_table(names, rows, right=NUMBERS, below=list(sums(planned)))
