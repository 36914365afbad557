"""The comparison of two jobs on the page of a sweep: what it finds in the layers is what ``diff`` finds."""

import json
import re
from itertools import pairwise

import pytest

from assembler import plan
from assembler.sweeps.records import read_result
from assembler.views.diff import block_texts, difference, parts_record, redefined
from assembler.views.page import sweep_page
from assembler.views.record import plan_record
from tests.test_page import HOSTILE, LOOKS, browser, faults, no_plots, record, visit  # noqa: F401

UNIT = {"Unit(n)": "Dense(_, n) + ReLU", "Two(n)": "2 * Unit(n)"}
GRAPH = {"x": "Dense(_, 8) @ input", "y": "Dense(_, 8) @ x", "z": "Add @ (x, y)"}
NETWORKS = {
    "wide": {"stack": ["Dense(_, 32)", "ReLU", "3 * Residual(Dense(_, 32) + Dropout(0.5))", "Dense(_, 2)"]},
    "narrow": {"stack": ["Dense(_, 16)", "GELU", "5 * Residual(Dense(_, 16) + Dropout(0.5))", "Dense(_, 2)"]},
    "units": {"stack": "4 * Two(8) + Dense(_, 2)", "blocks": UNIT},
    "more units": {"stack": "5 * Two(16) + Dense(_, 2)", "blocks": UNIT},
    "other units": {"stack": "4 * Two(16) + Tanh", "blocks": {**UNIT, "Unit(n)": "Dense(_, n) + LayerNorm((n,)) + GELU"}},
    "graph": {"graph": GRAPH},
    "rerouted": {"graph": {**GRAPH, "z": "Add @ (input, y)", "y": "(Dense(_, 8) + Tanh) @ x"}},
    "shared": {"shared": {"d": "Dense(8, 8)"}, "stack": "d + ReLU + d + Tanh"},
}  # fmt: skip

PAIRS = [
    ("wide", "narrow"),
    ("units", "more units"),
    ("units", "other units"),
    ("graph", "rerouted"),
    ("shared", "wide"),
]


def recipe_of(name):
    return {"name": "net", "input": {"shape": [2, 8]}, **NETWORKS[name]}


def record_of(planned, recipe, **others):
    whole = {**plan_record(planned), "parts": parts_record(planned)}
    return {**record(), "plan": json.loads(json.dumps(whole)), "recipe": recipe, **others}


@pytest.fixture(scope="module")
def plans():
    return {name: plan(recipe_of(name)) for name in NETWORKS}


def page_of(records):
    rows = [
        {
            "job": job,
            "status": one["status"],
            "recipe": job,
            "plan.parameters": (one["plan"] or {}).get("parameters"),
            "plan.macs": (one["plan"] or {}).get("macs"),
            "message": None,
        }
        for job, one in records.items()
    ]
    return sweep_page("a sweep", rows, ["recipe"], records, {})


@pytest.fixture
def compared(visit, no_plots, plans, tmp_path):  # noqa: F811
    records = {name: record_of(plans[name], recipe_of(name), seed=at % 2) for at, name in enumerate(NETWORKS)}
    for one in records.values():  # they are what a sweep reads back
        (tmp_path / "result.json").write_text(json.dumps(one))
        assert read_result(tmp_path / "result.json") == one
    return visit(page_of(records)).page


def open_and_compare(page, job, other):
    page.locator("#table tbody").get_by_role("button", name=re.compile(f"^Job {re.escape(job)}$")).first.click()
    field = page.get_by_label("Compare with job")
    field.fill(other)
    field.press("Enter")


def rows_of(page, title):
    table = page.locator(".compare").get_by_role("table", name=title)
    if not table.count():
        return []
    return table.locator("tbody tr").evaluate_all("all => all.map(row => [...row.cells].map(cell => cell.textContent))")


def cost_of(parameters, macs):
    return ", ".join(f"{number:+,} {what}" for number, what in ((parameters, "parameters"), (macs, "MACs")) if number)


def edits_of(plans, before, after):
    """What ``diff`` finds, as the page shows it."""
    blocks = [block_texts(NETWORKS[name]) for name in (before, after)]
    found = difference(plans[before], plans[after], {}, redefined=redefined(*blocks))
    rows = []
    for edit in found.edits:
        texts = " → ".join(part.text for part, _ in edit.sides if part is not None)
        paths = edit.after_paths or edit.before_paths
        more = f" and {edit.times - 1} more" if edit.times > 1 else ""
        times = f" × {edit.times}" if edit.times > 1 else ""
        where = f"#{paths[0]}{more}" if paths[0] else ""
        rows.append([edit.sign.replace("-", "−"), f"{texts}{times}", where, cost_of(edit.parameters, edit.macs)])
    if any(found.through_sizes):
        rows.append(
            ["=", "in layers that are written alike, for their input differs", "", cost_of(*found.through_sizes)]
        )
    return rows


