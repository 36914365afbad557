"""``task=plan``: every shape, size and cost, without weights or a device."""

from assembler.settings import Settings
from assembler.tasks.common import planned
from assembler.tasks.result import Result


def plan(settings: Settings, result: Result) -> None:
    """Plan the recipe.

    Raises:
        AssemblerError: the recipe or the configuration is wrong.
    """
    found, _ = planned(settings, result)
    from assembler.model.parameters import observe

    result.parameters = observe(found)
