"""Time and memory of loading parameter files, against MindSpore's own load_checkpoint and load_param_into_net.

    python -m benchmarks.weights [megabytes] [rounds]

Every measurement is in a process of its own, in turns; the file is read before, so that the system has it in memory.
All values are used once, because a mapped file is read when they are. The peak is the process's above what it used
before it loaded, with the model built: 0.1 means that a tenth of the model's size was needed beside it. The goal for it
is 0.2, and for the time 1.3 times MindSpore's for the same kind of file.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZE = 2048
"""Inputs and outputs of a layer of 16 MiB."""

FILES = {
    "w.safetensors": "safetensors",
    "torch.safetensors": "safetensors, names of PyTorch",
    "torch.safetensors.index.json": "4 shards, names of PyTorch",
    "w.ckpt": ".ckpt",
}
"""File → what it is."""

RIVALS = {"w.ckpt": "w.ckpt"}
"""Which file MindSpore loads for comparison, if not ``w.safetensors``: it knows neither shards nor other names."""

GOAL, GOAL_BESIDE = 1.3, 0.2


def network(layers):
    from mindspore import nn

    return nn.SequentialCell(*(nn.Dense(SIZE, SIZE, weight_init="ones", bias_init="ones") for _ in range(layers)))


def write(folder, layers):
    import mindspore
    import numpy as np
    from safetensors.numpy import save_file

    generator = np.random.default_rng(0)
    model = network(layers)
    for parameter in model.get_parameters():
        parameter.set_data(mindspore.Tensor(generator.random(parameter.shape, np.float32)))
    for form in ("ckpt", "safetensors"):
        mindspore.save_checkpoint(model, str(folder / f"w.{form}"), format=form)
    arrays = {f"body.layer{name}": one.asnumpy() for name, one in model.parameters_dict().items()}
    save_file(arrays, folder / "torch.safetensors")
    names = list(arrays)
    quarter = -(-len(names) // 4)
    shards = {f"torch-{shard}.safetensors": names[shard * quarter :][:quarter] for shard in range(4)}
    for shard, some in shards.items():
        save_file({name: arrays[name] for name in some}, folder / shard)
    index = {"weight_map": {name: shard for shard, some in shards.items() for name in some}}
    (folder / "torch.safetensors.index.json").write_text(json.dumps(index))


def peak():
    """The most memory of this process since the last reset, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def measure(who, file, layers):
    import mindspore

    from assembler.model import weights

    model = network(layers)
    size = sum(parameter.nbytes for parameter in model.get_parameters())
    Path("/proc/self/clear_refs").write_text("5")
    before, begin = peak(), time.perf_counter()
    if who == "MindSpore":
        parameters = mindspore.load_checkpoint(str(file), format=file.suffix[1:])
        mindspore.load_param_into_net(model, parameters)
    else:
        weights.load(model, file)
    for parameter in model.get_parameters():
        parameter.asnumpy().max()
    print(json.dumps([time.perf_counter() - begin, (peak() - before) / size]))


def measured(who, file, layers):
    """Seconds, and the peak beside the model as a part of its size."""
    for part in file.parent.glob("torch-*.safetensors") if file.name.endswith(".index.json") else [file]:
        with part.open("rb") as opened:
            while opened.read(2**24):
                pass
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.weights", who, file, str(layers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(megabytes=1024, rounds=5):
    layers = round(megabytes / 16)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, layers)
        found = {file: [] for file in FILES}
        for _ in range(rounds):
            for file in FILES:
                pair = [measured("assembler", folder / file, layers)]
                pair.append(measured("MindSpore", folder / RIVALS.get(file, "w.safetensors"), layers))
                found[file].append(pair)
    for file, pairs in found.items():
        report(FILES[file], *zip(*pairs, strict=True))


def report(what, ours, theirs):
    """Medians, and the range of the ratios of neighbours."""
    ratios = [one / other for (one, _), (other, _) in zip(ours, theirs, strict=True)]
    (seconds, beside), (other, others) = (map(statistics.median, zip(*some, strict=True)) for some in (ours, theirs))
    ratio = statistics.median(ratios)
    verdict = "met" if ratio <= GOAL and beside <= GOAL_BESIDE else "missed"
    print(
        f"{what:30} {seconds:6.2f} s, MindSpore {other:6.2f} s, {ratio:5.2f}x "
        f"({min(ratios):.2f} to {max(ratios):.2f}); beside the model {beside:.2f}, MindSpore {others:.2f}; "
        f"goals {GOAL}x and {GOAL_BESIDE}: {verdict}"
    )


if __name__ == "__main__":
    if len(sys.argv) > 3:
        measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
