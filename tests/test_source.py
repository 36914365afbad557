from pathlib import Path

import pytest

from assembler.errors import AssemblerError, GrammarError, Mistakes, Place
from assembler.reading.places import Sources, locate_in_file
from assembler.reading.recipe_files import load_recipe

YAML = """\
name: x
plain: Dense(8) + Dence(1)
single: 'A(''b'') + Dence(1)'
double: "A + Dence(1)"
escaped: "A\\t + Dence(1)"
folded: >-
  Dense(8)
    + Dence(1)
literal: |
  Dense(8) +
  Dence(1)
listed:
  - Dense(8)
  - Dense: {in_channels: 8}
  - B + Dence(1)
"""

SPOTS = [
    ("plain", "Dense(8) + Dence(1)", "2:19", "plain: Dense(8) + Dence(1)"),
    ("single", "A('b') + Dence(1)", "3:21", "single: 'A(''b'') + Dence(1)'"),
    ("double", "A + Dence(1)", "4:14", 'double: "A + Dence(1)"'),
    ("folded", "Dense(8)\n  + Dence(1)", "8:7", "    + Dence(1)"),
    ("literal", "Dense(8) +\nDence(1)\n", "11:3", "  Dence(1)"),
    ("listed[2]", "B + Dence(1)", "15:9", "  - B + Dence(1)"),
]


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(YAML)
    return path


@pytest.mark.parametrize(("key", "text", "position", "line"), SPOTS)
def test_a_spot_in_a_scalar_is_found_in_its_file(file, key, text, position, line):
    start = text.index("Dence")
    place = Sources({"recipe": [file]}).locate(Place(text, start, start + 5, f"recipe.{key}"))
    assert str(place) == f"recipe.yaml:{position}"
    assert place.shown == line
    assert place.shown[place.indent :].startswith("Dence")
    shown, carets = place.excerpt().splitlines()
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "Dence"


def test_a_spot_behind_an_escape_is_told_by_its_key(file):
    place = Sources({"recipe": [file]}).locate(Place("A\t + Dence(1)", 5, 10, "recipe.escaped"))
    assert str(place) == "recipe.yaml:5:1"


@pytest.mark.parametrize(
    ("key", "position"),
    [("recipe.name", "1:1"), ("recipe.listed[1].Dense.in_channels", "14:13"), ("recipe.listed[1]", "14:5")],
)
def test_a_key_is_found_in_its_file(file, key, position):
    assert str(Sources({"recipe": [file]}).locate(Place(key=key))) == f"recipe.yaml:{position}"


def test_the_file_of_the_longest_prefix_is_looked_at_first(file, tmp_path):
    other = tmp_path / "primary.yaml"
    other.write_text("seed: 3\nrecipe: {name: y}\n")
    sources = Sources({"": [other], "recipe": [file]})
    assert str(sources.locate(Place(key="recipe.name"))) == "recipe.yaml:1:1"
    assert str(sources.locate(Place(key="seed"))) == "primary.yaml:1:1"


def test_an_override_is_named_as_typed():
    sources = Sources({}, ["recipe.stack=A", "+recipe.checks.mean.equals=1"])
    assert str(sources.locate(Place("A", 0, 1, "recipe.stack"))) == "override recipe.stack=A"
    assert str(sources.locate(Place(key="recipe.stack[0].A"))) == "override recipe.stack=A"
    assert str(sources.locate(Place(key="recipe.checks.mean"))) == "override +recipe.checks.mean.equals=1"
    assert str(sources.locate(Place(key="recipe.stacked"))) == "recipe.stacked"


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("recipe.nothing", "recipe.yaml"),
        ("recipe.listed[9]", "recipe.yaml:12:1"),
        ("recipe.name.deeper", "recipe.yaml:1:1"),
    ],
)
def test_a_key_that_is_missing_is_told_where_it_should_stand(file, key, label):
    assert str(Sources({"recipe": [file]}).locate(Place(key=key))) == label


def test_a_key_of_no_file_stays(file):
    place = Place(key="seed")
    assert Sources({"recipe": [file]}).locate(place) is place
    assert Sources().locate(place) is place


def test_the_most_particular_override_holds_and_of_those_the_last():
    sources = Sources({}, ["device=gpu", "device.fallback=maybe", "seed=1", "seed=x"])
    assert str(sources.locate(Place(key="device.fallback"))) == "override device.fallback=maybe"
    assert str(sources.locate(Place(key="device.target"))) == "override device=gpu"
    assert str(sources.locate(Place(key="seed"))) == "override seed=x"


@pytest.mark.parametrize("content", [b"\xff", b"a: [", b""])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path, content):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    assert locate_in_file(path, "a", Place(key="a")) is None
    assert locate_in_file(Path("missing.yaml"), "a", Place(key="a")) is None


def test_every_mistake_is_located(file):
    error = Mistakes([GrammarError("one", Place(key="recipe.name")), GrammarError("two", Place(key="recipe.plain"))])
    assert str(Sources({"recipe": [file]}).tell(error)) == (
        "recipe.yaml:1:1: one\n    name: x\n    ^^^^\n"
        "recipe.yaml:2:1: two\n    plain: Dense(8) + Dence(1)\n    ^^^^^"
    )  # fmt: skip


RECIPE_FILES = {
    "conf/blocks/mine.yaml": "Inner(n): >-\n  Conv2d(_, n, 3)\n  + Dense(7, n{})\n",
    "conf/recipe/base.yaml": "defaults: [/blocks@blocks: mine, _self_]\ninput: {shape: [2, 3, 8, 8]}\nstack: Outer(4)\n",
    "conf/recipe/mine.yaml": "defaults: [base, _self_]\nblocks:\n  Outer(n): Inner(n) + ReLU\n",
}


