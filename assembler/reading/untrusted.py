"""Recipe and block files, which may be untrusted, restricted to what a recipe may contain.

Nothing here executes a file's content. Hydra interprets some keys, headers and references, up to running code, so each
file is checked before Hydra composes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from assembler.errors import Place, SettingsError, Span
from assembler.files import require_name, short
from assembler.reading.interpolation import REFERENCE
from assembler.reading.places import locate_in_file
from assembler.reading.texts import kept_per_file, read_bytes
from assembler.reading.yaml_files import at_file, read_yaml

MAX_FILES = 20
"""Limit of the files that one recipe includes by its ``defaults``."""

GROUPS = ("recipe", "blocks")
"""The folders whose files are not trusted."""


def load_untrusted(file: Path) -> Any:
    """The data of a recipe or block file, free of anything that Hydra would interpret. Do not modify it.

    Its ``defaults`` may include other such files, into keys below its own. References stay inside the recipe. Each
    file is checked once, until it changes.

    Raises:
        SettingsError: it cannot be read, or contains something else.
    """
    try:
        return _looked_at(file.absolute())
    except (OSError, ValueError) as error:
        raise SettingsError(getattr(error, "strerror", None) or str(error), at_file(file)) from None


@kept_per_file
def _looked_at(file: Path) -> Any:
    data = read_yaml(file)
    _refuse_header(file)
    if isinstance(data, Mapping):
        for entry in _defaults(data, file):
            _hold_entry(entry, file)
        _hold_references({key: value for key, value in data.items() if key != "defaults"}, file, ())
        _hold_network(data.get("file"), file)
    elif data is not None:
        raise SettingsError("a recipe must be a mapping of keys to values", at_file(file))
    return data


def _refuse_header(file: Path) -> None:
    """Refuse ``# @package``, which makes Hydra place a file's keys elsewhere."""
    lines = enumerate(read_bytes(file).decode("utf-8").splitlines(), 1)
    number, first = next(((number, line.strip()) for number, line in lines if line.strip()), (1, ""))
    if re.match(r"#\s*@", first):
        shown = first if len(first) <= 60 else f"{first[:57]}..."
        said = f"{shown!r}: a recipe file cannot choose where its keys are placed; remove this line"
        span = Span(file, number - 1, 0, number - 1, len(first))
        raise SettingsError(said, Place(label=f"{short(file)}:{number}:1", span=span))


def _defaults(data: Mapping[Any, Any], file: Path) -> list[Any]:
    entries = data.get("defaults") or []
    if not isinstance(entries, list):
        raise SettingsError("its defaults must be a list of names", defaults_place(file))
    return entries


_PART = r"[A-Za-z0-9][\w.-]*"
_NAME = rf"{_PART}(?:/{_PART})*"
_KEY = r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*"
_CHOSEN = re.compile(_NAME)
_TEXT_ENTRY = re.compile(rf"_self_|(?:/(?:{'|'.join(GROUPS)})/)?{_NAME}(?:@{_KEY})?")
_GROUP_ENTRY = re.compile(rf"(?:/(?:{'|'.join(GROUPS)})(?:/{_NAME})?|{_NAME})(?:@{_KEY})?")


def _hold_entry(entry: Any, file: Path) -> None:
    """Refuse an entry of ``defaults`` that points outside the allowed folders or the recipe's keys."""
    texts: list[Any] = []
    group: Any = None
    if isinstance(entry, str):
        texts = [entry]
    elif isinstance(entry, Mapping) and len(entry) == 1:
        ((group, chosen),) = entry.items()
        texts = chosen if isinstance(chosen, list) else [chosen]
    pattern = _TEXT_ENTRY if group is None else _CHOSEN
    fits = bool(texts) and all(isinstance(text, str) and ".." not in text and pattern.fullmatch(text) for text in texts)
    if group is not None:
        fits = fits and isinstance(group, str) and ".." not in group and bool(_GROUP_ENTRY.fullmatch(group))
    if fits:
        return
    shown = repr(entry)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    instead = "can include only recipes and blocks, as 'name' or '/blocks@blocks: name'"
    raise SettingsError(f"its defaults name {shown}; a recipe {instead}", defaults_place(file))


def defaults_place(file: Path) -> Place:
    """The place of a file's ``defaults``; the message names the file."""
    found = locate_in_file(file, "defaults", Place(key="defaults"))
    return Place(label=short(file), span=found.span if found else Span(file))


def _hold_references(value: Any, file: Path, keys: tuple[Any, ...]) -> None:
    """Refuse references to anything outside the recipe, such as the environment or Hydra."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            if key is None:
                raise SettingsError("a key is missing before the colon", _within(file, keys))
            _hold_references(inside, file, (*keys, key))
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            _hold_references(inside, file, (*keys, index))
    elif isinstance(value, str) and "${" in value:
        for start in re.finditer(r"\$\{", value):
            found = REFERENCE.match(value, start.start())
            if found is None or len(found[1] or "") > len(keys):
                shown = value[start.start() : start.start() + 60].partition("}")[0] + "}"
                instead = "refer to its own values, as ${recipe.params.width}"
                raise SettingsError(f"{shown} refers to something outside the recipe; {instead}", _within(file, keys))


def _hold_network(named: Any, file: Path) -> None:
    """Refuse a network file of no valid name, or outside the working directory; the command line may name any."""
    if isinstance(named, str):
        try:
            require_name(named)
        except ValueError as error:
            raise SettingsError(str(error), _within(file, ("file",))) from None
    if isinstance(named, str) and (PurePath(named).is_absolute() or ".." in PurePath(named).parts):
        said = f"a recipe can read files below the working directory only, not {named[:200]}"
        raise SettingsError(said, _within(file, ("file",)))


def _within(file: Path, keys: tuple[Any, ...]) -> Place:
    key = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in keys).lstrip(".")
    found = locate_in_file(file, key, Place(key=key))
    return found or Place(label=f"{short(file)}, {key[:100]}" if keys else short(file), span=Span(file))
