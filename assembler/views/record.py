"""A run as data: the contents of ``result.json`` and ``recipe.yaml``, described in ``docs/result.md``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from platform import python_version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

from assembler.binding.dump import dump
from assembler.planning.outline import SUMMED, Node, outline
from assembler.planning.plan import Plan, Row
from assembler.planning.specs import Spec, Specs
from assembler.settings import RecipeSettings
from assembler.settings.metrics import METRICS

if TYPE_CHECKING:
    from assembler.model.parameters import Observed
    from assembler.model.subject import Outcome
    from assembler.model.weights import Loaded

VERSION = 1
"""Version of the format of ``result.json``. It increases when a key changes its meaning or is removed."""


@cache
def versions() -> dict[str, str]:
    """The versions of the software that the run used; the packages are read once."""
    names = ("assembler", "mindspore", "numpy", "hydra-core")
    return {"python": python_version(), **{name: version(name) for name in names}}


def plan_record(planned: Plan) -> dict[str, Any]:
    """The layers of a plan, its metrics, and its stack as strings with everything filled in."""
    return {
        **dump(planned.steps),
        **planned.metrics(),
        "layers": [_row(row) for row in planned.rows],
        "outline": list(_outline(planned)),
        "uncounted": list(planned.uncounted),
        "input": _specs(planned.input) if planned.input else None,
        "output": _specs(planned.output) if planned.output else None,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "path": row.path,
        "layer": row.layer,
        "arguments": row.arguments,
        "input": _specs(row.input),
        "output": _specs(row.output),
        **{metric.key: getattr(row, metric.key) for metric in METRICS if metric.per_layer},
        "memory": row.memory,
        "on_zeros": row.on_zeros,
    }


def _outline(planned: Plan) -> Iterator[dict[str, Any]]:
    """The nodes of the outline in reading order; what is as in the row of a node, or is not there, is left out."""
    positions = {id(row): at for at, row in enumerate(planned.rows)}
    for node, level in outline(planned).walk():
        at = positions.get(id(node.row))
        usual = _node(Node("layer", "") if at is None else _alone(planned.rows[at])) | {"last": node.path}
        kept = {key: value for key, value in _node(node).items() if value != usual[key]}
        yield {"level": level, **({} if at is None else {"row": at}), **kept}


def _alone(row: Row) -> Node:
    """The node of a layer that has no layers inside and occurs once."""
    each = {"layers": 1, **{key: getattr(row, key) for key in SUMMED}}
    return Node("layer", row.layer, row.arguments, row.path, row.path, row.input or None, row.output or None, each)


def _node(node: Node) -> dict[str, Any]:
    return {
        **{name: getattr(node, name) for name in ("kind", "title", "arguments", "path", "last", "times")},
        "input": None if node.input is None else _specs(node.input),
        "output": None if node.output is None else _specs(node.output),
        **{key: node.each.get(key, 0) for key in ("layers", *SUMMED)},
    }


def _specs(specs: Specs) -> Any:
    if isinstance(specs, Spec):
        return {"shape": list(specs.shape), "dtype": specs.dtype}
    return [_specs(item) for item in specs]


def parameter_record(observed: Observed) -> dict[str, Any]:
    """A parameter, and the statistics of its values."""
    weight = observed.weight
    return {
        "name": observed.name,
        "path": observed.row.path,
        "layer": observed.row.layer,
        "shape": list(weight.shape),
        "dtype": weight.dtype,
        "kind": weight.kind,
        "set_by": observed.set_by or None,
        "mean": observed.mean,
        "std": observed.std,
        "min": observed.least,
        "max": observed.most,
    }


def weights_record(loaded: Loaded | None, load: str | None, save: str | None) -> dict[str, Any]:
    """The files that parameters were loaded from and saved in."""
    return {
        "loaded": load if loaded else None,
        "parameters_loaded": len(loaded.names) if loaded else 0,
        "missing": list(loaded.missing) if loaded else [],
        "extra": list(loaded.extra) if loaded else [],
        "saved": save,
    }


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """The outcome of a check."""
    return {
        "check": outcome.name,
        "applies": outcome.applies,
        "passed": outcome.passed,
        "measured": plain(outcome.measured),
        "bound": plain(outcome.bound),
        "relation": outcome.relation,
        "detail": outcome.detail,
    }


def plain(value: Any) -> Any:
    """Data for JSON: numbers that are not finite become strings, because JSON cannot represent them."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def to_json(data: Any, made: Mapping[str, str] = MappingProxyType({})) -> str:
    """Plain data as JSON, an item per line.

    Args:
        made: the JSON of some values of a mapping, which was made before.
    """
    if not isinstance(data, Mapping) or not made:
        return json.dumps(data, indent=1, allow_nan=False)
    texts = ((key, made[key] if key in made else to_json(value)) for key, value in data.items())
    lines = (f" {json.dumps(key)}: {text}".replace("\n", "\n ") for key, text in texts)
    return "{\n" + ",\n".join(lines) + "\n}"


def recipe_text(recipe: RecipeSettings, planned: Plan) -> str:
    """The resolved recipe, as a recipe file: one line per layer, every ``_`` filled in."""
    data: dict[str, Any] = {
        "name": recipe.name,
        **recipe.model_dump(mode="json", exclude_unset=True, include={"input", "inputs"}),
        **dump(planned.steps),
    }
    if planned.rules:
        data["init"] = {rule.pattern: rule.said for rule in planned.rules}
    if recipe.freeze:
        data["freeze"] = list(recipe.freeze)
    data["checks"] = dict(recipe.checks)
    if expect := recipe.expect.model_dump(mode="json", exclude_unset=True):
        data["expect"] = expect
    return yaml.safe_dump(data, sort_keys=False, width=1000, allow_unicode=True)
