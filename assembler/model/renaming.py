"""Rules of ``weights.rename``: the names of a file's arrays, as the rules or a mapping file change them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assembler.errors import AssemblerError, ParameterError, Place, raise_all
from assembler.model import naming
from assembler.model.naming import Assignment
from assembler.model.stored import ArraySpec
from assembler.words import closest

Rules = Mapping[str, str | None] | naming.NameMapping
"""Names in the file → names in the model, with ``*``; or what a mapping file has."""


@dataclass(frozen=True)
class Renamed:
    """The arrays of a file by their new names.

    Args:
        arrays: those that are not skipped.
        given: assignments that the rules decide.
        equal: arrays that are stored twice, as a mapping file has them.
        skipped: names in the file that the rules skip.
        came: new name → name in the file.
    """

    arrays: Mapping[str, ArraySpec]
    given: tuple[Assignment, ...] = ()
    equal: tuple[tuple[str, str], ...] = ()
    skipped: tuple[str, ...] = ()
    came: Mapping[str, str] = field(default_factory=dict)

    def original(self, mapping: naming.NameMapping) -> naming.NameMapping:
        """The mapping of a whole file, by the names in the file."""
        found = mapping.renamed(self.came)
        return naming.NameMapping(
            found.assignments, (*self.skipped, *found.skipped), found.equal, found.left, found.lacking
        )


def renamed(
    arrays: Mapping[str, ArraySpec], rules: Rules, parameters: Collection[str], path: Path, place: Place
) -> Renamed:
    """Apply rules to the names of a file.

    Args:
        parameters: of the model: a rule that leads to one decides an assignment.
        path: the file, for messages.
        place: of the rules, for messages.

    Raises:
        ParameterError, Mistakes: a rule has no effect, or two arrays would have one name.
    """
    if isinstance(rules, naming.NameMapping):
        return _by_mapping(arrays, rules, parameters, path, place)
    found, came = _by_patterns(arrays, rules, path, place)
    given = tuple(Assignment((new,), new) for new, name in came.items() if new != name and new in parameters)
    used = set(came.values())
    return Renamed(found, given, skipped=tuple(name for name in arrays if name not in used), came=came)


def _by_mapping(
    arrays: Mapping[str, ArraySpec], rules: naming.NameMapping, parameters: Collection[str], path: Path, place: Place
) -> Renamed:
    sources = [*rules.skipped, *(source for one in rules.assignments for source in one.sources)]
    sources += [name for pair in rules.equal for name in pair]
    wrong = [_unused(name, arrays, path, place) for name in dict.fromkeys(sources) if name not in arrays]
    for one in rules.assignments:
        if one.target not in parameters:
            names = closest(one.target, parameters) or list(parameters)[:5]
            wrong.append(ParameterError(f"the model has no {one.target!r}; it has {', '.join(names)}", place))
    raise_all(wrong)
    skipped = {*rules.skipped, *(copy for copy, _ in rules.equal)}
    left = {name: spec for name, spec in arrays.items() if name not in skipped}
    return Renamed(left, rules.assignments, rules.equal, rules.skipped, {name: name for name in arrays})


def _by_patterns(
    arrays: Mapping[str, ArraySpec], rename: Mapping[str, str | None], path: Path, place: Place
) -> tuple[dict[str, ArraySpec], dict[str, str]]:
    """The arrays by their new names, and the new names → those in the file."""
    rules = [(pattern, _as_regex(pattern), new) for pattern, new in rename.items()]
    used: set[str] = set()
    found: dict[str, ArraySpec] = {}
    came: dict[str, str] = {}
    for name, spec in arrays.items():
        new: str | None = name
        for pattern, regex, said in rules:
            if match := regex.fullmatch(name):
                used.add(pattern)
                new = None if said is None else _filled(said, match.groups())
                break
        if new is None:
            continue
        if new in found:
            raise ParameterError(f"{came[new]} and {name} would both be {new}", place)
        found[new], came[new] = spec, name
    unused = [pattern for pattern in rename if pattern not in used]
    raise_all([_unused(pattern, arrays, path, place) for pattern in unused])
    return found, came


def _unused(pattern: str, arrays: Collection[str], path: Path, place: Place) -> AssemblerError:
    names = closest(pattern, arrays) or list(arrays)[:5]
    said = f"{pattern!r} matches nothing in {path}, which has {', '.join(names)}{', …' if len(arrays) > 5 else ''}"
    return ParameterError(said, Place(key=f"{place.key}.{pattern}") if place.key else place)


def _as_regex(pattern: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(map(re.escape, pattern.split("*"))))


def _filled(name: str, parts: Sequence[str]) -> str:
    """The name with each ``*`` replaced by the text that it matched."""
    pieces = name.split("*")
    fill = [*parts, *[""] * len(pieces)][: len(pieces) - 1]
    return "".join(piece + part for piece, part in zip(pieces, [*fill, ""], strict=True))
