"""The page of a sweep and of a run, as a person meets it: in a browser."""

import json
import random
import re
import shutil
from collections import Counter
from importlib.resources import files
from unittest import mock
from urllib.parse import quote

import pytest

from assembler.views.diagram.graphviz import COLOURS
from assembler.views.page import _LIVE, _RUN, _SWEEP, run_page, sweep_page
from assembler.views.page.data import as_json
from tests.conftest import ROOT, data_of_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

FLAGS = [
    f"--{flag}"
    for flag in (
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
    )
]

SMOOTH = 250
"""Milliseconds in which a page of 1000 jobs answers, on a machine with other work; alone it takes a quarter of it."""

OVERRIDES = ["recipe", "recipe.params.width", "mode", "dtype", "task"]

# What a stranger's recipe may be called, so that a careless page runs it. Each would set `window.ran`.
HOSTILE = {
    "image": "<img src=x onerror=window.ran=1>",
    "script": "</script><script>window.ran=1</script>",
    "comment": "<!--<script>window.ran=1",
    "link": '<a href="javascript:window.ran=1">here</a>',
    "scheme": "javascript:window.ran=1",
    "attribute": "\"'><svg onload=window.ran=1>",
    "style": "</style><style>*{display:none}</style>",
    "entity": "&lt;b&gt;&amp;&#106;",
    "template": "{{ 7 * 7 }}{% raw %}%{x}${1}",
    "separators": "a\u2028b\u2029c",
    "surrogate": "half \ud800",
    "prototype": "__proto__",
    "right to left": "\u202egnp.exe",
}


def record(status="passed", layers=3, measured=0.5, recipe="mlp", **others):
    """A result.json, in its parts that pages show."""
    spec = {"shape": [2, 8], "dtype": "float32"}
    row = {"arguments": "8, 8", "input": spec, "output": spec, "trainable": 72, "frozen": 0, "other": 0, "macs": 128}
    outcomes = [
        {"check": "finite", "applies": True, "passed": True, "measured": 0, "bound": 0, "detail": ""},
        {
            "check": "mean",
            "applies": True,
            "passed": status == "passed",
            "measured": measured,
            "bound": [0, "inf"],
            "detail": "of the output",
        },
        {"check": "golden", "applies": False, "passed": True, "measured": None, "bound": None, "detail": "no file"},
    ]
    plan = {
        "layers": [{"path": f"{at}", "layer": "Dense", **row} for at in range(layers)],
        **{"parameters": 72 * layers, "trainable": 72 * layers, "frozen": 0, "other": 0, "macs": 128 * layers},
        **{"parameter_memory": 288 * layers, "activations": 128, "uncounted": [], "input": spec, "output": spec},
    }
    return {
        "status": status,
        "started": "2026-11-24T10:38:34+00:00",
        "overrides": [f"recipe={recipe}"],
        "task": "check",
        "recipe": {"name": recipe},
        **{"mode": "graph", "seed": 2**60, "dtype": "float32", "amp": "O0"},
        "device": {"asked": "auto", "got": "cpu", "why": "there is no other", "fell_back": False},
        "versions": {"python": "3.11.7", "mindspore": "2.10.0"},
        "plan": plan,
        "parameters": [
            {
                "name": "0.weight",
                "path": "0",
                "layer": "Dense",
                "shape": [8, 8],
                "dtype": "float32",
                "kind": "trainable",
                "set_by": None,
                "mean": 0.1,
                "std": 1.0,
                "min": -2.0,
                "max": 2.0,
            }
        ],
        "weights": {"loaded": None, "parameters_loaded": 0, "missing": [], "extra": [], "saved": None},
        "outcomes": outcomes,
        "files": [],
        "bench": [
            {
                "mode": "graph",
                "batch": 2,
                "first_call": 0.2,
                "latency": 0.001234,
                "lowest": 0.001,
                "highest": 0.002,
                "spread": 0.0001,
                "throughput": 1620.7,
                "memory": 2**20,
                "repeat": 10,
            }
        ],
        "error": None,
        "seconds": {"plan": 0.0031, "checks": 1.5},
        **others,
    }


MESSAGES = {
    "failed": "mean failed",
    "error": "conf/recipe/mlp.yaml:7:27: no layer named 'Dence'. Did you mean 'Dense'?",
}


def sweep(jobs, seed=1):
    """Rows and records of a sweep of that many jobs over ten recipes."""
    draw = random.Random(seed)
    rows, records = [], {}
    for job in range(jobs):
        status = ("failed", "error", "pending")[job] if job < 3 else "passed"
        told = status in ("passed", "failed")
        recipe, width = f"net{job % 10}", draw.choice([8, 16, 32, 64])
        rows.append(
            {
                "job": str(job),
                "status": status,
                "recipe": recipe,
                "recipe.params.width": width,
                "mode": draw.choice(["graph", "pynative"]),
                "dtype": "float32",
                "task": "bench",
                "plan.layers": job % 10 + 1 if told else None,
                "plan.parameters": draw.randrange(10, 1_000_000) if told else None,
                "plan.macs": draw.randrange(10, 1_000_000) if told else None,
                "check.mean": draw.uniform(-1, 1) if told else None,
                "bench.latency_ms": draw.choice([1.5, 2.5, 1000.25, 999.5]) if told else None,
                "bench.throughput": draw.uniform(1, 9) if told else None,
                "seconds": round(draw.uniform(0, 3), 3) if told else None,
                "message": MESSAGES.get(status),
                "started": None if status == "pending" else "2026-11-24T10:38:34+00:00",
                "path": f"sweep/{job}",
            }
        )
        if status != "pending":
            error = f"{MESSAGES['error']}\n    stack: Dence(8)\n           ^^^^^" if status == "error" else None
            records[str(job)] = record(status, job % 10 + 1, draw.random(), recipe, error=error)
    return rows, records


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 20"><title>net</title><g><text x="5" y="15" fill="currentColor">Dense</text></g></svg>'

