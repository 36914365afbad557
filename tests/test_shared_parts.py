"""Names and values of shared parts: the same in the plan, the model, its files, the checks and the ejected class."""

import mindspore
import numpy as np
import pytest
from mindspore import nn

from assembler import checks, plan
from assembler.binding.dump import dump
from assembler.errors import FormatError, RecipeError
from assembler.model import formats, weights
from assembler.model.build import build, cells_by_path
from assembler.model.faults import blame
from assembler.model.inputs import make_inputs
from assembler.model.subject import Subject
from assembler.registry.registry import Registry
from assembler.runtime import device
from assembler.settings import RecipeSettings
from assembler.validation import read
from tests.test_eject import assert_the_same

REGISTRY = Registry(shipped=True, trusted=["tests"])
IDS = {"shape": [2, 3], "sample": "integers", "high": 10}


@REGISTRY.register
class OnlyPynative(nn.Cell):
    """No graph compiler knows sets."""

    def construct(self, x):
        return x * len({str(axis) for axis in x.shape})


@REGISTRY.register
class Raises(nn.Cell):
    """Raises when its input has values."""

    def construct(self, x):
        if x.asnumpy().size:
            raise ValueError("not today")
        return x


def shared(parts, stack, **more):
    """A recipe of shared parts."""
    return {"input": {"shape": [4, 8], "sample": "normal"}, "shared": parts, "stack": stack, **more}


RECIPES = [
    # recipe, the names of all parameters
    (shared({"d": "Dense(8, 8)"}, "d + d"), "d.weight d.bias"),
    (shared({"d": "Dense(8, 8)"}, "ReLU + d + Residual(d) + 2 * d"), "d.weight d.bias"),
    (shared({"d": "Dense(_, 8)"}, "d + Dense(8, 8) + d"), "d.weight d.bias 1.weight 1.bias"),
    (shared({"pair": "Dense(8, 8) + ReLU"}, "pair + pair"), "pair.0.weight pair.0.bias"),
    (shared({"around": "Residual(Dense(8, 8))"}, "2 * around"), "around.inner.weight around.inner.bias"),
    (shared({"a": "Dense(8, 8)", "b": "a + Tanh + Dense(8, 8) + a"}, "b + Residual(b) + a"),
     "a.weight a.bias b.2.weight b.2.bias"),
    (shared({"b": "Dense(8, 8) + Residual(a)", "a": "Dense(8, 8)"}, "Dense(8, 8) + b + a"),
     "0.weight 0.bias a.weight a.bias b.0.weight b.0.bias"),
    (shared({"a": "Dense(8, 8)", "b": "a"}, "b + a"), "a.weight a.bias"),
    (shared({"act": "ReLU"}, "act + Dense(8, 8) + act"), "1.weight 1.bias"),
    (shared({"tokens": "Embedding(10, 4)"}, "tokens + Unembed(tokens)", input=IDS), "tokens.embedding_table"),
    (shared({"tokens": "Embedding(10, 8)"}, "Dense(8, 8) + Unembed(tokens)"),
     "0.weight 0.bias tokens.embedding_table"),
    (shared({"g": {"graph": {"x": "Dense(8, 8)", "y": "Add @ (x, input)"}}}, "g"), "g.x.weight g.x.bias"),
    (shared({"g": {"graph": {"x": "Dense(8, 8)", "y": "Add @ (x, input)"}}}, "g + g"), "g.x.weight g.x.bias"),
    (shared({"d": "Dense(8, 8)"}, None, graph={"d": "d", "e": "Dense(8, 8) @ d", "f": "d @ e"}),
     "d.weight d.bias e.weight e.bias"),
    (shared({"d": "Dense(8, 8)"}, None, graph={"e": "(ReLU + d) @ input", "f": "Residual(d) @ e"}), "d.weight d.bias"),
]  # fmt: skip
IDENTITIES = [f"{recipe['shared']} {recipe['stack'] or recipe['graph']}" for recipe, _ in RECIPES]
EACH = pytest.mark.parametrize(("recipe", "names"), RECIPES, ids=IDENTITIES)


def subject_of(recipe, mode="pynative"):
    planned = plan(recipe, registry=REGISTRY)
    device.seed(0)
    return Subject(build(planned), planned, samples(recipe), mode, "float32")


def samples(recipe):
    return make_inputs(read(RecipeSettings, recipe, "recipe"), "float32", 0)


@EACH
def test_a_parameter_has_one_name_everywhere(tmp_path, recipe, names):
    planned = plan(recipe)
    assert {name for name, _, _ in planned.weights()} == set(names.split())
    device.seed(0)
    model = build(planned)
    assert sorted(one.name for one in model.get_parameters()) == sorted(names.split())
    file = tmp_path / "model.safetensors"
    weights.save(model, file)
    assert set(weights.read_file(file).arrays) == set(names.split())
    assert set(weights.load(build(planned), file).names) == set(names.split())
    mindspore.save_checkpoint(model, str(tmp_path / "model.ckpt"))
    assert set(mindspore.load_checkpoint(str(tmp_path / "model.ckpt"))) == set(names.split())
    assert {path for path in (row.path for row in planned.rows) if path} <= set(cells_by_path(model))


