import os
import subprocess
import sys
from types import SimpleNamespace

import mindspore
import numpy as np
import pytest

from assembler.errors import DeviceError
from assembler.runtime import device, host, memory
from assembler.runtime.device import Device
from assembler.settings import DeviceSettings


@pytest.fixture
def present(monkeypatch):
    """Pretend that the machine has these targets."""

    def pretend(*targets):
        monkeypatch.setattr(device, "why_absent", lambda target: None if target in targets else "not there")

    return pretend


@pytest.mark.parametrize(
    ("targets", "got"),
    [(("cpu",), "cpu"), (("cpu", "gpu"), "gpu"), (("cpu", "ascend"), "ascend"), (("cpu", "gpu", "ascend"), "ascend")],
)
def test_auto_takes_the_best_there_is(present, targets, got):
    present(*targets)
    assert device.pick(DeviceSettings()).got == got


def test_auto_says_why(present):
    present("cpu")
    assert device.pick(DeviceSettings()).why == "MindSpore 2.10.0 finds no Ascend and no GPU"
    present("cpu", "gpu")
    assert device.pick(DeviceSettings()).why == "MindSpore 2.10.0 finds no Ascend"
    present("cpu", "gpu", "ascend")
    assert device.pick(DeviceSettings()).why == "the best of all"


def test_what_is_asked_for_is_taken_if_it_is_there(present):
    present("cpu", "gpu", "ascend")
    assert device.pick(DeviceSettings(target="gpu")) == Device("gpu", "gpu", "as asked")


def test_error_when_it_is_absent(present):
    present("cpu")
    with pytest.raises(DeviceError) as error:
        device.pick(DeviceSettings(target="gpu"))
    assert str(error.value) == (
        "device.target: GPU is absent: not there. Present: cpu. Use device=auto, or device.fallback=true to go on "
        "without it."
    )


def test_fallback_goes_on_and_records_it(present):
    present("cpu", "gpu")
    assert device.pick(DeviceSettings(target="ascend", fallback=True)) == Device(
        "ascend", "gpu", "Ascend is absent: not there", fell_back=True
    )


def test_this_machine_is_told_apart():
    assert device.why_absent("cpu") is None
    assert "without GPU support" in device.why_absent("gpu") or "finds no GPU" in device.why_absent("gpu")


def test_error_when_the_process_is_at_work_on_another_device(monkeypatch):
    monkeypatch.setattr(device, "_done", [])
    with pytest.raises(DeviceError, match=r"this process already works on CPU; (GPU|Ascend) needs a new one"):
        device.prepare(Device("gpu", "gpu", ""))


def test_preparing_twice_changes_nothing():
    device.prepare(Device("cpu", "cpu", ""))
    device.prepare(Device("auto", "cpu", ""))


def test_the_mode_is_restored_even_after_an_error():
    before = mindspore.get_context("mode")
    with pytest.raises(KeyError), device.mode("graph"):
        assert mindspore.get_context("mode") == mindspore.GRAPH_MODE
        raise KeyError
    assert mindspore.get_context("mode") == before


def test_generators_are_left_untouched():
    device.seed(3)
    expected = np.random.rand(), mindspore.ops.randn(2).asnumpy().tolist()
    device.seed(3)
    with device.untouched_generators():
        np.random.rand(7)
        mindspore.ops.randn(5)
    assert (np.random.rand(), mindspore.ops.randn(2).asnumpy().tolist()) == expected


