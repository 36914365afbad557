"""Repeats of several sources, and blocks of several inputs: from text to models, against networks written by hand."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from assembler import assemble, plan
from assembler.binding.dump import dump
from assembler.errors import AssemblerError
from assembler.layers.add import Add
from assembler.layers.turns import Turns
from assembler.planning.outline import outline
from assembler.registry.registry import LAYERS
from assembler.runtime import device
from assembler.views.code import code
from assembler.views.diagram.draw import diagram
from assembler.views.diagram.mermaid import to_mermaid

DECODE = {
    "inputs": ["input", "memory"],
    "graph": {
        "norm": "LayerNorm(_) @ input",
        "cross": "MultiheadAttention(8, heads, batch_first=True) @ (norm, memory, memory)",
        "seen": "Add @ (cross[0], input)",
        "feed": "Residual(Dense(_, 16) + Tanh + Dense(_, 8)) @ seen",
    },
}
INPUTS = {"x": {"shape": [2, 5, 8]}, "memory": {"shape": [2, 7, 8]}}
DECODER = {
    "inputs": INPUTS,
    "params": {"depth": 3},
    "blocks": {"Decode(heads)": DECODE},
    "graph": {"y": "depth * Decode(2) @ (x, memory)", "out": "Dense(_, 3)"},
}
BY_HAND = {
    **DECODER,
    "graph": {
        "a": "Decode(2) @ (x, memory)",
        "b": "Decode(2) @ (a, memory)",
        "c": "Decode(2) @ (b, memory)",
        "out": "Dense(_, 3)",
    },
}


class Layer(nn.Cell):
    """One layer of the decoder, written by hand."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm((8,))
        self.cross = nn.MultiheadAttention(8, 2, batch_first=True)
        self.first, self.second = nn.Dense(8, 16), nn.Dense(16, 8)

    def construct(self, x, memory):
        seen = self.cross(self.norm(x), memory, memory)[0] + x
        return self.second(ops.tanh(self.first(seen))) + seen


class Decoder(nn.Cell):
    """The decoder, written by hand."""

    def __init__(self):
        super().__init__()
        self.y = nn.CellList([Layer(), Layer(), Layer()])
        self.out = nn.Dense(8, 3)

    def construct(self, x, memory):
        for layer in self.y:
            x = layer(x, memory)
        return self.out(x)


def samples(recipe):
    shapes = [one["shape"] for one in recipe.get("inputs", {"input": recipe.get("input")}).values()]
    generator = np.random.default_rng(0)
    return [Tensor(generator.normal(size=shape).astype(np.float32)) for shape in shapes]


def with_values_of(model, other):
    """The model with the values of another whose parameters are in the same order."""
    for mine, theirs in zip(model.get_parameters(), other.get_parameters(), strict=True):
        assert mine.shape == theirs.shape
        mine.set_data(theirs)
    return model


@pytest.mark.parametrize("mode", ["pynative", pytest.param("graph", marks=pytest.mark.slow)])
def test_a_repeat_of_two_sources_is_the_network_unrolled_by_hand(mode):
    model = assemble(DECODER)
    given = samples(DECODER)
    with device.mode(mode):
        found = model(*given).asnumpy()
        unrolled = with_values_of(assemble(BY_HAND), model)(*given).asnumpy()
        by_hand = with_values_of(Decoder(), model)(*given).asnumpy()
    np.testing.assert_allclose(found, unrolled, atol=1e-6)
    np.testing.assert_allclose(found, by_hand, atol=1e-5)


def test_a_repeat_of_two_sources_costs_what_the_unrolled_network_costs():
    found, unrolled = plan(DECODER), plan(BY_HAND)
    assert (found.trainable, found.macs) == (unrolled.trainable, unrolled.macs)
    assert found.activations <= unrolled.activations  # a graph keeps what its lines emit until the end
    paths = [row.path for row in found.rows]
    assert paths[:3] == ["y", "y.0", "y.0.norm"]
    assert [path for path in paths if path.count(".") == 1] == ["y.0", "y.1", "y.2"]


