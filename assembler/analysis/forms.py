"""What the keys and values of a recipe are, as ``assembler.language.yaml_form`` reads them, also while it is typed.

::

    params: {pad: 1}                  pad: its value is data
    stack:
      - size: Dense(_, pad)           size: the name of an item; its value is layers
      - Conv2d: {pad_mode: pad}       Conv2d: a layer; pad_mode: an argument, whose value is data
    outputs: [out]                    out: a source
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from assembler.analysis.regions import Region

MAX_DEPTH = 60
"""How deep a recipe is read, as by ``assembler.reading.yaml_files``."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a key and its value are.

    Args:
        key: ``layer`` for the name of a layer or a block, ``argument`` for that of one of its arguments; else empty.
        value: ``layers`` for a recipe text, ``sources`` for wires; empty for data, and for what has parts.
        call: of an argument, the name of the layer.
    """

    key: Literal["", "layer", "argument"] = ""
    value: Literal["", "layers", "sources"] = ""
    call: str = ""


def forms_of(text: str, regions: Iterable[Region]) -> list[tuple[Region, Form]]:
    """The regions of a recipe that have names in them."""
    return list(_Reader(text, regions).recipe())


_Found = Iterator[tuple[Region, Form]]


class _Reader:
    def __init__(self, text: str, regions: Iterable[Region]):
        self.text = text
        self.inside: dict[tuple[str, ...], list[Region]] = {}
        for region in (one for one in regions if len(one.path) <= MAX_DEPTH):
            self.inside.setdefault(region.path[:-1], []).append(region)

    def recipe(self) -> _Found:
        """All of it."""
        for region in self.inside.get((), ()):
            match region.path[0]:
                case "stack":
                    yield from self.stack(region)
                case "graph":
                    yield from self.graph(region)
                case "outputs":
                    yield from self.each("sources", region)
                case "init":
                    yield from self.initializers()
        for outer in ("blocks", "shared"):
            for region in self.inside.get((outer,), ()):
                yield from self.part(region)
        for region in self.inside.get(("params",), ()):
            yield from self.value(region)

    def initializers(self) -> _Found:
        """Texts that see the params; the others are data."""
        for region in self.inside.get(("init",), ()):
            if not self.inside.get(region.path):
                yield region, Form(value="layers")

    def each(self, value: Literal["layers", "sources"], region: Region) -> _Found:
        """A text, or a list of texts."""
        for one in self.inside.get(region.path) or [region]:
            yield one, Form(value=value)

    def stack(self, region: Region) -> _Found:
        """A text, or a list of items."""
        if any(_is_key(one) for one in self.inside.get(region.path, ())):
            yield from self.part(region)
        elif region.path in self.inside:
            for one in self.inside[region.path]:
                yield from self.part(one)
        else:
            yield region, Form(value="layers")

    def graph(self, region: Region) -> _Found:
        """Lines."""
        for one in self.inside.get(region.path, ()):
            yield from self.part(one)

    def part(self, region: Region) -> _Found:
        """A text, a graph, a list, or a mapping of a layer to its arguments, or of a name to an item."""
        inside = {one.path[-1]: one for one in self.inside.get(region.path, ()) if _is_key(one)}
        if not inside:
            yield from self.stack(region)
        elif "graph" in inside:
            yield from self.graph(inside["graph"])
            if "outputs" in inside:
                yield from self.each("sources", inside["outputs"])
        elif set(inside) == {"stack"}:
            yield from self.stack(inside["stack"])
        else:
            for one in inside.values():
                yield from self.item(one)

    def item(self, region: Region) -> _Found:
        """A layer with its arguments, or a name with its layers."""
        inside = self.inside.get(region.path, ())
        names = {one.path[-1] for one in inside if _is_key(one)}
        said = self.text[slice(*region.value)]
        if "graph" in names or names == {"stack"} or (not inside and said not in ("", "null", "~", "{}", "[]")):
            yield from self.part(region)
            return
        yield region, Form(key="layer")
        for one in inside:
            if _is_key(one):
                yield one, Form(key="argument", call=region.path[-1])
            yield from self.value(one)

    def value(self, region: Region) -> _Found:
        """Data, of which parts may be ``{stack: …}`` or ``{graph: …}``."""
        inside = {one.path[-1]: one for one in self.inside.get(region.path, ())}
        if "graph" in inside or set(inside) == {"stack"}:
            yield from self.part(region)
            return
        for one in inside.values():
            yield from self.value(one)


def _is_key(region: Region) -> bool:
    """Whether it is in a mapping, not in a list."""
    return region.key[0] < region.key[1]
