"""``compare-torch`` with networks of transformers, made small: equal ones agree, and other settings are found."""

import sys

import pytest
import yaml

from assembler.reading.recipe_files import load_recipe
from tests import torch_parts
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
    rope = settings.pop("rope", {"rope_type": "default", "rope_theta": settings.pop("rope_theta")})
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
    """Compares a recipe, made small, with its network made with other settings: the exit code and the lines."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "200")  # or names in a table are cut, where there is no terminal
    (tmp_path / "conf/recipe").mkdir(parents=True)

    def compare(name, settings=None, changes=None, arguments=None):
        make, params, inputs, names = NETWORKS[name]
        recipe = load_recipe(ROOT / "conf" / "recipe" / f"{name}.yaml")
        recipe = {**recipe, "params": {**recipe["params"], **params}, "expect": {}}
        recipe |= {"inputs": inputs} if "inputs" in recipe else inputs
        written = yaml.safe_dump(recipe, sort_keys=False, width=1000)
        for old, new in (changes or {}).items():
            assert old in written
            written = written.replace(old, new)
        (tmp_path / "conf/recipe/small.yaml").write_text(written)
        monkeypatch.setattr(sys.modules[__name__], "reference", lambda: make(**(settings or {})), raising=False)
        options = ["--inputs", names] if names else []
        code, printed = call("small", f"{__name__}:reference", *(options if arguments is None else arguments))
        return code, printed.splitlines()

    return compare


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_transformers_agrees_with_its_recipe(compared, name):
    code, lines = compared(name)
    assert (code, lines[-1]) == (0, "all layers are within the bound")


LONGER = {"rope_type": "linear", "factor": 4.0, "rope_theta": 500000.0}
GELU = "GELU(approximate=False)"

MISTAKES = [
    ("bert_base", {"num_attention_heads": 2}, {}, "#encoded.0.inner.0 Attention", "heads is 4 here and 2 there; write heads=2"),
    ("bert_base", {"layer_norm_eps": 1e-5}, {}, "#embedded.0 LayerNorm", "epsilon is 1e-12 here and 1e-05 there; write epsilon=1e-05"),
    ("bert_base", {"hidden_act": "gelu_new"}, {}, "#encoded.2.inner.1 GELU", "#encoded.2.inner.1 is GELU here and GELU(approximate=True) there; write GELU(approximate=True)"),
    ("gpt2_small", {"n_head": 2}, {}, "#2.inner.1 Attention", "heads is 4 here and 2 there; write heads=2"),
    ("gpt2_small", {"scale_attn_weights": False}, {}, "#2.inner.1 Attention", "scale is 0.28867513459481287 here and 1.0 there; write scale=1.0"),
    ("gpt2_small", {"activation_function": "gelu"}, {}, "#3.inner.2 GELU", f"#3.inner.2 is GELU here and {GELU} there; write {GELU}"),
    ("gpt2_small", {}, {"causal=True": "causal=False"}, "#2.inner.1 Attention", "causal is False here and True there; write causal=True"),
    ("llama3_8b", {"rope_theta": 10000.0}, {}, "#1.inner.1 Attention", "rotary is 500000.0 here and 10000.0 there; write rotary=10000.0"),
    ("llama3_8b", {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 6}, {}, "#1.inner.1 Attention", "kv_heads is 2 here and 4 there; write kv_heads=4"),
    ("llama3_8b", {"rope": LONGER}, {}, "#1.inner.1 Attention", "rope_type is 'linear' there; Attention has 'default' only"),
    ("llama3_8b", {"rms_norm_eps": 1e-6}, {}, "#1.inner.0 RMSNorm", "epsilon is 1e-05 here and 1e-06 there; write epsilon=1e-06"),
    ("llama3_8b", {"hidden_act": "gelu"}, {}, "#2.inner.1 SwiGLU", f"it applies SiLU here and {GELU} there; SwiGLU has no other activation"),
    ("mistral_7b", {"sliding_window": 6}, {}, "#1.inner.1 Attention", "window is 5 here and 6 there; write window=6"),
    ("mistral_7b", {"sliding_window": None}, {}, "#1.inner.1 Attention", "window is 5 here and None there; write window=None"),
    ("mistral_7b", {}, {"window: 5": "window: null"}, "#1.inner.1 Attention", "window is None here and 5 there; write window=5"),
    ("qwen2_0_5b", {"rope_theta": 10000.0}, {}, "#1.inner.1 Attention", "rotary is 1000000.0 here and 10000.0 there; write rotary=10000.0"),
    ("mixtral_8x7b", {"sliding_window": 7}, {}, "#1.inner.1 Attention", "window is None here and 7 there; write window=7"),
    ("mixtral_8x7b", {"num_experts_per_tok": 1}, {}, "#2.inner.1 MixtureOfExperts", "top is 2 here and 1 there; write top=1"),
    ("mixtral_8x7b", {"hidden_act": "gelu"}, {}, "#2.inner.1 MixtureOfExperts", f"it applies SiLU here and {GELU} there; MixtureOfExperts has no other activation"),
    ("t5_small", {"relative_attention_max_distance": 64}, {}, "#near RelativeBias", "max_distance is 128 here and 64 there; write max_distance=64"),
    ("t5_small", {}, {"RelativeBias(heads, causal=True)": "RelativeBias(heads)"}, "#before RelativeBias", "causal is False here and True there; write causal=True"),
    ("t5_small", {}, {"Attend(before, True)": "Attend(before)"}, "#emitted.0.own.inner.1 Attention", "causal is False here and True there; write causal=True"),
    ("t5_small", {}, {"scale=1": "scale=None"}, "#memory.1.inner.1 Attention", "scale is 0.31622776601683794 here and 1.0 there; write scale=1.0"),
    ("t5_small", {"layer_norm_epsilon": 1e-5}, {}, "#memory.1.inner.0 RMSNorm", "epsilon is 1e-06 here and 1e-05 there; write epsilon=1e-05"),
    ("t5_small", {"feed_forward_proj": "gelu"}, {}, "#memory.2.inner.2 ReLU", f"#memory.2.inner.2 is ReLU here and {GELU} there; write {GELU}"),
    ("whisper_tiny", {"encoder_attention_heads": 2}, {}, "#memory.0.inner.1 Attention", "heads is 4 here and 2 there; write heads=2"),
    ("whisper_tiny", {"decoder_attention_heads": 2}, {}, "#emitted.0.own.inner.1 Attention", "heads is 4 here and 2 there; write heads=2"),
    ("whisper_tiny", {}, {"Normed(Attend(True))": "Normed(Attend)"}, "#emitted.0.own.inner.1 Attention", "causal is False here and True there; write causal=True"),
    ("whisper_tiny", {"activation_function": "relu"}, {}, "#memory.1.inner.2 GELU", "#memory.1.inner.2: it is GELU here and ReLU there; write ReLU"),
]  # fmt: skip
"""Recipe, other settings of the network, changes of the recipe's text, the layer that is found, and a cause."""


