"""Whether PyNative and Graph mode agree."""

from assembler.checks.base import check
from assembler.model.inputs import Array
from assembler.model.subject import Outcome, Subject, difference, largest
from assembler.settings import Mode


@check
def modes(outputs: list[Array], subject: Subject, rtol: float | None = None) -> Outcome:
    """Whether PyNative and Graph mode agree. Measured: the largest difference.

    The bound is ``rtol`` times the largest magnitude of the output, or by default 16 roundings, more for long sums, at
    the largest magnitude of any layer's output.
    """
    other: Mode = "pynative" if subject.mode == "graph" else "graph"
    apart = difference(outputs, subject.outputs_in(other))
    bound = subject.tolerance(16) if rtol is None else rtol * max(map(largest, outputs))
    return Outcome("modes", apart <= bound, apart, bound, f"{subject.mode} against {other}", relation="<=")