PICTURE = {"mermaid": "graph TD", "depths": [SVG], "shown": 0}


def only_text(mermaid):
    """What a page gets of a diagram that no program drew."""
    return {"mermaid": mermaid, "depths": [], "shown": 0}


def page_of(jobs, title="a sweep"):
    rows, records = sweep(jobs)
    return sweep_page(title, rows, OVERRIDES, records, dict.fromkeys(records, PICTURE))


def plain_page(jobs):
    """The same page but for its plots, whose library takes a browser a second to read."""
    with mock.patch("plotly.offline.get_plotlyjs", return_value=""):
        return page_of(jobs)


@pytest.fixture
def no_plots(monkeypatch):
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


COLLECT_BLOCKED = """
window.blocked = [];
document.addEventListener("securitypolicyviolation", event => blocked.push(event.effectiveDirective));
"""


class Visit:
    """A page opened in the browser, and what it complained of or asked for."""

    def __init__(self, browser, folder, html, width=1280, scheme="light", hash=""):
        file = folder / "page.html"
        file.write_text(html, encoding="utf-8")
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints = []
        self.asked = []
        self.page.on(
            "console", lambda message: self.complaints.append(message.text) if message.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.add_init_script(COLLECT_BLOCKED)
        self.page.goto(f"{file.as_uri()}{hash}")
        self.settled()
        self.page.wait_for_function(
            "!document.getElementById('plotly')?.textContent || document.getElementById('scatter-section').hidden || document.getElementById('scatter').data"
        )

    def close(self):
        self.context.close()
        self.check()

    def check(self):
        """Nothing went wrong, and nothing was asked of a network."""
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith(("file:", "data:", "blob:"))] == []

    def take_blocked(self):
        """What the page's policy blocked, which is then no complaint."""
        blocked = self.page.evaluate("window.blocked")
        reports = [text for text in self.complaints if "Content Security Policy" in text]
        assert len(reports) == len(blocked)
        self.complaints = [text for text in self.complaints if text not in reports]
        return blocked

    def settled(self):
        self.page.wait_for_function(
            "document.getElementById('table') === null || document.documentElement.dataset.drawn"
        )

    def column(self, name):
        """The texts of a column of the table, from the top."""
        self.settled()
        return self.page.evaluate(
            """name => {
                const heads = [...document.querySelectorAll("#table thead button")].map(one => one.dataset.column);
                return [...document.querySelectorAll("#table tbody tr")].map(row => row.cells[heads.indexOf(name)].innerText);
            }""",
            name,
        )

    def sort(self, name):
        self.page.locator(f'#table thead button[data-column="{name}"]').click()

    def points(self):
        """The jobs that the scatter plot shows."""
        return self.page.evaluate(
            "document.getElementById('scatter').data.filter(one => one.meta === 'jobs').flatMap(one => [...one.customdata])"
        )

    def wait_for_points(self, many):
        self.page.wait_for_function(
            "many => document.getElementById('scatter').data.filter(one => one.meta === 'jobs').reduce((sum, one) => sum + one.x.length, 0) === many",
            arg=many,
        )


@pytest.fixture
def visit(browser, tmp_path):
    """Open a page."""
    visits = []

    def open_(html, **others):
        visits.append(Visit(browser, tmp_path, html, **others))
        return visits[-1]

    yield open_
    for one in visits:
        one.close()


@pytest.fixture(scope="module")
def _plotted(browser, tmp_path_factory):
    visit = Visit(browser, tmp_path_factory.mktemp("page"), page_of(120))
    yield visit
    visit.close()


@pytest.fixture
def plotted(_plotted):
    """A page of 120 jobs with its plots, as others left it but for its filters."""
    _plotted.page.locator("#reset").click()
    yield _plotted
    _plotted.check()


# ---- the table


def test_a_sweep_opens_with_its_counts_and_its_failures_on_top(visit):
    page = visit(plain_page(30)).page
    assert page.title() == page.locator("h1").inner_text() == "a sweep"
    counts = page.locator("#counts li").all_inner_texts()
    assert [" ".join(text.split()) for text in counts] == [
        "30 jobs",
        "1 ✕ failed",
        "1 ! error",
        "27 ✓ passed",
        "1 … pending",
    ]
    assert page.locator("#failures h2").inner_text() == "2 jobs did not pass"
    assert page.locator("#failures .message").all_inner_texts() == [MESSAGES["failed"], MESSAGES["error"]]
    tops = [page.locator(name).bounding_box()["y"] for name in ("h1", "#failures", "#table", "#scatter-section")]
    assert tops == sorted(tops)
    assert page.locator("#shown").inner_text() == "all 30 jobs"
    assert page.locator("#common").inner_text().split() == ["All", "with", "dtype=float32", "task=bench"]


SORTED = {"plan.macs": lambda text: int(text.replace(",", "")), "check.mean": float, "recipe": str, "job": int}


