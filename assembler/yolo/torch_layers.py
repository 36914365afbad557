"""Torch's layers, which Ultralytics' files name as ``nn.Dropout``, in MindSpore's words.

Of the layers of that name, MindSpore's often order their arguments otherwise, or begin with other values: ``Dropout``
has the part to keep first, ``MaxPool2d`` a stride of 1. Those of ``mint`` are like torch's, but convolutions and
pooling among them have no kernels for a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from assembler.errors import GrammarError, Place
from assembler.language.recipe import Layer


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of a layer of torch's.

    Args:
        words: their names, in torch's order; ``bias=has_bias`` if it is another here, ``inplace=`` if it has no effect.
        same: how many of them come first here, too.
        otherwise: what is given here unless the file says it, because it is not the same by default; or the argument
            that it is taken from, such as ``{"stride": "kernel_size"}``.
    """

    words: str = ""
    same: int = 0
    otherwise: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, str]:
        """Torch's names and ours."""
        pairs = (word.partition("=") for word in self.words.split())
        return {name: ours if sign else name for name, sign, ours in pairs}


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


def translate(name: str, layer: Layer) -> Layer:
    """A layer of torch's, with the arguments that MindSpore's has.

    Args:
        name: torch's, as ``nn.Dropout``.
        layer: with MindSpore's name, and torch's arguments.

    Raises:
        GrammarError: an argument that it does not have here.
    """
    signature = SIGNATURES[name]
    names = signature.names
    given = {ours: (value, place) for ours, value, place in _named(name, layer, names) if ours}
    for ours, value in signature.otherwise.items():
        if given.get(ours, (None,))[0] is None and value not in names:
            given[ours] = value, layer.place
        elif given.get(ours, (None,))[0] is None and value in given:
            given[ours] = given[value]
    first = [ours for ours in list(names.values())[: signature.same] if ours]
    count = next((at for at, ours in enumerate(first) if ours not in given), len(first))
    args = {ours: given.pop(ours) for ours in first[:count]}
    return Layer(
        layer.name,
        tuple(value for value, _ in args.values()),
        tuple((ours, value) for ours, (value, _) in given.items()),
        layer.place,
        tuple(place for _, place in (*args.values(), *given.values())),
    )


def _named(name: str, layer: Layer, names: Mapping[str, str]) -> Iterator[tuple[str, Any, Place]]:
    """Each argument with our name for it."""
    places = layer.argument_places
    known = f"{name} takes {', '.join(names) or 'no arguments'}"
    if len(layer.args) > len(names):
        raise GrammarError(f"{known}; there are {len(layer.args)} arguments", layer.place)
    words = [*zip(names, layer.args, strict=False), *layer.kwargs]
    for (word, value), place in zip(words, places, strict=True):
        if word not in names:
            raise GrammarError(f"{known}, not {word}", place)
        yield names[word], tuple(value) if isinstance(value, list) else value, place
