"""What Cells of other people do is planned through every door: as a registered layer, as a class, and as a Cell."""

import time
from dataclasses import dataclass
from typing import NamedTuple

import mindspore
import numpy as np
import pytest
from mindspore import Parameter, Tensor, mint, nn, ops

from assembler import LAYERS, plan
from assembler.errors import AssemblerError, LayerFault, RecipeError, ShapeMismatch
from assembler.planning.equal_calls import signature
from assembler.planning.probing import Trials
from assembler.planning.specs import Spec
from assembler.planning.tensors import not_a_tensor, recorded
from assembler.registry.registry import Registry

DOORS = ["recipe", "class", "cell"]


def through(door, kind, **inputs):
    """Plan a class without arguments."""
    if door == "recipe":
        registry = Registry(shipped=True)
        registry.register(kind)
        return plan(kind.__name__, registry=registry, **inputs)
    return plan(kind if door == "class" else kind(), **inputs)


# ---- outputs that are not tensors


def mean(x):
    """Along the last axis, after a look at a value, for which the meta device has none: run on zeros."""
    _ = bool(x.sum() == 0)
    return x.mean(-1, True)


@dataclass
class Features:
    values: Tensor
    stride: int = 4


class Pair(NamedTuple):
    values: Tensor
    size: tuple


class Encoder(nn.Cell):
    """Emits one tensor in a way of its own; where ``mean`` is true it has to be run on zeros."""

    def __init__(self, wrap, mean=False):
        super().__init__()
        self.dense = nn.Dense(8, 6)
        self.wrap = wrap
        self.mean = mean

    def construct(self, x):
        y = self.dense(x)
        if self.mean:
            y = y + mean(y)
        return self.wrap(y)


WRAPS = {
    "sizes": (lambda y: (y, y.shape), lambda out: out[0]),
    "nested sizes": (lambda y: (y, (y.shape[0], [y.shape[1]])), lambda out: out[0]),
    "None": (lambda y: (y, None), lambda out: out[0]),
    "float": (lambda y: (0.5, y), lambda out: out[1]),
    "str": (lambda y: [y, "NCHW"], lambda out: out[0]),
    "dict": (lambda y: {"values": y, "stride": 4}, lambda out: out["values"]),
    "dataclass": (Features, lambda out: out.values),
    "named tuple": (lambda y: Pair(y, y.shape), lambda out: out.values),
    "bool": (lambda y: (y, True), lambda out: out[0]),
}


def network(wrap, unwrap, mean=False):
    class Network(nn.Cell):
        def __init__(self):
            super().__init__()
            self.encoder = Encoder(wrap, mean)
            self.head = nn.Dense(6, 2)

        def construct(self, x):
            return self.head(unwrap(self.encoder(x)))

    return Network


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("wrap", WRAPS)
def test_outputs_inside_that_are_not_tensors_are_passed_on(wrap, mean, door):
    found = through(door, network(*WRAPS[wrap], mean), input=(4, 8))
    assert (found.parameters, found.macs) == (54 + 14, 4 * 8 * 6 + 4 * 6 * 2)
    assert str(found.output) == "(4, 2) float32"
    if door != "recipe":
        assert [str(row.output) for row in found.rows if row.path == "encoder.dense"] in (["(4, 6) float32"], [])
        assert [str(row.output) for row in found.rows if row.path == "encoder"] in (["(4, 6) float32"], [])


def test_a_cell_that_emits_no_tensor_at_all_is_passed_over():
    class Size(nn.Cell):
        def construct(self, x):
            return x.shape[-1]

    class Uses(nn.Cell):
        def __init__(self):
            super().__init__()
            self.size, self.dense = Size(), nn.Dense(8, 6)

        def construct(self, x):
            return self.dense(x) * self.size(x)

    assert [row.path for row in plan(Uses, input=(4, 8)).rows] == ["", "dense"]


def test_a_whole_model_may_emit_a_dataclass():
    assert str(plan(lambda: Encoder(Features), input=(4, 8)).output) == "(4, 6) float32"


