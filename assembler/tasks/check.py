"""``task=check``: build the recipe, run it forward and check it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.errors import ParameterError, Place
from assembler.settings import Settings
from assembler.tasks.common import assembled
from assembler.tasks.result import Result

if TYPE_CHECKING:
    from mindspore import nn


def check(settings: Settings, result: Result) -> None:
    """Plan the recipe, build it on the device, and run its checks. If this fails, ``result`` has what was found before.

    Raises:
        AssemblerError: the recipe, the configuration or the device is wrong.
    """
    target = settings.weights.save
    if target is not None and not Path(target).parent.is_dir():
        said = f"{target} cannot be written: there is no folder {Path(target).parent}"
        raise ParameterError(said, Place(key="weights.save"))
    subject, prepared = assembled(settings, result)
    from assembler import checks
    from assembler.views.progress import doing

    with result.timed("checks"):
        for number, one in enumerate(prepared, start=1):
            with doing(f"checks {number}/{len(prepared)}: {one.check.name}"):
                result.outcomes += checks.run([one], subject)
    if settings.weights.save is not None:
        with result.timed("save", f"saving {settings.weights.save}"):
            save(settings, result, subject.model)


def save(settings: Settings, result: Result, model: nn.Cell) -> None:
    """Save the parameters in the file of ``weights.save``, with the resolved recipe and the versions.

    Raises:
        ParameterError: the file cannot be written.
    """
    from assembler.model import weights
    from assembler.views import record

    assert settings.weights.save is not None
    assert result.planned is not None
    about = {
        "recipe": record.recipe_text(settings.recipe, result.planned),
        "versions": json.dumps(record.versions()),
    }
    try:
        weights.save(model, Path(settings.weights.save), about, names=settings.weights.names, loaded=result.loaded)
    except ParameterError as error:
        error.place = Place(key="weights.save")
        raise
    result.saved = settings.weights.save
