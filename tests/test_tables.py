"""The table of a plan on terminals of any width: numbers, names and paths are whole, and the sums are there."""

import ast
import io
import re
import subprocess
import sys
from contextlib import contextmanager

import mindspore
import pytest
from mindspore import nn
from rich.console import Console

from assembler import plan
from assembler.model.subject import Outcome
from assembler.planning.columns import NARROWER
from assembler.planning.sums import unbroken
from assembler.planning.tables import OPEN, UNFOLDED, PlanTable
from assembler.views import progress
from assembler.views.summary import print_result
from assembler.words import print_rounded
from tests.conftest import RECIPES, ROOT, every_third
from tests.test_floors import MODULES

WIDTHS = (56, 80, 120)


@pytest.fixture
def printed(monkeypatch):
    def get(planned, width, by="auto", depth=None):
        monkeypatch.setenv("COLUMNS", str(width))
        return str(planned.show(by, depth)).splitlines()

    return get


def heading(lines):
    return lines[0].split()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", every_third(RECIPES))
def test_a_table_of_blocks_fits_and_breaks_nothing(planned, printed, name, width):
    found = planned(name)
    lines = printed(found, width, "blocks")
    assert max(map(len, lines)) <= width
    nodes = PlanTable(found, "blocks").nodes
    body = lines[2 : 2 + len(nodes)]  # below the heading and its line
    for line, (node, _) in zip(body, nodes, strict=True):  # a row is a line
        cells = re.split(r" {2,}", line)
        paths = [node.paths] if "#" in heading(lines) else []
        assert cells[: len(paths)] == paths
        assert line.removeprefix(" ".join(paths)).lstrip().startswith((node.title, f"({node.title})"))
        exact, brief = (
            [write(node.total(key)) for key in ("trainable", "macs")] for write in ("{:,}".format, print_rounded)
        )
        assert all(number in cells for number in exact) or all(number in cells for number in brief)
    text = " ".join(lines[2 + len(nodes) :])
    assert f"{found.trainable:,} trainable parameters" in text
    assert f"{found.macs:,} MACs" in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["lenet5", "unet", "resnet18"])
def test_a_table_of_layers_has_each_layer(planned, printed, name, width):
    found = planned(name)
    lines = printed(found, width, "layers")
    assert max(map(len, lines)) <= width
    paths = [line.split()[0] for line in lines[2:] if line[:1].strip()]
    assert paths[: len(found.rows)] == [row.path for row in found.rows]  # what wraps begins with a space


@pytest.mark.parametrize(("name", "by"), [("resnet18", "layers"), ("resnet18", "blocks"), ("llama2_7b", "blocks")])
def test_columns_go_in_the_stated_order(planned, printed, name, by):
    widest = None
    for width in (400, 150, 130, 110, 90, 80, 70, 50):
        lines = printed(planned(name), width, by)
        names = heading(lines)
        widest = widest or names
        gone = {column for column in widest if column not in names}
        left = [column for column in NARROWER if column in widest and column not in gone]
        last = max((NARROWER.index(column) for column in gone), default=-1)
        assert all(NARROWER.index(column) > last for column in left)
        if last > NARROWER.index("exact numbers"):
            assert not re.search(r"\d,\d{3},\d{3}", "".join(lines[: 2 + len(planned(name).rows)]).split(" layers,")[0])


def test_the_readme_states_the_order():
    (stated,) = re.findall(r"does without (.*?), in this order", (ROOT / "docs" / "tasks.md").read_text())
    assert tuple(re.sub(r"[`]| \(.*?\)", "", stated).split(", ")) == NARROWER
    assert NARROWER == ("input", "exact numbers", "other", "memory", "frozen", "dtype", "arguments", "%", "output", "#")


@pytest.mark.parametrize(("name", "most"), [("lenet5", 24), ("resnet50", 28), ("llama2_7b", 20), ("gpt2_small", 24)])
def test_a_plan_fits_one_screen(planned, printed, name, most):
    assert len(printed(planned(name), 80)) <= most


