"""Words in messages: close names, counts, durations, measured values; and the one way for text to reach a terminal."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

MAX_NAME = 60
"""Longer names, in characters, get no suggestion."""


MAX_KNOWN = 2000
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


def suggested(message: str) -> tuple[str, ...]:
    """The names that :func:`suggestion` put into a message, the closest first."""
    found = re.search(r"Did you mean (.*?)\?", message)
    return tuple(re.findall(r"'([^']+)'", found[1])) if found else ()


def common_start(one: str, other: str) -> int:
    """How many characters two strings have in common at their beginnings; long ones are halved, not walked."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


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


def print_rounded(count: int) -> str:
    """A number with a unit, in two or three digits: ``9,408``, ``61.7 k``, ``118 M``, ``6.7 G``."""
    if count < 10_000:
        return f"{count:,}"
    size = float(count)
    for unit in ("", " k", " M", " G", " T"):
        if size < 99.95:
            return f"{size:.1f}{unit}"
        if size < 999.5:
            return f"{size:.0f}{unit}"
        size /= 1000
    return f"{size:,.0f} P"


def print_seconds(seconds: float) -> str:
    """A duration for people: ``1.234 ms``; from a second on ``1.234 s``."""
    return f"{seconds:.3f} s" if seconds >= 1 else f"{seconds * 1e3:.3f} ms"


def print_number(value: float) -> str:
    """A number for people: ``1,234``; one that is not whole with four digits."""
    return f"{value:,}" if type(value) is int else f"{value:.4g}"


def print_measured(value: Any) -> str:
    """A measured value or a bound, in short form."""
    if value is None:
        return ""
    if isinstance(value, float) or type(value) is int:
        return print_number(value)
    if isinstance(value, list):
        return f"[{', '.join(str(item) if type(item) is int else print_measured(item) for item in value)}]"
    return str(value)


_SIGNS = {"<=": "≤ ", ">=": "≥ ", "<": "< ", ">": "> ", "within": "within "}


def print_comparison(measured: Any, bound: Any, relation: str, *, passed: bool) -> str:
    """A measured value, and what it had to be: ``28.9 ≥ 2``, or ``1.2, must be ≥ 2``.

    Args:
        relation: as in ``assembler.model.subject.Outcome``.
    """
    known, sign = _short(measured), _SIGNS.get(relation, "")
    if bound is None:
        return known
    limit = _limits(bound) if relation == "within" else _short(bound)
    if not relation:
        return f"{known} (bound: {limit})"
    if not passed:
        return f"{known}{', ' if known else ''}must be {sign}{limit}"
    return f"{known} {sign or '= '}{limit}" if sign or measured != bound else known


def _limits(bound: Any) -> str:
    """``±2.0e-06`` around zero, otherwise ``[0, 1]``."""
    match bound:
        case [int() | float() as low, int() | float() as high] if low == -high:
            return f"±{_short(high)}"
    return _short(bound)


def _short(value: Any) -> str:
    """As :func:`print_measured`, in two or three digits."""
    if isinstance(value, list):
        return f"[{', '.join(str(item) if type(item) is int else _short(item) for item in value)}]"
    text = f"{value:.3g}" if isinstance(value, float) else print_measured(value)
    return f"{value:.1e}" if isinstance(value, float) and "e-" in text else text


def counted(number: int, what: str) -> str:
    """``1 job``, ``1,200 jobs``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each name with as few of its last parts as set it apart from the others.

    ``recipe.params.width``, ``plan.memory``, ``bench.memory`` → ``width``, ``plan.memory``, ``bench.memory``.
    A number is not a name: ``check.mean.2`` → ``mean.2``.
    """
    ends = {name: [name.split(".", skipped)[-1] for skipped in range(name.count("."), -1, -1)] for name in names}
    counts = Counter(end for those in ends.values() for end in those)
    return {
        name: next((end for end in those if counts[end] == 1 and end and not end.isdecimal()), name)
        for name, those in ends.items()
    }


# ---- on the terminal: a recipe, the name of a file or a record of a sweep may be a stranger's

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tabs and ends of lines
    "\u2028\u2029"  # other ends of lines
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"  # format characters, which reorder or hide; but joiners, which scripts need
    "\ud800-\udfff]"  # bytes of a file name that are not text
)


def printable(text: str) -> str:
    r"""The text with such characters escaped: ``\x1b``, ``\u202e``. Escaping twice is the same as once."""
    if text.isascii() and text.isprintable():
        return text
    return _OBEYED.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def say(text: object = "", *, err: bool = False, end: str = "\n") -> None:
    """Print a text at once, escaped.

    Args:
        err: to the standard error.
    """
    print(printable(str(text)), file=sys.stderr if err else sys.stdout, end=end, flush=True)


WIDE = 140
"""Columns of output that goes to a file or a pipe, unless ``COLUMNS`` says otherwise."""


def make_console(*, stderr: bool = False) -> Console:
    """A console whose texts are escaped and have no markup, such as ``[link=…]``; styles are objects of rich."""
    from rich.console import Console
    from rich.segment import Segment

    class Escaping(Console):
        def render(self, *arguments: Any, **options: Any) -> Any:
            for segment in super().render(*arguments, **options):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)

        def on_broken_pipe(self) -> None:
            """Print nothing more, but do not end the program: it has files to write."""
            self.quiet = True
            with Path(os.devnull).open("w") as nothing:
                os.dup2(nothing.fileno(), self.file.fileno())

    console = Escaping(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not console.is_terminal and not os.environ.get("COLUMNS", "").strip("0").isdecimal():
        console.width = WIDE
    return console


def make_table() -> Table:
    """A table for a console, as all tables look: a line below the headings, and no other lines."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def make_text(text: str, style: str = "") -> Text:
    """A text of rich, escaped before it is measured, so that tables fit."""
    from rich.text import Text

    return Text(printable(text), style)
