"""Text → recipe: the recipe language, a small subset of Python's expressions.

The text is parsed by :func:`ast.parse` and never compiled, let alone evaluated; the tree is walked here, and a node
that this module does not know is a mistake with a place.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from assembler.errors import AssemblerError, GrammarError, Place, SettingsError, noted, raise_all, suggestion
from assembler.recipe import (
    BROKEN,
    INFER,
    Block,
    Definitions,
    Graph,
    Infer,
    Layer,
    Operation,
    Repeat,
    Source,
    Stack,
    Wire,
    chain,
    is_stack,
    may_be_stack,
    print_value,
)
from assembler.settings import RecipeSettings
from assembler.yolo import read_network

if TYPE_CHECKING:
    from assembler.registry import Registry

MAX_TEXT = 100_000
"""Characters in one text."""
MAX_NESTING = 50
"""Brackets inside brackets, and mappings inside mappings."""
MAX_NUMBER = 2**63
"""Bound of whole numbers."""
MAX_OPERATORS = 1000
"""Operators in one text; longer chains are lists in YAML, or repeats. Python's parser cannot take many more."""

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


def parse_recipe(
    recipe: RecipeSettings, key: str = "recipe", *, registry: Registry | None = None
) -> tuple[Stack, Definitions]:
    """Read the layers of a recipe, and what its names mean.

    Args:
        registry: where the modules of a network file are found that neither MindYOLO nor Ultralytics has; by default
            ``LAYERS``.

    Raises:
        GrammarError, SettingsError, UnknownLayer, Mistakes: all that cannot be read.
    """
    mistakes: list[AssemblerError] = []
    stack: Stack = Layer(BROKEN)
    with noted(mistakes):
        if recipe.file is not None:
            stack = _network(recipe, recipe.file, registry)
        elif recipe.graph is not None:
            stack = parse_graph(recipe.graph, f"{key}.graph", list(recipe.all_inputs), recipe.outputs)
        else:
            stack = parse_stack(recipe.stack, f"{key}.stack")
    params: dict[str, Any] = {}
    for name, value in recipe.params.items():
        with noted(mistakes):
            params[_name(name, f"{key}.params.{name}")] = _data(value, f"{key}.params.{name}", 0)
    blocks: dict[str, Block] = {}
    for header, body in recipe.blocks.items():
        with noted(mistakes):
            block = parse_block(header, body, f"{key}.blocks.{header.partition('(')[0].strip()}")
            if block.name in blocks:
                raise GrammarError(f"there are two blocks named {block.name}", block.place)
            blocks[block.name] = block
    shared: dict[str, Stack] = {}
    for name, body in recipe.shared.items():
        with noted(mistakes):
            shared[_name(name, f"{key}.shared.{name}")] = _part(body, f"{key}.shared.{name}")
    raise_all(mistakes)
    return stack, Definitions(params, blocks, shared)


def _network(recipe: RecipeSettings, file: str, registry: Registry | None) -> Stack:
    if file == "???":
        said = "recipe.file has no value yet; give it one, such as recipe.file=yolov8n.yaml"
        raise SettingsError(said, Place(key="recipe.file"))
    given: Any = {"scale": recipe.scale, "classes": recipe.classes}
    return read_network(file, channels=_channels(recipe), registry=registry, **given)


def _channels(recipe: RecipeSettings) -> int:
    """Those of the images that a network file is for."""
    shape = recipe.input.shape if recipe.input is not None else None
    if shape is None or len(shape) != 4:
        message = "a network file is for images: the input needs a shape (N, C, H, W), such as [1, 3, 640, 640]"
        raise GrammarError(message, Place(key="recipe.input"))
    return shape[1]


def _name(name: str, key: str) -> str:
    if not name.isidentifier() or name in CONSTANTS or name == "_" or keyword.iskeyword(name):
        raise GrammarError(f"{name!r} cannot be used as a name", Place(key=key))
    return name


