"""What editors see, without a process: positions in UTF-16, hints, lenses, outlines, and what stays of a broken text."""

import gc
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.analysis import Analysis
from assembler.analysis.files import is_known
from assembler.editor.features import FEATURES
from assembler.editor.features.common import as_lsp, path_of
from assembler.editor.lines import Lines
from assembler.editor.workspace import Workspace
from assembler.errors import Span
from assembler.reading.texts import unsaved
from tests.conftest import ROOT

RECIPE = """# 网络 😀
input: {shape: [4, 16]}
blocks:
  Unit(n): Dense(_, n) + ReLU
stack: 2 * Unit(8) + Residual(Dense(_, 8)) +
  Dense(_, 3)
checks: {finite: {}}
"""


# ---- positions


@pytest.mark.parametrize(("encoding", "character"), [("utf-8", 7), ("utf-16", 4), ("utf-32", 3)])
def test_columns_are_counted_in_the_agreed_units(encoding, character):
    lines = Lines("first\r\n中😀x", encoding)  # 3 and 4 bytes; 1 and 2 units; 1 and 1 characters
    before = {"utf-8": 7, "utf-16": 3, "utf-32": 2}[encoding]
    assert lines.position(1, 2) == {"line": 1, "character": before}
    assert lines.text[lines.offset({"line": 1, "character": before})] == "x"


def test_a_position_in_the_middle_of_a_character_is_at_its_beginning():
    assert Lines("a😀b").offset({"line": 0, "character": 2}) == 1


def test_positions_outside_the_text_are_moved_into_it():
    lines = Lines("ab\ncd")
    assert lines.offset({"line": 0, "character": 99}) == 2
    assert lines.offset({"line": 7, "character": 0}) == 5


def test_only_three_characters_end_a_line():
    assert Lines("a\u2028b\x0bc\rd\ne\r\nf").starts == [0, 6, 8, 11]


TEXTS = st.text(st.sampled_from("ab中😀\r\n\u2028"), max_size=20)


@given(TEXTS, TEXTS, st.data())
def test_an_edit_replaces_its_range(text, typed, data):
    """A range that an editor can send: it does not cut a character or the end of a line in two."""
    lines = Lines(text)
    places = [(number, column) for number in range(len(lines.starts)) for column in range(len(lines.line(number)) + 1)]
    start, end = sorted(data.draw(st.sampled_from(places)) for _ in range(2))
    offsets = [lines.starts[number] + column for number, column in (start, end)]
    change = {"range": {"start": lines.position(*start), "end": lines.position(*end)}, "text": typed}
    assert lines.changed(change).text == text[: offsets[0]] + typed + text[offsets[1] :]


def test_a_range_of_a_span():
    found = Lines("😀 Dense\n").range(Span(Path("a"), 0, 2, 0, 7))
    assert found == {"start": {"line": 0, "character": 3}, "end": {"line": 0, "character": 8}}


def test_a_uri_with_chinese_names_and_spaces():
    assert path_of(Path("/网络/a b.yaml").as_uri()) == Path("/网络/a b.yaml")
    assert path_of("untitled:Untitled-1") is None


# ---- features


WHOLE = {"start": {"line": 0, "character": 0}, "end": {"line": 10_000, "character": 0}}


