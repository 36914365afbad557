from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from assembler.binding.bind import bind
from assembler.binding.dump import dump
from assembler.errors import ArgumentMismatch, AssemblerError, DeviceError, LayerFault, RecipeError, ShapeMismatch
from assembler.files import short
from assembler.language.grammar import parse
from assembler.language.recipe import Definitions
from assembler.model.build import build
from assembler.planning import probing
from assembler.planning.planner import plan_stack as plan
from assembler.planning.specs import Spec, print_shape
from assembler.registry.registry import Registry
from assembler.runtime import device

HERE = short(Path(__file__))
REGISTRY = Registry(shipped=True)


@REGISTRY.register
class Raises(nn.Cell):
    def construct(self, x):
        raise KeyError("inside")


@REGISTRY.register
class FailsToBeMade(nn.Cell):
    def __init__(self):
        super().__init__()
        raise KeyError("in the constructor")


@REGISTRY.register
class Twice(nn.Cell):
    """Calls one layer on its input and on the halves of it."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def construct(self, x):
        return self.inner(self.inner(x))


@REGISTRY.register
class Hidden(nn.Cell):
    """A container that meta cannot run: it looks at values."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def construct(self, x):
        return self.inner(x) if float(x.asnumpy().sum()) == 0 else x


def planned(text, shape=(4, 8), dtype="float32"):
    return plan(parse(text), REGISTRY, Spec(shape, dtype))


def table(text, shape=(4, 8), dtype="float32"):
    rows = planned(text, shape, dtype).rows
    return [(row.path, row.layer, row.arguments, print_shape(row.output), row.trainable, row.other) for row in rows]


def test_a_plan_has_a_row_for_each_layer():
    assert table("Conv2d(_, 8, 3) + BatchNorm2d(_) + ReLU + Flatten + Dense(_, 10)", (2, 3, 4, 4)) == [
        ("0", "Conv2d", "3, 8, 3", "(2, 8, 4, 4)", 3 * 8 * 9, 0),
        ("1", "BatchNorm2d", "8", "(2, 8, 4, 4)", 16, 16),
        ("2", "ReLU", "", "(2, 8, 4, 4)", 0, 0),
        ("3", "Flatten", "", "(2, 128)", 0, 0),
        ("4", "Dense", "128, 10", "(2, 10)", 1290, 0),
    ]


def test_a_container_stands_before_its_layers_and_paths_are_those_of_parameters():
    assert [row[:2] for row in table("Residual(Dense(_, 8) + Residual(Dense(8, 8)))")] == [
        ("0", "Residual"),
        ("0.inner.0", "Dense"),
        ("0.inner.1", "Residual"),
        ("0.inner.1.inner", "Dense"),
    ]


def test_repeated_layers_infer_each_for_itself():
    assert [row[2] for row in table("2 * Dense(_, 16)")] == ["8, 16", "16, 16"]


def test_inference_works_inside_a_container_of_somebody_elses():
    assert table("Twice(Dense(_, 8))") == [
        ("0", "Twice", "…", "(4, 8)", 0, 0),
        ("0.inner", "Dense", "8, 8", "(4, 8)", 72, 0),
    ]


@REGISTRY.register
class Passes(nn.Cell):
    """Calls its layer with more than a tensor."""

    def __init__(self, inner, named=False):
        super().__init__()
        self.inner = inner
        self.named = named

    def construct(self, x):
        return self.inner(x, mask=None) if self.named else self.inner(x, None)


@REGISTRY.register(infer={"size": -1})
class Masked(nn.Cell):
    def __init__(self, size):
        super().__init__()
        self.dense = nn.Dense(size, size)

    def construct(self, x, mask=None):
        return self.dense(x) if mask is None else x


@REGISTRY.register
class Hides(nn.Cell):
    """Keeps its layers where MindSpore does not see them."""

    def __init__(self, inner):
        super().__init__()
        self.parts = [inner]

    def construct(self, x):
        return self.parts[0](x)


@REGISTRY.register
class Opens(nn.Cell):
    """Takes a chain apart and puts it together anew."""

    def __init__(self, chain):
        super().__init__()
        self.parts = nn.CellList(list(chain))

    def construct(self, x):
        for part in self.parts:
            x = part(x)
        return x


