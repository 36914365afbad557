"""Whose recipes and layers a command sees: those of a folder of configuration, and those that ship."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer

from assembler.errors import AssemblerError, SettingsError
from assembler.files import short
from assembler.pipeline import registry_of
from assembler.reading.places import Sources
from assembler.reading.recipe_files import SHIPPED
from assembler.reading.yaml_files import read_yaml
from assembler.registry.entries import Entry
from assembler.registry.libraries import Library, libraries
from assembler.registry.registry import Registry, said_by_project
from assembler.settings import ProjectSettings
from assembler.words import suggestion

ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config-dir", metavar="DIR", help="The folder of recipe/ and registry/; by default conf, if it is there."
    ),
]


@dataclass(frozen=True)
class Project:
    """A folder with ``recipe/`` and ``registry/`` in it, as ``--config-dir`` names it for run.py.

    Args:
        folder: it; None to see only what ships.
    """

    folder: Path | None

    @classmethod
    def at(cls, folder: Path | None) -> Project:
        """The project of a folder; if none is named, of ``conf``, if it is there.

        Raises:
            SettingsError: there is no such folder.
        """
        if folder is not None and not folder.is_dir():
            raise SettingsError(f"--config-dir: there is no folder {folder}")
        return cls(folder or (Path("conf") if Path("conf").is_dir() else None))

    def files(self, group: str) -> dict[str, Path]:
        """The files of a group by name. One of the project's own comes before one that ships under the same name."""
        folders = [SHIPPED, *([self.folder] if self.folder else [])]
        found = (file for folder in folders for file in sorted((folder / group).glob("*.yaml")))
        return {file.stem: file for file in found if file.is_file()}

    def recipe(self, said: str) -> Path:
        """The file of a recipe, by its path or its name.

        Raises:
            SettingsError: there is none.
        """
        if said.endswith((".yaml", ".yml")) or "/" in said:
            if not Path(said).is_file():
                raise SettingsError(f"there is no file {said}")
            return Path(said)
        recipes = self.files("recipe")
        if said not in recipes:
            hint = suggestion(said, recipes) or " `python -m assembler recipes` lists them."
            raise SettingsError(f"no recipe named {said!r}.{hint}")
        return recipes[said]

    @cached_property
    def said(self) -> ProjectSettings:
        """What the ``pyproject.toml`` above the folder says.

        Raises:
            RegistryError, SettingsError, Mistakes: it is wrong.
        """
        return said_by_project(self.folder.absolute().parent if self.folder else None)

    @property
    def registry_files(self) -> dict[str, list[Path]]:
        """The files of the registry by their keys, but for those that are a library's, which are there in any case."""
        found: dict[str, list[Path]] = {}
        for file in self.files("registry").values():
            if library_of(file) is None:
                found.setdefault(f"registry.{scope_of(file)}", []).append(file)
        return found

    @cached_property
    def registry(self) -> Registry:
        """All layers: those that ship, those of the project's registry files, and those that Python registered.

        Raises:
            AssemblerError: a registry file is wrong, with its place.
        """
        try:
            return self._registry_of(self.registry_files)
        except AssemblerError as error:
            raise Sources(self.registry_files).tell(error) from None

    def registry_without(self, scope: str) -> Registry:
        """The registry as it is without one scope, of which it does not matter whether it is right."""
        others = {key: files for key, files in self.registry_files.items() if key != f"registry.{scope}"}
        with suppress(AssemblerError):
            return self._registry_of(others)
        return Registry(trusted=self.said.trusted)

    def _registry_of(self, files: Mapping[str, Sequence[Path]]) -> Registry:
        if self.folder is not None and (home := str(self.folder.absolute().parent)) not in sys.path:
            sys.path.insert(0, home)  # the project's own layers come first, as for its run script
        return registry_of({key.partition(".")[2]: _entries(of_scope) for key, of_scope in files.items()}, self.said)


def library_of(file: Path) -> Library | None:
    """The library whose entries a file holds, if it is one's, or a copy of it."""
    for library in libraries().values():
        with suppress(AssemblerError):  # told when one of its layers is asked for
            if library.file.read_bytes() == file.read_bytes():
                return library
    return None


def scope_of(file: Path) -> str:
    """The scope of a registry file: what its first line says, or its name."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        said = re.match(r"#\s*@package\s+registry\.(\w+)\s*$", stream.readline())
    return said[1] if said else file.stem


def _entries(files: Iterable[Path]) -> dict[str, Any]:
    """What the registry files of one scope hold: name → entry."""
    found: dict[str, Any] = {}
    for file in files:
        data = read_yaml(file)
        if data is not None and not isinstance(data, dict):
            raise SettingsError(f"{short(file)}: a registry is a mapping of names to layers")
        entries = {name: value for name, value in (data or {}).items() if name != "defaults"}
        if twice := next((name for name in entries if name in found), None):
            raise SettingsError(f"{short(file)}: {twice!r} is in another file of the same scope, too")
        found.update(entries)
    return found


def complete_recipe(context: typer.Context, incomplete: str) -> Iterator[str]:
    """The names of recipes, for the shell."""
    return (name for name in _quietly(context).files("recipe") if name.startswith(incomplete))


def complete_layer(context: typer.Context, incomplete: str) -> Iterator[str]:
    """The names of layers, for the shell."""
    try:
        known = entries_of(_quietly(context).registry)
        names = (name for entry in known for name in (entry.name, entry.full_name))
        return (name for name in names if name.startswith(incomplete))
    except AssemblerError:
        return iter(())


def _quietly(context: typer.Context) -> Project:
    folder = context.params.get("config_dir")
    return Project(Path(folder) if folder else Path("conf") if Path("conf").is_dir() else None)


def entries_of(registry: Registry) -> list[Entry]:
    """All layers of a registry, those of libraries as well."""
    return list(registry.all_entries())


def on_terminal() -> bool:
    """Whether people read what is printed, rather than programs."""
    return sys.stdout.isatty()


def print_rows(names: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table on a terminal; elsewhere, lines of columns that are set apart by tabs.

    Args:
        right: the names of the columns that hold numbers.
    """
    if not on_terminal():
        for row in rows:
            typer.echo("\t".join(row))
        return
    from rich.table import Table
    from rich.text import Text

    from assembler.views.summary import make_console

    table = Table()
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name in right else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    make_console().print(table)
