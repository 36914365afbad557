"""Recipe files with the files that their ``defaults`` include."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from assembler.errors import SettingsError
from assembler.files import short as short
from assembler.reading.interpolation import filled, pointed
from assembler.reading.recipe_paths import PROJECT, SHIPPED, find_network, typed_path
from assembler.reading.texts import exists
from assembler.reading.untrusted import GROUPS, MAX_FILES, defaults_place, load_untrusted
from assembler.reading.yaml_files import at_file

_NETWORK = SHIPPED / "recipe" / "yolo.yaml"
"""The recipe as which a network file of MindYOLO or Ultralytics is read."""

_BESIDE = "."
"""The group of a file in no folder named ``recipe`` or ``blocks``: the files beside it, then those of ``recipe``."""


def defaults_of(file: Path, folders: Sequence[Path] = (PROJECT,)) -> list[tuple[Path, str]]:
    """The files that a recipe file includes by its ``defaults``, in order, each with the key that it fills.

    Three of Hydra's forms are supported: ``name`` for a file in the same folder, ``/group/name@key`` and
    ``/group@key: name`` for one in a sibling folder. The file itself, ``_self_``, is last by default. A network file
    is replaced by the recipe that reads it.

    Args:
        folders: where ``recipe/`` and ``blocks/`` are searched after the file's own folders, and before the shipped.

    Raises:
        SettingsError: files include each other in a circle, or there are more than ``MAX_FILES``; or one group is
            chosen from twice, or ``_self_`` is repeated.
    """
    file = _NETWORK if is_network(file) else file.absolute()
    parents = file.parents
    group = next((folder for folder in parents if folder.name in GROUPS), None)
    walk = _Walk(parents[0], [(group or parents[0]).parent, *folders, SHIPPED])
    walk.visit(file, group.name if group else _BESIDE, "", ())
    return walk.found


def is_network(file: Path) -> bool:
    """Whether it is a network file of MindYOLO or Ultralytics."""
    data: Any = None
    with suppress(SettingsError):  # reported when the file is loaded
        data = load_untrusted(find_network(file)[0])
    return isinstance(data, Mapping) and bool({"backbone", "network", "__BASE__"} & set(data))


class _Walk:
    """Collects the files of a recipe.

    Args:
        beside: the folder of the recipe.
        roots: the folders of ``recipe/`` and ``blocks/``, in the order of search.
    """

    def __init__(self, beside: Path, roots: Sequence[Path]) -> None:
        self.beside = beside
        self.roots = roots
        self.found: list[tuple[Path, str]] = []
        self.choices: set[tuple[str, str]] = set()

    def visit(self, file: Path, base: str, key: str, above: tuple[Path, ...]) -> bool:
        """Collect a file and those that it includes.

        Args:
            base: the folder in which names without a slash in front are looked up, such as ``recipe/sub``.
            key: the key that the file fills.
            above: the files that include this one.

        Returns:
            Whether it includes any.
        """
        if file in above:
            circle = " → ".join(path.stem for path in (*above[above.index(file) :], file))
            raise SettingsError(f"recipes include each other in a circle: {circle}", defaults_place(file))
        entries = _entries_of(file)
        if entries.count("_self_") > 1:
            raise SettingsError("its defaults contain _self_ twice", defaults_place(file))
        for entry in [*entries, *([] if "_self_" in entries else ["_self_"])]:
            for one in [] if entry == "_self_" else _named(entry):
                self._include(one, file, base, key, above)
            if entry == "_self_":
                self.found.append((file, key))
            if len(self.found) > MAX_FILES:
                raise SettingsError(f"its defaults include more than {MAX_FILES} files", defaults_place(file))
        return bool(entries)

    def _include(self, one: _Named, file: Path, base: str, key: str, above: tuple[Path, ...]) -> None:
        group = one.group[1:] if one.group.startswith("/") else "/".join(filter(None, (base, one.group)))
        inner = one.group.lstrip("/").replace("/", ".") if one.key is None else one.key
        inner = ".".join(filter(None, (key, inner)))
        includes_any = self.visit(self._path_of(f"{group}/{one.name}"), group, inner, (*above, file))
        if one.is_choice and not includes_any:
            if (group, inner) in self.choices:
                message = f"its defaults choose from {group} for {inner} more than once"
                raise SettingsError(message, defaults_place(file))
            self.choices.add((group, inner))

    def _path_of(self, name: str) -> Path:
        """The file of a name; if it does not exist, its expected path."""
        name = f"{name.removesuffix('.yaml')}.yaml"
        group, _, inside = name.partition("/")
        places = [root / ("recipe" if group == _BESIDE else group) / inside for root in self.roots]
        places = [self.beside / inside, *places] if group == _BESIDE else places
        return next((place for place in places if exists(place)), places[0])


def _entries_of(file: Path) -> list[Any]:
    data: Any = None
    with suppress(SettingsError):  # reported when the file is loaded
        data = load_untrusted(file)
    entries = data.get("defaults") if isinstance(data, Mapping) else None
    return entries if isinstance(entries, list) else []


class _Named(NamedTuple):
    """A file that one of the ``defaults`` names.

    Args:
        group: the folder in which names in that file are looked up in turn.
        name: of the file, from that folder.
        key: the key that it fills; None: the keys that the group's name gives.
        is_choice: whether it is chosen from a group, ``group: name``, as Hydra allows once.
    """

    group: str
    name: str
    key: str | None
    is_choice: bool


def _named(entry: Any) -> Iterator[_Named]:
    """``/blocks/name@key`` → group ``/blocks``, name ``name``, key ``key``."""
    if isinstance(entry, Mapping):
        ((group, chosen),) = entry.items()
        group, at, key = str(group).partition("@")
        if not isinstance(chosen, list):
            yield _Named(group, str(chosen), key if at else None, True)
            return
        paths = [f"{group}/{one}" for one in chosen]
    else:
        path, at, key = str(entry).partition("@")
        paths = [path]
    for path in paths:
        group, _, name = path.rpartition("/")
        yield _Named(group, name, key if at else None, False)


def recipe_files(file: Path, folders: Sequence[Path] = (PROJECT,)) -> dict[str, list[Path]]:
    """The files of a recipe by the key that they fill, as :class:`Sources` takes them; ``folders`` as above."""
    files: dict[str, list[Path]] = {}
    for path, key in reversed(defaults_of(file, folders)):
        files.setdefault(f"recipe.{key}".rstrip("."), []).append(path)
    return files


def load_recipe(file: Path, folders: Sequence[Path] = (PROJECT,)) -> Any:
    """The data of a recipe file, merged over that of the files that it includes.

    References such as ``${recipe.params.width}`` are resolved. A network file of MindYOLO or Ultralytics is loaded as
    the recipe ``yolo`` that names it.

    Args:
        folders: as for ``defaults_of``.

    Raises:
        SettingsError: one of them cannot be read; and as ``defaults_of``.
    """
    return filled(merged_recipe(file, folders))


def merged_recipe(file: Path, folders: Sequence[Path] = (PROJECT,)) -> dict[Any, Any]:
    """As ``load_recipe``, with references as they are written."""
    data: dict[Any, Any] = {}
    for path, key in defaults_of(file, folders):
        if path != file.absolute() and not exists(path):
            raise SettingsError(f"its defaults include {short(path)}, which does not exist", defaults_place(file))
        part = copy.deepcopy(load_untrusted(path)) or {}
        part.pop("defaults", None)
        for name in reversed(key.split(".") if key else []):
            part = {name: part}
        _merge(part, data, (), data, path)
    return {**data, "file": typed_path(file)} if is_network(file) else data


def _merge(
    part: dict[Any, Any], into: dict[Any, Any], keys: tuple[str, ...], whole: dict[Any, Any], file: Path
) -> None:
    """Merge a part of a recipe into what is below it, as OmegaConf does.

    Mappings are merged, also with what a reference leads to; ``???`` leaves what is there; all else takes its place.

    Args:
        keys: where ``into`` is located in the whole recipe.
        file: whose part it is, for messages.
    """
    for name, value in part.items():
        if name not in into:
            into[name] = value
            continue
        inside = (*keys, str(name))
        known = copy.deepcopy(found) if (found := pointed(whole, into[name], inside)) is not None else into[name]
        into[name] = known
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(value, known, inside, whole, file)
        elif {type(known), type(value)} == {dict, list}:
            kinds = " and ".join("a list" if isinstance(one, list) else "a mapping" for one in (known, value))
            message = f"{'.'.join(inside)} cannot be {kinds}, one in the place of the other"
            raise SettingsError(message, at_file(file))
        elif value != "???":
            into[name] = value
