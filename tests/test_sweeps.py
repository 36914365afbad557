"""Multirun: which jobs there are, which of them run, and what is left of them."""

import csv
import gc
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from mindspore import Parameter

from assembler import LAYERS, AssemblerError, pipeline, sweeps, tasks
from assembler.reading.places import Sources
from assembler.sweeps import child, records
from assembler.sweeps.process import Child
from assembler.sweeps.table import Table, to_csv
from assembler.tasks.kept import MAX_ROWS, Kept, Known
from assembler.views.progress import SweepLine
from tests.conftest import ROOT, data_of_page

names = (f"theirs_{number}" for number in count())  # the process of jobs imports a module once


def rows(folder):
    with (folder / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def statuses(folder):
    return [row["status"] for row in rows(folder)]


@pytest.fixture
def layer(tmp_path):
    """A layer of one's own, written down by its ``construct``; it is called ``Own``."""
    name = next(names)
    (tmp_path / "pyproject.toml").write_text(f'[tool.assembler]\ntrusted = ["{name}"]\n')

    def write(construct, imports="import os, signal, time"):
        body = "".join(f"        {line}\n" for line in construct.splitlines())
        (tmp_path / f"{name}.py").write_text(
            f"{imports}\nfrom mindspore import nn\n\n\nclass Own(nn.Cell):\n    def construct(self, x):\n{body}"
        )
        return f"+registry.mine.Own={name}.Own"

    return write


# Plans call a layer on the meta device or on zeros; here it notices that the numbers are real.
REAL = "if float(x.max().asnumpy()) > 0.5:\n    {}\nreturn x"
INLINE = ("recipe=inline", "recipe.input.shape=[4,8]", "checks=none")


def test_four_jobs_run_and_a_table_closes_them(run):
    done = run("-m", "recipe=centered,mylinear", "mode=pynative,graph")
    assert (done.code, done.err) == (0, "")
    columns = ("job", "recipe", "mode", "status", "plan.parameters", "plan.macs", "checks.passed", "checks.total")
    assert [tuple(row[name] for name in columns) for row in rows(done.folder)] == [
        ("0", "centered", "pynative", "passed", "1152", "4096", "6", "6"),
        ("1", "centered", "graph", "passed", "1152", "4096", "6", "6"),
        ("2", "mylinear", "pynative", "passed", "529", "1040", "5", "5"),
        ("3", "mylinear", "graph", "passed", "529", "1040", "5", "5"),
    ]
    assert done.out.startswith("4 jobs planned in ")
    assert "\n[1/4] passed  recipe=centered mode=pynative  0." in done.out
    assert "4 jobs: 4 passed\n" in done.out
    modes = [json.loads((done.folder / str(n) / "result.json").read_text())["mode"] for n in range(4)]
    assert modes == ["pynative", "graph", "pynative", "graph"]


@pytest.mark.slow
def test_several_recipes_with_a_value_that_the_default_recipe_lacks(run):
    done = run("-m", "recipe=mlp,vit_b_16", "recipe.params.depth=1", "++recipe.expect=null", "task=plan")
    assert (done.code, done.err) == (0, "")
    assert [(row["recipe"], row["recipe.params.depth"]) for row in rows(done.folder)] == [
        ("mlp", "1"),
        ("vit_b_16", "1"),
    ]


def test_a_narrow_terminal_breaks_no_words(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = run("-m", "recipe=centered,mylinear", "seed=1,2", "+recipe.checks.range={max: 0.001}")
    plain_text = re.sub(r"\x1b\[[0-9;]*m", "", done.out)
    assert max(map(len, plain_text.splitlines())) <= 80
    assert plain_text.count(" failed ") >= 3  # one of each job that failed
    assert "range failed" in plain_text


def test_a_job_prints_into_its_folder(run):
    done = run("-m", "recipe=centered")
    assert "Dense" in (done.folder / "0" / "output.txt").read_text()
    assert "Dense" not in done.out


def test_one_failed_job_neither_stops_nor_hides_the_others(run):
    done = run("-m", "recipe=centered,centered_vector", "recipe.checks.mean.equals=0,1")
    assert done.code == 1
    assert [(row["status"], row["message"]) for row in rows(done.folder)] == [
        ("passed", ""),
        ("failed", "mean failed"),
        ("passed", ""),
        ("failed", "mean failed"),
    ]
    assert "4 jobs: 2 passed, 2 failed\n" in done.out


# ---- looking through


def test_a_wrong_job_is_told_before_any_runs(run):
    done = run("-m", "dtype=float32,float64", 'recipe.stack="Dense(8,128)+Centered","Dence(8,128)"', "seed=1,2")
    assert done.code == 2
    assert not done.folder.exists()
    assert done.err.count("no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?") == 1
    first = 'dtype=float32 recipe.stack="Dence(8,128)" seed=1 (and 3 more):\n  override recipe.stack="Dence(8,128)"'
    assert done.err.startswith(first)
    assert "\n4 of 8 jobs are wrong; nothing was run; sweep.invalid=skip runs the others\n" in done.err
    assert "Traceback" not in done.err


def test_a_wrong_job_can_be_skipped(run):
    done = run("-m", 'recipe.stack="Dense(8,128)+Centered","Dence(8,128)"', "seed=1,2", "sweep.invalid=skip")
    assert done.code == 2
    assert statuses(done.folder) == ["passed", "passed", "error", "error"]
    assert rows(done.folder)[2]["message"].endswith("no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?")
    assert not (done.folder / "2").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recipe=centered,nowhere"], "recipe=nowhere:\n  no recipe named 'nowhere'."),
        (["recipe=centered,mlp", "recipe.params.wide=1"], "override recipe.params.wide=1: "),
        (["recipe=inline,centered", "recipe.input.shape=???"], "recipe.input.shape has no value yet"),
        (["mode=graph,slow"], "mode=slow:\n  override mode=slow: 'slow' is not one of pynative or graph."),
        (["seed=0,x"], "seed=x:\n  override seed=x: must be an integer, not 'x'"),
        (["seed=1,2", "sweep.name=../up"], "sweep.name: '../up' is not the name of a folder"),
        (["seed=1,2", "sweep.timeout=0"], "sweep.timeout: must be above 0"),
        (["seed=1,2", "sweep.tiemout=3"], "override sweep.tiemout=3: unknown key 'tiemout'. Did you mean 'timeout'?"),
        (["seed=1,2", "hydra.sweep.subdir=same"], "hydra.sweep.subdir: two jobs would write to same: seed=2 is"),
    ],
)
def test_each_mistake_is_told_with_its_job(run, arguments, said):
    done = run("-m", *arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (done.folder / "sweep.csv").exists()


def test_sweep_keys_without_a_sweep_are_told(run):
    done = run("sweep.name=x", "recipe=mlp")
    assert (done.code, done.err) == (2, "override sweep.name=x: sweep.* applies to multiruns only; add -m\n")


def test_what_cannot_be_written_is_told_and_hinders_nothing_else(run, tmp_path):
    first = run("-m", "recipe=centered_vector", "seed=1,2")
    (first.folder / "sweep.sqlite").unlink()
    (first.folder / "sweep.sqlite").mkdir()
    done = run("-m", "recipe=centered_vector", "seed=1,2,3")
    assert done.code == 2
    assert done.err.startswith("sweep/sweep.sqlite cannot be written: ")
    assert statuses(done.folder) == ["passed"] * 3
    assert data_of_page((done.folder / "sweep.html").read_text()).count("centered_vector") >= 3


@pytest.mark.slow
def test_jobs_are_grouped_over_seeds_or_by_keys_that_are_chosen(run):
    done = run("-m", "recipe=centered,mylinear", "seed=1,2", "task=plan", "sweep.groups=[recpie]")
    assert (done.code, done.folder.exists()) == (2, False)
    assert done.err == "sweep.groups: no job sets 'recpie'. Did you mean 'recipe'?\n"
    done = run("-m", "recipe=centered,mylinear", "seed=1,2", "task=plan")
    assert "2 groups over seed\n" in done.out
    with (done.folder / "groups.csv").open() as file:
        groups = [row for row in csv.DictReader(file) if row["metric"] == "plan.parameters"]
    assert [(row["recipe"], row["jobs"], row["mean"]) for row in groups] == [
        ("centered", "2", "1152.0"),
        ("mylinear", "2", "529.0"),
    ]
    again = run("-m", "recipe=centered,mylinear", "seed=1,2", "task=plan", "sweep.groups=[seed]")
    assert "4 of them are done; 0 jobs to run" in again.out  # the groups do not make it another sweep
    assert "2 groups over recipe\n" in again.out


def test_many_mistakes_are_counted(run):
    stacks = ",".join(f'"Dense(8,{n})+Dence"' for n in range(1, 9))
    done = run("-m", f"recipe.stack={stacks}")
    assert done.err.count("no layer named 'Dence'") == 5
    assert "and 3 other errors\n8 of 8 jobs are wrong" in done.err


def test_a_forecast_prints_sizes_and_leaves_nothing(run):
    done = run("-m", "recipe=mlp,lenet5", "seed=1,2", "sweep.dry_run=true")
    assert (done.code, done.err) == (0, "")
    assert not done.folder.exists()
    assert "61,706" in done.out
    assert "passed" not in done.out


def test_jobs_that_do_the_same_are_one(run):
    done = run("-m", "recipe=centered_vector", "seed=1,1,2", "show=layers,parameters")
    assert "2 jobs planned" in done.out
    assert "; 4 duplicates left out\n" in done.out
    assert [row["seed"] for row in rows(done.folder)] == ["1", "2"]


# ---- going on


def times(folder):
    return {file.parent.name: file.stat().st_mtime_ns for file in folder.glob("*/result.json")}


def test_the_same_command_again_runs_nothing_again(run):
    command = ("-m", "recipe=centered_vector", "seed=0,1,2")
    first = run(*command)
    before = times(first.folder)
    second = run(*command, "sweep.timeout=100")
    assert (second.code, times(second.folder)) == (0, before)
    assert "3 of them are done; 0 jobs to run\n" in second.out
    assert "3 jobs: 3 passed\n" in second.out


def test_a_sweep_grows(run):
    run("-m", "recipe=centered_vector", "seed=1,2")
    done = run("-m", "recipe=centered_vector", "seed=0,1,2,3")
    assert [(row["job"], row["seed"]) for row in rows(done.folder)] == [("0", "1"), ("1", "2"), ("2", "0"), ("3", "3")]
    assert "2 of them are done; 2 jobs to run\n" in done.out
    part = run("-m", "recipe=centered_vector", "seed=4")
    assert "1 job: 1 passed; 4 of earlier commands\n" in part.out


def test_a_job_that_was_interrupted_runs_again_in_its_folder(run):
    first = run("-m", "recipe=centered_vector", "seed=0,1,2")
    (first.folder / "1" / "result.json").unlink()
    before = times(first.folder)
    second = run("-m", "recipe=centered_vector", "seed=0,1,2")
    assert before.items() < times(second.folder).items()
    assert [row["job"] for row in rows(second.folder)] == ["0", "1", "2"]


def test_a_result_of_something_else_does_not_count(run):
    first = run("-m", "recipe=centered_vector", "seed=0,1")
    file = first.folder / "1" / "result.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "identity": "another"}))
    second = run("-m", "recipe=centered_vector", "seed=0,1")
    assert "1 of them is done; 1 job to run\n" in second.out


def test_failed_jobs_run_again_on_request(run):
    command = ("-m", "recipe=centered_vector", "recipe.checks.mean.equals=0,1")
    first = run(*command)
    before = times(first.folder)
    assert (run(*command).code, times(first.folder)) == (1, before)
    again = run(*command, "sweep.retry=true")
    after = times(again.folder)
    assert after["0"] == before["0"]
    assert after["1"] > before["1"]


def test_a_value_that_tells_the_folder_of_the_sweep(run):
    done = run("-m", "recipe=centered_vector", 'recipe.name="in ${hydra:sweep.dir}"', "seed=1,2")
    assert statuses(done.folder) == ["passed", "passed"]
    assert (
        "2 of them are done"
        in run("-m", "recipe=centered_vector", 'recipe.name="in ${hydra:sweep.dir}"', "seed=1,2").out
    )


def test_a_named_sweep_has_a_folder_of_its_own(run, tmp_path):
    done = run("-m", "recipe=centered_vector", "seed=1,2", "sweep.name=seeds", placed=False)
    assert (done.code, done.err) == (0, "")
    assert statuses(tmp_path / "multirun" / "seeds") == ["passed", "passed"]


@pytest.mark.slow
def test_values_that_tell_the_number_of_the_job_are_those_of_its_folder(run):
    command = (
        "-m",
        "recipe=mylinear",
        "checks=none",
        'weights.save="${hydra:runtime.output_dir}/w${hydra:job.num}.ckpt"',
    )
    run(*command, "mode=pynative,graph")
    done = run(*command, "mode=graph", "seed=0,1")
    assert [row["job"] for row in rows(done.folder)] == ["0", "1", "2"]
    assert sorted(path.name for path in done.folder.glob("*/*.ckpt")) == ["w0.ckpt", "w1.ckpt", "w2.ckpt"]
    assert "1 of them is done; 1 job to run\n" in done.out


@pytest.mark.parametrize("text", ["", "{", "[]", '{"jobs": [{"job": 1}]}', '{"jobs": {"a": 1}}'])
def test_a_damaged_list_of_jobs_is_told(run, tmp_path, text):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text(text)
    done = run("-m", "recipe=centered_vector", "seed=1,2")
    assert done.code == 2
    assert re.match(
        r"sweep/sweep\.json: it is damaged \(.+\); move it away, or give the sweep another sweep\.name\n$", done.err
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"status": "fine"}', '{"status": []}'])
def test_a_damaged_result_is_none(tmp_path, text):
    from assembler.sweeps.points import result_of

    (tmp_path / "result.json").write_text(text)
    assert result_of(tmp_path) is None


@pytest.mark.slow
def test_two_processes_do_not_sweep_in_one_folder(run, tmp_path):
    from filelock import FileLock

    (tmp_path / "sweep").mkdir()
    with FileLock(tmp_path / "sweep" / ".lock"):
        done = run("-m", "recipe=centered_vector", "seed=1,2")
    assert done.code == 2
    said = "another process is sweeping in sweep; wait for it, or give this sweep another sweep.name\n"
    assert done.err == said
    assert run("-m", "recipe=centered_vector", "seed=1,2").code == 0


# ---- losing jobs


LOST = {
    "exit": ("os._exit(3)", "its process ended by itself, with exit code 3"),
    "segfault": ("os.kill(os.getpid(), signal.SIGSEGV)", "its process was ended by signal 11 (SIGSEGV)"),
    "kill": (
        "os.kill(os.getpid(), signal.SIGKILL)",
        "ended by signal 9 (SIGKILL); the system ends processes so when memory",
    ),
    "sleep": ("time.sleep(60)", "it took more than 2 s and was ended"),
}


@pytest.mark.parametrize("how", ["exit", *(pytest.param(how, marks=pytest.mark.slow) for how in LOST if how != "exit")])
def test_a_job_that_is_lost_costs_only_itself(run, layer, how):
    construct, said = LOST[how]
    own = layer(REAL.format(construct))
    command = ("-m", own, *INLINE, "recipe.stack=ReLU,Own,Sigmoid", "recipe.input.sample=uniform", "sweep.timeout=2")
    done = run(*command)
    assert done.code == 2
    assert statuses(done.folder) == ["passed", "error", "passed"]
    message = rows(done.folder)[1]["message"]
    assert said in message
    assert rows(done.folder)[1]["plan.layers"] == "1"
    again = run(*command)
    assert "3 of them are done; 0 jobs to run (1 did not pass; sweep.retry=true runs those again)\n" in again.out


GONE = {
    "deleted": "shutil.rmtree('sweep/1')",
    "moved": "os.rename('sweep/1', 'elsewhere')",
    "replaced by a file": "shutil.rmtree('sweep/1'); open('sweep/1', 'w').close()",
    "replaced by a link": "shutil.rmtree('sweep/1'); os.symlink('nowhere', 'sweep/1')",
    "deleted at once": "shutil.rmtree('sweep/1'); os._exit(3)",
}


@pytest.mark.slow
@pytest.mark.parametrize("construct", GONE.values(), ids=GONE)
def test_a_job_whose_folder_is_gone_is_an_error(run, layer, construct):
    own = layer(REAL.format(construct), "import os, shutil")
    done = run("-m", own, *INLINE, "recipe.stack=ReLU,Own,Sigmoid", "recipe.input.sample=uniform")
    assert done.code == 2
    assert statuses(done.folder) == ["passed", "error", "passed"]
    assert rows(done.folder)[1]["message"] in (
        "its result is gone: something deleted or moved its folder",
        "its process ended by itself, with exit code 3",
    )
    assert not (done.folder.parent / "nowhere").exists()


def test_a_layer_that_ends_the_process_while_it_is_planned_is_told(run, layer):
    done = run("-m", layer("os._exit(3)"), *INLINE, "recipe.stack=ReLU,Own")
    assert done.code == 2
    assert (
        "recipe.stack=Own:\n  it cannot be planned: its process ended by itself, with exit code 3\n1 of 2" in done.err
    )


@pytest.mark.slow
def test_what_a_lost_job_started_ends_with_it(run, layer, tmp_path):
    own = layer(REAL.format("subprocess.Popen(['sleep', '51.5']); time.sleep(60)"), "import subprocess, time")
    run("-m", own, *INLINE, "recipe.stack=Own", "recipe.input.sample=uniform", "sweep.timeout=2")
    assert subprocess.run(["pgrep", "-f", "sleep 51.5"], capture_output=True, text=True).stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "construct",
    ["if os.fork() == 0:\n        time.sleep(61)\n    os.kill(os.getpid(), signal.SIGKILL)", "subprocess.run(['cat'])"],
    ids=["a fork that outlives it", "a child that reads"],
)
def test_what_a_job_starts_does_not_keep_the_others(run, layer, construct):
    own = layer(REAL.format(construct), "import os, signal, subprocess, time")
    done = run("-m", own, *INLINE, "recipe.stack=Own,Sigmoid", "recipe.input.sample=uniform", "sweep.timeout=40")
    assert statuses(done.folder)[1] == "passed"
    assert "took more than" not in rows(done.folder)[0]["message"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_task_function_that_raises_keeps_its_traceback(run, tmp_path, when):
    before, after = ("raise", "pass") if when == "before" else ("pass", "raise")
    script = tmp_path / "theirs.py"
    script.write_text(
        "import hydra\n"
        "from assembler import sweeps\n"
        "@hydra.main(version_base='1.3', config_path='pkg://assembler.conf', config_name='assembler')\n"
        "def main(config):\n"
        f"    {before} {'ValueError(config.seed)' if before == 'raise' else ''}\n"
        "    sweeps.job(config)\n"
        f"    {after} {'ValueError(config.seed)' if after == 'raise' else ''}\n"
        "if __name__ == '__main__':\n"
        "    sweeps.launch(main)\n"
    )
    with pytest.raises(ValueError, match=r"^1$") as error:
        run("-m", "recipe=centered_vector", "seed=1,2", script=script)
    assert script in [Path(entry.path) for entry in error.traceback]
    assert statuses(tmp_path / "sweep") == [{"before": "pending", "after": "passed"}[when]] * 2


@pytest.mark.slow
def test_a_job_that_fails_in_another_precision_leaves_none_behind(run, layer):
    own = layer(REAL.format("raise KeyError(x)"))
    own_check = "+checks.run.output.dtype=float32"
    done = run(
        "-m", own, "amp=O2", *INLINE[:2], 'recipe.stack="Own","Dense(8,8)"', "recipe.input.sample=uniform",
        "+checks.run.reference={}", own_check,
    )  # fmt: skip
    assert statuses(done.folder) == ["error", "passed"]


@pytest.fixture
def stuck_sweep(tmp_path, layer):
    """A sweep of four jobs, of which the third does not end while there is a file ``stuck``: arguments, and the sweep.

    It runs in a process of its own.
    """
    is_stuck = "os.path.exists('stuck') and len(glob.glob('multirun/s/*/result.json')) == 2"
    own = layer(REAL.format(f"{is_stuck} and time.sleep(60)"), "import glob, os, time")
    arguments = ["-m", own, *INLINE, "recipe.stack=Own", "sweep.name=s", "recipe.input.sample=uniform", "seed=0,1,2,3"]
    (tmp_path / "stuck").touch()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    wait_for(lambda: len(list((tmp_path / "multirun" / "s").glob("*/result.json"))) == 2)
    yield arguments, process
    process.kill()
    process.communicate()


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_sweep_has_its_table_and_goes_on(stuck_sweep, run, tmp_path, how):
    folder = tmp_path / "multirun" / "s"
    arguments, process = stuck_sweep
    process.send_signal(how)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "interrupted; the same command resumes it\n"
    assert statuses(folder)[:2] == ["passed", "passed"]
    assert statuses(folder)[-1] == "pending"
    (tmp_path / "stuck").unlink()
    goes_on(run, arguments, folder)


def goes_on(run, arguments, folder):
    before = times(folder)
    assert len(before) == 2
    done = run(*arguments, placed=False)
    assert (done.code, done.err) == (0, "")
    assert "2 of them are done" in done.out
    assert statuses(folder) == ["passed"] * 4
    assert before.items() <= times(folder).items()


@pytest.mark.slow
def test_a_sweep_that_is_killed_leaves_no_process_and_goes_on(stuck_sweep, run, tmp_path):
    arguments, process = stuck_sweep
    process.kill()
    process.communicate()
    wait_for(lambda: not subprocess.run(["pgrep", "-f", f"path.*{tmp_path}"], capture_output=True, text=True).stdout)
    (tmp_path / "stuck").unlink()
    goes_on(run, arguments, tmp_path / "multirun" / "s")


# ---- what else a job is told by


def test_a_search_gets_the_metric_it_is_after(run, tmp_path):
    script = tmp_path / "search.py"
    script.write_text(
        "import hydra\n"
        "from assembler import sweeps\n"
        "@hydra.main(version_base='1.3', config_path='pkg://assembler.conf', config_name='assembler')\n"
        "def main(config):\n"
        "    value = sweeps.job(config)\n"
        "    with open('values.txt', 'a') as file:\n"
        "        print(value, file=file)\n"
        "    return value\n"
        "if __name__ == '__main__':\n"
        "    sweeps.launch(main)\n"
    )
    run("-m", "recipe=lenet5,centered", "task=plan", "objective=plan.macs", script=script)
    run("-m", "recipe=centered", "recipe.checks.mean.equals=0,1", "objective=check.mean", script=script)
    lenet5 = 2 * sum((28 * 28 * 6 * 25, 10 * 10 * 16 * 150, 400 * 120, 120 * 84, 84 * 10))
    values = (tmp_path / "values.txt").read_text().split()
    assert values[:2] == [str(lenet5), "4096"]
    assert abs(float(values[2])) < 1e-6
    assert values[3] == "inf"


@pytest.mark.slow
def test_a_metric_that_a_run_does_not_have_is_told(run):
    done = run("-m", "recipe=centered", "objective=plan.mac")
    assert done.code == 2
    assert (
        "override objective=plan.mac: unknown metric 'plan.mac'. Did you mean 'plan.macs' or 'plan.layers'?" in done.err
    )
    assert not done.folder.exists()
    done = run("-m", "recipe=centered", "objective=check.trains")
    assert done.code == 2
    assert "objective: the run has no metric 'check.trains'. Did you mean 'check.mean' or " in done.err


@pytest.mark.slow
def test_a_layer_registered_in_python_is_known_to_runs(run, tmp_path):
    script = tmp_path / "theirs.py"
    script.write_text(
        "import hydra\n"
        "from mindspore import nn\n"
        "from assembler import register, sweeps\n"
        "@register\n"
        "class Halve(nn.Cell):\n"
        "    def construct(self, x):\n"
        "        return x / 2\n"
        "@hydra.main(version_base='1.3', config_path='pkg://assembler.conf', config_name='assembler')\n"
        "def main(config):\n"
        "    return sweeps.job(config)\n"
        "sweeps.launch(main)\n"
    )
    forget = LAYERS._entries.pop
    done = run("recipe=inline", "recipe.stack=Halve", "recipe.input.shape=[2]", "mode=graph", script=script)
    forget("Halve")
    assert (done.code, done.err) == (0, "")
    wrong = run("recipe=inline", "recipe.stack=Halv", "recipe.input.shape=[2]", script=script)
    forget("Halve")
    assert "no layer named 'Halv'. Did you mean 'Halve'?" in wrong.err
    many = run("-m", "recipe=inline", "recipe.stack=Halve", "recipe.input.shape=[2]", "seed=1,2", script=script)
    forget("Halve")
    assert (many.code, statuses(many.folder)) == (0, ["passed", "passed"])


@pytest.mark.slow
def test_a_script_that_cannot_be_imported_again_is_told(run, tmp_path):
    script = tmp_path / "theirs.py"
    script.write_text(
        "import hydra\n"
        "from assembler import sweeps\n"
        "if __name__ != '__main__':\n"
        "    raise RuntimeError('only ever run')\n"
        "@hydra.main(version_base='1.3', config_path='pkg://assembler.conf', config_name='assembler')\n"
        "def main(config):\n"
        "    return sweeps.job(config)\n"
        "sweeps.launch(main)\n"
    )
    done = run("-m", "recipe=centered", "seed=1,2", script=script)
    assert done.code == 2
    assert f"it cannot be planned: {script} cannot be imported by the process that runs jobs:\n" in done.err
    assert "RuntimeError: only ever run" in done.err


@pytest.mark.slow
def test_jobs_in_folders_inside_folders_are_gathered(run):
    done = run("-m", "seed=0,1", "recipe=centered_vector", "hydra.sweep.subdir='a/${hydra:job.num}'")
    assert [row["job"] for row in rows(done.folder)] == ["a/0", "a/1"]


def test_folders_named_after_overrides(run):
    done = run("-m", "seed=0,1", "recipe=centered_vector", "hydra.sweep.subdir='${hydra.job.override_dirname}'")
    assert [row["job"] for row in rows(done.folder)] == [
        "recipe=centered_vector,seed=0",
        "recipe=centered_vector,seed=1",
    ]


SPELLINGS = {
    "a//${hydra:job.num}": ["a/0", "a/1"],
    "a/./${hydra:job.num}": ["a/0", "a/1"],
    "b/../a/${hydra:job.num}": ["a/0", "a/1"],
    "./${hydra:job.num}/": ["0", "1"],
    "a/${recipe.stack}/b": ["a/Dense(8, 8 / 2 )/b", "a/Dense(8, 16 / 2 )/b"],
}


@pytest.mark.slow
@pytest.mark.parametrize("subdir", SPELLINGS)
def test_a_folder_has_one_spelling(run, subdir):
    stacks = 'recipe.stack="Dense(8, 8 // 2 )","Dense(8, 16 // 2 )"'
    command = ("-m", *INLINE, "task=plan", stacks, f"hydra.sweep.subdir='{subdir}'")
    done = run(*command)
    assert (done.code, done.err) == (0, "")
    assert [row["job"] for row in rows(done.folder)] == SPELLINGS[subdir]
    assert "2 of them are done" in run(*command).out
    assert [row["job"] for row in rows(done.folder)] == SPELLINGS[subdir]


@pytest.mark.parametrize(
    ("values", "subdir", "said"),
    [
        ("x//y,x/y", "${recipe.params.tag}", "two jobs would write to x/y: "),
        ("x/./y,x/y", "${recipe.params.tag}", "two jobs would write to x/y: "),
        ("'x/y/',x/y", "${recipe.params.tag}", "two jobs would write to x/y: "),
        ("x,y", "a", "two jobs would write to a: "),
        ("x,y", "../${recipe.params.tag}", "hydra.sweep.subdir: '../x' is not a folder inside the sweep's"),
        ("x,y", ".", "hydra.sweep.subdir: '.' is not a folder inside the sweep's"),
        ("x,y", "a/..", "hydra.sweep.subdir: 'a/..' is not a folder inside the sweep's"),
        ("x,y", "/tmp/${recipe.params.tag}", "hydra.sweep.subdir: '/tmp/x' is not a folder inside the sweep's"),
    ],
)
def test_error_of_folders_that_jobs_cannot_have(run, values, subdir, said):
    done = run("-m", *INLINE, "recipe.stack=ReLU", f"+recipe.params.tag={values}", f"hydra.sweep.subdir='{subdir}'")
    assert done.code == 2
    assert said in done.err
    assert not (done.folder / "sweep.json").exists()


# ---- what a sweep left may come from anywhere


def large(**more):
    """A result with something in it that nothing reads."""
    return json.dumps({"status": "passed", "started": "2026", "overrides": [], **more}).encode()


HOSTILE = {
    "a pipe": (lambda file: os.mkfifo(file), "is not a regular file"),
    "a folder": (lambda file: file.mkdir(), "Is a directory"),
    "a device": (lambda file: file.symlink_to("/dev/zero"), "is not a regular file"),
    "lists": (lambda file: file.write_bytes(large(x=[[]] * 30_000)), "it has more than 50,000 values"),
    "mappings": (lambda file: file.write_bytes(large(x=[{"a": 1}] * 30_000)), "it has more than 50,000 values"),
    "numbers": (lambda file: file.write_bytes(large(x=[1] * 50_001)), "it has more than 50,000 values"),
    "strings": (lambda file: file.write_bytes(large(x=['\\",'] * 50_001)), "it has more than 50,000 values"),
    "bytes": (lambda file: file.write_bytes(large(x="x" * 2**20)), "it is larger than 1,048,576 bytes"),
    "depth": (lambda file: file.write_bytes(b"[" * 40_000), "it is nested too deep"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", HOSTILE)
@pytest.mark.parametrize("name", ["result.json", "sweep.json"])
def test_a_file_of_a_sweep_that_would_hang_or_fill_the_memory_is_told(tmp_path, monkeypatch, name, make):
    monkeypatch.setattr(records, "MAX_VALUES", 50_000)
    monkeypatch.setattr(records, "MAX_BYTES", 2**20)
    write, said = HOSTILE[make]
    job = tmp_path / "0"
    job.mkdir()
    write(job / name if name == "result.json" else tmp_path / name)
    (job / ".hydra").mkdir()
    if name == "sweep.json":
        with pytest.raises(AssemblerError) as error:
            sweeps.load(tmp_path)
        assert said in str(error.value)
    else:
        table = sweeps.load(tmp_path)
        assert table["status"] == ["error"]
        assert table["message"][0].startswith("its result.json cannot be read: ")
        assert said in table["message"][0]


@pytest.mark.parametrize("text", ["," * 60_000, '\\",' * 60_000, "\\" * 30_001, "[{" * 30_000])
def test_what_is_in_strings_is_no_value(tmp_path, monkeypatch, text):
    monkeypatch.setattr(records, "MAX_VALUES", 50_000)
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "result.json").write_bytes(large(x=text))
    assert sweeps.load(tmp_path)["status"] == ["passed"]


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["pipe", "link", "link to nowhere"])
def test_output_of_a_job_goes_into_a_file_of_its_folder(run, tmp_path, kind):
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "sweep" / "0").mkdir(parents=True)
    file = tmp_path / "sweep" / "0" / "output.txt"
    targets = {"link": tmp_path / "elsewhere", "link to nowhere": tmp_path / "nowhere"}
    file.symlink_to(targets[kind]) if kind in targets else os.mkfifo(file)
    done = run("-m", *INLINE, "task=plan", "recipe.stack=ReLU", "hydra.sweep.subdir='${hydra:job.num}'")
    assert done.code == 0
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