@pytest.mark.parametrize("rest", [lambda x: (x.shape[0], None), lambda x: [3, {"a": 0.5}], Features, lambda x: "NCHW"])
@pytest.mark.parametrize("kind", [tuple, list])
def test_in_a_recipe_a_layer_passes_on_what_it_emits(kind, rest):
    registry = Registry(shipped=True)

    class Emits(nn.Cell):
        def construct(self, x):
            return kind((x, rest(x)))

    class First(nn.Cell):
        def construct(self, both):
            assert type(both) is kind
            return both[0]

    registry.register(Emits)
    registry.register(First)
    found = plan("2 * (Emits + First) + Dense(_, 3)", input=(4, 8), registry=registry)
    emitted = [str(row.output) for row in found.rows if rest is not Features or row.layer != "Emits"]
    assert set(emitted) == {"(4, 8) float32", "(4, 3) float32"}
    assert (
        str(plan("Residual(Emits + First + Dense(_, 8))", input=(4, 8), registry=registry).output) == "(4, 8) float32"
    )


ENDS = [
    (lambda y: (y, (3, y)), "#0 Emits emits a tuple; element 1.0 is int, not a tensor. A graph passes on one element: y[0]"),
    (lambda y: (y, "NCHW"), "#0 Emits emits a tuple; element 1 is str, not a tensor. A graph passes on one element: y[0]"),
    (lambda y: {"y": y}, "#0 Emits emits dict, not a tensor"),
    (lambda y: None, "#0 Emits emits None, not a tensor"),
    (lambda y: 3, "#0 Emits emits int, not a tensor"),
]  # fmt: skip


@pytest.mark.parametrize(("wrap", "message"), ENDS)
def test_error_of_a_recipe_that_ends_with_something_else(wrap, message):
    class Emits(nn.Cell):
        def construct(self, x):
            return wrap(x)

    registry = Registry(shipped=True)
    registry.register(Emits)
    with pytest.raises(ShapeMismatch) as error:
        plan("Emits", input=(4, 8), registry=registry)
    assert error.value.message == message


def test_error_of_a_layer_that_gets_no_tensor():
    class Emits(nn.Cell):
        def construct(self, x):
            return {"y": x}

    registry = Registry(shipped=True)
    registry.register(Emits)
    with pytest.raises(ShapeMismatch) as error:
        plan("Emits + Dense(_, 3)", input=(4, 8), registry=registry)
    assert error.value.message == "#0 Emits emits dict; Dense(_, 3) takes a tensor or a tuple"


A, B = Spec((2,), "float32"), Spec((3,), "int32")


@pytest.mark.parametrize(("value", "specs"), [
    (A, A), ((A, B), (A, B)), ((A,), (A,)), ((A, None), A), ((A, (B, 3)), (A, B)), ([A, [B, B]], (A, (B, B))),
    ({"a": A, "b": B, "c": 4}, (A, B)), ({"a": A}, A), (Features(A), A), (3, ()), (None, ()), ((None, 3), ()),
])  # fmt: skip
def test_tensors_alone_are_recorded(value, specs):
    assert recorded(value) == specs


@pytest.mark.parametrize(("value", "found"), [
    (A, None), ((A, (B, A)), None), ((A, None), ("1", "None")), ((A, (B, 3)), ("1.1", "int")), ({}, ("", "dict")),
])  # fmt: skip
def test_the_first_that_is_no_tensor_is_named(value, found):
    assert not_a_tensor(value) == found


# ---- constants


class Table(nn.Cell):
    """A constant in an attribute, and an operator that the meta device cannot run."""

    def __init__(self):
        super().__init__()
        self.table = Tensor(np.arange(8.0, dtype=np.float32))

    def construct(self, x):
        return mean(x) * self.table


class Tables(Table):
    """The same, in containers."""

    def __init__(self):
        super().__init__()
        self.tables = {"one": [self.table, (mint.ones((8,)), 3)]}

    def construct(self, x):
        first, (second, times) = self.tables["one"]
        return mean(x) * first * second * times


