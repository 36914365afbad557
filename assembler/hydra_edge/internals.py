"""The private names of Hydra that the assembler uses: all are here, and nowhere else.

Each was checked with Hydra 1.3.8 and 1.4.0rc3, unless it says otherwise. Those of OmegaConf are in ``nodes``.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository, IConfigRepository
from hydra._internal.core_plugins import basic_launcher, basic_sweeper
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper as BasicSweeper
from hydra._internal.defaults_list import Overrides
from hydra._internal.hydra import Hydra
from hydra.core import utils as core_utils
from hydra.core.config_loader import ConfigLoader
from hydra.core.default_element import DefaultsTreeNode, GroupDefault, InputDefault
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, OmegaConf

from assembler.hydra_edge.nodes import copied_for_task, node_at, only, resolved, set_value, to_yaml

BASIC_LAUNCHER = basic_launcher.__name__
"""The module of Hydra's serial launcher, which names its logger."""

BASIC_SWEEPER = f"{basic_sweeper.__name__}.BasicSweeper"
"""The class that ``hydra.sweeper._target_`` names by default."""


# ---- what Hydra reads from a module at each use, and is replaced here


def sweep_by(sweeper: type[Sweeper]) -> None:
    """Make Hydra use this class instead of its basic sweeper, in this process."""
    plugins = Plugins.instance()  # whose search for classes makes those of Hydra's own modules anew
    plugins.class_name_to_class[BASIC_SWEEPER] = basic_sweeper.BasicSweeper = sweeper


def read_files_by(repository: type[ConfigRepository]) -> None:
    """Make Hydra read configuration files by this class, in this process."""
    config_loader_impl.ConfigRepository = repository


def look_at_choices_by(look: Callable[[Choices], None]) -> None:
    """Have a function look at the files and choices of each composition, in this process, before they are merged.

    Checked with Hydra 1.3.8; of 1.4.0rc3, the source has the same names.
    """
    original = getattr(config_loader_impl.create_defaults_list, "__wrapped__", config_loader_impl.create_defaults_list)

    @functools.wraps(original)
    def create_and_look(repo: IConfigRepository, *args: Any, **kwargs: Any) -> Any:
        found = original(repo, *args, **kwargs)
        look(Choices(repo, found.defaults_tree, found.overrides))
        return found

    config_loader_impl.create_defaults_list = create_and_look


def run_jobs_quickly() -> None:
    """Have Hydra copy and save the configuration of each job by ``nodes``, in this process.

    Its own copies and files took most of the time of a small job. ``hydra.yaml`` is not written: it describes this
    machine, with the user's folders.
    """
    core_utils.copy = SimpleNamespace(deepcopy=copied_for_task)
    core_utils._save_config = _save
    HydraConfig.set_config = _set_config


