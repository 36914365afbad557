"""Groups of jobs: what is grouped, and the statistics against NumPy and closed forms."""

import csv
import io
import json
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from assembler import sweeps
from assembler.errors import SettingsError
from assembler.settings.groups import group_jobs, has_seeds, statistics_of, t_quantile
from assembler.sweeps import report
from assembler.sweeps.columns import print_csv
from assembler.views.groups import print_groups
from assembler.words import short_names
from tests.conftest import data_of_page

# ---- statistics

# The 97.5 % quantiles of Student's t, as tables in books print them.
PRINTED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 29: 2.045, 120: 1.980, 10**7: 1.960}


@pytest.mark.parametrize("degrees", PRINTED)
def test_quantiles_are_those_of_printed_tables(degrees):
    assert round(t_quantile(degrees), 3) == PRINTED[degrees]


def test_quantiles_agree_with_closed_forms():
    p = 0.975
    assert t_quantile(1) == pytest.approx(math.tan(math.pi * (p - 0.5)), rel=1e-12)
    assert t_quantile(2) == pytest.approx((2 * p - 1) * math.sqrt(2 / (4 * p * (1 - p))), rel=1e-12)
    root = math.sqrt(a := 4 * p * (1 - p))
    q = math.cos(math.acos(root) / 3) / root
    assert t_quantile(4) == pytest.approx(2 * math.sqrt(q - 1), rel=1e-12), a


def test_the_interval_contains_the_mean_as_often_as_it_says():
    draw = np.random.default_rng(0).normal(3.0, 2.0, (20_000, 5))
    half = np.array([statistics_of(values).half for values in draw.tolist()])
    inside = np.abs(draw.mean(axis=1) - 3.0) <= half
    assert abs(inside.mean() - 0.95) < 4 * math.sqrt(0.95 * 0.05 / len(draw))


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


@given(st.lists(NUMBERS, min_size=2, max_size=20))
def test_statistics_agree_with_exact_ones(values):
    found = statistics_of(values)
    exact = statistics.stdev(values)
    largest = max(map(abs, values))
    assert (found.n, found.min, found.max) == (len(values), np.min(values), np.max(values))
    assert found.mean == pytest.approx(statistics.mean(values), rel=1e-12, abs=1e-15 * largest)
    assert found.std == pytest.approx(exact, rel=1e-9, abs=1e-15 * largest)
    assert found.min < found.max or (found.mean, found.std, found.half) == (values[0], 0, 0)


def test_statistics_agree_with_numpy():
    values = [0.81, 0.79, 0.84, 0.8, 0.77]
    found = statistics_of(values)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-15)
    assert found.std == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    half = 2.7764451051977987 * np.std(values, ddof=1) / np.sqrt(5)  # t for 4 degrees of freedom, by R's qt(0.975, 4)
    assert (found.low, found.high) == pytest.approx((np.mean(values) - half, np.mean(values) + half), rel=1e-12)


@pytest.mark.parametrize("values", [[1e-320, 2e-320], [1e308, -1e308], [5e-324, 1e-310]])
def test_squares_neither_vanish_nor_overflow(values):
    found = statistics_of(values)
    assert found.std == pytest.approx(abs(values[0] / math.sqrt(2) - values[1] / math.sqrt(2)), rel=1e-3)


def test_one_value_has_no_interval():
    found = statistics_of([0.5])
    assert (found.n, found.mean, found.min, found.max) == (1, 0.5, 0.5, 0.5)
    assert (found.std, found.half, found.low, found.high) == (None, None, None, None)


# ---- groups


def jobs(lost=()):
    """Two widths with three seeds; the jobs in ``lost`` have an error and no accuracy."""
    return [
        {
            "job": str(at),
            "status": "error" if at in lost else "passed",
            "recipe": "mlp",
            "width": width,
            "seed": seed,
            "plan.parameters": 10 * width,
            "check.accuracy": None if at in lost else width + seed / 10,
        }
        for at, (width, seed) in enumerate((width, seed) for width in (8, 16) for seed in (1, 2, 3))
    ]


KEYS, METRICS = ["recipe", "width", "seed"], ["plan.parameters", "check.accuracy"]


