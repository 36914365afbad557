"""A recipe is chosen by the path of its file, in run.py and in sweeps: ``recipe=nets/my.yaml``."""

import json
import shutil
from pathlib import Path

import pytest

from assembler import plan, recipes
from assembler.errors import SettingsError
from assembler.reading.recipe_files import PROJECT, SHIPPED, load_recipe, recipe_files
from tests.conftest import ROOT
from tests.test_sweeps import rows


@pytest.fixture
def nets(run, tmp_path):
    """Recipe files in a folder that is not one of Hydra's."""
    files = {
        "nets/base.yaml": "input: {shape: [4, 8]}\nparams: {width: 4}\nstack: Dense(_, width) + Ends(_)\n"
        "blocks: {'Ends(n)': 'Dense(_, 2)'}\nexpect: {output: [_, 2]}\n",
        "nets/my.yaml": "defaults: [base, _self_]\nname: my\ninput: {sample: normal, low: '${recipe.params.width}', high: 9}\n",
        "nets/deep.yaml": "defaults: [resnet18, _self_]\nname: deep\nparams: {classes: 7}\nexpect: null\n",
        "nets/uses.yaml": "defaults: [/blocks@blocks: own, _self_]\ninput: {shape: [4, 8]}\nstack: Own(3)\n",
        "blocks/own.yaml": "Own(n): Dense(_, n)\n",
        "nets/bad.yaml": "defaults: [base, _self_]\nstack: Dence(_, width)\n",
        "nets/circle.yaml": "defaults: [circle]\n",
        "nets/none.yaml": "defaults: [absent]\n",
        "conf/recipe/resnet.yaml": "input: {shape: [1, 8]}\nstack: ReLU\nparams: {classes: 2}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "nets"


def config_of(done):
    assert (done.code, done.err) == (0, "")
    return json.loads((done.folder / "result.json").read_text())


@pytest.mark.parametrize(
    "how", ["nets/my.yaml", "./nets/my.yaml", "nets/../nets/my.yaml", "'a b/my net.yml'", "{whole}"]
)
def test_a_path_is_from_where_the_command_was_typed(run, nets, how):
    (nets.parent / "a b").mkdir()
    for file in ("my.yaml", "base.yaml"):
        shutil.copy(nets / file, nets.parent / "a b" / file.replace("my.yaml", "my net.yml"))
    override = f"recipe={how}".replace("{whole}", str(nets / "my.yaml"))
    found = config_of(run(override, "recipe.params.width=5", "task=plan"))
    assert found["plan"]["trainable"] == 8 * 5 + 5 + 5 * 2 + 2
    assert found["overrides"][0] == override  # as typed


def test_references_see_what_the_command_line_sets(run, nets):
    done = run("recipe=nets/my.yaml", "recipe.params.width=10", "task=plan")
    assert done.code == 2
    assert "low (10) must be below high (9)" in done.err


def test_names_in_defaults_are_those_beside_it_and_then_recipes(run, nets):
    deep = run("recipe=nets/deep.yaml", "task=plan")
    assert config_of(deep)["plan"]["trainable"] == plan("resnet18", params={"classes": 7}).trainable
    (nets / "resnet18.yaml").write_text("input: {shape: [4, 8]}\nstack: Dense(_, 3)\n")
    assert config_of(run("recipe=nets/deep.yaml", "task=plan"))["plan"]["trainable"] == 27
    assert config_of(run("recipe=nets/uses.yaml", "task=plan"))["plan"]["trainable"] == 27


def test_a_file_alone_is_the_same_recipe(nets):
    (nets.parent / "conf").rename(nets.parent / "elsewhere")
    assert plan(nets / "deep.yaml").trainable == plan("resnet18", params={"classes": 7}).trainable
    assert plan(nets / "uses.yaml").trainable == 27
    (nets.parent / "elsewhere").rename(nets.parent / "conf")
    assert list(recipe_files(nets / "deep.yaml")["recipe"]) == [
        nets / "deep.yaml",
        SHIPPED / "recipe" / "resnet18.yaml",
        PROJECT / "recipe" / "resnet.yaml",  # the project's
    ]


FAULTS = [
    ("nets/bad.yaml", "nets/bad.yaml:2:8: no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?"),
    ("nets/circle.yaml", "nets/circle.yaml: recipes include each other in a circle: circle → circle"),
    ("nets/none.yaml", "nets/none.yaml: its defaults include nets/absent.yaml, which does not exist"),
    ("nets/absent.yaml", "there is no file nets/absent.yaml"),
]


@pytest.mark.parametrize(("path", "message"), FAULTS)
def test_error_of_a_file(run, nets, path, message):
    done = run(f"recipe={path}", "task=plan")
    assert (done.code, done.out, done.err.splitlines()[0]) == (2, "", message)
    typed = run("recipe=nets/my.yaml", "recipe.params.widht=3", "task=plan")
    assert typed.err.endswith("the recipe has no parameter 'widht'. Did you mean 'width'?\n")


def test_a_file_is_data_only(run, nets):
    (nets / "evil.yaml").write_text("# @package _global_\nhydra: {run: {dir: /}}\n")
    assert "a recipe file cannot choose where its keys are placed" in run("recipe=nets/evil.yaml", "task=plan").err
    (nets / "evil.yaml").write_text("input: {shape: [4, 8]}\nstack: ReLU\nname: '${oc.env:HOME}'\n")
    assert "refers to something outside the recipe" in run("recipe=nets/evil.yaml", "task=plan").err


def test_a_network_file_is_a_recipe(run, tmp_path):
    shutil.copy(ROOT / "tests" / "yolo" / "ultralytics" / "yolov8.yaml", tmp_path)
    for override in ("recipe=yolov8n.yaml", f"recipe={tmp_path}/yolov8n.yaml"):
        assert config_of(run(override, "task=plan"))["plan"]["trainable"] == 3_157_184
    assert load_recipe(Path("yolov8n.yaml"))["file"] == "yolov8n.yaml"


def test_a_name_that_ends_so_is_still_a_recipe_of_the_group(run):
    assert config_of(run("recipe=lenet5.yaml", "task=plan"))["plan"]["trainable"] == 61_706


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=joblib"]])
def test_a_sweep_over_files_is_resumed(run, nets, launcher):
    typed = ("-m", "recipe=nets/my.yaml,nets/uses.yaml", "seed=1,2", *launcher)
    for _ in range(2):
        done = run(*typed)
        assert (done.code, done.err) == (0, "")
    found = rows(done.folder)
    assert [row["status"] for row in found] == ["passed"] * 4
    assert [row["recipe"] for row in found] == ["nets/my.yaml"] * 2 + ["nets/uses.yaml"] * 2
    (nets / "uses.yaml").write_text("input: {shape: [4, 8]}\nstack: Dense(_, 4)\n")
    assert len(rows(run(*typed).folder)) == 6  # a file with other contents is another job


# ---- by name, in Python


def test_names_are_those_of_the_project_and_of_what_ships(nets):
    known = recipes()
    assert known["resnet"] == PROJECT / "recipe" / "resnet.yaml"
    assert known["resnet50"] == SHIPPED / "recipe" / "resnet50.yaml"
    assert list(known) == sorted(known)
    assert str(plan("resnet")) == str(plan(known["resnet"]))


def test_parameters_replace_those_of_the_recipe_and_what_it_expects():
    assert plan("resnet50").trainable == 25_557_032
    assert plan("resnet50", params={"classes": 10}).output.shape == (1, 10)
    recipe = {"input": {"shape": [4, 8]}, "params": {"n": 2}, "stack": "Dense(_, n)", "expect": {"trainable": 18}}
    assert plan(recipe, params={"n": 3}).trainable == 27
    assert plan(recipe).trainable == 18
    assert recipe["params"] == {"n": 2}


@pytest.mark.parametrize(
    ("recipe", "params", "message"),
    [
        ("mlp", {"widht": 1}, "the recipe has no parameter 'widht'. Did you mean 'width'?"),
        ("mlp", {"classes": 1}, "the recipe has no parameter 'classes'. It has: width, depth."),
        ("lenet5", {"classes": 1}, "the recipe has no parameter 'classes'."),
        ("ReLU", {"classes": 1}, "'params' applies to recipes; a stack has no parameters"),
        ("mpl", {}, "no recipe or layer named 'mpl'. Did you mean 'mlp'?"),
    ],
)
def test_error_of_a_name_or_a_parameter(recipe, params, message):
    with pytest.raises(SettingsError) as error:
        plan(recipe, params=params, input=(4, 8))
    assert str(error.value) == message
