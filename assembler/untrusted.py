"""Recipe and block files, which may come from a stranger: read within bounds, and held to what a recipe may say.

Nothing here runs what a file says. Hydra gives some keys, headers and references a meaning of its own, up to running
code, so that a file is looked at before Hydra composes it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

import yaml

from assembler.errors import Place, SettingsError
from assembler.files import short

MAX_BYTES = 2**20
"""Size of one file."""
MAX_VALUES = 50_000
"""Keys and values in one file; what an alias stands for counts each time."""
MAX_DEPTH = 60
"""Mappings and lists inside each other."""
MAX_DIGITS = 100
"""Characters of one number."""
MAX_FILES = 20
"""Files that one recipe takes up by its ``defaults``."""
MAX_EXPANDED = 1_000_000
"""Characters and values of a recipe, each reference such as ``${recipe.params.width}`` filled in."""
MAX_REFERENCES = 20
"""References that lead to one another."""
COST_OF_REFERENCE = 200
"""What a reference counts among characters and values, for it takes that much longer."""

GROUPS = ("recipe", "blocks")
"""The folders whose files are not trusted."""


def read_yaml(file: Path) -> Any:
    """The data in a YAML file, as Hydra's own reader understands it, but within bounds.

    Raises:
        SettingsError: it cannot be read, is too large, or has tags.
    """
    return parse_yaml(_text_of(file), file)


def compose_yaml(file: Path) -> tuple[str, yaml.Node | None]:
    """The text of a YAML file, and its nodes, which know where they stand. No key comes twice in them.

    Raises:
        SettingsError: as ``read_yaml``.
    """
    text = _text_of(file)
    with _told(text, file):
        _hold_bounds(_events(text, file), file)
        return text, yaml.compose(_named(text, file), _Composer)


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{short(file)}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{short(file)} is larger than {MAX_BYTES:,} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{short(file)} is not UTF-8 text: {error}") from None


def parse_yaml(text: str, file: Path) -> Any:
    """The data in the text of a YAML file.

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
    """Tell in our words why a text cannot be read."""
    try:
        yield
    except yaml.YAMLError as error:
        raise SettingsError(explain_yaml(_in_pythons_words(text, file) or error)) from None
    except (ValueError, RecursionError) as error:  # 0b_, or !!str of a mapping
        raise SettingsError(f"{short(file)} cannot be read: {error}") from None


def _named(text: str, file: Path) -> io.StringIO:
    stream = io.StringIO(text)
    vars(stream)["name"] = str(file)  # what marks in messages say
    return stream


def _events(text: str, file: Path) -> Iterator[yaml.Event]:
    """YAML's events, which take no more memory than the text."""
    return yaml.parse(_named(text, file), _FAST)


def _hold_bounds(events: Iterator[yaml.Event], file: Path) -> None:
    """Refuse what would cost much more than the text is long, and all that YAML can say beside plain data.

    Raises:
        SettingsError: it is refused.
        yaml.YAMLError: the text cannot be read.
    """
    values = 0
    open_nodes: list[tuple[str | None, int]] = []  # each with its anchor, and how many values there were before it
    sizes: dict[str, int] = {}
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = values - before
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise SettingsError(f"*{event.anchor} stands inside of what it stands for", _at(event, file))
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
            raise SettingsError(f"{short(file)} comes to more than {MAX_VALUES:,} values")
        if len(open_nodes) > MAX_DEPTH:
            raise SettingsError(f"nested more than {MAX_DEPTH} deep", _at(event, file))


def _hold_node(event: Any, file: Path) -> None:
    if event.tag is not None:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        raise SettingsError(f"a recipe has no tags such as {tag}; quotes make a text of anything", _at(event, file))
    is_plain = isinstance(event, yaml.ScalarEvent) and not event.style
    if is_plain and len(event.value) > MAX_DIGITS and _NUMBER.fullmatch(event.value):
        raise SettingsError(f"a number of more than {MAX_DIGITS} digits", _at(event, file))


_NUMBER = re.compile(r"[-+]?[.0-9][-+.0-9_:eExXa-fA-FoO]*")


def _at(event: yaml.Event, file: Path) -> Place:
    mark: Any = event.start_mark
    return Place(label=f"{short(file)}:{mark.line + 1}:{mark.column + 1}")


def _loaded(text: str, file: Path, loader: Any) -> Any:
    reader = loader(_named(text, file))
    try:
        return reader.get_single_data()
    finally:
        reader.dispose()


def _in_pythons_words(text: str, file: Path) -> yaml.YAMLError | None:
    """What PyYAML's own parser says of a text that libyaml cannot read: it is clearer."""
    try:
        for _ in yaml.parse(_named(text, file), yaml.SafeLoader):
            pass
    except yaml.YAMLError as error:
        return error
    return None