def test_jobs_are_grouped_by_all_that_varies_except_the_seed():
    found = group_jobs(jobs(), KEYS, METRICS)
    assert (found.by, found.over) == (["width"], ["seed"])
    assert [(group.values, group.jobs) for group in found.groups] == [
        ({"width": 8}, ["0", "1", "2"]),
        ({"width": 16}, ["3", "4", "5"]),
    ]
    accuracy = found.groups[1].metrics["check.accuracy"]
    assert (accuracy.n, accuracy.mean) == (3, pytest.approx(np.mean([16.1, 16.2, 16.3])))
    assert accuracy.std == pytest.approx(0.1)
    assert found.varied() == ["check.accuracy"]


@pytest.mark.parametrize(
    ("by", "sizes", "over"),
    [
        (["seed"], [2, 2, 2], ["width"]),
        ([], [6], ["width", "seed"]),
        (["width", "seed"], [1] * 6, []),
        (["recipe"], [6], ["width", "seed"]),
    ],
)
def test_any_keys_can_be_chosen(by, sizes, over):
    found = group_jobs(jobs(), KEYS, METRICS, by)
    assert [len(group.jobs) for group in found.groups] == sizes
    assert found.over == over


def test_lost_jobs_are_counted_and_the_others_give_the_statistics():
    rows = jobs(lost=(0, 3, 4))
    rows[5]["status"] = "pending"
    first, second = group_jobs(rows, KEYS, METRICS).groups
    assert (first.failed, first.pending, len(first.jobs)) == (1, 0, 3)
    assert (second.failed, second.pending, len(second.jobs)) == (2, 1, 3)
    assert first.metrics["check.accuracy"].n == 2
    assert second.metrics["check.accuracy"].std is None
    assert second.metrics["plan.parameters"].n == 3


def test_a_job_that_failed_a_check_keeps_its_values():
    rows = jobs()
    rows[0]["status"] = "failed"
    first = group_jobs(rows, KEYS, METRICS).groups[0]
    assert (first.failed, first.metrics["check.accuracy"].n) == (1, 3)


def test_error_unknown_key():
    with pytest.raises(SettingsError) as error:
        group_jobs(jobs(), KEYS, METRICS, ["widht"])
    assert str(error.value) == "no job sets 'widht'. Did you mean 'width'?"
    with pytest.raises(SettingsError) as error:
        group_jobs(jobs(), KEYS, METRICS, ["momentum"])
    assert str(error.value) == "no job sets 'momentum'. The jobs set recipe, width, seed."


def test_a_sweep_without_seeds_has_none_to_show():
    assert has_seeds(jobs())
    assert not has_seeds([row | {"seed": 1} for row in jobs()])
    assert not has_seeds([{"job": "0", "status": "passed"}])


# ---- files, Python, terminal, a running sweep


def write_sweep(folder, lost=()):
    """A folder of a sweep as jobs leave it."""
    entries = []
    for row in jobs(lost):
        overrides = [f"+recipe.params.width={row['width']}", f"seed={row['seed']}"]
        outcome = {"check": "accuracy", "passed": True, "measured": row["check.accuracy"]}
        result = {
            "status": row["status"],
            "started": "2026",
            "overrides": overrides,
            "identity": row["job"],
            "error": "it stopped" if row["status"] == "error" else None,
            "outcomes": [] if row["status"] == "error" else [outcome],
        }
        (folder / row["job"]).mkdir(parents=True)
        (folder / row["job"] / "result.json").write_text(json.dumps(result))
        entries.append({"job": row["job"], "identity": row["job"], "overrides": overrides, "plan": {"parameters": 7}})
    (folder / "sweep.json").write_text(json.dumps({"version": 1, "jobs": entries}))


def test_a_loaded_sweep_has_groups(tmp_path):
    write_sweep(tmp_path, lost=(4,))
    table = sweeps.load(tmp_path).groups()
    accuracy = [at for at, name in enumerate(table["metric"]) if name == "check.accuracy"]
    column = {name: [values[at] for at in accuracy] for name, values in table.items()}
    assert (column["recipe.params.width"], column["jobs"], column["failed"], column["n"]) == (
        [8, 16],
        [3, 3],
        [0, 1],
        [3, 2],
    )
    assert column["mean"] == pytest.approx([np.mean([8.1, 8.2, 8.3]), np.mean([16.1, 16.3])])
    assert column["std"] == pytest.approx([np.std([8.1, 8.2, 8.3], ddof=1), np.std([16.1, 16.3], ddof=1)])
    assert column["high"][1] - column["mean"][1] == pytest.approx(12.7062047 * column["std"][1] / math.sqrt(2))
    assert sweeps.load(tmp_path).groups(by=[])["jobs"][0] == 6
    assert "<td" in sweeps.load(tmp_path).groups()._repr_html_()


