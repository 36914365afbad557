"""The pages of sweeps and runs, in a real browser."""

import random
import re
import shutil
from pathlib import Path

import pytest

from assembler.views import page as page_module
from assembler.views.page import run_page, sweep_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on PATH")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><g><text x="4" y="12">Dense</text></g></svg>'
MESSAGE = "no layer named 'Dence'. Did you mean 'Dense'?"


# ---- what is shown


def layer(path, name, arguments, outputs):
    shapes = {"input": {"shape": [2, 8], "dtype": "float32"}, "output": {"shape": [2, outputs], "dtype": "float32"}}
    sums = {"trainable": 8 * outputs, "frozen": 0, "other": 0, "macs": 16 * outputs}
    return {"path": path, "layer": name, "arguments": arguments, **shapes, **sums}


def record(overrides=("recipe=mlp",), error=None, layers=None, checks=None):
    layers = layers or [layer("0", "MaxPool2d", "2, 2", 8), layer("1", "Dense", "8, 541", 541)]
    shape = {"shape": [2, 8], "dtype": "float32"}
    sums = dict.fromkeys(
        ("parameters", "trainable", "frozen", "other", "parameter_memory", "macs", "activations"), 4392
    )
    checks = checks or [("finite", True, 0, 0, ""), ("expect.output", False, [2, 541], ["_", 10], "the output")]
    names = ("check", "passed", "measured", "bound", "detail")
    return {
        "status": "error" if error else "passed",
        "started": "2026-01-01T00:00:00+00:00",
        "overrides": list(overrides),
        "recipe": {"name": "mlp"},
        **{"task": "check", "mode": "graph", "seed": 1, "dtype": "float32", "amp": None},
        "device": {"asked": "auto", "got": "CPU", "why": "there is no other"},
        "versions": {"python": "3.11", "mindspore": "2.10.0"},
        "plan": {"layers": layers, **sums, "uncounted": [], "input": shape, "output": shape},
        "parameters": [{"name": "0.weight", "layer": "Dense", "shape": [541, 8], "kind": "trainable", "mean": 0.5}],
        "outcomes": [{"applies": True, **dict(zip(names, check, strict=True))} for check in checks],
        "bench": [{"mode": "graph", "batch": 2, "latency": 1e-3, "throughput": 2000, "memory": 4096}],
        "seconds": {"import": 1.5, "build": 0.01},
        "error": error,
    }


OVERRIDES = ["recipe", "recipe.params.width", "seed"]
FIGURES = ["plan.parameters", "plan.macs", "check.reference", "bench.latency_ms", "bench.throughput", "seconds"]


