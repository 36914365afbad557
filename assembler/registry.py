"""Names → layers. ``Registry`` is for anyone, ``LAYERS`` is ours."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar, overload

import yaml

from assembler.errors import (
    AssemblerError,
    BadTarget,
    DuplicateLayer,
    Place,
    RegistryError,
    UnknownLayer,
    noted,
    raise_all,
    suggestion,
)
from assembler.grammar import parse
from assembler.recipe import INFER, Layer, Verbatim
from assembler.settings import EntrySettings, read

TRUSTED = ("mindspore", "assembler")
"""Packages whose Cells a registry may name without further ado."""

AnyCell = TypeVar("AnyCell", bound=type)


@dataclass(frozen=True)
class Entry:
    """What the registry knows of one layer.

    Args:
        name: the short name in recipes.
        target: the class, as ``package.module.Class``.
        defaults: arguments that are given unless the recipe gives others.
        infer: for each argument that may be written ``_``, the axis of the layer's input that it is read from, or a
            list of axes for an argument that is a tuple of sizes.
        signature: the arguments, as ``LSTM(input_size, hidden_size, num_layers=1)``, for a class whose own signature
            is ``*args``.
        reference: a function that does the same in NumPy, as ``package.module.function``.
        scope: the configuration key or the Python module that declared the entry.
        trusted: packages that targets may lie in.
        registered: the class itself, if it was registered in Python.
    """

    name: str
    target: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    infer: Mapping[str, int | list[int]] = field(default_factory=dict)
    signature: str | None = None
    reference: str | None = None
    scope: str = ""
    trusted: tuple[str, ...] = field(default=TRUSTED, compare=False)
    registered: type | None = field(default=None, compare=False)

    @property
    def place(self) -> Place:
        """The configuration key that declared this entry."""
        return Place(key=f"{self.scope}.{self.name}" if self.scope else self.name)

    @cached_property
    def cell(self) -> type:
        """The class. Imports its module, and so MindSpore.

        Raises:
            BadTarget: it does not import, is not a Cell, or is not defined in a trusted package.
        """
        cls = self.registered or resolve(self.target, self.trusted, self.place)
        from mindspore import nn

        if not (isinstance(cls, type) and issubclass(cls, nn.Cell)):
            raise BadTarget(f"{self.target} is not an nn.Cell class", self.place)
        return cls

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The layer's arguments by name.

        Raises:
            BadTarget: see ``cell``.
            RegistryError: ``signature`` cannot be read, or ``defaults`` or ``infer`` name what is not in it.
        """
        parameters = parameters_of(self.cell) if self.signature is None else self._said_parameters()
        variadic = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        for kind, names in (("defaults", self.defaults), ("infer", self.infer)):
            for name in names:
                if name not in parameters and not variadic:
                    message = f"{kind} names {name!r}, which {self.name} does not take.{suggestion(name, parameters)}"
                    raise RegistryError(message, self.place)
        return parameters

    def _said_parameters(self) -> Mapping[str, inspect.Parameter]:
        try:
            return _read_signature(str(self.signature))
        except (AssemblerError, ValueError) as error:
            said = error.message if isinstance(error, AssemblerError) else str(error)
            raise RegistryError(f"cannot read the signature {self.signature!r}: {said}", self.place) from None

    @cached_property
    def reference_function(self) -> Callable[..., Any] | None:
        """The NumPy function, if there is one.

        Raises:
            BadTarget: see ``reference_at``.
        """
        return reference_at(self.reference, self.trusted, self.place) if self.reference else None

    def describe(self) -> str:
        """The layer with its arguments, as in a message: ``Dense(in_channels, out_channels, weight_init=None)``."""
        return f"{self.name}{inspect.Signature(list(map(_bare, self.parameters.values())))}"


def _bare(parameter: inspect.Parameter) -> inspect.Parameter:
    if parameter.default is not parameter.empty and type(parameter.default).__module__ != "builtins":
        parameter = parameter.replace(default=Verbatim(str(parameter.default).removeprefix("mindspore.").lower()))
    return parameter.replace(annotation=inspect.Parameter.empty)


