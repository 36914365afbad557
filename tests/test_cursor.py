"""What an editor asks at the cursor, which is ``‸`` in these texts: completion, hover, definitions, renames, fixes."""

import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from assembler.analysis.document import Document
from assembler.analysis.mappings import arguments_at
from assembler.analysis.regions import region_at, regions_of
from assembler.analysis.tokens import spot_at
from assembler.editor.features import FEATURES
from assembler.editor.features.common import as_lsp
from assembler.editor.workspace import Workspace
from assembler.errors import SettingsError
from assembler.reading.texts import unsaved
from tests.conftest import ROOT

RECIPES = sorted((ROOT / "conf" / "recipe").glob("*.yaml"))
BASE = """# 一个网络 😀
defaults: [/blocks@blocks: mine, _self_]
input: {shape: [4, 8]}
params: {width: 16, norm: LayerNorm}
"""
MINE = "Unit(n, k=3): Dense(_, n) + ReLU  # 块\nTwo: 2 * Unit(4)\n"


@pytest.fixture
def ask(tmp_path):
    """Asks a feature at the cursor of an unsaved recipe; the project has one file of blocks."""

    def ask(method, text, name="recipe/a.yaml", *, planned=False, **more):
        (tmp_path / "conf" / "recipe").mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / "blocks").mkdir(exist_ok=True)
        (tmp_path / "conf" / "blocks" / "mine.yaml").write_text(MINE)
        offset, text = text.find("‸"), text.replace("‸", "")
        workspace, file = Workspace(tmp_path), tmp_path / "conf" / name
        workspace.change(file, text, 1)
        workspace.analyse(file, shapes=planned)
        position = workspace.lines(file).at(max(offset, 0))
        with unsaved(workspace.texts()):
            found = FEATURES[f"textDocument/{method}"](
                workspace, {"textDocument": {"uri": file.as_uri()}, "position": position, **more}
            )
        return applied(text, workspace, file, found) if method in ("formatting", "rename") else found

    return ask


def applied(text, workspace, file, found):
    """The text after the edits, of which those in other files are left out."""
    edits = found["changes"].get(file.as_uri(), []) if isinstance(found, dict) else found
    for edit in sorted(edits, key=lambda one: -workspace.lines(file).offset(one["range"]["start"])):
        lines = workspace.lines(file)
        start, end = (lines.offset(edit["range"][which]) for which in ("start", "end"))
        text = text[:start] + edit["newText"] + text[end:]
    return text


# ---- keys, tokens


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_the_keys_of_a_recipe_are_those_that_yaml_reads(file):
    def keys(data, path=()):
        pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
        for name, value in pairs:
            if not (path == ("defaults", "0") and name == "/blocks@blocks"):  # a pair in a list is one item here
                yield (*path, str(name))
            yield from keys(value, (*path, str(name)))

    text = file.read_text()
    assert {region.path for region in regions_of(text)} == set(keys(yaml.safe_load(text)))


@pytest.mark.parametrize("file", RECIPES[::5], ids=lambda file: file.stem)
def test_every_beginning_of_a_recipe_has_regions_in_it(file):
    text = file.read_text()
    for end in range(0, len(text), 7):
        Document(file, text[:end]).used  # noqa: B018 - it raises nothing
        for region in regions_of(text[:end]):
            assert 0 <= region.key[0] <= region.key[1] <= region.value[0] <= region.value[1] <= end, region


@given(st.text(alphabet="ab:- \n{}[],'\"#>|_@(+)=中😀\r"), st.integers(0, 40))
def test_any_text_has_a_region_or_none_at_any_offset(text, offset):
    region_at(text, min(offset, len(text)))
    spot_at(text, min(offset, len(text)))
    arguments_at(text, min(offset, len(text)), regions_of(text))


# ---- completion


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("stack: Den‸", ["Dense"]),
        ("stack: Dense(‸", ["_", "in_channels=", "out_channels=", "weight_init="]),
        ("stack: Dense(8, ‸", ["out_channels=", "weight_init="]),
        ("stack: Dense(_, 4, weight_init=1, ‸", ["bias_init="]),
        ("stack: Dense(_, wid‸)", ["width"]),
        ("stack: Residual(Dense(_, wid‸", ["width"]),
        ("stack: Un‸", ["Unit"]),
        ("stack: 'Un‸", ["Unit"]),
        ('stack: "Un‸"', ["Unit"]),
        ("stack: Unit(‸)", ["_", "n=", "k="]),
        ("stack: Dense(8, 4, weight_init='HeN‸'", ["HeNormal"]),
        ("stack:\n  - Dense(_, 8)\n  - Tw‸", ["Two"]),
        ("stack: >-\n  Dense(_, 8)\n  + Tw‸", ["Two"]),
        ("stack: (Unit(w) for w in [1, 2]) + Dense(_, ra‸", ["range"]),
        ("stack: (Unit(wh‸) for what in [1, 2])", ["what"]),
        ("blocks: {'Own(first)': 'Dense(_, fir‸", ["first"]),
        ("blocks:\n  Own(first): Dense(_, fir‸\n", ["first"]),
        ("shared:\n  table: Embedding(8, 4)\nstack: tab‸", ["table"]),
        ("graph:\n  left: Dense(_, 4)\n  right: Dense(_, 4) @ input\n  sum: Add @ (le‸", ["left"]),
        ("outputs: [one, l‸]\ngraph:\n  left: Dense(_, 4)\n", ["left"]),
        ("checks: {me‸", ["mean"]),
        ("checks:\n  me‸", ["mean"]),
        ("checks:\n  mean: {eq‸", ["equals"]),
        ("init:\n  '*.weight': HeU‸", ["HeUniform"]),
        ("che‸", ["checks"]),
        ("stack:\n  - Dense: {‸}", ["in_channels", "out_channels", "weight_init"]),
        ("stack:\n  - Dense: {in_channels: 8, out‸", ["out_channels"]),
        ("stack:\n  - Dense: {in_channels: 8, ‸\n  - ReLU", ["out_channels", "weight_init"]),
        ("stack:\n  - {Dense: {'in_channels': ‸}}", ["_"]),
        ("stack: [ReLU, {Unit: {n: 4, ‸}}]", ["k"]),
        ("stack:\n  - Dense:\n      ‸", ["in_channels", "out_channels"]),
        ("stack:\n  - Dense:\n      in_channels: 8 # 中\n\n      out_channels: 4\n      ‸", ["weight_init"]),
        ("stack:\n  - Dense:\n      in_channels: 8\n      bias‸\n  - ReLU", ["bias_init"]),
        ("stack:\n  - Dense:\n      in_channels: ‸", ["_"]),
        ("stack:\n  - Dense: {weight_init: HeN‸}", ["HeNormal"]),
        ("stack:\n  - Dense: {has_bias: ‸}", ["true", "false"]),
        ("stack:\n  - Dense: [‸]", ["_"]),
        ("stack:\n  - Residual: {inner: {stack: Un‸}}", ["Unit"]),
        ("stack:\n  - Residual:\n      inner: {stack: {Dense: {out‸", ["out_channels"]),
        ("graph:\n  a: {Dense: {‸}}", ["in_channels"]),
        ("graph:\n  a:\n    Dense:\n      ‸", ["in_channels"]),
        ("shared:\n  Dense:\n    Un‸", ["Unit"]),
        ("stack:\n  - Dense: {in_channels: _, out_channels: wid‸}", []),
        ("stack:\n  - Dense:\n      in_channels: 8\n     ‸", []),
        ("name: any‸", []),
        ("stack: Dense(8‸", []),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_may_be_written_here(ask, text, first, end):
    found = ask("completion", (BASE + text).replace("\n", end))
    items = found["items"] if found else []
    assert [one["label"] for one in items][: len(first)] == first
    assert bool(items) == bool(first)


