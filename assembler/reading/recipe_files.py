"""Where a configuration key stands in which YAML file, or which override set it.

Nothing here is read before there is a mistake to tell.
"""

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

    References such as ``${recipe.params.width}`` are filled in.

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
    return filled(data)


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


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{name: _merged(below.get(name), value) for name, value in above.items()}}
    return above
