"""Shared parts and graphs, from text to a trained model, and how plans print back to recipes."""

import mindspore
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor, nn, ops

from assembler import plan
from assembler.binding.dump import dump
from assembler.binding.parsing import parse_definitions, parse_layers
from assembler.errors import AssemblerError
from assembler.language.yaml_form import parse_graph
from assembler.layers.wired_cells import WiredCells
from assembler.model.build import build
from assembler.planning.planner import plan_stack
from assembler.planning.specs import Spec
from assembler.registry.registry import LAYERS
from assembler.runtime import device
from assembler.settings import RecipeSettings
from assembler.validation import read


def planned(recipe, shape=(4, 8)):
    data = {"input": {"shape": list(shape)}, **recipe} if "inputs" not in recipe else recipe
    settings = read(RecipeSettings, data, "recipe")
    specs = [
        Spec(tuple(said["shape"]), "float32") for said in data.get("inputs", {"input": data.get("input")}).values()
    ]
    input = specs[0] if len(specs) == 1 else tuple(specs)
    return plan_stack(parse_layers(settings), LAYERS, input, "float32", parse_definitions(settings))


def names(found):
    return [parameter.name for parameter in build(found).get_parameters()]


SHARED = {"shared": {"head": "Dense(8, 8)"}, "stack": "head + ReLU + head + Residual(head)"}


def test_a_shared_part_is_one_cell_and_counted_once():
    found = planned(SHARED)
    assert [(row.path, row.layer, row.parameters, row.macs) for row in found.rows] == [
        ("head", "Dense", 72, 3 * 4 * 64),
        ("1", "ReLU", 0, 0),
        ("3", "Residual", 0, 0),
    ]
    model = build(found)
    assert model[0] is model[2] is model[3].inner
    assert sum(parameter.size for parameter in model.get_parameters()) == found.parameters == 72


def test_a_shared_chain_is_one_cell():
    found = planned({"shared": {"pair": "Dense(_, 8) + ReLU"}, "stack": "pair + pair"})
    model = build(found)
    assert model[0] is model[1]
    assert [(row.path, row.parameters) for row in found.rows] == [("pair", 0), ("pair.0", 72), ("pair.1", 0)]
    assert found.trainable == sum(parameter.size for parameter in model.get_parameters())


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_a_shared_part_is_trained_as_one(mode):
    """One step of gradient descent on a shared layer moves it by the sum of the gradients of its uses."""
    model = build(planned({"shared": {"head": "Dense(8, 8, has_bias=False)"}, "stack": "head + head"}))
    model.set_train(True)
    (weight,) = model.trainable_params()
    before = weight.asnumpy().astype(np.float64)
    x = np.random.default_rng(0).normal(size=(4, 8))
    optimizer = nn.SGD([weight], learning_rate=0.1)

    def loss(x):
        return ops.reduce_sum(model(x))

    with device.mode("pynative"):
        step = mindspore.value_and_grad(loss, None, [weight])
        _, gradients = step(Tensor(x.astype(np.float32)))
        optimizer(gradients)
    ones = np.ones((4, 8))
    by_hand = ones.T @ (x @ before.T) + (ones @ before).T @ x  # of y = (x Wᵀ) Wᵀ: of the second use, and of the first
    np.testing.assert_allclose(before - 0.1 * by_hand, weight.asnumpy(), rtol=1e-3, atol=1e-4)
    with device.mode(mode):
        y = model(Tensor(x.astype(np.float32))).asnumpy()
    after = weight.asnumpy().astype(np.float64)
    np.testing.assert_allclose(y, x @ after.T @ after.T, rtol=1e-3, atol=1e-3)


def test_a_shared_part_is_saved_once(tmp_path):
    model, other = build(planned(SHARED)), build(planned(SHARED))
    mindspore.save_checkpoint(model, str(tmp_path / "model.ckpt"))
    saved = mindspore.load_checkpoint(str(tmp_path / "model.ckpt"))
    assert sum(parameter.size for parameter in saved.values()) == 72
    assert mindspore.load_param_into_net(other, saved, strict_load=True) == ([], [])
    assert np.array_equal(other[3].inner.weight.asnumpy(), model[0].weight.asnumpy())