def test_a_click_on_a_head_sorts_and_another_turns_it_round(visit):
    opened = visit(plain_page(30))
    for name, key in SORTED.items():
        head = opened.page.locator(f'#table th:has(button[data-column="{name}"])')
        for direction, reverse in [("ascending", False), ("descending", True)]:
            opened.sort(name)
            assert head.get_attribute("aria-sort") == direction
            cells = opened.column(name)
            told = [key(text) for text in cells if text]
            assert told == sorted(told, reverse=reverse)
            assert len(cells) == 30
            assert "" not in cells[: len(told)]  # those without a value come last either way
        assert opened.page.locator("#table th[aria-sort]").count() == 1
    opened.sort("job")
    assert opened.column("job") == [str(job) for job in range(30)]  # and a third goes back


def test_numbers_have_grouped_digits_and_stand_to_the_right(visit):
    opened = visit(plain_page(30))
    assert [text for text in opened.column("plan.macs") if len(text) > 3 and "," not in text] == []
    assert (
        opened.page.locator("#table tbody tr:nth-child(5) td.right").first.evaluate(
            "one => getComputedStyle(one).textAlign"
        )
        == "right"
    )


def rows_where(holds, jobs=30):
    return [row["job"] for row in sweep(jobs)[0] if holds(row)]


FILTERS = {
    "net3": lambda row: row["recipe"] == "net3",
    "NET3 graph": lambda row: row["recipe"] == "net3" and row["mode"] == "graph",
    "plan.macs<500000": lambda row: (row["plan.macs"] or 1e9) < 500_000,
    "macs>=500000 mode=graph": lambda row: (row["plan.macs"] or 0) >= 500_000 and row["mode"] == "graph",
    "recipe!=net3": lambda row: row["recipe"] != "net3",
    "recipe.params.width=16": lambda row: row["recipe.params.width"] == 16,
    "Dence": lambda row: row["status"] == "error",
    '"layer named"': lambda row: row["status"] == "error",
    "no<such": lambda row: False,
    "(": lambda row: False,
}


def test_what_is_typed_filters_the_table(visit):
    opened = visit(plain_page(30))
    for text, holds in FILTERS.items():
        opened.page.locator("#text").fill(text)
        jobs = opened.column("job")
        assert jobs == rows_where(holds), text
        assert opened.page.locator("#shown").inner_text() == f"{len(jobs)} of 30 jobs"
    assert opened.page.locator("#none").is_visible()
    opened.page.locator("#reset").click()
    assert len(opened.column("job")) == 30


def test_selects_and_statuses_filter(visit):
    opened = visit(plain_page(30))
    page = opened.page
    page.locator('#choices select[data-column="recipe.params.width"]').select_option(label="16")
    assert opened.column("job") == rows_where(lambda row: row["recipe.params.width"] == 16)
    page.locator('#choices select[data-column="mode"]').select_option(label="graph")
    assert opened.column("job") == rows_where(lambda row: row["recipe.params.width"] == 16 and row["mode"] == "graph")
    page.locator("#reset").click()
    page.locator('#counts button[data-status="failed"]').click()
    assert page.locator('#counts button[data-status="failed"]').get_attribute("aria-pressed") == "true"
    assert opened.column("status") == ["✕ failed"]
    page.locator('#counts button[data-status="error"]').click()
    assert opened.column("status") == ["✕ failed", "! error"]


def test_columns_in_which_jobs_agree_are_hidden_until_asked_for(visit):
    page = visit(plain_page(30)).page
    heads = page.locator("#table thead button")
    assert "dtype" not in heads.evaluate_all("all => all.map(one => one.dataset.column)")
    page.locator("#columns summary").click()
    page.locator("#columns").get_by_label("dtype", exact=True).check()
    page.keyboard.press("Escape")
    assert not page.locator("#columns fieldset").is_visible()
    assert "dtype" in heads.evaluate_all("all => all.map(one => one.dataset.column)")


def test_the_address_keeps_what_was_chosen(visit):
    opened = visit(plain_page(30))
    opened.sort("plan.macs")
    opened.page.locator("#text").fill("graph")
    opened.page.locator("#x").select_option("plan.layers")
    opened.page.wait_for_function("location.hash.includes('plan.layers')")
    jobs = opened.column("job")
    again = visit(plain_page(30), hash=opened.page.evaluate("location.hash"))
    assert again.column("job") == jobs
    assert (again.page.locator("#text").input_value(), again.page.locator("#x").input_value()) == (
        "graph",
        "plan.layers",
    )


@pytest.mark.parametrize(
    "hash",
    ["#nonsense", "#%7B%22sort%22%3A3%2C%22columns%22%3A%5B%22no%22%5D%2C%22x%22%3A%22__proto__%22%7D", "#null", "#%"],
)
def test_an_address_of_somebody_else_changes_nothing(visit, hash):
    opened = visit(plain_page(5), hash=hash)
    assert len(opened.column("job")) == 5


# ---- a job


def test_a_job_opens_by_the_keyboard_and_closes_by_escape(visit):
    page = visit(plain_page(30)).page
    button = page.locator("#table tbody button").nth(5)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#job")
    assert dialog.is_visible()
    assert dialog.locator("h2").inner_text() == "Job 5"
    assert dialog.locator("h3").all_inner_texts() == ["Checks", "Diagram", "Layers", "Recipe", "Time"]
    assert dialog.get_by_role("table", name="Layers").locator("tbody tr").count() == 6
    assert dialog.get_by_role("table", name="Checks").locator("tbody tr").all_inner_texts()[0].split("\t")[:2] == [
        "finite",
        "✓ passed",
    ]
    assert dialog.locator("svg text").text_content() == "Dense"
    assert str(2**60) in dialog.inner_text()  # a seed to its last digit
    page.locator("#job-after").click()
    assert dialog.locator("h2").inner_text() == "Job 6"
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert button.evaluate("one => one === document.activeElement")


