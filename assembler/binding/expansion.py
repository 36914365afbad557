"""Recipe as written → recipe of layers alone: parameters, arithmetic, choices, blocks and shared parts filled in.

A name means, in this order, an argument of the block that it is in, a parameter, a shared part, a block, a layer.
Expansion always ends: blocks may not use themselves, and the number of values read is limited.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

from assembler.binding import functions
from assembler.binding.arithmetic import COMPARISONS, as_integer, compare, compute, is_inferred
from assembler.errors import NOWHERE, AssemblerError, Enough, Place, RecipeError, UnknownLayer, note
from assembler.language.names import FUNCTIONS
from assembler.language.recipe import (
    BROKEN,
    Block,
    BlockUse,
    Chain,
    Definitions,
    Each,
    Graph,
    Layer,
    Named,
    Operation,
    PassedIn,
    Repeat,
    Shared,
    Stack,
    Star,
    Turns,
    Wire,
    bare,
    chain,
    has_names,
    is_row,
    is_row_of_turns,
    is_stack,
    leaves,
    map_leaves,
    print_value,
    walk,
)
from assembler.registry.registry import Registry
from assembler.words import closest, suggestion

MAX_VALUES = 300_000
"""Values that the expansion of one recipe may read."""
MAX_WITHIN = 50
"""Depth of blocks and shared parts that use each other."""
MAX_GUESSES = 20
"""Unknown names for which a similar name is searched."""
MAX_REPEAT = 100_000
"""Times a stack may be repeated by one ``*``."""

NOTHING = Chain(())
"""What a stack that is repeated zero times, or for no value, expands to. In a chain, it is left out."""


def expand(
    stack: Stack, definitions: Definitions, registry: Registry | None = None
) -> tuple[Stack, list[AssemblerError]]:
    """Fill in what the names of a stack mean.

    Args:
        registry: the known layers; without it, any name may be a layer's.

    Returns:
        The stack, and what is wrong: names that clash, values that do not fit an operation, blocks that use themselves.

    Raises:
        RecipeError: nested too deep, or more than ``MAX_VALUES`` values.
    """
    expansion = _Expansion(definitions, registry)
    expansion.mistakes += expansion.clashes()
    try:
        found = expansion.attempt(expansion.stack, stack, _Scope())
        if found == NOTHING:
            expansion.mistakes.append(RecipeError("this expands to zero layers", _place_of(stack)))
        return found, expansion.mistakes
    except RecursionError:
        raise RecipeError("nested too deep", _place_of(stack)) from None


@dataclass(frozen=True, slots=True)
class _Scope:
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
        return replace(place, within=self.within) if self.within else place


class _TooLarge(RecipeError):
    """The recipe is too large to be read further."""


class _Expansion:
    """One expansion. Errors are collected, so that one pass reports them all."""

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

    # ---- values

    def attempt(self, look: Callable[[Any, _Scope], Any], written: Any, scope: _Scope) -> Any:
        """Expand a value; if it is wrong, note the error and continue with a broken layer."""
        try:
            return look(written, scope)
        except (_TooLarge, Enough):
            raise
        except AssemblerError as mistake:
            note(self.mistakes, mistake)
            return Layer(BROKEN)

    def stack(self, written: Any, scope: _Scope) -> Stack:
        """Expand a value that has to be layers."""
        value = self.value(written, scope)
        if is_stack(value):
            return value
        raise self.wrong(_no_layer(value) or f"expected a layer, found {print_value(value)}", written, scope)

    def value(self, written: Any, scope: _Scope) -> Any:
        """Expand any value: layers, or plain data."""
        self.look_at(1, written, scope)
        match written:
            case Layer():
                return self.named(written, scope)
            case Operation():
                return self.operation(written, scope)
            case Repeat():
                return self.product(written, written.count, self.value(written.body, scope), scope)
            case Chain():
                return self.sum(written, [self.attempt(self.value, item, scope) for item in written.items], scope)
            case Each():
                return self.each(written, scope)
            case Named():
                return self.item(written, scope)
            case Graph():
                return self.graph(written, scope)
            case list() | tuple():
                return type(written)(one for item in written for one in self.spread(item, scope))
            case dict():
                return {name: self.argument(item, scope) for name, item in written.items()}
            case _:
                return written

    def argument(self, written: Any, scope: _Scope, of: Layer | None = None, word: str = "") -> Any:
        """Expand a value where a number or a string may be: a small letter begins a parameter's name there.

        Args:
            of: the layer whose named argument it is.
            word: that argument's name.
        """
        inside = written.items if isinstance(written, Chain) else (written,)
        for part in (part.body if isinstance(part, Repeat) else part for part in inside):
            if isinstance(part, Layer) and _may_be_parameter(part) and not self.is_known(part.name, scope):
                raise self.undefined(part, scope, of, word)
        return self.value(written, scope)

    def spread(self, written: Any, scope: _Scope) -> Sequence[Any]:
        """Expand one argument or element; those of one with a star."""
        if not isinstance(written, Star):
            return [self.argument(written, scope)]
        if isinstance(written.body, Each):
            values = [self.argument(written.body.body, inner) for inner in self.scopes(written.body, scope)]
            return [value for value in values if value != NOTHING]
        value = self.argument(written.body, scope)
        found = [] if value == NOTHING else self.located(functions.spread, written, scope, value)
        self.look_at(len(found), written, scope)
        return found

    def is_known(self, name: str, scope: _Scope) -> bool:
        """Whether a name means something here, or is a layer's in another case."""
        said = self.definitions
        if (
            name in FUNCTIONS
            or self.registry is None
            or any(name in names for names in (scope.values, said.params, said.shared, said.blocks))
        ):
            return True
        return bool(self.registry.candidates(name)) or name.casefold() in {layer.casefold() for layer in self.layers}

    def undefined(self, layer: Layer, scope: _Scope, of: Layer | None, word: str) -> AssemblerError:
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

    def look_at(self, count: int, written: Any, scope: _Scope) -> None:
        """Count values, each time that they are used."""
        self.values += count
        if self.values > MAX_VALUES:
            raise _TooLarge(f"the recipe expands to more than {MAX_VALUES:,} values", scope.place(_place_of(written)))

    def used(self, value: Any, written: Any, scope: _Scope) -> Any:
        """A value that was expanded before, used once more. It is counted again: whatever uses it reads all of it."""
        self.look_at(sum(1 for _ in islice(walk(value), MAX_VALUES)), written, scope)
        return value

    def wrong(self, message: str, written: Any, scope: _Scope) -> RecipeError:
        return RecipeError(message, scope.place(_place_of(written)))

    def named(self, layer: Layer, scope: _Scope) -> Any:
        """What a name means, with its arguments."""
        name, said = layer.name, self.definitions
        if name in scope.values or name in said.params:
            if layer.args or layer.kwargs:
                raise self.wrong(f"{name!r} is a value, not a layer: it takes no arguments", layer, scope)
            if name in scope.values:
                return self.used(scope.values[name], layer, scope)
            value = self.value(said.params[name], _Scope())
            return _passed_in(value, 0) if scope.depth else value
        if name in said.shared:
            if layer.args or layer.kwargs:
                raise self.wrong(f"{name!r} is a shared part: it takes no arguments", layer, scope)
            return self.part(name, layer, scope)
        if name in said.blocks:
            return self.block(said.blocks[name], layer, scope)
        unknown = self.registry is not None and not self.registry.candidates(name)
        if name in FUNCTIONS and (unknown or (self.registry is None and layer.args)):
            return self.function(layer, scope)
        if "." in name and unknown:
            self.require_no_mapping(layer, scope)
        own = [*scope.values, *said.params, *said.shared, *said.blocks] if unknown else []
        if own and self.guesses < MAX_GUESSES:
            self.guesses += 1
            if any(match in own for match in closest(name, [*own, *self.layers])[:1]):
                hint = suggestion(name, [*own, *self.layers])
                raise UnknownLayer(f"{name!r} is not defined.{hint}", scope.place(layer.place))
        if name in scope.wires and self.registry is not None and not self.is_known(name, scope):
            raise self.undefined(layer, scope, None, "")
        each = [self.attempt(self.spread, value, scope) for value in layer.args]
        each = [[one] if isinstance(one, Layer) else one for one in each]  # a broken one
        args = tuple(one for values in each for one in values)
        kwargs = tuple(
            (word, self.attempt(partial(self.argument, of=layer, word=word), value, scope))
            for word, value in layer.kwargs
        )
        if NOTHING in leaves([args, [value for _, value in kwargs]]):
            raise self.wrong("this expands to zero layers", layer, scope)
        spots = [place for place, values in zip(layer.argument_places, each, strict=False) for _ in values]
        spots += layer.argument_places[len(each) :]
        places = tuple(map(scope.place, spots)) if scope.within else tuple(spots)
        return Layer(name, args, kwargs, scope.place(layer.place), places, layer.end)

    def require_no_mapping(self, layer: Layer, scope: _Scope) -> None:
        """Refuse ``d.a`` for an element of a mapping, which is written ``d['a']``."""
        first, *rest = layer.name.split(".")
        if isinstance(scope.values.get(first, self.definitions.params.get(first)), dict):
            written = first + "".join(f"[{word!r}]" for word in rest)
            raise self.wrong(f"{first!r} is a mapping; write {written}", layer, scope)

    def enter(self, layer: Layer, scope: _Scope) -> None:
        if len(scope.within) >= MAX_WITHIN:
            raise self.wrong(f"blocks use each other more than {MAX_WITHIN} deep", layer, scope)

    def part(self, name: str, layer: Layer, scope: _Scope) -> Shared:
        part = f"the shared part {name}"
        if part in (user for user, _ in scope.within):
            raise self.wrong(f"{part} uses itself", layer, scope)
        if name not in self.shared:
            self.enter(layer, scope)
            within = ((part, scope.place(layer.place)), *scope.within)
            self.shared[name] = Shared(name, self.stack(self.definitions.shared[name], _Scope({}, within)))
        return self.used(self.shared[name], layer, scope)

    def block(self, block: Block, layer: Layer, scope: _Scope) -> Stack:
        """A block's layers, with its arguments bound as Python would."""
        inside = [user.rpartition(" ")[2] for user, _ in scope.within]
        if block.name in inside:
            circle = [*reversed(inside[: inside.index(block.name) + 1]), block.name]
            hint = f"; rename the block to use the layer {block.name} in it" if block.name in self.layers else ""
            hint = hint or "; what is repeated is a repeat or a loop: (Unit(w) for w in widths)"
            raise self.wrong(f"blocks use each other in a circle: {' → '.join(circle)}{hint}", layer, scope)
        self.enter(layer, scope)
        slots = list(block.defaults)
        args = [one for value in layer.args for one in self.spread(value, scope)]
        if len(args) > len(slots):
            takes = f"at most {len(slots)} argument{'' if len(slots) == 1 else 's'}" if slots else "no arguments"
            raise self.wrong(f"{block} takes {takes}, {len(args)} given", layer, scope)
        given = dict(zip(slots, args, strict=False))
        for word, value in layer.kwargs:
            if word not in slots:
                hint = suggestion(word, slots) or f" It is {block}."
                raise self.wrong(f"{block.name} has no argument {word!r}.{hint}", layer, scope)
            if word in given:
                raise self.wrong(f"{block.name} is given {word!r} twice", layer, scope)
            given[word] = self.argument(value, scope)
        missing = [name for name, default in block.defaults.items() if default is ... and name not in given]
        if missing:
            raise self.wrong(f"{block.name} is missing {' and '.join(map(repr, missing))}: {block}", layer, scope)
        values = {name: _passed_in(value, scope.depth) for name, value in given.items()}
        kwargs = tuple((word, values[word]) for word, _ in layer.kwargs)
        call = Layer(layer.name, tuple(values.values())[: len(args)], kwargs, scope.place(layer.place), end=layer.end)
        within = ((f"the block {block.name}", replace(layer.place, within=())), *scope.within)
        inner = _Scope(values, within, scope.depth + 1)
        for name, default in block.defaults.items():  # a default may use the arguments before it
            if name not in values:
                self.require_earlier(block, name, inner)
                values[name] = self.value(default, inner)
        body = self.stack(block.body, inner)
        return body if body == NOTHING else BlockUse(call, body, _is_written_as_row(block.body, body))

    def require_earlier(self, block: Block, name: str, scope: _Scope) -> None:
        """Refuse a default that uses an argument after its own; what is a parameter, too, is that parameter."""
        for one in walk(block.defaults[name]):
            if isinstance(one, Layer) and one.name in block.defaults and not self.is_known(one.name, scope):
                said = f"the default of {name!r} uses {one.name!r}; a default may use the arguments before it"
                raise RecipeError(said, block.place)

    # ---- loops, functions

    def item(self, written: Named, scope: _Scope) -> Stack:
        """An item with a name."""
        body = self.stack(written.body, scope)
        if body == NOTHING:
            return body
        if isinstance(shared := bare(body), Shared):
            said = (
                f"{shared.name!r} is a shared part, whose parameters have its name; it cannot be named {written.name!r}"
            )
            raise self.wrong(said, written, scope)
        is_row = _is_written_as_row(written.body, body)
        return Named(written.name, body, scope.place(written.place), is_row)

    def each(self, written: Each, scope: _Scope) -> Stack:
        """The layers of a loop for each value; zero values are zero layers."""
        turns = [self.turn(written, inner) for inner in self.scopes(written, scope)]
        turns = [turn for turn in turns if turn != NOTHING]
        return Turns(replace(written, place=scope.place(written.place)), tuple(turns)) if turns else NOTHING

    def turn(self, written: Each, scope: _Scope) -> Stack:
        """The layers of a loop for one value."""
        value = self.value(written.body, scope)
        if is_stack(value):
            return value
        said = _no_layer(value) or f"expected a layer, found {print_value(value)}"
        hint = f"; a list of values is in square brackets: [{written.clause()}]"
        raise self.wrong(f"{said}{hint}", written, scope)

    def scopes(self, written: Each, scope: _Scope) -> Iterator[_Scope]:
        """Where the body of a loop is expanded: with the names of one value after the other."""
        for name in written.names:
            if other := self.meaning(name):
                said = f"{name!r} is a name after 'for' and {other}; one of them needs another name"
                raise self.wrong(said, written, scope)
        values = self.no_layer_unknown(self.argument(written.values, scope), scope)
        spot = written if _place_of(written.values) == NOWHERE else written.values
        for names in self.located(functions.bindings, spot, scope, written, values):
            self.look_at(1, written, scope)
            yield replace(scope, values={**scope.values, **names})

    def meaning(self, name: str) -> str:
        """What a name that may not be hidden is; empty for any other name."""
        if name in self.definitions.shared:
            return "a shared part"
        return (
            "a block" if name in self.definitions.blocks else "a layer of the registry" if name in self.layers else ""
        )

    def function(self, layer: Layer, scope: _Scope) -> Any:
        """The result of a function."""
        args = [
            one
            for arg in layer.args
            for one in ([self.listed(arg, scope)] if isinstance(arg, Each) else self.spread(arg, scope))
        ]
        for arg in args:
            self.no_layer_unknown(arg, scope)
        result = self.located(functions.call, layer, scope, layer, args)
        return self.used(result, layer, scope)

    def no_layer_unknown(self, value: Any, scope: _Scope) -> Any:
        """A value, unless it is a call of something unknown, which looks like layers: ``reversed(widths)``."""
        if isinstance(value, Layer) and not self.is_known(value.name, scope):
            message = f"{value.name!r} is not defined; the functions are {', '.join(FUNCTIONS)}"
            raise UnknownLayer(message, value.place)
        return value

    def listed(self, written: Each, scope: _Scope) -> list[Any]:
        """The values of ``sum(2 * d for d in depths)``, as those of a list."""
        return list(self.spread(Star(written), scope))

    def located(self, evaluate: Callable[..., Any], written: Any, scope: _Scope, *given: Any) -> Any:
        """What a function of values returns; its error gets a place."""
        try:
            return evaluate(*given)
        except RecipeError as mistake:
            raise self.wrong(mistake.message, written, scope) from None

    # ---- operations

    def sum(self, written: Any, values: list[Any], scope: _Scope) -> Any:
        """``A + B``: layers one after the other, or the sum of numbers."""
        if all(map(is_stack, values)):
            return chain(values, scope.place(_place_of(written)))
        if any(map(is_stack, values)):
            odd = next(value for value in values if not is_stack(value))
            said = _no_layer(odd) or f"'+' joins layers or adds numbers, not both: {print_value(odd)} is not a layer"
            raise self.wrong(said, written, scope)
        total = values[0]
        for value in values[1:]:
            total = self.arithmetic(written, "+", (total, value), scope)
        return total

    def product(self, written: Any, left: Any, right: Any, scope: _Scope) -> Any:
        """``3 * A``: a repeat, or the product of numbers."""
        if not is_stack(left) and not is_stack(right):
            return self.arithmetic(written, "*", (left, right), scope)
        count, body = (right, left) if is_stack(left) else (left, right)
        if is_stack(count):
            message = "'*' repeats a layer: write an integer on one side, layers on the other"
            raise self.wrong(message, written, scope)
        count = as_integer(count)
        if type(count) is not int or count < 0:
            raise self.wrong(
                f"a repeat count must be an integer of at least 0, not {print_value(count)}", written, scope
            )
        if count == 0 or body == NOTHING:
            return NOTHING
        if count > MAX_REPEAT:
            raise self.wrong(f"repeated {count} times; the limit is {MAX_REPEAT}", written, scope)
        return Repeat(count, body, scope.place(_place_of(written)))

    def operation(self, written: Operation, scope: _Scope) -> Any:
        """One operation. In a choice, only the chosen part is expanded."""
        name, operands = written.operator, written.operands
        if name == "if":
            condition, then, other = operands
            return self.value(then if self.truth(condition, written, scope)[0] else other, scope)
        if name in ("and", "or"):
            return self.chosen(written, scope)
        if name == "not":
            return not self.truth(operands[0], written, scope)[0]
        values = tuple(self.argument(operand, scope) for operand in operands)
        if name == "[:]":
            return self.used(self.located(functions.sliced, written, scope, *values), written, scope)
        if name == "[]":
            return self.element(written, values[0], values[1], scope)
        if name == "+" and len(values) == 2:
            return self.sum(written, list(values), scope)
        if name == "*":
            return self.product(written, values[0], values[1], scope)
        if name in COMPARISONS:
            return self.located(compare, written, scope, name, *values)
        return self.arithmetic(written, name, values, scope)

    def chosen(self, written: Operation, scope: _Scope) -> Any:
        """The operand that decides ``a and b`` or ``a or b``, as in Python; those after it are not expanded."""
        value: Any = None
        for operand in written.operands:
            holds, value = self.truth(operand, written, scope)
            if holds == (written.operator == "or"):
                break
        return value

    def truth(self, written: Any, whole: Operation, scope: _Scope) -> tuple[bool, Any]:
        """Whether a value holds, and the value."""
        value = self.argument(written, scope)
        if is_inferred(value):
            raise self.wrong("'_' cannot choose; its value is known when the input's shape is", whole, scope)
        if is_stack(value):
            raise self.wrong(f"{print_value(value)} is neither true nor false", written, scope)
        return bool(value), value

    def element(self, written: Operation, inside: Any, index: Any, scope: _Scope) -> Any:
        if not isinstance(inside, list | tuple | dict):
            raise self.wrong(f"only lists and mappings have elements, not {print_value(inside)}", written, scope)
        index = index if isinstance(inside, dict) else as_integer(index)
        try:
            return inside[index]
        except (LookupError, TypeError):
            kind = f"keys {', '.join(map(str, inside))}" if isinstance(inside, dict) else f"{len(inside)} elements"
            raise self.wrong(f"{print_value(index)} is not an element: there are {kind}", written, scope) from None

    def arithmetic(self, written: Any, name: str, values: tuple[Any, ...], scope: _Scope) -> Any:
        said = next(filter(None, map(_no_layer, values)), "") if name == "*" else ""
        if said:
            raise self.wrong(said, written, scope)
        return self.located(compute, written, scope, name, values)

    # ---- graphs

    def graph(self, written: Graph, scope: _Scope) -> Graph:
        inner = replace(scope, wires=(*written.inputs, *(wire.name for wire in written.wires)))
        for wire in written.wires:
            items = wire.body.items if isinstance(wire.body, Chain) else ()
            names = [item.name for item in items if isinstance(item, Layer) and item.name in inner.wires]
            if items and len(names) == len(items) and not any(self.is_known(name, scope) for name in names):
                raise self.wrong(f"outputs of lines are added by a layer: Add @ ({', '.join(names)})", wire.body, scope)
        wires = tuple(
            Wire(wire.name, self.attempt(self.stack, wire.body, inner), wire.sources, scope.place(wire.place))
            for wire in written.wires
        )
        if empty := [wire for wire in wires if wire.body == NOTHING]:
            raise self.wrong("this expands to zero layers", empty[0], scope)
        for wire in wires:
            if len(wire.sources) > 1 and (message := _several_sources(wire)):
                raise self.wrong(message, wire, scope)
        return Graph(written.inputs, wires, written.outputs, scope.place(written.place))


