"""The same networks as other people's, not only of the same size: with the same weights, the outputs are the same."""

import importlib

import numpy as np
import pytest
from mindspore import Tensor, nn

from assembler import plan
from assembler.layers.alibi import ALiBi
from assembler.layers.attention import Attention
from assembler.layers.layer_norm_2d import LayerNorm2d
from assembler.layers.layer_scale import LayerScale
from assembler.layers.mamba import Mamba
from assembler.layers.mixture_of_experts import MixtureOfExperts
from assembler.layers.relative_bias import RelativeBias
from assembler.layers.window_bias import WindowBias
from assembler.layers.windows import Windows
from assembler.model.build import build
from assembler.reading.recipe_files import load_recipe
from assembler.runtime import device
from tests import torch_parts
from tests.conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore")  # other people's


def ours(name, **changes):
    """The recipe, with parameters changed, built."""
    recipe = load_recipe(ROOT / "conf" / "recipe" / f"{name}.yaml")
    for key in changes:
        recipe[key] = {**recipe.get(key, {}), **changes[key]}
    recipe["expect"] = {}
    return build(plan(recipe))


def leaves(model, *kinds):
    return [cell for _, cell in model.cells_and_names() if type(cell) in kinds]


KINDS = (
    nn.Conv1d, nn.Conv2d, nn.Conv2dTranspose, nn.Dense, nn.BatchNorm2d, nn.LayerNorm, nn.Embedding, LayerNorm2d, LayerScale,
)  # fmt: skip
"""The layers that have parameters in networks whose weights are taken by their order."""


