"""Files of other frameworks: they load with no rule, and the network computes the same as there."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from mindspore import Tensor
from safetensors.numpy import load_file

from assembler import plan
from assembler.model import weights
from assembler.model.build import build
from assembler.reading.recipe_files import load_recipe
from tests.conftest import ROOT

TOKENS = {"shape": [2, 16], "sample": "integers", "high": 97}
SMALL = {"vocabulary": 97, "width": 48, "depth": 2, "heads": 4}

NETWORKS = {
    **{f"torchvision/{name}": {} for name in ("resnet18", "resnet50", "vgg16", "vgg16_bn", "densenet121",
       "mobilenet_v2", "squeezenet1_1", "alexnet", "convnext_tiny", "vit_b_16", "resnet34", "resnext50_32x4d",
       "efficientnet_b0", "regnet_x_800mf", "shufflenet_v2_x0_5", "swin_t", "inception_v3")},
    "torchvision/googlenet": {"params": {"norm": True}},
    "timm/mixer_b16": {},
    "transformers/bert_base": {
        "params": {**SMALL, "positions": 32},
        "inputs": {"words": TOKENS, "segments": {**TOKENS, "high": 2}},
    },
    "transformers/gpt2_small": {"params": {**SMALL, "positions": 32}, "input": TOKENS},
    "transformers/llama2_7b": {"params": {**SMALL, "hidden": 80, "kv_heads": 4}, "input": TOKENS},
    "transformers/llama2_7b, grouped": {"params": {**SMALL, "hidden": 80, "kv_heads": 2}, "input": TOKENS},
    "torch/unet": {"params": {"width": 8}, "input": {"shape": [1, 1, 32, 32]}},
    "torch/lstm": {"graph": {"states": "LSTM(5, 6, 2, batch_first=True, bidirectional=True)",
                             "logits": "Dense(12, 3) @ states[0]"}, "input": {"shape": [2, 7, 5]}},
    "torch/gru": {"graph": {"states": "GRU(5, 6, 2, batch_first=True, bidirectional=True)",
                            "logits": "Dense(12, 3) @ states[0]"}, "input": {"shape": [2, 7, 5]}},
    "torch/conv1d": {"stack": "Conv1d(3, 4, 5, pad_mode='valid', has_bias=True) + GroupNorm(2, 4)",
                     "input": {"shape": [2, 3, 9]}},
}  # fmt: skip
"""Which network, and what its recipe changes; those without a recipe are written here."""


def written(name, folder):
    """A file of its weights with its input and output, from a process of its own."""
    for package in ("torch", name.partition("/")[0]):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    command = [sys.executable, "-W", "ignore", "-m", "tests.published", name, str(folder)]
    subprocess.run(command, check=True, cwd=ROOT)
    return folder / "w.safetensors", np.load(folder / "example.npz")


def planned(name, **changes):
    file = ROOT / "conf" / "recipe" / f"{name}.yaml"
    recipe = load_recipe(file) if file.exists() else {"name": name}
    recipe["params"] = recipe.get("params", {}) | changes.pop("params", {})
    return plan(recipe | {"expect": {}, **changes})


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_published_network_loads_and_computes_the_same(tmp_path, name):
    file, example = written(name, tmp_path)
    made = planned(name.partition("/")[2].partition(",")[0], **NETWORKS[name])
    model = build(made)
    loaded = weights.load(model, file, planned=made)
    assert (len(loaded.names), loaded.missing, loaded.extra) == (len(list(made.weights())), (), ())
    given = [array for key, array in example.items() if key.startswith("given")]
    found = model(*(Tensor(one.astype(np.int32) if one.dtype == np.int64 else one) for one in given))
    found = (found[0] if isinstance(found, tuple) else found).asnumpy()
    expected = example["output"]
    assert np.ptp(expected) > 1e-6
    bound = 1e-4 if "transformers" in name else 1e-5
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * np.abs(expected).max())
    weights.save(model, tmp_path / "again.safetensors", names="torch", loaded=loaded)
    before, again = load_file(file), load_file(tmp_path / "again.safetensors")
    assert before.keys() == again.keys()
    assert all(np.array_equal(array, before[key]) and array.dtype == before[key].dtype for key, array in again.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "swin_t"])
def test_what_is_written_is_taken_by_pytorch(tmp_path, name):
    file, _ = written(f"torchvision/{name}", tmp_path)
    made = planned(name)
    model = build(made)
    loaded = weights.load(model, file, planned=made)
    weights.save(model, tmp_path / "again.safetensors", names="torch", loaded=loaded)
    code = (
        "import sys; from safetensors.torch import load_file; from tests.torch_parts import torchvision_models; "
        f"print(torchvision_models().{name}().load_state_dict(load_file(sys.argv[1]), strict=True))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "again.safetensors")]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "<All keys matched successfully>\n"