_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_FAST):
    """Reads plain data as OmegaConf's reader does: ``1e-3`` is a number, ``2026-01-01`` a text, no key comes twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """A mapping whose keys come once."""
        _refuse_duplicates(node)
        return super().construct_mapping(node, deep=deep)


class _Composer(yaml.SafeLoader):
    """Composes nodes of plain data: no key comes twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping whose keys come once."""
        node = super().compose_mapping_node(anchor)
        _refuse_duplicates(node)
        return node


def _refuse_duplicates(node: Any) -> None:
    """Refuse a mapping with a key that comes twice, of which YAML itself would drop the first."""
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
"""What OmegaConf takes for a number with a fraction."""

_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0].rpartition(":")[2] not in ("timestamp", "float")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^(?:{_FLOAT})$", re.X), list("-+0123456789."))


def explain_yaml(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """One message for a YAML file that cannot be read: what and where."""
    if isinstance(error, UnicodeDecodeError):
        return f"a YAML file is not UTF-8 text: {error}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"{short(Path(str(error.name)))}: {error.reason} at character {error.position + 1}"
    mark = error.problem_mark or error.context_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if mark is None:
        return f"a YAML file cannot be read: {error}"
    assert isinstance(error, yaml.MarkedYAMLError)
    said = ", ".join(filter(None, (error.context, error.problem)))
    if "alias" in said:
        said += "; a text that begins with * needs quotes"
    file = Path(str(mark.name))
    try:
        line = file.read_text(encoding="utf-8").splitlines()[mark.line]
    except (OSError, ValueError, IndexError):
        line = ""
    shown = Place(line, mark.column, mark.column + 1).excerpt()
    return f"{short(file)}:{mark.line + 1}:{mark.column + 1}: {said}" + (f"\n{shown}" if shown else "")


# ---- what a recipe file may say to Hydra


def load_untrusted(file: Path) -> Any:
    """The data in a recipe or block file, which says nothing that Hydra would act upon. Nobody may change it.

    Of ``defaults``, it may take up other such files into keys below its own. References lead to what is in the recipe.
    Each file is looked at once, as long as it stays as it is.

    Raises:
        SettingsError: it cannot be read, or says more.
    """
    try:
        found = file.stat()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{short(file)}: {getattr(error, 'strerror', None) or error}") from None
    return _looked_at(file.absolute(), str(Path.cwd()), found.st_mtime_ns, found.st_size, found.st_ino)


@lru_cache(maxsize=256)
def _looked_at(file: Path, *as_it_is: Any) -> Any:
    data = read_yaml(file)
    _refuse_header(file)
    if isinstance(data, Mapping):
        for entry in _defaults(data, file):
            _hold_entry(entry, file)
        _hold_references({key: value for key, value in data.items() if key != "defaults"}, file, ())
        _hold_network(data.get("file"), file)
    elif data is not None:
        raise SettingsError(f"{short(file)}: a recipe is a mapping of keys to values, and this is none")
    return data


def _refuse_header(file: Path) -> None:
    """Refuse ``# @package``, by which Hydra puts a file's keys wherever that says."""
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    number, first = next(((number, line.strip()) for number, line in lines if line.strip()), (1, ""))
    if re.match(r"#\s*@", first):
        shown = first if len(first) <= 60 else f"{first[:57]}..."
        said = f"{shown!r}: where the keys of a recipe go is not for its file to say"
        raise SettingsError(said, Place(label=f"{short(file)}:{number}:1"))


def _defaults(data: Mapping[Any, Any], file: Path) -> list[Any]:
    entries = data.get("defaults") or []
    if not isinstance(entries, list):
        raise SettingsError(f"{short(file)}: its defaults are a list of names")
    return entries


_PART = r"[A-Za-z0-9][\w.-]*"
_NAME = rf"{_PART}(?:/{_PART})*"
_KEY = r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*"
_CHOSEN = re.compile(_NAME)
_TEXT_ENTRY = re.compile(rf"_self_|(?:/(?:{'|'.join(GROUPS)})/)?{_NAME}(?:@{_KEY})?")
_GROUP_ENTRY = re.compile(rf"(?:/(?:{'|'.join(GROUPS)})(?:/{_NAME})?|{_NAME})(?:@{_KEY})?")


def _hold_entry(entry: Any, file: Path) -> None:
    """Refuse an entry of ``defaults`` that leads elsewhere: out of the folders, or out of the recipe's keys."""
    texts: list[Any] = []
    group: Any = None
    if isinstance(entry, str):
        texts = [entry]
    elif isinstance(entry, Mapping) and len(entry) == 1:
        ((group, chosen),) = entry.items()
        texts = chosen if isinstance(chosen, list) else [chosen]
    pattern = _TEXT_ENTRY if group is None else _CHOSEN
    fits = bool(texts) and all(isinstance(text, str) and ".." not in text and pattern.fullmatch(text) for text in texts)
    if group is not None:
        fits = fits and isinstance(group, str) and ".." not in group and bool(_GROUP_ENTRY.fullmatch(group))
    if fits:
        return
    shown = repr(entry)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    instead = "takes up recipes and blocks only, as 'name' or '/blocks@blocks: name'"
    raise SettingsError(f"{short(file)}: its defaults name {shown}; a recipe {instead}")


