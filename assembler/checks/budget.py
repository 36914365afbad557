"""Whether the model's costs are within limits."""

import inspect
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from assembler.checks.base import check
from assembler.model.subject import Outcome, Subject
from assembler.settings.metrics import plan_metrics

Most = Annotated[int, Field(ge=1)] | None

_NAMES = {"parameter_memory": "memory"}
"""Arguments that are not named by the key of their metric."""

_LIMITED = {_NAMES.get(metric.key, metric.key): metric for metric in plan_metrics() if metric.less_is_better}


def _with_limits(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Give a function of ``subject`` and ``**limits`` one argument for each metric of which less is better."""
    subject = inspect.signature(function).parameters["subject"]
    limits = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in _LIMITED]
    function.__signature__ = inspect.Signature([subject, *limits])  # type: ignore[attr-defined]
    function.__annotations__ = {"subject": Subject, **dict.fromkeys(_LIMITED, Most)}
    return function


@check
@_with_limits
def budget(subject: Subject, **limits: Most) -> Outcome:
    """Whether the plan is within each given limit: parameters, trainable parameters, multiply-accumulate operations,
    bytes of parameters and of activations.

    Measured: the largest ratio of a metric to its limit.
    """
    shares = {}
    for name, most in limits.items():
        metric = _LIMITED[name]
        if most is not None and metric.of_plan is not None:
            got = metric.of_plan(subject.planned)
            shares[f"{got:,} {_what(name)} of {most:,}"] = got / most
    if not shares:
        raise ValueError("specify at least one limit, such as {parameters: 10000}")
    largest = max(shares.values())
    return Outcome("budget", largest <= 1, largest, 1, ", ".join(shares), relation="<=")


def _what(name: str) -> str:
    """What is counted, as ``MACs`` or ``bytes of activations``."""
    metric = _LIMITED[name]
    return metric.title if metric.unit == "" else f"{metric.unit} of {metric.title.removeprefix('memory of ')}"
