"""Names of items of a stack: what the parameters are called, in every form of a recipe and in every view."""

from collections import OrderedDict

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn, ops
from typer.testing import CliRunner

from assembler import assemble, describe, plan
from assembler.binding.dump import dump
from assembler.commands.app import app
from assembler.errors import AssemblerError
from assembler.language.grammar import parse
from assembler.language.recipe import Layer, Named, Repeat, chain
from assembler.language.yaml_form import parse_stack
from assembler.runtime import device
from assembler.views.code import code
from assembler.views.diagram.draw import diagram
from assembler.views.diagram.mermaid import to_mermaid

BLOCKS = {
    "Unit(c)": "(conv1 := Dense(_, c)) + ReLU + (conv2 := Dense(_, c))",
    "Stage(n)": "Unit(8) + (n - 1) * Unit(8)",
    "Plain": "Dense(_, 8) + ReLU",
    "Alias": "Unit(8)",
    "Graph": {"graph": {"conv1": "Dense(_, 8) @ input", "sum": "Add @ (conv1, input)"}},
    "Wrap(part)": "Residual(part) + (last := part)",
    "Head(part)": "Dense(_, 8) + part",
}
SHARED = {"tied": "Dense(8, 8)", "row": "(a := Dense(8, 8)) + ReLU"}

# stack: the names of its weights, in order
WRITTEN = {
    "(conv1 := Dense(_, 8)) + ReLU + Dense(_, 3)": "conv1 2",
    "conv1 := Dense(_, 8)": "conv1",
    "(stem := Plain) + (top := 2 * Dense(_, 8)) + ReLU": "stem.0 top.0 top.1",
    "(top := 1 * Dense(_, 8))": "top.0",
    "(top := n * Dense(_, 8))": "top.0",
    "(top := (Dense(_, w) for w in [3]))": "top.0",
    "(top := Dense(_, 8) + 0 * ReLU)": "top.0",
    "(top := 0 * ReLU) + Dense(_, 8)": "0",
    "Dense(_, 8) + (b := Dense(_, 8) + ReLU + (c := Dense(_, 8))) + Dense(_, 8)": "0 b.0 b.c 2",
    "(a := (b := Dense(_, 8)))": "a.b",
    "Unit(8)": "conv1 conv2",
    "Alias": "0.conv1 0.conv2",
    "Unit(8) + Unit(8)": "0.conv1 0.conv2 1.conv1 1.conv2",
    "(layer1 := Unit(8))": "layer1.conv1 layer1.conv2",
    "(layer1 := Alias)": "layer1.conv1 layer1.conv2",
    "(layer1 := 2 * Unit(8))": "layer1.0.conv1 layer1.0.conv2 layer1.1.conv1 layer1.1.conv2",
    "(layer1 := Stage(1)) + Stage(1)": "layer1.0.conv1 layer1.0.conv2 1.conv1 1.conv2",
    "(layer1 := Stage(2))": "layer1.0.conv1 layer1.0.conv2 layer1.1.conv1 layer1.1.conv2",
    "2 * (a := Dense(_, 8))": "0.a 1.a",
    "2 * ((a := Dense(_, 8)) + ReLU) + Dense(_, 8)": "0.a 1.a 2",
    "((a := Dense(_, w)) for w in [3, 8])": "0.a 1.a",
    "2 * (2 * (a := Dense(_, 8)))": "0.a 1.a 2.a 3.a",
    "Residual((a := Dense(_, 8)))": "0.inner.a",
    "Residual((a := Dense(_, 8)) + ReLU)": "0.inner.a",
    "Residual(Unit(8)) + (r := Residual(Dense(_, 8)))": "0.inner.conv1 0.inner.conv2 r.inner",
    "Parallel((a := Dense(_, 8)), *(2 * (b := Dense(_, 8))))": "0.branches.0.a 0.branches.1.b 0.branches.2.b",
    "(a := Graph) + Graph + (b := (c := Graph))": "a.conv1 1.conv1 b.c.conv1",
    "Wrap((z := Dense(_, 8)) + ReLU)": "0.inner.z last.z",
    "(w := Wrap(Unit(8))) + ReLU": "w.0.inner.conv1 w.0.inner.conv2 w.last.conv1 w.last.conv2",
    "Head((z := Dense(_, 8))) + ReLU": "0.0 0.z",
    "row + Residual(row)": "row.a",
    "(x := ReLU + tied) + tied": "tied",
}


