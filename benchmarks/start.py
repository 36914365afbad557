"""How long the assembler takes to start: ``python benchmarks/start.py [rounds]``.

Whole commands, run alternately; median and range of the ratios of CPU times, which other work on the machine disturbs
less than wall times. Python may keep compiled modules, as it does for installed packages; the first round, which
compiles them, does not count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from timing import compare, cpu_of_children, report

ROOT = Path(__file__).parent.parent
BARE = """\
import hydra
import mindspore
import numpy as np
from mindspore import Tensor, nn


class Centered(nn.Cell):
    def construct(self, x):
        return x - x.mean()


@hydra.main(version_base="1.3", config_path=None)
def main(config):
    mindspore.set_device("CPU")
    mindspore.runtime.launch_blocking()
    mindspore.set_seed(0)
    net = nn.SequentialCell(nn.Dense(8, 128), Centered())
    net.set_train(False)
    x = Tensor(np.random.default_rng(0).uniform(size=(4, 8)).astype(np.float32))
    y = net(x).asnumpy()
    assert y.shape == (4, 128) and np.isfinite(y).all() and abs(y.mean()) < 1e-6
    assert (net(x).asnumpy() == y).all()


main()
"""

IMPORTS = "import hydra, mindspore"
RUN_FLOOR = "import hydra, mindspore, pydantic, yaml"
VALIDATE_FLOOR = "import pydantic, typer, yaml"
"""What no run, and no validation, does without: the packages alone."""


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "bare.py"
        script.write_text(BARE)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": f"{folder}/compiled", "PYTHONPATH": str(ROOT)}

        def start(*arguments: str) -> Callable[[], object]:
            command = [sys.executable, "-W", "ignore", *arguments]
            return lambda: subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)

        run = str(ROOT / "run.py")
        ours, theirs = compare(rounds, start(run), start(str(script)), clock=cpu_of_children)
        report("python run.py / a bare script with hydra and mindspore", ours, theirs, "at most 1.15x")
        ours, theirs = compare(
            rounds, start(run, "task=plan", "recipe=lenet5"), start("-c", IMPORTS), clock=cpu_of_children
        )
        report(f"run.py task=plan recipe=lenet5 / {IMPORTS}", ours, theirs, "at most 1.2x")
        recipe = str(ROOT / "conf" / "recipe" / "lenet5.yaml")
        ours, theirs = compare(
            rounds, start("-m", "assembler", "validate", recipe), start("-c", VALIDATE_FLOOR), clock=cpu_of_children
        )
        report("assembler validate of one file / its packages alone", ours, theirs, "at most 300 ms")
        ours, theirs = compare(rounds, start("-c", RUN_FLOOR), start("-c", IMPORTS), clock=cpu_of_children)
        report(f"floor of a run: {RUN_FLOOR} / {IMPORTS}", ours, theirs, "")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