def find_mode_quickly() -> None:
    """Have Hydra 1.3 compose once, and not once more to read ``hydra.mode``, in this process.

    It counts on the command line and in the primary configuration, as in Hydra 1.4, which composes once by itself.
    """
    if hasattr(ConfigLoaderImpl, "get_mode"):
        return
    original = getattr(Hydra.get_mode, "__wrapped__", Hydra.get_mode)

    @functools.wraps(original)
    def get_mode(self: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        is_set = any("hydra" in one and "mode" in one for one in overrides)
        with suppress(Exception):  # composing reports it
            primary = self.config_loader.repository.load_config(config_name)
            is_set = is_set or OmegaConf.select(primary.config, "hydra.mode") is not None
        return original(self, config_name=config_name, overrides=overrides) if is_set else None

    Hydra.get_mode = get_mode


def _save(config: Any, filename: str, output_dir: Path) -> None:
    if filename != "hydra.yaml":
        output_dir.mkdir(parents=True, exist_ok=True)
        (output_dir / filename).write_text(to_yaml(config), encoding="utf-8")


def _set_config(self: HydraConfig, config: DictConfig) -> None:
    OmegaConf.set_readonly(config.hydra, True)
    self.cfg = only(config, "hydra")


@dataclass(frozen=True)
class ChosenFile:
    """A file of a composition.

    Args:
        path: its name, after those of the files that lead to it: ``config``, ``search/small``.
        wants: the groups that it overrides, and its choices.
    """

    path: tuple[str, ...]
    wants: Mapping[str, Any]


@dataclass(frozen=True)
class Choices:
    """The files of one composition, and what was chosen from groups."""

    repo: IConfigRepository
    tree: DefaultsTreeNode
    overrides: Overrides

    def files(self) -> Iterator[ChosenFile]:
        """Each file, from the primary configuration on."""
        return self._files(self.tree, ())

    def _files(self, node: DefaultsTreeNode | InputDefault, above: tuple[str, ...]) -> Iterator[ChosenFile]:
        one = node.node if isinstance(node, DefaultsTreeNode) else node
        if one.is_self() or one.is_deleted() or one.is_missing() or (not one.is_virtual() and one.get_name() is None):
            return
        if not one.is_virtual():
            above = (*above, str(one.get_config_path()))
            yield ChosenFile(above, self._wants(one))
        for child in (node.children if isinstance(node, DefaultsTreeNode) else None) or ():
            yield from self._files(child, above)

    def _wants(self, file: InputDefault) -> dict[str, Any]:
        loaded = self.repo.load_config(file.get_config_path())
        found: dict[str, Any] = {}
        for default in copy.deepcopy(loaded.defaults_list if loaded else None) or ():
            if isinstance(default, GroupDefault) and default.override:
                default.update_parent(file.get_group_path(), file.get_final_package())
                found[default.get_override_key()] = default.value
        return found

    def chosen(self, group: str) -> tuple[Any, str | None]:
        """What was chosen, and by which file; None for the command line."""
        return self.overrides.override_choices[group], self.overrides.override_metadata[group].containing_config_path

    def source_of(self, file: str) -> tuple[str, str]:
        """The scheme and the path of the folder in which a file was found."""
        loaded = self.repo.load_config(file)
        scheme, _, path = (loaded.path if loaded else "").partition("://")
        return scheme, path


# ---- classes of Hydra, with public names for their private parts


class Loader(ConfigLoaderImpl):
    """Hydra's loader of configurations, with its steps as separate methods."""

    def __init__(self, loader: ConfigLoader) -> None:
        super().__init__(loader.get_search_path())

    def repository_for(self, config_name: str, overrides: Sequence[str]) -> IConfigRepository:
        """The files that can be composed."""
        return self._parse_overrides_and_create_caching_repo(config_name, list(overrides))[1]

    def set_values(self, overrides: list[Override], config: DictConfig) -> None:
        """Set values in a configuration that is merged.

        Raises:
            HydraException: a value cannot be set.
        """
        self._apply_overrides_to_config(overrides, config)


class FileRepository(ConfigRepository):
    """Hydra's files of configurations."""

    def source_of(self, config_path: str) -> ConfigSource | None:
        """The source of a file; None if it is not found."""
        return self._find_object_source(config_path=config_path, object_type=ObjectType.CONFIG)

    def result_of(self, config_path: str, provider: str, folder: str, config: DictConfig) -> ConfigResult:
        """The data of a file, in the form that Hydra reads from a source.

        Args:
            provider: who names the source: ``main``, ``command line``.
            folder: where the file is, as ``file://conf``.
        """
        result = ConfigResult(provider, folder, config, {"package": None})
        result.defaults_list = self._create_defaults_list(config_path, self._extract_defaults_list(config_path, config))
        return result


def tell_overrides(config: DictConfig, overrides: list[Override]) -> None:
    """Set ``hydra.job.override_dirname``, as Hydra 1.3 does; 1.4 has no such function and resolves it on demand."""
    if hasattr(config_loader_impl, "get_overrides_dirname"):
        how = resolved(node_at(config, "hydra.job.config.override_dirname"))
        name = config_loader_impl.get_overrides_dirname(overrides=overrides, **how)
        set_value(config, "hydra.job.override_dirname", name)


def is_serial(launcher: Launcher) -> bool:
    """Whether it is Hydra's own, which runs one job after the other in this process."""
    return isinstance(launcher, basic_launcher.BasicLauncher)  # not imported by name: the search makes it anew


def raised_by(job: JobReturn) -> Any:
    """What a failed job raised; ``return_value`` would raise it."""
    return job._return_value
