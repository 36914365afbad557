"""Rows of a table as columns, for data frames and notebooks, and as comma-separated values."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assembler.html import html_table
from assembler.planning.tables import MAX_ROWS, ends
from assembler.words import counted


class Columns(dict[str, list[Any]]):
    """Name → column of a table; in a notebook, the table."""

    what = "row"
    """What a row is, in the line below the table."""

    def _repr_html_(self) -> str:
        rows = list(zip(*self.values(), strict=True))
        texts = [["" if value is None else str(value) for value in row] for row in ends(rows)]
        if len(rows) > MAX_ROWS:
            texts.insert(MAX_ROWS // 2, ["…", f"{len(rows) - MAX_ROWS:,} more"][: len(self)])
        numbers = [name for name, column in self.items() if any(type(value) in (int, float) for value in column)]
        return html_table(list(self), texts, right=numbers, below=[counted(len(rows), self.what)])


def columns_of(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The columns of a table; each holds strings, booleans or numbers, and None where a row has no value."""
    return {name: _of_one_type([row[name] for row in rows]) for name in names}


def _of_one_type(values: list[Any]) -> list[Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    if len(kinds) > 1 or not kinds <= {int, float, bool, str}:
        return [None if value is None else _as_text(value) for value in values]
    return values


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def print_csv(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows as comma-separated values with a heading; see ``_for_spreadsheet``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_for_spreadsheet, names))
    writer.writerows([_for_spreadsheet(row[name]) for name in names] for row in rows)
    return text.getvalue()


_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""How a cell begins that a spreadsheet would compute; the last four are the full-width forms of the first."""


def _for_spreadsheet(value: Any) -> Any:
    """The value; a string that a spreadsheet would compute as a formula after an apostrophe. Numbers stay."""
    if not isinstance(value, str):
        return value
    try:
        float(value)
    except ValueError:
        escaped = f"'{value}" if _FORMULA.match(value) else value
        return escaped.replace("\r", " ")  # which csv does not quote, and which begins a row for other readers
    return value