def _is_written_as_row(written: Any, body: Stack) -> bool:
    """Whether layers are written as several or as a repeat, directly or by a block, even if they expand to one."""
    if isinstance(written, Chain | Repeat | Each) or (
        isinstance(written, Operation) and written.operator in ("+", "*")
    ):
        return True
    while isinstance(body, PassedIn):
        body = body.body
    if isinstance(body, BlockUse):
        return body.is_row and not has_names(body.body)  # a block with names is one Cell
    return isinstance(body, Chain | Repeat | Turns)


def _several_sources(wire: Wire) -> str:
    """The message for several sources of several layers; empty for one layer, or one in each turn of a repeat."""
    count, body = len(wire.sources), bare(wire.body)
    if isinstance(body, Shared) and is_row(body.body):
        return f"{count} sources need one layer, and the shared part {body.name!r} has several: make it a graph"
    if not is_row(body) or is_row_of_turns(body):
        return ""
    if isinstance(body, Named):
        return f"{body.name!r} is in a row of its own, which takes one source: the line is named {wire.name!r} already"
    if isinstance(body, Repeat | Turns):
        return f"{count} sources need one layer in each turn, and {wire.name!r} has several: write a block with a graph"
    return f"{count} sources need one layer, and {wire.name!r} has several: put those after the first on another line"


def _no_layer(value: Any) -> str:
    """The message for a string, or a list, that is used as layers; empty for any other value."""
    if isinstance(value, str):
        return f"{print_value(value)} is a string; a layer in params is written {{stack: {value}}}"
    if isinstance(value, list | tuple) and value and all(isinstance(one, str) or is_stack(one) for one in value):
        items = " + ".join(one if isinstance(one, str) else print_value(one) for one in value)
        return f"a list is not layers; layers are joined by '+': {items}"
    return ""


def _may_be_parameter(layer: Layer) -> bool:
    """Whether a name is written as those of parameters are: in small letters, without a scope and arguments."""
    small = layer.name[0].islower() or layer.name[0] == "_"
    return small and "." not in layer.name and not layer.args and not layer.kwargs


def _passed_in(value: Any, depth: int) -> Any:
    """A value for a block's argument, with its layers marked as written in that many blocks."""

    def mark(leaf: Any) -> Any:
        plain = not is_stack(leaf) or isinstance(leaf, PassedIn | Shared) or leaf == NOTHING
        return leaf if plain else PassedIn(leaf, depth)

    return map_leaves(value, mark)


def _place_of(written: Any) -> Place:
    return getattr(written, "place", NOWHERE)
