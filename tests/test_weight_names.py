"""Names of parameter files: which array is which parameter, by structure, order, shapes and words alone."""

import random

import numpy as np
import pytest
from mindspore import nn
from safetensors.numpy import load_file, save_file

from assembler import plan
from assembler.errors import AssemblerError
from assembler.model import naming, weights
from assembler.model.build import build
from assembler.model.naming import Assignment, Refused, Transform
from assembler.reading.recipe_files import load_recipe
from tests.conftest import ROOT

BLOCKS = {
    "Unit": "Residual(LayerNorm(_) + Attention(_, 2)) + Residual(LayerNorm(_) + Dense(_, 16) + ReLU + Dense(_, 8))"
}
STACK = "Embedding(11, 8) + 2 * Unit + LayerNorm(_) + Dense(_, 11)"


def transformer(stack=STACK, **more):
    inputs = {"shape": [2, 3], "sample": "integers", "high": 11}
    return plan({"name": "t", "input": inputs, "blocks": BLOCKS, "stack": stack, **more})


def chain(stack, *shape):
    return plan({"name": "c", "input": {"shape": list(shape)}, "stack": stack})


def targets(planned):
    return naming.targets_of_model(None, planned)


def decided(planned, shapes, **more):
    """Name in the file → parameters, whatever the order of the file."""
    items = list(shapes.items())
    random.Random(len(items)).shuffle(items)
    mapping = naming.decide(targets(planned), dict(items), **more)
    assert (mapping.left, mapping.lacking) == ((), ())
    found = {}
    for one in mapping.assignments:
        found.setdefault("+".join(one.sources), []).append(one.target)
    return {name: targets[0] if len(targets) == 1 else targets for name, targets in found.items()}


def linear(name, outputs, inputs):
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(name, size=8):
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def llama_like(names, fused=False):
    """The transformer above as others name it: norm 1, query, key, value, output, norm 2, the two linear layers."""
    first, query, key, value, output, second, up, down, last, head = names
    shapes = {"tok.weight": (11, 8), **norm(last), **linear(head, 11, 8)}
    for block in range(2):
        shapes |= {
            f"h.{block}.{name}": shape
            for name, shape in {
                **norm(first), **norm(second), **linear(output, 8, 8), **linear(up, 16, 8), **linear(down, 8, 16),
                **(linear(query, 24, 8) if fused else
                   linear(query, 8, 8) | linear(key, 8, 8) | linear(value, 8, 8)),
            }.items()
        }  # fmt: skip
    return shapes


