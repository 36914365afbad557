"""Recipe files with the files that their ``defaults`` include."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from assembler.errors import Place, SettingsError
from assembler.files import short as short
from assembler.reading.interpolation import filled
from assembler.reading.untrusted import MAX_FILES, load_untrusted

SHIPPED = Path(__file__).parent.parent / "conf"
"""The folder of the shipped recipes and blocks, searched after the file's own folders, as Hydra does."""


def defaults_of(file: Path, above: tuple[Path, ...] = ()) -> list[tuple[Path, str]]:
    """The files that a recipe file includes by its ``defaults``, in order, each with the key that it fills.

    Three of Hydra's forms are supported: ``name`` for a file in the same folder, ``/group/name@key`` and
    ``/group@key: name`` for one in a sibling folder. The file itself, ``_self_``, is last by default.

    Args:
        above: the files that include this one.

    Raises:
        SettingsError: files include each other in a circle, or there are more than ``MAX_FILES``.
    """
    if file in above:
        circle = " → ".join(path.stem for path in (*above[above.index(file) :], file))
        raise SettingsError(f"{short(file)}: recipes include each other in a circle: {circle}")
    data: Any = None
    with suppress(SettingsError):  # reported when the file is loaded
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
                raise SettingsError(f"{short(file)}: its defaults include more than {MAX_FILES} files")
    return found


def _named(entry: Any) -> Iterator[tuple[str, str]]:
    """The files that one entry of ``defaults`` names, each with the key that it fills."""
    group, chosen = next(iter(entry.items()), ("", "")) if isinstance(entry, Mapping) else ("", entry)
    for one in chosen if isinstance(chosen, list) else [chosen]:
        text = f"{group}/{one}" if group else str(one)
        name = re.sub(r"@[^/]*", "", text)
        match = re.search(r"@([^/]*)", text)
        yield name, match[1] if match else name.lstrip("/").rpartition("/")[0].replace("/", ".")


def _beside(file: Path, name: str) -> Path:
    """The file that a recipe's ``defaults`` name; if it does not exist, where it should be."""
    file = file.absolute()
    inside = name.lstrip("/") if name.startswith("/") else f"{file.parent.name}/{name}"
    places = [folder / f"{inside}.yaml" for folder in (file.parent.parent, SHIPPED)]
    return next((place for place in places if place.is_file()), places[0])


def recipe_files(file: Path) -> dict[str, list[Path]]:
    """The files of a recipe by the key that they fill, as :class:`Sources` takes them."""
    files: dict[str, list[Path]] = {}
    for path, key in reversed(defaults_of(file)):
        files.setdefault(f"recipe.{key}".rstrip("."), []).append(path)
    return files


def load_recipe(file: Path) -> Any:
    """The data of a recipe file, merged over that of the files that it includes.

    References such as ``${recipe.params.width}`` are resolved.

    Raises:
        SettingsError: one of them cannot be read; and as ``defaults_of``.
    """
    data: Any = None
    for path, key in defaults_of(file):
        if path != file and not path.is_file():
            raise SettingsError(f"{short(file)}: its defaults include {short(path)}, which does not exist")
        part = copy.deepcopy(load_untrusted(path))
        if isinstance(part, dict):
            part.pop("defaults", None)
        for name in reversed(key.split(".") if key else []):
            part = {name: part}
        data = _merged(data, part)
    _refuse_network(data, file)
    return filled(data)


def _refuse_network(data: Any, file: Path) -> None:
    """Refuse a MindYOLO or Ultralytics network file in place of a recipe."""
    has = data if isinstance(data, dict) else {}
    key = next((name for name in ("backbone", "network", "__BASE__") if name in has), None)
    if key is not None:
        said = (
            f"this is a network file, not a recipe; name it in one: recipe=yolo recipe.file={short(file)}, "
            f'or in Python plan({{"file": "{short(file)}", "input": {{"shape": [1, 3, 640, 640]}}}})'
        )
        raise SettingsError(said, Place(key=f"recipe.{key}"))


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{name: _merged(below.get(name), value) for name, value in above.items()}}
    return above
