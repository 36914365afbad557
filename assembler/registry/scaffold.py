"""Package → registry file: an entry for each Cell class, and on request each function, of use in networks."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from types import ModuleType
from typing import TypeGuard

import mindspore
from mindspore import Tensor, mint, nn

from assembler.errors import RegistryError
from assembler.registry.entries import parameters_of

AXES: Mapping[str, str] = {
    **dict.fromkeys(["in_channels", "in_channel", "in_chs", "in_chans", "in_planes", "inplanes", "inp"], "1"),
    **dict.fromkeys(["num_features", "num_channels"], "1"),
    "c1": "1",
    "in_features": "-1",  # or 1: see _axis
    "normalized_shape": "[-1]",
}
"""Argument names of MindSpore, PyTorch, timm and YOLO that identify an axis of the input."""

PLAIN = (int, float, bool, str, tuple, list, dict)
"""Types that a recipe can pass to a layer, besides layers."""


def scaffold(
    package: str, scope: str, *, modules: bool = False, first: Sequence[str] = (), functions: bool = False
) -> str:
    """A registry file for the layers of a package.

    Networks, which have an argument ``num_classes``, losses, private classes and classes that require objects are
    omitted. Where several modules have a class of one name, all but one are prefixed with their module's name.

    Args:
        package: the package, or one of its modules: ``mindspore.mint.nn``.
        scope: the scope of the layers.
        modules: whether to include the classes of the package's modules besides those that it exports itself.
        first: the modules, by the last part of their names, whose classes keep a name that several modules have.
        functions: whether to include functions that the package exports and whose first arguments are annotated as
            tensors: ``soft_clip(x: Tensor, limit)`` is ``SoftClip(limit)``.

    Returns:
        YAML, with the command in its header.

    Raises:
        RegistryError: it does not import, or has no layers; the scope is not a name.
    """
    if not scope.isidentifier():
        raise RegistryError(f"{scope!r} cannot be a scope's name in a recipe")
    try:
        top = importlib.import_module(package)
        found = list(_cells(top, modules))
        made = dict(_functions(top)) if functions else {}
    except (Exception, SystemExit) as error:
        raise RegistryError(f"cannot import {package!r}: {type(error).__name__}: {error}") from error
    if not found and not made:
        instead = "" if modules else "; --modules includes those that its modules define"
        raise RegistryError(f"{package!r} has no layers{instead}")
    lines: dict[str, str] = {}
    for name, target, cell in found:
        ranks = [_rank(other, name, top, first) for known, _, other in found if known == name]
        keeps = len(ranks) == 1 or _rank(cell, name, top, first) == min(ranks) < len(first)
        lines[name if keeps else f"{_module(cell)}_{name}"] = _entry(target, cell)
    lines = {**made, **lines}
    asked = [" --modules" * modules, *(f" --first {module}" for module in first), " --functions" * functions]
    options = "".join([f" --scope {scope}", *asked])
    head = f"# @package registry.{scope}\n# Written by `assembler scaffold-registry {package}{options}`.\n\n"
    return head + "".join(f"{name}: {lines[name]}\n" for name in sorted(lines, key=str.casefold))


def _rank(cell: type, name: str, top: ModuleType, first: Sequence[str]) -> int:
    """Sort key among classes of one name: the smallest keeps the name."""
    if getattr(top, name, None) is cell:
        return -1
    return first.index(_module(cell)) if _module(cell) in first else len(first)


def _module(cell: type) -> str:
    return cell.__module__.rpartition(".")[2]


def _cells(top: ModuleType, modules: bool) -> Iterator[tuple[str, str, type]]:
    """The name, the path and the class of each layer."""
    offered = {name: value for name, value in vars(top).items() if _is_named(name) and _is_layer(value)}
    for name, value in offered.items():
        yield name, f"{top.__name__}.{name}", value
    for info in pkgutil.walk_packages(getattr(top, "__path__", ()), f"{top.__name__}.") if modules else ():
        for name, value in vars(importlib.import_module(info.name)).items():
            is_its_own = getattr(value, "__module__", "") == info.name and _is_named(name)
            if is_its_own and _is_layer(value) and value not in offered.values():
                yield name, f"{info.name}.{name}", value


def _functions(top: ModuleType) -> Iterator[tuple[str, str]]:
    """The layer's name and the entry of each function of tensors."""
    for name, value in vars(top).items():
        if name.startswith("_") or not inspect.isfunction(value):
            continue
        parameters = list(inspect.signature(value).parameters.values())
        inputs = sum(1 for _ in takewhile(lambda one: one.annotation in (Tensor, "Tensor"), parameters))
        unnamed = any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters)
        if inputs and not unnamed and all(map(_is_writable, parameters[inputs:])):
            said = f", inputs: {inputs}" if inputs > 1 else ""
            title = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
            yield title, f"{{function: {top.__name__}.{name}{said}}}"


def _is_named(name: str) -> bool:
    return not name.startswith("_") and not name.endswith("Loss")


def _is_layer(value: object) -> TypeGuard[type]:
    if not isinstance(value, type) or not issubclass(value, nn.Cell) or value is nn.Cell:
        return False
    parameters = parameters_of(value)
    is_network = any(name.startswith("num_class") for name in parameters)
    return not is_network and all(map(_is_writable, parameters.values()))


def _is_writable(parameter: inspect.Parameter) -> bool:
    """Whether a recipe can omit an argument, or write it."""
    annotation = parameter.annotation
    if parameter.default is not parameter.empty or not isinstance(annotation, type):
        return True
    return issubclass(annotation, (*PLAIN, nn.Cell, parameter.empty))


def _entry(target: str, cell: type) -> str:
    axes = {
        name: _axis(cell, name)
        for name, parameter in parameters_of(cell).items()
        if name in AXES
        and (parameter.annotation in (int, parameter.empty) or AXES[name].startswith("["))
        and (name != "c1" or parameter.default is parameter.empty)  # DFL(c1=16) means something else
    }
    rules = ", ".join(f"{name}: {axis}" for name, axis in axes.items())
    return f"{{target: {target}, infer: {{{rules}}}}}" if rules else target


def _axis(cell: type, argument: str) -> str:
    """The axis of an argument. Features are the last axis in a linear layer, but not in a 1 × 1 convolution."""
    if argument == "in_features" and not _accepts(cell, (2, 3, 16)) and _accepts(cell, (2, 16, 3, 3)):
        return "1"
    return AXES[argument]


def _accepts(cell: type, shape: tuple[int, ...]) -> bool:
    try:
        with mindspore.DeviceCtx("meta"):
            cell(in_features=16)(mint.empty(shape, dtype=mindspore.float32))
    except Exception:  # the layer requires more arguments, or another shape
        return False
    return True
