"""``assembler run``, ``plan``, … and ``sweep``: words → overrides, and the same application as run.py, in any folder."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from assembler.analysis.project import Project
from assembler.commands import run as run_commands
from assembler.commands.app import app
from assembler.commands.init import FILES
from assembler.commands.run import RUNS, arguments, begin, quoted
from assembler.errors import AssemblerError
from assembler.registry.registry import LAYERS
from tests.conftest import ROOT
from tests.strategies import STACKS
from tests.test_docs import ELSEWHERE, blocks
from tests.test_sweeps import statuses

SMALL = "input: {shape: [4, 8]}\nstack: Dense(_, 3)\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with recipe files."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "nets/my.yaml",
        "a b.yml",
        "a,b.yaml",
        "conf/recipe/own.yaml",
        "conf/recipe/网络.yaml",
        "conf/recipe/sub/deep.yaml",
        "conf/recipe/Tanh.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(SMALL)
    shutil.copy(ROOT / "tests" / "yolo" / "ultralytics" / "yolov8.yaml", tmp_path)
    return tmp_path


INLINE = ["recipe=inline", 'recipe.stack="Dense(8, 128) + Centered"', "recipe.input.shape=[4,8]"]
TRANSLATED = [
    # what is typed, --input, and the overrides
    (["lenet5", "mode=graph"], "", ["recipe=lenet5", "mode=graph"]),
    (["mode=graph", "lenet5"], "", ["recipe=lenet5", "mode=graph"]),
    (["--config-dir", "lenet5", "seed=1"], "", ["seed=1", "--config-dir", "lenet5"]),
    (["--cfg", "job", "mlp", "-p", "mode"], "", ["recipe=mlp", "--cfg", "job", "-p", "mode"]),
    (["recipe=mlp,lenet5", "~recipe.expect", "+checks.run.mean={equals: 0}"], "",
     ["recipe=mlp,lenet5", "~recipe.expect", "+checks.run.mean={equals: 0}"]),
    (["hydra/launcher=joblib", "device@x=cpu"], "", ["hydra/launcher=joblib", "device@x=cpu"]),
    ([], "", []),
    ([], "4,8", ["recipe.input.shape=[4,8]"]),
    (["own"], "", ["recipe=own"]),
    (["网络"], "", ['recipe="网络"']),
    (["mlp,lenet5,nets/my.yaml", "seed=1,2"], "", ["recipe=mlp,lenet5,nets/my.yaml", "seed=1,2"]),
    (["sub/deep"], "", ["recipe=sub/deep"]),
    (["nets/my.yaml"], "", ["recipe=nets/my.yaml"]),
    (["./nets/../nets/my.yaml"], "", ["recipe=nets/my.yaml"]),
    (["a b.yml"], "", ['recipe="a b.yml"']),
    (["a,b.yaml"], "", ['recipe="a,b.yaml"']),
    (["yolov8n.yaml"], "", ["recipe=yolov8n.yaml"]),
    (["resnet50"], "1,3,64,64",
     ["recipe=resnet50", "~recipe.expect.macs", "~recipe.expect.output", "recipe.input.shape=[1,3,64,64]"]),
    (["mlp"], "[2, 1, 28, 28]", ["recipe=mlp", "recipe.input.shape=[2,1,28,28]"]),
    (["mlp"], "2x1x28x28", ["recipe=mlp", "recipe.input.shape=[2,1,28,28]"]),
    (["Dense(8, 128) + Centered"], "4,8", INLINE),
    (["Dense(8, 128, has_bias=False)"], "(4, 8)",
     ["recipe=inline", 'recipe.stack="Dense(8, 128, has_bias=False)"', "recipe.input.shape=[4,8]"]),
    (["ReLU"], "4,", ["recipe=inline", 'recipe.stack="ReLU"', "recipe.input.shape=[4]"]),
    (["mint.ReLU"], "4", ["recipe=inline", 'recipe.stack="mint.ReLU"', "recipe.input.shape=[4]"]),
    (["Tanh()"], "4", ["recipe=inline", 'recipe.stack="Tanh()"', "recipe.input.shape=[4]"]),
    (["LSTM(_, 6)", "recipe.input.shape=[2,5,8]"], "",
     ["recipe=inline", 'recipe.stack="LSTM(_, 6)"', "recipe.input.shape=[2,5,8]"]),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "shape", "found"), TRANSLATED, ids=[" ".join(case[0]) for case in TRANSLATED])
def test_words_are_overrides(here, typed, shape, found):
    assert arguments(typed, shape, Project.at(None)) == found


PLACES = [
    (".", "Recipes are those in conf/recipe and those that ship."),
    ("nets", "There is one in {here}; run the command there, or with --config-dir {here}/conf."),
    ("..", "This folder has no conf with recipes of its own."),
]


@pytest.mark.parametrize(("folder", "said"), PLACES)
def test_an_unknown_name_says_where_recipes_were_searched(here, monkeypatch, folder, said):
    name = "quxquux" if folder == "." else "zweiundvierzig"
    (here / "conf" / "recipe" / "zweiundvierzig.yaml").write_text("input: {shape: [2, 3]}\nstack: Dense(3, 4)\n")
    monkeypatch.chdir(here / folder)
    with pytest.raises(AssemblerError) as error:
        arguments([name], "", Project.at(None))
    assert error.value.message.startswith(f"no recipe or layer named '{name}'.")
    assert error.value.message.endswith(said.format(here=here))


def test_a_file_outside_the_working_directory_is_named_in_full(here, monkeypatch):
    monkeypatch.chdir(here / "conf")
    assert arguments(["../nets/my.yaml"], "", Project.at(None)) == [f"recipe={here}/nets/my.yaml"]


REFUSED = [
    (["resnet5"], "", "no recipe or layer named 'resnet5'. Did you mean 'resnet50' or 'resnet' or 'resnet34'?"),
    (["Dence"], "", "no recipe or layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?"),
    (["Tanh"], "4", "'Tanh' is both a layer and a recipe; write 'Tanh()' for the layer, conf/recipe/Tanh.yaml for the recipe"),
    (["nets/no.yaml"], "", "there is no file nets/no.yaml"),
    (["Dense(8, 1)"], "", "a stack needs the shape of its input: --input 4,8"),
    (["Slice(1,None,2)"], "", "a stack needs the shape of its input: --input 4,8"),
    (["mlp,Slice(1,mlp,nets/no.yaml"], "", "a stack needs the shape of its input: --input 4,8"),
    (["Dense(8, 1)", "seed=1"], "", "a stack needs the shape of its input: --input 4,8"),
    (["lenet5", "mlp"], "", "one recipe is expected, not 'lenet5' and 'mlp'; a stack with spaces needs quotes, and several "
     "recipes are a sweep: assembler sweep recipe=mlp,lenet5"),
    (["mlp"], "4,_", "--input: a shape is a list of integers such as 4,8, not '4,_'"),
    (["mlp", "--mode=graph"], "", "unknown option --mode; an override has no dashes: mode=graph"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "shape", "message"), REFUSED, ids=[" ".join(case[0]) for case in REFUSED])
def test_error_of_words_that_lead_nowhere(here, typed, shape, message):
    with pytest.raises(AssemblerError) as error:
        arguments(typed, shape, Project.at(None))
    assert str(error.value) == message


def parsed(override):
    return OverridesParser.create().parse_override(override).value()


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.text(r"""ab\"' ()[]{},:=+~$*""")