def test_jobs_that_did_not_pass_tell_why(visit):
    page = visit(plain_page(30)).page
    page.locator("#failures .links button").first.click()
    assert page.locator("#job .message").inner_text() == "mean failed"
    assert (
        page.locator("#job")
        .get_by_role("table", name="Checks")
        .locator("tbody tr")
        .first.inner_text()
        .startswith("mean\t✕ failed")
    )
    page.keyboard.press("Escape")
    page.locator("#failures .links button").nth(1).click()
    assert page.locator("#job pre.error").inner_text().startswith(MESSAGES["error"])
    page.keyboard.press("Escape")
    page.locator("#table tbody tr").nth(2).click(position={"x": 150, "y": 10})
    assert "It has no results yet." in page.locator("#job").inner_text()


def test_many_failures_are_folded(visit, no_plots):
    rows, _ = sweep(40)
    rows = [{**row, "status": "error", "message": f"message {at % 15}"} for at, row in enumerate(rows)]
    page = visit(sweep_page("failures", rows, OVERRIDES, {}, {})).page
    assert page.locator("#failures h2").inner_text() == "40 jobs did not pass, 15 messages"
    assert not page.locator("#failures .message").first.is_visible()
    page.locator("#failures summary").click()
    assert page.locator("#failures .message").count() == 12
    page.get_by_role("button", name="3 more messages").click()
    assert page.locator("#failures .message").count() == 15


def test_a_diagram_of_text_can_be_copied(visit, no_plots):
    rows, records = sweep(5)
    page = visit(sweep_page("text", rows, OVERRIDES, records, {"3": only_text("graph TD\n  a --> b")})).page
    page.locator("#table tbody button").nth(3).click()
    assert page.locator("#job .viewer pre").inner_text() == "graph TD\n  a --> b"
    assert "pip install graphviz-pure" in page.locator("#job .viewer").inner_text()
    page.locator("#job .viewer button").click()
    page.wait_for_function("['Copied', 'Selected'].includes(document.querySelector('#job .viewer button').textContent)")


# ---- plots


def dominated(row, rows, signs):
    """Whether another row is at least as good in all figures and better in one."""
    mine = [sign * row[name] for name, sign in signs.items()]
    others = ([sign * other[name] for name, sign in signs.items()] for other in rows)
    return any(all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine for other in others)


def test_the_front_is_what_no_other_job_beats(plotted):
    page = plotted.page
    rows = [row for row in sweep(120)[0] if row["plan.macs"] is not None]
    # latencies, layers and widths have few values: ties
    for x, y in [
        ("plan.macs", "plan.parameters"),
        ("bench.latency_ms", "plan.layers"),
        ("check.mean", "recipe.params.width"),
    ]:
        page.locator("#x").select_option(x)
        page.locator("#y").select_option(y)
        for signs in [{x: 1, y: 1}, {x: 1, y: -1}, {x: -1, y: 1}, {x: -1, y: -1}]:
            for id, name in (("x-best", x), ("y-best", y)):
                page.locator(f"#{id}").select_option("min" if signs[name] == 1 else "max")
            expected = {row["job"] for row in rows if not dominated(row, rows, signs)}
            page.wait_for_function(
                "jobs => [...document.querySelectorAll('#front tbody button')].map(one => one.textContent).sort().join() === jobs",
                arg=",".join(sorted(expected)),
            )
            found = page.locator("#front tbody tr").evaluate_all("all => all.map(row => row.cells[0].textContent)")
            in_order = [row[x] for job in found for row in rows if row["job"] == job]
            assert in_order == sorted(in_order)
    drawn = page.evaluate(
        "[...document.getElementById('scatter').data.find(one => one.name === 'Pareto front').customdata]"
    )
    assert [str(at) for at in drawn] == found
    page.locator("#only-front").check()
    assert sorted(plotted.column("job")) == sorted(expected)
    assert page.locator("#shown").inner_text() == f"{len(expected)} of 120 jobs, on the Pareto front"


def test_plots_show_the_jobs_that_fit_the_filter(plotted):
    plotted.page.locator("#x").select_option("plan.macs")
    plotted.page.locator("#y").select_option("seconds")
    for text in ("net3", "plan.macs<500000", ""):
        plotted.page.locator("#text").fill(text)
        plotted.wait_for_points(len([job for job in plotted.column("job") if job not in ("1", "2")]))


def test_any_metrics_and_overrides_can_be_plotted(plotted):
    page = plotted.page
    positive = len([row for row in sweep(120)[0] if (row["check.mean"] or -1) > 0])
    for x, y, colour, log, many in [
        ("plan.macs", "seconds", "status", True, 118),
        ("recipe", "mode", "check.mean", False, 120),
        ("plan.layers", "recipe", "recipe", False, 118),
        ("check.mean", "seconds", "plan.parameters", True, positive),
    ]:
        for id, value in (("x", x), ("y", y), ("colour", colour)):
            page.locator(f"#{id}").select_option(value)
        page.locator("#x-log").set_checked(log)
        titles = "['xaxis', 'yaxis'].map(one => document.getElementById('scatter').layout[one].title.text).join()"
        page.wait_for_function(f"wanted => {titles} === wanted", arg=f"{x.split('.')[-1]},{y.split('.')[-1]}")
        plotted.wait_for_points(many)
    assert (
        page.locator("#scatter-note").inner_text()
        == f"2 jobs have no value for these metrics; {118 - positive} jobs have no logarithm"
    )


