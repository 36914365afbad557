import sys

import mindspore
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from assembler import checks
from assembler.checks import CHECKS, Subject
from assembler.errors import AssemblerError
from assembler.language.grammar import parse
from assembler.model.build import build
from assembler.model.parameters import settle
from assembler.model.subject import difference
from assembler.planning.planner import plan_stack as plan
from assembler.planning.tensors import specs_of
from assembler.registry.registry import Registry

REGISTRY = Registry(shipped=True, trusted=["tests"])


@REGISTRY.register
class Noisy(nn.Cell):
    """Another output at every call."""

    def construct(self, x):
        return x + ops.standard_normal(x.shape)


@REGISTRY.register
class Codes(nn.Cell):
    """Emits its input, and a table of four rows that is in no relation to it."""

    def construct(self, x):
        return x, ops.ones((4, 3), x.dtype) * x.sum()


@REGISTRY.register
class OnlySecond(nn.Cell):
    """Takes two tensors and emits the second."""

    def construct(self, both):
        return both[1]


@REGISTRY.register
class Gram(nn.Cell):
    """Products of all examples with all others."""

    def construct(self, x):
        return ops.matmul(x, ops.transpose(x, (1, 0)))


@REGISTRY.register
class InFour(nn.Cell):
    """Makes four rows of whatever comes in."""

    def construct(self, x):
        return ops.reshape(x, (4, -1))


@REGISTRY.register
class Shift(nn.Cell):
    """Adds a constant."""

    def __init__(self, by):
        super().__init__()
        self.by = by

    def construct(self, x):
        return x + self.by


@REGISTRY.register
class Divided(nn.Cell):
    """Divides by zero."""

    def construct(self, x):
        return x / (x - x)


@REGISTRY.register
class Root(nn.Cell):
    """The square root: of negative numbers, NaN."""

    def construct(self, x):
        return ops.sqrt(x)


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


@REGISTRY.register
class Idle(nn.Cell):
    """Has a parameter that it does not use."""

    def __init__(self):
        super().__init__()
        self.idle = Parameter(Tensor(np.ones(3, np.float32)))

    def construct(self, x):
        return x * 2.0


@REGISTRY.register
class Overflowing(nn.Cell):
    """Emits what its weight cannot be seen in, and an infinite gradient."""

    def __init__(self):
        super().__init__()
        self.weight = Parameter(Tensor(np.zeros(1, np.float32)))

    def construct(self, x):
        return x + ops.sqrt(self.weight)


@REGISTRY.register
class Thaws(nn.Cell):
    """Changes a frozen parameter all by itself."""

    def __init__(self):
        super().__init__()
        self.weight = Parameter(Tensor(np.ones(1, np.float32)))
        self.other = Parameter(Tensor(np.ones(1, np.float32)))

    def construct(self, x):
        if self.training:
            ops.assign_add(self.weight, Tensor(np.ones(1, np.float32)))
        return x * self.weight * self.other


@REGISTRY.register
class Forgets(nn.Cell):
    """Keeps a part of itself where no file can hold it."""

    def __init__(self):
        super().__init__()
        self.scale = Tensor(np.random.rand(1).astype(np.float32))
        self.weight = Parameter(Tensor(np.ones(1, np.float32)))

    def construct(self, x):
        return x * self.scale * self.weight


@REGISTRY.register
class Imaginary(nn.Cell):
    """Its imaginary part is the mean of the batch."""

    def construct(self, x):
        return ops.Complex()(x, x * 0 + x.mean(0, keep_dims=True))


@REGISTRY.register
class Large(nn.Cell):
    """Emits what float16 cannot hold."""

    def construct(self, x):
        return (x + 1000.0) * 1000.0


@REGISTRY.register
class Detector(nn.Cell):
    """Emits two features in training, and one joined answer otherwise, as heads of detectors do."""

    def construct(self, x):
        return (x, x[:, :2]) if self.training else ops.ReduceSum(True)(x, 1)