@REGISTRY.register
class Lists(nn.Cell):
    """Takes several chains in a list."""

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.CellList(parts)

    def construct(self, x):
        y = x
        for part in self.parts:
            y = y + part(x)
        return y


@REGISTRY.register
class Peeks(nn.Cell):
    """In a precision of its own; meta cannot run it."""

    def __init__(self):
        super().__init__()
        self.to_float(mindspore.float16)

    def construct(self, x):
        return x + float(x.asnumpy().sum())


@pytest.mark.parametrize("text", ["Passes(Masked(_))", "Passes(Masked(_), named=True)"])
def test_a_container_may_pass_more_than_tensors(text):
    assert [row[:4] for row in table(text)][1] == ("0.inner", "Masked", "8", "(4, 8)")


def test_a_chain_may_be_taken_apart():
    assert [row[:3] for row in table("Opens(Dense(_, 5) + Dense(_, 3))")] == [
        ("0", "Opens", "…"),
        ("0.parts.0", "Dense", "8, 5"),
        ("0.parts.1", "Dense", "5, 3"),
    ]


def test_layers_may_stand_in_a_list():
    planned_rows = table("Lists([Dense(_, 8), Dense(8, 8) + ReLU])")
    assert [row[0] for row in planned_rows] == ["0", "0.parts.0", "0.parts.1.0", "0.parts.1.1"]
    names = [p.name for p in build(planned("Lists([Dense(_, 8), Dense(8, 8) + ReLU])")).get_parameters()]
    assert names == ["0.parts.0.weight", "0.parts.0.bias", "0.parts.1.0.weight", "0.parts.1.0.bias"]


def test_error_when_a_container_hides_its_layers():
    with pytest.raises(RecipeError) as error:
        planned("Hides(Dense(8, 3))")
    assert error.value.message == (
        "Hides(…) keeps a layer where MindSpore does not find it, such as a plain list: it would not be trained or "
        "saved. Its class should keep it as an attribute or in an nn.CellList"
    )


def test_error_when_a_container_looks_into_a_layer_that_is_to_be_inferred():
    with pytest.raises(ArgumentMismatch) as error:
        planned("TransformerEncoder(TransformerEncoderLayer(_, 2), 2)", (2, 5, 8))
    assert error.value.message.startswith(
        "'_' cannot be inferred inside TransformerEncoder, which looks into its layers; write the value (TransformerEncoder"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Parallel(Dense(_, 3), merge='cat')", "merge must be one of concat, stack, add, multiply, not 'cat'"),
        ("Windows(Attention(_, 2), 4, 4)", "shift must be an integer from 0 to 3, not 4"),
    ],
)
def test_error_of_a_container_with_a_layer_to_be_inferred_is_that_of_its_constructor(text, message):
    with pytest.raises(ArgumentMismatch) as error:
        planned(text)
    assert error.value.message.endswith(f" cannot be made: {message}")
    assert error.value.place.start == 0


def test_error_of_a_container_that_passes_several_inputs_to_a_chain():
    with pytest.raises(ShapeMismatch) as error:
        planned("Windows(Dense(8, 8) + ReLU, 4, 1)", (1, 8, 8, 8))
    assert error.value.message == (
        "Windows(…, 4, 1) passes 4 inputs to its layers: (4, 16, 8) float32, (4, 16, 8) float32, (4, 16, 8) float32, "
        "(4, 16, 16) int32. A chain takes one: write a block with a graph"
    )


def test_a_failure_in_another_precision_leaves_none_behind():
    rows = planned("Dense(8, 8) + Residual(Peeks)").rows
    assert rows[-1].output == Spec((4, 8), "float16")
    assert str(nn.Dense(8, 4)(Tensor(np.ones((1, 8), np.float32))).dtype) == "Float32"
    with pytest.raises(LayerFault):
        planned("Residual(Peeks + Raises)")
    assert str(nn.Dense(8, 4)(Tensor(np.ones((1, 8), np.float32))).dtype) == "Float32"


def test_error_when_one_layer_would_infer_two_sizes():
    with pytest.raises(ShapeMismatch) as error:
        planned("Twice(Dense(_, 5))")
    assert error.value.message == "#0.inner Dense is used twice and infers 'in_channels' as 8 and as 5"