@pytest.mark.parametrize(("name", "settings", "changes", "where", "cause"), MISTAKES)
def test_a_mistake_is_found_at_its_layer_with_its_cause(compared, name, settings, changes, where, cause):
    code, lines = compared(name, settings, changes)
    first = next((line for line in lines if line.startswith("the first difference")), "")
    assert (code, first.partition(": ")[2][: len(where)]) == (1, where)
    assert f"  likely cause: {cause}" in lines[lines.index(first) :]


def test_a_scale_that_follows_from_the_heads_is_no_cause_of_its_own(compared):
    _, lines = compared("gpt2_small", {"n_head": 2})
    assert [line for line in lines if "cause" in line] == ["  likely cause: heads is 4 here and 2 there; write heads=2"]


def test_error_of_tables_for_other_heads_advises_only_what_the_command_has(compared):
    code, lines = compared("t5_small", {"num_heads": 2, "d_kv": 20})
    assert code == 2
    assert lines[1:] == [
        f"  {half}.block.0.layer.0.SelfAttention.relative_attention_bias.weight is (32, 2) in the file, "
        f"and (32, 4) in {here}.table of the model"
        for half, here in (("encoder", "near"), ("decoder", "before"))
    ] + ["  --rename names a mapping file, which assigns tensors; one that the recipe lacks has target: null"]


@pytest.mark.parametrize("name", ["llama3_8b", "mixtral_8x7b"])
def test_error_of_a_head_that_only_the_module_ties(compared, name):
    code, lines = compared(name, {"tie_word_embeddings": True})
    assert (code, lines) == (
        2,
        [
            f"the state of {__name__}:reference does not fit the model: lm_head.weight is model.embed_tokens.weight "
            "there (tied), and 6.weight is a table of its own here; write shared: {tokens: Embedding(…)}, and "
            "Unembed(tokens) for the head"
        ],
    )


def test_error_of_a_tied_module_that_lacks_more_lists_all(compared):
    changes = {"vocabulary, has_bias=False": "vocabulary"}
    code, lines = compared("llama3_8b", {"tie_word_embeddings": True}, changes)
    assert code == 2
    assert lines[1:3] == ["  6.weight (97, 48) is not in the file", "  6.bias (97,) is not in the file"]


