"""``compare-torch``: where a recipe and a PyTorch module differ, and why."""

import sys

import mindspore
import numpy as np
import pytest
from mindspore import Tensor
from safetensors.numpy import load_file
from typer.testing import CliRunner

from assembler import AssemblerError, plan
from assembler.commands.app import app
from assembler.model.build import build
from assembler.model.naming import Assignment, NameMapping, Transform
from assembler.model.parity import Comparing, hand_over, torch_module
from assembler.model.parity.pairs import pairs_of
from assembler.model.parity.paths import modules_by_path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # torch takes seconds to import


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def compare(stack, module, shape, seed=0, scale=1):
    """The comparison of a stack with a module that has random weights."""
    planned = plan(stack, input={"shape": shape})
    model = build(planned, seed)
    module = module.float().eval()
    torch_module.randomize(module, seed)
    mapping = hand_over(module, model, planned, "the module")
    sample = Tensor(np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32))
    return Comparing(model, planned, [sample], module, mapping).run()


def test_a_network_with_the_same_layers_agrees(torch):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Linear(16, 16), nn.LayerNorm(16))
    stack = "Dense(8, 16) + BatchNorm1d(16) + GELU(approximate=False) + Dense(16, 16) + LayerNorm((16,), epsilon=1e-5)"
    found = compare(stack, module, (4, 8))
    assert (found.first, found.notes) == (None, ())
    assert [(row.here, row.there) for row in found.rows] == [
        ("#0 Dense", "0 Linear"),
        ("#1 BatchNorm1d", "1 BatchNorm1d"),
        ("#3 Dense", "3 Linear"),
        ("#4 LayerNorm", "4 LayerNorm"),
        ("output", "output"),
    ]
    assert all(0 <= row.apart.difference <= row.apart.bound for row in found.rows)


def test_a_cell_of_one_expert_is_not_compared_with_the_module_of_all(torch):
    """Also in a mixture of one's own, whose router is not known."""
    module = torch.nn.ModuleDict({"experts": torch.nn.Identity()})
    one = Assignment(("experts.gate_up_proj",), "experts.1.gate.weight", Transform(rows=(0, 6), expert=1))
    cells = {"experts.1.gate": mindspore.nn.Dense(8, 6, has_bias=False)}
    assert pairs_of(NameMapping((one,)), cells, modules_by_path(module)) == {}


