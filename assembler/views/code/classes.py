"""Uses of blocks → classes, and calls of them: innermost first, one class for all uses of one form.

For ``Unit(16) + Unit(4)``, after 8 channels and with the block ``Unit(n): Dense(_, n) + ReLU``::

    Use(Unit, Dense(8, 16) + ReLU)     →  Class Unit(in_channels, out_channels): Dense(in_channels, out_channels) + ReLU
    Use(Unit, Dense(16, 4) + ReLU)        Call Unit(8, 16) + Call Unit(16, 4)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from assembler.views.code.terms import (
    Argument,
    Call,
    LayerArgument,
    Literal,
    Nest,
    Sequential,
    Slot,
    Term,
    Turns,
    Use,
    Wires,
    children,
    mapped,
    moved,
    rebuilt,
    skeleton,
    walk,
)
from assembler.views.code.unify import Values, arrange, unify, unique

_OFTEN_LEFT_OUT = ("kernel_size", "stride", "padding", "dilation", "group", "groups")


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a class.

    Args:
        default: its default value.
        many: whether it is layers, passed one by one.
    """

    name: str
    default: Literal | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class Class:
    """A class to be written: its body contains variables for its parameters.

    Args:
        whole: whether it is the model, which is a chain even with one layer.
    """

    name: str
    body: Sequential | Wires
    parameters: tuple[Parameter, ...] = ()
    whole: bool = False

    @property
    def alone(self) -> Call | None:
        """The only layer, which the class is derived from; None for a chain or a graph."""
        if (
            isinstance(self.body, Sequential)
            and len(self.body.items) == 1
            and isinstance(only := self.body.items[0], Call)
        ):
            return None if only.many or self.whole or self.body.names else only
        return None


@dataclass
class Classes:
    """Makes the classes of a file.

    Args:
        taken: names that classes and their arguments cannot have.
    """

    taken: set[str]
    made: dict[str, Class] = field(default_factory=dict)
    calls: dict[int, Call] = field(default_factory=dict)
    heights: dict[int, int] = field(default_factory=dict)

    def lower(self, roots: Sequence[Term]) -> list[Term]:
        """Make a class of every block in some terms.

        Returns:
            The terms with calls of classes instead of blocks.
        """
        roots = [_settled(root) for root in roots]
        uses = [term for root in roots for term in walk(root) if isinstance(term, Use)]
        for height in range(1, max((self.height(use) for use in uses), default=0) + 1):
            forms: dict[object, list[tuple[Use, Term]]] = {}
            for use in uses:
                if self.height(use) == height:
                    body = self.called(use.body)
                    forms.setdefault((use.block, skeleton(body)), []).append((use, body))
            for members in forms.values():
                self.form(members)
        return [self.called(root) for root in roots]

    def height(self, use: Use) -> int:
        """How deep blocks are nested in it, without those in its arguments."""
        if id(use) not in self.heights:
            self.heights[id(use)] = 1 + self._height(use.body, use.depth)
        return self.heights[id(use)]

    def _height(self, term: Term, depth: int) -> int:
        if isinstance(term, Use):  # its arguments may belong to this block
            given = (
                one.row for one in walk(term.body) if isinstance(one, LayerArgument) and depth < one.depth <= term.depth
            )
            return max([self.height(term), *(self._height(row, depth) for row in given)])
        if isinstance(term, LayerArgument) and term.depth <= depth:
            return 0
        return max((self._height(child, depth) for child in children(term)), default=0)

    def called(self, term: Term) -> Term:
        """The same term with calls instead of the blocks that have a class already."""

        def change(term: Term) -> Term | None:
            if isinstance(term, Use):
                return self.called(self.calls[id(term)]) if id(term) in self.calls else term
            if isinstance(term, Sequential):
                return replace(term, items=tuple(_flat(map(self.called, term.items))))
            return None

        return mapped(term, change)

    def form(self, members: Sequence[tuple[Use, Term]]) -> None:
        """Make one class for uses of one form, and a call of it for each."""
        use = members[0][0]
        template = _body(unify([body for _, body in members]))
        slots = [term for term in walk(template) if isinstance(term, Slot)]
        inside = {name for term in walk(template) for name in getattr(term, "names", ())}
        found = arrange(slots, self.taken | inside)
        parameters = _in_order([_parameter(*one) for one in zip(found.names, found.values, strict=True)])
        name = unique(use.block or "Graph", self.taken)
        self.taken.add(name)
        body = _body(mapped(template, found.at))
        made = self.made[name] = Class(name, body, parameters)
        many = isinstance(body, Sequential) and not body.names and made.alone is None
        draws = any(isinstance(term, Call) and term.draws for term in walk(body))
        values = dict(zip(found.names, found.values, strict=True))
        for at, (one, _) in enumerate(members):
            arguments = tuple(_given(parameter, values[parameter.name], at, one.depth) for parameter in parameters)
            self.calls[id(one)] = Call(name, arguments, many, one.shape, draws)


