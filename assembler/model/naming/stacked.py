"""The experts of a mixture, which ``state_dict()`` of transformers has in two arrays, one by one.

``experts.gate_up_proj`` (experts, 2 × hidden, size) has the rows of all gates, and below each those of its ``up``;
``experts.down_proj`` is (experts, size, hidden)::

    experts.gate_up_proj  (4, 160, 48)      experts.0.gate_up_proj  (160, 48)   expert 0
                                        ─▶  experts.1.gate_up_proj  (160, 48)   expert 1
                                            …

Models that exchange axes or alternate between rows of gate and up, such as GPT-OSS, have other shapes and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from assembler.model.naming.mapping import Assignment, NameMapping
from assembler.model.naming.targets import Targets
from assembler.model.naming.trees import Shape

_STACKED = re.compile(r"((?:.*\.)?experts)\.(gate_up_proj|down_proj)")

_GATE = re.compile(r"((?:.*\.)?experts)\.\d+\.gate")

Apart = Mapping[str, tuple[str, int]]
"""Name of one expert's matrix → name in the file, and which of its experts it is."""


def apart(targets: Targets, shapes: Mapping[str, Shape]) -> tuple[dict[str, Shape], Apart]:
    """The shapes of a file with a matrix for each expert; arrays that the model has whole remain.

    Raises:
        ValueError: they are not laid out so, or the model has another number or size of experts.
    """
    whole = set(targets.shapes.values())
    found: dict[str, Shape] = {}
    origins: dict[str, tuple[str, int]] = {}
    for name, shape in shapes.items():
        match = _STACKED.fullmatch(name)
        if match is None or shape in whole:
            found[name] = shape
            continue
        count = _count(match[1], targets, shapes)
        matrices = {f"{match[1]}.{expert}.{match[2]}": expert for expert in range(count)}
        if both := matrices.keys() & shapes.keys():
            raise ValueError(f"{min(both)} is in the file, and in {name}, too")
        found |= dict.fromkeys(matrices, shape[1:])
        origins |= {matrix: (name, expert) for matrix, expert in matrices.items()}
    return found, origins


def _count(experts: str, targets: Targets, shapes: Mapping[str, Shape]) -> int:
    """How many experts there are, if both arrays and the model agree on it and on their sizes."""
    names = [f"{experts}.gate_up_proj", f"{experts}.down_proj"]
    for name, other in (names, names[::-1]):
        if other not in shapes:
            raise ValueError(f"{name} has no {other} beside it")
    wide, down = (shapes[name] for name in names)
    if len(down) != 3 or wide != (down[0], 2 * down[2], down[1]):
        layouts = "(experts, 2 * hidden, size) and (experts, size, hidden)"
        raise ValueError(f"{names[0]} is {wide} and {names[1]} {down}; they must be {layouts}")
    known = set(_experts(targets))
    here = (down[0], (down[2], down[1]))
    if here not in known:
        others = " or ".join(f"{count} of shape {shape}" for count, shape in sorted(known)) or "none"
        raise ValueError(f"{names[0]} has {here[0]} experts, whose gates have shape {here[1]}; the model has {others}")
    return here[0]


def _experts(targets: Targets) -> Iterator[tuple[int, Shape]]:
    """Of each mixture in the model, how many experts it has, and the shape of their gates."""
    gates: dict[str, list[Shape]] = {}
    for unit in targets.units:
        if match := _GATE.fullmatch(unit.path):
            gates.setdefault(match[1], []).append(unit.shapes["weight"])
    yield from ((len(some), some[0]) for some in gates.values())


def joined(mapping: NameMapping, origins: Apart) -> NameMapping:
    """The mapping by the names in the file; its transforms take the experts."""
    left = dict.fromkeys(origins[name][0] if name in origins else name for name in mapping.left)
    return replace(mapping, assignments=tuple(_of(one, origins) for one in mapping.assignments), left=tuple(left))


def _of(one: Assignment, origins: Apart) -> Assignment:
    if one.sources[0] not in origins:
        return one
    name, expert = origins[one.sources[0]]
    return replace(one, sources=(name,), transform=replace(one.transform, expert=expert))
