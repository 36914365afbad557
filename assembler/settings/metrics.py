"""The metrics of a run: numbers by which runs are compared. All lists of metrics are read from this table.

To add one, add a line to ``METRICS``: it is then a key of ``result.json`` if the plan has it, a column of
``sweep.csv``, of the table on the terminal and of the page, and an ``objective``. Depending on its line, it is also an
argument of ``expect`` and of the check ``budget``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, TypeAlias

from assembler.words import print_bytes, print_number, print_seconds

Plan: TypeAlias = Any
"""``assembler.planning.plan.Plan``, which is above this module: settings need the names, and a plan needs settings."""

Record: TypeAlias = Mapping[str, Any]
"""What ``result.json`` holds."""

Unit = Literal["", "bytes", "ms", "s", "samples/s"]

_PRINTERS: Mapping[Unit, Callable[[Any], str]] = {
    "": print_number,
    "bytes": print_bytes,
    "ms": lambda value: print_seconds(value / 1e3),
    "s": print_number,
    "samples/s": lambda value: f"{value:,.0f}",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A number by which runs are compared.

    Args:
        name: in ``sweep.csv`` and in ``objective``: ``plan.macs``. The part before the dot is its source.
        title: in tables: ``MACs``.
        meaning: as a sentence.
        read: its value in a record; None if the run has none.
        of_plan: its value for a plan; None if a plan does not have it.
        unit: of the value; empty for a count.
        less_is_better: None if neither less nor more is better.
        out_of: the metric of the total, for a value that is printed as ``3/4``.
        is_estimate: whether a plan's value is not exact, so that it is not compared for equality.
        per_layer: whether each row of a plan has an attribute of this key as well.
        quartiles: the metrics of the first and the third quartile, if the value is a median; plots draw them as its
            error bars.
        shown: where it is shown by default: in the table of a sweep on any terminal, on a wide one, on the page only,
            or nowhere; ``sweep.csv`` has all.
    """

    name: str
    title: str
    meaning: str
    read: Callable[[Record], Any]
    of_plan: Callable[[Plan], int] | None = None
    unit: Unit = ""
    less_is_better: bool | None = None
    out_of: str | None = None
    is_estimate: bool = False
    per_layer: bool = False
    quartiles: tuple[str, str] | None = None
    shown: Literal["always", "wide", "page", "nowhere"] = "wide"

    @property
    def key(self) -> str:
        """The name without the part before the dot: ``macs``; a plan in ``result.json`` has it under this key."""
        return self.name.rpartition(".")[2]

    @property
    def factor(self) -> float:
        """By which values are multiplied where they share a unit, as on an axis: bytes become MiB."""
        return 2**-20 if self.unit == "bytes" else 1

    def print(self, value: float) -> str:
        """A value for people: ``1,234``, ``241.0 KiB``, ``1.234 ms``."""
        return _PRINTERS[self.unit](value)


def _of_plan(key: str, title: str, meaning: str, value: Callable[[Plan], int] | None = None, **rest: Any) -> Metric:
    """A metric of the plan; its value is the plan's attribute of this key unless a function is given."""

    def read(record: Record) -> Any:
        found = (record.get("plan") or {}).get(key)
        return len(found) if isinstance(found, list) else found  # layers are counted

    return Metric(f"plan.{key}", title, meaning, read, value or attrgetter(key), **rest)


def _of_bench(key: str, title: str, meaning: str, measured: str, factor: float = 1, **rest: Any) -> Metric:
    """A metric of the first measurement in the run's mode; if there is none, of the first measurement."""

    def read(record: Record) -> Any:
        all_: list[Any] = record.get("bench") or []
        one = next((one for one in all_ if one["mode"] == record.get("mode")), all_[0] if all_ else {})
        value = one.get(measured)
        return value if value is None or factor == 1 else value * factor

    return Metric(f"bench.{key}", title, meaning, read, **rest)


def applying(record: Record) -> list[Mapping[str, Any]]:
    """The outcomes of the checks that apply."""
    return [outcome for outcome in record.get("outcomes") or [] if outcome.get("applies", True)]


def _passed(record: Record) -> int | None:
    outcomes = applying(record)
    return sum(outcome["passed"] for outcome in outcomes) if outcomes else None


