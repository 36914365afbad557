"""``task=bench``: what it measures, what it prints, and what it leaves."""

import io
import json
import re
import sys
import time

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn

from assembler.errors import AssemblerError
from assembler.model import inputs, timing
from assembler.runtime import device, host, memory
from assembler.settings import RecipeSettings
from assembler.validation import read
from assembler.views import progress as bar

FAST = ("task=bench", "task.memory=false", "task.warmup=1", "task.repeat=3")


def measured(done):
    return json.loads((done.folder / "result.json").read_text())["bench"]


class Sleeps(nn.Cell):
    """Takes its time, in PyNative mode."""

    seconds = 0.02

    def construct(self, x):
        time.sleep(self.seconds)
        return x + 1


X = Tensor(np.ones((5, 3), np.float32))


def test_a_layer_that_sleeps_is_measured_at_its_time():
    found = timing.measure(Sleeps(), (X,), "pynative", warmup=1, repeat=5)
    assert 0.02 <= found.lowest <= found.latency <= found.highest
    assert found.lowest < 0.05
    assert found.throughput == pytest.approx(5 / found.latency)
    assert (found.mode, found.batch, found.repeat, found.memory) == ("pynative", 5, 5, None)


class Steps(nn.Cell):
    """Turns a clock on, at each call by what is next."""

    def __init__(self, clock, seconds):
        super().__init__()
        self.clock, self.seconds = clock, iter(seconds)

    def construct(self, x):
        self.clock.now += next(self.seconds)
        return x + 1


class Clock:
    now = 0.0

    def perf_counter(self):
        return self.now


def test_only_the_calls_that_count_count(monkeypatch):
    clock, ticks = Clock(), []
    monkeypatch.setattr(timing, "time", clock)
    model = Steps(clock, [100, 10, 10, 10, 3, 1, 2, 5, 4])
    found = timing.measure(model, (X,), "pynative", warmup=3, repeat=5, tick=lambda: ticks.append(1))
    assert found == timing.Measurement("pynative", 5, 100, 3, 1, 5, 2, 4, 2, pytest.approx(5 / 3), None, 5)
    assert len(ticks) == 1 + 3 + 5


def test_one_call_has_no_spread():
    found = timing.measure(Sleeps(), (X,), "pynative", warmup=0, repeat=1)
    assert found.lowest == found.first_quartile == found.latency == found.third_quartile == found.highest
    assert found.spread == 0


def test_a_call_ends_when_the_device_is_done(monkeypatch):
    monkeypatch.setattr(device, "synchronize", lambda: time.sleep(0.02))
    assert timing.measure(nn.ReLU(), (X,), "pynative", warmup=0, repeat=3).lowest >= 0.02


def test_the_mode_is_the_one_asked_for_and_restored():
    class Mode(nn.Cell):
        def construct(self, x):
            seen.append(mindspore.get_context("mode"))
            return x + 1

    seen = []
    with device.mode("graph"):
        timing.measure(Mode(), (X,), "pynative", warmup=0, repeat=1)
        assert mindspore.get_context("mode") == mindspore.GRAPH_MODE
    assert set(seen) == {mindspore.PYNATIVE_MODE}


def test_memory_on_an_accelerator_is_what_mindspore_counts(monkeypatch):
    monkeypatch.setattr(device, "in_use", lambda: "ascend")
    forgotten = []
    monkeypatch.setattr(mindspore.runtime, "reset_peak_memory_stats", lambda: forgotten.append(1))
    monkeypatch.setattr(mindspore.runtime, "max_memory_allocated", lambda: 12345)
    found = timing.measure(nn.ReLU(), (X,), "pynative", warmup=0, repeat=1)
    assert (found.memory, forgotten) == (12345, [1])


def test_memory_is_unknown_where_linux_does_not_tell(monkeypatch):
    monkeypatch.setattr(host, "status_of_process", lambda name: None)
    assert timing.memory_of(lambda: (nn.ReLU(), (X,)), "pynative") is None


# ---- inputs of another batch


@pytest.mark.parametrize(
    ("said", "shape"),
    [
        ({"shape": [4, 8]}, (7, 8)),
        ({"shape": [4, 8], "sample": "integers", "high": 3}, (7, 8)),
        ({"values": [[1, 2], [3, 4]]}, (7, 2)),
        ({"values": [1, 2, 3]}, (7,)),
    ],
)
def test_inputs_of_another_batch(said, shape):
    recipe = read(RecipeSettings, {"stack": "ReLU", "input": said})
    changed = inputs.with_batch(recipe, 7, "task.batches[0]")
    (tensor,) = inputs.make_inputs(changed, "float32", 3)
    assert tensor.shape == shape
    if "values" in said:
        values = np.asarray(said["values"])
        np.testing.assert_array_equal(tensor.asnumpy(), [values[index % len(values)] for index in range(7)])
    assert inputs.input_specs(recipe, "float32").shape != shape  # the recipe itself is as it was


def test_a_batch_that_is_too_large():
    recipe = read(RecipeSettings, {"stack": "ReLU", "input": {"shape": [1, 1024]}})
    with pytest.raises(AssemblerError) as error:
        inputs.with_batch(recipe, 2**21, "task.batches[0]")
    assert str(error.value) == "task.batches[0]: 2,147,483,648 elements are too many; the limit is 1,073,741,824"


