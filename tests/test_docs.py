"""What README and docs show is run, and shows what a run prints."""

import re
import shlex
import subprocess
import sys

import pytest
import yaml

from assembler.checks import CHECKS
from assembler.settings import EntrySettings, Expect, Input
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
RECIPES = (ROOT / "docs" / "recipes.md").read_text()


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands():
    """(arguments, what the README shows of their output) of each line that starts run.py."""
    for block in blocks(README, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            command = line.rpartition("&& ")[2].split("  #")[0]
            if command.startswith("python run.py"):
                yield shlex.split(command)[2:], shown


COMMANDS = list(commands())


def without_figures(text):
    """Rounding differs between machines in the last digits, and may be none; layout and everything else may not."""
    text = re.sub(r"(│ export\.\w+ +│ passed │ )(0 {7}|\d\.\d+e-\d+) │", r"\1#.##e-## │", text)
    text = re.sub(r"\d\.\d+e-\d+", "#.##e-##", "\n".join(line.rstrip() for line in text.splitlines()))
    return re.sub(r"^left in \S+$", "left in …", text, flags=re.MULTILINE)


@pytest.mark.parametrize(("arguments", "shown"), COMMANDS, ids=[" ".join(case[0]) for case in COMMANDS])
def test_a_command_of_the_readme_runs_and_prints_what_is_shown(run, arguments, shown):
    if any(argument.startswith("weights.load=") for argument in arguments):  # what the command above it leaves
        run("recipe=mylinear", "weights.save=mylinear.safetensors", "checks=none")
    quick = ["task.memory=false"] if "task=bench" in arguments else []  # tests/test_bench.py looks at that
    done = run(*arguments, *quick)
    if shown.startswith("override"):
        assert (done.code, done.err) == (2, shown)
        return
    assert (done.code, done.err) == (0, "")
    if shown:
        assert without_figures(done.out) == without_figures(shown)


def test_the_readme_shows_the_commands_that_matter():
    shown = [" ".join(arguments) for arguments, _ in COMMANDS]
    assert len(shown) >= 15
    assert "" in shown
    assert "-m hydra/launcher=joblib sweep.name=seeds recipe=mlp seed=range(8)" in shown


def test_the_readme_shows_what_was_measured():
    figures = README.split("## What it costs", 1)[1].split("\n## ", 1)[0]
    assert len(re.findall(r"\| \d\.\d\dx \(\d\.\d\d to \d\.\d\d\) \|", figures)) == 14


@pytest.mark.parametrize("shown", [block for block in blocks(README, "yaml") if block.startswith("# conf/")])
def test_the_recipe_in_the_readme_is_the_one_that_ships(shown):
    file = shown.splitlines()[0].removeprefix("# ")
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / file).read_text())


def test_the_diagram_in_the_readme_is_what_a_run_leaves(run):
    (shown,) = blocks(README, "mermaid")
    assert (run("recipe=mlp", "task=plan").folder / "diagram.mmd").read_text() == shown


def test_the_docs_list_what_a_diagram_holds():
    from dataclasses import fields

    from assembler.views.diagram import Diagram, Edge, Group, Node

    (told,) = re.findall(r"^`diagram` is .*?\n\n", (ROOT / "docs" / "result.md").read_text(), re.MULTILINE | re.DOTALL)
    names = {field.name for one in (Diagram, Node, Edge, Group) for field in fields(one)}
    kinds = {"input", "output", "layer", "merge", "folded", "more"}
    assert set(re.findall(r"`([a-z]+)`", told)) == names | kinds | {"diagram"}


def test_what_the_readme_says_of_parameters_holds():
    from assembler import plan

    (shown,) = [block for block in blocks(README, "yaml") if block.startswith("init:")]
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


@pytest.mark.parametrize("code", blocks(README, "python"))
def test_the_python_of_the_readme_runs(code, tmp_path):
    (tmp_path / "example.py").write_text(code)
    subprocess.run([sys.executable, "-W", "ignore", "example.py"], cwd=tmp_path, check=True)


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
    config = next(block for block in blocks(RECIPES, "yaml") if block.startswith("# my_conf/config.yaml"))
    own_check, script = blocks(RECIPES, "python")
    checks = next(block for block in blocks(RECIPES, "yaml") if "my_project.checks" in block)
    trust = next(block for block in blocks(RECIPES, "toml") if "trusted" in block)
    files = {
        "my_conf/config.yaml": config,
        "my_conf/registry/mine.yaml": registry,
        "my_conf/recipe/my_recipe.yaml": f"input: {{shape: [4, 8]}}\nstack: {STACK}\n{checks}",
        "my_project/__init__.py": "",
        "my_project/checks.py": own_check,
        "my_project/layers.py": LAYERS,
        "pyproject.toml": trust,
        "own.py": script,
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
    arguments = ["registry=[mindspore,layers,mine]", "recipe=my_recipe", f"mode={mode}", "checks=full"]
    ours = run("--config-dir", "my_conf", *arguments)
    assert (ours.code, ours.err) == (0, "")
    theirs = run(*arguments, script=project / "own.py")
    assert (theirs.code, theirs.err) == (0, "")
    assert "99 trainable parameters" in theirs.out
    assert "│ my_project.checks.sums_to_one │ passed │" in " ".join(theirs.out.split())
    wrong = run(*arguments, "recipe.stack=Gat", script=project / "own.py")
    assert wrong.err.startswith("override recipe.stack=Gat: no layer named 'Gat'. Did you mean 'Gate'")


def test_a_mistake_in_a_registry_file_has_its_line(run, project):
    file = project / "my_conf" / "registry" / "mine.yaml"
    file.write_text(file.read_text().replace("layers.Gate", "layers.Gat"))
    done = run("--config-dir", "my_conf", "registry=[mindspore,layers,mine]", "recipe=my_recipe")
    assert (done.code, done.err) == (
        2,
        "my_conf/registry/mine.yaml:3:1: 'my_project.layers' has no 'Gat'. Did you mean 'Gate'?\n"
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
    assert set(rows("The registry")) == set(EntrySettings.model_fields)


def test_the_docs_of_the_design_list_every_module():
    from tests.test_floors import FLOORS

    design = (ROOT / "docs" / "design.md").read_text()
    listed = re.findall(r"^\| \d \| `([\w/]+)`", design, re.MULTILINE)
    assert sorted(name.strip("/") for name in listed) == sorted(" ".join(FLOORS).split())


def test_the_tables_of_the_language_hold():
    from assembler.binding import MAX_LAYERS
    from assembler.grammar import MAX_NESTING, MAX_OPERATORS, MAX_TEXT, parse

    limits = f"{MAX_TEXT:,} characters, {MAX_NESTING} brackets deep and {MAX_OPERATORS} operators in one text"
    assert f"{limits}; {MAX_LAYERS:,} layers in one model" in RECIPES
    texts = [text for row in rows("stack").values() for text in re.findall(r"`([^`]+)`", row[0])]
    assert len(texts) >= 8
    for text in texts:
        parse(text)


def test_the_table_of_our_layers_names_them_all():
    from assembler.registry import LAYERS

    told = {name for row in rows("Layers of ours").values() for name in re.findall(r"`(\w+)", row[0])}
    assert told == {name for name, entry in LAYERS.items() if entry.scope == "registry.layers"}