WIRED = {
    "graph": {
        "stem": "Dense(_, 8) + ReLU",
        "left": "Dense(_, 4) @ stem",
        "right": "(Dense(_, 6) + Dense(_, 4)) @ stem",
        "joined": "Concat(axis=1) @ (left, right)",
        "out": "Dense(_, 2)",
    },
    "outputs": ["out", "stem"],
}


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_a_graph_computes_what_its_wires_say(mode):
    found = planned(WIRED)
    assert found.output == (Spec((4, 2), "float32"), Spec((4, 8), "float32"))
    model = build(found)
    p = {parameter.name: parameter.asnumpy().astype(np.float64) for parameter in model.get_parameters()}
    assert list(p)[:4] == ["stem.0.weight", "stem.0.bias", "left.weight", "left.bias"]
    x = np.random.default_rng(0).normal(size=(4, 8))

    def dense(name, x):
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    stem = np.maximum(dense("stem.0", x), 0)
    joined = np.concatenate((dense("left", stem), dense("right.1", dense("right.0", stem))), axis=1)
    with device.mode(mode):
        out, again = model(Tensor(x.astype(np.float32)))
    np.testing.assert_allclose(out.asnumpy(), dense("out", joined), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(again.asnumpy(), stem, rtol=1e-4, atol=1e-5)


def test_the_rows_of_a_graph_are_those_of_its_layers():
    found = planned(WIRED)
    assert [row.path for row in found.rows] == ["stem.0", "stem.1", "left", "right.0", "right.1", "joined", "out"]
    assert found.parameters == sum(parameter.size for parameter in build(found).get_parameters())


def test_a_graph_may_stand_inside_a_layer_and_a_block():
    inner = {"graph": {"a": "Dense(_, n)", "b": "Dense(_, n) @ input", "sum": "Add @ (a, b)"}}
    recipe = {"blocks": {"Both(n)": inner}, "stack": "Both(8) + Residual(Both(8)) + ReLU"}
    found = planned(recipe)
    assert [row.path for row in found.rows] == [
        "0", "0.a", "0.b", "0.sum", "1", "1.inner", "1.inner.a", "1.inner.b", "1.inner.sum", "2",
    ]  # fmt: skip
    assert names(found)[:3] == ["0.a.weight", "0.a.bias", "0.b.weight"]


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_a_graph_may_take_several_inputs_and_elements_of_tuples(mode):
    recipe = {
        "inputs": {"left": {"shape": [2, 5, 8]}, "right": {"shape": [2, 5, 3]}},
        "graph": {"lstm": "LSTM(_, 3) @ left", "sum": "Add @ (lstm[0], right)", "out": "Dense(_, 2)"},
    }
    found = planned(recipe)
    assert found.output == Spec((2, 5, 2), "float32")
    with device.mode(mode):
        y = build(found)(Tensor(np.ones((2, 5, 8), np.float32)), Tensor(np.ones((2, 5, 3), np.float32)))
    assert y.shape == (2, 5, 2)


@pytest.mark.slow
def test_a_recipe_of_several_inputs_runs(run, tmp_path):
    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    (tmp_path / "conf" / "recipe" / "mine.yaml").write_text(
        "inputs:\n  left: {shape: [2, 8], sample: normal}\n  right: {shape: [2, 3]}\n"
        "graph:\n  a: Dense(_, 3) @ left\n  sum: Add @ (a, right)\n"
        "expect: {trainable: 27, output: [_, 3]}\nchecks: {finite: {}}\n"
    )
    for mode in ("pynative", "graph"):
        done = run("--config-dir", "conf", "recipe=mine", f"mode={mode}", "checks=full")
        assert (done.code, done.err) == (0, "")
    assert "((2, 8), (2, 3)) → (2, 3)" in done.out


GRAPHS = [
    ({"a": "ReLU + Tanh @ input"}, "recipe.graph.a:8: '@' comes last; put brackets around the layers: (ReLU + Tanh) @ input\n"
     "    ReLU + Tanh @ input\n           ^^^^^^^^^^^^"),
    ({"a": "ReLU", "b": "ReLU @ input"},
     "recipe.graph.a: 'a' is not used; use it as a source, or add it to the outputs"),
    ({"a": "ReLU @ b", "b": "ReLU"}, "recipe.graph.a:8: no wire named 'b'. It is defined below; a line can only use lines above it.\n"
     "    ReLU @ b\n           ^"),
    ({"a": "ReLU @ inptu"}, "recipe.graph.a:8: no wire named 'inptu'. Did you mean 'input'?\n"
     "    ReLU @ inptu\n           ^^^^^"),
    ({"input": "ReLU"}, "recipe.graph.input: 'input' is the name of an input; rename this line"),
    ({"a b": "ReLU"}, "recipe.graph.a b: 'a b' is not a valid name of a wire"),
    ({"a": "ReLU @ input[x]"}, "recipe.graph.a:8: a source is the name of a wire, or an element of its output, whose number is written out: lstm[0]\n"
     "    ReLU @ input[x]\n           ^^^^^^^^"),
    ({}, "recipe.graph: a graph is a mapping of names to layers, not a mapping of 0 keys"),
    ({"a": "Dense(_, 4)", "b": "Dense(9, 2)"}, "recipe.graph.b:1: a is (4, 4) float32; #b Dense(9, 2) wants (…, 9)\n"
     "    Dense(9, 2)\n    ^^^^^"),
    ({"a": "ReLU", "b": "(Add + Tanh) @ (a, input)"}, "recipe.graph.b: 2 sources need one layer, and 'b' has several: put "
     "those after the first on another line"),
    ({"头": "ReLU"}, "recipe.graph.头: '头' is not ASCII, and names of weights have to be; rename it"),
    *(({"a": "ReLU", name: "ReLU"}, f"recipe.graph.{name}: {name!r} is an attribute of every Cell; rename the wire")
      for name in ("construct", "training", "cells", "phase", "_order")),
]  # fmt: skip


@pytest.mark.parametrize(("graph", "message"), GRAPHS, ids=range(len(GRAPHS)))
def test_error_of_a_graph(graph, message):
    with pytest.raises(AssemblerError) as error:
        planned({"graph": graph})
    assert str(error.value) == message


def test_a_line_may_have_any_name_that_cells_do_not_need():
    found = planned({"graph": dict.fromkeys(("order", "sources", "outputs", "inputs"), "Dense(_, 8)")})
    assert names(found)[::2] == ["order.weight", "sources.weight", "outputs.weight", "inputs.weight"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"inputs": ["a", "a"]}, "inputs: 'a' appears twice"),
        ({"inputs": ["a", "1b"]}, "inputs[1]: '1b' is not a name"),
        ({"inputs": ["a", 3]}, "inputs[1]: 3 is not a name"),
        ({"inputs": []}, "inputs: inputs must be at least one name"),
        ({"inputs": "a"}, "inputs: inputs must be a list of names, not the string 'a'"),
        ({"inputs": ["a"], "outputs": []}, "outputs: outputs must be at least one name"),
        ({"inputs": ["a"], "outputs": [3]}, "outputs[0]: 3 is not a name"),
        ({"inputs": ["a"], "graph": "ReLU"}, "graph: a graph is a mapping of names to layers, not the string 'ReLU'"),
    ],
)
def test_error_of_the_ends_of_a_block(said, message):
    with pytest.raises(AssemblerError) as error:
        planned({"blocks": {"Two": {"graph": {"s": "ReLU @ a"}, **said}}, "stack": "Two"})
    assert str(error.value) == f"recipe.blocks.Two.{message}"


