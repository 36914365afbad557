"""Where a configuration key stands in which YAML file, or which override set it.

Nothing here is read before there is a mistake to tell.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from assembler.errors import AssemblerError, Place, SettingsError, flatten
from assembler.files import short as short
from assembler.untrusted import MAX_FILES, compose_yaml, hold_size, load_untrusted


@dataclass(frozen=True)
class Sources:
    """What a configuration was composed from.

    Args:
        files: for each key prefix, the files that fill it, the one that counts most first:
            ``{"recipe": [.../recipe/resnet18.yaml, .../recipe/resnet.yaml], "": [.../assembler.yaml]}``.
        overrides: what the command line set, as typed: ``recipe.stack="Dense(8, 1)"``.
    """

    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    overrides: Sequence[str] = ()

    def tell(self, error: AssemblerError) -> AssemblerError:
        """The same error, with each mistake's place found in its file."""
        for mistake in flatten([error]):
            within = tuple((block, self.locate(place)) for block, place in mistake.place.within)
            mistake.place = replace(self.locate(mistake.place), within=within)
        return error

    def locate(self, place: Place) -> Place:
        """The place with its file, line and column, or its override; the same place if neither is known."""
        if not place.key or place.label is not None:
            return place
        setting = [override for override in self.overrides if _lies_in(place.key, _name(override))]
        if setting:  # the most particular one holds, and of those the last
            override = max(reversed(setting), key=lambda override: len(_name(override)))
            return replace(place, label=f"override {override}")
        for prefix in sorted(self.files, key=len, reverse=True):
            if not prefix or _lies_in(place.key, prefix):
                for file in self.files[prefix]:
                    found = locate_in_file(file, place.key[len(prefix) :].lstrip("."), place)
                    if found:
                        return found
        for override in self.overrides:  # the key exists only because something inside it was added
            if _lies_in(_name(override), place.key):
                return replace(place, label=f"override {override}")
        outer = re.sub(r"(\.|^)[^.\[]*$|\[\d+\]$", "", place.key)
        if outer != place.key and any(prefix and _lies_in(outer, prefix) for prefix in self.files):
            if outer in self.files:  # a key that is missing at the top of its file
                return replace(place, label=short(self.files[outer][0]))
            return self.locate(replace(place, key=outer))  # what is missing is told where it should stand
        return place


def _name(override: str) -> str:
    return re.split(r"[=@]", override.lstrip("+~"), maxsplit=1)[0]


def _lies_in(key: str, outer: str) -> bool:
    return key == outer or key.startswith((f"{outer}.", f"{outer}["))


