"""Files of a sweep, validated when read, because they may be untrusted or damaged by a crash."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from assembler.words import first_line

MAX_BYTES = 2**28
"""Size limit of ``result.json`` and ``sweep.json``."""

Figure = Annotated[int, Field(ge=0, lt=2**128)]
"""A count, or bytes."""


class _Form(BaseModel):
    """Base of the models: other keys are allowed."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Specs(_Form):
    shape: list[Figure] | None = None
    dtype: str | None = None


_SomeSpecs = _Specs | list[_Specs | list[_Specs | list[Any]]] | None


class _Layer(_Form):
    path: str | None = None
    layer: str | None = None
    arguments: str | None = None
    input: _SomeSpecs = None
    output: _SomeSpecs = None
    trainable: Figure | None = None
    frozen: Figure | None = None
    other: Figure | None = None
    macs: Figure | None = None


class _Plan(_Form):
    layers: list[_Layer]
    parameters: Figure | None = None
    trainable: Figure | None = None
    frozen: Figure | None = None
    other: Figure | None = None
    parameter_memory: Figure | None = None
    macs: Figure | None = None
    activations: Figure | None = None
    uncounted: list[str] | None = None
    input: _SomeSpecs = None
    output: _SomeSpecs = None
    diagram: dict[str, Any] | None = None


class _Outcome(_Form):
    check: str
    passed: bool
    applies: bool = True
    detail: str = ""


class _Measured(_Form):
    mode: str
    latency: float
    first_call: float
    throughput: float
    memory: Figure | None


class _Device(_Form):
    got: str | None = None


class _Result(_Form):
    """The keys of a ``result.json`` that tables and pages of a sweep use; see docs/result.md."""

    status: Literal["passed", "failed", "error"]
    overrides: list[str]
    started: str
    identity: str | None = None
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
    plan: dict[str, Figure] | None = None

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
    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
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