def recipe(stack, **more):
    return {"input": {"shape": [2, 8]}, "params": {"n": 1}, "blocks": BLOCKS, "shared": SHARED, "stack": stack, **more}


def weights(planned):
    return [name.removesuffix(".weight") for name, _, _ in planned.weights() if name.endswith(".weight")]


@pytest.mark.parametrize("stack", WRITTEN)
def test_parameters_have_the_names_of_their_items(stack):
    planned = plan(recipe(stack))
    assert weights(planned) == WRITTEN[stack].split()
    built = [one.name for one in assemble(recipe(stack)).get_parameters()]
    assert sorted(built) == sorted(name for name, _, _ in planned.weights())


@pytest.mark.parametrize("stack", WRITTEN)
def test_a_plan_with_names_prints_back_to_a_recipe(stack):
    first = plan(recipe(stack))
    again = plan({"input": {"shape": [2, 8]}, **dump(first.steps)})
    assert (again.rows, again.output) == (first.rows, first.output)
    assert dump(again.steps) == dump(first.steps)


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([{"conv1": "Dense(8, 8)"}, "ReLU"], "(conv1 := Dense(8, 8)) + ReLU"),
        ([{"a": {"stack": ["Dense(8, 8)", {"Dense": [8, 8]}]}}], "(a := Dense(8, 8) + Dense(8, 8))"),
        ([{"a": "b := ReLU"}], "(a := (b := ReLU))"),
        ([{"a": "2 * ReLU"}, {"Dense": {"in_channels": 8, "out_channels": 4}}],
         "(a := 2 * ReLU) + Dense(in_channels=8, out_channels=4)"),
    ],
)  # fmt: skip
def test_an_item_of_a_list_may_have_a_name(items, text):
    assert parse_stack(items) == parse(text)
    assert str(parse_stack(items)) == text


def test_a_line_of_a_graph_and_a_block_may_be_rows_with_names():
    blocks = {"Two": {"stack": [{"a": "Dense(_, 8)"}, {"b": {"graph": {"c": "Dense(_, 8)"}}}]}}
    graph = {"x": "Two", "y": {"z": "Dense(_, 8) + ReLU"}, "w": "(v := Dense(_, 8)) @ y"}
    planned = plan({"input": {"shape": [2, 8]}, "blocks": blocks, "graph": graph})
    assert weights(planned) == ["x.a", "x.b.c", "y.z.0", "w.v"]


def test_a_name_is_part_of_the_recipe():
    a = Named("a", chain([Layer("A"), Layer("B")]))
    assert parse("a := A + B") == a
    assert parse("C + (a := A + B)") == chain([Layer("C"), a])
    assert parse("2 * (a := A + B)") == Repeat(2, a)
    assert str(parse("2*(a:=A+B)")) == "2 * (a := A + B)"


# ---- against networks with published names

