"""Whether saving and loading gives the same model."""

import tempfile
from pathlib import Path
from typing import Literal

from assembler.checks.base import check
from assembler.model.inputs import Array
from assembler.model.subject import DoesNotApply, Outcome, Subject, difference


@check(copies=1)
def reload(subject: Subject, outputs: list[Array], format: Literal["safetensors", "ckpt"] = "safetensors") -> Outcome:
    """Whether a new model that loads the saved parameters is bitwise equal.

    Measured: the largest difference of the outputs.
    """
    from assembler.model import weights
    from assembler.model.build import build
    from assembler.model.precision import mixed
    from assembler.runtime import device, exits

    if not subject.planned.parameters:
        raise DoesNotApply("the model has no parameters")
    with (temporary := tempfile.TemporaryDirectory()) as folder, exits.undone_by(temporary.cleanup):
        file = Path(folder) / f"weights.{format}"
        weights.save(subject.bare, file)
        with device.untouched_generators():
            anew = build(subject.planned, seed=1)
        weights.load(anew, file)
    apart = difference(outputs, subject.call(mixed(anew, subject.amp), subject.inputs))
    return Outcome("reload", apart == 0, apart, 0, f"through {format}", relation="=")
