"""What the columns of a plan's table show, and the order in which a narrow terminal does without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from assembler.language.recipe import leaves
from assembler.planning.outline import Node
from assembler.planning.specs import Spec, Specs, print_shape
from assembler.settings.metrics import METRICS
from assembler.words import print_bytes, print_rounded

_Show: TypeAlias = Callable[[Node], str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Args:
        name: its heading.
        show: what it shows of a node.
        brief: the same with units, for a narrow terminal; None if there is no shorter form.
        is_number: whether it is on the right.
        wraps: whether it may be narrower than what it shows.
    """

    name: str
    show: _Show
    brief: _Show | None = None
    is_number: bool = False
    wraps: bool = False


NARROWER = ("input", "exact numbers", "other", "memory", "frozen", "dtype", "arguments", "%", "output", "#")
"""What a narrow terminal does without, in this order, until the rest fits. What is left has units: ``118 M``."""

_SHAPES = 24
"""The longest text of the shapes of several tensors."""

_COUNTED = [metric for metric in METRICS if metric.per_layer and not metric.unit]
"""The metrics that have a column. Bytes of parameters follow from their number."""


def _count(name: str, key: str) -> Column:
    return Column(
        name, lambda node: f"{node.total(key):,}", lambda node: print_rounded(node.total(key)), is_number=True
    )


def _share(key: str, whole: Node) -> Column:
    def show(node: Node) -> str:
        part = 100 * node.share(key, whole)
        return f"{part:.1f}" if part else ""

    def brief(node: Node) -> str:
        part = 100 * node.share(key, whole)
        return f"{part:.0f}" if part >= 0.5 else "<1" if part else ""

    return Column("%", show, brief, is_number=True)


def _shape(specs: Specs | None) -> str:
    """The shapes; of many tensors, that of the first: ``(1, 8400, 84) + 3 more``."""
    text = "" if specs is None else print_shape(specs)
    if isinstance(specs, tuple) and len(text) > _SHAPES:
        first, *rest = [leaf for leaf in leaves(specs) if isinstance(leaf, Spec)]
        return f"{print_shape(first)} + {len(rest)} more"
    return text


def dtype_of(specs: Specs | None) -> str:
    """The dtype of the first tensor."""
    return next((leaf.dtype for leaf in leaves(specs) if isinstance(leaf, Spec)), "")


def columns_of(whole: Node, *, is_folded: bool, dtypes: int) -> list[Column]:
    """The columns that say something of a plan.

    Args:
        whole: its outline.
        is_folded: whether equal neighbours are one row: then there are shares of the whole, and no inputs.
        dtypes: how many dtypes the layers emit.
    """
    columns = [Column("#", lambda node: node.paths), Column("layer", _title)]
    columns.append(Column("arguments", lambda node: node.arguments, wraps=True))
    if not is_folded:
        columns.append(Column("input", lambda node: _shape(node.input)))
    columns.append(Column("output", lambda node: _shape(node.output)))
    if dtypes > 1:
        columns.append(Column("dtype", lambda node: dtype_of(node.output)))
    for metric in _COUNTED:
        if metric.key in ("trainable", "macs") or whole.each[metric.key]:
            columns.append(_count(metric.title, metric.key))
        if is_folded and metric.key in ("trainable", "macs") and whole.each[metric.key]:
            columns.append(_share(metric.key, whole))
    return [*columns, Column("memory", lambda node: print_bytes(node.total("memory")), is_number=True)]


def _title(node: Node) -> str:
    if node.times == 1:
        return node.title
    return f"({node.title}) × {node.times:,}" if node.kind == "repeat" else f"{node.title} × {node.times:,}"
