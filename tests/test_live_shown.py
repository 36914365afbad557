"""What the live page shows of a recipe, as data: text with errors, the last plan, what changed, a marked diagram."""

import json
import re
from pathlib import Path

import pytest

from assembler.analysis import LayerMemory, Project
from assembler.analysis.files import files_of
from assembler.errors import Span
from assembler.live import shown as module
from assembler.live.feed import Feed
from assembler.live.marks import changed_lines, earlier
from assembler.live.shown import LivePage
from assembler.runtime.limits import Budget
from tests.conftest import ROOT

RECIPE = """\
input: {shape: [4, 8]}
params: {width: 16}
blocks:
  Hidden(units): Dense(_, units) + ReLU
stack:
  - 2 * Hidden(width)
  - Dense(_, 3) + Tanh
"""


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("conf/recipe/a.yaml", RECIPE)


def write(name, text):
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


class Live:
    """A recipe and what was published of it."""

    def __init__(self, name="a"):
        self.feed, self.memory, self.project = Feed(), LayerMemory(), Project.at(None)
        self.page = LivePage(self.project.recipe(name), self.feed.publish)
        self.look()

    def look(self):
        self.project = Project.at(None)
        self.page.look(self.project, files_of(self.page.file, self.project), Budget(), self.memory)
        return self

    def save(self, old, new, name="conf/recipe/a.yaml"):
        text = Path(name).read_text()
        assert old in text
        Path(name).write_text(text.replace(old, new))
        return self.look()

    def part(self, name):
        _, parts = self.feed.newer(0, 0)
        return json.loads(parts[name]) if name in parts else None

    @property
    def parts(self):
        return list(self.feed.newer(0, 0)[1])

    @property
    def errors(self):
        return [(file["name"], error["span"], error["message"]) for file in self.part("text")["files"] for error in file["errors"]]  # fmt: skip

    @property
    def crossed(self):
        """The headings with a cross in the diagram."""
        return sorted(set(re.findall(r"#10005; ([\w· ]+)", self.part("diagram")["mermaid"])))


def names(live):
    return [row[1] for row in live.part("plan")["tree"]]


# ---- a recipe without errors


def test_a_recipe_is_shown_with_its_text_plan_and_diagram():
    live = Live()
    (file,) = live.part("text")["files"]
    assert (file["name"], file["text"], file["errors"], file["changed"]) == ("conf/recipe/a.yaml", RECIPE, [], [])
    assert live.part("plan")["sums"]["parameters"] == 8 * 16 + 16 + 16 * 16 + 16 + 16 * 3 + 3
    assert "Dense" in live.part("diagram")["mermaid"]
    assert live.part("changes") is None
    assert not live.part("diagram")["marked"]


def test_what_a_recipe_includes_is_shown_and_a_registry_is_not():
    write("conf/blocks/mine.yaml", "Hidden(units): Dense(_, units) + ReLU\n")
    write("conf/registry/mine.yaml", "# @package registry.mine\nWavy: mindspore.nn.SiLU\n")
    write("conf/recipe/b.yaml", "defaults: [/blocks@blocks: [mine, norms], _self_]\ninput: {shape: [4, 8]}\nstack: Hidden(3) + Wavy\n")  # fmt: skip
    write("assembler", "")  # no folder of the shipped ones
    (shipped,) = [path.name for path in (ROOT / "conf" / "blocks").glob("convolutions.yaml")]
    live = Live("b").save("[mine, norms]", "[mine, convolutions]", "conf/recipe/b.yaml")
    assert {Path(file["name"]).name: file["isShipped"] for file in live.part("text")["files"]} == {
        "b.yaml": False,
        "mine.yaml": False,
        shipped: True,
    }


def test_a_comment_changes_the_text_alone():
    live = Live()
    plan, parts = live.part("plan"), live.parts
    live.save("stack:", "stack: # of two")
    assert live.part("text")["files"][0]["changed"] == [4]
    assert (live.part("plan"), live.parts) == (plan, parts)


def test_a_change_is_compared_with_the_plan_before():
    live = Live().save("width: 16", "width: 32").save("+ Tanh", "")
    changes = live.part("changes")
    (edit,) = changes["edits"]
    assert (edit["edit"], edit["before"]["text"], edit["after"]) == ("removed", "Tanh", None)
    assert changes["metrics"] == [["layers", "6", "5"]]
    assert live.part("text")["files"][0]["changed"] == [6]
    live.save("stack:", "# so far\nstack:")
    assert live.part("changes") == changes


# ---- errors