def many_rows(number):
    """Jobs with figures at random, of which some failed, and as many lack figures."""
    chance = random.Random(number)
    for job in range(number):
        status = chance.choices(["passed", "failed", "error", "pending"], [90, 5, 3, 2])[0]
        width = chance.choice([8, 16, 32, 64, 128])
        row = dict.fromkeys(["job", "status", *OVERRIDES, *FIGURES, "message", "started", "path"])
        row |= {"job": str(job), "status": status, "recipe": f"net{job % 10}", "recipe.params.width": width}
        row |= {"seed": job // 10, "path": f"sweep/{job}"}
        if status in ("passed", "failed"):
            numbers = [width**2, width**2 * chance.randrange(1, 100), chance.random() * 1e-7]
            row |= zip(FIGURES, [*numbers, *(round(chance.uniform(0.1, 9), 2) for _ in range(3))], strict=True)
        if status == "error":
            row["message"] = MESSAGE
        yield row


ROWS = list(many_rows(150))


def overrides_of(row):
    return [f"{name}={row[name]}" for name in OVERRIDES]


def many_jobs(rows):
    started = [row for row in rows if row["status"] != "pending"]
    records = {row["job"]: record(overrides_of(row), row["message"]) for row in started}
    return sweep_page("Width of ten nets", rows, OVERRIDES, FIGURES, records, dict.fromkeys(records, SVG))


# ---- the browser


class Seen:
    """What a page complained of and asked for."""

    def __init__(self, page):
        self.errors, self.requests = [], []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: (self.errors.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda asked: self.requests.append(asked.url))


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def show(browser, tmp_path_factory):
    """Open a page; it has the file's address and what it complained of as ``address`` and ``seen``."""

    def show(html, **settings):
        file = tmp_path_factory.mktemp("page") / "page.html"
        file.write_text(html, encoding="utf-8")
        page = browser.new_page(viewport={"width": 1280, "height": 900}, **settings)
        page.set_default_timeout(10_000)
        page.seen, page.address = Seen(page), file.as_uri()
        page.goto(page.address)
        return page

    return show


@pytest.fixture(scope="module")
def shown_sweep(show):
    page = show(many_jobs(ROWS))
    page.wait_for_function("document.getElementById('parallel').data")
    return page


@pytest.fixture
def sweep(shown_sweep):
    """The page, as it opens."""
    shown_sweep.emulate_media(color_scheme="light")
    shown_sweep.evaluate("document.getElementById('dialog').close()")
    shown_sweep.evaluate("document.getElementById('clear').click()")
    return shown_sweep


@pytest.fixture(scope="module")
def run_of(show):
    return show(run_page("lenet5", record(), SVG))


def texts(page, selector):
    return page.eval_on_selector_all(selector, "all => all.map(one => one.textContent)")


def jobs(page):
    return texts(page, "#body button.open")


def points(page):
    """The numbers of the rows that the scatter draws."""
    traces = "document.getElementById('scatter').data.filter(trace => trace.customdata)"
    return set(page.evaluate(f"{traces}.flatMap(trace => [...trace.customdata])"))


def wait_for_points(page, wanted):
    script = "wanted => document.getElementById('scatter').data.reduce((sum, {customdata}) => sum + (customdata?.length ?? 0), 0) === wanted"
    page.wait_for_function(script, arg=len(wanted))
    assert points(page) == wanted


def numbers_of(condition):
    """The rows that hold, and those of them that have what the axes show."""
    held = {at for at, row in enumerate(ROWS) if condition(row)}
    return held, {at for at in held if ROWS[at]["plan.macs"] is not None}


def filled(rows):
    return f"{len(rows):,} of 150 jobs"


# ---- sweeps


def test_a_sweep_opens_without_an_error_and_asks_for_nothing(sweep):
    assert sweep.seen.errors == []
    assert [url for url in sweep.seen.requests if not url.startswith(("blob:", "data:"))] == [sweep.address]
    assert sweep.text_content("h1") == sweep.title() == "Width of ten nets"
    assert sweep.text_content("#count") == "150 jobs"


def test_the_page_of_a_thousand_jobs_is_small():
    from plotly.offline import get_plotlyjs

    assert len(many_jobs(list(many_rows(1000))).encode()) - len(get_plotlyjs().encode()) < 3_000_000


@pytest.mark.parametrize("figure", ["plan.macs", "check.reference"])
def test_a_figure_sorts_as_a_number_and_both_ways(sweep, figure):
    if sweep.is_visible("#more-all"):
        sweep.click("#more-all")
    there = sorted((row for row in ROWS if row[figure] is not None), key=lambda row: (row[figure], int(row["job"])))
    rest = [row["job"] for row in ROWS if row[figure] is None]
    header = f'th:has([data-sort="{figure}"])'
    for order in ("ascending", "descending", "none"):
        sweep.click(f'[data-sort="{figure}"]')
        assert sweep.get_attribute(header, "aria-sort") == order
        got = jobs(sweep)
        if order == "none":
            assert got == [row["job"] for row in ROWS[: len(got)]]
        else:
            if order == "descending":
                there.sort(key=lambda row: (-row[figure], int(row["job"])))
            assert got == [*(row["job"] for row in there), *rest][: len(got)]
        assert sweep.evaluate("document.activeElement.dataset.sort") == figure


def test_a_search_filters_the_table_and_the_scatter(sweep):
    sweep.fill("#text", "NET3 width=16")
    held, drawn = numbers_of(lambda row: row["recipe"] == "net3" and row["recipe.params.width"] == 16)
    assert 0 < len(drawn) < len(ROWS)
    assert sweep.text_content("#count") == filled(held)
    assert set(jobs(sweep)) == {str(at) for at in held}
    wait_for_points(sweep, drawn)


def test_a_search_without_a_match_says_so(sweep):
    sweep.fill("#text", "nowhere to be found")
    assert sweep.text_content("#count") == "0 of 150 jobs"
    assert sweep.inner_text("#body") == "No job fits."
    wait_for_points(sweep, set())


def test_statuses_and_overrides_filter_together(sweep):
    sweep.click('[data-status="failed"]')
    assert sweep.get_attribute('[data-status="failed"]', "aria-pressed") == "true"
    held, drawn = numbers_of(lambda row: row["status"] == "failed")
    assert sweep.text_content("#count") == filled(held)
    wait_for_points(sweep, drawn)
    sweep.locator("#selects label", has_text=re.compile("^recipe(?!\\.)")).locator("select").select_option("=net1")
    held, drawn = numbers_of(lambda row: row["status"] == "failed" and row["recipe"] == "net1")
    assert held
    assert sweep.text_content("#count") == filled(held)
    assert set(jobs(sweep)) == {str(at) for at in held}
    wait_for_points(sweep, drawn)
    sweep.click("#clear")
    assert sweep.text_content("#count") == "150 jobs"
    wait_for_points(sweep, numbers_of(lambda row: True)[1])


def test_a_job_opens_and_closes_by_keyboard(sweep):
    sweep.focus('#body [data-row="1"]')
    sweep.keyboard.press("Enter")
    assert sweep.inner_text("#dialog-title") == "Job 1"
    assert sweep.evaluate("document.activeElement.id") == "dialog-title"
    assert texts(sweep, "#dialog .tags li") == overrides_of(ROWS[1])
    sweep.focus("#dialog-after")
    sweep.keyboard.press("Enter")
    assert sweep.inner_text("#dialog-title") == "Job 2"
    sweep.focus("#dialog-before")
    sweep.keyboard.press("Enter")
    sweep.keyboard.press("Escape")
    assert not sweep.is_visible("#dialog")
    assert sweep.evaluate("document.activeElement.dataset.row") == "1"


def test_a_job_that_did_not_pass_opens_from_the_top(sweep):
    failed = next(row for row in ROWS if row["status"] == "error")
    button = sweep.locator("#failures-list button", has_text=re.compile(f"^{failed['job']}$"))
    button.press("Enter")
    assert sweep.inner_text("#dialog pre >> nth=0") == MESSAGE
    sweep.keyboard.press("Escape")
    assert button.evaluate("button => button === document.activeElement")


def test_a_job_shows_shapes_as_shapes(sweep):
    sweep.click('#body [data-row="0"]')
    row = sweep.locator("#dialog tr", has_text="expect.output").locator("td").all_inner_texts()
    assert row[1:3] == ["(2, 541)", "(_, 10)"]


def front_of(rows, first, second, turns):
    """The Pareto front by its definition: what no other row is at least as good as in both and better in one."""
    signs = [1 if turn == "min" else -1 for turn in turns]
    placed = [(signs[0] * row[first], signs[1] * row[second], row["job"]) for row in rows]
    return {
        job for x, y, job in placed if not any(a <= x and b <= y and (a < x or b < y) for a, b, _ in placed)
    }  # fmt: skip


@pytest.mark.parametrize("turns", [("min", "min"), ("min", "max"), ("max", "min"), ("max", "max")])
def test_the_pareto_front_of_the_scatter(sweep, turns):
    controls = {"x": "plan.parameters", "y": "bench.throughput", "wantX": turns[0], "wantY": turns[1]}
    for key, value in controls.items():
        sweep.select_option(f"#scatter-controls [data-key={key}]", value)
    wanted = front_of((row for row in ROWS if row["seconds"]), "plan.parameters", "bench.throughput", turns)
    sweep.wait_for_timeout(400)
    assert set(texts(sweep, "#front button.open")) == wanted
    sweep.select_option("#scatter-controls [data-key=x]", "plan.macs")


def test_the_pareto_front_of_any_points(run_of):
    source = Path(page_module.__file__).with_name("front.js").read_text()
    chance = random.Random(7)
    for number in range(60):
        turns = chance.choice(["min", "max"]), chance.choice(["min", "max"])
        rows = [{"job": job, "x": chance.randrange(9), "y": chance.randrange(9)} for job in range(number)]
        call = f"(points) => {{ {source}; return paretoFront(points, ...{list(turns)}); }}"
        got = run_of.evaluate(call, [list(row.values()) for row in rows])
        assert len(got) == len(set(got))
        assert set(got) == front_of(rows, "x", "y", turns)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_charts_follow_the_colour_scheme(sweep, scheme):
    sweep.emulate_media(color_scheme=scheme)
    paper = {"light": "#ffffff", "dark": "#171b23"}[scheme]
    for plot in ("scatter", "parallel"):
        sweep.wait_for_function(f"document.getElementById('{plot}').layout.paper_bgcolor === '{paper}'")
    channels = [int(paper[at : at + 2], 16) for at in (1, 3, 5)]
    assert sweep.eval_on_selector(".card", "card => getComputedStyle(card).backgroundColor") == "rgb({}, {}, {})".format(*channels)  # fmt: skip


def median_time(page, action):
    """Milliseconds until the page is laid out again; the median of nine."""
    page.wait_for_timeout(300)
    return page.evaluate(
        f"""async () => {{
          const times = [];
          for (let round = 0; round < 9; round += 1) {{
            const start = performance.now();
            ({action})(round);
            document.body.offsetHeight;
            times.push(performance.now() - start);
            await new Promise((done) => setTimeout(done, 30));
          }}
          return times.sort((one, other) => one - other)[4];
        }}"""
    )


def test_a_thousand_jobs_sort_and_filter_at_once(show):
    page = show(many_jobs(list(many_rows(1000))))
    page.wait_for_function("document.getElementById('parallel').data")
    assert median_time(page, "() => document.querySelector('[data-sort=\"plan.macs\"]').click()") < 100
    typed = "t.value = round % 2 ? 'net3' : 'width=16'; t.dispatchEvent(new Event('input'))"
    assert median_time(page, f"(round) => {{ const t = document.getElementById('text'); {typed} }}") < 100
    page.close()


def violations(page):
    from axe_playwright_python.sync_playwright import Axe

    return [(one["id"], one["nodes"][0]["html"]) for one in Axe().run(page).response["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_sweep_is_accessible(sweep, scheme):
    sweep.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    sweep.fill("#text", "net3 width=16")
    assert violations(sweep) == []
    sweep.locator("#body button.open").first.click()
    assert violations(sweep) == []


# ---- runs


def test_a_run_opens_without_an_error_and_asks_for_nothing(run_of):
    assert run_of.seen.errors == []
    assert run_of.seen.requests == [run_of.address]
    assert run_of.text_content("h1") == run_of.title() == "lenet5"
    titles = ["Overrides", "Checks", "Measurements", "Layers", "Diagram", "Parameters", "Time", "Surroundings"]
    assert texts(run_of, "h2") == titles


def test_the_page_of_a_run_is_small():
    assert len(run_page("lenet5", record(), SVG).encode()) < 100_000


@pytest.mark.parametrize("width", [360, 1280])
def test_words_and_numbers_do_not_break(run_of, width):
    run_of.set_viewport_size({"width": width, "height": 900})
    heights = run_of.locator("tbody tr", has_text="MaxPool2d").locator("td, th").evaluate_all(
        "cells => cells.map(cell => { const range = document.createRange(); range.selectNodeContents(cell); return new Set([...range.getClientRects()].map(({top}) => top)).size; })"
    )  # fmt: skip
    assert set(heights) == {1}
    assert run_of.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_run_is_accessible(run_of, scheme):
    run_of.emulate_media(color_scheme=scheme)
    assert violations(run_of) == []


# ---- whatever a name holds

HOSTILE = [
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    "<!--<script>",
    "javascript:window.hacked=1",
    "<b>bold</b> <a href='javascript:window.hacked=1'>link</a>",
    "__proto__",
    "long " * 400,
    "two\nlines\ttab",
    "\u202eright to left\u202c \u05d0",
    "half \ud800 a pair",
    "{{ title }} ${window.hacked=1} %s",
    "NaN",
]


@pytest.fixture(params=range(2), ids=["one", "other"])
def hostile_sweep(request):
    """All hostile names, as keys of overrides or as their values."""
    keys = HOSTILE if request.param else ["recipe", "__proto__"]
    rows, records, diagrams = [], {}, {}
    for number, name in enumerate(HOSTILE):
        job = f"{number}/{name}" if name != HOSTILE[6] else "6"
        values = {key: HOSTILE[(number + at) % len(HOSTILE)] if at < 2 else number for at, key in enumerate(keys)}
        figures = {
            f"check.{name}": number + 0.5,
            "plan.macs": number,
            "check.nan": float("nan"),
            "seconds": float("inf"),
        }
        row = {"job": job, "status": "error", **values, **dict.fromkeys(f"check.{each}" for each in HOSTILE), **figures}
        rows.append({**row, "message": name, "started": name, "path": name})
        lines = [f"{key}={value}" for key, value in values.items()]
        checks = [(name, False, name, [name, float("nan")], name), ("finite", True, float("inf"), name, name)]
        records[job] = record(lines, f"first line\n{name}", [layer(name, name, name, 8)], checks)
        records[job]["recipe"]["name"] = name
        records[job]["device"]["why"] = name
        diagrams[job] = name
    figures = [*(f"check.{each}" for each in HOSTILE), "plan.macs", "check.nan", "seconds"]
    return rows, keys, figures, records, diagrams


def seen_as(text):
    """A text as it reaches a person: a browser writes half of a pair as a sign of its own."""
    return re.sub(r"\s+", " ", text.replace("\ud800", "\ufffd")).strip()


def everything(page, selector="body"):
    return seen_as(page.eval_on_selector(selector, "one => one.textContent.toWellFormed()"))


def nothing_ran(page):
    page.wait_for_timeout(50)
    assert page.evaluate("window.hacked === undefined && Object.prototype.hacked === undefined")
    assert page.seen.errors == []
    assert [url for url in page.seen.requests if not url.startswith(("blob:", "data:"))] == [page.address]
    assert page.eval_on_selector_all("main img, dialog img, main script, dialog script, main iframe, .plot a", "all => all.length") == 0  # fmt: skip
    hrefs = page.eval_on_selector_all("a[href]", "all => all.map(one => one.protocol)")
    assert "javascript:" not in hrefs


def test_hostile_names_in_a_sweep_are_text(show, hostile_sweep):
    rows, keys, figures, records, diagrams = hostile_sweep
    page = show(sweep_page("".join(HOSTILE), rows, keys, figures, records, diagrams))
    assert seen_as(page.text_content("h1")) == seen_as("".join(HOSTILE))
    table = everything(page, "#jobs")
    for at, name in enumerate(HOSTILE):
        assert seen_as(name) in table
        page.locator(f'#body [data-row="{at}"]').evaluate("button => button.click()")
        dialog = everything(page, "#dialog")
        assert (
            dialog.count(seen_as(name)) >= 8
        )  # override, error, check, bound, detail, path, layer, arguments, diagram
        page.keyboard.press("Escape")
    colours = page.eval_on_selector_all("[data-key=colour] option", "all => all.map(one => one.value)")
    page.select_option("#scatter-controls [data-key=colour]", index=len(colours) - 1)
    page.select_option("#scatter-controls [data-key=colour]", index=0)
    page.select_option("#scatter-controls [data-key=x]", index=0)
    page.select_option("#scatter-controls [data-key=y]", "plan.macs")
    page.wait_for_function("document.querySelectorAll('#scatter .legendtext').length > 6")
    legend = texts(page, "#scatter .legendtext")
    assert any(text.startswith("<") for text in legend)
    page.evaluate("Plotly.Fx.hover('scatter', [{curveNumber: 0, pointNumber: 0}])")
    page.wait_for_timeout(100)
    assert page.text_content("#scatter .hoverlayer").startswith("job ")
    page.evaluate("document.getElementById('more-all').click()")
    nothing_ran(page)
    page.close()


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_in_a_run_is_text(show, name):
    checks = [(name, False, name, [name, float("-inf")], name)]
    hostile = record([f"recipe={name}"], name, [layer(name, name, name, 8)], checks)
    hostile["recipe"]["name"] = name
    hostile["device"]["why"] = name
    hostile["files"] = [name]
    hostile["versions"] = {name: name}
    hostile["bench"][0]["mode"] = name
    hostile["parameters"][0] |= {"name": name, "layer": name, "set_by": name, "mean": float("nan")}
    page = show(run_page(name, hostile, name))
    assert everything(page).count(seen_as(name)) >= 16
    assert "-inf" in everything(page)
    nothing_ran(page)
    page.close()


def test_an_svg_keeps_only_what_draws(show):
    inside = '<script>window.hacked=1</script><a href="javascript:window.hacked=1"><text onclick="window.hacked=1">in a link</text></a>'
    foreign = '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">html</p></foreignObject><image href="https://example.org/x.png"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" onload="window.hacked=1">{inside}{foreign}<style>* {{ color: red }}</style></svg>'
    page = show(run_page("lenet5", record(), svg))
    assert page.inner_html(".diagram svg") == "<text>in a link</text>"
    nothing_ran(page)
    page.close()
