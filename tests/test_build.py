import inspect
import subprocess
import sys
from collections import Counter

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn
from mindspore.ops import primitive

from assembler import assemble, plan
from assembler.errors import AssemblerError
from assembler.layers.centered import Centered
from assembler.layers.my_linear import MyLinear
from assembler.layers.residual import Residual
from assembler.registry.registry import Registry
from assembler.runtime import device
from tests.conftest import mostly_slow


def by_hand(text):
    """The networks of BY_HAND, written as a person would."""
    return {
        "Dense(8, 128) + Centered": lambda: nn.SequentialCell(nn.Dense(8, 128), Centered()),
        "MyLinear(8, 16) + MyLinear(16, 1)": lambda: nn.SequentialCell(MyLinear(8, 16), MyLinear(16, 1)),
        "Dense(8, 4)": lambda: nn.SequentialCell(nn.Dense(8, 4)),
        "2 * (Dense(8, 8) + ReLU)": lambda: nn.SequentialCell(nn.Dense(8, 8), nn.ReLU(), nn.Dense(8, 8), nn.ReLU()),
        "Residual(Dense(8, 8) + ReLU) + LayerNorm((8,))": lambda: nn.SequentialCell(
            Residual(nn.SequentialCell(nn.Dense(8, 8), nn.ReLU())), nn.LayerNorm((8,))
        ),
        "Residual(Dense(8, 4), shortcut=Dense(8, 4))": lambda: nn.SequentialCell(
            Residual(nn.Dense(8, 4), nn.Dense(8, 4))
        ),
        "Dense(8, 4, weight_init='ones', activation=Tanh)": lambda: nn.SequentialCell(
            nn.Dense(8, 4, weight_init="ones", activation=nn.Tanh())
        ),
    }[text]()


BY_HAND = [
    "Dense(8, 128) + Centered",
    "MyLinear(8, 16) + MyLinear(16, 1)",
    "Dense(8, 4)",
    "2 * (Dense(8, 8) + ReLU)",
    "Residual(Dense(8, 8) + ReLU) + LayerNorm((8,))",
    "Residual(Dense(8, 4), shortcut=Dense(8, 4))",
    "Dense(8, 4, weight_init='ones', activation=Tanh)",
]


@pytest.mark.parametrize("shape", [None, (4, 8)], ids=["unplanned", "planned"])
@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("text", mostly_slow(BY_HAND, BY_HAND[:2].__contains__))
def test_names_values_and_outputs_are_those_of_the_network_by_hand(text, mode, shape):
    x = Tensor(np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32))
    mindspore.set_seed(5)
    hand = by_hand(text)
    mindspore.set_seed(5)
    ours = assemble(text, input=shape)
    assert type(ours) is nn.SequentialCell
    assert [p.name for p in ours.get_parameters()] == [p.name for p in hand.get_parameters()]
    for one, other in zip(ours.get_parameters(), hand.get_parameters(), strict=True):
        assert np.array_equal(one.asnumpy(), other.asnumpy())
    with device.mode(mode):
        assert np.array_equal(ours(x).asnumpy(), hand(x).asnumpy())


def test_a_checkpoint_travels_both_ways(tmp_path):
    text = "Residual(Dense(8, 8) + ReLU) + LayerNorm((8,))"
    ours, hand = assemble(text), by_hand(text)
    for giver, taker in ((ours, hand), (by_hand(text), ours)):
        mindspore.save_checkpoint(giver, str(tmp_path / "net.ckpt"))
        values = mindspore.load_checkpoint(str(tmp_path / "net.ckpt"))
        assert mindspore.load_param_into_net(taker, values, strict_load=True) == ([], [])
        for one, other in zip(giver.get_parameters(), taker.get_parameters(), strict=True):
            assert np.array_equal(one.asnumpy(), other.asnumpy())


def test_each_repeat_has_weights_of_its_own():
    first, second = (parameter.asnumpy() for parameter in assemble("2 * MyLinear(8, 8)").trainable_params()[::2])
    assert not np.array_equal(first, second)


def test_a_list_may_be_assembled_too():
    net = assemble(["Dense(8, 4)", {"Dense": {"in_channels": 4, "out_channels": 2}}])
    assert [type(cell) for cell in net] == [nn.Dense, nn.Dense]


def test_an_underscore_needs_the_input():
    assert assemble("Dense(_, 4)", input=(2, 8))[0].in_channels == 8
    with pytest.raises(AssemblerError, match="give the input's shape"):
        assemble("Dense(_, 4)")


