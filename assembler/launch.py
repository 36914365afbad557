"""Start one run or a sweep by Hydra, and report a configuration that cannot be composed."""

from __future__ import annotations

import inspect
import logging
import math
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from assembler.errors import AssemblerError, Place, SettingsError
from assembler.files import short
from assembler.hydra_edge import choices, repository
from assembler.hydra_edge.arguments import options_for_one_run, overrides_first
from assembler.hydra_edge.composition import for_each_choice, require_each_once
from assembler.hydra_edge.configuration import from_where_typed, overrides_of, scopes_of, sources_of
from assembler.hydra_edge.explain import explain
from assembler.hydra_edge.identity import settled
from assembler.hydra_edge.internals import BASIC_LAUNCHER, BASIC_SWEEPER, find_mode_quickly, run_jobs_quickly, sweep_by
from assembler.hydra_edge.nodes import quicken, set_value
from assembler.hydra_edge.versions import allowing, take_up_beside
from assembler.runtime import exits
from assembler.runtime.limits import Budget, stopped
from assembler.settings import SweepSettings
from assembler.settings.metrics import metrics_of
from assembler.sweeps import child, report
from assembler.sweeps.child import OUTPUT, AlreadyServing, sources_to
from assembler.sweeps.grid import Grid
from assembler.sweeps.points import RESULT, result_of
from assembler.sweeps.process import CHILD, SCRIPT, Lost
from assembler.sweeps.watch import Watch
from assembler.validation import read
from assembler.words import say, suggestion

_PROGRAM = "ASSEMBLER_PROGRAM"
"""Environment variable: what stands before the overrides in a command that repeats a run, as a shell reads it."""

_LAUNCHERS = (
    BASIC_LAUNCHER,
    *(f"hydra_plugins.hydra_{name}_launcher" for name in ("joblib", "submitit", "ray")),
    "alembic",
)
"""Loggers that would repeat for each job what the line of progress prints."""

_codes: list[int] = []
"""The exit codes of the runs in this process."""


@exits.handled()
def launch(begin: Callable[[], Any]) -> NoReturn:
    """Run a function of ``@main`` and exit with 0, 1 or 2; errors in the configuration are one message.

    The exit code is the highest of all jobs. If a run or a sweep is interrupted, by Ctrl-C or SIGTERM, it is 130; the
    table of the sweep is still written. If the standard output cannot be written, it is 141 or 2; all files are.
    """
    if child.serving:
        raise AlreadyServing
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting
    os.environ[SCRIPT] = _script_of(begin)
    try:
        typed = sys.argv[1:] = overrides_first(sys.argv[1:])
    except SettingsError as error:
        say(error, err=True)
        sys.exit(2)
    os.environ[_PROGRAM] = shlex.join([*_program(Path(sys.argv[0])), *options_for_one_run(typed)])
    is_multirun = bool({"-m", "--multirun"} & set(typed))
    if is_multirun:
        sys.argv[1:] = for_each_choice(typed)
    elif of_sweeps := [argument for argument in sys.argv[1:] if argument.startswith("sweep.")]:
        say(f"override {of_sweeps[0]}: sweep.* applies to multiruns only; add -m", err=True)
        sys.exit(2)
    repository.install()
    choices.install()
    sweep_by(Grid)
    quicken()
    find_mode_quickly()
    run_jobs_quickly()
    code: int | None = None
    try:
        require_each_once(typed if is_multirun else ())
        take_up_beside(os.environ[SCRIPT])
        with allowing(f"{SweepTable.__module__}.{SweepTable.__qualname__}"), Budget(Place(label=_chosen(typed))):
            begin()
        code = report.end()  # not by a callback, because Hydra turns errors in callbacks into warnings
    except (
        HydraException,
        OmegaConfBaseException,
        yaml.YAMLError,
        AssemblerError,
        ImportError,
        OSError,
        ValueError,
    ) as error:
        # A job raises only for a wrong objective, so this comes from Hydra's composing, from a launcher, or from a
        # custom task function.
        report.end()
        if not isinstance(error, AssemblerError) and _comes_from(error, os.environ[SCRIPT]):
            raise
        say(explain(error, sys.argv[1:]), err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        CHILD.close()
        report.end()
        exits.print_interrupted()
        sys.exit(exits.INTERRUPTED)  # launchers clean up
    except Exception:
        report.end()
        raise
    sys.exit(max(_codes, default=0) if code is None else code)


def _program(script: Path) -> list[str]:
    """What starts this program once more: a run script, or the command of the package."""
    return ["assembler", "run"] if script.name in ("assembler", "__main__.py") else ["python", short(script)]


def _chosen(typed: Iterable[str]) -> str:
    """The recipe as the command line names it, for messages of a time when its file is not known."""
    return next((one for one in typed if one.startswith("recipe=")), "the recipe")


def _comes_from(error: BaseException, script: str) -> bool:
    """Whether it was raised in, or below, a function of a script."""
    files = {frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)}
    return script in files


def _script_of(begin: Callable[..., Any]) -> str:
    """The script that defines a function, or its module if that can be imported by name.

    A function with an attribute ``project``, as that of ``assembler run``, has no script: the folder of that project.
    """
    task = inspect.unwrap(begin)
    if project := vars(task).get("project"):
        return str(project)
    return task.__code__.co_filename if task.__module__ in ("__main__", "<run_path>") else task.__module__


