"""YAML with the place of everything in it, and the files that a file of MindYOLO's is based on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from assembler.errors import AssemblerError, GrammarError, Place, SettingsError
from assembler.files import require_name, short
from assembler.reading.yaml_files import compose_yaml
from assembler.words import first_line

MAX_SIZE = 200_000
"""Bytes in one file."""
MAX_BASES = 20
"""Files that are read for one network."""


@dataclass(frozen=True)
class Node:
    """A piece of a YAML file: what it holds, and where it stands."""

    file: Path
    text: str
    node: yaml.Node

    @cached_property
    def value(self) -> Any:
        """The data in it.

        Raises:
            GrammarError: it is none: a tag that is not YAML's own, say.
        """
        try:
            return yaml.constructor.SafeConstructor().construct_document(self.node)
        except yaml.MarkedYAMLError as error:
            raise GrammarError(f"cannot read this: {error.problem}", self.place) from None
        except ValueError as error:  # a number of thousands of digits
            raise GrammarError(f"cannot read this: {first_line(error)}", self.place) from None

    @cached_property
    def place(self) -> Place:
        """``file:line:column`` with its line."""
        start, end = self.node.start_mark, self.node.end_mark
        shown = self.text.split("\n")[start.line]
        stop = end.column if end.line == start.line else len(shown)
        label = f"{short(self.file)}:{start.line + 1}:{start.column + 1}"
        return Place(label=label, shown=shown, indent=start.column, end=max(stop - start.column, 1))

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    def items(self, said: str) -> list[Node]:
        """What a list holds.

        Args:
            said: what it should be, such as "head is a list of rows".

        Raises:
            GrammarError: it is no list.
        """
        if not self.is_list:
            raise GrammarError(f"{said}, not {show(self.value)}", self.place)
        return [Node(self.file, self.text, node) for node in self.node.value]

    def entries(self, said: str) -> dict[str, Node]:
        """What a mapping holds, by its keys.

        Args:
            said: what it should be, such as "data is a mapping".

        Raises:
            GrammarError: it is no mapping.
        """
        if not isinstance(self.node, yaml.MappingNode):
            raise GrammarError(f"{said}, not {show(self.value)}", self.place)
        try:
            yaml.constructor.SafeConstructor().flatten_mapping(self.node)
        except yaml.MarkedYAMLError as error:
            raise GrammarError(f"cannot read this: {error.problem}", self.place) from None
        return {str(name.value): Node(self.file, self.text, node) for name, node in self.node.value}


def show(value: Any) -> str:
    """A value in a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass
class Document:
    """What files say of a network.

    Args:
        outer: the keys of the files themselves.
        network: the keys below ``network``, where MindYOLO has the network.
    """

    outer: dict[str, Node] = field(default_factory=dict)
    network: dict[str, Node] = field(default_factory=dict)

    @property
    def said(self) -> Mapping[str, Node]:
        """The keys of the network itself."""
        return self.network or self.outer


def load(file: Path, above: tuple[Path, ...] = ()) -> Document:
    """Read a file, and before it the files that it names under ``__BASE__``, from its own folder.

    Args:
        above: the files that are based on this one.

    Raises:
        SettingsError: a file cannot be read, is too large, is no mapping, or is based on itself.
    """
    if file.resolve() in above:
        raise SettingsError(f"{short(file)} is based on itself")
    if len(above) >= MAX_BASES:
        raise SettingsError(f"{short(file)}: more than {MAX_BASES} files are based on each other")
    own = _root(file)
    document = Document()
    for base in _bases(own):
        below = load(_there(base), (*above, file.resolve()))
        document.outer.update(below.outer)
        document.network.update(below.network)
    own.pop("__BASE__", None)
    document.outer.update(own)
    if "network" in own:
        document.network.update(own["network"].entries("network is a mapping with a backbone and a head"))
    return document


def files_of(file: Path) -> list[Path]:
    """A file and those that it is based on, as far as they can be read."""
    found: dict[Path, None] = {}
    waiting = [file]
    while waiting and len(found) < MAX_BASES:
        file = waiting.pop()
        if file.resolve() not in map(Path.resolve, found):
            found[file] = None
            with suppress(AssemblerError):  # whoever loads it is told
                waiting += [_named(base) for base in _bases(_root(file))]
    return list(found)


def _root(file: Path) -> dict[str, Node]:
    if file.suffix not in (".yaml", ".yml"):
        raise SettingsError(f"{short(file)} must end in .yaml or .yml")
    try:
        size = file.stat().st_size
    except OSError as error:
        raise SettingsError(f"{short(file)}: {error.strerror}") from None
    if size > MAX_SIZE:
        raise SettingsError(f"{short(file)} has {size:,} bytes; the limit for a network is {MAX_SIZE:,}")
    text, node = compose_yaml(file)
    if not isinstance(node, yaml.MappingNode):
        raise SettingsError(f"{short(file)} is no network: it has no keys such as backbone and head")
    return Node(file, text, node).entries("a network is a mapping")


def _bases(own: Mapping[str, Node]) -> list[Node]:
    named = own.get("__BASE__")
    return [] if named is None else named.items("") if named.is_list else [named]


def _named(base: Node) -> Path:
    name = base.value
    if not isinstance(name, str) or Path(name).is_absolute() or name.startswith("~"):
        raise SettingsError(f"a base is a file, as a path from the folder of this one, not {show(name)}", base.place)
    try:
        return base.file.parent / require_name(name)
    except ValueError as error:
        raise SettingsError(str(error), base.place) from None


def _there(base: Node) -> Path:
    file = _named(base)
    if not file.is_file():
        raise SettingsError(f"there is no file {short(file)}", base.place)
    return file