def test_the_dtype_is_that_of_the_parameters():
    net = assemble("Dense(8, 4) + MyLinear(4, 2)", dtype="float16")
    assert {p.dtype for p in net.get_parameters()} == {mindspore.float16}


def test_a_registry_of_ones_own():
    registry = Registry()
    registry.register(nn.Dense, name="Full", defaults={"has_bias": False})
    assert len(list(assemble("Full(8, 4)", registry=registry).get_parameters())) == 1
    with pytest.raises(AssemblerError, match="no layer named 'Dense'"):
        assemble("Dense(8, 4)", registry=registry)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": 4}, "input.shape: a shape is a list: write shape: [4]"),
        ({"input": (4.0, 8)}, "input.shape[0]: must be an integer, not 4.0"),
        ({"input": (4, -8)}, "input.shape[1]: must be at least 1, not -8"),
        ({"dtype": "float99"}, "dtype: 'float99' is not one of float16, float32, float64 or bfloat16."),
    ],
)
def test_error_of_a_plain_argument(given, message):
    with pytest.raises(AssemblerError) as error:
        assemble("Dense(8, 4)", **given)
    assert str(error.value).startswith(message)


@pytest.mark.slow
def test_planning_in_a_process_that_nobody_prepared(tmp_path):
    (tmp_path / "fresh.py").write_text(
        "from mindspore import nn\n"
        "from assembler import assemble, register\n"
        "@register\n"
        "class Looks(nn.Cell):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.table = nn.EmbeddingLookup(10, 6)\n"
        "    def construct(self, x):\n"
        "        return self.table(x.astype('int32'))\n"
        "net = assemble('Dense(8, 8) + Looks + Dense(_, 2)', input=(4, 8))\n"
        "assert net[2].in_channels == 6\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "fresh.py"], cwd=tmp_path, check=True)


def test_error_of_values_tells_every_layer():
    with pytest.raises(AssemblerError) as error:
        assemble("Dense('a', 4) + Residual(Dense(4, 'b'))")
    assert str(error.value) == (
        "stack:1: Dense('a', 4) cannot be made: For 'Dense', the 'in_channels' must be int, but got 'str'\n"
        "    Dense('a', 4) + Residual(Dense(4, 'b'))\n"
        "    ^^^^^\n"
        "stack:26: Dense(4, 'b') cannot be made: For 'Dense', the 'out_channels' must be int, but got 'str'\n"
        "    Dense('a', 4) + Residual(Dense(4, 'b'))\n"
        "                             ^^^^^"
    )


@pytest.mark.slow
def test_five_hundred_layers_run_in_graph_mode():
    net = assemble("500 * Dense(4, 4)")
    x = Tensor(np.ones((1, 4), np.float32))
    with device.mode("graph"):
        graph = net(x).asnumpy()
    np.testing.assert_allclose(graph, net(x).asnumpy(), atol=1e-6)


def test_importing_the_assembler_does_not_import_mindspore():
    code = (
        "import sys, assembler\n"
        "from assembler import LAYERS, AssemblerError, Registry, register\n"
        "assert len(LAYERS) > 100 and 'mindspore' not in sys.modules and 'hydra' not in sys.modules\n"
        "from assembler import assemble\n"
        "assert 'mindspore' in sys.modules and callable(assemble)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: assemble("3 * Conv2d(4, 4, 1)"),
        lambda: plan("Conv2d(_, 4, 1) + Conv2d(_, 8, 1) + Conv2d(_, 2, 1)", input=(1, 4, 8, 8)),
        lambda: plan(lambda: nn.SequentialCell([nn.Conv2d(4, 4, one) for one in (1, 3, 5)]), input=(1, 4, 8, 8)),
    ],
    ids=["assemble", "plan", "plan of a Cell"],
)
def test_mindspore_reads_the_signature_of_each_constructor_once(make, monkeypatch):
    read = Counter()
    signature = inspect.signature
    monkeypatch.setattr(inspect, "signature", lambda function: read.update([function]) or signature(function))
    make()
    constructors = {one.__qualname__: times for one, times in read.items() if one.__name__ == "__init__"}
    assert constructors["Conv2D.__init__"] == 1
    assert constructors["Conv2d.__init__"] <= 2  # the registry reads it as well
    assert primitive.inspect is inspect  # as before
