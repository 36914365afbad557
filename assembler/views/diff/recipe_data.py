"""What a comparison needs of a recipe's data beside its plan: other settings, and blocks that are defined otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LAYERS = ("name", "stack", "graph", "blocks", "shared", "defaults")
"""Keys of a recipe that the edits of its layers cover, or that say nothing of the model."""


def beside_layers(data: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe that are not about its layers."""
    return {key: value for key, value in data.items() if key not in _LAYERS}


def block_texts(data: Mapping[str, Any]) -> dict[str, str]:
    """The blocks of a recipe: name → definition as written."""
    return {
        re.split(r"[ (]", str(header), maxsplit=1)[0]: f"{header}: {body}"
        for header, body in (data.get("blocks") or {}).items()
    }


def redefined(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """The blocks that are defined in both and differ, or use one that does.

    Args:
        before, after: as :func:`block_texts` returns them.
    """
    found = {name for name in before if before[name] != after.get(name)}
    known: set[str] = set()
    while known != found:
        known = set(found)
        found |= {name for name, text in before.items() if any(re.search(rf"\b{one}\b", text) for one in known)}
    return found
