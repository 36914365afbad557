"""Network files as YAML nodes that know their places, merged with the files that they are based on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from assembler.errors import AssemblerError, GrammarError, Place, SettingsError, Span
from assembler.files import require_name, short
from assembler.reading.texts import exists, size_of
from assembler.reading.yaml_files import at_file, compose_yaml
from assembler.words import first_line

MAX_SIZE = 200_000
"""Bytes in all files of one network."""
MAX_FILES = 20
"""Files that are read for one network."""


@dataclass(frozen=True)
class Node:
    """A value in a YAML file, with its place.

    Args:
        merged: the keys of a mapping that overrides a base's mapping: its own, and those of the base.
    """

    file: Path
    text: str
    node: yaml.Node
    merged: Mapping[str, Node] | None = None

    @cached_property
    def value(self) -> Any:
        """The data, without that of a base.

        Raises:
            GrammarError: it cannot be constructed, such as a number of thousands of digits.
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
        span = Span(self.file, start.line, start.column, end.line, end.column)
        return Place(label=label, shown=shown, indent=start.column, end=max(stop - start.column, 1), span=span)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    def items(self, expected: str) -> list[Node]:
        """The items of a list.

        Args:
            expected: the message's beginning if it is not a list, such as "head is a list of rows".

        Raises:
            GrammarError: it is not a list.
        """
        if not self.is_list:
            raise GrammarError(f"{expected}, not {show(self.value)}", self.place)
        return [Node(self.file, self.text, node) for node in self.node.value]

    def entries(self, expected: str) -> dict[str, Node]:
        """The values of a mapping by their keys, those of its bases included.

        Args:
            expected: the message's beginning if it is not a mapping, such as "data is a mapping".

        Raises:
            GrammarError: it is not a mapping.
        """
        if self.merged is not None:
            return dict(self.merged)
        if not isinstance(self.node, yaml.MappingNode):
            raise GrammarError(f"{expected}, not {show(self.value)}", self.place)
        try:
            yaml.constructor.SafeConstructor().flatten_mapping(self.node)
        except yaml.MarkedYAMLError as error:
            raise GrammarError(f"cannot read this: {error.problem}", self.place) from None
        return {str(name.value): Node(self.file, self.text, node) for name, node in self.node.value}

    def over(self, base: Node | None) -> Node:
        """This value where it overrides a base's, merged as MindYOLO does: recursively, lists as a whole.

        ``{nc: 3, a: {x: 1}}`` over ``{nc: 80, a: {y: 2}}`` is ``{nc: 3, a: {x: 1, y: 2}}``.
        """
        if base is None or not (isinstance(self.node, yaml.MappingNode) and isinstance(base.node, yaml.MappingNode)):
            return self
        below = base.entries("")
        return replace(
            self, merged={**below, **{name: node.over(below.get(name)) for name, node in self.entries("").items()}}
        )


def show(value: Any) -> str:
    """A value in a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class Document:
    """The keys of a network file and its bases.

    Args:
        outer: the keys of the files themselves.
        network: the keys below ``network``, where MindYOLO has the network; otherwise none.
    """

    outer: Mapping[str, Node]
    network: Mapping[str, Node]

    @property
    def keys(self) -> Mapping[str, Node]:
        """The keys of the network itself."""
        return self.network or self.outer


def load(file: Path) -> Document:
    """Read a file, and the files that it names under ``__BASE__``, from its own folder.

    Later bases override earlier ones, and the file overrides them all.

    Raises:
        SettingsError: a file cannot be read, is not a mapping, or is based on itself; or there are too many or too
            large ones.
    """
    root = _Files().read(file)
    outer = {name: node for name, node in root.entries("").items() if name != _BASE}
    network = outer.get("network")
    return Document(
        outer, network.entries("network is a mapping with a backbone and a head") if network is not None else {}
    )


_BASE = "__BASE__"


class _Files:
    """The files of one network, each read once."""

    def __init__(self) -> None:
        self.size = 0
        self.nodes: dict[Path, Node | None] = {}  # of a file whose bases are still being read, None

    def read(self, file: Path) -> Node:
        """A file's root, merged with its bases."""
        path = file.resolve()
        if path not in self.nodes:
            self.open(file, path)
        node = self.nodes[path]
        if node is None:
            raise SettingsError(f"{short(file)} is based on itself")
        return node

    def open(self, file: Path, path: Path) -> None:
        """Read a file for the first time."""
        if len(self.nodes) == MAX_FILES:
            raise SettingsError(f"a network has at most {MAX_FILES} files; {short(file)} is one more")
        self.nodes[path] = None
        self.size += _size(file)
        if self.size > MAX_SIZE:
            raise SettingsError(
                f"the files of the network have {self.size:,} bytes up to {short(file)}; the limit is {MAX_SIZE:,}"
            )
        root = _root(file)
        below: Node | None = None
        for base in _bases(root):
            below = self.read(_require_there(base)).over(below)
        self.nodes[path] = root.over(below)


def files_of(file: Path) -> list[Path]:
    """A file and its bases, as far as they can be read."""
    found: dict[Path, Path] = {}
    waiting = [file]
    while waiting and len(found) < MAX_FILES:
        file = waiting.pop()
        if file.resolve() not in found:
            found[file.resolve()] = file
            with suppress(AssemblerError):  # loading the network reports it
                waiting += [_named(base) for base in _bases(_root(file))] if _size(file) <= MAX_SIZE else []
    return list(found.values())


def _size(file: Path) -> int:
    if file.suffix not in (".yaml", ".yml"):
        raise SettingsError(f"{short(file)} must end in .yaml or .yml")
    try:
        return size_of(file)
    except OSError as error:
        raise SettingsError(error.strerror or str(error), at_file(file)) from None


def _root(file: Path) -> Node:
    text, node = compose_yaml(file)
    if not isinstance(node, yaml.MappingNode):
        raise SettingsError(f"{short(file)} is not a network: it has no keys such as backbone and head")
    return Node(file, text, node)


def _bases(root: Node) -> list[Node]:
    """The bases in a file's own keys."""
    named = root.entries("").get(_BASE)
    bases = [] if named is None else named.items("") if named.is_list else [named]
    if len(bases) > MAX_FILES:
        raise GrammarError(
            f"a network has at most {MAX_FILES} files; this names {len(bases):,}", bases[MAX_FILES].place
        )
    return bases


def _named(base: Node) -> Path:
    name = base.value
    if not isinstance(name, str) or Path(name).is_absolute() or name.startswith("~"):
        raise SettingsError(f"a base is a path relative to this file's folder, not {show(name)}", base.place)
    try:
        return base.file.parent / require_name(name)
    except ValueError as error:
        raise SettingsError(str(error), base.place) from None


def _require_there(base: Node) -> Path:
    file = _named(base)
    if not exists(file):
        raise SettingsError(f"there is no file {short(file)}", base.place)
    return file
