"""Cells that read and assign values, in their constructors and in ``construct``, and operators in older spellings."""

import collections

import mindspore
import numpy as np
import pytest
from mindspore import Parameter, Tensor, mint, nn, ops
from mindspore.common.initializer import initializer

from assembler import Registry, plan
from assembler.registry.entries import TRUSTED

TABLE = Tensor(np.arange(4, dtype=np.float32))


def assign(tensor, index=0):
    tensor[index] = 1
    return tensor


def add_to(tensor):
    tensor[1:] += 1
    return tensor


# what a constructor does, by its name
CONSTRUCTORS = {
    "t[0] = 1": lambda: assign(ops.zeros((4, 4))),
    "mint: t[0] = 1": lambda: assign(mint.zeros((4, 4))),
    "Tensor: t[0] = 1": lambda: assign(Tensor(np.zeros((4, 4), np.float32))),
    "Parameter: t[0] = 1": lambda: assign(Parameter(ops.zeros((4, 4)), name="p")),
    "t[1:] += 1": lambda: add_to(ops.zeros(4)),
    "t[1:3] = 1": lambda: assign(ops.zeros(4), slice(1, 3)),
    "float of linspace": lambda: [float(v) for v in ops.linspace(0, 1, 5)],
    "float": lambda: float(ops.ones(1)),
    "int of an item": lambda: int(ops.zeros(3)[0]),
    "bool": lambda: bool(ops.ones(1)),
    "if": lambda: 1 if ops.ones(2)[0] == 1 else 2,
    "while": lambda: None if ops.zeros(1) < 0 else 1,
    "asnumpy": lambda: ops.zeros(4).asnumpy(),
    "numpy": lambda: ops.zeros(4).numpy(),
    "asnumpy of a Tensor": lambda: Tensor(np.arange(3.0)).asnumpy(),
    "asnumpy of a Parameter": lambda: Parameter(ops.ones(3), name="p").asnumpy(),
    "item": lambda: ops.zeros(4)[0].item(),
    "tolist": lambda: ops.zeros(4).tolist(),
    "np.array": lambda: np.array(ops.ones(3)),
    "index of a list": lambda: [1, 2][ops.zeros(1, mindspore.int32)[0]],
    "range": lambda: range(int(ops.ones(1, mindspore.int32))),
    "mask": lambda: (lambda t: t[t > 0])(ops.ones(3)),
    "nonzero": lambda: ops.nonzero(ops.ones(3)),
    "masked_select": lambda: ops.ones(3).masked_select(ops.ones(3) > 0),
    "any": lambda: any(ops.ones(3)),
    "float of max": lambda: float(ops.ones(3).max()),
    "isnan": lambda: bool(ops.isnan(ops.ones(3)).any()),
    "unique": lambda: ops.unique(ops.ones(3)),
    "an item of a constant": lambda: TABLE[0] * 2,
    "float of a constant": lambda: float(TABLE[1]),
    "set_data": lambda: Parameter(ops.zeros(3), name="p").set_data(ops.ones(3)),
    "arange": lambda: ops.arange(4),
    "items": lambda: list(ops.ones(3)),
}


def constructor(name):
    class Reads(nn.Cell):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(4, 3)
            self.kept = CONSTRUCTORS[name]()
            self.scale = Parameter(initializer("ones", (3,)), name="scale")

        def construct(self, x):
            return self.dense(x) * self.scale

    return Reads


# what construct does with x of the shape (2, 4)
CONSTRUCTS = {
    "mean(axis=)": lambda x: x.mean(axis=1),
    "mean(-1, keep_dims=)": lambda x: x.mean(-1, keep_dims=True),
    "sum(axis=)": lambda x: x.sum(axis=0),
    "sum(-1, keepdims=)": lambda x: x.sum(-1, keepdims=True),
    "max(axis=)": lambda x: x.max(axis=1),
    "min(axis=, keepdims=)": lambda x: x.min(axis=1, keepdims=True),
    "std(axis=)": lambda x: x.std(axis=1),
    "var(axis=)": lambda x: x.var(axis=1),
    "any(axis=)": lambda x: (x > 0).any(axis=1).astype(mindspore.float32),
    "all(axis=)": lambda x: (x > 0).all(axis=1).astype(mindspore.float32),
    "argmax(axis=)": lambda x: x.argmax(axis=1).astype(mindspore.float32),
    "argmin(axis=)": lambda x: x.argmin(axis=1).astype(mindspore.float32),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 1),
    "cumsum(axis=)": lambda x: x.cumsum(axis=1),
    "arange": lambda x: x + ops.arange(4).astype(x.dtype),
    "float": lambda x: x * float(x.sum()),
    "float of an item": lambda x: x * float(x[0, 0]),
    "if": lambda x: x * 2 if x.sum() > 0 else x,
    "assignment": lambda x: assign(x * 1),
    "asnumpy": lambda x: x + float(x.asnumpy().sum()),
    "item": lambda x: x * x[0, 1].item(),
    "a constant's item": lambda x: x * TABLE[1],
    "a constant's slice": lambda x: x + TABLE[:4],
    "float of a constant": lambda x: x * float(TABLE[1]),
    "a view of a constant": lambda x: x + TABLE.reshape(1, 4),
    "a transposed constant": lambda x: x + TABLE.reshape(4, 1).transpose(1, 0),
    "compared with an item": lambda x: (x < x[0, 0]).astype(mindspore.float32),
    "an item as a number": lambda x: ops.leaky_relu(x, 0.1) * x[1, 1],
    "iteration": lambda x: ops.stack([row * 2 for row in x]),
}


