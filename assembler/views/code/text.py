"""Expressions → lines: on one line if they fit, else one item per line with a trailing comma, as formatters do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

WIDTH = 120
"""Columns, as in the assembler's layers, which are copied into the file."""
INDENT = 4


@dataclass(frozen=True, slots=True)
class Bracketed:
    """Items between brackets.

    Args:
        open: the text before the first item: ``nn.Dense(``.
        comments: one for each item, written if it has a separate line.
        tall: whether it is one item per line in any case.
        listed: whether it is one item per line if it does not fit on one, rather than all items on the next line.
    """

    open: str
    items: tuple[Doc, ...]
    close: str
    comments: tuple[str, ...] = ()
    tall: bool = False
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Comprehension:
    """``[item for … in … for … in …]``.

    Args:
        clauses: the names after each ``for``, as in ``_ in ``, and what it iterates over.
    """

    open: str
    item: Doc
    clauses: tuple[tuple[str, Doc], ...]
    close: str


Doc: TypeAlias = str | Bracketed | Comprehension


def prefixed(before: str, doc: Doc) -> Doc:
    """The same with a prefix."""
    return before + doc if isinstance(doc, str) else replace(doc, open=before + doc.open)


def suffixed(doc: Doc, after: str) -> Doc:
    """The same with a suffix."""
    return doc + after if isinstance(doc, str) else replace(doc, close=doc.close + after)


def flat(doc: Doc) -> str:
    """The expression on one line."""
    if isinstance(doc, str):
        return doc
    if isinstance(doc, Comprehension):
        clauses = "".join(f" for {names}{flat(over)}" for names, over in doc.clauses)
        return f"{doc.open}{flat(doc.item)}{clauses}{doc.close}"
    comma = "," if doc.open.endswith("(") and _is_tuple_of_one(doc) else ""
    return f"{doc.open}{', '.join(map(flat, doc.items))}{comma}{doc.close}"


def _is_tuple_of_one(doc: Bracketed) -> bool:
    return len(doc.items) == 1 and _is_bare(doc)


def lines(doc: Doc, indent: int = 0, before: str = "", after: str = "", comment: str = "") -> Iterator[str]:
    """The lines of an expression or of a statement that contains one.

    Args:
        before: the text before it on its first line.
        after: the text after it on its last line.
        comment: written after that, if there is room.
    """
    pad = " " * indent
    one = f"{pad}{before}{flat(doc)}{after}"
    if isinstance(doc, str) or (len(one) <= WIDTH and not _is_tall(doc)):
        yield commented(one, comment)
        return
    yield f"{pad}{before}{doc.open}"
    if isinstance(doc, Comprehension):
        yield from lines(doc.item, indent + INDENT)
        for names, over in doc.clauses:
            yield from lines(over, indent + INDENT, f"for {names}")
    elif _is_call(doc) and not doc.listed and not _is_tall(doc) and len(inside := _inside(doc, pad)) <= WIDTH:
        yield inside
    else:
        comments = doc.comments or ("",) * len(doc.items)
        for item, said in zip(doc.items, comments, strict=True):
            yield from lines(item, indent + INDENT, after=",", comment=said)
    yield commented(f"{pad}{doc.close}{after}", comment)


def _is_call(doc: Bracketed) -> bool:
    """Whether it contains arguments, which formatters put on a separate line before they split them."""
    return bool(doc.items) and doc.open.endswith("(") and not _is_bare(doc)


def _is_bare(doc: Bracketed) -> bool:
    before = doc.open[:-1]
    return not before or before[-1] in "= *([{:"


def _inside(doc: Bracketed, pad: str) -> str:
    return f"{pad}{' ' * INDENT}{', '.join(map(flat, doc.items))}"


def _is_tall(doc: Doc) -> bool:
    if isinstance(doc, Comprehension):
        return _is_tall(doc.item) or any(_is_tall(over) for _, over in doc.clauses)
    return isinstance(doc, Bracketed) and (doc.tall or any(map(_is_tall, doc.items)))


def commented(line: str, comment: str) -> str:
    """A line followed by a comment, if there is room."""
    whole = f"{line}  # {comment}"
    return whole if comment and len(whole) <= WIDTH else line
