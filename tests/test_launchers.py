"""Sweeps in parallel, on clusters, and by a search: what runs the jobs, and who chooses them."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from hydra.errors import MissingConfigException

from assembler.hydra_edge.explain import explain
from tests.conftest import ROOT
from tests.test_sweeps import INLINE, REAL, layer, rows, statuses, times, wait_for  # noqa: F401 - a fixture

RUN = [sys.executable, str(ROOT / "run.py"), "-m"]


def command(*arguments, cwd, timeout=240, **environment):
    """A sweep in a process of its own, as people start it."""
    done = subprocess.run(
        [*RUN, *arguments], cwd=cwd, capture_output=True, text=True, timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(cwd), "TMPDIR": str(cwd), **environment},  # cores are shared out there
    )  # fmt: skip
    return done


@pytest.mark.slow
@pytest.mark.parametrize("how", [[], ["hydra.sweep.dir=elsewhere/deep"]])
def test_joblib_runs_jobs_side_by_side(tmp_path, layer, how):  # noqa: F811
    own = layer(
        "if float(x.max().asnumpy()) > 0.5:\n"
        "    with open(f'core-{os.getpid()}', 'w') as file:\n"
        "        print(sorted(os.sched_getaffinity(0)), file=file)\n"
        "    time.sleep(1)\n"
        "return x"
    )
    arguments = [own, *INLINE, "recipe.stack=Own", "recipe.input.sample=uniform", "seed=0,1,2,3,4,5", "sweep.name=j"]
    done = command("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *arguments, *how, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "elsewhere" / "deep" if how else tmp_path / "multirun" / "j"
    assert statuses(folder) == ["passed"] * 6
    processes = sorted(tmp_path.glob("core-*"))
    assert len(processes) == 2
    if os.cpu_count() == 2:  # each has a core of its own
        assert len({file.read_text() for file in processes}) == 2


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_at_most_what_it_was_at(tmp_path, layer):  # noqa: F811
    """Not the process of a job, which ends often enough, but the launcher's worker above it."""
    own = layer(
        "if float(x.max().asnumpy()) > 0.5 and not os.path.exists('killed'):\n"
        "    open('killed', 'w').close()\n"
        "    os.kill(os.getppid(), signal.SIGKILL)\n"
        "    time.sleep(60)\n"
        "return x"
    )
    done = command(
        "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", own, *INLINE, "recipe.stack=Own",
        "recipe.input.sample=uniform", "seed=0,1,2,3,4,5", "sweep.name=j", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0
    assert (tmp_path / "killed").exists()
    assert statuses(tmp_path / "multirun" / "j") == ["passed"] * 6


@pytest.mark.slow
def test_a_launcher_that_cannot_run_is_told_and_jobs_stay_to_be_run(tmp_path, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="pip install -e '.[slurm]'")
    done = command("hydra/launcher=slurm", "recipe=centered_vector", "seed=1,2", "sweep.name=s", cwd=tmp_path)
    assert done.returncode == 2
    assert 'the launcher ran none of the 2 remaining jobs: RuntimeError: Could not detect "srun"' in done.stderr
    assert statuses(tmp_path / "multirun" / "s") == ["pending", "pending"]
    done = command("recipe=centered_vector", "seed=1,2", "sweep.name=s", cwd=tmp_path)
    assert statuses(tmp_path / "multirun" / "s") == ["passed", "passed"]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (
            "hydra/launcher/submitit_slurm",
            "hydra/launcher=submitit_slurm requires a package: pip install 'assembler[slurm]'",
        ),
        ("hydra/launcher/ray", "hydra/launcher=ray requires a package: pip install 'assembler[ray]'"),
        ("hydra/sweeper/optuna", "hydra/sweeper=optuna requires a package: pip install 'assembler[optuna]'"),
    ],
)
def test_what_is_not_installed_is_told_with_its_package(missing, said):
    assert explain(MissingConfigException("", missing), []) == said


# ---- with what is installed for it