def test_experts_in_one_array_are_compared_by_their_mixture(compared, monkeypatch):
    """A module that holds one of transformers has no ``save_pretrained``."""
    torch = pytest.importorskip("torch")

    class Holder(torch.nn.Module):
        def __init__(self, **settings):
            super().__init__()
            self.inner = mixtral(**settings)

        def forward(self, words):
            return self.inner(words)

    _, *rest = NETWORKS["mixtral_8x7b"]
    monkeypatch.setitem(NETWORKS, "mixtral_8x7b", (Holder, *rest))
    code, lines = compared("mixtral_8x7b")
    assert (code, lines[-1]) == (0, "all layers are within the bound")
    assert any(line.startswith("#4.inner.1 MixtureOfExperts") and "MixtralSparseMoeBlock" in line for line in lines)
    code, lines = compared("mixtral_8x7b", {"num_experts_per_tok": 1})
    assert (code, lines[-1]) == (1, "  likely cause: top is 2 here and 1 there; write top=1")


def test_an_activation_that_no_layer_is_has_its_class_as_the_cause(compared):
    _, lines = compared("t5_small", {"feed_forward_proj": "quick_gelu"})
    assert lines[-1] == "  likely cause: #memory.2.inner.2: it is ReLU here and QuickGELUActivation there"


@pytest.mark.parametrize(
    ("name", "settings", "note"),
    [
        ("mistral_7b", {"sliding_window": 40}, "#1.inner.1 Attention(48, 4, 2, causal=True, rotary=10000.0, has_bias=False, window=16): window is 16 here and 40 there; write window=40"),
        ("t5_small", {"relative_attention_max_distance": 64}, "#near RelativeBias(4): max_distance is 128 here and 64 there; write max_distance=64"),
    ],
)  # fmt: skip
def test_what_a_sample_is_too_short_to_show_is_noted_once(compared, monkeypatch, name, settings, note):
    make, params, inputs, names = NETWORKS[name]
    short = {key: {**one, "shape": [2, 8]} for key, one in inputs.items()}
    monkeypatch.setitem(NETWORKS, name, (make, {**params, "window": 16} if "mistral" in name else params, short, names))
    code, lines = compared(name, settings)
    assert code == 0
    assert [line for line in lines if "the sample" in line] == [f"note: {note}; the sample is too short to show it"]


# ---- arguments


def test_the_inputs_are_the_first_arguments_unless_they_are_named(compared):
    code, lines = compared("bert_base", arguments=[])
    assert code == 1
    note = "note: words, segments were given by position, as input_ids, attention_mask; --inputs names others"
    assert note in lines
    assert lines[-1].startswith("  likely cause: it gets an input of the recipe here, and other values there; --inputs")
    assert not any(line.startswith("note") for line in compared("bert_base")[1])


MASKED = {
    "Unit": {
        "inputs": ["x", "mask"],
        "graph": {
            "found": "Attention(_, heads) @ (x, x, x, mask)",
            "both": "Add @ (x, found)",
            "normed": "TokenNorm",
            "emitted": "Residual(Feedforward) + TokenNorm",
        },
    }
}


@pytest.mark.parametrize(
    ("names", "expected"),
    [("input_ids,token_type_ids,attention_mask", 0), ("input_ids,attention_mask,token_type_ids", 1)],
)
def test_three_inputs_are_given_by_name_in_the_order_of_the_recipe(compared, monkeypatch, names, expected):
    make, params, inputs, _ = NETWORKS["bert_base"]
    monkeypatch.setitem(NETWORKS, "bert_base", (make, params, {**inputs, "mask": inputs["segments"]}, ""))
    recipe = load_recipe(ROOT / "conf/recipe/bert_base.yaml")
    recipe |= {"blocks": {**recipe["blocks"], **MASKED}}
    recipe |= {"graph": {**recipe["graph"], "encoded": "depth * Unit @ (embedded, mask)"}}
    monkeypatch.setattr(sys.modules[__name__], "load_recipe", lambda _: recipe)
    assert compared("bert_base", arguments=["--inputs", names])[0] == expected


ERRORS = [
    ("input_ids", "--inputs has 1 name and the recipe 2 inputs: words, segments; write one name for each, separated by commas"),
    ("input_ids,tokentype_ids", "--inputs: BertModel has no argument 'tokentype_ids'. Did you mean 'token_type_ids'?"),
    ("input_ids,input_ids", "--inputs has 'input_ids' twice"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "message"), ERRORS)
def test_names_that_do_not_fit_are_refused(compared, said, message):
    assert compared("bert_base", arguments=["--inputs", said]) == (2, [message])


def test_what_the_module_does_not_accept_is_shown_with_its_names(compared):
    code, lines = compared("whisper_tiny", arguments=[])
    assert code == 2
    assert lines[0].startswith(
        "the PyTorch module does not accept input_features (2, 80, 40) float32, attention_mask (2, 16) int64 "
        "(--inputs names others): ValueError:"
    )