def test_a_container_that_meta_cannot_run_is_run_on_zeros():
    assert table("Hidden(Dense(_, 5) + ReLU)") == [
        ("0", "Hidden", "…", "(4, 5)", 0, 0),
        ("0.inner.0", "Dense", "8, 5", "(4, 5)", 45, 0),
        ("0.inner.1", "ReLU", "", "(4, 5)", 0, 0),
    ]


def test_the_resolved_steps_bind_to_the_same_plan():
    first = planned("Residual(Dense(_, 8) + ReLU) + 2 * Dense(_, 16)")
    text = " + ".join(dump(first.steps)["stack"])
    assert "_" not in text
    assert planned(text).rows == first.rows


def test_nothing_is_allocated():
    rows = table("3 * Dense(_, 1000000)", (4, 1_000_000))
    assert sum(row[4] for row in rows) == 3 * (10**12 + 10**6)


def test_planning_leaves_random_numbers_and_the_mode_alone():
    device.seed(1)
    expected = np.random.rand()
    device.seed(1)
    with device.mode("graph"):
        planned("Dense(8, 8) + TransformerEncoderLayer(8, 2)", (2, 4, 8))
        assert mindspore.get_context("mode") == mindspore.GRAPH_MODE
    assert np.random.rand() == expected


def test_a_tuple_is_planned_and_told():
    assert table("LSTM(_, 6)", (2, 5, 8))[0][3] == "((2, 5, 6), ((1, 5, 6), (1, 5, 6)))"
    with pytest.raises(ShapeMismatch) as error:
        planned("LSTM(8, 6) + Dense(6, 2)", (2, 5, 8))
    assert error.value.message.startswith(
        "#0 LSTM(8, 6) emits a tuple ((2, 5, 6), ((1, 5, 6), (1, 5, 6))); #1 Dense(6, 2) takes one tensor. In a graph, "
    )


SHAPES = [
    ("Dense(9, 1)", (4, 8), "the input is (4, 8) float32; #0 Dense(9, 1) wants (…, 9)"),
    ("Dense(8, 64) + ReLU + Dense(8, 10)", (4, 8), "#1 ReLU emits (4, 64) float32; #2 Dense(8, 10) wants (…, 8)"),
    ("Residual(Dense(8, 4) + Dense(5, 8))", (4, 8),
     "#0.inner.0 Dense(8, 4) emits (4, 4) float32; #0.inner.1 Dense(5, 8) wants (…, 5)"),
    ("Residual(Dense(5, 8))", (4, 8), "#0 passes on (4, 8) float32; #0.inner Dense(5, 8) wants (…, 5)"),
    ("Conv2d(4, 8, 3)", (1, 3, 8, 8), "the input is (1, 3, 8, 8) float32; #0 Conv2d(4, 8, 3) wants 4 on axis 1 ("),
    ("Conv2d(3, 8, 3)", (1, 3), "the input is (1, 3) float32; #0 Conv2d(3, 8, 3) does not accept it: "),
    ("Residual(Dense(8, 4))", (4, 8), "the input is (4, 8) float32; #0 Residual(…) does not accept it: "),
    ("Conv2d(_, 8, 3)", (4,),
     "the input is (4,) float32; #0 Conv2d(_, 8, 3) cannot infer 'in_channels' from axis 1 of it"),
    ("TransformerEncoderLayer(10, 2)", (2, 5, 8), "the input is (2, 5, 8) float32; #0 TransformerEncoderLayer(10, 2) "
                                                   "wants (…, 10)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shape", "message"), SHAPES)
def test_error_of_a_shape_names_the_edge(text, shape, message):
    with pytest.raises(ShapeMismatch) as error:
        planned(text, shape)
    assert error.value.message.startswith(message)
    assert "\n" not in error.value.message


def test_error_of_a_shape_shows_the_layer():
    with pytest.raises(ShapeMismatch) as error:
        plan(parse("ReLU + Dense(9, 1)", "s"), REGISTRY, Spec((4, 8), "float32"))
    assert str(error.value) == (
        "s:8: #0 ReLU emits (4, 8) float32; #1 Dense(9, 1) wants (…, 9)\n    ReLU + Dense(9, 1)\n           ^^^^^"
    )


