"""Every shipped recipe runs as its first line says, in both modes and in every dtype that the CPU has."""

import shlex
import shutil

import pytest
import yaml

from tests.conftest import ROOT, mostly_slow

RECIPES = {path.stem: path for path in sorted((ROOT / "conf" / "recipe").glob("*.yaml"))}


SMALL = ("centered", "centered_vector", "fourier", "mlp", "mylinear", "reduction")
"""Those of which every layer runs in every dtype that the CPU has."""


def command(name):
    """The arguments in a recipe's first line."""
    first = RECIPES[name].read_text().splitlines()[0]
    assert first.startswith("# python run.py ")
    return shlex.split(first.removeprefix("# python run.py "))


@pytest.mark.parametrize(
    "name", mostly_slow(RECIPES, (*SMALL, "inline", "lenet5", "llama2_7b", "resnet18", "yolo").__contains__)
)
def test_a_recipe_runs_as_its_first_line_says(run, tmp_path, name):
    if name == "yolo":  # the file is the reader's own
        shutil.copy(ROOT / "tests" / "yolo" / "ultralytics" / "yolov8.yaml", tmp_path)
    done = run(*command(name))
    assert (done.code, done.err) == (0, "")


def test_gpt2_without_tied_embeddings_is_larger_by_its_table(run):
    done = run("recipe=gpt2_small", "task=plan", "recipe.params.tied=false", "recipe.expect.trainable=163037184",
               "recipe.expect.parameters=163037184")  # fmt: skip
    assert (done.code, done.err) == (0, "")


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("mode", "dtype"),
    [
        ("pynative", "float32"),  # and by the check `modes` in Graph mode
        slow("graph", "float32"),
        slow("graph", "float16"),
        slow("pynative", "float16"),
        slow("pynative", "float64"),
        slow("graph", "float64"),
    ],
)
@pytest.mark.parametrize("name", mostly_slow(SMALL, ("mlp", "fourier").__contains__))
def test_a_recipe_passes_all_checks(run, name, mode, dtype):
    done = run(f"recipe={name}", f"mode={mode}", f"dtype={dtype}", "checks=full")
    assert (done.code, done.err) == (0, ""), done.out


@pytest.mark.parametrize("mode", ["pynative", pytest.param("graph", marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", ["float32", slow("float16")])  # the CPU has no float64 convolution
def test_lenet5_passes_all_checks(run, mode, dtype):
    assert run("recipe=lenet5", f"mode={mode}", f"dtype={dtype}", "checks=full").code == 0


def test_a_dtype_that_a_layer_lacks_is_refused_by_name(run):
    done = run("recipe=lenet5", "dtype=float64")
    assert done.code == 2
    assert "#0 Conv2d(1, 6, 5, pad_mode='pad', padding=2, has_bias=True)" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("seed", range(5))
def test_the_default_recipe_passes_with_any_seed(run, seed):
    assert run(f"seed={seed}").code == 0


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_named_after_its_file(name):
    assert yaml.safe_load(RECIPES[name].read_text())["name"] == name
