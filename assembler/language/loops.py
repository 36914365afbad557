"""Python's tree → ``(Unit(w) for w in widths)``, ``[2 * i for i in range(8)]`` and ``*branches``.

Each message says what to write instead, because a form of Python that a recipe lacks is easily written by habit.
"""

from __future__ import annotations

import ast
from typing import Any, Protocol

from assembler.errors import Place
from assembler.language.recipe import Each, Star


class Reader(Protocol):
    """What reads the parts of a tree: the parser."""

    def value(self, node: ast.expr) -> Any:
        """Layers or plain data."""

    def place(self, node: ast.AST) -> Place:
        """Where it is in the text."""

    def text_of(self, node: ast.expr) -> str:
        """Its part of the text."""

    def mistake(self, message: str, node: ast.AST) -> None:
        """Note an error."""


def read_each(reader: Reader, node: ast.GeneratorExp | ast.ListComp) -> Each:
    """The layers or values for each value of a list."""
    loop, *others = node.generators
    body = reader.text_of(node.elt)
    if others:
        outer, inner = reader.text_of(loop.target), reader.text_of(others[0].target)
        message = (
            f"brackets have one 'for'; put the inner one in brackets: (({body} for {inner} in …) for {outer} in …)"
        )
        reader.mistake(message, node)
    elif loop.ifs:
        message = (
            f"'for' takes no 'if'; choose before it: ({body} if {reader.text_of(loop.ifs[0])} else 0 * {body} for …)"
        )
        reader.mistake(message, loop.ifs[0])
    elif loop.is_async:
        reader.mistake("'async' is not part of the recipe language", node)
    return Each(reader.value(node.elt), _names(reader, loop.target), reader.value(loop.iter), reader.place(node))


def _names(reader: Reader, target: ast.expr) -> tuple[str, ...]:
    """The names after ``for``."""
    parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
    names: list[str] = []
    for part in parts:
        if not isinstance(part, ast.Name) or part.id in ("true", "false", "null"):
            reader.mistake("after 'for' is a name, or names with commas: for width, depth in stages", part)
        elif part.id != "_" and part.id in names:
            reader.mistake(f"{part.id!r} appears twice", part)
        else:
            names.append(part.id)
    if isinstance(target, ast.Tuple | ast.List) and len(parts) < 2:
        reader.mistake("after 'for' is a name, or names with commas: for width, depth in stages", target)
    return tuple(names)


def read_values(reader: Reader, nodes: list[ast.expr]) -> list[Any]:
    """Arguments, or the elements of a list, of which some may have a star."""
    return [
        Star(reader.value(node.value), reader.place(node)) if isinstance(node, ast.Starred) else reader.value(node)
        for node in nodes
    ]


def joined_outside(reader: Reader, tree: ast.expr) -> str:
    """The message for ``A + B for b in bs`` and ``B for b in bs + C``, if that is the whole text; else empty.

    Args:
        tree: of a whole text.
    """
    if not isinstance(tree, ast.GeneratorExp) or tree.lineno > 1:  # its brackets are in the text
        return ""
    text_of = reader.text_of
    loop = tree.generators[0]
    clause = f"for {text_of(loop.target)} in"
    if isinstance(tree.elt, ast.BinOp) and isinstance(tree.elt.op, ast.Add):
        before, body = text_of(tree.elt.left), text_of(tree.elt.right)
        return f"put brackets around what is repeated: {before} + ({body} {clause} {text_of(loop.iter)})"
    if isinstance(loop.iter, ast.BinOp) and isinstance(loop.iter.op, ast.Add | ast.MatMult):
        values: ast.expr = loop.iter
        while isinstance(values, ast.BinOp) and isinstance(values.op, ast.Add | ast.MatMult):
            values = values.left
        after = text_of(loop.iter).removeprefix(text_of(values)).strip()
        return f"put brackets around what is repeated: ({text_of(tree.elt)} {clause} {text_of(values)}) {after}"
    return ""
