"""Groups of the jobs of a sweep: statistics of each metric over jobs that differ in the seed only.

All views of groups, the terminal's, the page's, ``groups.csv`` and the Python API's, read ``group_jobs``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from assembler.errors import NOWHERE, Place, SettingsError
from assembler.words import suggestion

PENDING = "pending"
"""The status of a job without a result; the others are those of ``result.json``."""

REPLICATE = "seed"
"""The key in which the jobs of a group differ unless other keys are chosen."""

CONFIDENCE = 0.95
"""How often intervals like these contain the expected value, if values are normally distributed."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of a metric over the jobs that have a value, in the unit of the metric.

    Args:
        n: the number of values, at least 1.
        mean: their mean.
        std: their standard deviation, with n - 1 in the denominator; None for one value.
        half: half the width of the confidence interval of the mean; None for one value.
        min, max: the smallest and the largest value.
    """

    n: int
    mean: float
    std: float | None
    half: float | None
    min: float
    max: float

    @property
    def low(self) -> float | None:
        """The lower end of the confidence interval; None for one value."""
        return None if self.half is None else self.mean - self.half

    @property
    def high(self) -> float | None:
        """The upper end of the confidence interval; None for one value."""
        return None if self.half is None else self.mean + self.half


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs with equal values of the keys by which they are grouped.

    Args:
        values: the values of these keys; None if a job does not set the key.
        jobs: names of the jobs.
        failed: how many of them ended with the status ``failed`` or ``error``.
        pending: how many have no result.
        metrics: statistics by the names of metrics; metrics that no job has are absent.
    """

    values: Mapping[str, Any]
    jobs: Sequence[str]
    failed: int
    pending: int
    metrics: Mapping[str, Statistics]


@dataclass(frozen=True, slots=True)
class Groups:
    """All groups of a sweep, in the order of their first jobs.

    Args:
        by: the keys by which jobs are grouped.
        over: the other keys in which the jobs of a group differ, such as ``seed``.
        metrics: names of metrics, in order.
        groups: the groups.
    """

    by: Sequence[str]
    over: Sequence[str]
    metrics: Sequence[str]
    groups: Sequence[Group]

    def varied(self) -> list[str]:
        """The metrics whose values differ within a group."""
        found = {name for group in self.groups for name, one in group.metrics.items() if one.min < one.max}
        return [name for name in self.metrics if name in found]

    @property
    def columns(self) -> list[str]:
        """The names of ``rows``, in order."""
        return [*self.by, "jobs", "failed", "pending", "metric", "n", "mean", "std", "low", "high", "min", "max"]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row per group and metric; a group without any metric has one row with empty statistics."""
        for group in self.groups:
            counts = {"jobs": len(group.jobs), "failed": group.failed, "pending": group.pending}
            head = dict.fromkeys(self.columns) | dict(group.values) | counts
            if not group.metrics:
                yield head
            for name in self.metrics:
                if (one := group.metrics.get(name)) is not None:
                    statistics = asdict(one)
                    del statistics["half"]
                    yield head | {"metric": name, **statistics, "low": one.low, "high": one.high}


def group_jobs(
    rows: Sequence[Mapping[str, Any]], overrides: Sequence[str], metrics: Sequence[str], by: Sequence[str] | None = None
) -> Groups:
    """Group the jobs of a sweep.

    Args:
        rows: one mapping per job: ``job``, ``status``, overrides and metrics, None for values that it does not have.
        overrides: the keys that the command line set.
        metrics: the keys of metrics.
        by: the keys that are equal in a group; None: all that vary except ``seed``.

    Raises:
        SettingsError: no job sets a key of ``by``.
    """
    varied = [key for key in overrides if len({_text(row, key) for row in rows}) > 1]
    if by is None:
        by = [key for key in varied if key != REPLICATE]
    require_keys(by, overrides)
    members: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        members.setdefault(tuple(_text(row, key) for key in by), []).append(row)
    over = [
        key
        for key in varied
        if key not in by and any(len({_text(row, key) for row in of}) > 1 for of in members.values())
    ]
    return Groups(by, over, metrics, [_group(of, by, metrics) for of in members.values()])


def has_seeds(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether jobs differ in their seed, so that groups are worth showing."""
    return len({_text(row, REPLICATE) for row in rows}) > 1


def require_keys(by: Sequence[str], overrides: Sequence[str], place: Place = NOWHERE) -> None:
    """Require that each key by which jobs are grouped is one that the command line sets.

    Raises:
        SettingsError: one is not.
    """
    for key in by:
        if key not in overrides:
            known = f" The jobs set {', '.join(overrides)}." if overrides else ""
            raise SettingsError(f"no job sets {key!r}.{suggestion(key, overrides) or known}", place)


def _text(row: Mapping[str, Any], key: str) -> str:
    return str(row.get(key))


def _group(rows: Sequence[Mapping[str, Any]], by: Sequence[str], metrics: Sequence[str]) -> Group:
    statuses = [row["status"] for row in rows]
    pending = statuses.count(PENDING)
    failed = len(rows) - pending - statuses.count("passed")
    found = {name: [float(row[name]) for row in rows if row.get(name) is not None] for name in metrics}
    statistics = {name: statistics_of(values) for name, values in found.items() if values}
    return Group({key: rows[0].get(key) for key in by}, [str(row["job"]) for row in rows], failed, pending, statistics)


def statistics_of(values: Sequence[float]) -> Statistics:
    """The statistics of at least one value.

    The 95 % interval is mean ± t · std / √n, where t is the 97.5 % quantile of Student's t distribution with n - 1
    degrees of freedom (Student, "The probable error of a mean", Biometrika 6, 1908). Equal values have exactly this
    value as their mean, and 0 as their standard deviation.
    """
    n, least, most = len(values), min(values), max(values)
    if n == 1:
        return Statistics(1, least, None, None, least, most)
    if least == most:
        return Statistics(n, least, 0.0, 0.0, least, most)
    # Scaled by a power of two, which is exact, so that squares neither overflow nor vanish.
    scale = 2.0 ** max(-1000, math.frexp(max(-least, most))[1] - 1)
    scaled = [value / scale for value in values]
    mean = math.fsum(scaled) / n
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in scaled) / (n - 1)) * scale
    return Statistics(n, mean * scale, std, t_quantile(n - 1) * std / math.sqrt(n), least, most)


@cache
def t_quantile(degrees: int) -> float:
    """The two-sided quantile of Student's t distribution: the values within ± it have the probability CONFIDENCE.

    ``scipy.special.stdtrit`` computes it, the inverse of the distribution function; MindSpore requires SciPy.

    Args:
        degrees: degrees of freedom, at least 1.
    """
    from scipy.special import stdtrit  # 0.2 s, for sweeps with groups only

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))