@pytest.mark.parametrize("name", RECIPES)
def test_many_layers_are_shown_by_blocks(planned, name):
    table = PlanTable(planned(name))
    assert table.is_folded == (len(planned(name).rows) > UNFOLDED)
    if table.is_folded:
        assert len(table.nodes) <= OPEN
    assert PlanTable(planned(name), depth=1).is_folded


def test_depth_opens_levels_and_says_how_to_open_more(planned, printed):
    found = planned("llama2_7b")
    assert [len(PlanTable(found, depth=depth).nodes) for depth in (1, 2, 3, 9)] == [4, 6, 10, 10]
    more = "2 levels of 3; show(depth=3) opens more, show('layers') shows all 195 layers"
    assert printed(found, 80, depth=2)[-1] == more
    assert printed(found, 80)[-1] == "× n: equal neighbours, added up; show('layers') shows all 195 layers"


def test_containers_have_the_sums_of_what_is_in_them(printed):
    lines = printed(plan("Residual(Dense(8, 8) + Dense(8, 8))", input=(2, 8)), 100, "layers")
    assert re.split(" {2,}", lines[2])[-3:] == ["144", "256", "192 B"]
    assert lines[0].split()[-3:] == ["trainable", "MACs", "memory"]


def test_a_dtype_has_a_column_if_there_are_several(printed):
    assert "dtype" not in heading(printed(plan("Dense(8, 8) + ReLU", input=(2, 8)), 140))

    class Whole(nn.Cell):
        def construct(self, x):
            return x.astype(mindspore.int32)

    lines = printed(plan(lambda: nn.SequentialCell(nn.Dense(8, 8), Whole()), input=(2, 8)), 140)
    assert "dtype" in heading(lines)
    assert [re.split(" {2,}", line)[-4] for line in lines[2:4]] == ["float32", "int32"]
    assert lines[-1].startswith("(2, 8) float32 → (2, 8) int32, ")


def test_the_shapes_of_many_tensors_are_counted(printed):
    (row,) = printed(plan("LSTM(8, 16, batch_first=True)", input=(2, 3, 8)), 140)[2:3]
    assert "(2, 3, 16) + 2 more" in row


def test_a_number_stays_with_what_it_counts():
    line = "195 layers, 6,738,415,616 trainable parameters (25.1 GiB), 31,460,635,443,200 MACs"
    assert unbroken(line, 100) == [line]
    assert unbroken(line, 80)[1] == "31,460,635,443,200 MACs"
    assert " ".join(unbroken(line, 30)) == line
    assert unbroken(line, 0)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (9_999, "9,999"), (10_000, "10.0 k"), (61_706, "61.7 k"), (99_949, "99.9 k"), (99_950, "100 k"),
        (999_499, "999 k"), (999_500, "1.0 M"), (2_359_296, "2.4 M"), (118_013_952, "118 M"),
        (6_738_415_616, "6.7 G"), (31_460_635_443_200, "31.5 T"), (10**17, "100 P"), (10**19, "10,000 P"),
    ],
)  # fmt: skip
def test_a_number_with_a_unit(number, text):
    assert print_rounded(number) == text


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (("x", True, 28.912, 2.0, "", True, ">="), "28.9 ≥ 2"),
        (("x", False, 1.2, 2.0, "", True, ">="), "1.2, must be ≥ 2"),
        (("x", True, 1.07e-9, [-2.011e-6, 2.011e-6], "", True, "within"), "1.1e-09 within ±2.0e-06"),
        (("x", False, 0.75, [0.0, 0.5], "", True, "within"), "0.75, must be within [0, 0.5]"),
        (("x", True, 0, 0, "", True, "="), "0"),
        (("x", False, 178, 1178, "", True, "="), "178, must be 1,178"),
        (("x", True, [2, 32000], ["_", 32000], "", True, "="), "[2, 32000] = [_, 32000]"),
        (("x", True, 0.0211, 0, "", True, ">"), "0.0211 > 0"),
        (("x", False, None, 2.0, "", True, ">="), "must be ≥ 2"),
        (("x", True, 1.5, 2.0), "1.5 (bound: 2)"),
        (("x", True, None, None), ""),
    ],
)
def test_a_result_says_which_way_is_better(outcome, text):
    assert print_result(Outcome(*outcome)) == text


