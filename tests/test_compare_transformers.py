"""``compare-torch`` with networks of transformers, made small: equal ones agree, and other settings are found."""

import copy
import sys

import pytest
import yaml

from assembler.reading.recipe_files import load_recipe
from tests import test_parity_transformers, torch_parts
from tests.conftest import ROOT
from tests.test_compare_torch import call

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # torch takes seconds to import

SMALL = {"vocabulary": 97, "width": 48, "depth": 2, "heads": 4}
GROUPED = {**SMALL, "hidden": 80, "kv_heads": 2}
WORDS = {"shape": [2, 16], "sample": "integers", "high": 97}


def made(kind, config, **settings):
    transformers = torch_parts.beside_torchvision("transformers")
    return getattr(transformers, kind)(getattr(transformers, config)(**settings))


def decoder(family, **settings):
    """A decoder of the same sizes as the recipes; GROUPED are its params."""
    sizes = {"vocab_size": 97, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": settings.pop("rope_theta")}
    return made(f"{family}ForCausalLM", f"{family}Config", **{**sizes, "rope_parameters": rope, **settings})


def bert(**settings):
    sizes = {"vocab_size": 97, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
             "intermediate_size": 192, "max_position_embeddings": 32}  # fmt: skip
    return made("BertModel", "BertConfig", **{**sizes, **settings})


def gpt2(**settings):
    sizes = {"vocab_size": 97, "n_positions": 32, "n_embd": 48, "n_layer": 2, "n_head": 4}
    return made("GPT2LMHeadModel", "GPT2Config", **{**sizes, **settings})


def llama(**settings):
    return decoder("Llama", **{"rope_theta": 500000.0, "rms_norm_eps": 1e-5, **settings})


def mistral(**settings):
    return decoder("Mistral", **{"rope_theta": 10000.0, "rms_norm_eps": 1e-5, "sliding_window": 5, **settings})


def qwen2(**settings):
    return decoder("Qwen2", **{"rope_theta": 1e6, "rms_norm_eps": 1e-6, "tie_word_embeddings": True, **settings})


def mixtral(**settings):
    sizes = {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None}
    return decoder("Mixtral", **{"rope_theta": 1e6, "rms_norm_eps": 1e-5, **sizes, **settings})


def t5(**settings):
    sizes = {"vocab_size": 97, "d_model": 48, "d_kv": 10, "d_ff": 80, "num_layers": 2, "num_heads": 4}
    return made("T5ForConditionalGeneration", "T5Config", **{**sizes, **settings})


def whisper(**settings):
    sizes = {f"{part}_{key}": size for part in ("encoder", "decoder")
             for key, size in {"layers": 2, "attention_heads": 4, "ffn_dim": 192}.items()}  # fmt: skip
    sizes |= {"vocab_size": 97, "d_model": 48, "max_source_positions": 20, "max_target_positions": 32,
              "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3}  # fmt: skip
    return made("WhisperForConditionalGeneration", "WhisperConfig", **{**sizes, **settings})


NETWORKS = {
    "bert_base": (bert, {**SMALL, "positions": 32}, {"words": WORDS, "segments": {**WORDS, "high": 2}}, "input_ids,token_type_ids"),
    "gpt2_small": (gpt2, {**SMALL, "positions": 32}, {"input": WORDS}, ""),
    "llama3_8b": (llama, GROUPED, {"input": WORDS}, ""),
    "mistral_7b": (mistral, {**GROUPED, "window": 5}, {"input": WORDS}, ""),
    "qwen2_0_5b": (qwen2, GROUPED, {"input": WORDS}, ""),
    "mixtral_8x7b": (mixtral, {**GROUPED, "experts": 4}, {"input": WORDS}, ""),
    # longer than the 128 tokens from which on all distances are alike
    "t5_small": (
        t5,
        {**SMALL, "hidden": 80, "head_dim": 10},
        {"words": {**WORDS, "shape": [2, 140]}, "answer": {**WORDS, "shape": [2, 135]}},
        "input_ids,decoder_input_ids",
    ),
    "whisper_tiny": (
        whisper,
        {**SMALL, "frames": 20, "positions": 32},
        {"sound": {"shape": [2, 80, 40], "sample": "normal"}, "words": WORDS},
        "input_features,decoder_input_ids",
    ),
}  # fmt: skip
"""Recipe → the network, the params and the inputs of the recipe, and the arguments that these are."""


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """Compares a recipe, made small, with its network made with other settings."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "conf/recipe").mkdir(parents=True)

    def compare(name, settings=None, params=None):
        make, own, inputs, names = NETWORKS[name]
        recipe = load_recipe(ROOT / "conf" / "recipe" / f"{name}.yaml")
        recipe = {**recipe, "params": {**recipe["params"], **own, **(params or {})}, "expect": {}}
        recipe |= {"inputs": inputs} if "inputs" in recipe else inputs
        (tmp_path / "conf/recipe/small.yaml").write_text(yaml.safe_dump(copy.deepcopy(recipe), sort_keys=False))
        monkeypatch.setattr(test_parity_transformers, "reference", lambda: make(**(settings or {})), raising=False)
        options = ["--inputs", names] if names else []
        return call("small", f"{test_parity_transformers.__name__}:reference", *options)

    return compare


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_transformers_agrees_with_its_recipe(compared, name):
    code, printed = compared(name)
    assert (code, printed.splitlines()[-1]) == (0, "all layers are within the bound")
