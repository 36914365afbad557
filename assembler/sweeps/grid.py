"""The sweeper: every combination of the values on the command line, planned first and then run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from assembler.errors import AssemblerError, Place, SettingsError
from assembler.files import short
from assembler.hydra_edge import composition
from assembler.hydra_edge.composition import SUBDIR, QuickLoader
from assembler.hydra_edge.configuration import plain, scopes_of, settings_of, sources_of
from assembler.hydra_edge.explain import explain
from assembler.hydra_edge.identity import anywhere, digest, identity_of, identity_without_seed
from assembler.hydra_edge.internals import BasicSweeper, is_serial, raised_by
from assembler.hydra_edge.nodes import node_of, raw
from assembler.runtime import collector, exits
from assembler.runtime.limits import Budget, stopped
from assembler.settings import Settings, SweepSettings
from assembler.settings.groups import require_keys
from assembler.sweeps import report
from assembler.sweeps.child import sources_to
from assembler.sweeps.points import LOCK, Ledger, Point, folder_name, read_points, result_of
from assembler.sweeps.process import CHILD, Lost
from assembler.sweeps.table import telling, values_of
from assembler.sweeps.watch import Watch, written_since
from assembler.tasks.kept import NOT_OF_A_PLAN
from assembler.validation import read
from assembler.views.progress import progress
from assembler.words import counted, say

BATCH = 20
"""Jobs per call of Hydra's serial launcher, which keeps all results of a call in memory."""

GRACE = 30
"""Seconds after which planning that does not end when its time is over is ended with its process."""

TRIES = 3
"""How often jobs are given again to a launcher that starts some but finishes none."""

MOST_TOLD = 5
"""Different errors that are printed; the others are counted."""


