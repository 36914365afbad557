"""``run``, ``check``, ``plan``, ``export``, ``eject``, ``bench``, ``sweep``: the application of run.py, in any folder.

Each translates its words into overrides of Hydra. Hydra is imported only then.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import typer

from assembler.analysis.project import Project
from assembler.commands.project import ConfigDir, complete_recipe
from assembler.errors import SettingsError, UnknownLayer
from assembler.hydra_edge.arguments import overrides_first
from assembler.reading.recipe_files import merged_recipe
from assembler.reading.recipe_paths import recipe_at, typed_path
from assembler.registry.names import find_recipe, is_name

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME|FILE|STACK|KEY=VALUE",
        hidden=True,  # the help of the command explains them
        autocompletion=complete_recipe,
    ),
]
InputShape = Annotated[
    str, typer.Option("--input", metavar="SIZES", help="Shape of the input, the batch first: 4,8.", show_default=False)
]

RUNS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "run": ((), "Run a recipe; without another task, check it."),
    "plan": (("task=plan",), "Print shapes, sizes and costs, without weights."),
    "check": (("task=check",), "Assemble a recipe, call it and check it."),
    "bench": (("task=bench",), "Measure a recipe's time and memory."),
    "export": (("task=export",), "Write a model as MINDIR or ONNX."),
    "eject": (("task=eject",), "Write a recipe as a Python file for MindSpore."),
    "sweep": (("-m",), "Run all combinations of values: seed=1,2,3."),
}
"""Command → the arguments that it adds, and its help."""

_WORDS = """

\b
NAME          a recipe of conf/recipe/ or of those that ship: lenet5
FILE          a recipe file, or a network file of YOLO: nets/mine.yaml
STACK         layers in quotes: "Dense(8, 128) + Centered" --input 4,8
KEY=VALUE     any value of the configuration: seed=1 recipe.params.width=32

All groups and keys: assembler run -h. Options of Hydra are passed on. `python run.py recipe=NAME` is the same program.
"""


def commands() -> list[Callable[..., None]]:
    """The functions of these commands, named as they are."""
    return [_command(name, added, does) for name, (added, does) in RUNS.items()]


def _command(name: str, added: Sequence[str], does: str) -> Callable[..., None]:
    def run(words: Words = None, input: InputShape = "", config_dir: ConfigDir = None) -> None:
        project = Project.at(config_dir)
        project.put_first()
        begin([*arguments(words or (), input, project), *added], project)

    run.__name__, run.__doc__ = name, does + _WORDS
    return run


def begin(typed: Sequence[str], project: Project) -> None:
    """Run Hydra's application with these arguments, and exit."""
    from assembler.hydra_edge.primary import primary_of
    from assembler.hydra_edge.versions import main
    from assembler.launch import launch

    sys.argv[1:] = typed
    vars(task)["project"] = project.home  # whose layers jobs need
    launch(main(*primary_of(project.folder))(task))


def task(config: Any) -> float:
    """The task function: run one composed configuration."""
    from assembler.launch import job

    return job(config)


# ---- words → overrides


def arguments(words: Sequence[str], shape: str, project: Project) -> list[str]:
    """The arguments for Hydra.

    Args:
        words: as typed: a recipe or none, overrides, and options of Hydra.
        shape: the shape of the input, ``4,8``; empty if it is the recipe's own.

    >>> arguments(["lenet5", "mode=graph"], "", Project(None))
    ['recipe=lenet5', 'mode=graph']

    Raises:
        SettingsError: the first word is neither a recipe nor an override; there are two recipes; or the shape is
            missing or wrong.
    """
    words = overrides_first(words)
    given = [word for word in takewhile(lambda word: not word.startswith("-"), words) if not is_override(word)]
    if len(given) > 1:
        raise SettingsError(
            f"one recipe is expected, not {' and '.join(map(repr, given))}; a stack with spaces needs quotes, and "
            "several recipes are a sweep: assembler sweep recipe=mlp,lenet5"
        )
    others = [word for word in words if word not in given]
    sizes = [f"recipe.input.shape=[{','.join(sizes_of(shape))}]"] if shape else []
    return [*(_recipe(given[0], shape, others, project) if given else []), *sizes, *others]


