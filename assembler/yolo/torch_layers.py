"""Torch's layers, which Ultralytics' files name as ``nn.Dropout``, with MindSpore's arguments.

MindSpore's layer of the same name often has another order or other defaults: ``Dropout`` has the part to keep first,
``MaxPool2d`` a stride of 1. Those of ``mint`` are like torch's, but convolutions and pooling among them have no kernels
for a CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assembler.language.recipe import Layer
from assembler.yolo.translation import Signature, translate

_PADDED = {"pad_mode": "pad"}
_POOLED = {"stride": "kernel_size", **_PADDED}
_QUIET = Signature("inplace=")

SIGNATURES: Mapping[str, Signature] = {
    "nn.ReLU": _QUIET,
    "nn.ReLU6": _QUIET,
    "nn.SiLU": _QUIET,
    "nn.Mish": _QUIET,
    "nn.Hardswish": _QUIET,
    "nn.Sigmoid": Signature(),
    "nn.Tanh": Signature(),
    "nn.GELU": Signature(otherwise={"approximate": False}),
    "nn.LeakyReLU": Signature("negative_slope=alpha inplace=", 1, {"alpha": 0.01}),
    "nn.Dropout": Signature("p inplace=", 0, {"p": 0.5}),
    "nn.Flatten": Signature("start_dim end_dim", 2),
    "nn.ZeroPad2d": Signature("padding", 1),
    "nn.Upsample": Signature(
        "size=sizes scale_factor=scales mode align_corners=", 3, only={"align_corners": (None, False)}
    ),
    "nn.AdaptiveAvgPool2d": Signature("output_size", 1),
    "nn.MaxPool2d": Signature("kernel_size stride padding dilation return_indices ceil_mode", 2, _POOLED),
    "nn.AvgPool2d": Signature("kernel_size stride padding ceil_mode count_include_pad divisor_override", 2, _POOLED),
    "nn.Linear": Signature("in_features=in_channels out_features=out_channels bias=has_bias", 2),
    "nn.Conv2d": Signature(
        "in_channels out_channels kernel_size stride padding dilation groups=group bias=has_bias",
        4,
        {**_PADDED, "has_bias": True},
    ),
    "nn.ConvTranspose2d": Signature(
        "in_channels out_channels kernel_size stride padding output_padding groups=group bias=has_bias dilation",
        4,
        {**_PADDED, "has_bias": True},
    ),
}


def translate_torch(name: str, layer: Layer) -> Layer:
    """A layer of torch's with the arguments that MindSpore's has; its lists become tuples.

    Args:
        name: torch's, as ``nn.Dropout``.
        layer: with MindSpore's name, and torch's arguments.

    Raises:
        GrammarError: an argument that it does not have here.
    """
    args = tuple(map(_frozen, layer.args))
    kwargs = tuple((word, _frozen(value)) for word, value in layer.kwargs)
    return translate(name, SIGNATURES[name], replace(layer, args=args, kwargs=kwargs))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
