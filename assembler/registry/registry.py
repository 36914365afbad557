"""Names → layers: the class ``Registry``, and ``LAYERS``, the assembler's own instance."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, overload

import yaml

from assembler.errors import (
    NOWHERE,
    AbsentPackage,
    AssemblerError,
    DuplicateLayer,
    Mend,
    Place,
    RegistryError,
    UnknownLayer,
    noted,
    raise_all,
)
from assembler.html import html_table
from assembler.reading.recipe_paths import SHIPPED
from assembler.registry.entries import PYTHON, TRUSTED, Entry, import_module, read_entry
from assembler.registry.frameworks import PYTORCH, name_here, split
from assembler.registry.libraries import Library, libraries
from assembler.settings import ProjectSettings
from assembler.validation import read
from assembler.words import closest, suggestion

SCOPES = ("layers", "mindspore")
"""The files of ``conf/registry/`` that are loaded by default; the others are libraries."""

AnyCell = TypeVar("AnyCell", bound=type)


class Registry(Mapping[str, Entry]):
    """A mapping of short names to layers.

    Args:
        trusted: packages besides MindSpore and the assembler whose classes entries may name as strings. Classes that
            are registered in Python are always allowed.
        shipped: whether to start with the layers that the assembler ships, read at first use.
        installed: whether to search the libraries of installed packages for unknown names.

    The mapping contains loaded and registered layers; :meth:`find` also finds those of libraries.

    >>> registry = Registry(trusted=["my_project"])
    >>> registry.register("my_project.layers.Gate", infer={"channels": 1})
    """

    def __init__(self, *, trusted: Iterable[str] = (), shipped: bool = False, installed: bool = False):
        self.trusted = (*TRUSTED, *trusted)
        self._entries: dict[str, Entry] = {}
        self.modules: tuple[str, ...] = ()
        self._pending = shipped
        self._installed = installed

    def _read(self) -> dict[str, Entry]:
        if self._pending:
            self._pending = False
            try:
                for scope in SCOPES:
                    text = (SHIPPED / "registry" / f"{scope}.yaml").read_text(encoding="utf-8")
                    self.load(yaml.load(text, _FastLoader), f"registry.{scope}")
            except BaseException:  # Ctrl-C, or the end of the time for a recipe: the next use reads them all
                self._entries.clear()
                self._pending = True
                raise
        return self._entries

    @property
    def libraries(self) -> Mapping[str, Library]:
        """The libraries that are searched, by scope."""
        return libraries() if self._installed else {}

    def __getitem__(self, name: str) -> Entry:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"<Registry of {len(self)} layers>"

    def _repr_html_(self) -> str:
        """A table of the layers, for notebooks. It imports nothing."""
        rows = [[entry.name, entry.target, ", ".join(entry.infer)] for entry in self.values()]
        return html_table(("layer", "class", "may be _"), rows, below=[f"{len(self):,} layers"])

    def find(self, name: str, place: Place = NOWHERE) -> Entry:
        """The entry for a name in a recipe: ``Dense``, or with its scope, ``mindcv.Bottleneck``.

        A name without a scope is a loaded or registered layer, or else a layer of the only library that has it.

        Raises:
            UnknownLayer: with close names, the scopes that were searched, or the libraries that have the name.
            AbsentPackage: the library's package is not installed.
            RegistryError, SettingsError, Mistakes: the library of that scope cannot be read.
        """
        found = self.candidates(name)
        if not found:
            foreign, mend = self._foreign(name)
            raise UnknownLayer(foreign or f"no layer named {name!r}.{self._instead(name)}", place, mend)
        if len(found) > 1:
            names = " or ".join(entry.full_name for entry in found)
            raise UnknownLayer(f"several libraries have a layer {name!r}; write {names}", place)
        library = self.libraries.get(found[0].scope)
        if library is not None and library.missing:
            instead = f": pip install '{library.extra}'" if library.extra else ""
            said = f"{name!r} requires the package {library.missing}, which is not installed{instead}"
            raise AbsentPackage(said, place, library.missing)
        return found[0]

    def candidates(self, name: str) -> list[Entry]:
        """The entries that a name may refer to: none, one, or those of several libraries.

        Raises:
            RegistryError, SettingsError, Mistakes: the library of its scope cannot be read.
        """
        scope, _, short = name.rpartition(".")
        own = self._read().get(short)
        if own is not None and name in (own.name, own.full_name):
            return [own]
        asked = ([self.libraries[scope]] if scope in self.libraries else []) if scope else self._usable()
        return [library.entries[short] for library in asked if short in library.entries]

    def _usable(self) -> Iterator[Library]:
        """The libraries that can be read and whose packages are installed."""
        for library in self.libraries.values():
            with suppress(AssemblerError):
                if not library.missing:
                    yield library

    def _foreign(self, name: str) -> tuple[str, Mend | None]:
        """The message for a name as another framework, or Python code, has it; empty for any other name."""
        owner, short, modules = split(name)
        here = name_here(owner, short)
        if owner and here:
            same = f"; mint.{short} takes the same arguments" if self.candidates(f"mint.{short}") else ""
            if not here.isidentifier():
                return f"instead of {short} of {owner}, write {here}", None
            return f"{short} of {owner} is {here} here{same if owner == PYTORCH else ''}", Mend(name, here)
        if "mint" in modules.split(".") and self.candidates(f"mint.{short}"):
            here = f"mint.{short}"
        elif modules in {entry.full_name.rpartition(".")[0] for entry in self.all_entries()}:
            here = short if short in self else ""
        elif modules:
            found = [entry.name for entry in self.values() if entry.name.casefold() == short.casefold()]
            here = here or next(iter(found), "") or (short if self.candidates(short) else "")
        return (f"write {here} instead of {name}", Mend(name, here)) if modules and here else ("", None)

    def _instead(self, name: str) -> str:
        """The hint for an unknown name."""
        scope, _, short = name.rpartition(".")
        every = [*self.all_entries()]
        scopes = list(dict.fromkeys(entry.full_name.rpartition(".")[0] for entry in every))
        if scope:
            inside = [entry.full_name for entry in every if entry.full_name.startswith(f"{scope}.")]
            near = [f"{other}.{short}" for other in closest(scope, scopes) if self.candidates(f"{other}.{short}")]
            listed = f" `assembler layers '{scope}.*'` lists those of {scope}." if inside else ""
            return suggestion(name, inside or near) or listed or f" The scopes are {', '.join(filter(None, scopes))}."
        absent = [library for library in self.libraries.values() if library.has_but_misses(name)]
        if absent and absent[0].extra:
            return f" The library {absent[0].scope} has it: pip install '{absent[0].extra}'."
        if module := next((one for one in LAYERS.modules if _has_class(one, name)), None):
            return f" {module} has a class of this name that is not registered; put @register above it."
        if close := suggestion(name, self) or suggestion(name, [entry.name for entry in every]):
            return close
        broken = [library.scope for library in self.libraries.values() if library.is_broken]
        if broken:
            return f" The library {broken[0]} may have it but cannot be read; '{broken[0]}.{name}' shows why."
        known = ", ".join(sorted({entry.scope for entry in self.values()})) or "an empty registry"
        beside = f", and the libraries {', '.join(library.scope for library in self._usable())}"
        return f" Searched the {len(self)} names of {known}{beside if self.libraries else ''}."

    def name_of(self, entry: Entry) -> str:
        """The name of an entry in recipes: short, or with its scope if the short name is another layer."""
        return entry.name if self.get(entry.name) is entry else entry.full_name

    def all_entries(self) -> Iterator[Entry]:
        """Every layer that a recipe can name: those of the mapping, then those of installed libraries."""
        yield from self.values()
        for library in self._usable():
            yield from library.entries.values()

    def add(self, entry: Entry) -> None:
        """Add an entry. Adding an equal entry again changes nothing; a class of the same name and module replaces it.

        Raises:
            DuplicateLayer: the name is taken by another target.
        """
        taken = self._read().get(entry.name)
        if taken and taken.target == entry.target and None not in (taken.registered, entry.registered):
            self._entries[entry.name] = entry  # a cell of a notebook ran again, or a module was reloaded
            return
        same = taken and replace(taken, scope="") == replace(entry, scope="") and taken.registered is entry.registered
        if taken and not same:
            raise DuplicateLayer(
                f"{entry.name!r} is already {taken.target} (from {taken.scope}); "
                f"choose another name for {entry.target}",
                entry.place,
            )
        self._entries.setdefault(entry.name, entry)

    def load(self, entries: Mapping[str, Any], scope: str = "registry") -> None:
        """Add entries from YAML data: ``{ReLU: mindspore.nn.ReLU, Dense: {target: …, infer: …}}``.

        Args:
            scope: their configuration key, for messages.

        Raises:
            DuplicateLayer, SettingsError, Mistakes: every error in them.
        """
        mistakes: list[AssemblerError] = []
        for name, value in entries.items():
            with noted(mistakes):
                self.add(read_entry(str(name), value, scope=scope, trusted=self.trusted))
        raise_all(mistakes)

    @overload
    def register(self, target: AnyCell, **options: Any) -> AnyCell: ...

    @overload
    def register(self, target: None = None, **options: Any) -> Callable[[AnyCell], AnyCell]: ...

    @overload
    def register(self, target: str, **options: Any) -> str: ...

    def register(self, target: Any = None, *, name: str | None = None, **options: Any) -> Any:
        """Register a Cell class, as a decorator or by a call, or a dotted path.

        Args:
            target: an ``nn.Cell`` class, or ``"package.module.Class"``.
            name: the name in recipes; by default the class's own.
            options: ``defaults``, ``infer``, ``signature``, ``reference`` and ``row`` as in :class:`Entry`.

        Returns:
            The target, so that a decorated class is unchanged.

        Raises:
            DuplicateLayer: the name is taken.
            BadTarget: the class is not a Cell.

        >>> @register(infer={"channels": 1})
        ... class Gate(nn.Cell): ...
        """
        if target is None:
            return lambda cls: self.register(cls, name=name, **options)
        given, key = {"target": target, **options}, str(name or target)
        if isinstance(target, str):
            name = name or target.rpartition(".")[2]
            self.add(read_entry(name, given, scope=PYTHON, key=key, trusted=self.trusted))
            return target
        given["target"] = f"{getattr(target, '__module__', '?')}.{getattr(target, '__qualname__', target)}"
        entry = read_entry(
            name or given["target"].rpartition(".")[2],
            given,
            scope=str(getattr(target, "__module__", PYTHON)),
            key=key,
            trusted=self.trusted,
            registered=target,
        )
        _ = entry.cell  # refuses what is not a Cell
        self.add(entry)
        return target

    def take_up(self, project: ProjectSettings) -> None:
        """Trust a project's packages, and remember its modules that register layers, for ``registered``."""
        self.trusted = tuple(dict.fromkeys((*self.trusted, *project.trusted)))
        self.modules = tuple(dict.fromkeys((*self.modules, *project.layers)))

    def registered(self, others: Iterable[str] = ()) -> list[Entry]:
        """Import the modules that register layers, and return the entries of classes registered in Python.

        Args:
            others: modules besides those of ``take_up``.

        Raises:
            RegistryError: one of them does not import.
        """
        for module in (*self.modules, *others):
            import_module(module, Place(key="tool.assembler.layers"))
        return [entry for entry in self._entries.values() if entry.registered is not None]


