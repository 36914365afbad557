"""What a recipe says of parameters: first values and freezing."""

import json
import re

import mindspore
import numpy as np
import pytest
import yaml
from mindspore import Parameter, Tensor, nn
from mindspore.common.initializer import HeNormal, initializer
from safetensors.numpy import save_file

from assembler import assemble
from assembler.api import plan
from assembler.errors import AssemblerError
from assembler.model.parameters import initializer_classes, observe
from assembler.registry.registry import Registry
from tests.conftest import MINE, ROOT, ZOO

INPUT = {"shape": [4, 8]}
STACK = "Dense(8, 16) + BatchNorm1d(16) + Residual(Dense(16, 16) + ReLU) + MyLinear(16, 3)"


def recipe(**more):
    return {"input": INPUT, "stack": STACK, **more}


def values(model):
    return {parameter.name: parameter.asnumpy() for parameter in model.get_parameters()}


PATTERNS = [
    ("*", 12),
    ("*.weight", 3),
    ("0.weight", 1),
    ("Dense.*", 4),
    ("Dense.weight", 2),
    ("BatchNorm1d.gamma", 1),
    ("2.inner.0.*", 2),
    ("MyLinear.bias", 1),
    ("?.bias", 2),
    ("[03].weight", 2),
]


@pytest.mark.parametrize(("pattern", "count"), PATTERNS)
def test_a_pattern_fits_names_layers_and_classes(pattern, count):
    found = plan(recipe(init={pattern: 0.25}))
    ruled = [name for name, _, weight in found.weights() if weight.rule]
    assert len(ruled) == (count if pattern != "*" else 10)
    held = values(assemble(recipe(init={pattern: 0.25})))
    assert sorted(name for name, array in held.items() if (array == 0.25).all()) == sorted(ruled)


def test_the_first_rule_that_fits_wins_and_is_told():
    found = plan(recipe(init={"0.weight": 1, "*.weight": "zeros", "*.bias": 2}))
    rules = {name: str(weight.rule) if weight.rule else "" for name, _, weight in found.weights()}
    assert rules["0.weight"] == "0.weight: 1"
    assert rules["3.weight"] == "*.weight: zeros"
    assert rules["2.inner.0.bias"] == "*.bias: 2"
    assert rules["1.gamma"] == ""


def test_dense_inside_another_layer_is_a_dense():
    text = {"input": {"shape": [2, 3, 8]}, "stack": "Attention(8, 2) + LSTM(8, 4)"}
    held = values(assemble({**text, "init": {"Dense.weight": 0.5, "Attention.query.bias": 3}}))
    assert {name for name, array in held.items() if (array == 0.5).all()} == {
        f"0.{name}.weight" for name in ("query", "key", "value", "output")
    }
    assert (held["0.query.bias"] == 3).all()
    assert not (held["0.key.bias"] == 3).any()


ARGUMENTS = {
    "Constant": "Constant(0.5)",
    "Dirac": None,  # of convolutions alone
    "Identity": "Identity",
    "Orthogonal": "Orthogonal(gain=2.0)",
    "Sparse": "Sparse(sparsity=0.5, sigma=0.1)",
    "TruncatedNormal": "truncated_normal(sigma=0.5, mean=1.0, a=0.0, b=2.0)",
    "VarianceScaling": "VarianceScaling(scale=2.0, mode='fan_out', distribution='uniform')",
}