def test_error_of_a_layer_too_few_says_nothing_of_an_embedding_that_is_not_tied(torch):
    class Reader(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.fc = torch.nn.Embedding(8, 8), torch.nn.Linear(8, 8, bias=False)

    planned = plan(
        "Embedding(8, 8) + 2 * Dense(8, 8, has_bias=False)", input={"shape": [2, 3], "sample": "integers", "high": 8}
    )
    with pytest.raises(AssemblerError) as error:
        hand_over(Reader(), build(planned), planned, "the module")
    assert "weight (8, 8) is not in the file" in str(error.value)
    assert "tied" not in str(error.value)


DENSE, CONV = "Dense(8, 8) + {} + Dense(8, 8)", "{} + ReLU + Flatten + Dense(_, 4)"
IMAGE = (2, 3, 9, 9)


def dense(between):
    return lambda nn: nn.Sequential(nn.Linear(8, 8), between(nn), nn.Linear(8, 8))


def conv(first, features):
    return lambda nn: nn.Sequential(first(nn), nn.ReLU(), nn.Flatten(), nn.Linear(features, 4))


CAUSES = [
    (
        DENSE.format("LayerNorm((8,))"),
        dense(lambda nn: nn.LayerNorm(8)),
        (4, 8),
        ("#1 LayerNorm((8,)), which is 1 LayerNorm((8,), eps=1e-05", "epsilon is 1e-07 here and 1e-05 there; write epsilon=1e-05"),
    ),
    (
        DENSE.format("BatchNorm1d(8)"),
        dense(lambda nn: nn.BatchNorm1d(8, eps=1e-6)),
        (4, 8),
        ("#1 BatchNorm1d(8), which is", "eps is 1e-05 here and 1e-06 there; write eps=1e-06"),
    ),
    (
        DENSE.format("GELU"),
        dense(lambda nn: nn.GELU()),
        (64, 8),
        ("#1 GELU, between #0 Dense(8, 8) and #2 Dense(8, 8)", "#1: GELU is approximate (tanh) here and exact (erf) there; write approximate=False"),
    ),
    (
        DENSE.format("LeakyReLU"),
        dense(lambda nn: nn.LeakyReLU()),
        (4, 8),
        ("#1 LeakyReLU, between", "#1: alpha is 0.2 here and 0.01 there; write alpha=0.01"),
    ),
    (
        DENSE.format("Sigmoid"),
        dense(lambda nn: nn.Hardsigmoid()),
        (4, 8),
        ("#1 Sigmoid, between", "#1: it is Sigmoid here and Hardsigmoid there; write HSigmoid"),
    ),
    (
        "Dense(8, 8) + Dense(8, 8) + ReLU",
        lambda nn: nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Softplus()),
        (4, 8),
        ("#2 ReLU, after #1 Dense(8, 8)", "#2: it is ReLU here and Softplus there; write Softplus"),
    ),
    (
        CONV.format("Conv2d(3, 8, 3, 2, pad_mode='same', has_bias=True)"),
        conv(lambda nn: nn.Conv2d(3, 8, 3, 2, 1), 200),
        (2, 3, 10, 10),
        ("#0 Conv2d(3, 8, 3, 2, pad_mode='same', has_bias=True), which is", "padding is 'same' here and 1 there, and 'same' pads more at the end than at the start; write pad_mode='pad', padding=1"),
    ),
    (
        CONV.format("Conv2d(3, 8, 3, pad_mode='pad', padding=1, has_bias=True)"),
        conv(lambda nn: nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), 648),
        IMAGE,
        ("#0 Conv2d(3, 8, 3", "the padding is zeros here and reflect there"),
    ),
    (
        CONV.format("Conv2d(3, 8, 3, 2, pad_mode='pad', padding=1, has_bias=True) + AdaptiveAvgPool2d(1)"),
        lambda nn: nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4)),
        IMAGE,
        ("#0 Conv2d(3, 8, 3, 2", "stride is 2 here and 1 there; write stride=1"),
    ),
    (
        CONV.format("Conv2d(3, 8, 3, pad_mode='pad', padding=2, dilation=1, has_bias=True) + AdaptiveAvgPool2d(1)"),
        lambda nn: nn.Sequential(nn.Conv2d(3, 8, 3, 1, 2, dilation=2), nn.AdaptiveAvgPool2d(1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4)),
        IMAGE,
        ("#0 Conv2d(3, 8, 3", "dilation is 1 here and 2 there; write dilation=2"),
    ),
    (
        "Conv2d(3, 8, 3, has_bias=True) + MaxPool2d(2) + AdaptiveAvgPool2d(1) + Flatten + Dense(8, 4)",
        lambda nn: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
        IMAGE,
        ("#1 MaxPool2d(2), between", "#1: stride is 1 here and 2 there; write stride=2"),
    ),
    (
        "Conv1d(3, 8, 3, 2, pad_mode='valid', has_bias=True) + Flatten + Dense(_, 4)",
        lambda nn: nn.Sequential(nn.Conv1d(3, 8, 3, 2, padding=1), nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(32, 4)),
        (2, 3, 9),
        ("#0 Conv1d(3, 8, 3, 2", "padding is 0 here and 1 there; write pad_mode='pad', padding=1"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("stack", "module", "shape", "said"), CAUSES, ids=[one[3][1] for one in CAUSES])
def test_the_first_layer_that_differs_is_named_with_its_cause(torch, stack, module, shape, said):
    found = compare(stack, module(torch.nn), shape)
    where, cause = said
    assert found.first.where.startswith(where)
    assert found.first.causes[0].startswith(cause)


def functional(torch, between):
    """Two Linears, and between them a function that no module shows."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)

        def forward(self, x):
            return self.fc2(between(self.fc1(x)))

    return Net()


@pytest.mark.parametrize(
    ("layer", "function", "said"),
    [
        ("ReLU", lambda f, x: f.gelu(x), "#1 is ReLU here and GELU(approximate=False) there; write GELU(approximate=False)"),
        ("GELU", lambda f, x: f.gelu(x), "#1 is GELU here and GELU(approximate=False) there; write GELU(approximate=False)"),
        ("Tanh", lambda f, x: x, "#1 is Tanh here and Identity there; write Identity"),
        ("Identity", lambda f, x: f.silu(x), "SiLU is applied there and not here; write it"),
    ],
)  # fmt: skip
def test_an_activation_that_is_a_function_is_found_by_trying(torch, layer, function, said):
    module = functional(torch, lambda x: function(torch.nn.functional, x))
    found = compare(DENSE.format(layer), module, (64, 8))
    assert found.rows[-1].apart.what == "input"
    assert found.first.causes == (said,)


def test_what_is_not_known_has_no_cause(torch):
    found = compare(DENSE.format("ReLU"), functional(torch, lambda x: x.cumsum(1)), (4, 8))
    assert found.first.where == "#1 ReLU, between #0 Dense(8, 8) and #2 Dense(8, 8)"
    assert found.first.causes == ()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x[:2], "it is (4, 8) here and (2, 8) there"),
        (lambda x: (x - x) / (x - x), "32 of 32 values there are not numbers (NaN)"),
    ],
)
def test_other_sizes_and_what_is_not_a_number_are_the_cause(torch, function, said):
    module = functional(torch, lambda x: x)
    module.forward = lambda x: function(module.fc2(module.fc1(x)) * 0 + 1)
    found = compare("Dense(8, 8) + Dense(8, 8)", module, (4, 8))
    assert found.first.causes == (said,)


def test_an_embedding_that_gets_other_indices_has_no_activation_as_its_cause(torch):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(11, 8)

        def forward(self, x):
            return self.table(x.flip(1))

    inputs = {"shape": [2, 3], "sample": "integers", "high": 11}
    planned = plan({"name": "e", "input": inputs, "stack": "Embedding(11, 8)"})
    model, module = build(planned, 0), Net().eval()
    mapping = hand_over(module, model, planned, "the module")
    sample = Tensor(np.arange(6, dtype=np.int32).reshape(2, 3))
    found = Comparing(model, planned, [sample], module, mapping).run()
    assert found.first is not None
    assert found.first.causes == ()


def test_momentum_shows_in_training_only(torch):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8, momentum=0.01))
    found = compare("Dense(8, 8) + BatchNorm1d(8)", module, (4, 8))
    assert found.first is None
    assert found.notes == (
        "#1 BatchNorm1d(8): momentum is 0.9 here and 0.99 there (1 - 0.01); it shows in training only",
    )


def test_a_transposed_square_matrix_is_recognised(torch):
    module = torch.nn.Sequential(torch.nn.Linear(8, 8))
    planned = plan("Dense(8, 8)", input=(4, 8))
    model = build(planned, 0)
    module.eval()
    torch_module.randomize(module, 0)
    mapping = hand_over(module, model, planned, "the module")
    model[0].weight.set_data(model[0].weight.T)
    found = Comparing(model, planned, [Tensor(np.eye(8, dtype=np.float32))], module, mapping).run()
    assert found.first.where.startswith("#0 Dense(8, 8), which is 0 Linear(in_features=8, out_features=8, bias=True)")
    assert found.first.causes[0].startswith("the weight is transposed")


def attention(torch, after):
    """Attention of one head at the top of a module, with layers of functions."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.key, self.value, self.output = (torch.nn.Linear(8, 8) for _ in range(4))

        def forward(self, x):
            scores = self.query(x) @ self.key(x).transpose(1, 2) * 8**-0.5
            return self.output(after(scores.softmax(-1) @ self.value(x)))

    return Net()


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (lambda x: (x - x) / (x - x), ("80 of 80 values there are not numbers (NaN)",)),
        (lambda x: x[:, :2], ("it is (2, 5, 8) here and (2, 2, 8) there",)),
        (lambda x: x * 2, ()),
    ],
)
def test_what_differs_in_attention_for_other_reasons_is_named_too(torch, after, said):
    assert compare("Attention(8, 1)", attention(torch, lambda x: x), (2, 5, 8)).first is None
    found = compare("Attention(8, 1)", attention(torch, after), (2, 5, 8))
    assert found.first.where == "#0 Attention(8, 1), which is Net there"
    assert found.first.causes == said


