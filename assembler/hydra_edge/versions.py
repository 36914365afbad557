"""Differences between Hydra 1.3 and 1.4, and the targets that a configuration may name."""

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
    """``@hydra.main`` for the installed Hydra: 1.3 requires a ``version_base``, 1.4 warns about it.

    Args:
        config_path: the folder of the configuration, relative to the script; the assembler's is
            ``pkg://assembler.conf``.
        config_name: the primary configuration in it, without ``.yaml``.
    """
    version = {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}
    return hydra.main(config_path=config_path, config_name=config_name, **version)


@contextmanager
def allowing(target: str) -> Iterator[None]:
    """Allow the configuration to name a target, and trusted packages; Hydra 1.4 requires such a list.

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
    """Apply the settings in the ``pyproject.toml`` of a run script, which may be started from another folder.

    Args:
        script: its file, or the name of its module; or the folder of a project that runs without a script.

    Raises:
        RegistryError: as ``said_by_project``.
    """
    if is_folder(script):
        LAYERS.take_up(said_by_project(Path(script)))
    elif file := script if script.endswith(".py") else _file_of(script):
        LAYERS.take_up(said_by_project(Path(file).parent))


def is_folder(script: str) -> bool:
    """Whether it is the folder of a project, and not a script or a module."""
    return Path(script).is_absolute() and Path(script).is_dir()


def _file_of(module: str) -> str | None:
    loaded = sys.modules.get(module)
    spec = loaded.__spec__ if loaded else find_spec(module) if module else None
    return spec.origin if spec else None
