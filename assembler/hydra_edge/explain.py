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
from assembler.reading.recipe_files import SHIPPED, load_recipe
from assembler.reading.yaml_files import explain_yaml
from assembler.settings import Settings
from assembler.words import first_line, suggestion


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
    options = [str(option) for option in error.options or ()] or _options(str(error), group)
    if not group:
        return first_line(error)
    if extra := _EXTRAS.get(missing):
        return f"{group}={name} requires a package: pip install 'assembler[{extra}]'"
    there = f" There are: {', '.join(sorted(options))}." if options else ""
    return f"no {group} named {name!r}.{suggestion(name, options)}{there}"


def _options(said: str, group: str) -> list[str]:
    """The options of a group, from the search path in Hydra's message, which omits them for a list of choices."""
    folders = [folder_of(schema, path) for schema, path in re.findall(r"path=(\w+)://(\S+)", said)]
    return sorted({file.stem for folder in folders if folder for file in (folder / group).glob("*.yaml")})


def _explain_override(error: Exception, arguments: Sequence[str]) -> str:
    if isinstance(error, OverrideParseException):
        return f"override {error.override}: {_misread(str(error.override))}"
    if match := re.search(r"Ambiguous value for argument '(.+?)'", str(error)):
        return f"override {match[1]}: several values are a multirun; add -m for one job each, or write a list as [1,2]"
    if match := re.search(r"Could not (?:override|append|delete|load) '([^']+)'", str(error)):
        return _explain_key(match[1], arguments)
    return first_line(error)


def _misread(override: str) -> str:
    """Why Hydra could not parse an override, for common errors."""
    name, equals, value = override.partition("=")
    bare = value.strip("'\"")
    if not equals:
        return "an override has the form key=value, such as recipe=lenet5"
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
    folders = [*(Path(arguments[index + 1]) for index in at), SHIPPED]
    file = first_file(folders, f"recipe/{said.get('recipe', '')}.yaml")
    with suppress(AssemblerError):
        data = load_recipe(file) if file else None
        return list(data.get("params") or {}) if isinstance(data, dict) else []
    return []