def test_the_page_finds_the_edits_that_diff_finds(compared, plans):
    for before, after in [*PAIRS, *((after, before) for before, after in PAIRS)]:
        wanted = edits_of(plans, before, after)
        assert len(wanted) >= 2
        open_and_compare(compared, after, before)
        assert rows_of(compared, "Layers that differ") == wanted, (before, after)
        compared.locator("#job-close").click()


def test_settings_metrics_and_checks_that_differ(compared, plans):
    open_and_compare(compared, "more units", "units")
    assert rows_of(compared, "Settings that differ") == [["seed", "0", "1"]]
    one, two = plans["units"], plans["more units"]
    assert rows_of(compared, "Metrics that differ") == [
        ["parameters", f"{one.parameters:,}", f"{two.parameters:,}", f"+{100 * (two.parameters / one.parameters - 1):.1f} %"],
        ["macs", f"{one.macs:,}", f"{two.macs:,}", f"+{100 * (two.macs / one.macs - 1):.1f} %"],
    ]  # fmt: skip
    assert rows_of(compared, "Checks that differ") == []


def test_a_check_that_fails_in_one_job_differs(visit, no_plots, plans):  # noqa: F811
    recipe = recipe_of("wide")
    records = {"a": record_of(plans["wide"], recipe), "b": {**record_of(plans["wide"], recipe), "status": "failed"}}
    records["b"]["outcomes"] = record("failed")["outcomes"]
    page = visit(page_of(records)).page
    open_and_compare(page, "b", "a")
    assert rows_of(page, "Checks that differ") == [
        ["mean", "✓ passed 0.5 (bound: [0, inf])", "✕ failed 0.5 (bound: [0, inf])"]
    ]
    assert rows_of(page, "Layers that differ") == []


def test_equal_jobs_and_jobs_without_a_plan_say_so(visit, no_plots, plans):  # noqa: F811
    recipe = recipe_of("wide")
    records = {name: record_of(plans["wide"], recipe) for name in ("a", "b")}
    records["c"] = {**record_of(plans["wide"], recipe), "plan": None}
    page = visit(page_of(records)).page
    open_and_compare(page, "b", "a")
    assert "The two jobs do not differ." in page.locator(".compare").inner_text()
    page.locator("#job-after").click()  # the choice stays
    assert page.get_by_label("Compare with job").input_value() == "a"
    assert "The layers cannot be compared" in page.locator(".compare").inner_text()
    page.get_by_label("Compare with job").fill("no such job")
    page.keyboard.press("Enter")
    assert page.get_by_label("Compare with job").input_value() == ""


def test_the_address_keeps_what_is_compared(compared):
    open_and_compare(compared, "narrow", "wide")
    compared.wait_for_function("location.hash.includes('other')")
    hash_, wanted = compared.evaluate("location.hash"), rows_of(compared, "Layers that differ")
    compared.goto("about:blank")
    compared.go_back()
    compared.wait_for_function("document.documentElement.dataset.drawn")
    assert compared.evaluate("location.hash") == hash_
    assert rows_of(compared, "Layers that differ") == wanted


def test_a_comparison_is_for_everybody(compared):
    open_and_compare(compared, "other units", "units")
    for scheme, width in LOOKS:
        compared.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        compared.set_viewport_size({"width": width, "height": 900})
        assert faults(compared) == []


def test_any_names_are_compared_as_text(visit, no_plots, plans):  # noqa: F811
    records = {}
    for job, text in HOSTILE.items():
        one = record_of(plans["wide"], {"name": text, "params": {text: text}, "blocks": {text: text}})
        one["plan"]["parts"][0] |= {"kind": text, "text": text, "path": text}
        records[job] = {**one, "mode": text}
    page = visit(page_of(records)).page
    for job, other in pairwise(HOSTILE):
        open_and_compare(page, job, other)
        assert rows_of(page, "Layers that differ")[0][0] == "~"
        page.locator("#job-close").click()
    assert page.evaluate("window.ran") is None
    assert page.locator("img, iframe, body a:not(.skip)").count() == 0
