"""Whether training reaches every parameter."""

from assembler.checks.base import check
from assembler.model.subject import DoesNotApply, Outcome, Subject


@check(copies=2, keeps_activations=True)
def gradients(subject: Subject) -> Outcome:
    """Whether every trainable parameter receives a gradient that is finite and not all zero.

    The gradient is of the outputs' sum with random weights, in training mode without Dropout. A parameter whose
    gradient is exactly zero is dead: it has no effect on this input. Measured: how many parameters receive a gradient,
    of how many.
    """
    import numpy as np

    from assembler.checks import training
    from assembler.runtime import device

    model = subject.copy()
    parameters = model.trainable_params()
    if not parameters:
        raise DoesNotApply("the model has no trainable parameters")
    outputs = training.float_outputs(model, subject.inputs)
    if not outputs:
        raise DoesNotApply("no output is floating-point")
    loss = training.Weighted(model, [path for path, _ in outputs])
    with device.mode(subject.mode), device.contained():
        given = [*subject.inputs, *training.random_targets(spec for _, spec in outputs)]
        found = training.gradients(loss, parameters, given)
    named = list(zip([one.name for one in parameters], found, strict=True))
    infinite = [name for name, gradient in named if not np.isfinite(gradient).all()]
    dead = [name for name, gradient in named if not gradient.any()]
    told = [f"{word}: {_some(names)}" for word, names in (("not finite", infinite), ("dead", dead)) if names]
    reached = len(named) - len({*infinite, *dead})
    return Outcome("gradients", not told, reached, len(named), "; ".join(told), relation="=")


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
