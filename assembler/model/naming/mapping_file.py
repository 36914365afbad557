"""``mapping.yaml``: the mapping of a file as text that can be read, corrected and used for the next load.

::

    - {source: layer1.0.conv1.weight, target: 4.inner.0.weight}
    - {source: h.0.attn.c_attn.weight, target: 2.query.weight, transform: 'transposed, rows 0:768'}
    - {source: bn1.num_batches_tracked, target: null}
    - {source: lm_head.weight, target: null, equal: wte.weight}
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from assembler.errors import ParameterError
from assembler.model.naming.mapping import Assignment, NameMapping, Transform
from assembler.reading.yaml_files import read_yaml

_BEGINNING = "# Which array of the file became which parameter; weights.rename=mapping.yaml loads a file in this way.\n"


def to_yaml(mapping: NameMapping) -> str:
    """The text of a mapping file."""
    return _BEGINNING + "".join(f"- {_flow(entry)}\n" for entry in entries(mapping))


def entries(mapping: NameMapping) -> list[dict[str, Any]]:
    """The mapping as plain data: one entry per parameter, and one per array that is for none."""
    found: list[dict[str, Any]] = []
    for one in mapping.assignments:
        source = one.sources[0] if len(one.sources) == 1 else list(one.sources)
        transform = {"transform": str(one.transform)} if str(one.transform) else {}
        found.append({"source": source, "target": one.target, **transform})
    found += [{"source": copy, "target": None, "equal": used} for copy, used in mapping.equal]
    return found + [{"source": name, "target": None} for name in (*mapping.skipped, *mapping.left)]


def _flow(entry: dict[str, Any]) -> str:
    return yaml.safe_dump(
        entry, default_flow_style=True, sort_keys=False, width=float("inf"), allow_unicode=True
    ).strip()


def read_mapping(path: Path) -> NameMapping:
    """The mapping of a mapping file.

    Raises:
        SettingsError: it cannot be read.
        ParameterError: an entry is wrong.
    """
    data = read_yaml(path)
    if not isinstance(data, list):
        raise ParameterError(f"{path} must be a list of entries such as {{source: conv1.weight, target: 0.weight}}")
    assignments: list[Assignment] = []
    skipped: list[str] = []
    equal: list[tuple[str, str]] = []
    for number, entry in enumerate(data, start=1):
        sources = _sources(path, number, entry)
        target = entry.get("target")
        if target is not None:
            try:
                transform = Transform.read(entry.get("transform", ""))
            except ParameterError as error:
                raise ParameterError(f"{path}, entry {number}: {error.message}") from None
            assignments.append(Assignment(sources, target, transform))
        elif "equal" in entry:
            equal.append((sources[0], entry["equal"]))
        else:
            skipped.extend(sources)
    _require_one_each(path, assignments)
    used = {source for one in assignments for source in one.sources}
    for name in [*skipped, *(copy for copy, _ in equal)]:
        if name in used:
            raise ParameterError(f"{path} has {name} with a target, and with target: null; keep one of both")
    for copy, name in equal:
        if name not in used:
            raise ParameterError(f"{path}: {copy} is equal to {name}, which has no target")
    return NameMapping(tuple(assignments), tuple(skipped), tuple(equal))


def _sources(path: Path, number: int, entry: Any) -> tuple[str, ...]:
    """The names in the file of one entry, all of whose keys have the right types."""
    instead = "write {source: conv1.weight, target: 0.weight}, with a transform where one is needed"
    keys = {"source", "target", "transform", "equal"}
    if not isinstance(entry, dict) or not {"source", "target"} <= entry.keys() <= keys:
        raise ParameterError(f"{path}, entry {number}: {instead}")
    source = entry["source"]
    sources = tuple(source) if isinstance(source, list) else (source,)
    texts = [*sources, *(entry[key] for key in ("transform", "equal") if key in entry)]
    texts += [entry["target"]] if entry["target"] is not None else []
    if not sources or not all(isinstance(text, str) for text in texts):
        raise ParameterError(f"{path}, entry {number}: names must be strings; {instead}")
    idle = "equal" if entry["target"] is not None else "transform"
    if idle in entry:
        kind = "target: null" if idle == "equal" else "a target"
        raise ParameterError(f"{path}, entry {number}: {idle!r} is for entries with {kind}")
    return sources


def _require_one_each(path: Path, assignments: list[Assignment]) -> None:
    counts = Counter(one.target for one in assignments)
    twice = [target for target, count in counts.items() if count > 1]
    if twice:
        raise ParameterError(f"{path} has {counts[twice[0]]} entries for {twice[0]}; keep one")
