"""What differs between the lines of Hydra, 1.3 and 1.4, and what a run script may name, wherever it is started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hydra
from hydra import utils

from assembler.registry.entries import TRUSTED
from assembler.registry.registry import LAYERS, said_by_project


def main(config_path: str | None, config_name: str) -> Callable[[Callable[..., Any]], Callable[[], Any]]:
    """``@hydra.main`` as the installed Hydra wants it: 1.3 asks for a ``version_base``, 1.4 warns of one.

    Args:
        config_path: the folder of the configuration, from the script's own; ``pkg://assembler.conf`` is ours.
        config_name: the primary configuration in it, without ``.yaml``.
    """
    version = {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}
    return hydra.main(config_path=config_path, config_name=config_name, **version)


@contextmanager
def allowing(target: str) -> Iterator[None]:
    """Let the configuration name a target, and the packages that are trusted; Hydra 1.4 asks for such a list.

    Raises:
        RegistryError: as ``said_by_project``.
    """
    if not hasattr(utils, "execution_whitelist"):
        yield
        return
    others = {*LAYERS.trusted, *said_by_project().trusted} - set(TRUSTED)
    with utils.execution_whitelist((target, *(f"{package}.*" for package in sorted(others)))):
        yield


def take_up_beside(script: str) -> None:
    """Take up what the ``pyproject.toml`` of a run script says, for it may be started from elsewhere.

    Args:
        script: its file, or the name of its module.

    Raises:
        RegistryError: as ``said_by_project``.
    """
    file = script if script.endswith(".py") else _file_of(script)
    if file:
        LAYERS.take_up(said_by_project(Path(file).parent))


def _file_of(module: str) -> str | None:
    loaded = sys.modules.get(module)
    spec = loaded.__spec__ if loaded else find_spec(module) if module else None
    return spec.origin if spec else None
