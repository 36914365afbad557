"""The rows of a plan while it is made: which row belongs to which layer, and what a second call adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from assembler.planning.plan import Row


class RowTable:
    """Rows in reading order, one per path.

    A row is opened before its layer is planned and closed afterwards, so that a container is above its layers::

        0 = table.open("0", "Residual")
        1 = table.open("0.inner", "Dense")
        table.close(1, Row("0.inner", "Dense", …))
        table.close(0, Row("0", "Residual", …))  →  0 Residual, 0.inner Dense
    """

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._index: dict[str, int] = {}  # path → index of its closed row

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def get(self, path: str) -> Row | None:
        """The closed row of a path."""
        index = self._index.get(path)
        return None if index is None else self._rows[index]

    def since(self, index: int) -> tuple[Row, ...]:
        """The rows from an index on."""
        return tuple(self._rows[index:])

    def open(self, path: str, layer: str) -> int:
        """Keep a place for the row of a layer.

        Returns:
            Its index.
        """
        self._rows.append(Row(path, layer, "", (), ()))
        return len(self._rows) - 1

    def close(self, index: int, row: Row) -> bool:
        """Fill in an open row. One Cell that is called twice has one set of parameters, and one row.

        Returns:
            Whether this was the first call.
        """
        if self._add_to_first(row):
            self._remove(index)
            return False
        self._index[row.path] = index
        self._rows[index] = row
        return True

    def add(self, row: Row) -> None:
        """Add a closed row, or its cost to the row of its path."""
        if not self._add_to_first(row):
            self._index[row.path] = len(self._rows)
            self._rows.append(row)

    def _add_to_first(self, row: Row) -> bool:
        first = self._index.get(row.path)
        if first is not None:
            self._rows[first] = replace(self._rows[first], macs=self._rows[first].macs + row.macs)
        return first is not None

    def remove(self, path: str) -> None:
        """Remove the closed row of a path."""
        self._remove(self._index.pop(path))

    def _remove(self, index: int) -> None:
        """Remove one row; a second call may have added rows below it that the first did not."""
        del self._rows[index]
        for row in self._rows[index:]:
            self._index[row.path] -= 1

    def cut(self, index: int) -> None:
        """Remove all rows from an index on, open ones too: their layers are planned anew."""
        for row in self._rows[index:]:
            if self._index.get(row.path, -1) >= index:
                del self._index[row.path]
        del self._rows[index:]
