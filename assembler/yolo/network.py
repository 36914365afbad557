"""Rows of a network file → a graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from assembler.errors import AssemblerError, GrammarError, Place, noted, raise_all
from assembler.files import short
from assembler.language.recipe import Graph, Layer, Repeat, Source, Stack, Wire
from assembler.reading.recipe_files import find_network
from assembler.registry.registry import LAYERS, Registry
from assembler.yolo import heads
from assembler.yolo.documents import files_of, load, show
from assembler.yolo.header import MAX_NUMBER, Header
from assembler.yolo.modules import Names
from assembler.yolo.rows import FileRow, read_rows

MAX_STRIDE = 2**31
"""The largest stride that is counted: no image is larger."""

INPUT = "input"
"""The source of the first row."""


def read_network(
    file: str,
    *,
    channels: int,
    scale: str | None = None,
    classes: int | None = None,
    registry: Registry | None = None,
) -> Graph:
    """Read a network file of MindYOLO or Ultralytics.

    Each row becomes a line of the graph, ``m0``, ``m1``, …, with its channels, repeats and scale worked out.

    Args:
        file: its path. ``yolov8n.yaml`` that is not there is ``yolov8.yaml`` with the scale n.
        channels: of the input.
        scale: which of the file's ``scales``; by default the letter in the file's name.
        classes: instead of the file's ``nc``.
        registry: where modules are looked up that neither project has; by default ``LAYERS``.

    Raises:
        SettingsError, GrammarError, UnknownLayer, Mistakes: with the file, line and column of each error.
    """
    path, letter = find_network(Path(file))
    document = load(path)
    names = Names(
        LAYERS if registry is None else registry, torch=not document.network, anchored="anchors" in document.keys
    )
    header = Header(document, path, names, channels=channels, scale=scale, letter=letter, classes=classes)
    return _Writer(header, read_rows(header), channels).graph(path)


def network_files(file: str) -> list[Path]:
    """The files of a network: its own and its bases, as far as they can be read."""
    return files_of(find_network(Path(file))[0])


class _Writer:
    """Turns rows into lines of a graph, and keeps the channels and the stride of each."""

    def __init__(self, header: Header, rows: Sequence[FileRow], channels: int):
        self.header = header
        self.rows = rows
        self.channels: dict[int, Any] = {-1: channels}
        self.strides: dict[int, Fraction] = {-1: Fraction(1)}

    def graph(self, file: Path) -> Graph:
        """The whole network, whose output is that of its last row.

        Raises:
            GrammarError, Mistakes: arguments that do not fit, and rows that no other uses.
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

    def body(self, row: FileRow) -> Stack:
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

    def layer(self, row: FileRow) -> tuple[Layer, Any]:
        """The layer of a row, and how many channels it emits."""
        reached = [self.channels[source] for source in row.sources]
        match row.module.flow:
            case "channels":
                return self.scaled(row)
            case "channels alone":
                return _layer(row, row.module.layer, (self.taken(row),)), reached[0]
            case "own":
                return self.as_written(row)
            case "join":
                if not all(isinstance(one, int) for one in reached):
                    raise GrammarError(f"{row.name} joins rows that emit one tensor each", row.place)
                return self.translated(row, row.args), sum(reached)
            case "fold":
                return self.translated(row, row.args), 4 * self.taken(row)
            case "split":
                return self.split(row)
        return self.translated(row, row.args), reached[0]

    def translated(self, row: FileRow, args: Sequence[Any], places: Sequence[Place] = ()) -> Layer:
        """A row's layer with the arguments that it has here."""
        return self.header.layers.layer(row.name, _layer(row, row.module.layer, args, places))

    def as_written(self, row: FileRow) -> tuple[Layer, int]:
        """A module whose own arguments are the channels that it takes and emits, as torch's are."""
        numbers = row.args[:2]
        if len(numbers) < 2 or not all(type(one) is int and 1 <= one <= MAX_NUMBER for one in numbers):
            expected = "begins with the numbers of channels that it takes and emits"
            raise GrammarError(f"{row.name} {expected}, at most {MAX_NUMBER:,}", row.place)
        if row.name == "nn.Conv2d" and numbers[0] != (reached := self.taken(row)):
            message = f"{row.name} begins with the channels that it takes: {reached} reach it, not {numbers[0]}"
            raise GrammarError(message, row.arg_places[0])
        return self.translated(row, row.args), numbers[1]

    def scaled(self, row: FileRow) -> tuple[Layer, int]:
        """A module that is given the channels that it takes and emits, or some of ``Module.row``."""
        module, reached = row.module, self.taken(row)
        own = 1 if "c2" in module.row else 0
        emitted = self.header.emitted(_channels_of(row)) if own else reached
        given = {"c1": reached, "c2": emitted, "n": row.number}
        args = [*(given[name] for name in module.row), *row.args[own:]]
        places = [*(row.place for _ in module.row), *row.arg_places[own : len(row.args)]]
        scale = self.header.scale or "?"
        if row.name == "C3k2" and scale in "mlx":
            args[3:4] = [True]  # as both have it: the larger scales have C3k inside throughout
            places[3:4] = [row.place]
        elif row.name == "A2C2f" and scale in "lx":
            args += [True, 1.2]  # as Ultralytics has it: the larger scales are residual
            places += [row.place, row.place]
        return self.translated(row, args, places), emitted

    def split(self, row: FileRow) -> tuple[Layer, list[int]]:
        emitted = row.args[0] if row.args else None
        if not isinstance(emitted, list) or not all(type(one) is int and one > 0 for one in emitted):
            raise GrammarError(f"{row.name} begins with the channels of each tensor, such as [64, 128]", row.place)
        places = (row.place, *row.arg_places[: len(row.args)])
        return _layer(row, row.module.layer, (self.taken(row), *row.args), places), emitted

    def taken(self, row: FileRow) -> int:
        """The channels that reach a row from its only source."""
        reached = self.channels[row.sources[0]]
        if not isinstance(reached, int):
            raise GrammarError(f"{row.name} takes one tensor, and row {row.sources[0]} emits several", row.place)
        return reached

    def together(self, row: FileRow) -> Layer:
        """A module that takes its sources as one tuple."""
        channels = [self.channels[source] for source in row.sources]
        name, args = row.module.layer, list(row.args)
        if row.module.flow == "fuse":
            self.channels[row.index] = channels[-1]
        elif row.module.flow == "detect":
            newer = any(one.name in heads.NEWER for one in self.rows[: row.index])
            name, args = heads.ultralytics(row, self.header.names, channels, self.strides_of(row), newer=newer)
        else:
            args = heads.mindyolo(row, channels)
        if row.module.layer == "mindyolo.YOLOv8SegHead" and len(args) > 3 and type(args[3]) is int:
            args[3] = self.header.scaled(args[3])
        return Layer("Together", (_layer(row, name, args),), (), row.place, (row.place,))

    def strides_of(self, row: FileRow) -> list[int]:
        """The strides of a head's levels: the file's, or what its rows divide the image by."""
        stated: list[int] | None = self.header.names.get("stride")
        return heads.whole([self.strides[one] for one in row.sources], row.place) if stated is None else stated

    def stride(self, row: FileRow) -> Fraction:
        """What a row divides the input's height and width by, as far as its arguments show."""
        stride, by = self.strides[row.sources[0]], _division(row)
        for _ in range(1 if row.module.repeats or by == 1 else row.number):
            stride *= by if Fraction(1, MAX_STRIDE) < stride < MAX_STRIDE else 1
        return stride