def subject(text, values=None, mode="pynative", dtype="float32", shape=(4, 8), freeze=(), amp="O0", folder=None):
    x = np.random.default_rng(0).normal(size=shape) if values is None else np.asarray(values)
    x = Tensor(x.astype(dtype if x.dtype.kind == "f" else "int32"))
    planned = settle(plan(parse(text), REGISTRY, specs_of(x), dtype), [], freeze)
    mindspore.set_seed(0)
    return Subject(build(planned), planned, (x,), mode, dtype, amp, folder)


def outcome(name, text, given=None, key="recipe.checks.it", **where):
    (answer,) = checks.run(checks.prepare([(name, given, key)], ["tests"]), subject(text, **where))
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
    ("finite", "Divided", None, {}, False),
    ("finite", "LSTM(8, 3)", None, {"shape": (2, 5, 8)}, True),
    ("mean", "Dense(8, 128) + Centered", {"equals": 0}, {}, True),
    ("mean", "Shift(1e6) + Centered", {"equals": 0}, {}, True),
    ("mean", "Centered", {"equals": 0}, {"values": [1e6 + 1, 1e6 + 2, 1e6 + 4]}, True),
    ("mean", "Centered", {"equals": 0}, {"values": FIVE, "dtype": "float16"}, True),
    ("mean", "Centered + Shift(0.001)", {"equals": 0}, {"values": FIVE}, False),
    ("mean", "Centered + Shift(0.001)", {"equals": 0, "atol": 0.01}, {"values": FIVE}, True),
    ("mean", "Shift(2.0)", {"equals": 5}, {"values": FIVE}, True),
    ("mean", "Divided", {"equals": 0}, {}, False),
    ("range", "Sigmoid", {"min": 0, "max": 1}, {}, True),
    ("range", "Tanh", {"min": 0}, {}, False),
    ("range", "Tanh", {"max": 0}, {}, False),
    ("range", "Divided", {"max": 10}, {}, False),
    ("budget", "Dense(8, 3) + Dense(3, 1)", {"parameters": 31, "trainable": 31, "macs": 108, "memory": 124}, {}, True),
    ("budget", "Dense(8, 3) + Dense(3, 1)", {"parameters": 30, "macs": 1000}, {}, False),
    ("budget", "Dense(8, 3)", {"macs": 95}, {}, False),
    ("budget", "Dense(8, 3)", {"activations": 1}, {}, False),
    ("deterministic", "Dense(8, 3)", None, {}, True),
    ("deterministic", "Dropout(p=0.5)", None, {}, True),  # inference
    ("deterministic", "Noisy", None, {}, False),
    ("deterministic", "Divided", None, {}, True),
    ("modes", "Dense(8, 3)", None, {}, True),
    ("modes", "Dense(8, 3)", None, {"mode": "graph"}, True),
    ("modes", "Noisy", None, {}, False),
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
    ("gradients", "Dense(8, 3) + BatchNorm1d(3) + Tanh", None, {}, True),
    ("gradients", "Dense(8, 3) + LayerNorm((3,))", None, {"mode": "graph"}, True),
    ("gradients", "LSTM(8, 3)", None, {"shape": (2, 5, 8)}, True),
    ("gradients", "Embedding(10, 4) + Dense(4, 2)", None, {"values": [[1, 2], [3, 4]]}, True),
    ("gradients", "Dense(8, 3) + Idle", None, {}, False),
    ("gradients", "Dense(8, 3) + Idle", None, {"mode": "graph"}, False),
    ("gradients", "Dense(8, 3) + Overflowing", None, {}, False),
    ("gradients", "Dense(8, 4) + Idle", None, {"freeze": ["1.idle"]}, True),
    ("gradients", "ReLU", None, {}, False),
    ("trains", "Dense(8, 16) + ReLU + Dense(16, 3)", None, {}, True),
    ("trains", "Dense(8, 16) + Dropout(p=0.9) + Dense(16, 3)", None, {"mode": "graph"}, True),
    ("trains", "Dense(8, 16) + BatchNorm1d(16) + ReLU", None, {}, True),
    ("trains", "LSTM(8, 3)", None, {"shape": (2, 5, 8)}, True),
    ("trains", "Dense(8, 16) + Tanh", None, {"dtype": "float16"}, True),
    ("trains", "Dense(8, 16) + Tanh", None, {"dtype": "float64"}, True),
    ("trains", "Dense(8, 16)", {"factor": 1e9}, {}, False),
    ("trains", "Dense(8, 16)", {"learning_rate": 10.0, "steps": 3}, {}, False),
    ("trains", "Idle", None, {}, False),
    ("trains", "TransformerEncoderLayer(8, 2, 16, dropout=0.9)", None, {"shape": (5, 2, 8)}, True),
    ("reload", "Dense(8, 3) + BatchNorm1d(3)", None, {}, True),
    ("reload", "LSTM(8, 3)", {"format": "ckpt"}, {"shape": (2, 5, 8), "mode": "graph"}, True),
    ("reload", "Dense(8, 3)", None, {"dtype": "float16"}, True),
    ("reload", "Dense(8, 3)", None, {"amp": "O3"}, True),
    ("reload", "Forgets", None, {}, False),
    ("reload", "ReLU", None, {}, False),
    ("independent", "Dense(8, 3) + BatchNorm1d(3) + Softmax", None, {}, True),
    ("independent", "Dense(8, 3)", None, {"mode": "graph"}, True),
    ("independent", "Centered", None, {}, False),
    ("independent", "Centered", {"equals": False}, {}, True),
    ("independent", "Dense(8, 3)", {"equals": False}, {}, False),
    # An output's axis may have the size of the batch and not be the batch.
    ("independent", "LSTM(4, 4, bidirectional=True, batch_first=True)", None, {"shape": (2, 3, 4)}, True),
    ("independent", "LSTM(4, 4, num_layers=3, batch_first=True)", None, {"shape": (3, 2, 4)}, True),
    ("independent", "GRU(4, 4, bidirectional=True, batch_first=True)", None, {"shape": (2, 3, 4)}, True),
    ("independent", "GRU(4, 4, num_layers=2)", {"axis": 1}, {"shape": (2, 2, 4)}, True),
    ("independent", "RNN(4, 4, num_layers=2, bidirectional=True, batch_first=True)", None, {"shape": (4, 3, 4)}, True),
    ("independent", "Codes", None, {}, True),
    ("independent", "Codes", None, {"shape": (4, 4)}, True),
    ("independent", "Permute(1, 0)", None, {"shape": (4, 4)}, True),
    ("independent", "Gram", None, {"shape": (4, 4)}, False),
    ("independent", "Codes + OnlySecond", None, {}, False),  # nothing follows the batch
    ("independent", "InFour", None, {}, False),
    ("independent", "Imaginary", None, {}, False),
    ("independent", "Softmax(axis=0)", None, {}, False),
    ("independent", "LSTM(8, 3)", None, {"shape": (5, 5, 8)}, False),  # its batch is axis 1
    ("independent", "Flatten + Dense(8, 3)", None, {"shape": (1, 8)}, False),
    ("independent", "ReLU", None, {"values": np.ones((3, 2))}, False),
    ("frozen", "Dense(8, 3) + Dense(3, 2)", None, {"freeze": ["0.*"]}, True),
    ("frozen", "Dense(8, 3) + Dense(3, 2)", None, {"freeze": ["0.*"], "mode": "graph"}, True),
    ("frozen", "Dense(8, 3) + Dense(3, 2)", None, {"freeze": ["0.*"], "dtype": "float16"}, True),
    ("frozen", "Thaws", None, {"freeze": ["0.weight"]}, False),
    ("frozen", "Dense(8, 3)", None, {}, False),
    ("frozen", "Dense(8, 3)", None, {"freeze": ["*"]}, False),
    ("frozen", "Dense(8, 3) + Idle", None, {"freeze": ["0.*"]}, False),
    ("precision", "Dense(8, 16) + ReLU + Dense(16, 2)", None, {}, True),
    ("precision", "Dense(8, 16)", None, {"dtype": "float16", "mode": "graph"}, True),
    ("precision", "Dense(8, 16)", {"dtype": "float64"}, {}, True),
    ("precision", "Dense(8, 16)", {"dtype": "float32"}, {}, False),
    ("precision", "Dense(8, 16)", {"rtol": 0}, {}, False),
    ("precision", "Large", None, {}, False),
    ("precision", "Dense(8, 3) + Scale(1e-4) + Scale(1e-4) + Scale(1e4) + Scale(1e4)", None, {}, False),
    ("precision", "Scale(100) + Scale(0.01) + 2 * Scale(1e-4) + 2 * Scale(1e4)", None, {}, False),
    ("precision", "Dense(8, 16) + Softmax", None, {}, True),
    ("golden", "Centered", {"file": "five.npy"}, {"values": FIVE}, True),
    ("golden", "Centered + Shift(0.1)", {"file": "five.npy"}, {"values": FIVE}, False),
    ("golden", "Centered + Shift(0.1)", {"file": "five.npy", "atol": 0.2}, {"values": FIVE}, True),
    ("golden", "Centered", {"file": "five.npy"}, {"values": [1.0, 2.0]}, False),
    ("golden", "Centered", {"file": "none.npy"}, {"values": FIVE}, False),
]