def test_stacked_matrices_are_as_large_as_one_alone(torch):
    module = torch.nn.Module()
    module.stacked, module.conv = torch.nn.Parameter(torch.zeros(4, 160, 50)), torch.nn.Conv1d(10, 160, 5)
    torch_module.randomize(module, 0)
    for parameter in (module.stacked, module.conv.weight):
        assert float(parameter.std()) == pytest.approx(0.2, rel=0.05)  # root of 2 / 50


def test_tensors_that_share_memory_are_saved_each(torch, tmp_path):
    module = torch.nn.Sequential(torch.nn.Embedding(11, 8), torch.nn.Linear(8, 11))
    module[1].weight = module[0].weight
    found = load_file(torch_module.save_module(module, tmp_path))
    assert np.array_equal(found["0.weight"], found["1.weight"])
    assert module[0].weight is module[1].weight


# ---- axes in another order, other shapes, modules that compute more


def net(forward, **layers):
    """What makes a module of some layers and a function; ``forward`` gets the module and its inputs."""

    def make(nn):
        class Net(nn.Module):
            def forward(self, *inputs):
                return forward(self, *inputs)

        made = Net()
        for name, layer in layers.items():
            setattr(made, name, layer(nn))
        return made

    return make


def more(base, after):
    """A subclass of a layer that does more in its own forward."""

    def make(nn):
        owner = getattr(nn, base)
        return type(f"More{base}", (owner,), {"forward": lambda self, x: after(owner.forward(self, x))})

    return make


