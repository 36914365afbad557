"""YAML data → recipe: stacks as lists and mappings, graphs, blocks."""

from __future__ import annotations

import keyword
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from assembler.errors import AssemblerError, GrammarError, Place, noted, raise_all
from assembler.language.grammar import CONSTANTS, MAX_NUMBER, parse
from assembler.language.graph_lines import parse_header, parse_line, parse_sources
from assembler.language.names import require_ascii
from assembler.language.recipe import INFER, Block, Graph, Layer, Named, Source, Stack, Wire, chain
from assembler.language.tree import MAX_NESTING
from assembler.words import suggestion


def parse_stack(items: object, key: str = "stack") -> Stack:
    """Read the value of ``stack``: a string, or a list of strings and of mappings of a layer to its arguments.

    ``{Dense: {in_channels: 8, out_channels: 128}}``, ``{Dense: [8, 128]}`` and ``{Centered: null}`` are mappings.
    An argument ``{stack: …}`` is layers. ``{stem: Dense(8, 128) + ReLU}`` is an item with a name.

    Raises:
        GrammarError, Mistakes: as :func:`parse`.
    """
    if isinstance(items, str):
        return parse(items, key)
    if not isinstance(items, Sequence):
        raise GrammarError(f"a stack is a string or a list, not {_kind(items)}{_as_list(items)}", Place(key=key))
    if not items:
        raise GrammarError("the stack is empty; it needs at least one layer", Place(key=key))
    parts: list[Stack] = []
    mistakes: list[AssemblerError] = []
    for index, item in enumerate(items):
        with noted(mistakes):
            parts.append(_item(item, f"{key}[{index}]"))
    words = " ".join(mistake.message for mistake in mistakes)
    if "is never closed" in words and "unmatched" in words:
        raise GrammarError("YAML split this list at the commas inside brackets; quote its items", Place(key=key))
    raise_all(mistakes)
    return chain(parts)


def _as_list(items: object) -> str:
    """How to write a mapping of layers as a list: ``{Dense: [8, 4], ReLU: null}``."""
    names = [str(name) for name in items] if isinstance(items, Mapping) else []
    return f"; write each layer with a dash: - {names[0]}: …" if names and names[0][:1].isupper() else ""


def is_name(name: str) -> bool:
    """Whether a recipe may define a name, and a stack use it."""
    return name.isidentifier() and name not in CONSTANTS and name != "_" and not keyword.iskeyword(name)


def require_name(name: str, key: str) -> str:
    """A name that a recipe may define.

    Raises:
        GrammarError: it cannot be written in a stack.
    """
    if not is_name(name):
        raise GrammarError(f"{name!r} cannot be used as a name", Place(key=key))
    return name