@pytest.fixture(autouse=True)
def _stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("five.npy", np.array([-2, -1, 0, 1, 2.0]))


@pytest.mark.parametrize(("name", "text", "given", "more", "passes"), CASES)
def test_a_check_passes_or_fails(name, text, given, more, passes):
    assert outcome(name, text, given, **more).passed is passes


def test_every_check_has_a_case_that_passes_and_one_that_fails():
    for name in CHECKS:
        if "." not in name:
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


DETAILS = [
    ("gradients", "Dense(8, 3) + Idle", {}, (2, 3, "dead: 1.idle")),
    ("gradients", "Dense(8, 3) + Overflowing", {}, (2, 3, "not finite: 1.weight")),
    ("gradients", "Dense(8, 3) + Dense(3, 2)", {}, (4, 4, "")),
    ("trains", "Idle", {}, (None, 2.0, "the output does not depend on the trainable parameters")),
    ("frozen", "Thaws", {"freeze": ["0.weight"]}, (1, 0, "changed: 0.weight")),
    ("frozen", "Dense(8, 3) + Idle", {"freeze": ["0.*"]}, (0, 0, "the step changed no parameter")),
    ("independent", "Dense(8, 3)", {}, (0.0, 0, "")),
    ("golden", "Centered", {"values": FIVE}, (0.0, None, "")),
]


