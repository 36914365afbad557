"""Whether two calls give the same output."""

from assembler.checks.base import check
from assembler.model.inputs import Array
from assembler.model.subject import Outcome, Subject, difference


@check
def deterministic(outputs: list[Array], subject: Subject, equals: bool = True) -> Outcome:
    """Whether a second call on the same input is bitwise equal. Measured: the largest difference.

    A model that draws random numbers, such as a VAE, is ``{equals: false}``: its second call must differ.
    """
    apart = difference(outputs, subject.outputs_in(subject.mode))
    if equals:
        hint = "" if apart == 0 else "if the model draws random numbers, write deterministic: {equals: false}"
        return Outcome("deterministic", apart == 0, apart, 0, hint, relation="=")
    return Outcome("deterministic", apart != 0, apart, 0, "" if apart else "no random number was drawn", relation=">")