# ---- the table


FORMULAS = {
    "=1+1": "'=1+1",
    "+1+1": "'+1+1",
    "-1+1": "'-1+1",
    "@SUM(1)": "'@SUM(1)",
    "=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0",
    "\t=1": "'\t=1",
    "\r=1": "' =1",
    "a\r=1": "a =1",
    " =1": "' =1",
    "\uff1d1": "'\uff1d1",
    "-": "'-",
    "-1": "-1",
    "+1.5e-3": "+1.5e-3",
    "-inf": "-inf",
    "a=1": "a=1",
    "": "",
}


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_computes_nothing(text):
    table = Table([], [text], [], {})
    table.rows = [dict.fromkeys(table.columns) | {"job": text, text: -1.5}]
    heading, cells = csv.reader(io.StringIO(to_csv(table), newline=""))
    assert heading[2] == FORMULAS[text]
    assert cells[0] == FORMULAS[text]
    assert cells[2] == "-1.5"


def test_a_formula_in_a_recipe_is_text_in_the_table(run):
    done = run("-m", *INLINE, "task=plan", "recipe.stack=ReLU,Sigmoid", "recipe.name='=1+1'", "+recipe.params.a=-1")
    assert [row["recipe.name"] for row in rows(done.folder)] == ["'=1+1"] * 2
    assert [row["recipe.params.a"] for row in rows(done.folder)] == ["-1"] * 2
    assert sweeps.load(done.folder)["recipe.name"] == ["=1+1"] * 2


