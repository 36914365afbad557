"""Where a configuration key is located: in which YAML file, or in which override."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from assembler.errors import AssemblerError, Mistakes, Place, Span, flatten
from assembler.files import short
from assembler.reading.texts import kept_per_file
from assembler.reading.yaml_files import at_file, compose_yaml


@dataclass(frozen=True)
class Sources:
    """The sources that a configuration was composed from.

    Args:
        files: for each key prefix, the files that define it, highest priority first:
            ``{"recipe": [.../recipe/resnet18.yaml, .../recipe/resnet.yaml], "": [.../assembler.yaml]}``.
        overrides: the overrides of the command line, as typed: ``recipe.stack="Dense(8, 1)"``.
        given: data passed in from Python: ``{"recipe": {"stack": "Dense(8, 1)"}}``. Errors are sorted by its
            keys.
    """

    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> Place:
        """The recipe as a whole: its file, if that is known."""
        files = self.files.get("recipe")
        return Place(key="recipe", label=short(files[0]) if files else None)

    def tell(self, error: AssemblerError) -> AssemblerError:
        """The same error, with the place of each of its errors found in its file, in the order of places.

        Errors without a place come first, then overrides as typed, then files by name, line and column.
        """
        for mistake in flatten([error]):
            within = tuple((block, self.locate(place)) for block, place in mistake.place.within)
            mistake.place = replace(self.locate(mistake.place), within=within)
        if isinstance(error, Mistakes):
            error.mistakes = tuple(sorted(error.mistakes, key=lambda mistake: self._order(mistake.place)))
        return error

    def _order(self, place: Place) -> tuple[Any, ...]:
        """What a place is sorted by."""
        label = place.label or ""
        overrides = [f"override {override}" for override in self.overrides]
        if label in overrides:
            return 1, "", overrides.index(label), place.start
        if spot := re.fullmatch(r"(.+):(\d+):(\d+)", label):
            return 2, spot[1], int(spot[2]), int(spot[3])
        return (2, label, 0, 0) if label else (0, "", _position(self.given, steps_of(place.key)), place.start)

    def locate(self, place: Place) -> Place:
        """The place with its file, line and column, or its override; the same place if neither is known."""
        if not place.key or place.label is not None:
            return place
        setting = [override for override in self.overrides if lies_in(place.key, _name(override))]
        if setting:  # the most specific one applies; among equals, the last
            override = max(reversed(setting), key=lambda override: len(_name(override)))
            return replace(place, label=f"override {override}")
        for prefix in sorted(self.files, key=len, reverse=True):
            if not prefix or lies_in(place.key, prefix):
                for file in self.files[prefix]:
                    found = locate_in_file(file, place.key[len(prefix) :].lstrip("."), place)
                    if found:
                        return found
        for override in self.overrides:  # the key exists only because a key inside it was added
            if lies_in(_name(override), place.key):
                return replace(place, label=f"override {override}")
        outer = re.sub(r"(\.|^)[^.\[]*$|\[\d+\]$", "", place.key)
        for whole in (place.key, outer):  # a file that is empty, or without a key at its top
            if self.files.get(whole) and whole:
                return replace(at_file(self.files[whole][0]), key=place.key, within=place.within)
        if outer != place.key and any(prefix and lies_in(outer, prefix) for prefix in self.files):
            return self.locate(replace(place, key=outer))  # a missing key is reported where it should be
        return place


def _name(override: str) -> str:
    return re.split(r"[=@]", override.lstrip("+~"), maxsplit=1)[0]


def lies_in(key: str, outer: str) -> bool:
    """Whether a key is another one, or inside it."""
    return key == outer or key.startswith((f"{outer}.", f"{outer}["))


def steps_of(key: str) -> list[str | int]:
    """The names and the indices of a key: ``recipe.stack[2].Dense`` → ``["recipe", "stack", 2, "Dense"]``."""
    return [int(index) if index else name for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", key)]


def _position(data: Any, steps: Sequence[str | int]) -> tuple[int, ...]:
    """Where a key is located among those of plain data: its index at each level, as deep as the data has it."""
    if isinstance(data, Mapping):
        for count in range(1, len(steps) + 1):  # as in _descend
            wanted = ".".join(map(str, steps[:count]))
            for index, (name, value) in enumerate(data.items()):
                if _names(str(name), wanted):
                    return index, *_position(value, steps[count:])
    elif isinstance(data, list | tuple) and steps and isinstance(steps[0], int) and steps[0] < len(data):
        return steps[0], *_position(data[steps[0]], steps[1:])
    return ()


def locate_in_file(file: Path, key: str, place: Place) -> Place | None:
    """The place as ``file:line:column`` with its line of YAML, or None if the file does not have the key."""
    try:
        composed = _composed(file)
    except (OSError, ValueError, AssemblerError):
        return None
    source = composed.text
    found = _descend(composed.node, steps_of(key))
    if found is None:
        return None
    name, value = found
    spot = composed.inside(value, place) or composed.inside(name, place) if place.text else None
    node = name or value
    start, end = spot or (node.start_mark.index, node.end_mark.index)
    line_start = source.rfind("\n", 0, start) + 1
    shown = source[line_start:].split("\n", 1)[0]
    label = f"{composed.name}:{source.count(chr(10), 0, start) + 1}:{start - line_start + 1}"
    span = Span.of(file, source, start, end)
    end = max(min(end, line_start + len(shown)) - start, 1)
    return replace(place, label=label, shown=shown, indent=start - line_start, start=0, end=end, span=span)


def extent(file: Path, key: str) -> tuple[Span, Span] | None:
    """The spans of a key's name and of the key with its value; None if the file does not have the key.

    Items of a list have no name: the first span is that of the value. White space after a value is not part of it.
    """
    try:
        composed = _composed(file)
    except (OSError, ValueError, AssemblerError):
        return None
    if (found := _descend(composed.node, steps_of(key))) is None:
        return None
    name, value = found
    first = name or value
    start, text = first.start_mark.index, composed.text
    end = max(len(text[: value.end_mark.index].rstrip()), first.end_mark.index)
    return Span.of(file, text, start, first.end_mark.index), Span.of(file, text, start, end)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a YAML file, or an item of a list, with what is in it.

    Args:
        name: of the key; of an item of a list, its number: ``0``.
        span: of the key's name; of an item, of the item.
        whole: of the name and the value.
        value: the text of a scalar; None for a mapping and a list.
        children: the keys or items in the value.
    """

    name: str
    span: Span
    whole: Span
    value: str | None
    children: tuple[Key, ...] = ()


