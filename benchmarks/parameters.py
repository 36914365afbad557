"""The cost of saving, loading and checking, compared with MindSpore's functions: ``python benchmarks/parameters.py``.

Prints ratios of medians, measured alternately in one run. MindSpore's checksums are enabled, because
the assembler always writes them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from timing import compare, report

warnings.simplefilter("ignore")

from assembler import assemble  # noqa: E402
from assembler.model import weights  # noqa: E402
from assembler.runtime import device  # noqa: E402
from assembler.settings import DeviceSettings  # noqa: E402

device.prepare(device.pick(DeviceSettings()))

import mindspore  # noqa: E402
import numpy as np  # noqa: E402

STACK = "12 * Dense(2000, 2000)"  # 192 MB
ROUNDS = 15
BARE = """\
import hydra
import mindspore
import numpy as np
from mindspore import Tensor, nn


class MyLinear(nn.Cell):
    def __init__(self, in_units, units):
        super().__init__()
        init = mindspore.common.initializer
        self.weight = mindspore.Parameter(init.initializer(init.Normal(1.0), (in_units, units)))
        self.bias = mindspore.Parameter(init.initializer(init.Normal(1.0), (units,)))

    def construct(self, x):
        return mindspore.ops.relu(mindspore.ops.matmul(x, self.weight) + self.bias)


def build():
    net = nn.SequentialCell(MyLinear(64, 8), MyLinear(8, 1))
    net.set_train(False)
    return net


@hydra.main(version_base="1.3", config_path=None)
def main(config):
    mindspore.set_device("CPU")
    mindspore.runtime.launch_blocking()
    mindspore.set_seed(0)
    net = build()
    x = Tensor(np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32))
    y = net(x).asnumpy()
    assert y.shape == (2, 1) and np.isfinite(y).all()
    assert (net(x).asnumpy() == y).all()
    mindspore.save_checkpoint(net, "net.safetensors", format="safetensors", crc_check=True)
    other = build()
    mindspore.load_checkpoint("net.safetensors", other, strict_load=True, format="safetensors", crc_check=True)
    assert (other(x).asnumpy() == y).all()
    grad = mindspore.value_and_grad(lambda x: (net(x) * 0.5).sum(), None, net.trainable_params())
    _, gradients = grad(x)
    assert all(np.isfinite(one.asnumpy()).all() and one.asnumpy().any() for one in gradients)


main()
"""


def touch(model: object) -> float:
    """Use every value once, because MindSpore's loader reads the file lazily."""
    return sum(float(one.asnumpy().sum()) for one in model.get_parameters())


def files() -> None:
    model = assemble(STACK)
    with tempfile.TemporaryDirectory() as folder:
        for format in ("safetensors", "ckpt"):
            ours, theirs = Path(folder) / f"ours.{format}", str(Path(folder) / f"theirs.{format}")

            def by_mindspore(theirs: str = theirs, format: str = format) -> None:
                mindspore.save_checkpoint(model, theirs, format=format, crc_check=True)

            def to_the_disk(theirs: str = theirs, save: Callable[[], None] = by_mindspore) -> None:
                save()
                with Path(theirs).open("rb") as file:
                    os.fsync(file.fileno())

            one, other, synced = compare(ROUNDS, lambda path=ours: weights.save(model, path), by_mindspore, to_the_disk)
            report(f"save 192 MB as {format} / save_checkpoint", one, other, "at most 1.1x")
            report(f"save 192 MB as {format} / save_checkpoint and fsync", one, synced, "")

            def load(path: str = theirs, format: str = format, crc: bool = True) -> float:
                mindspore.load_checkpoint(path, model, format=format, crc_check=crc)
                return touch(model)

            def load_ours(path: Path = ours) -> float:
                weights.load(model, path)
                return touch(model)

            one, other, unchecked = compare(ROUNDS, load_ours, load, lambda: load(crc=False))
            report(f"load 192 MB of {format} / load_checkpoint", one, other, "at most 1.1x")
            report(f"load 192 MB of {format} / load_checkpoint, unchecked", one, unchecked, "")


def initialise() -> None:
    def by_hand() -> object:
        model = assemble(STACK)
        for cell in model:
            cell.weight.set_data(mindspore.common.initializer.initializer("he_normal", cell.weight.shape))
            cell.bias.set_data(mindspore.common.initializer.initializer("zeros", cell.bias.shape))
        return model

    recipe = {"input": {"shape": [1, 2000]}, "stack": STACK, "init": {"*.weight": "HeNormal", "*.bias": "zeros"}}
    one, other = compare(5, lambda: assemble(recipe), by_hand)
    report("init of 48 million values by rules / by hand", one, other, "")


def whole_run() -> None:
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)

        def start(*command: str) -> Callable[[], object]:
            return lambda: subprocess.run(
                [sys.executable, "-W", "ignore", *command], cwd=folder, check=True, capture_output=True
            )

        run = start(
            str(root / "run.py"), "recipe=mylinear", "+checks.run.reload={}", "+checks.run.gradients={}",
            "weights.save=ours.safetensors",
        )  # fmt: skip
        ours, theirs = compare(7, run, start(str(bare)))
    report("run.py from start to checked and saved / a script by hand", ours, theirs, "")


if __name__ == "__main__":
    np.random.seed(0)
    print(f"{'':<62} {'assembler':>12} {'MindSpore':>12}  ratio (pair by pair)")
    files()
    initialise()
    whole_run()
