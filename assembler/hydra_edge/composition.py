"""Composes the configurations of a sweep: the same as Hydra's, ten times faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from assembler.errors import SettingsError
from assembler.hydra_edge.internals import Loader, run_jobs_quickly, tell_overrides
from assembler.hydra_edge.nodes import copied, make_common, node_at, quicken, raw, set_strings, set_value
from assembler.hydra_edge.repository import Repository

SUBDIR = "hydra.sweep.subdir"
"""The only key of Hydra that differs from job to job."""

_FOLDERS = ("hydra.sweep.dir", SUBDIR)
"""Keys of Hydra that decide nothing about the files that are merged."""

_bases: dict[tuple[str, ...], DictConfig] = {}
"""The configurations that this process composed, by their choices."""

_groups: dict[tuple[str, ...], Callable[[str], bool]] = {}
"""Whether a name is a group, by the search path."""


def forget() -> None:
    """Forget what was composed: each sweep reads the files anew."""
    _bases.clear()
    _groups.clear()


COMMON = "registry"
"""The key that all jobs have in common: hundreds of layers, four fifths of a configuration."""

_COMMON_OF_HYDRA = (
    *("hydra.help", "hydra.hydra_help", "hydra.hydra_logging", "hydra.job.config", "hydra.runtime.choices"),
    *("hydra.launcher", "hydra.sweeper"),
)
"""Parts of Hydra's configuration that all jobs have in common: most of it."""


class QuickLoader(Loader):
    """Composes once for each set of choices, and sets the values of a job in a copy.

    Of the overrides of a job, those that choose from groups (``recipe=mlp``, ``~checks``) and Hydra's own decide which
    files are merged. The rest are values, which Hydra sets in the merged configuration one by one; so does this.
    Overrides of the registry count as choices, because its copies share one object.
    If anything fails, Hydra composes the job and reports the error.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        super().__init__(loader)
        self.repository = Repository(loader.get_search_path())  # in workers of launchers, too

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive in a worker of a launcher, with each job; its Hydra is made quick, as that of ``launch`` is."""
        for name, value in state.items():
            setattr(self, name, value)
        _quicken_worker()

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """The configuration of one job, equal to that of Hydra's loader.

        Args:
            master_config: the sweep's configuration.
            sweep_overrides: the job's overrides.

        Raises:
            HydraException, OmegaConfBaseException: it cannot be composed.
        """
        try:
            return self._quickly(master_config, sweep_overrides)
        except (HydraException, OmegaConfBaseException):
            return super().load_sweep_config(master_config, sweep_overrides)

    def _quickly(self, master_config: DictConfig, sweep_overrides: Sequence[str]) -> DictConfig:
        of_sweep = raw(node_at(master_config, "hydra.overrides.hydra"))
        lines = [*map(str, of_sweep), *sweep_overrides]
        parsed = [_parsed(line) for line in lines]
        choices, values = [], []
        of_hydra = tuple(
            str(one.input_line) for one in parsed if one.is_hydra_override() and one.key_or_group not in _FOLDERS
        )
        place = (
            str(Path.cwd()),
            str(self.config_search_path),
            str(raw(node_at(master_config, "hydra.job.config_name"))),
        )
        is_group = self._is_group(*place[1:], *of_hydra)
        own = len(lines) - len(sweep_overrides)
        for at, one in enumerate(parsed):
            if _sets_a_value(one) and not is_group(one.key_or_group):
                values.append(one)
            elif at >= own:
                choices.append(str(one.input_line))
        key = (*place, *of_hydra, *choices)
        if key not in _bases:
            _bases[key] = super().load_sweep_config(master_config, choices)
            for part in (COMMON, *_COMMON_OF_HYDRA):
                make_common(_bases[key], part)
        config = copied(_bases[key])
        folders = [*takewhile(_is_folder, reversed(values))]  # which each job has, after its own values
        self.set_values(values[: len(values) - len(folders)], config)
        for one in reversed(folders):
            set_value(config, one.key_or_group, one.value())
        app = [one for one in parsed if not one.is_hydra_override()]
        of_job = [str(one.input_line) for one in parsed if one.is_hydra_override()]
        set_strings(node_at(config, "hydra.overrides.hydra"), of_job)
        set_strings(node_at(config, "hydra.overrides.task"), [str(one.input_line) for one in app])
        tell_overrides(config, app)
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config

    def _is_group(self, search_path: str, config_name: str, *of_hydra: str) -> Callable[[str], bool]:
        key = (search_path, config_name, *of_hydra)
        if key not in _groups:
            _groups[key] = lru_cache(maxsize=None)(self.repository_for(config_name, of_hydra).group_exists)
        return _groups[key]


