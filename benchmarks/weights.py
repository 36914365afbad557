"""Time and memory of loading parameter files, against MindSpore's own load_checkpoint and load_param_into_net.

    python -m benchmarks.weights [megabytes] [rounds]

Every measurement is in a process of its own, in turns. The peak is the process's, above what it used before it loaded,
with the model built: 0.1 means that a tenth of the model's size was needed beside it. All values are used once.
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


KINDS = {
    "assembler": "w.safetensors",
    "MindSpore": "w.safetensors",
    "assembler, names of PyTorch": "torch.safetensors",
    "assembler, 4 shards": "torch.safetensors.index.json",
    "assembler, .ckpt": "w.ckpt",
    "MindSpore, .ckpt": "w.ckpt",
}


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
    shards = {f"torch-{shard}.safetensors": names[shard::4] for shard in range(4)}
    for shard, some in shards.items():
        save_file({name: arrays[name] for name in some}, folder / shard)
    index = {"weight_map": {name: shard for shard, some in shards.items() for name in some}}
    (folder / "torch.safetensors.index.json").write_text(json.dumps(index))


def peak():
    """The most memory of this process since the last reset, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def measure(kind, file, layers):
    import mindspore

    from assembler.model import weights

    model = network(layers)
    size = sum(parameter.nbytes for parameter in model.get_parameters())
    Path("/proc/self/clear_refs").write_text("5")
    before, begin = peak(), time.perf_counter()
    if kind.startswith("MindSpore"):
        parameters = mindspore.load_checkpoint(str(file), format=file.suffix[1:])
        mindspore.load_param_into_net(model, parameters)
    else:
        weights.load(model, file)
    for parameter in model.get_parameters():
        parameter.asnumpy().max()  # MindSpore maps a .safetensors file, and reads it when values are used
    print(json.dumps([time.perf_counter() - begin, (peak() - before) / size]))


def main(megabytes=1024, rounds=3):
    layers = round(megabytes / 16)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, layers)
        found = {kind: [] for kind in KINDS}
        for _ in range(rounds):
            for kind, file in KINDS.items():
                command = [sys.executable, "-W", "ignore", "-m", "benchmarks.weights", kind, folder / file, str(layers)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[kind].append(json.loads(done.stdout.splitlines()[-1]))
    for kind, values in found.items():
        seconds, beside = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{kind:30} {seconds:7.2f} s  {beside:5.2f} × the model beside it")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
