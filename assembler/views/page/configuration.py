"""How a run was configured, as its page shows it: the command, the recipe, and its values by key."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import yaml


def command(words: Sequence[str]) -> str:
    """What a shell repeats the run by. ``~`` stays a user's home folder."""
    return " ".join(f"~/{shlex.quote(word[2:])}" if word.startswith("~/") else shlex.quote(word) for word in words)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """YAML in which lists of numbers are in one line: ``[1, 3, 224, 224]``. In C it takes a tenth of the time."""

    def represent_list(self, data: list[Any]) -> yaml.Node:
        """A list; one with a number and without lists inside in one line."""
        inline = all(not isinstance(item, list | dict) for item in data) and not all(
            isinstance(item, str) for item in data
        )
        node: yaml.Node = self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=inline)
        return node


_Dumper.add_representer(list, _Dumper.represent_list)


def recipe_text(recipe: Any) -> str:
    """The recipe as configured. Half of a surrogate pair, which YAML cannot hold, becomes a question mark."""
    if not recipe:
        return ""
    plain = json.loads(json.dumps(recipe, ensure_ascii=False).encode("utf-8", "replace"))
    return str(yaml.dump(plain, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True))


def settings_by_key(value: Any, key: str = "") -> dict[str, Any]:
    """The values of nested mappings by dotted keys, for the comparison of two jobs."""
    if not isinstance(value, Mapping):
        return {} if value is None else {key: value}
    items = [settings_by_key(item, f"{key}.{name}" if key else str(name)) for name, item in value.items()]
    return {name: item for found in items for name, item in found.items()}