ROW = "nc: 80\nbackbone:\n  - [-1, 1, Conv, [64, 3, 2]]\n"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (ROW + "  - [-1, 1, ‸", ["Conv", "DWConv", "Focus"]),
        (ROW + "  - [-1, 1, C2f‸]", ["C2f", "C2fCIB"]),
        (ROW + "head:\n  - [[-1, 6], 1, Con‸", ["Conv", "Concat", "ConvNormAct"]),
        (ROW + "head: [[-1, 1, nn.Up‸, [None, 2]]]", ["nn.Upsample"]),
        ("network:\n  backbone:\n    - [-1, 1, Con‸]\n", ["ConvNormAct", "Concat"]),
        ("network:\n  backbone:\n    - [-1, 1, nn.Up‸]\n", ["nn.Upsample"]),
        ("network:\n  backbone:\n    - [-1, 1, nn.Hards‸]\n", []),
        (ROW + "  - [-1, ‸", []),
        (ROW + "  - [-1, 1, Conv, [64, 3, ‸]]", []),
        (ROW + "  - [[-1, 6, ‸], 1, Concat, [1]]", []),
    ],
)
def test_the_module_of_a_row_is_completed(ask, text, first):
    for end in ("\n", "\r\n"):
        found = ask("completion", text.replace("\n", end), "../yolov8.yaml")
        labels = [one["label"] for one in found["items"]] if found else []
        assert labels[: len(first)] == first
        assert bool(labels) == bool(first)
        assert len(set(labels)) == len(labels)


def test_recipes_and_blocks_are_completed_in_defaults(ask):
    labels = [one["label"] for one in ask("completion", "defaults: [resnet1‸")["items"]]
    assert labels == ["resnet18"]
    labels = [one["label"] for one in ask("completion", "defaults: [/blocks@blocks: mi‸")["items"]]
    assert labels == ["mine"]


def test_a_completed_name_replaces_what_is_there_and_is_explained(ask):
    (item, *_) = ask("completion", BASE + "stack: Den‸s(8, 4)")["items"]
    assert item["textEdit"] == {
        "range": {"start": {"line": 4, "character": 7}, "end": {"line": 4, "character": 11}},
        "newText": "Dense",
    }
    found = FEATURES["completionItem/resolve"](Workspace(ROOT), item)
    assert found["detail"].startswith("Dense(in_channels, out_channels, ")
    assert found["documentation"]["value"].startswith("The dense connected layer.")


# ---- hover, signatures


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stack: De‸nse(_, width)", ["Dense(in_channels, out_channels, ", "`Dense(8, 16)` (4, 8) float32 → (4, 16) float32 · 144 "
                                     "parameters · 512 MACs", "The dense connected layer.", "mindspore.nn.Dense"]),
        ("stack: Dense(_, wid‸th)", ["width: 16", "parameter of the recipe", "`width` is `16`"]),
        ("stack: Dense(_, 4 * wid‸th)", ["width: 16", "`4 * width` is `64`"]),
        ("stack: Dense(_, 4 ‸* width)", ["`4 * width` is `64`"]),
        ("stack: Dense(_, out_channels=(width // 2 ‸if width > 8 else 1))", ["`(width // 2 if width > 8 else 1)` is `8`"]),
        ("stack: Dense(_, 4) + Un‸it(8)", ["Unit(n, k=3): Dense(_, n) + ReLU", "(4, 4) float32 → (4, 8) float32 · 40 parameters"]),
        ("stack: Unit(‸n=8)", ["Unit(n, k=3)", "argument of the block"]),
        ("stack: Dense(_, out_‸channels=8)", ["out_channels", "argument of Dense"]),
        ("graph:\n  left: Dense(_, 4)\n  sum: Add @ (le‸ft, left)", ["left: Dense(_, 4)", "line of the graph"]),
        ("stack: (Unit(w) for ‸w in [4, 8])", ["for w in [4, 8]", "`w` is `4`, `8`", "name of a loop"]),
        ("stack: (Unit(2 * ‸w) for w in [width, 8])", ["for w in [width, 8]", "`w` is `16`, `8`"]),
        ("stack: >-\n  ReLU +\n  (Unit(i) for ‸i in\n  range(1, 4))", ["for i in range(1, 4)", "`i` is `1`, `2`, `3`"]),
        ("stack: (Unit(n, k=‸k) for n, k in [[4, 1], [8, 3]])", ["for n, k in", "`k` is `1`, `3`"]),
        ("stack: ((Unit(w) for w in [4]) + Unit(‸w) for w in [5, 6])", ["`w` is `5`, `6`"]),
        ("graph:\n  a: (Unit(‸w) for w in [4, 8]) @ input", ["`w` is `4`, `8`"]),
        ("stack: (Unit(i + 1) for ‸i in range(20))", ["`i` is `0`, `1`, ", "`11`, …"]),
    ],
)  # fmt: skip
def test_what_is_said_of_a_name(ask, text, said):
    found = ask("hover", BASE + text, planned=True)["contents"]["value"]
    assert [one for one in said if one not in found] == []


@pytest.mark.parametrize(
    "text",
    [
        "blocks:\n  Own(all): (Dense(_, w) for ‸w in all)\nstack: Own([1, 2])",
        "stack: ((Dense(_, j) for ‸j in range(1, i)) for i in [2, 3])",
    ],
)
def test_of_a_loop_that_depends_on_its_use_no_values_are_shown(ask, text):
    said = ask("hover", BASE + text)["contents"]["value"]
    assert "name of a loop" in said
    assert " is `" not in said