@pytest.mark.parametrize(("name", "text", "more", "told"), DETAILS)
def test_what_a_check_tells(name, text, more, told):
    answer = outcome(name, text, {"file": "five.npy", "atol": 0} if name == "golden" else None, **more)
    measured, bound, detail = told
    assert (answer.measured, answer.detail) == (measured, detail)
    assert bound is None or answer.bound == bound


def test_a_check_that_does_not_apply_is_told_as_such_unless_the_recipe_asks_for_it():
    for key, passed, applies in (("checks.run.reload", True, False), ("recipe.checks.reload", False, True)):
        answer = outcome("reload", "ReLU", key=key)
        assert (answer.passed, answer.applies, answer.detail) == (passed, applies, "the model has no parameters")


def test_a_golden_output_that_differs_is_left_to_be_stored(tmp_path):
    answer = outcome("golden", "Centered", {"file": "new.npy"}, values=FIVE, folder=tmp_path)
    assert answer.detail == "new.npy does not exist; the output is in golden.npy in the run folder"
    (tmp_path / "golden.npy").rename("new.npy")
    assert outcome("golden", "Centered", {"file": "new.npy", "atol": 0}, values=FIVE).passed


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("../five.npy", "a recipe can read files below the working directory only, not ../five.npy"),
        ("/etc/five.npy", "a recipe can read files below the working directory only, not /etc/five.npy"),
        ("five.txt", "five.txt must end in .npy"),
    ],
)
def test_error_of_a_golden_file(file, message):
    with pytest.raises(AssemblerError) as error:
        checks.prepare([("golden", {"file": file}, "k")])
    assert str(error.value) == f"k.file: {message}"


@pytest.mark.parametrize("content", [b"", b"not an array", b"\x93NUMPY\x01\x00"])
def test_error_of_a_golden_file_that_cannot_be_read(tmp_path, content):
    (tmp_path / "bad.npy").write_bytes(content)
    with pytest.raises(AssemblerError, match=r"bad\.npy cannot be read: "):
        outcome("golden", "Centered", {"file": "bad.npy"}, values=FIVE)