def test_a_point_opens_its_job(plotted):
    page = plotted.page
    page.locator("#x").select_option("plan.macs")
    page.locator("#y").select_option("seconds")
    page.locator("#text").fill("job=5")
    plotted.wait_for_points(1)
    point = page.locator("#scatter .scatterlayer .point").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("document.getElementById('job').open")
    assert page.locator("#job h2").inner_text() == "Job 5"
    page.keyboard.press("Escape")


def test_parallel_coordinates_show_the_filtered_jobs_and_filter_by_ranges(plotted):
    page = plotted.page
    page.locator("#parallel").scroll_into_view_if_needed()
    page.wait_for_function("document.getElementById('parallel').data?.[0].dimensions[0].values.length === 118")
    names = page.evaluate("document.getElementById('parallel').data[0].dimensions.map(one => one.name)")
    assert names[:3] == ["recipe", "recipe.params.width", "mode"]
    page.evaluate("Plotly.restyle('parallel', {'dimensions[1].constraintrange': [[15, 33]]})")
    page.wait_for_function("document.getElementById('shown').textContent.includes('within the ranges')")
    assert plotted.column("job") == rows_where(lambda row: row["recipe.params.width"] in (16, 32), 120)
    page.locator("#text").fill("net3")
    page.locator("#parallel").scroll_into_view_if_needed()  # it is not drawn anew where nobody sees it
    page.wait_for_function("document.getElementById('parallel').data[0].dimensions[0].values.length === 12")
    assert plotted.column("job") == rows_where(
        lambda row: row["recipe.params.width"] in (16, 32) and row["recipe"] == "net3", 120
    )
    page.locator("#reset").click()
    assert len(plotted.column("job")) == 120


def test_plots_follow_when_the_reader_turns_to_dark(plotted):
    page = plotted.page
    grid = "document.getElementById('scatter').layout.xaxis.gridcolor"
    before = page.evaluate(f"[getComputedStyle(document.body).backgroundColor, {grid}]")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"before => {grid} !== before", arg=before[1])
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before[0]
    page.emulate_media(color_scheme="light")


# ---- any data


def test_data_in_a_page_has_no_character_of_markup():
    data = {text: [text, {"nan": float("nan"), "seed": 2**64, "exact": 2**53}] for text in HOSTILE.values()}
    text = as_json(data)
    assert text.isascii()
    assert not set("<>&") & set(text)
    read = {key: [key, {"nan": "nan", "seed": str(2**64), "exact": 2**53}] for key in data}
    assert json.loads(text) == read


def hostile_sweep(title):
    """Each of them as a job, an override and its values, a figure, a message, and within a record."""
    rows, records = [], {}
    for at, text in enumerate(HOSTILE.values()):
        status = ("passed", "failed", "error")[at % 3]
        overrides = {name: text if name == text else at for name in HOSTILE.values()}
        figures = {f"check.{name}": float(at) for name in HOSTILE.values()}
        told = {"message": text if at % 3 else None, "started": text, "path": text}
        rows.append({"job": text, "status": status, "recipe": text, **overrides, **figures, **told})
        records[text] = hostile_record(record(status, error="mistake" if at % 3 == 2 else None), text)
    return sweep_page(
        title, rows, ["recipe", *HOSTILE.values()], records, {text: only_text(text) for text in HOSTILE.values()}
    )


def hostile_record(one, text):
    one["overrides"] = [f"recipe={text}"]
    one["error"] = one["error"] and f"{text}\n{one['error']}"
    one["recipe"]["name"] = one["mode"] = one["device"]["why"] = text
    one["plan"]["layers"][0] |= {"path": text, "layer": text, "arguments": text}
    one["outcomes"][0] |= {"check": text, "detail": text, "measured": text, "bound": [text]}
    one["parameters"][0] |= {"name": text, "set_by": text}
    return one


