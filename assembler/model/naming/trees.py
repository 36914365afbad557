"""The names of a file as a tree, whose leaves are layers.

``layer1.0.conv1.weight``, ``layer1.0.bn1.weight`` and ``layer1.0.bn1.bias`` are::

    layer1
      0
        conv1  {weight}
        bn1    {weight, bias}

Siblings have no order but for their numbers: files are sorted by name, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from string import ascii_lowercase

from assembler.model.naming.roles import split

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Unit:
    """What belongs together: the parameters of one layer.

    Args:
        path: their common prefix.
        names: role → name of the array or parameter.
        shapes: role → shape.
    """

    path: str
    names: Mapping[str, str]
    shapes: Mapping[str, Shape]

    def without(self, names: Collection[str]) -> Unit:
        """The same without some parameters."""
        roles = [role for role, name in self.names.items() if name not in names]
        return Unit(self.path, {role: self.names[role] for role in roles}, {role: self.shapes[role] for role in roles})


@dataclass
class Node:
    """A prefix of names.

    Args:
        component: its last part.
        unit: the layer, if it is one; then it has no children.
        children: by their components.
        is_lettered: whether it is one of siblings a, b, c and so on, without a gap: its letter is a number.
    """

    component: str = ""
    unit: Unit | None = None
    children: dict[str, Node] = field(default_factory=dict)
    is_lettered: bool = False

    @property
    def place(self) -> tuple[str, tuple[int, str]]:
        """The text before its number, and the number: ``("layer", (2, ""))``; ``("inception", (4, "b"))``.

        Letters of siblings a, b, c count: ``a`` is ``("", (0, "a"))``, and ``a_bn`` ``("_bn", (0, "a"))``. Others, such
        as q, k and v, or d and e, are words.
        """
        if self.is_lettered and (match := _LETTER.fullmatch(self.component)):
            return match[2] or "", (0, match[1])
        match = re.fullmatch(r"(.*?)(\d+)([A-Za-z]?)", self.component)
        return (match[1], (int(match[2]), match[3])) if match else (self.component, (0, ""))

    def units(self) -> Iterator[Unit]:
        """The layers below it, itself included."""
        if self.unit is not None:
            yield self.unit
        for child in self.children.values():
            yield from child.units()


_LETTER = re.compile(r"([a-z])(_\w+)?")


def units_of(shapes: Mapping[str, Shape]) -> list[Unit]:
    """The layers of a flat mapping name → shape, in the order of their first names."""
    found: dict[str, dict[str, str]] = {}
    for name in shapes:
        layer, role = split(name)
        roles = found.setdefault(layer, {})
        if role in roles:  # gamma beside weight: two layers in one
            layer, roles = name, found.setdefault(name, {})
            role = "weight"
        roles[role] = name
    return [Unit(path, names, {role: shapes[name] for role, name in names.items()}) for path, names in found.items()]


_NUMBERED = re.compile(r"(\w)_(\d+[a-z]?)(?=\.[^.]+$)")
"""A number behind the name of what holds layers and nothing else: ``branch5x5_1.conv``."""


def tree_of(units: list[Unit], *, grouped: bool = False) -> Node:
    """The tree of some layers' paths. A layer that has layers inside it is a child ``""`` of its node.

    Args:
        grouped: whether siblings such as ``branch5x5_1`` and ``branch5x5_2`` are the children 1 and 2 of one more node.
    """
    root = Node()
    for unit in units:
        node = root
        for part in (_NUMBERED.sub(r"\1.\2", unit.path) if grouped else unit.path).split("."):
            node = node.children.setdefault(part, Node(part))
        node.children[""] = Node("", unit)
    return lettered(_with_leaves(root))


def lettered(node: Node) -> Node:
    """The tree, in which siblings know whether their letters are numbers."""
    groups: dict[str | None, list[tuple[str, Node]]] = {}
    for child in map(lettered, node.children.values()):
        if match := _LETTER.fullmatch(child.component):
            groups.setdefault(match[2], []).append((match[1], child))
    for members in groups.values():
        is_run = "".join(sorted(letter for letter, _ in members)) == ascii_lowercase[: len(members)]
        for _, child in members:
            child.is_lettered = is_run
    return node


def _with_leaves(node: Node) -> Node:
    children = {name: _with_leaves(child) for name, child in node.children.items()}
    if set(children) == {""}:
        return Node(node.component, children[""].unit)
    return Node(node.component, node.unit, children)


_MIXED = re.compile(r"(?:^|\.)(\w*[a-z]\w*)\.\d+\.\1\.")
"""A list inside an item of a list of its name: ``blocks.1.blocks.0``."""


def is_mixed(units: list[Unit]) -> bool:
    """Whether ``unmixed`` may be the tree that is meant."""
    return any(_MIXED.search(unit.path) for unit in units)


def unmixed(node: Node) -> Node:
    """The tree without lists inside the items of lists of their name, which are the lists of the next items.

    MindSpore names the stages of mindcv's Swin as if they were in the first one. ``0.blocks.1.mlp`` is of its block 1,
    and ``0.blocks.1.blocks.0.mlp`` of stage 1::

        0                         0
          blocks                    0  blocks  {0, 1 {mlp}},  downsample
            0                       1  blocks  {0, 1},  downsample
            1  {mlp, blocks {0, 1}, downsample}
          downsample
    """
    children = {name: unmixed(child) for name, child in node.children.items()}
    later: dict[str, Node] = {}
    for name, child in children.items():
        for number, item in child.children.items():
            if number.isdigit() and not name.isdigit() and name in item.children:
                later[number] = Node(number, None, {key: one for key, one in item.children.items() if key in children})
        own = {number: _without(item, children) if number in later else item for number, item in child.children.items()}
        child.children = {number: item for number, item in own.items() if item.unit is not None or item.children}
    if later:
        return Node(node.component, None, {"0": Node("0", node.unit, children), **later})
    return Node(node.component, node.unit, children)


def _without(node: Node, names: Collection[str]) -> Node:
    return Node(node.component, node.unit, {name: one for name, one in node.children.items() if name not in names})
