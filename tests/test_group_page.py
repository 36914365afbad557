"""Groups of jobs on the page of a sweep, a running sweep, and a sweep of ten thousand jobs."""

import random

import numpy as np
import pytest

from assembler.settings.groups import group_jobs
from assembler.settings.metrics import METRICS
from assembler.views.page import sweep_page
from tests.test_page import HOSTILE, LOOKS, browser, faults, no_plots, record, texts, visit, well_formed  # noqa: F401

KEYS = ["recipe", "recipe.params.width", "seed"]
MEASURED = [
    "plan.parameters",
    "check.trains",
    "bench.latency_ms",
    "bench.latency_q1_ms",
    "bench.latency_q3_ms",
    "bench.memory",
]
T4 = 2.7764451051977987
"""The 97.5 % quantile of Student's t with 4 degrees of freedom."""


def seeds(lost=(7,), pending=()):
    """Three widths with five seeds; the jobs in ``lost`` have an error."""
    draw = random.Random(3)
    rows = []
    for at in range(15):
        width, seed = (32, 64, 128)[at // 5], at % 5
        status = "error" if at in lost else "pending" if at in pending else "passed"
        latency = width / 20 + draw.random()
        measured = [
            width * 100,
            draw.gauss(width, 3),
            latency,
            latency - 0.1,
            latency + 0.2,
            2**20 * (width + draw.random()),
        ]
        rows.append(
            {"job": str(at), "status": status, "recipe": "mlp", "recipe.params.width": width, "seed": seed}
            | (dict(zip(MEASURED, measured, strict=True)) if status == "passed" else dict.fromkeys(MEASURED))
            | {"message": "it stopped" if status == "error" else None, "started": None, "path": f"sweep/{at}"}
        )
    return rows


def page_of(rows, next_one=None, by=None):
    records = {row["job"]: record() for row in rows if row["status"] == "passed"}
    return sweep_page("seeds", rows, KEYS, records, {}, group_jobs(rows, KEYS, MEASURED, by), next_one)


def values(rows, name, width):
    return [row[name] for row in rows if row["recipe.params.width"] == width and row[name] is not None]


def test_a_sweep_over_seeds_opens_with_its_groups(visit, no_plots):  # noqa: F811
    rows = seeds()
    opened = visit(page_of(rows))
    page = opened.page
    assert page.locator("#jobs-title").inner_text() == "Groups over seed"
    assert page.locator("#shown").inner_text() == "all 3 groups"
    assert page.locator("#counts .all").inner_text() == "15 jobs in 3 groups"
    assert opened.column("recipe.params.width") == ["32", "64", "128"]
    assert opened.column("status") == ["✓ 5 passed", "! 1 of 5 failed", "✓ 5 passed"]
    assert opened.column("plan.parameters") == ["3,200", "6,400 (n=4)", "12,800"]
    mean, half = opened.column("check.trains")[0].split(" ± ")
    known = values(rows, "check.trains", 32)
    assert float(mean) == pytest.approx(np.mean(known), abs=0.05)
    assert float(half) == pytest.approx(T4 * np.std(known, ddof=1) / np.sqrt(5), abs=0.05)
    heads = page.locator("#table thead button").all_inner_texts()
    assert heads == ["group", "status", "width", "parameters", "trains", "latency_ms", "memory (MiB)"]
    assert float(opened.column("bench.memory")[2].split()[0]) == pytest.approx(128.5, abs=0.5)


STATISTICS = {"std": lambda all_: np.std(all_, ddof=1), "min": np.min, "max": np.max, "n": len}


def test_any_statistic_can_be_shown_sorted_and_filtered(visit, no_plots):  # noqa: F811
    rows = seeds()
    opened = visit(page_of(rows))
    for name, of in STATISTICS.items():
        opened.page.locator("#statistic").select_option(name)
        expected = [of(values(rows, "check.trains", width)) for width in (32, 64, 128)]
        assert [float(text) for text in opened.column("check.trains")] == pytest.approx(expected, rel=1e-3)
    opened.page.locator("#text").fill("trains=4")
    assert opened.column("recipe.params.width") == ["64"]
    opened.page.locator("#text").fill("width>32")
    opened.sort("recipe.params.width")
    opened.sort("recipe.params.width")
    assert opened.column("recipe.params.width") == ["128", "64"]


def test_one_value_has_no_interval_on_the_page(visit, no_plots):  # noqa: F811
    opened = visit(page_of(seeds(lost=(0, 1, 2, 3))))
    text = opened.column("check.trains")[0]
    assert text.endswith(" (n=1)")
    assert "±" not in text
    opened.page.locator("#table tbody button").first.click()
    row = opened.page.locator("#job").get_by_role("table", name="Statistics").locator("tbody tr", has_text="trains")
    cells = row.locator("td").all_inner_texts()
    assert (cells[0], cells[2], cells[3]) == ("1", "–", "–")


def test_a_group_opens_with_its_statistics_and_its_jobs(visit, no_plots):  # noqa: F811
    opened = visit(page_of(seeds()))
    page = opened.page
    page.locator("#table tbody button").nth(1).click()
    dialog = page.locator("#job")
    assert dialog.locator("h2").inner_text() == "Group width=64"
    assert dialog.locator("h3").all_inner_texts() == ["Statistics", "Jobs"]
    jobs = dialog.get_by_role("table", name="Jobs of the group")
    assert jobs.locator("tbody tr").all_inner_texts()[2].split("\t") == ["7", "2", "! error", "it stopped"]
    page.wait_for_function("location.hash.includes('group')")
    jobs.get_by_role("button", name="Job 8").click()
    assert dialog.locator("h2").inner_text() == "Job 8"
    page.keyboard.press("Escape")
    again = visit(page_of(seeds()), hash="#%7B%22group%22%3A%221%22%7D")
    assert again.page.locator("#job h2").inner_text() == "Group width=64"


def test_groups_and_jobs_can_be_switched(visit, no_plots):  # noqa: F811
    opened = visit(page_of(seeds()))
    page = opened.page
    assert not page.locator('#choices select[data-column="seed"]').is_visible()
    page.get_by_role("button", name="Jobs", exact=True).click()
    assert opened.column("job") == [str(at) for at in range(15)]
    assert page.locator('#choices select[data-column="seed"]').is_visible()
    assert not page.locator("#statistic").is_visible()
    page.locator("#colour").select_option("seed")
    page.wait_for_function("location.hash.includes('jobs')")
    assert len(visit(page_of(seeds()), hash=page.evaluate("location.hash")).column("job")) == 15
    page.get_by_role("button", name="Groups", exact=True).click()
    assert opened.column("recipe.params.width") == ["32", "64", "128"]
    assert page.locator("#colour").input_value() == "recipe.params.width"


def test_a_sweep_without_groups_has_no_switch(visit, no_plots):  # noqa: F811
    opened = visit(sweep_page("jobs", seeds(), KEYS, {}, {}))
    assert not opened.page.locator("#of").is_visible()
    assert len(opened.column("job")) == 15


def bars(page):
    """The points of the scatter plot with the ends of their error bars: (y, low, high), sorted."""
    traces = page.evaluate(
        "document.getElementById('scatter').data.filter(one => one.meta === 'jobs').map(one => [[...one.y], one.error_y.array && [...one.error_y.array], one.error_y.array && [...one.error_y.arrayminus]])"
    )
    return sorted(
        (y, y - down, y + up) for ys, ups, downs in traces for y, up, down in zip(ys, ups, downs, strict=True)
    )


def test_plots_have_error_bars(visit):  # noqa: F811
    rows = seeds()
    page = visit(page_of(rows)).page
    page.locator("#y").select_option("check.trains")
    page.wait_for_function("document.getElementById('scatter').layout.yaxis.title.text === 'trains'")
    for (mean, low, high), width in zip(bars(page), (32, 64, 128), strict=True):
        known = values(rows, "check.trains", width)
        half = {5: T4, 4: 3.182446305284263}[len(known)] * np.std(known, ddof=1) / np.sqrt(len(known))
        assert (mean, low, high) == pytest.approx(
            (np.mean(known), np.mean(known) - half, np.mean(known) + half), rel=1e-6
        )
    assert page.locator("#scatter .errorbar").count() == 3
    assert (
        page.locator("#front-note")
        .inner_text()
        .endswith("Means are compared; where intervals overlap, it may be chance.")
    )
    assert page.locator("#scatter-note").inner_text() == "bars: 95 % interval of the mean"
    page.locator("#parallel").scroll_into_view_if_needed()
    page.wait_for_function("document.getElementById('parallel').data?.[0].dimensions[0].values.length === 3")
    names = page.evaluate("document.getElementById('parallel').data[0].dimensions.map(one => one.name)")
    assert "seed" not in names
    page.get_by_role("button", name="Jobs", exact=True).click()
    page.locator("#y").select_option("bench.latency_ms")
    page.wait_for_function("document.getElementById('scatter').layout.yaxis.title.text === 'latency_ms'")
    page.wait_for_function("document.querySelectorAll('#scatter .errorbar').length === 14")
    expected = sorted(
        (row["bench.latency_ms"], row["bench.latency_q1_ms"], row["bench.latency_q3_ms"])
        for row in rows
        if row["bench.latency_ms"]
    )
    assert np.array(bars(page)) == pytest.approx(np.array(expected), rel=1e-6)


def test_groups_are_for_everybody(visit, no_plots):  # noqa: F811
    page = visit(page_of(seeds(), next_one=60)).page
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("#table tbody button").first.click()
        assert faults(page) == []
        page.keyboard.press("Escape")


def test_names_of_groups_are_shown_and_nothing_runs(visit):  # noqa: F811
    rows = [
        {
            "job": f"{at} {seed}",
            "status": "passed",
            "recipe": text,
            "__proto__": text,
            "seed": seed,
            "check.a": at + seed / 9,
        }
        for at, text in enumerate(HOSTILE.values())
        for seed in (1, 2)
    ]
    keys = ["recipe", "__proto__", "seed"]
    opened = visit(sweep_page("any", rows, keys, {}, {}, group_jobs(rows, keys, ["check.a"])))
    page = opened.page
    seen = [well_formed(text) for text in HOSTILE.values()]
    assert texts(page.locator("#table tbody td:nth-child(3)")) == seen
    for at, text in enumerate(seen):
        page.locator("#table tbody button").nth(at).click()
        assert texts(page.locator("#job h2")) == [f"Group recipe={text} __proto__={text}"]
        page.keyboard.press("Escape")
    page.locator("#scatter .scatterlayer .point").first.hover(force=True)
    page.locator("#scatter .hoverlayer text").first.wait_for()
    assert page.evaluate("window.ran") is None


@pytest.mark.parametrize(
    "hash", ["#%7B%22group%22%3A%22length%22%7D", "#%7B%22of%22%3A%22x%22%2C%22statistic%22%3A%22x%22%7D"]
)
def test_an_address_with_other_groups_changes_nothing(visit, no_plots, hash):  # noqa: F811
    opened = visit(page_of(seeds()), hash=hash)
    assert opened.column("recipe.params.width") == ["32", "64", "128"]
    assert not opened.page.locator("#job").is_visible()


def test_all_jobs_can_be_one_group(visit, no_plots):  # noqa: F811
    opened = visit(page_of(seeds(), by=[]))
    assert opened.page.locator("#jobs-title").inner_text() == "Groups over width, seed"
    assert opened.column("status") == ["! 1 of 15 failed"]
    opened.page.locator("#table tbody button").click()
    assert opened.page.locator("#job h2").inner_text() == "Group all jobs"


def test_an_old_browser_is_told_where_to_look(browser, tmp_path, no_plots):  # noqa: F811
    (tmp_path / "page.html").write_text(page_of(seeds()))
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto((tmp_path / "page.html").as_uri())
    assert "sweep.csv in the same folder has the table" in page.locator("#main").inner_text()
    page.close()


# ---- a running sweep


@pytest.fixture
def running(visit, tmp_path, no_plots):  # noqa: F811
    """Open the page of a sweep of which ten jobs are pending, with a clock that the test turns."""
    opened = visit(page_of(seeds(pending=range(5, 15), lost=()), next_one=60))
    opened.page.clock.install()
    opened.page.reload()
    opened.settled()
    return opened


def write_again(opened, html):
    """Write the page anew, as the sweep does, and let six seconds pass."""
    file = opened.page.url.removeprefix("file://").partition("#")[0]
    with open(file, "w") as stream:  # noqa: PTH123
        stream.write(html)
    opened.page.evaluate("window.before = true")
    opened.page.clock.run_for(6000)


def wait_for_reload(opened):
    opened.page.wait_for_function("!window.before && document.documentElement.dataset.drawn")


def test_the_page_of_a_running_sweep_follows_it(running):
    page = running.page
    assert "Running: 5 of 15 jobs ended" in page.locator("#follow-note").inner_text()
    assert running.column("status") == ["✓ 5 passed", "… 5 of 5 pending", "… 5 of 5 pending"]
    page.locator("#text").fill("width>32")
    page.clock.run_for(300)  # until the address has it
    write_again(running, page_of(seeds(pending=range(10, 15), lost=()), next_one=60))
    wait_for_reload(running)
    assert running.column("status") == ["✓ 5 passed", "… 5 of 5 pending"]
    write_again(running, page_of(seeds(lost=())))
    wait_for_reload(running)
    assert running.column("status") == ["✓ 5 passed", "✓ 5 passed"]
    assert not page.locator("#follow").is_visible()
    page.evaluate("window.before = true")
    page.clock.run_for(60_000)
    assert page.evaluate("window.before")  # the sweep has ended


@pytest.mark.parametrize(
    "disturb",
    [
        "document.getElementById('follow-box').click()",
        "document.querySelector('#table tbody button').click()",
        "document.getElementById('columns').open = true",
    ],
    ids=["unticked", "a group is open", "a menu is open"],
)
def test_a_reader_who_is_busy_or_does_not_want_it_is_not_disturbed(running, disturb):
    page = running.page
    page.evaluate(disturb)
    write_again(running, page_of(seeds(lost=()), next_one=60))
    page.clock.run_for(30_000)
    assert page.evaluate("window.before")


def test_that_a_reader_does_not_want_it_is_remembered(running):
    page = running.page
    page.locator("#follow-box").uncheck()
    page.clock.run_for(300)
    page.reload()
    running.settled()
    assert not page.locator("#follow-box").is_checked()


def test_a_page_that_is_not_written_any_more_is_not_reloaded(running):
    running.page.clock.run_for(4 * 60_000)  # it reloads
    running.settled()
    running.page.evaluate("window.before = true")
    running.page.clock.run_for(30_000)
    assert running.page.evaluate("window.before")
    assert "No news since" in running.page.locator("#follow-note").inner_text()


# ---- ten thousand jobs


def many(jobs=10_000, columns=60):
    """Rows of five seeds each, in which every metric of bench and of checks differs in every job."""
    draw = random.Random(1)
    keys = ["recipe", "recipe.params.width", "mode", "dtype", "seed", "recipe.params.rate"]
    known = [metric.name for metric in METRICS]
    known += [f"check.c{at}" for at in range(columns - 5 - len(keys) - len(known))]
    rows, records = [], {}
    for at in range(jobs):
        group = at // 5
        row = {"job": str(at), "status": draw.choices(["passed", "failed", "error", "pending"], [97, 1, 1, 1])[0]}
        told = [f"net{group % 10}", 8 * (group % 8), ("graph", "pynative")[group % 2], "float32", at % 5, group]
        row |= dict(zip(keys, told, strict=True))
        row |= {name: group * 17 if name.startswith("plan.") else draw.uniform(0, 1e3) for name in known}
        row |= {"message": "it stopped" if row["status"] == "error" else None, "started": "2026-11-24T10:38:34+00:00"}
        rows.append(row | {"path": f"multirun/many/{at}"})
        records[str(at)] = one = record(recipe=row["recipe"])
        one["seconds"] = {name: draw.random() for name in ("plan", "build", "checks")}
        for outcome in one["outcomes"]:
            outcome["measured"] = draw.random()
    return rows, keys, known, records


@pytest.mark.slow
def test_ten_thousand_jobs_are_a_small_page_that_answers_at_once(visit):  # noqa: F811
    from plotly.offline import get_plotlyjs

    rows, keys, known, records = many()
    assert len(rows[0]) == 60
    html = sweep_page("many", rows, keys, records, {}, group_jobs(rows, keys, known))
    assert len(html.encode()) - len(get_plotlyjs().encode()) < 8_000_000
    opened = visit(html)
    page = opened.page
    assert min(first_table(opened.context, page.url) for _ in range(2)) < 1000
    for rows_of, number in [("Groups", 2000), ("Jobs", 10_000)]:
        page.get_by_role("button", name=rows_of, exact=True).click()
        page.wait_for_timeout(3000)  # plots
        for text in ("net3", "macs>5000 graph", "c3<500", ""):
            assert min(filtered(page, text) for _ in range(3)) < 150, text
        assert page.locator("#shown").inner_text() == f"all {number:,} {rows_of.lower()}"


FIRST_TABLE = """
new MutationObserver((_, observer) => {
    if (!document.querySelector("#table tbody tr")) return;
    window.firstTable = performance.now();
    observer.disconnect();
}).observe(document, {childList: true, subtree: true});
"""


def first_table(context, url):
    """Milliseconds of the page's thread until its table is drawn: on a machine with other work, not those on the clock."""
    page = context.new_page()
    page.add_init_script(FIRST_TABLE)
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.firstTable")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    page.close()
    return 1000 * metrics["TaskDuration"]


def filtered(page, text):
    """Milliseconds until the table shows what is typed."""
    page.wait_for_timeout(500)
    return page.evaluate(
        """text => {
            const start = performance.now();
            const field = document.getElementById("text");
            field.value = text;
            field.dispatchEvent(new Event("input"));
            document.body.offsetHeight;
            return performance.now() - start;
        }""",
        text,
    )
