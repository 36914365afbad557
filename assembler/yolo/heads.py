"""The arguments of the module that ends a network: of MindYOLO's heads, and of Ultralytics' in their place."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from assembler.errors import GrammarError, Place

REG_MAX = 16
"""Bins of the distance to a side of a box; Ultralytics has it in its code."""


def mindyolo(anchored: bool, args: list[Any], channels: Sequence[Any]) -> list[Any]:
    """As MindYOLO does it: the channels of the sources come last.

    A number of anchors becomes as many of them, which mean nothing.
    """
    if anchored and len(args) > 1 and type(args[1]) is int:
        args[1] = _anchors(args[1], len(channels))
    return [*args, list(channels)]


def ultralytics(
    name: str, args: list[Any], channels: Sequence[Any], strides: Sequence[int], place: Place, *, newer: bool
) -> tuple[str, list[Any]]:
    """MindYOLO's head for one of Ultralytics'.

    Args:
        newer: whether the classes are told by depthwise convolutions, as since YOLO11.

    Returns:
        The layer's name and its arguments.
    """
    if not args:
        raise GrammarError(f"{name} begins with the number of classes, such as nc", place)
    last = [list(strides), list(channels)]
    if name == "Segment":
        if newer:
            raise GrammarError("MindYOLO has no Segment as it is since YOLO11", place)
        return "mindyolo.YOLOv8SegHead", [args[0], REG_MAX, *args[1:], *last]
    if name == "v10Detect":
        return "mindyolo.YOLOv10Head", [args[0], REG_MAX, *last]
    if len(args) > 1:  # as in YOLOv5's own repository
        anchors = _anchors(args[1], len(channels)) if type(args[1]) is int else args[1]
        return "mindyolo.YOLOv5Head", [args[0], anchors, *last]
    return "mindyolo.YOLOv11Head" if newer else "mindyolo.YOLOv8Head", [args[0], REG_MAX, *last]


def _anchors(count: int, levels: int) -> list[list[int]]:
    return [list(range(count * 2)) for _ in range(levels)]


def whole(strides: Sequence[Fraction], place: Place) -> list[int]:
    """Strides as whole numbers.

    Raises:
        GrammarError: one of them is none.
    """
    if any(stride.denominator != 1 for stride in strides):
        told = ", ".join(map(str, strides))
        raise GrammarError(f"the rows that come together here divide the image by {told}, not by whole numbers", place)
    return [int(stride) for stride in strides]
