"""The totals of a plan in lines of text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assembler.planning.columns import dtype_of
from assembler.planning.specs import print_shape
from assembler.settings.metrics import plan_metrics
from assembler.words import counted, print_bytes

if TYPE_CHECKING:
    from assembler.planning.plan import Plan

_IN_SENTENCES = ("layers", "trainable", "frozen", "other", "parameters", "parameter_memory", "macs", "activations")
"""Metrics that the lines below the table have words for; any others are listed after these."""


def sums(planned: Plan) -> Iterator[str]:
    """The totals of the layers, in lines."""
    layers = counted(len(planned.rows), "layer")
    others = [f", {count:,} {kind}" for kind in ("frozen", "other") if (count := getattr(planned, kind))]
    parameters = f"{planned.trainable:,} trainable parameters{''.join(others)}"
    values = planned.metrics()
    more = [f", {one.print(values[one.key])} {one.title}" for one in plan_metrics() if one.key not in _IN_SENTENCES]
    yield f"{layers}, {parameters} ({print_bytes(planned.parameter_memory)}), {planned.macs:,} MACs{''.join(more)}"
    if planned.uncounted:
        yield f"without the MACs of {', '.join(planned.uncounted)}, for which there is no rule"
    if tried := [f"#{row.path} {row.layer}" if row.path else row.layer for row in planned.rows if row.on_zeros]:
        names = ", ".join(tried[:3]) + (f" and {len(tried) - 3} more" if len(tried) > 3 else "")
        yield f"planned by running on zeros (no meta kernel): {names}; value-dependent shapes may differ"
    if planned.input is not None and planned.output is not None:
        same = dtype_of(planned.input) == dtype_of(planned.output)
        given = print_shape(planned.input) if same else f"{print_shape(planned.input)} {dtype_of(planned.input)}"
        emitted = f"{print_shape(planned.output)} {dtype_of(planned.output)}"
        yield f"{given} → {emitted}, about {print_bytes(planned.activations)} of activations"


def unbroken(line: str, width: int) -> list[str]:
    """A line, or several that are not wider; a number is not separated from what it counts."""
    joined = re.sub(r"(?<=\d) (?=\w)", "\N{NO-BREAK SPACE}", line)
    lines = textwrap.wrap(joined, max(width, 1), break_long_words=False, break_on_hyphens=False)
    return [one.replace("\N{NO-BREAK SPACE}", " ") for one in lines]
