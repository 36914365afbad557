"""The data of a page, as JSON: the parts of each record that it shows; data shared by jobs is stored once."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from assembler.settings.groups import Groups
from assembler.settings.metrics import METRICS, plan_metrics
from assembler.views.page.configuration import command, recipe_text, settings_by_key
from assembler.views.page.tree import layer_rows, print_shape, tree_rows
from assembler.words import print_comparison, short_names

File: TypeAlias = tuple[str, int]
"""A file of the run folder: its name there, with ``/`` between folders, and how many bytes it has."""

_PROGRAM = ("python", "run.py")
"""What a record without ``program`` was written by."""

_EXACT = 2**53
"""Integers up to here are exact in JavaScript; larger ones are strings."""

_LARGEST = 2**1023

_ABOUT = ("task", "mode", "seed", "dtype", "amp")


class _Pool:
    """Values, each stored once and used by its number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}
        self._ones: dict[int, int | None] = {}

    def number(self, value: Any) -> int | None:
        """The number of a value; None for an empty one."""
        if not value:
            return None
        key = json.dumps(value)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]

    def number_of_one(self, value: Any) -> int | None:
        """As ``number``, of a large value that jobs share as one object, which has to outlive the pool."""
        if id(value) not in self._ones:
            self._ones[id(value)] = self.number(value)
        return self._ones[id(value)]


def sweep_data(
    rows: Sequence[Mapping[str, Any]],
    overrides: Sequence[str],
    records: Mapping[str, Mapping[str, Any]],
    diagrams: Mapping[str, Mapping[str, Any]],
    groups: Groups | None = None,
) -> dict[str, Any]:
    """The data of a sweep's page; see ``assembler.views.page.sweep_page``."""
    names = list(rows[0]) if rows else ["job", "status"]
    set_ = {name for name in overrides if name in names}
    short = short_names(names)
    pool = _Pool()
    return {
        "columns": [[name, *_column(name, name in set_), short[name]] for name in names],
        "values": [[_cell(name, row[name], name in set_) for row in rows] for name in names],
        "jobs": _jobs(rows, records, diagrams, pool),
        "pool": pool.values,
        "groups": None if groups is None else _groups(groups, {str(row["job"]): at for at, row in enumerate(rows)}),
    }


def _jobs(
    rows: Sequence[Mapping[str, Any]],
    records: Mapping[str, Mapping[str, Any]],
    diagrams: Mapping[str, Mapping[str, Any]],
    pool: _Pool,
) -> dict[str, Any]:
    """The details of each job; those that jobs share are numbers of ``pool``."""
    plans: dict[int, dict[str, Any]] = {}  # jobs with equal plans have the same object
    recipes: dict[int, dict[str, Any]] = {}  # as of plans
    jobs = {}
    for row in rows:
        job = str(row["job"])
        details: dict[str, Any] = {}
        if job in records:
            plan = records[job].get("plan") or {}
            if id(plan) not in plans:
                parts = {"parts": _parts(plan)}
                plans[id(plan)] = {name: pool.number(value) for name, value in (plan_data(plan) | parts).items()}
            recipe = records[job].get("recipe")
            if id(recipe) not in recipes:
                texts = {"recipe": recipe_text(recipe), "settings": settings_by_key(recipe)}
                recipes[id(recipe)] = {name: pool.number(value) for name, value in texts.items()}
            details = {**_details(records[job]), **plans[id(plan)], **recipes[id(recipe)]}
        left = {name: value for name, value in details.items() if value or name in _OF_PLAN}
        jobs[job] = {name: pool.number(value) if name in _SHARED else value for name, value in left.items()}
        if job in diagrams:
            jobs[job]["diagram"] = pool.number_of_one(diagrams[job])
    return jobs


_STATISTICS = ("n", "mean", "half", "std", "min", "max")


def _groups(groups: Groups, places: Mapping[str, int]) -> dict[str, Any]:
    """The groups: their keys, and for each metric a list per statistic; jobs are numbers of rows."""
    metrics: dict[str, Any] = {}
    for name in groups.metrics:
        found = [group.metrics.get(name) for group in groups.groups]
        metrics[name] = {
            key: [None if one is None else _cell(name, getattr(one, key), key == "n") for one in found]
            for key in _STATISTICS
        }
    return {
        "by": list(groups.by),
        "over": list(groups.over),
        "values": {key: [group.values[key] for group in groups.groups] for key in groups.by},
        "jobs": [[places[job] for job in group.jobs] for group in groups.groups],
        "failed": [group.failed for group in groups.groups],
        "pending": [group.pending for group in groups.groups],
        "metrics": metrics,
    }


_METRICS = {metric.name: metric for metric in METRICS}


def _column(name: str, is_override: bool) -> list[Any]:
    """The kind of a column, and the properties of a metric."""
    if is_override:
        return ["override", {}]
    metric = _METRICS.get(name)
    if metric is None:
        return [_OTHERS.get(name, "metric"), {"aside": name in ("started", "path")}]
    best = {True: "min", False: "max", None: None}[metric.less_is_better]
    unit = "MiB" if metric.unit == "bytes" else metric.unit
    return ["metric", {"unit": unit, "best": best, "aside": metric.shown == "nowhere", "quartiles": metric.quartiles}]