@pytest.mark.slow
def test_the_table_in_other_forms(run):
    done = run("-m", "recipe=centered,lenet5", "seed=1", "checks=none,quick", "+recipe.params.Seed=1")
    table = sweeps.load(done.folder)
    assert table["recipe"] == ["centered", "centered", "lenet5", "lenet5"]
    assert table["plan.parameters"] == [1152, 1152, 61706, 61706]
    assert table["checks.total"] == [None, 6, 2, 6]
    with closing(sqlite3.connect(done.folder / "sweep.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        of_sqlite = [dict(row) for row in connection.execute("SELECT * FROM jobs")]
    assert [row["plan.macs"] for row in of_sqlite] == table["plan.macs"]
    assert list(of_sqlite[0]) == list(table) == list(rows(done.folder)[0])


def test_there_is_no_table_of_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no job of a sweep in"):
        sweeps.load(tmp_path)


def test_jobs_of_a_search_are_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 9, 100):
        (tmp_path / str(number)).mkdir()
        record = {"status": "passed", "started": "2026", "overrides": []}
        (tmp_path / str(number) / "result.json").write_text(json.dumps(record))
    assert sweeps.load(tmp_path)["job"] == ["9", "10", "100"]


def test_a_job_of_a_search_without_a_result_is_told(tmp_path):
    (tmp_path / "0" / ".hydra").mkdir(parents=True)
    (tmp_path / "0" / ".hydra" / "overrides.yaml").write_text("- seed=1\n")
    table = sweeps.load(tmp_path)
    assert (table["job"], table["status"], table["message"]) == (["0"], ["error"], ["it left no result.json"])


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ([1, None, 2.5], [1.0, None, 2.5]),
        ([1, 2], [1, 2]),
        ([True, None], [True, None]),
        ([1, "auto", True], ["1", "auto", "true"]),
        ([True, 1], ["true", "1"]),
    ],
)
def test_a_column_holds_values_of_one_type(values, column):
    from assembler.sweeps.columns import _of_one_type

    assert [(type(one), one) for one in _of_one_type(values)] == [(type(one), one) for one in column]


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("seed=1", "seed", 1),
        ("+recipe.params.rate=1e-3", "recipe.params.rate", 0.001),
        ("++a.b=true", "a.b", True),
        ("recipe.stack='Dense(8, 1)'", "recipe.stack", "Dense(8, 1)"),
        ("mode=graph", "mode", "graph"),
        ("recipe.input.shape=[4,8]", "recipe.input.shape", "[4,8]"),
        ("a=b=c", "a", "b=c"),
        ("rate=inf", "rate", "inf"),
        ("~checks", "~checks", True),
    ],
)
def test_overrides_are_columns(line, key, value):
    from assembler.sweeps.table import values_of

    assert values_of([line, "sweep.name=x", "objective=plan.macs"]) == {key: value}