@pytest.mark.parametrize("cls", sorted({cls.__name__ for cls in initializer_classes().values()}))
def test_every_initializer_of_mindspore_draws_what_it_draws_by_hand(cls):
    text = ARGUMENTS.get(cls, cls)
    stack, name = "Dense(8, 16)", "0.weight"
    if text is None:
        text, stack = cls, "Conv2d(3, 3, 3)"
    data = {"input": {"shape": [1, 3, 5, 5] if "Conv" in stack else [4, 8]}, "stack": stack, "init": {name: text}}
    mindspore.set_seed(7)
    first = values(assemble(data))[name]
    mindspore.set_seed(7)
    assert np.array_equal(values(assemble(data))[name], first)
    by_hand = assemble(data)[0].weight
    assert first.shape == by_hand.shape
    kind = initializer_classes()[cls.lower()]
    made = {
        "Constant": lambda: kind(0.5),
        "Orthogonal": lambda: kind(gain=2.0),
        "Sparse": lambda: kind(sparsity=0.5, sigma=0.1),
        "TruncatedNormal": lambda: kind(sigma=0.5, mean=1.0, a=0.0, b=2.0),
        "VarianceScaling": lambda: kind(scale=2.0, mode="fan_out", distribution="uniform"),
    }.get(cls, kind)()
    theirs = initializer(made, first.shape).init_data().asnumpy()
    assert np.isclose(first.std(), theirs.std(), rtol=0.35, atol=1e-6)
    assert np.isclose(first.mean(), theirs.mean(), atol=4 * theirs.std() / np.sqrt(first.size) + 1e-6)


def test_the_values_are_those_of_mindspore_under_the_seed_of_the_parameter(monkeypatch):
    seeds = []
    monkeypatch.setattr(np.random, "seed", lambda seed, real=np.random.seed: (seeds.append(seed), real(seed)))
    data = recipe(init={"0.weight": "HeNormal(mode='fan_out')"})
    held = values(assemble(data))["0.weight"]
    np.random.seed(seeds[-1])
    assert np.array_equal(held, initializer(HeNormal(mode="fan_out"), (16, 8)).init_data().asnumpy())


def test_a_value_depends_on_the_seed_and_the_name_and_on_nothing_else():
    def drawn(seed, **init):
        mindspore.set_seed(seed)
        return values(assemble(recipe(init={name.replace("__", "."): text for name, text in init.items()})))

    alone = drawn(3, **{"2.inner.0.weight": "Normal(0.1)"})["2.inner.0.weight"]
    both = drawn(3, **{"*.bias": "Normal(3.0)", "0.weight": "HeUniform", "2.inner.0.weight": "Normal(0.1)"})
    assert np.array_equal(both["2.inner.0.weight"], alone)
    assert not np.array_equal(drawn(4, **{"2.inner.0.weight": "Normal(0.1)"})["2.inner.0.weight"], alone)
    same = drawn(3, **{"*.weight": "Normal(0.1)"})
    assert not np.array_equal(same["0.weight"].reshape(-1)[:48], same["3.weight"].reshape(-1)[:48])


def test_what_no_rule_sets_is_as_without_rules():
    mindspore.set_seed(3)
    without = values(assemble(recipe()))
    mindspore.set_seed(3)
    with_rules = values(assemble(recipe(init={"0.weight": "Normal(0.1)"})))
    assert all(np.array_equal(without[name], with_rules[name]) for name in without if name != "0.weight")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_values_have_the_type_of_the_parameter(dtype):
    data = {"input": INPUT, "stack": "Dense(8, 16) + MyLinear(16, 3)"}  # the CPU has no BatchNorm of float64
    model = assemble({**data, "init": {"*.weight": "Normal(0.1)", "*.bias": 0.5}}, dtype=dtype)
    assert {array.dtype.name for array in values(model).values()} == {dtype}


def test_stored_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weight = np.arange(128, dtype=np.float32).reshape(16, 8)
    np.save("w.npy", weight)
    save_file({"fc.bias": np.arange(16, dtype=np.float32)}, "w.safetensors")
    rules = {
        "0.weight": {"file": "w.npy"},
        "0.bias": {"file": "w.safetensors", "name": "fc.bias"},
        "3.bias": {"values": [1, 2, 3]},
    }
    found = plan(recipe(init=rules))
    assert [rule.value for rule in found.rules] == ["w.npy", "w.safetensors:fc.bias", "values"]
    held = values(assemble(recipe(init=rules)))
    assert np.array_equal(held["0.weight"], weight)
    assert np.array_equal(held["0.bias"], np.arange(16))
    assert np.array_equal(held["3.bias"], [1, 2, 3])


