"""``runs``: past runs and sweeps, newest first."""

import json
import os

import pytest
from typer.testing import CliRunner

from assembler.commands import runs
from assembler.commands.app import app


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments):
    done = CliRunner().invoke(app, ["runs", *arguments])
    return done.exit_code, done.stdout, str(done.exception or "")


def leave_run(folder, at, name="mlp", task="check", page=True, **rest):
    record = {
        "status": "passed",
        "overrides": [],
        "started": "2026-01-01",
        "recipe": {"name": name},
        "task": task,
        **rest,
    }
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(record))
    os.utime(folder / "result.json", (at, at))
    if page:
        (folder / "result.html").write_text("page")


def leave_sweep(folder, at, statuses, ended=True):
    folder.mkdir(parents=True)
    jobs = [{"job": str(number), "identity": "a" * 16, "overrides": []} for number in range(len(statuses))]
    (folder / "sweep.json").write_text(json.dumps({"version": 1, "jobs": jobs}))
    os.utime(folder / "sweep.json", (at, at))
    for number, _ in enumerate(statuses):
        leave_run(folder / str(number), at + 9)
    if ended:
        (folder / "sweep.csv").write_text(
            "job,status\n" + "".join(f"{job},{one}\n" for job, one in enumerate(statuses))
        )
        (folder / "sweep.html").write_text("page")


def rows(said):
    return [line.split("\t")[1:] for line in said.splitlines() if "\t" in line]


def test_runs_and_sweeps_are_listed_newest_first(folder):
    plan = {"layers": [], "parameters": 1234567, "macs": 5000}
    leave_run(folder / "outputs/day/one", 1000, plan=plan)
    leave_run(folder / "outputs/day/two", 3000, "vgg", "bench", status="failed")
    leave_sweep(folder / "multirun/widths", 2000, ["passed", "passed", "error"])
    leave_sweep(folder / "multirun/day/going", 500, ["passed"], ended=False)
    code, said, _ = call()
    assert code == 0
    assert rows(said) == [
        ["vgg (bench)", "failed", "", "", "outputs/day/two"],
        ["sweep widths, 3 jobs", "2 passed, 1 error", "", "", "multirun/widths"],
        ["mlp", "passed", "1,234,567", "5,000", "outputs/day/one"],
        ["sweep going, 1 job", "unfinished", "", "", "multirun/day/going"],
    ]
    assert len(rows(call("-n", "2")[1])) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"status": 3}', "[" * 9000], ids=repr)
def test_a_damaged_record_is_listed_as_such(folder, content):
    leave_run(folder / "outputs/a", 1000)
    (folder / "outputs/a/result.json").write_text(content)
    code, said, _ = call()
    assert code == 0
    assert rows(said)[0][1].startswith("damaged: ")


def test_the_page_leads_to_the_pages_of_the_runs(folder):
    leave_run(folder / "outputs/a b#c", 1000, "<b>net</b>")
    leave_run(folder / "outputs/bare", 900, page=False)
    code, said, _ = call("--html")
    assert code == 0
    assert said.splitlines()[-1] == "page: runs.html"
    page = (folder / "runs.html").read_text()
    assert 'href="outputs/a%20b%23c/result.html"' in page
    assert "&lt;b&gt;net&lt;/b&gt;" in page
    assert page.count("<a ") == 1
    assert "<script" not in page
    assert "script-src &#39;none&#39;;" in page


def test_show_opens_the_newest_or_the_one_that_is_named(folder, monkeypatch):
    opened = []
    monkeypatch.setattr(runs.webbrowser, "open", opened.append)
    monkeypatch.setattr(runs, "on_terminal", lambda: True)
    leave_run(folder / "outputs/a", 1000)
    leave_sweep(folder / "multirun/s", 2000, ["passed"])
    assert call("show")[0] == 0
    assert call("show", "outputs/a")[0] == 0
    assert opened == [(folder / name).as_uri() for name in ("multirun/s/sweep.html", "outputs/a/result.html")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no run in outputs/ and multirun/ of this folder"),
        (["show"], "there is no run in outputs/ and multirun/ of this folder"),
        (["show", "elsewhere"], "there is no run in elsewhere"),
        (["show", "multirun"], "there is no run in multirun"),
    ],
)
def test_where_there_is_none_it_is_said(folder, arguments, said):
    if "multirun" in arguments:
        leave_sweep(folder / "multirun/s", 2000, ["passed"])
    code, _, error = call(*arguments)
    assert code == 1  # main prints the error and exits with 2
    assert error == said


def test_a_job_of_a_sweep_has_no_page(folder):
    leave_sweep(folder / "multirun/s", 2000, ["passed"])
    (folder / "multirun/s/0/result.html").unlink()
    assert call("show", "multirun/s/0")[2] == "multirun/s/0 has no page: a job of a sweep is on the page of its sweep"