class Editor:
    """A workspace as the worker has it, without its process."""

    def __init__(self, root):
        (root / "conf" / "recipe").mkdir(parents=True)
        (root / "conf" / "blocks").mkdir()
        self.root = root
        self.workspace = Workspace(root, trusted=[root])
        self.version = 0

    def type(self, text, name="recipe/a.yaml", *, shapes=True):
        """Open a file or replace its text; returns its diagnostics."""
        file = self.file(name)
        self.version += 1
        for one in self.workspace.change(file, text, self.version):
            self.workspace.analyse(one, shapes=shapes)
            self.workspace.blame(one)
        return as_lsp(self.workspace, file, self.workspace.diagnostics(file))

    def file(self, name):
        return self.root / "conf" / name

    def ask(self, method, name="recipe/a.yaml", **more):
        params = {"textDocument": {"uri": self.file(name).as_uri()}, **more}
        with unsaved(self.workspace.texts()):
            found = FEATURES[f"textDocument/{method}"](self.workspace, params)
        assert json.loads(json.dumps(found)) == found
        return found

    def hints(self, name="recipe/a.yaml", first=0, last=10_000):
        """``text before the hint`` → label."""
        part = {"start": {"line": first, "character": 0}, "end": {"line": last, "character": 0}}
        lines = self.workspace.open[self.file(name)].lines
        return {
            lines.text[: lines.offset(hint["position"])].split("\n")[-1].strip(): hint["label"]
            for hint in self.ask("inlayHint", name, range=part)
        }