def test_error_of_values_tells_every_constructor():
    with pytest.raises(AssemblerError) as error:
        planned("Dense('a', 4) + Residual(Dense(4, 4, has_bias='no')) + Dense(4, 4, weight_init='nope')")
    assert [mistake.message for mistake in error.value.mistakes] == [
        "Dense('a', 4) cannot be made: For 'Dense', the 'in_channels' must be int, but got 'str'",
        "Dense(4, 4, has_bias='no') cannot be made: For 'Dense', the 'has_bias' must be a bool, but got str.",
        "Dense(4, 4, weight_init='nope') cannot be made: For 'initializer', the class corresponding to 'nope' was not "
        "found.",
    ]
    assert all(isinstance(mistake, ArgumentMismatch) for mistake in error.value.mistakes)


def test_a_fault_inside_a_layer_keeps_its_exception():
    with pytest.raises(LayerFault) as error:
        planned("Dense(8, 4) + Residual(Raises)")
    assert error.value.message == "#1.inner Raises raised KeyError: 'inside'; #1 passes on (4, 4) float32"
    assert isinstance(error.value.__cause__, KeyError)


def test_a_fault_inside_a_constructor_keeps_its_exception():
    with pytest.raises(LayerFault) as error:
        planned("FailsToBeMade")
    assert error.value.message == "FailsToBeMade fails while it is made: KeyError: 'in the constructor'"
    assert isinstance(error.value.__cause__, KeyError)


def test_without_an_input_there_is_nothing_to_infer_from():
    assert plan(parse("Dense(8, 1)"), REGISTRY).rows == ()
    with pytest.raises(RecipeError) as error:
        plan(parse("Residual(Dense(_, 1))"), REGISTRY)
    assert error.value.message == "Dense infers 'in_channels' from its input; give the input's shape"


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_the_dtype_runs_through(dtype):
    rows = plan(parse("Dense(_, 4) + TransformerEncoderLayer(4, 2)"), REGISTRY, Spec((2, 3, 8), dtype), dtype).rows
    assert [row.output.dtype for row in rows] == [dtype, dtype]


def test_equal_layers_are_planned_once(monkeypatch):
    from assembler.planning import building

    made = []
    make = building.make
    monkeypatch.setattr(building, "make", lambda step, inner: made.append(step) or make(step, inner))
    assert len(planned("500 * Dense(8, 8)").rows) == 500
    assert len(made) <= 2


def test_binding_leaves_steps_unknown_and_planning_fills_them():
    (step,) = bind(parse("Dense(_, 1)"), REGISTRY)
    assert step.unknown == ["in_channels"]
    (step,) = planned("Dense(_, 1)").steps
    assert step.unknown == []


def test_meta_tensors_do_not_leak():
    planned("Dense(8, 4)")
    assert nn.Dense(8, 4)(Tensor(np.ones((1, 8), np.float32))).asnumpy().shape == (1, 4)


def test_a_row_tells_what_its_layer_costs():
    rows = planned("Conv2d(_, 8, 3) + BatchNorm2d(_) + Flatten + Dense(_, 10)", (2, 3, 4, 4)).rows
    assert [(row.macs, row.memory, row.parameter_memory) for row in rows] == [
        (2 * 8 * 16 * 27, 4 * 2 * 8 * 16, 4 * 8 * 27),
        (0, 4 * 2 * 8 * 16, 4 * 32),
        (0, 4 * 2 * 128, 0),
        (2 * 1280, 4 * 2 * 10, 4 * 1290),
    ]


def test_what_a_container_costs_is_without_its_layers():
    rows = planned("Residual(Dense(_, 8) + ReLU, shortcut=Dense(_, 8))").rows
    assert [(row.path, row.macs, row.parameters) for row in rows] == [
        ("0", 0, 0),
        ("0.inner.0", 4 * 64, 72),
        ("0.inner.1", 0, 0),
        ("0.shortcut", 4 * 64, 72),
    ]


def test_a_cell_called_twice_works_twice_and_has_its_parameters_once():
    found = planned("Twice(Dense(_, 8))")
    assert (found.macs, found.trainable) == (2 * 4 * 64, 72)


def without_supply(monkeypatch):
    """Leave tensors on the meta device as MindSpore has them, so that it cannot run layers of Transformers."""
    monkeypatch.setattr(probing, "meta_tensors_supplied", nullcontext)


