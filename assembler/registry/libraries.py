"""Layers that installed packages announce, found without importing them.

A package announces a *library* by an entry point of the group ``assembler.layers``::

    [project.entry-points."assembler.layers"]
    shop = "shop.conf:layers"

The name, ``shop``, is the scope of its layers; the value refers to ``layers.yaml`` in the folder of ``shop.conf``,
which contains entries as in ``conf/registry/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path

from assembler.errors import AssemblerError, Place, RegistryError, SettingsError, noted, raise_all
from assembler.reading.yaml_files import read_yaml
from assembler.registry.entries import Entry, read_entry
from assembler.registry.signatures import folders_of, spec_of

GROUP = "assembler.layers"
"""The group of entry points."""


@dataclass(frozen=True)
class Library:
    """The layers of one scope.

    Args:
        scope: the name before the dot: ``mindcv`` of ``mindcv.Bottleneck``.
        values: where its entries are, as ``package:file``; more than one is an error.
        distribution: the installed distribution that announces it.
        extra: what to install for its layers, such as ``assembler[mindcv]``, if the distribution has such an extra.
    """

    scope: str
    values: tuple[str, ...]
    distribution: str
    extra: str = ""

    @property
    def place(self) -> Place:
        """Its name in messages."""
        return Place(key=f"the library {self.scope} of {self.distribution}")

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Its layers by name.

        Every package that it names is trusted, because installing a package can already run code.

        Raises:
            RegistryError, SettingsError, Mistakes: its file cannot be read.
        """
        if not self.scope.isidentifier():
            raise RegistryError(f"{self.scope!r} cannot be a scope's name in a recipe", self.place)
        try:
            data = read_yaml(self.file)
        except SettingsError as error:
            raise RegistryError(f"its layers cannot be read: {error}", self.place) from None
        if not isinstance(data, Mapping):
            raise RegistryError(f"{self.file.name} must be a mapping of names to layers", self.place)
        mistakes: list[AssemblerError] = []
        found: dict[str, Entry] = {}
        for name, value in data.items():
            with noted(mistakes):
                found[str(name)] = read_entry(str(name), value, scope=self.scope, trusted=_packages_in(value))
        raise_all(mistakes)
        return found

    @property
    def file(self) -> Path:
        """The file of its entries.

        Raises:
            RegistryError: it does not exist.
        """
        if len(self.values) > 1:
            raise RegistryError(f"it is announced twice, as {' and '.join(self.values)}; uninstall one", self.place)
        match = re.fullmatch(r"(\w+)((?:\.\w+)*):(\w+)", self.values[0])
        if match is None:
            raise RegistryError(f"{self.values[0]!r} is not of the form package:file", self.place)
        top, inner, name = match.groups()
        for folder in folders_of(top):
            if (file := folder.joinpath(*inner.split(".")[1:], f"{name}.yaml")).is_file():
                return file
        raise RegistryError(f"there is no file {name}.yaml in {top}{inner}", self.place)

    @cached_property
    def missing(self) -> str:
        """The first package of its layers that is not installed; empty if all are.

        Raises:
            RegistryError, SettingsError, Mistakes: as ``entries``.
        """
        packages = {entry.target.partition(".")[0] for entry in self.entries.values()}
        return next((package for package in sorted(packages) if spec_of(package) is None), "")

    @property
    def ships(self) -> bool:
        """Whether the assembler announces it itself."""
        return self.distribution == "assembler"

    @property
    def is_broken(self) -> bool:
        """Whether its file cannot be read."""
        try:
            _ = self.entries
        except AssemblerError:
            return True
        return False

    def has_but_misses(self, name: str) -> bool:
        """Whether a name is one of its layers, and its package is not installed."""
        try:
            return name in self.entries and bool(self.missing)
        except AssemblerError:
            return False


def _packages_in(value: object) -> tuple[str, ...]:
    paths = [value, *(value.values() if isinstance(value, Mapping) else ())]
    return tuple(path.partition(".")[0] for path in paths if isinstance(path, str))


@cache
def libraries() -> Mapping[str, Library]:
    """The libraries that installed packages announce, by scope, in alphabetical order."""
    found: dict[str, Library] = {}
    for library in sorted(_announced(), key=lambda one: (one.scope, one.distribution)):
        other = found.get(library.scope)
        if other is not None and other.values != library.values:
            distributions = f"{other.distribution} and {library.distribution}"
            library = Library(library.scope, (*other.values, *library.values), distributions)
        found[library.scope] = library
    return found


def _announced() -> Iterator[Library]:
    about = cache(lambda distribution: distribution.metadata)  # which parses a file each time
    for point in metadata.entry_points(group=GROUP):
        if point.dist is not None:
            name = about(point.dist)["Name"]
            has_extra = point.name in (about(point.dist).get_all("Provides-Extra") or ())
            yield Library(point.name, (point.value,), name, f"{name}[{point.name}]" if has_extra else "")
