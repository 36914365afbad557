"""The recipes and layers of a configuration folder, and the shipped ones."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assembler.errors import AssemblerError, SettingsError
from assembler.language.recipe import Block
from assembler.language.yaml_form import parse_block
from assembler.pipeline import registry_of
from assembler.reading.places import Sources
from assembler.reading.recipe_paths import PROJECT, SHIPPED, recipe_at, recipes
from assembler.reading.texts import first_line, read_bytes, state_of
from assembler.reading.yaml_files import at_file, read_yaml
from assembler.registry.libraries import Library, libraries
from assembler.registry.registry import Registry, project_file, said_by_project
from assembler.settings import ProjectSettings
from assembler.words import suggestion


@dataclass(frozen=True)
class Project:
    """A folder with ``recipe/`` and ``registry/``, as in ``--config-dir`` of run.py.

    Args:
        folder: the folder; None to see only what ships.
        is_trusted: whether the project's ``pyproject.toml`` may name Python modules, which are then imported.
    """

    folder: Path | None
    is_trusted: bool = True

    @classmethod
    def at(cls, folder: Path | None) -> Project:
        """The project of a folder; by default of ``conf``, if it exists.

        Raises:
            SettingsError: the folder does not exist.
        """
        if folder is not None and not folder.is_dir():
            raise SettingsError(f"--config-dir: there is no folder {folder}")
        return cls(folder or (PROJECT if PROJECT.is_dir() else None))

    def files(self, group: str) -> dict[str, Path]:
        """The files of a group by name. The project's own file takes precedence over a shipped one."""
        folders = [SHIPPED, *([self.folder] if self.folder else [])]
        found = (file for folder in folders for file in sorted((folder / group).glob("*.yaml")))
        return {file.stem: file for file in found if file.is_file()}

    def recipe(self, said: str) -> Path:
        """The file of a recipe, given by path or name.

        Raises:
            SettingsError: it does not exist.
        """
        if said.endswith((".yaml", ".yml")):
            if (file := recipe_at(said, Path())) is None:
                raise SettingsError(f"there is no file {said}")
            return file
        if said not in self.recipes:
            hint = suggestion(said, self.recipes) or " `assembler recipes` lists them."
            raise SettingsError(f"no recipe named {said!r}.{hint}")
        return self.recipes[said]

    @cached_property
    def recipes(self) -> dict[str, Path]:
        """The files of all recipes by name."""
        return recipes(self.folder)

    @cached_property
    def blocks(self) -> dict[str, tuple[Block, Path]]:
        """The blocks of all files by name, each with its file; those that cannot be read are omitted."""
        found: dict[str, tuple[Block, Path]] = {}
        for file in self.files("blocks").values():
            with suppress(AssemblerError):  # reported by `validate`
                for header, body in self.blocks_in(file).items():
                    block = parse_block(str(header), body, f"blocks/{file.name}")
                    found[block.name] = block, file
        return found

    def blocks_in(self, file: Path) -> Mapping[Any, Any]:
        """The blocks of a file: header → body.

        Raises:
            SettingsError: it cannot be read.
        """
        data = read_yaml(file)
        return data if isinstance(data, Mapping) else {}

    @property
    def folders(self) -> list[Path]:
        """Where files that a recipe includes are searched, after its own folders."""
        return [self.folder] if self.folder else []

    @property
    def home(self) -> Path:
        """The folder around that of the project, where its layers in Python are."""
        return self.folder.absolute().parent if self.folder is not None else Path.cwd()

    @cached_property
    def said(self) -> ProjectSettings:
        """The settings of the ``pyproject.toml`` above the folder.

        Raises:
            RegistryError, SettingsError, Mistakes: it is wrong.
        """
        return said_by_project(self.home) if self.is_trusted else ProjectSettings()

    @property
    def registry_files(self) -> dict[str, list[Path]]:
        """The files of the registry by their keys, except those of libraries, which are always available."""
        found: dict[str, list[Path]] = {}
        for file in self.files("registry").values():
            if library_of(file) is None:
                found.setdefault(f"registry.{scope_of(file)}", []).append(file)
        return found

    @cached_property
    def registry(self) -> Registry:
        """All layers: shipped ones, those of the project's registry files, and those registered in Python.

        Raises:
            AssemblerError: a registry file is wrong, with its place.
        """
        try:
            return self._registry_of(self.registry_files)
        except AssemblerError as error:
            raise Sources(self.registry_files).tell(error) from None

    def registry_without(self, scope: str) -> Registry:
        """The registry without one scope, which may be invalid."""
        others = {key: files for key, files in self.registry_files.items() if key != f"registry.{scope}"}
        with suppress(AssemblerError):
            return self._registry_of(others)
        return Registry(trusted=self.said.trusted)

    def put_first(self) -> None:
        """Let the project's own layers take precedence over installed modules, as in its run script."""
        names_code = self.said.trusted or self.said.layers  # without any, files there need not be Python to import
        if names_code and sys.path[0] != str(self.home):
            sys.path.insert(0, str(self.home))

    def _registry_of(self, files: Mapping[str, Sequence[Path]]) -> Registry:
        self.put_first()
        return registry_of({key.partition(".")[2]: _entries(of_scope) for key, of_scope in files.items()}, self.said)


class Projects:
    """Projects whose registry is read again only when one of its files has changed."""

    def __init__(self) -> None:
        self._known: dict[Path | None, tuple[Any, dict[str, Any]]] = {}

    def at(self, folder: Path | None, *, is_trusted: bool = True) -> Project:
        """The project of a folder; the same folder is always trusted, or never."""
        project = Project(folder, is_trusted)
        settings = project_file(project.home)
        registries = [file for files in project.registry_files.values() for file in files]
        state = [(file, state_of(file)) for file in (*registries, *([settings] if settings else []))]
        if self._known.get(folder, ((), {}))[0] != state:
            kept: dict[str, Any] = {}
            with suppress(AssemblerError):  # not kept: whatever asks for it raises it again
                kept = {"said": project.said, "registry": project.registry}
            self._known[folder] = state, kept
        vars(project).update(self._known[folder][1])
        return project


def library_of(file: Path) -> Library | None:
    """The library whose entries a file contains, if any; a copy counts, too."""
    for library in libraries().values():
        with suppress(AssemblerError):  # reported when one of its layers is used
            if read_bytes(library.file) == read_bytes(file):
                return library
    return None


def scope_of(file: Path) -> str:
    """The scope of a registry file: from its first line, or its name."""
    said = re.match(r"#\s*@package\s+registry\.(\w+)\s*$", first_line(file))
    return said[1] if said else file.stem


def _entries(files: Iterable[Path]) -> dict[str, Any]:
    """The entries of the registry files of one scope, by name."""
    found: dict[str, Any] = {}
    for file in files:
        data = read_yaml(file)
        if data is not None and not isinstance(data, dict):
            raise SettingsError("a registry must be a mapping of names to layers", at_file(file))
        entries = {name: value for name, value in (data or {}).items() if name != "defaults"}
        if twice := next((name for name in entries if name in found), None):
            raise SettingsError(f"{twice!r} is also in another file of the same scope", at_file(file))
        found.update(entries)
    return found
