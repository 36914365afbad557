"""Rows of a network file → a graph."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from assembler.errors import AssemblerError, GrammarError, Place, SettingsError, noted, raise_all, suggestion
from assembler.recipe import Graph, Layer, Repeat, Source, Stack, Wire
from assembler.source import short
from assembler.yolo import heads
from assembler.yolo.documents import Document, Node, load
from assembler.yolo.modules import Module, module_of
from assembler.yolo.values import NAMES, Reader, split_name

MAX_ROWS = 1000
"""Rows of one network."""
MAX_REPEAT = 1000
"""Times a row may be repeated."""

MAX_NUMBER = 1_000_000
"""Bound of depths, widths and channels."""

INPUT = "input"
"""What the first row takes."""


def read_network(file: str, *, channels: int, scale: str | None = None, classes: int | None = None) -> Graph:
    """Read a network file of MindYOLO or Ultralytics.

    Each row becomes a line of the graph, ``m0``, ``m1``, …, with its channels, repeats and scale worked out.

    Args:
        file: its path. ``yolov8n.yaml`` that is not there is ``yolov8.yaml`` with the scale n.
        channels: of the input.
        scale: which of the file's ``scales``; by default the letter in the file's name.
        classes: instead of the file's ``nc``.

    Raises:
        SettingsError, GrammarError, Mistakes: with the file, line and column of each mistake.
    """
    path, letter = _find(Path(file))
    network = _Network(load(path), path, scale, letter, classes)
    rows = network.rows()
    return _Writer(network, rows, channels).graph(path)


def _find(file: Path) -> tuple[Path, str | None]:
    """A file that is there, and the scale that its name asks for."""
    match = re.match(r"(yolo[a-z]*-?v?\d+)([a-z])(?![a-z])", file.stem)
    letter = match[2] if match else None
    if match and not file.exists():
        family = file.with_name(match[1] + file.name[match.end() :])
        if family.exists():
            return family, letter
    return file, letter


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


class _Network:
    """What a file says: its numbers, and its rows as they are written."""

    def __init__(self, document: Document, file: Path, scale: str | None, letter: str | None, classes: int | None):
        self.said = document.said
        self.file = file
        mistakes: list[AssemblerError] = []
        self.depth, self.width, self.most = 1.0, 1.0, math.inf
        self.scale: str | None = None
        with noted(mistakes):
            self._read_scale(scale, letter)
        self.names: dict[str, Any] = {}
        for name in NAMES:
            if name in self.said:
                with noted(mistakes):
                    self.names[name] = Reader(self.names).read(self.said[name].value, self.said[name].place)
        data = dict(document.outer["data"].entries) if document.network and "data" in document.outer else {}
        if "nc" in data:  # MindYOLO pays no heed to the network's own
            self.names["nc"] = data["nc"].value
        if classes is not None:
            self.names["nc"] = classes
        with noted(mistakes):
            self._require_silu()
        raise_all(mistakes)

    def _read_scale(self, scale: str | None, letter: str | None) -> None:
        scales = dict(self.said["scales"].entries) if "scales" in self.said else {}
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
            message = f"the file has the scales {', '.join(scales)}; choose one, such as recipe.scale={next(iter(scales))}"
            raise SettingsError(message, self.said["scales"].place)
        if chosen not in scales:
            instead = suggestion(chosen, scales) or f" It has {', '.join(scales)}."
            raise SettingsError(f"{short(self.file)} has no scale {chosen!r}.{instead}", Place(key="recipe.scale"))
        node = scales[chosen]
        numbers = [_positive(one.value, one.place, "a scale") for one in node.items]
        if not 2 <= len(numbers) <= 3:
            raise GrammarError("a scale is a list of depth, width and, at most, the channels there may be", node.place)
        self.scale = chosen
        self.depth, self.width = numbers[:2]
        self.most = numbers[2] if len(numbers) == 3 else self._number("max_channels", self.most)

    def _number(self, name: str, default: float) -> float:
        node = self.said.get(name)
        return default if node is None or node.value is None else _positive(node.value, node.place, name)

    def _require_silu(self) -> None:
        node = self.said.get("activation")
        value = Reader({}).read(node.value, node.place) if node is not None else None
        if node is not None and value not in (None, Layer("SiLU")):
            raise GrammarError("the Cells of MindYOLO have SiLU inside; there is no way to give them another", node.place)

    def rows(self) -> list[Row]:
        """The rows of backbone and head.

        Raises:
            GrammarError, Mistakes: all that cannot be read.
        """
        for name in ("backbone", "head"):
            if name not in self.said:
                hint = suggestion(name, self.said)
                raise SettingsError(f"{short(self.file)} is no network: it has no {name!r}.{hint}")
        nodes = [*self.said["backbone"].items, *self.said["head"].items]
        if not nodes:
            message = "a network is a list of rows [from, number, module, args]"
            raise GrammarError(message, self.said["backbone"].place)
        if len(nodes) > MAX_ROWS:
            raise GrammarError(f"the network has {len(nodes):,} rows; the limit is {MAX_ROWS:,}", nodes[MAX_ROWS].place)
        mistakes: list[AssemblerError] = []
        rows: list[Row] = []
        for index, node in enumerate(nodes):
            with noted(mistakes):
                rows.append(self._row(index, node))
        raise_all(mistakes)
        return rows

    def _row(self, index: int, node: Node) -> Row:
        items = node.items
        if len(items) != 4:
            raise GrammarError("a row is a list [from, number, module, args]", node.place)
        taken, number, module, args = items
        name = module.value
        if not isinstance(name, str) or not re.fullmatch(r"(nn\.)?[A-Za-z]\w*", name):
            raise GrammarError(f"a module is a name such as C2f or nn.Upsample, not {_show(name)}", module.place)
        if not isinstance(args.value, list):
            raise GrammarError(f"the arguments of {name} are a list, not {_show(args.value)}", args.place)
        several = isinstance(taken.value, list)
        sources = tuple(_source(one, index) for one in (taken.items if several else [taken]))
        if not sources:
            raise GrammarError(f"{name} takes nothing: 'from' is empty", taken.place)
        mistakes: list[AssemblerError] = []
        reader = Reader(self.names)
        given: list[tuple[str | None, Any, Place]] = []
        for one in args.items:
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
            module_of(name),
            tuple(value for word, value, _ in given if word is None),
            tuple((word, value) for word, value, _ in given if word is not None),
            module.place,
            tuple(place for _, _, place in given),
        )

    def _repeats(self, node: Node) -> int:
        """How often a row is repeated, at the scale's depth."""
        number = node.value
        if type(number) is not int or not 1 <= number <= MAX_REPEAT:
            raise GrammarError(f"a number of repeats lies from 1 to {MAX_REPEAT:,}; this is {_show(number)}", node.place)
        times = max(round(number * self.depth), 1) if number > 1 else number
        if times > MAX_REPEAT:
            raise GrammarError(f"this comes to {times:,} repeats; the limit is {MAX_REPEAT:,}", node.place)
        return times

    def scaled(self, channels: int) -> int:
        """Channels at the scale's width: a multiple of 8."""
        return math.ceil(min(channels, self.most) * self.width / 8) * 8


