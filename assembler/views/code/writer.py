"""Terms → the source of classes."""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assembler.views.code.classes import Class
from assembler.views.code.terms import (
    Argument,
    Call,
    Literal,
    Loop,
    Nest,
    Range,
    Reference,
    Sequential,
    Term,
    Variable,
    Wires,
    emitted,
)
from assembler.views.code.text import (
    INDENT,
    Bracketed,
    Comprehension,
    Doc,
    flat,
    lines,
    prefixed,
    suffixed,
)

LOCALS = ("self", "layers", "cell")
"""Local names in constructors."""

BODY = 2 * INDENT


@dataclass
class Writer:
    """Writes the classes of one file.

    Args:
        classes: the classes that are called.
        shared: the parts that are built once, each after those that it needs.
        local: their names in the constructor of the model.
    """

    classes: Mapping[str, Class]
    shared: Mapping[str, Term]
    local: Mapping[str, str]

    # ---- expressions

    def expression(self, term: Term) -> Doc:
        """A term that is one value."""
        match term:
            case Literal() | Variable():
                return term.text
            case Reference():
                return self.local[term.name]
            case Nest():
                keys = term.before or ("",) * len(term.items)
                items = (prefixed(key, self.expression(item)) for key, item in zip(keys, term.items, strict=True))
                return Bracketed(term.brackets[0], tuple(items), term.brackets[1])
            case Call():
                return self.call(term)
            case Sequential():
                return self.cell(term)
            case Range():
                return self.range(term)
        raise AssertionError(term)

    def call(self, call: Call) -> Doc:
        """A call, without arguments that equal the class's defaults."""
        return Bracketed(f"{call.target}(", tuple(self.arguments(call)), ")")

    def arguments(self, call: Call) -> Iterator[Doc]:
        """The arguments between the brackets of a call."""
        made = self.classes.get(call.target)
        many = [one.name for one in made.parameters if one.many] if made else []
        defaults = {one.name: one.default for one in made.parameters} if made else {}
        for argument in call.arguments:
            if argument.keyword and argument.value == defaults.get(argument.name):
                continue
            if isinstance(argument.value, Nest) and argument.value.brackets == "*":
                (given,) = argument.value.items
                assert isinstance(given, Sequential)
                items = tuple(self.items(given.items))
                yield from items if made is None or len(many) == 1 else [Bracketed("[", items, "]")]
            else:
                yield self._argument(argument, many)

    def _argument(self, argument: Argument, many: Sequence[str]) -> Doc:
        value = self.expression(argument.value)
        if isinstance(argument.value, Variable) and argument.value.many and len(many) == 1:
            return prefixed("*", value)
        return prefixed(f"{argument.name}=", value) if argument.keyword else value

    def range(self, term: Range) -> Doc:
        """``range(…)``, as short as it can be."""
        stop = f"{flat(self.expression(term.stop))} - {term.less}" if term.less else self.expression(term.stop)
        items = [self.expression(term.start), stop, self.expression(term.step)]
        items = items[:2] if items[2] == "1" else items
        return Bracketed("range(", tuple(items[1:] if items[0] == "0" and len(items) == 2 else items), ")")

    def cell(self, row: Sequential) -> Doc:
        """Layers as one Cell: a SequentialCell, or the only layer itself."""
        is_argument = len(row.items) == 1 and isinstance(row.items[0], Variable) and not row.items[0].many
        if row.names and not is_argument:
            return Bracketed("nn.SequentialCell(", (self.named(row),), ")")
        if len(row.items) == 1:
            match row.items[0]:
                case Call(many=True) as only:
                    return suffixed(self.call(only), "[0]") if row.alone else self.call(only)
                case Call() | Reference() if not row.alone:
                    pass  # a row of one, such as a repeat with a name
                case Call() | Reference() | Sequential() | Variable(many=False) as only:
                    return self.expression(only)
                case Loop() as only:
                    return Bracketed("nn.SequentialCell(", (self.comprehension(only),), ")")
        return Bracketed("nn.SequentialCell(", tuple(self.items(row.items)), ")", listed=True)

    def named(self, row: Sequential) -> Doc:
        """Layers by their names."""
        shapes = tuple(map(emitted, row.items))
        one_by_one = not any(isinstance(item, Loop) or getattr(item, "many", False) for item in row.items)
        if one_by_one and all(name.isidentifier() and not keyword.iskeyword(name) for name in row.names):
            cells = zip(row.names, map(self.expression, row.items), strict=True)
            items = tuple(prefixed(f"{name}=", cell) for name, cell in cells)
            return Bracketed("OrderedDict(", items, ")", shapes, any(shapes) and len(items) > 1, listed=True)
        names = Bracketed("(", tuple(f'"{name}"' for name in row.names), ")")
        layers = Bracketed("[", tuple(self.items(row.items)), "]", shapes, listed=True)
        return Bracketed(
            "OrderedDict(", (Bracketed("zip(", (names, layers, "strict=True"), ")", listed=True),), ")", listed=True
        )

    def items(self, items: Sequence[Term]) -> Iterator[Doc]:
        """Layers as the items of a list."""
        for item in items:
            if isinstance(item, Loop):
                yield prefixed("*", self.comprehension(item))
            else:
                many = isinstance(item, Call | Variable) and item.many
                yield prefixed("*" if many else "", self.expression(item))

    def comprehension(self, loop: Loop) -> Doc:
        """A repeat inside an expression."""
        over = (f"{', '.join(loop.names)} in ", self.expression(loop.values))
        match loop.body.items:
            case (Call(many=True) as only,):
                return Comprehension("[", "cell", (over, ("cell in ", self.call(only))), "]")
            case (Call() | Reference() | Sequential() as only,):
                return Comprehension("[", self.expression(only), (over,), "]")
        each = Bracketed("(", tuple(self.items(loop.body.items)), ")")
        return Comprehension("[", "cell", (over, ("cell in ", each)), "]")

    # ---- classes

    def written(self, made: Class, said: str, end: Sequence[str] = ()) -> Iterator[str]:
        """The lines of a class.

        Args:
            said: the docstring.
            end: the lines at the end of its constructor.
        """
        base = "nn.Cell" if isinstance(made.body, Wires) else made.alone.target if made.alone else "nn.SequentialCell"
        yield f"class {made.name}({base}):"
        yield from [f'    """{said}"""', ""]
        yield from lines(Bracketed("def __init__(", ("self", *_signature(made)), ")"), INDENT, after=":")
        yield from self.parts() if made.whole else ()
        if isinstance(made.body, Wires):
            yield from self.wires(made.body)
            yield from end
            yield from self.construct(made.body)
        else:
            only = made.alone
            yield from self.only(only) if only else self.row(made.body)
            yield from end

    def only(self, call: Call) -> Iterator[str]:
        """The constructor of a class derived from a layer's class."""
        yield from lines(Bracketed("super().__init__(", tuple(self.arguments(call)), ")"), BODY)

    def row(self, row: Sequential) -> Iterator[str]:
        """The constructor of a class that is a chain of layers: one call if possible, else several statements."""
        if row.names:
            yield from lines(Bracketed("super().__init__(", (self.named(row),), ")"), BODY)
            return
        if not any(isinstance(item, Loop) for item in row.items):
            yield from self.shown("super().__init__(", row.items, ")", BODY)
            return
        yield from self.statements(row)
        yield " " * BODY + "super().__init__(layers)"

    def statements(self, row: Sequential) -> Iterator[str]:
        """The statements that append to ``layers``."""
        begun = False
        for run in _runs(row.items):
            if isinstance(run[0], Loop):
                yield from [] if begun else [" " * BODY + "layers = []"]
                yield from self.loop(run[0], BODY)
            elif begun:
                yield from self.grown(run, BODY)
            else:
                yield from self.shown("[", run, "]", BODY, "layers = ")
            begun = True

    def grown(self, items: Sequence[Term], indent: int) -> Iterator[str]:
        """Append layers."""
        match items:
            case (Call(many=True) as only,):
                yield from lines(self.call(only), indent, "layers += ", comment=only.shape)
            case (Call() | Reference() | Sequential() as only,):
                doc = Bracketed("layers.append(", (self.expression(only),), ")")
                yield from lines(doc, indent, comment=emitted(only))
            case _:
                yield from self.shown("[", items, "]", indent, "layers += ")

    def loop(self, loop: Loop, indent: int) -> Iterator[str]:
        """A repeat as a statement."""
        yield from lines(self.expression(loop.values), indent, f"for {', '.join(loop.names)} in ", ":")
        run: list[Term] = []
        for item in loop.body.items:
            if isinstance(item, Loop):
                yield from self.grown(run, indent + INDENT) if run else []
                yield from self.loop(item, indent + INDENT)
                run = []
            else:
                run.append(item)
        yield from self.grown(run, indent + INDENT) if run else []

    def shown(self, open: str, items: Sequence[Term], close: str, indent: int, before: str = "") -> Iterator[str]:
        """A statement of layers, with their shapes as comments if known."""
        shapes = tuple(map(emitted, items))
        tall = any(shapes) and len(items) > 1
        doc = Bracketed(open, tuple(self.items(items)), close, shapes, tall, listed=True)
        yield from lines(doc, indent, before, comment="" if len(items) > 1 else shapes[0])

    def parts(self) -> Iterator[str]:
        """The statements that make the shared parts, each after those that it needs."""
        for name, part in self.shared.items():
            yield from lines(self.expression(part), BODY, f"{self.local[name]} = ")

    def part_names(self) -> Iterator[str]:
        """The statements that name the parameters of shared parts; those of a part inside a part come last."""
        for name in reversed(list(self.shared)):
            yield (
                " " * BODY + f"{self.local[name]}.update_parameters_name({json.dumps(f'{name}.', ensure_ascii=False)})"
            )

    # ---- graphs

    def wires(self, wired: Wires) -> Iterator[str]:
        """The constructor of a graph."""
        yield " " * BODY + "super().__init__()"
        for name, row, _ in wired.wires:
            if _is_plain_name(name):
                yield from lines(self.cell(row), BODY, f"self.{name} = ")
            else:
                yield from lines(Bracketed("setattr(", ("self", f'"{name}"', self.cell(row)), ")"), BODY)

    def construct(self, wired: Wires) -> Iterator[str]:
        """The call of a graph: wires are local names."""
        yield ""
        names = {name: _local(name) for name in [*wired.inputs, *(name for name, _, _ in wired.wires)]}

        def source(one: tuple[str, int | None]) -> str:
            name, element = one
            return names[name] if element is None else f"{names[name]}[{element}]"

        inputs = [names[name] for name in wired.inputs]
        given = ["*inputs"] if wired.unpacks else inputs
        yield from lines(Bracketed("def construct(", ("self", *given), ")"), INDENT, after=":")
        if wired.unpacks:
            yield f"{' ' * BODY}{', '.join(inputs)} = inputs[0] if len(inputs) == 1 else inputs"
        for (name, _, sources), shape in zip(wired.wires, wired.shapes, strict=True):
            attribute = f"self.{name}" if _is_plain_name(name) else f'getattr(self, "{name}")'
            call = Bracketed(f"{attribute}(", tuple(map(source, sources)), ")")
            yield from lines(call, BODY, f"{names[name]} = ", comment=shape)
        yield from lines(", ".join(map(source, wired.outputs)), BODY, "return ")


def _is_plain_name(name: str) -> bool:
    """Whether it can follow a dot inside a class, where Python changes names with two leading underscores."""
    return not keyword.iskeyword(name) and not (name.startswith("__") and not name.endswith("__"))


def _local(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) or name in ("self", "getattr") else name


def _signature(made: Class) -> Iterator[str]:
    many = [one for one in made.parameters if one.many]
    for one in made.parameters:
        star = "*" if one.many and len(many) == 1 else ""
        yield f"{star}{one.name}" + (f"={one.default.text}" if one.default is not None else "")


def _runs(items: Sequence[Term]) -> Iterator[list[Term]]:
    """Items that can be in one list: each loop is separate."""
    run: list[Term] = []
    for item in items:
        if run and (isinstance(item, Loop) or isinstance(run[0], Loop)):
            yield run
            run = []
        run.append(item)
    if run:
        yield run
