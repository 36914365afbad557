"""Error messages for configurations that Hydra cannot compose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import yaml
from hydra.errors import InstantiationException, MissingConfigException, OverrideParseException

from assembler.errors import AssemblerError
from assembler.hydra_edge.configuration import first_file, folder_of
from assembler.reading.recipe_files import load_recipe
from assembler.reading.recipe_paths import PROJECT, SHIPPED, recipe_at
from assembler.reading.yaml_files import explain_yaml
from assembler.settings import Settings
from assembler.words import first_line, instead_of, suggestion


def explain(error: Exception, arguments: Sequence[str]) -> str:
    """One message for an error of composition: what, where, what to write instead."""
    if isinstance(error, AssemblerError):
        return str(error)
    if isinstance(error, yaml.YAMLError | UnicodeDecodeError):
        return explain_yaml(error)
    if isinstance(error, InstantiationException) and error.__cause__ is not None:
        return f"{first_line(error)} {first_line(error.__cause__)}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{Path(error.filename).absolute()}: {error.strerror}"
    if isinstance(error, MissingConfigException):
        return _explain_missing(error)
    return _explain_override(error, arguments)


_EXTRAS = {
    "hydra/launcher/submitit_slurm": "slurm",
    "hydra/launcher/submitit_local": "slurm",
    "hydra/launcher/ray": "ray",
    "hydra/sweeper/optuna": "optuna",
}
"""Optional launchers and sweepers, and the extra that installs each."""


def _explain_missing(error: MissingConfigException) -> str:
    missing = str(error.missing_cfg_file or "")
    group, _, name = missing.rpartition("/")
    if not group:
        return first_line(error)
    if extra := _EXTRAS.get(missing):
        return f"{group}={name} requires a package: pip install 'assembler[{extra}]'"
    first, _, path = missing.partition("/")
    if first in _CHOSEN and path.endswith((".yaml", ".yml")):
        return _chosen_by_path(first, path, _options(str(error), first))
    options = [str(option) for option in error.options or ()] or _options(str(error), group)
    there = f" There are: {', '.join(sorted(options))}." if options else ""
    file = re.match(r"In '(recipe/[^']+)': ", str(error))  # whose defaults have it; None: the command line
    return f"{f'{file[1]}.yaml: ' if file else ''}no {group} named {name!r}.{instead_of(name, options)}{there}"


_CHOSEN = ("recipe", "device", "checks", "task", "registry")
"""The groups of the command line."""


def _chosen_by_path(group: str, path: str, options: Sequence[str]) -> str:
    """The message for ``device=conf/device/cpu.yaml``: a file is chosen by its name; that of a recipe is not there."""
    file = Path(path)
    if group == "recipe":
        return f"there is no file {path}" + (f"; write recipe={file.stem}" if file.stem in options else "")
    if file.stem in options:
        return f"a {group} is chosen by its name, not its file: {group}={file.stem}"
    if file.parent.name == group and file.is_file():
        folder = f"--config-dir {file.parent.parent}"
        return f"a {group} is chosen by its name in a folder: {folder} {group}={file.stem}"
    return (
        f"a {group} is chosen by its name in a folder: --config-dir DIR {group}={file.stem} for DIR/{group}/{file.name}"
    )


def _options(said: str, group: str) -> list[str]:
    """The options of a group, from the search path in Hydra's message, which omits them for a list of choices."""
    folders = [folder_of(schema, path) for schema, path in re.findall(r"path=(\w+)://(\S+)", said)]
    return sorted({file.stem for folder in folders if folder for file in (folder / group).glob("*.yaml")})