def test_a_rule_may_use_parameters_of_the_recipe():
    held = values(assemble(recipe(params={"std": 0.5}, init={"0.weight": "Constant(std / 2)"})))
    assert (held["0.weight"] == 0.25).all()


BAD = [
    ({"init": {"0.wieght": 0}}, "recipe.init.0.wieght: '0.wieght' matches no parameter. Did you mean '0.weight'"),
    ({"init": {"zz": 0}}, "recipe.init.zz: 'zz' matches no parameter. There are 0.weight, Dense.weight, 0.bias, "
                          "Dense.bias, 1.moving_mean, BatchNorm1d.moving_mean, "),
    ({"init": {"*.weight": 0, "0.weight": 1}},
     "recipe.init.0.weight: every parameter that '0.weight' matches is set by an earlier rule, such as '*.weight'"),
    ({"init": {"0.weight": "HeNoraml"}},
     "recipe.init.0.weight:1: no initializer named 'HeNoraml'. Did you mean 'HeNormal' or 'Normal' or "
     "'HeUniform'?\n"
     "    HeNoraml\n    ^^^^^^^^"),
    ({"init": {"0.weight": "HeNormal(mod='fan_out')"}},
     "recipe.init.0.weight:1: HeNormal(mod='fan_out') cannot be made: HeNormal.__init__() got an unexpected keyword "
     "argument 'mod'; write HeNormal(negative_slope=0, mode='fan_in', nonlinearity='leaky_relu')\n"
     "    HeNormal(mod='fan_out')\n    ^^^^^^^^"),
    ({"init": {"0.weight": "zeros + ones"}},
     "recipe.init.0.weight: 'zeros + ones' must be one initializer with plain arguments"),
    ({"init": {"0.weight": "Normal(2 * _)"}},
     "recipe.init.0.weight:1: '_' cannot be inferred in an initializer; write the value\n"
     "    Normal(2 * _)\n    ^^^^^^"),
    ({"init": {"0.weight": "Normal("}}, "recipe.init.0.weight:7: '(' is never closed\n    Normal(\n          ^"),
    ({"init": {"0.weight": [1]}}, "recipe.init.0.weight: init takes an initializer such as "
                                  "HeNormal(mode='fan_out'), a number, {values: …} or {file: …}, not [1]"),
    ({"init": {"0.weight": {"valeus": 1}}}, "recipe.init.0.weight.valeus: unknown key 'valeus'. Did you mean "
                                            "'values'?"),
    ({"init": {"0.weight": {}}}, "recipe.init.0.weight: specify either 'values' or 'file'"),
    ({"init": {"0.weight": {"file": "no.npy"}}}, "recipe.init.0.weight: no.npy: No such file or directory"),
    ({"init": {"0.weight": {"file": "bad.npy"}}}, "recipe.init.0.weight: bad.npy cannot be read: Cannot load file "
                                                  "containing pickled data when allow_pickle=False"),
    ({"init": {"0.weight": {"file": "/etc/w.npy"}}},
     "recipe.init.0.weight: a recipe can read files below the working directory only, not /etc/w.npy"),
    ({"init": {"0.weight": {"file": "../w.npy"}}},
     "recipe.init.0.weight: a recipe can read files below the working directory only, not ../w.npy"),
    ({"init": {"0.weight": {"file": "w.pt"}}}, "recipe.init.0.weight: w.pt must end in .npy or .safetensors"),
    ({"init": {"0.weight": {"file": "w.safetensors"}}},
     "recipe.init.0.weight: w.safetensors needs 'name', one of its tensors"),
    ({"init": {"0.weight": {"file": "s.safetensors", "name": "wieght"}}},
     "recipe.init.0.weight: s.safetensors has no 'wieght'. It has weight"),
    ({"init": {"0.weight": {"values": [1, 2]}}}, "recipe.init.0.weight: 0.weight has shape (16, 8), and the values "
                                                 "(2,)"),
    ({"init": {"*.bias": "Identity"}}, "recipe.init.*.bias: Identity cannot fill 0.bias (16,): For Identity "
                                       "initializer, the dimension of the initialized tensor should be 2, but got 1."),
    ({"init": {"0.weight": "Normal('a')"}}, "recipe.init.0.weight: Normal('a') cannot fill 0.weight (16, 8): "),
    ({"init": {"0.weight": 10**400}}, "recipe.init.0.weight: 1"),
    ({"init": {"0.weight": {"file": "texts.npy"}}},
     "recipe.init.0.weight: texts.npy cannot be read: it does not contain one array of numbers"),
    ({"init": {"0.weight": {"file": "zip.npy"}}},
     "recipe.init.0.weight: zip.npy cannot be read: it contains several arrays, as .npz files do"),
    ({"init": {"0.bias": {"file": "complex.npy"}}},
     "recipe.init.0.bias: the values are complex, and 0.bias is float32"),
    ({"init": {"Dense": 0}}, "recipe.init.Dense: 'Dense' matches no parameter. Did you mean 'Dense.*'?"),
    ({"init": {"0.weight": "Normal(std)"}},
     "recipe.init.0.weight:8: 'std' is not defined; give it a value: params: {std: 0.02}\n    Normal(std)\n           ^^^"),
    ({"params": {"depth": 3}, "init": {"0.weight": "Normal(0.1 * dpth)"}},
     "recipe.init.0.weight:14: 'dpth' is not defined. Did you mean 'depth'?\n    Normal(0.1 * dpth)\n"),
    ({"params": {"depth": 3}, "init": {"0.weight": "Normal(sigma=1 / sqrt(dpth))"}},
     "recipe.init.0.weight:23: 'dpth' is not defined. Did you mean 'depth'?\n"),
    ({"init": {"0.weight": "HeNormal(mode=fan_out)"}},
     "recipe.init.0.weight:15: 'fan_out' is not defined; a string needs quotes: mode='fan_out'\n"),
    ({"init": {"0.weight": "Normal(ReLU)"}},
     "recipe.init.0.weight: 'Normal(ReLU)' names 'ReLU', which is not a parameter of the recipe"),
    ({"freeze": ["9.*"]}, "recipe.freeze[0]: '9.*' matches no parameter. "),
    ({"freeze": ["1.moving_mean"]}, "recipe.freeze[0]: '1.moving_mean' matches only parameters that are not trainable "
                                    "anyway"),
    ({"freeze": "0.*"}, "recipe.freeze: must be a list, not '0.*'"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "message"), BAD)
