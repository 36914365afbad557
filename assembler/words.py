"""Words in messages: close names, counts, bytes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

MAX_NAME = 60
"""Longer names, in characters, get no suggestion."""


MAX_KNOWN = 500
"""Candidates that a name is compared with, at most."""


def closest(name: str, known: Iterable[str]) -> list[str]:
    """At most three known names that are close to a name, closest first.

    Case is ignored: ``dense`` is close to ``Dense`` and ``relu`` to ``ReLU``. Very long names and candidates after the
    first ``MAX_KNOWN`` are skipped, because the comparison would be slow.
    """
    folded: dict[str, str] = {}
    if len(name) > MAX_NAME:
        return []
    for candidate in islice(known, MAX_KNOWN):
        folded.setdefault(candidate.casefold(), candidate)
    return [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]


def suggestion(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'Dense'?`` for a name close to a known one, otherwise an empty string."""
    close = closest(name, known)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def first_line(error: BaseException) -> str:
    """The first non-empty line of an exception's message; the exception's class name if there is none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def print_bytes(count: int) -> str:
    """A human-readable number of bytes: ``241.0 KiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"


def counted(number: int, what: str) -> str:
    """``1 job``, ``1,200 jobs``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