class Keeper:
    def __init__(self):
        self.table = Tensor(np.arange(8.0, dtype=np.float32))


class TableInObject(nn.Cell):
    """The same, in an object that is no Cell."""

    def __init__(self):
        super().__init__()
        self.keeper = Keeper()

    def construct(self, x):
        return mean(x) * self.keeper.table


class TableBeside(nn.Cell):
    """The same, beside a Cell with parameters."""

    def __init__(self):
        super().__init__()
        self.dense, self.table = nn.Dense(8, 8), Tensor(np.eye(8, dtype=np.float32))

    def construct(self, x):
        return ops.matmul(mean(self.dense(x)) * x, self.table)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", [Table, Tables, TableInObject, TableBeside])
def test_constants_get_storage(kind, door):
    found = through(door, kind, input=(4, 8))
    assert str(found.output) == "(4, 8) float32"
    assert found.macs == (4 * 8 * 8 * 2 if kind is TableBeside else 0)


class Takes(nn.Cell):
    """Its output's shape is in a constant."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes = Tensor(np.array(sizes, np.int32))

    def construct(self, x):
        return mint.tile(mean(x), tuple(self.sizes.asnumpy().tolist()))


@pytest.mark.parametrize("sizes", [(1, 3), (2, 1), (2, 5)])
def test_constants_of_a_ready_cell_have_their_values(sizes):
    made = Takes(sizes)
    assert plan(made, input=(4, 8)).output.shape == (4 * sizes[0], sizes[1])
    assert made.sizes.asnumpy().tolist() == list(sizes)


# ---- equal calls


class Standardised(nn.Conv2d):
    """A convolution that meta cannot run."""

    def construct(self, x):
        weight = self.weight
        return self.conv2d(x, weight / (weight.var((1, 2, 3), keepdims=True) + 1))


class Runs(nn.Cell):
    """How often a Cell was run for real is counted, by its class."""

    counts = 0

    def __init__(self, **attributes):
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)

    def construct(self, x):
        Runs.counts += 1
        return x + mean(x)


def runs_of(*cells, input=(4, 8)):
    Runs.counts = 0
    for door in (lambda cell: lambda: cell, lambda cell: cell):
        before = Runs.counts
        plan(door(nn.SequentialCell(*cells)), input=input)
    return Runs.counts - before


def repeats(make, count):
    return [make() for _ in range(count)]


# The first call fails on the meta device and is run for real; one more that is not equal does both, too.
EQUAL = [
    lambda: Runs(),
    lambda: Runs(width=3, names=["a", {"b": (1, 2.0)}]),
    lambda: Runs(softmax=ops.Softmax(-1)),
    lambda: Runs(table=Tensor(np.arange(4.0))),
    lambda: Runs(dense=nn.Dense(3, 4)),
    lambda: Runs(scale=Parameter(Tensor(np.ones(3, np.float32)))),
    lambda: Runs(function=np.sin),
]

DIFFERENT = [
    (Runs(width=3), Runs(width=4)),
    (Runs(width=1), Runs(width=True)),
    (Runs(width=1), Runs(height=1)),
    (Runs(softmax=ops.Softmax(-1)), Runs(softmax=ops.Softmax(0))),
    (Runs(table=Tensor(np.arange(4.0))), Runs(table=Tensor(np.arange(4.0) + 1))),
    (Runs(dense=nn.Dense(3, 4)), Runs(dense=nn.Dense(3, 5))),
    (Runs(dense=nn.Dense(3, 4)), Runs(dense=nn.Dense(3, 4, has_bias=False))),
    (Runs(function=lambda x: x), Runs(function=lambda x: x)),
    (Runs(numbers=np.arange(3)), Runs(numbers=np.arange(3) + 1)),
    (Runs(object=Keeper()), Runs(object=Features(None))),
]


@pytest.mark.parametrize("make", EQUAL)
def test_equal_calls_are_run_once(make):
    assert runs_of(*repeats(make, 1)) == runs_of(*repeats(make, 4))
    assert signature(make()) == signature(make())


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_calls_that_differ_in_anything_are_run_each(one, other):
    assert signature(one) != signature(other)
    assert runs_of(one, other) == 2 * runs_of(one)


def test_equal_cells_with_other_inputs_are_run_each():
    class Widens(nn.Cell):
        def construct(self, x):
            return ops.concat((x, x), -1)

    assert runs_of(Runs(), Widens(), Runs()) == 2 * runs_of(Runs())
    assert runs_of(Runs(), Widens(), Runs(), Runs()) == 2 * runs_of(Runs())


def test_a_shared_parameter_is_no_two_parameters():
    one, other = nn.Dense(3, 3), nn.Dense(3, 3)
    tied = nn.Dense(3, 3)
    tied.weight = one.weight
    assert signature([one, other]) != signature([one, tied])


def test_equal_calls_are_in_rows_of_their_own():
    found = plan(lambda: nn.SequentialCell(*repeats(lambda: Standardised(4, 4, 3), 3)), input=(2, 4, 8, 8))
    macs = 2 * 4 * 8 * 8 * 4 * 9
    assert [(row.path, row.parameters, row.macs, row.on_zeros) for row in found.rows] == [
        (str(index), 4 * 4 * 9, macs, False) for index in range(3)
    ]
    registry = Registry(shipped=True)
    registry.register(Standardised)
    assert found.activations == plan("3 * Standardised(4, 4, 3)", input=(2, 4, 8, 8), registry=registry).activations


def test_large_products_of_zeros_are_not_computed():
    found = plan(lambda: Standardised(1024, 1024, 3), input=(1, 1024, 28, 28))
    assert found.macs == 28 * 28 * 1024 * 1024 * 9
    began = time.process_time()
    plan(lambda: Standardised(1024, 1024, 3), input=(1, 1024, 28, 28))
    assert time.process_time() - began < 5  # computing it takes ten times as long


# ---- messages


class Copies(nn.Cell):
    """MindSpore raises with the calls in its C++."""

    def construct(self, x):
        return mint.empty((2,), dtype=mindspore.float32).to("CPU") + ops.matmul(x, x)


class Matmul(nn.Cell):
    def construct(self, x):
        return ops.matmul(x, ops.ones((3, 5)))


class Concatenates(nn.Cell):
    def construct(self, x):
        return ops.concat((x, ops.ones((3, 5, 7))))


class Gathers(nn.Cell):
    def construct(self, x):
        return ops.gather_nd(x, ops.ones((9, 9), mindspore.int32))


@pytest.mark.parametrize("door", DOORS[1:])
@pytest.mark.parametrize("kind", [Copies, Matmul, Concatenates, Gathers])
def test_a_failure_is_one_line(kind, door):
    with pytest.raises(LayerFault) as error:
        through(door, kind, input=(4, 8))
    assert str(error.value).startswith(f"{kind.__name__} raised ")
    assert "\n" not in str(error.value)
    assert "C++" not in str(error.value)


# ---- indices


TAKES_INTEGERS = {
    "Embedding(100, 16)": 100, "mint.Embedding(100, 16)": 100, "OneHot(depth=7)": 7, "EmbeddingLookup(50, 4)": 50,
}  # fmt: skip


@pytest.mark.parametrize("layer", TAKES_INTEGERS)
def test_error_of_floats_as_indices(layer):
    with pytest.raises(ShapeMismatch) as error:
        plan(f"{layer} + Dense(_, 2)" if "One" not in layer else layer, input=(4, 8))
    written = f"{{shape: [4, 8], sample: integers, high: {TAKES_INTEGERS[layer]}}}"
    assert error.value.message == f"#0 {layer} takes integers, and the input is float32; write input: {written}"
    data = {"shape": [4, 8], "sample": "integers", "high": TAKES_INTEGERS[layer]}
    assert plan(layer, input=data).output.shape[:2] == (4, 8)


class Looks(nn.Cell):
    def __init__(self):
        super().__init__()
        self.table = Parameter(ops.ones((30, 6)))

    def construct(self, x):
        return ops.gather(self.table, x, 0)


class LooksByEmbedding(nn.Cell):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30, 6)

    def construct(self, x):
        return self.embedding(x)


class LooksAfterMean(Looks):
    def construct(self, x):
        return super().construct(x) + mean(x).sum()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", [Looks, LooksByEmbedding, LooksAfterMean])
def test_error_of_floats_as_indices_in_any_cell(kind, door):
    with pytest.raises(ShapeMismatch) as error:
        through(door, kind, input=(4, 8))
    written = "{shape: [4, 8], sample: integers, high: 30}"
    assert error.value.message.endswith(f" takes integers, and the input is float32; write input: {written}")
    ids = {"shape": [4, 8], "sample": "integers", "high": 30}
    assert through(door, kind, input=ids).output.shape == (4, 8, 6)


def test_error_of_floats_that_a_layer_emits():
    with pytest.raises(ShapeMismatch) as error:
        plan("ReLU + Embedding(100, 16)", input=(4, 8))
    assert error.value.message == "#0 ReLU emits (4, 8) float32; #1 Embedding(100, 16) takes integers"
    with pytest.raises(ShapeMismatch) as error:
        plan(nn.SequentialCell(nn.Dense(8, 4), nn.Embedding(100, 16)), input=(4, 8))
    assert error.value.message == "#1 Embedding(100, 16) takes integers, and its input is (4, 4) float32"


# ---- Cells that MindSpore does not find


class Lost(nn.Cell):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Dense(8, 8), nn.Dense(8, 8)]

    def construct(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class LostInDict(nn.Cell):
    def __init__(self):
        super().__init__()
        self.layers = {"one": (nn.Conv2d(3, 8, 3),)}

    def construct(self, x):
        return self.layers["one"][0](x)


class LostParameter(nn.Cell):
    def __init__(self):
        super().__init__()
        self.weights = [Parameter(ops.ones((8, 8)))]

    def construct(self, x):
        return ops.matmul(x, self.weights[0])


class LostNorm(nn.Cell):
    def __init__(self):
        super().__init__()
        self.layers = [nn.LayerNorm([8])]

    def construct(self, x):
        return self.layers[0](x)


class LostAfterMean(nn.Cell):
    """What is run for real is a copy."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Dense(8, 8)]

    def construct(self, x):
        return self.layers[0](x + mean(x))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", [Lost, LostInDict, LostParameter, LostNorm, LostAfterMean])
