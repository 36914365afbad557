"""YAML files, read within limits.

The result is plain data, as Hydra's own reader understands it. The limits are checked before any data is built, so that
the cost of a file is proportional to its size.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from assembler.errors import Place, SettingsError, Span
from assembler.files import short
from assembler.reading.texts import kept_per_file, read_bytes, with_line_feeds

MAX_BYTES = 2**20
"""Size of one file."""
MAX_VALUES = 50_000
"""Keys and values in one file; the content of an alias counts each time."""
MAX_DEPTH = 60
"""Nesting depth of mappings and lists."""
MAX_DIGITS = 100
"""Characters of one number."""


def read_yaml(file: Path) -> Any:
    """The data of a YAML file, as Hydra's own reader understands it, but within limits.

    Raises:
        SettingsError: it cannot be read, is too large, or has tags.
    """
    return parse_yaml(_text_of(file), file)


def compose_yaml(file: Path) -> tuple[str, yaml.Node | None]:
    """The text of a YAML file, and its nodes with their places. No mapping has a duplicate key.

    Each file is composed once, until it changes.

    Raises:
        SettingsError: as ``read_yaml``.
    """
    try:
        return _composed(file)
    except (OSError, ValueError) as error:
        raise SettingsError(getattr(error, "strerror", None) or str(error), at_file(file)) from None


@kept_per_file
def _composed(file: Path) -> tuple[str, yaml.Node | None]:
    text = _text_of(file)
    with _told(text, file):
        _hold_bounds(_events(text, file), file)
        return text, yaml.compose(_named(text, file), _Composer)


def _text_of(file: Path) -> str:
    try:
        content = read_bytes(file, MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise SettingsError(getattr(error, "strerror", None) or str(error), at_file(file)) from None
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{short(file)} is larger than {MAX_BYTES:,} bytes", _unnamed(file))
    try:
        return with_line_feeds(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{short(file)} is not UTF-8 text: {_of_encoding(error)}", _unnamed(file)) from None


def _of_encoding(error: UnicodeDecodeError) -> str:
    """Where a text is not UTF-8, and what to do."""
    line = error.object.count(b"\n", 0, error.start) + 1
    return f"line {line} has the byte 0x{error.object[error.start]:02x}, as in GBK or Latin-1; save the file as UTF-8"


def at_file(file: Path) -> Place:
    """The place of a file as a whole."""
    return Place(label=short(file), span=Span(file))


def _unnamed(file: Path) -> Place:
    """The place of a file that the message names itself."""
    return Place(span=Span(file))


def parse_yaml(text: str, file: Path) -> Any:
    """The data of a YAML text.

    Args:
        file: its name, for messages.

    Raises:
        SettingsError: as ``read_yaml``.
    """
    with _told(text, file):
        _hold_bounds(_events(text, file), file)
        return _loaded(text, file, _Loader)


@contextmanager
def _told(text: str, file: Path) -> Iterator[None]:
    """Raise a ``SettingsError`` that explains why a text cannot be read."""
    try:
        yield
    except yaml.YAMLError as error:
        raise yaml_error(_pythons_error(text, file) or error) from None
    except (ValueError, RecursionError) as error:  # 0b_, or !!str of a mapping
        raise SettingsError(f"{short(file)} cannot be read: {error}", _unnamed(file)) from None


def _named(text: str, file: Path) -> io.StringIO:
    stream = io.StringIO(text)
    vars(stream)["name"] = str(file)  # shown in the marks of messages
    return stream


def _events(text: str, file: Path) -> Iterator[yaml.Event]:
    """YAML's events, which need no more memory than the text."""
    return yaml.parse(_named(text, file), _FAST)


def _hold_bounds(events: Iterator[yaml.Event], file: Path) -> None:
    """Refuse texts that expand far beyond their size, and everything in YAML that is not plain data.

    Raises:
        SettingsError: it is refused.
        yaml.YAMLError: the text cannot be read.
    """
    values = 0
    open_nodes: list[tuple[str | None, int]] = []  # each with its anchor, and the number of values before it
    sizes: dict[str, int] = {}
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = values - before
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise SettingsError(f"*{event.anchor} is inside the value that it refers to", _at(event, file))
            if event.anchor not in sizes:
                mark: Any = event.start_mark
                raise yaml.composer.ComposerError(None, None, f"found undefined alias {event.anchor!r}", mark)
            values += sizes[event.anchor]
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            _hold_node(event, file)
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((event.anchor, values - 1))
            elif event.anchor is not None:
                sizes[event.anchor] = 1
        if values > MAX_VALUES:
            raise SettingsError(f"{short(file)} expands to more than {MAX_VALUES:,} values", _unnamed(file))
        if len(open_nodes) > MAX_DEPTH:
            raise SettingsError(f"nested more than {MAX_DEPTH} deep", _at(event, file))


def _hold_node(event: Any, file: Path) -> None:
    if event.tag is not None:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        raise SettingsError(f"tags such as {tag} are not supported; use quotes for a string", _at(event, file))
    is_plain = isinstance(event, yaml.ScalarEvent) and not event.style
    if is_plain and len(event.value) > MAX_DIGITS and _NUMBER.fullmatch(event.value):
        raise SettingsError(f"a number has more than {MAX_DIGITS} digits", _at(event, file))


