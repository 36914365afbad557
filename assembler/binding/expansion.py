"""Recipe as written → recipe of layers alone: parameters, arithmetic, choices, blocks and shared parts filled in.

A name means, in this order, an argument of the block that it is in, a parameter, a shared part, a block, a layer.
Expansion always ends: blocks may not use themselves, and the number of values read is limited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from assembler.binding import functions
from assembler.binding.operations import NOTHING, Operations, no_layer
from assembler.binding.scopes import MAX_GUESSES, Scope, TooLarge, place_of
from assembler.errors import NOWHERE, AssemblerError, Enough, Mend, RecipeError, UnknownLayer, note
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
        found = expansion.attempt(expansion.stack, stack, Scope())
        if found == NOTHING:
            expansion.mistakes.append(RecipeError("this expands to zero layers", place_of(stack)))
        return found, expansion.mistakes
    except RecursionError:
        raise RecipeError("nested too deep", place_of(stack)) from None


class _Expansion(Operations):
    """One expansion."""

    # ---- values

    def attempt(self, look: Callable[[Any, Scope], Any], written: Any, scope: Scope) -> Any:
        """Expand a value; if it is wrong, note the error and continue with a broken layer."""
        try:
            return look(written, scope)
        except (TooLarge, Enough):
            raise
        except AssemblerError as mistake:
            note(self.mistakes, mistake)
            return Layer(BROKEN)

    def stack(self, written: Any, scope: Scope) -> Stack:
        """Expand a value that has to be layers."""
        value = self.value(written, scope)
        if is_stack(value):
            return value
        raise self.wrong(no_layer(value) or f"expected a layer, found {print_value(value)}", written, scope)

    def value(self, written: Any, scope: Scope) -> Any:
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

    def argument(self, written: Any, scope: Scope, of: Layer | None = None, word: str = "") -> Any:
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

    def spread(self, written: Any, scope: Scope) -> Sequence[Any]:
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

    def named(self, layer: Layer, scope: Scope) -> Any:
        """What a name means, with its arguments."""
        name, said = layer.name, self.definitions
        if name in scope.values or name in said.params:
            if layer.args or layer.kwargs:
                raise self.wrong(f"{name!r} is a value, not a layer: it takes no arguments", layer, scope)
            if name in scope.values:
                return self.used(scope.values[name], layer, scope)
            value = self.value(said.params[name], Scope())
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

    def part(self, name: str, layer: Layer, scope: Scope) -> Shared:
        part = f"the shared part {name}"
        if part in (user for user, _ in scope.within):
            raise self.wrong(f"{part} uses itself", layer, scope)
        if name not in self.shared:
            self.enter(layer, scope)
            within = ((part, scope.place(layer.place)), *scope.within)
            self.shared[name] = Shared(name, self.stack(self.definitions.shared[name], Scope({}, within)))
        return self.used(self.shared[name], layer, scope)

    def block(self, block: Block, layer: Layer, scope: Scope) -> Stack:
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
            message = f"{block.name} is missing {' and '.join(map(repr, missing))}: {block}"
            raise self.wrong(message, layer, scope, Mend(arguments=tuple(missing)))
        values = {name: _passed_in(value, scope.depth) for name, value in given.items()}
        kwargs = tuple((word, values[word]) for word, _ in layer.kwargs)
        call = Layer(layer.name, tuple(values.values())[: len(args)], kwargs, scope.place(layer.place), end=layer.end)
        within = ((f"the block {block.name}", replace(layer.place, within=())), *scope.within)
        inner = Scope(values, within, scope.depth + 1)
        for name, default in block.defaults.items():  # a default may use the arguments before it
            if name not in values:
                self.require_earlier(block, name, inner)
                values[name] = self.value(default, inner)
        body = self.stack(block.body, inner)
        return body if body == NOTHING else BlockUse(call, body, _is_written_as_row(block.body, body))

    def require_earlier(self, block: Block, name: str, scope: Scope) -> None:
        """Refuse a default that uses an argument after its own; what is a parameter, too, is that parameter."""
        for one in walk(block.defaults[name]):
            if isinstance(one, Layer) and one.name in block.defaults and not self.is_known(one.name, scope):
                said = f"the default of {name!r} uses {one.name!r}; a default may use the arguments before it"
                raise RecipeError(said, block.place)

    # ---- loops, functions

    def item(self, written: Named, scope: Scope) -> Stack:
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

    def each(self, written: Each, scope: Scope) -> Stack:
        """The layers of a loop for each value; zero values are zero layers."""
        turns = [self.turn(written, inner) for inner in self.scopes(written, scope)]
        turns = [turn for turn in turns if turn != NOTHING]
        return Turns(replace(written, place=scope.place(written.place)), tuple(turns)) if turns else NOTHING

    def turn(self, written: Each, scope: Scope) -> Stack:
        """The layers of a loop for one value."""
        value = self.value(written.body, scope)
        if is_stack(value):
            return value
        said = no_layer(value) or f"expected a layer, found {print_value(value)}"
        hint = f"; a list of values is in square brackets: [{written.clause()}]"
        raise self.wrong(f"{said}{hint}", written, scope)

    def scopes(self, written: Each, scope: Scope) -> Iterator[Scope]:
        """Where the body of a loop is expanded: with the names of one value after the other."""
        for name in written.names:
            if other := self.meaning(name):
                said = f"{name!r} is a name after 'for' and {other}; one of them needs another name"
                raise self.wrong(said, written, scope)
        values = self.no_layer_unknown(self.argument(written.values, scope), scope)
        spot = written if place_of(written.values) == NOWHERE else written.values
        for names in self.located(functions.bindings, spot, scope, written, values):
            self.look_at(1, written, scope)
            yield replace(scope, values={**scope.values, **names})

    def function(self, layer: Layer, scope: Scope) -> Any:
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

    def listed(self, written: Each, scope: Scope) -> list[Any]:
        """The values of ``sum(2 * d for d in depths)``, as those of a list."""
        return list(self.spread(Star(written), scope))

    # ---- graphs

    def graph(self, written: Graph, scope: Scope) -> Graph:
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