def test_metrics_of_a_run():
    from assembler.settings.metrics import metrics_of

    bench = {"first_call": 0.5, "latency": 0.002, "throughput": 500.0, "memory": None}
    record = {
        "mode": "graph",
        "plan": {"layers": [{}, {}], "parameters": 7, "macs": 3, "input": None},
        "outcomes": [
            {"check": "mean", "measured": 0.25, "passed": True},
            {"check": "mean", "measured": 1, "passed": False},
            {"check": "output", "measured": [4, 1], "passed": True},
            {"check": "trains", "measured": "nan", "passed": False},
            {"check": "frozen", "measured": 3, "passed": True, "applies": False},
        ],
        "bench": [{"mode": "pynative", **bench}, {"mode": "graph", **bench, "latency": 0.001}],
        "seconds": {"plan": 0.25, "build": 1.0},
    }
    assert metrics_of(record) == {
        "plan.layers": 2,
        "plan.parameters": 7,
        "plan.macs": 3,
        "checks.passed": 2,
        "checks.total": 4,
        "check.mean": 0.25,
        "check.mean.2": 1,
        "bench.latency_ms": 1.0,
        "bench.first_call_ms": 500.0,
        "bench.throughput": 500.0,
        "seconds": 1.25,
    }


def test_the_live_line_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with SweepLine(3) as line:
        line.through("passed", "seed=1", 0.5, "")
        line.through("failed", "seed=2", 0.5, "mean failed")
        line.draw(1)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "[2/3] failed  seed=2  0.5 s  mean failed" in printed.err
    assert "2 done, 1 not passed, 1 running" in printed.err
    assert "2/3" in printed.err