@pytest.mark.parametrize(
    "text",
    [
        "stack: Dense(_, 4) ‸+ ReLU",
        "na‸me: a\nstack: ReLU",
        "stack: Nothing‸(4)",
        "stack: 1‸2",
        "blocks:\n  Own(width): Dense(_, 2 ‸* width)\nstack: Own(3)",  # width is not the parameter there
        "stack: (Dense(_, 2 ‸* width) for width in [1, 2])",
        "stack: ReLU + Not‸hing(4)",
    ],
)
def test_nothing_is_said_of_what_is_no_name_or_depends_on_the_use(ask, text):
    assert ask("hover", BASE + text) is None


@pytest.mark.parametrize(
    ("text", "label", "active"),
    [
        ("stack: Dense(‸", "Dense(in_channels, ", "in_channels"),
        ("stack: Dense(_, ‸", "Dense(in_channels, ", "out_channels"),
        ("stack: Dense(_, 4, bias_init=‸", "Dense(in_channels, ", "bias_init"),
        ("stack: Residual(Dense(_, (1 + 2‸", "Dense(", None),
        ("stack: Unit(k=‸)", "Unit(n, k=3)", "k"),
    ],
)
def test_the_argument_that_is_written(ask, text, label, active):
    found = ask("signatureHelp", BASE + text)
    if active is None:
        assert found is None
        return
    (signature,) = found["signatures"]
    start, end = signature["parameters"][found["activeParameter"]]["label"]
    assert (signature["label"][: len(label)], signature["label"][start:end]) == (label, active)


# ---- names across files


@pytest.mark.parametrize(
    ("text", "file", "line"),
    [
        ("stack: Dense(_, wid‸th)", "recipe/a.yaml", 3),
        ("stack: Un‸it(4)", "blocks/mine.yaml", 0),
        ("stack: Tw‸o", "blocks/mine.yaml", 1),
        ("stack: Unit(4, ‸k=2)", "blocks/mine.yaml", 0),
        ("graph:\n  left: Dense(_, 4)\n  sum: Add @ (le‸ft, left)", "recipe/a.yaml", 5),
        ("shared:\n  one: ReLU\nstack: on‸e + Tanh", "recipe/a.yaml", 5),
        ("blocks:\n  Own(width): Dense(_, ‸width)", "recipe/a.yaml", 5),
    ],
)
def test_where_a_name_is_declared(ask, tmp_path, text, file, line):
    found = ask("definition", BASE + text)
    assert (found["uri"], found["range"]["start"]["line"]) == ((tmp_path / "conf" / file).as_uri(), line)


def test_the_class_of_a_layer_and_the_file_in_defaults_are_found(ask):
    assert ask("definition", BASE + "stack: Cen‸tered")["uri"].endswith("layers/centered.py")
    assert ask("definition", BASE.replace("mine", "mi‸ne") + "stack: Two")["uri"].endswith("blocks/mine.yaml")


def test_the_uses_of_a_name_are_found_and_not_those_of_another(ask):
    text = (
        BASE
        + "blocks:\n  Own(width): Dense(_, width)\nstack: Dense(_, wid‸th) + Own(width=width) + Dense(_, ${.params.width})"
    )
    places = [one["range"]["start"] for one in ask("references", text)]
    assert [(one["line"], one["character"]) for one in places] == [(3, 9), (6, 16), (6, 35), (6, 63)]


def test_the_uses_of_a_layer_are_found_in_the_files_of_the_project(ask, tmp_path):
    ask("references", "")  # makes the folders
    (tmp_path / "conf" / "registry").mkdir()
    (tmp_path / "conf" / "registry" / "mine.yaml").write_text("# @package registry.mine\nOwn: mindspore.nn.Tanh\n")
    other = tmp_path / "conf" / "recipe" / "other.yaml"
    other.write_text("input: {shape: [4, 8]}\nstack:\n  - 2 * ReLU + Dense(_, 4)\n  - Dense: [4, 4]\n")
    (tmp_path / "conf" / "recipe" / "hides.yaml").write_text("blocks: {ReLU: Tanh}\nstack: ReLU\n")
    found = ask("references", BASE + "stack: Re‸LU + Dense(_, 4)\n")
    places = [(one["uri"].rpartition("/")[2], one["range"]["start"]["line"]) for one in found]
    assert places == [("a.yaml", 4), ("other.yaml", 2), ("mine.yaml", 0)]
    found = ask("references", BASE + "stack: De‸nse(_, 4)\n")
    places = [(one["uri"].rpartition("/")[2], one["range"]["start"]["line"]) for one in found]
    assert places == [("a.yaml", 4), ("other.yaml", 2), ("other.yaml", 3), ("mine.yaml", 0)]
    assert len(ask("documentHighlight", BASE + "stack: De‸nse(_, 4) + Dense(_, 4)\n")) == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("stack: Dense(_, wid‸th) + Dense(_, width)", [("width", 3), ("width", 2), ("width", 2)]),
        ("stack: Un‸it(4) + Unit(8)", [("Unit", 2), ("Unit", 2)]),  # declared and used in another file, too
        ("stack: Re‸LU + Tanh + ReLU", [("ReLU", 2), ("ReLU", 2)]),
        ("graph:\n  left: ReLU\n  b: Add @ (le‸ft, left)", [("left", 3), ("left", 2), ("left", 2)]),
        ("stack: Dense(_,‸ 4)", []),
    ],
)
def test_a_name_is_highlighted_in_its_file(ask, text, found):
    lines = (BASE + text.replace("‸", "")).split("\n")
    shown = []
    for one in ask("documentHighlight", BASE + text):
        start, end = one["range"]["start"], one["range"]["end"]
        shown.append((lines[start["line"]][start["character"] : end["character"]], one["kind"]))
    assert shown == found