def is_override(word: str) -> bool:
    """Whether a word is an override: ``seed=1``, ``+recipe.checks.mean={}``, ``~recipe.expect``; no stack is."""
    return bool(re.match(r"[+~]*[\w./@:-]+=|[+~]", word))


def sizes_of(shape: str) -> list[str]:
    """``4,8``, ``[4, 8]`` or ``4x8`` → ``["4", "8"]``.

    Raises:
        SettingsError: it is something else.
    """
    if not re.fullmatch(r"[\[(]?\s*\d+(\s*[,x]\s*\d+)*,?\s*[\])]?", shape):
        raise SettingsError(f"--input: a shape is a list of integers such as 4,8, not {shape!r}")
    return re.findall(r"\d+", shape)


def _recipe(word: str, shape: str, others: Sequence[str], project: Project) -> list[str]:
    """The overrides that choose a recipe, or several: ``mlp,lenet5``."""
    if files := _files(word, project):
        return [f"recipe={','.join(files)}", *(_without_sizes(files.values(), project) if shape else [])]
    if is_name(word):
        _require_layer(word, project)  # the shape of an unknown layer is not what is missing
    if not shape and not any(one.lstrip("+").startswith(("recipe.input.", "recipe.input=")) for one in others):
        raise SettingsError("a stack needs the shape of its input: --input 4,8")
    return ["recipe=inline", f"recipe.stack={quoted(word, always=True)}"]


def _require_layer(word: str, project: Project) -> None:
    """Raise an error that says where recipes and layers were searched, if no layer has this name."""
    try:
        project.registry.find(word)
    except UnknownLayer as error:
        beside = Path("conf", "recipe", f"{word}.yaml")
        if folder := next((folder for folder in Path.cwd().parents if (folder / beside).is_file()), None):
            there = f" There is one in {folder}; run the command there, or with --config-dir {folder / 'conf'}."
        elif "Did you mean" in error.message:
            there = ""
        elif project.folder is None:
            there = " This folder has no conf with recipes of its own."
        else:
            there = f" Recipes are those in {project.folder / 'recipe'} and those that ship."
        raise UnknownLayer(error.message.replace("no layer", "no recipe or layer", 1) + there) from None


def _files(word: str, project: Project) -> dict[str, Path]:
    """Choice of a recipe, as Hydra reads it → its file; empty for a stack.

    Raises:
        SettingsError: there is no such file; and as ``find_recipe``.
    """
    found: dict[str, Path] = {}
    is_file = word.endswith((".yaml", ".yml")) and recipe_at(word, Path.cwd()) is not None
    parts = [word] if is_file else word.split(",")
    if not all(is_name(part) or part.endswith((".yaml", ".yml")) for part in parts):
        return {}
    for part in parts:
        if part.endswith((".yaml", ".yml")):
            if (file := recipe_at(part, Path.cwd())) is None:
                raise SettingsError(f"there is no file {part}")
            found[quoted(typed_path(file))] = file
        elif named := find_recipe(part, project.recipes, project.registry):
            found[quoted(part)] = named
    return found if len(found) == len(parts) else {}


def _without_sizes(files: Iterable[Path], project: Project) -> list[str]:
    """The overrides that drop what recipes expect of sizes that follow from their own inputs."""
    from assembler.pipeline import OF_INPUT

    expected = [merged_recipe(file, project.folders).get("expect") or {} for file in files]
    return [f"~recipe.expect.{name}" for name in OF_INPUT if all(name in expect for expect in expected)]


def quoted(text: str, *, always: bool = False) -> str:
    """A string as Hydra's grammar reads it: in double quotes, unless it needs none.

    A backslash is an escape only in front of a quote, or at the end.

    >>> print(quoted("nets/a b.yaml"), quoted("nets/a.yaml"), quoted("null"))
    "nets/a b.yaml" nets/a.yaml "null"
    """
    is_value = text.lower() in ("null", "true", "false", "nan", "inf")
    if not always and not is_value and re.fullmatch(r"[A-Za-z_./][\w./-]*", text, re.ASCII):
        return text
    return '"' + re.sub(r'(\\*)("|\Z)', lambda found: found[1] * 2 + ('\\"' if found[2] else ""), text) + '"'
