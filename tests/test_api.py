"""``plan`` and ``assemble`` as other people's code calls them."""

import numpy as np
import pytest
from mindspore import nn

from assembler import AssemblerError, Registry, assemble, plan
from assembler.errors import DeviceError, RecipeError, SettingsError
from assembler.planning.specs import Spec
from assembler.runtime import memory

RECIPE = {"input": {"shape": [4, 8]}, "stack": "Dense(_, 16) + ReLU + Dense(_, 2)"}


@pytest.mark.parametrize(
    ("recipe", "given"),
    [
        ("Dense(_, 16) + ReLU + Dense(_, 2)", {"input": (4, 8)}),
        (["Dense(_, 16) + ReLU", {"Dense": {"in_channels": "_", "out_channels": 2}}], {"input": [4, 8]}),
        (RECIPE, {}),
        ({**RECIPE, "input": {"shape": [7, 7]}}, {"input": (4, 8)}),
        ({"stack": RECIPE["stack"]}, {"input": {"shape": [4, 8], "sample": "normal"}}),
        ({**RECIPE, "expect": {"trainable": 178, "parameters": 178, "macs": 640, "output": [4, 2]}}, {}),
        (lambda: nn.SequentialCell(nn.Dense(8, 16), nn.ReLU(), nn.Dense(16, 2)), {"input": (4, 8)}),
        (nn.SequentialCell(nn.Dense(8, 16), nn.ReLU(), nn.Dense(16, 2)), {"input": (4, 8)}),
    ],
)
def test_a_recipe_may_come_in_many_ways(recipe, given):
    found = plan(recipe, **given)
    assert (found.trainable, found.macs, found.output) == (178, 640, Spec((4, 2), "float32"))


def test_a_recipe_may_be_a_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("input: {shape: [4, 8]}\nstack: Dense(_, 16) + ReLU + Dense(_, 2)\n")
    assert plan(file).macs == 640
    assert plan(file, input=(1, 8)).macs == 160
    assert plan(file, dtype="float16").parameter_memory == 2 * 178


def test_integers_go_in_as_they_are():
    assert plan("Embedding(100, 8)", input={"shape": [2, 5], "dtype": "int32"}).output == Spec((2, 5, 8), "float32")
    found = plan({"input": {"shape": [2, 5], "sample": "integers", "high": 100}, "stack": "Embedding(100, 8)"})
    assert found.input == Spec((2, 5), "int32")


def test_a_registry_of_ones_own():
    registry = Registry()
    registry.register(nn.Dense, name="Full", infer={"in_channels": -1})
    assert plan("Full(_, 2)", input=(4, 8), registry=registry).trainable == 18


