"""The cost of a sweep, compared with Hydra's: ``python benchmarks/sweep.py [rounds]``.

Whole commands, run alternately; median and range of the ratios of wall times. ``python benchmarks/sweep.py large`` runs
10,000 jobs, and fewer to see whether the cost of a job grows with their number.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import compare, report

ROOT = Path(__file__).parent.parent
RUN = str(ROOT / "run.py")
GRID = ["recipe=mlp,centered", "mode=pynative,graph", "seed=range(50)", "task=plan"]
EMPTY = f"""\
import hydra


@hydra.main(version_base="1.3", config_path={str(ROOT / "conf")!r}, config_name="assembler")
def main(config):
    pass


main()
"""
COMPILED = ["recipe=densenet121", "mode=graph", "recipe.input.shape=[1,3,32,32]", "seed=range(8)"]
COMPUTED = ["recipe=resnet18", "seed=range(8)"]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


PLANS = ["recipe=mlp", "task=plan"]
LARGE = (1000, 10_000)


def sweep(script: str, *arguments: str) -> tuple[float, str, Path]:
    """Run a sweep in an empty folder; return its start time, output and folder."""
    cwd = Path(tempfile.mkdtemp())
    began = time.time()
    command = [sys.executable, script, "-m", *arguments, "hydra.sweep.dir=sweep"]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return began, done.stdout, cwd / "sweep"


def first_job(points: int) -> tuple[float, float]:
    """Seconds from the start to the first job, without planning, and seconds of planning all jobs."""
    began, printed, folder = sweep(RUN, "recipe=centered", f"seed=range({points})", "task=plan")
    looking = seconds_of_planning(printed)
    return (folder / "0" / ".lock").stat().st_mtime - began - looking, looking


def seconds_of_planning(printed: str) -> float:
    found = re.search(r"planned in ([\d.]+) s", printed)
    assert found is not None
    return float(found[1])


def plan_jobs(jobs: int) -> None:
    sweep(RUN, *PLANS, f"seed=range({jobs})")


def against_nothing(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stock = Path(folder) / "stock.py"
        stock.write_text(EMPTY)
        ours, theirs = compare(rounds, lambda: sweep(RUN, *GRID), lambda: sweep(str(stock), *GRID))
    report("200 plans / 200 times nothing by Hydra's BasicLauncher", ours, theirs, "at most 0.08x")


def each(rounds: int) -> None:
    """What one more job costs, and one more point before any job starts."""
    few, many = compare(rounds, lambda: plan_jobs(10), lambda: plan_jobs(110))
    beyond = sorted((more - less) / 100 * 1e3 for less, more in zip(few, many, strict=True))
    print(f"a plan job beyond the start: {beyond[len(beyond) // 2]:.1f} ms, {beyond[0]:.1f} at least; goal 20 ms")
    before = cpu_of_children()
    printed = sweep(RUN, *PLANS, "seed=range(2000)", "sweep.dry_run=true")[1]
    cpu, seconds = cpu_of_children() - before, seconds_of_planning(printed)
    print(f"2000 points before the first job: {seconds:.1f} s, {cpu:.1f} s of CPU with the start; goal 6 s")
    for points in (10, 200):
        seconds, looking = first_job(points)
        print(f"first of {points} jobs starts after {seconds:.2f} s, and {looking:.2f} s of looking through; bound 2 s")


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def parallel(rounds: int) -> None:
    for name, jobs in (("compile a graph, on one core", COMPILED), ("fill both cores by themselves", COMPUTED)):
        serial, both = compare(
            rounds, lambda jobs=jobs: sweep(RUN, *jobs), lambda jobs=jobs: sweep(RUN, *JOBLIB, *jobs)
        )  # type: ignore[misc]
        report(f"8 check jobs that {name}: serial / joblib on 2 cores", serial, both, "bound 1.6x")


def large() -> None:
    """From the start to the closing table; memory is the most that one process had."""
    each_took = []
    for jobs in LARGE:
        began = time.perf_counter()
        plan_jobs(jobs)
        seconds = time.perf_counter() - began
        gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        each_took.append(seconds / jobs)
        print(f"{jobs:,} plan jobs: {seconds:.0f} s, {gib:.2f} GiB; goal for 10,000: 150 s, 1 GiB")
    print(f"a job among {LARGE[1]:,} / among {LARGE[0]:,}: {each_took[1] / each_took[0]:.2f}x; goal 1x")


def main(rounds: int) -> None:
    against_nothing(rounds)
    each(rounds)
    parallel(rounds)


if __name__ == "__main__":
    if sys.argv[1:] == ["large"]:
        large()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
