"""The edge to Hydra: one run, many runs, and what is told when a configuration cannot be composed.

Only this module and ``run.py`` know Hydra.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, get_args

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from assembler.errors import AssemblerError, Place, SettingsError, raise_all, suggestion
from assembler.files import write_text
from assembler.settings import Settings
from assembler.source import SHIPPED, Sources, explain_yaml, load_recipe, recipe_files, short

_codes: list[int] = []
"""The exit codes of the jobs that ran in this process."""


def launch(main: Callable[[], Any]) -> NoReturn:
    """Run a ``@hydra.main`` function and exit with 0, 1 or 2; mistakes in the configuration get one message.

    Exits with the worst code of all jobs.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 gets question marks, not a traceback
    try:
        main()
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, AssemblerError, OSError, ValueError) as error:
        # A job raises nothing, so this is Hydra composing, or making the run's folder.
        print(explain(error, sys.argv[1:]), file=sys.stderr)
        sys.exit(2)
    sys.exit(max(_codes, default=0))


def job(config: DictConfig) -> int:
    """The task function: do what one composed configuration says, in Hydra's run folder.

    It never raises, so that one job of a sweep does not stop the others.

    Returns:
        The exit code.
    """
    from assembler import tasks

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    registry = config.get("registry")
    sources = sources_of(hydra, [str(scope) for scope in registry] if OmegaConf.is_dict(registry) else [])
    code = tasks.run(lambda: plain(config), folder, sources, overrides_of(hydra))
    _codes.append(code)
    return code


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain data, with interpolations resolved.

    Raises:
        SettingsError, Mistakes: values that are still ``???``, and interpolations that lead nowhere.
    """
    try:
        raise_all(
            [
                SettingsError(f"{key} has no value yet; give it one, such as {_example(key)}", Place(key=key))
                for key in sorted(OmegaConf.missing_keys(config))
            ]
        )
        data = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise SettingsError(_first(error), Place(key=str(error.full_key or ""))) from None
    assert isinstance(data, dict)
    return {str(name): value for name, value in data.items()}


def _example(key: str) -> str:
    examples = {
        "recipe.stack": """'recipe.stack="Dense(8, 128) + Centered"'""",
        "recipe.input.shape": "'recipe.input.shape=[4, 8]'",
    }
    return examples.get(key, f"{key}=VALUE")


def overrides_of(hydra: Any) -> list[str]:
    """What the command line changed, as typed: an interpolation in it stays as it is."""
    overrides = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    assert isinstance(overrides, list)
    return [str(override) for override in overrides]


def sources_of(hydra: Any, scopes: Iterable[str]) -> Sources:
    """Which file fills which key, by Hydra's own record of its choices, and which overrides set values.

    A choice of a group is told by the file that was chosen, but for the device, whose file only repeats the choice.

    Args:
        scopes: the keys of the composed ``registry``.
    """
    folders = [folder for source in hydra.runtime.config_sources if (folder := _folder(source.schema, source.path))]
    files: dict[str, list[Path]] = {}
    # A group of which several options are chosen is not among Hydra's choices; each option has a scope of its own.
    several = {f"registry.{scope}": f"registry/{scope}" for scope in scopes}
    chosen = {group: f"{group}/{choice}" for group, choice in hydra.runtime.choices.items()}
    for key, name in {**chosen, **several}.items():
        found = _first_file(folders, f"{name}.yaml")
        if found:
            files |= recipe_files(found) if key == "recipe" else {key: [found]}
    primary = _first_file(folders, f"{hydra.job.config_name}.yaml")
    if primary:
        files[""] = [primary]
    groups = {*hydra.runtime.choices, "registry"} - {"device"}
    values = [override for override in overrides_of(hydra) if override.lstrip("+~").partition("=")[0] not in groups]
    return Sources(files, values)


def _folder(schema: str, path: str) -> Path | None:
    """The folder of one of Hydra's sources; None for those that are not on the disk."""
    if schema == "file":
        return Path(path)
    spec = find_spec(path.replace("/", ".")) if schema == "pkg" else None
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def _first_file(folders: Sequence[Path], name: str) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


