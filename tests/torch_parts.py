"""Networks of PyTorch in inference, the tensors in them, and what they emit."""

import importlib
import importlib.util
import re
from pathlib import Path

import pytest


def torchvision_network(name):
    """One of ``torchvision.models``, with random weights and its auxiliary heads."""
    torch = pytest.importorskip("torch")
    models = torchvision_models()
    torch.manual_seed(0)
    more = {"aux_logits": True, "init_weights": False} if name == "inception_v3" else {}
    return trained(getattr(models, name)(**more))


def trained(network):
    """A network with random scales and statistics, as after training, so that they count."""
    import torch

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.normal_(0.5, 0.3)
                module.bias.normal_(0.5, 0.3)
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
            elif type(module).__name__ == "CNBlock":
                module.layer_scale.normal_()
    return network.eval()


def tensors(network):
    """Those of every layer by MindSpore's names, in the order of our recipes: what is beside a block is last in it."""
    blocks = {}
    for name, module in network.named_modules():
        if given := _tensors_of(module):
            last = ".proj." in name or type(module).__name__ == "CNBlock"
            found = {kind: tensor.detach().numpy() for kind, tensor in given.items()}
            blocks.setdefault(re.split(r"\.(?:block|f|proj)\.", name)[0], []).append((last, found))
    return [found for block in blocks.values() for _, found in sorted(block, key=lambda one: one[0])]


def _tensors_of(module):
    from torch import nn

    match module:
        case nn.BatchNorm2d():
            statistics = {"moving_mean": module.running_mean, "moving_variance": module.running_var}
            return {"gamma": module.weight, "beta": module.bias, **statistics}
        case nn.LayerNorm():
            return {"gamma": module.weight, "beta": module.bias}
        case nn.Conv1d() | nn.Conv2d() | nn.ConvTranspose2d() | nn.Linear():
            return {"weight": module.weight} | ({} if module.bias is None else {"bias": module.bias})
        case nn.Embedding():
            return {"embedding_table": module.weight}
    return {"gamma": module.layer_scale} if type(module).__name__ == "CNBlock" else {}


def outputs(network, *inputs):
    """What a network emits, as a list of arrays. Inception's auxiliary output, which it has in training only, is last."""
    import torch

    seen = []
    if hasattr(network, "AuxLogits"):
        network.Mixed_6e.register_forward_hook(lambda module, inputs, output: seen.append(network.AuxLogits(output)))
    with torch.no_grad():
        emitted = network(*map(torch.tensor, inputs))
    return [one.numpy() for one in (*(emitted if isinstance(emitted, tuple) else [emitted]), *seen)]


def torchvision_models():
    """``torchvision.models``. Its compiled operators need the build of torch that they were compiled with.

    Networks that classify use none of them, but ``import torchvision`` gives shapes to some, and fails without.
    """
    try:
        return importlib.import_module("torchvision.models")
    except ModuleNotFoundError:
        pytest.skip("torchvision is not installed")
    except RuntimeError:  # "operator torchvision::nms does not exist"
        _declare_operators()
        return importlib.import_module("torchvision.models")


def beside_torchvision(module):
    """A module such as ``transformers`` or ``timm``, which imports torchvision if that is installed."""
    if importlib.util.find_spec("torchvision"):
        torchvision_models()
    return pytest.importorskip(module)


def _declare_operators():
    import torch

    folder = Path(importlib.util.find_spec("torchvision").submodule_search_locations[0])
    library = torch.library.Library("torchvision", "DEF")
    for name in sorted(set(re.findall(r'"torchvision::(\w+)"', (folder / "_meta_registrations.py").read_text()))):
        library.define(f"{name}(Tensor x) -> Tensor")
    _declare_operators.library = library  # what it declares ends with it
