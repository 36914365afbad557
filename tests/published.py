"""Published networks with random weights: writes their files, an input and the output, in a process without MindSpore.

python -m tests.published torchvision/resnet18 FOLDER
"""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

IMAGE = (1, 3, 224, 224)


def torchvision():
    """It imports although its compiled operators do not fit this build of torch: they are declared, and never run."""
    root = Path(importlib.util.find_spec("torchvision").submodule_search_locations[0])
    text = (root / "_meta_registrations.py").read_text()
    library = torch.library.Library("torchvision", "DEF")
    for name in sorted({*re.findall(r'"torchvision::(\w+)"', text), *re.findall(r'register_meta\("(\w+)"', text)}):
        library.define(f"{name}(Tensor x) -> Tensor")
    torchvision.library = library  # the operators live as long as it does
    from torchvision import models

    return models


def image(make):
    return make(), torch.randn(IMAGE)


NETWORKS = {
    **{
        f"torchvision/{name}": lambda name=name: image(getattr(torchvision(), name))
        for name in ("resnet18", "resnet50")
    },
}
"""What to call for the module and its input."""


def randomized(module):
    """Weights of a size at which every layer counts, and statistics as after training."""
    for name, tensor in module.state_dict().items():
        if "running_var" in name:
            tensor.uniform_(0.5, 2)
        elif tensor.is_floating_point() and tensor.ndim < 2:
            tensor.normal_(0.5, 0.3)
        elif tensor.is_floating_point():
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
    return module.eval()


def main(name, folder):
    torch.manual_seed(0)
    with torch.no_grad():
        module, given = NETWORKS[name]()
        output = randomized(module)(given)
    if not isinstance(output, torch.Tensor):
        output = output["logits"] if "logits" in output else output[0]
    folder = Path(folder)
    save_file({key: one.contiguous().clone() for key, one in module.state_dict().items()}, folder / "w.safetensors")
    np.savez(folder / "example.npz", given=given.numpy(), output=output.numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