def _division(row: FileRow) -> Fraction:
    """What a row's module divides height and width by, each time that it is run."""
    rule = row.module.stride
    if row.module.layer == "mindyolo.Upsample":
        by = row.args[1] if len(row.args) > 1 else 1
        return 1 / Fraction(by) if isinstance(by, int | float) and 0 < by < math.inf else Fraction(1)
    if isinstance(rule, int):
        return Fraction(rule)
    at, name, default = rule
    given = [*row.args[at : at + 1], default, *row.args[:1]]
    by = dict(row.kwargs).get(name, next((one for one in given if one is not None), 1))
    divided = Fraction(by) if type(by) is int and by > 0 else Fraction(1)
    return 1 / divided if row.module.enlarges else divided


def _channels_of(row: FileRow) -> int:
    emitted = row.args[0] if row.args else None
    if type(emitted) is not int or not 1 <= emitted <= MAX_NUMBER:
        given = f", not {show(emitted)}" if row.args else ""
        raise GrammarError(
            f"{row.name} begins with the number of channels that it emits, at most {MAX_NUMBER:,}{given}", row.place
        )
    return emitted


def _layer(row: FileRow, name: str, args: Sequence[Any], places: Sequence[Place] = ()) -> Layer:
    """A layer at its row.

    Args:
        places: of its arguments, if they are not those of the row.
    """
    same = row.arg_places[: len(row.args)] if len(args) == len(row.args) else (row.place,) * len(args)
    return Layer(name, tuple(args), row.kwargs, row.place, (*(places or same), *row.arg_places[len(row.args) :]))
