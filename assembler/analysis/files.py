"""What kind a file is, and which files its plan depends on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from assembler.analysis.project import Project
from assembler.errors import AssemblerError
from assembler.reading.recipe_files import load_recipe, recipe_files
from assembler.reading.recipe_paths import find_network
from assembler.reading.texts import first_line, read_bytes, with_line_feeds
from assembler.reading.yaml_files import MAX_BYTES
from assembler.settings import RecipeSettings
from assembler.yolo import network_files
from assembler.yolo.header import MINDYOLO_KEYS, ULTRALYTICS_KEYS

Kind: TypeAlias = Literal["recipe", "blocks", "registry"]
"""What a file is read as. A network file of MindYOLO or Ultralytics is a recipe."""

_FOLDERS = ("recipe", "blocks", "registry")
"""The folders of a project's files, and the schemas of such files."""

_KEYS = {*RecipeSettings.model_fields, *MINDYOLO_KEYS, *ULTRALYTICS_KEYS, "__BASE__"}
_SCHEMA = re.compile(r"^#\s*yaml-language-server:\s*\$schema=\S*assembler/schemas/(\w+)\.json", re.MULTILINE)
_REGISTRY = re.compile(r"#\s*@package\s+registry\b")
_SECTION = re.compile(r"^(?![\s#\-{}\[\]%])([^\n:]+):(?=\s|$)([^\n]*(?:\n(?=[\s#-]|$)[^\n]*)*)", re.MULTILINE)
"""A key in the first column and its value, also below it."""
_ENTRY = re.compile(r"\s*(?:\{\s*)?(?:target|function)\b|\s*\w+\.[a-z]")
"""In a registry: the target of a name."""
_LAYERS = re.compile(r"\A\s*\Z|[A-Z+*@]|\w\(")
"""In a stack or a graph: layers, or nothing yet."""
_ROWS = re.compile(r"\A\s*(?:#[^\n]*\n\s*)*(?:\Z|\[\s*\[|-\s*(?:\[|\Z))")
"""In a backbone or a head: rows, or none yet."""
_NETWORK = re.compile(r"(?:^|[{,])[ \t]*(?:backbone|head|\w+_multiple)[ \t]*:", re.MULTILINE)
"""In a network in MindYOLO's form: rows or sizes."""


def kind_of(file: Path) -> Kind:
    """The kind of a file: by its folder, or by the first line of a registry.

    Raises:
        OSError: it cannot be read.
    """
    match file.resolve().parent.name:
        case "registry":
            return "registry"
        case "blocks":
            return "blocks"
    return "registry" if _REGISTRY.match(first_line(find_network(file)[0])) else "recipe"


def is_known(file: Path) -> bool:
    """Whether a YAML file is the assembler's, by its folder and outer keys. Its text need not be valid YAML yet.

    Other YAML files are open in an editor, too, and the other groups of ``conf/`` are Hydra's. A file in a folder
    ``recipe``, ``blocks`` or ``registry`` is the assembler's unless most of its keys are foreign, as in
    ``recipe/meta.yaml`` of conda. Another file needs layers, a schema of the assembler, or a registry's first line.

    Raises:
        OSError: it cannot be read.
    """
    return _standing(file, read_bytes(file, MAX_BYTES).decode("utf-8", errors="replace")) == "known"


def is_foreign(file: Path, text: str) -> bool:
    """Whether a file is another program's, so that nothing is suggested in it. An empty text is not."""
    return _standing(file, text) == "foreign"


def _standing(file: Path, text: str) -> Literal["known", "open", "foreign"]:
    file = file.resolve()
    folder = file.parent.name
    text = with_line_feeds(text).replace("\r\n", "\n")
    if schema := _SCHEMA.search(text):
        return "known" if schema[1] in _FOLDERS else "foreign"
    if re.match(r"#\s*@package\b", text) and folder not in _FOLDERS:
        return "known" if _REGISTRY.match(text) else "foreign"
    sections = [(name.strip().strip("'\""), value) for name, value in _SECTION.findall(text)]
    sections = [one for one in sections if one[0] not in ("name", "defaults")]  # many programs have these
    own = [one for one in sections if _is_own(folder, *one)]
    is_mostly_own = 2 * len(own) >= len(sections)
    if folder in _FOLDERS or (own and "recipe" in file.parts):
        is_known = is_mostly_own or _has_rows(sections)
    else:
        is_known = _has_rows(sections) or (is_mostly_own and _has_stack(own))
    return "known" if is_known else "open" if is_mostly_own else "foreign"


def _is_own(folder: str, name: str, value: str) -> bool:
    """Whether a key may be one of a recipe or a network, or of the files in a folder ``blocks`` or ``registry``."""
    match folder:
        case "blocks":
            return re.match(r"[A-Z]|\w+\(", name) is not None or re.search(r"\w\(", value) is not None
        case "registry":
            return re.match(r"[A-Z]", name) is not None or _ENTRY.match(value) is not None
    return name in _KEYS


def _has_rows(sections: Sequence[tuple[str, str]]) -> bool:
    """Whether there are the rows of a network file, or the sizes of a network; such files have many other keys."""
    patterns = {"backbone": _ROWS, "head": _ROWS, "network": _NETWORK}
    return any(name in patterns and patterns[name].search(value) for name, value in sections)


def _has_stack(sections: Sequence[tuple[str, str]]) -> bool:
    """Whether a stack or a graph has layers, or none yet, or is beside the input of a recipe."""
    found = [value for name, value in sections if name in ("stack", "graph")]
    has_input = any(name in ("input", "inputs") for name, _ in sections)
    return any(has_input or _LAYERS.search(value) for value in found)


MAX_FOLDERS = 10_000
MAX_YAML = 2_000
"""How much of a folder is searched for recipes."""


def including(folder: Path) -> Iterator[Path]:
    """The YAML files below a folder that include others by ``defaults``, except those of other programs.

    Hidden folders and environments of Python are left out, and what is beyond 10,000 folders or 2,000 files.
    """
    for file in islice(_yaml_files(folder), MAX_YAML):
        with suppress(OSError, AssemblerError):
            said = read_bytes(file, MAX_BYTES)
            if b"defaults" in said and not is_foreign(file, said.decode("utf-8", errors="replace")):
                yield file


def _yaml_files(folder: Path) -> Iterator[Path]:
    for path, folders, files in islice(os.walk(folder), MAX_FOLDERS):
        is_environment = "pyvenv.cfg" in files
        folders[:] = (
            [] if is_environment else sorted(one for one in folders if not one.startswith((".", "node_modules")))
        )
        if not is_environment:
            yield from (Path(path, one) for one in sorted(files) if one.endswith((".yaml", ".yml")))


def files_of(file: Path, project: Project) -> list[Path]:
    """The files that a recipe's plan depends on."""
    taken_up: list[Path] = []
    with suppress(AssemblerError):  # `analyse` reports it
        taken_up = [path for paths in recipe_files(file).values() for path in paths]
    registries = (path for paths in project.registry_files.values() for path in paths)
    network: list[Path] = []
    with suppress(AssemblerError):
        data = load_recipe(file)
        if isinstance(data, Mapping) and isinstance(data.get("file"), str):
            network = network_files(data["file"])
    return [file, *taken_up, *network, *registries]
