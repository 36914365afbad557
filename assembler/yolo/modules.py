"""What a network file's modules are called here, and how channels flow through them.

The tables say what the functions ``parse_model`` of MindYOLO and Ultralytics have written into their code. Of a module
that is not in them, and that the registry has, both assume what is assumed here: its arguments are as they are written,
and it emits as many channels as reach it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from assembler.errors import Place, UnknownLayer
from assembler.language.recipe import Layer
from assembler.registry.registry import Registry
from assembler.words import suggestion
from assembler.yolo.torch_layers import SIGNATURES, translate

Flow = Literal[
    "channels", "keep", "channels alone", "own", "join", "add", "fold", "split", "fuse", "head", "anchors", "detect"
]
"""How channels flow through a module.

``channels``: its first argument is the number of channels that it emits, which is scaled, and the number that reaches
it comes before. ``keep``: as many as reach it. ``channels alone``: the same, and that number is its only argument.
``own``: its first two arguments are the numbers that it takes and emits, as they are. ``join``: the sum of what reaches
it. ``add``: what its first source has. ``fold``: four times as many. ``split``: several tensors, with the channels in
its first argument. ``fuse``: what its last source has. ``head``, ``anchors``, ``detect``: it ends the network, and is
told the channels of its sources; of MindYOLO's heads, those with and without anchors, and Ultralytics' ones.
"""


@dataclass(frozen=True, slots=True)
class Module:
    """What is known of a module.

    Args:
        layer: its name in recipes.
        flow: how channels flow through it.
        repeats: whether it takes the number of repeats as its third argument, instead of being repeated.
        stride: by how much it divides height and width; or the position of the argument, in a row, that says so, its
            name, and what it is by default: ``None`` if it is as the first argument.
        enlarges: whether it multiplies them instead.
    """

    layer: str
    flow: Flow
    repeats: bool = False
    stride: int | tuple[int, str, int | None] = 1
    enlarges: bool = False


_KERNEL_STRIDE = (2, "s", 1)

MODULES: Mapping[str, Module] = {
    # MindYOLO
    "ConvNormAct": Module("mindyolo.ConvNormAct", "channels", stride=_KERNEL_STRIDE),
    "DWConvNormAct": Module("mindyolo.DWConvNormAct", "channels", stride=_KERNEL_STRIDE),
    "Residualblock": Module("mindyolo.Residualblock", "channels"),
    "DWBottleneck": Module("mindyolo.DWBottleneck", "channels"),
    "DWC3": Module("mindyolo.DWC3", "channels", repeats=True),
    "Upsample": Module("mindyolo.Upsample", "keep"),
    "Identity": Module("Identity", "keep"),
    "Swish": Module("mindyolo.Swish", "keep"),
    "Shortcut": Module("Add", "add"),
    "ReOrg": Module("mindyolo.ReOrg", "fold", stride=2),
    "MaxPool2d": Module("mindyolo.MaxPool2d", "keep", stride=(1, "stride", 1)),
    "YOLOv3Head": Module("mindyolo.YOLOv3Head", "anchors"),
    "YOLOv4Head": Module("mindyolo.YOLOv4Head", "anchors"),
    "YOLOv5Head": Module("mindyolo.YOLOv5Head", "anchors"),
    "YOLOv7Head": Module("mindyolo.YOLOv7Head", "anchors"),
    "YOLOv7AuxHead": Module("mindyolo.YOLOv7AuxHead", "anchors"),
    "YOLOv8Head": Module("mindyolo.YOLOv8Head", "head"),
    "YOLOv8SegHead": Module("mindyolo.YOLOv8SegHead", "head"),
    "YOLOv9Head": Module("mindyolo.YOLOv9Head", "head"),
    "YOLOv10Head": Module("mindyolo.YOLOv10Head", "head"),
    "YOLOv11Head": Module("mindyolo.YOLOv11Head", "head"),
    "YOLOXHead": Module("mindyolo.YOLOXHead", "head"),
    # both
    "Focus": Module("mindyolo.Focus", "channels", stride=2),
    "Bottleneck": Module("mindyolo.Bottleneck", "channels"),
    "C3": Module("mindyolo.C3", "channels", repeats=True),
    "C2f": Module("mindyolo.C2f", "channels", repeats=True),
    "C2fCIB": Module("mindyolo.C2fCIB", "channels", repeats=True),
    "C3k2": Module("mindyolo.C3k2", "channels", repeats=True),
    "C2PSA": Module("mindyolo.C2PSA", "channels", repeats=True),
    "PSA": Module("mindyolo.PSA", "channels"),
    "SPPF": Module("mindyolo.SPPF", "channels"),
    "SPPCSPC": Module("mindyolo.SPPCSPC", "channels", repeats=True),
    "SPPELAN": Module("mindyolo.SPPELAN", "channels"),
    "ELAN1": Module("mindyolo.ELAN1", "channels"),
    "RepNCSPELAN4": Module("mindyolo.RepNCSPELAN4", "channels"),
    "RepConv": Module("mindyolo.RepConv", "channels", stride=_KERNEL_STRIDE),
    "AConv": Module("mindyolo.AConv", "channels", stride=2),
    "ADown": Module("mindyolo.ADown", "channels", stride=2),
    "DownC": Module("mindyolo.DownC", "channels", repeats=True, stride=(1, "k", 2)),
    "SCDown": Module("mindyolo.SCDown", "channels", stride=_KERNEL_STRIDE),
    "MP": Module("mindyolo.MP", "keep", stride=(0, "k", 2)),
    "SP": Module("mindyolo.SP", "keep", stride=(1, "s", 1)),
    "Concat": Module("Concat", "join"),
    "CBLinear": Module("mindyolo.CBLinear", "split", stride=_KERNEL_STRIDE),
    "CBFuse": Module("mindyolo.CBFuse", "fuse"),
    "nn.Conv2d": Module("Conv2d", "channels", stride=(2, "stride", 1)),
    "nn.BatchNorm2d": Module("BatchNorm2d", "channels alone"),
    "nn.SyncBatchNorm": Module("SyncBatchNorm", "channels alone"),
    "nn.MaxPool2d": Module("MaxPool2d", "keep", stride=(1, "stride", 1)),
    # Ultralytics, with MindYOLO's Cells of the same mathematics
    "Conv": Module("mindyolo.ConvNormAct", "channels", stride=_KERNEL_STRIDE),
    "DWConv": Module("mindyolo.DWConv", "channels", stride=_KERNEL_STRIDE),
    "nn.Upsample": Module("mindyolo.Upsample", "keep"),
    "Silence": Module("Identity", "keep"),
    "Detect": Module("mindyolo.YOLOv8Head", "detect"),
    "v10Detect": Module("mindyolo.YOLOv10Head", "detect"),
    "Segment": Module("mindyolo.YOLOv8SegHead", "detect"),
}


_POOL_STRIDE = (1, "stride", None)

TORCH: Mapping[str, Module] = {
    **{name: Module(name.removeprefix("nn."), "keep") for name in SIGNATURES},
    "nn.Hardswish": Module("HSwish", "keep"),
    "nn.MaxPool2d": Module("MaxPool2d", "keep", stride=_POOL_STRIDE),
    "nn.AvgPool2d": Module("AvgPool2d", "keep", stride=_POOL_STRIDE),
    "nn.Linear": Module("Dense", "own"),
    "nn.Conv2d": Module("Conv2d", "own", stride=(3, "stride", 1)),
    "nn.ConvTranspose2d": Module("Conv2dTranspose", "channels", stride=_KERNEL_STRIDE, enlarges=True),
    "nn.BatchNorm2d": Module("BatchNorm2d", "channels alone"),
    "nn.Identity": Module("Identity", "keep"),
    "nn.Upsample": Module("mindyolo.Upsample", "keep"),
}
"""Torch's layers, by the names that Ultralytics' files have for them; MindYOLO's mean MindSpore's layers by these."""

ABSENT: Mapping[str, Module] = {
    **{name: Module(name, "channels", repeats=True) for name in (
        "A2C2f", "BottleneckCSP", "C1", "C2", "C2fAttn", "C2fPSA", "C3Ghost", "C3SPP", "C3TR", "C3x", "RepC3",
    )},
    **{name: Module(name, "channels", stride=_KERNEL_STRIDE) for name in (
        "Conv2", "ConvTranspose", "CrossConv", "DWConvTranspose2d", "GhostBottleneck", "GhostConv", "LightConv",
        "MixConv2d",
    )},
    **{name: Module(name, "channels") for name in ("Classify", "SPP")},
    **{name: Module(name, "head") for name in (
        "ImagePoolingAttn", "OBB", "Pose", "RTDETRDecoder", "WorldDetect", "YOLOEDetect", "YOLOESegment",
    )},
    **{name: Module(name, "keep") for name in (
        "AIFI", "CBAM", "Contract", "Expand", "HGBlock", "HGStem", "Index", "ResNetLayer", "TorchVision",
    )},
}  # fmt: skip
"""Modules of Ultralytics' that MindYOLO lacks, with the flow of channels that they have there."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the names in a file mean.

    Args:
        registry: where a module is looked for that no table has: among what is loaded and registered, and in mindyolo.
        torch: whether ``nn`` is torch's, as in Ultralytics' files, instead of MindSpore's, as in MindYOLO's.
    """

    registry: Registry
    torch: bool

    def module(self, name: str, place: Place) -> Module:
        """What is known of a module, or assumed of one that nothing is known of.

        Raises:
            UnknownLayer: there is none of that name.
        """
        if self.torch and name.startswith("nn."):
            if name not in TORCH:
                raise UnknownLayer(f"of torch's layers, {', '.join(sorted(TORCH))} are known, not {name}", place)
            return TORCH[name]
        if name in MODULES:
            return MODULES[name]
        short = name.removeprefix("nn.")
        if short in self.registry:
            return ABSENT.get(name) or Module(short, "keep")
        if name in ABSENT:
            raise UnknownLayer(f"MindYOLO has no such module as Ultralytics' {name}; register one of that name", place)
        if short == name and self.registry.candidates(f"mindyolo.{name}"):
            return Module(f"mindyolo.{name}", "keep")
        raise UnknownLayer(f"no layer named {short!r}.{suggestion(name, [*MODULES, *self.registry])}", place)

    def layer(self, name: str, layer: Layer) -> Layer:
        """A layer with the arguments that it has here, of one with the arguments that a file has.

        Raises:
            GrammarError: an argument that it does not have.
        """
        if not self.torch:
            return layer
        if name == "nn.Identity":  # which takes anything
            return Layer(layer.name, (), (), layer.place)
        return translate(name, layer) if name in SIGNATURES else layer
