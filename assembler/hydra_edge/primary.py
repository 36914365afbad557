"""The primary configuration of a folder: its own, or the one that ships."""

from __future__ import annotations

from pathlib import Path

from hydra.core.config_store import ConfigStore

SHIPPED = ("pkg://assembler.conf", "assembler")
"""The folder and the name of the primary configuration that ships."""

_OF_A_FOLDER = "assembler_in_a_folder"
"""The shipped one, with a folder in front of it in the search path: ``--config-dir`` would be behind it."""


def primary_of(folder: Path | None) -> tuple[str, str]:
    """The path and the name of the primary configuration, as ``main`` takes them.

    Args:
        folder: that of a project, whose files take precedence over shipped ones. If it has no ``config.yaml``, the
            shipped configuration is the primary one. None: only what ships.
    """
    if folder is None:
        return SHIPPED
    if (folder / "config.yaml").is_file():
        return str(folder.absolute()), "config"
    node = {"defaults": [SHIPPED[1], "_self_"], "hydra": {"searchpath": [SHIPPED[0]]}}
    ConfigStore.instance().store(name=_OF_A_FOLDER, node=node)
    return str(folder.absolute()), _OF_A_FOLDER
