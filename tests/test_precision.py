"""Types of float, and mixtures of them."""

import json

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from assembler import assemble
from assembler.model.precision import mixed
from assembler.runtime import device
from tests.conftest import ROOT

IMAGES = "Conv2d(1, 4, 3) + BatchNorm2d(4) + ReLU + Flatten + Dense(256, 8) + LayerNorm((8,)) + Softmax"
SEQUENCES = "Attention(8, 2) + LSTM(8, 4)"
LEVELS = {
    # The dtype in which each layer of IMAGES computes
    "O1": ["float16", "float32", "float32", "float32", "float16", "float32", "float32"],
    "O2": ["float16", "float32", "float16", "float16", "float16", "float32", "float16"],
    "O3": ["float16"] * 7,
}


def sample(*shape):
    return Tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32))


SLOW = pytest.mark.slow


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("mode", ["pynative", pytest.param("graph", marks=SLOW)])
@pytest.mark.parametrize(("stack", "shape"), [(IMAGES, (2, 1, 8, 8)), (SEQUENCES, (3, 2, 8))])
def test_a_mixed_model_agrees_and_emits_float32_under_the_same_names(level, mode, stack, shape):
    model = assemble(stack, input=shape)
    names = [one.name for one in model.get_parameters()]
    x = sample(*shape)
    with device.mode(mode), device.contained():
        plain = model(x)
        made = mixed(model, level)
        found = made(x)
    first = plain[0] if isinstance(plain, tuple) else plain
    other = found[0] if isinstance(found, tuple) else found
    assert other.dtype == mindspore.float32
    assert [one.name for one in made.get_parameters()] == names
    assert {str(one.dtype) for one in made.get_parameters()} == {"Float32"}
    apart = np.abs(first.asnumpy() - other.asnumpy()).max()
    assert 0 < apart < 0.01


@pytest.mark.parametrize(("level", "types"), LEVELS.items())
def test_a_level_turns_the_layers_that_it_is_said_to(level, types):
    model = assemble(IMAGES, input=(2, 1, 8, 8))
    cells = list(model)
    made = mixed(model, level)
    found = [str(cell.get_mixed_precision_type()).rpartition(".")[2].lower() for cell in cells]
    expected = {"float16": "fp16", "float32": "fp32"}
    assert found == [expected[one] for one in types]
    made(sample(2, 1, 8, 8))


def test_o0_is_the_model_itself():
    model = assemble("Dense(8, 4)")
    assert mixed(model, "O0") is model


@pytest.mark.parametrize("level", [pytest.param("O1", marks=SLOW), "O2", pytest.param("O3", marks=SLOW)])
@pytest.mark.parametrize("mode", ["pynative", pytest.param("graph", marks=SLOW)])
def test_a_run_with_mixed_precision(run, tmp_path, level, mode):
    done = run("recipe=lenet5", f"amp={level}", f"mode={mode}", "checks=full", "weights.save=w.safetensors")
    assert (done.code, done.err) == (0, ""), done.out
    data = json.loads((done.folder / "result.json").read_text())
    assert data["amp"] == level
    assert f"{mode} mode, float32 with amp {level}, seed 0" in " ".join(done.out.split())
    # What MindSpore writes into the working directory at O1 is not there.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "w.safetensors"]


def test_mixed_precision_goes_into_float32_alone(run):
    done = run("amp=O2", "dtype=float64")
    assert (done.code, done.err) == (
        2, "override amp=O2: amp=O2 mixes float16 into a float32 model; it requires dtype=float32, not float64\n"
    )  # fmt: skip


def test_a_fault_in_a_mixed_model_has_its_layer(run, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.assembler]\ntrusted = ["theirs"]\n')
    (tmp_path / "theirs.py").write_text(
        "from mindspore import nn\n\n\nclass Odd(nn.Cell):\n    def construct(self, x):\n"
        "        if float(x.sum()) != 0:\n            raise KeyError('odd')\n        return x\n"
    )
    done = run("+registry.mine.Odd=theirs.Odd", 'recipe.stack="Dense(8, 8) + Residual(Dense(8, 8) + Odd)"', "amp=O2")
    assert done.code == 2
    assert "#1.inner.1 Odd raised KeyError: 'odd'" in done.err


def test_layers_without_kernels_are_refused_by_name_before_anything_is_built(run, monkeypatch):
    from assembler.model import build

    monkeypatch.setattr(build, "build", lambda *arguments: 1 / 0)
    done = run("dtype=bfloat16")
    assert done.code == 2
    lines = [line.partition(": ")[2] for line in done.err.splitlines() if "cannot run in" in line]
    assert [line.partition(":")[0] for line in lines] == [
        "#0 Dense(8, 128) cannot run in bfloat16 on cpu", "#1 Centered cannot run in bfloat16 on cpu",
    ]  # fmt: skip
    assert "Traceback" not in done.err


def test_of_a_layer_that_is_used_again_and_again_it_is_told_once(run):
    done = run("recipe=inline", 'recipe.stack="3 * (Dense(8, 8) + ReLU)"', "dtype=bfloat16")
    assert done.err.count("cannot run in bfloat16") == 1 + done.err.count("ReLU cannot")


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_gpt2_in_another_precision(run, dtype):
    done = run(*GPT2, f"dtype={dtype}", "recipe.params.tied=false")
    assert (done.code, done.err) == (0, "")


GPT2 = (
    "recipe=gpt2_small",
    "~recipe.expect",
    "recipe.params={vocabulary: 50, positions: 16, width: 16, depth: 2, heads: 2}",
    "recipe.input={shape: [2, 8], sample: integers, high: 50}",
)
IMAGES_SMALL = ("~recipe.expect", "recipe.input.shape=[2,3,64,64]")  # of 32 × 32, BatchNorm sees two values at last
ZOO = {
    "lenet5": ("recipe=lenet5",),
    "gpt2_small": GPT2,
    "resnet18": ("recipe=resnet18", *IMAGES_SMALL),
    "mobilenet_v2": ("recipe=mobilenet_v2", *IMAGES_SMALL),
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_passes_all_checks(run, name, mode):
    done = run(*ZOO[name], "checks=full", f"mode={mode}")
    assert (done.code, done.err) == (0, ""), done.out


@pytest.mark.slow
def test_every_level_is_in_the_help(run):
    assert "amp     O0 to O3: mixed precision" in run("--help").out
    assert "amp: O0" in (ROOT / "conf" / "assembler.yaml").read_text()


def test_the_guard_comes_before_kernels_are_tried(run):
    done = run("recipe=inline", 'recipe.stack="Dense(8, 1000000000000)"', "dtype=bfloat16", "checks=none")
    assert done.code == 2
    assert done.err.startswith("the model needs 176.4 TiB (16.4 TiB of parameters")
