"""The cost of the assembler, compared with the same work by hand: ``python benchmarks/main_job.py``.

Prints ratios of medians, measured alternately in one run. 1.0x is as fast as by hand.
"""

from __future__ import annotations

import warnings

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
    report(f"assemble the same written out as {LAYERS} terms / by hand", ours, hand, "at most 1.05x")


def forward() -> None:
    x = Tensor(np.random.default_rng(0).normal(size=(32, 256)).astype(np.float32))
    ours = assemble("20 * (Dense(256, 256) + ReLU)")
    hand = nn.SequentialCell([cell for _ in range(20) for cell in (nn.Dense(256, 256), nn.ReLU())])
    hand.set_train(False)
    for mode in ("pynative", "graph"):
        with device.mode(mode):
            one, other = compare(60, lambda: ours(x).asnumpy(), lambda: hand(x).asnumpy())
        report(f"forward of 20 x (Dense(256, 256) + ReLU), {mode} / by hand", one, other, "1.0x within noise")


if __name__ == "__main__":
    print(f"{'':<58} {'assembler':>12} {'by hand':>12}  ratio (pair by pair)")
    build()
    forward()