@pytest.fixture
def fallbacks(monkeypatch):
    """The ways in which Cells were called that the meta device cannot run; here it lacks what it is supplied with."""
    without_supply(monkeypatch)
    ways = []
    for_real = probing.Trials.for_real
    monkeypatch.setattr(probing.Trials, "for_real", lambda self: ways.append("real") or for_real(self))
    infer = probing.compiler.infer
    monkeypatch.setattr(probing.compiler, "infer", lambda *given: ways.append("compiled") or infer(*given))
    return ways


def test_each_distinct_layer_that_meta_cannot_run_is_tried_once(fallbacks):
    rows = planned("12 * TransformerEncoderLayer(8, 2) + TransformerEncoderLayer(8, 4)", (5, 2, 8)).rows
    assert (len(rows), fallbacks) == (13, ["real", "real"])
    assert len({row.macs for row in rows}) == 1


def test_a_large_layer_is_compiled_and_not_run(fallbacks):
    found = planned("2 * TransformerEncoderLayer(_, 16, dim_feedforward=4096)", (16, 2, 4096))
    assert fallbacks == ["real", "compiled"]
    assert found.parameters == 2 * (4 * (4096**2 + 4096) + 2 * 4096 * 4096 + 4096 + 4096 + 4 * 4096)
    tokens = 16 * 2
    assert found.macs == 2 * (tokens * 4 * 4096**2 + 2 * (2 * 16 * 16 * 4096) + 2 * tokens * 4096 * 4096)


@pytest.mark.parametrize("width", [8, pytest.param(4096, marks=pytest.mark.slow)])
def test_the_ways_agree_about_a_layer(fallbacks, monkeypatch, width):

    text = f"TransformerEncoderLayer({width}, 2, dim_feedforward={width})"
    monkeypatch.setattr(probing, "MAX_TRIAL", 10**9)
    real = planned(text, (16, 2, width))
    monkeypatch.setattr(probing, "MAX_TRIAL", 0)
    compiled = planned(text, (16, 2, width))
    assert fallbacks[-1] == "compiled"
    monkeypatch.undo()
    assert planned(text, (16, 2, width)).rows == compiled.rows
    assert compiled.rows == (replace(real.rows[0], on_zeros=False),)
    assert compiled.activations == pytest.approx(real.activations, rel=0.08)


def test_error_of_a_shape_in_a_layer_that_meta_cannot_run():
    for width in (8, 8192):
        with pytest.raises(ShapeMismatch) as error:
            planned(f"TransformerEncoderLayer({width}, 2)", (5, 2, 10))
        assert error.value.message.startswith(
            f"the input is (5, 2, 10) float32; #0 TransformerEncoderLayer({width}, 2) wants (…, {width})"
        )


def test_error_of_a_layer_that_takes_several_inputs():
    with pytest.raises(ShapeMismatch) as error:
        planned("ReLU + MultiheadAttention(8, 2)", (5, 2, 8))
    assert error.value.message == (
        "#0 ReLU emits (5, 2, 8) float32; #1 MultiheadAttention(8, 2) takes 3 inputs: query, key, value"
    )


def test_error_of_a_layer_that_nothing_here_can_run(monkeypatch):

    def refuse(*given):
        raise RuntimeError("The kernel Roll unregistered.")

    without_supply(monkeypatch)
    monkeypatch.setattr(probing.compiler, "infer", refuse)
    with pytest.raises(DeviceError) as error:
        planned("ReLU + Roll(2, 1)")
    assert error.value.message == (
        "#1 Roll(2, 1) cannot be planned: the meta device lacks an operator; the CPU lacks an operator: "
        f"RuntimeError: The kernel Roll unregistered. {probing.WAY_OUT}"
    )


@REGISTRY.register
class Attends(nn.Cell):
    """Products without parameters; with ``looks``, meta cannot run it."""

    def __init__(self, looks):
        super().__init__()
        self.looks = looks

    def construct(self, x):
        scores = ops.softmax(ops.bmm(x, x.swapaxes(1, 2)), -1)
        y = ops.bmm(scores, x)
        return y + float(y.asnumpy().sum()) if self.looks else y + 1.0


