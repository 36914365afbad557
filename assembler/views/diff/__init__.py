"""What differs between two models: their plans as trees of parts, and the fewest edits that lead from one to the other.

Layers are compared as written, with ``_`` where a size is inferred. A wider layer is therefore one edit, and the sizes
that follow from it are none: ``through_sizes`` sums them up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from assembler.planning.plan import Plan
from assembler.settings.metrics import plan_metrics
from assembler.views.diff.parts import Keys, parts_of, parts_record
from assembler.views.diff.recipe_data import beside_layers, block_texts, redefined
from assembler.views.diff.script import Edit, script
from assembler.words import print_number

__all__ = [
    "Difference",
    "Edit",
    "beside_layers",
    "block_texts",
    "difference",
    "parts_record",
    "record",
    "redefined",
    "settings_that_differ",
    "text_lines",
]


@dataclass(frozen=True)
class Difference:
    """What differs between two models.

    Args:
        settings: of the recipes or runs, by dotted keys: the value before, and after.
        metrics: of the plans, by their titles: before, and after.
        edits: of the layers, in reading order.
        through_sizes: parameters and MACs that differ in layers that are written alike, because their input differs.
        measured: what runs measured. It differs from run to run, so that it does not count as a difference.
    """

    settings: Mapping[str, tuple[Any, Any]]
    metrics: Mapping[str, tuple[Any, Any]]
    edits: tuple[Edit, ...]
    through_sizes: tuple[int, int]
    measured: Mapping[str, tuple[Any, Any]]

    def __bool__(self) -> bool:
        return bool(self.settings or self.metrics or self.edits)


def difference(
    before: Plan,
    after: Plan,
    settings: Mapping[str, tuple[Any, Any]],
    *,
    redefined: Collection[str] = (),
    measured: Mapping[str, tuple[Any, Any]] = MappingProxyType({}),
) -> Difference:
    """Compare two plans.

    Args:
        settings, measured: what differs beside the layers, as :func:`settings_that_differ` finds it.
        redefined: blocks that are defined in both and differ. Of others, only the arguments of a use can differ.
    """
    keys = Keys()
    edits = script(parts_of(before, keys), parts_of(after, keys), frozenset(redefined))
    known = [sum(getattr(edit, name) for edit in edits) for name in ("parameters", "macs")]
    pairs = {one.title: (one.of_plan(before), one.of_plan(after)) for one in plan_metrics() if one.of_plan}
    whole = (after.parameters - before.parameters, after.macs - before.macs)
    return Difference(
        settings,
        {title: (old, new) for title, (old, new) in pairs.items() if old != new},
        tuple(edits),
        (whole[0] - known[0], whole[1] - known[1]),
        measured,
    )


def settings_that_differ(before: Any, after: Any, key: str = "") -> dict[str, tuple[Any, Any]]:
    """The values of nested mappings that differ, by dotted keys; None where there is none.

    >>> settings_that_differ({"seed": 0, "input": {"shape": [4, 8]}}, {"seed": 1, "input": {"shape": [4, 8]}})
    {'seed': (0, 1)}
    """
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return {} if before == after else {key: (before, after)}
    found: dict[str, tuple[Any, Any]] = {}
    for name in dict.fromkeys([*before, *after]):
        inside = f"{key}.{name}" if key else str(name)
        found |= settings_that_differ(before.get(name), after.get(name), inside)
    return found


def record(found: Difference) -> dict[str, Any]:
    """The difference as data for JSON."""
    return {
        "settings": {key: list(values) for key, values in found.settings.items()},
        "metrics": {key: list(values) for key, values in found.metrics.items()},
        "measured": {key: list(values) for key, values in found.measured.items()},
        "edits": [_edit_record(edit) for edit in found.edits],
        "through_sizes": dict(zip(("parameters", "macs"), found.through_sizes, strict=True)),
    }


def _edit_record(edit: Edit) -> dict[str, Any]:
    before, after = (one and {"text": one.text, "paths": list(paths)} for one, paths in edit.sides)
    figures = {"parameters": edit.parameters, "macs": edit.macs}
    return {"edit": edit.name, "times": edit.times, "before": before, "after": after, **figures}


def text_lines(found: Difference) -> list[str]:
    """The difference as lines under the headings ``settings``, ``layers``, ``sizes`` and ``measured``."""
    settings, measured = (
        [f"{key}: {_value(old)} → {_value(new)}" for key, (old, new) in pairs.items()]
        for pairs in (found.settings, found.measured)
    )
    layers = [_edit_line(edit) for edit in found.edits]
    if follows := _cost(*found.through_sizes):
        layers.append(f"  in layers that are written alike, for their input differs  ({follows})")
    printers = {metric.title: metric.print for metric in plan_metrics()}
    sizes = [f"{title}: {printers[title](old)} → {printers[title](new)}" for title, (old, new) in found.metrics.items()]
    parts = {"settings": settings, "layers": layers, "sizes": sizes, "measured": measured}
    return [line for heading, lines in parts.items() if lines for line in (heading, *(f"  {one}" for one in lines))]


def _edit_line(edit: Edit) -> str:
    texts = [one.text for one, _ in edit.sides if one is not None]
    paths = next(paths for one, paths in reversed(edit.sides) if one is not None)
    times = f" × {edit.times:,}" if edit.times > 1 else ""
    more = f" and {edit.times - 1:,} more" if edit.times > 1 else ""
    where = f"  #{paths[0]}{more}" if paths and paths[0] else ""
    cost = _cost(edit.parameters, edit.macs)
    return f"{edit.sign} {' → '.join(texts)}{times}{where}{f'  ({cost})' if cost else ''}"


def _cost(parameters: int, macs: int) -> str:
    figures = ((parameters, "parameters"), (macs, "MACs"))
    return ", ".join(f"{number:+,} {what}" for number, what in figures if number)


def _value(value: Any) -> str:
    return "none" if value is None else print_number(value) if type(value) in (int, float) else str(value)