_NUMBER = re.compile(r"[-+]?[.0-9][-+.0-9_:eExXa-fA-FoO]*")


def _at(event: yaml.Event, file: Path) -> Place:
    mark: Any = event.start_mark
    return _place(file, mark.line, mark.column)


def _place(file: Path, line: int, column: int, shown: str | None = None) -> Place:
    """The place of one character, with its line."""
    span = Span(file, line, column, line, column + 1)
    label = f"{short(file)}:{line + 1}:{column + 1}"
    return Place(label=label, shown=shown, indent=column, end=1, span=span)


def _loaded(text: str, file: Path, loader: Any) -> Any:
    reader = loader(_named(text, file))
    try:
        return reader.get_single_data()
    finally:
        reader.dispose()


def _pythons_error(text: str, file: Path) -> yaml.YAMLError | None:
    """The error of PyYAML's own parser for a text that libyaml cannot read: it is clearer.

    libyaml reads ahead and has limits of its own, which differ by version. So the limits of this module are checked
    again before libyaml's error is reported. Without them PyYAML's parser needs hours for a megabyte of ``[``.

    Raises:
        SettingsError: the text exceeds the limits of this module.
    """
    try:
        _hold_bounds(yaml.parse(_named(text, file), yaml.SafeLoader), file)
        yaml.compose(_named(text, file), yaml.SafeLoader)
    except yaml.YAMLError as error:
        return error
    return None


_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_FAST):
    """Reads plain data as OmegaConf does: ``1e-3`` is a number, ``2026-01-01`` a string, no key is duplicate."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """A mapping whose keys come once."""
        _refuse_duplicates(node)
        return super().construct_mapping(node, deep=deep)


class _Composer(yaml.SafeLoader):
    """Composes nodes of plain data without duplicate keys."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping whose keys come once."""
        node = super().compose_mapping_node(anchor)
        _refuse_duplicates(node)
        return node


def _refuse_duplicates(node: Any) -> None:
    """Refuse a mapping with a duplicate key; YAML itself would drop the first value."""
    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag == yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG:
            if key.value in seen:
                said = f"found duplicate key {key.value}"
                raise yaml.constructor.ConstructorError(
                    "while constructing a mapping", node.start_mark, said, key.start_mark
                )
            seen.add(key.value)


_FLOAT = r"""[-+]?(?:[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+)
|\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
|[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"""
"""OmegaConf's syntax of floats."""

_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0].rpartition(":")[2] not in ("timestamp", "float")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^(?:{_FLOAT})$", re.X), list("-+0123456789."))


def explain_yaml(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """One message for a YAML file that cannot be read: what and where."""
    return str(yaml_error(error))


def yaml_error(error: yaml.YAMLError | UnicodeDecodeError) -> SettingsError:
    """The error of a YAML file that cannot be read, with its place."""
    if isinstance(error, UnicodeDecodeError):
        return SettingsError(f"a YAML file is not UTF-8 text: {_of_encoding(error)}")
    if isinstance(error, yaml.reader.ReaderError):
        return SettingsError(f"{error.reason} at character {error.position + 1}", at_file(Path(str(error.name))))
    mark = error.problem_mark or error.context_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if mark is None:
        return SettingsError(f"a YAML file cannot be read: {error}")
    assert isinstance(error, yaml.MarkedYAMLError)
    said = ", ".join(filter(None, (error.context, error.problem)))
    if mended := _other_keyboard(error, mark):
        return mended
    if "'\\t' that cannot start any token" in said:
        said = "a tab; YAML indents with spaces"
    if "alias" in said:
        said += "; quote a string that begins with *"
    file = Path(str(mark.name))
    try:
        line = _lines(file)[mark.line]
    except (OSError, ValueError, IndexError):
        line = ""
    return SettingsError(said, _place(file, mark.line, mark.column, line))


def _lines(file: Path) -> list[str]:
    return read_bytes(file).decode("utf-8").splitlines()


_WIDE = {"：": ":", "，": ",", "｛": "{", "｝": "}", "［": "[", "］": "]", "“": '"', "”": '"', "　": " "}
"""Characters of a Chinese keyboard, and YAML's."""


def _other_keyboard(error: yaml.MarkedYAMLError, mark: Any) -> SettingsError | None:
    """The error of a colon that YAML does not read as one: ``stack：ReLU``, ``stack:ReLU``; None for others."""
    file = Path(str(mark.name))
    first = error.context_mark.line if error.context_mark else mark.line
    try:
        lines = _lines(file)[: mark.line + 1]
    except (OSError, ValueError):
        return None
    for number, line in list(enumerate(lines))[first:]:
        wide = re.search(f"[{''.join(_WIDE)}]", line)
        close = re.match(r"\s*(?:- )?[A-Za-z_]\w*(:)[^\s:]", line) if "expected ':'" in str(error.problem) else None
        if wide is None and close is None:
            continue
        column = wide.start() if wide else close.start(1) if close else 0
        said = f"{wide[0]} is not ASCII; write {_WIDE[wide[0]]}" if wide else "a space is missing after ':'"
        return SettingsError(said, _place(file, number, column, line))
    return None


# ---- where a key stands
