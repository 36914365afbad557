"""Which job a configuration is: a name for what it does, equal for equal configurations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict, read_write

from assembler.hydra_edge.configuration import plain
from assembler.hydra_edge.internals import CommonPart, node_of, raw

NOT_OF_A_JOB = ("sweep", "objective", "show")
"""Keys that change nothing in what a job does."""


def settled(config: DictConfig) -> tuple[dict[str, Any], str]:
    """The configuration of a run as plain data, and a name for what it does.

    The name is equal for equal ones, whatever the number of the job and its folder.

    Raises:
        SettingsError, Mistakes: it has no values yet, or interpolations that lead nowhere.
    """
    data = plain(config)
    hydra = HydraConfig.instance()
    before = hydra.cfg
    if before is None or not _asks_hydra(config):
        return data, identity_of(data)
    hydra.cfg = before.copy()
    anywhere(hydra.cfg)
    try:
        return data, identity_of(plain(config))
    finally:
        hydra.cfg = before


def _asks_hydra(config: DictConfig) -> bool:
    nodes = [node_of(config, name) for name in config if name != "hydra"]
    return any("${hydra:" in str(raw(node)) for node in nodes if not isinstance(node, CommonPart))


def identity_of(data: Mapping[str, Any]) -> str:
    """The name of plain data that was resolved ``anywhere``."""
    return digest({key: value for key, value in data.items() if key not in NOT_OF_A_JOB})


def digest(data: Any) -> str:
    """Sixteen characters that stand for plain data, by its SHA-256."""
    text = json.dumps(_ordered(data), ensure_ascii=False, default=repr)
    return hashlib.sha256(text.encode("utf-8", errors="backslashreplace")).hexdigest()[:16]


def _ordered(data: Any) -> Any:
    """Mappings as lists in the order of their keys, which need not be texts."""
    if isinstance(data, Mapping):
        return {
            "mapping": sorted(([repr(key), _ordered(value)] for key, value in data.items()), key=lambda pair: pair[0])
        }
    return [_ordered(item) for item in data] if isinstance(data, list | tuple) else data


def anywhere(root: DictConfig) -> None:
    """Let ``${hydra:…}`` say the same for each job, where it would tell its number and its folder."""
    node = root.hydra
    with read_write(node), open_dict(node):
        node.job.num, node.job.id, node.runtime.output_dir = 0, "0", "."
        node.sweep.dir, node.sweep.subdir = ".", "."
