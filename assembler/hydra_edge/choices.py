"""Choices of files that Hydra drops without a word.

Of several files that override one group, Hydra keeps the choice that it meets first: that of the primary configuration.
A file from the command line, such as ``+search=small``, would run with another recipe than it names.
"""

from __future__ import annotations

from assembler.errors import SettingsError
from assembler.files import short
from assembler.hydra_edge.configuration import folder_of
from assembler.hydra_edge.internals import Choices, look_at_choices_by


def require_kept(choices: Choices) -> None:
    """Refuse a file of a group whose choice was dropped for that of another file.

    A choice on the command line is above all files, and a file is above those in its own ``defaults``.

    Raises:
        SettingsError: the first such choice; both files are named.
    """
    files = list(choices.files())
    units = {file.path[-1]: _unit(file.path) for file in files}
    for file in files:
        name = file.path[-1]
        for group, wanted in file.wants.items() if units[name] else ():
            kept, by = choices.chosen(group)
            if by is not None and kept != wanted and units[by] != units[name]:
                raise SettingsError(_dropped(choices, name, by, group, wanted, kept))


def _unit(path: tuple[str, ...]) -> str:
    """The file of a group by which a file was chosen; empty for the primary configuration and those in its folder."""
    return next((file for file in path if "/" in file), "")


def _dropped(choices: Choices, file: str, by: str, group: str, wanted: object, kept: object) -> str:
    loser, winner = _shown(choices, file), _shown(choices, by)
    said = f"{loser} chooses {group}={wanted}, but {winner} overrides it with {group}={kept}"
    if "/" in by:
        return f"{said}. Choose one on the command line: {group}={wanted}"
    return (
        f"{said}. Move the overrides of {winner} into a file beside it, and name that in its defaults; "
        f"or add {group}={wanted} to the command line"
    )


def _shown(choices: Choices, file: str) -> str:
    folder = folder_of(*choices.source_of(file))
    return short(folder / f"{file}.yaml") if folder else f"{file}.yaml"


def install() -> None:
    """Have each composition looked at, in this process."""
    look_at_choices_by(require_kept)