def _explain_override(error: Exception, arguments: Sequence[str]) -> str:
    if isinstance(error, OverrideParseException):
        return f"override {error.override}: {_misread(str(error.override))}"
    if match := re.search(r"Ambiguous value for argument '(.+?)'", str(error)):
        return f"override {match[1]}: several values are a multirun; add -m for one job each, or write a list as [1,2]"
    if match := re.search(r"Could not append to config\. An item is already at '([^']+)'", str(error)):
        return f"override +{_typed(match[1], arguments)}: {match[1]} is there already; remove the +"
    if match := re.search(r"Multiple values for (\S+?)\. To override", str(error)):
        return f"override +{_typed(match[1], arguments)}: the {match[1]} is chosen already; remove the +"
    if match := re.search(r"Config group override must be a string or a list\. Got (\w+)", str(error)):
        return _explain_choice(match[1], arguments)
    if match := re.search(r"Parent traversal .*\('(.+)'\)", str(error)):
        return f"{match[1]}: Hydra 1.4 refuses .. in a path; write the whole path"
    if match := re.search(r"Error merging override (.+)", str(error)):
        return f"override {match[1]}: {_merged(match[1])}"
    if match := re.search(r"Could not (?:override|append|delete|load) '([^']+)'", str(error)):
        return _explain_key(match[1], arguments)
    return first_line(error)


def _typed(key: str, arguments: Sequence[str]) -> str:
    """The override of a key as typed, without ``+``."""
    return next((one.lstrip("+") for one in arguments if one.lstrip("+").startswith(f"{key}=")), key)


def _explain_choice(kind: str, arguments: Sequence[str]) -> str:
    """The message for a choice that is not a string: ``recipe=123``, ``device=true``."""
    chosen = [one for one in arguments if one.lstrip("+").partition("=")[0] in _CHOSEN]
    read = {"int": r"[-+]?[\d_]+", "float": r".*\d.*|.*(?:inf|nan)", "bool": r"true|false|yes|no|on|off"}.get(
        kind, ".*"
    )
    found = [one for one in chosen if re.fullmatch(read, one.partition("=")[2], re.IGNORECASE)]
    if not found:
        return f"a choice must be a name, not of type {kind}"
    group, _, value = found[0].partition("=")
    return f"override {found[0]}: {value} is not a name; for a file {value}.yaml, write '{group}=\"{value}\"'"


def _merged(override: str) -> str:
    """Why Hydra could not put a value in the place of another: ``recipe.input=[4, 8]``."""
    key, _, value = override.partition("=")
    if key == "recipe.input" and value.startswith("["):
        return f"{key} has keys of its own; write 'recipe.input.shape={value}'"
    return f"{key} has keys of its own; set one of them: {key}.KEY={value}"


_WIDE = {"：": ":", "，": ",", "＝": "=", "（": "(", "）": ")", "［": "[", "］": "]", "＋": "+", "　": " "}
"""Characters of a Chinese keyboard that separate, and Hydra's."""


_FUNCTIONS = {
    "glob": 'glob("[a-m]*")',
    "range": "range(1,5)",
    "choice": "choice(1,2)",
    "interval": "interval(0,1)",
    "shuffle": "shuffle(1,2)",
    "sort": "sort(2,1)",
}
"""Hydra's functions for sweeps, each with an example."""