def test_error_of_what_is_said_of_parameters(said, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.npy").write_bytes(b"\x80\x04K\x01.")
    save_file({"weight": np.zeros(3, np.float32)}, "s.safetensors")
    np.save("texts.npy", np.array(["a"]))
    np.save("complex.npy", np.zeros(16, np.complex64))
    np.savez("zip.npz", a=np.zeros(3))
    (tmp_path / "zip.npz").rename("zip.npy")
    with pytest.raises(AssemblerError) as error:
        assemble(recipe(**said))
    assert str(error.value).startswith(message), str(error.value)


def test_all_mistakes_are_told_at_once_with_their_lines(run, recipe_file):
    recipe_file(
        "input: {shape: [4, 8]}\nstack: Dence(8, 1)\ninit:\n  '*.weight': HeNoraml\n  Dense.bias: Normal(sigam=1)\n"
    )
    done = run(*MINE)
    assert done.code == 2
    assert [line.split(": ")[0] for line in done.err.splitlines() if line.startswith("conf")] == [
        "conf/recipe/mine.yaml:2:8", "conf/recipe/mine.yaml:4:15", "conf/recipe/mine.yaml:5:15",
    ]  # fmt: skip


def test_frozen_parameters_are_counted_apart():
    found = plan(recipe(freeze=["Dense.*"]))
    assert (found.trainable, found.frozen, found.other) == (32 + 51, 144 + 272, 32)
    assert found.parameters == found.trainable + found.frozen + found.other
    model = assemble(recipe(freeze=["Dense.*"]))
    assert [one.name for one in model.trainable_params()] == ["1.gamma", "1.beta", "3.weight", "3.bias"]
    with pytest.raises(AssemblerError, match=r"recipe\.expect\.frozen: the recipe expects 1, but the plan has 416"):
        plan(recipe(freeze=["Dense.*"], expect={"frozen": 1, "trainable": 83}))


def test_training_changes_what_is_trainable_and_nothing_else():
    model = assemble(recipe(freeze=["0.weight", "BatchNorm1d.beta"]))
    model.set_train()
    before = values(model)
    before = {name: array.copy() for name, array in before.items()}
    step = nn.TrainOneStepCell(nn.WithLossCell(model, nn.MSELoss()), nn.Adam(model.trainable_params(), 0.1))
    x = Tensor(np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32))
    for _ in range(2):
        step(x, Tensor(np.ones((4, 3), np.float32)))
    after = values(model)
    same = {name for name in before if np.array_equal(before[name], after[name])}
    assert {"0.weight", "1.beta"} <= same
    assert not same & {"0.bias", "1.gamma", "2.inner.0.weight", "3.weight"}


