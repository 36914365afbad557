"""The identity of a job: a digest of its configuration."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from assembler.hydra_edge.configuration import plain
from assembler.hydra_edge.nodes import CommonPart, CommonValues, node_of, raw, set_value

NOT_OF_A_JOB = ("sweep", "objective", "show")
"""Keys that do not change what a job does."""


def settled(config: DictConfig) -> tuple[dict[str, Any], str]:
    """The configuration of a run as plain data, and its identity.

    Equal configurations have equal identities, whatever the job's number and folder.

    Raises:
        SettingsError, Mistakes: values are missing, or interpolations cannot be resolved.
    """
    data = plain(config)
    hydra = HydraConfig.instance()
    before = hydra.cfg
    if before is None or not _refers(config, _TO_HYDRA):
        return data, identity_of(data)
    hydra.cfg = before.copy()
    anywhere(hydra.cfg)
    try:
        return data, identity_of(plain(config))
    finally:
        hydra.cfg = before


def _refers(config: DictConfig, pattern: re.Pattern[str]) -> bool:
    """Whether a value, interpolations as they are written, has a part that fits the pattern."""
    nodes = [node_of(config, name) for name in config if name != "hydra"]
    return any(pattern.search(str(raw(node))) for node in nodes if not isinstance(node, CommonPart))


def identity_of(data: Mapping[str, Any]) -> str:
    """The identity of plain data that was resolved by ``anywhere``."""
    return digest({key: value for key, value in data.items() if key not in NOT_OF_A_JOB})


def identity_without_seed(config: DictConfig, data: Mapping[str, Any]) -> str:
    """What the identities of jobs that differ only in their seed have in common.

    Args:
        config: the configuration, resolved by ``anywhere``; its seed is changed if other values refer to it.
        data: the same as plain data.
    """
    if _refers(config, _TO_SEED):
        set_value(config, SEED, 0)
        data = plain(config)
    return digest({key: _part(value) for key, value in data.items() if key not in (*NOT_OF_A_JOB, SEED)})


def _part(value: Any) -> str:
    """The digest of a part of a configuration; one that jobs share is read once."""
    if isinstance(value, CommonValues):
        return str(value.once("digest", lambda: digest(dict(value))))
    return digest(value)


SEED = "seed"

_TO_HYDRA, _TO_SEED = re.compile(r"\$\{hydra:"), re.compile(r"\$\{[^}]*\bseed\b")


def digest(data: Any) -> str:
    """The first sixteen hexadecimal digits of the SHA-256 of plain data."""
    return hashlib.sha256(_text(data).encode("utf-8", errors="backslashreplace")).hexdigest()[:16]


_encode = json.JSONEncoder(ensure_ascii=False, default=repr).encode


def _text(data: Any) -> str:
    """Plain data as JSON, with sorted mappings as lists, because keys need not be strings."""
    if isinstance(data, CommonValues):
        return str(data.once("text", lambda: _text(dict(data))))
    if isinstance(data, Mapping):
        pairs = sorted(((repr(key), value) for key, value in data.items()), key=lambda pair: pair[0])
        return f'{{"mapping": [{", ".join(f"[{_encode(key)}, {_text(value)}]" for key, value in pairs)}]}}'
    return f"[{', '.join(map(_text, data))}]" if isinstance(data, list | tuple) else _encode(data)


def anywhere(root: DictConfig) -> None:
    """Let ``${hydra:…}`` be the same for every job, instead of its number and folder."""
    values = {"job.num": 0, "job.id": "0", "runtime.output_dir": ".", "sweep.dir": ".", "sweep.subdir": "."}
    for key, value in values.items():
        set_value(root, f"hydra.{key}", value)
