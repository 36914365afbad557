"""``task=check``: build the recipe, run it forward and check it."""

from assembler.settings import Settings
from assembler.tasks.common import assembled
from assembler.tasks.result import Result


def check(settings: Settings, result: Result) -> None:
    """Plan the recipe, build it on the device, and run its checks. ``result`` is filled as far as this comes.

    Raises:
        AssemblerError: the recipe, the configuration or the device is wrong.
    """
    subject, prepared = assembled(settings, result)
    from assembler import checks

    with result.timed("checks"):
        result.outcomes += checks.run(prepared, subject)
