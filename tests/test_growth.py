"""The time for one layer, one point or one job more does not grow with their number."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from math import inf

import pytest

from assembler.analysis.analyse import analyse
from assembler.analysis.project import Project
from tests.conftest import ROOT

FEW, SOME, MANY = 100, 700, 2000
BOUND = 2.0  # 1 where the cost is linear, 3.4 where it is quadratic
ROUNDS = 4


def growth(seconds: Callable[[int], float]) -> float:
    """What one more costs from SOME to MANY, over what it costs from FEW to SOME.

    Other programs can slow a run and cannot make it faster, so the smallest time of each number counts.
    It is measured again, up to ROUNDS times, while the growth is beyond the bound.
    """
    best = dict.fromkeys((FEW, SOME, MANY), inf)
    for _ in range(ROUNDS):
        for number in best:
            best[number] = min(best[number], seconds(number))
        later = (best[MANY] - best[SOME]) / (MANY - SOME)
        sooner = (best[SOME] - best[FEW]) / (SOME - FEW)
        if later < BOUND * sooner:
            break
    return later / sooner if sooner > 0 else inf


@pytest.mark.parametrize("power", [1, 1.2, 2])
def test_growth_tells_linear_from_quadratic(power):
    assert (growth(lambda number: number**power) < BOUND) is (power < 2)


def test_one_slow_run_is_no_growth():
    slow = iter([1.0, 0, 5000])
    assert growth(lambda number: number + next(slow, 0)) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("shapes", [False, True], ids=["validate", "plan"])
def test_the_cost_of_one_more_layer_does_not_grow_with_their_number(tmp_path, shapes):
    (tmp_path / "recipe").mkdir()

    def seconds(layers):
        file = tmp_path / "recipe" / f"layers{layers}.yaml"
        stack = "".join(f"  - Dense(_, {width})\n" for width in range(8, 8 + layers))
        file.write_text(f"input: {{shape: [4, 8]}}\nstack:\n{stack}")
        before = time.process_time()
        found = analyse(file, Project.at(tmp_path), shapes=shapes)
        took = time.process_time() - before
        assert found.errors == []
        assert not shapes or len(found.plan.rows) == layers
        return took

    seconds(10)  # imports what is needed
    assert growth(seconds) < BOUND


def used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
@pytest.mark.parametrize("extra", [["sweep.dry_run=true"], []], ids=["points", "jobs"])
def test_the_cost_of_one_more_point_of_a_sweep_does_not_grow_with_their_number(tmp_path, extra):
    def seconds(jobs):
        command = [sys.executable, str(ROOT / "run.py"), "-m", "recipe=mlp", "task=plan", f"seed=range({jobs})", *extra]
        before = used_by_children()
        subprocess.run([*command, f"hydra.sweep.dir={jobs}"], cwd=tmp_path, check=True, capture_output=True)
        return used_by_children() - before

    assert growth(seconds) < BOUND
