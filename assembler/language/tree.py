"""Text → Python's tree of it, within limits; and where a node of the tree is in the text."""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from collections.abc import Iterator
from typing import NoReturn

from assembler.errors import AssemblerError, GrammarError, Place

MAX_TEXT = 100_000
"""Characters in one text."""
MAX_NESTING = 50
"""Brackets inside brackets, and mappings inside mappings."""
MAX_OPERATORS = 1000
"""Operators in one text, close to the limit of Python's parser. Longer chains are YAML lists, or repeats."""

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


class Text:
    """One text of the recipe language. Errors in its values are collected, so that one pass reports them all.

    Args:
        text: the text.
        key: its configuration key, for messages.
    """

    def __init__(self, text: str, key: str):
        self.text = text
        self.key = key
        self.mistakes: list[AssemblerError] = []

    def tree(self) -> ast.expr:
        """The tree of a text that is within the limits."""
        if len(self.text) > MAX_TEXT:
            self.stop(f"the text has {len(self.text)} characters; the limit is {MAX_TEXT}", MAX_TEXT, MAX_TEXT)
        if not self.text.strip():
            self.stop("the stack is empty; it needs at least one layer", 0, 0)
        self.scan()
        tree = self.parsed()
        self.lines = list(self.line_starts())
        return tree

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

    def parsed(self) -> ast.expr:
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
        """The offset of each line."""
        yield 0
        for match in re.finditer(r"\r\n|\r|\n", self.text):
            yield match.end()

    def offset(self, line: int, column: int) -> int:
        """Offset in the text of a line counted from 1 and a column in characters counted from 0."""
        line = min(max(line, 1), len(self.lines))
        return min(self.lines[line - 1] + max(column, 0), len(self.text))

    # ---- places

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
        """Where a node is in the text."""
        return Place(self.text, *self.span(node), self.key)

    def text_of(self, node: ast.expr) -> str:
        """The part of the text that a node is."""
        start, end = self.span(node)
        return self.text[start:end]

    def stop(self, message: str, start: int, end: int) -> NoReturn:
        """Report an error that reading cannot go on after."""
        raise GrammarError(message, Place(self.text, start, end, self.key))

    def mistake(self, message: str, node: ast.AST) -> None:
        """Note an error, and go on."""
        self.mistakes.append(GrammarError(message, self.place(node)))
