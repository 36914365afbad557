"""The parts of generated code, before they are written: calls, chains of layers, repeats, and data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """Data as written. Two are equal if their source is, so that 1 is not True."""

    text: str
    value: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Nest:
    """A tuple, a list or a dict; for a dict, ``before`` has the keys.

    The brackets ``*`` are for layers that are passed to a class one by one.
    """

    brackets: str
    items: tuple[Term, ...]
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call, with its name even if it is passed by position."""

    name: str
    value: Term
    keyword: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One layer, or one use of a class of this file.

    Args:
        target: the class, as written.
        many: whether it is a chain of layers, to be unpacked into another.
        shape: of its output.
        draws: whether making it may draw random numbers, so that its order among other layers must not change.
    """

    target: str
    arguments: tuple[Argument, ...] = ()
    many: bool = False
    shape: str = field(default="", compare=False)
    draws: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Sequential:
    """Layers one after the other.

    Args:
        items: calls, repeats, parts.
        alone: whether it is one layer, which is an argument itself, without a SequentialCell around it.
        names: those of the Cells in it; none if they are their positions.
    """

    items: tuple[Term, ...]
    alone: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turns:
    """A ``*`` of the recipe: one chain for each turn."""

    rows: tuple[Sequential, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a block: it becomes a call of a class.

    Args:
        block: the name in the recipe.
        body: its layers, or its graph.
        depth: in how many blocks it is used.
        shape: of its output.
    """

    block: str
    body: Sequential | Wires
    depth: int
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Wires:
    """A graph: each wire's name, layers and sources.

    Args:
        unpacks: whether its inputs may come as one tuple.
    """

    inputs: tuple[str, ...]
    wires: tuple[tuple[str, Sequential, tuple[tuple[str, int | None], ...]], ...]
    outputs: tuple[tuple[str, int | None], ...]
    shapes: tuple[str, ...] = field(default=(), compare=False)
    unpacks: bool = False


@dataclass(frozen=True, slots=True)
class LayerArgument:
    """Layers that are an argument of a block.

    Args:
        depth: in how many blocks they were written.
        whole: whether nothing else is in the chain where they are used.
    """

    row: Sequential
    depth: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A use of a shared part.

    Args:
        shape: of its output.
    """

    name: str
    shape: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Variable:
    """A name, or arithmetic with one: ``4 * channels``.

    Args:
        many: whether its value is a chain of layers, to be unpacked into another.
    """

    text: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers of a loop: from ``start`` up to but not including ``stop - less``."""

    start: Term
    stop: Term
    step: Term
    less: int = 0