def end_of(folder, **options):
    report.begin(folder, **options)
    report.jobs([str(at) for at in range(6)], is_named=False)
    return report.end()


def test_the_end_of_a_sweep_writes_and_prints_its_groups(tmp_path, capsys):
    write_sweep(tmp_path, lost=(4,))
    assert end_of(tmp_path) == 2
    printed = capsys.readouterr().out
    assert "2 groups over seed" in printed
    row = next(line for line in printed.splitlines() if "  width=16" in line)
    assert row.split()[:4] == ["width=16", "2", "1", "16.20"]
    with (tmp_path / "groups.csv").open() as file:
        written = list(csv.DictReader(file))
    loaded = sweeps.load(tmp_path).groups()
    assert [row["metric"] for row in written] == loaded["metric"]
    assert [float(row["mean"]) for row in written] == loaded["mean"]


def test_a_sweep_without_seeds_is_as_it_was(tmp_path, capsys):
    write_sweep(tmp_path)
    for file in [tmp_path / "sweep.json", *(tmp_path / str(at) / "result.json" for at in range(6))]:
        file.write_text(file.read_text().replace("seed=", "mode="))
    assert end_of(tmp_path) == 0
    assert "group" not in capsys.readouterr().out
    assert not (tmp_path / "groups.csv").exists()
    assert end_of(tmp_path, by=["mode"]) == 0
    assert "3 groups over recipe.params.width" in capsys.readouterr().out
    assert (tmp_path / "groups.csv").exists()


def test_keys_that_no_job_of_a_search_sets_are_reported(tmp_path, capsys):
    write_sweep(tmp_path)
    assert end_of(tmp_path, by=["widht"]) == 0
    assert "no job sets 'widht'" in capsys.readouterr().err
    assert (tmp_path / "sweep.csv").exists()


def printed(groups, width, **options):
    console = Console(width=width, record=True, file=io.StringIO())
    print_groups(console, groups, **options)
    return console.export_text()


def test_a_narrow_terminal_leaves_out_columns_and_cuts_no_number():
    groups = group_jobs(jobs(lost=(0,)), KEYS, METRICS)
    seen = {width: printed(groups, width) for width in range(40, 120)}
    assert "…" not in "".join(seen.values())
    assert all(len(line) <= width for width, text in seen.items() for line in text.splitlines())
    columns = [("max" in seen[width], " std" in seen[width]) for width in sorted(seen)]
    assert columns == sorted(columns)
    assert list(dict.fromkeys(columns)) == [(False, False), (False, True), (True, True)]


def test_one_value_is_printed_without_an_interval():
    text = printed(group_jobs(jobs(lost=(0, 1)), KEYS, METRICS), 120)
    (row,) = [line for line in text.splitlines() if "width=8" in line]
    assert row.split() == ["width=8", "1", "2", "8.300", "–", "–", "8.300", "8.300"]


def test_the_objective_comes_first():
    rows = [row | {"check.a": row["seed"], "bench.calls": row["seed"]} for row in jobs()]
    groups = group_jobs(rows, KEYS, ["check.a", "check.accuracy", "bench.calls"])
    lines = printed(groups, 120, objective="bench.calls").splitlines()
    titles = [line.strip() for line in lines if line.strip() in ("calls", "check.a", "check.accuracy")]
    assert titles == ["calls", "check.a", "check.accuracy"]


def test_a_spreadsheet_computes_nothing_of_groups():
    rows = [row | {"recipe": "=1+1" if row["width"] == 8 else "@x"} for row in jobs()]
    groups = group_jobs(rows, KEYS, METRICS, ["recipe"])
    cells = [line.split(",")[0] for line in print_csv(groups.columns, groups.rows()).splitlines()]
    assert cells == ["recipe", "'=1+1", "'=1+1", "'@x", "'@x"]


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["recipe", "recipe.params.width", "seed"], ["recipe", "width", "seed"]),
        (["plan.memory", "bench.memory", "x"], ["plan.memory", "bench.memory", "x"]),
        (["memory", "bench.memory"], ["memory", "bench.memory"]),
        (["check.mean", "check.mean.2"], ["mean", "mean.2"]),
        (["a.b.c", "x.b.c"], ["a.b.c", "x.b.c"]),
        (["", ".", "a."], ["", ".", "a."]),
    ],
)
def test_short_names_are_the_last_parts_that_set_names_apart(names, short):
    assert list(short_names(names).values()) == short


