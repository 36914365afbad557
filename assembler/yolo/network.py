"""Rows of a network file → a graph."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from assembler.errors import AssemblerError, GrammarError, Place, noted, raise_all
from assembler.files import short
from assembler.language.recipe import Graph, Layer, Repeat, Source, Stack, Wire
from assembler.registry.registry import LAYERS, Registry
from assembler.yolo import heads
from assembler.yolo.documents import files_of, load, show
from assembler.yolo.modules import Names
from assembler.yolo.rows import MAX_NUMBER, Row, Written

MAX_STRIDE = 2**31
"""Where strides are counted no further: no image is larger."""

INPUT = "input"
"""What the first row takes."""


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
        registry: where modules are found that neither project has; by default ``LAYERS``.

    Raises:
        SettingsError, GrammarError, UnknownLayer, Mistakes: with the file, line and column of each mistake.
    """
    path, letter = _find(Path(file))
    document = load(path)
    names = Names(LAYERS if registry is None else registry, torch=not document.network)
    written = Written(document, path, names, scale=scale, letter=letter, classes=classes)
    return _Writer(written, written.rows(), channels).graph(path)


def network_files(file: str) -> list[Path]:
    """The files that a network is read from: its own, and those that it is based on, as far as they can be read."""
    return files_of(_find(Path(file))[0])


def _find(file: Path) -> tuple[Path, str | None]:
    """A file that is there, and the scale that its name asks for."""
    match = re.match(r"(yolo[a-z]*-?v?\d+)([a-z])(?![a-z])", file.stem)
    letter = match[2] if match else None
    if match and not file.exists():
        family = file.with_name(match[1] + file.name[match.end() :])
        if family.exists():
            return family, letter
    return file, letter


class _Writer:
    """Turns rows into lines of a graph, and knows what each emits."""

    def __init__(self, written: Written, rows: Sequence[Row], channels: int):
        self.written = written
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

    def translated(self, row: Row, args: Sequence[Any], places: Sequence[Place] = ()) -> Layer:
        """A row's layer, with the arguments that it has here."""
        return self.written.layers.layer(row.name, _layer(row, row.module.layer, args, places))

    def as_written(self, row: Row) -> tuple[Layer, int]:
        """A module that says itself how many channels it takes and emits, as torch's do."""
        numbers = row.args[:2]
        if len(numbers) < 2 or not all(type(one) is int and 1 <= one <= MAX_NUMBER for one in numbers):
            said = "begins with the numbers of channels that it takes and emits"
            raise GrammarError(f"{row.name} {said}, at most {MAX_NUMBER:,}", row.place)
        if row.name == "nn.Conv2d" and numbers[0] != (reached := self.taken(row)):
            said = f"{row.name} begins with the channels that it takes: {reached} reach it, not {numbers[0]}"
            raise GrammarError(said, row.arg_places[0])
        return self.translated(row, row.args), numbers[1]

    def scaled(self, row: Row) -> tuple[Layer, int]:
        """A module that is told how many channels it takes and emits."""
        emitted = self.written.scaled(_channels_of(row))
        args = [self.taken(row), emitted, *row.args[1:]]
        places = [row.place, *row.arg_places[: len(row.args)]]
        if row.module.repeats:
            args.insert(2, row.number)
            places.insert(2, row.place)
        if row.name == "C3k2" and self.written.scale in ("m", "l", "x"):
            args[3:4] = [True]  # as both have it: the larger scales have C3k inside throughout
            places[3:4] = [row.place]
        return self.translated(row, args, places), emitted

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
            stated = self.written.names.get("stride")
            found = [self.strides[one] for one in row.sources]
            strides = heads.whole(found, row.place) if stated is None else stated
            newer = any(one.name == "C3k2" for one in self.rows)
            name, args = heads.ultralytics(row.name, args, channels, strides, row.place, newer=newer)
        else:
            args = heads.mindyolo(row.module.flow == "anchors", args, channels)
        if row.module.layer == "mindyolo.YOLOv8SegHead" and len(args) > 3 and type(args[3]) is int:
            args[3] = self.written.scaled(args[3])
        return Layer("Together", (_layer(row, name, args),), (), row.place, (row.place,))

    def stride(self, row: Row) -> Fraction:
        """By how much the input's height and width are divided where a row emits, as far as arguments tell."""
        stride, by = self.strides[row.sources[0]], _division(row)
        for _ in range(1 if row.module.repeats or by == 1 else row.number):
            stride *= by if Fraction(1, MAX_STRIDE) < stride < MAX_STRIDE else 1
        return stride


def _division(row: Row) -> Fraction:
    """By how much a row's module divides height and width, each time that it is run."""
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


def _channels_of(row: Row) -> int:
    emitted = row.args[0] if row.args else None
    if type(emitted) is not int or not 1 <= emitted <= MAX_NUMBER:
        said = f", not {show(emitted)}" if row.args else ""
        raise GrammarError(
            f"{row.name} begins with the number of channels that it emits, at most {MAX_NUMBER:,}{said}", row.place
        )
    return emitted


def _layer(row: Row, name: str, args: Sequence[Any], places: Sequence[Place] = ()) -> Layer:
    """A layer at its row.

    Args:
        places: of its arguments, if they are not those of the row.
    """
    same = row.arg_places[: len(row.args)] if len(args) == len(row.args) else (row.place,) * len(args)
    return Layer(name, tuple(args), row.kwargs, row.place, (*(places or same), *row.arg_places[len(row.args) :]))
