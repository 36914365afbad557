"""Whether a plan is what its recipe expects. Checked for every plan, even if no model is built."""

from __future__ import annotations

from typing import Any

from assembler.model.subject import Outcome
from assembler.planning.plan import Plan
from assembler.planning.specs import Spec, Specs
from assembler.settings import Expect


def expectations(expect: Expect, planned: Plan) -> list[Outcome]:
    """One outcome for each metric that the recipe expects; they must be equal."""
    assert planned.output is not None
    found: dict[str, Any] = {**planned.metrics(), "output": _shapes(planned.output)}
    stated = expect.model_dump(exclude_none=True)
    return [
        Outcome(f"expect.{name}", _fits(found[name], bound), found[name], bound, relation="=")
        for name, bound in stated.items()
    ]


def _fits(found: Any, bound: Any) -> bool:
    """Whether a metric has the expected value; in a shape, ``_`` matches any size."""
    if isinstance(found, list) and isinstance(bound, list | tuple):
        return len(found) == len(bound) and all(map(_fits, found, bound))
    return bool(found == bound) or (bound == "_" and isinstance(found, int))


def _shapes(specs: Specs) -> list[Any]:
    return list(specs.shape) if isinstance(specs, Spec) else [_shapes(one) for one in specs]