HOSTILE_SVG = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="window.ran=1" viewBox="0 0 9 9">
<script>window.ran=1</script><a xlink:href="javascript:window.ran=1"><text>linked</text></a><style>@import 'https://example.com/a.css';</style>
<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="window.ran=1"/></body></foreignObject>
<image href="https://example.com/a.png"/><use href="#a"/><rect fill="url(https://example.com/#a)" onclick="window.ran=1" width="9" height="9"/>
<animate onbegin="window.ran=1"/><text>kept</text></svg>"""


def well_formed(text):
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def texts(locator):
    return locator.evaluate_all("all => all.map(one => one.textContent.toWellFormed())")


def test_whatever_names_are_they_are_shown_and_nothing_runs(visit):
    opened = visit(hostile_sweep(HOSTILE["script"]))
    page = opened.page
    seen = [well_formed(text) for text in HOSTILE.values()]
    assert page.title() == page.locator("h1").inner_text() == HOSTILE["script"]
    assert texts(page.locator("#table tbody th")) == texts(page.locator("#table tbody td:nth-child(3)")) == seen
    assert sorted(texts(page.locator("#failures .message"))) == sorted(seen[at] for at in range(len(seen)) if at % 3)
    for at, text in enumerate(seen):
        page.locator("#table tbody button").nth(at).click()
        job = page.locator("#job")
        assert texts(job.locator("h2")) == [f"Job {text}"]
        layer = job.get_by_role("table", name="Layers").locator("tbody tr").first
        assert texts(layer.locator(".leaf, th code, td:last-child")) == [text] * 3
        assert text in texts(job.get_by_role("table", name="Checks").locator("td:last-child"))
        assert texts(job.locator(".viewer pre")) == [text]
        page.keyboard.press("Escape")
    for at, select in [(1, "#x"), (2, "#y"), (3, "#colour"), (4, "#parallel-colour")]:
        page.locator(select).select_option(index=at)
    page.locator("#colour").select_option("recipe")
    page.wait_for_function("document.getElementById('parallel').data")
    page.wait_for_function(
        "text => [...document.querySelectorAll('#scatter .legendtext')].some(one => one.textContent === text)",
        arg=f"{HOSTILE['link'][:29]}…",
    )
    assert HOSTILE["scheme"] in texts(page.locator("#parallel .axis .tick text"))
    page.locator("#scatter .scatterlayer .point").first.hover(force=True)
    page.locator("#scatter .hoverlayer text").first.wait_for()
    assert page.evaluate("window.ran") is None
    assert page.locator("img, iframe, object, embed, body a:not(.skip)").count() == 0


def test_a_diagram_keeps_what_draws_and_nothing_else(visit):
    opened = visit(run_page("diagram", record(), {**PICTURE, "depths": [HOSTILE_SVG]}))
    page = opened.page
    assert (
        page.locator(".drawing svg").evaluate("svg => [...svg.querySelectorAll('*')].map(one => one.localName).join()")
        == "rect,text"
    )
    assert page.locator(".drawing rect").evaluate("rect => rect.getAttributeNames().join()") == "width,height"
    assert page.evaluate("window.ran") is None
    # Chromium 15x reports handlers that the page's policy blocks as soon as they are parsed; an older one never meets them.
    handlers = len(re.findall(r'\bon\w+="', HOSTILE_SVG))
    assert opened.take_blocked() in ([], ["script-src-attr"] * handlers)


LEFT = "/!'()*-._~"
"""What encodeURIComponent leaves in a name as it is, and the separator of folders."""


def test_a_run_shows_any_names_too(visit):
    one = record(layers=len(HOSTILE), error="\n".join(HOSTILE.values()))
    for at, text in enumerate(HOSTILE.values()):
        one["plan"]["layers"][at] |= {"path": text, "layer": text, "arguments": text}
    seen = [well_formed(text) for text in HOSTILE.values()]
    files = [(text, 1) for text in seen]
    page = visit(
        run_page(HOSTILE["image"], hostile_record(one, HOSTILE["image"]), only_text(HOSTILE["link"]), files)
    ).page
    assert texts(page.locator("h1")) == [HOSTILE["image"]]
    assert texts(page.locator("pre.error, .viewer pre")) == [HOSTILE["image"] + "\n" + "\n".join(seen), HOSTILE["link"]]
    assert texts(page.get_by_role("table", name="Layers").locator("tbody code")) == seen
    assert page.evaluate("window.ran") is None
    assert page.locator("img, iframe, h1 *").count() == 0
    links = page.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert [link for link in links if not link.startswith(("#", "./"))] == []
    assert page.locator(".files a").evaluate_all("all => all.map(one => one.getAttribute('href'))") == [
        f"./{quote(text, safe=LEFT)}" for text in seen
    ]


# ---- a picture


@pytest.fixture(scope="module")
def pictured():
    """The pages of two recipes, with their diagrams."""
    from assembler import plan
    from assembler.views.diagram import diagram, levels, picture

    made = {}
    for name in ("unet", "resnet18"):
        found = diagram(plan(ROOT / "conf" / "recipe" / f"{name}.yaml"), name)
        data = picture(found).data()
        if not data["depths"]:
            pytest.skip("no program is installed that draws")
        made[name] = (run_page(name, record(layers=1), data), levels(found), data)
    return made


def test_a_picture_shows_every_block_and_folds_them(visit, pictured):
    for html, depths, data in pictured.values():
        page = visit(html).page
        buttons = page.get_by_role("group", name="Depth of blocks").get_by_role("button")
        assert buttons.count() == len(depths)
        assert buttons.nth(data["shown"]).get_attribute("aria-pressed") == "true"
        for at, one in enumerate(depths):
            buttons.nth(at).click()
            assert page.locator(".drawing svg").count() == 1
            assert page.locator(".drawing svg").is_visible()
            texts_shown = page.locator(".drawing svg text").all_text_contents()
            blocks = {group.label for group in one.groups} | {node.heading for node in one.nodes}
            assert blocks - {""} <= {text.replace("\xa0", " ").strip() for text in texts_shown}
        assert page.locator(".drawing svg text").count() > 2 * len(depths[0].nodes)


def width_of(page):
    return page.locator(".drawing svg").bounding_box()["width"]


def test_a_picture_zooms_and_moves_by_keys_and_buttons(visit, pictured):
    page = visit(pictured["unet"][0], width=900).page
    start = width_of(page)
    page.get_by_role("button", name="Zoom in").click()
    assert width_of(page) == pytest.approx(1.25 * start, rel=0.01)
    frame = page.locator(".drawing")
    frame.focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert width_of(page) == pytest.approx(1.25**3 * start, rel=0.01)
    page.keyboard.press("-")
    assert width_of(page) == pytest.approx(1.25**2 * start, rel=0.01)
    before = frame.evaluate("one => [one.scrollLeft, one.scrollTop]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "([left, top]) => { const one = document.querySelector('.drawing'); return one.scrollLeft > left && one.scrollTop > top }",
        arg=before,
    )
    page.get_by_role("button", name="Depth 1 of 4").click()
    assert page.locator(".zoom").inner_text() == f"{100 * 1.25**2:.0f} %"  # a chosen scale stays
    frame.focus()
    page.keyboard.press("0")
    inside, around = page.locator(".drawing svg").bounding_box(), frame.bounding_box()
    assert inside["width"] <= around["width"]
    assert inside["height"] <= around["height"]


def test_a_picture_moves_with_the_mouse_and_zooms_where_it_is(visit, pictured):
    page = visit(pictured["unet"][0], width=900).page
    frame = page.locator(".drawing")
    frame.scroll_into_view_if_needed()
    for _ in range(4):
        page.get_by_role("button", name="Zoom in").click()
    box = frame.bounding_box()
    x, y = box["x"] + 300, box["y"] + 200
    where = "one => [one.scrollLeft, one.scrollTop]"
    left, top = frame.evaluate(where)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y - 30, steps=4)
    page.mouse.up()
    assert frame.evaluate(where) == [pytest.approx(left + 40, abs=2), pytest.approx(top + 30, abs=2)]
    text = page.locator(".drawing svg text").nth(12)
    text.scroll_into_view_if_needed()
    at = text.bounding_box()
    page.mouse.move(at["x"], at["y"])
    page.keyboard.down("Control")
    page.mouse.wheel(0, -20)
    page.keyboard.up("Control")
    page.wait_for_function("text => document.querySelector('.zoom').textContent !== text", arg="244 %")
    assert text.bounding_box()["width"] > at["width"]
    assert text.bounding_box()["x"] == pytest.approx(at["x"], abs=3)


def test_a_picture_zooms_with_two_fingers(visit, pictured):
    page = visit(pictured["unet"][0], width=400).page
    start = width_of(page)
    page.locator(".drawing").evaluate(
        """frame => {
            const box = frame.getBoundingClientRect();
            const touch = (identifier, x) => new Touch({ identifier, target: frame, clientX: box.x + x, clientY: box.y + 50 });
            const send = (kind, apart) =>
                frame.dispatchEvent(new TouchEvent(kind, { cancelable: true, touches: [touch(1, 100 - apart), touch(2, 100 + apart)] }));
            send("touchstart", 20);
            send("touchmove", 30);
            send("touchmove", 40);
        }"""
    )
    assert width_of(page) == pytest.approx(2 * start, rel=0.01)


def test_a_picture_is_for_everybody(visit, pictured):
    page = visit(pictured["resnet18"][0]).page
    for scheme, width in (LOOKS[0], LOOKS[2]):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ink, paper = page.evaluate(
            "['.drawing text', '.drawing'].map((one, at) => getComputedStyle(document.querySelector(one))[at ? 'backgroundColor' : 'fill'])"
        )
        assert contrast(ink, paper) > 7
    assert sorted(re.findall(r"--strip: (#\w+)", page.locator(".legend").inner_html())) == sorted(
        [*COLOURS.values(), COLOURS["multiplies"]]
    )


def contrast(*colours):
    """Of two colours of the kind ``rgb(1, 2, 3)``, as WCAG defines it."""

    def light(colour):
        parts = [int(one) / 255 for one in re.findall(r"\d+", colour)[:3]]
        linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted(map(light, colours))
    return (bright + 0.05) / (dark + 0.05)


def test_a_picture_in_a_notebook_is_a_page_that_zooms(visit):
    from assembler import plan

    shown = plan("2 * (Dense(8, 8) + ReLU)", input=(4, 8))._repr_mimebundle_()
    assert "<table" in shown["text/html"].split("<iframe")[0]
    opened = visit(f"<!doctype html><title>notebook</title>{shown['text/html']}")
    frame = opened.page.frame_locator("iframe")
    assert "\xa0\xa0Dense" in frame.locator(".drawing svg text").all_text_contents()
    frame.get_by_role("button", name="Zoom in").click()
    assert frame.locator(".zoom").inner_text() == "125 %"


NO_FIGURES = [{"job": str(job), "status": "pending", "recipe": f"net{job}", "message": None} for job in range(3)]


@pytest.mark.parametrize(
    ("rows", "overrides"),
    [
        ([], []),
        ([{"job": "0", "status": "passed"}], []),
        (NO_FIGURES, ["recipe"]),
        ([{**row, "seconds": 0.5} for row in NO_FIGURES], ["recipe"]),
        (
            [
                {**row, "seconds": [None, "nan", 2**80][at], "plan.macs": [float("nan"), 10**400, 3][at]}
                for at, row in enumerate(NO_FIGURES)
            ],
            ["recipe"],
        ),
        ([{**row, "recipe": None, "seed": 2**64 - at} for at, row in enumerate(NO_FIGURES)], ["recipe", "seed"]),
        ([{**row, "status": "unheard of"} for row in NO_FIGURES], ["recipe"]),
    ],
    ids=["no job", "one job", "no figure", "one figure", "odd figures", "large seeds", "odd status"],
)
def test_any_rows_make_a_page(visit, no_plots, rows, overrides):
    opened = visit(sweep_page("any", rows, overrides, {}, {}))
    assert len(opened.column("job")) == len(rows)


@pytest.mark.parametrize(
    "one",
    [
        {},
        {"status": "error", "error": "it left no result.json", "overrides": []},
        record(plan=None, outcomes=[], bench=[], parameters=[], device=None),
    ],
    ids=["nothing", "killed", "no plan"],
)
def test_any_record_makes_a_page(visit, one):
    page = visit(run_page("any", one, None)).page
    assert page.locator("h1").inner_text() == "any"


# ---- a run


def test_a_run_shows_what_it_found(visit):
    page = visit(run_page("mlp", record("failed", layers=4), PICTURE)).page
    assert page.locator("#verdict").inner_text().split() == ["✕", "failed"]
    titles = ["Measurements", "Checks", "Diagram", "Layers", "Recipe", "Time", "Parameters", "Where it ran"]
    assert page.locator("h2").all_inner_texts() == titles == page.locator("nav a").all_inner_texts()
    layers = page.get_by_role("table", name="Layers")
    assert layers.locator("tbody tr").count() == 4
    assert layers.locator(".all th, .all .right").all_inner_texts() == [
        "all 4 layers",
        "288100.0 %",
        "512100.0 %",
        "0 B",
    ]
    assert (
        page.get_by_role("table", name="Checks").locator("tbody tr").nth(2).inner_text().split("\t")[1]
        == "does not apply"
    )
    assert page.get_by_role("table", name="Measurements").locator("tbody td").all_inner_texts() == [
        *("2", "1.234 ms", "1 ms – 2 ms", "1,621", "200 ms", "1.0 MiB", "10")
    ]


def test_the_page_of_a_run_is_small():
    assert len(run_page("mlp", record(), PICTURE)) < 60_000


def test_no_script_of_a_page_takes_the_name_of_another():
    scripts = files("assembler.views.page") / "scripts"
    for names in (_SWEEP, _RUN, _LIVE):
        texts = "".join((scripts / f"{name}.js").read_text(encoding="utf-8") for name in names)
        defined = re.findall(r"^(?:async )?(?:function\*?|const|let|class) (\w+)", texts, re.MULTILINE)
        assert [name for name, many in Counter(defined).items() if many > 1] == []


# ---- for everybody


def faults(page):
    """What axe, a checker of accessibility, finds."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        (rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in Axe().run(page).response["violations"]
    ]