@pytest.fixture
def recipe_files(tmp_path):
    def write(inside):
        for name, text in RECIPE_FILES.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text.replace("{}", inside))

    return write


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        (" / 0", "3:14: division by zero\n    + Dense(7, n / 0)\n               ^^^^^"),
        ("", "3:5: #0 Conv2d(3, 4, 3) emits (2, 4, 8, 8) float32; #1 Dense(7, 4) wants (…, 7)\n    + Dense(7, n)\n"
         "      ^^^^^"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_block_is_told_with_the_lines_that_use_it(run, recipe_files, inside, what):
    recipe_files(inside)
    done = run("--config-dir", "conf", "recipe=mine", "task=plan")
    assert (done.code, done.err) == (
        2,
        f"conf/blocks/mine.yaml:{what}\n"
        "  in the block Inner, used at conf/recipe/mine.yaml:3:13\n"
        "    Outer(n): Inner(n) + ReLU\n"
        "              ^^^^^\n"
        "  in the block Outer, used at conf/recipe/base.yaml:3:8\n"
        "    stack: Outer(4)\n"
        "           ^^^^^\n",
    )


def test_a_recipe_file_takes_up_others_as_hydra_does(run, recipe_files, tmp_path):
    import json

    from assembler import plan

    recipe_files("")
    (tmp_path / "conf" / "blocks" / "mine.yaml").write_text("Inner(n): Conv2d(_, n, 3) + Flatten + Dense(_, n)\n")
    done = run("--config-dir", "conf", "recipe=mine", "task=plan")
    assert (done.code, done.err) == (0, "")
    found = plan(tmp_path / "conf" / "recipe" / "mine.yaml")
    by_hydra = json.loads((done.folder / "result.json").read_text())["plan"]
    assert (by_hydra["trainable"], by_hydra["macs"]) == (found.trainable, found.macs)


DEFAULTS = [
    ("defaults: [none, _self_]\n", "recipe/mine.yaml: its defaults include recipe/none.yaml, which does not exist"),
    ("defaults: [/blocks@blocks: none]\n",
     "recipe/mine.yaml: its defaults include blocks/none.yaml, which does not exist"),
    ("defaults: [mine]\n", "recipe/mine.yaml: recipes include each other in a circle: mine → mine"),
    ("defaults: [other]\n", "recipe/mine.yaml: recipes include each other in a circle: mine → other → mine"),
    ("defaults: [../../secret]\n", "recipe/mine.yaml: its defaults name '../../secret'; a recipe can include only recipes and blocks, as 'name' or '/blocks@blocks: name'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), DEFAULTS)
def test_error_of_files_that_cannot_be_taken_up(tmp_path, monkeypatch, text, message):
    from assembler import AssemblerError, plan

    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "mine.yaml").write_text(f"{text}input: {{shape: [4, 8]}}\nstack: ReLU\n")
    (tmp_path / "recipe" / "other.yaml").write_text("defaults: [mine]\n")
    with pytest.raises(AssemblerError) as error:
        plan(tmp_path / "recipe" / "mine.yaml")
    assert str(error.value) == message


@pytest.mark.parametrize(
    "defaults", ["defaults:\n", "defaults: [resnet18, _self_]\n", "defaults: [/blocks@blocks: convolutions]\n"]
)
def test_what_ships_is_taken_up_from_anywhere(tmp_path, defaults):
    from assembler import plan

    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "mine.yaml").write_text(
        f"{defaults}input: {{shape: [1, 3, 8, 8]}}\nexpect: {{trainable: null, parameters: null, output: null}}\n"
        f"stack: {'ReLU' if defaults == 'defaults:' + chr(10) else 'ConvNorm(4)'}\n"
    )
    assert plan(tmp_path / "recipe" / "mine.yaml").output.shape[0] == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("params: {n: 9}\nhigh: '${recipe.params.n}'\n", {"params": {"n": 9}, "high": 9}),
        ("params: {n: [1, 2]}\nlist: ['${recipe.params.n}']\n", {"params": {"n": [1, 2]}, "list": [[1, 2]]}),
        ("params: {n: 9}\nhigh: 'x${recipe.params.n}'\n", {"params": {"n": 9}, "high": "x9"}),
        ("params: {n: 9, m: '${.n}'}\nhigh: '${recipe.params.m}'\n", {"params": {"n": 9, "m": 9}, "high": 9}),
        (
            "a: {b: '${recipe.c}'}\nc: [1, {d: 2}]\ne: '${recipe.a.b.1.d} ${.c[0]}'\n",
            {"a": {"b": [1, {"d": 2}]}, "c": [1, {"d": 2}], "e": "2 1"},
        ),
    ],
)
def test_what_names_a_value_of_the_recipe_is_filled_in(tmp_path, text, found):
    (tmp_path / "a.yaml").write_text(text)
    assert load_recipe(tmp_path / "a.yaml") == found


def test_error_of_a_reference_that_leads_nowhere(tmp_path):
    (tmp_path / "a.yaml").write_text("params: {n: 9}\nhigh: ['${recipe.params.m}']\n")
    with pytest.raises(AssemblerError) as error:
        load_recipe(tmp_path / "a.yaml")
    assert str(error.value) == "recipe.high.0: Interpolation key 'recipe.params.m' not found"


def test_a_file_in_the_working_directory_takes_up_its_neighbours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("b.yaml").write_text("name: b\nstack: ReLU\n")
    Path("a.yaml").write_text("defaults: [b, _self_]\nname: a\n")
    assert load_recipe(Path("a.yaml")) == {"name": "a", "stack": "ReLU"}
