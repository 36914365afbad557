"""What a name means where it is written, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from assembler.errors import NOWHERE, AssemblerError, Mend, Place, RecipeError, UnknownLayer
from assembler.language.names import FUNCTIONS
from assembler.language.recipe import Definitions, Layer, Shared, walk
from assembler.registry.registry import Registry
from assembler.words import suggestion

MAX_VALUES = 300_000
"""Values that the expansion of one recipe may read."""
MAX_WITHIN = 50
"""Depth of blocks and shared parts that use each other."""
MAX_GUESSES = 20
"""Unknown names for which a similar name is searched."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a value is written: in which blocks, and what their arguments are.

    Args:
        values: of the arguments of the innermost block, and of the names of loops in it.
        within: ``the block Unit`` or ``the shared part head``, the innermost first, each with the place of its use.
        depth: how many blocks that is; inside a shared part, counted from that part.
        wires: the names of the innermost graph's inputs and lines, for messages.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    within: tuple[tuple[str, Place], ...] = ()
    depth: int = 0
    wires: Collection[str] = ()

    def place(self, place: Place) -> Place:
        """A place with the blocks that it is in."""
        return replace(place, within=self.within) if self.within else place


class TooLarge(RecipeError):
    """The recipe is too large to be read further."""


class Meanings:
    """What the names of one recipe mean. Errors are collected, so that one pass reports them all.

    Args:
        definitions: the recipe's parameters, shared parts and blocks.
        registry: the known layers; without it, any name may be a layer's.
    """

    def __init__(self, definitions: Definitions, registry: Registry | None):
        self.definitions = definitions
        self.registry = registry
        self.layers: Collection[str] = registry if registry is not None else ()
        self.mistakes: list[AssemblerError] = []
        self.values = self.guesses = 0
        self.shared: dict[str, Shared] = {}

    def clashes(self) -> Iterator[AssemblerError]:
        """Names that mean two things."""
        kinds: dict[str, tuple[str, Place]] = {}
        said = self.definitions
        named = [
            *((name, "a parameter", Place(key=f"recipe.params.{name}")) for name in said.params),
            *((name, "a shared part", Place(key=f"recipe.shared.{name}")) for name in said.shared),
            *((name, "a block", block.place) for name, block in said.blocks.items()),
        ]
        for name, kind, place in named:
            if name in kinds or (name in self.layers and kind != "a block"):
                other = kinds[name][0] if name in kinds else "a layer of the registry"
                yield RecipeError(f"{name!r} is {kind} and {other}; one of them needs another name", place)
            kinds[name] = (kind, place)
        for block in said.blocks.values():
            for name in block.defaults:  # they hide parameters, so that blocks can be used by any recipe
                if name in said.shared or name in said.blocks or name in self.layers:
                    other = kinds[name][0] if name in kinds else "a layer of the registry"
                    what = f"{name!r} is an argument of the block {block.name} and {other}"
                    yield RecipeError(f"{what}; one of them needs another name", block.place)

    def meaning(self, name: str) -> str:
        """What a name that may not be hidden is; empty for any other name."""
        if name in self.definitions.shared:
            return "a shared part"
        return (
            "a block" if name in self.definitions.blocks else "a layer of the registry" if name in self.layers else ""
        )

    def is_known(self, name: str, scope: Scope) -> bool:
        """Whether a name means something here, or is a layer's in another case."""
        said = self.definitions
        if (
            name in FUNCTIONS
            or self.registry is None
            or any(name in names for names in (scope.values, said.params, said.shared, said.blocks))
        ):
            return True
        return bool(self.registry.candidates(name)) or name.casefold() in {layer.casefold() for layer in self.layers}

    def undefined(self, layer: Layer, scope: Scope, of: Layer | None, word: str) -> AssemblerError:
        """The error for a name that nothing has: neither a layer, nor a parameter, nor a block."""
        name, said = layer.name, self.definitions
        if name in scope.wires:
            hint = "; sources are after '@': Add @ (a, b)"
            return UnknownLayer(f"{name!r} is a line of the graph, not a layer{hint}", scope.place(layer.place))
        self.guesses += 1
        own = [*scope.values, *said.params] if self.guesses <= MAX_GUESSES else []
        default = self.default_of(of, word)
        if isinstance(default, str):
            hint = f"; a string needs quotes: {word}={name!r}"
        else:
            hint = suggestion(name, own) and f".{suggestion(name, own)}"
        example = "true" if isinstance(default, bool) else "16"
        hint = hint or f"; give it a value: params: {{{name}: {example}}}"
        return UnknownLayer(f"{name!r} is not defined{hint}", scope.place(layer.place))

    def default_of(self, of: Layer | None, word: str) -> Any:
        """The default of a named argument of a layer of the registry; None if there is none."""
        found = self.registry.candidates(of.name) if of is not None and self.registry is not None else []
        parameter = found[0].parameters.get(word) if len(found) == 1 else None
        return parameter.default if parameter is not None else None

    def require_no_mapping(self, layer: Layer, scope: Scope) -> None:
        """Refuse ``d.a`` for an element of a mapping, which is written ``d['a']``."""
        first, *rest = layer.name.split(".")
        if isinstance(scope.values.get(first, self.definitions.params.get(first)), dict):
            written = first + "".join(f"[{word!r}]" for word in rest)
            raise self.wrong(f"{first!r} is a mapping; write {written}", layer, scope)

    def no_layer_unknown(self, value: Any, scope: Scope) -> Any:
        """A value, unless it is a call of something unknown, which looks like layers: ``reversed(widths)``."""
        if isinstance(value, Layer) and not self.is_known(value.name, scope):
            message = f"{value.name!r} is not defined; the functions are {', '.join(FUNCTIONS)}"
            raise UnknownLayer(message, value.place)
        return value

    def look_at(self, count: int, written: Any, scope: Scope) -> None:
        """Count values, each time that they are used."""
        self.values += count
        if self.values > MAX_VALUES:
            raise TooLarge(f"the recipe expands to more than {MAX_VALUES:,} values", scope.place(place_of(written)))

    def used(self, value: Any, written: Any, scope: Scope) -> Any:
        """A value that was expanded before, used once more. It is counted again: whatever uses it reads all of it."""
        self.look_at(sum(1 for _ in islice(walk(value), MAX_VALUES)), written, scope)
        return value

    def wrong(self, message: str, written: Any, scope: Scope, mend: Mend | None = None) -> RecipeError:
        """The error for a value."""
        return RecipeError(message, scope.place(place_of(written)), mend)

    def located(self, evaluate: Callable[..., Any], written: Any, scope: Scope, *given: Any) -> Any:
        """What a function of values returns; its error gets a place."""
        try:
            return evaluate(*given)
        except RecipeError as mistake:
            raise self.wrong(mistake.message, written, scope) from None

    def enter(self, layer: Layer, scope: Scope) -> None:
        """Refuse blocks that use each other too deep."""
        if len(scope.within) >= MAX_WITHIN:
            raise self.wrong(f"blocks use each other more than {MAX_WITHIN} deep", layer, scope)


def place_of(written: Any) -> Place:
    """Where a value is written; plain data have no place."""
    return getattr(written, "place", NOWHERE)