LOOKS = [("light", 1600), ("dark", 1600), ("dark", 360), ("light", 360)]


@pytest.mark.parametrize(
    ("make", "looks"),
    [
        (lambda: page_of(12), LOOKS[:1]),
        (lambda: plain_page(12), LOOKS[1:]),
        (lambda: run_page("mlp", record("failed"), PICTURE), LOOKS),
    ],
    ids=["sweep with plots", "sweep", "run"],
)
def test_a_page_is_for_everybody(visit, make, looks):
    page = visit(make()).page
    for scheme, width in looks:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)  # plots follow
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_open_job_is_for_everybody(visit):
    page = visit(plain_page(5)).page
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        page.locator("#table tbody button").nth(3).click()
        assert faults(page) == []
        page.keyboard.press("Escape")


def test_every_control_has_a_name(visit):
    page = visit(plain_page(12)).page
    for role in ("button", "combobox", "checkbox", "searchbox"):
        assert page.get_by_role(role).count() > 0
        assert (
            page.get_by_role(role).count()
            == page.get_by_role(role, name="", exact=False).and_(page.get_by_role(role, name=re.compile(r"\S"))).count()
        )
    assert page.locator("table").count() == page.locator("table > caption").count()
    assert page.locator("th:not([scope])").count() == 0


