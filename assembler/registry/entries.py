"""One registry entry: a layer's class, its arguments, and what can be inferred from its input."""

from __future__ import annotations

import importlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import ModuleType
from typing import Any, cast

from assembler.errors import AssemblerError, BadTarget, Place, RegistryError
from assembler.html import html_table
from assembler.language.grammar import parse
from assembler.language.recipe import INFER, Layer, print_value
from assembler.registry.signatures import known_parameters, print_parameters
from assembler.settings import EntrySettings, FunctionSettings, InferSettings
from assembler.validation import read
from assembler.words import suggestion

TRUSTED = ("mindspore", "assembler")
"""Packages whose Cells a registry may always name."""

PYTHON = "Python"
"""The scope of a target that was registered in Python as a string."""


@dataclass(frozen=True)
class Entry:
    """A layer in the registry.

    Args:
        name: the short name in recipes.
        target: the class, as ``package.module.Class``, or the function.
        defaults: default arguments, which the recipe can override.
        infer: for each argument that may be written ``_``, the axis of the layer's first input that it is inferred
            from, or a list of axes for an argument that is a tuple of sizes; ``{input: 1, axis: -1}`` names another
            input, counted from 0.
        signature: the arguments, as ``LSTM(input_size, hidden_size, num_layers=1)``, for a class whose own signature
            is ``*args``.
        reference: a function that computes the same in NumPy, as ``package.module.function``, or a ufunc of NumPy,
            ``numpy.exp``.
        row: what a row of a network file passes in front of the arguments in the file: ``c1``, the channels of its
            input; ``c2``, those of its output; ``n``, the number of repeats. Default: from the first parameters' names.
        inputs: of a function, how many tensors are its first arguments; 0 for a class.
        scope: where the entry is declared: a configuration key, ``registry.mindspore``, a library, ``mindcv``, or the
            module of a class that was registered in Python.
        trusted: packages that may contain targets.
        registered: the class itself, if it was registered in Python.
    """

    name: str
    target: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    infer: Mapping[str, int | list[int] | Mapping[str, Any]] = field(default_factory=dict)
    signature: str | None = None
    reference: str | None = None
    row: tuple[str, ...] | None = None
    inputs: int = 0
    scope: str = ""
    trusted: tuple[str, ...] = field(default=TRUSTED, compare=False)
    registered: type | None = field(default=None, compare=False)

    @property
    def full_name(self) -> str:
        """The name with its scope, as in a recipe: ``mindspore.Dense``; without one if it was registered in Python."""
        is_of_python = self.registered is not None or self.scope == PYTHON
        return self.name if is_of_python else f"{self.scope.removeprefix('registry.')}.{self.name}"

    @property
    def place(self) -> Place:
        """The configuration key that declared this entry."""
        return Place(key=f"{self.scope}.{self.name}" if self.scope else self.name)

    @cached_property
    def implementation(self) -> Any:
        """The class or the function. Imports its module, and so MindSpore.

        Raises:
            BadTarget: it does not import, is neither a Cell nor a function as declared, or is not defined in a trusted
                package.
        """
        found = self.registered or resolve(self.target, self.trusted, self.place)
        from mindspore import nn

        is_function = inspect.isroutine(found)
        if self.inputs and not is_function:
            raise BadTarget(f"{self.target} is not a function", self.place)
        if not self.inputs and not (isinstance(found, type) and issubclass(found, nn.Cell)):
            instead = f"; write {{function: {self.target}}}" if is_function else ""
            raise BadTarget(f"{self.target} is not an nn.Cell class{instead}", self.place)
        return found

    @property
    def cell(self) -> type:
        """The class of its Cells: its own, or ``Operator`` for a function.

        Raises:
            BadTarget: see ``implementation``.
        """
        if not self.inputs:
            return cast(type, self.implementation)
        from assembler.layers.operator import Operator

        return Operator

    def make(self, *args: Any, **kwargs: Any) -> Any:
        """A Cell with these arguments.

        Raises:
            BadTarget: see ``implementation``.
            Exception: whatever its constructor raises.
        """
        return self.cell(*((self.implementation,) if self.inputs else ()), *args, **kwargs)

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The layer's arguments by name.

        Does not import MindSpore for layers that ``assembler.registry.signatures`` knows.

        Raises:
            BadTarget: see ``cell``.
            RegistryError: ``signature`` cannot be parsed, or ``defaults`` or ``infer`` name unknown arguments.
        """
        if self.registered is not None or self.signature is not None or "mindspore" in sys.modules:
            return self._own_parameters
        _require_trust(self.target, self.target.rpartition(".")[0], self.trusted, self.place)
        known = known_parameters(self.target, of_function=bool(self.inputs))
        return self._own_parameters if known is None else self._checked(self._after_tensors(known))

    @cached_property
    def _own_parameters(self) -> Mapping[str, inspect.Parameter]:
        if self.signature is not None:
            return self._checked(self._said_parameters())
        if not self.inputs:
            return self._checked(parameters_of(self.cell))
        return self._checked(self._after_tensors(inspect.signature(self.implementation).parameters))

    @property
    def input_names(self) -> list[str]:
        """The names of the tensors that a function takes, or numbers if it is ``*args``."""
        slots = inspect.signature(self.implementation).parameters.values()
        names = [one.name for one in slots if one.kind in _POSITIONAL][: self.inputs]
        return names if len(names) == self.inputs else list(map(str, range(self.inputs)))

    def _after_tensors(self, parameters: Mapping[str, inspect.Parameter]) -> Mapping[str, inspect.Parameter]:
        """The arguments of a function without its tensors; those of a class as they are."""
        if not self.inputs:
            return parameters
        written = f"{self.target}({print_parameters(parameters)})"
        if any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters.values()):
            said = f"the arguments of {written} are unknown; list them: signature: {self.name}(argument, other=default)"
            raise RegistryError(said, self.place)
        slots = [one for one in parameters.values() if one.kind in _POSITIONAL]
        if len(slots) < self.inputs:
            raise RegistryError(f"{written} does not take {self.inputs} tensors", self.place)
        tensors = {one.name for one in slots[: self.inputs]}
        return {
            name: one.replace(kind=one.KEYWORD_ONLY if one.kind is one.KEYWORD_ONLY else one.POSITIONAL_OR_KEYWORD)
            for name, one in parameters.items()
            if name not in tensors
        }

    def _checked(self, parameters: Mapping[str, inspect.Parameter]) -> Mapping[str, inspect.Parameter]:
        variadic = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        for kind, names in (("defaults", self.defaults), ("infer", self.infer)):
            for name in names:
                if name not in parameters and not variadic:
                    message = f"{kind} names {name!r}, not an argument of {self.name}.{suggestion(name, parameters)}"
                    raise RegistryError(message, self.place)
        return parameters

    def _said_parameters(self) -> Mapping[str, inspect.Parameter]:
        try:
            return _read_signature(str(self.signature))
        except (AssemblerError, ValueError) as error:
            said = error.message if isinstance(error, AssemblerError) else str(error)
            raise RegistryError(f"cannot parse the signature {self.signature!r}: {said}", self.place) from None

    @cached_property
    def reference_function(self) -> Callable[..., Any] | None:
        """The NumPy function, if any; it may be in the package of a class that was registered in Python.

        Raises:
            BadTarget: see ``reference_at``; or it is a ufunc and the layer has arguments, which a ufunc has not.
        """
        if str(self.reference).startswith("numpy.") and self.parameters:
            said = f"{self.reference} takes no arguments, unlike {self.describe()}; write signature: {self.name}()"
            raise BadTarget(said, self.place)
        beside = (self.registered.__module__.partition(".")[0],) if self.registered else ()
        return reference_at(self.reference, (*self.trusted, *beside), self.place) if self.reference else None

    def _repr_html_(self) -> str:
        """A table of the arguments, for notebooks."""
        rows = [
            [
                name,
                "" if one.default is one.empty else print_value(self.defaults.get(name, one.default)),
                _axes(self, name),
            ]
            for name, one in self.parameters.items()
        ]
        return html_table(("argument", "default", "may be _"), rows, below=[self.describe(), self.target])

    def source(self, name: str) -> tuple[int, int | list[int]]:
        """What an argument that may be written ``_`` is inferred from: the number of the input, and its axes."""
        rule = self.infer[name]
        return (rule["input"], rule["axis"]) if isinstance(rule, Mapping) else (0, rule)

    @property
    def inferred_number(self) -> str:
        """The argument whose number ``_`` is in arithmetic and in arguments without a rule; empty if there is none.

        It is the first whose rule is one axis: ``in_channels`` of ``Conv2d``.
        """
        names = (name for name in self.parameters if name in self.infer and isinstance(self.source(name)[1], int))
        return next(names, "")

    def describe(self) -> str:
        """The layer with its arguments, for messages: ``Dense(in_channels, out_channels, weight_init=None)``."""
        return f"{self.name}({self.arguments_text()})"

    def arguments_text(self) -> str:
        """The arguments with their defaults: ``in_channels, out_channels, weight_init=None``."""
        written = {
            name: one.replace(default=self.defaults[name]) if name in self.defaults else one
            for name, one in self.parameters.items()
        }
        return print_parameters(written)


def _axes(entry: Entry, name: str) -> str:
    if name not in entry.infer:
        return ""
    number, axes = entry.source(name)
    return f"axis {print_value(axes)} of {input_name(number)}"


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def input_name(number: int) -> str:
    """An input of a layer in messages: ``the input``, which is the first, or ``input 1``."""
    return f"input {number}" if number else "the input"


def _read_signature(text: str) -> Mapping[str, inspect.Parameter]:
    header = parse(text)
    if not isinstance(header, Layer) or not all(isinstance(arg, Layer) for arg in header.args):
        raise RegistryError("it must have the form Name(argument, argument=default)")
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    required = [inspect.Parameter(arg.name, kind) for arg in header.args]
    optional = [inspect.Parameter(name, kind, default=value) for name, value in header.kwargs]
    return inspect.Signature([*required, *optional]).parameters


def reference_at(path: str, trusted: Iterable[str], place: Place) -> Callable[..., Any]:
    """The reference at ``package.module.function``: a function ``(x, parameters, arguments)`` of a trusted package.

    Also a ufunc of NumPy, such as ``numpy.exp``, which computes a number from a number and is called with the inputs
    alone. Other functions are refused, so that configuration cannot call arbitrary code.

    Raises:
        BadTarget: it does not import, has other parameters, or is not defined in a trusted package.
    """
    if path.startswith("numpy."):
        import numpy as np

        if isinstance(ufunc := getattr(np, path.removeprefix("numpy."), None), np.ufunc):
            return lambda x, parameters, arguments: ufunc(*x) if isinstance(x, tuple) else ufunc(x)
    function = resolve(path, trusted, place)
    if not inspect.isfunction(function) or list(inspect.signature(function).parameters) != _REFERENCE:
        raise BadTarget(f"{path} is not a function ({', '.join(_REFERENCE)})", place)
    return function


_REFERENCE = ["x", "parameters", "arguments"]


def resolve(path: str, trusted: Iterable[str], place: Place) -> Any:
    """Import the object at a dotted path. Both the path and the object's own module must be trusted."""
    module_name, _, name = path.rpartition(".")
    if not module_name or not all(part.isidentifier() for part in path.split(".")):
        raise BadTarget(f"{path!r} is not of the form package.module.Name", place)
    _require_trust(path, module_name, trusted, place)
    module = import_module(module_name, place)
    if not hasattr(module, name):
        raise BadTarget(f"{module_name!r} has no {name!r}.{suggestion(name, dir(module))}", place)
    found = getattr(module, name)
    home = getattr(found, "__module__", None)
    if not isinstance(home, str):
        raise BadTarget(f"{path} is neither a class nor a function", place)
    _require_trust(path, home, trusted, place)
    return found


