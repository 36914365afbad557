"""torchvision's networks without its compiled operators, which need the build of torch that they were compiled with."""

import importlib
import re
from pathlib import Path

import pytest


def models():
    """``torchvision.models``. Where the compiled operators cannot be loaded, names are declared for the import.

    Classifiers use none of the operators. ``import torchvision`` registers shapes for them, and fails if they are
    not there.
    """
    pytest.importorskip("torch")
    try:
        return importlib.import_module("torchvision.models")
    except ModuleNotFoundError:
        pytest.skip("torchvision is not installed")
    except RuntimeError:  # "operator torchvision::nms does not exist"
        _declare()
        return importlib.import_module("torchvision.models")


def _declare():
    import torch

    spec = importlib.util.find_spec("torchvision")
    text = (Path(spec.submodule_search_locations[0]) / "_meta_registrations.py").read_text()
    _declare.library = torch.library.Library("torchvision", "DEF")  # what it declares ends with it
    for name in sorted(set(re.findall(r'"torchvision::(\w+)"', text))):
        _declare.library.define(f"{name}(Tensor x) -> Tensor")
