"""Whether the model's costs are within limits."""

from typing import Annotated

from pydantic import Field

from assembler.checks.base import check
from assembler.model.subject import Outcome, Subject

Most = Annotated[int, Field(ge=1)] | None


@check
def budget(
    subject: Subject,
    parameters: Most = None,
    trainable: Most = None,
    macs: Most = None,
    memory: Most = None,
    activations: Most = None,
) -> Outcome:
    """Whether the plan is within each given limit: parameters, trainable parameters, multiply-accumulate operations,
    bytes of parameters and of activations.

    Measured: the largest ratio of a metric to its limit.
    """
    plan = subject.planned
    limits = {
        "parameters": (plan.parameters, parameters),
        "trainable": (plan.trainable, trainable),
        "MACs": (plan.macs, macs),
        "bytes of parameters": (plan.parameter_memory, memory),
        "bytes of activations": (plan.activations, activations),
    }
    shares = {f"{got:,} {name} of {most:,}": got / most for name, (got, most) in limits.items() if most is not None}
    if not shares:
        raise ValueError("specify at least one limit, such as {parameters: 10000}")
    largest = max(shares.values())
    return Outcome("budget", largest <= 1, largest, 1, ", ".join(shares))
