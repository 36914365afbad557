"""The keys of a network file besides its rows: scales, classes, and what the rows may name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from assembler.errors import AssemblerError, GrammarError, Place, SettingsError, noted, raise_all
from assembler.files import short
from assembler.language.recipe import Layer
from assembler.settings import Axis
from assembler.validation import Model, read
from assembler.words import suggestion
from assembler.yolo.documents import Document, Node, show
from assembler.yolo.modules import Names
from assembler.yolo.values import NAMES, Reader

MAX_NUMBER = 1_000_000
"""Bound of depths, widths and channels."""

_SCALING = ("scales", "scale", "depth_multiple", "width_multiple", "max_channels")
ROWS = ("backbone", "head")
"""The keys of the lists of rows."""

MINDYOLO_KEYS = (
    *ROWS, *_SCALING, *NAMES, "activation",
    "model_name", "input_size", "verbose_log", "recompute", "recompute_layers",  # which leave the layers as they are
)  # fmt: skip
"""Keys below ``network`` in MindYOLO's files."""

ULTRALYTICS_KEYS = (
    *ROWS, *_SCALING, *NAMES, "activation", "ch", "channels", "end2end",
    "inplace", "names", "task", "yaml_file",  # which leave the layers as they are
)  # fmt: skip
"""Keys in Ultralytics' files."""


class _Classes(Model):
    """The number of classes, bound as a recipe's own is."""

    nc: Axis


