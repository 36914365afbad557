"""The cost of the assembler, compared with the same work by hand: ``python benchmarks/main_job.py``.

Prints ratios of medians, measured alternately in one run. 1.0x is as fast as by hand.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from timing import compare, report

warnings.simplefilter("ignore")

from assembler import assemble  # noqa: E402
from assembler.runtime import device  # noqa: E402
from assembler.settings import DeviceSettings  # noqa: E402

device.prepare(device.pick(DeviceSettings()))

import numpy as np  # noqa: E402
from hydra.utils import instantiate  # noqa: E402
from mindspore import Tensor, nn  # noqa: E402

LAYERS = 1000
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


def build() -> None:
    def by_hand() -> object:
        net = nn.SequentialCell([nn.Dense(8, 8) for _ in range(LAYERS)])
        return net.set_train(False)

    node = {"_target_": "mindspore.nn.Dense", "in_channels": 8, "out_channels": 8}

    def by_hydra() -> object:
        return nn.SequentialCell([instantiate(node) for _ in range(LAYERS)]).set_train(False)

    ours, hand, theirs = compare(15, lambda: assemble(f"{LAYERS} * Dense(8, 8)"), by_hand, by_hydra)
    report(f"assemble {LAYERS} x Dense(8, 8) / loop by hand", ours, hand, "at most 1.10x")
    report(f"hydra.utils.instantiate of {LAYERS} x Dense / loop by hand", theirs, hand, "")
    text = " + ".join(["Dense(8, 8)"] * LAYERS)
    ours, hand = compare(9, lambda: assemble(text), by_hand)
    report(f"assemble the same written out as {LAYERS} terms / by hand", ours, hand, "")


def forward() -> None:
    x = Tensor(np.random.default_rng(0).normal(size=(32, 256)).astype(np.float32))
    ours = assemble("20 * (Dense(256, 256) + ReLU)")
    hand = nn.SequentialCell([cell for _ in range(20) for cell in (nn.Dense(256, 256), nn.ReLU())])
    hand.set_train(False)
    for mode in ("pynative", "graph"):
        with device.mode(mode):
            one, other = compare(60, lambda: ours(x).asnumpy(), lambda: hand(x).asnumpy())
        report(f"forward of 20 x (Dense(256, 256) + ReLU), {mode} / by hand", one, other, "1.0x within noise")


def whole_run() -> None:
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)

        def start(script: Path) -> Callable[[], object]:
            command = [sys.executable, "-W", "ignore", str(script)]
            return lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True)

        ours, theirs = compare(9, start(root / "run.py"), start(bare))
    report("python run.py / a bare script with hydra and mindspore", ours, theirs, "at most 1.3x")


if __name__ == "__main__":
    print(f"{'':<58} {'assembler':>12} {'by hand':>12}  ratio (pair by pair)")
    build()
    forward()
    whole_run()
