"""Arguments of the command line, in the order in which Hydra's parser reads them."""

from __future__ import annotations

from collections.abc import Sequence

from assembler.errors import SettingsError

_VALUED = {
    "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd", "--experimental-rerun",
}  # fmt: skip
"""Hydra's options that a value follows."""
_MAY_BE_VALUED = {"--cfg", "-c", "--info", "-i"}
"""Those that a word may follow: ``--cfg job``."""
_FLAGS = (
    "--help", "--hydra-help", "--version", "--resolve", "--run", "--multirun", "--shell-completion",
)  # fmt: skip


def overrides_first(arguments: Sequence[str]) -> list[str]:
    """``--config-dir c`` may be between overrides; Hydra's parser wants those without an option between them.

    >>> overrides_first(["recipe=a", "--config-dir", "c", "task=plan"])
    ['recipe=a', 'task=plan', '--config-dir', 'c']

    Raises:
        SettingsError: an option that Hydra does not have, such as ``--recipe=a``.
    """
    overrides, options = _split(arguments)
    return [*overrides, *options]


def options_for_one_run(arguments: Sequence[str]) -> list[str]:
    """The options of Hydra among arguments, without the one that makes a multirun.

    >>> options_for_one_run(["-m", "recipe=a,b", "--config-dir", "c"])
    ['--config-dir', 'c']

    Raises:
        SettingsError: see :func:`overrides_first`.
    """
    return [option for option in _split(arguments)[1] if option not in ("-m", "--multirun")]


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides and the options, in order."""
    overrides: list[str] = []
    options: list[str] = []
    before = ""
    for argument in arguments:
        is_value = before in _VALUED or (before in _MAY_BE_VALUED and "=" not in argument)
        is_option = argument.startswith("-") and not is_value
        if is_option:
            _require_option(argument)
        (options if is_option or is_value else overrides).append(argument)
        before = argument if is_option else ""
    return overrides, options


def _require_option(argument: str) -> None:
    name, _, value = argument.partition("=")
    if not name.startswith("--") or any(option.startswith(name) for option in (*_VALUED, *_MAY_BE_VALUED, *_FLAGS)):
        return
    bare = name.lstrip("-").replace("-", "_")
    raise SettingsError(f"unknown option {name}; an override has no dashes: {bare}={value or 'VALUE'}")
