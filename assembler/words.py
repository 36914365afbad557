"""Words in messages: close names, counts, bytes, durations."""

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


ALIASES = {
    "fp16": "float16", "half": "float16", "bf16": "bfloat16", "fp32": "float32", "float": "float32",
    "single": "float32", "fp64": "float64", "double": "float64", "int": "int32", "long": "int64",
    "cuda": "gpu", "npu": "ascend", "rand": "uniform", "random": "uniform", "randn": "normal", "gaussian": "normal",
    "randint": "integers", "eager": "pynative", "compiled": "graph", "jit": "graph", "run": "check", "test": "check",
    "all": "full",
}  # fmt: skip
"""What values are called in other frameworks, and here."""


def instead_of(value: str, known: Iterable[str]) -> str:
    """As :func:`suggestion`, after what other frameworks call a value: ``fp16``, ``torch.half``, ``cuda:0``."""
    known = list(known)
    bare = value.rpartition(".")[2].partition(":")[0].casefold()
    meant = bare if bare in known else ALIASES.get(bare)
    return f" Did you mean {meant!r}?" if meant in known else suggestion(value, known)


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


def print_seconds(seconds: float) -> str:
    """A duration for people: ``1.234 ms``; from a second on ``1.234 s``."""
    return f"{seconds:.3f} s" if seconds >= 1 else f"{seconds * 1e3:.3f} ms"


def print_number(value: float) -> str:
    """A number for people: ``1,234``; one that is not whole with four digits."""
    return f"{value:,}" if type(value) is int else f"{value:.4g}"


def counted(number: int, what: str) -> str:
    """``1 job``, ``1,200 jobs``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
