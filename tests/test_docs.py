"""What README and docs show is run, and shows what a run prints."""

import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from assembler.analysis.project import Project
from assembler.checks import CHECKS
from assembler.commands import run as commands_of_runs
from assembler.settings import EntrySettings, Expect, FunctionSettings, Input
from tests.conftest import ROOT
from tests.test_recipes import RECIPES as RECIPE_FILES
from tests.test_recipes import command

README = (ROOT / "README.md").read_text()
TASKS = (ROOT / "docs" / "tasks.md").read_text()
ELSEWHERE = (ROOT / "docs" / "project.md").read_text()
"""A project of one's own; the other pages are about the clone."""
CLONE = f"{README}\n{TASKS}"
RECIPES = (ROOT / "docs" / "recipes.md").read_text()


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


FIRST_LINES = [(command(name), "") for name in RECIPE_FILES]
"""Commands that tests/test_recipes.py runs."""


def commands(text):
    """(arguments, what is shown of their output) of each line that starts run.py."""
    for block in blocks(text, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            command = line.rpartition("&& ")[2].split("  #")[0]
            if command.startswith("python run.py"):
                yield shlex.split(command)[2:], shown


COMMANDS = [case for case in commands(CLONE) if case not in FIRST_LINES]
STEPS, STEPS_SHOWN = zip(*commands(ELSEWHERE), strict=True)


def write_steps(folder):
    """The files that docs/project.md has a newcomer write, each named by its first line."""
    for text in (text for language in ("toml", "python", "yaml") for text in blocks(ELSEWHERE, language)):
        file = folder / text.partition("\n")[0].removeprefix("# ")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def without_figures(text):
    """Rounding differs between machines in the last digits, and may be none; layout and everything else may not."""
    text = re.sub(
        r"^(export\.\w+ +passed  )(0|\d\.\d+e-\d+) ≤ (\d\.\d+e-\d+) +", r"\1# ≤ #  ", text, flags=re.MULTILINE
    )
    text = re.sub(r"\d\.\d+e-\d+", "#.##e-##", "\n".join(line.rstrip() for line in text.splitlines()))
    return re.sub(r"^saved in \S+$", "saved in …", text, flags=re.MULTILINE)


@pytest.mark.parametrize(("arguments", "shown"), COMMANDS, ids=[" ".join(case[0]) for case in COMMANDS])
def test_a_command_of_the_readme_runs_and_prints_what_is_shown(run, arguments, shown):
    if any(argument.startswith("weights.load=") for argument in arguments):  # what the command above it leaves
        run("recipe=mylinear", "weights.save=mylinear.safetensors", "checks=none")
    if "recipe=yolo" in arguments:
        shutil.copy(ROOT / "tests" / "yolo" / "ultralytics" / "yolov8.yaml", Path.cwd())
    quick = ["task.memory=false"] if "task=bench" in arguments else []  # tests/test_bench.py looks at that
    done = run(*arguments, *quick)
    if shown.startswith("override"):
        assert (done.code, done.err) == (2, shown)
        return
    assert (done.code, done.err) == (0, "")
    if shown:
        assert without_figures(done.out) == without_figures(shown)


def shell_commands():
    """(arguments, what docs/tasks.md shows of their output) of each line that starts python -m assembler."""
    for block in blocks(CLONE, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            if line.startswith("python -m assembler"):
                yield shlex.split(line.split("  #")[0])[3:], shown


def test_the_commands_of_the_shell_run_and_print_what_is_shown(tmp_path, monkeypatch, capsys):
    from assembler.commands import project
    from assembler.commands.app import app
    from assembler.live import follow

    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    shutil.copy(ROOT / "run.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(project, "on_terminal", lambda: True)
    monkeypatch.setattr(follow, "wait", lambda changes: sys.exit(0))
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "result.json").write_text('{"status": "passed", "overrides": [], "started": ""}')
    run = []
    for arguments, shown in shell_commands():
        expanded = [word for one in arguments for word in (map(str, Path().glob(one)) if "*.yaml" in one else [one])]
        with pytest.raises(SystemExit) as stop:
            app(expanded, prog_name="assembler")
        printed = capsys.readouterr()
        assert (stop.value.code, printed.err) == (arguments[0] == "diff", "")
        if shown:
            assert without_figures(printed.out) == without_figures(shown)
        run.append(arguments[0])
    assert run == ["layers", "show", "recipes", "new", "validate", "watch", "diff", "runs"]


def package_commands():
    """(command, its words, the input's shape, what is shown of its output) of each line of README that runs a recipe."""
    for block in blocks(README, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            program, *words = shlex.split(line)
            if program == "assembler" and words[0] in commands_of_runs.RUNS:
                shape = words.pop() if "--input" in words else ""
                yield words[0], [word for word in words[1:] if word != "--input"], shape, shown


def overrides_of(name, words, shape):
    return [*commands_of_runs.arguments(words, shape, Project(None)), *commands_of_runs.RUNS[name][0]]


def test_the_commands_of_the_package_are_overrides(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "mine.yaml").write_text("input: {shape: [4, 8]}\nstack: ReLU\n")
    shutil.copy(ROOT / "tests" / "yolo" / "ultralytics" / "yolov8.yaml", tmp_path / "yolov8n.yaml")
    found = [(name, overrides_of(name, words, shape)) for name, words, shape, _ in package_commands()]
    assert {name for name, _ in found} == set(commands_of_runs.RUNS)
    assert all(overrides[0].startswith("recipe=") for _, overrides in found)


def test_the_commands_of_the_package_print_what_is_shown(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    shown_by = [case for case in package_commands() if case[3]]
    assert len(shown_by) == 2
    for name, words, shape, shown in shown_by:
        done = run(*overrides_of(name, words, shape))
        assert without_figures(done.out + done.err) == without_figures(shown)


def test_the_docs_name_what_each_dependency_is_for():
    project = (ROOT / "pyproject.toml").read_text()
    (needed,) = re.findall(r"^dependencies = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    (extras,) = re.findall(r"^\[project.optional-dependencies\]\n(.*?)\n\n", project, re.MULTILINE | re.DOTALL)
    text = (ROOT / "docs" / "install.md").read_text()
    assert re.findall(r"^\| `([\w-]+)`", text, re.MULTILINE) == re.findall(r'^ +"([\w-]+)', needed, re.MULTILINE)
    (listed,) = re.findall(r"^Extras.*$", text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", listed)) == set(re.findall(r"^(\w+) =", extras, re.MULTILINE))


def test_the_readme_shows_the_commands_that_matter():
    shown = [" ".join(arguments) for arguments, _ in COMMANDS]
    assert len(shown) >= 15
    assert "" in shown
    assert "-m hydra/launcher=joblib sweep.name=seeds recipe=mlp seed=range(8)" in shown


def test_the_docs_show_what_was_measured():
    figures = (ROOT / "docs" / "benchmarks.md").read_text()
    assert len(re.findall(r"\| \d\.\d\dx \(\d\.\d\d to \d\.\d\d\) \|", figures)) == 22


@pytest.mark.parametrize("shown", [block for block in blocks(CLONE, "yaml") if block.startswith("# conf/")])
def test_the_recipe_in_the_readme_is_the_one_that_ships(shown):
    file = shown.splitlines()[0].removeprefix("# ")
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / file).read_text())


def test_the_diagram_in_the_docs_is_what_a_run_leaves(run):
    (shown,) = blocks(TASKS, "mermaid")
    assert (run("recipe=mlp", "task=plan").folder / "diagram.mmd").read_text() == shown


def test_the_docs_list_what_a_diagram_holds():
    from dataclasses import fields

    from assembler.views.diagram import Diagram, Edge, Group, Node

    told = (ROOT / "docs" / "result.md").read_text().split("## diagram\n")[1].split("\n## ")[0]
    kept = (field for one in (Diagram, Node, Edge, Group) for field in fields(one) if field.compare)  # not paths
    names = {field.name for field in kept}
    kinds = {"input", "output", "layer", "merge", "folded", "more"}
    assert set(re.findall(r"`([a-z]+)`", told)) == names | kinds | {"diagram"}


def test_what_the_readme_says_of_parameters_holds():
    from assembler import plan

    (shown,) = [block for block in blocks(TASKS, "yaml") if block.startswith("init:")]
    stack = {"input": {"shape": [1, 1, 5, 5]}, "stack": "Conv2d(1, 4, 3, has_bias=True) + Flatten + Dense(_, 2)"}
    said = {
        name: (str(weight.rule), weight.frozen)
        for name, _, weight in plan({**stack, **yaml.safe_load(shown)}).weights()
    }
    assert said == {
        "0.weight": ("Conv2d.weight: HeNormal(mode='fan_out', nonlinearity='relu')", True),
        "0.bias": ("*.bias: zeros", True),
        "2.weight": ("None", False),
        "2.bias": ("*.bias: zeros", False),
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "code", [*blocks(CLONE, "python"), *(code for code in blocks(RECIPES, "python") if "describe" in code)]
)
def test_the_python_of_the_readme_runs(run, code, tmp_path):
    (tmp_path / "example.py").write_text(code)
    runpy.run_path(str(tmp_path / "example.py"))


@pytest.mark.slow
def test_the_steps_to_a_project_lead_to_one(run, tmp_path):
    write_steps(tmp_path)
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) == 6
    for arguments in STEPS[:2]:  # tests/test_other_project.py takes them all, where a wheel is installed
        done = run(*arguments, script=tmp_path / "run.py")
        assert (done.code, done.err) == (0, "")
        assert re.search(r"^\S+ +Gate ", done.out, re.MULTILINE)


STACKS = [block for block in blocks(RECIPES, "yaml") if re.search("^(stack|graph):", block, re.MULTILINE)]


@pytest.mark.parametrize("text", STACKS)
def test_a_recipe_in_the_docs_runs(run, tmp_path, text):
    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    (tmp_path / "conf" / "recipe" / "mine.yaml").write_text(text)
    done = run("--config-dir", "conf", "recipe=mine")
    assert (done.code, done.err) == (0, "")


@pytest.fixture
def project(tmp_path):
    """The project that docs/recipes.md describes."""
    registry = next(block for block in blocks(RECIPES, "yaml") if block.startswith("# @package registry.mine"))
    config, choices = (
        next(block for block in blocks(RECIPES, "yaml") if block.startswith(f"# conf/{name}.yaml"))
        for name in ("config", "project")
    )
    own_check = next(block for block in blocks(RECIPES, "python") if block.startswith("# my_project/checks.py"))
    script = next(block for block in blocks(ELSEWHERE, "python") if block.startswith("# run.py"))
    checks = next(block for block in blocks(RECIPES, "yaml") if "my_project.checks" in block)
    trust = next(block for block in blocks(RECIPES, "toml") if "trusted" in block)
    files = {
        "conf/config.yaml": config,
        "conf/project.yaml": choices,
        "conf/registry/mine.yaml": registry,
        "conf/recipe/my_recipe.yaml": f"input: {{shape: [4, 8]}}\nstack: {STACK}\n{checks}",
        "my_project/__init__.py": "",
        "my_project/checks.py": own_check,
        "my_project/layers.py": LAYERS,
        "pyproject.toml": trust,
        "own.py": script.replace("import layers  # they register themselves\n", ""),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


STACK = "Gate(_) + Swish + Gelu + Dense(_, 3) + Softmax"
LAYERS = """\
from mindspore import nn, ops


class Gate(nn.Cell):
    def __init__(self, channels):
        super().__init__()
        self.dense = nn.Dense(channels, channels)

    def construct(self, x):
        return x * ops.sigmoid(self.dense(x))


class Swish(nn.Cell):
    def construct(self, x):
        return x * ops.sigmoid(x)
"""


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_a_project_of_ones_own_as_the_docs_describe_it(run, project, mode):
    arguments = [f"mode={mode}"]
    ours = run("--config-dir", "conf", "registry=[mindspore,layers,mine]", "recipe=my_recipe", *arguments)
    assert (ours.code, ours.err) == (0, "")
    theirs = run(*arguments, script=project / "own.py")
    assert (theirs.code, theirs.err) == (0, "")
    assert "99 trainable parameters" in theirs.out
    assert "my_project.checks.sums_to_one passed " in " ".join(theirs.out.split())
    wrong = run(*arguments, "recipe.stack=Gat", script=project / "own.py")
    assert wrong.err.startswith("override recipe.stack=Gat: no layer named 'Gat'. Did you mean 'Gate'")


def test_a_mistake_in_a_registry_file_has_its_line(run, project):
    file = project / "conf" / "registry" / "mine.yaml"
    file.write_text(file.read_text().replace("layers.Gate", "layers.Gat"))
    done = run("--config-dir", "conf", "registry=[mindspore,layers,mine]", "recipe=my_recipe")
    assert (done.code, done.err) == (
        2,
        "conf/registry/mine.yaml:3:1: 'my_project.layers' has no 'Gat'. Did you mean 'Gate'?\n"
        "    Gate: {target: my_project.layers.Gat, infer: {channels: -1}}\n"
        "    ^^^^\n",
    )


def rows(heading):
    """First cell → second cell of the first table under a heading of docs/recipes.md."""
    part = RECIPES.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [line.strip("|").split(" | ") for line in part.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): row for row in cells}


def test_the_docs_list_every_check_with_its_arguments():
    shown = rows("checks")
    ours = {name: check for name, check in CHECKS.items() if "." not in name}
    assert set(shown) == set(ours)
    for name, check in ours.items():
        assert re.findall(r"`(\w+)`", shown[name][2]) == list(check.settings.model_fields)


def test_the_docs_list_every_key():
    assert set(rows("input")) | {"low", "high"} == set(Input.model_fields)
    assert set(rows("expect")) == set(Expect.model_fields)
    assert set(rows("The registry")) == set(EntrySettings.model_fields) | set(FunctionSettings.model_fields)


def test_the_tables_of_the_language_hold():
    from assembler.binding.bind import MAX_LAYERS
    from assembler.binding.scopes import MAX_VALUES, MAX_WITHIN
    from assembler.errors import MAX_MISTAKES
    from assembler.language.grammar import parse
    from assembler.language.tree import MAX_NESTING, MAX_OPERATORS, MAX_TEXT
    from assembler.reading.interpolation import MAX_EXPANDED, MAX_REFERENCES
    from assembler.reading.untrusted import MAX_FILES
    from assembler.reading.yaml_files import MAX_BYTES, MAX_DIGITS
    from assembler.reading.yaml_files import MAX_DEPTH as MAX_DEPTH_OF_YAML
    from assembler.reading.yaml_files import MAX_VALUES as MAX_VALUES_OF_YAML
    from assembler.runtime.limits import MAX_GIB, MAX_SECONDS

    part = RECIPES.split("## Limits\n", 1)[1].split("\n## ", 1)[0]
    for told in (
        f"{MAX_BYTES >> 20} MiB, {MAX_VALUES_OF_YAML:,} keys",
        f"{MAX_DEPTH_OF_YAML} deep, numbers of {MAX_DIGITS} digits",
        f"{MAX_FILES} files",
        f"{MAX_REFERENCES} that lead to one another, {MAX_EXPANDED:,} characters",
        f"{MAX_TEXT:,} characters, {MAX_NESTING} brackets deep, {MAX_OPERATORS} operators",
        f"{MAX_WITHIN} inside each other, {MAX_VALUES:,} values",
        f"{MAX_LAYERS:,} layers",
        f"{MAX_SECONDS} seconds, and {MAX_GIB} GiB",
        f"{MAX_MISTAKES} reported at once",
    ):
        assert told in part
    texts = [text for row in rows("stack").values() for text in re.findall(r"`([^`]+)`", row[0])]
    assert len(texts) >= 8
    for text in texts:
        parse(f"Unit({text})")  # some are values, which stand in layers


def test_the_tables_of_our_layers_and_of_functions_name_them_all():
    from assembler.registry.registry import LAYERS

    told = {name for row in rows("Layers of the assembler").values() for name in re.findall(r"`(\w+)", row[0])}
    assert told == {name for name, entry in LAYERS.items() if entry.scope == "registry.layers" or entry.inputs}