ABSENT = [
    ({"graph": {"s": "ReLU"}, "outputs": ["s[7]"]}, "recipe.graph: s is (4, 8) float32, and has no element 7"),
    ({"graph": {"s": "ReLU", "t": "ReLU @ s[4]"}}, "recipe.graph.t: s is (4, 8) float32, and has no element 4"),
    ({"inputs": {"x": {"shape": [4, 8]}, "m": {"shape": [3]}}, "graph": {"y": "Add @ (x[5], m)"}},
     "recipe.graph.y: x is (4, 8) float32, and has no element 5"),
    ({"blocks": {"Two": {"graph": {"a": "ReLU + ReLU", "b": "Add @ (a, a[9])"}}}, "stack": "Tanh + Two"},
     "recipe.blocks.Two.graph.b: a is (4, 8) float32, and has no element 9\n  in the block Two, used at recipe.stack:8\n"
     "    Tanh + Two\n           ^^^"),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "message"), ABSENT, ids=range(len(ABSENT)))
def test_error_of_an_element_that_is_not_there(recipe, message):
    with pytest.raises(AssemblerError) as error:
        planned(recipe)
    assert str(error.value) == message


def test_error_of_several_inputs_without_a_source():
    with pytest.raises(AssemblerError) as error:
        parse_graph({"a": "ReLU"}, "g", ["left", "right"])
    assert str(error.value) == ("g.a: the graph has several inputs; specify one or more: @ left, or @ (left, right)")


