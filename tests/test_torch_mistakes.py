"""Two hundred seeded mistakes between a PyTorch network and a recipe: each is refused by name, or found at its layer.

A wrong momentum of BatchNorm is not among them: it cannot be seen in inference. ``compare-torch`` notes it.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from mindspore import Tensor

from assembler import plan
from assembler.errors import AssemblerError
from assembler.model import weights
from assembler.model.build import build
from assembler.model.parity import Comparing, torch_module
from assembler.model.parity.hand_over import assigned

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SEEDS = 200


@dataclass(frozen=True)
class Layer:
    """A layer in both frameworks: names with arguments, of which PyTorch's are made in ``torch.nn``."""

    here: str
    there: str
    arguments: dict


ACTIVATIONS = [
    ("ReLU", "ReLU", {}),
    ("GELU(approximate=False)", "GELU", {}),
    ("GELU(approximate=True)", "GELU", {"approximate": "tanh"}),
    ("SiLU", "SiLU", {}),
    ("Tanh", "Tanh", {}),
    ("LeakyReLU(alpha=0.1)", "LeakyReLU", {"negative_slope": 0.1}),
]


def activation(random):
    return Layer(*ACTIVATIONS[random.integers(len(ACTIVATIONS))])


def dense(size, out):
    return Layer(f"Dense({size}, {out})", "Linear", {"in_features": size, "out_features": out})


def network_of_matrices(random):
    """Linear layers of one width, so that many tensors have equal shapes, with norms and activations between."""
    width = int(random.choice([8, 12]))
    layers = []
    for _ in range(random.integers(2, 5)):
        layers.append(dense(width, width))
        if random.random() < 0.5:
            norm = random.choice(["LayerNorm", "BatchNorm1d"])
            here = f"LayerNorm(({width},), epsilon=1e-5)" if norm == "LayerNorm" else f"BatchNorm1d({width})"
            key = "normalized_shape" if norm == "LayerNorm" else "num_features"
            layers.append(Layer(here, norm, {key: width}))
        layers.append(activation(random))
    return [*layers, dense(width, 5)], (64, width)


def network_of_convolutions(random):
    """Convolutions with BatchNorm, GroupNorm or none, pooling between, and a Linear at the end."""
    channels, size = 8, 16
    layers, before = [], 3
    for _ in range(random.integers(2, 4)):
        kernel, stride = int(random.choice([1, 3, 5])), int(random.choice([1, 2]))
        padding, bias = kernel // 2, bool(random.integers(2))
        layers.append(
            Layer(
                f"Conv2d({before}, {channels}, {kernel}, {stride}, pad_mode='pad', padding={padding}, has_bias={bias})",
                "Conv2d",
                {
                    "in_channels": before, "out_channels": channels, "kernel_size": kernel, "stride": stride,
                    "padding": padding, "bias": bias,
                },
            )
        )  # fmt: skip
        size, before = (size + 2 * padding - kernel) // stride + 1, channels
        if random.random() < 0.6:
            norm = random.choice(["BatchNorm2d", "GroupNorm"])
            groups = {"num_groups": 4, "num_channels": channels} if norm == "GroupNorm" else {"num_features": channels}
            layers.append(Layer(f"{norm}({', '.join(map(str, groups.values()))})", norm, groups))
        layers.append(activation(random))
    if size >= 4:
        layers.append(Layer("MaxPool2d(2, 2)", "MaxPool2d", {"kernel_size": 2, "stride": 2}))
    pooled = Layer("AdaptiveAvgPool2d(1)", "AdaptiveAvgPool2d", {"output_size": 1})
    return [*layers, pooled, Layer("Flatten", "Flatten", {}), dense(channels, 5)], (2, 3, 16, 16)


def made(torch, layers):
    """The PyTorch network; its layers have the numbers that they have in the recipe."""
    return torch.nn.Sequential(*(getattr(torch.nn, one.there)(**one.arguments) for one in layers)).eval()


# ---- mistakes in the network


def wrong_epsilon(random, layers):
    return changed(random, layers, lambda one: "Norm" in one.there, {"eps": float(random.choice([1e-3, 1e-6, 1e-7]))})


def wrong_stride(random, layers):
    at = chosen(random, layers, lambda one: one.there == "Conv2d")
    return at and with_arguments(layers, at[0], {"stride": 3 - layers[at[0]].arguments["stride"]})


def wrong_padding(random, layers):
    at = chosen(random, layers, lambda one: one.there == "Conv2d" and one.arguments["kernel_size"] > 1)
    return at and with_arguments(layers, at[0], {"padding_mode": "replicate"})


def wrong_pooling(random, layers):
    return changed(random, layers, lambda one: one.there == "MaxPool2d", {"stride": 1})


def wrong_activation(random, layers):
    at = chosen(random, layers, lambda one: one.here in [name for name, *_ in ACTIVATIONS])
    others = [one for one in ACTIVATIONS if one[0] != layers[at[0]].here]
    _, there, arguments = others[random.integers(len(others))]
    return at[0], [
        replace(one, there=there, arguments=arguments) if index == at[0] else one for index, one in enumerate(layers)
    ]


