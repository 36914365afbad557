"""Parameter files of several kinds: shards, and PyTorch's own; what is wrong with one is one line, and nothing is loaded."""

import builtins
import json
import os
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mindspore.train.checkpoint_pb2 import Checkpoint
from safetensors.numpy import save_file

from assembler import assemble
from assembler.errors import AssemblerError
from assembler.model import weights
from assembler.model.stored import open_file, wire

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


def huge_header(folder):
    (folder / SECOND).write_bytes((2**62).to_bytes(8, "little") + b"{}")


def twice(folder):
    content = (folder / SECOND).read_bytes()
    name = b'"fc2.weight"'
    (folder / SECOND).write_bytes(content.replace(name, b'"fc2.bias"  '))


def link_to_pickle(folder):
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "w.pkl").write_bytes(pickle.dumps(list(range(100))))
    (folder / FIRST).unlink()
    (folder / FIRST).symlink_to(folder / "elsewhere" / "w.pkl")


def dead_link(folder):
    (folder / FIRST).unlink()
    (folder / FIRST).symlink_to(folder / "elsewhere")


def pipe(folder):
    (folder / FIRST).unlink()
    os.mkfifo(folder / FIRST)


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
    "a negative offset": (
        lie("data_offsets", [-8, 0]),
        "its header does not have the dtype, shape and data_offsets of 'fc2.bias'",
    ),
    "an offset beyond the end": (lie("data_offsets", [2**40, 2**40 + 8]), "is not where, or not as long as,"),
    "a huge header": (huge_header, f"its header has {2**62:,} bytes; the limit is 16,777,216"),
    "a key twice": (twice, "its header has 'fc2.bias' twice"),
    "a link to a pickle": (link_to_pickle, f"{FIRST} is damaged, or not a .safetensors file: its header has"),
    "a link that leads nowhere": (dead_link, f"there is no shard '{FIRST}' beside it"),
    "a pipe": (pipe, f"there is no shard '{FIRST}' beside it"),
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


def test_shards_may_be_links_as_in_the_cache_of_hugging_face(sharded, tmp_path):
    (tmp_path / "blobs").mkdir()
    for number, shard in enumerate(SHARDS):
        (tmp_path / shard).rename(tmp_path / "blobs" / str(number))
        (tmp_path / shard).symlink_to(f"blobs/{number}")
    assert len(weights.load(assemble(STACK), sharded).names) == 8


# ---- MindSpore's files


def checkpoint(*entries, more=b""):
    """A file as MindSpore writes it, of (name, shape, type, bytes)."""
    written = Checkpoint()
    for name, shape, kind, content in entries:
        entry = written.value.add(tag=name)
        entry.tensor.dims.extend(shape)
        entry.tensor.tensor_type = kind
        entry.tensor.tensor_content = content
    return written.SerializeToString() + more


VALUES = np.arange(6, dtype=np.float32)
GOOD = [("0.weight", (2, 3), "Float32", VALUES.tobytes()), ("0.bias", (2,), "Float32", bytes(8))]
OTHER = ("1", (2,), "Float32", bytes(8))
LYING = {
    "a longer shape": (checkpoint(*GOOD, ("1", (3,), "Float32", bytes(8))), "8 bytes is not float32 of shape (3,)"),
    "a negative shape": (checkpoint(*GOOD, ("1", (-2,), "Float32", bytes(8))), "8 bytes is not float32 of shape"),
    "two negative axes": (checkpoint(*GOOD, ("1", (-1, -2), "Float32", bytes(8))), "8 bytes is not float32 of shape"),
    "a huge shape": (checkpoint(*GOOD, ("1", (2**62, 4), "Float32", bytes(8))), "8 bytes is not float32 of shape"),
    "a huge shape of nothing": (checkpoint(*GOOD, ("1", (-1, 0), "Float32", b"")), "0 bytes is not float32 of shape"),
    "many axes": (checkpoint(*GOOD, ("1", (1,) * 33, "Float32", bytes(4))), "it has an array of more than 32 axes"),
    "packed axes": (b"\x0a\x33\x12\x31\x0a\x2f" + b"\x01" * 47, "it has an array of more than 32 axes"),
    "an unknown type": (checkpoint(*GOOD, ("1", (2,), "Float8", bytes(8))), "'float8' is not a numeric type"),
    "a long name": (checkpoint(*GOOD, ("1" * 70_000, (2,), "Float32", bytes(8))), "a name of more than 65,536 bytes"),
    "a name that is not text": (checkpoint(*GOOD, OTHER).replace(b"\x0a\x011", b"\x0a\x01\xff"), "can't decode byte"),
    "no name": (checkpoint(*GOOD, OTHER).replace(b"\x0a\x011", b"\x22\x011"), "an entry with 0 names"),
    "a name that is a number": (
        checkpoint(*GOOD) + b"\x0a\x04\x08\x01\x12\x00",
        "it has a number where bytes should be",
    ),
    "no content": (checkpoint(*GOOD) + b"\x0a\x03\x0a\x011", "it has an entry with 0 tensors"),
    "a lying length": (checkpoint(*GOOD) + b"\x0a\x7f\x0a\x011", "it has a field that is longer than the file"),
    "a huge length": (
        checkpoint(*GOOD) + b"\x0a" + b"\xff" * 9 + b"\x01",
        "it has a field that is longer than the file",
    ),
    "a length without an end": (checkpoint(*GOOD) + b"\x0a" + b"\xff" * 20, "it has a number that does not end"),
    "a group": (checkpoint(*GOOD) + b"\x0b", "it has a field of kind 3"),
    "a field 0": (checkpoint(*GOOD) + b"\x00\x00", "it has a field 0"),
    "too many fields": (checkpoint(*GOOD) + b"\x10\x00" * 2**12, "it has more than 4,096 fields"),
    "an entry of the assembler": (
        checkpoint(*GOOD, ("assembler.recipe", (1,), "str", bytes(4))),
        "its checksum is missing",
    ),
}


