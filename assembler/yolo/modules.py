"""The modules that network files name: which layers they are here, and how channels flow through them.

The tables hold what the functions ``parse_model`` of MindYOLO and Ultralytics have written into their code. A layer of
the registry may be named, too: its entry specifies its arguments by ``row``, or its first parameters do by their names.
Any other gets its arguments as they are written, and emits as many channels as reach it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from assembler.errors import Place, UnknownLayer
from assembler.language.recipe import Layer
from assembler.registry.entries import Entry
from assembler.registry.registry import Registry
from assembler.words import suggestion
from assembler.yolo.torch_layers import SIGNATURES, translate_torch
from assembler.yolo.translation import Signature
from assembler.yolo.ultralytics import ANCHORED, ULTRALYTICS

Flow = Literal[
    "channels", "keep", "channels alone", "own", "join", "add", "fold", "split", "fuse", "head", "anchors", "detect"
]
"""How channels flow through a module.

``channels``: its ``row`` specifies what it is given. ``keep``: it emits as many as reach it. ``channels alone``: the
same, and that number is its only argument. ``own``: its first two arguments are the numbers that it takes and emits, as
they are. ``join``: the sum of what reaches it. ``add``: what its first source has. ``fold``: four times as many.
``split``: several tensors, with the channels in its first argument. ``fuse``: what its last source has. ``head``,
``anchors``, ``detect``: it ends the network, and is given the channels of its sources; MindYOLO's heads without and
with anchors, and Ultralytics' ones.
"""

ROW = ("c1", "c2")
"""What most modules are given in front of the arguments in the file: see ``Module.row``."""
REPEATED = ("c1", "c2", "n")
"""The same, of those that repeat something inside."""


@dataclass(frozen=True, slots=True)
class Module:
    """What is known of a module.

    Args:
        layer: its name in recipes.
        flow: how channels flow through it.
        row: what it is given in front of the arguments in the file, if its flow is ``channels``. ``c1``: the channels
            that reach it. ``c2``: its first argument in the file, scaled, which is what it emits; without it, it emits
            as many as reach it. ``n``: the number of repeats; without it, the module itself is repeated.
        stride: the number that it divides height and width by; or the position of the argument, in a row, that is this
            number, its name, and its default: ``None`` if that is the first argument.
        enlarges: whether it multiplies them instead.
        signature: its arguments in Ultralytics' files, if the file is one of these.
    """

    layer: str
    flow: Flow
    row: tuple[str, ...] = ROW
    stride: int | tuple[int, str, int | None] = 1
    enlarges: bool = False
    signature: Signature | None = None

    @property
    def repeats(self) -> bool:
        """Whether it takes the number of repeats, instead of being repeated."""
        return self.flow == "channels" and "n" in self.row


_KERNEL_STRIDE = (2, "s", 1)

MODULES: Mapping[str, Module] = {
    # MindYOLO
    "ConvNormAct": Module("mindyolo.ConvNormAct", "channels", stride=_KERNEL_STRIDE),
    "DWConvNormAct": Module("mindyolo.DWConvNormAct", "channels", stride=_KERNEL_STRIDE),
    "Residualblock": Module("mindyolo.Residualblock", "channels"),
    "DWBottleneck": Module("mindyolo.DWBottleneck", "channels"),
    "DWC3": Module("mindyolo.DWC3", "channels", REPEATED),
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
    "C3": Module("mindyolo.C3", "channels", REPEATED),
    "C2f": Module("mindyolo.C2f", "channels", REPEATED),
    "C2fCIB": Module("mindyolo.C2fCIB", "channels", REPEATED),
    "C3k2": Module("mindyolo.C3k2", "channels", REPEATED),
    "C2PSA": Module("mindyolo.C2PSA", "channels", REPEATED),
    "PSA": Module("mindyolo.PSA", "channels"),
    "SPPF": Module("mindyolo.SPPF", "channels"),
    "SPPCSPC": Module("mindyolo.SPPCSPC", "channels", REPEATED),
    "SPPELAN": Module("mindyolo.SPPELAN", "channels"),
    "ELAN1": Module("mindyolo.ELAN1", "channels"),
    "RepNCSPELAN4": Module("mindyolo.RepNCSPELAN4", "channels"),
    "RepConv": Module("mindyolo.RepConv", "channels", stride=_KERNEL_STRIDE),
    "AConv": Module("mindyolo.AConv", "channels", stride=2),
    "ADown": Module("mindyolo.ADown", "channels", stride=2),
    "DownC": Module("mindyolo.DownC", "channels", REPEATED, stride=(1, "k", 2)),
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
    # Ultralytics, with MindYOLO's Cells that compute the same
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
"""Torch's layers by their names in Ultralytics' files; in MindYOLO's, these names are MindSpore's layers."""

ABSENT: Mapping[str, Module] = {
    **{name: Module(name, "channels", REPEATED) for name in (
        "A2C2f", "BottleneckCSP", "C1", "C2", "C2fPSA", "C3Ghost", "C3SPP", "C3TR", "C3x", "RepC3",
    )},
    **{name: Module(name, "channels", stride=_KERNEL_STRIDE) for name in (
        "Classify", "Conv2", "ConvTranspose", "CrossConv", "DWConvTranspose2d", "GhostBottleneck", "GhostConv",
        "LightConv", "MixConv2d",
    )},
    "SPP": Module("SPP", "channels"),
    "AIFI": Module("AIFI", "channels", ("c1",)),
    "CBAM": Module("CBAM", "keep"),
    **{name: Module(name, "head") for name in ("OBB", "Pose")},
}  # fmt: skip
"""Modules of Ultralytics' that MindYOLO lacks, with the flow of channels that they have there."""