def _read_signature(text: str) -> Mapping[str, inspect.Parameter]:
    header = parse(text)
    if not isinstance(header, Layer) or not all(isinstance(arg, Layer) for arg in header.args):
        raise RegistryError("it is not of the form Name(argument, argument=default)")
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    required = [inspect.Parameter(arg.name, kind) for arg in header.args]
    optional = [inspect.Parameter(name, kind, default=value) for name, value in header.kwargs]
    return inspect.Signature([*required, *optional]).parameters


def reference_at(path: str, trusted: Iterable[str], place: Place) -> Callable[..., Any]:
    """The reference at ``package.module.function``: a function ``(x, parameters, arguments)`` of a trusted package.

    No other function can be named, so that configuration cannot call what was not meant for it.

    Raises:
        BadTarget: it does not import, has other parameters, or is not defined in a trusted package.
    """
    function = resolve(path, trusted, place)
    if not inspect.isfunction(function) or list(inspect.signature(function).parameters) != _REFERENCE:
        raise BadTarget(f"{path} is not a function ({', '.join(_REFERENCE)})", place)
    return function


_REFERENCE = ["x", "parameters", "arguments"]


def resolve(path: str, trusted: Iterable[str], place: Place) -> Any:
    """Import what a dotted path names. Both the path and what it leads to must lie in a trusted package."""
    module_name, _, name = path.rpartition(".")
    if not module_name or not all(part.isidentifier() for part in path.split(".")):
        raise BadTarget(f"{path!r} is not of the form package.module.Name", place)
    _require_trust(path, module_name, trusted, place)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise BadTarget(f"cannot import {module_name!r}: {type(error).__name__}: {error}", place) from error
    if not hasattr(module, name):
        raise BadTarget(f"{module_name!r} has no {name!r}.{suggestion(name, dir(module))}", place)
    found = getattr(module, name)
    home = getattr(found, "__module__", None)
    if not isinstance(home, str):
        raise BadTarget(f"{path} is neither a class nor a function", place)
    _require_trust(path, home, trusted, place)
    return found


def _require_trust(path: str, module_name: str, trusted: Iterable[str], place: Place) -> None:
    package = module_name.partition(".")[0]
    if package not in trusted:
        raise BadTarget(
            f"{path} lies in {package!r}, which is not trusted. Trust it in a pyproject.toml in or above the working "
            f'directory, [tool.assembler] trusted = ["{package}"], or with Registry(trusted=["{package}"])',
            place,
        )


@cache
def parameters_of(cell: type) -> Mapping[str, inspect.Parameter]:
    """The arguments of a Cell class's constructor; none if it has only that of nn.Cell, which is no one's business.

    ``inspect.signature`` of a class itself looks at ``__new__`` on Python 3.10, and MindSpore has such classes.
    """
    from mindspore import nn

    owner = next(kind for kind in cell.__mro__ if "__init__" in vars(kind))
    if owner is nn.Cell:
        return {}
    _, *parameters = inspect.signature(vars(owner)["__init__"]).parameters.values()
    return {parameter.name: parameter for parameter in parameters}


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
        self.add(_entry(name, f"{scope}.{name}", value, scope=scope, trusted=self.trusted))

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
            self.add(_entry(name or target.rpartition(".")[2], place, given, scope="Python", trusted=self.trusted))
            return target
        given["target"] = f"{getattr(target, '__module__', '?')}.{getattr(target, '__qualname__', target)}"
        entry = _entry(
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


def _entry(name: str, key: str, value: object, **about: Any) -> Entry:
    said = dict(read(EntrySettings, value, key))
    said["defaults"] = {word: INFER if default == "_" else default for word, default in said["defaults"].items()}
    return Entry(name=name, **said, **about)


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


def trusted_for_recipes() -> tuple[str, ...]:
    """The packages whose functions a recipe may name: those that the project trusts itself.

    MindSpore and the assembler are trusted for layers, which the registry names; they are full of modules and functions
    that are not meant for a recipe.

    Raises:
        RegistryError: as ``trusted_by_project``.
    """
    return (*(name for name in LAYERS.trusted if name not in TRUSTED), *trusted_by_project())


_FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

LAYERS = Registry(shipped=True)
"""The layers that the assembler ships, and those that ``@register`` adds."""

register = LAYERS.register
