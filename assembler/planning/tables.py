"""The table of a plan, for the terminal, for ``print`` and for notebooks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from assembler.binding.structure import hidden_layers
from assembler.html import html_table
from assembler.planning.columns import NARROWER, Column, columns_of, dtype_of
from assembler.planning.outline import Node, outline
from assembler.planning.sums import sums, unbroken
from assembler.settings import By
from assembler.words import counted, make_console, make_table, make_text

if TYPE_CHECKING:
    from assembler.planning.plan import Plan

MAX_ROWS = 60
"""Rows of a table; of a longer one the middle is left out, unless all layers were asked for."""

UNFOLDED = 40
"""A plan of more layers is shown by its blocks, unless all layers were asked for."""

OPEN = 30
"""Blocks are opened as deep as their rows stay within this number, so that the table fits one screen."""

Item = TypeVar("Item")


def ends(items: Sequence[Item]) -> Sequence[Item]:
    """All, or as many as fit from both ends."""
    half = MAX_ROWS // 2
    return items if len(items) <= MAX_ROWS else [*items[:half], *items[-half:]]


@dataclass(frozen=True)
class PlanTable:
    """A plan as a table with its sums below: ``print`` it, or leave it to a notebook or to rich.

    Args:
        planned: the plan.
        by: ``blocks``: equal neighbours are one row with ``× n`` and the sums of all, and a block is a row with the
            sums of what is in it. ``layers``: a row for every layer. Anything else: ``layers`` of a plan of at most
            ``UNFOLDED`` layers, unless ``depth`` is given.
        depth: how many levels of blocks, or of layers in layers, are opened; None for as many as fit one screen, or
            for all.
    """

    planned: Plan
    by: By = "auto"
    depth: int | None = None

    @cached_property
    def is_folded(self) -> bool:
        """Whether equal neighbours are one row."""
        few = len(self.planned.rows) <= UNFOLDED and self.depth is None
        return self.by == "blocks" or (self.by != "layers" and not few)

    @cached_property
    def tree(self) -> Node:
        """The outline."""
        return outline(self.planned, fold=self.is_folded)

    @cached_property
    def nodes(self) -> list[tuple[Node, int]]:
        """What has a row, and the level of each."""
        if self.is_folded:
            return list(self.tree.walk(self.opened))
        return [(node, level) for node, level in _layers(self.tree) if self.depth is None or level < self.depth]

    @cached_property
    def levels(self) -> list[int]:
        """How many nodes each level of the outline has."""
        found: list[int] = []
        for _, level in self.tree.walk():
            found += [0] * (level + 1 - len(found))
            found[level] += 1
        return found

    @cached_property
    def opened(self) -> int:
        """How many levels are shown."""
        if self.depth is not None:
            return self.depth
        fitting = [depth for depth in range(2, len(self.levels) + 1) if sum(self.levels[:depth]) <= OPEN]
        return max(fitting, default=1)

    @property
    def is_partial(self) -> bool:
        """Whether there are blocks that are not opened."""
        return self.is_folded and self.opened < len(self.levels)

    def columns(self, without: Collection[str] = ()) -> list[Column]:
        """The columns, but for some of ``NARROWER``."""
        dtypes = {dtype_of(row.output) for row in self.planned.rows} - {""}
        columns = columns_of(self.tree, is_folded=self.is_folded, dtypes=len(dtypes))
        return [column for column in columns if column.name not in without]

    def rows(self, columns: Sequence[Column], *, brief: bool = False, indent: str = "  ") -> list[list[str]]:
        """The strings of the table. Of many blocks those at both ends, and how many are between them.

        Args:
            brief: whether numbers have units.
            indent: what is before the name of a layer for each level.
        """
        shown = [column.brief or column.show if brief else column.show for column in columns]
        nodes = self.nodes if self.by == "layers" else ends(self.nodes)
        rows = [[show(node) for show in shown] for node, _ in nodes]
        name = [column.name for column in columns].index("layer")
        for row, (_, level) in zip(rows, nodes, strict=True):
            row[name] = indent * level + row[name]
        if len(nodes) < len(self.nodes):
            more = {"layer": f"{len(self.nodes) - len(nodes):,} more", "#": "…"}
            rows.insert(len(nodes) // 2, [more.get(column.name, "") for column in columns])
        return rows

    # ---- on the terminal

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The widest table that fits, and the sums."""
        for leave in range(len(NARROWER) + 1):
            without = NARROWER[:leave]
            columns = self.columns(without)
            rows = self.rows(columns, brief="exact numbers" in without)
            widths = [max(map(cell_len, texts)) for texts in zip([one.name for one in columns], *rows, strict=True)]
            least = [min(_ARGUMENTS, width) if one.wraps else width for one, width in zip(columns, widths, strict=True)]
            empty = self.table(columns, [], least)
            if Measurement.get(console, options.update(max_width=_ANY), empty).minimum <= options.max_width:
                break
        else:
            least[0] = 1  # the names are cut; numbers are not
        yield self.table(columns, rows, least)
        for line in sums(self.planned):
            yield from map(Text, unbroken(line, options.max_width))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], least: Sequence[int]) -> Table:
        """A table whose columns have at least these widths. Only arguments wrap, and only those of layers."""
        table = make_table()
        for column, width in zip(columns, least, strict=True):
            table.add_column(column.name, justify="right" if column.is_number else "left", min_width=width)
        for row in rows:
            texts = [make_text(text) for text in row]
            for column, text in zip(columns, texts, strict=True):
                text.no_wrap, text.overflow = not column.wraps or self.is_folded, "ellipsis"
            table.add_row(*texts)
        return table

    def __str__(self) -> str:
        console = make_console()
        text = "".join(segment.text for segment in console.render(self) if not segment.control)
        notes = [line for note in self.notes(*_IN_PYTHON) for line in unbroken(note, console.width)]
        return "\n".join([*map(str.rstrip, text.splitlines()), *notes])

    def _repr_html_(self) -> str:
        columns = self.columns()
        rows = self.rows(columns, indent="\N{NO-BREAK SPACE}" * 3)
        below = [*sums(self.planned), *self.notes(*_IN_PYTHON)]
        right = [column.name for column in columns if column.is_number]
        return html_table([column.name for column in columns], rows, right=right, below=below)

    def notes(self, layers: str, deeper: str) -> Iterator[str]:
        """Blocks that hide layers; what is not shown, and how to see it.

        Args:
            layers: what shows all layers.
            deeper: what opens as many levels as are put in for ``{}``.
        """
        yield from hidden_layers(self.planned.steps)
        if not self.is_folded:
            return
        all_layers = f"{layers} shows all {counted(len(self.planned.rows), 'layer')}"
        if self.is_partial:
            shown = f"{counted(self.opened, 'level')} of {len(self.levels)}"
            yield f"{shown}; {deeper.format(self.opened + 1)} opens more, {all_layers}"
        elif any(node.times > 1 for node, _ in self.nodes):
            yield f"× n: equal neighbours, added up; {all_layers}"


_IN_PYTHON = ("show('layers')", "show(depth={})")

_ANY = 10_000
"""A width in which everything fits."""


def _layers(tree: Node, level: int = 0) -> Iterator[tuple[Node, int]]:
    """The layers of an outline that is not folded, and in how many layers each is."""
    for child in tree.children:
        if child.row is not None:
            yield child, level
        yield from _layers(child, level + (child.row is not None))


_ARGUMENTS = 24
"""Arguments get at least so much of the width, unless they are shorter."""
