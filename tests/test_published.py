"""Files of other frameworks: they load with no rule, and the network computes the same as there."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from mindspore import Tensor

from assembler import plan
from assembler.model import weights
from assembler.model.build import build
from assembler.reading.recipe_files import load_recipe
from tests.conftest import ROOT

NETWORKS = {"torchvision/resnet18": {}, "torchvision/resnet50": {}}
"""Which network, and what its recipe changes."""


def written(name, folder):
    """A file of its weights with its input and output, from a process of its own."""
    for package in ("torch", name.partition("/")[0]):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    command = [sys.executable, "-W", "ignore", "-m", "tests.published", name, str(folder)]
    subprocess.run(command, check=True, cwd=ROOT)
    return folder / "w.safetensors", np.load(folder / "example.npz")


def planned(name, **changes):
    recipe = load_recipe(ROOT / "conf" / "recipe" / f"{name}.yaml")
    recipe["params"] |= changes.pop("params", {})
    return plan(recipe | {"expect": {}, **changes})


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_published_network_loads_and_computes_the_same(tmp_path, name):
    file, example = written(name, tmp_path)
    made = planned(name.partition("/")[2], **NETWORKS[name])
    model = build(made)
    loaded = weights.load(model, file, planned=made)
    assert (len(loaded.names), loaded.missing, loaded.extra) == (len(list(made.weights())), (), ())
    expected = example["output"]
    found = model(Tensor(example["given"])).asnumpy()
    assert np.ptp(expected) > 1e-6
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