def convnext(norm):
    """A block with its normalization and its 1 × 1 convolutions on channels that are last."""

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.project(self.act(self.expand(y))).permute(0, 3, 1, 2)

    return net(
        forward,
        depthwise=lambda nn: nn.Conv2d(8, 8, 3, padding=1, groups=8),
        norm=norm,
        expand=lambda nn: nn.Linear(8, 16),
        act=lambda nn: nn.GELU(),
        project=lambda nn: nn.Linear(16, 8),
    )


CONVNEXT = (
    "Residual(Conv2d(8, 8, 3, group=8, has_bias=True) + LayerNorm2d(8, epsilon={}) + Conv2d(8, 16, 1, has_bias=True)"
    " + {} + Conv2d(16, 8, 1, has_bias=True))"
)
EXACT_GELU = "GELU(approximate=False)"


def scaled(self, x):
    return self.fc2(self.between(self.fc1(x) * 0.5))


def linears(forward, **layers):
    return net(forward, fc1=lambda nn: nn.Linear(8, 8), **layers, fc2=lambda nn: nn.Linear(8, 8))


AGREEING = {
    "channels last": (CONVNEXT.format(1e-6, EXACT_GELU), convnext(lambda nn: nn.LayerNorm(8, 1e-6)), (2, 8, 4, 6), ()),
    "channels, height and width are equal": (
        CONVNEXT.format(1e-6, EXACT_GELU), convnext(lambda nn: nn.LayerNorm(8, 1e-6)), (2, 8, 8, 8), ()
    ),
    "a layer that is scaled by an argument": (
        "Dense(8, 8) + LayerNorm((8,), epsilon=1e-5)",
        net(
            lambda self, x: self.norm(self.fc(x), x),
            fc=lambda nn: nn.Linear(8, 8),
            norm=lambda nn: type("Norm", (nn.LayerNorm,), {"forward": lambda self, x, _: nn.LayerNorm.forward(self, x)})(8),
        ),
        (4, 8),
        (),
    ),
    "an activation in a Linear": (
        "Dense(8, 8) + ReLU + Dense(8, 8)",
        lambda nn: nn.Sequential(more("Linear", lambda x: x.relu())(nn)(8, 8), nn.Linear(8, 8)),
        (4, 8),
        ("#0 Dense(8, 8): 0 MoreLinear computes more than this layer; the layers after it were compared with it",),
    ),
    "more outputs than the recipe has": (
        "Dense(8, 8)",
        net(lambda self, x: (self.fc(x), x, {"kept": x}), fc=lambda nn: nn.Linear(8, 8)),
        (4, 8),
        ("the recipe has 1 output, and the module returns 3 tensors; the others were not compared",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AGREEING)
def test_what_computes_the_same_agrees_however_its_axes_are_and_its_modules_are_cut(torch, name):
    stack, module, shape, notes = AGREEING[name]
    found = compare(stack, module(torch.nn), shape)
    assert (found.first, found.notes) == (None, notes)


def test_what_the_sample_does_not_show_is_a_note(torch):
    nn = torch.nn
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Flatten())
    module.extend([nn.Linear(128, 8), nn.Dropout(), nn.ReLU(), nn.Linear(8, 4)])
    stack = (
        "Conv2d(3, 8, 3, has_bias=True) + MaxPool2d(3, 2) + Flatten + Dense(128, 8) + Scale(1) + ReLU6 + Dense(8, 4)"
    )
    found = compare(stack, module, (2, 3, 9, 9), scale=0.1)
    assert found.first is None
    assert found.notes == (
        "#1 MaxPool2d(3, 2): ceil_mode is False here and True there; write ceil_mode=True; the sample does not show it",
        "#5 ReLU6: it is ReLU6 here and ReLU there; write ReLU; the sample does not show it",
    )


DIFFERING = {
    "an epsilon, where channels are last": (
        CONVNEXT.format(1e-5, EXACT_GELU), convnext(lambda nn: nn.LayerNorm(8, 1e-6)), (2, 8, 4, 6),
        "#0.inner.1 LayerNorm2d(8, epsilon=1e-05), which is norm", ["epsilon is 1e-05 here and 1e-06 there; write epsilon=1e-06"],
    ),
    "an activation, where channels are last": (
        CONVNEXT.format(1e-6, "ReLU"), convnext(lambda nn: nn.LayerNorm(8, 1e-6)), (2, 8, 4, 6),
        "#0.inner.3 ReLU, between", ["#0.inner.3: it is ReLU here and GELU there; write GELU"],
    ),
    "the last axes": (
        "Dense(8, 6)", net(lambda self, x: self.fc(x).transpose(1, 2), fc=lambda nn: nn.Linear(8, 6)), (2, 5, 8),
        "no layer, after #0 Dense(8, 6)", ["the output is (2, 5, 6) here and (2, 6, 5) there, with the same values"],
    ),
    "an axis of one": (
        "Dense(8, 1)", net(lambda self, x: self.fc(x).squeeze(-1), fc=lambda nn: nn.Linear(8, 1)), (4, 8),
        "no layer, after #0 Dense(8, 1)", ["the output is (4, 1) here and (4,) there, with the same values"],
    ),
    "an axis of one and the values": (
        "Dense(8, 1)", net(lambda self, x: self.fc(x).squeeze(-1).sigmoid(), fc=lambda nn: nn.Linear(8, 1)), (4, 8),
        "no layer, after #0 Dense(8, 1)",
        ["the output is (4, 1) here and (4,) there", "Sigmoid is applied there and not here; write it"],
    ),
    "axes that are joined, and the values": (
        "Dense(8, 6)", net(lambda self, x: 100 * self.fc(x).flatten(1), fc=lambda nn: nn.Linear(8, 6)), (2, 5, 8),
        "no layer, after #0 Dense(8, 6)", ["the output is (2, 5, 6) here and (2, 30) there"],
    ),
    "an input with an axis of one": (
        "Conv2d(3, 8, 3, has_bias=True) + Mean((2, 3)) + Dense(8, 8)",
        net(
            lambda self, x: self.fc(self.conv(x).amax((2, 3), keepdim=True)).flatten(1),
            conv=lambda nn: nn.Conv2d(3, 8, 3, padding=1), fc=lambda nn: nn.Conv2d(8, 8, 1),
        ),
        (2, 3, 6, 6),
        "#1 Mean((2, 3)), between #0 Conv2d", [],
    ),
    "a layer that is not called": (
        "Dense(8, 8) + ReLU + Dense(8, 8) + Dense(8, 8)",
        net(
            lambda self, x: self.fc3(self.fc1(x).relu()),
            **{name: lambda nn: nn.Linear(8, 8) for name in ("fc1", "fc2", "fc3")},
        ),
        (4, 8),
        "#1 ReLU, between #0 Dense(8, 8) and #3 Dense(8, 8)", ["fc2 Linear is not called there"],
    ),
    "a layer that is called twice here and once there": (
        {"stack": "ours + ReLU + ours + Dense(8, 8)", "shared": {"ours": "Dense(8, 8)"}},
        net(lambda self, x: self.fc(self.ours(x).relu()), ours=lambda nn: nn.Linear(8, 8), fc=lambda nn: nn.Linear(8, 8)),
        (4, 8),
        "#1 ReLU, between #ours Dense(8, 8) and #3 Dense(8, 8)", [],
    ),
    "a module that emits no tensor": (
        "Dense(8, 8) + ReLU + Dense(8, 8)",
        linears(
            lambda self, x: self.fc2(self.fc1(x) * self.size(self.fc1(x))[1]),
            size=lambda nn: type("Size", (nn.Module,), {"forward": lambda self, x: x.shape})(),
        ),
        (4, 8),
        "#1 ReLU, between", [],
    ),
    "what comes before an activation": (
        "Dense(8, 8) + SiLU + Dense(8, 8)", linears(scaled, between=lambda nn: nn.SiLU()), (4, 8),
        "#1 SiLU, between", [],
    ),
    "what comes before a Softmax of the same axis": (
        "Dense(8, 8) + Softmax + Dense(8, 8)", linears(scaled, between=lambda nn: nn.Softmax(dim=1)), (4, 8),
        "#1 Softmax, between", [],
    ),
    "a convolution with its own padding": (
        CONV.format("Conv2d(3, 8, 3, has_bias=True)"),
        lambda nn: nn.Sequential(more("Conv2d", lambda x: x.flip(-1))(nn)(3, 8, 3, padding=2, dilation=2), nn.ReLU(), nn.Flatten(), nn.Linear(648, 4)),
        IMAGE,
        "#0 Conv2d(3, 8, 3", ["dilation is 1 here and 2 there; write dilation=2"],
    ),
    "padding by the other end": (
        CONV.format("Conv2d(3, 8, 3, has_bias=True)"),
        conv(lambda nn: nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular"), 648),
        IMAGE,
        "#0 Conv2d(3, 8, 3", ["the padding is zeros here and circular there; no layer has this padding"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERING)
def test_what_computes_something_else_differs_however_its_axes_are(torch, name):
    stack, module, shape, where, causes = DIFFERING[name]
    found = compare(stack, module(torch.nn), shape)
    assert found.first.where.startswith(where)
    assert list(found.first.causes) == causes


def test_an_output_that_the_module_does_not_return_is_noted(torch):
    recipe = {
        "name": "two", "input": {"shape": [4, 8]}, "graph": {"a": "Dense(8, 3) @ input", "b": "Dense(8, 5) @ input"}, "outputs": ["a", "b"]
    }  # fmt: skip
    module = net(
        lambda self, x: self.a(x) + 0 * self.b(x)[:, :3], a=lambda nn: nn.Linear(8, 3), b=lambda nn: nn.Linear(8, 5)
    )
    planned = plan(recipe)
    model, made = build(planned, 0), module(torch.nn).eval()
    mapping = hand_over(made, model, planned, "the module")
    sample = Tensor(np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32))
    found = Comparing(model, planned, [sample], made, mapping).run()
    assert found.first is None
    assert found.notes == ("the recipe has 2 outputs, and the module returns 1 tensor; the others were not compared",)


# ---- the command

REFERENCE = """
import dataclasses
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

def other():
    return nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 4))

def wide():
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))

class Deep(nn.Sequential):
    def forward(self, x):
        return super().forward(x[:, :, None])

def deep():
    return Deep(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

def fails():
    raise KeyError("no such layer")

def nothing():
    return {}

def lazy():
    return nn.Sequential(nn.LazyLinear(16), nn.ReLU(), nn.Linear(16, 4))

class Silent(nn.Sequential):
    def forward(self, x):
        super().forward(x)

def silent():
    return Silent(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

@dataclasses.dataclass
class Output:
    logits: torch.Tensor

class Wrapped(nn.Sequential):
    def forward(self, x):
        return Output(super().forward(x))

def wrapped():
    return Wrapped(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

def scripted():
    return torch.jit.script(make())

not_a_function = 1
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a recipe, and the module in a file and in a package; what it imports is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "conf/recipe").mkdir(parents=True)
    recipe = "name: small\ninput: {shape: [4, 8], sample: normal}\nstack: Dense(8, 16) + ReLU + Dense(16, 4)\n"
    (tmp_path / "conf/recipe/small.yaml").write_text(recipe)
    (tmp_path / "reference.py").write_text(REFERENCE)
    (tmp_path / "compared_package").mkdir()
    (tmp_path / "compared_package/reference.py").write_text(REFERENCE)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("compared_")]:
        del sys.modules[name]


def call(*arguments):
    """The exit code, and what is printed."""
    done = CliRunner().invoke(app, ["compare-torch", *arguments])
    if isinstance(done.exception, AssemblerError):
        return 2, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout


@pytest.mark.parametrize("said", ["reference.py:make", "reference.py:wrapped", "compared_package.reference:make"])
def test_the_command_reports_that_all_agree(torch, project, said):
    code, printed = call("small", said)
    assert code == 0
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines[0] == f"small and {said}"
    assert [line.split(" (4,")[0] for line in lines[3:6]] == ["#0 Dense 0 Linear", "#2 Dense 2 Linear", "output output"]
    assert lines[-1] == "all layers are within the bound"


def test_the_command_ends_at_the_first_difference(torch, project):
    code, printed = call("small", "reference.py:other", "--seed", "3")
    assert code == 1
    assert printed.splitlines()[-2:] == [
        "the first difference, in its input: #1 ReLU, between #0 Dense(8, 16) and #2 Dense(16, 4)",
        "  likely cause: #1: it is ReLU here and SiLU there; write SiLU",
    ]
    assert "DIFFERS" in printed


def test_a_layer_that_the_device_cannot_run_is_one_message(torch, project):
    stack = "stack: mint.ConvTranspose2d(4, 8, 3)"
    (project / "conf/recipe/small.yaml").write_text(f"input: {{shape: [2, 4, 5, 5]}}\n{stack}\n")
    code, printed = call("small", "reference.py:make")
    assert code == 2
    assert "small.yaml:2:8: #0 mint.ConvTranspose2d(4, 8, 3) cannot run on this device: " in printed


ERRORS = [
    ("reference", "'reference' is not of the form my_project.reference:make or reference.py:make"),
    ("absent.py:make", "there is no file absent.py"),
    ("absent_package:make", "cannot import 'absent_package': ModuleNotFoundError: No module named 'absent_package'"),
    ("reference.py:mak", "reference.py has no function 'mak'. Did you mean 'make'?"),
    ("reference.py:not_a_function", "reference.py has no function 'not_a_function'."),
    ("reference.py:fails", "reference.py:fails raised KeyError: 'no such layer'"),
    ("reference.py:nothing", "reference.py:nothing returned a dict; it must return a torch.nn.Module"),
    ("reference.py:wide", "the state of reference.py:wide does not fit the model:"),
    ("reference.py:lazy", "the PyTorch module cannot be given random weights: ValueError: Attempted to use an"),
    ("reference.py:scripted", "the PyTorch module cannot be watched, as a scripted one: RuntimeError: "),
    ("reference.py:silent", "the PyTorch module returns NoneType, which has no tensors"),
    ("reference.py:deep", "the PyTorch module does not accept (4, 8) float32: RuntimeError"),
]


@pytest.mark.parametrize(("said", "message"), ERRORS, ids=[said for said, _ in ERRORS])
def test_errors_are_one_message(torch, project, said, message):
    code, printed = call("small", said)
    assert (code, printed[: len(message)]) == (2, message)
    assert "strict" not in printed  # which this command does not have


SAVING = """

import json, sys
from pathlib import Path
from safetensors.torch import save_file

class Saving(nn.Sequential):
    def save_pretrained(self, folder):
        print("Writing 100%", file=sys.stderr)
        state = {f"model.{name}": tensor for name, tensor in self.state_dict().items()}
        self.write(Path(folder), state)

class InOne(Saving):
    def write(self, folder, state):
        save_file(state, folder / "model.safetensors")

class InShards(Saving):
    def write(self, folder, state):
        files = {name: f"{number}.safetensors" for number, name in enumerate(state)}
        for name, file in files.items():
            save_file({name: state[name]}, folder / file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))

class Elsewhere(Saving):
    def write(self, folder, state):
        (folder / "adapter_model.safetensors").write_text("")

class Failing(Saving):
    def write(self, folder, state):
        raise RuntimeError("cannot")

def saving(kind):
    return lambda: kind(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

one, shards, elsewhere, failing = map(saving, (InOne, InShards, Elsewhere, Failing))
"""


@pytest.mark.parametrize("name", ["one", "shards", "elsewhere"])
def test_a_module_that_saves_itself_is_loaded_from_its_file(torch, project, capsys, name):
    (project / "reference.py").write_text(REFERENCE + SAVING)
    assert call("small", f"reference.py:{name}")[0] == 0
    assert capsys.readouterr().err == ""


def test_error_of_a_module_that_cannot_save_itself(torch, project):
    (project / "reference.py").write_text(REFERENCE + SAVING)
    said = "the state of the PyTorch module cannot be saved: RuntimeError: cannot"
    assert call("small", "reference.py:failing") == (2, said)


def test_a_module_of_any_arguments_takes_any_names(torch, project):
    (project / "reference.py").write_text(
        REFERENCE + "\nclass Any(nn.Sequential):\n    def forward(self, *args, **kwargs):\n"
        "        return super().forward(*args, **kwargs)\n\ndef anything():\n"
        "    return Any(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))\n"
    )
    assert call("small", "reference.py:anything", "--inputs", "input")[0] == 0


def test_torch_is_needed(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, printed = call("small", "reference.py:make")
    assert code == 2
    assert printed.startswith("compare-torch needs torch, which cannot be imported (")
    assert printed.endswith("); pip install 'assembler[torch]'")


def test_a_mapping_file_decides_where_names_do_not(torch, project):
    (project / "reference.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)\n"
        "    def forward(self, x):\n        return self.second(self.first(x).relu())\n\ndef make():\n    return Net()\n"
    )
    recipe = project / "conf/recipe/small.yaml"
    recipe.write_text(recipe.read_text().replace("16", "8").replace(", 4)", ", 8)"))
    code, printed = call("small", "reference.py:make")
    assert code == 2
    assert "can be" in printed
    lines = [
        f"- {{source: {name}.{kind}, target: {number}.{kind}}}\n"
        for name, number in (("first", 0), ("second", 2))
        for kind in ("weight", "bias")
    ]
    (project / "mapping.yaml").write_text("".join(lines))
    assert call("small", "reference.py:make", "--rename", "mapping.yaml")[0] == 0


def test_a_dense_with_an_activation_is_compared_before_it(torch):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    assert compare("Dense(8, 8, activation='relu') + Dense(8, 8)", module, (4, 8)).first is None
    module[1] = nn.SiLU()
    found = compare("Dense(8, 8, activation='relu') + Dense(8, 8)", module, (4, 8))
    assert found.first.causes == ("#0.activation: it is ReLU here and SiLU there; write SiLU",)


def test_attention_of_pytorch_is_compared_as_a_whole(torch):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = torch.nn.MultiheadAttention(16, 4, batch_first=True)
            self.fc = torch.nn.Linear(16, 3)

        def forward(self, x):
            return self.fc(self.attention(x, x, x, need_weights=False)[0])

    found = compare("Attention(16, 4) + Dense(16, 3)", Net(), (2, 5, 16))
    assert found.first is None
    assert next(row.there for row in found.rows if row.apart) == "attention MultiheadAttention"
    assert compare("Attention(16, 2) + Dense(16, 3)", Net(), (2, 5, 16)).first.causes == (
        "heads is 2 here and 4 there; write heads=4",
    )
