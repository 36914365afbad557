"""torchvision's networks, the tensors in them, and what they emit."""

import importlib
import re
from pathlib import Path

import pytest


def network(name):
    """One of ``torchvision.models`` in inference, with random weights and statistics; with auxiliary heads."""
    torch = pytest.importorskip("torch")
    models = _models()
    torch.manual_seed(0)
    more = {"aux_logits": True, "init_weights": False} if name == "inception_v3" else {}
    made = getattr(models, name)(**more).eval()
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # as after training, so that they count
                module.weight.normal_(0.5, 0.3)
                module.bias.normal_(0.5, 0.3)
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
            elif type(module).__name__ == "CNBlock":
                module.layer_scale.normal_()
    return made


def tensors(network):
    """Those of every layer by MindSpore's names, in the order of our recipes: what runs beside a block is last."""
    torch = pytest.importorskip("torch")
    norms = (torch.nn.BatchNorm2d, torch.nn.LayerNorm)
    blocks = {}
    for name, module in network.named_modules():
        block = blocks.setdefault(re.split(r"\.(?:block|f|proj)\.", name)[0], [])
        if isinstance(module, norms):
            given = {"gamma": module.weight, "beta": module.bias}
            if isinstance(module, torch.nn.BatchNorm2d):
                given |= {"moving_mean": module.running_mean, "moving_variance": module.running_var}
        elif isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            given = {"weight": module.weight} | ({} if module.bias is None else {"bias": module.bias})
        elif type(module).__name__ == "CNBlock":
            given = {"gamma": module.layer_scale}
        else:
            continue
        block.append(({kind: tensor.detach().numpy() for kind, tensor in given.items()}, _last(name, module)))
    return [given for block in blocks.values() for given, last in sorted(block, key=lambda one: one[1])]


def _last(name, module):
    return ".proj." in name or type(module).__name__ == "CNBlock"


def outputs(network, x):
    """What a network emits, auxiliary outputs after the others: it computes those in training only."""
    torch = pytest.importorskip("torch")
    seen = []
    if hasattr(network, "AuxLogits"):
        network.Mixed_6e.register_forward_hook(lambda module, inputs, output: seen.append(network.AuxLogits(output)))
    with torch.no_grad():
        return [one.numpy() for one in (network(torch.tensor(x)), *seen)]


def _models():
    """``torchvision.models``. Its compiled operators need the build of torch that they were compiled with.

    Networks that classify use none of them, but ``import torchvision`` gives shapes to two of them, and fails without.
    """
    try:
        return importlib.import_module("torchvision.models")
    except ModuleNotFoundError:
        pytest.skip("torchvision is not installed")
    except RuntimeError:  # "operator torchvision::nms does not exist"
        _declare_operators()
        return importlib.import_module("torchvision.models")


def _declare_operators():
    import torch

    folder = Path(importlib.util.find_spec("torchvision").submodule_search_locations[0])
    library = torch.library.Library("torchvision", "DEF")
    for name in sorted(set(re.findall(r'"torchvision::(\w+)"', (folder / "_meta_registrations.py").read_text()))):
        library.define(f"{name}(Tensor x) -> Tensor")
    _declare_operators.library = library  # what it declares ends with it