def test_an_error_is_at_its_letters_and_the_last_plan_remains():
    live = Live()
    plan = live.part("plan")
    live.save("ReLU", "RelU")
    assert live.errors == [
        ("conf/recipe/a.yaml", [3, 35, 3, 39], "no layer named 'RelU'. Did you mean 'ReLU' or 'RReLU' or 'ReLU6'?")
    ]
    assert (live.part("plan"), live.part("text")["files"][0]["changed"]) == (plan, [3])
    assert live.crossed == ["ReLU"]
    live.save("RelU", "ReLU")
    assert (live.errors, live.crossed, live.part("plan")) == ([], [], plan)


@pytest.mark.parametrize(
    ("old", "new", "crossed"),
    [
        ("Dense(_, 3)", "Dence(_, 3)", ["Dense"]),
        ("Dense(_, 3)", "Dense(7, 3)", ["Dense"]),
        ("Tanh", "Sofmax + Tanh", ["Tanh"]),
        ("Tanh", "Tanh + Sofmax", ["Tanh"]),
        ("  - Dense", "  - ReLU + Flaten + ReLU\n  - Dense", ["Dense", "ReLU"]),
        ("Hidden(width)", "Hiden(width)", ["Dense", "ReLU"]),
        ("input: {shape: [4, 8]}", "input: {shape: [4, 8], a: 1}", []),
        ("stack:", "stack: [", []),
        ("Tanh\n", "Tanh\nexpect: {layers: 9}\n", []),
    ],
)
def test_a_layer_is_marked_where_the_error_is(old, new, crossed):
    assert Live().save(old, new).crossed == crossed


def test_each_error_of_several_lines_marks_its_layer():
    live = Live()
    write("conf/recipe/a.yaml", RECIPE.replace("ReLU", "RelU").replace("Tanh", "Tanch"))
    assert live.look().crossed == ["ReLU", "Tanh"]


def test_an_error_in_a_block_is_shown_once():
    write("conf/recipe/a.yaml", RECIPE.replace("  - Dense", "  - Hidden(4)\n  - Dense"))
    live = Live().save("Dense(_, units)", "Dense(_, units, bias=1)")
    (error,) = live.part("text")["files"][0]["errors"]
    assert error["related"] == ["in the block Hidden, used here: conf/recipe/a.yaml:6"]
    assert error["more"] == 1


def test_an_error_in_a_registry_is_shown_without_its_file():
    live = Live()
    write("conf/registry/mine.yaml", "# @package registry.mine\nWavy: 3\n")
    live.look()
    assert [file["name"] for file in live.part("text")["files"]] == ["conf/recipe/a.yaml"]
    (said,) = live.part("text")["elsewhere"]
    assert said.startswith("conf/registry/mine.yaml:2:1: ")


def test_a_plan_that_is_not_what_the_recipe_expects_is_shown():
    live = Live().save("Tanh\n", "GELU\nexpect: {layers: 9}\n")
    text = live.part("text")
    assert text["planned"] == text["when"]
    assert [message for _, _, message in live.errors] == ["the recipe expects 9, but the plan has 6"]
    assert "GELU" in live.part("diagram")["mermaid"]


def test_a_recipe_that_was_never_right_has_no_plan():
    write("conf/recipe/a.yaml", RECIPE.replace("Tanh", "Tanch"))
    live = Live()
    assert (live.parts, live.part("text")["planned"], len(live.errors)) == (["text"], None, 1)


def test_a_file_that_is_gone_is_an_error_and_comes_back():
    live = Live()
    Path("conf/recipe/a.yaml").rename("away")
    assert live.look().part("text")["files"] == []
    assert live.part("text")["elsewhere"] == ["conf/recipe/a.yaml: No such file or directory"]
    Path("away").rename("conf/recipe/a.yaml")
    assert live.look().part("text")["elsewhere"] == live.errors == []


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_any_line_ending_and_letter_is_shown(ending):
    text = RECIPE.replace("stack:", "# 网络 🧠\nstack:").replace("ReLU\n", "ReLU # 激活 🧠\n")
    Path("conf/recipe/a.yaml").write_bytes(text.replace("\n", ending).encode())
    live = Live()
    assert live.part("text")["files"][0]["text"] == text
    Path("conf/recipe/a.yaml").write_bytes(text.replace("Tanh", "Tanch").replace("\n", ending).encode())
    assert [span for _, span, _ in live.look().errors] == [[7, 18, 7, 23]]
    assert live.crossed == ["Tanh"]