def test_the_depth_of_a_repeat_of_two_sources_is_a_parameter():
    names = [one.name for one in assemble({**DECODER, "params": {"depth": 1}}).get_parameters()]
    assert names[0] == "y.0.norm.gamma"
    assert plan({**DECODER, "params": {"depth": 7}}).trainable == 7 * 584 + 27


SKIPS = {
    "inputs": {"x": {"shape": [2, 8]}, "skip": {"shape": [2, 4]}, "side": {"shape": [2, 5]}},
    "blocks": {
        "Wave": {
            "inputs": ["x", "skip", "side"],
            "graph": {
                "key": "Dense(_, 8) @ side",
                "on": "Multiply @ (x, key)",
                "up": "Dense(_, 4) @ on",
                "sum": "Add @ (up, skip)",
            },
            "outputs": ["on", "sum"],
        }
    },
    "graph": {"y": "3 * Wave @ (x, skip, side)", "out": "Concat(axis=1) @ (y[0], y[1])"},
}


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_a_tuple_of_two_replaces_the_first_two_of_three_sources(mode):
    model = assemble(SKIPS)
    p = {one.name: one.asnumpy().astype(np.float64) for one in model.get_parameters()}
    given = samples(SKIPS)
    x, skip, side = (one.asnumpy().astype(np.float64) for one in given)
    for turn in range(3):
        x = x * (side @ p[f"y.{turn}.key.weight"].T + p[f"y.{turn}.key.bias"])
        skip = skip + x @ p[f"y.{turn}.up.weight"].T + p[f"y.{turn}.up.bias"]
    with device.mode(mode):
        found = model(*given).asnumpy()
    np.testing.assert_allclose(found, np.concatenate([x, skip], axis=1), atol=1e-4)


PAIRS = {
    "input": {"shape": [2, 8]},
    "blocks": {
        "Split": {"graph": {"a": "Dense(_, 8) @ input", "b": "Dense(_, 4) @ input"}, "outputs": ["a", "b"]},
        "Two": {
            "inputs": ["x", "y"],
            "graph": {"u": "Dense(_, 8) @ x", "v": "Dense(_, 4) @ y"},
            "outputs": ["u", "v"],
        },
        "Merge": {"inputs": ["x", "y"], "graph": {"w": "Dense(_, 8) @ y", "s": "Add @ (w, x)"}},
    },
}
WRITTEN = [
    {"stack": "Split + Merge"},
    {"stack": "Split + 3 * Two + Merge"},
    {"stack": "Residual(Split + Two + Merge) + ReLU"},
    {"graph": {"a": "Split", "b": "Together(Merge) @ (a[0], a[1])", "c": "Merge @ a"}, "outputs": ["b", "c"]},
    {"graph": {"a": "Split", "b": "(2 * Two + Merge) @ a"}},
]


@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("recipe", WRITTEN, ids=range(len(WRITTEN)))
def test_a_tuple_is_the_inputs_of_a_block_of_as_many(recipe, mode):
    recipe = {**PAIRS, **recipe}
    model = assemble(recipe)
    given = samples(recipe)
    with device.mode(mode):
        found = model(*given)
    planned = plan(recipe)
    emitted = found if isinstance(found, tuple) else (found,)
    wanted = planned.output if isinstance(planned.output, tuple) else (planned.output,)
    assert [one.shape for one in emitted] == [one.shape for one in wanted]
    if recipe.get("stack") == "Split + Merge":
        p = {one.name: one.asnumpy() for one in model.get_parameters()}
        x = given[0].asnumpy()
        a, b = x @ p["0.a.weight"].T + p["0.a.bias"], x @ p["0.b.weight"].T + p["0.b.bias"]
        np.testing.assert_allclose(found.asnumpy(), b @ p["1.w.weight"].T + p["1.w.bias"] + a, atol=1e-5)


@pytest.mark.parametrize("recipe", [DECODER, SKIPS, *({**PAIRS, **one} for one in WRITTEN)], ids=range(7))
def test_a_plan_with_turns_prints_back_to_a_recipe(recipe):
    first = plan(recipe)
    data = {key: value for key, value in recipe.items() if key in ("input", "inputs")}
    again = plan({**data, **dump(first.steps)})
    assert [row.path for row in again.rows] == [row.path for row in first.rows]
    assert (again.rows, again.output, again.activations) == (first.rows, first.output, first.activations)


