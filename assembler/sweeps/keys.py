"""The values of the jobs' keys where overrides alone do not give them: later keys, and versions of a configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from assembler.settings.groups import REPLICATE

VERSION = "version"
"""The key that numbers configurations that jobs have with equal overrides, as when a recipe was edited in between."""

_CONFIGURED = ("recipe", "mode", "seed", "dtype", "amp", "task")
"""Keys of ``result.json`` that hold what was configured."""


def fill(values: Sequence[dict[str, Any]], records: Sequence[Mapping[str, Any] | None]) -> None:
    """Give each job its value of the keys that only other jobs override, as far as its result has it.

    ``{}`` and ``{"recipe.params.rank": 8}`` → ``{"recipe.params.rank": 4}``, the default, and the same.

    Args:
        values: keys and values of the overrides of each job; they are changed.
        records: the result of each; None if it has none.
    """
    keys = dict.fromkeys(key for one in values for key in one)
    for one, record in zip(values, records, strict=True):
        for key in keys:
            if key not in one and record is not None and (value := _configured(record, key)) is not None:
                one[key] = value


def _configured(record: Mapping[str, Any], key: str) -> Any:
    """A value of a configuration, as an override of it would be read; None if it is unknown or a mapping."""
    found: Any = {name: record[name] for name in _CONFIGURED if name in record}
    for name in key.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    if isinstance(found, Mapping):
        return None
    return (
        json.dumps(found, ensure_ascii=False, separators=(",", ":"))
        if found is None or isinstance(found, list)
        else found
    )


def number_versions(values: Sequence[dict[str, Any]], identities: Sequence[str | None]) -> None:
    """Set ``VERSION`` of jobs whose overrides but the seed are equal, and whose configurations differ in more.

    Args:
        values: keys and values of each job; they are changed.
        identities: of the job's configuration without its seed; None if there is none.
    """
    alike: dict[tuple[tuple[str, str], ...], dict[str | None, int]] = {}
    places = [tuple(sorted((key, str(value)) for key, value in one.items() if key != REPLICATE)) for one in values]
    for place, identity in zip(places, identities, strict=True):
        numbers = alike.setdefault(place, {})
        numbers.setdefault(identity, len(numbers) + 1)
    for one, place, identity in zip(values, places, identities, strict=True):
        if len(alike[place]) > 1:
            one[VERSION] = alike[place][identity]