# ---- runs


@pytest.mark.slow
def test_every_mode_with_every_batch(run):
    done = run(*FAST, "recipe=mlp", "task.batches=[2,16,32]")
    assert (done.code, done.err) == (0, "")
    found = measured(done)
    assert [(one["mode"], one["batch"]) for one in found] == [
        (mode, batch) for mode in ("pynative", "graph") for batch in (2, 16, 32)
    ]
    for one in found:
        assert set(one) == {*timing.Measurement.__dataclass_fields__}
        assert 0 < one["lowest"] <= one["latency"] <= one["highest"]
        assert 0 <= one["spread"] <= one["highest"] - one["lowest"]
        assert one["throughput"] == pytest.approx(one["batch"] / one["latency"])
        assert (one["repeat"], one["memory"]) == (3, None)
    for one in found[3:]:  # every batch size is compiled for itself
        assert one["first_call"] > 10 * one["latency"]
    data = json.loads((done.folder / "result.json").read_text())
    assert (data["task"], data["status"], data["files"]) == ("bench", "passed", [])
    assert set(data["seconds"]) == {"import", "plan", "bench"}


def test_the_table(run):
    done = run(*FAST, "task.modes=[graph]")
    (row,) = (line for line in done.out.splitlines() if line.startswith("graph"))
    assert len(re.findall(r" (?:ms|s)\b", row)) == 5  # compiling may take seconds
    heading = next(line for line in done.out.splitlines() if "first call" in line)
    assert heading.split() == (
        ["mode", "batch", "first", "call", "latency", "spread", "lowest", "highest", "samples/s"]
    )
    assert "latency: the median of 3 calls; spread: from the first quartile to the third\n" in done.out
    assert "no checks were requested" not in done.out


def test_what_is_expected_of_the_plan_holds_here_too(run):
    done = run(*FAST, "task.modes=[pynative]", "+recipe.expect.trainable=3")
    assert done.code == 1
    assert "expect.trainable" in done.out


@pytest.mark.slow
def test_a_larger_activation_takes_more_memory(run):
    done = run("task=bench", "task.warmup=0", "task.repeat=1", "task.modes=[pynative]", "recipe=inline",
               'recipe.stack="Dense(16, 1024) + ReLU + Dense(1024, 8)"', "recipe.input.shape=[32,16]",
               "task.batches=[25600,32]")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    large, small = (one["memory"] / 2**20 for one in measured(done))
    assert 180 < large - small < 260  # the outputs of Dense and of ReLU are 100 MiB each
    assert small < 60


def test_a_batch_that_the_model_does_not_take_is_told_before_anything_is_measured(run):
    done = run(*FAST, "recipe=inline", 'recipe.stack="Permute(1, 0) + Dense(4, 2)"', "recipe.input.shape=[4,8]",
               "task.batches=[4,5]")  # fmt: skip
    assert done.code == 2
    assert done.err.startswith("override task.batches=[4,5]: the model does not run with a batch of 5: #0 Permute")
    assert measured(done) == []


def test_a_layer_that_raises_is_blamed(run, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.assembler]\ntrusted = ["theirs"]\n')
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__init__.py").write_text("")
    (tmp_path / "theirs" / "layers.py").write_text(
        "from mindspore import nn\n\n\nclass RaisesOnNumbers(nn.Cell):\n"
        "    def construct(self, x):\n        if float(x.sum()) != 0:\n"
        "            raise KeyError('on numbers')\n        return x\n"
    )
    done = run(*FAST, "task.modes=[pynative]", "recipe=inline", "recipe.stack='ReLU + theirs'", "recipe.input.shape=[2,3]",
               "+registry.mine.theirs.target=theirs.layers.RaisesOnNumbers")  # fmt: skip
    assert done.code == 2
    assert done.err.splitlines()[-3].endswith("#1 theirs raised KeyError: 'on numbers'")


@pytest.mark.slow
def test_the_guard_looks_at_the_largest_batch(run, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda target: 2**20)
    assert run(*FAST, "task.modes=[pynative]").code == 0
    done = run(*FAST, "task.batches=[4,4096]")
    assert done.code == 2
    assert done.err.startswith("the model needs ")


@pytest.mark.slow
def test_a_sweep_compares_latencies(run):
    done = run("-m", *FAST, "recipe=centered,mylinear", "mode=graph")
    assert (done.code, done.err) == (0, "")
    header, *rows = (done.folder / "sweep.csv").read_text().splitlines()
    column = header.split(",").index("bench.latency_ms")
    for index, row in enumerate(rows):
        (_, graph) = json.loads((done.folder / str(index) / "result.json").read_text())["bench"]
        assert float(row.split(",")[column]) == graph["latency"] * 1e3
    assert "latency" in done.out.rpartition("sweep\n")[2]


@pytest.mark.slow
def test_a_sweep_of_something_else_has_no_latencies(run):
    done = run("-m", "task=plan", "seed=1,2")
    assert "latency" not in done.out
    assert "latency" not in (done.folder / "sweep.csv").read_text()


# ---- the bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_a_bar_and_a_file_does_not(monkeypatch):
    monkeypatch.setattr(bar, "INTERVAL", 0)
    for stream, seen in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with bar.progress(3) as step:
            step()
            step()
        assert ("2/3" in stream.getvalue()) == seen
        assert bool(stream.getvalue()) == seen