@example("a\\")
@example('b\\"')
@given(STACKS.map(str) | TEXTS)
def test_a_quoted_string_is_read_as_it_was(text):
    assert str(parsed(f"recipe.stack={quoted(text, always=True)}")) == text


@example("null")
@example("NaN")
@example("网络")
@given(st.from_regex(r"[\w ./\\\"'()-]+\.yaml", fullmatch=True))
def test_a_path_is_quoted_where_it_needs_to_be(path):
    assert str(parsed(f"recipe={quoted(path)}")) == path


# ---- commands


@pytest.mark.parametrize("name", RUNS)
def test_a_command_adds_its_task_and_passes_the_rest_on(here, monkeypatch, name):
    began = []
    monkeypatch.setattr(run_commands, "begin", lambda *typed: began.append(typed))
    done = CliRunner().invoke(app, [name, "mlp", "--config-dir", "nets", "--input", "1,1,28,28", "seed=1", "-cn", "x"])
    assert (done.exit_code, done.output) == (0, "")
    added = {"run": [], "sweep": ["-m"]}.get(name, [f"task={name}"])
    chosen = ["recipe=mlp", "recipe.input.shape=[1,1,28,28]", "seed=1", "-cn", "x"]
    assert began == [([*chosen, *added], Project(Path("nets")))]


@pytest.fixture
def assembler(run, monkeypatch, capfd):
    """Call a command in this process; its exit code and what it printed."""

    def call(*typed):
        GlobalHydra.instance().clear()
        capfd.readouterr()
        from assembler import launch

        monkeypatch.setattr(launch, "_codes", [])
        with pytest.raises(SystemExit) as stop:
            app(list(typed), prog_name="assembler")
        return stop.value.code, *capfd.readouterr()

    monkeypatch.setattr(sys, "argv", ["assembler"])
    return call


def without_folder(text):
    return re.sub(r"^saved in .*\n", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("typed", "overrides"),
    [
        (["plan", "lenet5"], ["recipe=lenet5", "task=plan"]),
        (["run", "Dense(8, 128) + Centered", "--input", "4,8"], INLINE),
        (["check", "centered", "recipe.checks.mean.equals=1"], ["recipe=centered", "recipe.checks.mean.equals=1"]),
    ],
)
def test_a_command_does_what_run_py_does(run, assembler, typed, overrides):
    code, out, err = assembler(*typed)
    expected = run(*overrides)
    assert (code, without_folder(out), err) == (expected.code, without_folder(expected.out), expected.err)


def test_a_folder_conf_is_searched_before_what_ships(assembler, here):
    (here / "conf/recipe/mlp.yaml").write_text(SMALL)
    code, out, err = assembler("plan", "mlp")
    assert (code, err) == (0, "")
    assert "27 trainable parameters" in out


