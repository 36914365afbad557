"""Checkpoints of mindcv's own networks: they load with no rule, and the network computes the same as there."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn

from assembler import plan
from assembler.errors import AssemblerError
from assembler.model import weights
from assembler.model.build import build
from assembler.reading.recipe_files import load_recipe
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # other people's


def padded_pool(net):
    """mindcv pads at the end alone, and torchvision and the recipe on both sides."""
    net.max_pool = nn.MaxPool2d(3, 2, pad_mode="pad", padding=1)


def nothing(net):
    """It computes the same."""


NETWORKS = {
    "resnet18": ("resnet18", padded_pool),
    "resnet34": ("resnet34", padded_pool),
    "resnet50": ("resnet50", padded_pool),
    "resnext50_32x4d": ("resnext50_32x4d", padded_pool),
    "densenet121": ("densenet121", nothing),
    "mobilenet_v2": ("mobilenet_v2_100", nothing),
    "convnext_tiny": ("convnext_tiny", nothing),
    "vit_b_16": ("vit_b_16_224", nothing),
    "regnet_x_800mf": ("regnet_x_800mf", nothing),
    "swin_t": ("swin_tiny", nothing),
    "efficientnet_b0": ("efficientnet_b0", None),
    "squeezenet1_1": ("squeezenet1_1", None),
    "googlenet": ("googlenet", None),
    "inception_v3": ("inception_v3", None),
}
"""Recipe → the network of mindcv, and what makes it compute the same; None if that is more than a layer."""

WITHOUT_BIASES = {
    "vgg16": ("vgg16", 13),
    "shufflenet_v2_x0_5": ("shufflenet_v2_x0_5", 1),
    "mixer_b16": ("mlp_mixer_b_p16", 1),
}
"""Recipe → the network of mindcv, and how many biases it does without."""


def stored(name, folder):
    """The network with random weights, and its file."""
    mindcv = pytest.importorskip("mindcv", reason="mindcv has no wheel for this Python")
    net = mindcv.create_model(name)
    generator = np.random.default_rng(0)
    for one in net.get_parameters():
        if not one.requires_grad and "moving" not in one.name:
            continue  # masks and indices
        if "moving_var" in one.name:
            values = generator.uniform(0.5, 2, one.shape)
        elif one.ndim < 2:
            values = generator.normal(0.5, 0.3, one.shape)
        else:
            values = generator.normal(0, (2 / np.prod(one.shape[1:])) ** 0.5, one.shape)
        one.set_data(Tensor(values.astype(np.float32)))
    mindspore.save_checkpoint(net, str(folder / "w.ckpt"))
    return net.set_train(False), folder / "w.ckpt"


def planned(name):
    return plan(load_recipe(ROOT / "conf" / "recipe" / f"{name}.yaml") | {"expect": {}})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_checkpoint_of_mindcv_loads_and_computes_the_same(tmp_path, name):
    other, change = NETWORKS[name]
    net, file = stored(other, tmp_path)
    made = planned(name)
    model = build(made)
    loaded = weights.load(model, file, planned=made)
    assert (len(loaded.names), loaded.missing, loaded.extra) == (len(list(made.weights())), (), ())
    if change is None:
        return
    change(net)
    x = Tensor(np.random.default_rng(1).normal(size=(1, 3, 224, 224)).astype(np.float32))
    expected, found = net(x).asnumpy(), model.set_train(False)(x).asnumpy()
    assert np.ptp(expected) > 1e-6
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", WITHOUT_BIASES)
def test_error_of_biases_that_mindcv_does_without(tmp_path, name):
    other, count = WITHOUT_BIASES[name]
    _, file = stored(other, tmp_path)
    made = planned(name)
    with pytest.raises(AssemblerError) as error:
        weights.load(build(made), file, planned=made)
    lines = str(error.value).splitlines()
    assert [line.endswith("is not in the file") for line in lines[1 : 1 + count]] == [True] * count
    assert lines[-1].startswith("  rename maps names")
