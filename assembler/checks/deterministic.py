"""Whether two calls give the same output."""

from assembler.checks.base import check
from assembler.model.inputs import Array
from assembler.model.subject import Outcome, Subject, difference


@check
def deterministic(outputs: list[Array], subject: Subject) -> Outcome:
    """Whether a second call on the same input is bitwise equal. Measured: the largest difference."""
    apart = difference(outputs, subject.outputs_in(subject.mode))
    return Outcome("deterministic", apart == 0, apart, 0)
