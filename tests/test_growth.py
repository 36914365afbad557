"""The time to validate and to plan one layer more does not grow with the number of layers."""

import time
from pathlib import Path

import pytest

from assembler.analysis.analyse import analyse
from assembler.analysis.project import Project

SIZES = (100, 500, 2000)


def cpu_of_an_analysis(folder: Path, layers: int, shapes: bool) -> float:
    """Seconds for a recipe of different layers; the smallest of three, as the machine may do other work."""
    file = folder / "recipe" / f"layers{layers}.yaml"
    file.parent.mkdir(exist_ok=True)
    stack = "".join(f"  - Dense(_, {width})\n" for width in range(8, 8 + layers))
    file.write_text(f"input: {{shape: [4, 8]}}\nstack:\n{stack}")
    times = []
    for _ in range(3):
        before = time.process_time()
        found = analyse(file, Project.at(folder), shapes=shapes)
        times.append(time.process_time() - before)
        assert found.errors == []
        assert not shapes or len(found.plan.rows) == layers
    return min(times)


@pytest.mark.slow
@pytest.mark.parametrize("shapes", [False, True], ids=["validate", "plan"])
def test_the_cost_of_one_more_layer_does_not_grow_with_their_number(tmp_path, shapes):
    cpu_of_an_analysis(tmp_path, 10, shapes)  # imports what is needed
    few, some, many = (cpu_of_an_analysis(tmp_path, layers, shapes) for layers in SIZES)
    assert (many - some) / 1500 < 1.5 * (some - few) / 400