STYLES = {
    "of Hugging Face": ("input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                        "post_attention_layernorm", "mlp.up", "mlp.down", "norm", "lm_head"),
    "of timm": ("norm1", "attn.query", "attn.key", "attn.value", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2", "norm",
                "head"),
    "of LLaMA": ("attention_norm", "attention.wq", "attention.wk", "attention.wv", "attention.wo", "ffn_norm", "ffn.w1",
                 "ffn.w2", "norm", "output"),
    "before and after": ("layernorm_before", "attention.q", "attention.k", "attention.v", "attention.out",
                         "layernorm_after", "intermediate.dense", "output.dense", "ln_f", "classifier"),
}  # fmt: skip


MISFITTING = [
    ("transform: transposed", "0.weight is (64, 8) in the file, (8, 64) by 'transposed', and (64, 8) in the model"),
    (
        "transform: 'rows 0:99'",
        "0.weight is (64, 8) in the file, which cannot be 'rows 0:99', and (64, 8) in the model",
    ),
    ("", "0.weight (64, 8) is in the file, but weights.rename skips it"),
]


@pytest.mark.parametrize(("transform", "message"), MISFITTING)
def test_error_of_a_mapping_that_does_not_fit(transform, message, tmp_path):
    model = nn.SequentialCell(nn.Dense(8, 64, has_bias=False))
    weights.save(model, tmp_path / "w.safetensors")
    target = f"0.weight, {transform}" if transform else "null"
    (tmp_path / "mapping.yaml").write_text(f"- {{source: 0.weight, target: {target}}}\n")
    with pytest.raises(AssemblerError) as error:
        weights.load(model, tmp_path / "w.safetensors", rename=naming.read_mapping(tmp_path / "mapping.yaml"))
    assert message in str(error.value)


@pytest.mark.parametrize("style", sorted(set(STYLES) - {"of LLaMA"}))
def test_names_and_blocks_decide_among_equal_shapes(style):
    first, query, key, value, output, second, up, down, last, head = STYLES[style]
    found = decided(transformer(), llama_like(STYLES[style]))
    assert found["tok.weight"] == "0.embedding_table"
    for block, (attention, feed) in enumerate([("1", "2"), ("3", "4")]):
        before = f"h.{block}."
        assert found[f"{before}{first}.weight"] == f"{attention}.inner.0.gamma"
        assert found[f"{before}{query}.weight"] == f"{attention}.inner.1.query.weight"
        assert found[f"{before}{key}.bias"] == f"{attention}.inner.1.key.bias"
        assert found[f"{before}{value}.weight"] == f"{attention}.inner.1.value.weight"
        assert found[f"{before}{output}.weight"] == f"{attention}.inner.1.output.weight"
        assert found[f"{before}{second}.bias"] == f"{feed}.inner.0.beta"
        assert found[f"{before}{up}.weight"] == f"{feed}.inner.1.weight"
        assert found[f"{before}{down}.weight"] == f"{feed}.inner.3.weight"
    assert (found[f"{last}.weight"], found[f"{head}.weight"]) == ("5.gamma", "6.weight")


def test_a_fused_layer_is_split():
    names = ("norm1", "attn.qkv", "", "", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2", "norm", "head")
    mapping = naming.decide(targets(transformer()), llama_like(names, fused=True))
    rows = {one.target: str(one.transform) for one in mapping.assignments if one.sources == ("h.0.attn.qkv.weight",)}
    assert rows == {
        "1.inner.1.query.weight": "rows 0:8",
        "1.inner.1.key.weight": "rows 8:16",
        "1.inner.1.value.weight": "rows 16:24",
    }


def test_rows_that_alternate_between_heads_are_not_split():
    """GPT-NeoX's: the shape is the same, and the order of the rows is not."""
    names = ("norm1", "attn.query_key_value", "", "", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2", "norm", "head")
    with pytest.raises(Refused):
        naming.decide(targets(transformer()), llama_like(names, fused=True))


# ---- experts in one array


def mixture(experts=3, hidden=6):
    block = f"Residual(LayerNorm(_) + MixtureOfExperts(_, {hidden}, count={experts}))"
    return transformer(f"Embedding(11, 8) + 2 * {block} + Dense(_, 11)")


def stacked_experts():
    shapes = {"embed.weight": (11, 8), **linear("head", 11, 8)}
    for block in range(2):
        shapes |= norm(f"h.{block}.norm") | {f"h.{block}.mlp.gate.weight": (3, 8)}
        shapes |= {f"h.{block}.mlp.experts.gate_up_proj": (3, 12, 8), f"h.{block}.mlp.experts.down_proj": (3, 8, 6)}
    return shapes


def test_experts_in_one_array_are_taken_apart():
    """Gates are above: transformers computes ``gate, up = (x @ gate_up_proj[expert].T).chunk(2)``."""
    mapping = naming.decide(targets(mixture()), dict(sorted(stacked_experts().items())))
    assert (mapping.left, mapping.lacking) == ((), ())
    found = {one.target: (one.sources[0], str(one.transform)) for one in mapping.assignments}
    for block, path in enumerate(["1.inner.1", "2.inner.1"]):
        assert found[f"{path}.router.weight"] == (f"h.{block}.mlp.gate.weight", "")
        stacked = f"h.{block}.mlp.experts"
        for expert in range(3):
            of_expert = f"{path}.experts.{expert}"
            assert found[f"{of_expert}.gate.weight"] == (f"{stacked}.gate_up_proj", f"expert {expert}, rows 0:6")
            assert found[f"{of_expert}.up.weight"] == (f"{stacked}.gate_up_proj", f"expert {expert}, rows 6:12")
            assert found[f"{of_expert}.down.weight"] == (f"{stacked}.down_proj", f"expert {expert}")


def test_experts_in_one_array_are_loaded_by_a_mapping_file_and_written_as_they_were(tmp_path):
    arrays = stored(stacked_experts(), tmp_path / "w.safetensors")
    model, loaded = loaded_by(mixture(), tmp_path / "w.safetensors")
    for expert, matrix in enumerate(arrays["h.1.mlp.experts.gate_up_proj"]):
        assert np.array_equal(values(model)[f"2.inner.1.experts.{expert}.gate.weight"], matrix[:6])
        assert np.array_equal(values(model)[f"2.inner.1.experts.{expert}.up.weight"], matrix[6:])
    (tmp_path / "mapping.yaml").write_text(naming.to_yaml(loaded.mapping))
    rules = naming.read_mapping(tmp_path / "mapping.yaml")
    other, again = loaded_by(mixture(), tmp_path / "w.safetensors", rename=rules)
    assert all(np.array_equal(array, values(other)[name]) for name, array in values(model).items())
    weights.save(other, tmp_path / "again.safetensors", names="torch", loaded=again)
    written = load_file(tmp_path / "again.safetensors")
    assert written.keys() == arrays.keys()
    assert all(np.array_equal(written[name], array) for name, array in arrays.items())


def test_a_model_whose_experts_are_in_one_array_has_them_whole():
    found = naming.targets_of({"0.wide": (3, 12, 8), "0.down": (3, 8, 6)}, {})
    mapping = naming.decide(found, {"experts.gate_up_proj": (3, 12, 8), "experts.down_proj": (3, 8, 6)})
    assert {one.target: one.sources for one in mapping.assignments} == {
        "0.wide": ("experts.gate_up_proj",),
        "0.down": ("experts.down_proj",),
    }


WIDE, DOWN = "h.1.mlp.experts.gate_up_proj", "h.1.mlp.experts.down_proj"
LAYOUT = "they must be (experts, 2 * hidden, size) and (experts, size, hidden)"

WRONG_EXPERTS = {
    "too few": ({}, {"experts": 4}, "h.0.mlp.experts.gate_up_proj has 3 experts, whose gates have shape (6, 8); the model has 4 of shape (6, 8)"),
    "too large": ({}, {"hidden": 4}, "h.0.mlp.experts.gate_up_proj has 3 experts, whose gates have shape (6, 8); the model has 3 of shape (4, 8)"),
    "no down": ({DOWN: None}, {}, f"{WIDE} has no {DOWN} beside it"),
    "no gate": ({WIDE: None}, {}, f"{DOWN} has no {WIDE} beside it"),
    "fewer in one": ({DOWN: (2, 8, 6)}, {}, f"{WIDE} is (3, 12, 8) and {DOWN} (2, 8, 6); {LAYOUT}"),
    "one transposed": ({DOWN: (3, 6, 8)}, {}, f"{WIDE} is (3, 12, 8) and {DOWN} (3, 6, 8); {LAYOUT}"),
    "both transposed": ({WIDE: (3, 8, 12), DOWN: (3, 6, 8)}, {}, f"{WIDE} is (3, 8, 12) and {DOWN} (3, 6, 8); {LAYOUT}"),
    "experts last": ({WIDE: (12, 8, 3), DOWN: (8, 6, 3)}, {}, f"{WIDE} is (12, 8, 3) and {DOWN} (8, 6, 3); {LAYOUT}"),
    "too few axes": ({DOWN: (3, 8)}, {}, f"{WIDE} is (3, 12, 8) and {DOWN} (3, 8); {LAYOUT}"),
    "twice": ({"h.1.mlp.experts.0.down_proj": (8, 6)}, {}, f"h.1.mlp.experts.0.down_proj is in the file, and in {DOWN}, too"),
    "endless": (  # an array of no size, so that a file can have it
        {WIDE: (10**15, 0, 8), DOWN: (10**15, 8, 0)}, {},
        f"{WIDE} has {10**15} experts, whose gates have shape (0, 8); the model has 3 of shape (6, 8)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "sizes", "message"), WRONG_EXPERTS.values(), ids=WRONG_EXPERTS)
def test_error_of_experts_in_one_array(changes, sizes, message):
    shapes = {name: shape for name, shape in {**stacked_experts(), **changes}.items() if shape is not None}
    with pytest.raises(Refused) as error:
        naming.decide(targets(mixture(**sizes)), shapes)
    assert str(error.value) == message


def test_error_of_experts_for_a_model_without():
    with pytest.raises(Refused, match=r"gates have shape \(6, 8\); the model has none"):
        naming.decide(targets(transformer()), stacked_experts())


def test_numbers_are_numbers():
    shapes = {name: shape for index in range(12) for name, shape in linear(f"body.{index}", 4, 4).items()}
    found = decided(chain("12 * Dense(4, 4)", 2, 4), shapes)
    assert [found[f"body.{index}.weight"] for index in range(12)] == [f"{index}.weight" for index in range(12)]


def test_letters_with_words_behind_them_count():
    """``a_bn`` and ``b_bn`` of mindcv's RegNet."""
    shapes = {}
    for letter in "abc":
        shapes |= {**linear(f"f.{letter}", 4, 4), **norm(f"f.{letter}_bn", 4)}
    found = decided(chain("3 * (Dense(4, 4) + LayerNorm(_))", 2, 4), shapes)
    assert [found[f"f.{letter}_bn.weight"] for letter in "abc"] == ["1.gamma", "3.gamma", "5.gamma"]


def test_stages_that_mindspore_names_as_if_they_were_in_the_first():
    """``0.blocks.1.fc`` is of the first stage, and ``0.blocks.1.blocks.0.fc`` and ``0.blocks.1.down`` of the second."""
    shapes = {**linear("end", 4, 4)}
    for stage, name in enumerate(("0", "0.blocks.1", "0.blocks.2")):
        for block in range(3):
            shapes |= {**linear(f"{name}.blocks.{block}.fc", 4, 4), **norm(f"{name}.blocks.{block}.norm", 4)}
        shapes |= norm(f"{name}.down", 4) if stage < 2 else {}
    stages = "2 * (3 * (Dense(4, 4) + LayerNorm(_)) + LayerNorm(_)) + 3 * (Dense(4, 4) + LayerNorm(_)) + Dense(4, 4)"
    found = decided(chain(stages, 2, 4), shapes)
    assert [found[f"0.blocks.{block}.fc.weight"] for block in range(3)] == ["0.weight", "2.weight", "4.weight"]
    assert found["0.down.weight"] == "6.gamma"
    assert [found[f"0.blocks.1.blocks.{block}.fc.weight"] for block in range(3)] == [
        "7.weight",
        "9.weight",
        "11.weight",
    ]
    assert (found["0.blocks.1.down.weight"], found["0.blocks.2.blocks.0.fc.weight"]) == ("13.gamma", "14.weight")


def test_lists_in_items_of_lists_stay_where_that_fits_better():
    """A block with an inner list of the same name."""
    shapes = {name: one for block in range(2) for inner in range(2)
              for name, one in linear(f"net.{block}.net.{inner}", 4, 4).items()}  # fmt: skip
    found = decided(chain("4 * Dense(4, 4)", 2, 4), shapes)
    assert found["net.1.net.0.weight"] == "2.weight"


ALIKE = {**linear("alpha", 4, 4), **linear("beta", 4, 4)}


def test_error_of_two_that_nothing_tells_apart():
    with pytest.raises(Refused) as error:
        naming.decide(targets(chain("2 * (Dense(4, 4) + ReLU)", 2, 4)), ALIKE)
    assert str(error.value) == "alpha can be 0 or 2; weights.rename decides which"
    for number in range(60):  # whatever the names: that they can be exchanged is never overlooked
        names = {**linear(f"a{'b' * number}x", 4, 4), **linear("y", 4, 4)}
        with pytest.raises(Refused):
            naming.decide(targets(chain("2 * (Dense(4, 4) + ReLU)", 2, 4)), names)
    given = [Assignment((f"alpha.{role}",), f"2.{role}") for role in ("weight", "bias")]
    mapping = naming.decide(targets(chain("2 * (Dense(4, 4) + ReLU)", 2, 4)), ALIKE, given=given)
    assert {one.sources[0]: one.target for one in mapping.assignments}["beta.bias"] == "0.bias"


TWO = "Dense(4, 4, has_bias=False) + Dense(4, 4, has_bias=False)"
NEVER_GUESSED = {
    "the model's own names, in another order": (
        ("Dense(4, 8, has_bias=False) + Dense(8, 4, has_bias=False)", 2, 4),
        {"0.weight": (4, 8), "1.weight": (8, 4)},
        "0.weight is (4, 8) in the file, and (8, 4) in the model",
    ),
    "as many axes, a 1 elsewhere": (
        ("Conv2d(8, 1, 3, has_bias=False)", 1, 8, 5, 5),
        {"0.weight": (8, 1, 3, 3)},
        "0.weight is (8, 1, 3, 3) in the file, and (1, 8, 3, 3) in the model",
    ),
    "the same under another name": (
        ("Conv2d(8, 1, 3, has_bias=False)", 1, 8, 5, 5),
        {"conv.weight": (8, 1, 3, 3)},
        "conv.weight is (8, 1, 3, 3) in the file, and (1, 8, 3, 3) in 0.weight of the model",
    ),
    "two arrays for one parameter": (
        ("Dense(8, 4, has_bias=False) + LayerNorm(_)", 2, 8),
        {"0.weight": (4, 8), "1.gamma": (4,), "1.weight": (4,), "1.bias": (4,)},
        "1.weight (4,) is not in the model",
    ),
    "letters that are no numbers": (
        (TWO, 2, 4),
        {"e.weight": (4, 4), "d.weight": (4, 4)},
        "d can be 0 or 1; weights.rename decides which",
    ),
    "letters with a gap": (
        (TWO, 2, 4),
        {"a.weight": (4, 4), "c.weight": (4, 4)},
        "a can be 0 or 1; weights.rename decides which",
    ),
    "a weight of the module itself, beside a letter": (
        (TWO, 2, 4),
        {"weight": (4, 4), "a.weight": (4, 4)},
        "weight can be 0 or 1; weights.rename decides which",
    ),
    "a weight of a part, beside a number": (
        (TWO, 2, 4),
        {"part.weight": (4, 4), "part.0.weight": (4, 4)},
        "part can be 0 or 1; weights.rename decides which",
    ),
}
NORM = "PyTorch computes a weight of {} from {}; save the file after torch.nn.utils.{}"
COMPUTED = {
    names[0]: (("Dense(8, 4)", 2, 8), {names[0]: (4, 1), names[1]: (4, 8), "fc.bias": (4,)}, message)
    for *names, message in (
        ("fc.weight_g", "fc.weight_v", NORM.format("fc", "fc.weight_g", "remove_weight_norm")),
        ("fc.weight_orig", "fc.weight_u", NORM.format("fc", "fc.weight_orig", "remove_spectral_norm")),
        (
            "fc.parametrizations.weight.original0", "fc.parametrizations.weight.original1",
            NORM.format("fc", "fc.parametrizations.weight.original0", "parametrize.remove_parametrizations"),
        ),
        (
            "parametrizations.weight.original", "parametrizations.weight.0._u",
            NORM.format("the module", "parametrizations.weight.original", "parametrize.remove_parametrizations"),
        ),
    )
}  # fmt: skip
REFUSED = NEVER_GUESSED | COMPUTED


@pytest.mark.parametrize(("model", "shapes", "message"), REFUSED.values(), ids=REFUSED)
def test_error_of_a_file_that_is_refused(tmp_path, model, shapes, message):
    stored(shapes, tmp_path / "w.safetensors")
    with pytest.raises(AssemblerError) as error:
        loaded_by(chain(*model), tmp_path / "w.safetensors")
    assert message in str(error.value)


def test_shapes_decide_before_letters_do():
    shapes = {"a.weight": (8, 1), "b.weight": (1, 8)}
    found = decided(chain("Dense(8, 1, has_bias=False) + Dense(1, 8, has_bias=False)", 2, 8), shapes)
    assert found == {"a.weight": "1.weight", "b.weight": "0.weight"}


def test_error_of_too_many_that_nothing_tells_apart(monkeypatch):
    monkeypatch.setattr("assembler.model.naming.alignment.MAX_STEPS", 3000)
    names = [f"{first}{second}" for first in "abcdefgh" for second in "klmnopqr"]
    shapes = {name: shape for letter in names for name, shape in linear(letter, 4, 4).items()}
    with pytest.raises(Refused, match="too many layers of equal shapes without numbers"):
        naming.decide(targets(chain("64 * Dense(4, 4)", 2, 4)), shapes)


# ---- what does not fit is reported by its name


def of_timm():
    return llama_like(STYLES["of timm"])


def without(shapes, name):
    return {key: shape for key, shape in shapes.items() if key != name}


def test_what_is_missing_is_reported():
    mapping = naming.decide(targets(transformer()), without(of_timm(), "h.1.mlp.fc1.bias"))
    assert (mapping.lacking, mapping.left) == (("4.inner.1.bias",), ())


def test_biases_that_the_file_does_without_are_reported():
    """MindSpore's convolutions have none by default, as in mindcv's VGG."""
    shapes = {f"features.{index}.weight": (4, 4) for index in range(5)} | linear("classifier", 3, 4)
    mapping = naming.decide(targets(chain("5 * (Dense(4, 4) + ReLU) + Dense(4, 3)", 2, 4)), shapes)
    assert mapping.lacking == tuple(f"{index}.bias" for index in range(0, 10, 2))
    assert {one.target for one in mapping.assignments} >= {"0.weight", "8.weight", "10.bias"}


def test_what_is_extra_is_reported():
    mapping = naming.decide(targets(transformer()), {**of_timm(), "aux.weight": (3, 8), "h.0.step": ()})
    assert (mapping.lacking, set(mapping.left)) == ((), {"aux.weight", "h.0.step"})


def test_what_is_transposed_is_reported():
    shapes = {**of_timm(), "h.1.mlp.fc2.weight": (16, 8)}
    mapping = naming.decide(targets(transformer()), shapes)
    by_target = {one.target: one for one in mapping.assignments}
    one = by_target["4.inner.3.weight"]
    assert one.sources == ("h.1.mlp.fc2.weight",)
    assert one.transform.shape([(16, 8)], (8, 16)) == (16, 8)


def test_error_of_another_network():
    with pytest.raises(Refused) as error:
        naming.decide(
            targets(chain("Dense(4, 4) + ReLU + Dense(4, 3)", 2, 4)), {f"a.{i}.weight": (5, 5) for i in range(9)}
        )
    assert str(error.value) == (
        "a.0 is like no layer of the model; a.1 is like no layer of the model; a.2 is like no layer of the model; and 8 more"
    )


def test_every_seeded_error_is_reported():
    """One array missing, added, renamed or transposed: none passes, and most are named."""
    generator = random.Random(0)
    planned = targets(transformer())
    named = 0
    for _ in range(16):
        shapes = of_timm()
        name = generator.choice(list(shapes))
        match generator.choice(["missing", "extra", "transposed"]):
            case "missing":
                del shapes[name]
            case "extra":
                shapes[name.replace(".weight", "_more.weight").replace(".bias", "_more.bias")] = shapes[name]
            case _:
                name = generator.choice([one for one, shape in shapes.items() if len(set(shape)) == 2])
                shapes[name] = shapes[name][::-1]
        try:
            mapping = naming.decide(planned, shapes)
        except Refused:
            continue
        wrong = [one for one in mapping.assignments if _shape(one, shapes, planned) != planned.shapes[one.target]]
        assert mapping.left or mapping.lacking or wrong
        named += 1
    assert named > 8


def _shape(one, shapes, planned):
    return one.transform.shape([shapes[name] for name in one.sources], planned.shapes[one.target])


# ---- transforms


TRANSFORMS = [
    "",
    "transposed",
    "rows 2:4",
    "reshaped",
    "transposed, rows 0:3",
    "rows 0:2, reshaped",
    "expert 0",
    "expert 1, transposed, rows 0:3",
]


@pytest.mark.parametrize("text", TRANSFORMS)
def test_a_transform_is_read_as_it_is_printed(text):
    assert str(Transform.read(text)) == text


@pytest.mark.parametrize(
    "text",
    ["turned", "rows 2:", "rows 0:1, transposed", "rows 0:1, rows 1:2", "transposed,", "expert", "rows 0:1, expert 0"],
)
def test_error_of_a_transform(text):
    with pytest.raises(AssemblerError, match="no transform"):
        Transform.read(text)


def test_the_shape_of_a_transform_is_that_of_its_values():
    generator = np.random.default_rng(0)
    array = generator.normal(size=(4, 6))
    for transform, target in [
        (Transform(), (4, 6)),
        (Transform(True), (6, 4)),
        (Transform(True, (1, 3)), (2, 4)),
        (Transform(rows=(1, 2), reshaped=True), (6,)),
        (Transform(reshaped=True), (4, 1, 6)),
        (Transform(reshaped=True, expert=3), (6, 1)),
    ]:
        assert transform.shape([array.shape], target) == target
        assert transform.apply([array], target).shape == target
    assert np.array_equal(Transform(True, (1, 3)).apply([array], (2, 4)), array.T[1:3])
    joined = Transform().apply([array, array[:1]], (5, 6))
    assert np.array_equal(joined, np.concatenate([array, array[:1]]))
    assert Transform().shape([(4, 6), (1, 6)], (5, 6)) == (5, 6)
    assert Transform().shape([(4, 6), (1, 5)], (5, 6)) is None
    assert Transform(expert=4).shape([(4, 6, 2)], (6, 2)) is None
    assert Transform(expert=1).shape([(4, 6), (1, 6)], (6,)) is None
    assert Transform(expert=0).shape([(4,)], ()) is None


# ---- a mapping file, and writing by it


def loaded_by(planned, file, **more):
    model = build(planned)
    return model, weights.load(model, file, planned=planned, **more)


def values(model):
    return {one.name: one.asnumpy().copy() for one in model.get_parameters()}


def stored(shapes, file, seed=0):
    generator = np.random.default_rng(seed)
    arrays = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    save_file(arrays, file)
    return arrays


def fused_with_copy():
    names = ("norm1", "attn.qkv", "", "", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2", "norm", "head")
    return llama_like(names, fused=True)


def test_a_mapping_file_loads_the_same(tmp_path):
    planned, file = transformer(), tmp_path / "w.safetensors"
    stored(fused_with_copy() | {"bn.num_batches_tracked": ()}, file)
    model, loaded = loaded_by(planned, file)
    assert loaded.computed.keys() == {"bn.num_batches_tracked"}
    (tmp_path / "mapping.yaml").write_text(naming.to_yaml(loaded.mapping))
    rules = naming.read_mapping(tmp_path / "mapping.yaml")
    other, again = loaded_by(planned, file, rename=rules)
    assert set(again.mapping.assignments) == set(loaded.mapping.assignments)
    assert again.mapping.skipped == ("bn.num_batches_tracked",)
    assert all(np.array_equal(array, values(other)[name]) for name, array in values(model).items())


def test_two_parameters_from_one_array_are_trained_alone(tmp_path):
    planned, file = chain("2 * Dense(4, 4)", 2, 4), tmp_path / "w.safetensors"
    stored({"w": (6, 4), "b": (4,)}, file)
    (tmp_path / "mapping.yaml").write_text("""\
- {source: w, target: 0.weight, transform: "rows 0:4"}
- {source: w, target: 1.weight, transform: "rows 2:6"}
- {source: b, target: 0.bias}
- {source: b, target: 1.bias}
""")
    model, _ = loaded_by(planned, file, rename=naming.read_mapping(tmp_path / "mapping.yaml"))
    before = values(model)
    for name in ("0.weight", "0.bias"):
        one = model.parameters_dict()[name]
        one.asnumpy()[...] = 0
    assert all(np.array_equal(values(model)[name], before[name]) for name in ("1.weight", "1.bias"))
    assert not values(model)["0.weight"].any()


def test_a_mapping_file_can_transpose_each_expert(tmp_path):
    planned, file = chain("2 * Dense(4, 4, has_bias=False)", 2, 4), tmp_path / "w.safetensors"
    arrays = stored({"w": (2, 4, 4)}, file)
    (tmp_path / "mapping.yaml").write_text("""\
- {source: w, target: 1.weight, transform: "expert 1, transposed"}
- {source: w, target: 0.weight, transform: "expert 0, transposed"}
""")
    model, loaded = loaded_by(planned, file, rename=naming.read_mapping(tmp_path / "mapping.yaml"))
    assert np.array_equal(values(model)["1.weight"], arrays["w"][1].T)
    weights.save(model, tmp_path / "again.safetensors", names="torch", loaded=loaded)
    assert np.array_equal(load_file(tmp_path / "again.safetensors")["w"], arrays["w"])


def test_a_mapping_file_can_be_corrected(tmp_path):
    planned, file = chain("2 * (Dense(4, 4) + ReLU)", 2, 4), tmp_path / "w.safetensors"
    arrays = stored(ALIKE, file)
    text = "- {source: alpha.weight, target: 2.weight}\n- {source: alpha.bias, target: 2.bias}\n"
    (tmp_path / "m.yaml").write_text(text)
    model, _ = loaded_by(planned, file, rename=naming.read_mapping(tmp_path / "m.yaml"))
    assert np.array_equal(values(model)["0.weight"], arrays["beta.weight"])
    assert np.array_equal(values(model)["2.bias"], arrays["alpha.bias"])


BAD_MAPPINGS = [
    ("a: b", "m.yaml must be a list of entries such as {source: conv1.weight, target: 0.weight}"),
    (
        "- {source: a}",
        "m.yaml, entry 1: write {source: conv1.weight, target: 0.weight}, with a transform where one is needed",
    ),
    (
        "- {source: 1, target: b}",
        "m.yaml, entry 1: names must be strings; write {source: conv1.weight, target: 0.weight}, with a transform where one is needed",
    ),
    (
        "- {source: a, target: b, transform: x}",
        "m.yaml, entry 1: no transform 'x'; write expert 0, transposed, rows 0:64, reshaped, or several in this order",
    ),
    ("- {source: a, target: b}\n- {source: c, target: b}", "m.yaml has 2 entries for b; keep one"),
    (
        "- {source: a, target: b}\n- {source: a, target: null}",
        "m.yaml has a with a target, and with target: null; keep one of both",
    ),
    ("- {source: a, target: null, equal: b}", "m.yaml: a is equal to b, which has no target"),
    ("- {source: a, target: b, equal: c}", "m.yaml, entry 1: 'equal' is for entries with target: null"),
    (
        "- {source: a, target: null, transform: reshaped}",
        "m.yaml, entry 1: 'transform' is for entries with a target",
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD_MAPPINGS)
def test_error_of_a_mapping_file(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(AssemblerError) as error:
        naming.read_mapping((tmp_path / "m.yaml").relative_to(tmp_path))
    assert str(error.value) == message


def test_what_was_loaded_is_written_as_it_was(tmp_path):
    planned, file = transformer(), tmp_path / "w.safetensors"
    arrays = stored(fused_with_copy() | {"bn.num_batches_tracked": (), "attn.relative_position_index": (9,)}, file)
    model, loaded = loaded_by(planned, file)
    weights.save(model, tmp_path / "again.safetensors", names="torch", loaded=loaded)
    again = load_file(tmp_path / "again.safetensors")
    assert again.keys() == arrays.keys()
    assert all(np.array_equal(again[name], array) for name, array in arrays.items())


def test_without_a_file_the_roles_are_those_of_pytorch(tmp_path):
    planned = chain("Conv1d(3, 4, 3) + BatchNorm1d(4)", 2, 3, 9)
    planned = plan(
        {"name": "c", "input": {"shape": [2, 3, 9]}, "stack": "Conv1d(3, 4, 3, has_bias=True) + GroupNorm(2, 4)"}
    )
    weights.save(build(planned), tmp_path / "w.safetensors", names="torch")
    found = {name: array.shape for name, array in load_file(tmp_path / "w.safetensors").items()}
    assert found == {"0.weight": (4, 3, 3), "0.bias": (4,), "1.weight": (4,), "1.bias": (4,)}


def test_what_a_file_lacked_is_written_beside_it_and_replaces_nothing(tmp_path):
    planned = chain("Dense(8, 4, has_bias=False) + Dense(4, 6, has_bias=False) + Dense(6, 3, has_bias=False)", 2, 8)
    stored({"1.weight": (4, 8), "x.weight": (3, 6)}, tmp_path / "w.safetensors")  # 1.weight of the model is another
    model, loaded = loaded_by(planned, tmp_path / "w.safetensors", strict=False)
    with pytest.raises(AssemblerError) as error:
        weights.save(model, tmp_path / "again.safetensors", names="torch", loaded=loaded)
    assert "1.weight of the model would be '1.weight', as another parameter is" in str(error.value)
    assert not (tmp_path / "again.safetensors").exists()


def test_error_of_writing_an_array_that_was_loaded_in_part(tmp_path):
    planned, file = chain("Dense(4, 4, has_bias=False)", 2, 4), tmp_path / "w.safetensors"
    stored({"x": (8, 4)}, file)
    (tmp_path / "m.yaml").write_text("- {source: x, target: 0.weight, transform: 'rows 0:4'}\n")
    model, loaded = loaded_by(planned, file, rename=naming.read_mapping(tmp_path / "m.yaml"))
    with pytest.raises(AssemblerError) as error:
        weights.save(model, tmp_path / "again.safetensors", names="torch", loaded=loaded)
    assert str(error.value) == "x was loaded in part, so that a file with names of PyTorch lacks the rest of it"


def test_the_weight_of_prelu_has_the_name_that_pytorch_gives_it(tmp_path):
    planned = chain("Dense(8, 4) + PReLU(4)", 2, 8)
    weights.save(build(planned), tmp_path / "w.safetensors", names="torch")
    assert set(load_file(tmp_path / "w.safetensors")) == {"0.weight", "0.bias", "1.weight"}
    _, loaded = loaded_by(planned, tmp_path / "w.safetensors")
    assert not loaded.missing


def test_a_table_may_be_stored_for_each_half_of_a_model_too(tmp_path):
    planned = transformer("tokens + 2 * Unit + LayerNorm(_) + Unembed(tokens)", shared={"tokens": "Embedding(11, 8)"})
    shapes = {name: shape for name, shape in of_timm().items() if not name.startswith("head")}
    copies = dict.fromkeys(("lower.tok.weight", "tables.weight", "upper.tok.weight"), (11, 8))
    arrays = stored({**shapes, **copies}, tmp_path / "w.safetensors")
    save_file({**arrays, **dict.fromkeys(copies, arrays["tok.weight"])}, tmp_path / "w.safetensors")
    _, loaded = loaded_by(planned, tmp_path / "w.safetensors")
    assert {name for pair in loaded.mapping.equal for name in pair} == {*copies, "tok.weight"}
    stored({**shapes, **copies}, tmp_path / "w.safetensors")
    with pytest.raises(AssemblerError, match="and the model has one table for both"):
        loaded_by(planned, tmp_path / "w.safetensors")


def test_a_table_that_is_stored_twice_must_be_the_same(tmp_path):
    shared = {"shared": {"tokens": "Embedding(11, 8)"}}
    planned = transformer("tokens + 2 * Unit + LayerNorm(_) + Unembed(tokens)", **shared)
    shapes = {name: shape for name, shape in of_timm().items() if not name.startswith("head")}
    file = tmp_path / "w.safetensors"
    arrays = stored({**shapes, "head.weight": (11, 8)}, file)
    with pytest.raises(AssemblerError, match=r"head\.weight differs from tok\.weight, and the model has one table"):
        loaded_by(planned, file)
    save_file({**arrays, "head.weight": arrays["tok.weight"]}, file)
    model, loaded = loaded_by(planned, file)
    assert loaded.mapping.equal == (("head.weight", "tok.weight"),)
    weights.save(model, tmp_path / "again.safetensors", names="torch", loaded=loaded)
    assert np.array_equal(load_file(tmp_path / "again.safetensors")["head.weight"], arrays["tok.weight"])


def of_t5():
    """One layer of each half of T5, as its ``state_dict`` stores it: with the table of tokens four times."""
    tables = ("shared", "encoder.embed_tokens", "decoder.embed_tokens", "lm_head")
    shapes = {f"{name}.weight": (97, 8) for name in tables}
    for half, attentions in (("encoder", ["SelfAttention"]), ("decoder", ["SelfAttention", "EncDecAttention"])):
        for number, attention in enumerate(attentions):
            path = f"{half}.block.0.layer.{number}"
            shapes |= {f"{path}.{attention}.{name}.weight": (8, 8) for name in "qkvo"}
            shapes |= {f"{path}.layer_norm.weight": (8,)}
        shapes |= {f"{half}.block.0.layer.0.SelfAttention.relative_attention_bias.weight": (32, 2)}
        path = f"{half}.block.0.layer.{len(attentions)}"
        shapes |= {f"{path}.DenseReluDense.wi.weight": (12, 8), f"{path}.DenseReluDense.wo.weight": (8, 12)}
        shapes |= {f"{path}.layer_norm.weight": (8,), f"{half}.final_layer_norm.weight": (8,)}
    return shapes


UNUSED = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
"""A table that old files of T5 have, and that no module there has."""


@pytest.fixture(scope="module")
def t5():
    recipe = load_recipe(ROOT / "conf/recipe/t5_small.yaml")
    sizes = {"vocabulary": 97, "width": 8, "hidden": 12, "depth": 1, "heads": 2, "head_dim": 4}
    return plan({**recipe, "params": {**recipe["params"], **sizes}, "expect": {}})


@pytest.mark.parametrize("order", [list, sorted], ids=["as in the module", "by name"])
def test_the_table_of_t5_may_be_stored_four_times(tmp_path, t5, order):
    shapes = of_t5()
    arrays = stored(shapes, tmp_path / "w.safetensors")
    same = {name: arrays["shared.weight"] if shapes[name] == (97, 8) else arrays[name] for name in order(arrays)}
    mapping = naming.decide(targets(t5), {name: shapes[name] for name in same})
    assert (mapping.left, mapping.lacking, len(mapping.equal)) == ((), (), 3)
    save_file(same, tmp_path / "w.safetensors")
    assert len(loaded_by(t5, tmp_path / "w.safetensors")[1].names) == len(list(t5.weights()))
    save_file({**same, "lm_head.weight": arrays["lm_head.weight"]}, tmp_path / "w.safetensors")
    with pytest.raises(AssemblerError, match=r"lm_head\.weight differs from .* and the model has one table for both"):
        loaded_by(t5, tmp_path / "w.safetensors")


def test_a_table_that_t5_never_uses_is_skipped_and_replaces_none(t5):
    assert naming.decide(targets(t5), {**of_t5(), UNUSED: (32, 2)}).skipped == (UNUSED,)
    used = UNUSED.replace("layer.1.EncDecAttention", "layer.0.SelfAttention")
    mapping = naming.decide(targets(t5), {**without(of_t5(), used), UNUSED: (32, 2)})
    assert len(mapping.lacking) == 1