def parse_graph(said: object, key: str = "graph", inputs: Sequence[str] = ("input",), outputs: object = None) -> Graph:
    """Read a graph: lines of ``name: layer @ source``, as a mapping.

    Args:
        inputs: names for what goes in.
        outputs: a source, or a list of sources, as texts; by default the last line.

    Raises:
        GrammarError, Mistakes: lines that cannot be read, sources that are not there, and wires that nothing uses.
    """
    if not isinstance(said, Mapping) or not said:
        raise GrammarError(f"a graph is a mapping of names to layers, not {_kind(said)}", Place(key=key))
    mistakes: list[AssemblerError] = []
    wires: list[Wire] = []
    names = [str(name) for name in said]
    known = dict.fromkeys(inputs)
    last = next(reversed(known))
    used: set[str] = set()
    for name, text in zip(names, said.values(), strict=True):
        place = Place(key=f"{key}.{name}")
        with noted(mistakes):
            _require_wire(name, inputs, place)
        with noted(mistakes):
            body, sources = _Reader(text, place.key).line() if isinstance(text, str) else (_part(text, place.key), ())
            if not sources:
                if len(wires) == 0 and len(inputs) > 1:
                    message = f"there are several inputs; say which goes in: @ {inputs[0]}, or @ ({', '.join(inputs)})"
                    raise GrammarError(message, place)
                sources = ((last, None, place),)
            for source, _, where in sources:
                with noted(mistakes):
                    _require_source(source, where, known, names)
            used.update(source for source, _, _ in sources)
            wires.append(Wire(name, body, tuple((source, element) for source, element, _ in sources), place))
        known[name] = None
        last = name
    emitted: list[Source] = [(names[-1], None)] if outputs is None else []
    used.update(name for name, _ in emitted)
    wanted = [outputs] if isinstance(outputs, str) else outputs or []
    if (
        not isinstance(wanted, Sequence)
        or (outputs is not None and not wanted)
        or not all(isinstance(one, str) for one in wanted)
    ):
        raise GrammarError(f"outputs are a list of names, not {_kind(outputs)}", Place(key=f"{key}.outputs"))
    for text in wanted:
        with noted(mistakes):
            for source, element, where in _Reader(text, f"{key}.outputs").sources_alone():
                with noted(mistakes):
                    _require_source(source, where, known, names)
                emitted.append((source, element))
                used.add(source)
    if not mistakes:
        mistakes += [
            GrammarError(
                f"nothing uses {name!r}; use it as a source, or name it among the outputs", Place(key=f"{key}.{name}")
            )
            for name in [*inputs, *names]
            if name not in used
        ]
    raise_all(mistakes)
    return Graph(tuple(inputs), tuple(wires), tuple(emitted), Place(key=key))


def _require_wire(name: str, inputs: Collection[str], place: Place) -> None:
    if not name.isidentifier() or name in CONSTANTS or name == "_":
        raise GrammarError(f"{name!r} is not a name for a wire", place)
    if name in inputs:
        raise GrammarError(f"{name!r} is an input; a line needs another name", place)


def _require_source(name: str, place: Place, known: Collection[str], names: Collection[str]) -> None:
    if name not in known:
        below = " It stands below; a line uses lines above it." if name in names else ""
        raise GrammarError(f"there is no wire {name!r}.{below or suggestion(name, known)}", place)


def parse_block(header: str, body: object, key: str) -> Block:
    """Read a block: ``ConvNorm(channels, kernel=3)`` and what it stands for.

    Raises:
        GrammarError, Mistakes: as :func:`parse`.
    """
    return _Reader(header, key).header(_part(body, key))


def _part(body: object, key: str) -> Stack:
    """Layers as YAML may hold them: a text, a list, or a mapping ``{graph: …}``, ``{stack: …}`` or of one layer."""
    if isinstance(body, Mapping) and "graph" in body:
        if extra := set(body) - {"graph", "inputs", "outputs"}:
            raise GrammarError(
                f"beside 'graph' stand 'inputs' and 'outputs' only, not {sorted(extra)[0]!r}", Place(key=key)
            )
        inputs = body.get("inputs", ["input"])
        if not isinstance(inputs, list) or not all(isinstance(name, str) and name.isidentifier() for name in inputs):
            raise GrammarError(f"inputs are a list of names, not {_kind(inputs)}", Place(key=f"{key}.inputs"))
        return parse_graph(body["graph"], f"{key}.graph", inputs or ["input"], body.get("outputs"))
    if isinstance(body, Mapping) and set(body) == {"stack"}:
        return parse_stack(body["stack"], f"{key}.stack")
    if isinstance(body, Mapping):
        return _item(body, key)
    return parse_stack(body, key)