def test_equal_turns_are_one_node_in_every_view():
    planned = plan({**DECODER, "params": {"depth": 6}})
    (turns,) = [node for node, _ in outline(planned).walk() if node.title == "Decode"]
    assert (turns.times, turns.paths) == (6, "y.0–5")
    assert "self.y = Turns(*[Decode() for _ in range(6)])" in code("decoder", planned)
    drawn = to_mermaid(diagram(planned))
    assert '["Decode × 6"]' in drawn
    assert drawn.count('"(2, 7, 8) × 2"') == 1  # the memory goes to the one turn that is drawn


ONE = {"inputs": ["x", "m"], "graph": {"u": "Dense(_, w) @ x", "d": "Dense(_, 8)", "s": "Add @ (d, m)"}}


def test_the_turns_of_a_group_with_for_differ():
    both = {"inputs": ["x", "m"], "graph": {"y": "2 * One(w) @ (x, m)"}}
    recipe = {
        "inputs": {"x": {"shape": [2, 8]}, "side": {"shape": [2, 8]}},
        "blocks": {"One(w)": ONE, "Both(w)": both},
        "graph": {
            "y": "(Both(w) for w in [3, 5]) @ (x, side)",
            "z": "((One(w) for w in [4, 6]) for _ in range(2)) @ (y, x)",
        },
    }
    planned = plan(recipe)
    found = [(row.path, row.arguments) for row in planned.rows if row.path.endswith(".u")]
    assert found == [
        ("y.0.y.0.u", "8, 3"), ("y.0.y.1.u", "8, 3"), ("y.1.y.0.u", "8, 5"), ("y.1.y.1.u", "8, 5"),
        ("z.0.u", "8, 4"), ("z.1.u", "8, 6"), ("z.2.u", "8, 4"), ("z.3.u", "8, 6"),
    ]  # fmt: skip
    again = plan({"inputs": recipe["inputs"], **dump(planned.steps)})
    assert (again.rows, again.output) == (planned.rows, planned.output)
    assert "self.y = Turns(Both(3), Both(5))" in code("turns", planned)


def test_turns_may_differ():
    first, second = nn.Dense(8, 8), nn.Dense(8, 8)
    both = Turns(Scaled(first), Scaled(second))
    x, side = samples({"inputs": {"x": {"shape": [2, 8]}, "y": {"shape": [2, 8]}}})
    wanted = second(first(x) * side) * side
    assert np.array_equal(both(x, side).asnumpy(), wanted.asnumpy())
    assert np.array_equal(both((x, side)).asnumpy(), wanted.asnumpy())
    assert next(name for name, _ in both.parameters_and_names()) == "0.inner.weight"