def test_without_scripts_a_page_says_where_to_look(browser, tmp_path):
    (tmp_path / "page.html").write_text(plain_page(3))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert "See sweep.csv in the same folder." in page.locator("noscript").inner_text()
    context.close()


# ---- a thousand jobs


def test_equal_parts_of_a_thousand_jobs_are_kept_once():
    from plotly.offline import get_plotlyjs

    html = page_of(1000)
    data = data_of_page(html)
    assert data.count('"Dense",1,"8, 8"') == sum(range(1, 11))
    assert data.count("currentColor") == 1
    assert len(html.encode()) < len(get_plotlyjs().encode()) + 1_500_000


def test_a_thousand_jobs_stay_smooth(visit):
    opened = visit(page_of(1000))
    page = opened.page

    def fastest(script):
        return min(
            page.evaluate(
                f"() => {{ const start = performance.now(); {script}; document.body.offsetHeight; return performance.now() - start; }}"
            )
            for _ in range(3)
        )

    assert fastest("""document.querySelector('#table [data-column="plan.macs"]').click()""") < SMOOTH
    assert (
        fastest(
            "const text = document.getElementById('text'); text.value = text.value ? '' : 'net'; text.dispatchEvent(new Event('input'))"
        )
        < SMOOTH
    )
    assert fastest("document.querySelector('#table tbody button').click()") < SMOOTH
    page.keyboard.press("Escape")


IN_VIEW = """() => {
    const box = document.getElementById("jobs").getBoundingClientRect();
    const rows = [...document.querySelectorAll("#table tbody tr")].map(row => [row, row.getBoundingClientRect()]);
    return rows.filter(([, at]) => at.top < box.bottom && at.bottom > box.top).map(([row]) => [row.cells[0].innerText, row.ariaRowIndex]);
}"""


def test_a_long_table_has_the_rows_in_view(visit):
    page = visit(plain_page(1000)).page
    heights = set()
    for top, job in [(0, 0), (10**7, 999), (15_000, None), (0, 0)]:
        page.locator("#jobs").evaluate("(one, top) => one.scrollTo(0, top)", top)
        page.wait_for_timeout(100)
        heights.add(page.locator("#jobs").evaluate("one => one.scrollHeight"))
        shown = page.evaluate(IN_VIEW)
        names = [int(name) for name, _ in shown]
        assert len(names) > 10
        assert names == list(range(names[0], names[0] + len(names)))
        assert [int(index) for _, index in shown] == [name + 2 for name in names]
        assert job is None or job in names
        assert page.locator("#table tbody tr").count() < 80
    assert max(heights) - min(heights) < 3  # the bar does not jump
    page.locator("#table tbody button").nth(3).focus()
    page.locator("#jobs").evaluate("one => one.scrollTo(0, 60)")
    page.wait_for_timeout(100)
    assert page.evaluate("document.activeElement.textContent") == "3"
