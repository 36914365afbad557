"""The cost of planning, compared with PyTorch: ``python benchmarks/plan.py``.

Needs ``pip install -e '.[test,benchmarks]'``. PyTorch plans with lazy layers on its meta device, with torchinfo for the
table of shapes and parameters, and with its FLOP counter. The contenders run alternately, each in a separate process;
memory is the growth of that process.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from statistics import median

warnings.simplefilter("ignore")

LAYERS, WIDTH = 1000, 16384
ROUNDS = 5
GOALS = {"efficientnet_b0": "at least 6x"}
NETWORKS = ("resnet50", "densenet121", "convnext_tiny", "efficientnet_b0", "vgg16", "squeezenet1_0")


def widths(kind: str, layers: int) -> list[int]:
    """Output sizes: all equal, or all different."""
    return [WIDTH] * layers if kind == "equal" else list(range(1024, 1024 + layers))


# ---- contenders: each prepares, and returns the function to be timed


def ours(kind: str, layers: int = LAYERS) -> Callable[[], int]:
    from assembler import plan

    stack = f"{layers} * Dense(_, {WIDTH})"
    if kind == "different":
        stack = [f"Dense(_, {width})" for width in widths(kind, layers)]
    plan("Dense(_, 2)", input=(1, 8))
    return lambda: plan(stack, input=(1, WIDTH)).parameters


def pytorch(kind: str, layers: int = LAYERS) -> Callable[[], int]:
    import torch
    import torchinfo
    from torch.utils.flop_counter import FlopCounterMode

    def work(sizes: list[int], width: int) -> int:
        with torch.device("meta"):
            model = torch.nn.Sequential(*(torch.nn.LazyLinear(size) for size in sizes))
            x = torch.empty(1, width)
            model(x)
            summary = torchinfo.summary(model, input_data=x, verbose=0, device="meta")
            with FlopCounterMode(display=False) as counter:
                model(x)
        assert counter.get_total_flops() > 0
        return int(summary.total_params)

    work([2], 8)
    return lambda: work(widths(kind, layers), WIDTH)


def floor(kind: str, layers: int = LAYERS) -> Callable[[], int]:
    """MindSpore alone: layers with all sizes given, made on its meta device and called once."""
    import mindspore
    from mindspore import mint, nn

    sizes = widths(kind, layers)

    def work() -> int:
        with mindspore.DeviceCtx("meta"):
            model = nn.SequentialCell([nn.Dense(a, b) for a, b in zip([WIDTH, *sizes], sizes)])  # noqa: B905
            model(mint.empty((1, WIDTH)))
        return sum(parameter.size for parameter in model.get_parameters())

    work()
    return work


CONTENDERS = {"ours": ours, "pytorch": pytorch, "floor": floor}


def measure(contender: str, kind: str, layers: int) -> None:
    """Print the seconds of one contender, and the growth of its process."""
    import psutil

    process = psutil.Process()
    work = CONTENDERS[contender](kind, layers)
    before = process.memory_info().rss
    start = time.perf_counter()
    parameters = work()
    seconds = time.perf_counter() - start
    print(json.dumps({"s": seconds, "MB": (process.memory_info().rss - before) / 1e6, "parameters": parameters}))


def run(contender: str, kind: str, layers: int = LAYERS) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", __file__, contender, kind, str(layers)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


# ---- comparisons


def against_pytorch() -> None:
    print(f"{LAYERS} layers: shapes, parameters, MACs and memory")
    for kind, bound in (("equal", 0.1), ("different", 0.35)):
        found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
        for _ in range(ROUNDS):
            for name, results in found.items():
                results.append(run(name, kind))
        assert len({result["parameters"] for results in found.values() for result in results}) == 1
        for name, results in found.items():
            seconds = [result["s"] for result in results]
            grown = max(result["MB"] for result in results)
            ratios = [one / other["s"] for one, other in zip(seconds, found["pytorch"], strict=True)]
            print(
                f"  {kind:<10} {name:<8} {median(seconds):7.3f} s {grown:7.1f} MB"
                f" {median(ratios):6.2f}x of pytorch ({min(ratios):.2f} to {max(ratios):.2f})"
                + (f", bound {bound}" if name == "ours" else "")
            )


def against_building() -> None:
    """Networks of mindcv, in this process: planned, and built and called once."""
    import mindcv
    import numpy as np
    from mindspore import Tensor
    from timing import compare

    from assembler import plan
    from assembler.runtime import device
    from assembler.settings import DeviceSettings

    device.prepare(device.pick(DeviceSettings()))
    shape = (1, 3, 224, 224)
    x = Tensor(np.zeros(shape, np.float32))
    print("networks at 224 × 224, batch 1: planned / built and run forward once")
    for name in NETWORKS:
        make = getattr(mindcv.models, name)
        planned, built = compare(
            2,
            lambda make=make: plan(make, input=shape),
            lambda make=make: make().set_train(False)(x).asnumpy(),
        )
        ratio = median(other / one for one, other in zip(planned, built, strict=True))
        goal = GOALS.get(name, "at least 10x")
        print(f"  {name:<16} {median(planned):6.3f} s / {median(built):6.3f} s, {ratio:5.1f}x  {goal}")


def curve() -> None:
    print("growth of the cost with the number of layers: µs per layer")
    for kind in ("equal", "different"):
        for layers in (10, 100, 1000, 10_000):
            seconds = median(run("ours", kind, layers)["s"] for _ in range(3))
            print(f"  {kind:<10} {layers:6} layers {seconds:8.3f} s {seconds / layers * 1e6:7.0f} µs")


def recipes() -> None:
    """The largest recipes of the assembler, in this process, each for the second time."""
    from pathlib import Path

    from assembler.binding.bind import bind
    from assembler.binding.parsing import parse_definitions, parse_layers
    from assembler.model.inputs import input_specs
    from assembler.planning.planner import plan_stack
    from assembler.reading.recipe_files import load_recipe
    from assembler.registry.registry import LAYERS
    from assembler.settings import RecipeSettings
    from assembler.validation import read

    print("recipes: read from YAML, parsed, expanded and bound, planned; in ms")
    for name in ("resnet50", "densenet121", "mobilenet_v2", "convnext_tiny", "vit_b_16", "gpt2_small", "llama2_7b"):
        file = Path(__file__).parent.parent / "conf" / "recipe" / f"{name}.yaml"
        for _ in range(2):
            times = [time.perf_counter()]
            data = read(RecipeSettings, load_recipe(file), "recipe")
            times.append(time.perf_counter())
            stack, definitions = parse_layers(data), parse_definitions(data)
            times.append(time.perf_counter())
            bind(stack, LAYERS, definitions)
            times.append(time.perf_counter())
            planned = plan_stack(stack, LAYERS, input_specs(data, "float32"), "float32", definitions)
            times.append(time.perf_counter())
        parts = " ".join(f"{(after - before) * 1e3:7.1f}" for before, after in itertools.pairwise(times))
        print(f"  {name:<14} {parts}   {len(planned.rows):4} rows, {planned.parameters:,} parameters")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        contender, kind, layers = sys.argv[1:]
        measure(contender, kind, int(layers))
    else:
        against_pytorch()
        curve()
        recipes()
        against_building()