def test_conf_config_yaml_is_the_primary_configuration(assembler, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    code, out, err = assembler("plan")
    assert (code, err) == (0, "")
    assert out.startswith("gated\n")
    assert re.search(r"^1\.inner +Gate", out, re.MULTILINE)
    (tmp_path / "conf/search").mkdir()
    (tmp_path / "conf/search/mine.yaml").write_text("# @package _global_\ndefaults: [{override /recipe: mlp}]\n")
    code, out, err = assembler("plan", "+search=mine")  # a file from the command line chooses another recipe
    assert (code, err) == (0, "")
    assert out.startswith("mlp\n")


def test_errors_of_the_configuration_are_one_message(assembler):
    assert assembler("plan", "mlp", "sead=1")[::2] == (2, "override sead=1: unknown key 'sead'. Did you mean 'seed'?\n")
    code, _, err = assembler("plan", "Dense(8, 1) + ReLu", "--input", "4,8")
    assert code == 2
    assert err.startswith("""override recipe.stack="Dense(8, 1) + ReLu": no layer named 'ReLu'. Did you mean 'ReLU'""")


@pytest.mark.slow
def test_a_sweep_of_a_project_has_its_layers(tmp_path):
    """In a process of its own, as jobs run in another one."""
    for name, text in FILES.items():
        if name != "run.py":
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "assembler", "sweep", "gated", "recipe.params.width=4,8", "sweep.name=s"]
    done = subprocess.run([*command, "hydra.job.chdir=true"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert statuses(tmp_path / "multirun" / "s") == ["passed"] * 2


@pytest.mark.slow
@pytest.mark.slow
def test_a_sweep_of_a_project_has_its_layers_in_the_workers_of_a_launcher(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "assembler", "sweep", "gated", "recipe.params.width=4,8", "sweep.name=s"]
    for _ in range(2):  # the second resumes
        done = subprocess.run(
            [*command, "hydra/launcher=joblib"], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert statuses(tmp_path / "multirun" / "s") == ["passed"] * 2


def test_the_application_is_told_apart_from_a_script(monkeypatch, tmp_path):
    """Jobs of ``assembler sweep`` have the project of its folder, and not that around the installation."""
    from assembler import launch
    from assembler.hydra_edge.versions import take_up_beside

    (tmp_path / "conf").mkdir()
    found = []
    monkeypatch.setattr(launch, "launch", lambda begin: found.append(launch._script_of(begin)))
    monkeypatch.setattr(sys, "argv", ["assembler"])
    begin([], Project(tmp_path / "conf"))
    assert found == [str(tmp_path)]
    (tmp_path / "pyproject.toml").write_text('[tool.assembler]\ntrusted = ["mine"]\n')
    monkeypatch.setattr(LAYERS, "trusted", LAYERS.trusted)
    monkeypatch.setattr(LAYERS, "modules", ())
    monkeypatch.setattr(sys, "path", list(sys.path))
    take_up_beside(str(tmp_path))
    assert "mine" in LAYERS.trusted


@pytest.mark.parametrize("name", ["", *RUNS, "layers", "show", "recipes", "validate", "watch", "new", "init", "schema", "scaffold-registry"])  # fmt: skip
def test_help_fits_a_terminal_and_leaves_nothing_out(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(app, [*([name] if name else []), "--help"])
    assert done.exit_code == 0
    usage, *lines = done.output.splitlines()
    assert max(map(len, [usage, *lines])) <= 80
    assert not [line for line in lines if "<bool>" in line or "<list" in line or line.endswith("...")]


# ---- init


def test_init_writes_the_project_of_the_readme():
    shown = [text for language in ("toml", "python", "yaml") for text in blocks(ELSEWHERE, language)]
    assert {text.partition("\n")[0].removeprefix("# "): text.partition("\n")[2] for text in shown} == FILES


def test_init_overwrites_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    (tmp_path / "p/layers.py").write_text("")
    done = CliRunner().invoke(app, ["init", "p"])
    assert str(done.exception) == "p/layers.py already exists; name a new folder: assembler init my_project"
    assert [file.name for file in tmp_path.rglob("*")] == ["p", "layers.py"]


@pytest.mark.slow
def test_init_writes_and_runs_a_project(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "assembler", "init", "p"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("wrote p/pyproject.toml\n")
    assert re.search(r"^output +passed +\(4, 1\) float32", done.stdout, re.MULTILINE)
    assert "\nNext, in p: " in done.stdout
    for line in re.findall(r"^  assembler (\w+ \S+)", done.stdout, re.MULTILINE):
        if line.startswith(("run", "plan", "show")):
            again = [sys.executable, "-m", "assembler", *line.split()]
            assert subprocess.run(again, cwd=tmp_path / "p", capture_output=True, timeout=300).returncode == 0


def test_the_first_page_of_help_of_the_application_names_the_commands(assembler):
    code, out, _ = assembler("run", "-h")
    assert code == 0
    shown = re.findall(r"^  assembler (\w+)", out, re.MULTILINE)
    assert set(shown) == set(RUNS) - {"check"}
