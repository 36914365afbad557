"""What a network file says: its numbers, and its rows."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assembler.errors import AssemblerError, GrammarError, Place, SettingsError, noted, raise_all
from assembler.files import short
from assembler.language.recipe import Layer
from assembler.settings import Axis
from assembler.validation import Model, read
from assembler.words import suggestion
from assembler.yolo.documents import Document, Node, show
from assembler.yolo.modules import Module, Names
from assembler.yolo.values import NAMES, Reader, split_name

MAX_ROWS = 1000
"""Rows of one network."""
MAX_REPEAT = 1000
"""Times a row may be repeated."""
MAX_NUMBER = 1_000_000
"""Bound of depths, widths and channels."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row ``[from, number, module, args]``.

    Args:
        sources: the rows that it takes; −1 is the input.
        several: whether ``from`` is a list, so that the module takes a tuple.
        number: how often, by the depth of the scale.
    """

    index: int
    sources: tuple[int, ...]
    several: bool
    number: int
    name: str
    module: Module
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    place: Place
    arg_places: tuple[Place, ...]


class _Classes(Model):
    """The number of classes, bound as a recipe's own is."""

    nc: Axis


class Written:
    """What a file says: its numbers, and its rows as they are written.

    Args:
        layers: what the names of layers in it mean.
        letter: the scale that is chosen if ``scale`` is none and the file has it.
    """

    def __init__(
        self,
        document: Document,
        file: Path,
        layers: Names,
        *,
        scale: str | None,
        letter: str | None,
        classes: int | None,
    ):
        self.said = document.said
        self.file = file
        self.layers = layers
        mistakes: list[AssemblerError] = []
        self.depth, self.width, self.most = 1.0, 1.0, math.inf
        self.scale: str | None = None
        with noted(mistakes):
            self._read_scale(scale, letter)
        self.names: dict[str, Any] = {}
        for name in NAMES:
            if name in self.said and name != "nc":
                with noted(mistakes):
                    self.names[name] = self._read(self.said[name])
        with noted(mistakes):
            self._require_strides()
        with noted(mistakes):
            self._read_classes(document, classes)
        with noted(mistakes):
            self._require_silu()
        raise_all(mistakes)

    def _read(self, node: Node) -> Any:
        return Reader(self.names, self.layers).read(node.value, node.place)

    def _read_classes(self, document: Document, instead: int | None) -> None:
        node = self.said.get("nc")
        if document.network and "data" in document.outer:  # MindYOLO pays no heed to the network's own
            node = document.outer["data"].entries("data is a mapping, such as {nc: 80}").get("nc", node)
        if instead is not None:
            self.names["nc"] = instead
        elif node is not None:
            try:
                self.names["nc"] = read(_Classes, {"nc": self._read(node)}).nc
            except SettingsError as error:
                raise GrammarError(f"nc {error.message}", node.place) from None

    def _read_scale(self, scale: str | None, letter: str | None) -> None:
        said = "scales is a mapping of letters to lists [depth, width, channels]"
        scales = self.said["scales"].entries(said) if "scales" in self.said else {}
        if not scales:
            if scale is not None:
                raise SettingsError(f"{short(self.file)} has no scales", Place(key="recipe.scale"))
            self.depth = self._number("depth_multiple", self.depth)
            self.width = self._number("width_multiple", self.width)
            self.most = self._number("max_channels", self.most)
            self.scale = str(self.said["scale"].value) if "scale" in self.said else None
            return
        chosen = scale if scale is not None else letter if letter in scales else None
        if chosen is None:
            message = (
                f"the file has the scales {', '.join(scales)}; choose one, such as recipe.scale={next(iter(scales))}"
            )
            raise SettingsError(message, self.said["scales"].place)
        if chosen not in scales:
            instead = suggestion(chosen, scales) or f" It has {', '.join(scales)}."
            raise SettingsError(f"{short(self.file)} has no scale {chosen!r}.{instead}", Place(key="recipe.scale"))
        node = scales[chosen]
        said = "a scale is a list of depth, width and, at most, the channels there may be"
        numbers = [_positive(one.value, one.place, "a scale") for one in node.items(said)]
        if not 2 <= len(numbers) <= 3:
            raise GrammarError(said, node.place)
        self.scale = chosen
        self.depth, self.width = numbers[:2]
        self.most = numbers[2] if len(numbers) == 3 else self._number("max_channels", self.most)

    def _number(self, name: str, default: float) -> float:
        node = self.said.get(name)
        return default if node is None or node.value is None else _positive(node.value, node.place, name)

    def _require_strides(self) -> None:
        stride = self.names.get("stride", [])
        if not isinstance(stride, list) or not all(type(one) is int and one > 0 for one in stride):
            said = f"stride is a list of whole numbers, such as [8, 16, 32], not {show(stride)}"
            raise GrammarError(said, self.said["stride"].place)

    def _require_silu(self) -> None:
        node = self.said.get("activation")
        value = self._read(node) if node is not None else None
        if node is not None and value not in (None, Layer("SiLU")):
            raise GrammarError(
                "the Cells of MindYOLO have SiLU inside; there is no way to give them another", node.place
            )

    def rows(self) -> list[Row]:
        """The rows of backbone and head.

        Raises:
            GrammarError, Mistakes: all that cannot be read.
        """
        for name in ("backbone", "head"):
            if name not in self.said:
                hint = suggestion(name, self.said)
                raise SettingsError(f"{short(self.file)} is no network: it has no {name!r}.{hint}")
        mistakes: list[AssemblerError] = []
        nodes: list[Node] = []
        for name in ("backbone", "head"):
            with noted(mistakes):
                nodes += self.said[name].items(f"{name} is a list of rows [from, number, module, args]")
        raise_all(mistakes)
        if not nodes:
            message = "a network is a list of rows [from, number, module, args]"
            raise GrammarError(message, self.said["backbone"].place)
        if len(nodes) > MAX_ROWS:
            raise GrammarError(f"the network has {len(nodes):,} rows; the limit is {MAX_ROWS:,}", nodes[MAX_ROWS].place)
        rows: list[Row] = []
        for index, node in enumerate(nodes):
            with noted(mistakes):
                rows.append(self._row(index, node))
        raise_all(mistakes)
        return rows

    def _row(self, index: int, node: Node) -> Row:
        items = node.items("a row is a list [from, number, module, args]")
        if len(items) != 4:
            raise GrammarError("a row is a list [from, number, module, args]", node.place)
        taken, number, module, args = items
        name = module.value
        if not isinstance(name, str) or not re.fullmatch(r"(nn\.)?[A-Za-z]\w*", name):
            raise GrammarError(f"a module is a name such as C2f or nn.Upsample, not {show(name)}", module.place)
        given_here = args.items(f"the arguments of {name} are a list")
        several = taken.is_list
        sources = tuple(_source(one, index) for one in (taken.items("") if several else [taken]))
        if not sources:
            raise GrammarError(f"{name} takes nothing: 'from' is empty", taken.place)
        mistakes: list[AssemblerError] = []
        reader = Reader(self.names, self.layers)
        given: list[tuple[str | None, Any, Place]] = []
        for one in given_here:
            with noted(mistakes):
                word, raw = split_name(one.value)
                given.append((word, reader.read(raw, one.place), one.place))
        raise_all(mistakes)
        given.sort(key=lambda one: one[0] is not None)
        return Row(
            index,
            sources,
            several,
            self._repeats(number),
            name,
            self.layers.module(name, module.place),
            tuple(value for word, value, _ in given if word is None),
            tuple((word, value) for word, value, _ in given if word is not None),
            module.place,
            tuple(place for _, _, place in given),
        )

    def _repeats(self, node: Node) -> int:
        """How often a row is repeated, at the scale's depth."""
        number = node.value
        if type(number) is not int or not 1 <= number <= MAX_REPEAT:
            raise GrammarError(f"a number of repeats lies from 1 to {MAX_REPEAT:,}; this is {show(number)}", node.place)
        times = max(round(number * self.depth), 1) if number > 1 else number
        if times > MAX_REPEAT:
            raise GrammarError(f"this comes to {times:,} repeats; the limit is {MAX_REPEAT:,}", node.place)
        return times

    def scaled(self, channels: int) -> int:
        """Channels at the scale's width: a multiple of 8."""
        return math.ceil(min(channels, self.most) * self.width / 8) * 8


def _positive(value: Any, place: Place, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_NUMBER:
        raise GrammarError(f"{name} takes numbers above 0 and at most {MAX_NUMBER:,}, not {show(value)}", place)
    return value


def _source(node: Node, index: int) -> int:
    """A row by its number, counted from the first or, below 0, from the row itself."""
    value = node.value
    if type(value) is not int:
        raise GrammarError(f"'from' is the number of a row, or a list of these, not {show(value)}", node.place)
    position = value if value >= 0 else index + value
    if not 0 <= position < index and not (index == 0 and value == -1):
        above = f"rows above it are 0 to {index - 1}" if index else "the first row takes -1, the input"
        raise GrammarError(f"row {index} cannot take row {value}: {above}", node.place)
    return position
