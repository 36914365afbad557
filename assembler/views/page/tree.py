"""The outline of a plan, as ``result.json`` has it → the rows of the table of layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assembler.language.recipe import print_value
from assembler.planning.outline import print_paths

_PARAMETERS = ("trainable", "frozen", "other")


def tree_rows(plan: Mapping[str, Any]) -> list[list[Any]]:
    """The rows of the blocks and layers of a plan, in reading order; none of a record without an outline.

    Args:
        plan: the ``plan`` of a record.

    Returns:
        Of each the level, the name, how many equal neighbours it is, arguments, shapes, how many layers, parameters,
        MACs, and bytes of the output, all of these of all occurrences in the model, and the path.
    """
    return [
        [
            *(level, one.get("title"), one.get("times", 1), *_middle(one)),
            *((one.get("layers") or 0) * count, *_sums(one, count)),
            print_paths(one.get("path") or "", one.get("last") or one.get("path") or ""),
        ]
        for one, level, count in _occurrences(plan.get("outline") or (), plan.get("layers") or ())
    ]


def layer_rows(plan: Mapping[str, Any]) -> list[list[Any]]:
    """The rows of all layers of a plan; see ``tree_rows``."""
    return [
        [0, one.get("layer"), 1, *_middle(one), 1, *_sums(one, 1), one.get("path")] for one in plan.get("layers") or []
    ]


def _occurrences(
    nodes: Sequence[Mapping[str, Any]], layers: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], int, int]]:
    """Each node with what it has from its row, its level, and how often it occurs in the model."""
    around = [1]  # how often a node of each level occurs: the last is the node's own
    for node in nodes:
        row = node.get("row")
        like = layers[row] if row is not None and row < len(layers) else {}
        level = min(node["level"], len(around) - 1)
        del around[level + 1 :]
        around.append(around[-1] * node.get("times", 1))
        yield {"title": like.get("layer"), "layers": int(bool(like)), **like, **node}, level, around[-1]


def _middle(one: Mapping[str, Any]) -> tuple[Any, ...]:
    return one.get("arguments") or "", print_shape(one.get("input")), print_shape(one.get("output"))


def _sums(one: Mapping[str, Any], count: int) -> tuple[int, ...]:
    parameters = sum(one.get(kind) or 0 for kind in _PARAMETERS)
    return tuple(number * count for number in (parameters, one.get("macs") or 0, one.get("memory") or 0))


def print_shape(specs: Any) -> str:
    """A shape: ``(2, 1, 28, 28)``, or ``()`` of a number; the shapes of a tuple in parentheses."""
    if isinstance(specs, Mapping):
        return print_value(tuple(specs.get("shape") or ()))
    return f"({', '.join(map(print_shape, specs))})" if specs else ""