def _item(item: object, key: str, depth: int = 0) -> Stack:
    if isinstance(item, str):
        return parse(item, key)
    if isinstance(item, Mapping) and "graph" in item:
        return _part(item, key)
    if not isinstance(item, Mapping) or len(item) != 1 or not isinstance(name := next(iter(item)), str):
        raise GrammarError(
            f"an item of a stack is a text or a mapping of one layer to its arguments, not {_kind(item)}",
            Place(key=key),
        )
    inside, key = item[name], f"{key}.{name}"
    if not all(part.isidentifier() for part in name.split(".")) or name.count(".") > 1:
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
        if "graph" in value:
            return _part(value, key)
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


_Spot: TypeAlias = tuple[str, "int | None", Place]
"""A source with its place."""


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


class _Reader:
    """Reads one text. Mistakes are collected, so that one pass tells them all."""

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
        """The tree, once the text is known to hold the limits."""
        if len(self.text) > MAX_TEXT:
            self.stop(f"the text has {len(self.text)} characters; the limit is {MAX_TEXT}", MAX_TEXT, MAX_TEXT)
        if not self.text.strip():
            self.stop("the stack is empty; it needs at least one layer", 0, 0)
        self.scan()
        tree = self.tree()
        self.lines = list(self.line_starts())
        return tree

    def line(self) -> tuple[Stack, tuple[_Spot, ...]]:
        """A line of a graph: ``Concat(axis=1) @ (left, right)``. Without ``@`` there are no sources."""
        tree = self.node()
        sources: tuple[_Spot, ...] = ()
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.MatMult):
            sources = tuple(self.source(part) for part in _parts(tree.right))
            tree = tree.left
        elif (
            isinstance(tree, ast.BinOp) and isinstance(tree.right, ast.BinOp) and isinstance(tree.right.op, ast.MatMult)
        ):
            start, _ = self.span(tree.right)
            _, end = self.span(tree.right.left)
            left, right = self.text[: self.span(tree.right.left)[1]].strip(), self.text[end:].strip()
            self.stop(f"'@' comes last; put brackets around the layers: ({left}) {right}", start, self.span(tree)[1])
        stack = self.stack(tree)
        raise_all(self.mistakes)
        return stack, sources

    def sources_alone(self) -> tuple[_Spot, ...]:
        """``stem``, or ``stem, lstm[0]``."""
        sources = tuple(self.source(part) for part in _parts(self.node()))
        raise_all(self.mistakes)
        return sources

    def source(self, node: ast.expr) -> _Spot:
        match node:
            case ast.Name(id=name):
                return name, None, self.place(node)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(element))) if element >= 0:
                return name, element, self.place(node)
        self.stop("a source is a wire's name, or an element of what it emits, such as lstm[0]", *self.span(node))

    def header(self, body: Stack) -> Block:
        """A block's name and arguments: ``ConvNorm(channels, kernel=3)``."""
        tree = self.node()
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if not name or name in CONSTANTS or name == "_":
            self.stop("a block is named as NAME(argument, argument=default)", 0, len(self.text))
        defaults: dict[str, Any] = {}
        for arg in call.args:
            if not isinstance(arg, ast.Name) or arg.id in CONSTANTS or arg.id == "_":
                self.stop("an argument of a block is a name, or name=default", *self.span(arg))
            if arg.id in defaults:
                self.stop(f"{arg.id!r} is there twice", *self.span(arg))
            defaults[arg.id] = ...
        for named in call.keywords:
            if named.arg is None or named.arg in defaults:
                self.stop("an argument of a block is a name, or name=default, once", *self.span(named))
            defaults[named.arg] = self.value(named.value)
        raise_all(self.mistakes)
        return Block(name, defaults, body, Place(self.text, 0, len(self.text), self.key))

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
        if may_be_stack(value):
            return value
        if value is not _BROKEN:
            self.mistake(f"expected a layer, found {self.describe(node, value)}", node)
        return Layer(BROKEN)

    def describe(self, node: ast.expr, value: object) -> str:
        if isinstance(node, ast.Tuple):
            return "a tuple; layers are joined with '+'"
        return "'_'" if isinstance(value, Infer) else print_value(value)

    def value(self, node: ast.expr) -> Any:
        """A node in any position: layers or plain data, or _BROKEN if it was a mistake and has been told."""
        match node:
            case ast.Constant(value=constant):
                if isinstance(constant, int) and constant > MAX_NUMBER:
                    return self.unknown(node, "a whole number this large; the limit is 2**63")
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
                return self.unknown(node, "two values are compared at a time; join comparisons with 'and'")
            case ast.Subscript(value=inside, slice=index) if not isinstance(index, ast.Slice):
                return self.operation("[]", node, inside, index)
            case ast.IfExp(test=condition, body=then, orelse=other):
                return self.operation("if", node, condition, then, other)
            case ast.Tuple(elts=parts):
                return tuple(self.value(part) for part in parts)
            case ast.List(elts=parts):
                return [self.value(part) for part in parts]
            case ast.Dict():
                return self.dictionary(node)
            case ast.Attribute():
                return self.unknown(node, _undotted(node))
            case _:
                return self.unknown(node, f"{_word(node)} is not part of the recipe language")

    def unknown(self, node: ast.expr, message: str) -> Any:
        self.mistake(message, node)
        return _BROKEN

    def scoped(self, node: ast.expr) -> str:
        """A layer's name with its scope, ``mindcv.Bottleneck``; of any other node nothing."""
        match node:
            case ast.Attribute(value=ast.Name(id=scope), attr=name) if scope not in CONSTANTS and scope != "_":
                return f"{scope}.{name}"
        return ""

    def layer(self, node: ast.Call) -> Any:
        called = node.func.id if isinstance(node.func, ast.Name) else self.scoped(node.func)
        if not called:
            dotted = isinstance(node.func, ast.Attribute)
            said = (
                _undotted(node.func)
                if dotted
                else f"only a layer can be called, by its name; {_word(node.func)} cannot"
            )
            return self.unknown(node.func, said)
        if called in CONSTANTS or called == "_":
            return self.unknown(node.func, f"{called!r} is not a layer")
        places: list[Place] = []
        args: list[Any] = []
        for arg in node.args:
            args.append(self.value(arg))
            places.append(self.place(arg))
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
        return Layer(called, tuple(args), tuple(kwargs.items()), place, tuple(places))

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
        if _is_number(value) and not isinstance(value, Operation):
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
                self.mistake("the keys of a dict are texts and numbers", name)
                continue
            result[word] = self.value(item)
        return result