@pytest.mark.slow
def test_submitit_runs_the_path_of_slurm_on_this_machine(tmp_path):
    pytest.importorskip("submitit", reason="pip install -e '.[slurm]'")
    arguments = ["hydra/launcher=submitit_local", "recipe=centered,mylinear", "seed=1,2", "sweep.name=s"]
    done = command(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert statuses(tmp_path / "multirun" / "s") == ["passed"] * 4


@pytest.mark.slow
def test_slurm_gets_what_the_preset_says(tmp_path, monkeypatch):
    """A stand-in for sbatch takes the script that Slurm would get and runs it for each job of the array."""
    pytest.importorskip("submitit", reason="pip install -e '.[slurm]'")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "sbatch").write_text(
        "#!/usr/bin/env python3\n"
        "import os, re, subprocess, sys\n"
        "text = open(sys.argv[-1]).read()\n"
        "open(os.environ['SEEN'], 'w').write(text)\n"
        "last = int((re.search(r'--array=0-(\\d+)', text) or [0, -1])[1])\n"
        "for number in range(last + 1) if last >= 0 else [None]:\n"
        "    one = {} if number is None else {'SLURM_ARRAY_JOB_ID': '7', 'SLURM_ARRAY_TASK_ID': str(number)}\n"
        "    given = {**os.environ, 'SLURM_JOB_ID': '7', 'SLURM_PROCID': '0', 'SLURM_LOCALID': '0', 'SLURM_NTASKS': '1',\n"
        "             'SLURM_JOB_NUM_NODES': '1', 'SLURM_NODEID': '0', 'SLURM_JOB_NODELIST': 'here', **one}\n"
        "    subprocess.Popen(['bash', '-c', text], env=given, stdout=-3, stderr=-3, start_new_session=True)\n"
        "print('Submitted batch job 7')\n"
    )
    (tools / "srun").write_text('#!/usr/bin/env bash\nwhile [[ $1 != *python* ]]; do shift; done\nexec "$@"\n')
    (tools / "sacct").write_text("#!/usr/bin/env bash\necho 'JobID|State|NodeList'\necho '7_0|COMPLETED|here'\n")
    (tools / "scontrol").write_text("#!/usr/bin/env bash\necho here\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    done = command(
        "hydra/launcher=slurm", "hydra.launcher.partition=short", "recipe=centered,mylinear", "sweep.name=s",
        cwd=tmp_path, PATH=f"{tools}:{os.environ['PATH']}", SEEN=str(tmp_path / "seen"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path / "multirun" / "s") == ["passed"] * 2
    script = (tmp_path / "seen").read_text()
    for line in ("--partition=short", "--cpus-per-task=2", "--mem=8GB", "--time=60", "--array=0-1%2"):
        assert f"#SBATCH {line}" in script


@pytest.mark.slow
def test_a_ray_cluster_of_three_nodes_runs_jobs(tmp_path):
    pytest.importorskip("ray", reason="pip install -e '.[ray]'")
    script = tmp_path / "cluster.py"
    script.write_text(
        "import subprocess, sys\n"
        "from ray.cluster_utils import Cluster\n"
        "cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 1, 'include_dashboard': False})\n"
        "cluster.add_node(num_cpus=1)\n"
        "cluster.add_node(num_cpus=1)\n"
        "cluster.wait_for_nodes()\n"
        "address = f'hydra.launcher.ray.init.address={cluster.address}'\n"
        "code = subprocess.run([*sys.argv[1:], address]).returncode\n"
        "cluster.shutdown()\n"
        "sys.exit(code)\n"
    )
    arguments = ["hydra/launcher=ray_cluster", "recipe=centered,mylinear", "seed=1,2,3", "sweep.name=r"]
    done = subprocess.run(
        [sys.executable, str(script), *RUN, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path / "multirun" / "r") == ["passed"] * 6
    assert "[6/6] passed" in done.stdout


@pytest.mark.slow
def test_a_search_finds_a_model_within_its_budget(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="pip install -e '.[optuna]'")
    done = command("+search=shrink_mlp", "sweep.name=s", cwd=tmp_path)
    assert done.returncode == 1  # some were over it
    table = rows(tmp_path / "multirun" / "s")
    within = [row for row in table if int(row["plan.parameters"]) <= 50_000]
    assert 0 < len(within) < len(table) == 20
    assert all(row["status"] == ("passed" if row in within else "failed") for row in table)
    best = max(within, key=lambda row: float(row["check.trains"]))
    assert f"Best value: {float(best['check.trains'])}" in done.stdout
    widths = {
        "recipe.params.width": int(best["recipe.params.width"]),
        "recipe.params.depth": int(best["recipe.params.depth"]),
    }
    assert f"Best parameters: {widths}" in done.stdout
    before = times(tmp_path / "multirun" / "s")
    again = command("+search=shrink_mlp", "sweep.name=s", cwd=tmp_path)
    assert again.returncode == 1
    assert times(tmp_path / "multirun" / "s") == before


@pytest.mark.slow
def test_more_than_a_hundred_jobs_in_parallel_killed_twice(tmp_path):
    """Width, depth, mode and dtype of two recipes: a row for each in the end, whatever happened on the way."""
    arguments = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "sweep.name=hundred", "checks=none"]
    grid = ["recipe=mlp,vit_b_16", "recipe.params.width=12,24,36,48,60", "recipe.params.depth=1,2,3"]
    grid += ["mode=pynative,graph", "dtype=float32,float16", "recipe.input.shape=[1,3,32,32]", "++recipe.expect=null"]
    folder = tmp_path / "multirun" / "hundred"
    chance = random.Random()
    done = {}
    for _ in range(2):
        process = subprocess.Popen(
            [*RUN, *arguments, *grid], cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE
        )
        enough = len(done) + chance.randrange(5, 30)
        wait_for(lambda enough=enough: len(times(folder)) >= enough, 200)
        time.sleep(chance.random())
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert done.items() <= times(folder).items()
        done = times(folder)
    last = command(*arguments, *grid, cwd=tmp_path, timeout=600)
    assert last.returncode == 0, last.stderr
    assert done.items() <= times(folder).items()
    table = rows(folder)
    assert [row["status"] for row in table] == ["passed"] * 120
    does = ("recipe", "recipe.params.width", "recipe.params.depth", "mode", "dtype")
    assert len({tuple(row[name] for name in does) for row in table}) == 120
    assert len(list(folder.glob("*/result.json"))) == 120
