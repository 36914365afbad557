"""Ultralytics' modules that MindYOLO has, too, with the arguments that they take in Ultralytics' files.

The order and the defaults are those of ``ultralytics.nn.modules``; of modules that only the files of YOLOv7 and YOLOv9
name, those of their repositories. Newer releases add arguments to some; a value of these that changes the module is
refused. The repositories of YOLOv3, v5 and v7, whose files have ``anchors``, have another ``Bottleneck``.
"""

from __future__ import annotations

from collections.abc import Mapping

from assembler.yolo.translation import Signature

_UNGROUPED = {"g": (1,)}

ULTRALYTICS: Mapping[str, Signature] = {
    "Conv": Signature("c2 k s p g d act", 7),
    "DWConv": Signature("c2 k s d act", 5),
    "Focus": Signature("c2 k s p= g= act", 3, only={"p": (None,), **_UNGROUPED}),
    "Bottleneck": Signature("c2 shortcut g= k e", 2, {"k": (3, 3)}, _UNGROUPED),
    "C3": Signature("c2 shortcut g e", 4),
    "C2f": Signature("c2 shortcut g e", 4),
    "C2fCIB": Signature("c2 shortcut lk g e", 5),
    "C3k2": Signature("c2 c3k e g shortcut", 5, only=_UNGROUPED),  # since YOLO26, True there is attention
    "C2PSA": Signature("c2 e", 2),
    "PSA": Signature("c2 e", 2),
    "SPPF": Signature("c2 k n= shortcut=", 2, only={"n": (3,), "shortcut": (False,)}),
    "SPPCSPC": Signature("c2 shortcut g e k", 5),
    "SPPELAN": Signature("c2 c3 k=", 2, only={"k": (5,)}),
    "ELAN1": Signature("c2 c3 c4", 3),
    "RepNCSPELAN4": Signature("c2 c3 c4 n=c5", 4),
    "RepConv": Signature("c2 k s p g", 5),
    "AConv": Signature("c2", 1),
    "ADown": Signature("c2", 1),
    "DownC": Signature("c2 k", 2),
    "SCDown": Signature("c2 k s", 3),
    "MP": Signature("k", 1),
    "SP": Signature("k s", 2),
    "ReOrg": Signature(),
    "Silence": Signature(),
    "Concat": Signature("dimension=axis", 1),
    "CBLinear": Signature("c2s k s p g", 5),
    "CBFuse": Signature("idx", 1),
}

ANCHORED: Mapping[str, Signature] = {
    **ULTRALYTICS,
    "Bottleneck": Signature("c2 shortcut g= e", 2, only=_UNGROUPED),  # of the kernels (1, 3), as MindYOLO's
}
"""The same in files with ``anchors``."""