_OTHERS = {name: name for name in ("job", "status")} | dict.fromkeys(("message", "started", "path"), "text")
"""The kinds of columns that are neither overrides nor metrics."""


def _cell(name: str, value: Any, as_it_is: bool) -> Any:
    """A value of the table. Bytes become MiB; a metric keeps nine digits, and remains a number."""
    if name in _OTHERS:
        return value if value is None else str(value)
    if as_it_is or type(value) not in (int, float):
        return value
    if name in _METRICS:
        value *= _METRICS[name].factor
    if type(value) is int:
        return value if abs(value) <= _EXACT else float(value) if abs(value) < _LARGEST else str(value)
    return float(f"{value:.9g}") if math.isfinite(value) else value


_OF_PLAN = ("tree", "layers", "sums", "parts", "recipe", "settings")

_SHARED = ("about", "error")
"""Keys whose values many jobs may share, beside those of their plans and their diagrams."""


def run_data(record: Mapping[str, Any], diagram: Mapping[str, Any] | None, files: Sequence[File]) -> dict[str, Any]:
    """The data of a run's page; see ``assembler.views.page.run_page``."""
    return {
        **_details(record),
        **plan_data(record.get("plan") or {}),
        "recipe": recipe_text(record.get("recipe")),
        "status": record.get("status"),
        "device": record.get("device"),
        "weights": record.get("weights"),
        "versions": record.get("versions"),
        "machine": record.get("machine"),
        "parameters": [_parameter(one) for one in record.get("parameters") or []],
        "bench": record.get("bench") or [],
        "files": list(files),
        "name": (record.get("recipe") or {}).get("name") if isinstance(record.get("recipe"), Mapping) else None,
        "diagram": diagram,
    }


def _details(record: Mapping[str, Any]) -> dict[str, Any]:
    device = record.get("device") or {}
    return {
        "overrides": list(record.get("overrides") or []),
        "command": command([*(record.get("program") or _PROGRAM), *(record.get("overrides") or ())]),
        "about": {**{name: record.get(name) for name in _ABOUT}, "device": device.get("got")},
        "started": record.get("started"),
        "error": record.get("error"),
        "checks": [_outcome(outcome) for outcome in record.get("outcomes") or []],
        "seconds": record.get("seconds") or {},
    }


def _parts(plan: Mapping[str, Any]) -> list[list[Any]]:
    """The parts of a plan: level, kind, text, path, and parameters and MACs without those of the parts inside."""
    return [
        [
            *(one["level"], *(one.get(key) or "" for key in ("kind", "text", "path"))),
            *(one.get(key) or 0 for key in ("parameters", "macs")),
        ]
        for one in plan.get("parts") or ()
    ]


def plan_data(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The layers of a plan, as blocks and one by one, and its sums.

    Args:
        plan: the ``plan`` of a record.
    """
    return {
        "tree": tree_rows(plan),
        "layers": layer_rows(plan),
        "sums": _sums(plan) if plan else {},
    }


def _sums(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The totals of the table of layers, and the metrics listed beside it: titles and strings."""
    totals = {name: plan.get(name) for name in ("parameters", "macs")}
    totals["memory"] = sum(layer.get("memory") or 0 for layer in plan.get("layers") or ())
    shapes = {name: print_shape(plan[name]) for name in ("input", "output") if plan.get(name)}
    return {**totals, **shapes, "metrics": list(_metrics(plan)), "uncounted": list(plan.get("uncounted") or [])}


def _metrics(plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The metrics of a plan; those that are hidden by default, only if they are not zero."""
    for metric in plan_metrics():
        value = plan.get(metric.key)
        if type(value) is int and (value or metric.shown != "nowhere"):
            yield f"{metric.title}, about" if metric.is_estimate else metric.title, metric.print(value)


def _outcome(outcome: Mapping[str, Any]) -> list[Any]:
    """Name, verdict, what was measured and had to be, and detail. A check that does not apply has no verdict."""
    passed = bool(outcome.get("passed"))
    measured, bound, relation = outcome.get("measured"), outcome.get("bound"), outcome.get("relation") or ""
    result = print_comparison(measured, bound, relation, passed=passed)
    return [outcome.get("check"), passed if outcome.get("applies", True) else None, result, outcome.get("detail")]


def _parameter(one: Mapping[str, Any]) -> list[Any]:
    names = ("name", "layer", "shape", "dtype", "kind", "set_by", "mean", "std", "min", "max")
    return [print_shape(one) if name == "shape" else one.get(name) for name in names]


def packed(data: Any) -> str:
    """Data as JSON, compressed and in base64, in which no character is markup.

    A page of 10,000 jobs would otherwise have 25 MB of digits.
    """
    return base64.b64encode(gzip.compress(_json(data).encode(), 6, mtime=0)).decode()


def as_json(data: Any) -> str:
    """Data for a script element: no character in it ends the element or begins a comment."""
    return _json(data).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _json(data: Any) -> str:
    return json.dumps(_exact(data), separators=(",", ":"), allow_nan=False)


def _exact(value: Any) -> Any:
    """The same data; numbers that JavaScript would change or JSON lacks become strings."""
    kind = type(value)
    if value is None or kind in (str, bool):  # first, because a large page has two million values
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind is int:
        return value if abs(value) <= _EXACT else str(value)
    if isinstance(value, Mapping):
        return {str(key): _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    return value if isinstance(value, str) else str(value)
