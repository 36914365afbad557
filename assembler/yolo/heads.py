"""The arguments of the module that ends a network: MindYOLO's heads, and those that replace Ultralytics'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from assembler.errors import GrammarError, Place
from assembler.yolo.documents import show
from assembler.yolo.rows import FileRow

REG_MAX = 16
"""Bins of the distance to a side of a box, unless the file specifies ``reg_max``."""

NEWER = ("C3k2", "C2fCIB", "A2C2f")
"""Modules that make Ultralytics build the heads below them as since YOLO11: with depthwise convolutions for classes."""

MAX_CLASSES = 100
"""Classes up to which the heads of MindYOLO and Ultralytics are equally wide."""


def mindyolo(row: FileRow, channels: Sequence[Any]) -> list[Any]:
    """As MindYOLO builds them: the channels of the sources come last.

    A number of anchors becomes as many of them without a meaning.

    Raises:
        GrammarError: a head that mindyolo 0.5.0 cannot build, or that cannot be planned.
    """
    args = list(row.args)
    if row.name == "YOLOXHead":
        raise GrammarError("YOLOXHead emits an integer among its tensors; only tensors can be planned", row.place)
    if row.module.flow == "anchors" and len(args) > 1:
        if type(args[1]) is int:
            args[1] = _anchors(args[1], len(channels))
        if row.name == "YOLOv7AuxHead" and not _has_floats(args[1]):  # it divides an array of integers in place
            message = "mindyolo 0.5.0 fails to build YOLOv7AuxHead of integer anchors; write one as a float: 19.0"
            raise GrammarError(message, row.place)
    return [*args, list(channels)]


def _has_floats(value: Any) -> bool:
    return any(map(_has_floats, value)) if isinstance(value, list) else isinstance(value, float)


def ultralytics(
    row: FileRow, names: Mapping[str, Any], channels: Sequence[Any], strides: list[int], *, newer: bool
) -> tuple[str, list[Any]]:
    """MindYOLO's head for one of Ultralytics'.

    Args:
        names: the values of ``nc``, ``anchors``, ``reg_max`` in the file.
        channels: of the sources.
        newer: whether the head is as since YOLO11.

    Returns:
        The layer's name and its arguments.

    Raises:
        GrammarError: MindYOLO has no such head.
    """
    if not row.args:
        raise GrammarError(f"{row.name} begins with the number of classes, such as nc", row.place)
    if not all(isinstance(one, int) for one in channels):
        raise GrammarError(f"{row.name} takes rows that emit one tensor each", row.place)
    last = [strides, list(channels)]
    if row.name == "Detect" and len(row.args) == 2:  # as in YOLOv5's own repository
        return "mindyolo.YOLOv5Head", [*_with_anchors(row, names, len(channels)), *last]
    _require_form(row, names, newer)
    name = {"v10Detect": "YOLOv10Head", "Segment": "YOLOv8SegHead"}.get(row.name, f"YOLOv{11 if newer else 8}Head")
    args = [row.args[0], _reg_max(row, names), *row.args[1:]]
    if name != "YOLOv10Head" and type(args[0]) is int and args[0] > max(MAX_CLASSES, channels[0]):
        raise GrammarError(
            f"with {args[0]} classes MindYOLO's {row.name} is wider than Ultralytics'; to have MindYOLO's, write "
            f"{name}, [{', '.join(map(str, (*args, strides)))}]",
            row.place,
        )
    return f"mindyolo.{name}", [*args, *last]


def _with_anchors(row: FileRow, names: Mapping[str, Any], levels: int) -> list[Any]:
    """The classes and the anchors of YOLOv5's head."""
    if "reg_max" in names:
        raise GrammarError("a Detect with anchors has no reg_max; the file has both", row.place)
    classes, anchors = row.args
    return [classes, _anchors(anchors, levels) if type(anchors) is int else anchors]


def _reg_max(row: FileRow, names: Mapping[str, Any]) -> int:
    reg_max = names.get("reg_max", REG_MAX)
    if type(reg_max) is not int or reg_max < 1:
        raise GrammarError(f"reg_max is an integer above 0, not {show(reg_max)}", row.place)
    return reg_max


def _require_form(row: FileRow, names: Mapping[str, Any], newer: bool) -> None:
    """Refuse heads of the same name that MindYOLO lacks: YOLOv5's and WongKinYiu's, whose files have anchors."""
    if "anchors" in names:
        raise GrammarError(f"MindYOLO has {row.name} without anchors only; the file has anchors", row.place)
    if row.name == "Segment" and newer:
        raise GrammarError("MindYOLO has no Segment as it is since YOLO11", row.place)
    words = ["nc", "masks", "channels of the masks"] if row.name == "Segment" else ["nc"]
    if row.kwargs or len(row.args) != len(words) or not all(type(one) is int for one in row.args[1:]):
        raise GrammarError(f"{row.name} takes [{', '.join(words)}] here", row.place)


def _anchors(count: int, levels: int) -> list[list[int]]:
    return [list(range(count * 2)) for _ in range(levels)]


def whole(strides: Sequence[Fraction], place: Place) -> list[int]:
    """Strides as integers.

    Raises:
        GrammarError: one of them is not.
    """
    if any(stride.denominator != 1 for stride in strides):
        listed = ", ".join(map(str, strides))
        raise GrammarError(f"the sources of this row divide the image by {listed}, which are not all integers", place)
    return [int(stride) for stride in strides]