@pytest.mark.parametrize(
    ("before", "new", "after"),
    [
        ("stack: Dense(_, wid‸th) + Unit(width)", "size", "stack: Dense(_, size) + Unit(size)"),
        ("stack: Un‸it(4) + Unit(8)", "Basic", "stack: Basic(4) + Basic(8)"),
        ("graph:\n  left: ReLU\n  b: Add @ (le‸ft, left)\noutputs: [left, b]", "a", "graph:\n  a: ReLU\n  b: Add @ (a, a)\noutputs: [a, b]"),
        ("shared:\n  one: ReLU\nstack: on‸e + one", "two", "shared:\n  two: ReLU\nstack: two + two"),
        ("stack: Dense(_, wid‸th)\ninit: {'*.weight': Normal(width)}", "宽度", "stack: Dense(_, 宽度)\ninit: {'*.weight': Normal(宽度)}"),
        ("blocks: {块(通道): 'Dense(_, 通道)'}\nstack: ‸块(3)", "单元", "blocks: {单元(通道): 'Dense(_, 通道)'}\nstack: 单元(3)"),
        ("inputs: {x: {shape: [4, 8]}}\ngraph: {a: ReLU @ ‸x}", "图", "inputs: {图: {shape: [4, 8]}}\ngraph: {a: ReLU @ 图}"),
        ("inputs: {x: {shape: [4, 8]}}\ngraph: {a: ReLU @ x, b: Tanh @ ‸a}", "input", "inputs: {x: {shape: [4, 8]}}\ngraph: {input: ReLU @ x, b: Tanh @ input}"),
        ("graph: {a: ReLU, b: Tanh @ ‸a}\ninit: {'*.weight': zeros, 'b.*': ones}", "c", "graph: {c: ReLU, b: Tanh @ c}\ninit: {'*.weight': zeros, 'b.*': ones}"),
        ("graph: {a: ReLU, b: Tanh @ ‸a}\nfreeze: ['b.a.weight']", "c", "graph: {c: ReLU, b: Tanh @ c}\nfreeze: ['b.a.weight']"),
        *((text, "size", text.replace("‸", "").replace("width", "size")) for text in (
            "stack: Dense(_, wid‸th)\ninit: {'*.weight': Normal(width)}",
            "stack: Dense(_, 4)\ninit: {'*.weight': 'Normal(wid‸th)', '*.bias': {values: [1]}}",
            "stack: Dense(_, 4)\ninit:\n  '*.weight': Normal(sigma=wid‸th) # 好\n  '*.bias': \"Constant(width)\"",
            "blocks:\n  Own(n, k=wid‸th): Dense(_, width)\nstack: Own(1, k=width)",
            "graph:\n  a: {Residual: {inner: {stack: [Dense(_, wid‸th)]}}}\n  b: Dense(_, width) @ a",
            "graph:\n  a:\n    Residual:\n      inner:\n        stack: Dense(_, wid‸th)",
            "stack:\n- Residual: {inner: {graph: {a: 'Dense(_, wid‸th)'}}}",
            "stack:\n- last: {stack: ['Dense(_, wid‸th)']}",
            "stack: (Dense(_, w) for w in [1, wid‸th])",
            "stack: Dense(_, ${.params.wid‸th}) + Dense(_, width)\ncode: ${.myparams.w}",
        )),
        *((text, "size", text.replace("‸", "").replace("WIDTH", "size")) for text in (
            "stack:\n- width: Dense(_, WI‸DTH)\nfreeze: [width.bias]",
            "stack: [{width: 'Dense(_, WI‸DTH)'}]",
            "stack:\n- width: (Dense(_, width) for width in WI‸DTH)",
            "stack:\n- width:\n    stack:\n    - Dense(_, WI‸DTH)",
            "stack: (width := Dense(_, WI‸DTH))",
            "stack: Dense(_, WI‸DTH) + (Dense(_, width) for width in WIDTH) + Dense(_, WIDTH)",
            "stack: ((Dense(_, width + w) for width in [w, WIDTH]) + Dense(_, WIDTH) for w in [WI‸DTH, 1])",
            "stack: Reshape([2 * width for width in [WI‸DTH]] + [WIDTH])",
            "stack:\n- Dense(_, WI‸DTH)\n- Conv2d: {in_channels: _, pad_mode: width, width: [width]}",
            "stack:\n- Dense(_, WI‸DTH)\n- Conv2d:\n    in_channels: width\n    width: 3",
            "graph:\n  width: {Own: {mode: width}}\n  a: Dense(_, WI‸DTH) @ width",
            "shared:\n  a: {Own: [width, {stack: 'Dense(_, WI‸DTH)'}]}\nstack: a",
            "stack: [  # the width's\n  Dense(_),  # it's width\n  # isn't\n  ReLU + Dense(4 * WI‸DTH)  # width\n]",
            "stack: [ReLU + # it's\n  Dense(4 * WI‸DTH), 'Dense(WIDTH, \"# width\") + Dense(WIDTH)']",
            "graph: {\n  # the width's\n  a: Tanh,  # it's width\n  'b': Dense(WI‸DTH) }",
            "stack: Dense(_, WI‸DTH)\nshared:\n  a: &width Dense(_, WIDTH)\n  b: *width",
            "stack: Dense(_, WI‸DTH)\nshared: {a: &width Dense(WIDTH), b: *width}",
            "stack: &all {Own: [{stack: Dense(WI‸DTH)}]}",
            "stack: Dense(_, WI‸DTH, mode='width')\nchecks: {width: width}",
            "blocks: {Own: {Dense: [width]}}\nstack: Dense(_, WI‸DTH)",
        )),
        *((text, "Basic", text.replace("‸", "").replace("Unit", "Basic")) for text in (
            "graph:\n  a: {Unit: {n: 4}}\n  b: Un‸it(4) @ a",
            "shared:\n  a:\n    Unit: [4]\nstack: a + Un‸it(3)",
            "blocks:\n  Own: [{Unit: }]\nstack: Own + Un‸it(3)",
            "stack:\n- Un‸it: {n: 4}\n- last: {stack: [{'Unit': [3]}]}",
        )),
    ],
)  # fmt: skip
def test_a_name_is_changed_wherever_it_is_used(ask, before, new, after):
    before = before.replace("WI‸DTH", "wid‸th").replace("WIDTH", "width")  # those to be changed, beside others
    assert ask("rename", BASE + before, newName=new).endswith("\n" + after)


