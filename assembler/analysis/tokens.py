"""The tokens of a recipe text and the calls around a place in it, also while the text is being typed.

``Dense(8, weight_init='on`` with the place at the end is in a call of ``Dense``, in the argument ``weight_init``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Literal

_TOKEN = re.compile(
    r"(?P<reference>\$\{[^}\n]*\}?)"
    r"|(?P<string>'(?:\\.|[^'\\\n])*'?|\"(?:\\.|[^\"\\\n])*\"?)"
    r"|(?P<number>\d[\w.]*(?:(?<=[eE])[-+]\d+)?)"
    r"|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*\.?)"
    r"|(?P<sign>:=|==|!=|<=|>=|//|\*\*|[^\s\w])"
)

WORDS = {"_", "for", "in", "if", "else", "and", "or", "not", "True", "False", "None", "true", "false", "null"}
"""Words of the language, which refer to nothing."""

Kind = Literal["reference", "string", "number", "name", "sign"]


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a text, with its offsets.

    Args:
        kind: ``reference`` for an interpolation such as ``${.width}``.
    """

    kind: Kind
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a text.

    Args:
        token: its place; of ``a.b``, all of it.
        role: ``keyword`` before ``=``, ``source`` after ``@``, ``target`` before ``:=`` or between ``for`` and ``in``,
            ``bound`` for the use of a name of a loop in its body.
        call: of a keyword, the name of the layer or block that is called.
    """

    token: Token
    role: Literal["value", "keyword", "source", "target", "bound"]
    call: str = ""


@dataclass(slots=True)
class Call:
    """A bracket that is open at a place.

    Args:
        name: what is called; empty for other brackets.
        start: offset after the bracket.
        index: how many arguments are before the place.
        keyword: the name of the argument at the place, if it is written.
        keywords: the names of all arguments that are written before it.
    """

    name: str
    start: int
    index: int = 0
    keyword: str | None = None
    keywords: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a text.

    Args:
        token: what is there, or ends there; None between two tokens.
        before: the token before that.
        calls: the brackets around it, the innermost last.
        is_source: whether it is after the ``@`` of a line of a graph.
    """

    token: Token | None
    before: Token | None
    calls: tuple[Call, ...]
    is_source: bool

    @property
    def call(self) -> Call | None:
        """The innermost call, unless another bracket is inside it."""
        return self.calls[-1] if self.calls and self.calls[-1].name else None


def tokens_of(text: str) -> Iterator[Token]:
    """The tokens of any text."""
    for found in _TOKEN.finditer(text):
        yield Token(found.lastgroup, found[0], found.start(), found.end())  # type: ignore[arg-type]


def spot_at(text: str, offset: int) -> Spot:
    """What is at an offset of a text."""
    calls: list[Call] = []
    before: Token | None = None
    is_source = False
    for token in tokens_of(text):
        if token.start >= offset or (token.end >= offset and token.kind != "sign"):
            is_here = token.start < offset or (token.start == offset and token.kind == "name")
            return Spot(token if is_here else None, before, tuple(calls), is_source)
        is_source = is_source or (token.text == "@" and not calls)
        _step(calls, before, token)
        before = token
    return Spot(None, before, tuple(calls), is_source)


def argument_at(text: str, offset: int) -> tuple[int, int] | None:
    """The offsets of the argument around an offset, without its name; None outside of calls.

    >>> argument_at("Dense(_, bias=(4 * width))", 17)
    (14, 25)
    """
    open_ones: list[tuple[bool, int]] = []  # whether it is a call, and where its argument begins
    before: Token | None = None
    for token in tokens_of(text):
        sign = token.text if token.kind == "sign" else ""
        is_call, start = open_ones[-1] if open_ones else (False, 0)
        if sign in (")", "]", "}", ",") and is_call and start <= offset <= token.start:
            return start, token.start
        if sign in ("(", "[", "{"):
            is_name = before is not None and before.kind == "name" and before.text not in WORDS
            open_ones.append((is_name and before is not None and before.end == token.start, token.end))
        elif sign in (")", "]", "}") and open_ones:
            open_ones.pop()
        elif sign in (",", "=") and open_ones:
            open_ones[-1] = (is_call, token.end)
        before = token
    return None


def _step(calls: list[Call], before: Token | None, token: Token) -> None:
    """Enter and leave brackets."""
    match token.text if token.kind == "sign" else "":
        case "(" | "[" | "{":
            is_call = token.text == "(" and before is not None and before.kind == "name" and before.end == token.start
            calls.append(Call(before.text if is_call and before and before.text not in WORDS else "", token.end))
        case ")" | "]" | "}" if calls:
            calls.pop()
        case "," if calls:
            calls[-1].index += 1
            calls[-1].keyword = None
        case "=" if calls and before is not None and before.kind == "name":
            calls[-1].keyword = before.text
            calls[-1].keywords.append(before.text)


def names_in(text: str) -> Iterator[Name]:
    """The names in a text with their roles."""
    tokens = list(tokens_of(text))
    bound = set(_bound(tokens))
    calls: list[Call] = []
    before: Token | None = None
    is_source = is_target = False
    for token, after in zip(tokens, [*tokens[1:], None], strict=False):
        is_source = is_source or (token.text == "@" and not calls)
        if token.kind == "name" and token.text in ("for", "in"):
            is_target = token.text == "for"
        elif token.kind == "name" and token.text not in WORDS:
            follows = after.text if after is not None else ""
            if follows == "=" and calls and calls[-1].name:
                yield Name(token, "keyword", calls[-1].name)
            elif is_target or follows == ":=":
                yield Name(token, "target")
            elif token.start in bound:
                yield Name(token, "bound")
            else:
                yield Name(token, "source" if is_source else "value")
        _step(calls, before, token)
        before = token


def _bound(tokens: Sequence[Token]) -> Iterator[int]:
    """Where the body of a loop, from its bracket to ``for``, has a name that the loop gives a value.

    ``(Unit(w) for w in widths) + Dense(_, w)``: the last ``w`` is not that of the loop, nor would one after ``in`` be.
    """
    starts = [0]
    for index, token in enumerate(tokens):
        if token.kind == "sign" and token.text in ("(", "[", "{"):
            starts.append(index)
        elif token.kind == "sign" and token.text in (")", "]", "}") and len(starts) > 1:
            starts.pop()
        elif token.kind == "name" and token.text == "for":
            names = {one.text for one in takewhile(lambda one: one.text != "in", islice(tokens, index + 1, None))}
            yield from (one.start for one in tokens[starts[-1] : index] if one.text in names)
