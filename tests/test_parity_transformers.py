"""The transformers among the recipes, made small, with the weights of the same networks of transformers and torchvision.

A file with their names is loaded as any other, with no rule, and the outputs are the same.
"""

import importlib

import numpy as np
import pytest
from mindspore import Tensor
from safetensors.numpy import save_file

from assembler import plan
from assembler.model import weights
from assembler.model.build import build
from assembler.reading.recipe_files import load_recipe
from tests import torch_parts
from tests.conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore")  # other people's

SMALL = {"vocabulary": 97, "width": 48, "depth": 2, "heads": 4}
GROUPED = {**SMALL, "hidden": 80, "kv_heads": 2}


def tokens(*shape):
    return np.random.default_rng(shape[-1]).integers(0, 97, shape).astype(np.int32)


def language_model(kind, base, **settings):
    """A decoder of transformers: grouped queries, and rotary positions with a base."""
    transformers = torch_parts.beside_torchvision("transformers")
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=97, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, attn_implementation="eager",
        rope_parameters={"rope_type": "default", "rope_theta": base}, **settings,
    )  # fmt: skip
    return getattr(transformers, f"{kind}ForCausalLM")(config)


def t5():
    transformers = torch_parts.beside_torchvision("transformers")
    config = transformers.T5Config(vocab_size=97, d_model=48, d_kv=10, d_ff=80, num_layers=2, num_heads=4)
    return transformers.T5ForConditionalGeneration(config)


def whisper():
    transformers = torch_parts.beside_torchvision("transformers")
    sizes = {f"{part}_{key}": size for part in ("encoder", "decoder")
             for key, size in {"layers": 2, "attention_heads": 4, "ffn_dim": 192}.items()}  # fmt: skip
    config = transformers.WhisperConfig(
        vocab_size=97, d_model=48, max_source_positions=20, max_target_positions=32, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=3, **sizes,
    )  # fmt: skip
    return transformers.WhisperForConditionalGeneration(config)


def swin():
    return torch_parts.torchvision_models().SwinTransformer(
        [4, 4], embed_dim=12, depths=[2, 2, 2], num_heads=[1, 2, 4], window_size=[4, 4], num_classes=10
    )


NETWORKS = {
    "llama3_8b": (lambda: language_model("Llama", 500000.0, rms_norm_eps=1e-5), GROUPED, [tokens(2, 16)]),
    # each of two layers sees five tokens, so that the last of sixteen never hears of the first
    "mistral_7b": (
        lambda: language_model("Mistral", 10000.0, rms_norm_eps=1e-5, sliding_window=5, head_dim=12),
        {**GROUPED, "window": 5},
        [tokens(2, 16)],
    ),
    "qwen2_0_5b": (
        lambda: language_model("Qwen2", 1000000.0, rms_norm_eps=1e-6, tie_word_embeddings=True),
        GROUPED,
        [tokens(2, 16)],
    ),
    "mixtral_8x7b": (
        lambda: language_model(
            "Mixtral", 1000000.0, rms_norm_eps=1e-5, num_local_experts=4, num_experts_per_tok=2, sliding_window=None
        ),
        {**GROUPED, "experts": 4},
        [tokens(2, 16)],
    ),
    # both longer than the 128 tokens from which on all distances are alike
    "t5_small": (t5, {**SMALL, "hidden": 80, "head_dim": 10}, [tokens(2, 140), tokens(2, 135)]),
    "whisper_tiny": (
        whisper,
        {**SMALL, "frames": 20, "positions": 32},
        [np.random.default_rng(0).normal(size=(2, 80, 40)).astype(np.float32), tokens(2, 16)],
    ),
    # 13 × 17 patches are no multiple of windows or of pairs; the last stage has one window along an axis
    "swin_t": (
        swin,
        {"classes": 10, "width": 12, "depths": [2, 2, 2], "heads": [1, 2, 4], "window": 4},
        [np.random.default_rng(0).normal(size=(2, 3, 52, 68)).astype(np.float32)],
    ),
}
"""Recipe → the network, what the recipe changes, and the inputs."""


def stored(theirs, folder):
    """A file as the library saves it."""
    if hasattr(theirs, "save_pretrained"):
        theirs.save_pretrained(folder)
        return folder / "model.safetensors"
    save_file({name: tensor.numpy() for name, tensor in theirs.state_dict().items()}, folder / "model.safetensors")
    return folder / "model.safetensors"


def outputs(theirs, given):
    torch = importlib.import_module("torch")
    with torch.no_grad():
        tensors = [torch.tensor(one.astype(np.int64) if one.dtype == np.int32 else one) for one in given]
        if len(tensors) == 2:
            return theirs(tensors[0], decoder_input_ids=tensors[1]).logits.numpy()
        emitted = theirs(*tensors)
    return (emitted if isinstance(emitted, torch.Tensor) else emitted.logits).numpy()


def planned(name, params, given):
    """The recipe with other params and the shapes of these inputs."""
    recipe = load_recipe(ROOT / "conf" / "recipe" / f"{name}.yaml")
    inputs = recipe.get("inputs") or {"input": recipe["input"]}
    inputs = {key: {**one, "shape": list(array.shape)} for (key, one), array in zip(inputs.items(), given, strict=True)}
    changes = {"inputs": inputs} if "inputs" in recipe else inputs
    return plan({**recipe, **changes, "params": {**recipe["params"], **params}, "expect": {}})


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_transformer_computes_the_same_as_that_of_others(tmp_path, name):
    make, params, given = NETWORKS[name]
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    with torch.no_grad():
        theirs = importlib.import_module("tests.published").randomized(make())
    compare(theirs, stored(theirs, tmp_path), name, params, given)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_experts_in_one_array_compute_the_same_as_apart(tmp_path, suffix):
    """``state_dict()`` has them so, and files that ``save_pretrained`` writes have one array per expert."""
    make, params, given = NETWORKS["mixtral_8x7b"]
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    with torch.no_grad():
        theirs = importlib.import_module("tests.published").randomized(make())
    state = theirs.state_dict()
    assert state["model.layers.1.mlp.experts.gate_up_proj"].shape == (4, 160, 48)
    file = tmp_path / f"model{suffix}"
    if suffix == ".pth":
        torch.save(state, file)
    else:
        importlib.import_module("safetensors.torch").save_file(state, file)
    model, loaded = compare(theirs, file, "mixtral_8x7b", params, given)
    weights.save(model, tmp_path / "again.safetensors", names="torch", loaded=loaded)
    again = importlib.import_module("safetensors.torch").load_file(tmp_path / "again.safetensors")
    theirs.load_state_dict(again, strict=True)
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def compare(theirs, file, name, params, given):
    """Load a file with no rule, and require equal outputs."""
    made = planned(name, params, given)
    model = build(made)
    loaded = weights.load(model, file, planned=made)
    assert (len(loaded.names), loaded.missing, loaded.extra) == (len(list(made.weights())), (), ())
    expected, found = outputs(theirs, given), model(*map(Tensor, given)).asnumpy()
    assert np.ptp(expected) > 1e-2
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    return model, loaded
