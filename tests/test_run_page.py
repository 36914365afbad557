"""The page of a run: its layers as a tree, its recipe, its files, and the command that repeats it."""

import json
import re
import shlex

import pytest
import yaml

from assembler import plan
from assembler.hydra_edge.arguments import options_for_one_run
from assembler.planning.outline import outline
from assembler.sweeps.records import read_result
from assembler.tasks.run import _files_in
from assembler.views.page import run_page
from assembler.views.page.data import run_data
from assembler.views.page.tree import layer_rows, tree_rows
from assembler.views.record import plan_record
from tests.conftest import RECIPES, ROOT
from tests.test_page import LOOKS, PICTURE, browser, faults, record, visit  # noqa: F401

LEVEL, NAME, TIMES, ARGUMENTS, INPUT, OUTPUT, LAYERS, PARAMETERS, MACS, MEMORY, PATH = range(11)
"""What a row of the table of layers has."""


def record_of(planned, **others):
    """A record of a plan, as read back from its file."""
    return {**record(), "plan": json.loads(json.dumps(plan_record(planned))), **others}


# ---- from the plan to the rows


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "unet", "gpt2_small", "densenet121"])
def test_the_rows_of_a_page_are_those_of_the_outline(planned, name, tmp_path):
    (tmp_path / "result.json").write_text(json.dumps(record_of(planned(name))))
    read = read_result(tmp_path / "result.json")["plan"]
    rows, nodes = tree_rows(read), list(outline(planned(name)).walk())
    assert [row[:4] for row in rows] == [[level, node.title, node.times, node.arguments] for node, level in nodes]
    assert [(row[LAYERS], row[MACS], row[MEMORY], row[PATH]) for row in rows] == [
        (node.total("layers"), node.total("macs"), node.total("memory"), node.paths) for node, _ in nodes
    ]
    assert [row[PARAMETERS] for row in rows] == [
        sum(node.total(kind) for kind in ("trainable", "frozen", "other")) for node, _ in nodes
    ]
    top = [row for row in rows if row[LEVEL] == 0]
    assert sum(row[PARAMETERS] for row in top) == planned(name).parameters
    assert sum(row[MACS] for row in top) == planned(name).macs


def test_shapes_print_as_on_the_terminal(planned):
    from assembler.planning.specs import print_shape

    rows = layer_rows(plan_record(planned("unet")))
    assert [row[INPUT] for row in rows] == [print_shape(row.input) for row in planned("unet").rows]
    assert [row[OUTPUT] for row in rows] == [print_shape(row.output) for row in planned("unet").rows]


def test_a_cell_made_by_hand_has_an_outline_in_its_record():
    from mindspore import nn

    made = plan(nn.SequentialCell(*[nn.SequentialCell(nn.Dense(4, 4), nn.ReLU()) for _ in range(3)]), input=(2, 4))
    rows = tree_rows(plan_record(made))
    assert [(row[LEVEL], row[NAME].rpartition(".")[2], row[TIMES]) for row in rows] == [
        *((0, "SequentialCell", 3), (1, "Dense", 1), (1, "ReLU", 1))
    ]
    assert rows[0][PARAMETERS] == 3 * 20
    assert sum(row[LAYERS] for row in rows[1:]) == 6


@pytest.mark.parametrize(
    ("nodes", "levels"),
    [
        ([{"level": 3}], [0]),
        ([{"level": 0}, {"level": 9}, {"level": 9}], [0, 1, 2]),
        ([{"level": 0, "row": 99}], [0]),
        ([{"level": 0, "times": 2**31}, {"level": 1, "times": 2**31, "macs": 2**100}], [0, 1]),
    ],
)
def test_any_outline_makes_rows(nodes, levels):
    rows = tree_rows({"layers": [], "outline": nodes})
    assert [row[LEVEL] for row in rows] == levels


# ---- the table


def page_of(planned, **others):
    return run_page("net", record_of(planned, **others), PICTURE)


def names(page):
    """The names in the table, from the top."""
    return page.locator(".layers tbody :is(.fold, .leaf)").all_inner_texts()


