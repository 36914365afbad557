"""MACs and memory: against what the operators really do, against arithmetic by hand, and against published figures."""

import numpy as np
import pytest
from mindspore import Tensor, mint, nn, ops

from assembler import plan
from assembler.planning.costs import Meter, macs_of

# A product of ones sums to the number of its multiplications: nothing is assumed about how many there should be.
PRODUCTS = {
    "dense": (lambda x: ops.dense(x, ops.ones((5, 8))), (2, 3, 8)),
    "matmul": (lambda x: ops.matmul(x, ops.ones((8, 5))), (4, 8)),
    "matmul, 3 × 2 axes": (lambda x: ops.matmul(x, ops.ones((8, 5))), (2, 4, 8)),
    "matmul, broadcast": (lambda x: ops.matmul(x, ops.ones((3, 1, 8, 5))), (2, 4, 8)),
    "matmul, transposed": (ops.MatMul(transpose_a=True), (8, 4), (8, 5)),
    "matmul with a vector": (lambda x: ops.matmul(x, ops.ones((8,))), (4, 8)),
    "vector with matmul": (lambda x: ops.matmul(x, ops.ones((8, 5))), (8,)),
    "dot of vectors": (lambda x: ops.matmul(x, ops.ones((8,))), (8,)),
    "batch matmul": (ops.BatchMatMul(), (3, 4, 8), (3, 8, 5)),
    "batch matmul, transposed": (ops.BatchMatMul(transpose_b=True), (3, 4, 8), (3, 5, 8)),
    "bmm": (ops.bmm, (3, 4, 8), (3, 8, 5)),
    "addmm": (lambda x, y: ops.addmm(ops.zeros((4, 5)), x, y), (4, 8), (8, 5)),
    "baddbmm": (lambda x, y: ops.baddbmm(ops.zeros((3, 4, 5)), x, y), (3, 4, 8), (3, 8, 5)),
    "conv2d": (nn.Conv2d(4, 6, 3, pad_mode="valid", weight_init="ones"), (2, 4, 8, 8)),
    "conv2d, stride": (nn.Conv2d(4, 6, 3, 2, pad_mode="valid", weight_init="ones"), (2, 4, 9, 8)),
    "conv2d, groups": (nn.Conv2d(4, 6, 3, pad_mode="valid", group=2, weight_init="ones"), (2, 4, 8, 8)),
    "conv2d, depthwise": (nn.Conv2d(4, 4, 3, pad_mode="valid", group=4, weight_init="ones"), (2, 4, 8, 8)),
    "conv2d, dilation": (nn.Conv2d(4, 6, 3, pad_mode="valid", dilation=2, weight_init="ones"), (2, 4, 8, 8)),
    "conv1d": (nn.Conv1d(4, 6, 3, pad_mode="valid", weight_init="ones"), (2, 4, 16)),
    "conv3d": (nn.Conv3d(4, 6, 3, pad_mode="valid", weight_init="ones"), (2, 4, 6, 6, 6)),
    "conv2d, transposed": (nn.Conv2dTranspose(4, 6, 3, pad_mode="valid", weight_init="ones"), (2, 4, 8, 8)),
    "conv2d, transposed, stride": (nn.Conv2dTranspose(4, 6, 3, 2, pad_mode="valid", weight_init="ones"), (2, 4, 8, 8)),
    "conv1d, transposed": (nn.Conv1dTranspose(4, 6, 3, pad_mode="valid", weight_init="ones"), (2, 4, 16)),
    "conv3d, transposed": (nn.Conv3dTranspose(4, 6, 3, pad_mode="valid", weight_init="ones"), (2, 4, 5, 5, 5)),
}


