"""Python's tree of a text → recipe: the recipe language, a small subset of Python's expressions.

The text is parsed, and never compiled or evaluated. This module walks the tree and reports every node that the language
does not have, with its place.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import reduce
from typing import Any

from assembler.errors import GrammarError, Place, noted, raise_all
from assembler.language.loops import joined_outside, read_each, read_values
from assembler.language.names import FUNCTIONS, require_ascii
from assembler.language.recipe import (
    BROKEN,
    INFER,
    Infer,
    Layer,
    Named,
    Operation,
    Repeat,
    Stack,
    Star,
    chain,
    is_stack,
    may_be_stack,
    print_value,
)
from assembler.language.tree import MAX_NESTING, Text

MAX_NUMBER = 2**63
"""Limit of integers."""

CONSTANTS = {"true": True, "false": False, "null": None}


def parse(text: str, key: str = "") -> Stack:
    """Read one stack: ``Dense(8, 128) + Centered``.

    Args:
        text: the recipe text.
        key: its configuration key, for messages.

    Raises:
        GrammarError: the text cannot be parsed; the place is inside the text.
        Mistakes: several parts of it cannot be parsed.
    """
    return Reader(text, key).read()


class Reader(Text):
    """Reads one text."""

    def read(self) -> Stack:
        """The stack that the text is."""
        tree = self.tree()
        try:
            stack = self.stack(tree)
        except RecursionError:
            self.stop(f"nested too deep; the limit is {MAX_NESTING}", 0, len(self.text))
        raise_all(self.mistakes)
        return stack

    def tree(self) -> ast.expr:
        """The tree of the text. It has no loop whose brackets are missing."""
        tree = super().tree()
        if message := joined_outside(self, tree):
            self.stop(message, 0, len(self.text))
        return tree

    # ---- layers and values

    def stack(self, node: ast.expr) -> Stack:
        """The value of a node that must be layers."""
        value = self.value(node)
        is_number = isinstance(value, Operation) and value.operator == "+" and INFER in value.operands
        if may_be_stack(value) and not is_number:
            return value
        if value is not _BROKEN:
            self.mistake(f"expected a layer, found {self.describe(node, value)}", node)
        return Layer(BROKEN)

    def describe(self, node: ast.expr, value: object) -> str:
        """What a value that is not a layer is, for messages."""
        if isinstance(node, ast.ListComp):
            return f"a list; layers are in round brackets: ({self.text_of(node)[1:-1]})"
        if isinstance(node, ast.Tuple | ast.List):
            kind = "a tuple" if isinstance(node, ast.Tuple) else "a list"
            return f"{kind}; layers are joined by '+': A + B"
        if isinstance(node, ast.Constant) and isinstance(value, str):
            return f"a string; remove the quotes: {value}"
        if isinstance(value, Operation) and INFER in value.operands:
            return f"{print_value(value)}; '_' is for the arguments of a layer"
        if isinstance(value, Operation) and len(value.operands) == 2 and isinstance(value.operands[1], Layer):
            return f"{print_value(value)}; layers are joined by '+': A + B"
        return "'_'" if isinstance(value, Infer) else print_value(value)

    def value(self, node: ast.expr) -> Any:
        """The value of any node: layers or plain data, or _BROKEN if an error was reported for it."""
        match node:
            case ast.Constant(value=constant):
                if isinstance(constant, int) and constant > MAX_NUMBER:
                    return self.unknown(node, "integer too large; the limit is 2**63")
                if constant is None or isinstance(constant, bool | int | float | str):
                    return constant
                return self.unknown(node, f"{constant!r} is not a value of the recipe language")
            case ast.Name(id="_"):
                return INFER
            case ast.Name(id=name):
                return CONSTANTS[name] if name in CONSTANTS else Layer(name, place=self.place(node))
            case ast.Attribute() if name := self.scoped(node):
                return Layer(name, place=self.place(node))
            case ast.Call():
                return self.layer(node)
            case ast.BinOp(op=ast.Add()):
                return self.sum(node)
            case ast.BinOp(op=ast.Mult()):
                return self.product(node)
            case ast.BinOp(op=operator) if type(operator) in _ARITHMETIC:
                return self.operation(_ARITHMETIC[type(operator)], node, node.left, node.right)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                return self.signed(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.operation("not", node, operand)
            case ast.BoolOp(op=operator, values=parts):
                return self.operation("and" if isinstance(operator, ast.And) else "or", node, *parts)
            case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in _COMPARISONS:
                return self.operation(_COMPARISONS[type(operator)], node, left, right)
            case ast.Compare(ops=[_, _, *_]):
                return self.unknown(node, "comparisons cannot be chained; join them with 'and'")
            case ast.Subscript(value=inside, slice=ast.Slice(lower=lower, upper=upper, step=None)):
                return self.operation("[:]", node, inside, lower or _OPEN, upper or _OPEN)
            case ast.Subscript(slice=ast.Slice()):
                return self.unknown(node, "a slice has no step: depths[1:3]")
            case ast.Subscript(value=inside, slice=index):
                return self.operation("[]", node, inside, index)
            case ast.GeneratorExp():
                return read_each(self, node)
            case ast.ListComp():
                return [Star(read_each(self, node), self.place(node))]
            case ast.NamedExpr(target=ast.Name() as target, value=body):
                return self.named(node, target, body)
            case ast.IfExp(test=condition, body=then, orelse=other):
                return self.operation("if", node, condition, then, other)
            case ast.Tuple(elts=parts):
                return tuple(self.value(part) for part in parts)
            case ast.List(elts=parts):
                return read_values(self, parts)
            case ast.Dict():
                return self.dictionary(node)
            case ast.Attribute():
                return self.unknown(node, _undotted(node))
            case ast.BinOp(op=operator) if type(operator) in _JOINTS:
                return self.unknown(node, f"layers are joined by '+', not {_word(node)}: A + B")
            case ast.SetComp() | ast.DictComp():
                return self.unknown(node, "layers with 'for' are in round brackets, values in square brackets")
            case ast.Set():
                return self.unknown(node, "layers are joined by '+', not in braces: A + B")
            case ast.BinOp(op=ast.MatMult()):
                return self.unknown(node, "'@' is for lines of a graph; the layers of a stack are joined by '+': A + B")
            case ast.Starred():
                return self.unknown(node, "'*' is for arguments and lists: Parallel(*branches)")
            case _:
                return self.unknown(node, f"{_word(node)} is not part of the recipe language")

    def unknown(self, node: ast.expr, message: str) -> Any:
        """Note an error; the value is a placeholder."""
        self.mistake(message, node)
        return _BROKEN

    def scoped(self, node: ast.expr) -> str:
        """A layer's name with its scope, ``mindcv.Bottleneck``; empty for any other node.

        The registry refuses a name with more than one dot, because it knows what ``torch.nn.Linear`` is here.
        """
        match node:
            case ast.Attribute(value=ast.Name(id=scope), attr=name) if scope not in CONSTANTS and scope != "_":
                return f"{scope}.{name}"
            case ast.Attribute(value=ast.Attribute() as inner, attr=name) if scope := self.scoped(inner):
                return f"{scope}.{name}"
        return ""

    def layer(self, node: ast.Call) -> Any:
        """``Dense(8, out_channels=128)``."""
        called = node.func.id if isinstance(node.func, ast.Name) else self.scoped(node.func)
        if not called:
            dotted = isinstance(node.func, ast.Attribute)
            if isinstance(node.func, ast.Call) and not node.keywords:
                return self.unknown(
                    node.func, "a layer is not called with its input, which comes from the layer before it"
                )
            said = _undotted(node.func) if dotted else f"only a layer's name can be called, not {_word(node.func)}"
            return self.unknown(node.func, said)
        if called in CONSTANTS or called == "_":
            return self.unknown(node.func, f"{called!r} is not a layer")
        args = read_values(self, node.args)
        places = [self.place(arg) for arg in node.args]
        kwargs: dict[str, Any] = {}
        for named in node.keywords:
            value = self.value(named.value)
            if named.arg is None:
                self.mistake("'**' is not part of the recipe language", named)
                continue
            start, _ = self.span(named)
            places.append(Place(self.text, start, start + len(named.arg), self.key))
            if named.arg in kwargs:  # Python's parser leaves this to its compiler
                self.mistakes.append(GrammarError(f"{called} is given {named.arg!r} twice", places[-1]))
            kwargs[named.arg] = value
        place = Place(self.text, *self.span(node.func), self.key)
        return Layer(called, tuple(args), tuple(kwargs.items()), place, tuple(places), self.span(node)[1])

    def sum(self, node: ast.BinOp) -> Any:
        """``A + B + C``. Its tree leans left and can be long, so it is walked in a loop."""
        parts: list[ast.expr] = []
        rest: ast.expr = node
        while isinstance(rest, ast.BinOp) and isinstance(rest.op, ast.Add):
            parts.append(rest.right)
            rest = rest.left
        parts.append(rest)
        nodes = list(reversed(parts))
        values = [self.value(part) for part in nodes]
        # Names may turn out to be numbers: `width + 1` adds, `Dense(8, 1) + ReLU` joins.
        certain = any(value is _BROKEN or (isinstance(value, Layer) and _called(value)) for value in values)
        if any(map(_is_number, values)) and not certain:
            return reduce(lambda left, right: Operation("+", (left, right), self.place(node)), values)
        for part, value in zip(nodes, values, strict=True):
            if not may_be_stack(value) and value is not _BROKEN:
                self.mistake(f"expected a layer, found {self.describe(part, value)}", part)
        return chain([value if may_be_stack(value) else Layer(BROKEN) for value in values], self.place(node))

    def named(self, node: ast.NamedExpr, target: ast.Name, body: ast.expr) -> Any:
        """``(layer1 := A + B)``: an item of a stack with a name."""
        if target.id in CONSTANTS or target.id == "_":
            return self.unknown(target, f"{target.id!r} cannot be used as a name")
        with noted(self.mistakes):
            require_ascii(target.id, self.place(target))
        return Named(target.id, self.stack(body), self.place(node))

    def product(self, node: ast.BinOp) -> Any:
        """``3 * A`` and ``A * 3`` repeat; what is not written as a number is found out later."""
        left, right = self.value(node.left), self.value(node.right)
        if left is _BROKEN or right is _BROKEN:
            return _BROKEN
        count, body = (right, left) if is_stack(left) else (left, right)
        if type(count) is int and count >= 1 and is_stack(body):
            return Repeat(count, body, self.place(node))
        return Operation("*", (left, right), self.place(node))

    def signed(self, node: ast.UnaryOp) -> Any:
        """``-1``, or ``-width``."""
        value = self.value(node.operand)
        minus = isinstance(node.op, ast.USub)
        if _is_number(value) and not isinstance(value, Operation | Infer):
            return -value if minus else value
        return value if value is _BROKEN else Operation("-" if minus else "+", (value,), self.place(node))

    def operation(self, operator: str, node: ast.expr, *parts: ast.expr) -> Any:
        """An operator with its operands, which the expansion computes."""
        values = tuple(map(self.value, parts))
        broken = any(value is _BROKEN for value in values)
        return _BROKEN if broken else Operation(operator, values, self.place(node))

    def dictionary(self, node: ast.Dict) -> Any:
        """``{true: 1}``, with names or numbers as keys."""
        result: dict[Any, Any] = {}
        for name, item in zip(node.keys, node.values, strict=True):
            if name is None:
                self.mistake("'**' is not part of the recipe language", node)
                continue
            word = self.value(name)
            if not isinstance(word, str | int | float | bool):
                self.mistake("dict keys must be strings or numbers", name)
                continue
            result[word] = self.value(item)
        return result


_OPEN = ast.Constant(None)
"""The end of a slice that is not written."""


class _Broken:
    """Placeholder for a node with an error, so that parsing continues."""


_BROKEN = _Broken()

_ARITHMETIC: Mapping[type[ast.operator], str] = {
    ast.Sub: "-", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
}  # fmt: skip
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


_JOINTS = (ast.BitOr, ast.BitAnd, ast.BitXor, ast.LShift, ast.RShift)
"""Operators that join in other languages."""


def _is_number(value: object) -> bool:
    """Whether a value as written is a number, or arithmetic that results in one."""
    if isinstance(value, Operation):
        return value.operator not in ("if", "[]", "[:]", "*")
    return isinstance(value, Infer) or (isinstance(value, int | float) and not isinstance(value, bool))


def _called(layer: Layer) -> bool:
    return bool(layer.args or layer.kwargs) and layer.name not in FUNCTIONS


_WORDS = {
    ast.Compare: "this comparison",
    ast.Lambda: "lambda",
    ast.JoinedStr: "an f-string",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
}
_OPERATORS = {
    ast.MatMult: "@", ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
    ast.Invert: "~",
}  # fmt: skip


def _undotted(node: ast.expr) -> str:
    """The message for a dot that is not between a scope and a layer's name."""
    path = ast.unparse(node).split(".")
    instead = f": {path[0]}.{path[-1]}?" if all(part.isidentifier() for part in path) else ""
    return f"a dot can only separate a scope from a layer's name{instead}"


def _word(node: ast.expr) -> str:
    """The name of a node in messages."""
    if isinstance(node, ast.BinOp | ast.UnaryOp):
        return repr(_OPERATORS.get(type(node.op), type(node.op).__name__))
    return _WORDS.get(type(node), "this")