class _Broken:
    """Stands where a mistake was found, so that the rest can be read for more."""


_BROKEN = _Broken()

_ARITHMETIC: Mapping[type[ast.operator], str] = {
    ast.Sub: "-", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
}  # fmt: skip
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


def _is_number(value: object) -> bool:
    """Whether a value as written is a number, or arithmetic that gives one."""
    if isinstance(value, Operation):
        return value.operator not in ("if", "[]", "*")
    return isinstance(value, int | float) and not isinstance(value, bool)


def _called(layer: Layer) -> bool:
    return bool(layer.args or layer.kwargs)


_WORDS = {
    ast.Subscript: "a slice",
    ast.Compare: "this comparison",
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
    ast.MatMult: "@", ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
    ast.Invert: "~",
}  # fmt: skip


def _undotted(node: ast.expr) -> str:
    """What to say of a dot that is not between a scope and a layer's name."""
    path = ast.unparse(node).split(".")
    instead = f": {path[0]}.{path[-1]}?" if all(part.isidentifier() for part in path) else ""
    return f"a dot stands between the scope and the name of a layer, once{instead}"


def _word(node: ast.expr) -> str:
    """What a person would call this node."""
    if isinstance(node, ast.BinOp | ast.UnaryOp):
        return repr(_OPERATORS.get(type(node.op), type(node.op).__name__))
    return _WORDS.get(type(node), "a comprehension" if hasattr(node, "generators") else "this")