@pytest.mark.parametrize("lie", LYING)
def test_error_of_a_checkpoint_is_one_line_and_nothing_is_loaded(tmp_path, monkeypatch, lie):
    monkeypatch.setattr(wire, "MAX_FIELDS", 2**12)
    content, message = LYING[lie]
    model = assemble("Dense(3, 2)")
    (tmp_path / "w.ckpt").write_bytes(content)
    before = values(model)
    with pytest.raises(AssemblerError) as error:
        weights.load(model, tmp_path / "w.ckpt", strict=False)
    assert str(error.value).startswith(f"{tmp_path / 'w.ckpt'} is damaged, or not a .ckpt file: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert all(np.array_equal(array, before[name]) for name, array in values(model).items())


def by_protobuf(content):
    """The arrays as the library for protocol buffers reads them."""
    entries = Checkpoint.FromString(content).value
    return {
        one.tag: np.frombuffer(one.tensor.tensor_content, one.tensor.tensor_type.lower()).reshape(one.tensor.dims)
        for one in entries
    }


@given(changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_read_of_a_checkpoint_is_what_protobuf_reads(tmp_path, changes):
    content = bytearray(checkpoint(*GOOD, ("c", (), "Int64", bytes(8))))
    for at, byte in changes:
        content[at % len(content)] = byte
    (tmp_path / "w.ckpt").write_bytes(content)
    try:
        found = weights.read_file(tmp_path / "w.ckpt").arrays
    except AssemblerError:
        assume(False)
    expected = by_protobuf(bytes(content))
    assert found.keys() == expected.keys()
    assert all(one.tobytes() == expected[name].tobytes() for name, one in found.items())


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
    with pytest.raises(AssemblerError) as error:
        weights.read_file(tmp_path / "absent.pth")
    assert str(error.value) == f"{tmp_path / 'absent.pth'} cannot be read: No such file or directory"


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
torch.save({"a": torch.eye(3).to_sparse()}, "sparse.pth")
torch.save({"a": torch.empty(3, device="meta")}, "meta.pth")
torch.save({"epoch": 3, "best": {"x": 1}}, "none.pth")
plain = open("plain.pth", "rb").read()
at = plain.index(state["0.weight"].numpy().tobytes())
open("changed.pth", "wb").write(plain[:at] + bytes([plain[at] ^ 1]) + plain[at + 1:])
"""
OBJECTS = (
    "has Python objects in it, and not only tensors; loading those can run code. "
    "Where the module is, write torch.save(module.state_dict(), …)"
)
NO_VALUES = "a is sparse, quantized or without values; save it as a plain tensor"
PICKLES_REFUSED = {
    "module.pth": f" {OBJECTS}",
    "evil.pth": f" {OBJECTS}",
    "sparse.pth": f": {NO_VALUES}",
    "meta.pth": f": {NO_VALUES}",
    "none.pth": " has no tensors; it has 'epoch', 'best'",
    "changed.pth": " is damaged, or not a .pth file: the checksum of plain/data/0 differs",
}


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
    for name, said in PICKLES_REFUSED.items():
        with pytest.raises(AssemblerError) as error:
            weights.load(assemble(STACK), tmp_path / name)
        assert str(error.value) == f"{tmp_path / name}{said}"
    assert not (tmp_path / "evil").exists()