FILES = [
    ("input: {shape: [4, 8]}\nstack: Dence(_, 2)\n", "mine.yaml:2:8: no layer named 'Dence'. Did you mean 'Dense' or "
     "'BiDense'?\n    stack: Dence(_, 2)\n           ^^^^^"),
    ("input: {shape: [4, 8]}\nstack: Dense(9, 2)\n", "mine.yaml:2:8: the input is (4, 8) float32; #0 Dense(9, 2) wants "
     "(…, 9)\n    stack: Dense(9, 2)\n           ^^^^^"),
    ("input: {shape: [4, 8]}\nstack: Dense(_, 2)\nexpect: {trainable: 19, output: [4, 3]}\n",
     "mine.yaml:3:10: the recipe expects 19, but the plan has 18\n    expect: {trainable: 19, output: [4, 3]}\n"
     "             ^^^^^^^^^\n"
     "mine.yaml:3:25: the recipe expects [4, 3], but the plan has [4, 2]\n    expect: {trainable: 19, output: [4, 3]}\n"
     "                            ^^^^^^"),
    ("input: {shape: [4, 0]}\nstack: Dense(_, 2)\n", "mine.yaml:1:20: must be at least 1, not 0\n"
     "    input: {shape: [4, 0]}\n                       ^"),
    ("stack: Dense(_, 2)\n", "mine.yaml:1:1: 'input' is missing\n    stack: Dense(_, 2)\n    ^^^^^^^^^^^^^^^^^^"),
    ("stack: [Dense(_\n", "mine.yaml:2:1: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
    ("- 3\n", "mine.yaml: a recipe must be a mapping of keys to values"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), FILES)
def test_error_in_a_file_points_into_it(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(AssemblerError) as error:
        plan(tmp_path / "mine.yaml")
    assert str(error.value) == message


def test_error_of_a_file_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as error:
        plan(tmp_path / "none.yaml")
    assert str(error.value) == "none.yaml: No such file or directory"


@pytest.mark.parametrize(
    ("recipe", "given", "message"),
    [
        ("Dense(8, 1)", {}, "'input' is missing; give the input's shape, such as input=(4, 8)"),
        ("Dense(8, 1)", {"input": 8}, "input.shape: a shape is a list: write shape: [8]"),
        ("Dense(8, 1)", {"input": (4, 8), "dtype": "float"},
         "dtype: 'float' is not one of float16, float32, float64 or bfloat16. "
         "Did you mean 'float32'?"),
        ("Dense(8, 1)", {"input": {"shap": [4, 8]}},
         "input.shap: unknown key 'shap'. Did you mean 'shape' or 'sample'?"),
        (nn.ReLU, {"input": [(4, 8), (4, 0)]}, "input[1].shape[1]: must be at least 1, not 0"),
        ({"stack": "ReLU"}, {}, "recipe: 'input' is missing"),
        ({**RECIPE, "expect": {"trainabel": 3}}, {}, "recipe.expect.trainabel: unknown key 'trainabel'. Did you mean "
         "'trainable'?"),
        ({**RECIPE, "expect": {"output": "[4, 2]"}}, {}, "recipe.expect.output: must be a shape such as [2, 10], or a "
         "list of shapes, not '[4, 2]'"),
        ({**RECIPE, "expect": {"macs": 1.5}}, {}, "recipe.expect.macs: must be an integer, not 1.5"),
        ("conf/recipe/a.yaml", {}, "a recipe file must be given as a path: plan(pathlib.Path('conf/recipe/a.yaml'))"),
        ({**RECIPE, "expect": {"macs": 1}}, {}, "recipe.expect.macs: the recipe expects 1, but the plan has 640"),
    ],
)  # fmt: skip
def test_error_of_a_plan(recipe, given, message):
    with pytest.raises(AssemblerError) as error:
        plan(recipe, **given)
    assert str(error.value) == message


def test_another_input_is_not_held_to_the_recipes_own():
    recipe = {**RECIPE, "expect": {"trainable": 178, "macs": 640, "output": [4, 2]}}
    assert plan(recipe, input=(1, 8)).macs == 160
    with pytest.raises(RecipeError):
        plan({**recipe, "expect": {"trainable": 177}}, input=(1, 8))


@pytest.mark.parametrize("output", [["_", 2], [4, "_"], ["_", "_"]])
def test_any_size_may_be_expected(output):
    assert plan({**RECIPE, "expect": {"output": output}}).macs == 640
    assert plan({**RECIPE, "expect": None}).macs == 640
    with pytest.raises(RecipeError):
        plan({**RECIPE, "expect": {"output": [*output, "_"]}})


def test_a_mask_may_go_in():
    assert plan(nn.Identity, input={"shape": (2, 8), "dtype": "bool"}).output == Spec((2, 8), "bool")


def test_a_tuple_is_expected_as_a_list_of_shapes():
    recipe = {"input": {"shape": [2, 5, 8]}, "stack": "LSTM(_, 6)"}
    expected = [[2, 5, 6], [[1, 5, 6], [1, 5, 6]]]
    assert plan({**recipe, "expect": {"output": expected}}).trainable == 384
    with pytest.raises(RecipeError):
        plan({**recipe, "expect": {"output": expected[:1]}})


def test_what_cannot_fit_is_not_assembled(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda target: 1000)
    with pytest.raises(DeviceError) as error:
        assemble("Dense(_, 128)", input=(4, 8))
    assert str(error.value) == (
        "the model needs 8.6 KiB (4.5 KiB of parameters, about 4.1 KiB of activations), and CPU has 1000 B available; "
        "guard=False builds it all the same"
    )
    assert assemble("Dense(_, 128)", input=(4, 8), guard=False)[0].weight.shape == (128, 8)
    assert assemble("Dense(8, 128)")[0].weight.shape == (128, 8)


def test_a_model_in_float16_is_not_made_in_float32_first():
    model = assemble("2 * Dense(8, 8) + Residual(Dense(8, 8))", dtype="float16")
    assert {str(parameter.dtype) for parameter in model.get_parameters()} == {"Float16"}


def test_planning_is_the_same_on_another_device(monkeypatch):
    import mindspore

    here = plan("Conv2d(_, 8, 3) + ReLU + Flatten + Dense(_, 2)", input=(1, 3, 8, 8))
    monkeypatch.setattr(
        mindspore, "get_context", lambda name: pytest.fail(f"asked for {name}") if "device" in name else 1
    )
    assert plan("Conv2d(_, 8, 3) + ReLU + Flatten + Dense(_, 2)", input=(1, 3, 8, 8)).rows == here.rows


def test_plans_are_data():
    one, other = (plan("Dense(_, 2)", input=(4, 8)) for _ in range(2))
    assert one.rows == other.rows
    assert one.summary() == (
        "(4, 8) float32 → (4, 2) float32: 1 layer, 18 parameters (72 B), 64 MACs, 192 B of activations"
    )
    assert np.prod(one.output.shape) == 8


def test_a_check_of_a_project_needs_no_trust_where_none_runs():
    checks = {"finite": {}, "my_project.checks.small": {"most": 1}}
    assert plan({"input": {"shape": [4, 8]}, "stack": "Dense(8, 4)", "checks": checks}).parameters == 36
