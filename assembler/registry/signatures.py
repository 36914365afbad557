"""Signatures of classes and functions, found without importing them, because importing MindSpore takes a second.

The assembler ships signatures of known packages, each valid for one version of the package only. The signature of a
custom class is read from its source, if that is unambiguous.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from assembler.language.recipe import Verbatim

FILE = Path(__file__).parent.parent / "schemas" / "signatures.json"
"""``versions`` of packages, and signatures of ``layers`` and ``functions`` by dotted path.

``assembler.commands.schema`` writes it.
"""

Parameters = Mapping[str, inspect.Parameter]


def known_parameters(target: str, *, of_function: bool = False) -> Parameters | None:
    """The parameters of the class or function at a dotted path; None if it must be imported to know them."""
    text = _stored("functions" if of_function else "layers").get(target)
    return _stored_parameters(text) if text is not None else _written_parameters(target, of_function)


def known_targets(*, of_function: bool = False) -> Iterable[str]:
    """The dotted paths of classes or functions of which the signature ships."""
    return _stored("functions" if of_function else "layers")


@cache
def _stored_parameters(text: str) -> Parameters:
    return read_parameters(text)


@cache
def _stored(kind: str) -> Mapping[str, str]:
    """The shipped signatures of packages whose installed version matches."""
    try:
        data = json.loads(FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    as_installed = {package for package, stated in data["versions"].items() if _version(package) == stated}
    return {path: text for path, text in data.get(kind, {}).items() if path.partition(".")[0] in as_installed}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def print_parameters(parameters: Parameters) -> str:
    """``in_channels, out_channels, weight_init=None``: Python's syntax, without types."""
    return str(inspect.Signature(list(map(_bare, parameters.values()))))[1:-1]


def _bare(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter without its type, and with a default that prints as it would be written."""
    default = parameter.default
    if default is parameter.empty or isinstance(default, Verbatim):
        pass
    elif hasattr(default, "__name__"):  # a class or a function
        default = Verbatim(default.__name__)
    elif type(default).__module__ != "builtins":
        default = Verbatim(str(default).removeprefix("mindspore.").lower())
    return parameter.replace(default=default, annotation=parameter.empty)


def read_parameters(text: str) -> Parameters:
    """The inverse of :func:`print_parameters`. A default that is not a plain value is kept as text."""
    tree = ast.parse(f"def _({text}): ...").body[0]
    assert isinstance(tree, ast.FunctionDef)
    return _parameters(tree.args)


def _parameters(written: ast.arguments) -> Parameters:
    kind = inspect.Parameter
    found: list[inspect.Parameter] = []
    slots = [*written.posonlyargs, *written.args]
    defaults = [None] * (len(slots) - len(written.defaults)) + list(written.defaults)
    for index, (slot, default) in enumerate(zip(slots, defaults, strict=True)):
        only = index < len(written.posonlyargs)
        found.append(_parameter(slot, kind.POSITIONAL_ONLY if only else kind.POSITIONAL_OR_KEYWORD, default))
    if written.vararg:
        found.append(_parameter(written.vararg, kind.VAR_POSITIONAL, None))
    named = zip(written.kwonlyargs, written.kw_defaults, strict=True)
    found += [_parameter(slot, kind.KEYWORD_ONLY, default) for slot, default in named]
    if written.kwarg:
        found.append(_parameter(written.kwarg, kind.VAR_KEYWORD, None))
    return {one.name: one for one in found}


def _parameter(slot: ast.arg, kind: Any, default: ast.expr | None) -> inspect.Parameter:
    value: Any = inspect.Parameter.empty
    if default is not None:
        try:
            value = ast.literal_eval(default)
        except ValueError:
            value = Verbatim(default.attr if isinstance(default, ast.Attribute) else ast.unparse(default))
    return inspect.Parameter(slot.arg, kind, default=value)


def _written_parameters(target: str, of_function: bool) -> Parameters | None:
    """The parameters from the source of a function, or of a plain Cell with its own constructor, without decorators."""
    module, _, name = target.rpartition(".")
    found = [node for node in statements(module) if name in _bound(node)]
    if of_function:
        made = found[0] if len(found) == 1 else None
        return _parameters(made.args) if isinstance(made, ast.FunctionDef) and not made.decorator_list else None
    if len(found) != 1 or not isinstance(cls := found[0], ast.ClassDef) or cls.decorator_list or cls.keywords:
        return None
    if [ast.unparse(base) for base in cls.bases] not in (["nn.Cell"], ["Cell"], ["mindspore.nn.Cell"]):
        return None
    makers = [node for node in cls.body if "__init__" in _bound(node)]
    if not makers:
        return {}
    if len(makers) > 1 or not isinstance(maker := makers[0], ast.FunctionDef) or maker.decorator_list:
        return None
    _, *parameters = _parameters(maker.args).values()
    return {one.name: one for one in parameters}


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement may bind."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.name}
    names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}
    named = {inner.name for inner in ast.walk(node) if isinstance(inner, ast.ClassDef | ast.FunctionDef)}
    return names | named


@cache
def statements(module: str) -> list[ast.stmt]:
    """A module's statements; none if its file is missing or cannot be read."""
    file = source_of(module)
    try:
        return ast.parse(file.read_text(encoding="utf-8")).body if file else []
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError):
        return []


def source_of(module: str) -> Path | None:
    """The file of a module, found without importing it; None if it has no file."""
    package, *inner = module.split(".")
    if not inner:
        spec = spec_of(package)
        return Path(spec.origin) if spec and spec.origin else None
    for folder in folders_of(package):
        path = folder.joinpath(*inner)
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if file.is_file():
                return file
    return None


def spec_of(package: str) -> ModuleSpec | None:
    """The import spec of a top-level package; None if it is not installed."""
    try:
        return find_spec(package)
    except (ImportError, ValueError):
        return None


def folders_of(package: str) -> list[Path]:
    """The folders of a top-level package, found without importing it; a namespace package has several."""
    spec = spec_of(package)
    return [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]