class Header:
    """The keys of a network file besides its rows.

    Args:
        layers: the meaning of the names in it.
        channels: of the recipe's input.
        scale: the scale that the recipe chooses.
        letter: the scale in the file's name, if the recipe chooses none.
        classes: instead of the file's ``nc``.

    Raises:
        SettingsError, GrammarError, Mistakes: keys that are not known, and values that do not fit.
    """

    def __init__(
        self,
        document: Document,
        file: Path,
        layers: Names,
        *,
        channels: int,
        scale: str | None,
        letter: str | None,
        classes: int | None,
    ):
        self.keys = document.keys
        self.file = file
        self.layers = layers
        self.depth, self.width, self.most = 1.0, 1.0, math.inf
        self.scale: str | None = None
        self.names: dict[str, Any] = {}
        mistakes: list[AssemblerError] = []
        with noted(mistakes):
            self._require_rows()
            self._require_known_keys()
        with noted(mistakes):
            self._read_scale(scale, letter)
        with noted(mistakes):
            self._read_names(document, classes)
        with noted(mistakes):
            self._require_silu()
        with noted(mistakes):
            self._require_channels(channels)
        with noted(mistakes):
            self._require_one_head()
        raise_all(mistakes)

    def _require_rows(self) -> None:
        for name in ROWS:
            if name not in self.keys:
                hint = suggestion(name, self.keys)
                raise SettingsError(f"{short(self.file)} is not a network: it has no {name!r}.{hint}")

    def _require_known_keys(self) -> None:
        known = ULTRALYTICS_KEYS if self.layers.torch else MINDYOLO_KEYS
        whose = "Ultralytics'" if self.layers.torch else "MindYOLO's"
        unknown = f"is not a known key of {whose} networks; remove it if no layer depends on it."
        raise_all(
            [
                GrammarError(f"{name!r} {unknown}{suggestion(name, known)}", node.place)
                for name, node in self.keys.items()
                if name not in known
            ]
        )

    def _read(self, node: Node) -> Any:
        return Reader(self.names, self.layers).read(node.value, node.place)

    def _read_names(self, document: Document, classes: int | None) -> None:
        mistakes: list[AssemblerError] = []
        for name in NAMES:
            if name in self.keys and name != "nc":
                with noted(mistakes):
                    self.names[name] = self._read(self.keys[name])
        with noted(mistakes):
            self._require_strides()
        with noted(mistakes):
            self._read_classes(document, classes)
        raise_all(mistakes)

    def _read_classes(self, document: Document, instead: int | None) -> None:
        node = self.keys.get("nc")
        if document.network and "data" in document.outer:  # MindYOLO ignores the network's own
            node = document.outer["data"].entries("data is a mapping, such as {nc: 80}").get("nc", node)
        if instead is not None:
            self.names["nc"] = instead
        elif node is not None:
            try:
                self.names["nc"] = read(_Classes, {"nc": self._read(node)}).nc
            except SettingsError as error:
                raise GrammarError(f"nc {error.message}", node.place) from None

    def _read_scale(self, scale: str | None, letter: str | None) -> None:
        form = "scales is a mapping of letters to lists [depth, width, channels]"
        scales = self.keys["scales"].entries(form) if "scales" in self.keys else {}
        own = str(self.keys["scale"].value) if "scale" in self.keys else None
        if not scales:
            if scale is not None:
                raise SettingsError(f"{short(self.file)} has no scales", Place(key="recipe.scale"))
            self.depth = self._number("depth_multiple", self.depth)
            self.width = self._number("width_multiple", self.width)
            self.most = self._number("max_channels", self.most)
            self.scale = own
            return
        chosen = scale if scale is not None else letter if letter in scales else own
        if chosen is None:
            message = (
                f"the file has the scales {', '.join(scales)}; choose one, such as recipe.scale={next(iter(scales))}"
            )
            raise SettingsError(message, self.keys["scales"].place)
        if chosen not in scales:
            instead = suggestion(chosen, scales) or f" It has {', '.join(scales)}."
            raise SettingsError(f"{short(self.file)} has no scale {chosen!r}.{instead}", Place(key="recipe.scale"))
        node = scales[chosen]
        form = "a scale is a list [depth, width, channels], the last of which may be left out"
        numbers = [_positive(one.value, one.place, "a scale") for one in node.items(form)]
        if not 2 <= len(numbers) <= 3:
            raise GrammarError(form, node.place)
        self.scale = chosen
        self.depth, self.width = numbers[:2]
        self.most = numbers[2] if len(numbers) == 3 else self._number("max_channels", self.most)

    def _number(self, name: str, default: float) -> float:
        node = self.keys.get(name)
        return default if node is None or node.value is None else _positive(node.value, node.place, name)

    def _require_strides(self) -> None:
        stride = self.names.get("stride", [])
        if not isinstance(stride, list) or not all(type(one) is int and one > 0 for one in stride):
            expected = f"stride is a list of integers, such as [8, 16, 32], not {show(stride)}"
            raise GrammarError(expected, self.keys["stride"].place)

    def _require_silu(self) -> None:
        node = self.keys.get("activation")
        if node is not None and self._read(node) not in (None, Layer("SiLU")):
            raise GrammarError("MindYOLO's Cells have SiLU inside and take no other activation", node.place)

    def _require_channels(self, channels: int) -> None:
        """Refuse a file for images of other channels than the recipe's input."""
        for name in ("ch", "channels"):
            node = self.keys.get(name) if self.layers.torch else None
            if node is not None and node.value != channels:
                message = f"{name} is {show(node.value)}, and the recipe's input has {channels}: set recipe.input.shape"
                raise GrammarError(message, node.place)

    def _require_one_head(self) -> None:
        node = self.keys.get("end2end")
        if node is not None and node.value not in (None, False):
            raise GrammarError(
                "MindYOLO has no head with end2end but v10Detect, which has it without the key", node.place
            )

    def scaled(self, channels: int) -> int:
        """Channels at the scale's width: a multiple of 8."""
        return math.ceil(min(channels, self.most) * self.width / 8) * 8

    def emitted(self, channels: int) -> int:
        """The channels that a module emits, at the scale's width.

        Ultralytics leaves the number of classes as it is, which ``Classify`` emits, and YOLOv5 the channels of a head
        with anchors, (nc + 5) a box.
        """
        kept = self.names.get("nc")
        anchors = self.names.get("anchors")
        if kept is not None and anchors:
            boxes = len(anchors[0]) // 2 if isinstance(anchors, list) and isinstance(anchors[0], list) else anchors
            kept = boxes * (kept + 5) if isinstance(boxes, int) else None
        return channels if self.layers.torch and channels == kept else self.scaled(channels)


def _positive(value: Any, place: Place, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_NUMBER:
        raise GrammarError(f"{name} takes numbers above 0 and at most {MAX_NUMBER:,}, not {show(value)}", place)
    return value
