import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from assembler import checks
from assembler.build import build
from assembler.checks import CHECKS, Subject
from assembler.errors import AssemblerError
from assembler.grammar import parse
from assembler.planner import plan_stack as plan
from assembler.registry import Registry
from assembler.tensors import specs_of

REGISTRY = Registry(shipped=True, trusted=["tests"])


@REGISTRY.register
class Noise(nn.Cell):
    """Another output at every call."""

    def construct(self, x):
        return x + ops.standard_normal(x.shape)


@REGISTRY.register
class Shift(nn.Cell):
    """Adds a constant."""

    def __init__(self, by):
        super().__init__()
        self.by = by

    def construct(self, x):
        return x + self.by


@REGISTRY.register
class Divide(nn.Cell):
    """Divides by zero."""

    def construct(self, x):
        return x / (x - x)


@REGISTRY.register(reference="tests.test_checks.wrong")
class Same(nn.Cell):
    """Its reference is wrong."""

    def construct(self, x):
        return x * 1.0


def wrong(x, parameters, arguments):
    return x * 1.001


def stumbles(x, parameters, arguments):
    raise KeyError("no such parameter")


def whole(x, parameters, arguments):
    return np.maximum(x @ parameters["0.weight"] + parameters["0.bias"], 0)


def subject(text, values=None, mode="pynative", dtype="float32", shape=(4, 8)):
    x = np.random.default_rng(0).normal(size=shape) if values is None else np.asarray(values)
    x = Tensor(x.astype(dtype if x.dtype.kind == "f" else "int32"))
    planned = plan(parse(text), REGISTRY, specs_of(x), dtype)
    return Subject(build(planned), planned, (x,), mode, dtype)


def outcome(name, text, given=None, **where):
    (answer,) = checks.run(checks.prepare([(name, given, "key")]), subject(text, **where))
    assert answer.name == name
    return answer


FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]
CASES = [
    # check, recipe, arguments, more, passes
    ("output", "Dense(8, 3)", None, {}, True),
    ("output", "Dense(8, 3)", {"shape": [4, 3], "dtype": "float32"}, {}, True),
    ("output", "Dense(8, 3)", {"shape": [4, 4]}, {}, False),
    ("output", "Dense(8, 3)", {"dtype": "float16"}, {}, False),
    ("output", "LSTM(8, 3)", None, {"shape": (2, 5, 8)}, True),
    ("output", "Centered", {"values": [-2, -1, 0, 1, 2]}, {"values": FIVE}, True),
    ("output", "Centered", {"values": [-2, -1, 0, 1, 2.001]}, {"values": FIVE}, False),
    ("output", "Centered", {"values": [-2, -1, 0, 1, 2.001], "atol": 0.01}, {"values": FIVE}, True),
    ("output", "Centered", {"values": [-2, -1, 0, 1]}, {"values": FIVE}, False),
    ("finite", "Dense(8, 3)", None, {}, True),
    ("finite", "Divide", None, {}, False),
    ("finite", "LSTM(8, 3)", None, {"shape": (2, 5, 8)}, True),
    ("mean", "Dense(8, 128) + Centered", {"equals": 0}, {}, True),
    ("mean", "Shift(1e6) + Centered", {"equals": 0}, {}, True),
    ("mean", "Centered", {"equals": 0}, {"values": [1e6 + 1, 1e6 + 2, 1e6 + 4]}, True),
    ("mean", "Centered", {"equals": 0}, {"values": FIVE, "dtype": "float16"}, True),
    ("mean", "Centered + Shift(0.001)", {"equals": 0}, {"values": FIVE}, False),
    ("mean", "Centered + Shift(0.001)", {"equals": 0, "atol": 0.01}, {"values": FIVE}, True),
    ("mean", "Shift(2.0)", {"equals": 5}, {"values": FIVE}, True),
    ("mean", "Divide", {"equals": 0}, {}, False),
    ("range", "Sigmoid", {"min": 0, "max": 1}, {}, True),
    ("range", "Tanh", {"min": 0}, {}, False),
    ("range", "Tanh", {"max": 0}, {}, False),
    ("range", "Divide", {"max": 10}, {}, False),
    ("deterministic", "Dense(8, 3)", None, {}, True),
    ("deterministic", "Dropout(p=0.5)", None, {}, True),  # inference
    ("deterministic", "Noise", None, {}, False),
    ("deterministic", "Divide", None, {}, True),
    ("modes", "Dense(8, 3)", None, {}, True),
    ("modes", "Dense(8, 3)", None, {"mode": "graph"}, True),
    ("modes", "Noise", None, {}, False),
    ("reference", "Dense(8, 16) + ReLU + Residual(Dense(16, 16) + Tanh, shortcut=Dense(16, 16))", None, {}, True),
    ("reference", "Dense(8, 4, has_bias=False, activation='relu') + Dense(4, 4, activation=Sigmoid)", None, {}, True),
    ("reference", "MyLinear(8, 4) + TensorReduction(4, 3) + Centered", None, {}, True),
    ("reference", "HalfSpectrum + Softmax + GELU + GELU(False) + SiLU + Identity", None, {}, True),
    ("reference", "Dense(8, 16)", None, {"dtype": "float16"}, True),
    ("reference", "Dense(8, 16)", None, {"dtype": "float64"}, True),
    ("reference", "Dense(8, 16)", {"rtol": 0}, {}, False),
    ("reference", "Same", None, {}, False),
    ("reference", "Same", {"rtol": 0.01}, {}, True),
    ("reference", "MyLinear(8, 4)", {"function": "tests.test_checks.whole"}, {}, True),
    ("reference", "MyLinear(8, 4)", {"function": "tests.test_checks.wrong"}, {}, False),
]