@pytest.mark.parametrize(
    ("text", "new", "said"),
    [
        ("stack: Dense(_, wid‸th)", "norm", "'norm' is already a name here; choose another one"),
        ("stack: Dense(_, wid‸th)", "a b", "'a b' is not a name that a recipe can use"),
        ("stack: Dense(_, wid‸th)", "for", "'for' is not a name that a recipe can use"),
        ("stack: Dense(_, wid‸th)", "Tanh", "'Tanh' is a layer; choose another name"),
        ("stack: (Dense(_, wid‸th * k) for k in [1, 2])", "k", "'k' is already a name here; choose another one"),
        (
            "graph:\n  a: ReLU\n  b: Tanh @ ‸a\nfreeze: [a.weight]",
            "c",
            "'a' is in a pattern of freeze; change that by hand",
        ),
        (
            "graph:\n  a: ReLU\n  b: Tanh @ ‸a\ninit: {'a.*': zeros}",
            "c",
            "'a' is in a pattern of init; change that by hand",
        ),
        ("graph:\n  a1: ReLU\n  b: Tanh @ ‸a1\nfreeze: [a?.*]", "c", "'a1' is in a pattern of freeze; change that by hand"),
        ("blocks: {B: {graph: {le‸ft: ReLU}}}\nstack: B\nfreeze: ['0.left.weight']", "c", "'left' is in a pattern of freeze; change that by hand"),
        ("blocks: {B: {graph: {le‸ft: ReLU}}}\nstack: B\ninit: {'*left.weight': zeros}", "c", "'left' is in a pattern of init; change that by hand"),
        ("stack: [ReLU, {graph: {le‸ft: ReLU}}]\ninit:\n  '1.left.*': zeros", "c", "'left' is in a pattern of init; change that by hand"),
        ("shared: {o‸ne: ReLU}\nstack: one\ninit: {'one.*': zeros}", "c", "'one' is in a pattern of init; change that by hand"),
        ("graph:\n  a: ReLU\n  b: Tanh @ ‸a", "input", "'input' is already a name here; choose another one"),
        ("blocks: {B: {graph: {le‸ft: ReLU}}}\nstack: B", "input", "'input' is already a name here; choose another one"),
        ("inputs: {x: {shape: [4, 8]}}\ngraph: {‸a: ReLU}", "x", "'x' is already a name here; choose another one"),
        ("shared: {c: ReLU}\ngraph: {‸a: c}", "c", "'c' is already a name here; choose another one"),
        ("shared: {‸c: ReLU}\ngraph: {a: c}", "a", "'a' is already a name here; choose another one"),
        ("graph:\n  a: ReLU\n  b: Tanh @ ‸a", "construct", "'construct' is an attribute of every Cell; choose another name"),
        ("graph:\n  a: ReLU\n  b: Tanh @ ‸a", "头", "'头' is not ASCII, and names of weights have to be; choose another one"),
        ("shared: {‸c: ReLU}\nstack: c", "头", "'头' is not ASCII, and names of weights have to be; choose another one"),
        ("params: {inputs: {‸x: 1}}\nstack: ReLU", "y", "only params, blocks, shared parts, inputs and lines of graphs can be renamed"),
        ("stack: Dense(_, wid‸th)", "lambda", "'lambda' is not a name that a recipe can use"),
        ("stack: Dense(_, wid‸th)", "宽 度", "'宽 度' is not a name that a recipe can use"),
        (
            "stack: Den‸se(_, width)",
            "Linear",
            "only params, blocks, shared parts, inputs and lines of graphs can be renamed",
        ),
    ],
)  # fmt: skip
def test_error_of_a_new_name(ask, text, new, said):
    with pytest.raises(SettingsError) as error:
        ask("rename", BASE + text, newName=new)
    assert error.value.message == said


@pytest.mark.parametrize("opened", ["base", "deeper", "other"])
def test_a_param_is_renamed_in_the_recipes_that_replace_its_value(tmp_path, opened):
    """And not in one that only includes the same blocks."""
    texts = {
        "base": "defaults: [/blocks@blocks: mine, _self_]\nparams: {n: 2}\nstack: n * Unit(4)\n",
        "deeper": "defaults: [base, _self_]\nparams: {n: 3}\n",
        "other": "defaults: [base, _self_]\nparams: {n: 4}\n",
        "apart": "defaults: [/blocks@blocks: mine, _self_]\nparams: {n: 5}\nstack: Unit(n)\n",
    }
    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    (tmp_path / "conf" / "blocks").mkdir()
    (tmp_path / "conf" / "blocks" / "mine.yaml").write_text("Unit(n): Dense(_, n)\n")
    for name, text in texts.items():
        (tmp_path / "conf" / "recipe" / f"{name}.yaml").write_text(text)
    workspace, file = Workspace(tmp_path), tmp_path / "conf" / "recipe" / f"{opened}.yaml"
    workspace.change(file, texts[opened], 1)
    workspace.analyse(file, shapes=False)
    place = {"line": 1, "character": 9}
    params = {"textDocument": {"uri": file.as_uri()}, "position": place, "newName": "depth"}
    changes = FEATURES["textDocument/rename"](workspace, params)["changes"]
    counts = {uri.rpartition("/")[2]: len(edits) for uri, edits in changes.items()}
    assert counts == {"base.yaml": 2, "deeper.yaml": 1, "other.yaml": 1}


GRAPH = "input: {shape: [4, 8]}\ngraph:\n  enc: Dense(_, 4)\n  <out>: ReLU @ enc\n  last: Tanh @ <out>\n"
ACROSS = {
    "outputs of a child": {"base": GRAPH, "a": "defaults: [base, _self_]\noutputs: [<o‸ut>, enc]\n"},
    "an output of a child": {"base": GRAPH, "a": "defaults: [base, _self_]\noutputs: <o‸ut>\n"},
    "outputs of a grandchild": {
        "a": GRAPH.replace("@ <out>", "@ <o‸ut>"),
        "b": "defaults: [a, _self_]\n",
        "c": "defaults: [b, _self_]\noutputs: [<out>]\n",
    },
    "a line that replaces one": {"base": GRAPH, "a": "defaults: [base, _self_]\ngraph: {<o‸ut>: Tanh}\n"},
    "a line that uses one": {"base": GRAPH, "a": "defaults: [base, _self_]\ngraph: {more: 'Tanh @ <o‸ut>'}\n"},
    "an input": {
        "base": "inputs: {<x>: {shape: [4, 8]}}\ngraph: {a: ReLU @ <x>}\n",
        "a": "defaults: [base, _self_]\ngraph: {a: Tanh @ <‸x>}\n",
    },
    "not that of an inner graph": {
        "base": GRAPH,
        "a": "defaults: [base, _self_]\nblocks: {B: {graph: {out: ReLU, b: ReLU @ out}, outputs: [out]}}\noutputs: [<o‸ut>]\n",
    },
    "a file elsewhere": {
        "base": "params: {<w>: 4}\nstack: Dense(_, <w‸>)\n",
        "../../nets/x": "defaults: [base, _self_]\nparams: {<w>: 7}\n",
        "../../.hidden/x": "defaults: [base, _self_]\nparams: {w: 7}\n",
        "../../nets/other": "params: {w: 7}\n",
    },
    "from a file elsewhere": {
        "base": "params: {<w>: 4}\nstack: Dense(_, <w>)\n",
        "a": "defaults: [base, _self_]\nparams: {<w>: 5}\n",
        "../../nets/x": "defaults: [base, _self_]\nparams: {<w‸>: 7}\n",
    },
    "a file elsewhere that includes one": {
        "../../nets/x": "params: {<w>: 4}\nstack: Dense(_, <w‸>)\n",
        "../../nets/y": "defaults: [x]\nparams: {<w>: 7}\n",
        "../../nets/z": "# whole\n---\n{defaults: [y, _self_], params: {<w>: 7}}\n",
    },
    "references of params to one another": {
        "base": "params: {<w>: 4, x: '${.<w>}', y: {w: 1, z: '${..<w>}', v: '${.w}'}}\nstack: Dense(_, <w‸>)\n",
        "a": "defaults: [base, _self_]\nparams:\n  twice: ['${..<w>}', '${recipe.params.<w>}', '${.w}']\n",
    },
    "not what only looks like a graph": {"a": GRAPH.replace("@ <out>", "@ <o‸ut>") + "params: {graph: {out: 1}}\n"},
    "not that of an unrelated recipe": {"a": GRAPH.replace("@ <out>", "@ <o‸ut>"), "b": "graph: {out: ReLU}\n"},
}
"""Recipes with a line ``out`` that is to be renamed where ``<out>`` is written."""