def column(page, at):
    return page.locator(f".layers tbody td:nth-child({at})").evaluate_all("all => all.map(one => one.firstChild.data)")


def test_blocks_fold_and_have_the_sums_of_what_is_in_them(visit, planned):  # noqa: F811
    page = visit(page_of(planned("resnet18"))).page
    rows = tree_rows(plan_record(planned("resnet18")))
    depths = page.get_by_role("group", name="Depth of the table").get_by_role("button")
    assert depths.count() == 1 + max(row[LEVEL] for row in rows)
    for at in range(depths.count()):
        depths.nth(at).click()
        shown = [row for row in rows if row[LEVEL] <= at]
        assert names(page) == [row[NAME] for row in shown]
        assert column(page, 2) == [f"{row[PARAMETERS]:,}" for row in shown]
        assert column(page, 3) == [f"{row[MACS]:,}" for row in shown]
        assert depths.nth(at).get_attribute("aria-pressed") == "true"
    depths.nth(0).click()
    stage = page.get_by_role("button", name="Stage", exact=True).first
    assert stage.get_attribute("aria-expanded") == "false"
    stage.click()
    assert stage.get_attribute("aria-expanded") == "true"
    at = names(page).index("Stage")
    assert names(page)[at : at + 4] == ["Stage", "First", "Residual", "ReLU"]
    assert page.locator(".layers .times").first.inner_text().strip() == "× 2"
    share = page.locator(".layers tbody tr", has_text="Stage").first.locator(".share-of").first.inner_text()
    assert share == f"{100 * 526_848 / 11_699_112:.1f} %"


def test_the_tree_is_for_the_keyboard(visit, planned):  # noqa: F811
    page = visit(page_of(planned("resnet18"))).page
    page.get_by_role("button", name="Depth 1 of").click()
    page.locator(".layers .fold").first.focus()

    def focused():
        return page.evaluate(
            "[document.activeElement.textContent, document.activeElement.getAttribute('aria-expanded')]"
        )

    for key, expected in [
        ("ArrowRight", ["ConvNorm", "true"]),
        ("ArrowLeft", ["ConvNorm", "false"]),
        ("ArrowDown", ["Pool", "false"]),
        ("ArrowDown", ["Residual + ReLU", "false"]),
        ("Enter", ["Residual + ReLU", "true"]),
        ("ArrowRight", ["Residual", "false"]),
        ("ArrowLeft", ["Residual + ReLU", "true"]),
        ("ArrowUp", ["Pool", "false"]),
    ]:
        page.keyboard.press(key)
        assert focused() == expected, key


def test_a_search_unfolds_what_it_finds(visit, planned):  # noqa: F811
    page = visit(page_of(planned("resnet18"))).page
    page.get_by_role("button", name="Depth 1 of").click()
    before = names(page)
    search = page.get_by_role("searchbox", name="Search layers")
    search.fill("conv2d 512")
    assert set(names(page)) >= {"Stage", "First", "Conv2d"}
    found = page.locator(".layers tbody tr", has_text="Conv2d").all_inner_texts()
    assert len(found) == 5
    assert all("512" in text for text in found)
    assert page.locator(".layer-table [role=status]").inner_text() == "5 rows found"
    search.fill("no such layer")
    assert names(page) == []
    assert page.locator(".layer-table [role=status]").inner_text() == "nothing found; All layers shows each path"
    search.fill("")
    assert names(page) == before


def test_rows_are_ordered_within_their_block(visit, planned):  # noqa: F811
    page = visit(page_of(planned("unet"))).page
    page.get_by_role("button", name="Depth 1 of").click()
    order = page.get_by_role("button", name="parameters", exact=True)
    head = page.locator(".layers thead th", has=order)
    in_model = names(page)
    for direction, reverse in [("descending", True), ("ascending", False)]:
        order.click()
        assert head.get_attribute("aria-sort") == direction
        values = [int(text.replace(",", "")) for text in column(page, 2)]
        assert values == sorted(values, reverse=reverse)
    order.click()
    assert (head.get_attribute("aria-sort"), names(page)) == (None, in_model)
    page.get_by_role("button", name="All 49 layers").click()
    order.click()
    assert names(page)[0] == "Conv2d"
    assert column(page, 2)[0] == "9,438,208"
    assert not page.get_by_role("group", name="Depth of the table").is_visible()