# ---- a running sweep


@pytest.fixture
def clock(monkeypatch, no_plotly):
    """The seconds of the clock by which pages are written."""
    now = [1000.0]
    monkeypatch.setattr(report.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def no_plotly(monkeypatch):
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "")


def read_page(folder):
    """The data of ``sweep.html``."""
    return json.loads(data_of_page((folder / "sweep.html").read_text()))


def statuses(data):
    return data["values"][[name for name, *_ in data["columns"]].index("status")]


def test_the_page_of_a_running_sweep_is_written_at_most_every_five_seconds(tmp_path, clock, capsys):
    write_sweep(tmp_path)
    results = {at: (tmp_path / str(at) / "result.json").read_text() for at in range(6)}
    for at in range(1, 6):
        (tmp_path / str(at) / "result.json").unlink()
    report.begin(tmp_path)
    report.jobs([str(at) for at in range(6)], is_named=False)
    report.follow()  # at once
    assert statuses(read_page(tmp_path)) == ["passed", *["pending"] * 5]
    assert read_page(tmp_path)["running"]["next"] == 60
    assert read_page(tmp_path)["groups"]["pending"] == [2, 3]
    (tmp_path / "1" / "result.json").write_text(results[1])
    clock[0] += 4.9
    report.follow()
    assert statuses(read_page(tmp_path)).count("passed") == 1
    clock[0] += 0.2
    report.follow()
    assert statuses(read_page(tmp_path)).count("passed") == 2
    (tmp_path / "sweep.html").unlink()
    clock[0] += 30
    report.follow()
    assert not (tmp_path / "sweep.html").exists()  # nothing has changed
    clock[0] += 31
    report.follow()
    assert statuses(read_page(tmp_path)).count("passed") == 2  # a sign of life
    for at, text in results.items():
        (tmp_path / str(at) / "result.json").write_text(text)
    assert report.end() == 0
    assert statuses(read_page(tmp_path)) == ["passed"] * 6
    assert read_page(tmp_path)["running"] is None
    assert "6 jobs: 6 passed" in capsys.readouterr().out


def test_writing_pages_takes_a_tenth_of_the_time_at_most(tmp_path, clock, monkeypatch):
    write_sweep(tmp_path)
    written = []

    def slow(*arguments, **options):
        written.append(clock[0])
        clock[0] += 3

    monkeypatch.setattr(report, "_write_page", slow)
    report.begin(tmp_path)
    for _ in range(100):
        report._open[0].shown = -1  # jobs have ended
        report.follow()
        clock[0] += 1
    assert set(np.diff(written)) == {30}  # a page takes 3 seconds


def test_a_job_of_a_search_that_runs_is_pending(tmp_path, clock):
    (tmp_path / "0" / ".hydra").mkdir(parents=True)
    (tmp_path / "0" / ".hydra" / "overrides.yaml").write_text("- seed=1\n")
    report.begin(tmp_path)
    report.jobs(["0"], is_named=False)
    report.follow()
    assert statuses(read_page(tmp_path)) == ["pending"]
    assert report.end() == 2
    assert statuses(read_page(tmp_path)) == ["error"]


def test_a_page_that_cannot_be_written_does_not_stop_the_sweep(tmp_path, clock, capsys):
    write_sweep(tmp_path)
    (tmp_path / "sweep.html").mkdir()
    report.begin(tmp_path)
    report.jobs(["0"], is_named=False)
    report.follow()
    assert capsys.readouterr() == ("", "")
    assert report.end() == 2
    assert "sweep.html cannot be written: Is a directory" in capsys.readouterr().err


def test_jobs_with_equal_plans_share_one(tmp_path):
    from assembler.sweeps.table import gather

    write_sweep(tmp_path)
    for at in range(6):
        file = tmp_path / str(at) / "result.json"
        file.write_text(
            json.dumps(json.loads(file.read_text()) | {"plan": {"layers": [], "macs": at // 3}, "parameters": [1]})
        )
    records = list(gather(tmp_path).records.values())
    assert len({id(one["plan"]) for one in records}) == 2
    assert all("parameters" not in one for one in records)