@pytest.mark.parametrize(("name", "text", "given", "more", "passes"), CASES)
def test_a_check_passes_or_fails(name, text, given, more, passes):
    assert outcome(name, text, given, **more).passed is passes


def test_every_check_has_a_case_that_passes_and_one_that_fails():
    for name in CHECKS:
        assert {case[4] for case in CASES if case[0] == name} == {True, False}


IMAGES = [
    "Conv2d(_, 6, 3)",
    "Conv2d(_, 6, 3, stride=2, has_bias=True)",
    "Conv2d(_, 6, (3, 5), pad_mode='pad', padding=(1, 1, 2, 0), dilation=2, group=2)",
    "Conv2d(_, 6, 3, pad_mode='valid', dilation=(1, 2))",
    "Conv2d(_, 6, 3, pad_mode='pad', padding=1)",
    "MaxPool2d(2, 2)",
    "MaxPool2d(3, 2, pad_mode='same')",
    "MaxPool2d((3, 2), (2, 1), pad_mode='valid')",
    "MaxPool2d(3, 2, pad_mode='pad', padding=1)",
    "AvgPool2d(3, 2)",
    "Flatten + Dense(_, 3)",
    "Flatten(2)",
    "Flatten(1, 2)",
]


@pytest.mark.parametrize("text", IMAGES)
def test_the_reference_of_a_layer_on_images(text):
    answer = outcome("reference", text, None, shape=(2, 4, 9, 8))
    assert answer.passed, answer


UNCOVERED = [
    ("AvgPool2d(3, 2, pad_mode='same')", "the NumPy reference does not cover pad_mode='same' or divisor_override"),
    ("MaxPool2d(2, pad_mode='pad', ceil_mode=True)", 
     "the NumPy reference does not cover data_format, ceil_mode or return_indices other than the default"),
    ("Dense(8, 3, activation='elu')", "the NumPy reference does not cover activation='elu'"),
    ("Mish + ELU", "no NumPy reference is registered for ELU, Mish"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "detail"), UNCOVERED)