def construct(name):
    class Does(nn.Cell):
        def __init__(self):
            super().__init__()
            self.before, self.after = nn.Dense(4, 4), nn.ReLU()

        def construct(self, x):
            return self.after(CONSTRUCTS[name](self.before(x)))

    return Does


def plans(cell):
    """Of one Cell through each door: a layer of a recipe, a class, and a Cell that is there."""
    registry = Registry(trusted=(*TRUSTED, __name__))
    registry.register(cell, name="Cell")
    registry.load({"ReLU": "mindspore.nn.ReLU"}, "registry.mindspore")
    yield plan("Cell + ReLU", input=(2, 4), registry=registry)
    yield plan(cell, input=(2, 4))
    yield plan(cell(), input=(2, 4))


CASES = {
    **{f"constructor: {name}": constructor(name) for name in CONSTRUCTORS},
    **{f"construct: {name}": construct(name) for name in CONSTRUCTS},
}


@pytest.mark.parametrize("name", CASES)
def test_a_cell_plans_whatever_it_does_with_values(name):
    made = CASES[name]()
    made.set_train(False)
    shape = tuple(made(Tensor(np.zeros((2, 4), np.float32))).shape)
    parameters = sum(parameter.size for parameter in made.get_parameters())
    for planned in plans(CASES[name]):
        assert (planned.output.shape, planned.parameters) == (shape, parameters)


def test_an_embedding_that_sets_its_padding_plans():
    tokens = {"shape": [2, 3], "sample": "integers", "high": 10}
    planned = plan({"input": tokens, "stack": "mint.Embedding(10, 4, padding_idx=0)"})
    assert (planned.output.shape, planned.parameters) == ((2, 3, 4), 40)


def test_a_layer_too_large_for_zeros_plans_in_older_spellings():
    class Large(nn.Cell):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(8000, 8000)

        def construct(self, x):
            y = self.dense(x)
            return y / y.sum(-1, keepdims=True) + y.mean(axis=1, keep_dims=True)

    planned = plan(Large, input=(2, 8000))
    assert (planned.output.shape, planned.parameters) == ((2, 8000), 64_008_000)
    assert not any(row.on_zeros for row in planned.rows)


def test_tensors_behave_as_before_after_a_plan():
    plan(constructor("t[0] = 1"), input=(2, 4))
    tensor = ops.zeros(3)
    tensor[0] = 1
    assert [float(value) for value in tensor] == [1, 0, 0]
    assert ops.arange(3).asnumpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", [name for name in CONSTRUCTS if "constant" in name])
def test_a_constant_keeps_its_values(name):
    plan(construct(name), input=(2, 4))
    assert TABLE.asnumpy().tolist() == [0, 1, 2, 3]


RECIPES = {
    "SwiGLU(8, 8)": (3, 6, 8),
    "Attention(8, 2)": (2, 4, 8),
    "Residual(Dense(8, 8) + ReLU + Dense(8, 8)) + SwiGLU(8, 16)": (2, 4, 8),
    "Conv2d(3, 8, 3) + BatchNorm2d(8) + ReLU + MaxPool2d(2) + Flatten + Dense(_, 4)": (2, 3, 8, 8),
    "LSTM(8, 4, batch_first=True)": (2, 3, 8),
    "3 * (Dense(8, 8) + GELU)": (4, 8),
    "Parallel(Dense(8, 4), Dense(8, 4))": (4, 8),
    "SqueezeExcite(8, 2)": (1, 8, 4, 4),
    "TensorReduction(8, 4)": (2, 8),
    "LayerNorm((8,)) + Dense(8, 8) + Softmax": (4, 8),
}


def same_every_time(times):
    return {
        text: dict(collections.Counter(plan(text, input=shape).activations for _ in range(times)))
        for text, shape in RECIPES.items()
    }


@pytest.mark.slow
def test_activations_are_the_same_every_time():
    assert all(len(found) == 1 for found in same_every_time(25).values())


@pytest.mark.slow
def test_activations_are_the_same_in_a_thousand_plans():
    assert {text: len(found) for text, found in same_every_time(1000).items()} == dict.fromkeys(RECIPES, 1)
