"""Reading the files that Hydra composes: recipes and blocks, which may come from a stranger, within bounds."""

from __future__ import annotations

import posixpath

from hydra._internal import config_loader_impl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from assembler.hydra_edge.configuration import folder_of
from assembler.reading.recipe_files import defaults_of
from assembler.reading.untrusted import GROUPS, load_untrusted


class Repository(ConfigRepository):
    """Hydra's, but for recipes and blocks: what Hydra would act upon in those is refused before it sees it."""

    def load_config(self, config_path: str) -> ConfigResult | None:
        """One file as Hydra takes it.

        Raises:
            SettingsError: it is a recipe or a block file, and cannot be read, is too large or reaches out.
        """
        name = posixpath.normpath(config_path).lstrip("/").removesuffix(".yaml")
        if name.partition("/")[0] not in GROUPS:
            return super().load_config(config_path)
        source = self._find_object_source(config_path=config_path, object_type=ObjectType.CONFIG)
        folder = folder_of(source.scheme(), source.path) if source else None
        if source is None or folder is None:
            return super().load_config(config_path)
        file = folder / f"{name}.yaml"
        defaults_of(file)  # in a circle, they would not end
        data = load_untrusted(file)
        config = OmegaConf.create({} if data is None else data)
        result = ConfigResult(source.provider, f"{source.scheme()}://{source.path}", config, {"package": None})
        raw = self._extract_defaults_list(config_path, config)
        result.defaults_list = self._create_defaults_list(config_path, raw)
        return result


def install() -> None:
    """Have Hydra read by this, in this process."""
    config_loader_impl.ConfigRepository = Repository
