"""``task=eject``: the model as Python that does not need the assembler."""

from assembler.files import write_text
from assembler.settings import Settings
from assembler.tasks.common import planned
from assembler.tasks.result import Result


def eject(settings: Settings, result: Result) -> None:
    """Plan the recipe, and write its model as a module into the run folder.

    Raises:
        AssemblerError: the recipe or the configuration is wrong, or a layer's class cannot be imported.
    """
    plan, _ = planned(settings, result)
    from assembler.views.code import code, module_name

    with result.timed("eject", f"writing {settings.recipe.name} as Python"):
        name = f"{module_name(settings.recipe.name)}.py"
        write_text(result.folder / name, code(settings.recipe.name, plan))
    result.files.append(name)
