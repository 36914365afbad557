"""Text → recipe: the recipe language, a small subset of Python's expressions.

:func:`ast.parse` parses the text, which is never compiled or evaluated. This module walks the tree and reports every
node that the language does not have, with its place.
"""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from collections.abc import Collection, Iterator, Mapping
from functools import reduce
from typing import Any, NoReturn, TypeAlias, TypeGuard

from assembler.errors import AssemblerError, GrammarError, Place, noted, raise_all
from assembler.language.loops import joined_outside, read_each, read_values
from assembler.language.names import FUNCTIONS, require_ascii
from assembler.language.recipe import (
    BROKEN,
    INFER,
    Block,
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

MAX_TEXT = 100_000
"""Characters in one text."""
MAX_NESTING = 50
"""Brackets inside brackets, and mappings inside mappings."""
MAX_NUMBER = 2**63
"""Limit of integers."""
MAX_OPERATORS = 1000
"""Operators in one text, close to the limit of Python's parser. Longer chains are YAML lists, or repeats."""

CONSTANTS = {"true": True, "false": False, "null": None}
_TOKENS = re.compile(
    r"""(?P<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|(?P<joint>->|=>|\|>|→|;)|(?P<wide>[\u2018-\u201d\u2013\u2014\u2212\u3000-\u3002\u00d7\u00b7\uff01-\uff5e])"""
    r"""|(?P<comment>\#)|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<operator>[-+*/%~]|\b(?:not|if|or|and)\b)"""
)
_ASCII = {
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u2212": "-",
    "\u00d7": "*", "\u00b7": "*", "\u3001": ",", "\u3002": ".", "\u3000": " ",
}  # fmt: skip
"""What to write instead of characters of other keyboards that NFKC does not map to ASCII."""
_PAIRS = {")": "(", "]": "[", "}": "{"}


Spot: TypeAlias = tuple[str, "int | None", Place]
"""A source with its place."""


def parse(text: str, key: str = "") -> Stack:
    """Read one stack: ``Dense(8, 128) + Centered``.

    Args:
        text: the recipe text.
        key: its configuration key, for messages.

    Raises:
        GrammarError: the text cannot be parsed; the place is inside the text.
        Mistakes: several parts of it cannot be parsed.
    """
    return _Reader(text, key).read()


def parse_line(text: str, key: str, wires: Collection[str] = ()) -> tuple[Stack, tuple[Spot, ...]]:
    """Read a line of a graph: ``Concat(axis=1) @ (left, right)``. Without ``@`` there are no sources.

    Args:
        wires: the names that may be sources, for messages.

    Raises:
        GrammarError, Mistakes: as :func:`parse`.
    """
    return _Reader(text, key).line(wires)


def parse_sources(text: str, key: str) -> tuple[Spot, ...]:
    """Read the outputs of a graph: ``stem``, or ``stem, lstm[0]``.

    Raises:
        GrammarError, Mistakes: as :func:`parse`.
    """
    return _Reader(text, key).sources_alone()


def parse_header(text: str, body: Stack, key: str) -> Block:
    """Read a block's name and arguments: ``ConvNorm(channels, kernel=3)``.

    Args:
        body: the layers that the block expands to.

    Raises:
        GrammarError, Mistakes: as :func:`parse`.
    """
    return _Reader(text, key).header(body)


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


class _Reader:
    """Reads one text. Errors are collected, so that one pass reports them all."""

    def __init__(self, text: str, key: str):
        self.text = text
        self.key = key
        self.mistakes: list[AssemblerError] = []

    def read(self) -> Stack:
        tree = self.node()
        try:
            stack = self.stack(tree)
        except RecursionError:
            self.stop(f"nested too deep; the limit is {MAX_NESTING}", 0, len(self.text))
        raise_all(self.mistakes)
        return stack

    def node(self) -> ast.expr:
        """The tree of a text that is within the limits."""
        if len(self.text) > MAX_TEXT:
            self.stop(f"the text has {len(self.text)} characters; the limit is {MAX_TEXT}", MAX_TEXT, MAX_TEXT)
        if not self.text.strip():
            self.stop("the stack is empty; it needs at least one layer", 0, 0)
        self.scan()
        tree = self.tree()
        self.lines = list(self.line_starts())
        if message := joined_outside(self, tree):
            self.stop(message, 0, len(self.text))
        return tree

    def line(self, wires: Collection[str] = ()) -> tuple[Stack, tuple[Spot, ...]]:
        """A line of a graph: ``Concat(axis=1) @ (left, right)``. Without ``@`` there are no sources."""
        tree = self.node()
        sources: tuple[Spot, ...] = ()
        if _is_wired(tree):
            names = {node.id for node in ast.walk(tree.left) if isinstance(node, ast.Name)}
            given = [part.id for part in _parts(tree.right) if isinstance(part, ast.Name)]
            if names and names <= {*wires} and not {*given} <= {*wires}:
                self.stop("layers are before '@', their sources after it: Add @ (a, b)", *self.span(tree))
            sources = tuple(self.source(part) for part in _parts(tree.right))
            tree = tree.left
        if misplaced := next((node for node in ast.walk(tree) if _is_wired(node)), None):
            self.stop(self.mend(tree, misplaced, wires), self.span(misplaced)[0], self.span(tree)[1])
        stack = self.stack(tree)
        raise_all(self.mistakes)
        return stack, sources

    def mend(self, tree: ast.expr, wired: ast.BinOp, wires: Collection[str]) -> str:
        """The message for an ``@`` that does not come last: ``A + B @ c``, ``A @ b + c``, ``A @ b, c``."""
        layers, source = self.text_of(wired.left), self.text_of(wired.right)
        if isinstance(tree, ast.Tuple):
            every = ", ".join([source, *map(self.text_of, tree.elts[1:])])
            return f"several sources are in brackets: {layers} @ ({every})"
        if not isinstance(tree, ast.BinOp) or not isinstance(tree.op, ast.Add) or wired not in (tree.left, tree.right):
            return "'@' comes last, once: Add @ (a, b)"
        if wired is tree.right:
            return f"'@' comes last; put brackets around the layers: ({self.text_of(tree.left)} + {layers}) @ {source}"
        other = self.text_of(tree.right)
        if other in wires:
            return f"'@' comes last: Add @ ({source}, {other})"
        if isinstance(wired.right, ast.Tuple):
            return f"'@' comes last; put {other} on the next line of the graph"
        return f"'@' comes last: ({layers} + {other}) @ {source}"

    def text_of(self, node: ast.expr) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def sources_alone(self) -> tuple[Spot, ...]:
        """``stem``, or ``stem, lstm[0]``."""
        sources = tuple(self.source(part) for part in _parts(self.node()))
        raise_all(self.mistakes)
        return sources

    def source(self, node: ast.expr) -> Spot:
        match node:
            case ast.Name(id=name):
                return name, None, self.place(node)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(element))) if element >= 0:
                return name, element, self.place(node)
            case ast.List() | ast.BinOp():
                self.stop("several sources are in round brackets, with commas: Add @ (a, b)", *self.span(node))
        self.stop(
            "a source is the name of a wire, or an element of its output, whose number is written out: lstm[0]",
            *self.span(node),
        )

    def header(self, body: Stack) -> Block:
        """A block's name and arguments: ``ConvNorm(channels, kernel=3)``."""
        tree = self.node()
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if not name or name in CONSTANTS or name == "_":
            self.stop("a block is written as NAME(argument, argument=default)", 0, len(self.text))
        defaults: dict[str, Any] = {}
        for arg in call.args:
            if not isinstance(arg, ast.Name) or arg.id in CONSTANTS or arg.id == "_":
                self.stop("an argument of a block is a name, or name=default", *self.span(arg))
            if arg.id in defaults:
                self.stop(f"{arg.id!r} appears twice", *self.span(arg))
            defaults[arg.id] = ...
        for named in call.keywords:
            if named.arg is None or named.arg in defaults:
                self.stop("an argument of a block is a name, or name=default, once", *self.span(named))
            defaults[named.arg] = self.value(named.value)
        raise_all(self.mistakes)
        return Block(name, defaults, body, Place(self.text, 0, len(self.text), self.key))

    # ---- before Python's parser

    def scan(self) -> None:
        """Check brackets and limits, so that parsing is safe and errors have a precise place."""
        self.refuse_wide()
        open_brackets: list[re.Match[str]] = []
        operators = 0
        for token in _TOKENS.finditer(self.text):
            if token["open"]:
                open_brackets.append(token)
                if len(open_brackets) > MAX_NESTING:
                    self.stop(f"nested too deep; the limit is {MAX_NESTING}", *token.span())
            elif token["close"]:
                if not open_brackets:
                    self.stop(f"unmatched {token['close']!r}", *token.span())
                if open_brackets[-1]["open"] != _PAIRS[token["close"]]:
                    opened = open_brackets[-1]["open"]
                    self.stop(f"{token['close']!r} does not close {opened!r}", *token.span())
                open_brackets.pop()
            elif token["comment"]:
                self.stop("a stack cannot contain comments; put them on a YAML line", *token.span())
            elif token["joint"] == ";" and open_brackets:
                self.stop("arguments are separated by ',', not ';'", *token.span())
            elif token["joint"]:
                self.stop(f"layers are joined by '+', not {token['joint']!r}: A + B", *token.span())
            elif token["operator"]:
                operators += 1
                if operators > MAX_OPERATORS:
                    instead = "use a repeat such as 3 * Dense(8, 8), or a list in YAML"
                    self.stop(f"more than {MAX_OPERATORS} operators in one text; {instead}", *token.span())
        if open_brackets:
            token = open_brackets[-1]
            self.stop(f"{token['open']!r} is never closed", *token.span())

    def refuse_wide(self) -> None:
        """Report all characters of a Chinese keyboard that look like ASCII's: ``（``, ``，``, ``＋``."""
        wide = [] if self.text.isascii() else [token for token in _TOKENS.finditer(self.text) if token["wide"]]
        if wide:
            found = list(dict.fromkeys(token["wide"] for token in wide))
            shown = " ".join("U+3000" if one == "\u3000" else one for one in found)
            ascii_ = dict.fromkeys(_ASCII.get(one) or unicodedata.normalize("NFKC", one) for one in found)
            instead = " ".join("a space" if one == " " else one for one in ascii_)
            self.stop(f"{shown} {'is' if len(found) == 1 else 'are'} not ASCII; write {instead}", *wide[0].span())

    def tree(self) -> ast.expr:
        """Python's tree of the text. The added brackets allow leading spaces and several lines."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as an invalid escape inside a string
                return ast.parse(f"(\n{self.text}\n)", mode="eval").body
        except SyntaxError as error:
            self.lines = list(self.line_starts())
            line, column = (error.lineno or 2) - 1, (error.offset or 1) - 1
            if line > len(self.lines):  # Python reached the ')' that this method added
                self.stop("a layer or a value is missing at the end", len(self.text), len(self.text))
            start = self.offset(line, column)
            said = error.msg.split(" (<unknown>")[0].split(". Maybe you meant '=='")[0]
            if "forgot a comma" in said:
                said = "an operator is missing; join layers with '+' and arguments with ','"
            if "Generator expression must be parenthesized" in said:
                said = "put brackets around what is repeated: A(x, (B(w) for w in widths))"
            if self.text.lstrip().startswith("for "):
                said = "'for' comes after the layers: (Unit(w) for w in widths)"
            if "assignment expression" in said:
                said = "put brackets around an item with a name: A + (name := B)"
            if "decimal literal" in said:
                said = "a number is followed by letters; a repeat is written 3 * ReLU"
            end = self.offset((error.end_lineno or 0) - 1, (error.end_offset or 0) - 1)
            self.stop(f"cannot parse this: {said}", start, max(end, start + 1))
        except (ValueError, RecursionError, MemoryError) as error:
            said = "nested too deep" if not isinstance(error, ValueError) else "invalid character"
            self.stop(f"cannot parse this: {said}", 0, len(self.text))

    def line_starts(self) -> Iterator[int]:
        yield 0
        for match in re.finditer(r"\r\n|\r|\n", self.text):
            yield match.end()

    def offset(self, line: int, column: int) -> int:
        """Offset in the text of a line counted from 1 and a column in characters counted from 0."""
        line = min(max(line, 1), len(self.lines))
        return min(self.lines[line - 1] + max(column, 0), len(self.text))

    # ---- the tree

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Offsets of a node. Python counts columns in bytes of UTF-8, and its first line is the added '('."""

        def offset(line: int, column: int) -> int:
            if line < 2:  # a tuple's own brackets: the '(' that this module added
                return 0
            if self.text.isascii() or line - 2 >= len(self.lines):
                return self.offset(line - 1, column)
            rest = self.text[self.lines[line - 2] :].encode()
            return self.offset(line - 1, len(rest[:column].decode(errors="ignore")))

        start = offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        return start, max(start, offset(node.end_lineno, node.end_col_offset))  # type: ignore[attr-defined]

    def place(self, node: ast.AST) -> Place:
        return Place(self.text, *self.span(node), self.key)

    def stop(self, message: str, start: int, end: int) -> NoReturn:
        raise GrammarError(message, Place(self.text, start, end, self.key))

    def mistake(self, message: str, node: ast.AST) -> None:
        self.mistakes.append(GrammarError(message, self.place(node)))

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
        value = self.value(node.operand)
        minus = isinstance(node.op, ast.USub)
        if _is_number(value) and not isinstance(value, Operation | Infer):
            return -value if minus else value
        return value if value is _BROKEN else Operation("-" if minus else "+", (value,), self.place(node))

    def operation(self, operator: str, node: ast.expr, *parts: ast.expr) -> Any:
        values = tuple(map(self.value, parts))
        broken = any(value is _BROKEN for value in values)
        return _BROKEN if broken else Operation(operator, values, self.place(node))

    def dictionary(self, node: ast.Dict) -> Any:
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


def _is_wired(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)


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
