"""The arguments of a layer or a block as written, in a call or as a YAML mapping, and where others may be added.

::

    Dense(_, 3, has_bias=False)    → count 2, names ("has_bias",)
    - Dense: {in_channels: _}      → count 0, names ("in_channels",)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assembler.analysis.document import Document
from assembler.analysis.regions import Region
from assembler.analysis.tokens import Token, tokens_of

_OPEN, _CLOSE = ("(", "[", "{"), (")", "]", "}")


@dataclass(frozen=True, slots=True)
class Written:
    """Arguments as they are written.

    Args:
        name: of the layer or the block.
        count: how many have no name; None if ``*`` spreads a list.
        names: of the others.
        at: offset where another can be written; None if there is no simple one.
        form: the text of others there, around ``{}``, which are joined by ``joint``.
        sign: between the name and the value of an argument.
    """

    name: str
    count: int | None
    names: tuple[str, ...]
    at: int | None = None
    form: str = "{}"
    joint: str = ", "
    sign: str = "="

    def given(self, takes: Sequence[str]) -> set[str]:
        """The names of the arguments that are written, of those that the layer takes."""
        return {*self.names, *takes[: self.count or 0]}

    def text(self, values: Mapping[str, str]) -> str:
        """What adds arguments at ``at``."""
        return self.form.replace("{}", self.joint.join(f"{name}{self.sign}{value}" for name, value in values.items()))


def written_at(document: Document, offset: int) -> Written | None:
    """The arguments of the layer whose name begins at an offset.

    They are none, with a place for the first, where only the name is written.
    """
    if (key := _key_at(document, offset)) is not None:
        return _in_mapping(document, key)
    text = document.text
    name = next((token for token in tokens_of(text[offset : _end(document, offset)]) if token.kind == "name"), None)
    if name is None or name.start > 0:
        return None
    start = offset + name.end
    if text[start : start + 1] != "(":
        return Written(name.text, 0, (), start, "({})")
    return _in_call(text, name.text, start + 1)


def written_around(document: Document, offset: int) -> Written | None:
    """The arguments among which one begins at an offset."""
    if (key := _key_at(document, offset)) is not None:
        owner = next((one for one in document.regions if one.path == key.path[:-1]), None)
        return _in_mapping(document, owner) if owner is not None and owner.key[0] < owner.key[1] else None
    region = document.at(offset)
    call = document.spot(region, offset).call if region is not None else None
    return _in_call(document.text, call.name, call.start) if call is not None else None


def _key_at(document: Document, offset: int) -> Region | None:
    return next((one for one in document.regions if one.key[0] == offset < one.key[1]), None)


def _end(document: Document, offset: int) -> int:
    region = document.at(offset)
    return region.value[1] if region is not None else len(document.text)


def _in_call(text: str, name: str, start: int) -> Written | None:
    """The arguments of a call, which begin at an offset; None if it is never closed."""
    arguments: list[list[Token]] = [[]]
    depth = 0
    for token in tokens_of(text[start:]):
        sign = token.text if token.kind == "sign" else ""
        if sign in _CLOSE and depth == 0:
            return _of_arguments(name, arguments, start + token.start)
        depth += (sign in _OPEN) - (sign in _CLOSE)
        if sign == "," and depth == 0:
            arguments.append([])
        else:
            arguments[-1].append(token)
    return None


def _of_arguments(name: str, arguments: list[list[Token]], end: int) -> Written:
    is_comma_last = not arguments[-1]
    arguments = [one for one in arguments if one]
    names = [one[0].text for one in arguments if [token.text for token in one[1:2]] == ["="]]
    is_spread = any(one[0].text in ("*", "**") for one in arguments)
    form = "{}" if not arguments else " {}" if is_comma_last else ", {}"
    return Written(name, None if is_spread else len(arguments) - len(names), tuple(names), end, form)


def _in_mapping(document: Document, owner: Region) -> Written:
    """The arguments in the value of a key: a mapping in flow or block form, or nothing yet."""
    text, name = document.text, owner.path[-1]
    start, end = owner.value
    inside = [one for one in document.regions if one.path[:-1] == owner.path]
    keys = [one for one in inside if one.key[0] < one.key[1]]
    names = tuple(one.path[-1] for one in keys)
    if keys and text[start:end].startswith("{"):
        return Written(name, 0, names, keys[0].key[0], "{}, ", sign=": ")
    if keys:
        first = keys[0].key[0]
        line = text.rfind("\n", 0, first) + 1
        indent, end_of_line = text[line:first], "\r\n" if text[line - 2 : line] == "\r\n" else "\n"
        at = first if line > owner.key[0] and not indent.strip() else None
        return Written(name, 0, names, at, "{}" + end_of_line + indent, end_of_line + indent, ": ")
    if not inside and text[start:end] == "":
        return Written(name, 0, (), text.find(":", owner.key[1]) + 1, " {{}}", sign=": ")
    if text[start:end] == "{}":
        return Written(name, 0, (), start + 1, sign=": ")
    return Written(name, None, ())