def test_the_total_stays_in_sight(visit, planned):  # noqa: F811
    page = visit(page_of(planned("densenet121")), width=1440).page
    page.get_by_role("button", name="All 484 layers").click()
    region = page.get_by_role("region", name="Layers")
    region.evaluate("one => (one.scrollTop = 4000)")
    around, total = region.bounding_box(), page.locator(".layers .all").bounding_box()
    assert region.evaluate("one => one.scrollTop") == 4000
    assert around["y"] <= total["y"] < around["y"] + 80
    assert around["height"] < 900
    assert page.locator(".layers .all th, .layers .all .right").all_inner_texts() == [
        "all 484 layers",
        f"{planned('densenet121').parameters:,}100.0 %",
        f"{planned('densenet121').macs:,}100.0 %",
        f"{sum(row.memory for row in planned('densenet121').rows) / 2**20:.1f} MiB",
    ]


def test_parameters_and_macs_are_in_view(visit):  # noqa: F811
    network = ROOT / "tests" / "yolo" / "mindyolo" / "yolov8n.yaml"
    page = visit(page_of(plan({"input": {"shape": [1, 3, 640, 640]}, "file": str(network)})), width=1440).page
    region = page.get_by_role("region", name="Layers").bounding_box()
    for name in ("parameters", "MACs", "memory", "output"):
        head = page.locator(".layers thead th", has=page.get_by_role("button", name=name, exact=True)).bounding_box()
        assert region["x"] <= head["x"]
        assert head["x"] + head["width"] <= region["x"] + region["width"]
    page.set_viewport_size({"width": 400, "height": 900})
    head = page.locator(".layers thead th").nth(1).bounding_box()
    assert head["x"] + head["width"] <= 400


def test_long_tables_show_more_when_asked(visit):  # noqa: F811
    page = visit(run_page("long", record(layers=700), PICTURE)).page
    assert len(names(page)) == 500
    page.get_by_role("button", name="Show 200 more rows").click()
    assert len(names(page)) == 700


def test_an_older_record_shows_its_layers_without_blocks(visit):  # noqa: F811
    page = visit(run_page("old", record(layers=3), PICTURE)).page
    assert names(page) == ["Dense"] * 3
    assert page.get_by_role("group", name="Rows").count() == page.locator(".fold").count() == 0


@pytest.mark.parametrize("name", ["unet", "gpt2_small"])
def test_a_tree_is_for_everybody(visit, planned, name):  # noqa: F811
    page = visit(page_of(planned(name))).page
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


# ---- the rest of the page


def test_a_page_of_measurements_begins_with_them_and_says_where(visit):  # noqa: F811
    machine = {"system": "Linux x86_64", "processor": "Chip 9", "cores": 2, "memory": 2**34}
    page = visit(run_page("mlp", record(machine=machine), PICTURE)).page
    assert page.locator("h2").first.inner_text() == "Measurements"
    assert page.locator(".said").inner_text() == (
        "Latency is the median of the calls. Measured on cpu, 2 cores of Chip 9, Linux x86_64, with MindSpore 2.10.0 and float32."
    )
    where = page.locator("section", has=page.locator("h2", has_text="Where it ran")).inner_text()
    assert {"16.0 GiB", "Chip 9", "3.11.7"} <= set(where.splitlines())


def test_checks_say_which_way_is_better(visit):  # noqa: F811
    outcomes = [
        {"check": "trains", "applies": True, "passed": True, "measured": 28.91, "bound": 2.0, "relation": ">="},
        {"check": "reload", "applies": True, "passed": True, "measured": 1e-9, "bound": [-2e-6, 2e-6], "relation": "within"},
        {"check": "range", "applies": True, "passed": False, "measured": 0.75, "bound": [0, "inf"], "relation": "within"},
        {"check": "old", "applies": True, "passed": True, "measured": 1.5, "bound": 2},
    ]  # fmt: skip
    page = visit(run_page("mlp", record(outcomes=outcomes), PICTURE)).page
    table = page.get_by_role("table", name="Checks")
    assert table.locator("tbody td:nth-child(3)").all_inner_texts() == [
        *("0.75, must be within [0, inf]", "28.9 ≥ 2", "1.0e-09 within ±2.0e-06", "1.5 (bound: 2)")
    ]