def test_a_layer_costs_the_same_on_meta_and_on_zeros():
    meta, zeros = (planned(f"Attends({looks})", (2, 5, 7)) for looks in (False, True))
    assert [row.on_zeros for row in (*meta.rows, *zeros.rows)] == [False, True]
    assert meta.macs == zeros.macs == 2 * 2 * 5 * 5 * 7
    assert zeros.activations == pytest.approx(meta.activations, rel=0.01)


@REGISTRY.register
class Assigns(nn.Cell):
    """Assigns to items: on the meta device MindSpore crashes over it."""

    def construct(self, x):
        y = x * 1
        y[0] = 1.0
        y[:, 1:] = x[:, 1:]
        return y


def test_assignment_to_items_does_not_crash():
    assert table("Assigns + Dense(_, 3)")[0] == ("0", "Assigns", "", "(4, 8)", 0, 0)
    x = Tensor(np.zeros((2, 2), np.float32))
    x[0] = 1.0
    assert x.asnumpy().sum() == 2


@REGISTRY.register
class Skips(nn.Cell):
    """Calls its layer if it is told to."""

    def __init__(self, inner, call=False):
        super().__init__()
        self.inner = inner
        self.call = call

    def construct(self, x):
        return self.inner(x) if self.call else x


@pytest.mark.parametrize("text", [
    "Skips(Dense(7, 4))", "2 * Skips(Dense(7, 4) + ReLU)", "Residual(Skips(Dense(7, 4)))",
    "3 * Residual(Dense(8, 8) + Skips(Dense(8, 4)))", "TransformerEncoder(TransformerEncoderLayer(8, 2), 2)",
])  # fmt: skip
def test_what_is_never_called_is_counted(text):
    found = planned(text, (5, 2, 8) if "Transformer" in text else (4, 8))
    assert found.parameters == sum(parameter.size for parameter in build(found).get_parameters())
    assert found.trainable > 0


def test_error_of_a_size_that_nothing_tells():
    with pytest.raises(RecipeError) as error:
        planned("ReLU + Skips(Dense(_, 4))")
    assert error.value.message == (
        "#1.inner Dense(_, 4) is never called, so 'in_channels' cannot be inferred; write the value"
    )


@REGISTRY.register
class Keeps(nn.Cell):
    """Looks into its layer, and keeps it."""

    def __init__(self, inner):
        super().__init__()
        self.width = inner.norm1.gamma.shape[0]
        self.inner = inner

    def construct(self, x):
        return self.inner(x)


@pytest.mark.parametrize("uses", ["Skips(part) + {}", "{} + Skips(part)", "Skips(part) + {} + Skips(part)"])
@pytest.mark.parametrize(("container", "copies"), [("TransformerEncoder(part, 2)", 3), ("Keeps(part)", 1)])
def test_a_shared_part_is_counted_as_often_as_the_model_has_it(uses, container, copies):
    """A Transformer copies the layer that it looks into; another container may keep that very layer."""
    definitions = Definitions(shared={"part": parse("TransformerEncoderLayer(8, 2)")})
    found = plan(parse(uses.format(container)), REGISTRY, Spec((5, 2, 8), "float32"), definitions=definitions)
    assert found.parameters == sum(parameter.size for parameter in build(found).get_parameters()) == copies * 35_144


@REGISTRY.register
class Either(nn.Cell):
    """Calls one of two layers, by the width of what goes in."""

    def __init__(self, wide, narrow):
        super().__init__()
        self.wide, self.narrow = wide, narrow

    def construct(self, x):
        return self.wide(x) if x.shape[-1] == 8 else self.narrow(x)


def test_a_second_call_may_call_other_layers():
    found = planned("ReLU + Twice(Twice(Either(Dense(_, 4), ReLU + Dense(_, 8)))) + Dense(8, 1)")
    assert [(row.path, row.parameters, row.macs) for row in found.rows] == [
        ("0", 0, 0),
        ("1", 0, 0),
        ("1.inner", 0, 0),
        ("1.inner.inner", 0, 0),
        ("1.inner.inner.wide", 36, 2 * 4 * 8 * 4),
        ("1.inner.inner.narrow.0", 0, 0),
        ("1.inner.inner.narrow.1", 40, 2 * 4 * 4 * 8),
        ("2", 9, 4 * 8),
    ]
    assert found.parameters == sum(parameter.size for parameter in build(found).get_parameters())