# ---- what is told when Hydra cannot compose


def explain(error: Exception, arguments: Sequence[str]) -> str:
    """One message for an error of composing: what, where, what instead."""
    if isinstance(error, AssemblerError):
        return str(error)
    if isinstance(error, yaml.YAMLError | UnicodeDecodeError):
        return explain_yaml(error)
    if isinstance(error, MissingConfigException):
        return _explain_missing(error)
    return _explain_override(error, arguments)


def _explain_missing(error: MissingConfigException) -> str:
    missing = str(error.missing_cfg_file or "")
    group, _, name = missing.rpartition("/")
    options = [str(option) for option in error.options or ()] or _options(str(error), group)
    if not group:
        return _first(error)
    there = f" There are: {', '.join(sorted(options))}." if options else ""
    return f"no {group} named {name!r}.{suggestion(name, options)}{there}"


def _options(said: str, group: str) -> list[str]:
    """What a group offers, by the search path in Hydra's message; for a list of choices Hydra does not say it."""
    folders = [_folder(schema, path) for schema, path in re.findall(r"path=(\w+)://(\S+)", said)]
    return sorted({file.stem for folder in folders if folder for file in (folder / group).glob("*.yaml")})


def _explain_override(error: Exception, arguments: Sequence[str]) -> str:
    if isinstance(error, OverrideParseException):
        return f"override {error.override}: {_misread(str(error.override))}"
    if match := re.search(r"Ambiguous value for argument '(.+?)'", str(error)):
        return (
            f"override {match[1]}: several values are a sweep; add -m to run a job for each, or write a list as [1,2]"
        )
    if match := re.search(r"Could not (?:override|append|delete|load) '([^']+)'", str(error)):
        return _explain_key(match[1], arguments)
    return _first(error)


def _misread(override: str) -> str:
    """Why Hydra could not read an override, by the slips that people make."""
    name, equals, value = override.partition("=")
    bare = value.strip("'\"")
    if not equals:
        return "an override is written key=value, such as recipe=lenet5"
    if any(value.count(one) > value.count(other) for one, other in ("[]", "{}")):
        return f"a bracket is not closed; if the value has spaces, put it in single quotes: '{name}=[4, 8]'"
    if bare.startswith("{"):
        return f"Hydra cannot read this value. Keys of a mapping go without quotes: '{name}={{key: value}}'"
    return (
        "Hydra cannot read this value. A text with parentheses, commas or braces needs double quotes inside single "
        f"""ones: '{name}="{bare}"'"""
    )


def _explain_key(key: str, arguments: Sequence[str]) -> str:
    name = key.partition("@")[0]
    if name.startswith("hydra."):
        return f"override {name}: Hydra has no such key; python run.py --cfg hydra shows those it has"
    override = next((argument for argument in arguments if argument.lstrip("+~").startswith(f"{name}=")), name)
    if name.startswith("recipe.params.") and (close := suggestion(name.split(".")[2], _params(arguments))):
        return f"override {override}: the recipe has no parameter {name.split('.')[2]!r}.{close}"
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
        said = f"the mapping has keys that {name} does not have yet; ++{override.lstrip('+')} adds them"
        return f"override {override}: {said}"
    if not known:
        return f"override {override}: {name} is not in this configuration yet; write +{override} to add it"
    instead = suggestion(part, known) or f" Known here: {', '.join(known)}."
    return f"override {override}: unknown key {part!r}.{instead}"


def _task(arguments: Sequence[str]) -> str:
    """The task that the command line chooses."""
    return next((one.partition("=")[2] for one in arguments if one.startswith("task=")), "check")


def _names_of(task: Any) -> tuple[Any, ...]:
    """The name that a task's model goes by."""
    return get_args(task.model_fields["name"].annotation)


