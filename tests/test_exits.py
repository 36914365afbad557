"""However it ends, a process says so in one line: Ctrl-C at any moment, and output that cannot be printed."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from assembler.files import delete_temporary, replacing
from tests.conftest import ROOT

RUN = [sys.executable, str(ROOT / "run.py")]
COMMAND = [sys.executable, "-m", "assembler"]


# ---- Ctrl-C

IN_A_DESTRUCTOR = """
import os, signal, time
from assembler.runtime import exits
exits.prepare()
exits.raise_first()
class Layer:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
layer = Layer()
try:
    del layer
    time.sleep(20)
except KeyboardInterrupt:
    print("raised")
"""


def test_an_interruption_is_not_lost_where_python_drops_exceptions():
    done = subprocess.run(
        [sys.executable, "-c", IN_A_DESTRUCTOR], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.stdout, done.stderr) == ("raised\n", "")


DOORS = {
    "check": ["recipe=mylinear"],
    "bench": ["recipe=mylinear", "task=bench", "task.modes=[graph]", "task.repeat=5"],
    "export": ["recipe=mylinear", "task=export"],
    "eject": ["recipe=mylinear", "task=eject"],
    "sweep": ["-m", "recipe=mylinear", "task=plan,export", "sweep.name=s"],
}

INSTANTS = {"eject": 8}
"""How often a door is tried, if not 30 times."""


def start(arguments, folder):
    """A process in a group of its own, as a terminal starts it, that can be interrupted."""
    (folder / "tmp").mkdir(parents=True)
    process = subprocess.Popen(
        arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    while process.poll() is None and not handles_signals(process.pid):
        time.sleep(0.005)
    return process


def handles_signals(pid):
    """Whether the process has set its handlers: Python itself has none for SIGTERM."""
    (mask,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:")]
    return int(mask.split()[1], 16) >> (signal.SIGTERM - 1) & 1


def interrupted(arguments, folder, seconds, *, of=""):
    """Ctrl-C after some seconds, to the whole group: the exit code, what is printed, and what is wrong in the folder.

    The seconds are counted from when the process, or one that it starts and whose command has the word ``of``, runs.
    """
    process = start(arguments, folder)
    while not any(of in " ".join(one["cmdline"] or ()) for one in processes_in(folder)) and process.poll() is None:
        time.sleep(0.02)
    try:
        _, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    return process.returncode, err, list(half_done(folder))


def half_done(folder):
    yield from (path for path in folder.rglob("*") if path.suffix == ".new" or path.name.startswith("core"))
    yield from (path for path in (folder / "tmp").iterdir() if not path.name.startswith("assembler-cores"))
    for file in folder.rglob("*.json"):
        json.loads(file.read_text())
    end = time.monotonic() + 10
    while left := processes_in(folder):
        if time.monotonic() > end:
            yield left
            return
        time.sleep(0.1)


def processes_in(folder):
    found = psutil.process_iter(["cwd", "cmdline"])
    return [process.info for process in found if f"{process.info['cwd']}/".startswith(f"{folder}/")]


def seconds_of(arguments, folder):
    begun = time.monotonic()
    code, err, wrong = interrupted(arguments, folder, 600)
    assert (code, err, wrong) == (0, "", [])
    return time.monotonic() - begun


def lines_of(door):
    yield 130, "interrupted\n", []
    yield 0, "", []
    if door == "sweep":
        yield 130, "interrupted; the same command resumes it\n", []


@pytest.mark.parametrize("seconds", [0.2, 0.8])
def test_ctrl_c_is_one_line(tmp_path, seconds):
    found = interrupted([*RUN, "recipe=mlp"], tmp_path / "x", seconds)
    assert found == (130, "interrupted\n", [])


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
def test_ctrl_c_at_any_moment_is_one_line_and_leaves_nothing_half_done(tmp_path, door):
    arguments = [*RUN, *DOORS[door]]
    instants = INSTANTS.get(door, 30)
    whole = seconds_of(arguments, tmp_path / "whole")

    def at(number):
        return interrupted(arguments, tmp_path / str(number), whole * number / instants)

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(at, range(instants)))
    assert [one for one in found if one not in lines_of(door)] == []
    assert found[0][0] == 130


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 0.1, 0.2, 0.4, 4])
@pytest.mark.parametrize("page", [[], ["--page"]], ids=["terminal", "page"])
def test_ctrl_c_ends_a_command(tmp_path, seconds, page):
    (tmp_path / "a.yaml").write_text("input: {shape: [4, 8]}\nstack: Dense(_, 8)\n")
    found = interrupted([*COMMAND, "watch", str(tmp_path / "a.yaml"), *page], tmp_path / "x", seconds)
    assert found == (130, "interrupted\n", [])


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 0.2, 0.5, 1, 2])
def test_ctrl_c_ends_the_workers_of_joblib(tmp_path, seconds):
    jobs = ["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "recipe=mylinear", "seed=range(60)"]
    assert interrupted([*RUN, *jobs], tmp_path / "x", seconds, of="loky") == (130, "interrupted\n", [])


# ---- output that cannot be printed

PRINTS = {
    "run": [*RUN, "recipe=mylinear", "hydra.run.dir=run"],
    "a check that fails": [*RUN, "recipe=mylinear", "+recipe.checks.range={max: -9}", "hydra.run.dir=run"],
    "sweep": [*RUN, "-m", "recipe=mylinear", "task=plan", "seed=1,2", "hydra.sweep.dir=run"],
    "help": [*RUN, "--help"],
    "configuration": [*RUN, "recipe=mylinear", "--cfg", "job"],
    "plan": [*COMMAND, "plan", "mylinear", "hydra.run.dir=run"],  # a run of Hydra inside a command
    "layers": [*COMMAND, "layers"],
    "show": [*COMMAND, "show", "Dense"],
    "recipes": [*COMMAND, "recipes"],
    "validate": [*COMMAND, "validate", str(ROOT / "conf" / "recipe" / "mlp.yaml")],
    "watch": [*COMMAND, "watch", str(ROOT / "conf" / "recipe" / "mlp.yaml")],
    "page": [*COMMAND, "watch", str(ROOT / "conf" / "recipe" / "mlp.yaml"), "--page"],
    "schema": [*COMMAND, "schema"],
    "command's help": [*COMMAND, "--help"],
}

LEAVES = {"run": 1, "plan": 1, "a check that fails": 1, "sweep": 2}
"""How many ``result.json`` there are afterwards."""

QUICK = {"layers"}

OUTPUTS = {
    # Python ignores SIGPIPE in itself, and not in what it starts.
    "nobody reads": ('"$@" | true', 141, ""),
    "full": ('"$@" > /dev/full', 2, "standard output: No space left on device\n"),
    "closed": ('"$@" >&-', 2, "standard output: Bad file descriptor\n"),
}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("what", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in PRINTS])
def test_output_that_cannot_be_printed_is_one_line_and_the_run_is_finished(tmp_path, what, output):
    line, code, said = OUTPUTS[output]
    shell = f"set -o pipefail; {line}"
    done = subprocess.run(
        ["bash", "-c", shell, "bash", *PRINTS[what]],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == code
    assert done.stderr == said
    assert [json.loads(file.read_text())["version"] for file in tmp_path.rglob("result.json")] == [1] * LEAVES.get(
        what, 0
    )


@pytest.mark.parametrize("where", ["2> /dev/full", "2>&-"])
def test_errors_that_cannot_be_printed_have_the_same_exit_code(tmp_path, where):
    arguments = [*COMMAND, "validate", "absent.yaml"]
    done = subprocess.run(
        ["bash", "-c", f'"$@" {where}', "bash", *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "1 file, 1 with errors\n", "")


def test_a_closed_output_is_not_the_file_that_is_opened_next(tmp_path):
    code = (
        "import os; from assembler.runtime import exits\n"
        "with exits.handled():\n    file = open('a', 'w'); print('x', flush=True); os.write(1, b'y')\n"
    )
    subprocess.run(["bash", "-c", '"$@" >&-', "bash", sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert (tmp_path / "a").read_text() == ""


def test_a_temporary_folder_is_deleted_without_a_finally(tmp_path):
    with pytest.raises(OSError, match="No such file"), replacing(tmp_path / "a") as new:
        new.write_text("half")
        delete_temporary()
        assert list(tmp_path.iterdir()) == []


COLLECTED = """\
import atexit, gc, sys
before = gc.get_threshold()
atexit.register(lambda: print("left in the end:", len(gc.get_objects()) > 1000))
import assembler
print("changed by the import:", gc.get_threshold() != before)
from assembler.runtime import exits
exits.prepare()
since = sum(generation["collections"] for generation in gc.get_stats())
import hydra, pydantic
print("rare:", sum(generation["collections"] for generation in gc.get_stats()) - since < 10)
"""


def test_python_searches_for_garbage_rarely_in_the_assemblers_own_processes_and_not_at_their_end():
    done = subprocess.run([sys.executable, "-c", COLLECTED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["changed by the import: False", "rare: True", "left in the end: False"]