THEIRS = {
    "mobilenet_v2": lambda models: models.mobilenet_v2_100(),
    "vgg16_bn": lambda models: models.VGG("vgg16", batch_norm=True),
}
"""Where they are called otherwise."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2", "densenet121", "googlenet", "vgg16_bn"])
def test_a_network_of_mindcv_computes_the_same(name):
    models = pytest.importorskip("mindcv").models
    theirs = THEIRS.get(name, lambda models: getattr(models, name)())(models).set_train(False)
    model = ours(name, params={"pool": "same"} if "resnet" in name else {})
    random = np.random.default_rng(0)
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Dense)
    for one, other in zip(leaves(model, *kinds), leaves(theirs, *kinds), strict=True):
        assert type(one) is type(other)
        given_by_name = {parameter.name.rpartition(".")[2]: parameter for parameter in other.get_parameters()}
        for mine in one.get_parameters():
            kind = mine.name.rpartition(".")[2]
            if kind not in given_by_name:
                assert kind == "bias"  # mindcv's VGG does without: BatchNorm takes it away at once
                mine.set_data(Tensor(np.zeros(mine.shape, np.float32)))
                continue
            given = given_by_name[kind]
            if "moving_variance" in given.name:  # statistics as after training, so that they count
                given.set_data(Tensor(random.uniform(0.5, 2, given.shape).astype(np.float32)))
            elif isinstance(other, nn.BatchNorm2d):
                given.set_data(Tensor(random.normal(0.5, 0.3, given.shape).astype(np.float32)))
            assert mine.shape == given.shape
            mine.set_data(given)
    x = Tensor(random.normal(size=(1, 3, 224, 224)).astype(np.float32))
    expected, found = theirs(x).asnumpy(), model(x).asnumpy()
    assert np.ptp(expected) > 1e-6
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "alexnet", "vgg11", "vgg16_bn", "resnet18", "resnet50", "squeezenet1_1", "densenet121", "mobilenet_v2",
        "convnext_tiny", "efficientnet_b0", "regnet_x_800mf", "shufflenet_v2_x0_5", "inception_v3",
    ],
)  # fmt: skip
def test_a_network_of_torchvision_computes_the_same(name):
    size = 299 if name == "inception_v3" else 110  # pools and strides meet odd sizes
    shape = [2, 3, size, size]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert_the_same(ours(name, input={"shape": shape}), torch_parts.torchvision_network(name), x)


def assert_the_same(model, theirs, *inputs):
    """With the weights of a network of PyTorch, whose layers are in the same order, a model emits what that does."""
    for cell, tensors in zip(leaves(model, *KINDS), torch_parts.tensors(theirs), strict=True):
        given = {parameter.name.rpartition(".")[2]: parameter for parameter in cell.get_parameters()}
        assert given.keys() == tensors.keys()
        for kind, parameter in given.items():
            parameter.set_data(Tensor(tensors[kind].reshape(parameter.shape)))
    emitted = model(*map(Tensor, inputs))
    found = [one.asnumpy() for one in (emitted if isinstance(emitted, tuple) else [emitted])]
    for one, expected in zip(found, torch_parts.outputs(theirs, *inputs), strict=True):
        assert np.ptp(expected) > 1e-2
        np.testing.assert_allclose(one, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def networks():
    pytest.importorskip("torch").manual_seed(0)
    return importlib.import_module("tests.torch_networks")


@pytest.mark.slow
def test_dcgan_computes_the_same_as_that_of_pytorchs_examples():
    theirs = torch_parts.trained(networks().Generator())
    assert_the_same(ours("dcgan"), theirs, np.random.default_rng(0).normal(size=(2, 100, 1, 1)).astype(np.float32))


@pytest.mark.slow
def test_vae_computes_the_same_as_that_of_pytorchs_examples():
    x = np.random.default_rng(0).uniform(size=(2, 1, 28, 28)).astype(np.float32)
    assert_the_same(ours("vae"), networks().VAE().eval(), x)


@pytest.mark.slow
def test_wavenet_computes_the_same_as_its_paper():
    tokens = np.random.default_rng(0).integers(0, 256, (2, 200)).astype(np.int32)
    model = ours("wavenet", params={"layers": 5, "stacks": 2}, input={"shape": [2, 200]})
    assert_the_same(model, networks().WaveNet(5, 2).eval(), tokens)


@pytest.mark.slow
def test_dcn_v2_computes_the_same_as_its_paper():
    random = np.random.default_rng(0)
    numbers, categories = random.normal(size=(4, 13)).astype(np.float32), random.integers(0, 1000, (4, 26))
    assert_the_same(ours("dcn_v2"), networks().DeepAndCross().eval(), numbers, categories.astype(np.int32))


@pytest.mark.slow
def test_siamese_computes_the_same_as_its_paper():
    one, other = np.random.default_rng(0).uniform(size=(2, 2, 1, 105, 105)).astype(np.float32)
    theirs = networks().Siamese().eval().requires_grad_(False)
    for parameter in theirs.parameters():
        parameter.mul_(3)  # or the answer hardly depends on the letters
    assert_the_same(ours("siamese"), theirs, one, other)


def set_dense(dense, weight, bias=None):
    dense.weight.set_data(Tensor(weight.detach().numpy()))
    if bias is not None:
        dense.bias.set_data(Tensor(bias.detach().numpy()))


def compare(model, theirs, vocabulary):
    torch = pytest.importorskip("torch")
    tokens = np.random.default_rng(0).integers(0, vocabulary, (2, 16))
    with torch.no_grad():
        expected = theirs(torch.tensor(tokens)).logits.numpy()
    found = model(Tensor(tokens.astype(np.int32))).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
def test_gpt2_computes_the_same_as_that_of_transformers():
    torch = pytest.importorskip("torch")
    transformers = torch_parts.beside_torchvision("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=97, n_positions=32, n_embd=48, n_layer=2, n_head=4)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2)
    model = ours(
        "gpt2_small",
        params={"vocabulary": 97, "positions": 32, "width": 48, "depth": 2, "heads": 4},
        input={"shape": [2, 16], "sample": "integers", "high": 97},
    )
    names = dict(model.parameters_and_names())
    part = theirs.transformer
    table = next(parameter for name, parameter in names.items() if name.endswith("embedding_table"))
    table.set_data(Tensor(part.wte.weight.detach().numpy()))
    next(p for name, p in names.items() if name.endswith("table") and p is not table).set_data(
        Tensor(part.wpe.weight.detach().numpy())[:32]
    )
    attentions = leaves(model, Attention)
    inside = {id(dense) for attention in attentions for dense in leaves(attention, nn.Dense)}
    dense = [one for one in leaves(model, nn.Dense) if id(one) not in inside]
    norms = leaves(model, nn.LayerNorm)
    for index, block in enumerate(part.h):
        weights, biases = block.attn.c_attn.weight.T.chunk(3), block.attn.c_attn.bias.chunk(3)
        attention = attentions[index]
        for one, weight, bias in zip((attention.query, attention.key, attention.value), weights, biases, strict=True):
            set_dense(one, weight.contiguous(), bias)
        set_dense(attention.output, block.attn.c_proj.weight.T.contiguous(), block.attn.c_proj.bias)
        set_dense(dense[2 * index], block.mlp.c_fc.weight.T.contiguous(), block.mlp.c_fc.bias)
        set_dense(dense[2 * index + 1], block.mlp.c_proj.weight.T.contiguous(), block.mlp.c_proj.bias)
    theirs_norms = [norm for block in part.h for norm in (block.ln_1, block.ln_2)] + [part.ln_f]
    for one, norm in zip(norms, theirs_norms, strict=True):
        one.gamma.set_data(Tensor(norm.weight.detach().numpy()))
        one.beta.set_data(Tensor(norm.bias.detach().numpy()))
    compare(model, theirs, 97)


@pytest.mark.slow
@pytest.mark.parametrize("kv_heads", [4, 2])
def test_llama_computes_the_same_as_that_of_transformers(kv_heads):
    torch = pytest.importorskip("torch")
    transformers = torch_parts.beside_torchvision("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=97, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=kv_heads, rms_norm_eps=1e-5, rope_theta=10000.0, max_position_embeddings=64,
    )  # fmt: skip
    theirs = transformers.LlamaForCausalLM(config).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2)
    model = ours(
        "llama2_7b",
        params={"vocabulary": 97, "width": 48, "hidden": 80, "depth": 2, "heads": 4, "kv_heads": kv_heads},
        input={"shape": [2, 16], "sample": "integers", "high": 97},
    )
    given = [parameter for name, parameter in theirs.named_parameters() if "norm" not in name]
    norms = [parameter for name, parameter in theirs.named_parameters() if "norm" in name]
    mine = [parameter for parameter in model.get_parameters() if len(parameter.shape) == 2]
    scales = [parameter for parameter in model.get_parameters() if len(parameter.shape) == 1]
    for one, other in [*zip(mine, given, strict=True), *zip(scales, norms, strict=True)]:
        assert one.shape == tuple(other.shape), (one.name, one.shape, other.shape)
        one.set_data(Tensor(other.detach().numpy()))
    compare(model, theirs, 97)


def set_attention(attention, *linears):
    for dense, linear in zip((attention.query, attention.key, attention.value, attention.output), linears, strict=True):
        assert dense.has_bias == (linear.bias is not None)
        set_dense(dense, linear.weight, linear.bias)


def drawn(theirs, deviation=0.3):
    torch = pytest.importorskip("torch")
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, 0, deviation)
    return theirs.eval()


def t5(causal):
    """T5's attention with its biases, ours, and what goes in."""
    t5 = torch_parts.beside_torchvision("transformers.models.t5.modeling_t5")
    config = t5.T5Config(
        d_model=32, d_kv=6, num_heads=4, is_decoder=causal, relative_attention_num_buckets=8,
        relative_attention_max_distance=10,
    )  # fmt: skip
    theirs = drawn(t5.T5Attention(config, has_relative_attention_bias=True, layer_idx=0))
    bias = RelativeBias(4, 8, 10, causal)
    bias.table.set_data(Tensor(theirs.relative_attention_bias.weight.detach().numpy()))
    mine = Attention(32, 4, head_dim=6, scale=1, has_bias=False, positions=bias)
    set_attention(mine, theirs.q, theirs.k, theirs.v, theirs.o)
    return lambda x, memory: theirs(x)[0], lambda x, memory: mine(x)