class Grid(Sweeper):
    """Every combination of values, in the order of Hydra's basic sweeper, which ``launch`` replaces by this.

    Every job is composed, validated and planned before the first one starts. A job that was done in the same folder
    is not run again. If a job is lost, the others still run, whichever launcher runs them.

    Args:
        max_batch_size: jobs per call of the launcher; None: all.
        params: overrides that are placed before those of the command line.
    """

    # The name in Hydra's configuration, by which Hydra finds the class; 1.4 trusts no other.
    __module__ = BasicSweeper.__module__
    __qualname__ = BasicSweeper.__qualname__

    def __init__(self, max_batch_size: int | None = None, params: Mapping[str, str] | None = None) -> None:
        self.max_batch_size = max_batch_size
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store Hydra's arguments, and give the launcher a loader that is faster than Hydra's."""
        composition.forget()
        self.config = config
        self.hydra_context = replace(hydra_context, config_loader=QuickLoader(hydra_context.config_loader))
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Plan all jobs, and run those that are not done.

        Raises:
            AssemblerError: jobs have errors, the launcher finishes none, or another process sweeps in this folder.
        """
        CHILD.start()
        collector.settle()
        stopped()  # each job has a budget of its own
        settings = settings_of(self.config)
        folder = Path(self.config.hydra.sweep.dir).absolute()
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        given = [*(f"{name}={value}" for name, value in self.params.items()), *arguments]
        (lines,) = BasicSweeper.split_arguments(parser.parse_overrides(given), None)
        ledger = Ledger(folder)
        before = list(ledger)
        began = time.perf_counter()
        points = self._points(lines, ledger)
        wrong = [point for point in points if point.error]
        looked = f"{counted(len(points), 'job')} planned in {time.perf_counter() - began:.1f} s"
        if len(points) < len(lines):
            looked += f"; {counted(len(lines) - len(points), 'duplicate')} left out"
        say(looked)
        if settings.groups is not None:
            keys = values_of([line for point in (*ledger, *points) for line in point.overrides])
            require_keys(settings.groups, list(keys), Place(key="sweep.groups"))
        if settings.dry_run:
            report.forecast(points)
        if wrong and (settings.dry_run or settings.invalid == "refuse"):
            raise SettingsError(_told(wrong, len(points), settings.dry_run))
        if settings.dry_run:
            return []
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            if read_points(folder) != before:
                raise SettingsError(
                    f"another process has run a sweep in {short(folder)} meanwhile; run the command again"
                )
            OmegaConf.save(_told_of_a_sweep(self.config), folder / "multirun.yaml")
            for point in points:
                ledger.add(point)
            ledger.write()
            report.jobs([point.job for point in points], is_named=_is_named(self.config))
            return self._run([point for point in points if not point.error], folder, settings)

    # ---- planning

    def _points(self, lines: Sequence[Sequence[str]], ledger: Ledger) -> list[Point]:
        """The jobs, each once, with its error or the metrics of its plan."""
        points: dict[str, Point] = {}
        folders = {point.job: point.identity for point in ledger}
        numbers = ledger.numbers()
        plans: dict[str, tuple[dict[str, Any], list[Point]]] = {}
        with progress(len(lines), "composing") as tick:
            for overrides in lines:
                point, request = self._point(overrides, ledger, numbers)
                tick()
                if points.setdefault(point.identity, point) is not point:
                    continue
                if folders.setdefault(point.job, point.identity) != point.identity:
                    said = f"two jobs would write to {point.job}: {' '.join(overrides)} is the second"
                    raise SettingsError(said, Place(key=SUBDIR))
                done = not point.error and point.plan is not None
                if request is not None and not done:
                    plans.setdefault(_what_is_planned(request["config"]), (request, []))[1].append(point)
        with progress(len(plans), "planning") as tick:
            for request, same in plans.values():
                error, plan = _planned(request)
                for point in same:
                    point.error, point.plan = error, plan
                tick()
        return list(points.values())

    def _point(
        self, overrides: Sequence[str], ledger: Ledger, numbers: Iterator[int]
    ) -> tuple[Point, dict[str, Any] | None]:
        """A job by its overrides, and the request to plan it; None if it cannot be composed."""
        try:
            with Budget() as budget:
                config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
                subdir = raw(node_of(config.hydra.sweep, "subdir"))
                with _as_hydras(config):
                    data = plain(config)
                    identity = identity_of(data)
                    sources = sources_of(config.hydra, scopes_of(config))
                    known = ledger.get(identity) or Point(_folder(config, subdir, next(numbers)), identity, [])
                    known = replace(known, without_seed=identity_without_seed(config, data))
        except Exception as error:
            if not isinstance(error, AssemblerError | OSError | ValueError) and "hydra" not in type(error).__module__:
                raise
            identity = digest(list(overrides))
            known = ledger.get(identity) or Point(str(next(numbers)), identity, [])
            return replace(known, overrides=list(overrides), error=explain(error, overrides)), None
        return replace(known, overrides=list(overrides), error=None), {
            "do": "plan",
            "seconds": budget.seconds,
            "config": data,
            "sources": sources_to(sources),
        }

    # ---- running

    def _run(self, points: Sequence[Point], folder: Path, settings: SweepSettings) -> list[Sequence[JobReturn]]:
        """Run the jobs that are not done; run lost jobs again as long as some of them finish."""
        statuses = {point.job: _status(point, folder) for point in points}
        wrong = [job for job, status in statuses.items() if status in ("failed", "error")]
        if settings.retry:
            for job in wrong:
                (folder / job / "result.json").unlink()
                statuses[job] = None
        left = [point for point in points if statuses[point.job] is None]
        if len(left) < len(points):
            done = len(points) - len(left)
            said = f"{done:,} of them {'is' if done == 1 else 'are'} done; {counted(len(left), 'job')} to run"
            again = f" ({len(wrong)} did not pass; sweep.retry=true runs those again)"
            say(said + (again if wrong and not settings.retry else ""))
        returns: list[Sequence[JobReturn]] = []
        tries = 0
        while left:
            fault: Exception | None = None
            raised: BaseException | None = None
            begun = time.time() - 1  # file times are coarse
            jobs = [(folder / point.job, point.identity) for point in left]
            in_order = is_serial(self.launcher)
            with Watch(lambda jobs=jobs: jobs, len(jobs), report.follow, report.result_of, in_order=in_order) as watch:  # type: ignore[misc]
                try:
                    for batch in self._launch(left):
                        returns.append(batch)
                        raised = raised or next((raised_by(job) for job in batch if _failed(job)), None)
                except Exception as error:  # a lost worker, an unreachable cluster
                    if exits.has_raised():
                        raise KeyboardInterrupt from error
                    fault = error
            now = [point for point in left if folder / point.job not in watch.seen and _status(point, folder) is None]
            tries = tries + 1 if len(now) == len(left) else 0
            started = any(written_since(job / LOCK, begun) for job, _ in jobs)
            if tries and not (started and tries < TRIES):
                if raised is not None:
                    raise raised  # from the task function, before it ran the job
                said = f"{type(fault).__name__}: {fault}" if fault else "it reports no reason"
                if any(result_of(job) for job, _ in jobs):
                    said = "their results have another configuration; the task function must not change it"
                raise SettingsError(f"the launcher ran none of the {counted(len(now), 'remaining job')}: {said}")
            left = now
        for batch in returns:
            for done in batch:
                _ = done.return_value  # raises what the task function raised
        return returns

    def _launch(self, points: Sequence[Point]) -> Iterator[Sequence[JobReturn]]:
        size = self.max_batch_size or (BATCH if is_serial(self.launcher) else len(points))
        for start in range(0, len(points), size):
            # A worker may have another working directory than this process.
            where = f"hydra.sweep.dir={_quoted(str(Path(self.config.hydra.sweep.dir).absolute()))}"
            batch = points[start : start + size]
            overrides = [[*point.overrides, where, f"{SUBDIR}={_quoted(point.job)}"] for point in batch]
            # A serial launcher waits for its job in this thread; the process of the job is apart anyway.
            with nullcontext() if is_serial(self.launcher) else exits.apart():
                done = self.launcher.launch(overrides, initial_job_idx=start)
            yield done