@pytest.mark.parametrize("texts", ACROSS.values(), ids=ACROSS)
def test_a_name_is_changed_in_all_recipes_that_see_it(tmp_path, texts):
    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    plain = {name: text.replace("<", "").replace(">", "") for name, text in texts.items()}
    files = {name: (tmp_path / "conf" / "recipe" / f"{name}.yaml").resolve() for name in texts}
    for name, file in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(plain[name].replace("‸", ""))
    (opened,) = [name for name, text in texts.items() if "‸" in text]
    workspace = Workspace(tmp_path)
    workspace.change(files[opened], plain[opened].replace("‸", ""), 1)
    workspace.analyse(files[opened], shapes=False)
    position = workspace.lines(files[opened]).at(plain[opened].index("‸"))
    params = {"textDocument": {"uri": files[opened].as_uri()}, "position": position, "newName": "new"}
    assert FEATURES["textDocument/prepareRename"](workspace, params)
    found = FEATURES["textDocument/rename"](workspace, params)
    for name, text in texts.items():
        after = applied(plain[name].replace("‸", ""), workspace, files[name], found)
        assert after == re.sub("<.*?>", "new", text)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("stack: Dense(8, 4, has_‸bias=False)", "has_bias="),
        ("inp‸ut: 1", "input"),
        ("checks: {mean: {equ‸als: 0}}", "equals"),
    ],
)
def test_a_name_that_has_its_sign_is_completed_without_it(ask, text, label):
    (item, *_) = [one for one in ask("completion", text)["items"] if one["label"] == label]
    assert item["textEdit"]["newText"] == label.rstrip("=")


# ---- fixes, formatting


@pytest.mark.parametrize(
    ("stack", "title", "after"),
    [
        ("Dens(_, 4)", "Write Dense", "Dense(_, 4)"),
        ("nn.Dense(_, 4)", "Write Dense", "Dense(_, 4)"),
        ("Dense(_, 4, has_bia=False)", "Write has_bias", "Dense(_, 4, has_bias=False)"),
        ("Dense(_)", "Write out_channels", "Dense(_, out_channels=0)"),
        (
            "Conv2d",
            "Write in_channels and out_channels and kernel_size",
            "Conv2d(in_channels=_, out_channels=0, kernel_size=0)",
        ),
        ("2 * Unti(4)", "Write Unit", "2 * Unit(4)"),
        ("Conv2D(_, 4, 1)", "Write Conv2d", "Conv2d(_, 4, 1)"),
        ("torch.nn.Linear(_, 4)", "Write Dense", "Dense(_, 4)"),
        ("2 * Unit()", "Write n", "2 * Unit(n=0)"),
    ],
)
def test_an_error_is_mended(ask, fixes, stack, title, after):
    text = BASE + f"stack: {stack}\n"
    (first, *_) = fixes(text)
    assert first == (title, text.replace(stack, after))


@pytest.fixture
def fixes(ask, tmp_path):
    """The title of each quick fix of a text, with the text after it."""

    def fixes(text):
        workspace, file = Workspace(tmp_path), tmp_path / "conf" / "recipe" / "a.yaml"
        ask("hover", text)
        workspace.change(file, text, 1)
        workspace.analyse(file, shapes=False)
        workspace.blame(file)
        found = as_lsp(workspace, file, workspace.diagnostics(file))
        assert found
        params = {"textDocument": {"uri": file.as_uri()}, "range": {}, "context": {"diagnostics": found}}
        actions = FEATURES["textDocument/codeAction"](workspace, params)
        return [(one["title"], applied(text, workspace, file, one["edit"])) for one in actions]

    return fixes


MAPPED = [
    ("stack:\n- Dense: {out_channels: 3}", "stack:\n- Dense: {in_channels: _, out_channels: 3}"),
    ("stack: [{Dense: { out_channels: 3 }}]", "stack: [{Dense: { in_channels: _, out_channels: 3 }}]"),
    ("stack:\n- Dense: {}", "stack:\n- Dense: {in_channels: _, out_channels: 0}"),
    ("stack:\n- Dense:", "stack:\n- Dense: {in_channels: _, out_channels: 0}"),
    ("stack:\n- Dense: # wide", "stack:\n- Dense: {in_channels: _, out_channels: 0} # wide"),
    ("stack:\n- Dense:\n    out_channels: 3", "stack:\n- Dense:\n    in_channels: _\n    out_channels: 3"),
    (
        "stack:\n- Dense:\n    # sizes\n    has_bias: false\n- ReLU",
        "stack:\n- Dense:\n    # sizes\n    in_channels: _\n    out_channels: 0\n    has_bias: false\n- ReLU",
    ),
    ("stack:\n- ReLU\n- Unit: {k: 3}", "stack:\n- ReLU\n- Unit: {n: 0, k: 3}"),
    (
        "stack:\n- Residual:\n    inner: {stack: [{Dense: {in_channels: _}}]}",
        "stack:\n- Residual:\n    inner: {stack: [{Dense: {out_channels: 0, in_channels: _}}]}",
    ),
    ("graph:\n  a: {Dense: {in_channels: 8}}", "graph:\n  a: {Dense: {out_channels: 0, in_channels: 8}}"),
    (
        "shared:\n  a:\n    Dense:\n      in_channels: 8\nstack: a",
        "shared:\n  a:\n    Dense:\n      out_channels: 0\n      in_channels: 8\nstack: a",
    ),
]
"""Arguments as a mapping, before and after those that are missing are written."""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("before", "after"), MAPPED)
def test_arguments_that_are_missing_become_keys_of_a_mapping(fixes, before, after, end):
    ((title, text),) = fixes((BASE + before + "\n").replace("\n", end))
    assert title.startswith("Write ")
    assert text == (BASE + after + "\n").replace("\n", end)
    yaml.safe_load(text)