def chosen(random, layers, fits):
    found = [index for index, one in enumerate(layers) if fits(one)]
    return [int(random.choice(found))] if found else []


def changed(random, layers, fits, arguments):
    at = chosen(random, layers, fits)
    return at and with_arguments(layers, at[0], arguments)


def with_arguments(layers, at, arguments):
    return at, [
        replace(one, arguments=one.arguments | arguments) if index == at else one for index, one in enumerate(layers)
    ]


CAUSES = {
    wrong_epsilon: "^eps(ilon)? is",
    wrong_stride: "^stride is",
    wrong_padding: "^the padding is zeros here and replicate there",
    wrong_pooling: r"^#\d+: stride is 2 here and 1 there",
    wrong_activation: r"^#\d+: (it is|GELU is|alpha is)",
}
"""A mistake, which returns the number of the layer and the layers, or nothing if there is no such layer → its cause."""


# ---- mistakes in the file


def swapped(random, state):
    """Two tensors of one shape. Returns the number of the first layer whose tensor is wrong."""
    pairs = [
        (one, other)
        for one in state
        for other in state
        if one < other and state[one].shape == state[other].shape and state[one].ndim and one != other
    ]
    if not pairs:
        return None
    one, other = pairs[random.integers(len(pairs))]
    state[one], state[other] = state[other], state[one]
    return min(int(name.partition(".")[0]) for name in (one, other))


def transposed(random, state):
    square = [name for name, value in state.items() if value.ndim == 2 and value.shape[0] == value.shape[1]]
    if not square:
        return None
    name = str(random.choice(square))
    state[name] = np.ascontiguousarray(state[name].T)
    return int(name.partition(".")[0])


def missing(random, state):
    name = str(random.choice([name for name in state if "num_batches" not in name]))
    del state[name]
    return name


def extra(random, state):
    name = str(random.choice(["3.scale", "head.weight", "99.weight", "0.weight_g"]))
    state[name] = np.zeros((4, 4), np.float32)
    return name


IN_FILES = [swapped, transposed, missing, extra]


# ---- the proof


def loaded(tmp_path, torch, layers, shape, seed, change=None):
    """The model with the weights of a file of the network, perhaps changed, and what a comparison needs."""
    from safetensors.numpy import load_file, save_file

    module = made(torch, layers)
    torch_module.randomize(module, seed)
    planned = plan(" + ".join(one.here for one in layers), input=shape)
    model, file = build(planned, seed), torch_module.save_module(module, tmp_path)
    mapping = assigned(weights.load(model, file, names="torch", planned=planned))
    state = load_file(file)
    if change is None:
        return module, planned, model, mapping
    change(state, mapping)
    save_file(state, file)
    weights.load(model, file, names="torch", planned=planned)
    return module, planned, model, mapping


def compared(module, planned, model, mapping, shape, seed):
    sample = Tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32))
    return Comparing(model, planned, [sample], module, mapping).run()


def network(random):
    return (network_of_matrices if random.random() < 0.5 else network_of_convolutions)(random)


def at_layer(number, finding):
    """Whether a finding is at a layer of the recipe: it is named first."""
    return re.match(rf"#{number}\b", finding.where) is not None


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("seed", range(0, SEEDS, 2))
def test_a_mistake_in_a_network_is_found_at_its_layer(tmp_path, torch, seed):
    random = np.random.default_rng(seed)
    layers, shape = network(random)
    module, planned, model, mapping = loaded(tmp_path, torch, layers, shape, seed)
    assert compared(module, planned, model, mapping, shape, seed).first is None
    found = None
    while not found:
        mistake = list(CAUSES)[random.integers(len(CAUSES))]
        found = mistake(random, layers)
    number, others = found
    wrong = made(torch, others)
    wrong.load_state_dict(module.state_dict())
    first = compared(wrong, planned, model, mapping, shape, seed).first
    assert first is not None
    assert at_layer(number, first), (number, others[number], first)
    assert re.search(CAUSES[mistake], first.causes[0]), (others[number], first)


@pytest.mark.parametrize("seed", range(1, SEEDS, 2))
def test_a_mistake_in_a_file_is_refused_by_name_or_found_at_its_layer(tmp_path, torch, seed):
    random = np.random.default_rng(seed)
    layers, shape = network(random)
    said = []

    def change(state, mapping):
        while not said or said[-1] is None:
            said.append(IN_FILES[random.integers(len(IN_FILES))](random, state))
        here = {one.sources[0]: one.target for one in mapping.assignments}
        said.append(here.get(said[-1], said[-1]))  # what the file lacks has the model's name

    try:
        module, planned, model, mapping = loaded(tmp_path, torch, layers, shape, seed, change)
    except AssemblerError as error:
        assert isinstance(said[-1], str), f"refused: {error}"
        assert said[-1] in str(error)
        return
    first = compared(module, planned, model, mapping, shape, seed).first
    assert first is not None
    assert at_layer(said[-1], first), (said[-1], first)
