"""``task=export``: files that other programs run, and what is said of models that a format cannot hold."""

import json
import subprocess
import sys
from dataclasses import replace

import mindspore
import numpy as np
import onnx
import onnxruntime
import pytest
from mindspore import Tensor, nn, ops

from assembler.binding.bind import bind
from assembler.checks import Subject
from assembler.errors import AssemblerError, FormatError, Mistakes, SettingsError
from assembler.language.yaml_form import parse_stack
from assembler.model import formats
from assembler.model.build import build
from assembler.model.inputs import make_inputs
from assembler.planning.planner import plan_steps
from assembler.planning.specs import Spec
from assembler.registry.registry import Registry
from assembler.runtime import device
from assembler.settings import Input, RecipeSettings
from tests.conftest import DIAGRAMS, ROOT, every_third, mostly_slow

FORMATS = list(formats.FORMATS)
REGISTRY = Registry(shipped=True, trusted=["tests"])


@REGISTRY.register
class Spectrum(nn.Cell):
    """Emits complex numbers."""

    def construct(self, x):
        return ops.rfft(x)


@REGISTRY.register
class OnlyPynative(nn.Cell):
    """No graph compiler knows sets."""

    def construct(self, x):
        return x * len({str(axis) for axis in x.shape})


@REGISTRY.register
class Fixed(nn.Cell):
    """Fixes its batch to four, one way or another."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def construct(self, x):
        if self.how == "reshape":
            return ops.reshape(x, (4, -1))
        if self.how == "two rows":
            return ops.reshape(x, (2, -1))
        if self.how == "cut":
            return x[:4]
        if self.how == "constant":
            return ops.ones((4, 3), x.dtype) * x.mean()
        return x, ops.reshape(x, (4, -1))


@REGISTRY.register
class Total(nn.Cell):
    """Takes what an LSTM emits."""

    def construct(self, both):
        return both[0] + both[1][0]


def subject_of(text, shape, dtype="float32", **input):
    said = Input(shape=shape, **input)
    (tensor,) = make_inputs(RecipeSettings(input=said, stack=text), dtype, 0)
    spec = Spec(shape, str(tensor.dtype).lower())
    planned = plan_steps(bind(parse_stack(text), REGISTRY), spec, dtype)
    device.seed(0)
    return Subject(build(planned), planned, (tensor,), "pynative", dtype)


def write(subject, folder, wanted=FORMATS, batch=None):
    order = formats.Order(subject.inputs, ("input",), batch)
    return formats.export(subject, formats.require(wanted), folder, "model", order)


STACKS = [
    ("Dense(8, 4) + ReLU", (3, 8)),
    ("Conv2d(3, 4, 3) + BatchNorm2d(_) + ReLU + MaxPool2d(2, 2) + Flatten + Dense(_, 5)", (2, 3, 8, 8)),
    ("Residual(Dense(8, 8) + Tanh)", (4, 8)),
    ("Attention(_, 2, window=3, positions=RelativeBias(2, 8, 10)) + MixtureOfExperts(_, 3, count=2)", (2, 5, 8)),
    ("Dense(8, 4)", (2, 3, 8)),
    ("LSTM(8, 6)", (5, 2, 8)),
    ("LayerNorm(_) + GELU", (4, 8)),
    ("Dropout(p=0.5)", (4, 8)),
    ("Parallel(Dense(_, 3), Identity, axis=-1)", (4, 8)),
    ("LayerNorm2d(_) + Mean((2, 3))", (2, 4, 3, 3)),
    ("Attention(_, 4, 2, causal=True, rotary=100) + RMSNorm(_) + SwiGLU(_, 6)", (2, 5, 8)),
    ("Windows(Attention(_, 2, positions=WindowBias(2, 2)), 2, shift=1) + MergePatches", (2, 4, 6, 8)),
    ("Centered + MyLinear(_, 3) + TensorReduction(_, 2)", (4, 8)),
]


@pytest.mark.parametrize(
    ("text", "shape"), mostly_slow(STACKS, STACKS[:2].__contains__), ids=[case[0] for case in STACKS]
)
def test_what_is_written_does_what_the_model_does(tmp_path, text, shape):
    outcomes, files = write(subject_of(text, shape), tmp_path)
    assert [outcome.name for outcome in outcomes] == ["export.mindir", "export.onnx"]
    assert all(outcome.passed for outcome in outcomes), outcomes
    assert files == ["model.mindir", "model.onnx"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("dtype", every_third(["float16", "float32", "float64"]))
def test_every_dtype_of_the_cpu(tmp_path, dtype):
    outcomes, _ = write(subject_of("Dense(8, 16) + ReLU + Centered", (4, 8), dtype), tmp_path)
    assert all(outcome.passed for outcome in outcomes), outcomes
    (inner,) = onnx.load(tmp_path / "model.onnx").graph.output
    kinds = {"float16": "FLOAT16", "float32": "FLOAT", "float64": "DOUBLE"}
    assert inner.type.tensor_type.elem_type == onnx.TensorProto.DataType.Value(kinds[dtype])


@pytest.mark.slow
def test_windows_of_a_padded_image_are_written(tmp_path):
    subject = subject_of("Windows(Attention(8, 2), 2, 1)", (1, 5, 4, 8))
    for wanted, batch in [(["mindir"], 1), (["onnx"], None)]:
        outcomes, _ = write(subject, tmp_path, wanted, batch)
        assert outcomes[0].passed, outcomes


def test_whole_numbers_go_in(tmp_path):
    outcomes, _ = write(subject_of("Embedding(10, 6) + Dense(6, 2)", (2, 5), sample="integers", high=10), tmp_path)
    assert all(outcome.passed for outcome in outcomes), outcomes


def test_mindir_holds_a_fourier_transform(tmp_path):
    outcomes, _ = write(subject_of("HalfSpectrum + Dense(_, 3)", (4, 8)), tmp_path, ["mindir"])
    assert outcomes[0].passed


def test_complex_numbers_come_out(tmp_path):
    subject = subject_of("Spectrum", (4, 8))
    outcomes, _ = write(subject, tmp_path, ["mindir"], batch=4)
    assert outcomes[0].passed
    assert subject.outputs[0].dtype == np.complex64


def test_a_layer_that_takes_a_tuple(tmp_path):
    outcomes, _ = write(subject_of("LSTM(8, 6) + Total", (1, 2, 8)), tmp_path)
    assert all(outcome.passed for outcome in outcomes), outcomes


def test_a_file_is_of_use_without_the_assembler(tmp_path):
    subject = subject_of("Dense(8, 4) + LSTM(4, 3)", (5, 2, 8))
    write(subject, tmp_path)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["input"]
    assert [one.name for one in session.get_outputs()] == ["output0", "output1", "output2"]
    onnx.checker.check_model(tmp_path / "model.onnx", full_check=True)
    x = np.random.default_rng(1).uniform(size=(5, 2, 8)).astype(np.float32)
    output, (hidden, cell) = subject.model(Tensor(x))
    for ours, theirs in zip((output, hidden, cell), session.run(None, {"input": x}), strict=True):
        np.testing.assert_allclose(ours.asnumpy(), theirs, atol=1e-6)
    loaded = nn.GraphCell(mindspore.load(str(tmp_path / "model.mindir")))
    np.testing.assert_array_equal(loaded(Tensor(x))[0].asnumpy(), output.asnumpy())


def values(subject):
    return {name: value.asnumpy().tolist() for name, value in subject.model.parameters_dict().items()}


def test_writing_leaves_all_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subject = subject_of("Conv2d(3, 4, 3) + BatchNorm2d(_) + GroupNorm(2, _)", (2, 3, 8, 8))
    before = values(subject)
    contexts = [mindspore.get_context(name) for name in ("mode", "jit_syntax_level")]
    outputs = subject.outputs
    (tmp_path / "run").mkdir()
    write(subject, tmp_path / "run", ["mindir"])
    with pytest.raises(FormatError):
        write(subject, tmp_path / "run", ["onnx"])
    assert [mindspore.get_context(name) for name in ("mode", "jit_syntax_level")] == contexts
    assert values(subject) == before
    for mode in ("pynative", "graph"):
        np.testing.assert_array_equal(subject.outputs_in(mode)[0], outputs[0])
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model.mindir"]


def test_a_model_that_ran_in_graph_mode_is_written_too(tmp_path):
    subject = subject_of("Dense(8, 4) + ReLU", (3, 8))
    subject.mode = "graph"
    outcomes, _ = write(subject, tmp_path)
    assert all(outcome.passed for outcome in outcomes), outcomes


# ---- what does not agree


def change(monkeypatch, name, **changes):
    monkeypatch.setitem(formats.FORMATS, name, replace(formats.FORMATS[name], **changes))


def lie(monkeypatch, name, about):
    """Let what is read back emit something else."""
    read = formats.FORMATS[name].read

    def read_wrong(path):
        call = read(path)
        return lambda inputs: about(call(inputs))

    change(monkeypatch, name, read=read_wrong)


ONE = [np.zeros((3, 4), np.float32)]
OTHERS = {
    "off": [ONE[0] + np.float32(1e-3)],
    "not a number": [ONE[0] * np.float32("nan")],
    "shape": [ONE[0][:1]],
    "number of outputs": [*ONE, *ONE],
    "dtype": [ONE[0].astype(np.float64)],
    "imaginary part": [ONE[0].astype(np.complex64) + 1j],
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_outputs_are_apart(other):
    assert formats.apart(ONE, ONE) == 0
    assert formats.apart(ONE, other) >= 1e-3
    assert formats.apart(other, ONE) >= 1e-3


def test_complex_outputs_are_compared_in_both_parts():
    one = [np.array([1 + 2j, 3], np.complex64)]
    assert formats.apart(one, one) == 0
    assert formats.apart(one, [one[0] + 2j]) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_does_something_else_does_not_stay(tmp_path, monkeypatch, name):
    lie(monkeypatch, name, lambda outputs: [outputs[0] + 1e-3])
    (tmp_path / f"model.{name}").write_text("of an earlier run")
    outcomes, files = write(subject_of("Dense(8, 4)", (3, 8)), tmp_path)
    other = next(one for one in FORMATS if one != name)
    assert {outcome.name: outcome.passed for outcome in outcomes} == {f"export.{name}": False, f"export.{other}": True}
    assert files == [f"model.{other}"] == [path.name for path in tmp_path.iterdir()]


def test_a_run_whose_file_does_something_else_has_failed(run, monkeypatch):
    lie(monkeypatch, "mindir", lambda outputs: [outputs[0] + 1])
    done = run("task=export")
    assert (done.code, done.err) == (1, "")
    assert "wrote" not in done.out
    data = json.loads((done.folder / "result.json").read_text())
    assert (data["status"], data["files"]) == ("failed", [])
    assert data["outcomes"][0]["measured"] == pytest.approx(1)


# ---- what a format cannot hold


def refused(subject, folder, wanted=("onnx",), batch=None):
    with pytest.raises(AssemblerError) as error:
        write(subject, folder, wanted, batch)
    assert list(folder.iterdir()) == []
    return error.value


def test_layers_that_a_format_cannot_hold_are_named_all_and_nothing_is_written(tmp_path):
    text = "Conv2d(3, 4, 3) + 2 * (GroupNorm(2, _) + ReLU) + Residual(ELU) + AdaptiveAvgPool2d(1)"
    error = refused(subject_of(text, (2, 3, 8, 8)), tmp_path, FORMATS)
    assert isinstance(error, Mistakes)
    assert [mistake.message for mistake in error.mistakes] == [
        "#1 GroupNorm(2, 4) (and #3) cannot be written as ONNX: MindSpore's exporter does not know the operator GroupNorm",
        "#5.inner ELU cannot be written as ONNX: MindSpore's exporter does not know the operator Elu",
        "#6 AdaptiveAvgPool2d(1) cannot be written as ONNX: MindSpore's exporter does not know the operator "
        "AdaptiveAvgPool2D; Mean((2, 3), True) is the same as a pool of size 1, and can be written",
    ]


def test_a_file_that_cannot_be_read_back_is_told_by_layer(tmp_path):
    error = refused(subject_of("Conv2d(3, 4, 3) + Conv2dTranspose(4, 2, 3, 2)", (2, 3, 8, 8)), tmp_path)
    assert error.message.startswith(
        "#1 Conv2dTranspose(4, 2, 3, 2) cannot be written as ONNX: Fail: [ONNXRuntimeError] : 1 : FAIL : "
        "Load model from model.onnx failed:Node (1-Default/1-Conv2dTranspose/"
    )


def test_a_layer_that_only_pynative_mode_runs_is_named(tmp_path):
    before = [mindspore.get_context(name) for name in ("mode", "jit_syntax_level")]
    error = refused(subject_of("Dense(8, 4) + OnlyPynative", (3, 8)), tmp_path, ["mindir"])
    assert [mindspore.get_context(name) for name in ("mode", "jit_syntax_level")] == before
    assert error.message.startswith("#1 OnlyPynative cannot be written as MINDIR: ")


def test_a_model_that_only_as_a_whole_cannot_be_written(tmp_path, monkeypatch):
    def only_layers(cell, order, path):
        if isinstance(cell, nn.SequentialCell):
            raise RuntimeError("the whole is too much")
        write(cell, order, path)

    write = formats.FORMATS["mindir"].write
    change(monkeypatch, "mindir", write=only_layers)
    error = refused(subject_of("Dense(8, 4) + ReLU", (3, 8)), tmp_path, ["mindir"])
    assert error.message == "the model as a whole cannot be written as MINDIR: RuntimeError: the whole is too much"


def test_the_mistake_has_its_place(run):
    done = run("recipe=fourier", "task=export", "task.formats=[mindir,onnx]")
    assert done.code == 2
    assert done.err == (
        f"{ROOT / 'conf' / 'recipe' / 'fourier.yaml'}:6:8: #0 HalfSpectrum cannot be written as ONNX: MindSpore's "
        "exporter does not know the operator RFFT\n"
        "    stack: HalfSpectrum + Dense(66, 10)\n"
        "           ^^^^^^^^^^^^\n"
    )
    assert "wrote" not in done.out
    assert not [path for path in done.folder.rglob("*") if path.suffix in (".mindir", ".onnx")]


def test_onnx_needs_its_packages_and_says_so_before_anything_runs(run, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    done = run("task=export", "task.formats=[mindir,onnx]")
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("task.formats=[mindir,onnx]: ONNX needs onnx and onnxruntime, not installed: "
                             "pip install 'assembler[onnx]'\n")  # fmt: skip


def test_mindir_needs_no_package():
    script = "import sys; sys.modules.update(onnx=None, onnxruntime=None); from assembler.model import formats; formats.require(['mindir'])"
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT, check=True)


# ---- an open batch


OPEN = [
    ("Dense(8, 4) + ReLU", (3, 8), FORMATS),
    ("Conv2d(3, 4, 3) + BatchNorm2d(_) + MaxPool2d(2, 2) + Flatten + Dense(_, 5)", (2, 3, 8, 8), FORMATS),
    ("Residual(Dense(8, 8) + GELU) + LayerNorm(_)", (1, 8), FORMATS),
    ("Attention(_, 2)", (2, 5, 8), ["mindir"]),
    ("HalfSpectrum + Centered", (3, 8), ["mindir"]),
    ("PatchEmbedding(_, 8, 4) + ClassToken(_) + LearnedPositions(_, _) + Select(0)", (2, 3, 8, 8), ["mindir"]),
    (
        "RMSNorm(_) + Attention(_, 2, rotary=10000.0, causal=True) + SwiGLU(_, 16) + LayerScale(_)",
        (2, 5, 8),
        ["mindir"],
    ),
    ("LayerNorm2d(_) + SqueezeExcite(_, 2) + Permute(0, 2, 3, 1) + MergePatches", (2, 4, 8, 8), ["mindir"]),
    ("Reshape(4, 2) + Mean(1) + TensorReduction(_, 3)", (3, 8), ["mindir"]),
    ("Slice(1, 3, axis=2) + Scale(0.5)", (2, 4, 8, 8), ["mindir"]),
]


@pytest.mark.parametrize(
    ("text", "shape", "wanted"), mostly_slow(OPEN, OPEN[1:2].__contains__), ids=[case[0] for case in OPEN]
)
def test_an_open_batch(tmp_path, text, shape, wanted):
    subject = subject_of(text, shape)
    outcomes, _ = write(subject, tmp_path, wanted, batch=shape[0])
    tried = sorted({1, shape[0], shape[0] + 1})
    for outcome in outcomes:
        assert outcome.passed, outcome
        assert outcome.detail.endswith(f", batches {', '.join(map(str, tried))}")
    x = np.random.default_rng(1).uniform(size=(11, *shape[1:])).astype(np.float32)
    ours = subject.model(Tensor(x)).asnumpy()
    loaded = nn.GraphCell(mindspore.load(str(tmp_path / "model.mindir")))
    np.testing.assert_allclose(loaded(Tensor(x)).asnumpy(), ours, atol=1e-5)
    if "onnx" in wanted:
        session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
        assert session.get_inputs()[0].shape == ["batch", *shape[1:]]
        assert session.get_outputs()[0].shape == ["batch", *ours.shape[1:]]
        np.testing.assert_allclose(session.run(None, {"input": x})[0], ours, atol=1e-5)


def test_layers_that_cannot_leave_the_batch_open_are_named(tmp_path):
    error = refused(subject_of("GRU(8, 4)", (5, 2, 8)), tmp_path, ["mindir"], batch=5)
    assert error.message == (
        "#0 GRU(8, 4) cannot be written as MINDIR with an open batch: For 'Stack', the 'len of input_x' must be int "
        "and must >= 1, but got '0' with type 'int'."
    )


def test_onnx_says_which_layer_writes_the_batch_down(tmp_path):
    error = refused(subject_of("Dense(8, 8) + ReLU", (2, 5, 8)), tmp_path, batch=2)
    assert error.message.startswith(
        "#0 Dense(8, 8) cannot be written as ONNX with an open batch: Fail: [ONNXRuntimeError]"
    )


def test_a_model_that_runs_with_one_batch_only(tmp_path):
    error = refused(subject_of("Permute(1, 0) + Dense(_, 4)", (3, 8)), tmp_path, ["mindir"], batch=3)
    assert isinstance(error, SettingsError)
    assert str(error).startswith("task.dynamic_batch: the model runs with batch 3 but not with batch 1: ")


GRAPH = """\
name: two
inputs: {left: {shape: [4, 8]}, right: {shape: [RIGHT, 8]}}
graph:
  a: Dense(8, 6) @ left
  b: Dense(8, 6) @ right
  joined: Concat(axis=0) @ (a, b)
  out: Dense(6, 2)
