"""Whether training does not change frozen parameters."""

from dataclasses import replace

from assembler.checks.base import check
from assembler.model.subject import DoesNotApply, Outcome, Subject


@check(copies=4, keeps_activations=True)
def frozen(subject: Subject) -> Outcome:
    """Whether a training step changes other parameters but no frozen one. Measured: how many frozen ones it changes."""
    import numpy as np

    from assembler.checks.training import Weighted, float_outputs, random_targets, train
    from assembler.runtime import device

    names = {name for name, _, weight in subject.planned.weights() if weight.frozen}
    if not names:
        raise DoesNotApply("the recipe freezes nothing")
    model, inputs = subject.copy_for_training()
    outputs = float_outputs(model, inputs)
    if not model.trainable_params() or not outputs:
        raise DoesNotApply("nothing to train: every parameter is frozen, or no output is floating-point")
    before = {one.name: device.as_array(one).copy() for one in model.get_parameters()}
    loss = Weighted(model, [path for path, _ in outputs])
    with device.mode(subject.mode), device.contained():
        train(loss, [*inputs, *random_targets(replace(spec, dtype="float32") for _, spec in outputs)], 1, 0.1)
    changed = [one.name for one in model.get_parameters() if not np.array_equal(before[one.name], device.as_array(one))]
    wrong = [name for name in changed if name in names]
    if not changed:
        return Outcome("frozen", False, 0, 0, "the step changed no parameter")
    detail = f"changed: {', '.join(wrong)}" if wrong else ""
    return Outcome("frozen", not wrong, len(wrong), 0, detail, relation="=")