def locate_in_file(file: Path, key: str, place: Place) -> Place | None:
    """The place as ``file:line:column`` with its line of YAML, or None if the file does not have the key."""
    try:
        found_file = file.stat()
        source, node = _composed(file, found_file.st_mtime_ns, found_file.st_size)
    except (OSError, ValueError, AssemblerError):
        return None
    steps = [int(index) if index else name for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", key)]
    found = _descend(node, steps)
    if found is None:
        return None
    name, value = found
    spot = _inside(source, value, place) or _inside(source, name, place) if place.text else None
    node = name or value
    start, end = spot or (node.start_mark.index, node.end_mark.index)
    line_start = source.rfind("\n", 0, start) + 1
    shown = source[line_start:].split("\n", 1)[0]
    label = f"{short(file)}:{source.count(chr(10), 0, start) + 1}:{start - line_start + 1}"
    end = min(end, line_start + len(shown))
    return replace(place, label=label, shown=shown, indent=start - line_start, start=0, end=max(end - start, 1))


@lru_cache(maxsize=32)
def _composed(file: Path, *as_it_is: int) -> tuple[str, yaml.Node | None]:
    """A file's text and its nodes: composed once, however many mistakes are in it."""
    return compose_yaml(file)


def _descend(node: yaml.Node | None, steps: Sequence[str | int]) -> tuple[yaml.Node | None, yaml.Node] | None:
    """The nodes of a key's name (none for an item of a list) and of its value.

    A name may have dots of its own, as the patterns of parameters do: several steps are one name then.
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


def _inside(source: str, node: yaml.Node | None, place: Place) -> tuple[int, int] | None:
    """Offsets in the file of a stretch of a scalar's text.

    YAML folds lines and strips indentation, but leaves every other character as it is: the file and the value are
    walked side by side, from one character that is not white space to the next.
    """
    if not isinstance(node, yaml.ScalarNode) or node.value != place.text:
        return None
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
    offsets.append(at)
    start = offsets[min(place.start, len(offsets) - 1)]
    last = offsets[min(max(place.end - 1, place.start), len(offsets) - 1)]
    return start, max(last + 1, start + 1)


SHIPPED = Path(__file__).parent / "conf"
"""The folder of the recipes and blocks that ship; what is not beside a file is looked for there, as Hydra does."""


def defaults_of(file: Path, above: tuple[Path, ...] = ()) -> list[tuple[Path, str]]:
    """The files that a recipe file takes up by its ``defaults``, in order, each with the key that it fills.

    Of Hydra's ways to write them, these: ``name`` for a file beside it, ``/group/name@key`` and ``/group@key: name``
    for one in a folder beside its own. The file itself, ``_self_``, comes last unless it is told otherwise.

    Args:
        above: the files that take this one up.

    Raises:
        SettingsError: files take up each other in a circle, or more than ``MAX_FILES``.
    """
    if file in above:
        circle = " → ".join(path.stem for path in (*above[above.index(file) :], file))
        raise SettingsError(f"{short(file)}: recipes take up each other in a circle: {circle}")
    data: Any = None
    with suppress(SettingsError):  # whoever loads it is told
        data = load_untrusted(file)
    entries = data.get("defaults") if isinstance(data, Mapping) else None
    entries = entries if isinstance(entries, list) else []
    found: list[tuple[Path, str]] = []
    for entry in [*entries, *([] if "_self_" in entries else ["_self_"])]:
        if entry == "_self_":
            found.append((file, ""))
            continue
        for name, key in _named(entry):
            below = defaults_of(_beside(file, name), (*above, file))
            found += [(path, ".".join(filter(None, (key, inner)))) for path, inner in below]
            if len(found) > MAX_FILES:
                raise SettingsError(f"{short(file)}: its defaults come to more than {MAX_FILES} files")
    return found


def _named(entry: Any) -> Iterator[tuple[str, str]]:
    """The files that one of the ``defaults`` names, each with the key that it fills."""
    group, chosen = next(iter(entry.items()), ("", "")) if isinstance(entry, Mapping) else ("", entry)
    for one in chosen if isinstance(chosen, list) else [chosen]:
        text = f"{group}/{one}" if group else str(one)
        name = re.sub(r"@[^/]*", "", text)
        match = re.search(r"@([^/]*)", text)
        yield name, match[1] if match else name.lstrip("/").rpartition("/")[0].replace("/", ".")


def _beside(file: Path, name: str) -> Path:
    """The file that a recipe's ``defaults`` name; if it is nowhere, where it should be."""
    file = file.absolute()
    inside = name.lstrip("/") if name.startswith("/") else f"{file.parent.name}/{name}"
    places = [folder / f"{inside}.yaml" for folder in (file.parent.parent, SHIPPED)]
    return next((place for place in places if place.is_file()), places[0])


def recipe_files(file: Path) -> dict[str, list[Path]]:
    """The files of a recipe as :class:`Sources` takes them, by the key that they fill."""
    files: dict[str, list[Path]] = {}
    for path, key in reversed(defaults_of(file)):
        files.setdefault(f"recipe.{key}".rstrip("."), []).append(path)
    return files


def load_recipe(file: Path) -> Any:
    """The data in a recipe file, with that of the files that it takes up below its own.

    ``${recipe.params.width}`` is filled in, if it is a whole value.

    Raises:
        SettingsError: one of them cannot be read; and as ``defaults_of``.
    """
    data: Any = None
    for path, key in defaults_of(file):
        if path != file and not path.is_file():
            raise SettingsError(f"{short(file)}: its defaults lead to {short(path)}, and there is no such file")
        part = copy.deepcopy(load_untrusted(path))
        if isinstance(part, dict):
            part.pop("defaults", None)
        for name in reversed(key.split(".") if key else []):
            part = {name: part}
        data = _merged(data, part)
    _refuse_network(data, file)
    hold_size(data)
    return _filled(data, data)


def _refuse_network(data: Any, file: Path) -> None:
    """Refuse a file of MindYOLO's or Ultralytics' in a recipe's place."""
    has = data if isinstance(data, dict) else {}
    key = next((name for name in ("backbone", "network", "__BASE__") if name in has), None)
    if key is not None:
        said = (
            f"this is a network file, not a recipe; it goes into one: recipe=yolo recipe.file={short(file)}, "
            f'or in Python plan({{"file": "{short(file)}", "input": {{"shape": [1, 3, 640, 640]}}}})'
        )
        raise SettingsError(said, Place(key=f"recipe.{key}"))


_OF_RECIPE = re.compile(r"\$\{recipe\.([\w.]+)\}")


def _filled(part: Any, recipe: Any) -> Any:
    """A part of a recipe with ``${recipe.params.width}`` replaced by what stands there.

    Any other interpolation stays as it is, and so does one that leads to another: only Hydra knows these.
    """
    if isinstance(part, dict):
        return {name: _filled(value, recipe) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, recipe) for value in part]
    if not isinstance(part, str) or not (said := _OF_RECIPE.fullmatch(part)):
        return part
    found = recipe
    for name in said[1].split("."):
        if not isinstance(found, dict) or name not in found:
            return part
        found = found[name]
    return found


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{name: _merged(below.get(name), value) for name, value in above.items()}}
    return above