CONVOLUTION = "Conv2d(_, {}, {}, {}, pad_mode='pad', padding={})"
RESNET = {
    "input": {"shape": [2, 3, 32, 32]},
    "params": {"widths": [8, 16], "depths": [1, 2]},
    "blocks": {
        "Conv(c, k, stride=1)": "Conv2d(_, c, k, stride, pad_mode='pad', padding=k // 2)",
        "Basic(c, stride=1)": {
            "graph": {
                "conv1": "Conv(c, 3, stride) @ input",
                "bn1": "BatchNorm2d(_)",
                "act1": "ReLU",
                "conv2": "Conv(c, 3)",
                "bn2": "BatchNorm2d(_)",
                "downsample": "(Conv(c, 1, stride) + BatchNorm2d(_) if stride > 1 else Identity) @ input",
                "sum": "Add @ (bn2, downsample)",
                "act2": "ReLU",
            }
        },
        "Stage(c, n, stride)": "Basic(c, stride) + (n - 1) * Basic(c)",
    },
    "stack": [
        {"conv1": "Conv(widths[0], 7, 2)"},
        {"bn1": "BatchNorm2d(_)"},
        "ReLU",
        {"layer1": "Stage(widths[0], depths[0], 1)"},
        {"layer2": "Stage(widths[1], depths[1], 2)"},
        "AdaptiveAvgPool2d(1) + Flatten",
        {"fc": "Dense(_, 10)"},
    ],
}
TORCHVISION = [
    "conv1.weight",
    "bn1.gamma",
    "bn1.beta",
    "layer1.0.conv1.weight",
    "layer1.0.bn1.gamma",
    "layer1.0.bn1.beta",
    "layer1.0.conv2.weight",
    "layer1.0.bn2.gamma",
    "layer1.0.bn2.beta",
    "layer2.0.conv1.weight",
    "layer2.0.bn1.gamma",
    "layer2.0.bn1.beta",
    "layer2.0.conv2.weight",
    "layer2.0.bn2.gamma",
    "layer2.0.bn2.beta",
    "layer2.0.downsample.0.weight",
    "layer2.0.downsample.1.gamma",
    "layer2.0.downsample.1.beta",
    "layer2.1.conv1.weight",
    "layer2.1.bn1.gamma",
    "layer2.1.bn1.beta",
    "layer2.1.conv2.weight",
    "layer2.1.bn2.gamma",
    "layer2.1.bn2.beta",
    "fc.weight",
    "fc.bias",
]
"""The names of torchvision's resnet, but for weight and bias of BatchNorm, which are gamma and beta in MindSpore."""


