"""The table of metrics: what lists metrics reads them there."""

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest

from assembler.settings import Expect
from assembler.settings.metrics import METRICS, plan_metrics
from tests.conftest import ROOT, data_of_page

ONE_MORE = """
METRICS = (
    *METRICS,
    _of_plan(
        "widest", "widest layer", "The most parameters of a layer.",
        lambda plan: max(row.parameters for row in plan.rows), less_is_better=True,
    ),
)
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of two jobs by an assembler whose table of metrics has one line more."""
    folder = tmp_path_factory.mktemp("more")
    shutil.copytree(ROOT / "assembler", folder / "assembler")
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copy(ROOT / "run.py", folder)
    table = folder / "assembler" / "settings" / "metrics.py"
    before, marker, after = table.read_text().partition("\n\ndef plan_metrics(")
    table.write_text(before + ONE_MORE + marker + after)
    arguments = [
        "recipe=inline", 'recipe.stack="Dense(8, 4) + Dense(4, 2)"', "recipe.input.shape=[4,8]", "seed=1,2", "hydra.sweep.dir=sweep",
        "+recipe.expect.widest=36", "+checks.run.budget={widest: 40, memory: 1000}", "objective=plan.widest",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "run.py", "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "140"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "sweep", done.stdout


def test_a_metric_that_is_added_is_in_the_result_and_what_a_recipe_expects(swept):
    record = json.loads((swept[0] / "0" / "result.json").read_text())
    assert record["plan"]["widest"] == 36
    measured = {outcome["check"]: (outcome["measured"], outcome["detail"]) for outcome in record["outcomes"]}
    assert measured["expect.widest"] == (36, "")
    assert measured["budget"] == (0.9, "184 bytes of parameters of 1,000, 36 widest layer of 40")


def test_a_metric_that_is_added_is_in_the_table_of_a_sweep(swept):
    folder, printed = swept
    with (folder / "sweep.csv").open() as file:
        assert [row["plan.widest"] for row in csv.DictReader(file)] == ["36", "36"]
    (heading,) = [line for line in printed.splitlines() if "status" in line]
    assert "widest layer" in heading
    assert "plan.widest" in heading  # as the objective
    assert {"widest": 36}.items() <= json.loads((folder / "sweep.json").read_text())["jobs"][0]["plan"].items()


def test_a_metric_that_is_added_is_on_the_page(swept):
    columns = json.loads(data_of_page((swept[0] / "sweep.html").read_text()))["columns"]
    properties = {"unit": "", "best": "min", "aside": False, "quartiles": None}
    assert ["plan.widest", "metric", properties, "plan.widest"] in columns  # a check is called expect.widest


def test_a_metric_that_is_added_is_below_the_layers_of_a_plan(swept):
    assert "MACs, 36 widest layer" in (swept[0] / "0" / "output.txt").read_text()


def test_each_metric_has_a_name_of_its_own():
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_a_recipe_expects_metrics_that_are_exact():
    exact = [metric.key for metric in plan_metrics() if not metric.is_estimate]
    assert list(Expect.model_fields) == [*exact, "output"]
    assert "activations" not in exact


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("plan.macs", 1234567, "1,234,567"),
        ("plan.parameter_memory", 246784, "241.0 KiB"),
        ("bench.latency_ms", 1.23456, "1.235 ms"),
        ("bench.latency_ms", 1500.0, "1.500 s"),
        ("bench.throughput", 12345.6, "12,346"),
        ("seconds", 1.23456, "1.235"),
    ],
)
def test_a_metric_is_printed_by_its_unit(name, value, text):
    (metric,) = [metric for metric in METRICS if metric.name == name]
    assert metric.print(value) == text
