"""Multirun, and the edge to Hydra."""

import csv
import json

from assembler import LAYERS, sweeps


def rows(folder):
    with (folder / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def test_four_jobs_run_and_a_table_closes_them(run):
    done = run("-m", "recipe=centered,mylinear", "mode=pynative,graph")
    assert (done.code, done.err) == (0, "")
    assert [(row["overrides"], row["status"], row["checks"]) for row in rows(done.folder)] == [
        ("recipe=centered mode=pynative", "passed", "6/6"),
        ("recipe=centered mode=graph", "passed", "6/6"),
        ("recipe=mylinear mode=pynative", "passed", "5/5"),
        ("recipe=mylinear mode=graph", "passed", "5/5"),
    ]
    assert done.out.endswith("4 jobs: 4 passed\ntable: sweep/sweep.csv\n")
    modes = [json.loads((done.folder / str(n) / "result.json").read_text())["mode"] for n in range(4)]
    assert modes == ["pynative", "graph", "pynative", "graph"]


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


def test_one_wrong_job_neither_stops_nor_hides_the_others(run):
    done = run("-m", 'recipe.stack="Dense(8,128)+Centered","Dence(8,128)"', "recipe.checks.mean.equals=0,1")
    assert done.code == 2
    assert [row["status"] for row in rows(done.folder)] == ["passed", "failed", "error", "error"]
    message = rows(done.folder)[2]["message"]
    assert message.endswith("no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?")
    assert "Traceback" not in done.err


def test_a_sweep_whose_composition_is_wrong_starts_no_job(run):
    done = run("-m", "recipe=centered,nowhere")
    assert done.code == 2
    assert done.err.startswith("no recipe named 'nowhere'.")
    assert not (done.folder / "sweep.csv").exists()


def test_an_earlier_sweep_in_the_same_folder_is_not_counted(run, tmp_path):
    run("-m", "seed=0,1,2", "recipe=centered_vector")
    for file in (tmp_path / "sweep").glob("*/result.json"):
        data = json.loads(file.read_text())
        data["started"] = "2020-01-01T00:00:00+00:00"
        file.write_text(json.dumps(data))
    done = run("-m", "seed=0,1", "recipe=centered_vector")
    assert len(rows(done.folder)) == 2
    assert "2 jobs: 2 passed" in done.out


def test_a_job_without_a_result_is_told(tmp_path):
    (tmp_path / "0" / ".hydra").mkdir(parents=True)
    (tmp_path / "0" / ".hydra" / "overrides.yaml").write_text("- seed=1\n")
    (row,) = sweeps.gather(tmp_path)
    assert (row["job"], row["status"], row["message"]) == ("0", "error", "it left no result.json")


def test_jobs_are_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 9, 100):
        (tmp_path / str(number)).mkdir()
        record = {"status": "passed", "started": "2026", "overrides": []}
        (tmp_path / str(number) / "result.json").write_text(json.dumps(record))
    assert [row["job"] for row in sweeps.gather(tmp_path)] == ["9", "10", "100"]


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


def test_jobs_in_folders_inside_folders_are_gathered(run):
    done = run("-m", "seed=0,1", "recipe=centered_vector", "hydra.sweep.subdir='a/${hydra:job.num}'")
    assert [row["job"] for row in rows(done.folder)] == ["a/0", "a/1"]


def test_a_job_that_fails_in_another_precision_leaves_none_behind(run, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.assembler]\ntrusted = ["theirs"]\n')
    (tmp_path / "theirs.py").write_text(
        "from mindspore import float16, nn\n\n\n"
        "class Casts(nn.Cell):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.to_float(float16)\n\n"
        "    def construct(self, x):\n"
        "        raise KeyError(x)\n"
    )
    done = run(
        "-m",
        "+registry.mine.Casts=theirs.Casts",
        "recipe=inline",
        'recipe.stack="Casts","Dense(8,8)"',
        "recipe.input.shape=[4,8]",
        "+checks.run.reference={}",
        "+checks.run.output.dtype=float32",
    )
    assert [row["status"] for row in rows(done.folder)] == ["error", "passed"]