def test_error_of_cells_in_a_plain_list(kind, door):
    with pytest.raises(RecipeError) as error:
        through(door, kind, input=(2, 3, 8, 8) if kind is LostInDict else (4, 8))
    verb = "uses" if kind is LostNorm else "multiplies by"
    said = f"{kind.__name__} {verb} parameters that are not its own; keep layers in nn.CellList"
    assert error.value.message.removeprefix("#0 ") == said


class Kept(nn.Cell):
    """Its list is of Cells that MindSpore does find."""

    def __init__(self):
        super().__init__()
        self.all = nn.CellList([nn.Dense(8, 8), nn.Dense(8, 8)])
        self.layers = list(self.all)

    def construct(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Head(nn.Cell):
    """Uses a parameter of the Cell around it, and cannot be run on meta."""

    def __init__(self, around):
        super().__init__()
        self.around = [around]

    def construct(self, x):
        return ops.matmul(x - mean(x), self.around[0].dense.weight)


class TiedHead(nn.Cell):
    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(8, 8)
        self.head = Head(self)

    def construct(self, x):
        return self.head(self.dense(x))


class GivesParameter(nn.Cell):
    """Its parameter is an argument of another Cell."""

    def __init__(self):
        super().__init__()
        self.weight, self.add = Parameter(ops.ones((8,))), Added()

    def construct(self, x):
        return self.add(x, self.weight)


class Added(nn.Cell):
    def construct(self, x, y):
        return x + y


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("kind", "parameters"), [(Kept, 144), (TiedHead, 72), (GivesParameter, 8)])
def test_parameters_of_the_model_may_be_used_anywhere_in_it(kind, parameters, door):
    assert through(door, kind, input=(4, 8)).parameters == parameters