def whisper():
    """The attention of Whisper's decoder to what the encoder emits."""
    whisper = torch_parts.beside_torchvision("transformers.models.whisper.modeling_whisper")
    config = whisper.WhisperConfig(d_model=32)
    config._attn_implementation = "eager"
    theirs = drawn(whisper.WhisperAttention(32, 4, config=config, layer_idx=0))
    mine = Attention(32, 4, has_bias="qvo")
    set_attention(mine, theirs.q_proj, theirs.k_proj, theirs.v_proj, theirs.out_proj)
    return lambda x, memory: theirs(x, key_value_states=memory)[0], mine


def decoder(kind, arguments, **settings):
    """The attention inside the first layer of a language model, on what reaches it there."""
    torch = pytest.importorskip("torch")
    transformers = torch_parts.beside_torchvision("transformers")
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=50, hidden_size=32, intermediate_size=40, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, attn_implementation="eager", **settings,
    )  # fmt: skip
    theirs = drawn(getattr(transformers, f"{kind}Model")(config))
    attention, met = theirs.layers[0].self_attn, {}
    attention.register_forward_hook(
        lambda module, given, named, output: met.update(x=named["hidden_states"], y=output[0]), with_kwargs=True
    )
    theirs(torch.arange(24).reshape(2, 12))
    mine = Attention(32, 4, 2, causal=True, **arguments)
    set_attention(mine, attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
    return lambda x, memory: met["y"], lambda x, memory: mine(Tensor(met["x"].detach().numpy()))


def bloom():
    """The same of BLOOM, whose Q, K and V are interleaved, and which adds its input."""
    torch = pytest.importorskip("torch")
    transformers = torch_parts.beside_torchvision("transformers")
    config = transformers.BloomConfig(vocab_size=50, hidden_size=48, n_layer=1, n_head=6, attn_implementation="eager")
    theirs = drawn(transformers.BloomModel(config))
    attention, met = theirs.h[0].self_attention, {}
    attention.register_forward_hook(lambda module, given, output: met.update(x=given[0], y=output[0] - given[1]))
    theirs(torch.arange(24).reshape(2, 12))
    mine = Attention(48, 6, causal=True, positions=ALiBi(6))
    weights = attention.query_key_value.weight.reshape(6, 3, 8, 48)
    biases = attention.query_key_value.bias.reshape(6, 3, 8)
    for index, dense in enumerate((mine.query, mine.key, mine.value)):
        set_dense(dense, weights[:, index].reshape(48, 48), biases[:, index].reshape(48))
    set_dense(mine.output, attention.dense.weight, attention.dense.bias)
    return lambda x, memory: met["y"], lambda x, memory: mine(Tensor(met["x"].detach().numpy()))


def masked():
    """PyTorch's own attention, with keys and values apart, as in DETR, and with a mask."""
    torch = pytest.importorskip("torch")
    theirs = drawn(torch.nn.MultiheadAttention(32, 4, batch_first=True))
    mine = Attention(32, 4)
    weights, biases = theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3)
    for dense, weight, bias in zip((mine.query, mine.key, mine.value), weights, biases, strict=True):
        set_dense(dense, weight.contiguous(), bias.contiguous())
    set_dense(mine.output, theirs.out_proj.weight, theirs.out_proj.bias)
    seen = np.random.default_rng(0).integers(0, 2, (2, 7)) | [1, 0, 0, 0, 0, 0, 0]
    return (
        lambda x, memory: theirs(x, memory, memory * 2, key_padding_mask=torch.tensor(seen == 0))[0],
        lambda x, memory: mine(x, memory, memory * 2, Tensor(seen.astype(np.int32))),
    )