def test_a_golden_file_is_never_unpickled(tmp_path):
    np.save("object.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(AssemblerError, match=r"object\.npy cannot be read: .* Python objects"):
        outcome("golden", "Centered", {"file": "object.npy"}, values=FIVE)


@pytest.mark.parametrize("name", ["gradients", "trains", "frozen", "reload", "precision", "independent"])
@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_a_check_leaves_the_model_as_it_is(name, mode):
    one = subject("Dense(8, 4) + BatchNorm1d(4) + Dropout(p=0.5)", mode=mode, freeze=["0.bias"])
    before = {parameter.name: parameter.asnumpy().copy() for parameter in one.model.get_parameters()}
    outputs = one.outputs_in(mode)
    (answer,) = checks.run(checks.prepare([(name, None, "k")]), one)
    assert answer.passed, answer
    after = {parameter.name: parameter.asnumpy() for parameter in one.model.get_parameters()}
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert [parameter.name for parameter in one.model.get_parameters() if not parameter.requires_grad] == [
        "0.bias", "1.moving_mean", "1.moving_variance"
    ]  # fmt: skip
    assert not one.model.training
    assert np.array_equal(one.outputs_in(mode)[0], outputs[0])


@pytest.fixture
def _own_checks():
    """Forget what tests/own_checks.py registers when it is imported."""
    yield
    sys.modules.pop("tests.own_checks", None)
    sys.modules.pop("tests.passed_on", None)
    for name in ("smaller_than", "says_yes", "exits"):
        CHECKS.pop(f"tests.own_checks.{name}", None)


@pytest.mark.usefixtures("_own_checks")
def test_a_check_of_ones_own_is_named_with_its_module():
    name = "tests.own_checks.smaller_than"
    assert outcome(name, "Centered", {"limit": 3}, values=FIVE).passed
    assert not outcome(name, "Centered", {"limit": 1}, values=FIVE).passed


@pytest.mark.usefixtures("_own_checks")
def test_error_of_a_check_of_ones_own():
    for name, message in (
        ("tests.own_checks.not_registered", "k: tests.own_checks.not_registered is not a check; its function needs "
                                             "the decorator @check"),
        ("tests.test_checks.nothing", "k: 'tests.test_checks' has no 'nothing'."),
        ("os.system", "k: os.system is in 'os', which is not trusted. "),
    ):  # fmt: skip
        with pytest.raises(AssemblerError) as error:
            checks.prepare([(name, None, "k")], ["tests"])
        assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("trains", {"steps": 0}, "k.steps: must be at least 1, not 0"),
        ("trains", {"factor": 0}, "k.factor: must "),
    ],
)
def test_error_of_an_argument_out_of_bounds(name, given, message):
    with pytest.raises(AssemblerError) as error:
        checks.prepare([(name, given, "k")])
    assert str(error.value).startswith(message)


@pytest.mark.usefixtures("_own_checks")
def test_a_check_of_ones_own_may_be_named_where_it_is_passed_on():
    assert outcome_of("tests.passed_on.smaller_than", {"limit": 3}).passed
    wrong = outcome_of("tests.own_checks.says_yes", None)
    assert (wrong.passed, wrong.detail) == (False, "raised the check returned bool, not an Outcome")
    wrong = outcome_of("tests.own_checks.exits", None)
    assert (wrong.passed, wrong.detail) == (False, "raised RuntimeError: SystemExit(0) would end the program")
    with pytest.raises(
        AssemblerError, match=r"the check tests\.test_checks\.plain needs a type for its argument 'limit'"
    ):
        checks.check(plain)


def plain(output, limit=3):
    return None


def outcome_of(name, given):
    (answer,) = checks.run(checks.prepare([(name, given, "k")], ["tests"]), subject("Centered", values=FIVE))
    return answer


@pytest.mark.parametrize(
    ("text", "given"), [("Log", None), ("Sqrt", None), ("ReLU", {"function": "tests.own_checks.log"})]
)
@pytest.mark.usefixtures("_own_checks")
def test_a_reference_that_is_not_finite_prints_no_warning(text, given):
    answer = outcome("reference", text, given, values=[-1.0, 0.0, 2.0])  # a warning is an error here
    assert "Warning" not in answer.detail