@EACH
def test_a_name_is_a_pattern_of_init_and_freeze(recipe, names):
    name = names.split()[0]
    planned = plan({**recipe, "init": {name: 0.5}, "freeze": [name]})
    frozen = [one for one in build(planned).get_parameters() if not one.requires_grad]
    assert [one.name for one in frozen] == [name]
    assert (device.as_array(frozen[0]) == 0.5).all()


@EACH
def test_the_ejected_class_has_the_same_names_and_values(tmp_path, recipe, names):
    assert_the_same(tmp_path, plan(recipe), samples(recipe))


@EACH
def test_a_plan_prints_back_to_the_same_names(recipe, names):
    first = plan(recipe)
    again = plan({**dump(first.steps), "input": recipe["input"]})
    assert again.rows == first.rows


@pytest.mark.parametrize("recipe", [recipe for recipe, _ in RECIPES if "graph" not in str(recipe)], ids=str)
def test_the_model_agrees_with_its_numpy_reference(recipe):
    (found,) = checks.run(checks.prepare([("reference", None, "recipe.checks.reference")]), subject_of(recipe))
    assert found.passed, found


@pytest.mark.parametrize("amp", ["O1", "O2", "O3"])
def test_mixed_precision_keeps_names_and_the_reference(amp):
    for recipe, names in RECIPES[:8]:
        plain = subject_of(recipe)
        mixed = Subject(plain.bare, plain.planned, plain.inputs, "pynative", "float32", amp)
        assert sorted(one.name for one in mixed.model.get_parameters()) == sorted(names.split())
        assert {row.path for row in mixed.planned.rows} <= set(mixed.cells)


@pytest.mark.parametrize(
    ("layer", "stack", "path"),
    [
        ("OnlyPynative", "Tanh + {} + {}", "part"),
        ("OnlyPynative", "Residual({}) + {}", "part"),
        ("ReLU + OnlyPynative", "Residual({}) + {}", "part.1"),
        ("Residual(ReLU + OnlyPynative)", "{} + Residual({})", "part.inner.1"),
    ],
)
def test_what_graph_mode_refuses_in_a_shared_part_is_found(layer, stack, path):
    subject = subject_of(shared({"part": layer}, stack.replace("{}", "part")), mode="graph")
    error = blame(subject, RuntimeError("refused"))
    assert error.message.startswith(f"#{path} OnlyPynative runs in PyNative mode, but Graph mode refuses it")


@pytest.mark.parametrize(
    ("layer", "stack", "path"),
    [("Raises", "Tanh + {}", "part"), ("Raises", "Residual({})", "part"), ("ReLU + Raises", "Residual({})", "part.1")],
)
def test_what_raises_in_a_shared_part_is_found(layer, stack, path):
    recipe = shared({"part": layer}, stack.replace("{}", "part"))
    subject = subject_of(recipe | {"shared": {"part": layer.replace("Raises", "Tanh")}})
    for cell in subject.cells.values():
        if type(cell) is nn.Tanh and cell is subject.cells[path]:
            cell.construct = Raises().construct
    with pytest.raises(ValueError, match="not today") as raised:
        subject.call(subject.model, subject.inputs)
    error = blame(subject, raised.value)
    assert f"#{path} Tanh" in error.message


@pytest.mark.parametrize(("layer", "stack", "path"), [
    ("ELU", "Tanh + {} + {}", "part"), ("ELU", "Residual({}) + {}", "part"), ("ReLU + ELU", "2 * Residual({})", "part.1"),
])  # fmt: skip
def test_what_a_format_cannot_store_in_a_shared_part_is_found(tmp_path, layer, stack, path):
    subject = subject_of(shared({"part": layer}, stack.replace("{}", "part")))
    order = formats.Order(subject.inputs, ("input",))
    with pytest.raises(FormatError) as error:
        formats.export(subject, formats.require(["onnx"]), tmp_path, "model", order)
    assert error.value.message.startswith(f"#{path} ELU cannot be written as ONNX")


@pytest.mark.parametrize(
    "graph",
    [
        {"d": "Dense(8, 8)", "e": "d @ d"},
        {"d": "d + ReLU", "e": "ReLU"},
        {"e": "Dense(8, 8)", "d": "Residual(d) @ e"},
    ],
)
def test_a_wire_and_another_shared_part_need_different_names(graph):
    with pytest.raises(RecipeError) as error:
        plan(shared({"d": "Dense(8, 8)"}, None, graph=graph))
    assert error.value.message == "'d' is a wire and a shared part; one of them needs another name"


def test_parts_keep_their_marks_apart():
    """A part that is inside another is found under its own name."""
    model = build(plan(shared({"a": "Dense(8, 8)", "b": "ReLU + a"}, "b + a")))
    cells = cells_by_path(model)
    assert cells["a"] is cells["b.1"] is model[1]
    assert np.array_equal(cells["a"].weight.asnumpy(), model[0][1].weight.asnumpy())