@pytest.mark.parametrize("name", ZOO)
def test_the_names_in_a_plan_are_those_in_the_model(name):
    from assembler.model.build import build_steps

    found = plan(ROOT / "conf" / "recipe" / f"{name}.yaml")
    with mindspore.DeviceCtx("meta"):
        model = build_steps(found.steps)
    planned = {name: (weight.shape, weight.requires_grad) for name, _, weight in found.weights()}
    assert planned == {one.name: (tuple(one.shape), one.requires_grad) for one in model.get_parameters()}


def test_parameters_of_a_shared_part_have_the_name_of_the_part():
    data = {
        "input": {"shape": [2, 3], "sample": "integers", "high": 10},
        "shared": {"tokens": "Embedding(10, 4)"},
        "stack": "tokens + Dense(4, 4) + Unembed(tokens)",
        "init": {"tokens.embedding_table": 1, "Dense.weight": 0},
        "freeze": ["Embedding.*"],
    }
    found = plan(data)
    assert [name for name, _, weight in found.weights() if weight.frozen] == ["tokens.embedding_table"]
    model = assemble(data)
    held = values(model)
    assert (held["tokens.embedding_table"] == 1).all()
    assert [one.name for one in model.trainable_params()] == ["1.weight", "1.bias"]


def test_a_loop_in_an_initializer_has_names_of_its_own():
    found = plan(recipe(init={"0.weight": "Normal(sum(x / 100 for x in [1, 2]))"}))
    assert [rule.said for rule in found.rules] == ["Normal(0.03)"]


def test_observed_statistics():
    model = assemble(recipe(init={"0.weight": "Normal(2.0)"}))
    found = {one.name: one for one in observe(plan(recipe(init={"0.weight": "Normal(2.0)"})), model)}
    for name, array in values(model).items():
        one, wide = found[name], array.astype(np.float64)
        assert np.allclose((one.mean, one.std), (wide.mean(), wide.std()))
        assert (one.least, one.most) == (wide.min(), wide.max())
    assert (found["0.weight"].set_by, found["0.bias"].set_by) == ("0.weight: Normal(2.0)", "")


def observed(array):
    """Statistics of a parameter of these values."""
    registry = Registry(shipped=True)

    @registry.register
    class Holds(nn.Cell):
        def __init__(self):
            super().__init__()
            self.weight = Parameter(Tensor(array))

        def construct(self, x):
            return x + self.weight[0, 0]

    data = {"input": INPUT, "stack": "Holds"}
    (found,) = observe(plan(data, registry=registry), assemble(data, registry=registry))
    return found