@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("name", ["gradients", "trains", "frozen"])
def test_a_model_that_emits_something_else_in_training_is_trained_as_it_is(name, mode):
    answer = outcome(
        name, "Dense(8, 8) + Dense(8, 3) + Detector", mode=mode, freeze=["0.*"] if name == "frozen" else ()
    )
    assert answer.passed, answer.detail


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_not_a_number_fails_the_check_that_looks_for_it_alone(mode):
    """Beside itself, NaN is no difference."""
    assert not outcome("finite", "Dense(8, 3) + Root", mode=mode).passed
    for name in ("deterministic", "modes", "reload"):
        answer = outcome(name, "Dense(8, 3) + Root", mode=mode)
        assert (answer.passed, answer.measured) == (True, 0), name


def test_difference_of_what_is_not_finite():
    nan, infinite = float("nan"), float("inf")

    def apart(one, other):
        return difference([np.array(one)], [np.array(other)])

    assert apart([nan, 1.0], [nan, 1.5]) == 0.5
    assert apart([infinite, -infinite], [infinite, -infinite]) == 0
    assert apart([nan], [1.0]) == apart([1.0], [nan]) == apart([infinite], [nan]) == infinite
    assert apart([infinite], [-infinite]) == apart([infinite], [1.0]) == infinite
    assert apart([1.0], [1.0, 1.0]) == infinite


def test_checks_say_what_they_take_in_memory():
    said = {name: (one.copies, one.keeps_activations) for name, one in CHECKS.items() if one.copies}
    assert said == {
        "reload": (1, False),
        "precision": (1, False),
        "gradients": (2, True),
        "frozen": (4, True),
        "trains": (5, True),
    }


def test_an_outcome_carries_what_was_measured_and_the_bound():
    answer = outcome("mean", "Shift(1.0)", {"equals": 3, "atol": 0.5}, values=FIVE)
    assert (answer.measured, answer.bound) == (4.0, [2.5, 3.5])
    answer = outcome("range", "Shift(1.0)", {"min": 0}, values=FIVE)
    assert (answer.measured, answer.bound) == ([2.0, 6.0], [0.0, float("inf")])
    answer = outcome("finite", "Divided", shape=(2, 3))
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
        ("reference", {"function": "os.system"}, "os.system is in 'os', which is not trusted."),
        ("reference", {"function": "tests.test_checks.nothing"}, "'tests.test_checks' has no 'nothing'."),
        ("output", {"values": [[1], [2, 3]]}, "the values are not numbers in lists of equal length"),
        ("output", {"values": ["a"]}, "the values are not numbers in lists of equal length"),
    ],
)
def test_what_a_check_is_told_wrongly_is_a_mistake_with_its_key(name, given, message):
    with pytest.raises(AssemblerError) as error:
        outcome(name, "ReLU", given)
    assert error.value.message.startswith(message)
    assert error.value.place.key == "recipe.checks.it"


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
    ([("zzz", None, "k")], "k: no check named 'zzz'. There are: budget, deterministic, finite, frozen, golden, gradients, "
                           "independent, mean, modes, output, precision, range, reference, reload, trains."),
    ([("mean", None, "k")], "k.equals: 'equals' is missing"),
    ([("mean", {"equals": "x"}, "k")], "k.equals: must be a number, not 'x'"),
    ([("range", {"mni": 1}, "k")], "k.mni: unknown key 'mni'. Did you mean 'min'?"),
    ([("output", {"output": 1}, "k")], "k.output: unknown key 'output'. Known here: shape, dtype, values, atol."),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "message"), BAD)
def test_error_of_a_check(monkeypatch, wanted, message):
    for name in [name for name in CHECKS if "." in name]:  # those that other tests registered
        monkeypatch.delitem(CHECKS, name)
    with pytest.raises(AssemblerError) as error:
        checks.prepare(wanted)
    assert str(error.value) == message


def test_error_when_a_check_is_registered_twice():
    with pytest.raises(AssemblerError, match="a check named 'mean' is registered already"):
        checks.check(CHECKS["mean"].function)


def test_every_check_says_what_it_asks():
    for check in CHECKS.values():
        assert check.summary.startswith("Whether ")