# ---- `_` of layers of several inputs


INPUTS = {"x": {"shape": [4, 5, 8]}, "m": {"shape": [4, 7, 8]}}


@pytest.mark.parametrize(("layer", "filled"), [
    ("MultiheadAttention(_, 2, batch_first=True) @ (x, m, m)", "MultiheadAttention(8, 2, batch_first=True)"),
    ("TransformerDecoderLayer(_, 2, batch_first=True) @ (x, m)", "TransformerDecoderLayer(8, 2, batch_first=True)"),
    ("Transformer(_, 2, 1, 1, 16, batch_first=True) @ (m, x)", "Transformer(8, 2, 1, 1, 16, batch_first=True)"),
])  # fmt: skip
def test_a_layer_of_several_inputs_infers_from_the_first(layer, filled):
    found = plan({"inputs": INPUTS, "graph": {"y": layer}, **({"outputs": "y[0]"} if "Multihead" in layer else {})})
    assert str(found.rows[0]).endswith(f"{filled.split('(')[0]}({filled.split('(', 1)[1]}")


class Cross(nn.Cell):
    """Takes a query, and a memory of another width."""

    def __init__(self, width, memory, sizes=()):
        super().__init__()
        self.query, self.key = nn.Dense(width, 4), nn.Dense(memory, 4)
        self.sizes = sizes

    def construct(self, x, memory):
        return self.query(x).sum(1) + self.key(memory).sum(1)