def test_every_check_says_how_its_value_and_its_bound_are_related():
    calls = [
        call
        for module, tree in MODULES.items()
        if module.startswith(("checks.", "model.formats"))
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Outcome" and ast.unparse(call.args[3]) != "None"
    ]
    without = [ast.unparse(call) for call in calls if "relation" not in {word.arg for word in call.keywords}]
    assert len(calls) > 15
    # The bounds of these are sentences, or not what failed.
    assert {text.split("'")[1] for text in without} == {"output", "frozen"}
    assert len(without) == 3


# ---- while a run goes on


def test_a_status_line_is_cleared(monkeypatch):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=20, color_system=None, _environ={"TERM": "xterm"})
    monkeypatch.setattr(progress, "make_console", lambda **_: terminal)
    with pytest.raises(KeyError), progress.doing("building a model with a long name"):
        assert screen.getvalue() == "building a model wi…"
        raise KeyError
    assert screen.getvalue() == "building a model wi…\r\x1b[2K"


def test_a_status_line_is_for_terminals_only(capfd):
    with progress.doing("building"):
        pass
    assert capfd.readouterr() == ("", "")


def test_the_stages_of_a_run_have_a_status_line(run, monkeypatch):
    from assembler.tasks import result

    stages = []

    @contextmanager
    def doing(what):
        stages.append(what)
        yield

    monkeypatch.setattr(result, "doing", doing)
    monkeypatch.setattr(progress, "doing", doing)
    run("recipe=centered_vector", "checks=quick")
    name = "centered_vector"
    assert stages == [
        "importing MindSpore", f"planning {name}", f"building {name}", f"running {name}", "checks 1/5: output",
        "checks 2/5: finite", "checks 3/5: deterministic", "checks 4/5: mean", "checks 5/5: independent",
    ]  # fmt: skip


def test_the_plan_is_printed_before_the_model_is_built(run, monkeypatch):
    from assembler.model import build

    original = build.build

    def building(*arguments):
        print("BUILDING", flush=True)
        return original(*arguments)

    monkeypatch.setattr(build, "build", building)
    out = run("checks=none").out
    assert out.index("1,152 trainable parameters") < out.index("BUILDING")
    assert out.count("1,152 trainable parameters") == 1


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ([], 10),
        (["show=layers"], 10),
        (["show=blocks"], 7),
        (["show.depth=1"], 5),
        (["show.depth=1", "show=layers"], 6),
    ],
)
def test_show_chooses_the_rows(run, arguments, rows):
    out = run("recipe=mlp", "task=plan", *arguments).out.splitlines()
    (end,) = [at for at, line in enumerate(out) if line.startswith("10 layers, ")]
    assert end - 3 == rows, "\n".join(out)


def test_show_is_one_of_four(run):
    done = run("recipe=mlp", "task=plan", "show=layrs")
    assert (done.code, done.err) == (
        2,
        "no show named 'layrs'. Did you mean 'layers'? There are: auto, blocks, layers, parameters.\n",
    )
    done = run("recipe=mlp", "task=plan", "show.depth=0")
    assert (done.code, done.err) == (2, "override show.depth=0: must be at least 1, not 0\n")


def test_show_in_a_file_is_a_mapping(run, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text(
        "defaults: [assembler, _self_]\nshow: layers\nhydra: {searchpath: ['pkg://assembler.conf']}\n"
    )
    done = run("--config-dir", "own", "--config-name", "mine", "task=plan")
    assert done.code == 2
    assert "show is a group of choices; write show: {by: layers}" in done.err


def test_columns_are_respected_in_pipes(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, run("recipe=lenet5", "task=plan").out.splitlines()[:-1])) <= 60
    monkeypatch.setenv("COLUMNS", "0")
    assert "memory" in run("recipe=lenet5", "task=plan").out


def test_a_closed_pipe_does_not_end_a_run():
    code = (
        "import sys; from assembler.words import make_console, say; console = make_console()\n"
        "sys.stdin.readline()\n"
        "console.print('x' * 100); console.print('y'); say('z'); say('done', err=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        process.stdin.write("go\n")
        process.stdin.close()
        assert process.stderr.read() == "done\n"
    assert process.returncode == 0