def rope(base):
    return {"rope_parameters": {"rope_type": "default", "rope_theta": base}}


PAIRS = {
    "T5's encoder": lambda: t5(False),
    "T5's decoder": lambda: t5(True),
    "Whisper's cross attention": whisper,
    "Mistral's": lambda: decoder(
        "Mistral", {"rotary": 1e4, "has_bias": False, "window": 5, "head_dim": 10}, sliding_window=5, head_dim=10,
        **rope(1e4),
    ),
    "Qwen2's": lambda: decoder("Qwen2", {"rotary": 1e6, "has_bias": "qkv"}, **rope(1e6)),
    "BLOOM's": bloom,
    "PyTorch's with a mask": masked,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("name", PAIRS)
def test_attention_computes_the_same_as_that_of_transformers(name, mode):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, mine = PAIRS[name]()
    x, memory = (np.random.default_rng(i).normal(size=(2, n, 32)).astype(np.float32) for i, n in enumerate((12, 7)))
    with torch.no_grad():
        expected = theirs(torch.tensor(x), torch.tensor(memory)).detach().numpy()
    with device.mode(mode):
        found = mine(Tensor(x), Tensor(memory)).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def mixtral():
    mixtral = torch_parts.beside_torchvision("transformers.models.mixtral.modeling_mixtral")
    config = mixtral.MixtralConfig(hidden_size=32, intermediate_size=24, num_local_experts=8, num_experts_per_tok=2)
    config._experts_implementation = "eager"
    theirs = drawn(mixtral.MixtralSparseMoeBlock(config))
    mine = MixtureOfExperts(32, 24)
    set_dense(mine.router, theirs.gate.weight)
    pairs = zip(theirs.experts.gate_up_proj, theirs.experts.down_proj, strict=True)
    for expert, (gate_up, down) in zip(mine.experts, pairs, strict=True):
        for dense, weight in zip((expert.gate, expert.up, expert.down), (*gate_up.chunk(2), down), strict=True):
            set_dense(dense, weight)
    return theirs, mine


def swin(size, shift):
    swin = torch_parts.torchvision_models().swin_transformer
    theirs = drawn(swin.ShiftedWindowAttention(32, [size, size], [shift, shift], 4))
    bias = WindowBias(4, size)
    bias.table.set_data(Tensor(theirs.relative_position_bias_table.detach().numpy()))
    attention = Attention(32, 4, positions=bias)
    weights, biases = theirs.qkv.weight.chunk(3), theirs.qkv.bias.chunk(3)
    for dense, weight, one in zip((attention.query, attention.key, attention.value), weights, biases, strict=True):
        set_dense(dense, weight.contiguous(), one.contiguous())
    set_dense(attention.output, theirs.proj.weight, theirs.proj.bias)
    return theirs, Windows(attention, size, shift)


def mamba():
    mamba = torch_parts.beside_torchvision("transformers.models.mamba.modeling_mamba")
    theirs = drawn(mamba.MambaMixer(mamba.MambaConfig(hidden_size=32, state_size=5, time_step_rank=3), 0))
    mine = Mamba(32, 5, rank=3)
    given = dict(theirs.named_parameters())
    for name, parameter in mine.parameters_and_names():
        parameter.set_data(Tensor(given.pop(name).detach().numpy().reshape(parameter.shape)))
    assert not given
    return theirs, mine


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (mixtral, (2, 40, 32)),
        (mamba, (2, 21, 32)),
        (lambda: swin(4, 0), (2, 8, 8, 32)),
        (lambda: swin(4, 2), (2, 8, 12, 32)),
        (lambda: swin(4, 2), (2, 9, 6, 32)),
        (lambda: swin(4, 2), (2, 4, 11, 32)),
        (lambda: swin(7, 3), (1, 5, 5, 32)),
    ],
    ids=[
        "Mixtral",
        "Mamba",
        "Swin",
        "Swin shifted",
        "Swin padded",
        "Swin shifted along one axis",
        "Swin of one window",
    ],
)
def test_a_layer_computes_the_same_as_that_of_others(make, shape, mode):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, mine = make()
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.tensor(x)).numpy()
    with device.mode(mode):
        found = mine(Tensor(x)).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
