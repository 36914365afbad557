"""Text → recipe: the recipe language, a small subset of Python's expressions.

The text is parsed by :func:`ast.parse` and never compiled, let alone evaluated; the tree is walked here, and a node
that this module does not know is a mistake with a place.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from assembler.errors import AssemblerError, GrammarError, Place, noted, raise_all
from assembler.recipe import INFER, Infer, Layer, Repeat, Stack, chain, is_stack

MAX_TEXT = 100_000
"""Characters in one text."""
MAX_NESTING = 50
"""Brackets inside brackets, and mappings inside mappings."""
MAX_OPERATORS = 1000
"""Operators in one text; longer chains are lists in YAML, or repeats. Python's parser cannot take many more."""
MAX_REPEAT = 100_000
"""Times a stack may be repeated by one ``*``."""

CONSTANTS = {"true": True, "false": False, "null": None}
_TOKENS = re.compile(
    r"""(?P<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|(?P<comment>\#)|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<operator>[-+*/%~]|\b(?:not|if|or|and)\b)"""
)
_PAIRS = {")": "(", "]": "[", "}": "{"}


def parse(text: str, key: str = "") -> Stack:
    """Read one stack: ``Dense(8, 128) + Centered``.

    Args:
        text: the recipe text.
        key: the configuration key that it came from, for messages.

    Raises:
        GrammarError: the text cannot be read; the place lies in the text.
        Mistakes: several parts of it cannot be read.
    """
    return _Reader(text, key).read()


def parse_stack(items: object, key: str = "stack") -> Stack:
    """Read what YAML may hold under ``stack``: a text, or a list of texts and of mappings of a layer to its arguments.

    ``{Dense: {in_channels: 8, out_channels: 128}}``, ``{Dense: [8, 128]}`` and ``{Centered: null}`` are mappings.
    Inside one, ``{stack: …}`` stands for layers.

    Raises:
        GrammarError, Mistakes: as :func:`parse`.
    """
    if isinstance(items, str):
        return parse(items, key)
    if not isinstance(items, Sequence):
        raise GrammarError(f"a stack is a text or a list, not {_kind(items)}", Place(key=key))
    if not items:
        raise GrammarError("the stack is empty; it needs at least one layer", Place(key=key))
    parts: list[Stack] = []
    mistakes: list[AssemblerError] = []
    for index, item in enumerate(items):
        with noted(mistakes):
            parts.append(_item(item, f"{key}[{index}]"))
    words = " ".join(mistake.message for mistake in mistakes)
    if "is never closed" in words and "nothing opened this" in words:
        raise GrammarError("YAML split this list at the commas inside brackets; quote its texts", Place(key=key))
    raise_all(mistakes)
    return chain(parts)


def _item(item: object, key: str, depth: int = 0) -> Stack:
    if isinstance(item, str):
        return parse(item, key)
    if not isinstance(item, Mapping) or len(item) != 1 or not isinstance(name := next(iter(item)), str):
        raise GrammarError(
            f"an item of a stack is a text or a mapping of one layer to its arguments, not {_kind(item)}",
            Place(key=key),
        )
    inside, key = item[name], f"{key}.{name}"
    if not name.isidentifier():
        raise GrammarError(f"{name!r} is not a layer's name; write a stack's text without a colon", Place(key=key))
    place = Place(key=key)
    if inside is None:
        return Layer(name, place=place)
    if isinstance(inside, Mapping):
        kwargs = tuple((str(word), _data(value, f"{key}.{word}", depth)) for word, value in inside.items())
        return Layer(name, (), kwargs, place, tuple(Place(key=f"{key}.{word}") for word in inside))
    if isinstance(inside, Sequence) and not isinstance(inside, str):
        args = tuple(_data(value, f"{key}[{index}]", depth) for index, value in enumerate(inside))
        return Layer(name, args, (), place, tuple(Place(key=f"{key}[{index}]") for index in range(len(args))))
    raise GrammarError(f"the arguments of {name} are a mapping or a list, not {_kind(inside)}", place)


