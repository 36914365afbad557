"""``textDocument/inlayHint``: the shape after each item of a stack and each line of a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assembler.analysis import Item, Use
from assembler.editor.features.common import file_of
from assembler.editor.features.still_true import items_in
from assembler.editor.workspace import Workspace, real
from assembler.planning.specs import Specs, print_shape, print_specs
from assembler.words import counted, print_rounded

_OUTERMOST = ("wire", "repeat", "block", "layer")
"""Of items that end at one place, the first of these kinds has the hint."""


def inlay_hints(workspace: Workspace, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The hints of a range. Of a block's use and of a repeat, they include parameters and MACs."""
    if (file := file_of(params)) is None:
        return []
    first, last = params["range"]["start"]["line"], params["range"]["end"]["line"]
    items = [item for item in _items(workspace, file) if first <= item.span.end_line <= last]
    return [hint for item in _outermost(items) if (hint := _hint(workspace, file, item)) is not None]


def _items(workspace: Workspace, file: Path) -> Iterator[Item]:
    """The items of a file: its own if it is a recipe, else those of the open recipes that use it, together."""
    opened = workspace.open.get(file)
    if opened is not None and (own := items_in(file, opened)):
        yield from own
        return
    together: dict[tuple[Any, str], Item] = {}
    for other in workspace.open.values():
        for item in other.analysis.items if other.analysis is not None else ():
            if real(item.span.file) == file:
                known = together.setdefault((item.span, item.kind), Item(item.span, item.kind, item.name))
                known.uses.extend(item.uses)
    yield from together.values()


def _outermost(items: list[Item]) -> list[Item]:
    """One item for each place in the text; layers inside arguments and inside lines of a graph have none."""
    found: dict[tuple[int, int], Item] = {}
    for item in sorted(items, key=lambda item: _OUTERMOST.index(item.kind)):
        if not item.is_argument:
            found.setdefault((item.span.end_line, item.span.end_column), item)
    return [found[place] for place in sorted(found)]


def _hint(workspace: Workspace, file: Path, item: Item) -> dict[str, Any] | None:
    outputs = list(dict.fromkeys(use.output for use in item.uses if use.output is not None))
    if not outputs:
        return None
    label = f"→ {_shapes(outputs)}"
    if item.kind in ("block", "repeat") and len(uses := set(map(_costs, item.uses))) == 1:
        label += "".join(f" · {cost}" for cost in uses.pop())
    position = workspace.lines(file).position(item.span.end_line, item.span.end_column)
    return {"position": position, "label": label, "paddingLeft": True, "tooltip": _tooltip(item.uses)}


def _shapes(outputs: list[Specs]) -> str:
    """One shape; of several uses with several shapes, the first and the last."""
    shown = list(dict.fromkeys(map(print_shape, outputs)))
    return shown[0] if len(shown) == 1 else f"{shown[0]}{' | ' if len(shown) == 2 else ' … '}{shown[-1]}"


def _costs(use: Use) -> tuple[str, ...]:
    """Parameters and MACs, if there are any."""
    parameters = f"{print_rounded(use.parameters)} parameters" if use.parameters else ""
    return tuple(filter(None, (parameters, f"{print_rounded(use.macs)} MACs" if use.macs else "")))


def _tooltip(uses: list[Use]) -> str:
    """The uses in full, one per line."""
    lines = [
        f"#{use.path}: {print_specs(use.input) if use.input else '?'} → {print_specs(use.output)}, "
        f"{counted(use.parameters, 'parameter')}, {use.macs:,} MACs"
        for use in uses
        if use.output is not None
    ]
    more = [f"and {len(lines) - 10:,} more"] if len(lines) > 10 else []
    return "\n".join([*lines[:10], *more])