@lru_cache(maxsize=1)
def _quicken_worker() -> None:
    quicken()
    run_jobs_quickly()


def _is_folder(override: Override) -> bool:
    """Whether an override sets one of Hydra's folders to a string without a reference."""
    if override.key_or_group not in _FOLDERS or override.type != OverrideType.CHANGE or override.is_sweep_override():
        return False
    value = override.value()
    return isinstance(value, str) and "${" not in value


def _sets_a_value(override: Override) -> bool:
    """Whether an override sets a value, unless its key is a group."""
    if override.key_or_group in _FOLDERS:
        return True
    if override.package is not None or override.key_or_group.partition(".")[0] == COMMON:
        return False
    return not override.is_hydra_override() and not override.is_sweep_override()


@lru_cache(maxsize=2**15)
def _parsed(line: str) -> Override:
    return _parser().parse_override(line)


@lru_cache(maxsize=1)
def _parser() -> OverridesParser:
    """The parser, whose table of functions takes as long as a line to parse."""
    return OverridesParser.create()


def require_each_once(arguments: Sequence[str]) -> None:
    """Refuse a key that a multirun is given twice if both count in a single run: sweepers keep the last.

    Mappings are merged in a single run, and adding a key twice is an error. Any other value replaces the one before.

    Raises:
        SettingsError: the first such key.
    """
    before: dict[str, Override] = {}
    for override in filter(None, map(_read, arguments)):
        key = override.get_key_element()
        first = before.setdefault(key, override)
        both = (first, override)
        if first is override or not (key.startswith("+") or all(_is_mapping(one) for one in both)):
            continue
        said = f"a multirun keeps only the last {key} of {first.input_line} and {override.input_line}"
        inside = ",".join(one.get_value_element_as_str()[1:-1] for one in both)
        instead = f"write one: '{key}={{{inside}}}'" if all(map(_is_mapping, both)) else "give it once"
        raise SettingsError(f"{said}; {instead}")


def _is_mapping(override: Override) -> bool:
    return not override.is_sweep_override() and isinstance(override.value(), dict)


def for_each_choice(arguments: Sequence[str]) -> list[str]:
    """The command line of a sweep, changed so that it works with several choices of one group.

    Hydra sets the values that all jobs have in common in the sweep's own configuration as well. For a group with
    several choices, that has the default: with ``recipe=mlp,vit_b_16 recipe.params.depth=2``, Hydra finds no such key.
    A sweep over values is set in the jobs only, so the value becomes a sweep over one: ``choice(2)``.
    """
    overrides = [_read(argument) for argument in arguments]
    swept = tuple(f"{one.key_or_group}." for one in overrides if one is not None and one.is_sweep_override())
    return [
        _of_one_value(argument) if _is_in(override, swept) else argument
        for argument, override in zip(arguments, overrides, strict=True)
    ]


def _of_one_value(argument: str) -> str:
    key, _, value = argument.partition("=")
    written = f"{key}=choice({value})"
    return argument if _read(written) is None else written  # Hydra cannot sweep over null


def _is_in(override: Override | None, groups: tuple[str, ...]) -> bool:
    if override is None or override.is_sweep_override() or override.is_delete():
        return False
    return override.key_or_group.startswith(groups) if groups else False


def _read(argument: str) -> Override | None:
    """An argument as an override; None if it is not one."""
    try:
        return _parsed(argument) if "=" in argument else None
    except HydraException:
        return None
