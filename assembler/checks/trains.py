"""Whether the model can learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from assembler.checks.base import check
from assembler.model.subject import DoesNotApply, Outcome, Subject

if TYPE_CHECKING:
    from mindspore import Tensor, nn

Positive = Annotated[float, Field(gt=0)]


@check(copies=5, keeps_activations=True)
def trains(
    subject: Subject,
    factor: Positive = 2,
    steps: Annotated[int, Field(ge=1)] = 20,
    learning_rate: Positive | None = None,
) -> Outcome:
    """Whether the loss falls by ``factor`` in so many ``steps`` of Adam on one batch.

    The target is the model's own output after its trainable parameters are moved at random by up to a tenth of their
    root mean square, so it can be reached. The loss is the mean square error, in float32 and training mode without
    Dropout. Adam moves all n parameters together, which moves the output about sqrt(n) times more. So the default
    learning rate is the distance / sqrt(n), at most a tenth of it. Measured: the loss before, divided by the loss
    after. It hardly falls where BatchNorm has only a few values per channel.
    """
    import numpy as np

    from assembler.checks.training import Distance, float_outputs, train, value_of
    from assembler.runtime import device

    model, inputs = subject.copy_for_training()
    outputs = [path for path, _ in float_outputs(model, inputs)]
    if not model.trainable_params() or not outputs:
        raise DoesNotApply("the model has no trainable parameters, or no output is floating-point")
    values = np.concatenate([device.as_array(one).reshape(-1) for one in model.trainable_params()])
    distance = float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) / 10 or 0.01
    learning_rate = learning_rate or distance * min(0.1, values.size**-0.5)
    given = [*inputs, *_targets(subject, outputs, distance)]
    loss = Distance(model, outputs)
    with device.mode(subject.mode), device.contained():
        before = train(loss, given, steps, learning_rate)
        after = value_of(loss, given)
    if before == 0:
        return Outcome(
            "trains", False, None, factor, "the output does not depend on the trainable parameters", relation=">="
        )
    fell = before / after if after else float("inf")
    detail = f"loss {before:.3g} before, {after:.3g} after {steps} steps"
    return Outcome("trains", bool(fell >= factor), fell, factor, detail, relation=">=")


def _targets(subject: Subject, outputs: list[tuple[int, ...]], distance: float) -> list[Tensor]:
    """The outputs of a model whose parameters are up to a distance away from the subject's."""
    from mindspore import Tensor

    from assembler.checks.training import to_training
    from assembler.runtime import device

    teacher, inputs = subject.copy_for_training()
    _move(teacher, distance)
    to_training(teacher)
    with device.mode(subject.mode), device.contained():
        emitted = teacher(*inputs)
    found = []
    for path in outputs:
        value = emitted
        for element in path:
            value = value[element]
        found.append(Tensor(value.asnumpy(), value.dtype))
    return found


def _move(model: nn.Cell, distance: float) -> None:
    import numpy as np
    from mindspore import Tensor

    from assembler.runtime.device import as_array

    generator = np.random.default_rng(0)
    for parameter in model.trainable_params():
        by = generator.uniform(-distance, distance, parameter.shape)
        parameter.set_data(Tensor(as_array(parameter) + by, parameter.dtype))