def parse_graph(said: object, key: str = "graph", inputs: Sequence[str] = ("input",), outputs: object = None) -> Graph:
    """Read a graph: lines of ``name: layer @ source``, as a mapping.

    Args:
        inputs: names of the inputs.
        outputs: a source, or a list of sources, as strings; by default the last line.

    Raises:
        GrammarError, Mistakes: lines that cannot be parsed, unknown sources, and unused wires.
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
            body, sources = (
                parse_line(text, place.key, known) if isinstance(text, str) else (parse_part(text, place.key), ())
            )
            if not sources:
                if len(wires) == 0 and len(inputs) > 1:
                    message = (
                        f"the graph has several inputs; specify one or more: @ {inputs[0]}, or @ ({', '.join(inputs)})"
                    )
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
    beside = f"{key.removesuffix('graph')}outputs"  # recipe.graph → recipe.outputs
    is_one = isinstance(outputs, str)
    emits = [outputs] if isinstance(outputs, str) else _names(outputs, beside, "outputs") if outputs is not None else []
    for index, text in enumerate(emits):
        with noted(mistakes):
            for source, element, where in parse_sources(text, beside if is_one else f"{beside}[{index}]"):
                with noted(mistakes):
                    _require_source(source, where, known, names)
                emitted.append((source, element))
                used.add(source)
    if not mistakes:
        mistakes += [
            GrammarError(
                f"{name!r} is not used; use it as a source, or add it to the outputs", Place(key=f"{key}.{name}")
            )
            for name in [*inputs, *names]
            if name not in used
        ]
    raise_all(mistakes)
    return Graph(tuple(inputs), tuple(wires), tuple(emitted), Place(key=key))


def _names(said: object, key: str, what: str) -> list[str]:
    """A list of at least one string."""
    if isinstance(said, str) or not isinstance(said, Sequence):
        raise GrammarError(f"{what} must be a list of names, not {_kind(said)}", Place(key=key))
    if not said:
        raise GrammarError(f"{what} must be at least one name", Place(key=key))
    for index, name in enumerate(said):
        if not isinstance(name, str):
            raise GrammarError(f"{name!r} is not a name", Place(key=f"{key}[{index}]"))
    return list(said)


def _require_wire(name: str, inputs: Collection[str], place: Place) -> None:
    if not name.isidentifier() or name in CONSTANTS or name == "_":
        raise GrammarError(f"{name!r} is not a valid name of a wire", place)
    require_ascii(name, place)
    if name in inputs:
        raise GrammarError(f"{name!r} is the name of an input; rename this line", place)


def _require_source(name: str, place: Place, known: Collection[str], names: Collection[str]) -> None:
    if name not in known:
        below = " It is defined below; a line can only use lines above it." if name in names else ""
        raise GrammarError(f"no wire named {name!r}.{below or suggestion(name, known)}", place)


def parse_block(header: str, body: object, key: str) -> Block:
    """Read a block: ``ConvNorm(channels, kernel=3)`` and the layers that it expands to.

    Raises:
        GrammarError, Mistakes: as :func:`parse`.
    """
    return parse_header(header, parse_part(body, key), key)


def parse_part(body: object, key: str) -> Stack:
    """Layers in any YAML form: a string, a list, or a mapping ``{graph: …}``, ``{stack: …}`` or of one layer."""
    if isinstance(body, Mapping) and "graph" in body:
        if extra := set(body) - {"graph", "inputs", "outputs"}:
            raise GrammarError(
                f"'graph' can be combined with 'inputs' and 'outputs' only, not {sorted(extra)[0]!r}", Place(key=key)
            )
        inputs = _names(body.get("inputs", ["input"]), f"{key}.inputs", "inputs")
        for index, name in enumerate(inputs):
            if not name.isidentifier():
                raise GrammarError(f"{name!r} is not a name", Place(key=f"{key}.inputs[{index}]"))
            if name in inputs[:index]:
                raise GrammarError(f"{name!r} appears twice", Place(key=f"{key}.inputs"))
        return parse_graph(body["graph"], f"{key}.graph", inputs, body.get("outputs"))
    if isinstance(body, Mapping) and set(body) == {"stack"}:
        return parse_stack(body["stack"], f"{key}.stack")
    if isinstance(body, Mapping):
        return _item(body, key)
    return parse_stack(body, key)


def _item(item: object, key: str) -> Stack:
    if isinstance(item, str):
        return parse(item, key)
    if isinstance(item, Mapping) and "graph" in item:
        return parse_part(item, key)
    if not isinstance(item, Mapping) or len(item) != 1 or not isinstance(name := next(iter(item)), str):
        raise GrammarError(
            f"an item of a stack is a string or a mapping of one layer to its arguments, not {_kind(item)}",
            Place(key=key),
        )
    inside, key = item[name], f"{key}.{name}"
    if not all(part.isidentifier() for part in name.split(".")):
        for_after = name.startswith("for ") and isinstance(inside, str)
        instead = f"write ({inside} {name}) as a string" if for_after else "remove the colon after it"
        raise GrammarError(f"{name!r} is not a valid name of a layer; {instead}", Place(key=key))
    if isinstance(inside, str) or (isinstance(inside, Mapping) and ("graph" in inside or set(inside) == {"stack"})):
        return _named(name, inside, key)
    place = Place(key=key)
    if inside is None:
        return Layer(name, place=place)
    if isinstance(inside, Mapping):
        kwargs = tuple((str(word), parse_value(value, f"{key}.{word}")) for word, value in inside.items())
        return Layer(name, (), kwargs, place, tuple(Place(key=f"{key}.{word}") for word in inside))
    if isinstance(inside, Sequence) and not isinstance(inside, str):
        args = tuple(parse_value(value, f"{key}[{index}]") for index, value in enumerate(inside))
        return Layer(name, args, (), place, tuple(Place(key=f"{key}[{index}]") for index in range(len(args))))
    raise GrammarError(f"the arguments of {name} are a mapping or a list, not {_kind(inside)}", place)


def _named(name: str, body: object, key: str) -> Stack:
    """An item with a name: ``{layer1: 3 * Unit(64)}``, ``{layer1: {stack: […]}}`` or ``{layer1: {graph: …}}``."""
    require_ascii(require_name(name, key), Place(key=key))
    try:
        return Named(name, parse_part(body, key), Place(key=key))
    except GrammarError as error:
        if isinstance(body, str) and error.message.startswith("expected a layer"):
            error.message += f"; arguments of a layer are a list: {{{name}: [8, 4]}}"
        raise


def parse_value(value: object, key: str, depth: int = 0) -> Any:
    """An argument written in YAML: data unchanged, ``{stack: …}`` as layers."""
    if depth > MAX_NESTING:
        raise GrammarError(f"nested more than {MAX_NESTING} deep", Place(key=key))
    if isinstance(value, Mapping):
        if "graph" in value:
            return parse_part(value, key)
        if "stack" in value:
            if len(value) > 1:
                message = "'stack' cannot be combined with other keys; if YAML split its string at a comma, quote it"
                raise GrammarError(message, Place(key=key))
            inside = value["stack"]
            return parse_stack(inside if isinstance(inside, str | list) else [inside], f"{key}.stack")
        return {name: parse_value(item, f"{key}.{name}", depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [parse_value(item, f"{key}[{index}]", depth + 1) for index, item in enumerate(value)]
    if value == "None":
        raise GrammarError("'None' is a string in YAML; write null", Place(key=key))
    if type(value) is int and abs(value) > MAX_NUMBER:
        raise GrammarError("integer too large; the limit is 2**63", Place(key=key))
    return INFER if value == "_" else value


def _kind(value: object) -> str:
    """The YAML type of a value, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the string {value if len(value) <= 40 else value[:40] + '…'!r}"
    if isinstance(value, Mapping):
        return "a mapping" if len(value) == 1 else f"a mapping of {len(value)} keys"
    return "a list" if isinstance(value, Sequence) else type(value).__name__
