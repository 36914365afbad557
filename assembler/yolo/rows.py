"""The rows of a network file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assembler.errors import MAX_MISTAKES, AssemblerError, GrammarError, Place, UnknownLayer, flatten, noted, raise_all
from assembler.language.recipe import Layer
from assembler.yolo.documents import Node, show
from assembler.yolo.header import ROWS, Header
from assembler.yolo.modules import Module
from assembler.yolo.translation import translate
from assembler.yolo.values import Reader, split_name

MAX_ROWS = 1000
"""Rows of one network."""
MAX_REPEAT = 1000
"""Times a row may be repeated."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row ``[from, number, module, args]`` of a network file.

    Args:
        sources: the rows that it takes; −1 is the input.
        several: whether ``from`` is a list, so that the module takes a tuple.
        number: the number of repeats, at the depth of the scale.
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


def read_rows(header: Header) -> list[FileRow]:
    """The rows of backbone and head.

    Raises:
        GrammarError, UnknownLayer, Mistakes: all that cannot be read; of what comes in several rows, the first.
    """
    mistakes: list[AssemblerError] = []
    nodes: list[Node] = []
    for name in ROWS:
        with noted(mistakes):
            nodes += header.keys[name].items(f"{name} is a list of rows [from, number, module, args]")
    raise_all(mistakes)
    if not nodes:
        message = "a network is a list of rows [from, number, module, args]"
        raise GrammarError(message, header.keys["backbone"].place)
    if len(nodes) > MAX_ROWS:
        raise GrammarError(f"the network has {len(nodes):,} rows; the limit is {MAX_ROWS:,}", nodes[MAX_ROWS].place)
    rows: list[FileRow] = []
    found: dict[tuple[type, str], AssemblerError] = {}
    for index, node in enumerate(nodes):
        with noted(mistakes := []):
            rows.append(_row(header, index, node))
        for mistake in flatten(mistakes):
            found.setdefault(_identity(mistake), mistake)
        if len(found) >= MAX_MISTAKES:
            break
    raise_all(list(found.values()))
    return rows


def _row(header: Header, index: int, node: Node) -> FileRow:
    items = node.items("a row is a list [from, number, module, args]")
    if len(items) != 4:
        raise GrammarError("a row is a list [from, number, module, args]", node.place)
    taken, number, module, args = items
    name = module.value
    if not isinstance(name, str) or not re.fullmatch(r"(nn\.)?[A-Za-z]\w*", name):
        raise GrammarError(f"a module is a name such as C2f or nn.Upsample, not {show(name)}", module.place)
    given = args.items(f"the arguments of {name} are a list")
    several = taken.is_list
    sources = tuple(_source(one, index) for one in (taken.items("") if several else [taken]))
    if not sources:
        raise GrammarError(f"{name} takes nothing: 'from' is empty", taken.place)
    known = header.layers.module(name, module.place)
    layer = _layer(header, name, given, module.place)
    if known.signature is not None:
        layer = translate(name, known.signature, layer)
    return FileRow(
        index,
        sources,
        several,
        _repeats(header, number),
        name,
        known,
        layer.args,
        layer.kwargs,
        module.place,
        layer.argument_places,
    )


def _layer(header: Header, name: str, given: Sequence[Node], place: Place) -> Layer:
    """The arguments of a row as they are written, those without a name first."""
    mistakes: list[AssemblerError] = []
    reader = Reader(header.names, header.layers)
    found: list[tuple[str | None, Any, Place]] = []
    for one in given:
        with noted(mistakes):
            word, raw = split_name(one.value)
            found.append((word, reader.read(raw, one.place), one.place))
    raise_all(mistakes)
    found.sort(key=lambda one: one[0] is not None)
    args = tuple(value for word, value, _ in found if word is None)
    kwargs = tuple((word, value) for word, value, _ in found if word is not None)
    return Layer(name, args, kwargs, place, tuple(at for _, _, at in found))


def _repeats(header: Header, node: Node) -> int:
    """The number of repeats at the scale's depth."""
    number = node.value
    if type(number) is not int or not 1 <= number <= MAX_REPEAT:
        raise GrammarError(f"a number of repeats lies from 1 to {MAX_REPEAT:,}; this is {show(number)}", node.place)
    times = max(round(number * header.depth), 1) if number > 1 else number
    if times > MAX_REPEAT:
        raise GrammarError(f"this is {times:,} repeats at the scale's depth; the limit is {MAX_REPEAT:,}", node.place)
    return times


def _identity(mistake: AssemblerError) -> tuple[type, str]:
    """Two errors with the same key are one. An unknown module may be in every other row: its place does not count."""
    return type(mistake), mistake.message if isinstance(mistake, UnknownLayer) else str(mistake)


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