class Basic(nn.Cell):
    """A block of a ResNet, written by hand."""

    def __init__(self, inputs, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, pad_mode="pad", padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, pad_mode="pad", padding=1)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = nn.Identity()
        if stride > 1:
            convolution = nn.Conv2d(inputs, channels, 1, stride, pad_mode="pad")
            self.downsample = nn.SequentialCell(convolution, nn.BatchNorm2d(channels))

    def construct(self, x):
        y = ops.relu(self.bn1(self.conv1(x)))
        return ops.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet(nn.Cell):
    """The recipe, written by hand."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, pad_mode="pad", padding=3)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.SequentialCell(Basic(8, 8, 1))
        self.layer2 = nn.SequentialCell(Basic(8, 16, 2), Basic(16, 16, 1))
        self.fc = nn.Dense(16, 10)

    def construct(self, x):
        x = ops.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


def test_a_recipe_may_have_the_published_names():
    found = [name for name, _, weight in plan(RESNET).weights() if weight.requires_grad]
    assert sorted(found) == sorted(TORCHVISION)


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_a_checkpoint_with_published_names_is_loaded_as_it_is(tmp_path, mode):
    device.seed(0)
    published = ResNet().set_train(False)
    mindspore.save_checkpoint(published, str(tmp_path / "resnet.ckpt"))
    model = assemble(RESNET)
    assert mindspore.load_param_into_net(
        model, mindspore.load_checkpoint(str(tmp_path / "resnet.ckpt")), strict_load=True
    ) == ([], [])
    x = Tensor(np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32))
    with device.mode(mode):
        np.testing.assert_allclose(model(x).asnumpy(), published(x).asnumpy(), atol=1e-5)


# ---- rules, views, and networks made by hand


def test_rules_for_first_values_and_freezing_know_names():
    rules = {"init": {"layer1.*.conv1.weight": 0.5}, "freeze": ["layer1.0.*"]}
    planned = plan(recipe("(layer1 := 2 * Unit(8))", **rules))
    frozen = [name for name, _, weight in planned.weights() if weight.frozen]
    assert frozen == [f"layer1.0.conv{n}.{part}" for n in (1, 2) for part in ("weight", "bias")]
    model = assemble(recipe("(layer1 := 2 * Unit(8))", **rules))
    values = {one.name: one.asnumpy() for one in model.get_parameters()}
    assert np.all(values["layer1.1.conv1.weight"] == 0.5)
    assert not np.any(values["layer1.1.conv2.weight"] == 0.5)


def test_views_show_names():
    planned = plan(recipe("(stem := Plain) + (layer1 := 3 * Unit(8)) + (fc := Dense(_, 2))"))
    drawn = to_mermaid(diagram(planned))
    assert '["layer1 · Unit × 3"]' in drawn or '["layer1"]' in drawn
    assert "fc · Dense" in drawn
    table = str(planned.show("blocks"))
    assert "layer1.0–2" in table
    source = code("net", planned)
    assert 'OrderedDict(zip(("conv1", "1", "conv2")' in source
    assert "stem=Plain()" in source.replace("Plain(8, 8)", "Plain()")
    assert "layer1=nn.SequentialCell(*[Unit(" in source.replace(
        "layer1=nn.SequentialCell([", "layer1=nn.SequentialCell(*["
    )


def test_chains_with_names_are_described_as_rows():
    inner = [nn.SequentialCell(OrderedDict(a=nn.Dense(8, 8))) for _ in range(3)]
    cell = nn.SequentialCell(
        OrderedDict(x=inner[0], y=nn.SequentialCell(nn.ReLU(), inner[1]), z=nn.SequentialCell(inner[2]))
    )
    text = describe(cell)
    assert [one.name for one in assemble(text).get_parameters()] == [
        "x.a.weight",
        "x.a.bias",
        "y.1.a.weight",
        "y.1.a.bias",
        "z.0.a.weight",
        "z.0.a.bias",
    ]


def test_a_cell_with_names_is_described_with_them():
    inner = nn.SequentialCell(OrderedDict(a=nn.Dense(8, 8), b=nn.ReLU()))
    cell = nn.SequentialCell(OrderedDict(stem=nn.Dense(8, 8), row=inner, end=nn.ReLU()))
    text = describe(cell)
    assert [one.name for one in assemble(text).get_parameters()] == [one.name for one in cell.get_parameters()]
    assert text == "(stem := Dense(8, 8)) + (row := (a := Dense(8, 8)) + (b := ReLU)) + (end := ReLU)"


# ---- errors


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ("(a := ReLU) + (a := Tanh)", "'a' is the name of two items of one row; a block or a turn of a repeat is a row"),
        ("Wrap2((a := ReLU))", "'a' is the name of two items of one row"),
        ("(a := tied)", "'tied' is a shared part, whose parameters have its name; it cannot be named 'a'"),
        ("(tied := ReLU) + tied", "'tied' is the name of an item and of a shared part; one of them needs another name"),
        ("(construct := ReLU)", "'construct' is an attribute of every Cell; rename the item"),
        ("ReLU + a := ReLU", "put brackets around an item with a name: A + (name := B)"),
        ("ReLU + (头 := Tanh)", "'头' is not ASCII, and names of weights have to be; rename it"),
        ([{"头": "Dense(_, 3)"}], "recipe.stack[0].头: '头' is not ASCII, and names of weights have to be; rename it"),
        ("ReLU + (construct := Tanh)", "rename the item\n    ReLU + (construct := Tanh)\n            ^^^^^^^^^^^^^^^^^"),
        ("(true := ReLU)", "'true' cannot be used as a name"),
        ("Dense(8, (a := 3))", "expected a layer, found 3"),
        ([{"Dense": "8, 4"}], "layers are joined by '+': A + B; arguments of a layer are a list: {Dense: [8, 4]}"),
        ([{"layer1": ["ReLU", "Dense(8, 8)"]}], "no layer named 'layer1'; a row of layers with a name is written layer1: "
         "{stack: [ReLU, Dense(8, 8)]}"),
        ([{"class": "ReLU"}], "'class' cannot be used as a name"),
        ([{"layers.Dense": "ReLU"}], "'layers.Dense' cannot be used as a name"),
        ("(a := Dense(8, 8)) + Dense(4, 4)", "#a Dense(8, 8) emits (2, 8) float32; #1 Dense(4, 4) wants (…, 4)"),
        ("Dense(8, 8) + (b := Dense(4, 4))", "#0 Dense(8, 8) emits (2, 8) float32; #b Dense(4, 4) wants (…, 4)"),
        ("(b := Dense(8, 8) + Dense(4, 4))", "#b.0 Dense(8, 8) emits (2, 8) float32; #b.1 Dense(4, 4) wants (…, 4)"),
    ],
)  # fmt: skip
def test_error_of_a_name(stack, message):
    blocks = {**BLOCKS, "Wrap2(part)": "part + part"}
    with pytest.raises(AssemblerError) as error:
        plan(recipe(stack, blocks=blocks))
    assert message in str(error.value)


def test_names_that_weights_do_not_have_are_in_any_script():
    planned = plan(
        {
            "inputs": {"图": {"shape": [2, 8]}},
            "params": {"宽": 8},
            "blocks": {"块(数)": "Dense(_, 数)"},
            "graph": {"y": "(块(个) for 个 in [宽, 3]) @ 图"},
        }
    )
    assert weights(planned) == ["y.0", "y.1"]


def test_error_of_a_shared_part_that_is_not_ascii():
    with pytest.raises(AssemblerError) as error:
        plan({"input": {"shape": [2, 8]}, "shared": {"混": "Dense(_, 8)"}, "stack": "混"})
    assert str(error.value) == "recipe.shared.混: '混' is not ASCII, and names of weights have to be; rename it"


def test_error_of_a_name_with_several_sources():
    with pytest.raises(AssemblerError) as error:
        plan({"input": {"shape": [2, 8]}, "graph": {"a": "ReLU", "y": "(b := Add) @ (a, input)"}})
    assert str(error.value) == (
        "recipe.graph.y: 'b' is in a row of its own, which takes one source: the line is named 'y' already"
    )


# ---- blocks with the names of layers

HIDING = {
    "input": {"shape": [2, 8]},
    "blocks": {"Norm(n)": "LayerNorm(_) + Dense(_, n)"},
    "stack": "Norm(8) + 2 * Norm(4)",
}


def test_a_block_wins_over_a_layer_of_the_registry_and_the_plan_says_so_once():
    planned = plan(HIDING)
    assert [row.layer for row in planned.rows] == ["LayerNorm", "Dense"] * 3
    said = "Norm is the block of this recipe, not the layer mindspore.nn.Norm"
    assert str(planned).count(said) == 1
    assert "is the block" not in str(plan({**HIDING, "stack": "ReLU"}))


def test_validate_says_that_a_block_hides_a_layer(tmp_path):
    file = tmp_path / "hiding.yaml"
    file.write_text("input: {shape: [2, 8]}\nblocks: {Norm: LayerNorm(_)}\nstack: 2 * Norm\n")
    result = CliRunner().invoke(app, ["validate", str(file)])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.rpartition(": ")[2] for line in lines[:-1]] == [
        "Norm is the block of this recipe, not the layer mindspore.nn.Norm"
    ]
    assert lines[-1] == "1 file, no errors"


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"Norm": "Norm + ReLU"}, "blocks use each other in a circle: Norm → Norm; rename the block to use the layer Norm "
         "in it"),
        ({"Own": "Own + ReLU"}, "blocks use each other in a circle: Own → Own; what is repeated is a repeat or a loop: (Unit(w) for w in widths)"),
    ],
)  # fmt: skip
def test_error_of_a_block_that_uses_its_own_name(blocks, message):
    with pytest.raises(AssemblerError) as error:
        plan({"input": {"shape": [2, 8]}, "blocks": blocks, "stack": next(iter(blocks))})
    assert error.value.message == message