@REGISTRY.register
class Tries(nn.Cell):
    """Calls its layer on what it does not accept, too."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def construct(self, x):
        y = self.inner(x)
        try:
            return self.inner(x[:, :3])
        except Exception:
            return self.inner(y[:2])


def test_a_container_may_catch_what_its_layer_raises():
    found = planned("Tries(Dense(8, 8)) + ReLU")
    assert [(row.path, row.macs) for row in found.rows] == [("0", 0), ("0.inner", (4 + 2) * 64), ("1", 0)]


def test_the_example_of_the_module():
    rows = planned("Residual(Dense(_, 8)) + ReLU").rows
    assert [(str(row), row.parameters, row.macs) for row in rows] == [
        ("#0 Residual(…)", 0, 0),
        ("#0.inner Dense(8, 8)", 72, 256),
        ("#1 ReLU", 0, 0),
    ]


@REGISTRY.register
class Looks(nn.Cell):
    def construct(self, x):
        return x + 1 if x.max() > 0 else x


def test_error_of_a_layer_that_is_too_large_to_be_tried(monkeypatch):

    monkeypatch.setattr(probing, "MAX_TRIAL_WORK", 0)
    with pytest.raises(DeviceError) as error:
        planned("ReLU + Looks")
    line = Looks.construct.__code__.co_firstlineno + 1
    assert error.value.message == (
        f"#1 Looks cannot be planned: the meta device lacks values for __bool__ at {HERE}:{line}, and the layer is too "
        f"large to be run on zeros; the compiled graph has branches or loops. {probing.WAY_OUT}"
    )


@REGISTRY.register
class Finds(nn.Cell):
    def construct(self, x):
        return ops.nonzero(x)


def test_error_of_an_operator_that_meta_does_not_have_at_all(monkeypatch):
    monkeypatch.setattr(probing, "MAX_TRIAL_WORK", 0)
    with pytest.raises(DeviceError) as error:
        planned("Finds")
    line = Finds.construct.__code__.co_firstlineno + 1
    assert error.value.message == (
        f"#0 Finds cannot be planned: the meta device lacks the operator NonZero at {HERE}:{line}, and the layer is too "
        f"large to be run on zeros; the compiler leaves an axis open: it depends on values. {probing.WAY_OUT}"
    )


def test_equal_containers_are_planned_once(monkeypatch):
    from assembler.planning import planner

    looked = []
    look = planner._Planner.look
    monkeypatch.setattr(planner._Planner, "look", lambda self, *given: looked.append(given[0]) or look(self, *given))
    found = planned("100 * Residual(Dense(_, 8) + Residual(ReLU))")
    assert [step.layer.name for step in looked] == ["Residual", "Dense", "Residual", "ReLU"]
    assert [row.path for row in found.rows[-4:]] == ["99", "99.inner.0", "99.inner.1", "99.inner.1.inner"]
    assert (found.trainable, found.macs) == (100 * 72, 100 * 4 * 64)
    assert [name for name in (p.name for p in build(found).get_parameters()) if name.startswith("99.")] == [
        "99.inner.0.weight",
        "99.inner.0.bias",
    ]


INFERRED = [
    ("Conv2d(_, 64, 3) + BatchNorm2d(_) + ReLU + Flatten + Dense(_, 10)", (1, 3, 32, 32), 657_226),
    ("Conv1d(_, 8, 3) + BatchNorm1d(_)", (2, 4, 16), 4 * 8 * 3 + 16),
    ("Embedding(100, 8) + LayerNorm(_)", (2, 5), 800 + 16),
    ("GroupNorm(2, _)", (2, 4, 8, 8), 8),
    ("Twice(Residual(Dense(_, _)))", (4, 8), 72),
    ("Lists([Dense(_, 8), Residual(Dense(_, 8) + ReLU)])", (4, 8), 144),
    ("Residual(Residual(Dense(_, 8)))", (4, 8), 72),
]


@pytest.mark.parametrize(("text", "shape", "trainable"), INFERRED)
def test_sizes_are_inferred_inside_any_container(text, shape, trainable):
    dtype = "int32" if text.startswith("Embedding") else "float32"
    assert plan(parse(text), REGISTRY, Spec(shape, dtype)).trainable == trainable
