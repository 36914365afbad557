"""``textDocument/codeAction``: what mends an error at the cursor, and ``expect`` from the plan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assembler.analysis.files import kind_of
from assembler.analysis.regions import regions_of
from assembler.editor.features.common import file_of
from assembler.editor.features.here import Here
from assembler.editor.lines import Lines
from assembler.editor.workspace import Workspace
from assembler.errors import Mend
from assembler.planning.plan import Plan
from assembler.planning.specs import Specs


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
    text = lines.text
    written = text[start:end]
    word = re.match(r"[\w.]+", written)
    name = {"start": lines.at(start), "end": lines.at(start + len(word[0]))} if word else where
    if word and word[0] == mend.old:
        yield f"Write {mend.new}", name, mend.new
    for suggestion in data.get("suggestions", ()):
        if word and re.fullmatch(r"[\w./]+", suggestion) and f"'{word[0]}'" in message:
            yield f"Write {suggestion}", name, suggestion
    yield from _expected(lines, end, mend)
    if mend.arguments and word:
        entry = Here(workspace, file, start).entry(word[0])
        infer = entry.infer if entry is not None else {}
        values = {name: "_" if name in infer else "0" for name in mend.arguments}
        yield from _with_arguments(lines, text, start + len(word[0]), values)


def _expected(lines: Lines, end: int, mend: Mend) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What the plan has instead of a value of ``expect``, whose key ends at an offset."""
    if not mend.old:
        return
    value = re.compile(rf"\s*:\s*({re.escape(mend.old)})").match(lines.text, end)
    if value is not None:
        where = {"start": lines.at(value.start(1)), "end": lines.at(value.end(1))}
        yield f"Expect {mend.new}", where, mend.new


def _with_arguments(
    lines: Lines, text: str, after: int, values: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Arguments that a call lacks: ``_`` where it may be, else 0, to be replaced."""
    written = ", ".join(f"{name}={value}" for name, value in values.items())
    title = f"Write {' and '.join(values)}"
    if text[after : after + 1] != "(":
        at = lines.at(after)
        yield title, {"start": at, "end": at}, f"({written})"
        return
    depth = 0
    for offset in range(after, len(text)):
        depth += (text[offset] in "([{") - (text[offset] in ")]}")
        if depth == 0:
            at = lines.at(offset)
            yield title, {"start": at, "end": at}, written if text[after + 1 : offset].strip() == "" else f", {written}"
            return


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