_REFERENCE = re.compile(r"\$\{\s*(?:(\.+)|recipe(?=[.\[}\s]))([-\w.\[\]]*)\s*\}")


def _hold_references(value: Any, file: Path, keys: tuple[Any, ...]) -> None:
    """Refuse references to anything but values of the recipe: to the environment, to Hydra, to the rest."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            if key is None:
                raise SettingsError("a key is missing before a colon", _within(file, keys))
            _hold_references(inside, file, (*keys, key))
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            _hold_references(inside, file, (*keys, index))
    elif isinstance(value, str) and "${" in value:
        for start in re.finditer(r"\$\{", value):
            found = _REFERENCE.match(value, start.start())
            if found is None or len(found[1] or "") > len(keys):
                shown = value[start.start() : start.start() + 60].partition("}")[0] + "}"
                instead = "a recipe refers to its own values, as ${recipe.params.width}"
                raise SettingsError(f"{shown} leads out of the recipe; {instead}", _within(file, keys))


def _hold_network(named: Any, file: Path) -> None:
    """Refuse a network file that lies elsewhere; the command line may name any."""
    if isinstance(named, str) and (PurePath(named).is_absolute() or ".." in PurePath(named).parts):
        said = f"a recipe reads files below the working directory only, not {named[:200]}"
        raise SettingsError(said, _within(file, ("file",)))


def _within(file: Path, keys: tuple[Any, ...]) -> Place:
    return Place(label=f"{short(file)}, {'.'.join(map(str, keys))[:100]}" if keys else short(file))


# ---- references, filled in


def hold_size(recipe: Any) -> None:
    """Refuse a recipe that would grow out of bounds when its references are filled in.

    Args:
        recipe: plain data, its references as they are written.

    Raises:
        SettingsError: they lead in a circle, or it comes to more than ``MAX_EXPANDED`` characters and values.
    """
    if "${" not in str(recipe):
        return
    try:
        _Sizes(recipe).of(recipe, (), 0)
    except RecursionError:
        raise SettingsError(_GOES_ON, Place(key="recipe")) from None


_GOES_ON = f"references lead to one another more than {MAX_REFERENCES} times, or in a circle"


class _Sizes:
    """How large each value comes to be, by its keys; each is looked at once."""

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe
        self.known: dict[tuple[str, ...], tuple[int, int]] = {}

    def of(self, value: Any, keys: tuple[str, ...], depth: int) -> tuple[int, int]:
        """The characters and values that a value comes to, and how many references lead to one another in it.

        Args:
            keys: where it stands.
            depth: references that led there.
        """
        if keys in self.known:
            return self.known[keys]
        place = Place(key=".".join(("recipe", *keys)))
        size, length = 1, 0
        inside: Iterator[tuple[int, int]] = iter(())
        if isinstance(value, Mapping):
            inside = (self.of(one, (*keys, str(key)), depth) for key, one in value.items())
        elif isinstance(value, list):
            inside = (self.of(one, (*keys, str(index)), depth) for index, one in enumerate(value))
        elif isinstance(value, str):
            size += len(value)
            inside = (self._referred(target, depth) for target in self._targets(value, keys))
        for one, references in inside if depth <= MAX_REFERENCES else ():
            size, length = size + one, max(length, references)
        if depth > MAX_REFERENCES or length > MAX_REFERENCES:
            raise SettingsError(_GOES_ON, place)
        if size > MAX_EXPANDED:
            said = f"with its references filled in, it comes to more than {MAX_EXPANDED:,} characters and values"
            raise SettingsError(said, place)
        self.known[keys] = size, length
        return size, length

    def _referred(self, target: tuple[Any, tuple[str, ...]], depth: int) -> tuple[int, int]:
        size, length = self.of(*target, depth + 1)
        return size + COST_OF_REFERENCE, length + 1

    def _targets(self, text: str, keys: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
        """What a text refers to, each with where it stands."""
        for found in _REFERENCE.finditer(text):
            names = tuple(re.findall(r"[^.\[\]]+", found[2]))
            yield self._at((*keys[: len(keys) - len(found[1])], *names) if found[1] else names)

    def _at(self, keys: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
        """The value at some keys; if the way there leads through a reference, that."""
        value = self.recipe
        for count, key in enumerate(keys):
            if isinstance(value, Mapping):
                value = value.get(key, value.get(int(key)) if key.isdecimal() and len(key) < 10 else None)
            elif isinstance(value, list) and key.isdecimal() and len(key) < 10 and int(key) < len(value):
                value = value[int(key)]
            else:
                return (value, keys[:count]) if isinstance(value, str) else (None, keys)
        return value, keys