def test_a_reference_that_does_not_cover_a_layer_says_so(text, detail):
    answer = outcome("reference", text, None, shape=(2, 4, 8, 8))
    assert (answer.passed, answer.detail) == (False, detail)


def test_an_outcome_carries_what_was_measured_and_the_bound():
    answer = outcome("mean", "Shift(1.0)", {"equals": 3, "atol": 0.5}, values=FIVE)
    assert (answer.measured, answer.bound) == (4.0, [2.5, 3.5])
    answer = outcome("range", "Shift(1.0)", {"min": 0}, values=FIVE)
    assert (answer.measured, answer.bound) == ([2.0, 6.0], [0.0, float("inf")])
    answer = outcome("finite", "Divide", shape=(2, 3))
    assert (answer.measured, answer.bound) == (6, 0)


def test_a_check_that_raises_has_failed_and_the_others_run():
    prepared = checks.prepare(
        [
            ("reference", {"function": "tests.test_checks.stumbles"}, "a"),
            ("finite", None, "b"),
            ("range", {"min": 100}, "c"),
        ]
    )
    first, second, third = checks.run(prepared, subject("ReLU"))
    assert (first.passed, first.detail) == (False, "raised KeyError: 'no such parameter'")
    assert second.passed
    assert not third.passed


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("reference", {"function": "os.system"}, "os.system lies in 'os', which is not trusted."),
        ("reference", {"function": "tests.test_checks.nothing"}, "'tests.test_checks' has no 'nothing'."),
        ("output", {"values": [[1], [2, 3]]}, "the values are not numbers in lists of equal length"),
        ("output", {"values": ["a"]}, "the values are not numbers in lists of equal length"),
    ],
)
def test_what_a_check_is_told_wrongly_is_a_mistake_with_its_key(name, given, message):
    with pytest.raises(AssemblerError) as error:
        outcome(name, "ReLU", given)
    assert error.value.message.startswith(message)
    assert error.value.place.key == "key"


def test_a_check_may_be_asked_twice():
    prepared = checks.prepare([("range", {"min": 100}, "a"), ("range", {"max": 100}, "b")])
    assert [outcome.passed for outcome in checks.run(prepared, subject("ReLU"))] == [False, True]


def test_a_mean_over_many_values_stays_within_its_bound():
    for dtype in ("float32", "float64"):
        assert outcome("mean", "Centered", {"equals": 0}, shape=(512, 512), dtype=dtype).passed


@pytest.mark.parametrize("name", ["mean", "reference", "modes"])
def test_the_bound_grows_with_what_is_rounded_inside(name):
    values = np.random.default_rng(0).uniform(1e6, 1e6 + 1, (64, 64))
    assert outcome(name, "Centered", {"equals": 0} if name == "mean" else None, values=values).passed


BAD = [
    ([("maen", None, "checks.run.maen")], "checks.run.maen: no check named 'maen'. Did you mean 'mean'?"),
    ([("zzz", None, "k")], "k: no check named 'zzz'. There are: deterministic, finite, mean, modes, output, range, "
                           "reference."),
    ([("mean", None, "k")], "k.equals: 'equals' is missing"),
    ([("mean", {"equals": "x"}, "k")], "k.equals: must be a number, not 'x'"),
    ([("range", {"mni": 1}, "k")], "k.mni: unknown key 'mni'. Did you mean 'min'?"),
    ([("output", {"output": 1}, "k")], "k.output: unknown key 'output'. Known here: shape, dtype, values, atol."),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "message"), BAD)
def test_error_of_a_check(wanted, message):
    with pytest.raises(AssemblerError) as error:
        checks.prepare(wanted)
    assert str(error.value) == message


def test_error_when_a_check_is_registered_twice():
    with pytest.raises(AssemblerError, match="a check named 'mean' is registered already"):
        checks.check(CHECKS["mean"].function)


def test_every_check_says_what_it_asks():
    for check in CHECKS.values():
        assert check.summary.startswith("Whether ")