MULTILINE = [
    ("stack: [Dense, ReLU]", "stack: ['Dense(in_channels=_, out_channels=0)', ReLU]"),
    ("stack: [ReLU + Dense(_) + Tanh]", "stack: ['ReLU + Dense(_, out_channels=0) + Tanh']"),
    ("graph: {a: Dense(_) @ input}", "graph: {a: 'Dense(_, out_channels=0) @ input'}"),
    ("graph: {a: 'Dense(_)'}", "graph: {a: 'Dense(_, out_channels=0)'}"),
    ("stack: [Unit]", "stack: [Unit(n=0)]"),
    ("stack: >-\n  Dense(\n    _,\n  )", "stack: >-\n  Dense(\n    _,\n   out_channels=0)"),
    ("stack: Dense(weight_init=')')", "stack: Dense(weight_init=')', in_channels=_, out_channels=0)"),
]


def test_a_call_in_a_file_in_flow_style_gets_quotes(fixes):
    text = "# 一\n{input: {shape: [4, 8]}, stack: Dense}\n"
    ((_, after),) = fixes(text)
    assert after == text.replace("Dense", "'Dense(in_channels=_, out_channels=0)'")


@pytest.mark.parametrize(("before", "after"), MULTILINE)
def test_arguments_that_are_missing_are_written_at_the_end_of_a_call(fixes, before, after):
    assert BASE + after in [text for _, text in fixes(BASE + before)]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("stack: Dense(_, 3, out_chanels=3)", []),  # both that are near are given
        ("stack: Dense(_, 3, has_bia=True, has_bias=True)", []),
        ("stack: Dense(_, out_chanels=3)", ["Write out_channels"]),
        ("stack: Dense(in_chanels=_, out_channels=3)", ["Write in_channels"]),
        ("stack: Residual(Dense(_, 3, out_chanels=3))", []),
        (
            "stack: Conv2d(in_chanels=_, kernel_siz=3)",
            ["Write out_channels", "Write in_channels", "Write out_channels", "Write kernel_size"],
        ),
        ("stack: Dense(_, out_chanels=abs(3)) + ReLU", ["Write out_channels"]),
        ("stack:\n- Dense: {in_chanels: _, out_channels: 3}", ["Write in_channels"]),
        ("stack:\n- Dense:\n    in_channels: _\n    out_chanels: 3", ["Write out_channels"]),
        ("stack:\n- Dense: {in_channels: _, out_channels: 3, out_chanels: 3}", []),
        ("stack: Residual(shortcut=ReLU)", []),
        ("stack:\n- Residual: {shortcut: {stack: ReLU}}", []),
        ("stack:\n- Dense: [_]", []),
        ("inptus: {x: {shape: [4, 8]}}\nstack: ReLU\ninit: {}", ["Write inputs"]),
        ("stack: ReLU\nchecks: {maen: {}, mean: {equals: 0}}", []),
        ("stack:\n- Residual: {inner: {stack: {Dense: {in_channels: _}}}}", []),  # its place is the key `stack`
    ],
)
def test_only_what_mends_an_error_is_offered(fixes, text, titles):
    assert [title for title, _ in fixes(BASE + text)] == titles


@pytest.mark.parametrize(
    ("error", "title"),
    [
        ("Conv2d", "Write in_channels and out_channels and kernel_size"),
        ("nn.Dense(_, 4)", "Write Dense"),
        ("Conv2D(_, 4, 1)", "Write Conv2d"),
        ("Unit()", "Write n"),
        ("Dense(_, 4)\nexpect: {trainable: 14, output: [4, 5]}", "Expect 36"),
    ],
)
def test_what_mends_an_error_does_not_depend_on_its_words(ask, tmp_path, error, title):
    text = BASE + f"stack: {error}\n"
    ask("hover", text)
    workspace, file = Workspace(tmp_path), tmp_path / "conf" / "recipe" / "a.yaml"
    workspace.change(file, text, 1)
    for shapes in (False, True):
        workspace.analyse(file, shapes=shapes)
    workspace.blame(file)
    found = json.loads(json.dumps(as_lsp(workspace, file, workspace.diagnostics(file))))
    diagnostics = [{**one, "message": "错误"} for one in found]
    params = {"textDocument": {"uri": file.as_uri()}, "range": {}, "context": {"diagnostics": diagnostics}}
    with unsaved(workspace.texts()):
        titles = [one["title"] for one in FEATURES["textDocument/codeAction"](workspace, params)]
    assert title in titles
    assert error[:5] != "Dense" or "Expect [4, 4]" in titles


BROKEN_BY_MORE = [
    "{input: {shape: [4, 8]}, stack: ReLU}",
    "input: {shape: [4, 8]}\nstack: ReLU\n...\n",
    " input: {shape: [4, 8]}\n stack: ReLU",
    'input: {shape: [4, 8]}\nstack: ReLU\n"expect": {}',
]


@pytest.mark.parametrize("text", BROKEN_BY_MORE)
def test_sizes_are_not_added_where_they_would_break_the_file(ask, text):
    assert ask("codeAction", text, planned=True, context={"diagnostics": []}) == []


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("{input: {shape: [4, 8], sample: nromal}, stack: ReLU}", "{input: {shape: [4, 8], sample: normal}, stack: ReLU}"),
        ("input:\n  shape: [4, 8]\n  dtype: 'flaot32'\nstack: ReLU", "input:\n  shape: [4, 8]\n  dtype: 'float32'\nstack: ReLU"),
        (BASE + "graph: {c: ReLU}\noutputs: [cc]", BASE + "graph: {c: ReLU}\noutputs: [c]"),
        (BASE + "graph: {c: ReLU}\noutputs: cc", BASE + "graph: {c: ReLU}\noutputs: c"),
        (BASE + "graph: {c: ReLU, d: Tanh @ c}\noutputs:\n- d\n- cc", BASE + "graph: {c: ReLU, d: Tanh @ c}\noutputs:\n- d\n- c"),
        (
            BASE + "blocks: {B: {graph: {c: ReLU}, outputs: [cc]}}\nstack: B",
            BASE + "blocks: {B: {graph: {c: ReLU}, outputs: [c]}}\nstack: B",
        ),
        (BASE + "stack: 2 * Unit(4, kk=1)", BASE + "stack: 2 * Unit(4, k=1)"),
        (BASE + "stack: Unit(4, 3, kk=1)", None),
        (BASE + "stack: Unit(4, kk=Own(kk=1))", None),
        (BASE + 'stack: "Re\\x6cu"', None),
        (BASE + 'stack: "ReLu + \\x52eLu"', BASE + 'stack: "ReLU + \\x52eLu"'),
    ],
)  # fmt: skip
def test_a_suggestion_replaces_the_name_that_is_wrong(fixes, text, after):
    """Not the key of its text, which may be all that is known of its place."""
    assert (fixes(text) or [("", None)])[0][1] == after