UNUSUAL = (
    "C2fAttn", "Contract", "Expand", "HGBlock", "HGStem", "ImagePoolingAttn", "Index", "RTDETRDecoder", "ResNetLayer",
    "TorchVision", "WorldDetect", "YOLOEDetect", "YOLOESegment",
)  # fmt: skip
"""More of these, whose flow of channels is like that of no other module."""


@dataclass(frozen=True, slots=True)
class Names:
    """The meaning of the names in a file.

    Args:
        registry: where a module is looked up that no table has: among what is loaded and registered, and in mindyolo.
        torch: whether the file is Ultralytics', where ``nn`` is torch's; in MindYOLO's it is MindSpore's.
        anchored: whether the file has ``anchors``, as those in the repositories of YOLOv3, v5 and v7.
    """

    registry: Registry
    torch: bool
    anchored: bool = False

    def module(self, name: str, place: Place) -> Module:
        """What is known of a module, or assumed of a layer of the registry.

        A layer whose entry has ``row`` takes the place of the module of that name.

        Raises:
            UnknownLayer: there is none of that name, or its flow of channels is not known.
            BadTarget, RegistryError: the registry's layer cannot be imported.
        """
        if self.torch and name.startswith("nn."):
            if name not in TORCH:
                raise UnknownLayer(f"of torch's layers, {', '.join(sorted(TORCH))} are known, not {name}", place)
            return TORCH[name]
        short = name.removeprefix("nn.")
        entry = self.registry.get(short)
        if entry is not None and entry.row is not None:
            return _custom(short, entry)
        if name in MODULES:
            signatures = {} if not self.torch else ANCHORED if self.anchored else ULTRALYTICS
            return replace(MODULES[name], signature=signatures.get(name))
        if name in UNUSUAL:
            raise UnknownLayer(f"how channels flow through {name} is not known; {_register(name)}", place)
        if entry is not None:
            return ABSENT.get(name) or _custom(short, entry)
        if name in ABSENT:
            raise UnknownLayer(f"MindYOLO has no module like Ultralytics' {name}; {_register(name)}", place)
        return self._of_mindyolo(name, place)

    def _of_mindyolo(self, name: str, place: Place) -> Module:
        """A Cell of MindYOLO's that no table has; in its own files it gets its arguments as they are written."""
        if found := self.registry.candidates(f"mindyolo.{name}"):
            return _custom(f"mindyolo.{name}", found[0]) if self.torch else Module(f"mindyolo.{name}", "keep")
        short = name.removeprefix("nn.")
        close = suggestion(name, [*MODULES, *self.registry])
        instead = f".{close} Or {_register(short)}" if close else f"; {_register(short)}"
        raise UnknownLayer(f"no module named {short!r}{instead}", place)

    def layer(self, name: str, layer: Layer) -> Layer:
        """A layer with the arguments that it has here, of one with the arguments that a file has.

        Raises:
            GrammarError: an argument that it does not have.
        """
        if not self.torch:
            return layer
        if name == "nn.Identity":  # which takes anything
            return Layer(layer.name, (), (), layer.place)
        return translate_torch(name, layer) if name in SIGNATURES else layer


def _custom(layer: str, entry: Entry) -> Module:
    """A layer of the registry: ``Gate(c1, c2, n=1, s=2)`` has the row ``c1, c2, n`` and the stride 2."""
    parameters = list(entry.parameters.values())
    names = [parameter.name for parameter in parameters]
    row = entry.row
    if row is None:
        row = next((known for known in (REPEATED, ROW) if tuple(names[: len(known)]) == known), ())
    stride: int | tuple[int, str, int | None] = 1
    for at, parameter in enumerate(parameters):
        if parameter.name in ("s", "stride"):
            default = parameter.default if type(parameter.default) is int else 1
            stride = at - len(row) + ("c2" in row), parameter.name, default
    return Module(layer, "channels" if row else "keep", row, stride)


def _register(name: str) -> str:
    """How to register a module."""
    known = ABSENT.get(name, Module(name, "channels", REPEATED))
    row = f"{{target: my_layers.{name}, row: [{', '.join(known.row)}]}}"
    return f"register one in conf/registry: {name}: {row if known.flow == 'channels' else f'my_layers.{name}'}"