@dataclass(frozen=True, slots=True)
class Loop:
    """Layers that are made repeatedly, with ``names`` iterating over ``values``."""

    names: tuple[str, ...]
    values: Term
    body: Sequential


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A place where the uses of a class, or the turns of a loop, differ.

    Args:
        values: one for each use; None for a use that does not reach this place.
        hint: the name of the layer's argument.
    """

    values: tuple[Term | None, ...]
    hint: str


Term: TypeAlias = (
    Literal
    | Nest
    | Call
    | Sequential
    | Turns
    | Use
    | Wires
    | LayerArgument
    | Reference
    | Variable
    | Range
    | Loop
    | Slot
)


def children(term: Term) -> Iterator[Term]:
    """The direct parts of a term, in reading order."""
    match term:
        case Nest(items=items) | Sequential(items=items):
            yield from items
        case Call():
            yield from (argument.value for argument in term.arguments)
        case Turns():
            yield from term.rows
        case Use():
            yield term.body
        case Wires():
            yield from (row for _, row, _ in term.wires)
        case LayerArgument():
            yield term.row
        case Range():
            yield from (term.start, term.stop, term.step)
        case Loop():
            yield from (term.values, term.body)


def rebuilt(term: Term, change: Callable[[Any], Any]) -> Term:
    """The same term with its children changed."""
    match term:
        case Nest(items=items) | Sequential(items=items):
            return replace(term, items=tuple(map(change, items)))
        case Call():
            return replace(
                term, arguments=tuple(replace(argument, value=change(argument.value)) for argument in term.arguments)
            )
        case Turns():
            return Turns(tuple(map(change, term.rows)))
        case Use():
            return replace(term, body=change(term.body))
        case Wires():
            return replace(term, wires=tuple((name, change(row), sources) for name, row, sources in term.wires))
        case LayerArgument():
            return replace(term, row=change(term.row))
        case Range():
            return replace(term, start=change(term.start), stop=change(term.stop), step=change(term.step))
        case Loop():
            return replace(term, values=change(term.values), body=change(term.body))
        case _:
            return term


def walk(term: Term) -> Iterator[Term]:
    """A term and all terms in it, in reading order."""
    yield term
    for child in children(term):
        yield from walk(child)


def mapped(term: Term, change: Callable[[Term], Term | None]) -> Term:
    """The same term; each term in it for which ``change`` returns another term is replaced."""
    found = change(term)
    return rebuilt(term, lambda child: mapped(child, change)) if found is None else found


def moved(term: Term, depth: int, by: int) -> Term:
    """The same term, with ``by`` added to each depth that is ``depth`` or more."""

    def change(term: Term) -> Term | None:
        if isinstance(term, LayerArgument | Use) and term.depth >= depth:
            inside = rebuilt(term, lambda child: mapped(child, change))
            assert isinstance(inside, LayerArgument | Use)
            return replace(inside, depth=term.depth + by)
        return None

    return mapped(term, change)


def without_outer(use: Use) -> Term:
    """A use of a block without the block around it, which contains nothing else.

    That block's layers and its arguments are then written in the same place, so that arguments can be inserted:
    ``Residual(part)`` where ``part`` is ``Dense(_, 8)`` becomes ``Residual(Dense(_, 8))``.
    """
    depth = use.depth - 1

    def inlined(term: Term) -> Term | None:
        if isinstance(term, Use):
            return term
        if not isinstance(term, Sequential):
            return None
        items: list[Term] = []
        for item in term.items:
            if isinstance(item, LayerArgument) and item.depth == depth:
                items += children(mapped(item.row, inlined))
            else:
                items.append(mapped(item, inlined))
        return replace(term, items=tuple(items))

    def change(term: Term) -> Term | None:
        if isinstance(term, LayerArgument) and term.depth == depth:
            return rebuilt(term, lambda row: mapped(row, inlined))
        return None

    return mapped(moved(use, use.depth, -1), change)


def emitted(term: Term) -> str:
    """The output shape of a term's last layer; empty if it is not known."""
    match term:
        case Call() | Use() | Reference():
            return term.shape
        case Sequential():
            return emitted(term.items[-1]) if term.items else ""
        case Turns():
            return emitted(term.rows[-1])
        case LayerArgument():
            return emitted(term.row)
        case Wires():
            return term.shapes[-1] if term.shapes else ""
        case Loop():
            return emitted(term.body)
        case _:
            return ""


def is_plain(term: Term) -> bool:
    """Whether it is data without layers."""
    return not any(isinstance(one, Call | Sequential | Use | Reference | LayerArgument | Wires) for one in walk(term))


def skeleton(term: Term) -> Any:
    """The form that the uses of a class have in common: a term without its data."""
    match term:
        case Literal() | Slot() | Variable() | Range():
            return "·"
        case Nest():
            return "·" if is_plain(term) else (term.brackets, term.before, *map(skeleton, term.items))
        case Call():
            arguments = ((one.name, one.keyword, skeleton(one.value)) for one in term.arguments)
            return (term.target, term.many, *arguments)
        case Sequential():
            return ("row", term.alone, term.names, *map(skeleton, term.items))
        case Turns():
            return ("turns", skeleton(term.rows[0]))
        case Use():
            return ("use", term.block, skeleton(term.body))
        case Wires():
            wires = ((name, skeleton(row), sources) for name, row, sources in term.wires)
            return ("wired", term.inputs, term.outputs, term.unpacks, *wires)
        case LayerArgument():
            return ("part", term.whole)
        case Loop():
            return ("loop", term.names, skeleton(term.body))
        case Reference():
            return ("shared",)