def test_the_sizes_of_the_plan_become_what_is_expected(ask):
    text = BASE + "stack: Dense(_, width)"
    (action,) = ask("codeAction", text, planned=True, context={"diagnostics": []})
    ((edit,),) = action["edit"]["changes"].values()
    assert edit["newText"] == "\nexpect: {trainable: 144, parameters: 144, output: [4, 16]}\n"
    assert ask("codeAction", text + "\nexpect: {}", planned=True, context={"diagnostics": []}) == []


def test_a_size_that_is_not_that_of_the_plan_is_mended(ask):
    text = BASE + "stack: Dense(_, width)\nexpect: {trainable: 14}\n"
    where = {"start": {"line": 5, "character": 9}, "end": {"line": 5, "character": 18}}
    said = {"range": where, "message": "14 is not 144", "data": {"mend": {"old": "14", "new": "144"}}}
    (action,) = ask("codeAction", text, context={"diagnostics": [said]})
    ((edit,),) = action["edit"]["changes"].values()
    assert (action["title"], edit["newText"]) == ("Expect 144", "144")
    assert edit["range"] == {"start": {"line": 5, "character": 20}, "end": {"line": 5, "character": 22}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("stack: Dense(_,width*4)+(Unit( -width))  # 好", "stack: Dense(_, width * 4) + (Unit(-width))  # 好"),
        ("stack: LayerNorm( _ ,epsilon = 1e-6)+Dense(*[ _,4 ])", "stack: LayerNorm(_, epsilon=1e-6) + Dense(*[_, 4])"),
        (
            "stack: Dense(_,[1,2][ 0: 1 ][0]  if not(1==2)else-1)",
            "stack: Dense(_, [1, 2][0:1][0] if not (1 == 2) else -1)",
        ),
        ("stack: (x:=2*(Unit(w) for w in[1]))", "stack: (x := 2 * (Unit(w) for w in [1]))"),
        ("blocks:\n  Own(n):   Dense(_,n//2)", "blocks:\n  Own(n):   Dense(_, n // 2)"),
        ("graph:\n  a: Dense(_,4)@input\n  b: Add@(a,a)", "graph:\n  a: Dense(_, 4) @ input\n  b: Add @ (a, a)"),
        ("stack:\n  - 2*Unit(4)\n  - layer1: 3*Unit(64)", "stack:\n  - 2 * Unit(4)\n  - layer1: 3 * Unit(64)"),
        ("stack: >-\n  Dense(_,4)\n  +ReLU", "stack: >-\n  Dense(_, 4)\n  + ReLU"),
        ("stack: Dense(_,", "stack: Dense(_,"),
        ("stack: 'Dense(_,4)'", "stack: 'Dense(_,4)'"),
        ("stack: Dense(_,${.params.width})", "stack: Dense(_,${.params.width})"),
        ("stack:\n- Own: {mode: a*b, part: {stack: 2*ReLU}}", "stack:\n- Own: {mode: a*b, part: {stack: 2 * ReLU}}"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_is_printed_anew(ask, before, after, end):
    assert ask("formatting", (BASE + before).replace("\n", end)) == (BASE + after).replace("\n", end)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_recipe_that_ships_is_formatted_already(ask, file):
    assert ask("formatting", file.read_text(), file.name) == file.read_text()


def test_a_registry_has_no_names_of_recipes(ask):
    text = "# @package registry.mine\nDen‸se: mindspore.nn.Dense\n"
    assert [ask(method, text, "registry/mine.yaml") for method in ("hover", "definition")] == [None] * 2
    assert ask("completion", text, "registry/mine.yaml")["items"] == []


HEAD = "# @package registry.mine\n"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Full: mindspore.nn.Dens‸", ["mindspore.nn.Dense"]),
        ("Full: Dens‸", []),
        ("Full: minds‸", ["mindspore.mint.nn", "mindspore.mint.nn.functional", "mindspore.nn", "mindspore.ops"]),
        ("Full: {target: mindspore.nn.Conv2d‸", ["mindspore.nn.Conv2d", "mindspore.nn.Conv2dBnAct"]),
        ("Full:\n  target: mindspore.nn.Dens‸\n", ["mindspore.nn.Dense"]),
        ("Full: {function: mindspore.ops.conc‸", ["mindspore.ops.concat"]),
        ("Full: ‸", ["mindspore.mint.nn", "mindspore.mint.nn.functional", "mindspore.nn", "mindspore.ops", "parts"]),
        ("Full: parts‸", ["parts"]),
        ("Full: parts.‸", ["parts.gates"]),
        ("Full: parts.gates.‸", ["parts.gates.Gate"]),
        ("Full: {function: parts.gates.‸}", ["parts.gates.wave"]),
        ("Full: {‸", ["target", "defaults", "infer", "signature", "reference", "row", "function", "inputs"]),
        ("Full: {target: mindspore.nn.Dense, ‸}", ["defaults", "infer", "signature", "reference", "row", "inputs"]),
        ("Full:\n  target: mindspore.nn.Dense\n  in‸", ["infer", "inputs"]),
        ("Full: {target: mindspore.nn.Dense, infer: {in‸", ["in_channels"]),
        ("Full:\n  target: mindspore.nn.Dense\n  defaults: {has_bias: false, ‸}", ["in_channels", "out_channels"]),
        ("Full:\n  target: mindspore.nn.Dense\n  infer: {in_channels: {ax‸", []),
        ("Ful‸l: mindspore.nn.Dense", []),
    ],
)
def test_a_registry_is_completed_and_imports_no_layer(ask, tmp_path, text, first):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "parts" / "gates.py").write_text(
        "raise SystemExit('imported')\nclass Gate: ...\nclass _Inner: ...\ndef wave(x): ...\n"
    )
    (tmp_path / "parts" / "broken.txt").write_text("")
    labels = [one["label"] for one in ask("completion", HEAD + text, "registry/mine.yaml")["items"]]
    assert labels[: len(first)] == first
    assert bool(labels) == bool(first)