def import_module(name: str, place: Place) -> ModuleType:
    """Import a module.

    Raises:
        BadTarget: it does not import, or exits the program on import.
    """
    try:
        with warnings.catch_warnings():  # mindyolo imports it; the user cannot change that
            warnings.filterwarnings("ignore", "pkg_resources is deprecated as an API", UserWarning)
            return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise BadTarget(f"cannot import {name!r}: {type(error).__name__}: {error}", place) from error


def _require_trust(path: str, module_name: str, trusted: Iterable[str], place: Place) -> None:
    package = module_name.partition(".")[0]
    if package in trusted:
        return
    said = f"{path} is in {package!r}, which is not trusted"
    if package in sys.stdlib_module_names:
        raise BadTarget(f"{said}. It is Python's standard library, which has no layers or checks", place)
    raise BadTarget(
        f"{said}. If it is your own, trust it in a pyproject.toml in or above the working directory, "
        f'[tool.assembler] trusted = ["{package}"], or with Registry(trusted=["{package}"])',
        place,
    )


@cache
def parameters_of(cell: type) -> Mapping[str, inspect.Parameter]:
    """The arguments of a Cell class's constructor; none if it is nn.Cell's own.

    On Python 3.10, ``inspect.signature`` of a class uses ``__new__``, which some MindSpore classes define.
    """
    from mindspore import nn

    owner = next(kind for kind in cell.__mro__ if "__init__" in vars(kind))
    if owner is nn.Cell:
        return {}
    _, *parameters = inspect.signature(vars(owner)["__init__"]).parameters.values()
    return {parameter.name: parameter for parameter in parameters}


def read_entry(name: str, value: object, *, scope: str, key: str = "", **about: Any) -> Entry:
    """Read an entry from YAML data: a dotted path, or a mapping with ``target`` or ``function``.

    Args:
        scope: where it is declared.
        key: its name in messages; ``scope.name`` by default.
        about: other fields of :class:`Entry`.

    Raises:
        RegistryError, SettingsError, Mistakes: the entry is wrong.
    """
    key = key or f"{scope}.{name}"
    if not name.isidentifier():
        raise RegistryError(f"{name!r} cannot be a layer's name in a recipe", Place(key=key))
    if isinstance(value, Mapping) and "function" in value:
        said = dict(read(FunctionSettings, value, key))
        said["target"] = said.pop("function")
    else:
        said = dict(read(EntrySettings, {"target": value} if isinstance(value, str) else value, key))
    said["infer"] = {
        word: dict(rule) if isinstance(rule, InferSettings) else rule for word, rule in said["infer"].items()
    }
    said["defaults"] = {word: INFER if default == "_" else default for word, default in said["defaults"].items()}
    return Entry(name=name, scope=scope, **said, **about)
