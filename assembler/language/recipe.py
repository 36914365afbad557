"""A stack as frozen data, and how it is printed as text.

A stack is a :class:`Layer`, a :class:`Repeat`, a :class:`Each` or a :class:`Chain`. It is always in normal form: a
chain has at least two items and none of them is a chain, so that equivalent texts are equal data. As written, it may
contain :class:`Operation` and :class:`Star` nodes, which ``assembler.binding.expansion`` evaluates; expansion leaves
:class:`Turns` instead of :class:`Each`, and :class:`BlockUse` and :class:`PassedIn` nodes where the layers of a block
came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from assembler.errors import NOWHERE, Place


class Verbatim(str):
    """A string that is printed as an argument without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


@dataclass(frozen=True, slots=True)
class Infer:
    """The argument ``_``: inferred from the shape of the layer's input."""

    def __str__(self) -> str:
        return "_"


INFER = Infer()

BROKEN = "?"
"""The name of a placeholder layer for text with an error, so that the rest is still checked. No text can contain it."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as written: ``Dense(8, 128, has_bias=False)``.

    Args:
        place: of its name.
        argument_places: of its arguments; of one with a name, of that name.
        end: offset in the text of ``place`` after its arguments; 0 without any.
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    argument_places: tuple[Place, ...] = field(default=(), compare=False, repr=False)
    end: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name}({inside})" if (inside := self.arguments_text()) else self.name

    def arguments_text(self) -> str:
        """The text between the parentheses."""
        if len(self.args) == 1 and not self.kwargs and isinstance(only := self.args[0], Each):
            return only.clause()
        named = (f"{name}={print_value(value)}" for name, value in self.kwargs)
        return ", ".join([*(print_value(value) for value in self.args), *named])


@dataclass(frozen=True, slots=True)
class Repeat:
    """``3 * A``: A three times in sequence, each with its own weights."""

    count: int
    body: Stack
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        body = str(self.body) if isinstance(bare(self.body), Layer | Named) else f"({self.body})"
        return f"{self.count} * {body}"


@dataclass(frozen=True, slots=True)
class Each:
    """``(Unit(w) for w in widths)``: a loop. ``[2 ** i for i in range(8)]`` has one in a Star.

    Args:
        names: of the parts of a value; ``_`` for a part that is not used.
        values: what evaluates to a list.
    """

    body: Any
    names: tuple[str, ...]
    values: Any
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def clause(self) -> str:
        """The text without the brackets around it."""
        return f"{print_value(self.body)} for {', '.join(self.names)} in {_operand(self.values)}"

    def __str__(self) -> str:
        return f"({self.clause()})"


@dataclass(frozen=True, slots=True)
class Turns:
    """What an :class:`Each` of layers expands to: the layers for each value. It prints as the layers that it is.

    Args:
        each: as written.
        turns: one or more stacks.
    """

    each: Each
    turns: tuple[Stack, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.turns))


@dataclass(frozen=True, slots=True)
class Star:
    """``*branches``, an argument or element: the elements of a list, or the turns of a repeat or an :class:`Each`."""

    body: Any
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"*{_operand(self.body)}"


@dataclass(frozen=True, slots=True)
class Named:
    """``(layer1 := 3 * Unit(64))``: one item of a chain, whose parameters' names begin with its name.

    Args:
        is_row: of an expanded one, whether it is a row of layers, even of one, such as ``n * Unit(64)`` where n is 1.
    """

    name: str
    body: Stack
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    is_row: bool = field(default=False, compare=False, repr=False)

    def __str__(self) -> str:
        return f"({self.name} := {self.body})"


@dataclass(frozen=True, slots=True)
class Chain:
    """``A + B``: run A, then B. Make one with :func:`chain`."""

    items: tuple[Link, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return " + ".join(f"({item})" if isinstance(item, Operation) else str(item) for item in self.items)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that is evaluated when the parameters are known: ``kernel // 2``, ``depths[0]``, ``a if c else b``.

    Args:
        operator: as in Python; ``[]`` for indexing, ``[:]`` for a slice, whose open ends are None, ``if`` for
            (condition, then, else), and ``-`` or ``+`` with one operand for a sign.
        operands: values; a name is a :class:`Layer` without arguments.
    """

    operator: str
    operands: tuple[Any, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        parts = [_operand(operand) for operand in self.operands]
        if self.operator == "if":
            return f"{parts[1]} if {parts[0]} else {parts[2]}"
        if self.operator == "[]":
            return f"{parts[0]}[{print_value(self.operands[1])}]"
        if self.operator == "[:]":
            start, stop = ("" if end is None else print_value(end) for end in self.operands[1:])
            return f"{parts[0]}[{start}:{stop}]"
        if len(parts) == 1:
            return f"not {parts[0]}" if self.operator == "not" else f"{self.operator}{parts[0]}"
        if self.operator == "**" and parts[0].startswith("-"):
            parts[0] = f"({parts[0]})"
        return f" {self.operator} ".join(parts)


def _operand(value: Any) -> str:
    text = print_value(value)
    tight = isinstance(value, Operation) and value.operator in ("[]", "[:]")
    return f"({text})" if isinstance(value, Operation | Repeat | Chain | Turns) and not tight else text


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """A part that is built once, wherever it is used. Each use is the same object."""

    name: str
    body: Stack

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Wire:
    """A line of a graph: ``joined: Concat(axis=1) @ (left, right)``.

    Args:
        sources: its inputs: names of lines above or of graph inputs, each with the index of the element if that
            emits a tuple.
    """

    name: str
    body: Stack
    sources: tuple[Source, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        body = f"({self.body})" if isinstance(bare(self.body), Chain | Operation | Repeat | Turns) else str(self.body)
        sources = ", ".join(map(print_source, self.sources))
        return f"{body} @ {sources}" if len(self.sources) == 1 else f"{body} @ ({sources})"


Source: TypeAlias = tuple[str, int | None]
"""The name of a wire or an input, and the index of an element of its output."""


def print_source(source: Source) -> str:
    """``stem``, or ``lstm[0]``."""
    name, element = source
    return name if element is None else f"{name}[{element}]"


@dataclass(frozen=True, slots=True)
class Graph:
    """Layers with named wires between them.

    Args:
        inputs: names of the inputs.
        outputs: sources of the outputs; several are emitted as a tuple.
    """

    inputs: tuple[str, ...]
    wires: tuple[Wire, ...]
    outputs: tuple[Source, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"a graph of {len(self.wires)} lines"


@dataclass(frozen=True, slots=True)
class BlockUse:
    """What one use of a block expands to. It prints as the layers that it is.

    Args:
        call: the use as written, with its arguments filled in: ``ConvNorm(64, kernel=3)``.
        body: the block's layers.
        is_row: whether they are written as a row, even if it expands to one.
    """

    call: Layer
    body: Stack
    is_row: bool = field(default=False, compare=False, repr=False)

    def __str__(self) -> str:
        return str(self.body)


@dataclass(frozen=True, slots=True)
class PassedIn:
    """Layers in a block that were written outside of it: an argument, or a parameter of the recipe.

    Args:
        depth: in how many blocks they were written, counted from the whole or from the shared part that they are in.
    """

    body: Stack
    depth: int

    def __str__(self) -> str:
        return str(self.body)


Link: TypeAlias = Layer | Repeat | Each | Turns | Named | Operation | Shared | Graph | BlockUse | PassedIn
"""What a chain may hold."""

Stack: TypeAlias = Link | Chain


@dataclass(frozen=True, slots=True)
class Block:
    """A layer written in YAML: ``ConvNorm(channels, kernel=3): Conv2d(_, channels, kernel) + BatchNorm2d(_)``.

    Args:
        defaults: argument → default value; ``...`` for a required one.
        place: where its name is.
    """

    name: str
    defaults: Mapping[str, Any]
    body: Stack
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        words = (name if value is ... else f"{name}={print_value(value)}" for name, value in self.defaults.items())
        return f"{self.name}({', '.join(words)})"


@dataclass(frozen=True, slots=True)
class Definitions:
    """The names that a recipe defines besides layers."""

    params: Mapping[str, Any] = field(default_factory=dict)
    blocks: Mapping[str, Block] = field(default_factory=dict)
    shared: Mapping[str, Stack] = field(default_factory=dict)


def chain(parts: Iterable[Stack], place: Place = NOWHERE) -> Stack:
    """Join one or more parts in normal form: ``A + (B + C)`` is ``A + B + C``; a single part is returned as it is."""
    items: list[Link] = []
    for part in parts:
        items.extend(part.items if isinstance(part, Chain) else [part])
    return items[0] if len(items) == 1 else Chain(tuple(items), place)


def is_stack(value: object) -> bool:
    """Whether an argument is layers rather than plain data."""
    return isinstance(value, _STACKS)


_STACKS = (Layer, Repeat, Each, Turns, Named, Chain, Shared, Graph, BlockUse, PassedIn)


def bare(stack: Any) -> Any:
    """The layers themselves, where it is noted that they are a block's or were passed in."""
    while isinstance(stack, BlockUse | PassedIn):
        stack = stack.body
    return stack


def is_row(stack: Stack) -> bool:
    """Whether it is several layers, or one that is a row: of a repeat, or with a name."""
    return isinstance(bare(stack), Chain | Repeat | Turns | Named)


def has_names(stack: Stack) -> bool:
    """Whether a row has names. Those in a block or in the turn of a repeat are in a row of its own."""
    match stack:
        case Named():
            return True
        case Chain():
            return any(map(has_names, stack.items))
        case PassedIn():
            return has_names(stack.body)
    return False


def is_row_of_turns(stack: Stack) -> bool:
    """Whether it is a repeat whose turns are one layer, graph or shared part each, or such repeats."""
    found = bare(stack)
    if not isinstance(found, Repeat | Turns):
        return False
    return all(not is_row(turn) or is_row_of_turns(turn) for turn in children(found))


def may_be_stack(value: object) -> bool:
    """Whether an argument is layers, or an operation that may result in layers."""
    return is_stack(value) or (isinstance(value, Operation) and value.operator in ("if", "*", "+", "[]"))


def print_value(value: object) -> str:
    """An argument as it would be written in a recipe."""
    if isinstance(value, tuple):
        inside = ", ".join(map(print_value, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], Star) and isinstance(each := value[0].body, Each):
            return f"[{each.clause()}]"
        return f"[{', '.join(map(print_value, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{print_value(key)}: {print_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Infer | Operation | Star) or is_stack(value):
        return str(value)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "1e999" if value > 0 else "-1e999"  # repr is `inf`, which would parse as a layer's name
    return repr(value)


def leaves(value: Any) -> Iterator[Any]:
    """The leaves of nested lists, tuples and dicts, in order; any other value itself."""
    if type(value) not in _NESTED:
        yield value
        return
    for item in value.values() if type(value) is dict else value:
        if type(item) in _NESTED:
            yield from leaves(item)
        else:
            yield item  # most are: a generator for each would take longer than all else


_NESTED = (list, tuple, dict)


def map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same nested lists, tuples and dicts with every leaf changed."""
    if type(value) in (list, tuple):
        return type(value)(map_leaves(item, change) for item in value)
    if type(value) is dict:
        return {name: map_leaves(item, change) for name, item in value.items()}
    return change(value)


def children(value: Any) -> Iterable[Any]:
    """What is directly in a node of a recipe, or in a list, tuple or dict, in reading order; of anything else nothing.

    Of a block's use it is the layers, which have the arguments in them already.
    """
    match value:
        case Layer():
            return [*value.args, *(argument for _, argument in value.kwargs)]
        case Repeat() | Named() | Star() | Shared() | Wire() | BlockUse() | PassedIn():
            return [value.body]
        case Each():
            return [value.body, value.values]
        case Turns():
            return value.turns
        case Chain():
            return value.items
        case Operation():
            return value.operands
        case Graph():
            return value.wires
        case list() | tuple():
            return value
        case dict():
            return value.values()
        case _:
            return ()


def walk(value: Any) -> Iterator[Any]:
    """A value and all that is in it, in reading order; what is in two places, such as a shared part, twice."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(tuple(children(one))))


def layers_in(stack: object) -> Iterator[Layer]:
    """Every layer as written, in reading order, including those inside arguments."""
    return (one for one in walk(stack) if isinstance(one, Layer))