@pytest.fixture
def editor(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Editor(tmp_path)


HINTS = {
    "Unit(n): Dense(_, n)": "→ (4, 8)",
    "Unit(n): Dense(_, n) + ReLU": "→ (4, 8)",
    "stack: 2 * Unit(8)": "→ (4, 8) · 208 parameters · 768 MACs",
    "stack: 2 * Unit(8) + Residual(Dense(_, 8))": "→ (4, 8)",
    "Dense(_, 3)": "→ (4, 3)",
}


def test_hints_are_the_shapes_after_items(editor):
    assert editor.type(RECIPE) == []
    assert editor.hints() == HINTS
    assert editor.hints(first=5) == {"Dense(_, 3)": "→ (4, 3)"}


def test_hints_are_where_utf16_has_them(editor):
    text = "{name: 网😀, input: {shape: [4, 8]}, stack: 'Dense(_, 4)'}\n"
    editor.type(text)
    (hint,) = editor.ask("inlayHint", range=WHOLE)
    assert hint["position"] == {"line": 0, "character": len(text[: text.index("'}")].encode("utf-16-le")) // 2}
    editor.type('input: {shape: [4, 8]}\nshared: {"网😀": Dense(_, 4)}\nstack: 网 + ReLU\n', shapes=False)
    (error,) = [one for one in editor.type('params: {a: "😀", b: [}\n') if one["severity"] == 1]
    assert error["range"]["start"] == {"line": 0, "character": 22}


def test_hints_of_crlf(editor):
    editor.type(RECIPE.replace("\n", "\r\n"))
    assert editor.hints() == HINTS


BROKEN = [
    ("Dense(_, 3)\nchecks", "Dense(_, \nchecks", ["stack: 2 * Unit(8)", "stack: 2 * Unit(8) + Residual(Dense(_, 8))"]),
    ("Residual(", "Residul(", ["stack: 2 * Unit(8)"]),
    ("shape: [4, 16]", "shape: [4, 1", []),
    ("Dense(_, n) +", "Dence(_, n) +", []),
    ("{finite: {}}", "{finite: {}", list(HINTS)),
    ("checks: {finite: {}}", "check: {finite: {}}", []),
    ("# 网络 😀\n", "", list(HINTS)),
]


@pytest.mark.parametrize(("part", "typed", "stays"), BROKEN)
def test_while_a_text_is_broken_only_what_is_still_true_stays(editor, part, typed, stays):
    assert part in RECIPE
    editor.type(RECIPE)
    found = editor.type(RECIPE.replace(part, typed))
    assert bool(found) == (typed != "")
    assert editor.hints() == {text: HINTS[text] for text in stays}
    titles = [lens["command"]["title"] for lens in editor.ask("codeLens")]
    assert titles[-4:] == ["run", "plan", "bench", "page"]
    assert len(titles) == (4 if found else 5)
    editor.type(RECIPE)
    assert editor.hints() == HINTS


@pytest.mark.parametrize("is_open", [True, False])
def test_shapes_vanish_when_another_file_breaks_that_they_depend_on(editor, is_open):
    block, text = editor.file("blocks/own.yaml"), "Own(n): Dense(_, n)\n"
    recipe = "defaults:\n  - /blocks@blocks: own\n  - _self_\ninput: {shape: [4, 16]}\nstack: Own(8)\n"
    broken = "Own(n): Dense(_, 2 * n) + Dence(3)\n"
    block.write_text(text)
    if is_open:
        editor.type(text, "blocks/own.yaml")
    editor.type(recipe)
    assert editor.hints() == {"stack: Own(8)": "→ (4, 8) · 136 parameters · 512 MACs"}
    if is_open:
        editor.type(broken, "blocks/own.yaml")
    else:
        block.write_text(broken)
        for file in editor.workspace.saved():
            editor.workspace.analyse(file, shapes=True)
    assert editor.hints() == {}


def test_hints_below_an_edit_that_changes_no_shape_move_with_the_text(editor):
    text = "checks: {finite: {}}\n" + RECIPE.replace("checks: {finite: {}}\n", "")
    editor.type(text)
    assert editor.type(text.replace("{finite: {}}", "\n  finite: {}\n  mean: {equals: 0.0}\n  golden: ["))
    assert editor.hints() == HINTS


def test_the_lens_is_above_the_layers(editor):
    editor.type(RECIPE)
    size, *commands = editor.ask("codeLens")
    assert size["command"] == {"title": "7 layers · 307 parameters · 1,120 MACs · 1.2 KiB", "command": ""}
    assert {lens["range"]["start"]["line"] for lens in (size, *commands)} == {4}
    uri = editor.file("recipe/a.yaml").as_uri()
    assert commands[1]["command"] == {"title": "plan", "command": "assembler.plan", "arguments": [uri]}


def test_a_command_is_a_command_line_and_runs_nothing(editor):
    uri = editor.file("recipe/a b.yaml").as_uri()
    run = FEATURES["workspace/executeCommand"]
    assert run(editor.workspace, {"command": "assembler.bench", "arguments": [uri]}) == {
        "command": [sys.executable, "-m", "assembler", "bench", str(Path("conf/recipe/a b.yaml"))],
        "cwd": str(editor.root),
    }
    assert run(editor.workspace, {"command": "assembler.rm", "arguments": [uri]}) is None
    assert run(editor.workspace, {"command": "assembler.plan", "arguments": [["x"]]}) is None


def test_a_change_of_a_block_is_seen_in_the_recipes_that_use_it(editor):
    block = "Unit(n): Dense(_, n) + ReLU\n"
    use = "defaults: [/blocks@blocks: mine]\ninput: {shape: [4, 16]}\nstack: Unit(8)\n"
    editor.type(block, "blocks/mine.yaml")
    assert editor.type(use) == []
    assert editor.hints("blocks/mine.yaml") == {"Unit(n): Dense(_, n)": "→ (4, 8)", block.strip(): "→ (4, 8)"}
    wrong = editor.type(block.replace("ReLU", "Rellu"), "blocks/mine.yaml")
    assert [one["range"]["start"] for one in wrong] == [{"line": 0, "character": 23}]
    assert wrong[0]["relatedInformation"][0]["location"]["uri"] == editor.file("recipe/a.yaml").as_uri()
    assert editor.type(block, "blocks/mine.yaml") == []


def test_an_error_of_shapes_stays_until_the_next_plan(editor):
    """The worker does not publish in between, if a plan follows."""
    editor.type(RECIPE.replace("Dense(_, 3)", "Dense(9, 3)"))
    file = editor.file("recipe/a.yaml")
    assert editor.workspace.open[file].is_blamed_by_plan
    editor.workspace.change(file, RECIPE, 9)
    assert [one.code for one in editor.workspace.diagnostics(file)] == ["ShapeMismatch"]
    assert editor.type(RECIPE) == []
    assert not editor.workspace.open[file].is_blamed_by_plan


def test_closing_a_recipe_takes_its_errors_out_of_other_files(editor):
    editor.type("Unit(n): Rellu\n", "blocks/mine.yaml")
    editor.type("defaults: [/blocks@blocks: mine]\ninput: {shape: [4, 16]}\nstack: Unit(8)\n")
    file = editor.file("blocks/mine.yaml")
    assert len(editor.workspace.diagnostics(file)) == 1
    editor.workspace.close(editor.file("recipe/a.yaml"))
    assert editor.workspace.diagnostics(file) == []


def test_the_outline_is_by_blocks_and_folds_by_lines(editor):
    editor.type(RECIPE)
    symbols = editor.ask("documentSymbol")
    assert [one["name"] for one in symbols] == ["input", "blocks", "stack", "checks"]
    (block,) = symbols[1]["children"]
    assert (block["name"], block["detail"]) == ("Unit(n)", "Dense(_, n) + ReLU")
    assert block["range"]["end"] == {"line": 3, "character": 29}
    folds = [(one["startLine"], one["endLine"]) for one in editor.ask("foldingRange")]
    assert folds == [(2, 3), (4, 5)]
    editor.type("# a\n# b\nUnit(n):\n  - Dense(_, n)\n  - ReLU\n\nOther: ReLU\n", "blocks/mine.yaml")
    assert [one["name"] for one in editor.ask("documentSymbol", "blocks/mine.yaml")] == ["Unit(n)", "Other"]
    folds = [(one["startLine"], one["endLine"]) for one in editor.ask("foldingRange", "blocks/mine.yaml")]
    assert folds == [(2, 4), (0, 1)]


def test_a_network_file_has_hints_and_a_lens(editor):
    text = (ROOT / "tests" / "yolo" / "ultralytics" / "yolov8.yaml").read_text(encoding="utf-8")
    file = "yolov8n.yaml"
    assert editor.type(text, file) == []
    hints = editor.ask("inlayHint", file, range=WHOLE)
    assert len(hints) == 23
    lines = text.splitlines()
    number, column = hints[0]["position"].values()
    assert (lines[number][:column].strip(), hints[0]["label"]) == ("- [-1, 1, Conv, [64, 3, 2]]", "→ (1, 16, 320, 320)")
    size = editor.ask("codeLens", file)[0]
    assert size["command"]["title"].startswith("24 layers · 3,167,795 parameters")
    assert lines[size["range"]["start"]["line"]].startswith("backbone")


def test_a_recipe_of_two_thousand_lines(editor):
    lines = "\n".join(f"  - Dense(_, {8 + index % 50}) # 第 {index} 层" for index in range(2000))
    text = f"input: {{shape: [4, 8]}}\nstack:\n{lines}\n"
    assert editor.type(text) == []
    assert len(editor.ask("inlayHint", range=WHOLE)) == 2000
    wrong = editor.type(text.replace("Dense(_, 15) # 第 1957", "Dence(_, 15) # 第 1957"))
    assert [one["range"]["start"] for one in wrong] == [{"line": 1959, "character": 4}]
    assert len(editor.ask("inlayHint", range=WHOLE)) == 1957


# ---- memory

FAULTY = {
    "a text that is not YAML": "stack: [Dense(8, 4)",
    "a stack that cannot be read": "stack: Dense(8",
    "a setting": "input: {shape: [100000, 100000]}\nstack: Dense(_, 4)",
    "a layer that is not registered": "stack: Dence(8, 4)",
    "an argument": "stack: Dense(8, 4, 3, 2, 1, 0, 0, 0)",
    "a shape": "input: {shape: [4, 8]}\nstack: Dense(16, 4)",
    "a constructor that refuses": "input: {shape: [4, 8]}\nstack: Dense(8, -4)",
    "an expectation": "input: {shape: [4, 8]}\nstack: Dense(8, 4)\nexpect: {trainable: 1}",
}


@pytest.mark.parametrize("text", FAULTY.values(), ids=FAULTY)
def test_what_was_wrong_with_earlier_texts_is_not_kept(editor, text):
    """Not even for a moment: exceptions that are kept keep their frames, and those keep whatever was alive then."""

    def kept():
        return sum(type(one) is Analysis for one in gc.get_objects())

    def edited(times):
        for spaces in range(times):
            assert editor.type(f"{text}{'  # typed' * spaces}")

    edited(2)  # what is made once
    gc.collect()
    gc.disable()
    try:
        before = kept()
        edited(4)
        assert kept() <= before
    finally:
        gc.enable()


ENDS = {"LF": "\n", "CR LF": "\r\n", "CR": "\r"}
"""What ends a line in YAML and in LSP."""

BROKEN = {
    "a layer": (RECIPE.replace("Dense(_, 3)", "Dence(_, 3)"), {"line": 5, "character": 2}),
    "a block": (RECIPE.replace("Dense(_, n)", "Dense(_, m)"), {"line": 3, "character": 20}),
    "a shape": (RECIPE.replace("Dense(_, 3)", "Dense(5, 3)"), {"line": 5, "character": 2}),
    "a key": (RECIPE.replace("finite", "finit"), {"line": 6, "character": 9}),
    "YAML": (RECIPE.replace("{finite: {}}", "{finite: {}"), {"line": 7, "character": 0}),
    "a literal": ("input: {shape: [4, 8]}\nstack: |\n  Dense(_, 4)\n  + Dence(4)\n", {"line": 3, "character": 4}),
    "rows": (
        "nc: 8\nbackbone:\n  - [-1, 1, Conv, [8]]\n  - [-1, 1, Konv, [8]]\nhead:\n  - [[-1], 1, Detect, [nc]]\n",
        {"line": 3, "character": 12},
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("text", BROKEN)
def test_an_error_is_where_it_is_at_any_end_of_lines(editor, text, end):
    text, start = BROKEN[text]
    found = editor.type(text.replace("\n", end))
    assert start in [one["range"]["start"] for one in found]


ASKED = {
    "inlayHint": {"range": WHOLE},
    "codeLens": {},
    "documentSymbol": {},
    "foldingRange": {},
    "formatting": {},
    "hover": {"position": {"line": 3, "character": 14}},
    "completion": {"position": {"line": 5, "character": 4}},
    "definition": {"position": {"line": 4, "character": 13}},
    "references": {"position": {"line": 3, "character": 3}, "context": {"includeDeclaration": True}},
    "documentHighlight": {"position": {"line": 3, "character": 7}},
    "rename": {"position": {"line": 3, "character": 3}, "newName": "Part"},
    "codeAction": {"range": WHOLE, "context": {"diagnostics": []}},
}


@pytest.mark.parametrize("end", ["\r\n", "\r"], ids=["CR LF", "CR"])
@pytest.mark.parametrize("method", ASKED)
def test_what_an_editor_asks_is_the_same_at_any_end_of_lines(editor, method, end):
    text = RECIPE.replace("Dense(_, 3)", "Dense(_,3)")
    editor.type(text)
    expected = editor.ask(method, **ASKED[method])
    assert expected
    editor.type(text.replace("\n", end))
    found = json.loads(json.dumps(editor.ask(method, **ASKED[method])).replace("\\r\\n", "\\n"))
    assert found == expected


def test_a_registry_with_old_ends_of_lines_has_its_scope(tmp_path):
    text = "# @package registry.mine\rMine: nowhere.Mine\r"
    workspace, file = Workspace(tmp_path), tmp_path / "conf" / "registry" / "other.yaml"
    workspace.change(file, text, 1)
    workspace.analyse(file, shapes=False)
    workspace.blame(file)
    assert [(one.span.line, one.code) for one in workspace.diagnostics(file)] == [(1, "BadTarget")]


# ---- files


OTHER = {
    "docker-compose.yaml": "name: app\nservices: {web: {image: nginx}}\nnetworks: {front: {}}",
    "recipe/docker-compose.yaml": "name: app\nservices: {web: {image: nginx}}",
    "mkdocs.yml": "site_name: Networks\nnav:\n- Home: index.md\nplugins: [search]",
    ".github/workflows/ci.yaml": "name: ci\non: push\ndefaults: {run: {shell: bash}}\njobs: {}",
    ".github/workflows/schemas.yaml": "on: push\njobs:\n  run: # assembler/schemas/recipe.json\n    steps: []",
    "action.yml": "name: a\ndescription: b\ninputs: {}\noutputs: {}\nruns: {using: node20}",
    "deployment.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {}\n---\napiVersion: v1",
    "blocks/deployment.yaml": "apiVersion: apps/v1\nkind: Deployment\nspec: {}",
    "charts/values.yaml": "replicaCount: 1\nnetwork:\n  enabled: true\ngraph:\n  title: Load",
    "netplan/01.yaml": "network:\n  version: 2\n  ethernets: {eth0: {dhcp4: true}}",
    "registry/config.yml": "version: 0.1\nlog: {level: info}\nhttp: {addr: ':5000'}",
    "recipe/meta.yaml": "{% set version = '1' %}\npackage: {name: a}\nbuild: {number: 0}\nrequirements: {host: [pip]}",
    "recipe/soup.yaml": "name: soup\ningredients: [water]\nsteps: [boil]",
    "Pulumi.yaml": "name: app\nruntime: python\nstack: dev",
    "heroku.yaml": "stack: heroku-22",
    "poetry.yaml": "build-system: {requires: [setuptools]}\nproject: {name: a}",
    "model.yaml": "_target_: mine.Model\nbackbone: resnet50\nhead: {name: fc}",
    "conf/search/mine.yaml": "# @package hydra.sweeper\nn_trials: 3",
    "conf/search/shrink.yaml": "# @package _global_\n# yaml-language-server: $schema=../../assembler/schemas/config.json\n"
    "defaults: [override /recipe: mlp]\nchecks: {run: {trains: {factor: 1}}}",
    "conf/variant/wide.yaml": "# @package recipe\nparams: {width: 2}\nstack: Dense(_, 8)",
    "conf/task/plan.yaml": "name: plan",
    "conf/checks/mine.yaml": "# yaml-language-server: $schema=../../assembler/schemas/checks.json\nrun: {output: {}}",
    "conf/hydra/launcher/mine.yaml": "# @package hydra.launcher\ndefaults: [joblib]\nn_jobs: 2",
    "conf/config.yaml": "defaults: [recipe: centered, _self_]\nmode: pynative\nseed: 0\nhydra: {run: {dir: x}}",
    "conf/schemas.yaml": "# yaml-language-server: $schema=../assembler/schemas/config.json\nseed: 0\nrecipe: {stack: ReLU}",
    "typed.yaml": "services:\n  web: {image: 'nginx\n stack: [",
    "empty.yaml": "",
}
"""Files of other programs, and those of Hydra's other groups."""


@pytest.mark.parametrize("name", OTHER)
def test_other_yaml_files_are_left_alone(tmp_path, name):
    workspace, file = Workspace(tmp_path), tmp_path / name
    workspace.change(file, OTHER[name], 1)
    found = workspace.analyse(file, shapes=False)
    assert (found.errors, found.diagnostics) == ([], {})
    with unsaved(workspace.texts()):
        params = {"textDocument": {"uri": file.as_uri()}, "range": WHOLE}
        assert not FEATURES["textDocument/codeLens"](workspace, params)
        assert not FEATURES["textDocument/inlayHint"](workspace, params)


@pytest.mark.parametrize("name", ["docker-compose.yaml", "mkdocs.yml", "recipe/meta.yaml", "conf/config.yaml"])
def test_nothing_is_suggested_in_files_of_other_programs(tmp_path, name):
    workspace, file = Workspace(tmp_path), tmp_path / name
    workspace.change(file, f"{OTHER[name]}\n", 1)
    end = workspace.lines(file).at(len(OTHER[name]) + 1)
    with unsaved(workspace.texts()):
        params = {"textDocument": {"uri": file.as_uri()}, "position": end}
        assert FEATURES["textDocument/completion"](workspace, params) is None


WRONG = {
    "a.yaml": "stack: Dence(8, 4)",
    "graph.yaml": "graph: {a: Dence(8, 4)}",
    "nets/typo.yaml": "inptu: {shape: [4, 8]}\nstack: Dense(8, 4)",
    "nets/list.yml": "input: {shape: [4, 8]}\nstack:\n- Dense(8, 4)\n- dence",
    "nets/none.yaml": "input: {shape: [4, 8]}\nstack:",
    "nets/typed.yaml": "# 网络\r\ninput: {shape: [4, 8]\r\nstack: Dense(8, ",
    "nets/old.yaml": "input: {shape: [4, 8]}\rstack: Dence(8, 4)\r",
    "conf/recipe/a.yaml": "stack: Dence(8, 4)",
    "conf/recipe/typo.yaml": "name: typo\ninput: {shape: [4, 8]}\nstak: Dense(8, 4)",
    "conf/recipe/new.yaml": "name: new",
    "conf/recipe/typed.yaml": "input: {shape: [4, 8]}\nstack: 'Dense(8",
    "conf/recipe/vision/a.yaml": "input: {shape: [4, 8]}\nblocks: {}",
    "conf/recipe/yolov8n.yaml": "nc: 80\nbackbone: rows\nhead: []",
    "conf/blocks/mine.yaml": "Unit(n): Dense(_, n",
    "conf/blocks/lower.yaml": "unit: ReLU() +",
    "elsewhere/blocks/mine.yaml": "Unit(n): >-\n  Dense(_, n) + + ReLU\nTail(n):",
    "conf/registry/mine.yaml": "Mine: nowhere.Mine",
    "conf/registry/typed.yaml": "# @package registry.typed\nMine: {target: ",
    "layers/mine.yaml": "# @package registry.mine\nMine: nowhere.Mine",
    "net.yaml": "# yaml-language-server: $schema=/x/assembler/schemas/recipe.json\nname: net\nlayers: Dense(8, 4)",
    "yolov8.yaml": "nc: 80\nscales: {n: [0.33, 0.25, 1024]}\nbackbone:\n  # rows\n\n  - [-1, 1, Konv, [64, 3, 2]]\nhead: []",
    "rows.yaml": "nc: 80\nbackbone: [[-1, 1, Konv, [64]]]\nhead:\n- [",
    "typed/yolov8.yaml": "nc: 80\nbackbone:\n  - [-1, 1, Conv, [64, 3, 2]\n",
    "configs/yolov8n.yaml": "optimizer: {}\nloss: {}\ndata: {}\nnetwork:\n  nc: 80\n  depth_multiple: x\n  backbone: []",
}
"""Files of the assembler in usual and unusual places, each with an error, some while they are typed."""


@pytest.mark.parametrize("name", WRONG)
def test_files_of_the_assembler_are_known_anywhere(tmp_path, name):
    workspace, file = Workspace(tmp_path), tmp_path / name
    workspace.change(file, WRONG[name], 1)
    assert workspace.analyse(file, shapes=False).errors


@pytest.mark.parametrize("folder", ["conf/recipe", "conf/blocks", "conf/registry"])
def test_files_that_ship_are_known(folder):
    for file in (ROOT / folder).rglob("*.yaml"):
        assert is_known(file), file


@pytest.mark.parametrize("file", sorted((ROOT / "tests" / "yolo").rglob("*.yaml")), ids=lambda file: file.name)
def test_network_files_are_known_and_their_data_is_not(file):
    assert is_known(file) == (file.name != "data.yaml")


def test_a_name_with_a_percent_sign_is_that_file():
    file = Path("/tmp/a%20b.yaml").resolve()
    assert path_of(file.as_uri()) == file