outputs: [out, a]
"""


@pytest.fixture
def two(tmp_path):
    def make(right):
        (tmp_path / "conf" / "recipe").mkdir(parents=True)
        (tmp_path / "conf" / "recipe" / "two.yaml").write_text(GRAPH.replace("RIGHT", str(right)))
        return "--config-dir", "conf", "recipe=two", "task=export", "task.formats=[mindir,onnx]"

    return make


FIXED = [
    ("Fixed('reshape')", "#0 Fixed('reshape') emits (4, 8) with batch 4 and (4, 10) with batch 5"),
    ("Fixed('two rows')", "#0 Fixed('two rows') emits (2, 16) with batch 4 and (2, 20) with batch 5"),
    ("Fixed('cut')", "#0 Fixed('cut') emits (4, 8) with batch 4 and (4, 8) with batch 5"),
    ("Fixed('constant')", "#0 Fixed('constant') emits (4, 3) with batch 4 and (4, 3) with batch 5"),
    ("Fixed('both')", "#0 Fixed('both') emits ((4, 8), (4, 8)) with batch 4 and ((5, 8), (4, 10)) with batch 5"),
    ("ReLU + Residual(Tanh + Fixed('cut'), Fixed('cut')) + Tanh", "#1.inner.1 Fixed('cut') emits (4, 8) with batch 4 and (4, 8) with batch 5"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), FIXED, ids=[case[0] for case in FIXED])
def test_an_output_that_does_not_follow_an_open_batch_is_reported(tmp_path, text, said):
    with pytest.raises(SettingsError) as error:
        write(subject_of(text, (4, 8)), tmp_path, ["mindir"], batch=4)
    assert str(error.value) == f"task.dynamic_batch: {said}: its first axis does not follow the batch"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Permute(1, 0)", (4, 8)),
        ("LSTM(4, 4, bidirectional=True, batch_first=True)", (2, 3, 4)),
        ("Mean((0, 1))", (4, 8)),
        ("Flatten(0, 1)", (4, 2, 3)),
    ],
)
def test_an_open_batch_may_be_another_axis_a_multiple_or_none(tmp_path, text, shape):
    outcomes, _ = write(subject_of(text, shape), tmp_path, ["mindir"], batch=shape[0])
    assert outcomes[0].passed, outcomes


def test_a_graph_with_several_inputs_and_outputs(run, two):
    done = run(*two(3))
    assert (done.code, done.err) == (0, ""), done.out
    session = onnxruntime.InferenceSession(str(done.folder / "two.onnx"), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["left", "right"]
    assert [one.shape for one in session.get_outputs()] == [[7, 2], [4, 6]]


def test_a_graph_with_an_open_batch(run, two):
    done = run(*two(4), "task.dynamic_batch=true")
    assert (done.code, done.err) == (0, ""), done.out
    session = onnxruntime.InferenceSession(str(done.folder / "two.onnx"), providers=["CPUExecutionProvider"])
    twice, once = session.get_outputs()
    assert (twice.shape, once.shape) == ([None, 2], ["batch", 6])


def test_inputs_without_a_common_batch(run, two):
    done = run(*two(3), "task.dynamic_batch=true")
    assert done.code == 2
    assert "the inputs need one batch size, but their first axes are 3 and 4" in done.err


# ---- runs


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(path):
        assert path.exists()
        raise KeyboardInterrupt

    change(monkeypatch, "onnx", read=interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(subject_of("Dense(8, 4)", (3, 8)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_leaves_its_files_and_says_so(run):
    done = run("recipe=lenet5", "task=export", "task.formats=[mindir,onnx]", "recipe.name='Le Net/5'")
    assert (done.code, done.err) == (0, "")
    assert "wrote Le_Net_5.mindir\nwrote Le_Net_5.onnx\nsaved in run\n" in done.out
    data = json.loads((done.folder / "result.json").read_text())
    assert (data["status"], data["files"]) == ("passed", ["Le_Net_5.mindir", "Le_Net_5.onnx"])
    assert [outcome["check"] for outcome in data["outcomes"]][-2:] == ["export.mindir", "export.onnx"]
    assert set(data["seconds"]) == {"import", "plan", "build", "forward", "export"}
    for name in data["files"]:
        assert (done.folder / name).stat().st_mode & 0o777 == 0o644
    left = {path.name for path in done.folder.iterdir()}
    assert left == {".hydra", "run.log", "result.json", "result.html", "recipe.yaml", *DIAGRAMS, *data["files"]}
    assert {path.name for path in done.folder.parent.iterdir()} == {"run"}


@pytest.mark.slow
def test_a_folder_with_a_space_in_its_name(run, tmp_path):
    done = run("task=export", "task.formats=[mindir,onnx]", "hydra.run.dir='a folder, with=more'")
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "a folder, with=more" / "centered.onnx").exists()


def test_weights_beyond_what_one_file_holds_lie_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr("mindspore.train.serialization.TOTAL_SAVE", 1)
    subject = subject_of("Dense(8, 64) + Dense(64, 8)", (3, 8))
    for _ in range(2):  # the second run finds the files of the first
        outcomes, files = write(subject, tmp_path, ["mindir"])
        assert outcomes[0].passed
        assert files == ["model_graph.mindir", "model_variables/data_0"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model_graph.mindir", "model_variables"]


SMALL = [
    ("centered", ["mindir", "onnx"], []),
    ("mylinear", ["mindir", "onnx"], []),
    ("reduction", ["mindir", "onnx"], ["mode=graph"]),
    ("fourier", ["mindir"], ["task.dynamic_batch=true"]),
    ("mlp", ["mindir", "onnx"], ["task.dynamic_batch=true"]),
]
# The layers of the others are written above.
RECIPES = mostly_slow(SMALL, lambda case: case[0] == "mlp")


@pytest.mark.parametrize(("name", "wanted", "more"), RECIPES, ids=[case[0] for case in SMALL])
def test_a_recipe_is_written(run, name, wanted, more):
    done = run(f"recipe={name}", "task=export", f"task.formats=[{','.join(wanted)}]", *more)
    assert (done.code, done.err) == (0, ""), done.out


SMALL_IMAGE = ["recipe.input.shape=[1,3,64,64]", "~recipe.expect"]
LARGE = [
    ("resnet18", ["recipe.params.depths=[1,1,1,1]", "task.dynamic_batch=true", *SMALL_IMAGE]),
    ("mobilenet_v2", SMALL_IMAGE),
    ("squeezenet1_1", ["recipe.params.ceil=false", "task.dynamic_batch=true", *SMALL_IMAGE]),
    ("gpt2_small", ["recipe.params.depth=2", "recipe.params.width=96", "recipe.input.shape=[1,32]", "~recipe.expect"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "more"), LARGE, ids=[case[0] for case in LARGE])
def test_a_large_recipe_is_written(run, name, more):
    done = run(f"recipe={name}", "task=export", "task.formats=[mindir,onnx]", *more)
    assert (done.code, done.err) == (0, ""), done.out


@pytest.mark.slow
def test_an_export_that_fails_leaves_what_an_earlier_one_wrote(run):
    first = run("recipe=inline", 'recipe.stack="Dense(8, 4)"', "task=export")
    assert first.code == 0
    written = (first.folder / "inline.mindir").read_bytes()
    (first.folder / "inline_variables").mkdir()
    again = run("recipe=inline", 'recipe.stack="Dense(8, 4) + ELU"', "task=export", "task.formats=[onnx,mindir]")
    assert again.code == 2
    assert (first.folder / "inline.mindir").read_bytes() == written
    third = run("recipe=inline", 'recipe.stack="Dense(8, 3)"', "task=export")
    assert third.code == 0
    assert (first.folder / "inline.mindir").read_bytes() != written
    assert (first.folder / "inline_variables").is_dir()  # somebody else's
