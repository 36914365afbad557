"""``textDocument/codeAction``: what mends an error at the cursor, and ``expect`` from the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from assembler.analysis.calls import written_around, written_at
from assembler.analysis.files import kind_of
from assembler.analysis.regions import is_in_flow, regions_of
from assembler.editor.features.common import file_of
from assembler.editor.features.here import Here
from assembler.editor.lines import Lines
from assembler.editor.workspace import Workspace
from assembler.errors import Mend
from assembler.planning.plan import Plan
from assembler.planning.specs import Specs
from assembler.words import suggested, suggestion

_LAYERS = {"inner"}
"""Required arguments that are layers."""


def code_actions(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """The changes that mend the errors of a range, the most likely first."""
    file = file_of(params)
    if file is None:
        return []
    found: list[dict[str, Any]] = []
    for diagnostic in params["context"].get("diagnostics", ()):
        for title, where, text in _mends(workspace, file, diagnostic):
            edit = {"changes": {params["textDocument"]["uri"]: [{"range": where, "newText": text}]}}
            found.append({"title": title, "kind": "quickfix", "diagnostics": [diagnostic], "edit": edit})
    if found:
        found[0]["isPreferred"] = True
    return [*found, *_expect(workspace, file, params["textDocument"]["uri"])]


def _mends(
    workspace: Workspace, file: Path, diagnostic: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The title, range and text of each change that mends an error."""
    lines, where, message = workspace.lines(file), diagnostic["range"], diagnostic["message"]
    data = diagnostic.get("data") or {}
    mend = Mend(**data.get("mend") or {})
    start, end = lines.offset(where["start"]), lines.offset(where["end"])
    here = Here(workspace, file, start)
    word = re.match(r"[\w.]+", lines.text[start:end])
    if word and word[0] == mend.old:
        yield f"Write {mend.new}", here.range(start, start + len(word[0])), mend.new
    if (name := _misspelt(here, message)) is not None:
        given = _given_around(replace(here, offset=name[0])) if re.match(r"\s*[=:]", lines.text[name[1] :]) else set()
        near = (one for one in data.get("suggestions", ()) if re.fullmatch(r"[\w./]+", one) and one not in given)
        yield from ((f"Write {one}", here.range(*name), one) for one in near)
    yield from _expected(lines, end, mend)
    if mend.arguments and word:
        yield from _with_arguments(here, mend.arguments)


def _misspelt(here: Here, message: str) -> tuple[int, int] | None:
    """The offsets of the name that an error has suggestions for: at its place, or once in the value of a key there.

    Of some errors only the key is known, or the block that is called.
    """
    text, start = here.document.text, here.offset
    said = re.search(r"'([^'\s]+)'", message)
    word = re.compile(r"[\w.]+").match(text, start)
    if said is None or word is None:
        return None
    if f"'{word[0]}'" in message:
        return word.span()
    call = written_at(here.document, start)
    around = [one.value for one in here.document.regions if one.key[0] == start < one.key[1]]
    begin, end = around[0] if around else (start, call.at if call is not None and call.at is not None else start)
    found = [one.span() for one in re.finditer(rf"(?<![\w.]){re.escape(said[1])}(?![\w.])", text[begin:end])]
    return (begin + found[0][0], begin + found[0][1]) if len(found) == 1 else None


def _given_around(here: Here) -> set[str]:
    """The keys beside a misspelt one, or the arguments of its call, which cannot be given twice."""
    regions = here.document.regions
    key = next((one for one in regions if one.key[0] == here.offset < one.key[1]), None)
    beside = {one.path[-1] for one in regions if key is not None and one.path[:-1] == key.path[:-1]}
    call = written_around(here.document, here.offset)
    return beside | (call.given(list(here.takes(call.name))) if call is not None else set())


def _expected(lines: Lines, end: int, mend: Mend) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What the plan has instead of a value of ``expect``, whose key ends at an offset."""
    if not mend.old:
        return
    value = re.compile(rf"\s*:\s*({re.escape(mend.old)})").match(lines.text, end)
    if value is not None:
        where = {"start": lines.at(value.start(1)), "end": lines.at(value.end(1))}
        yield f"Expect {mend.new}", where, mend.new


def _with_arguments(here: Here, missing: Iterable[str]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Arguments that a layer or a block lacks: ``_`` where it may be, else 0, to be replaced.

    Not layers, which 0 never is, and not those that are there with another spelling, of which there is an error, too.
    """
    call = written_at(here.document, here.offset)
    if call is None or call.at is None:
        return
    takes = list(here.takes(call.name))
    entry = here.entry(call.name) if here.block(call.name) is None else None
    misspelt = {near for name in call.names if name not in takes for near in suggested(suggestion(name, takes))[:1]}
    values = {
        name: "_" if entry is not None and name in entry.infer else "0"
        for name in missing
        if name not in misspelt and not (entry is not None and name in _LAYERS)
    }
    if values and set(values) <= set(takes):  # else the place is only that of a key around it
        yield f"Write {' and '.join(values)}", *_inserted(here, call.at, call.text(values))


def _inserted(here: Here, at: int, text: str) -> tuple[dict[str, Any], str]:
    """The edit that inserts a text; one with commas needs quotes around a value in flow style, where they end it."""
    region, written = here.region, here.document.text
    is_key = region is None or region.key[0] <= here.offset < region.key[1]
    if region is None or is_key or "," not in text or not is_in_flow(written, region, here.document.regions):
        return here.range(at, at), text
    start, end = region.value
    value = f"{written[start:at]}{text}{written[at:end]}".replace("'", "''")
    return here.range(start, end), f"'{value}'"


def _expect(workspace: Workspace, file: Path, uri: str) -> Iterator[dict[str, Any]]:
    """The sizes of the plan as ``expect``, for a recipe without it."""
    opened = workspace.open.get(file)
    if opened is None or opened.analysis is None or opened.analysis.plan is None or kind_of(file) != "recipe":
        return
    text = opened.lines.text
    keys = [region for region in regions_of(text) if len(region.path) == 1]
    is_block = bool(keys) and keys[0].key[0] == text.rfind("\n", 0, keys[0].key[0]) + 1
    if not is_block or ("expect",) in {one.path for one in keys} or re.search(r"^(\.\.\.|---)", text, re.MULTILINE):
        return
    planned: Plan = opened.analysis.plan
    end = "\r\n" if "\r\n" in text else "\n"
    begin = "" if text.endswith("\n") else end
    output = f", output: {_shapes(planned.output)}" if planned.output is not None else ""
    sizes = f"trainable: {planned.trainable}, parameters: {planned.parameters}{output}"
    at = opened.lines.at(len(text))
    edit = {"range": {"start": at, "end": at}, "newText": f"{begin}expect: {{{sizes}}}{end}"}
    yield {"title": "Add expect with the sizes of the plan", "kind": "refactor", "edit": {"changes": {uri: [edit]}}}


def _shapes(output: Specs) -> str:
    """A shape as YAML, or a list of shapes."""
    specs = output if isinstance(output, tuple) else (output,)
    shapes = [_shapes(one) if isinstance(one, tuple) else str(list(one.shape)) for one in specs]
    return f"[{', '.join(shapes)}]" if isinstance(output, tuple) else shapes[0]
