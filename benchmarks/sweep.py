"""The cost of a sweep, compared with Hydra's: ``python benchmarks/sweep.py [rounds]``.

Whole commands, run alternately; median and range of the ratios of wall times. Each line ends with its goal.
Seconds of the processor are those of all processes of a command. They depend less on what else the machine does.
``python benchmarks/sweep.py large [jobs]`` runs 10,000 jobs, or that many, and a tenth of them to see whether the cost
of a job grows with their number.
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
SMALL = [*PLANS, "seed=range(100)"]


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


def plan_jobs(jobs: int) -> float:
    """Run them; return seconds of the processor."""
    before = cpu_of_children()
    sweep(RUN, *PLANS, f"seed=range({jobs})")
    return cpu_of_children() - before


def against_nothing(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stock = Path(folder) / "stock.py"
        stock.write_text(EMPTY)
        ours, theirs = compare(rounds, lambda: sweep(RUN, *GRID), lambda: sweep(str(stock), *GRID))
    report("200 plans / 200 times nothing by Hydra's BasicLauncher", ours, theirs, "at most 0.08x")


def each(rounds: int) -> None:
    """What one more job costs, and one more point before any job starts."""
    used: dict[int, list[float]] = {10: [], 110: []}
    few, many = compare(rounds, *(lambda jobs=jobs: used[jobs].append(plan_jobs(jobs)) for jobs in used))  # type: ignore[misc]
    per_job([one - other for one, other in zip(many, few, strict=True)], "seconds")
    per_job([one - other for one, other in zip(used[110][1:], used[10][1:], strict=True)], "seconds of the processor")
    before = cpu_of_children()
    printed = sweep(RUN, *PLANS, "seed=range(2000)", "sweep.dry_run=true")[1]
    cpu, seconds = cpu_of_children() - before, seconds_of_planning(printed)
    print(f"2000 points before the first job / 6 s: {seconds / 6:.2f}x ({seconds:.1f} s); goal 1x")
    print(f"the same, seconds of the processor with the start / 6 s: {cpu / 6:.2f}x ({cpu:.1f} s); goal 1x")
    for points in (10, 200):
        seconds, looking = first_job(points)
        print(f"first of {points} jobs starts after {seconds:.2f} s, and {looking:.2f} s of looking through; bound 2 s")


def per_job(beyond: list[float], unit: str) -> None:
    """The cost of 100 jobs more, in each round."""
    each = sorted(one / 100 * 1e3 for one in beyond)
    middle = each[len(each) // 2]
    least = f"{middle:.1f} ms, {each[0]:.1f} at least"
    print(f"a plan job beyond the start, {unit} / 20 ms: {middle / 20:.2f}x ({least}); goal 1x")


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def parallel(rounds: int) -> None:
    kinds = {"compile a graph, on one core": COMPILED, "fill both cores by themselves": COMPUTED, "only plan": SMALL}
    for name, jobs in kinds.items():
        serial, both = compare(
            rounds, lambda jobs=jobs: sweep(RUN, *jobs), lambda jobs=jobs: sweep(RUN, *JOBLIB, *jobs)
        )  # type: ignore[misc]
        report(f"jobs that {name}: serial / joblib on 2 cores", serial, both, "bound 1.6x")


def large(jobs: int) -> None:
    """From the start to the closing table; memory is the most that one process had."""
    costs = {}
    for number in (jobs // 10, jobs):
        began = time.perf_counter()
        costs[number] = cpu = plan_jobs(number)
        seconds = time.perf_counter() - began
        gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        goal = 150 * number / 10_000
        used = f"{seconds:.0f} s, {cpu:.0f} s of the processor"
        print(f"{number:,} plan jobs / {goal:g} s: {seconds / goal:.2f}x ({used}); goal 1x")
        print(f"memory of its largest process / 1 GiB: {gib:.2f}x; goal 1x")
    each = [cost / number for number, cost in costs.items()]
    print(f"a job among {jobs:,} / among {jobs // 10:,}, seconds of the processor: {each[1] / each[0]:.2f}x; goal 1x")


def main(rounds: int) -> None:
    against_nothing(rounds)
    each(rounds)
    parallel(rounds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["large"]:
        large(int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