def _has_class(module: str, name: str) -> bool:
    """Whether a module that was imported defines a class of this name."""
    found = vars(sys.modules.get(module, object)).get(name)
    return isinstance(found, type) and found.__module__ == module


def project_file(folder: Path | None = None) -> Path | None:
    """The nearest ``pyproject.toml``, searched from a folder upwards; by default from the working directory."""
    folder = (folder or Path.cwd()).resolve()
    files = (path / "pyproject.toml" for path in (folder, *folder.parents))
    return next((file for file in files if file.exists()), None)


def said_by_project(folder: Path | None = None) -> ProjectSettings:
    """``[tool.assembler]`` of the nearest ``pyproject.toml``, searched from this folder upwards.

    If it names packages or modules, its folder is added to the end of ``sys.path``, so that they can be imported.

    Raises:
        RegistryError: the file cannot be read.
        SettingsError, Mistakes: its settings are wrong.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    if (file := project_file(folder)) is None:
        return ProjectSettings()
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("assembler", {})
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"cannot be read: {error}", Place(key=str(file))) from None
    settings = read(ProjectSettings, said, f"{file}: tool.assembler")
    if (settings.layers or settings.trusted) and str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # python pkg/run.py has the script's folder there, not the project's
    return settings


def trusted_for_recipes(project: ProjectSettings) -> tuple[str, ...]:
    """The packages whose functions a recipe may name: those that the project trusts explicitly.

    MindSpore and the assembler are trusted only for layers in the registry, because they also contain many functions
    that a recipe must not call.
    """
    return (*(name for name in LAYERS.trusted if name not in TRUSTED), *project.trusted)


_FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

LAYERS = Registry(shipped=True, installed=True)
"""The registry of shipped layers, those that ``@register`` adds, and those of libraries."""

register = LAYERS.register