@pytest.mark.parametrize("values", [[[np.inf, -np.inf]], [[np.inf, 1.0]], [[np.nan, 1.0]]])
def test_statistics_of_values_that_are_not_finite_print_no_warning(values):
    found = observed(np.array(values, np.float32))
    assert not np.isfinite(found.mean)
    assert np.isnan(found.std)


def test_statistics_of_many_values_far_from_zero():
    array = np.random.default_rng(0).normal(1e4, 1.0, (1000, 1000)).astype(np.float32)
    found = observed(array)
    assert np.isclose(found.std, array.astype(np.float64).std(), rtol=1e-9)
    assert np.isclose(found.mean, array.astype(np.float64).mean(), rtol=1e-12)


# ---- as a person types it


def test_show_parameters(run, recipe_file):
    recipe_file(
        "input: {shape: [4, 8]}\nstack: Dense(_, 128) + Centered\n"
        "init: {Dense.bias: zeros, '*.weight': 'Normal(0.5)'}\nfreeze: [0.bias]\n"
    )
    done = run(*MINE, "show=parameters")
    assert (done.code, done.err) == (0, "")
    lines = [re.split("  +", line) for line in done.out.splitlines() if line.startswith("0.")]
    assert [line[:5] for line in lines] == [
        ["0.weight", "Dense", "(128, 8)", "trainable", "*.weight: Normal(0.5)"],
        ["0.bias", "Dense", "(128,)", "frozen", "Dense.bias: zeros"],
    ]
    assert "2 parameters, all float32\n" in done.out
    data = json.loads((done.folder / "result.json").read_text())
    first, second = data["parameters"]
    assert second == {
        "name": "0.bias", "path": "0", "layer": "Dense", "shape": [128], "dtype": "float32", "kind": "frozen",
        "set_by": "Dense.bias: zeros", "mean": 0, "std": 0, "min": 0, "max": 0,
    }  # fmt: skip
    assert abs(first["std"] - 0.5) < 0.1
    assert (data["plan"]["trainable"], data["plan"]["frozen"]) == (1024, 128)
    assert "1,024 trainable parameters, 128 frozen (4.5 KiB)" in done.out


def test_show_parameters_of_a_plan_has_no_statistics(run):
    done = run("task=plan", "recipe=llama2_7b", "show=parameters")
    assert (done.code, done.err) == (0, "")
    assert "the first and last of 291; result.json has them all" in " ".join(done.out.split())
    assert "mean" not in done.out
    data = json.loads((done.folder / "result.json").read_text())
    assert len(data["parameters"]) == 291
    assert {one["mean"] for one in data["parameters"]} == {None}


def test_the_resolved_recipe_says_the_same_of_parameters(run, recipe_file):
    said = "init: {'*.weight': Normal(std), Dense.bias: 0.5, '3.bias': {values: [1, 2, 3]}}\nfreeze: ['0.*']\n"
    recipe_file(f"input: {{shape: [4, 8]}}\nparams: {{std: 0.02}}\nstack: {STACK}\n{said}")
    first = run(*MINE, "seed=5")
    one = json.loads((first.folder / "result.json").read_text())
    resolved = (first.folder / "recipe.yaml").read_text()
    assert yaml.safe_load(resolved)["init"] == {
        "*.weight": "Normal(0.02)", "Dense.bias": 0.5, "3.bias": {"values": [1, 2, 3]}
    }  # fmt: skip
    recipe_file(resolved)
    again = run(*MINE, "seed=5")
    other = json.loads((again.folder / "result.json").read_text())
    assert (again.code, again.err) == (0, "")
    assert one["parameters"] == other["parameters"]


def test_a_mistake_in_the_stack_is_not_told_as_one_of_a_rule(run, recipe_file):
    recipe_file("input: {shape: [4, 8]}\nparams: {std: 0.1}\nstack: Dense(8, 8) +\ninit: {'0.weight': Normal(std)}\n")
    done = run(*MINE)
    assert done.code == 2
    assert "plain arguments" not in done.err