class Scaled(nn.Cell):
    """A Dense, scaled by a second input."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def construct(self, x, side):
        return self.inner(x) * side


def test_the_reference_of_turns():
    def add(values):
        return values[0] + values[1]

    def swap(values):
        return values[1], values[0]

    reference = LAYERS["Turns"].reference_function
    x, y = np.array([1.0]), np.array([10.0])
    assert reference((x, y), {}, {"turns": (add, add, add)}) == np.array([31.0])
    assert reference((x, y), {}, {"turns": (swap, add, swap)}) == (y, x + y)


def test_every_turn_gets_the_sources_that_none_replaces_in_a_drawing():
    inputs = {"x": {"shape": [4, 8]}, "memory": {"shape": [4, 8]}}
    drawn = diagram(
        plan({"inputs": inputs, "graph": {"y": "(Multiply if i % 2 else Add for i in range(4)) @ (x, memory)"}})
    )
    edges = [(drawn.nodes[one.source].lines[0], drawn.nodes[one.target].lines[0]) for one in drawn.edges]
    assert edges.count(("memory · input", "Add")) == edges.count(("memory · input", "Multiply")) == 1
    assert max(group.repeat for group in drawn.groups) == 2


@pytest.mark.parametrize("mode", ["pynative", pytest.param("graph", marks=pytest.mark.slow)])
def test_error_of_turns_of_one_tensor(mode):
    x = Tensor(np.ones((2, 8), np.float32))
    with device.mode(mode), pytest.raises(ValueError, match="Turns takes several inputs: Turns"):
        Turns(Add(), Add())(x)


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda: Turns(), ValueError, "Turns needs at least one Cell"),
        (lambda: Turns(nn.ReLU(), ops.relu), TypeError, "turn 1 must be a Cell, not function"),
    ],
)
def test_error_of_turns(made, error, message):
    with pytest.raises(error) as raised:
        made()
    assert str(raised.value) == message


SEVERAL = "2 sources need one layer in each turn, and 'y' has several: write a block with a graph"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3 * (Add + ReLU) @ (x, memory)", f"recipe.graph.y: {SEVERAL}"),
        ("3 * Both @ (x, memory)", f"recipe.graph.y: {SEVERAL}"),
        ("(Add + ReLU) @ (x, memory)", "recipe.graph.y: 2 sources need one layer, and 'y' has several: put those after "
         "the first on another line"),
        ("pair @ (x, memory)", "recipe.graph.y: 2 sources need one layer, and the shared part 'pair' has several: make "
         "it a graph"),
        ("0 * Add @ (x, memory)", "recipe.graph.y: this expands to zero layers"),
        ("2 * Three @ (x, memory)", "x is (2, 5, 8) float32 and memory is (2, 7, 8) float32; #y.0 graph takes 3 inputs: "
         "a, b, c"),
        ("2 * One @ (x, memory)", "x is (2, 5, 8) float32 and memory is (2, 7, 8) float32; #y.0 graph takes 1 input: "
         "input"),
        ("2 * Wide @ (x, memory)", "x is (2, 5, 9) float32; #y.1.a Dense(8, 9) wants (…, 8)"),
        ("2 * MultiheadAttention(8, 2, batch_first=True) @ (x, memory, memory)", "#y.0 MultiheadAttention(8, 2, "
         "batch_first=True) emits a tuple ((2, 5, 8), (2, 5, 7)) beside (2, 7, 8) float32; #y.1 MultiheadAttention"),
    ],
)  # fmt: skip
def test_error_of_a_repeat_of_several_sources(line, message):
    graph = {"s": "Add @ (a, b)", "t": "Add @ (s, c)"}
    blocks = {
        "Three": {"inputs": ["a", "b", "c"], "graph": graph},
        "Both": "Add + ReLU",
        "One": {"graph": {"a": "ReLU"}},
        "Wide": {
            "inputs": ["x", "m"],
            "graph": {"a": "Dense(8, 9) @ x", "b": "(Mean(1, True) + Dense(8, 9)) @ m", "s": "Add @ (a, b)"},
        },
    }
    with pytest.raises(AssemblerError) as error:
        plan({"inputs": INPUTS, "shared": {"pair": "Add + ReLU"}, "blocks": blocks, "graph": {"y": line}})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ("Merge", "the input is (2, 8) float32; graph takes 2 inputs: x, y"),
        ("Split + 2 * Merge", "#1 graph emits (2, 8) float32; #2 graph takes 2 inputs: x, y"),
        ("Split + Three", "#0 graph emits a tuple ((2, 8), (2, 4)); #1 graph takes 3 inputs: x, y, z"),
    ],
)
def test_error_of_a_block_of_several_inputs(stack, message):
    graph = {"s": "Add @ (x, y)", "t": "Add @ (s, z)"}
    blocks = {**PAIRS["blocks"], "Three": {"inputs": ["x", "y", "z"], "graph": graph}}
    with pytest.raises(AssemblerError) as error:
        plan({**PAIRS, "blocks": blocks, "stack": stack})
    assert message in str(error.value)


@pytest.mark.parametrize("mode", ["pynative", pytest.param("graph", marks=pytest.mark.slow)])
def test_every_turn_is_trained(mode):
    model = assemble(DECODER)
    given = samples(DECODER)

    def loss(x, memory):
        return model(x, memory).sum()

    with device.mode(mode):
        step = mindspore.value_and_grad(loss, None, model.trainable_params())
        _, gradients = step(*given)
    found = {one.name: float(ops.abs(g).max()) for one, g in zip(model.trainable_params(), gradients, strict=True)}
    assert all(found[f"y.{turn}.feed.inner.0.weight"] > 0 for turn in range(3))