def test_a_process_keeps_the_registry_of_the_last_job(monkeypatch):
    relu, gelu = ({"mine": {"Own": f"mindspore.nn.{name}"}} for name in ("ReLU", "GELU"))
    kept = Kept()
    registry = kept.registry_of(relu)
    assert kept.registry_of({"mine": {"Own": "mindspore.nn.ReLU"}}) is registry
    assert kept.registry_of(gelu)["Own"].target == "mindspore.nn.GELU"
    monkeypatch.setattr(LAYERS, "trusted", (*LAYERS.trusted, "others"))
    assert "others" in kept.registry_of(gelu).trusted


def test_a_process_keeps_the_plans_of_the_last_jobs(tmp_path, monkeypatch):
    kept, scopes = Kept(), {"mine": {"Own": "mindspore.nn.ReLU"}}
    config = {"recipe": {"stack": "Own", "params": {"a": 1}}, "seed": 0, "mode": "graph", "dtype": "float32"}
    known = kept.plan_of(config, scopes)
    assert kept.plan_of({**config, "seed": 1, "mode": "pynative"}, scopes) is known
    assert kept.plan_of({**config, "recipe": {"stack": "Own", "params": {"a": True}}}, scopes) is not known
    assert kept.plan_of({**config, "dtype": "float16"}, scopes) is not known
    assert kept.plan_of(config, scopes) is known
    monkeypatch.chdir(tmp_path)
    assert kept.plan_of(config, scopes) is not known
    monkeypatch.undo()
    assert kept.plan_of(config, {"mine": {"Own": "mindspore.nn.GELU"}}) is not known
    assert kept.plan_of(config, scopes) is not known  # another registry has dropped it