class Product(nn.Cell):
    """A function as a Cell."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def construct(self, *inputs):
        return self.function(*inputs)


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_macs_of_a_product_are_its_multiplications(name):
    function, *shapes = PRODUCTS[name]
    ones = [Tensor(np.ones(shape, np.float32)) for shape in shapes]
    assert plan(Product(function), input=shapes).macs == int(np.sum(function(*ones).asnumpy()))


T, B, WIDTH = 7, 3, 8  # steps, batch, features

BY_HAND = [
    ("LSTM(8, 6)", (T, B, WIDTH), T * B * 4 * 6 * (8 + 6)),
    ("LSTM(8, 6, num_layers=3)", (T, B, WIDTH), T * B * 4 * 6 * ((8 + 6) + 2 * (6 + 6))),
    ("LSTM(8, 6, bidirectional=True)", (T, B, WIDTH), 2 * T * B * 4 * 6 * (8 + 6)),
    ("LSTM(8, 6, num_layers=2, bidirectional=True)", (T, B, WIDTH), 2 * T * B * 4 * 6 * ((8 + 6) + (2 * 6 + 6))),
    ("GRU(8, 6)", (T, B, WIDTH), T * B * 3 * 6 * (8 + 6)),
    ("RNN(8, 6)", (T, B, WIDTH), T * B * 6 * (8 + 6)),
    # queries, keys, values and output; scores and their products with values; two dense layers
    ("TransformerEncoderLayer(8, 2, dim_feedforward=16)", (T, B, WIDTH),
     T * B * 4 * 8 * 8 + 2 * B * T * T * 8 + 2 * T * B * 8 * 16),
    ("TensorReduction(8, 5)", (4, 8), 4 * 5 * 8 * 8),  # all pairs with the weights; the pairs are elementwise
    ("Embedding(100, 8)", (4, 8), 0),
    ("BatchNorm1d(8)", (4, 8), 0),
    ("HalfSpectrum", (4, 8), 0),
    ("Residual(Dense(8, 8)) + Softmax", (4, 8), 4 * 8 * 8),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shape", "macs"), BY_HAND, ids=[case[0] for case in BY_HAND])
def test_macs_by_hand(text, shape, macs):
    dtype = "int32" if text.startswith("Embedding") else "float32"
    found = plan(text, input={"shape": shape, "dtype": dtype})
    assert (found.macs, found.uncounted) == (macs, ())


def test_attention_in_one_operator_is_counted_by_its_layout():
    shapes = {"BSH": (2, 5, 16), "SBH": (5, 2, 16), "BSND": (2, 5, 4, 4), "BNSD": (2, 4, 5, 4)}

    def attend(layout):
        return lambda x: ops.flash_attention_score(x, x, x, 4, input_layout=layout)

    for layout, shape in shapes.items():
        found = plan(Product(attend(layout)), input=shape, dtype="float16")
        assert (found.macs, found.uncounted) == (2 * (2 * 5 * 5 * 16), ()), layout


def test_a_product_without_a_rule_is_told():
    assert macs_of("GroupedMatmul", [(4, 8)], (4, 8)) is None
    assert macs_of("Exp", [(4, 8)], (4, 8)) == 0
    meter = Meter()
    meter.count("GroupedMatmul", [(4, 8)], (4, 8))
    assert (meter.macs, meter.uncounted) == (0, {"GroupedMatmul"})


class Einsum(nn.Cell):
    """Neither the meta device nor the CPU has it: the compiler tells."""

    def __init__(self, equation):
        super().__init__()
        self.equation = equation

    def construct(self, *inputs):
        return ops.einsum(self.equation, *inputs)


@pytest.mark.parametrize(
    ("equation", "shapes", "macs", "uncounted"),
    [
        ("bij,kj->bik", [(3, 4, 8), (5, 8)], 3 * 4 * 8 * 5, ()),
        ("ij, jk -> ik", [(4, 8), (8, 5)], 4 * 8 * 5, ()),
        ("...qd,...kd->...qk", [(2, 3, 5, 7), (2, 3, 5, 7)], 2 * 3 * 5 * 5 * 7, ()),
        ("i,i,i->i", [(4,), (4,), (4,)], 0, ("Einsum",)),
    ],
)
def test_an_einsum_is_counted_if_it_has_two_operands(equation, shapes, macs, uncounted):
    found = plan(lambda: Einsum(equation), input=shapes)
    assert (found.macs, found.uncounted) == (macs, uncounted)


PUBLISHED = {
    # torchvision 0.29's tables of its weights (GFLOPS, which count one multiply and one add as one), 224x224, batch 1
    "resnet50": 4.089e9,
    "densenet121": 2.834e9,
    "convnext_tiny": 4.456e9,
    "efficientnet_b0": 0.386e9,
    "vgg16": 15.470e9,
    "squeezenet1_0": 0.819e9,
}


@pytest.fixture(scope="module")
def mindcv():
    return pytest.importorskip("mindcv", reason="mindcv has no wheel for this Python").models


@pytest.mark.parametrize("name", PUBLISHED)
def test_macs_are_those_that_are_published(mindcv, name):
    found = plan(lambda: _published(mindcv, name), input=(1, 3, 224, 224))
    assert found.macs == pytest.approx(PUBLISHED[name], rel=0.01)
    assert found.output.shape == (1, 1000)
    assert found.uncounted == ()


def _published(mindcv, name):
    made = getattr(mindcv, name)()
    if name == "squeezenet1_0":  # mindcv's pools round sizes down; the published figure is for those that round up
        made.features = nn.SequentialCell(
            [nn.MaxPool2d(3, 2, pad_mode="pad", ceil_mode=True) if isinstance(one, nn.MaxPool2d) else one
             for one in made.features]
        )  # fmt: skip
    return made


def test_the_macs_of_alexnet_are_those_that_are_published():
    alexnet = [
        "Conv2d(_, 64, 11, 4, pad_mode='pad', padding=2, has_bias=True) + ReLU + MaxPool2d(3, 2)",
        "Conv2d(_, 192, 5, pad_mode='pad', padding=2, has_bias=True) + ReLU + MaxPool2d(3, 2)",
        "Conv2d(_, 384, 3, pad_mode='pad', padding=1, has_bias=True) + ReLU",
        "Conv2d(_, 256, 3, pad_mode='pad', padding=1, has_bias=True) + ReLU",
        "Conv2d(_, 256, 3, pad_mode='pad', padding=1, has_bias=True) + ReLU + MaxPool2d(3, 2)",
        "Flatten + Dense(_, 4096) + ReLU + Dense(_, 4096) + ReLU + Dense(_, 1000)",
    ]
    found = plan(alexnet, input=(1, 3, 224, 224))
    assert found.macs == pytest.approx(0.714e9, rel=0.01)
    assert found.trainable == 61_100_840


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_memory_follows_the_dtype(dtype):
    size = {"float32": 4, "float16": 2}[dtype]
    found = plan("Dense(_, 16) + ReLU", input=(4, 8), dtype=dtype)
    assert found.parameter_memory == size * (8 * 16 + 16)
    assert [row.memory for row in found.rows] == [size * 4 * 16] * 2
    assert found.activations == size * (4 * 8 + 2 * 4 * 16)


class Freed(nn.Cell):
    """Lets go of what it no longer needs."""

    def construct(self, x):
        for _ in range(5):
            x = x + 1
        return x


class Kept(nn.Cell):
    def construct(self, x):
        kept = [x + one for one in range(5)]
        return kept[0] + kept[4]


KIB = 1024

ACTIVATIONS = [
    (Freed, 1 + 2),  # the input; what goes into an addition and what comes out
    (Kept, 1 + 5 + 1),
]


@pytest.mark.parametrize(("cell", "tensors"), ACTIVATIONS)
def test_activations_are_the_tensors_alive_at_once(cell, tensors):
    assert plan(cell, input=(KIB // 4,)).activations == tensors * KIB


CHAINS = [
    ("Identity", 1),
    ("Flatten + Flatten", 1),
    ("ReLU", 2),
    ("2 * ReLU", 3),
    ("100 * ReLU", 3),  # the input, which the caller holds, and two in turn
    ("Residual(ReLU)", 3),
    ("ReLU + Residual(3 * ReLU)", 4),  # the input, the residual's, and two inside
    ("Residual(Residual(ReLU))", 3),
    ("Residual(Identity)", 2),
]


@pytest.mark.parametrize(("text", "tensors"), CHAINS)
def test_the_activations_of_a_stack(text, tensors):
    assert plan(text, input=(1, KIB // 4)).activations == tensors * KIB


@pytest.mark.parametrize(
    "text", ["Residual(ReLU)", "Residual(2 * ReLU) + 3 * ReLU", "Dense(8, 64) + ReLU + Residual(Dense(64, 64))"]
)
def test_the_activations_of_a_stack_are_those_of_the_network_by_hand(text):
    from assembler import assemble

    assert plan(text, input=(4, 8)).activations == plan(assemble(text), input=(4, 8)).activations


def test_what_only_an_npu_runs_is_planned():
    def network():
        return nn.SequentialCell(
            mint.nn.Conv2d(3, 8, 3, padding=1),
            mint.nn.ReLU(),
            mint.nn.MaxPool2d(2),
            nn.Flatten(),
            mint.nn.Linear(128, 10),
        )

    found = plan(network, input=(2, 3, 8, 8))
    assert found.output.shape == (2, 10)
    assert found.trainable == 3 * 8 * 9 + 8 + 128 * 10 + 10
    assert found.macs == 2 * (8 * 8 * 8 * 27 + 1280)
    with pytest.raises(RuntimeError):
        network()(Tensor(np.ones((2, 3, 8, 8), np.float32)))
