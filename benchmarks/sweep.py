"""The cost of a sweep, compared with Hydra's: ``python benchmarks/sweep.py [rounds]``.

Whole commands, run alternately; median and range of the ratios of wall times.
"""

from __future__ import annotations

import re
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
    looking = float(re.search(r"planned in ([\d.]+) s", printed)[1])  # type: ignore[index]
    return (folder / "0" / ".lock").stat().st_mtime - began - looking, looking


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stock = Path(folder) / "stock.py"
        stock.write_text(EMPTY)
        ours, theirs = compare(rounds, lambda: sweep(RUN, *GRID), lambda: sweep(str(stock), *GRID))
    report("200 plans / 200 times nothing by Hydra's BasicLauncher", ours, theirs, "bound 0.5x")
    for points in (10, 200):
        seconds, looking = first_job(points)
        print(f"first of {points} jobs starts after {seconds:.2f} s, and {looking:.2f} s of looking through; bound 2 s")
    for name, jobs in (("compile a graph, on one core", COMPILED), ("fill both cores by themselves", COMPUTED)):
        serial, parallel = compare(
            rounds, lambda jobs=jobs: sweep(RUN, *jobs), lambda jobs=jobs: sweep(RUN, *JOBLIB, *jobs)
        )  # type: ignore[misc]
        report(f"8 check jobs that {name}: serial / joblib on 2 cores", serial, parallel, "bound 1.6x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
