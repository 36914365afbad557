"""The arguments in a row of a network file.

MindYOLO and Ultralytics evaluate strings such as ``None``, ``nc`` and ``nn.SiLU()``. Here they are parsed by
:func:`ast.parse`, and the tree is walked: a node that this module does not know is an error.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from assembler.errors import GrammarError, Place
from assembler.language.recipe import Layer
from assembler.yolo.modules import Names

MAX_STRING = 200
"""Characters in one string."""
MAX_VALUES = 1000
"""Values in the arguments of one row."""
MAX_DEPTH = 10
"""Lists inside lists."""

NAMES = ("nc", "anchors", "reg_max", "stride", "max_channels", "kpt_shape")
"""Keys of a file that its rows may name."""

_NAMED = re.compile(r"\s*([A-Za-z_]\w*)\s*=(?!=)(.*)", re.DOTALL)


def split_name(raw: Any) -> tuple[str | None, Any]:
    """The name and the value of an argument: ``act=nn.ReLU()`` → ``act``, ``nn.ReLU()``; ``64`` → None, ``64``."""
    match = _NAMED.fullmatch(raw) if isinstance(raw, str) else None
    return (match[1], match[2].strip()) if match else (None, raw)


@dataclass
class Reader:
    """Reads the values of one row.

    Args:
        names: the values of ``NAMES``.
        layers: the meaning of the names of layers.
    """

    names: Mapping[str, Any]
    layers: Names
    count: int = field(default=0, init=False)

    def read(self, raw: Any, place: Place, depth: int = 0) -> Any:
        """A value as a recipe has it: numbers, strings, None, lists, and layers.

        Raises:
            GrammarError: it is none of these, or there are too many.
        """
        self.count += 1
        if self.count > MAX_VALUES or depth > MAX_DEPTH:
            message = f"the arguments of a row are at most {MAX_VALUES:,} values, in lists at most {MAX_DEPTH} deep"
            raise GrammarError(message, place)
        if raw is None or isinstance(raw, bool | int | float):
            return raw
        if isinstance(raw, list):
            return [self.read(item, place, depth + 1) for item in raw]
        if isinstance(raw, str):
            return self._string(raw, place)
        raise GrammarError(f"an argument is a number, a string or a list, not {type(raw).__name__}", place)

    def _string(self, text: str, place: Place) -> Any:
        """The value of a string; the string itself if it is not Python."""
        if len(text) > MAX_STRING:
            raise GrammarError(f"this string has {len(text):,} characters; the limit is {MAX_STRING}", place)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as an invalid escape inside a string
                tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return text
        return self._tree(tree, text, place)

    def _tree(self, node: ast.expr, text: str, place: Place) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.Name(id=name):
                return self._name(name, place)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self._tree(item, text, place) for item in items]
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case ast.Call(func=ast.Attribute(value=ast.Name(id="nn"), attr=name)):
                return self._layer(f"nn.{name}", node, text, place)
            case ast.Call(func=ast.Name(id=name)) if name[:1].isupper():
                return self._layer(name, node, text, place)
            case ast.Attribute(value=ast.Name(id="nn"), attr=name):
                raise GrammarError(f"{text} is a class; a layer is written nn.{name}()", place)
        self._refuse(text, place)

    def _name(self, name: str, place: Place) -> Any:
        if name in NAMES and name not in self.names:
            instead = "; give it as recipe.classes=80" if name == "nc" else ""
            raise GrammarError(f"the file has no {name!r}{instead}", place)
        return self.names.get(name, name)

    def _layer(self, name: str, node: ast.Call, text: str, place: Place) -> Layer:
        args = tuple(self._tree(arg, text, place) for arg in node.args)
        if any(named.arg is None for named in node.keywords):
            self._refuse(text, place)
        kwargs = tuple((str(named.arg), self._tree(named.value, text, place)) for named in node.keywords)
        layer = Layer(self.layers.module(name, place).layer, args, kwargs, place, (place,) * (len(args) + len(kwargs)))
        return self.layers.layer(name, layer)

    def _refuse(self, text: str, place: Place) -> NoReturn:
        raise GrammarError(
            f"{text!r} is read, not evaluated: an argument is a number, a string, None, a list, one of the file's "
            f"{', '.join(NAMES)}, or a layer such as nn.SiLU()",
            place,
        )