def keys_of(file: Path) -> tuple[Key, ...]:
    """The keys of a YAML file, for outlines; none of a file that cannot be read. An alias has no keys of its own."""
    try:
        composed = _composed(file)
    except (OSError, ValueError, AssemblerError):
        return ()
    return _keys_in(file, composed.text, composed.node, set()) if composed.node is not None else ()


def _keys_in(file: Path, text: str, node: yaml.Node, seen: set[int]) -> tuple[Key, ...]:
    """The keys of a mapping, or the items of a list, each node once."""
    if id(node) in seen or not isinstance(node, yaml.MappingNode | yaml.SequenceNode):
        return ()
    seen.add(id(node))
    is_mapping = isinstance(node, yaml.MappingNode)
    pairs = node.value if is_mapping else [(one, one) for one in node.value]
    found = []
    for index, (name, value) in enumerate(pairs):
        start = name.start_mark.index
        end = max(len(text[start : value.end_mark.index].rstrip()), name.end_mark.index - start) + start
        said = value.value if isinstance(value, yaml.ScalarNode) else None
        inside = _keys_in(file, text, value, seen)
        span = Span.of(file, text, start, name.end_mark.index if is_mapping else end)
        title = str(name.value) if is_mapping else str(index)
        found.append(Key(title, span, Span.of(file, text, start, end), said, inside))
    return tuple(found)


class _Composed:
    """A file's text and its nodes, and where the characters of its scalars are in the text.

    Args:
        name: of the file, for messages.
    """

    def __init__(self, name: str, text: str, node: yaml.Node | None):
        self.name = name
        self.text = text
        self.node = node
        self._offsets: dict[int, list[int] | None] = {}  # by the node's id: the nodes live as long

    def inside(self, node: yaml.Node | None, place: Place) -> tuple[int, int] | None:
        """Offsets in the file of a span of a scalar's text."""
        if not isinstance(node, yaml.ScalarNode) or node.value != place.text:
            return None
        if id(node) not in self._offsets:
            self._offsets[id(node)] = _offsets_of(self.text, node)
        if (offsets := self._offsets[id(node)]) is None:
            return None
        start = offsets[min(place.start, len(offsets) - 1)]
        last = offsets[min(max(place.end - 1, place.start), len(offsets) - 1)]
        return start, max(last + 1, start + 1)


@kept_per_file
def _composed(file: Path) -> _Composed:
    """A file's text and its nodes: composed once, however many errors it has."""
    return _Composed(short(file), *compose_yaml(file))


def _descend(node: yaml.Node | None, steps: Sequence[str | int]) -> tuple[yaml.Node | None, yaml.Node] | None:
    """The nodes of a key's name (none for an item of a list) and of its value.

    A name may contain dots, as patterns of parameters do: then several steps are one name.
    """
    if node is None:
        return None
    if not steps:
        return None, node
    if isinstance(node, yaml.SequenceNode):
        index, *rest = steps
        if not isinstance(index, int) or index >= len(node.value):
            return None
        return _descend(node.value[index], rest)
    if not isinstance(node, yaml.MappingNode):
        return None
    for count in range(1, len(steps) + 1):
        wanted = ".".join(map(str, steps[:count]))
        for key, value in reversed(node.value):
            if _names(key.value, wanted) and (found := _descend(value, steps[count:])):
                return found if found[0] or steps[count:] else (key, value)
    return None


def _names(key: str, name: str) -> bool:
    """Whether a key is a name, or a block of that name with its arguments."""
    return key == name or key.partition("(")[0].strip() == name


def _offsets_of(source: str, node: yaml.ScalarNode) -> list[int] | None:
    """The offset in the file of each character of a scalar, and of its end; None if it has escapes.

    YAML folds lines and strips indentation, but leaves every other character as it is: the file and the value are
    walked side by side, from one character that is not white space to the next.
    """
    at = node.start_mark.index
    if node.style in ("|", ">"):
        at = source.index("\n", at)
    elif node.style:
        at += 1
    offsets: list[int] = []
    for character in node.value:
        if character.isspace():
            offsets.append(at)
            continue
        while source[at].isspace():
            at += 1
        if source[at] != character:
            return None  # an escape inside quotes
        offsets.append(at)
        at += 2 if node.style == "'" and character == "'" else 1
    return [*offsets, at]