TYPED = ["recipe=mlp", "recipe.input.shape=[4, 8]", "+recipe.stack='Dense(8, 8) + ReLU'", "note=$HOME `id`;rm"]


def test_the_command_is_quoted_for_a_shell(visit):  # noqa: F811
    data = run_data(record(overrides=TYPED, program=["python", "~/my work/run.py", "--config-dir", "c d"]), None, [])
    assert data["command"].startswith("python ~/'my work/run.py' --config-dir 'c d' recipe=mlp 'recipe.input")
    assert shlex.split(data["command"]) == ["python", "~/my work/run.py", "--config-dir", "c d", *TYPED]
    page = visit(run_page("mlp", record(overrides=TYPED), PICTURE)).page
    command = page.get_by_role("region", name="The command that repeats this run")
    assert shlex.split(command.inner_text()) == ["python", "run.py", *TYPED]
    page.get_by_role("button", name="Copy", exact=True).first.click()
    page.get_by_role("button", name=re.compile("Copied|Selected")).wait_for()


def test_options_of_the_command_line_are_kept():
    typed = ["-m", "recipe=a,b", "--config-dir", "c", "-cn", "mine", "--multirun", "seed=1"]
    assert options_for_one_run(typed) == ["--config-dir", "c", "-cn", "mine"]


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_is_there_as_configured(name):
    recipe = yaml.safe_load((ROOT / "conf" / "recipe" / f"{name}.yaml").read_text())
    text = run_data({**record(), "recipe": recipe}, None, [])["recipe"]
    assert yaml.safe_load(text) == recipe
    assert list(yaml.safe_load(text)) == list(recipe)


def test_numbers_of_a_recipe_are_in_one_line():
    recipe = {"input": {"shape": [1, 3, 8, 8]}, "stack": ["Dense(8, 8)", "ReLU"], "expect": {"output": ["_", 10]}}
    assert run_data({**record(), "recipe": recipe}, None, [])["recipe"] == (
        "input:\n  shape: [1, 3, 8, 8]\nstack:\n- Dense(8, 8)\n- ReLU\nexpect:\n  output: [_, 10]\n"
    )


def test_a_page_leads_only_to_files_in_its_folder(tmp_path):
    folder = tmp_path / "run"
    (folder / "onnx").mkdir(parents=True)
    for name in ("result.json", "onnx/a b.onnx", "../outside.txt"):
        (folder / name).write_text("text")
    (folder / "empty.log").touch()
    (folder / "link").symlink_to(tmp_path / "outside.txt")
    asked = ["result.json", "gone", "onnx", "onnx/a b.onnx", "empty.log", "../outside.txt", "link", "a\0b"]
    assert _files_in(folder, [*asked, str(tmp_path / "outside.txt"), str(folder / "result.json")]) == [
        ("result.json", 4),
        ("onnx/a b.onnx", 4),
    ]


def test_a_run_leaves_links_its_command_and_its_machine(run, visit):  # noqa: F811
    done = run("recipe=mlp", "task=plan", "seed=3")
    data = json.loads((done.folder / "result.json").read_text())
    assert data["program"][0] == "python"
    assert data["program"][1].endswith("run.py")
    assert data["machine"]["cores"] >= 1
    assert data["machine"]["memory"] > 2**28
    page = visit((done.folder / "result.html").read_text()).page
    links = page.locator(".files a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert links == [
        f"./{name}" for name in ("result.json", "recipe.yaml", "diagram.mmd", "diagram.svg", ".hydra/config.yaml")
    ]
    assert all((done.folder / link).is_file() for link in links)
    assert page.get_by_role("region", name="The command").inner_text().endswith("run.py recipe=mlp task=plan seed=3")
