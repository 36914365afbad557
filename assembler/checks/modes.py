"""Whether PyNative and Graph mode agree."""

from assembler.checks.base import Array, Outcome, Subject, check, difference, largest
from assembler.settings import Mode


@check
def modes(outputs: list[Array], subject: Subject, resolution: float, rtol: float | None = None) -> Outcome:
    """Whether PyNative and Graph mode agree. Measured: the largest difference.

    The bound is ``rtol``, by default 16 roundings, times the largest magnitude of the output.
    """
    other: Mode = "pynative" if subject.mode == "graph" else "graph"
    apart = difference(outputs, subject.outputs_in(other))
    bound = (16 * resolution if rtol is None else rtol) * max(map(largest, outputs))
    return Outcome("modes", apart <= bound, apart, f"≤ {bound:.3g}", f"{subject.mode} against {other}")