@pytest.mark.parametrize("rule", [
    {"memory": {"input": 1, "axis": -1}},
    {"memory": {"input": 1, "axis": -1}, "sizes": {"input": 1, "axis": [-2, -1]}},
    {"memory": {"input": 1, "axis": 2}, "sizes": {"axis": [-1]}},
])  # fmt: skip
def test_a_registry_entry_may_name_another_input(rule):
    registry = Registry(shipped=True)
    registry.register(Cross, infer={"width": -1, **rule})
    sizes = {1: ", sizes=_", 0: ""}["sizes" in rule]
    recipe = {
        "inputs": {"x": {"shape": [4, 5, 8]}, "m": {"shape": [4, 7, 6]}},
        "graph": {"y": f"Cross(_, _{sizes}) @ (x, m)"},
    }
    (row,) = plan(recipe, registry=registry).rows
    wanted = {None: "", 1: ", sizes=(7, 6)", 0: ", sizes=(8,)"}[
        rule["sizes"].get("input", 0) if "sizes" in rule else None
    ]
    assert row.arguments == f"8, 6{wanted}"


def test_error_of_an_input_that_lacks_the_axis():
    registry = Registry(shipped=True)
    registry.register(Cross, infer={"width": -1, "memory": {"input": 1, "axis": 3}})
    recipe = {"inputs": INPUTS, "graph": {"y": "Cross(_, _) @ (x, m)"}}
    with pytest.raises(ShapeMismatch) as error:
        plan(recipe, registry=registry)
    assert "cannot infer 'memory' from axis 3 of input 1" in error.value.message
    with pytest.raises(AssemblerError) as error:
        registry.register(Cross, name="Other", infer={"memory": {"input": -1, "axis": 3}})
    assert str(error.value) == "Other.infer.memory: must be like {input: 1, axis: -1}, not {'input': -1, 'axis': 3}"


def test_what_may_be_inferred_is_listed_with_its_input():
    registry = Registry(shipped=True)
    registry.register(Cross, infer={"width": -1, "memory": {"input": 1, "axis": -1}})
    html = registry["Cross"]._repr_html_()
    assert "axis -1 of the input" in html
    assert "axis -1 of input 1" in html
    assert LAYERS["Dense"].source("in_channels") == (0, -1)


def test_cells_are_probed_where_they_lie():
    trials = Trials()
    with trials.begin(), trials.on_meta():
        found = trials.call(Encoder(lambda y: (y, None)), (Spec((4, 8), "float32"),), {})
    assert found.output == (Spec((4, 6), "float32"), None)
