"""Parameter files of several kinds: shards, and PyTorch's own; what is wrong with one is one line, and nothing is loaded."""

import builtins
import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from assembler import assemble
from assembler.errors import AssemblerError
from assembler.model import weights
from assembler.model.stored import open_file

STACK = "Dense(8, 4) + BatchNorm1d(4) + Dense(4, 2)"
SHARDS = {
    "model-00001-of-00002.safetensors": {"fc1.weight": (4, 8), "fc1.bias": (4,), "bn.weight": (4,), "bn.bias": (4,)},
    "model-00002-of-00002.safetensors": {
        "bn.running_mean": (4,), "bn.running_var": (4,), "fc2.weight": (2, 4), "fc2.bias": (2,),
    },
}  # fmt: skip
FIRST, SECOND = SHARDS


@pytest.fixture
def sharded(tmp_path):
    """An index and its two shards, in PyTorch's names."""
    generator = np.random.default_rng(0)
    for shard, shapes in SHARDS.items():
        save_file(
            {name: generator.normal(size=one).astype(np.float32) for name, one in shapes.items()}, tmp_path / shard
        )
    index(tmp_path, {name: shard for shard, shapes in SHARDS.items() for name in shapes})
    return tmp_path / "model.safetensors.index.json"


def index(folder, names):
    text = json.dumps({"metadata": {"total_size": 1}, "weight_map": names})
    (folder / "model.safetensors.index.json").write_text(text)


def values(model):
    return {one.name: one.asnumpy().copy() for one in model.get_parameters()}


def test_shards_load_as_one_file(sharded):
    model = assemble(STACK)
    loaded = weights.load(model, sharded)
    assert len(loaded.names) == 8
    with open_file(sharded) as file:
        assert np.array_equal(values(model)["1.moving_variance"], file.read("bn.running_var"))


def change_header(file, change):
    content = file.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


def lie(key, value):
    return lambda folder: change_header(folder / SECOND, lambda header: header["fc2.bias"].update({key: value}))


def whole_index(**changed):
    names = {name: shard for shard, shapes in SHARDS.items() for name in shapes}
    return lambda folder: index(folder, names | changed)


def cut(folder):
    (folder / SECOND).write_bytes((folder / SECOND).read_bytes()[:-5])


WRONG = {
    "a truncated shard": (
        cut,
        f"{SECOND} is damaged, or not a .safetensors file: its header describes 72 bytes, and 67 follow it",
    ),
    "a missing shard": (lambda folder: (folder / FIRST).unlink(), f"there is no shard '{FIRST}' beside it"),
    "a shard above": (
        whole_index(more="../w.safetensors"),
        "the shard '../w.safetensors' is not in the folder of its index",
    ),
    "a shard elsewhere": (
        whole_index(more="/etc/w.safetensors"),
        "the shard '/etc/w.safetensors' is not in the folder of its index",
    ),
    "a shard that is a pickle": (whole_index(more="w.bin"), "the shard 'w.bin' must end in .safetensors"),
    "an array that its shard lacks": (whole_index(more=FIRST), f"{FIRST} has no 'more', which the index says is in it"),
    "an index of no mapping": (lambda folder: index(folder, []), "it has no weight_map of names and files"),
    "an index of no JSON": (
        lambda folder: (folder / "model.safetensors.index.json").write_text("{"),
        "it cannot be parsed as JSON",
    ),
    "a longer shape": (lie("shape", [3]), "'fc2.bias' is not where, or not as long as, its header says"),
    "a negative shape": (
        lie("shape", [-2]),
        "its header does not have the dtype, shape and data_offsets of 'fc2.bias'",
    ),
    "an overlap": (lie("data_offsets", [4, 12]), "is not where, or not as long as, its header says"),
    "a huge shape": (lie("shape", [2**62, 2**62]), "'fc2.bias' is not where, or not as long as, its header says"),
    "another dtype": (lie("dtype", "F8_E5M2"), "has a dtype that NumPy does not support: F8_E5M2"),
    "a dtype that is not text": (
        lie("dtype", 3),
        "its header does not have the dtype, shape and data_offsets of 'fc2.bias'",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_error_of_shards_is_one_line_and_nothing_is_loaded(sharded, wrong):
    change, message = WRONG[wrong]
    change(sharded.parent)
    model = assemble(STACK)
    before = values(model)
    with pytest.raises(AssemblerError) as error:
        weights.load(model, sharded, key="weights.load")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert all(np.array_equal(array, before[name]) for name, array in values(model).items())


def test_a_shard_that_fails_at_the_end_of_the_checks_changes_nothing(sharded):
    """Every shard is compared with its checksum before the first value is set."""
    model = assemble(STACK)
    weights.save(model, sharded.parent / SECOND)
    content = bytearray((sharded.parent / SECOND).read_bytes())
    content[-1] ^= 1
    (sharded.parent / SECOND).write_bytes(content)
    names = dict.fromkeys(values(model), SECOND)
    index(sharded.parent, names)
    before = values(model)
    with pytest.raises(AssemblerError, match="its values were changed"):
        weights.load(model, sharded)
    assert all(np.array_equal(array, before[name]) for name, array in values(model).items())


# ---- PyTorch's own files


def test_error_of_a_pickle_without_pytorch(tmp_path, monkeypatch):
    (tmp_path / "w.pth").write_bytes(b"PK\x03\x04")
    imported = builtins.__import__

    def without_torch(name, *arguments, **options):
        if name == "torch":
            raise ImportError(name)
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    with pytest.raises(AssemblerError) as error:
        weights.read_file(tmp_path / "w.pth")
    lines = str(error.value).splitlines()
    assert lines[0].startswith(f"{tmp_path / 'w.pth'} is a pickle, which can run code; pip install 'assembler[torch]'")
    assert lines[1:] == [
        "  state = torch.load('w.pth', map_location='cpu', weights_only=True)",
        "  safetensors.torch.save_file({name: one.clone() for name, one in state.items()}, 'w.safetensors')",
    ]


PICKLED = """\
import sys, torch
from torch import nn
torch.manual_seed(0)
module = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
state = module.state_dict()
torch.save(state, "plain.pth")
torch.save({"state_dict": state, "epoch": 3}, "nested.pt")
torch.save(state, "old.bin", _use_new_zipfile_serialization=False)
torch.save(module, "module.pth")
class Evil:
    def __reduce__(self):
        import os
        return os.system, ("touch evil",)
torch.save({"a": Evil()}, "evil.pth")
"""


@pytest.mark.slow
def test_files_of_pytorch_load_and_run_nothing(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-W", "ignore", "-c", PICKLED], check=True)
    state = torch.load("plain.pth", weights_only=True)
    for name in ("plain.pth", "nested.pt", "old.bin"):
        model = assemble(STACK)
        weights.load(model, tmp_path / name)
        assert np.array_equal(values(model)["0.weight"], state["0.weight"].numpy())
        assert np.array_equal(values(model)["1.gamma"], state["1.weight"].numpy())
    for name in ("module.pth", "evil.pth"):
        with pytest.raises(AssemblerError, match=r"is damaged, or not a \.pth file"):
            weights.load(assemble(STACK), tmp_path / name)
    assert not (tmp_path / "evil").exists()