def test_a_job_that_takes_the_plan_of_another_leaves_the_same_files(tmp_path, monkeypatch, capfd):
    recipe = {"name": "two", "input": {"shape": [4, 8]}, "stack": "Dense(8, 8) + Dense(8, 3)"}
    config = {"recipe": recipe, "registry": {"mine": {"Dense": "mindspore.nn.Dense"}}, "task": {"name": "plan"}}
    about = {"program": [], "overrides": [], "identity": "0"}

    def left(name, kept):
        (folder := tmp_path / name).mkdir()
        assert tasks.run(lambda: config, folder, Sources({}, []), about, alone=False, kept=kept) == 0
        files = {file.name: file.read_text() for file in folder.iterdir()}
        files["result.json"] = {**json.loads(files["result.json"]), "started": "", "seconds": {}}
        return {**files, "printed": capfd.readouterr().out.replace(name, "")}

    kept = Kept()
    first = left("first", kept)
    assert {"result.json", "recipe.yaml", "diagram.mmd", "printed"} <= set(first)
    assert left("alone", Kept()) == first
    monkeypatch.setattr(pipeline, "plan", None)
    assert left("second", kept) == first


def test_a_process_frees_the_model_of_a_job(tmp_path):
    """Or it holds as many models as it has run jobs, until Python next searches for cyclic garbage."""
    recipe = {"name": "one", "input": {"shape": [4, 8]}, "stack": "Dense(8, 3)"}
    config = {"recipe": recipe, "registry": {"mine": {"Dense": "mindspore.nn.Dense"}}, "task": {"name": "check"}}
    request = {"folder": str(tmp_path), "config": config, "sources": {"files": {}, "overrides": []}, "seconds": 60}

    def parameters():
        return sum(Parameter in type(one).__mro__ for one in gc.get_objects())

    before = parameters()
    gc.disable()
    try:
        assert child.ANSWERS["run"]({**request, "about": {"program": [], "overrides": [], "identity": "0"}}) == {
            "code": 0
        }
        assert parameters() <= before
    finally:
        gc.enable()


