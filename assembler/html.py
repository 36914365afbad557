"""Tables as HTML for notebooks: self-contained, readable on light and dark, every string escaped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

_CELL = "padding: 0.2em 0.7em; border-bottom: 1px solid rgba(127, 127, 127, 0.35); vertical-align: top;"
_STYLE = "border-collapse: collapse; font-family: ui-monospace, monospace; font-size: 0.9em;"


def html_table(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = (), below: Sequence[str] = ()
) -> str:
    """A table with lines of text below it.

    Args:
        names: names of the columns.
        rows: strings, one per column; a row may be shorter.
        right: the columns that hold numbers.
    """
    sides = ["right" if name in right else "left" for name in names]
    head = "".join(_cell("th", name, side) for name, side in zip(names, sides, strict=True))
    body = [
        "".join(
            _cell("td", text, side) for text, side in zip([*row, *[""] * (len(names) - len(row))], sides, strict=True)
        )
        for row in rows
    ]
    lines = "".join(f"<div>{escape(line)}</div>" for line in below)
    inside = "".join(f"<tr>{row}</tr>" for row in body)
    return (
        f'<div style="overflow-x: auto"><table style="{_STYLE}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{inside}</tbody></table>{lines}</div>"
    )


def _cell(kind: str, text: str, side: str) -> str:
    return f'<{kind} style="{_CELL} text-align: {side}">{escape(text)}</{kind}>'
