"""A line of a graph, its outputs, and a block's header: the texts that are more, or less, than a stack."""

from __future__ import annotations

import ast
from collections.abc import Collection
from typing import Any, TypeAlias, TypeGuard

from assembler.errors import Place, raise_all
from assembler.language.grammar import CONSTANTS, Reader
from assembler.language.recipe import Block, Stack

Spot: TypeAlias = tuple[str, "int | None", Place]
"""A source with its place."""


def parse_line(text: str, key: str, wires: Collection[str] = ()) -> tuple[Stack, tuple[Spot, ...]]:
    """Read a line of a graph: ``Concat(axis=1) @ (left, right)``. Without ``@`` there are no sources.

    Args:
        wires: the names that may be sources, for messages.

    Raises:
        GrammarError, Mistakes: as :func:`parse`.
    """
    return _Lines(text, key).read_line(wires)


def parse_sources(text: str, key: str) -> tuple[Spot, ...]:
    """Read the outputs of a graph: ``stem``, or ``stem, lstm[0]``.

    Raises:
        GrammarError, Mistakes: as :func:`parse`.
    """
    return _Lines(text, key).sources_alone()


def parse_header(text: str, body: Stack, key: str) -> Block:
    """Read a block's name and arguments: ``ConvNorm(channels, kernel=3)``.

    Args:
        body: the layers that the block expands to.

    Raises:
        GrammarError, Mistakes: as :func:`parse`.
    """
    return _Lines(text, key).header(body)


def _is_wired(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


class _Lines(Reader):
    """Reads what stands around stacks."""

    def read_line(self, wires: Collection[str] = ()) -> tuple[Stack, tuple[Spot, ...]]:
        """A line of a graph: ``Concat(axis=1) @ (left, right)``. Without ``@`` there are no sources."""
        tree = self.tree()
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

    def sources_alone(self) -> tuple[Spot, ...]:
        """``stem``, or ``stem, lstm[0]``."""
        sources = tuple(self.source(part) for part in _parts(self.tree()))
        raise_all(self.mistakes)
        return sources

    def source(self, node: ast.expr) -> Spot:
        """``stem``, or ``lstm[0]``."""
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
        tree = self.tree()
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