def test_what_is_shown_is_what_was_read_even_if_it_is_saved_meanwhile(monkeypatch):
    """The first plan imports MindSpore, which takes seconds."""

    def slow(*given, **how):
        Path("conf/recipe/a.yaml").write_text(RECIPE.replace("ReLU", "RelU"))
        return analyse(*given, **how)

    analyse = module.analyse
    monkeypatch.setattr(module, "analyse", slow)
    live = Live()
    assert (live.errors, live.part("text")["files"][0]["text"]) == ([], RECIPE)
    assert [item.name for item in live.page.last.items if item.kind == "layer"] == ["Dense", "ReLU", "Dense", "Tanh"]


# ---- strangers


def test_text_outside_of_the_project_is_not_shown(tmp_path_factory):
    """A link in it leads away: what it names is read as blocks, as everywhere, and not published."""
    outside = tmp_path_factory.mktemp("outside") / "secret.yaml"
    outside.write_text("# the secret\nHidden(units): Dense(_, units)\n")
    Path("conf/blocks").mkdir()
    Path("conf/blocks/mine.yaml").symlink_to(outside)
    write("conf/recipe/a.yaml", "defaults: [/blocks@blocks: mine, _self_]\ninput: {shape: [4, 8]}\nstack: Hidden(3)\n")
    live = Live()
    assert names(live)
    assert [file["name"] for file in live.part("text")["files"]] == ["conf/recipe/a.yaml"]
    assert "secret" not in "".join(live.feed.newer(0, 0)[1].values())


def test_a_recipe_that_takes_too_long_is_ended(monkeypatch):
    live = Live()
    monkeypatch.setenv("ASSEMBLER_MAX_SECONDS", "1")
    live.save("Tanh", "LSTM(_, 8, num_layers=1000000)")
    (said,) = live.part("text")["elsewhere"]
    assert said.endswith("reading and planning it takes more than 1 s; ASSEMBLER_MAX_SECONDS=2 allows more")
    live.save("LSTM(_, 8, num_layers=1000000)", "Tanh")
    assert live.part("text")["elsewhere"] == []


def test_nothing_is_written():
    before = sorted(Path().rglob("*"))
    Live().save("ReLU", "RelU").save("RelU", "GELU")
    assert sorted(Path().rglob("*")) == before


# ---- places in earlier texts


@pytest.mark.parametrize(
    ("now", "at", "before", "expected"),
    [
        ("a\nb", (1, 1), "a\nb", (1, 1)),
        ("a\nx\nb", (2, 0), "a\nb", (1, 0)),
        ("a\nx\nb", (1, 0), "a\nb", (1, 0)),
        ("b", (0, 1), "a\nb", (1, 1)),
        ("a + long + c", (0, 11), "a + c", (0, 4)),
        ("a + long + c", (0, 6), "a + c", (0, 4)),
        ("one\ntwo", (1, 3), "", (0, 0)),
        ("", (0, 0), "a\nb", (0, 0)),
    ],
)
def test_a_place_is_found_in_an_earlier_text(now, at, before, expected):
    assert earlier(*at, now.split("\n"), before.split("\n")) == expected


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        ("a\nb\n", "a\nb\n", []),
        ("a\nb\n", "a\nc\n", [1]),
        ("a\nb\n", "x\ny\na\nb\n", [0, 1]),
        ("a\nb\nc\n", "a\nc\n", [1]),
        ("a\nb\n", "a\n", []),
        ("", "a\n", [0]),
        ("a\n", "", []),
    ],
)
def test_lines_that_changed_are_found(before, now, lines):
    assert changed_lines(before, now) == lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CR LF", "CR"])
def test_places_are_right_at_any_end_of_lines(end):
    file = Path("conf/recipe/a.yaml").resolve()
    file.write_bytes(RECIPE.replace("\n", end).encode())
    live = Live()
    (shown,) = live.part("text")["files"]
    assert (shown["text"], shown["errors"]) == (RECIPE, [])
    for (line, column), layers in {(6, 5): ["4"], (6, 19): ["5"], (3, 19): ["0", "2"]}.items():
        live.page.point(Span(file, line, column, line, column))
        assert live.part("cursor")["layers"] == layers
    file.write_bytes(RECIPE.replace("\n", end).replace("Tanh", "Tahn").encode())
    live.look()
    (shown,) = live.part("text")["files"]
    assert (shown["text"], shown["errors"][0]["span"]) == (RECIPE.replace("Tanh", "Tahn"), [6, 18, 6, 22])
    assert shown["changed"] == [6]
    assert live.part("diagram")["marked"]
    file.write_bytes(RECIPE.replace("\n", end).replace("  - Dense", f"  - Dense(_, 5){end}  - Dense").encode())
    live.look()
    assert live.part("text")["files"][0]["changed"] == [6]


def test_characters_that_end_no_line_change_no_other(tmp_path):
    assert changed_lines("a\x0bb\nc", "a\x0bb\nd") == [1]