def _told_of_a_sweep(config: DictConfig) -> DictConfig:
    """The configuration; of Hydra's own part only the overrides, as the rest describes this machine."""
    told = OmegaConf.masked_copy(config, [str(name) for name in config if name != "hydra"])
    with read_write(told), open_dict(told):
        told.hydra = {"overrides": config.hydra.overrides}
    return told


@contextmanager
def _as_hydras(config: DictConfig) -> Iterator[None]:
    """Let ``${hydra:…}`` refer to this configuration, without the job's number."""
    instance = HydraConfig.instance()
    before, instance.cfg = instance.cfg, config
    anywhere(config)
    try:
        yield
    finally:
        instance.cfg = before


def _folder(config: DictConfig, subdir: str, number: int) -> str:
    """The folder of a new job, relative to the sweep's folder.

    Raises:
        SettingsError: it is not inside the sweep's folder.
    """
    if subdir == "${hydra.job.num}":  # the default
        return str(number)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.job.num, config.hydra.job.id, config.hydra.sweep.subdir = number, str(number), subdir
    try:
        return folder_name(str(config.hydra.sweep.subdir))
    except ValueError as error:
        raise SettingsError(str(error), Place(key=SUBDIR)) from None


def _what_is_planned(config: Mapping[str, Any]) -> str:
    """A digest of the keys that a plan depends on; for an invalid configuration, of all keys."""
    with suppress(AssemblerError):
        read(Settings, {**config, "registry": {}})  # hundreds of layers, which planning reads
        config = {name: value for name, value in config.items() if name not in NOT_OF_A_PLAN}
    return identity_of(config)


def _planned(request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
    """The error of a configuration, or the metrics of its plan."""
    try:
        answer = CHILD.ask(request, request["seconds"] + GRACE)
    except Lost as lost:
        return f"it cannot be planned: {lost}", None
    return answer["error"], answer.get("plan")


def _failed(job: JobReturn) -> bool:
    return job.status == JobStatus.FAILED


def _status(point: Point, folder: Path) -> str | None:
    record = result_of(folder / point.job, point.identity)
    return None if record is None else str(record["status"])


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from sweeping in the same folder.

    Raises:
        SettingsError: another one does.
    """
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        said = f"another process is sweeping in {short(folder)}; wait for it, or give this sweep another sweep.name"
        raise SettingsError(said) from None


def _told(wrong: Sequence[Point], total: int, dry_run: bool) -> str:
    """The errors of jobs; jobs with the same error are listed together."""
    by_error: dict[str, list[Point]] = {}
    for point in wrong:
        by_error.setdefault(str(point.error), []).append(point)
    told = []
    for error, points in list(by_error.items())[:MOST_TOLD]:
        more = f" (and {len(points) - 1} more)" if len(points) > 1 else ""
        told.append(f"{' '.join(telling(points[0].overrides))}{more}:\n  " + error.replace("\n", "\n  "))
    if len(by_error) > MOST_TOLD:
        told.append(f"and {counted(len(by_error) - MOST_TOLD, 'other error')}")
    are = "is" if len(wrong) == 1 else "are"
    instead = "" if dry_run else "; nothing was run; sweep.invalid=skip runs the others"
    return "\n".join([*told, f"{len(wrong)} of {counted(total, 'job')} {are} wrong{instead}"])


def _is_named(config: DictConfig) -> bool:
    """Whether the folder of the sweep is the same at any time."""
    name, folder = (str(raw(node_of(config[group], key))) for group, key in (("sweep", "name"), ("hydra", "sweep")))
    return "${now:" not in folder.replace("${sweep.name}", name)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
