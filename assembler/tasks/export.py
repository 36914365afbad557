"""``task=export``: write the model in formats that other programs run."""

from assembler.settings import ExportTask, Settings
from assembler.tasks.common import assembled
from assembler.tasks.result import Result


def export(settings: Settings, result: Result) -> None:
    """Build the recipe, write it in each format, read each file back and compare it with the model.

    Raises:
        AssemblerError: the recipe, the configuration or the device is wrong, or a format cannot store the model.
    """
    task = settings.task
    assert isinstance(task, ExportTask)
    from assembler.model import formats
    from assembler.model.inputs import batch_of, input_specs

    wanted = formats.require(task.formats)
    batch = batch_of(input_specs(settings.recipe, settings.dtype)) if task.dynamic_batch else None
    subject, _ = assembled(settings, result)
    order = formats.Order(subject.inputs, tuple(settings.recipe.all_inputs), batch)
    with result.timed("export", f"exporting {settings.recipe.name}"):
        name = formats.file_name(settings.recipe.name)
        outcomes, result.files = formats.export(subject, wanted, result.folder, name, order)
    result.outcomes += outcomes