def _seconds(record: Record) -> float | None:
    seconds = record.get("seconds")
    return round(sum(seconds.values()), 3) if seconds else None


METRICS: tuple[Metric, ...] = (
    _of_plan("layers", "layers", "Layers.", lambda plan: len(plan.rows)),
    _of_plan(
        "trainable",
        "trainable",
        "Parameters that training changes.",
        less_is_better=True,
        per_layer=True,
        shown="nowhere",
    ),
    _of_plan(
        "frozen",
        "frozen",
        "Parameters that training would change if the recipe did not freeze them.",
        per_layer=True,
        shown="nowhere",
    ),
    _of_plan(
        "other",
        "other",
        "Parameters that training does not change, such as the statistics of BatchNorm.",
        per_layer=True,
        shown="nowhere",
    ),
    _of_plan(
        "parameters",
        "parameters",
        "All parameters: the statistics of BatchNorm, too.",
        less_is_better=True,
        shown="always",
    ),
    _of_plan(
        "parameter_memory",
        "memory of parameters",
        "Bytes of all parameters.",
        unit="bytes",
        less_is_better=True,
        per_layer=True,
        shown="nowhere",
    ),
    _of_plan(
        "macs",
        "MACs",
        "Multiply-accumulates of one forward pass, for the batch of the input.",
        less_is_better=True,
        per_layer=True,
    ),
    _of_plan(
        "activations",
        "activations",
        "Bytes of tensors that are alive at once in a forward pass.",
        unit="bytes",
        less_is_better=True,
        is_estimate=True,
        shown="nowhere",
    ),
    Metric(
        "checks.passed",
        "checks",
        "Checks that passed.",
        _passed,
        less_is_better=False,
        out_of="checks.total",
        shown="always",
    ),
    Metric(
        "checks.total", "all checks", "Checks that apply.", lambda record: len(applying(record)) or None, shown="page"
    ),
    _of_bench(
        "latency_ms",
        "latency",
        "The median of the calls.",
        "latency",
        1e3,
        unit="ms",
        less_is_better=True,
        quartiles=("bench.latency_q1_ms", "bench.latency_q3_ms"),
        shown="always",
    ),
    _of_bench(
        "latency_q1_ms",
        "first quartile of latency",
        "A quarter of the calls were as fast as this.",
        "first_quartile",
        1e3,
        unit="ms",
        less_is_better=True,
        shown="nowhere",
    ),
    _of_bench(
        "latency_q3_ms",
        "third quartile of latency",
        "Three quarters of the calls were as fast as this.",
        "third_quartile",
        1e3,
        unit="ms",
        less_is_better=True,
        shown="nowhere",
    ),
    _of_bench("calls", "calls", "Calls that the median and the quartiles are of.", "repeat", shown="nowhere"),
    _of_bench(
        "first_call_ms",
        "first call",
        "The first call, which may compile.",
        "first_call",
        1e3,
        unit="ms",
        less_is_better=True,
        shown="nowhere",
    ),
    _of_bench(
        "throughput",
        "samples/s",
        "Examples a second.",
        "throughput",
        unit="samples/s",
        less_is_better=False,
        shown="page",
    ),
    _of_bench(
        "memory",
        "memory",
        "Bytes that the model took while it was called.",
        "memory",
        unit="bytes",
        less_is_better=True,
        shown="page",
    ),
    Metric("seconds", "seconds", "Time that the run took.", _seconds, unit="s", less_is_better=True),
)
"""All but ``check.NAME``, in the order of the columns of ``sweep.csv``."""


def plan_metrics() -> list[Metric]:
    """The metrics of a plan."""
    return [metric for metric in METRICS if metric.of_plan is not None]


def metrics_of(record: Record) -> dict[str, float]:
    """The metrics of a run by their names, from its ``result.json``.

    ``check.NAME`` is the value that a check measured, ``check.NAME.2`` that of a second check of this name. Values that
    are not numbers, or too large for a float, are left out.
    """
    found = {metric.name: metric.read(record) for metric in METRICS}
    for outcome in applying(record):
        name, count = f"check.{outcome['check']}", 1
        while name in found:
            count += 1
            name = f"check.{outcome['check']}.{count}"
        found[name] = outcome["measured"]
    return {name: value for name, value in found.items() if _is_a_number(value)}


def _is_a_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