@pytest.mark.parametrize("recipe", [{"file": "yolo.yaml"}, {"stack": "ReLU", "init": {"*": {"file": "a.npz"}}}])
def test_a_recipe_that_names_files_is_planned_anew(recipe):
    kept = Kept()
    assert kept.plan_of({"recipe": recipe}, {}) is not kept.plan_of({"recipe": recipe}, {})


def test_the_plans_that_a_process_keeps_have_a_limited_number_of_rows(monkeypatch):
    monkeypatch.setattr(Known, "rows", 900)
    kept = Kept()
    first, second, third = (kept.plan_of({"dtype": number}, {}) for number in range(3))
    assert kept.plan_of({"dtype": 1}, {}) is second
    assert kept.plan_of({"dtype": 0}, {}) is not first
    monkeypatch.setattr(Known, "rows", MAX_ROWS + 1)
    last = kept.plan_of({"dtype": 3}, {})
    assert kept.plan_of({"dtype": 3}, {}) is last  # a plan of any size serves the next job
    assert kept.plan_of({"dtype": 2}, {}) is not third


def test_a_request_has_a_registry_only_if_it_is_another_one():
    process = Child()
    one, other = {"mine": {"Own": "a.B"}}, {"mine": {"Own": "a.C"}}
    sent = [
        process._brief({"do": "run", "config": {"seed": 1, "registry": registry}}) for registry in (one, one, other)
    ]
    assert [request["config"].get("registry") for request in sent] == [one, None, other]
    assert [request.get("same_registry") for request in sent] == [None, True, None]
    assert sent[1]["config"] == {"seed": 1}


def test_the_process_that_hands_out_jobs_does_without_mindspore():
    code = "import sys, assembler.launch, assembler.views.page, assembler.views.diagram; sys.exit('mindspore' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
