"""A configuration that Hydra composed → plain data."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from assembler.errors import Place, SettingsError, raise_all
from assembler.hydra_edge.nodes import CommonPart, NotPlain, node_of, raw, resolved, values_of
from assembler.reading.interpolation import hold_size
from assembler.reading.places import Sources
from assembler.reading.recipe_files import recipe_files
from assembler.reading.recipe_paths import recipe_at
from assembler.settings import SweepSettings
from assembler.validation import read
from assembler.words import first_line


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain data, with interpolations resolved; without Hydra's own part.

    Raises:
        SettingsError, Mistakes: values that are still ``???``, and interpolations that cannot be resolved.
    """
    names = [str(name) for name in config if name != "hydra"]
    try:
        return {name: _plain(config, name) for name in names}
    except MissingMandatoryValue:
        missing = [key for name in names for key in _missing(config, name)]
        raise_all(
            [
                SettingsError(f"{key} has no value yet; give it one, such as {_example(key)}", Place(key=key))
                for key in sorted(missing)
            ]
        )
        raise  # pragma: no cover - something is missing
    except OmegaConfBaseException as error:
        raise SettingsError(first_line(error), Place(key=str(error.full_key or ""))) from None


def _plain(config: DictConfig, name: str) -> Any:
    node = node_of(config, name)
    if isinstance(node, CommonPart):
        return node.plain()
    with suppress(NotPlain):
        return values_of(node)
    if OmegaConf.is_missing(config, name):
        raise MissingMandatoryValue
    value = config[name]
    if name == "recipe" and OmegaConf.is_config(value):
        hold_size(raw(value))
    return resolved(value) if OmegaConf.is_config(value) else value


def _missing(config: DictConfig, name: str) -> list[str]:
    if OmegaConf.is_missing(config, name):
        return [name]
    value = config[name]
    return list(OmegaConf.missing_keys(value)) if OmegaConf.is_config(value) else []


def settings_of(config: DictConfig) -> SweepSettings:
    """The sweep settings of a configuration.

    Raises:
        SettingsError, Mistakes: unknown keys and values out of bounds.
    """
    said = OmegaConf.select(config, "sweep")
    return read(SweepSettings, {} if said is None else OmegaConf.to_container(said, resolve=True), "sweep")


def _example(key: str) -> str:
    examples = {
        "recipe.stack": """'recipe.stack="Dense(8, 128) + Centered"'""",
        "recipe.input.shape": "'recipe.input.shape=[4, 8]'",
        "recipe.file": "recipe.file=yolov8n.yaml",
    }
    return examples.get(key, f"{key}=VALUE")


def from_where_typed(data: dict[str, Any]) -> dict[str, Any]:
    """The same data; with ``hydra.job.chdir``, files that ``weights`` reads are from where the command was typed."""
    hydra = HydraConfig.get()
    weights = data.get("weights")
    if not hydra.job.chdir or not isinstance(weights, dict):
        return data
    read = {key: weights[key] for key in ("load", "rename") if isinstance(weights.get(key), str)}
    found = {key: str(Path(hydra.runtime.cwd) / file) for key, file in read.items()}
    return {**data, "weights": {**weights, **found}}


def overrides_of(hydra: Any) -> list[str]:
    """The overrides of the command line, as typed: interpolations are not resolved."""
    overrides = raw(hydra.overrides.task)
    assert isinstance(overrides, list)
    return [str(override) for override in overrides]


def scopes_of(config: DictConfig) -> list[str]:
    """The scopes of the registry: its keys."""
    registry = config.get("registry")
    return [str(scope) for scope in registry] if OmegaConf.is_dict(registry) else []


def sources_of(hydra: Any, scopes: Iterable[str]) -> Sources:
    """The file of each key, by Hydra's record of its choices, and the overrides that set values.

    A choice of a group is reported as its file; the device is reported as an override, as its file only repeats it.

    Args:
        scopes: the keys of the composed ``registry``.
    """
    runtime: Any = resolved(hydra.runtime, throw_on_missing=False)
    choices = runtime["choices"]
    places = tuple((source["schema"], source["path"]) for source in runtime["config_sources"])
    config_name = str(hydra.job.config_name)
    files = _files_of(tuple(choices.items()), places, tuple(scopes), Path(runtime["cwd"]), config_name)
    groups = {*choices, "registry"} - {"device"}
    values = [override for override in overrides_of(hydra) if override.lstrip("+~").partition("=")[0] not in groups]
    return Sources(dict(files), values)


@lru_cache(maxsize=64)
def _files_of(
    choices: Sequence[tuple[str, Any]],
    places: Sequence[tuple[str, str]],
    scopes: Sequence[str],
    cwd: Path,
    config_name: str,
) -> dict[str, list[Path]]:
    """The file of each key; most jobs of a sweep have those of the job before."""
    folders = [folder for schema, path in places if (folder := folder_of(schema, path))]
    files: dict[str, list[Path]] = {}
    # A group with several chosen options is not among Hydra's choices; each option has its own scope.
    several = {f"registry.{scope}": f"registry/{scope}" for scope in scopes}
    chosen = {group: f"{group}/{choice}" for group, choice in choices}
    typed = recipe_at(str(dict(choices).get("recipe")), cwd)
    for key, name in {**chosen, **several}.items():
        found = typed if key == "recipe" and typed else first_file(folders, f"{name}.yaml")
        if found:
            files |= recipe_files(found, folders) if key == "recipe" else {key: [found]}
    primary = first_file(folders, f"{config_name}.yaml") or first_file(folders, "assembler.yaml")
    if primary:
        files[""] = [primary]
    return files


def folder_of(schema: str, path: str) -> Path | None:
    """The folder of one of Hydra's sources; None if it is not on the disk."""
    if schema == "file":
        return Path(path)
    spec = find_spec(path.replace("/", ".")) if schema == "pkg" else None
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def first_file(folders: Sequence[Path], name: str) -> Path | None:
    """The first file with this name in some folders."""
    return next((folder / name for folder in folders if os.path.isfile(f"{folder}/{name}")), None)  # noqa: PTH113 - quick
