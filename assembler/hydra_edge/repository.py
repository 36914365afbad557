"""Reads the files that Hydra composes; recipes and blocks, which may be untrusted, are read within limits."""

from __future__ import annotations

import posixpath
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from assembler.hydra_edge.configuration import folder_of
from assembler.hydra_edge.internals import FileRepository, read_files_by
from assembler.reading.recipe_files import defaults_of, merged_recipe, recipe_at
from assembler.reading.untrusted import GROUPS, load_untrusted


class Repository(FileRepository):
    """Hydra's repository; in recipes and blocks, anything that Hydra would execute is refused first.

    ``recipe=nets/my.yaml`` is a file: the path is from where the command was typed.
    """

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self.typed_in = Path.cwd()

    def load_config(self, config_path: str) -> ConfigResult | None:
        """One file in Hydra's form.

        Raises:
            SettingsError: a recipe or block file cannot be read, is too large, or refers to files outside.
        """
        if (file := recipe_at(config_path.removeprefix("recipe/"), self.typed_in)) and config_path.startswith(
            "recipe/"
        ):
            return self._whole(config_path, file)
        name = posixpath.normpath(config_path).lstrip("/").removesuffix(".yaml")
        if name.partition("/")[0] not in GROUPS:
            return super().load_config(config_path)
        source = self.source_of(config_path)
        folder = folder_of(source.scheme(), source.path) if source else None
        if source is None or folder is None:
            return super().load_config(config_path)
        file = folder / f"{name}.yaml"
        defaults_of(file)  # raises if files include each other in a circle
        data = load_untrusted(file)
        config = OmegaConf.create({} if data is None else data)
        return self.result_of(config_path, source.provider, f"{source.scheme()}://{source.path}", config)

    def _whole(self, config_path: str, file: Path) -> ConfigResult:
        """A recipe file that a command names by its path, merged with the files that it includes."""
        folders = [folder for source in self.sources if (folder := folder_of(source.scheme(), source.path))]
        config = OmegaConf.create(merged_recipe(file, folders))
        return self.result_of(config_path, "command line", f"file://{file.parent}", config)


def install() -> None:
    """Make Hydra read files by this class, in this process."""
    read_files_by(Repository)