def _positive(value: Any, place: Place, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_NUMBER:
        raise GrammarError(f"{name} takes numbers above 0 and at most {MAX_NUMBER:,}, not {_show(value)}", place)
    return value


def _source(node: Node, index: int) -> int:
    """A row by its number, counted from the first or, below 0, from the row itself."""
    value = node.value
    if type(value) is not int:
        raise GrammarError(f"'from' is the number of a row, or a list of these, not {_show(value)}", node.place)
    position = value if value >= 0 else index + value
    if not 0 <= position < index and not (index == 0 and value == -1):
        above = f"rows above it are 0 to {index - 1}" if index else "the first row takes -1, the input"
        raise GrammarError(f"row {index} cannot take row {value}: {above}", node.place)
    return position


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Writer:
    """Turns rows into lines of a graph, and knows what each emits."""

    def __init__(self, network: _Network, rows: Sequence[Row], channels: int):
        self.network = network
        self.rows = rows
        self.channels: dict[int, Any] = {-1: channels}
        self.strides: dict[int, Fraction] = {-1: Fraction(1)}

    def graph(self, file: Path) -> Graph:
        """The whole network; what its last row emits comes out.

        Raises:
            GrammarError, Mistakes: arguments that do not fit, and rows that nothing uses.
        """
        mistakes: list[AssemblerError] = []
        wires: list[Wire] = []
        for row in self.rows:
            self.channels[row.index], self.strides[row.index] = 0, self.stride(row)
            with noted(mistakes):
                body = self.body(row)
                sources: tuple[Source, ...] = tuple((f"m{one}" if one >= 0 else INPUT, None) for one in row.sources)
                wires.append(Wire(f"m{row.index}", body, sources, row.place))
        used = {source for row in self.rows for source in row.sources} | {len(self.rows) - 1}
        mistakes += [
            GrammarError(f"nothing uses row {row.index}", row.place) for row in self.rows if row.index not in used
        ]
        raise_all(mistakes)
        return Graph((INPUT,), tuple(wires), ((f"m{len(self.rows) - 1}", None),), Place(label=short(file)))

    def body(self, row: Row) -> Stack:
        """A row's layers."""
        flow = row.module.flow
        if flow in ("head", "anchors", "detect", "fuse"):
            return self.together(row)
        if flow in ("join", "add"):
            if not row.several:
                raise GrammarError(f"{row.name} takes several rows: 'from' is a list such as [-1, 6]", row.place)
        elif len(row.sources) > 1:
            raise GrammarError(f"{row.name} takes one row, and 'from' has {len(row.sources)}", row.place)
        layer, emitted = self.layer(row)
        self.channels[row.index] = emitted
        times = 1 if row.module.repeats else row.number
        return layer if times == 1 else Repeat(times, layer, row.place)

    def layer(self, row: Row) -> tuple[Layer, Any]:
        """The layer of a row, and how many channels it emits."""
        reached = [self.channels[source] for source in row.sources]
        match row.module.flow:
            case "channels":
                return self.scaled(row)
            case "channels alone":
                return _layer(row, row.module.layer, (self.taken(row),)), reached[0]
            case "join":
                if not all(isinstance(one, int) for one in reached):
                    raise GrammarError(f"{row.name} joins rows that emit one tensor each", row.place)
                return _layer(row, row.module.layer, row.args), sum(reached)
            case "fold":
                return _layer(row, row.module.layer, row.args), 4 * self.taken(row)
            case "split":
                return self.split(row)
        return _layer(row, row.module.layer, row.args), reached[0]

    def scaled(self, row: Row) -> tuple[Layer, int]:
        """A module that is told how many channels it takes and emits."""
        emitted = self.network.scaled(_channels_of(row))
        args = [self.taken(row), emitted, *row.args[1:]]
        places = [row.place, *row.arg_places[: len(row.args)]]
        if row.module.repeats:
            args.insert(2, row.number)
            places.insert(2, row.place)
        if row.name == "C3k2" and self.network.scale in ("m", "l", "x"):
            args[3:4] = [True]  # as both have it: the larger scales have C3k inside throughout
            places[3:4] = [row.place]
        return _layer(row, row.module.layer, args, places), emitted

    def split(self, row: Row) -> tuple[Layer, list[int]]:
        emitted = row.args[0] if row.args else None
        if not isinstance(emitted, list) or not all(type(one) is int and one > 0 for one in emitted):
            raise GrammarError(f"{row.name} begins with the channels of each tensor, such as [64, 128]", row.place)
        places = (row.place, *row.arg_places[: len(row.args)])
        return _layer(row, row.module.layer, (self.taken(row), *row.args), places), emitted

    def taken(self, row: Row) -> int:
        """The channels that reach a row from its only source."""
        reached = self.channels[row.sources[0]]
        if not isinstance(reached, int):
            raise GrammarError(f"{row.name} takes one tensor, and row {row.sources[0]} emits several", row.place)
        return reached

    def together(self, row: Row) -> Layer:
        """A module that takes its sources as one tuple."""
        channels = [self.channels[source] for source in row.sources]
        name, args = row.module.layer, list(row.args)
        if row.module.flow == "fuse":
            self.channels[row.index] = channels[-1]
        elif row.module.flow == "detect":
            strides = self.network.names.get("stride") or heads.whole([self.strides[one] for one in row.sources], row.place)
            newer = any(one.name == "C3k2" for one in self.rows)
            name, args = heads.ultralytics(row.name, args, channels, strides, row.place, newer=newer)
        else:
            args = heads.mindyolo(row.module.flow == "anchors", args, channels)
        if row.module.layer == "mindyolo.YOLOv8SegHead" and len(args) > 3 and type(args[3]) is int:
            args[3] = self.network.scaled(args[3])
        return Layer("Together", (_layer(row, name, args),), (), row.place, (row.place,))

    def stride(self, row: Row) -> Fraction:
        """By how much the input's height and width are divided where a row emits, as far as arguments tell."""
        before = self.strides[row.sources[0]]
        rule = row.module.stride
        if row.module.layer == "mindyolo.Upsample":
            times = row.args[1] if len(row.args) > 1 else 1
            return before / Fraction(times) if isinstance(times, int | float) and 0 < times < math.inf else before
        if isinstance(rule, int):
            return before * rule
        at, name, default = rule
        by = dict(row.kwargs).get(name, row.args[at] if at < len(row.args) else default)
        return before * by if type(by) is int and by > 0 else before


def _channels_of(row: Row) -> int:
    emitted = row.args[0] if row.args else None
    if type(emitted) is not int or not 1 <= emitted <= MAX_NUMBER:
        said = f", not {_show(emitted)}" if row.args else ""
        raise GrammarError(f"{row.name} begins with the number of channels that it emits, at most {MAX_NUMBER:,}{said}", row.place)
    return emitted


def _layer(row: Row, name: str, args: Sequence[Any], places: Sequence[Place] = ()) -> Layer:
    """A layer at its row.

    Args:
        places: of its arguments, if they are not those of the row.
    """
    same = row.arg_places[: len(row.args)] if len(args) == len(row.args) else (row.place,) * len(args)
    return Layer(name, tuple(args), row.kwargs, row.place, (*(places or same), *row.arg_places[len(row.args) :]))