def job(config: DictConfig) -> float:
    """The task function: run one composed configuration in Hydra's run folder.

    A job of a sweep runs in a separate process and does not raise, so that it does not stop the others.

    Returns:
        The exit code; with ``objective``, the value of that metric. For a job of a search that did not pass, the worst
        value: plus or minus infinity.

    Raises:
        SettingsError: the run has no such metric.
    """
    budget = stopped()
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    with suppress(OSError, TypeError):  # Hydra's record of this machine, with the user's folders
        (folder / str(hydra.output_subdir) / "hydra.yaml").unlink()
    is_of_a_sweep = not OmegaConf.is_missing(hydra.job, "num")
    code = (_apart if is_of_a_sweep else _here)(config, folder, budget)
    objective = OmegaConf.select(config, "objective")
    return code if objective is None else _value_of(str(objective), folder, hydra)


def _about(hydra: Any) -> dict[str, Any]:
    """What a record has of the command line. The identity is known once the configuration is settled."""
    return {"program": shlex.split(os.environ.get(_PROGRAM, "")), "overrides": overrides_of(hydra), "identity": None}


def _here(config: DictConfig, folder: Path, budget: Budget) -> int:
    from assembler import tasks

    hydra = HydraConfig.get()
    about = _about(hydra)

    def compose() -> dict[str, Any]:
        data, about["identity"] = settled(config)
        return from_where_typed(data)

    with budget:
        sources = sources_of(hydra, scopes_of(config))
    code = tasks.run(compose, folder, sources, about, budget=budget)
    _codes.append(code)
    return code


def _apart(config: DictConfig, folder: Path, budget: Budget) -> int:
    from assembler import tasks

    _number(folder)
    hydra = HydraConfig.get()
    about = _about(hydra)
    sources = sources_of(hydra, scopes_of(config))
    data: dict[str, Any] = {}
    try:
        with budget:
            data, about["identity"] = settled(config)
        data = from_where_typed(data)
        request = {
            "do": "run",
            "seconds": budget.seconds,
            "config": data,
            "folder": str(folder.absolute()),
            "about": about,
        }
        cwd = None if hydra.job.chdir else hydra.runtime.cwd
        timeout = read(SweepSettings, data.get("sweep") or {}, "sweep").timeout
        answer = CHILD.ask({**request, "sources": sources_to(sources)}, timeout, cwd)
    except AssemblerError as error:
        return tasks.lost(data, folder, about, str(sources.tell(error)))
    except Lost as lost:
        if (done := result_of(folder, about["identity"])) is not None:
            return tasks.CODES[done["status"]]
        printed = folder / OUTPUT
        is_there = printed.exists() and printed.stat().st_size > 0
        said = f"{lost}; its output is in {short(printed)}" if is_there else str(lost)
        return tasks.lost(data, folder, about, said)
    if not (folder / RESULT).exists():
        return tasks.lost(data, folder, about, "its result is gone: something deleted or moved its folder")
    return int(answer["code"])


def _number(folder: Path) -> None:
    """Set ``${hydra:job.num}`` to the number of the job's folder; a launcher counts only the jobs of this command."""
    if folder.name.isdecimal():
        set_value(HydraConfig.instance().cfg, "hydra.job.num", int(folder.name))


def _value_of(objective: str, folder: Path, hydra: Any) -> float:
    record = result_of(folder)
    assert record is not None
    metrics = metrics_of(record)
    if record["status"] != "passed":
        return -math.inf if "maximize" in str(OmegaConf.select(hydra, "sweeper.direction")) else math.inf
    if objective not in metrics:
        said = suggestion(objective, metrics) or f" It has: {', '.join(metrics)}."
        raise SettingsError(f"the run has no metric {objective!r}.{said}", Place(key="objective"))
    return metrics[objective]


class SweepTable(Callback):
    """Observes a multirun of any sweeper; ``launch`` ends it with a table of its jobs."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Begin the report of the sweep; a sweep of another sweeper is watched from here."""
        stopped()  # each job has a budget of its own
        folder = Path(config.hydra.sweep.dir).absolute()
        for name in _LAUNCHERS:
            logging.getLogger(name).setLevel(logging.NOTSET if config.hydra.verbose else logging.WARNING)
        objective = OmegaConf.select(config, "objective")
        by = OmegaConf.select(config, "sweep.groups")
        by = list(by) if OmegaConf.is_list(by) else None  # what else is wrong, jobs report
        if config.hydra.sweeper._target_ == BASIC_SWEEPER:
            report.begin(folder, objective, by=by)
            return
        if objective is None:
            say("objective: a search requires one, such as objective=plan.macs", err=True)
            sys.exit(2)

        def started() -> Iterable[tuple[Path, str | None]]:
            return ((path, None) for path in (folder.iterdir() if folder.exists() else ()) if path.is_dir())

        trials = OmegaConf.select(config, "hydra.sweeper.n_trials")
        report.begin(folder, objective, Watch(started, trials, report.follow), by)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Drop the whole configuration, which launchers would keep, and send between processes, for each job."""
        job_return.cfg = job_return.hydra_cfg = None
