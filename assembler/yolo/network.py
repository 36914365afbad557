"""Rows of a network file → a graph."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from assembler.errors import AssemblerError, GrammarError, Place, noted, raise_all
from assembler.recipe import Graph, Layer, Repeat, Source, Stack, Wire
from assembler.source import short
from assembler.yolo import heads
from assembler.yolo.documents import load
from assembler.yolo.rows import MAX_NUMBER, Row, Written, show

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
    written = Written(load(path), path, scale, letter, classes)
    return _Writer(written, written.rows(), channels).graph(path)


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
        emitted = self.written.scaled(_channels_of(row))
        args = [self.taken(row), emitted, *row.args[1:]]
        places = [row.place, *row.arg_places[: len(row.args)]]
        if row.module.repeats:
            args.insert(2, row.number)
            places.insert(2, row.place)
        if row.name == "C3k2" and self.written.scale in ("m", "l", "x"):
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
            stated = self.written.names.get("stride")
            found = [self.strides[one] for one in row.sources]
            strides = stated if isinstance(stated, list) else heads.whole(found, row.place)
            newer = any(one.name == "C3k2" for one in self.rows)
            name, args = heads.ultralytics(row.name, args, channels, strides, row.place, newer=newer)
        else:
            args = heads.mindyolo(row.module.flow == "anchors", args, channels)
        if row.module.layer == "mindyolo.YOLOv8SegHead" and len(args) > 3 and type(args[3]) is int:
            args[3] = self.written.scaled(args[3])
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