def _misread(override: str) -> str:
    """Why Hydra could not parse an override, for common errors."""
    name, equals, value = override.partition("=")
    bare = value.strip("'\"")
    if wide := [one for one in _WIDE if one in override and not value.startswith(("'", '"'))]:
        instead = "=" if not equals and wide[0] in "：＝" else _WIDE[wide[0]]
        return f"{wide[0]} is not ASCII; write {instead if instead != ' ' else 'a space'}"
    if not equals and ":" in name:
        return f"write = instead of the colon: {name.replace(':', '=', 1)}"
    if not name.isascii():
        return f"Hydra reads only ASCII in keys; set {name.rpartition('.')[2]} in the recipe's file, or rename it there"
    if equals and "/" in name and "." in name:
        return f"keys are separated by dots: {name.replace('/', '.')}={value}"
    if equals and "[" in name:
        return f"an element of a list cannot be set; write the whole list: '{name.partition('[')[0]}=[1, 2]'"
    if bare.startswith("{") and not bare.isascii():
        return "Hydra reads only ASCII in keys; set such a key in the recipe's file, or rename it there"
    if not bare.isascii() and value == bare:
        return f"""a string outside ASCII needs double quotes inside single quotes: '{name}="{bare}"'"""
    if not equals:
        return "an override has the form key=value, such as recipe=lenet5"
    if pattern := re.fullmatch(r"glob\(([^'\",=]+)\)", value):
        return f"""a pattern with brackets needs double quotes inside single quotes: '{name}=glob("{pattern[1]}")'"""
    if (function := value.partition("(")[0]) in _FUNCTIONS and value != function:
        return f"Hydra cannot parse the arguments of {function}; write for example '{name}={_FUNCTIONS[function]}'"
    if any(value.count(one) > value.count(other) for one, other in ("[]", "{}")):
        return f"a bracket is not closed; if the value has spaces, use single quotes: '{name}=[4, 8]'"
    if bare.startswith("{"):
        return f"Hydra cannot parse this value; write keys of a mapping without quotes: '{name}={{key: value}}'"
    return (
        "Hydra cannot parse this value; a string with parentheses, commas or braces needs double quotes inside single "
        f"""quotes: '{name}="{bare}"'"""
    )


def _explain_key(key: str, arguments: Sequence[str]) -> str:
    name = key.partition("@")[0]
    if name.startswith("hydra."):
        return f"override {name}: Hydra has no such key; list its keys with python run.py --cfg hydra"
    override = next((argument for argument in arguments if argument.lstrip("+~").startswith(f"{name}=")), name)
    if name.startswith("recipe.params.") and (params := _params(arguments)):
        param = name.split(".")[2]
        has = suggestion(param, params) or f" It has: {', '.join(params)}."
        return f"override {override}: the recipe has no parameter {param!r}.{has}"
    model: Any = Settings
    for part in name.split("."):
        known = list(getattr(model, "model_fields", {}))
        if part not in known:
            break
        model = model.model_fields[part].annotation
        members = [one for one in get_args(model) if name.startswith("task.") and _task(arguments) in _names_of(one)]
        model = members[0] if members else model
    else:
        known = []
    if not known and "={" in override:
        said = f"{name} does not have these keys; write ++{override.lstrip('+')} to add them"
        return f"override {override}: {said}"
    if not known:
        return f"override {override}: {name} is not in this configuration; write +{override} to add it"
    instead = suggestion(part, known) or f" Known here: {', '.join(known)}."
    if (last := name.rpartition(".")[2]) in _params(arguments):
        instead = f" A parameter of the recipe is recipe.params.{last}."
    return f"override {override}: unknown key {part!r}.{instead}"


def _task(arguments: Sequence[str]) -> str:
    """The task that the command line selects."""
    return next((one.partition("=")[2] for one in arguments if one.startswith("task=")), "check")


def _names_of(task: Any) -> tuple[Any, ...]:
    """The name of a task's model."""
    return get_args(task.model_fields["name"].annotation)


def _params(arguments: Sequence[str]) -> list[str]:
    """The parameters of the recipe that the command line selects, if its file is found."""
    said = dict(argument.partition("=")[::2] for argument in arguments)
    at = [index for index, argument in enumerate(arguments[:-1]) if argument in ("--config-dir", "-cd")]
    folders = [*(Path(arguments[index + 1]) for index in at), PROJECT, SHIPPED]
    chosen = said.get("recipe", "").strip("'\"")
    file = recipe_at(chosen, Path.cwd()) or first_file(folders, f"recipe/{chosen}.yaml")
    with suppress(AssemblerError):
        data = load_recipe(file, folders) if file else None
        return list(data.get("params") or {}) if isinstance(data, dict) else []
    return []
