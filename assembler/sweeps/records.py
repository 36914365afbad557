"""Files of a sweep, validated when read, because they may be untrusted or damaged by a crash."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from assembler.files import require_file
from assembler.reading.yaml_files import MAX_DEPTH
from assembler.settings.metrics import METRICS, plan_metrics
from assembler.words import first_line

MAX_BYTES = 2**27
"""Size limit of ``result.json`` and ``sweep.json``."""

MAX_VALUES = 5_000_000
"""Limit of the values in one of them, which take about 100 bytes each; a model of 100,000 layers has fewer."""

MAX_LEVELS = 200
"""Limit of the levels of an outline. How often a node occurs is a product of as many numbers."""

Count = Annotated[int, Field(ge=0, lt=2**128)]
"""A count, or bytes."""


class _Form(BaseModel):
    """Base of the models: other keys are allowed."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Specs(_Form):
    shape: list[Count] | None = None
    dtype: str | None = None


_SomeSpecs = _Specs | list[_Specs | list[_Specs | list[Any]]] | None


def _with_counts(name: str, keys: list[str]) -> Any:
    """A form with a count for each of these keys."""
    return create_model(name, __base__=_Form, **dict.fromkeys(keys, (Count | None, None)))  # type: ignore[call-overload]


_LayerMetrics: Any = _with_counts("_LayerMetrics", [metric.key for metric in METRICS if metric.per_layer])
_PlanMetrics: Any = _with_counts("_PlanMetrics", [metric.key for metric in plan_metrics()])


class _Layer(_LayerMetrics):
    path: str | None = None
    layer: str | None = None
    arguments: str | None = None
    input: _SomeSpecs = None
    output: _SomeSpecs = None
    memory: Count | None = None


class _Node(_LayerMetrics):
    level: Annotated[int, Field(ge=0, lt=MAX_LEVELS)]
    row: Count | None = None
    title: str | None = None
    arguments: str | None = None
    path: str | None = None
    last: str | None = None
    input: _SomeSpecs = None
    output: _SomeSpecs = None
    times: Annotated[int, Field(ge=1, lt=2**32)] = 1
    layers: Count | None = None
    memory: Count | None = None


class _Part(_Form):
    level: Annotated[int, Field(ge=0, lt=MAX_LEVELS)]
    kind: str | None = None
    text: str | None = None
    path: str | None = None
    parameters: Count | None = None
    macs: Count | None = None


class _Plan(_PlanMetrics):
    layers: list[_Layer]
    outline: list[_Node] | None = None
    parts: list[_Part] | None = None
    uncounted: list[str] | None = None
    input: _SomeSpecs = None
    output: _SomeSpecs = None
    diagram: dict[str, Any] | None = None


class _Outcome(_Form):
    check: str
    passed: bool
    applies: bool = True
    detail: str = ""
    relation: str = ""


class _Measured(_Form):
    mode: str
    latency: float
    first_call: float
    throughput: float
    memory: Count | None
    first_quartile: float | None = None
    third_quartile: float | None = None
    repeat: Count | None = None


class _Device(_Form):
    got: str | None = None


def _flat_enough(value: Any) -> Any:
    """A recipe, if it is nested as deep as a file can be at most: what writes it is recursive."""
    level, depth = [value], 0
    while level:
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level, depth = [one for items in inner for one in items], depth + 1
        if depth > MAX_DEPTH:
            raise ValueError("it is nested too deep")
    return value


class _Result(_Form):
    """The keys of a ``result.json`` that tables and pages of a sweep use; see docs/result.md."""

    status: Literal["passed", "failed", "error"]
    overrides: list[str]
    program: list[str] | None = None
    started: str
    identity: str | None = None
    recipe: Annotated[Any, AfterValidator(_flat_enough)] = None
    error: str | None = None
    mode: str | None = None
    device: _Device | None = None
    plan: _Plan | None = None
    outcomes: list[_Outcome] | None = None
    bench: list[_Measured] | None = None
    seconds: dict[str, float] | None = None


def _inside(job: str) -> str:
    path = PurePath(job)
    if not job or path.is_absolute() or ".." in path.parts or "\0" in job:
        raise ValueError(f"{job!r} is not a folder of the sweep")
    return job


class _Job(_Form):
    job: Annotated[str, AfterValidator(_inside)]
    identity: str
    overrides: list[str]
    error: str | None = None
    plan: dict[str, Count] | None = None
    without_seed: str | None = None

    model_config = ConfigDict(extra="forbid", strict=True)


class _Ledger(_Form):
    jobs: list[_Job]


def read_result(file: Path) -> dict[str, Any]:
    """The result of a job.

    Raises:
        OSError: the file does not exist or cannot be read.
        ValueError: the file is invalid.
    """
    return _read(file, _Result)


def read_ledger(file: Path) -> list[dict[str, Any]]:
    """The jobs of a sweep, as ``sweep.json`` lists them.

    Raises:
        OSError, ValueError: as ``read_result``.
    """
    return list(_read(file, _Ledger)["jobs"])


def _read(file: Path, form: type[BaseModel]) -> dict[str, Any]:
    with require_file(file).open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
    if _has_more_values(content, MAX_VALUES):
        raise ValueError(f"it has more than {MAX_VALUES:,} values")
    try:
        data = json.loads(content.decode("utf-8"))
        form.model_validate(data)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except ValidationError as error:
        one = error.errors(include_url=False)[0]
        where = ".".join(map(str, one["loc"]))
        raise ValueError(f"{where + ': ' if where else ''}{one['msg']}") from None
    except ValueError as error:
        raise ValueError(first_line(error)) from None
    return dict(data)


def _has_more_values(content: bytes, limit: int) -> bool:
    """Whether a JSON text has more values than a limit: each comes after a comma, ``[``, or ``{`` and a key."""
    if sum(map(content.count, (b",", b"[", b"{"))) <= limit:
        return False
    content = content.replace(rb"\\", b"").replace(rb"\"", b"")  # from here on, a quote ends a string
    signs = (one for one in re.finditer(rb'"[^"]*"?|[,\[{]', content) if content[one.start()] != ord('"'))
    return next(islice(signs, limit, None), None) is not None
