"""The arguments of one layer, bound to its signature."""

from __future__ import annotations

import inspect
from typing import Any

from assembler.binding.arithmetic import is_inferred
from assembler.binding.structure import Step
from assembler.errors import ArgumentMismatch, AssemblerError, Mend, Place, UnknownLayer, raise_all
from assembler.language.recipe import BROKEN, INFER, Layer, leaves
from assembler.registry.entries import TRUSTED, Entry
from assembler.registry.registry import Registry
from assembler.words import suggestion

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def bind_layer(layer: Layer, registry: Registry) -> Step:
    """Bind the arguments as Python would, but report every error, each at its argument."""
    try:
        entry = registry.find(layer.name, layer.place)
    except UnknownLayer as error:
        if layer.args and all(isinstance(one, str) and registry.candidates(one.split("(")[0]) for one in layer.args):
            row = f"{layer.name}: {{stack: [{', '.join(layer.args)}]}}"
            error.message = f"no layer named {layer.name!r}; a row of layers with a name is written {row}"
        raise
    parameters = entry.parameters
    slots = [name for name, parameter in parameters.items() if parameter.kind in _POSITIONAL]
    named = [name for name, parameter in parameters.items() if parameter.kind in _NAMED]
    kinds = {parameter.kind for parameter in parameters.values()}
    mistakes: list[AssemblerError] = []
    arguments: dict[str, Any] = dict(zip(slots, layer.args, strict=False))
    extra = layer.args[len(slots) :]
    places = layer.argument_places
    is_whole = not any(isinstance(leaf, Layer) and leaf.name == BROKEN for leaf in leaves(extra))
    if extra and is_whole and inspect.Parameter.VAR_POSITIONAL not in kinds:
        count = "1 argument" if len(slots) == 1 else f"{len(slots)} arguments"
        takes = (
            f"takes at most {count}" if slots else "takes no arguments" if not named else "takes named arguments only"
        )
        mistakes.append(
            ArgumentMismatch(f"{layer.name} {takes}, {len(layer.args)} given: {entry.describe()}", places[len(slots)])
        )
    for (name, value), place in zip(layer.kwargs, places[len(layer.args) :], strict=True):
        if name in arguments:
            mistakes.append(ArgumentMismatch(f"{layer.name} is given {name!r} twice", place))
        elif name not in named and inspect.Parameter.VAR_KEYWORD not in kinds:
            mistakes.append(_no_such_argument(entry, name, named, place))
        else:
            arguments[name] = value
    arguments = {name: as_argument(entry, name, value) for name, value in arguments.items()}
    arguments.update({name: value for name, value in entry.defaults.items() if name not in arguments})
    required = [name for name in dict.fromkeys([*slots, *named]) if parameters[name].default is inspect.Parameter.empty]
    if missing := [name for name in required if name not in arguments]:
        names = " and ".join(map(repr, missing))
        message, mend = f"{layer.name} is missing {names}: {entry.describe()}", Mend(arguments=tuple(missing))
        mistakes.append(ArgumentMismatch(message, layer.place, mend))
    mistakes += [
        mistake
        for name, value in [*arguments.items(), ("", list(extra))]
        if (mistake := _cannot_infer(entry, name, value, layer)) is not None
    ]
    raise_all(mistakes)
    return Step(entry, layer, arguments, extra)


_NO_SIZES = {"by", "central_fraction", "factor", "threshold", "value"}
"""Required arguments of shipped layers that may be any number."""


def _is_a_size(entry: Entry, name: str) -> bool:
    """Whether an argument takes integers: it can be inferred, its default is one, or a layer that ships requires it."""
    parameter = entry.parameters.get(name)
    if parameter is None or name in entry.infer:
        return name in entry.infer
    default = parameter.default[0] if isinstance(parameter.default, tuple) and parameter.default else parameter.default
    is_required = default is inspect.Parameter.empty and name not in _NO_SIZES
    return type(default) is int or (is_required and entry.target.partition(".")[0] in TRUSTED)


def as_argument(entry: Entry, name: str, value: Any) -> Any:
    """The value of an argument: whole floats are integers, if it takes integers."""
    return _as_size(value) if _is_a_size(entry, name) else value


def _as_size(value: Any) -> Any:
    """Whole floats as integers, such as ``width * 1.5``; any other value as it is."""
    if isinstance(value, list | tuple):
        return type(value)(map(_as_size, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_such_argument(entry: Entry, name: str, slots: list[str], place: Place) -> AssemblerError:
    instead = suggestion(name, slots) or f" It is {entry.describe()}."
    return ArgumentMismatch(f"{entry.name} has no argument {name!r}.{instead}", place)


def _cannot_infer(entry: Entry, name: str, value: object, layer: Layer) -> AssemblerError | None:
    has_rule = name in entry.infer if value is INFER else False
    if is_inferred(value) and not has_rule and not entry.inferred_number:
        message = (
            f"{entry.name} has no rule to infer {name!r} from its input. Write its value, or add the input's axis to "
            f"its registry entry: infer: {{{name}: -1}}"
        )
    elif not is_inferred(value) and any(map(is_inferred, leaves(value))):
        message = (
            f"'_' cannot be part of a value: {name}=_ of {entry.name} infers the whole argument"
            if name
            else f"'_' cannot be one of several arguments of {entry.name}; write the value"
        )
    else:
        return None
    return ArgumentMismatch(message, layer.place)