def test_a_graph_cell_works_by_hand():
    dense = nn.Dense(8, 8)
    cell = WiredCells({"one": dense, "other": dense}, [[(0, None)], [(1, None)]], [(2, None), (1, None)])
    out, between = cell(Tensor(np.ones((2, 8), np.float32)))
    assert np.array_equal(dense(between).asnumpy(), out.asnumpy())


RECIPES = [
    SHARED,
    WIRED,
    {"stack": "Dense(_, 8) + Residual(2 * (Dense(_, 8) + ReLU)) + Dropout(p=0.5)"},
    {"shared": {"pair": "Dense(_, 8) + ReLU"}, "stack": "pair + Residual(pair) + pair"},
    {"blocks": {"Both(n)": {"graph": {"a": "Dense(_, n)", "b": "Dense(_, n) @ input", "s": "Add @ (a, b)"}}},
     "stack": "Both(8) + Residual(Both(8) + ReLU)"},
    {"blocks": {"Two": {"inputs": ["x", "y"], "graph": {"a": "Add @ (x, y)", "b": "Dense(_, 8)"}}},
     "graph": {"u": "Dense(_, 8)", "v": "3 * Two @ (u, input)", "w": "2 * Two @ (v, u)"}},
    {"params": {"n": 3, "w": 8}, "blocks": {"D(k)": "Dense(_, k) + (ReLU if k > 4 else Tanh)"}, "stack": "n * D(w) + D(w // 2)"},
]  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_plan_prints_back_to_a_recipe_that_plans_to_the_same(recipe):
    first = planned(recipe)
    text = yaml.safe_dump(dump(first.steps), sort_keys=False)
    again = planned(yaml.safe_load(text))
    assert again.rows == first.rows
    assert (again.output, again.activations) == (first.output, first.activations)
    assert names(again) == names(first)
    assert dump(again.steps) == dump(first.steps)


LEAF = st.sampled_from(["ReLU", "Dense(_, 8)", "Dense(_, w)", "Block(8)", "part", "Tanh", "Wired"])
STACKS = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(" + ".join),
        inner.map(lambda text: f"Residual({text})"),
        inner.map(lambda text: f"2 * ({text})"),
        inner.map(lambda text: f"({text} if w == 8 else Tanh)"),
    ),
    max_leaves=5,
)


@given(STACKS)
@settings(max_examples=25, deadline=None)
def test_any_plan_prints_back(text):
    recipe = {
        "params": {"w": 8},
        "blocks": {"Block(n)": "Dense(_, n) + ReLU", "Wired": {"graph": {"a": "part", "b": "Add @ (a, input)"}}},
        "shared": {"part": "Dense(_, 8) + Tanh"},
        "stack": text,
    }
    first = planned(recipe)
    again = planned(dump(first.steps))
    assert again.rows == first.rows
    assert first.parameters == sum(parameter.size for parameter in build(first).get_parameters())


def test_the_api_plans_whole_recipes():
    found = plan(
        {
            **WIRED,
            "input": {"shape": [4, 8]},
            "expect": {"trainable": 72 + 36 + 54 + 28 + 18, "output": [[4, 2], [4, 8]]},
        }
    )
    assert found.macs == 4 * (64 + 32 + 48 + 24 + 16)