def _data(value: object, key: str, depth: int) -> Any:
    """An argument written in YAML: data as it is, and ``{stack: …}`` as layers."""
    if depth > MAX_NESTING:
        raise GrammarError(f"nested more than {MAX_NESTING} deep", Place(key=key))
    if isinstance(value, Mapping):
        if "stack" in value:
            if len(value) > 1:
                message = "'stack' stands alone; if YAML split its text at a comma, put the text in quotes"
                raise GrammarError(message, Place(key=key))
            inside = value["stack"]
            return parse_stack(inside if isinstance(inside, str | list) else [inside], f"{key}.stack")
        return {name: _data(item, f"{key}.{name}", depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_data(item, f"{key}[{index}]", depth + 1) for index, item in enumerate(value)]
    return INFER if value == "_" else value


def _kind(value: object) -> str:
    """A value's kind in the words of YAML."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, Mapping):
        return "a mapping" if len(value) == 1 else f"a mapping of {len(value)} keys"
    return "a list" if isinstance(value, Sequence) else type(value).__name__


class _Reader:
    """Reads one text. Mistakes are collected, so that one pass tells them all."""

    def __init__(self, text: str, key: str):
        self.text = text
        self.key = key
        self.mistakes: list[AssemblerError] = []

    def read(self) -> Stack:
        if len(self.text) > MAX_TEXT:
            self.stop(f"the text has {len(self.text)} characters; the limit is {MAX_TEXT}", MAX_TEXT, MAX_TEXT)
        if not self.text.strip():
            self.stop("the stack is empty; it needs at least one layer", 0, 0)
        self.scan()
        tree = self.tree()
        self.lines = list(self.line_starts())
        try:
            stack = self.stack(tree)
        except RecursionError:
            self.stop(f"nested too deep; the limit is {MAX_NESTING}", 0, len(self.text))
        raise_all(self.mistakes)
        return stack

    # ---- before Python's parser sees it

    def scan(self) -> None:
        """Match the brackets and hold the limits, so that what follows is safe and errors point well."""
        open_brackets: list[re.Match[str]] = []
        operators = 0
        for token in _TOKENS.finditer(self.text):
            if token["open"]:
                open_brackets.append(token)
                if len(open_brackets) > MAX_NESTING:
                    self.stop(f"nested too deep; the limit is {MAX_NESTING}", *token.span())
            elif token["close"]:
                if not open_brackets:
                    self.stop(f"nothing opened this {token['close']!r}", *token.span())
                if open_brackets[-1]["open"] != _PAIRS[token["close"]]:
                    opened = open_brackets[-1]["open"]
                    self.stop(f"{token['close']!r} does not close {opened!r}", *token.span())
                open_brackets.pop()
            elif token["comment"]:
                self.stop("a stack's text has no comments; put them on a line of YAML", *token.span())
            elif token["operator"]:
                operators += 1
                if operators > MAX_OPERATORS:
                    instead = "use a repeat such as 3 * Dense(8, 8), or a list in YAML"
                    self.stop(f"more than {MAX_OPERATORS} operators in one text; {instead}", *token.span())
        if open_brackets:
            token = open_brackets[-1]
            self.stop(f"{token['open']!r} is never closed", *token.span())

    def tree(self) -> ast.expr:
        """Python's tree of the text. Brackets around it let it begin with a space and span lines."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as an invalid escape inside a string
                return ast.parse(f"(\n{self.text}\n)", mode="eval").body
        except SyntaxError as error:
            self.lines = list(self.line_starts())
            line, column = (error.lineno or 2) - 1, (error.offset or 1) - 1
            if line > len(self.lines):  # Python ran into the ')' that this module added
                self.stop("the text ends where a layer or a value should follow", len(self.text), len(self.text))
            start = self.offset(line, column)
            said = error.msg.split(" (<unknown>")[0].split(". Maybe you meant '=='")[0]
            if "forgot a comma" in said:
                said = "two things stand side by side; layers are joined with '+', arguments with ','"
            end = self.offset((error.end_lineno or 0) - 1, (error.end_offset or 0) - 1)
            self.stop(f"cannot read this: {said}", start, max(end, start + 1))
        except (ValueError, RecursionError, MemoryError) as error:
            said = "nested too deep" if not isinstance(error, ValueError) else "a character that is not text"
            self.stop(f"cannot read this: {said}", 0, len(self.text))

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
        """Where a node stands in the text. Python counts columns in bytes of UTF-8, and its first line is our '('."""

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
        """A node that must be layers."""
        value = self.value(node)
        if is_stack(value):
            return value
        if value is not _BROKEN:
            self.mistake(f"expected a layer, found {self.describe(node, value)}", node)
        return Layer("_broken")

    def describe(self, node: ast.expr, value: object) -> str:
        if isinstance(node, ast.Tuple):
            return "a tuple; layers are joined with '+'"
        return "'_'" if isinstance(value, Infer) else repr(value)

    def value(self, node: ast.expr) -> Any:
        """A node in any position: layers or plain data, or _BROKEN if it was a mistake and has been told."""
        match node:
            case ast.Constant(value=constant):
                if constant is None or isinstance(constant, bool | int | float | str):
                    return constant
                return self.unknown(node, f"{constant!r} is not a value of the recipe language")
            case ast.Name(id="_"):
                return INFER
            case ast.Name(id=name):
                return CONSTANTS[name] if name in CONSTANTS else Layer(name, place=self.place(node))
            case ast.Call():
                return self.layer(node)
            case ast.BinOp(op=ast.Add()):
                return self.sum(node)
            case ast.BinOp(op=ast.Mult()):
                return self.repeat(node)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                return self.signed(node)
            case ast.Tuple(elts=parts):
                return tuple(self.value(part) for part in parts)
            case ast.List(elts=parts):
                return [self.value(part) for part in parts]
            case ast.Dict():
                return self.dictionary(node)
            case _:
                return self.unknown(node, f"{_word(node)} is not part of the recipe language")

    def unknown(self, node: ast.expr, message: str) -> Any:
        self.mistake(message, node)
        return _BROKEN

    def layer(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name):
            return self.unknown(node.func, f"only a layer can be called, by its name; {_word(node.func)} cannot")
        if node.func.id in CONSTANTS or node.func.id == "_":
            return self.unknown(node.func, f"{node.func.id!r} is not a layer")
        places: list[Place] = []
        args: list[Any] = []
        for arg in node.args:
            args.append(self.value(arg))
            places.append(self.place(arg))
        kwargs: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value)
            if keyword.arg is None:
                self.mistake("'**' is not part of the recipe language", keyword)
                continue
            start, _ = self.span(keyword)
            places.append(Place(self.text, start, start + len(keyword.arg), self.key))
            if keyword.arg in kwargs:  # Python's parser leaves this to its compiler
                self.mistakes.append(GrammarError(f"{node.func.id} is given {keyword.arg!r} twice", places[-1]))
            kwargs[keyword.arg] = value
        place = Place(self.text, *self.span(node.func), self.key)
        return Layer(node.func.id, tuple(args), tuple(kwargs.items()), place, tuple(places))

    def sum(self, node: ast.BinOp) -> Any:
        """``A + B + C``. Its tree leans left and can be long, so it is walked in a loop."""
        parts: list[ast.expr] = []
        rest: ast.expr = node
        while isinstance(rest, ast.BinOp) and isinstance(rest.op, ast.Add):
            parts.append(rest.right)
            rest = rest.left
        parts.append(rest)
        return chain([self.stack(part) for part in reversed(parts)], self.place(node))

    def repeat(self, node: ast.BinOp) -> Any:
        """``3 * A`` and ``A * 3``."""
        left, right = self.value(node.left), self.value(node.right)
        if left is _BROKEN or right is _BROKEN:
            return _BROKEN
        count, body = (right, left) if is_stack(left) else (left, right)
        if not is_stack(body) or is_stack(count):
            return self.unknown(node, "'*' repeats a layer: a whole number on one side, layers on the other")
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            return self.unknown(node, f"a repeat count is a whole number of at least 1, not {count!r}")
        if count > MAX_REPEAT:
            return self.unknown(node, f"repeated {count} times; the limit is {MAX_REPEAT}")
        return Repeat(count, body, self.place(node))

    def signed(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if value is _BROKEN:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self.unknown(node, "a sign stands before a number only")
        return -value if isinstance(node.op, ast.USub) else value

    def dictionary(self, node: ast.Dict) -> Any:
        result: dict[Any, Any] = {}
        for name, item in zip(node.keys, node.values, strict=True):
            if name is None:
                self.mistake("'**' is not part of the recipe language", node)
                continue
            word = self.value(name)
            if not isinstance(word, str | int | float | bool):
                self.mistake("the keys of a dict are texts and numbers", name)
                continue
            result[word] = self.value(item)
        return result


class _Broken:
    """Stands where a mistake was found, so that the rest can be read for more."""


_BROKEN = _Broken()

_WORDS = {
    ast.Attribute: "a dot",
    ast.Subscript: "indexing",
    ast.Compare: "a comparison",
    ast.BoolOp: "'and' and 'or'",
    ast.IfExp: "'if'",
    ast.Lambda: "lambda",
    ast.JoinedStr: "an f-string",
    ast.Starred: "'*' before an argument",
    ast.NamedExpr: "':='",
    ast.Set: "a set",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
}
_OPERATORS = {
    ast.Sub: "-", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.MatMult: "@",
    ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
    ast.Not: "not", ast.Invert: "~",
}  # fmt: skip


def _word(node: ast.expr) -> str:
    """What a person would call this node."""
    if isinstance(node, ast.BinOp | ast.UnaryOp):
        return repr(_OPERATORS.get(type(node.op), type(node.op).__name__))
    return _WORDS.get(type(node), "a comprehension" if hasattr(node, "generators") else "this")
