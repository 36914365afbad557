"""Saving and loading: whole or not at all, and nothing but what fits."""

import errno
import json
import os
import pickle
import random
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager

import mindspore
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mindspore import Parameter, Tensor, nn
from safetensors import safe_open
from safetensors.numpy import save_file

from assembler import assemble
from assembler.errors import AssemblerError
from assembler.model import weights
from assembler.runtime import device
from tests.conftest import PLATFORM, ROOT, every_third

FORMATS = ("safetensors", "ckpt")
STACK = "Dense(8, 4) + BatchNorm1d(4) + Residual(Dense(4, 4))"


def model(seed=0, stack=STACK, **more):
    mindspore.set_seed(seed)
    return assemble(stack, **more)


def values(cell):
    return {one.name: one.asnumpy().copy() for one in cell.get_parameters()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


class Kinds(nn.Cell):
    """Parameters of every kind, and a scalar."""

    def __init__(self, fill=1):
        super().__init__()
        kinds = (mindspore.float16, mindspore.float32, mindspore.float64, mindspore.bfloat16, mindspore.int32,
                 mindspore.int64, mindspore.uint8, mindspore.bool_, mindspore.complex64)  # fmt: skip
        for index, kind in enumerate(kinds):
            setattr(self, f"p{index}", Parameter(Tensor(np.full((2, 3), fill)).astype(kind)))
        self.scalar = Parameter(Tensor(float(fill)))


@pytest.mark.parametrize("format", FORMATS)
def test_a_saved_model_loads_to_the_bit(tmp_path, format):
    file = tmp_path / f"w.{format}"
    one, other = model(1), model(2)
    weights.save(one, file)
    loaded = weights.load(other, file)
    assert same(values(one), values(other))
    assert sorted(loaded.names) == sorted(values(one))
    assert (loaded.missing, loaded.extra) == ((), ())
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("format", FORMATS)
def test_every_type_of_number_comes_back(tmp_path, format):
    file = tmp_path / f"w.{format}"
    weights.save(Kinds(1), file)
    other = Kinds(0)
    weights.load(other, file)
    for one in other.get_parameters():
        assert (one.asnumpy() == 1).all()
        assert str(one.dtype) == str(getattr(Kinds(), one.name).dtype)
        assert one.shape == getattr(Kinds(), one.name).shape


@pytest.mark.parametrize("format", FORMATS)
def test_ours_load_in_plain_mindspore(tmp_path, format):
    file = tmp_path / f"w.{format}"
    weights.save(model(1), file, {"recipe": "stack: x\n" + "-" * 40, "versions": '{"a": "1"}'})
    other = model(2)
    left = mindspore.load_checkpoint(str(file), other, strict_load=True, format=format, crc_check=True)
    assert same(values(model(1)), values(other))
    ours = {"assembler.recipe", "assembler.versions", "assembler.checked"}
    assert set(left) - ours == set(values(other))


@pytest.mark.parametrize("crc_check", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_those_of_plain_mindspore_load(tmp_path, format, crc_check):
    file = tmp_path / f"w.{format}"
    mindspore.save_checkpoint(model(1), str(file), format=format, crc_check=crc_check)
    other = model(2)
    weights.load(other, file)
    assert same(values(model(1)), values(other))


def test_a_large_parameter_of_plain_mindspore_lies_in_several_entries(tmp_path):
    one = nn.SequentialCell(nn.Dense(4096, 2200, weight_init="normal"))  # MindSpore cuts at 64 MiB, or less
    mindspore.save_checkpoint(one, str(tmp_path / "w.ckpt"))
    other = nn.SequentialCell(nn.Dense(4096, 2200))
    weights.load(other, tmp_path / "w.ckpt")
    assert same(values(one), values(other))


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_says_what_it_was_saved_with(tmp_path, format):
    about = {"recipe": 'stack: "Dense(8, 4)"\n# "crc_num":"----------"', "versions": "ä"}
    weights.save(model(), tmp_path / f"w.{format}", about)
    assert weights.read_file(tmp_path / f"w.{format}").about == about


def train(cell):
    """One step that changes every trainable parameter."""
    optimizer = nn.SGD(cell.trainable_params(), 0.1)
    optimizer(tuple(Tensor(np.ones(one.shape, np.float32)) for one in cell.trainable_params()))


@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("format", FORMATS)
def test_training_what_was_loaded_does_not_change_the_file(tmp_path, format, mode):
    file = tmp_path / f"w.{format}"
    weights.save(model(1), file)
    before, other = file.read_bytes(), model(2)
    weights.load(other, file)
    with device.mode(mode):
        train(other)
    assert not same(values(model(1)), values(other))
    assert file.read_bytes() == before


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_replaced_and_what_was_loaded_from_it_stays(tmp_path, format):
    file = tmp_path / f"w.{format}"
    weights.save(model(1), file)
    other = model(2)
    weights.load(other, file)
    weights.save(model(3), file)
    assert same(values(model(1)), values(other))
    weights.save(other, file)
    file.unlink()
    assert same(values(model(1)), values(other))


def no_mapping(*_, **__):
    raise OSError(errno.ENODEV, "No such device")


def test_a_file_that_cannot_be_mapped_is_read(tmp_path, monkeypatch):
    weights.save(model(1), tmp_path / "w.safetensors")
    monkeypatch.setattr("mmap.mmap", no_mapping)
    other = model(2)
    weights.load(other, tmp_path / "w.safetensors")
    assert same(values(model(1)), values(other))
    train(other)


def test_arrays_at_odd_addresses_load(tmp_path):
    """Writers pad the header to a multiple of eight; readers need not rely on it."""
    file = tmp_path / "w.safetensors"
    mindspore.save_checkpoint(model(1), str(file), format="safetensors")
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    file.write_bytes((size + 1).to_bytes(8, "little") + content[8 : 8 + size] + b" " + content[8 + size :])
    other = model(2)
    weights.load(other, file)
    assert same(values(model(1)), values(other))
    train(other)


# ---- what does not fit

STORED = {
    "0.weight": np.zeros((4, 8), np.float32),
    "0.bias": np.zeros(4, np.float32),
    "1.weight": np.zeros((2, 4), np.float32),
}
MISFITS = [
    ({"0.weigth": STORED["0.weight"]}, ("0.weight",),
     ["0.weight (4, 8) is not in the file; it has '0.weigth'",
      "0.weigth (4, 8) is not in the model; did you mean '0.weight'?"]),
    ({}, ("0.bias",), ["0.bias (4,) is not in the file"]),
    ({"2.weight": np.zeros((1, 2), np.float32)}, (), ["2.weight (1, 2) is not in the model"]),
    ({"1.weight": np.zeros((4, 2), np.float32)}, (),
     ["1.weight is (4, 2) in the file, and (2, 4) in the model",
      "'weights.rename={1.*: null}' weights.strict=false loads all but 1.*"]),
    ({"1.weight": np.zeros((2, 4), np.float16)}, (), ["1.weight is float16 in the file, and float32 in the model"]),
]  # fmt: skip


WAYS_OUT = "rename maps names in the file to names in the model; strict=false loads what both have, and converts dtypes"


def small():
    return model(stack="Dense(8, 4) + Dense(4, 2, has_bias=False)")


@pytest.mark.parametrize(("put", "drop", "lines"), MISFITS)
def test_error_of_what_does_not_fit(tmp_path, put, drop, lines):
    file = tmp_path / "w.safetensors"
    save_file({**{name: array for name, array in STORED.items() if name not in drop}, **put}, file)
    one = small()
    before = values(one)
    with pytest.raises(AssemblerError) as error:
        weights.load(one, file, key="weights.load")
    assert str(error.value) == "\n".join(
        [f"weights.load: {file} does not fit the model:", *(f"  {line}" for line in [*lines, WAYS_OUT])]
    )
    assert same(values(one), before)


TORCH = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "embedding_table": "weight",
}
"""MindSpore's names → PyTorch's."""

OF_TORCH = [
    ("Dense(8, 4) + BatchNorm1d(4)", str),
    ("Dense(8, 4) + BatchNorm1d(4) + Dense(4, 4) + BatchNorm1d(4)", str),
    ("Dense(8, 4) + BatchNorm1d(4)", lambda layer: {"0": "fc", "1": "norm"}[layer]),
    (
        "3 * (Dense(8, 8) + BatchNorm1d(8))",
        lambda layer: f"{'fc' if int(layer) % 2 == 0 else 'norm'}{9 + int(layer) // 2}",
    ),
    ("Dense(8, 4) + LayerNorm([4])", str),
    ("Conv2d(3, 4, 3) + BatchNorm2d(4) + Conv2d(4, 4, 3) + GroupNorm(2, 4)", str),
    ("Embedding(8, 8) + LayerNorm([8])", str),
]


@pytest.mark.parametrize(("stack", "renamed"), OF_TORCH)
def test_arrays_of_pytorch_load_with_no_rule(tmp_path, stack, renamed):
    file = tmp_path / "w.safetensors"
    one = model(1, stack)
    for index, parameter in enumerate(one.get_parameters()):
        parameter.set_data(Tensor(np.full(parameter.shape, index, np.float32)))
    stored = {}
    for name, array in values(one).items():
        layer, _, last = name.rpartition(".")
        stored[f"{renamed(layer)}.{TORCH.get(last, last)}"] = array
    save_file({**stored, "1.num_batches_tracked": np.array(3)}, file)
    other = model(2, stack)
    weights.load(other, file)
    assert same(values(other), values(one))
    with pytest.raises(AssemblerError, match="is not in the file"):
        weights.load(model(2, stack), file, names="mindspore")


HEADS = [
    ("Dense(8, 4) + ReLU + Dense(4, 3)", "Dense(8, 4) + ReLU + Dense(4, 10)", "2.*"),
    ("Dense(8, 4) + ReLU + Dense(4, 3)", "Dense(6, 4) + ReLU + Dense(4, 3)", "0.*"),
    ("Dense(8, 4) + BatchNorm1d(4) + Dense(4, 3)", "Dense(8, 5) + BatchNorm1d(5) + Dense(5, 3)", None),
    ("Dense(8, 4) + Residual(Dense(4, 4)) + Dense(4, 3)", "Dense(8, 4) + Residual(Dense(4, 4)) + Dense(4, 1)", "2.*"),
    ("Dense(8, 4) + 4 * Dense(4, 4) + Dense(4, 3)", "Dense(8, 5) + 4 * Dense(5, 5) + Dense(5, 3)", None),
    ("Embedding(9, 8) + Dense(8, 4)", "Embedding(7, 8) + Dense(8, 4)", "0.*"),
]


@pytest.mark.parametrize(("stack", "other", "pattern"), HEADS)
def test_a_head_of_another_size_can_be_left_out_as_the_message_says(tmp_path, stack, other, pattern):
    file = tmp_path / "w.safetensors"
    weights.save(model(1, stack), file)
    one = model(2, other)
    before = values(one)
    with pytest.raises(AssemblerError) as error:
        weights.load(one, file)
    said = f"  'weights.rename={{{pattern}: null}}' weights.strict=false loads all but {pattern}\n"
    assert (said in str(error.value)) == (pattern is not None)
    assert "loads all but" not in str(error.value).replace(said, "")
    if pattern:
        weights.load(one, file, rename={pattern: None}, strict=False)
        layer = pattern.removesuffix("*")
        for name, array in values(one).items():
            wanted = before[name] if name.startswith(layer) else values(model(1, stack))[name]
            assert np.array_equal(array, wanted), name


def test_error_of_another_architecture_is_short(tmp_path):
    weights.save(model(stack="50 * Dense(8, 8)"), tmp_path / "w.safetensors")
    with pytest.raises(AssemblerError) as error:
        weights.load(small(), tmp_path / "w.safetensors")
    lines = str(error.value).splitlines()
    assert len(lines) == 3 + weights.MAX_TOLD
    assert lines[-2:] == ["  and 80 more", f"  {WAYS_OUT}"]


def test_not_strict_loads_what_both_have(tmp_path):
    file = tmp_path / "w.safetensors"
    save_file({"0.weight": np.ones((4, 8), np.float16), "9.weight": np.zeros(3, np.float32)}, file)
    one = small()
    before = values(one)
    loaded = weights.load(one, file, strict=False)
    assert (loaded.names, loaded.missing, loaded.extra) == (("0.weight",), ("0.bias", "1.weight"), ("9.weight",))
    assert (values(one)["0.weight"] == 1).all()
    assert values(one)["0.weight"].dtype == np.float32
    assert np.array_equal(values(one)["1.weight"], before["1.weight"])
    save_file({"0.weight": np.ones((8, 4), np.float32)}, file)
    with pytest.raises(AssemblerError, match=r"0\.weight is \(8, 4\) in the file"):
        weights.load(one, file, strict=False)
    save_file({"x": np.ones(3, np.float32)}, file)
    with pytest.raises(AssemblerError, match=r"w\.safetensors has none of the model's parameters"):
        weights.load(one, file, strict=False, names="mindspore")
    with pytest.raises(AssemblerError, match="does not fit the model: x is like no layer of the model"):
        weights.load(one, file, strict=False)


RENAMES = [
    {"fc1.weight": "0.weight", "fc1.bias": "0.bias", "fc2.weight": "1.weight", "step": None},
    {"fc1.*": "0.*", "fc2.*": "1.*", "s*": None},
    {"step": None, "fc2.*": "1.weight", "fc*.weight": "0.weight", "*.bias": "0.bias"},
]


@pytest.mark.parametrize("rename", RENAMES)
def test_names_of_others_are_renamed(tmp_path, rename):
    file = tmp_path / "theirs.safetensors"
    names = {"0.weight": "fc1.weight", "0.bias": "fc1.bias", "1.weight": "fc2.weight"}
    arrays = {theirs: STORED[ours] + index for index, (ours, theirs) in enumerate(names.items())}
    save_file({**arrays, "step": np.array([7])}, file)
    one = small()
    weights.load(one, file, rename=rename)
    assert same(values(one), {ours: arrays[theirs] for ours, theirs in names.items()})


BAD_RENAMES = [
    ({"fc9.*": "0.*"}, "weights.rename.fc9.*: 'fc9.*' matches nothing in {file}, which has "),
    ({"*.weight": "0.weight"}, "weights.rename: 0.weight and 1.weight would both be 0.weight"),
]


@pytest.mark.parametrize(("rename", "message"), BAD_RENAMES)
def test_error_of_a_rename(tmp_path, rename, message):
    file = tmp_path / "w.safetensors"
    save_file(STORED, file)
    with pytest.raises(AssemblerError) as error:
        weights.load(small(), file, rename=rename, key="weights.load")
    assert str(error.value).startswith(message.format(file=file))


def test_error_of_parameters_of_one_name(tmp_path):
    one = small()
    one[1].weight.name = "0.weight"
    with pytest.raises(AssemblerError) as error:
        weights.save(one, tmp_path / "w.safetensors")
    assert str(error.value) == ("two parameters are named 0.weight, and a file can store one; rename one of them")
    assert list(tmp_path.iterdir()) == []


def test_complex_values_do_not_lose_their_imaginary_parts(tmp_path):
    save_file({**STORED, "0.bias": np.ones(4, np.complex64)}, tmp_path / "w.safetensors")
    with pytest.raises(AssemblerError, match=r"0\.bias is complex64 in the file, and float32 in the model"):
        weights.load(small(), tmp_path / "w.safetensors", strict=False)


# ---- damage


def test_metadata_of_others_are_theirs(tmp_path):
    save_file(STORED, tmp_path / "w.safetensors", {"header": "v1", "format": "pt"})
    assert weights.read_file(tmp_path / "w.safetensors").about == {"header": "v1"}


def test_error_of_numbers_that_numpy_lacks(tmp_path):
    header = b'{"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}'
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(AssemblerError, match=r"w\.safetensors has a dtype that NumPy does not support: "):
        weights.read_file(tmp_path / "w.safetensors")


def test_files_have_the_rights_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        weights.save(small(), tmp_path / "w.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", ["w", "w.npz", "w.safetensors.bak"])
def test_error_of_another_ending(tmp_path, name):
    for act, endings in (
        (weights.save, ".safetensors or .ckpt"),
        (weights.load, ".safetensors, .ckpt, .index.json, .pth, .pt or .bin"),
    ):
        with pytest.raises(AssemblerError) as error:
            act(small(), tmp_path / name)
        assert str(error.value) == f"a parameter file must end in {endings}, not {tmp_path / name}"


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


DAMAGED = {
    "empty": b"",
    "short": b"\x10",
    "text": b"this is not a file of parameters, whatever its name says",
    "huge header": (2**62).to_bytes(8, "little") + b"{}",
    "nothing in it": (2).to_bytes(8, "little") + b"{}",
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_error_of_a_file_that_is_none(tmp_path, format, content):
    file = tmp_path / f"w.{format}"
    file.write_bytes(content)
    with pytest.raises(AssemblerError) as error:
        weights.load(small(), file)
    assert str(error.value).startswith(str(file))
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("content", [pickle.dumps(Evil()), b"PK\x03\x04 a zip, as PyTorch writes"])
def test_error_of_a_pickle_which_is_not_loaded(tmp_path, monkeypatch, format, content):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"w.{format}"
    file.write_bytes(content)
    with pytest.raises(AssemblerError) as error:
        weights.load(small(), file)
    assert str(error.value) == (
        f"{file} is a pickle, as PyTorch saves; it can run code and is not loaded. "
        "If its name ends in .pth, PyTorch reads it without"
    )
    assert not (tmp_path / "evil").exists()


def test_error_of_a_file_that_is_not_there(tmp_path):
    with pytest.raises(AssemblerError, match=r"no\.ckpt cannot be read: No such file or directory"):
        weights.load(small(), tmp_path / "no.ckpt")
    (tmp_path / "folder.ckpt").mkdir()
    with pytest.raises(AssemblerError, match=r"folder\.ckpt cannot be read: Is a directory"):
        weights.load(small(), tmp_path / "folder.ckpt")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    files = {}
    for format in FORMATS:
        weights.save(model(1), folder / f"w.{format}", {"recipe": "stack: Dense(8, 4)\n"})
        files[format] = (folder / f"w.{format}").read_bytes()
    return files


@pytest.fixture(scope="module")
def saved():
    return values(model(1))


def refused_or_the_same(file, saved):
    """Whether a file is refused with a message of ours; if not, whether it holds what was saved."""
    try:
        return same(dict(weights.read_file(file).arrays), saved)
    except AssemblerError:
        return True


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_file_changes_nothing(whole, tmp_path, format):
    file, one = tmp_path / f"w.{format}", model(2)
    before = values(one)
    file.write_bytes(whole[format][:-40] + bytes(40))
    with pytest.raises(AssemblerError, match="is damaged, or not a"):
        weights.load(one, file)
    assert same(values(one), before)


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_is_noticed(whole, saved, tmp_path, format, data):
    content = bytearray(whole[format])
    at = data.draw(st.integers(0, 8 * len(content) - 1))
    content[at // 8] ^= 1 << (at % 8)
    file = tmp_path / f"w.{format}"
    file.write_bytes(content)
    assert refused_or_the_same(file, saved)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_every_flipped_bit_is_noticed(whole, saved, tmp_path, format):
    file = tmp_path / f"w.{format}"
    for at in range(8 * len(whole[format])):
        content = bytearray(whole[format])
        content[at // 8] ^= 1 << (at % 8)
        file.write_bytes(content)
        assert refused_or_the_same(file, saved), at


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_is_cut_off_is_noticed_wherever(whole, tmp_path, format):
    file = tmp_path / f"w.{format}"
    for length in range(len(whole[format])):
        file.write_bytes(whole[format][:length])
        with pytest.raises(AssemblerError):
            weights.read_file(file)


@pytest.mark.parametrize("format", FORMATS)
def test_a_checksum_that_is_gone_is_noticed(whole, tmp_path, format):
    content = whole[format].replace(b'"crc_num":', b'"crc_nun":')
    content = content[:-17] if format == "ckpt" else content
    file = tmp_path / f"w.{format}"
    file.write_bytes(content)
    with pytest.raises(AssemblerError, match="is damaged, or not a"):
        weights.load(model(2), file)


FLOATS = '{"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}'
INTEGERS = FLOATS.replace("F32", "I32")
TWICE = {
    "a": f'{{"a": {FLOATS}, "a": {INTEGERS}}}',
    "the same a": f'{{"a": {FLOATS}, "\\u0061": {INTEGERS}}}',
    "shape": f'{{"a": {FLOATS.replace("}", ", ")}"shape": [1, 2]}}}}',
    "dtype": f'{{"a": {FLOATS.replace("}", ", ")}"dtype": "I32"}}}}',
    "__metadata__": f'{{"__metadata__": {{"x": "1"}}, "__metadata__": {{"x": "2"}}, "a": {FLOATS}}}',
    "x": f'{{"__metadata__": {{"x": "1", "x": "2"}}, "a": {FLOATS}}}',
}


@pytest.mark.parametrize("key", TWICE)
def test_error_of_a_key_that_a_header_has_twice(tmp_path, key):
    header = TWICE[key].encode()
    file = tmp_path / "w.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(AssemblerError) as error:
        weights.read_file(file)
    assert str(error.value).startswith(f"{file} is damaged, or not a .safetensors file: ")
    said = (f"its header has '{key.removeprefix('the same ')}' twice", "duplicate field")  # the latter by safetensors
    assert any(one in str(error.value) for one in said)


# ---- writing


@pytest.mark.parametrize("format", FORMATS)
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, format):
    file = tmp_path / f"w.{format}"
    weights.save(model(1), file)
    old = file.read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(AssemblerError) as error:
        weights.save(model(2), file)
    assert str(error.value) == f"{file} cannot be written: No space left on device"
    assert file.read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("format", FORMATS)
def test_error_of_a_folder_that_cannot_be_written(tmp_path, format):
    with pytest.raises(AssemblerError, match="cannot be written: No such file or directory"):
        weights.save(small(), tmp_path / "nowhere" / f"w.{format}")
    with pytest.raises(AssemblerError, match="cannot be written: "):
        weights.save(small(), type(tmp_path)(f"/proc/w.{format}"))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"{PLATFORM}mounting a file system takes the rights of root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_leaves_the_old_file(small_disk, format, capfd):
    file = small_disk / f"w.{format}"
    weights.save(small(), file)
    old = file.read_bytes()
    capfd.readouterr()
    with pytest.raises(AssemblerError) as error:
        weights.save(model(stack="Dense(512, 512)"), file)
    assert str(error.value) == f"{file} cannot be written: No space left on device"
    assert file.read_bytes() == old
    assert [path.name for path in small_disk.iterdir()] == [file.name]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("format", FORMATS)
def test_a_read_only_disk_is_told(small_disk, format):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(AssemblerError) as error:
        weights.save(small(), small_disk / f"w.{format}")
    assert str(error.value) == f"{small_disk / f'w.{format}'} cannot be written: Read-only file system"


SAVES = """\
import sys
from pathlib import Path
import mindspore
from assembler import assemble
from assembler.model import weights
from assembler.runtime import device
one, other = assemble("64 * Dense(64, 64)"), assemble("64 * Dense(64, 64)")
for cell, fill in ((one, 1.0), (other, 2.0)):
    for parameter in cell.get_parameters():
        parameter.set_data(mindspore.Tensor(parameter.asnumpy() * 0 + fill))
file = Path(sys.argv[1])
weights.save(one, file)
print("ready", flush=True)
while True:
    weights.save(other, file)
    weights.save(one, file)
"""


@contextmanager
def started(script, *arguments):
    """A process that runs a script, and is killed in the end."""
    command = [sys.executable, "-W", "ignore", str(script), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def holds_one_of_both(file):
    arrays = weights.read_file(file).arrays
    return len(arrays) == 128 and len({float(array.flat[0]) for array in arrays.values()}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_kill_at_any_instant_leaves_a_whole_file(tmp_path, format):
    """Fifty times, killed between 0 and 50 ms after it began to save over and over."""
    script, file = tmp_path / "saves.py", tmp_path / f"w.{format}"
    script.write_text(SAVES)
    generator = random.Random(0)
    for _ in range(25):
        with started(script, file) as one, started(script, file) as other:  # two runs that save to one path
            for process in (one, other):
                assert process.stdout.readline() == b"ready\n"
            time.sleep(generator.uniform(0, 0.05))
            for process in (one, other):
                process.kill()
                process.wait()
                assert holds_one_of_both(file)
    assert all(path.name.startswith(".") for path in tmp_path.iterdir() if path not in (script, file))


LINKS = {
    "to a file": {"w": "there"},
    "to a link": {"w": "again", "again": "there"},
    "to a folder above": {"w": "../here/there"},
    "to a file that is yet to be": {"w": "new"},
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("links", LINKS.values(), ids=LINKS)
def test_a_link_stays_one_and_its_target_is_written(tmp_path, links, format):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / f"there.{format}").write_text("old")
    for name, target in links.items():
        (folder / f"{name}.{format}").symlink_to(f"{target}.{format}")
    before = {path.name for path in folder.iterdir()}
    weights.save(model(1), folder / f"w.{format}")
    target = (folder / f"w.{format}").resolve()
    assert (folder / f"w.{format}").is_symlink()
    assert not target.is_symlink()
    other = model(2)
    weights.load(other, target)
    assert same(values(other), values(model(1)))
    assert {path.name for path in folder.iterdir()} == before | {target.name}


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("w.ckpt", "Too many levels of symbolic links"),
        ("nowhere/w.ckpt", "No such file or directory"),
        ("folder", "Is a directory"),
    ],
)
def test_error_of_a_link_that_leads_to_no_file(tmp_path, target, why):
    (tmp_path / "folder").mkdir()
    file = tmp_path / "w.ckpt"
    file.symlink_to(target)
    with pytest.raises(AssemblerError) as error:
        weights.save(small(), file)
    assert str(error.value) == f"{file} cannot be written: {why}"


@pytest.mark.slow
def test_two_runs_that_save_to_one_path_leave_the_file_of_one(tmp_path):
    script, file = tmp_path / "saves.py", tmp_path / "w.safetensors"
    script.write_text(SAVES)
    with started(script, file) as one, started(script, file) as other:
        for process in (one, other):
            assert process.stdout.readline() == b"ready\n"
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert holds_one_of_both(file)


# ---- as a person types it


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("recipe", every_third(["bert_small", "lenet5", "mylinear"]))
def test_what_a_run_saves_another_loads(run, tmp_path, recipe, format):
    small = ["recipe.params={width: 16, heads: 2, depth: 1, vocabulary: 30, positions: 8}", "~recipe.expect",
             "recipe.inputs.words={shape: [2, 6], sample: integers, high: 30}",
             "recipe.inputs.segments={shape: [2, 6], sample: integers, high: 2}"]  # fmt: skip
    chosen = ["recipe=bert_base", *small] if recipe == "bert_small" else [f"recipe={recipe}"]
    first = run(*chosen, f"weights.save=w.{format}", "seed=1", "checks=none")
    assert (first.code, first.err) == (0, "")
    assert f"parameters saved in w.{format}\n" in first.out
    one = json.loads((first.folder / "result.json").read_text())
    assert one["weights"]["saved"] == f"w.{format}"
    second = run(*chosen, f"weights.load=w.{format}", "seed=2", "checks=none")
    assert (second.code, second.err) == (0, "")
    other = json.loads((second.folder / "result.json").read_text())
    count = len(one["parameters"])
    assert f"{count} parameters loaded from w.{format}\n" in second.out
    assert other["weights"] == {
        "loaded": f"w.{format}", "parameters_loaded": count, "missing": [], "extra": [], "saved": None,
    }  # fmt: skip
    assert {one["set_by"] for one in other["parameters"]} == {f"w.{format}"}
    statistics = ("name", "mean", "std", "min", "max")
    assert [[p[key] for key in statistics] for p in one["parameters"]] == [
        [p[key] for key in statistics] for p in other["parameters"]
    ]


def test_a_file_carries_the_resolved_recipe_and_the_versions(run, tmp_path):
    done = run("recipe=lenet5", "weights.save=w.safetensors", "checks=none")
    with safe_open(tmp_path / "w.safetensors", "np") as file:
        about = file.metadata()
    assert about["recipe"] == (done.folder / "recipe.yaml").read_text()
    assert set(json.loads(about["versions"])) == {"python", "assembler", "mindspore", "numpy", "hydra-core"}


def test_error_of_weights_on_the_command_line(run, tmp_path):
    run("weights.save=w.safetensors", "checks=none")
    done = run("recipe=mylinear", "weights.load=w.safetensors")
    assert done.code == 2
    assert done.err == (
        "override weights.load=w.safetensors: w.safetensors does not fit the model:\n"
        "  0.weight is (128, 8) in the file, and (64, 8) in the model\n"
        "  0.bias is (128,) in the file, and (8,) in the model\n"
        "  1.weight (8, 1) is not in the file\n"
        "  1.bias (1,) is not in the file\n"
        f"  {WAYS_OUT}\n"
    )
    for arguments, message in (
        (["weights.save=nowhere/w.ckpt"], "nowhere/w.ckpt cannot be written: there is no folder nowhere"),
        (["weights.save=w.pt"], "a parameter file must end in .safetensors or .ckpt, not w.pt"),
        (
            ["weights.load=w.h5"],
            "a parameter file must end in .safetensors, .ckpt, .index.json, .pth, .pt or .bin, not w.h5",
        ),
    ):
        done = run(*arguments)
        assert (done.code, done.err) == (2, f"override {arguments[0]}: {message}\n")
        assert "passed" not in done.out
    done = run("weights.rename={a.*: b.*}")
    assert (done.code, done.err) == (2, "weights.rename requires weights.load\n")
    done = run("task=plan", "weights.load=w.ckpt")
    assert (done.code, done.err) == (2, "weights.load applies to task=check or export or bench, not task=plan\n")


def test_a_rename_on_the_command_line(run, tmp_path):
    save_file(
        {"fc1.weight": np.ones((128, 8), np.float32), "fc1.bias": np.ones(128, np.float32)}, tmp_path / "w.safetensors"
    )
    done = run("weights.load=w.safetensors", "weights.rename={fc1.*: 0.*}")
    assert (done.code, done.err) == (0, "")
    assert "2 parameters loaded from w.safetensors\n" in done.out
    done = run("weights.load=w.safetensors", "weights.rename={fc2.*: 0.*}")
    assert (done.code, done.err.splitlines()[0]) == (
        2, "override weights.rename={fc2.*: 0.*}: 'fc2.*' matches nothing in w.safetensors, which has fc1.bias, fc1.weight"
    )  # fmt: skip


def test_a_head_is_left_out_on_the_command_line_as_the_message_says(run, tmp_path):
    common = ("recipe=inline", "recipe.input.shape=[4,8]", "checks=none")
    run(*common, "recipe.stack='Dense(8, 4) + Dense(4, 3)'", "weights.save=w.ckpt")
    other = (*common, "recipe.stack='Dense(8, 4) + Dense(4, 9)'", "weights.load=w.ckpt")
    said = next(line for line in run(*other).err.splitlines() if "loads all but" in line)
    done = run(*other, *shlex.split(said.partition(" loads ")[0]))
    assert (done.code, done.err) == (0, "")
    assert "2 parameters loaded from w.ckpt; 2 of the model's are not in the file" in done.out


def test_weights_are_saved_even_if_a_check_fails(run, tmp_path):
    done = run("recipe.checks.mean.equals=1", "weights.save=w.safetensors")
    assert done.code == 1
    assert weights.read_file(tmp_path / "w.safetensors").arrays.keys() == {"0.weight", "0.bias"}
