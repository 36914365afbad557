"""Names → layers. ``Registry`` is for anyone, ``LAYERS`` is ours."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, overload

import yaml

from assembler.entries import TRUSTED, Entry, read_entry
from assembler.errors import (
    AssemblerError,
    DuplicateLayer,
    Place,
    RegistryError,
    UnknownLayer,
    noted,
    raise_all,
    suggestion,
)
from assembler.html import html_table

AnyCell = TypeVar("AnyCell", bound=type)


class Registry(Mapping[str, Entry]):
    """Short names and the layers that they stand for.

    Args:
        trusted: packages besides MindSpore and the assembler whose classes entries may name as text. Classes that are
            registered in Python need no trust: they are there already.
        shipped: whether to begin with the layers that the assembler ships, read when they are first needed.

    >>> registry = Registry(trusted=["my_project"])
    >>> registry.register("my_project.layers.Gate", infer={"channels": 1})
    """

    def __init__(self, *, trusted: Iterable[str] = (), shipped: bool = False):
        self.trusted = (*TRUSTED, *trusted)
        self._entries: dict[str, Entry] = {}
        self._pending = shipped

    def _read(self) -> dict[str, Entry]:
        if self._pending:
            self._pending = False
            folder = Path(__file__).parent / "conf" / "registry"
            for file in sorted(folder.glob("*.yaml")):
                self.load(yaml.load(file.read_text(encoding="utf-8"), _FastLoader), f"registry.{file.stem}")
        return self._entries

    def __getitem__(self, name: str) -> Entry:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"<Registry of {len(self)} layers>"

    def _repr_html_(self) -> str:
        """A table of the layers, in a notebook. Nothing is imported for it."""
        rows = [[entry.name, entry.target, ", ".join(entry.infer)] for entry in self.values()]
        return html_table(("layer", "class", "may be _"), rows, below=[f"{len(self):,} layers"])

    def find(self, name: str, place: Place) -> Entry:
        """The entry for a name in a recipe.

        Raises:
            UnknownLayer: with close names, or where the registry looked.
        """
        entry = self._read().get(name)
        if entry is None:
            scopes = ", ".join(sorted({entry.scope for entry in self.values()})) or "an empty registry"
            instead = suggestion(name, self) or f" Looked among the {len(self)} names of {scopes}."
            raise UnknownLayer(f"no layer named {name!r}.{instead}", place)
        return entry

    def add(self, entry: Entry) -> None:
        """Take up an entry. One that is equal to what is there already changes nothing.

        Raises:
            DuplicateLayer: the name is taken by another target.
        """
        taken = self._read().get(entry.name)
        same = taken and replace(taken, scope="") == replace(entry, scope="") and taken.registered is entry.registered
        if taken and not same:
            raise DuplicateLayer(
                f"{entry.name!r} is already {taken.target} (from {taken.scope}); "
                f"{entry.target} needs a name of its own",
                entry.place,
            )
        self._entries.setdefault(entry.name, entry)

    def load(self, entries: Mapping[str, Any], scope: str = "registry") -> None:
        """Take up entries as YAML holds them: ``{ReLU: mindspore.nn.ReLU, Dense: {target: …, infer: …}}``.

        Args:
            scope: what to call the lot, in messages: the configuration key that it stands at.

        Raises:
            DuplicateLayer, SettingsError, Mistakes: every mistake in it.
        """
        mistakes: list[AssemblerError] = []
        for name, value in entries.items():
            with noted(mistakes):
                self._load_entry(str(name), value, scope)
        raise_all(mistakes)

    def _load_entry(self, name: str, value: object, scope: str) -> None:
        value = {"target": value} if isinstance(value, str) else value
        if not name.isidentifier():
            raise RegistryError(f"{name!r} cannot be a layer's name in a recipe", Place(key=f"{scope}.{name}"))
        self.add(read_entry(name, f"{scope}.{name}", value, scope=scope, trusted=self.trusted))

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
            name: the name in recipes; the class's own if not given.
            options: ``defaults``, ``infer``, ``signature`` and ``reference`` as in :class:`Entry`.

        Returns:
            The target, so that a decorated class stays as it is.

        Raises:
            DuplicateLayer: the name is taken.
            BadTarget: the class is not a Cell.

        >>> @register(infer={"channels": 1})
        ... class Gate(nn.Cell): ...
        """
        if target is None:
            return lambda cls: self.register(cls, name=name, **options)
        given, place = {"target": target, **options}, str(name or target)
        if isinstance(target, str):
            self.add(read_entry(name or target.rpartition(".")[2], place, given, scope="Python", trusted=self.trusted))
            return target
        given["target"] = f"{getattr(target, '__module__', '?')}.{getattr(target, '__qualname__', target)}"
        entry = read_entry(
            name or given["target"].rpartition(".")[2],
            place,
            given,
            scope=str(getattr(target, "__module__", "Python")),
            trusted=self.trusted,
            registered=target,
        )
        _ = entry.cell  # refuses what is not a Cell
        self.add(entry)
        return target

    def registered(self) -> list[Entry]:
        """The entries whose classes were registered in Python."""
        return [entry for entry in self._entries.values() if entry.registered is not None]


def trusted_by_project(folder: Path | None = None) -> tuple[str, ...]:
    """The packages that the nearest ``pyproject.toml``, from this folder upwards, trusts.

    Raises:
        RegistryError: the file cannot be read, or ``[tool.assembler] trusted`` is not a list of names.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    folder = (folder or Path.cwd()).resolve()
    file = next(
        (path / "pyproject.toml" for path in (folder, *folder.parents) if (path / "pyproject.toml").exists()), None
    )
    if file is None:
        return ()
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("assembler", {}).get("trusted", [])
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"cannot read it: {error}", Place(key=str(file))) from None
    if not isinstance(said, list) or not all(isinstance(name, str) for name in said):
        raise RegistryError("[tool.assembler] trusted must be a list of package names", Place(key=str(file)))
    return tuple(said)


_FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

LAYERS = Registry(shipped=True)
"""The layers that the assembler ships, and those that ``@register`` adds."""

register = LAYERS.register