@pytest.mark.slow
def test_what_fails_later_fails_inside(tmp_path):
    code = (
        "from assembler.runtime import device\n"
        "from mindspore import Tensor, ops\n"
        "done = False\n"
        "try:\n"
        "    with device.contained():\n"
        "        ops.gather(Tensor([1.0, 2.0]), Tensor([100]), 0)\n"
        "    done = True\n"
        "except Exception as error:\n"
        "    assert 'input_indices' in str(error)\n"
        "assert not done\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


@pytest.mark.slow
def test_looking_for_devices_prints_nothing():
    code = (
        "from assembler.runtime import device\n"
        "from assembler.settings import DeviceSettings\n"
        "print(device.pick(DeviceSettings()).got)\n"
        "try: device.pick(DeviceSettings(target='ascend'))\n"
        "except device.DeviceError: print('absent')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GLOG_v"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert (done.stdout, done.stderr) == ("cpu\nabsent\n", "")


def control_group(root, version, path, files):
    """Files as Linux shows them to a process."""
    folder = root / "sys/fs/cgroup" / ("memory" if version == 1 else "")
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    lines = ["4:memory:" + path, "3:cpu:/"] if version == 1 else ["0::" + path]
    (root / "proc/self/cgroup").write_text("\n".join(lines) + "\n")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")


V1 = {"memory.limit_in_bytes": "1000", "memory.usage_in_bytes": "700", "memory.stat": "cache 9\ntotal_inactive_file 50"}
V2 = {"memory.max": "2000", "memory.current": "700", "memory.stat": "anon 9\ninactive_file 60"}


def below(folder, files):
    return {f"{folder}/{name}": text for name, text in files.items()}


@pytest.mark.parametrize(
    ("version", "path", "files", "left"),
    [
        (1, "/", V1, [350]),
        (2, "/", V2, [1360]),
        (1, "/jobs/7", below("jobs/7", V1), [350]),
        (2, "/jobs/7", {**below("jobs/7", V2), **below("jobs", {**V2, "memory.max": "900"})}, [1360, 260]),
        (2, "/jobs/7", below("jobs/7", {**V2, "memory.max": "max"}), []),
        (2, "/jobs/7", below("jobs/7", {**V2, "memory.max": "10"}), [0]),
        (1, "/outside/of/the/container", V1, [350]),
        (2, "/", {"cgroup.procs": ""}, []),
    ],
)
def test_what_control_groups_leave(tmp_path, version, path, files, left):
    control_group(tmp_path, version, path, files)
    assert list(host._left_in_control_groups(tmp_path)) == left


def test_there_are_no_control_groups_elsewhere(tmp_path):
    assert list(host._left_in_control_groups(tmp_path)) == []


def test_the_cpu_has_what_is_free_or_less():
    import psutil

    available = memory.available_memory("cpu")
    assert 0 < available <= psutil.virtual_memory().total


def test_a_group_with_less_than_the_machine_decides(monkeypatch):
    monkeypatch.setattr(host, "_left_in_control_groups", lambda: iter([12345]))
    assert memory.available_memory("cpu") == 12345


@pytest.mark.parametrize(
    ("target", "told", "left"),
    [
        ("ascend", {"total_memory": 900, "free_memory": 400}, 400),
        ("ascend", {"total_memory": 0, "free_memory": 0}, None),
        ("gpu", {"total_memory": 900}, 900),
    ],
)
def test_an_accelerator_tells_what_it_has(monkeypatch, target, told, left):
    asked = []
    properties = lambda *given: asked.append(given) or SimpleNamespace(**told)  # noqa: E731
    monkeypatch.setattr(mindspore.hal, "get_device_properties", properties)
    assert memory.available_memory(target) == left
    assert asked == [(0, {"ascend": "Ascend", "gpu": "GPU"}[target])]


def test_an_accelerator_that_tells_nothing_has_no_guard():
    assert memory.available_memory("ascend") is None
    memory.require_memory(2**60, 2**60, "ascend")


def test_error_when_a_model_cannot_fit():
    with pytest.raises(DeviceError) as error:
        memory.require_memory(3 * 2**40, 2**40, "cpu")
    assert str(error.value).startswith(
        "the model needs 4.0 TiB (3.0 TiB of parameters, about 1.0 TiB of activations), and CPU has "
    )
    assert str(error.value).endswith(" available; guard=false builds it all the same")


def test_the_target_in_use_has_our_name():
    assert device.in_use() == "cpu"
