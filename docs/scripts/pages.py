"""The pages of docs/reference/, which are generated: from the settings, the command line, the recipes, the errors.

python docs/scripts/pages.py    writes them; so does each build of the site
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import gallery
from markdown_parts import joined

ROOT = Path(__file__).parents[2]


@cache
def all_pages() -> Mapping[str, str]:
    """File name → its text: the pages, and the pictures of the gallery."""
    return {**{name: make() for name, make in MAKERS.items()}, **gallery.pictures()}


def write_all(folder: Path) -> None:
    """Write the pages; a file that is as it should be is left alone, so that a watching server does not start again."""
    for name, text in all_pages().items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


# ---- links between files of the repository and pages of the site

PAGES = {
    "README.md": "index.md",
    "SECURITY.md": "reference/security.md",
    "CHANGELOG.md": "reference/changelog.md",
    "editors/README.md": "reference/editors.md",
}
"""Files beside docs/ that are pages of the site."""


def with_links_of_the_site(markdown: str, page: str) -> str:
    """A page whose links out of docs/ lead to pages of the site; those to code become code.

    Args:
        page: its path below docs/.

    >>> with_links_of_the_site("[what holds](../SECURITY.md), [layers](../layers)", "recipes.md")
    '[what holds](reference/security.md), layers (`layers`)'
    """
    up = "../" * page.count("/")

    def led(link: re.Match[str]) -> str:
        file, _, anchor = link["path"].removeprefix("../" * (page.count("/") + 1)).partition("#")
        if file not in PAGES:
            return f"{link['text']} (`{file}`)"
        return f"[{link['text']}]({up}{PAGES[file]}{f'#{anchor}' if anchor and file != 'README.md' else ''})"

    outside = re.escape("../" * (page.count("/") + 1))
    return re.sub(rf"(?<!!)\[(?P<text>[^]]+)\]\((?P<path>{outside}[\w./#-]+)\)", led, markdown)


def moved(name: str) -> str:
    """A file beside docs/ as a page in docs/reference/."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.sub(r"\]\((?:\.\./)?docs/", "](../", text)


# ---- configuration


def configuration() -> str:
    """All keys of conf/ with their values, from the models that read them."""
    from assembler import settings

    parts = [
        "# Configuration",
        "These keys are set in `conf/` or on the command line: `assembler run mlp seed=1 weights.save=mlp.ckpt`. "
        "A key below another is joined by a dot.",
        "## A run",
        _table(settings.Settings),
        *_section("weights", settings.WeightSettings),
        *_section("device", settings.DeviceSettings),
        *_section("checks", settings.CheckSettings),
        *_section("show", settings.ShowSettings),
        *_section("sweep", settings.SweepSettings),
        "## task",
    ]
    for task in get_args(get_args(settings.TaskSettings)[0]):
        parts += [
            f"### task={get_args(task.model_fields['name'].annotation)[0]}",
            _described(task),
            _table(task, {"name"}),
        ]
    parts += ["## recipe", _described(settings.RecipeSettings), _table(settings.RecipeSettings)]
    parts += _section("recipe.input", settings.Input, level=3)
    parts += _section("recipe.expect", settings.Expect, level=3)
    parts += ["## registry.SCOPE.NAME", "An entry of a registry file: of a class.", _table(settings.EntrySettings)]
    parts += ["Of a function.", _table(settings.FunctionSettings)]
    parts += ["## pyproject.toml", "Keys of `[tool.assembler]`.", _table(settings.ProjectSettings)]
    return joined(parts)


def _section(name: str, model: Any, level: int = 2) -> list[str]:
    return [f"{'#' * level} {name}", _described(model), _table(model)]


def _described(model: Any) -> str:
    return inspect.cleandoc(model.__doc__).replace("``", "`")


def _table(model: Any, without: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    from assembler.views.schema.words import DESCRIPTIONS

    rows = [
        f"| `{name}` | {_values(field.annotation)} | {_default(field)} | {DESCRIPTIONS[f'{model.__name__}.{name}']} |"
        for name, field in model.model_fields.items()
        if name not in without
    ]
    return "\n".join(["| key | values | default | meaning |", "| --- | --- | --- | --- |", *rows]) if rows else ""


def _values(annotation: Any) -> str:
    """The values of a key in words.

    >>> _values(int | None), _values(list[str])
    ('an integer, null', 'a list: a string')
    """
    from typing import Annotated, Literal

    if get_origin(annotation) is Annotated:
        return _values(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in (list, tuple):
        inner = next(one for one in get_args(annotation) if one is not ...)
        return f"a list: {_values(inner)}"
    if get_args(annotation) and get_origin(annotation) is not dict:
        return ", ".join(dict.fromkeys(map(_values, get_args(annotation))))
    words = {int: "an integer", float: "a number", bool: "`true`, `false`", str: "a string", type(None): "null"}
    return words.get(annotation, "any" if annotation is Any else "a mapping")


def _default(field: Any) -> str:
    from assembler.validation import Model

    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Model):
        return "see below"
    words = {None: "", True: "`true`", False: "`false`"}
    return words[value] if isinstance(value, bool | None) else f"`{list(value) if isinstance(value, tuple) else value}`"


# ---- command line


def commands() -> str:
    """The help of every command, from Typer."""
    from typer.main import get_command

    from assembler.commands.app import app

    root: Any = get_command(app)
    parts = ["# Command line", "`assembler COMMAND --help` prints the same."]
    for name, command in _commands(root, "assembler"):
        context = command.context_class(command, info_name=name, terminal_width=100, max_content_width=100)
        parts += [f"## {name}", f"```text\n{command.get_help(context)}\n```"]
    return joined(parts)


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for key, command in group.commands.items():
        yield f"{name} {key}", command
        if hasattr(command, "commands"):
            yield from _commands(command, f"{name} {key}")


# ---- errors and Python


def errors() -> str:
    """The tree of errors, and a line on each."""
    from assembler import errors as module

    tree = inspect.cleandoc(module.__doc__ or "").partition("::\n\n")[2].partition("\n\n")[0]
    classes = [one for one in vars(module).values() if inspect.isclass(one) and issubclass(one, module.AssemblerError)]
    rows = [f"| `{one.__name__}` | {_described(one).partition(chr(10))[0]} |" for one in classes]
    return joined(
        [
            "# Errors",
            "Every error that the assembler raises on purpose is an `AssemblerError`. Its message names what is wrong, "
            "the place, and what to write instead. All errors of a recipe are reported at once.",
            "On the command line, an error ends the run with exit code 2. A check that fails ends it with exit code 1.",
            f"```text\n{inspect.cleandoc(tree)}\n```",
            "\n".join(["| error | meaning |", "| --- | --- |", *rows]),
            "`assembler.AssemblerError` is public; the others are in `assembler.errors`.",
        ]
    )


def python_api() -> str:
    """The public functions and classes; mkdocstrings fills in their docstrings."""
    import assembler
    from assembler import checks, sweeps

    parts = ["# Python API", "[Public names](../api.md) lists all names that keep their meaning."]
    for name in ("plan", "assemble", "describe", "recipes", "register", "Registry"):
        home = assembler._HOME[name]
        parts.append(_documented(f"assembler.{name}", f"{home}.{'Registry.' if name == 'register' else ''}{name}"))
    for module in (checks, sweeps):
        for name in sorted(module.__all__):
            one = getattr(module, name)
            if (inspect.isclass(one) or inspect.isfunction(one)) and one.__doc__:
                parts.append(_documented(f"{module.__name__}.{name}", f"{one.__module__}.{one.__name__}"))
    return joined(parts)


def _documented(name: str, target: str) -> str:
    """A directive of mkdocstrings: a public name, and the module where it is at home."""
    return f"::: {target}\n    options: {{heading: {name}, toc_label: {name}, members: false}}"


MAKERS = {
    "configuration.md": configuration,
    "commands.md": commands,
    "errors.md": errors,
    "python.md": python_api,
    "gallery.md": gallery.page,
    "security.md": lambda: moved("SECURITY.md"),
    "changelog.md": lambda: moved("CHANGELOG.md"),
    "editors.md": lambda: moved("editors/README.md"),
}
"""Page → the function that writes it."""


if __name__ == "__main__":
    write_all(ROOT / "docs" / "reference")