def _flat(items: Iterator[Term]) -> Iterator[Term]:
    """Unroll repeats whose turns have different forms."""
    for item in items:
        if isinstance(item, Turns) and len({skeleton(row) for row in item.rows}) > 1:
            for row in item.rows:
                yield from row.items
        else:
            yield item


def _parameter(name: str, values: Values) -> Parameter:
    """An argument; its most frequent value is the default, if a default is usual for it."""
    known = [value for value in values if value is not None]
    if isinstance(known[0], LayerArgument):
        return Parameter(name, many=not known[0].whole)
    texts = [value.text for value in known if isinstance(value, Literal)]
    if len(texts) < len(known) or len(known) < 2:
        return Parameter(name)
    most = max(dict.fromkeys(texts), key=texts.count)
    literal = next(value for value in known if isinstance(value, Literal) and value.text == most)
    usual = name in _OFTEN_LEFT_OUT or not isinstance(literal.value, int) or isinstance(literal.value, bool)
    return Parameter(name, literal if usual and 2 * texts.count(most) >= len(texts) else None)


def _in_order(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Required arguments first, then layers passed one by one, then arguments with defaults."""
    return tuple(sorted(parameters, key=lambda one: (one.default is not None, one.many)))


def _given(parameter: Parameter, values: Values, at: int, depth: int) -> Argument:
    """The argument of one use. Layers written in the block that uses this one are passed themselves."""
    value = values[at]
    if value is None:  # this use does not reach the place that needs it
        value = parameter.default or next(one for one in values if one is not None)
    if isinstance(value, LayerArgument) and value.depth >= depth:
        value = Nest("*", (value.row,)) if not value.whole else value.row
    return Argument(parameter.name, value, keyword=parameter.default is not None)


# ---- layers that can be arguments of a block


def _settled(term: Term) -> Term:
    """The same term; layers that cannot be arguments of a block's class become layers of the block.

    Python makes arguments once, and before the block. This is wrong in a repeat, where each turn has its own layers,
    and if the block draws random numbers before them.
    """
    if not isinstance(term, Use):
        return rebuilt(term, _settled)
    body = rebuilt(term.body, _settled)
    if _draws_before_a_part(body, term.depth) or _repeats_a_part(body, term.depth):
        body = mapped(body, partial(_owned, depth=term.depth))
    return replace(term, body=_body(body))


def _draws_before_a_part(body: Term, depth: int) -> bool:
    drawn = False
    for term in _in_the_order_of_making(body, depth):
        if isinstance(term, LayerArgument) and drawn:
            return True
        drawn |= isinstance(term, Call) and term.draws
    return False


def _in_the_order_of_making(term: Term, depth: int) -> Iterator[Term]:
    if not (isinstance(term, LayerArgument) and term.depth <= depth):
        for child in children(term):
            yield from _in_the_order_of_making(child, depth)
    yield term


def _repeats_a_part(body: Term, depth: int) -> bool:
    repeats = (term for term in walk(body) if isinstance(term, Turns))
    return any(isinstance(term, LayerArgument) and term.depth <= depth for turns in repeats for term in walk(turns))


def _owned(term: Term, depth: int) -> Term | None:
    """A chain with the layers of its arguments inserted. Blocks inside still receive them as arguments."""
    own = partial(_owned, depth=depth)
    if isinstance(term, Use):
        return replace(term, body=_body(mapped(term.body, partial(_given_on, depth=depth))))
    if not isinstance(term, Sequential):
        return None
    items: list[Term] = []
    for item in term.items:
        if isinstance(item, LayerArgument) and item.depth <= depth:
            items += children(mapped(_deeper(item, depth).row, own))
        else:
            items.append(mapped(item, own))
    return replace(term, items=tuple(items))


def _given_on(term: Term, depth: int) -> Term | None:
    if not (isinstance(term, LayerArgument) and term.depth <= depth):
        return None
    part = _deeper(term, depth)
    row = mapped(part.row, partial(_owned, depth=depth))
    assert isinstance(row, Sequential)
    return replace(part, row=row, depth=depth + 1)


def _deeper(part: LayerArgument, depth: int) -> LayerArgument:
    """An argument as if it were written inside a block that is used at a depth."""
    row = moved(part.row, part.depth, depth + 1 - part.depth)
    assert isinstance(row, Sequential)
    return replace(part, row=row)


def _body(term: Term) -> Sequential | Wires:
    assert isinstance(term, Sequential | Wires)
    return term
