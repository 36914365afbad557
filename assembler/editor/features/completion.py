"""``textDocument/completion`` and ``completionItem/resolve``: what may be written at the cursor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assembler.editor.features.choices import Choice, choices_at
from assembler.editor.features.here import Here
from assembler.editor.features.registry_choices import registry_choices
from assembler.editor.features.signatures import is_imported, signature_of
from assembler.editor.workspace import Workspace
from assembler.registry.documentation import documentation

MAX_ITEMS = 200
"""Items of one answer; the editor asks again while a name is typed."""


def completion(workspace: Workspace, params: Mapping[str, Any]) -> Any:
    """What may be written at the cursor, the closest first; nothing where the place is not understood."""
    here = Here.of(workspace, params, in_registry=True)
    if here is None:
        return None
    text = here.document.text
    written = re.search(r"[\w.]*$", text[: here.offset], re.ASCII)
    start = written.start() if written else here.offset
    end = here.offset + len(re.match(r"\w*", text[here.offset :])[0])  # type: ignore[index]
    prefix = text[start : here.offset].casefold()
    is_registry = here.file.parent.name == "registry"
    found = registry_choices(here, text[start : here.offset]) if is_registry else choices_at(here, text[:start])
    choices = [one for one in found if prefix in one.label.casefold()]
    choices.sort(key=lambda one: (not one.label.casefold().startswith(prefix), one.rank))
    shown = choices[:MAX_ITEMS]
    where = here.range(start, end)
    is_written = text[end:].lstrip(" ").startswith(("=", ":"))  # a name that stays has its sign already
    items = [_item(here, one, index, where, is_written) for index, one in enumerate(shown)]
    return {"isIncomplete": len(choices) > len(shown), "items": items}


def _item(here: Here, choice: Choice, index: int, where: dict[str, Any], is_written: bool) -> dict[str, Any]:
    text = choice.insert or choice.label
    entry = here.entry(choice.layer) if choice.layer and not choice.detail else None
    known = entry is not None and is_imported(entry)
    about = choice.about or (documentation(entry).split("\n")[0] if entry is not None and known else "")
    item = {
        "label": choice.label,
        "kind": choice.kind,
        "sortText": f"{index:04}",
        "detail": signature_of(entry) if entry is not None and known else choice.detail,
        "textEdit": {"range": where, "newText": text.rstrip("=: ") if is_written else text},
    }
    if about:
        item["documentation"] = about
    if choice.layer:
        item["data"] = {"layer": choice.layer, "file": str(here.file)}
    return item


def resolve(workspace: Workspace, item: Mapping[str, Any]) -> Any:
    """An item of a layer with its signature and documentation."""
    data = item.get("data")
    if not isinstance(data, Mapping) or not data.get("layer"):
        return dict(item)
    entry = Here(workspace, Path(data["file"]), 0).entry(data["layer"])
    if entry is None:
        return dict(item)
    about = {"kind": "markdown", "value": documentation(entry)}
    return {**item, "detail": signature_of(entry), "documentation": about}