def _params(arguments: Sequence[str]) -> list[str]:
    """The parameters of the recipe that the command line chooses, as far as its file is found."""
    said = dict(argument.partition("=")[::2] for argument in arguments)
    at = [index for index, argument in enumerate(arguments[:-1]) if argument in ("--config-dir", "-cd")]
    folders = [*(Path(arguments[index + 1]) for index in at), SHIPPED]
    file = _first_file(folders, f"recipe/{said.get('recipe', '')}.yaml")
    with suppress(AssemblerError):
        data = load_recipe(file) if file else None
        return list(data.get("params") or {}) if isinstance(data, dict) else []
    return []


def _first(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


# ---- many runs


class SweepTable(Callback):
    """Closes a multirun: a table of all jobs on the terminal and in ``sweep.csv``."""

    def __init__(self) -> None:
        self.started = _now()

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Note when the sweep began, to tell its jobs from those of an earlier one in the same folder."""
        self.started = _now()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Gather what the jobs left."""
        from assembler.views import summary

        folder = Path(config.hydra.sweep.dir)
        rows = [row for row in gather(folder) if row["started"] >= self.started]
        if not rows:
            print(f"no job of this sweep left a result in {short(folder)}", file=sys.stderr)
            _codes.append(2)
            return
        write_text(folder / "sweep.csv", to_csv(rows))
        summary.print_sweep(summary.make_console(), rows)
        counts = {status: sum(row["status"] == status for row in rows) for status in ("passed", "failed", "error")}
        print(f"{len(rows)} jobs: " + ", ".join(f"{count} {status}" for status, count in counts.items() if count))
        print(f"table: {short(folder / 'sweep.csv')}")
        _codes.append(2 if counts["error"] else 1 if counts["failed"] else 0)


def gather(folder: Path) -> list[dict[str, Any]]:
    """One row a job, in the order of the jobs' numbers, from what they left in a sweep folder."""
    jobs = {file.parent for name in ("result.json", ".hydra") for file in folder.rglob(name)}
    names = {job: str(job.relative_to(folder)) for job in jobs}
    return [_row(job, names[job]) for job in sorted(jobs, key=lambda job: (len(names[job]), names[job]))]


def _row(job: Path, name: str) -> dict[str, Any]:
    data = _result(job)
    plan: Mapping[str, Any] = data.get("plan") or {}
    outcomes = [outcome for outcome in data.get("outcomes") or [] if outcome.get("applies", True)]
    passed = sum(outcome["passed"] for outcome in outcomes)
    return {
        "job": name,
        "overrides": " ".join(data["overrides"]),
        "status": data["status"],
        "layers": len(plan.get("layers", [])) or "",
        "parameters": plan.get("parameters", ""),
        "macs": plan.get("macs", ""),
        "checks": f"{passed}/{len(outcomes)}" if outcomes else "",
        "latency": _latency(data),
        "seconds": round(sum(seconds), 2) if (seconds := data.get("seconds", {}).values()) else "",
        "message": _message(data, outcomes),
        "started": data["started"],
    }


def _latency(data: Mapping[str, Any]) -> float | str:
    """Seconds of a call, of what was measured first in the run's mode; in another if that is all there is."""
    measured: Sequence[Mapping[str, Any]] = data.get("bench") or []
    of_mode = [one["latency"] for one in measured if one["mode"] == data.get("mode")]
    return next(iter([*of_mode, *(one["latency"] for one in measured)]), "")


def _result(job: Path) -> Mapping[str, Any]:
    """What a job wrote; of one that was killed before it could, what Hydra wrote when it started."""
    if (job / "result.json").exists():
        return dict(json.loads((job / "result.json").read_text(encoding="utf-8")))
    file = job / ".hydra" / "overrides.yaml"
    overrides = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else []
    started = datetime.fromtimestamp((job / ".hydra").stat().st_mtime, timezone.utc).isoformat(timespec="seconds")
    return {"status": "error", "error": "it left no result.json", "overrides": overrides or [], "started": started}


def _message(data: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> str:
    if data.get("error"):
        lines = str(data["error"]).splitlines()
        return next((line for line in reversed(lines) if line and not line.startswith((" ", "\t"))), lines[-1])
    return ", ".join(f"{outcome['check']} failed" for outcome in outcomes if not outcome["passed"])


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as comma-separated values with a heading."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
