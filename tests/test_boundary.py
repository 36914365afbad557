"""What a recipe of a stranger cannot do. docs: SECURITY.md."""

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
import weakref
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from assembler import AssemblerError, plan
from assembler.checks import prepare
from assembler.commands.app import app
from assembler.editor.workspace import Workspace
from assembler.errors import SettingsError
from assembler.reading.interpolation import hold_size
from assembler.reading.recipe_files import load_recipe
from assembler.reading.yaml_files import parse_yaml
from assembler.registry.registry import Registry, said_by_project, trusted_for_recipes
from assembler.runtime import limits
from tests.conftest import MINE, mostly_slow

GOOD = "input: {shape: [4, 8]}\nstack: Dense(8, 8)\n"
FILE = "conf/recipe/mine.yaml"
ONLY = "a recipe can include only recipes and blocks, as 'name' or '/blocks@blocks: name'"
OUT = "refers to something outside the recipe; refer to its own values, as ${recipe.params.width}"
ITS_FILE = "a recipe file cannot choose where its keys are placed; remove this line"
LAUGHS = "params:\n  a0: &a0 [1, 1]\n" + "".join(f"  a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
MERGES = "params:\n  a0: &a0 {k: 1}\n" + "".join(
    f"  a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40)
)

REFUSED = {
    # what Hydra would act upon
    "# @package _global_\nhydra: {callbacks: {x: {_target_: os.mkdir, path: pwned}}}\n": (
        f"{FILE}:1:1: '# @package _global_': {ITS_FILE}"
    ),
    f"\n  # @package registry.mine\n{GOOD}": f"{FILE}:2:1: '# @package registry.mine': {ITS_FILE}",
    f"defaults: [override /hydra/launcher: joblib]\n{GOOD}": (
        f"{FILE}: its defaults name {{'override /hydra/launcher': 'joblib'}}; {ONLY}"
    ),
    f"defaults: [optional mine]\n{GOOD}": f"{FILE}: its defaults name 'optional mine'; {ONLY}",
    f"defaults: [{{/hydra/launcher@_global_.hydra: joblib}}]\n{GOOD}": (
        f"{FILE}: its defaults name {{'/hydra/launcher@_global_.hydra': 'joblib'}}; {ONLY}"
    ),
    f"defaults: [{{/blocks@_global_.hydra: convolutions}}]\n{GOOD}": (
        f"{FILE}: its defaults name {{'/blocks@_global_.hydra': 'convolutions'}}; {ONLY}"
    ),
    f"defaults: [{{/registry@registry.x: layers}}]\n{GOOD}": (
        f"{FILE}: its defaults name {{'/registry@registry.x': 'layers'}}; {ONLY}"
    ),
    f"defaults: [{{/blocks@blocks: [convolutions, ../x]}}]\n{GOOD}": (
        f"{FILE}: its defaults name {{'/blocks@blocks': ['convolutions', '../x']}}; {ONLY}"
    ),
    f"defaults: ['${{oc.env:SECRET}}']\n{GOOD}": f"{FILE}: its defaults name '${{oc.env:SECRET}}'; {ONLY}",
    f"defaults: [/etc/passwd]\n{GOOD}": f"{FILE}: its defaults name '/etc/passwd'; {ONLY}",
    f"defaults: [mine]\n{GOOD}": f"{FILE}: recipes include each other in a circle: mine → mine",
    "input: {shape: [1, 3, 8, 8]}\nfile: /etc/x.yaml\n": (
        f"{FILE}:2:1: a recipe can read files below the working directory only, not /etc/x.yaml\n    file: /etc/x.yaml\n    ^^^^"
    ),
    # references
    f"name: ${{oc.env:SECRET}}\n{GOOD}": f"{FILE}:1:1: ${{oc.env:SECRET}} {OUT}\n    name: ${{oc.env:SECRET}}\n    ^^^^",
    f"params: {{a: ['${{hydra:runtime.cwd}}']}}\n{GOOD}": (
        f"{FILE}:1:14: ${{hydra:runtime.cwd}} {OUT}\n    params: {{a: ['${{hydra:runtime.cwd}}']}}\n"
        "                 ^^^^^^^^^^^^^^^^^^^^^^"
    ),
    f"name: ${{oc.decode:'[1]'}}\n{GOOD}": f"{FILE}:1:1: ${{oc.decode:'[1]'}} {OUT}\n    name: ${{oc.decode:'[1]'}}\n    ^^^^",
    f"name: ${{now:%Y}}\n{GOOD}": f"{FILE}:1:1: ${{now:%Y}} {OUT}\n    name: ${{now:%Y}}\n    ^^^^",
    f"name: ${{hydra.job.name}}\n{GOOD}": f"{FILE}:1:1: ${{hydra.job.name}} {OUT}\n    name: ${{hydra.job.name}}\n    ^^^^",
    f"name: ${{..sweep.name}}\n{GOOD}": f"{FILE}:1:1: ${{..sweep.name}} {OUT}\n    name: ${{..sweep.name}}\n    ^^^^",
    f"name: ${{recipe.${{oc.env:SECRET}}}}\n{GOOD}": f"{FILE}:1:1: ${{recipe.${{oc.env:SECRET}} {OUT}\n    name: ${{recipe.${{oc.env:SECRET}}}}\n    ^^^^",
    # YAML
    f"name: !!python/object/apply:os.system [touch pwned]\n{GOOD}": (
        f"{FILE}:1:7: tags such as !!python/object/apply:os.system are not supported; use quotes for a string"
    ),
    f"name: !mine x\n{GOOD}": f"{FILE}:1:7: tags such as !mine are not supported; use quotes for a string",
    LAUGHS + GOOD: f"{FILE} expands to more than 50,000 values",
    MERGES + GOOD: f"{FILE} expands to more than 50,000 values",
    f"params: &a [*a]\n{GOOD}": f"{FILE}:1:13: *a is inside the value that it refers to",
    f"params: {'[' * 100_000}\n{GOOD}": f"{FILE}:1:68: nested more than 60 deep",
    f"name: {'a' * 2**20}\n{GOOD}": f"{FILE} is larger than 1,048,576 bytes",
    f"params: {{a: {'9' * 5000}}}\n{GOOD}": f"{FILE}:1:13: a number has more than 100 digits",
    f"params: {{a: 0b_}}\n{GOOD}": f"{FILE} cannot be read: invalid literal for int() with base 2: ''",
    f"params: {{a: \0}}\n{GOOD}": f"{FILE}: special characters are not allowed at character 13",
    f"params: {{a: 1, a: 2}}\n{GOOD}": (
        f"{FILE}:1:16: while constructing a mapping, found duplicate key a\n"
        "    params: {a: 1, a: 2}\n                   ^"
    ),
    f"params: {{null: 1}}\n{GOOD}": f"{FILE}:1:1: a key is missing before the colon\n    params: {{null: 1}}\n    ^^^^^^",
    "1": f"{FILE}: a recipe must be a mapping of keys to values",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_error_of_a_file_that_reaches_out_or_is_a_bomb(run, recipe_file, tmp_path, monkeypatch, text):
    recipe_file(text)
    monkeypatch.setenv("SECRET", "sesame")
    done = run(*MINE)
    assert (done.code, done.err) == (2, f"{REFUSED[text]}\n")
    with pytest.raises(AssemblerError) as error:
        plan(tmp_path / FILE)
    assert str(error.value) == REFUSED[text]
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


@pytest.mark.parametrize(
    "text",
    ["[" * 61 + "]" * 61, "[" * 1001 + "]" * 1001, "[" * 2**20, "{a: " * 2**18, "- " * 2**19, "[\n" * 2**19],
    ids=["just beyond", "beyond libyaml's bound", "flow", "mappings", "block", "lines"],
)
def test_the_bound_of_nesting_is_ours_whatever_libyaml_does(text):
    with pytest.raises(SettingsError) as error:
        parse_yaml(text, Path("mine.yaml"))
    assert str(error.value).startswith("mine.yaml:")
    assert error.value.message == "nested more than 60 deep"
    assert parse_yaml("[" * 60 + "]" * 60, Path("mine.yaml"))


OPENERS = {
    "lists": "[",
    "mappings": "{",
    "mappings in mappings": "{a: ",
    "block lists": "- ",
    "complex keys": "? ",
    "lists of complex keys": "- ? ",
    "anchors": "[&a ",
    "aliases": "[*a, ",
    "lines": "[\n",
    "strings in lists": "['",
    "tags": "[!!seq ",
}


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
@pytest.mark.parametrize("kind", mostly_slow(["recipe", "block", "network"], "recipe".__eq__))
def test_a_file_of_openers_is_refused_at_once_whoever_reads_it(run, recipe_file, tmp_path, opener, kind):
    """By run.py, before Hydra reads it, in Python, and by ``validate``: in seconds of this process, not hours."""
    text = f"params:\n  {opener * 8000}\n"
    if kind == "recipe":
        recipe_file(text)
    elif kind == "block":
        recipe_file("defaults: [{/blocks@blocks: theirs}]\n" + GOOD)
        (tmp_path / "conf" / "blocks").mkdir()
        (tmp_path / "conf" / "blocks" / "theirs.yaml").write_text(text)
    else:
        recipe_file("input: {shape: [1, 3, 8, 8]}\nfile: net.yaml\n")
        (tmp_path / "net.yaml").write_text(text)
    began = time.process_time()
    assert run(*MINE, "task=plan").code == 2
    with pytest.raises(AssemblerError):
        plan(Path(FILE))
    assert CliRunner().invoke(app, ["validate", FILE]).exit_code == 2
    assert time.process_time() - began < 6


@pytest.mark.parametrize("text", ["# @package _global_\n" + GOOD, f"name: ${{oc.env:SECRET}}\n{GOOD}"])
def test_a_block_file_is_held_to_the_same(run, recipe_file, tmp_path, text):
    recipe_file("defaults: [{/blocks@blocks: theirs}]\n" + GOOD)
    (tmp_path / "conf" / "blocks").mkdir()
    (tmp_path / "conf" / "blocks" / "theirs.yaml").write_text(text)
    expected = {message.replace(FILE, "conf/blocks/theirs.yaml") for message in REFUSED.values()}
    for more in ([], ["-m"]):
        done = run(*more, *MINE)
        assert done.code == 2
        assert any(message in done.err for message in expected), done.err
    with pytest.raises(AssemblerError) as error:
        plan(tmp_path / FILE)
    assert str(error.value) in expected


@pytest.mark.parametrize("launcher", mostly_slow(["basic", "joblib"], "basic".__eq__))
def test_a_sweep_refuses_before_callbacks_and_launchers_are_made(run, recipe_file, tmp_path, launcher):
    recipe_file("# @package _global_\nhydra: {callbacks: {x: {_target_: os.mkdir, path: pwned}}}\n")
    recipe_file(GOOD, "good")
    done = run("-m", "--config-dir", "conf", "recipe=good,mine", f"hydra/launcher={launcher}", "sweep.invalid=skip")
    assert done.code == 2
    assert not (tmp_path / "pwned").exists()
    rows = json.loads((done.folder / "sweep.json").read_text())["jobs"]
    assert [row["error"] for row in rows] == [None, f"{FILE}:1:1: '# @package _global_': {ITS_FILE}"]


def test_references_within_a_recipe_are_filled_in(run, recipe_file):
    recipe_file("name: n${recipe.params.width}\nparams: {width: 8, twice: {a: '${..width}', b: '${.a}'}}\n" + GOOD)
    done = run(*MINE, "task=plan", "recipe.params.width=9")
    assert (done.code, done.err) == (0, "")
    found = json.loads((done.folder / "result.json").read_text())["recipe"]
    assert (found["name"], found["params"]) == ("n9", {"width": 9, "twice": {"a": 9, "b": 9}})
    alone = load_recipe(Path(FILE))
    assert (alone["name"], alone["params"]) == ("n8", {"width": 8, "twice": {"a": 8, "b": 8}})


OPENED = {
    "in the open folder": ("open", True),
    "in a project inside it": ("open/inner", True),
    "in another folder": ("other", False),
    "in one with a longer name": ("open2", False),
    "behind a link out of it": ("open/link", False),
}


@pytest.mark.parametrize(("project", "is_trusted"), OPENED.values(), ids=OPENED)
@pytest.mark.parametrize("trusted", [True, False])
def test_an_editor_imports_python_of_the_open_folder_only(tmp_path, monkeypatch, project, is_trusted, trusted):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "other").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "link").symlink_to(tmp_path / "other")
    file = tmp_path / project / "conf" / "recipe" / "a.yaml"
    file.parent.mkdir(parents=True)
    (tmp_path / project / "pyproject.toml").write_text("[tool.assembler]\nlayers = ['hers_by_editor']\n")
    (tmp_path / project / "hers_by_editor.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'imported')!r}).touch()\n"
    )
    workspace = Workspace(tmp_path / "open", trusted=[tmp_path / "open"] if trusted else [])
    workspace.change(file, GOOD, 1)
    assert workspace.analyse(file, shapes=False).errors == []
    sys.modules.pop("hers_by_editor", None)
    assert (tmp_path / "imported").exists() == (trusted and is_trusted)


def test_the_command_line_is_trusted(run, monkeypatch):
    monkeypatch.setenv("MINE", "hers")
    done = run("recipe.name=${oc.env:MINE}", "task=plan")
    assert json.loads((done.folder / "result.json").read_text())["recipe"]["name"] == "hers"


ROUND = "references refer to one another more than 20 levels deep, or in a circle"
LARGE = "it expands to more than 1,000,000 characters and values"
GROWING = [
    ({"name": "${recipe}"}, f"recipe: {ROUND}"),
    ({"a": "${recipe.b}", "b": "${.a}"}, f"recipe.b: {ROUND}"),
    ({"a": {"b": "${..a}"}}, f"recipe.a: {ROUND}"),
    ({f"a{i}": f"${{.a{i - 1}}}" if i else "x" for i in range(400)}, f"recipe.a21: {ROUND}"),
    ({f"a{i}": [f"${{recipe.a{i - 1}}}"] * 2 if i else "x" for i in range(20)}, f"recipe.a12: {LARGE}"),
    ({f"a{i}": f"${{.a{i - 1}}}" * 4 if i else "x" * 500 for i in range(20)}, f"recipe.a6: {LARGE}"),
]


@pytest.mark.parametrize(("recipe", "message"), GROWING)
def test_error_of_references_that_grow_without_bounds(recipe, message):
    with pytest.raises(AssemblerError) as error:
        hold_size(recipe)
    assert str(error.value) == message


# ---- bombs in texts


def doubling(body, last, count=40):
    return {**{f"B{i}(x)": f"B{i + 1}({body})" for i in range(count)}, f"B{count}(x)": last}


INPUT = {"input": {"shape": [4, 8]}}
BOMBS = {
    "power": ({"stack": "Dense(9**9**9, 8)"}, "9 ** 387420489 is too large"),
    "text": ({"stack": "Dense('a' * 10**9, 8)"}, "'a' is a string; a layer in params is written {stack: a}"),
    "list": ({"stack": "Dense([1] * 10**9, 8)"}, "'*' needs numbers, not [1]"),
    "digits": ({"stack": f"Dense(0x{'F' * 90_000}, 8)"}, "integer too large; the limit is 2**63"),
    "digits of a param": ({"params": {"n": 10**23}, "stack": "Dense(8, n)"}, "integer too large; the limit is 2**63"),
    "digits in a mapping": (
        {"stack": [{"Dense": {"in_channels": 8, "out_channels": -(10**23)}}]},
        "integer too large; the limit is 2**63",
    ),
    "layers": ({"stack": "100000 * (100000 * ReLU)"}, "the stack has 10,000,000,000 layers; the limit is 100,000"),
    "chains": (
        {"blocks": doubling("x + x", "x"), "stack": "B0(ReLU)"},
        "the recipe expands to more than 10,000 values",
    ),
    "lists": (
        {"blocks": doubling("[x, x]", "ReLU"), "stack": "B0(1)"},
        "the recipe expands to more than 10,000 values",
    ),
    "shared": (
        {"shared": {**{f"s{i}": f"Residual(s{i + 1} + s{i + 1})" for i in range(40)}, "s40": "ReLU"}, "stack": "s0"},
        "the recipe expands to more than 10,000 values",
    ),
    "deep": (
        {"blocks": {**{f"B{i}": f"Residual(B{i + 1})" for i in range(90)}, "B90": "ReLU"}, "stack": "B0"},
        "blocks use each other more than 50 deep",
    ),
    "reserved": ({"stack": "4 * _broken"}, "no layer named '_broken'. Searched the "),
    "table": (
        {"stack": "Embedding(10**9, 1000, padding_idx=0)"},
        "Embedding(1000000000, 1000, padding_idx=0) does not fit into memory: MemoryError: ",
    ),
    "product": ({"stack": "Dense(10**18, 10**18)"}, "Dense(1000000000000000000, 1000000000000000000) cannot be made: "),
}


@pytest.mark.parametrize("name", BOMBS)
def test_error_of_a_bomb(monkeypatch, name):
    monkeypatch.setattr("assembler.binding.scopes.MAX_VALUES", 10_000)  # of 300,000, and of half a minute
    recipe, message = BOMBS[name]
    with pytest.raises(AssemblerError) as error:
        plan({**INPUT, **recipe})
    assert error.value.message.startswith(message)
    assert error.value.message == message or message.endswith((" ", ": "))


def test_so_many_mistakes_are_told_and_no_more():
    with pytest.raises(AssemblerError) as error:
        plan({**INPUT, "stack": [f"Nothing{i}" for i in range(5000)]})
    lines = [line for line in str(error.value).splitlines() if line.startswith("recipe")]
    assert len(lines) == 100
    assert str(error.value).endswith("\nstopped after 100 errors")


def test_a_layer_that_is_too_large_to_be_run_on_zeros_is_compiled():
    found = plan("Upsample(size=(100000, 100000))", input=(2, 3, 8, 8))
    assert (found.output.shape, found.rows[0].on_zeros) == ((2, 3, 100_000, 100_000), False)


def keys(prefix, count):
    return "params:\n" + "".join(f"  {prefix}{number}: {number}\n" for number in range(count))


PARTS = 19
STACK = "input: {shape: [4, 3, 8]}\nstack: "
TAKES_LONG = {
    "one large file": {"mine": f"{STACK}ReLU\n{keys('a', 24_000)}"},
    "many files": {
        "mine": f"defaults: [{', '.join(f'part{part}' for part in range(PARTS))}]\n{STACK}ReLU\n",
        **{f"part{part}": keys(f"a{part}_", 2_000) for part in range(PARTS)},
    },
    "expansion": {"mine": f"{STACK}B0(ReLU)\nblocks: {json.dumps(doubling('x + x', 'x'))}\n"},
    "planning": {"mine": f"{STACK}LSTM(8, 8, num_layers=1000000)\n"},
}


def stderr_of_command(*words):
    done = CliRunner().invoke(app, [*words])
    return done.stderr + done.stdout, done.exit_code


def watched(monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("assembler.live.follow.wait", interrupt)
    return stderr_of_command("watch", FILE)


def planned_by_a_program():
    with pytest.raises(AssemblerError) as error, limits.limited():
        plan(Path(FILE))
    return str(error.value), 2


WAYS = {
    "validate": (lambda run, _: stderr_of_command("validate", "--plan", FILE), FILE, 2),
    "watch": (lambda run, monkeypatch: watched(monkeypatch), FILE, 130),
    "a program": (lambda run, _: planned_by_a_program(), "recipe", 2),
    "run.py": (lambda run, _: (done := run(*MINE, "task=plan")) and (done.err, done.code), "recipe=mine", 2),
}


SLOW_WAYS = ("watch", "run.py")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file was about to be closed
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=pytest.mark.slow) if way in SLOW_WAYS else way for way in WAYS]
)
@pytest.mark.parametrize("what", TAKES_LONG)
def test_a_recipe_that_takes_long_is_ended_wherever_it_is_read(run, recipe_file, monkeypatch, what, way):
    monkeypatch.setattr("assembler.binding.scopes.MAX_VALUES", 10**9)
    monkeypatch.setattr(limits, "MAX_SECONDS", 0.2)
    for name, text in TAKES_LONG[what].items():
        recipe_file(text, name)
    do, where, code = WAYS[way]
    said, ended = do(run, monkeypatch)
    wheres = (where, FILE) if way == "run.py" else (where,)  # its file is known once Hydra has composed it
    printed = [line.strip() for line in said.splitlines()]
    assert any(f"{one}: {TOO_LONG.format('0.2', '0.4')}" in printed for one in wheres)
    assert ended == code


TOO_LONG = "reading and planning it takes more than {} s; ASSEMBLER_MAX_SECONDS={} allows more"


def test_the_list_of_recipes_goes_on_after_one_that_takes_long(run, recipe_file, monkeypatch):
    monkeypatch.setenv("ASSEMBLER_MAX_SECONDS", "0.2")
    recipe_file(TAKES_LONG["one large file"]["mine"])
    said, code = stderr_of_command("recipes")
    assert code == 0
    rows = {row[0]: row[-1] for row in (line.split("\t") for line in said.splitlines())}
    assert rows["mine"] == f"wrong: {FILE}: {TOO_LONG.format('0.2', '0.4')}"
    assert not rows["vgg16"].startswith("wrong")


def test_a_run_has_one_time_for_reading_and_planning(run, recipe_file, monkeypatch):
    from assembler import pipeline

    def slowly(function):
        return lambda *given: time.sleep(0.7) or function(*given)

    recipe_file(GOOD)
    monkeypatch.setattr(import_module("assembler.tasks.run"), "read_settings", slowly(pipeline.read_settings))
    assert run(*MINE, "task=plan").code == 0
    monkeypatch.setattr("assembler.pipeline.plan", slowly(pipeline.plan))
    monkeypatch.setattr(limits, "MAX_SECONDS", 1.3)
    done = run(*MINE, "task=plan")
    assert done.err.startswith(f"{FILE}: reading and planning it takes more than ")


def test_what_is_built_takes_as_long_as_it_does(run, recipe_file, monkeypatch):
    from assembler.model import build

    recipe_file(GOOD)
    monkeypatch.setattr("assembler.model.build.build", lambda *given, build=build.build: time.sleep(2) or build(*given))
    monkeypatch.setattr(limits, "MAX_SECONDS", 2)
    assert run(*MINE).code == 0


@pytest.mark.parametrize("value", ["x", "0", "-1", "nan", "inf"])
@pytest.mark.parametrize("name", ["ASSEMBLER_MAX_SECONDS", "ASSEMBLER_MAX_GIB"])
def test_error_of_a_limit_that_is_no_number(run, recipe_file, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    recipe_file(GOOD)
    message = f"{name} must be a positive number, not {value!r}\n"
    assert run(*MINE, "task=plan").err == message
    assert stderr_of_command("validate", FILE) == (f"{message}1 file, 1 with errors\n", 2)


def test_error_of_a_recipe_that_takes_too_much_memory(monkeypatch):
    monkeypatch.setattr(limits, "MAX_GIB", 0.25)
    with pytest.raises(AssemblerError) as error, limits.limited():
        _ = bytearray(2**40)
    assert str(error.value) == (
        "recipe: reading and planning it takes more than 256.0 MiB of memory; ASSEMBLER_MAX_GIB=0.5 allows more"
    )
    monkeypatch.setattr(limits.host, "free_memory", lambda: 2**27)
    with pytest.raises(AssemblerError) as error, limits.limited():
        _ = bytearray(2**40)
    assert str(error.value) == "recipe: reading and planning it takes more than 128.0 MiB of memory; no more is free"


def test_the_time_that_one_stage_takes_the_next_one_lacks(monkeypatch):
    monkeypatch.setattr(limits, "MAX_SECONDS", 0.3)
    budget = limits.limited()
    with budget:
        time.sleep(0.2)
    with pytest.raises(AssemblerError, match="more than 0\\.3 s"), budget:
        time.sleep(0.2)
    with limits.limited():  # another recipe
        time.sleep(0.2)


def test_the_memory_that_one_stage_takes_the_next_one_lacks(monkeypatch):
    monkeypatch.setattr(limits, "MAX_GIB", 1)
    monkeypatch.setattr(limits.host, "free_memory", lambda: 2**40)
    budget = limits.limited()
    with budget:
        kept = [np.empty(700 * 2**20, np.uint8)]
    with pytest.raises(AssemblerError, match="of memory; ASSEMBLER_MAX_GIB=2 allows more"), budget:
        kept.append(np.empty(700 * 2**20, np.uint8))
    with limits.limited():  # another recipe
        kept.append(np.empty(700 * 2**20, np.uint8))


def test_the_limits_of_the_process_are_as_they_were():
    before = resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGALRM)
    inside = []
    with limits.limited():
        inside = [resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGALRM)]
    assert (resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGALRM)) == before
    assert inside[0][0] != before[0][0]
    assert inside[1] != before[1]


# ---- the clock ends nothing halfway


def busy(seconds=0.3):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def in_a_callback_of_the_garbage_collector(done):
    callback = lambda phase, info: done.append(phase) if phase == "start" else busy() or done.append(phase)  # noqa: E731
    gc.callbacks.append(callback)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(callback)
    assert done == ["start", "stop"]


def in_a_finalizer(done):
    class Dies:
        def __del__(self):
            busy()
            done.append(self)

    Dies()
    assert done


def in_a_weak_reference(done):
    class Dies:
        pass

    weakref.finalize(Dies(), lambda: busy() or done.append(1))
    assert done


def in_what_restores_state(done):
    @contextmanager
    def changed():
        try:
            yield
        finally:
            busy()
            done.append(1)

    with changed():
        pass
    assert done


def in_an_import(done):
    import slow_to_import

    assert slow_to_import.whole


def in_what_cleans_up_after_it(done):
    try:
        busy()
    finally:
        busy()
        done.append(1)


def in_what_catches_everything(done):
    with suppress(BaseException):
        busy()
    done.append(1)


def in_what_replaces_the_exception(done):
    try:
        busy()
    except BaseException:
        done.append(1)
        raise RuntimeError("as MindSpore does") from None


HALFWAY = [
    in_a_callback_of_the_garbage_collector,
    in_a_finalizer,
    in_a_weak_reference,
    in_what_restores_state,
    in_an_import,
    in_what_cleans_up_after_it,
    in_what_catches_everything,
    in_what_replaces_the_exception,
]


@pytest.mark.parametrize("where", HALFWAY)
def test_the_time_is_over(monkeypatch, tmp_path, where):
    (tmp_path / "slow_to_import.py").write_text(
        "import time\nend = time.monotonic() + 0.3\nwhile time.monotonic() < end: pass\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(limits, "MAX_SECONDS", 0.1)
    done = []
    with pytest.raises(AssemblerError, match="more than 0\\.1 s") as error, limits.limited():
        where(done)
        done.append("went on")
        busy(10)
    assert done or where is in_an_import
    assert error.value.__cause__ is None
    assert not signal.getitimer(signal.ITIMER_REAL)[0]
    sys.modules.pop("slow_to_import", None)


def test_a_registry_that_was_not_read_to_the_end_is_read_anew(monkeypatch):
    def interrupted(self, entries, scope="registry", load=Registry.load):
        load(self, dict(list(entries.items())[:3]), scope)
        raise KeyboardInterrupt

    registry = Registry(shipped=True)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Registry, "load", interrupted)
        len(registry)
    assert len(registry) > 100


@pytest.mark.slow
def test_a_sweep_ends_the_planning_of_one_job_and_plans_the_next(run, monkeypatch):
    monkeypatch.setenv("ASSEMBLER_MAX_SECONDS", "20")
    stacks = '"LSTM(8, 8, num_layers=1000000)","ReLU"'
    done = run("-m", "task=plan", "recipe=inline", f"recipe.stack={stacks}", "recipe.input.shape=[4,3,8]")
    assert f"inline.yaml: {TOO_LONG.format('20', '40')}\n1 of 2 jobs is wrong" in done.err


# ---- functions and files that a recipe names


@pytest.mark.parametrize(
    "name", ["assembler.files.discard", "mindspore.nn.cell.os", "mindspore.run_check", "os.system"]
)
def test_error_of_a_function_that_is_not_the_projects_own(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssemblerError) as error:
        prepare([(name, None, "k")], trusted_for_recipes(said_by_project()))
    package = name.partition(".")[0]
    assert str(error.value).startswith(f"k: {name} is in {package!r}, which is not trusted. ")


HEADERS = [
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }",
    b"{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }",
    b"{'desc\0{'r':",
    b"(" * 9000,
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
    b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
]


@pytest.mark.parametrize("header", HEADERS)
def test_error_of_a_hostile_npy_file(tmp_path, monkeypatch, header):
    monkeypatch.chdir(tmp_path)
    content = b"\x93NUMPY\x01\x00" + len(header + b"\n").to_bytes(2, "little") + header + b"\n" + bytes(16)
    (tmp_path / "w.npy").write_bytes(content)
    with pytest.raises(AssemblerError) as error:
        plan({"input": {"shape": [2, 2]}, "stack": "Dense(2, 2)", "init": {"0.weight": {"file": "w.npy"}}})
    assert str(error.value).startswith("recipe.init.0.weight: w.npy cannot be read: ")


@pytest.mark.parametrize("name", ["../../x", "/x", "a" * 5000, ".", "..", "", "-rf", "con/../../x"])
@pytest.mark.parametrize("task", ["eject", "plan"])
def test_a_recipes_name_leads_to_no_other_folder(run, recipe_file, tmp_path, name, task):
    recipe_file(f"name: {json.dumps(name)}\n{GOOD}")
    done = run(*MINE, f"task={task}")
    assert done.code == 0, done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conf", "run"]


@pytest.mark.parametrize("kind", [",", "f4,f4", "object", "O", "U9", "Float32(2)"])
def test_error_of_a_checkpoint_of_other_things_than_numbers(tmp_path, monkeypatch, kind):
    from mindspore.train.checkpoint_pb2 import Checkpoint

    from assembler.model.weights import read_file

    monkeypatch.chdir(tmp_path)
    written = Checkpoint()
    entry = written.value.add(tag="0.weight")
    entry.tensor.dims.extend([2])
    entry.tensor.tensor_type = kind
    entry.tensor.tensor_content = bytes(8)
    (tmp_path / "w.ckpt").write_bytes(written.SerializeToString())
    with pytest.raises(AssemblerError) as error:
        read_file(Path("w.ckpt"))
    told = f"{kind.lower()!r} is not a numeric type"
    assert str(error.value) == f"w.ckpt is damaged, or not a .ckpt file: {told}"


# ---- what a run leaves of the person's surroundings


FAULTY = """\
from mindspore import nn


class Faulty(nn.Cell):
    def construct(self, x):
        raise KeyError("inside")
"""


@pytest.mark.slow
def test_what_is_left_tells_nothing_of_the_persons_home_and_environment(run, recipe_file, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TOKEN_OF_MINE", "sesame-4711")
    (tmp_path / "faulty.py").write_text(FAULTY)
    (tmp_path / "pyproject.toml").write_text('[tool.assembler]\ntrusted = ["faulty"]\n')
    recipe_file(GOOD)
    faulty = ["+registry.mine.Faulty=faulty.Faulty", "recipe.stack=Faulty"]
    seen = []
    for arguments in (MINE, (*MINE, *faulty), (*MINE, "task=eject"), ("-m", *MINE, "seed=1,2"), ("-m", *MINE, *faulty)):
        done = run(*arguments, *(["sweep.invalid=skip"] if "-m" in arguments else []))
        for file in (path for path in done.folder.rglob("*") if path.is_file()):
            content = file.read_bytes()
            assert str(tmp_path).encode() not in content, file
            assert b"sesame-4711" not in content, file
            seen.append(file.name)
    assert {"result.json", "result.html", "recipe.yaml", "sweep.csv", "sweep.sqlite", "output.txt"} <= set(seen)


def test_the_traceback_of_a_fault_has_the_home_as_a_tilde(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "faulty.py").write_text(FAULTY)
    (tmp_path / "pyproject.toml").write_text('[tool.assembler]\ntrusted = ["faulty"]\n')
    done = run("recipe=inline", "recipe.input.shape=[2]", "+registry.mine.Faulty=faulty.Faulty", "recipe.stack=Faulty")
    error = json.loads((done.folder / "result.json").read_text())["error"]
    assert '  File "~/faulty.py", line 6, in construct\n' in error


# ---- a sweep that somebody else left

JOB = {"job": "0", "identity": "a", "overrides": ["seed=1"], "error": None, "plan": None}
DAMAGED_LEDGERS = [
    ({"jobs": [{**JOB, "job": "../outside"}]}, "jobs.0.job: Value error, '../outside' is not a folder of the sweep"),
    ({"jobs": [{**JOB, "job": "/etc"}]}, "jobs.0.job: Value error, '/etc' is not a folder of the sweep"),
    ({"jobs": [{**JOB, "plan": []}]}, "jobs.0.plan: Input should be a valid dictionary"),
    ({"jobs": [{**JOB, "overrides": "a"}]}, "jobs.0.overrides: Input should be a valid list"),
    ({"jobs": [{**JOB, "more": 1}]}, "jobs.0.more: Extra inputs are not permitted"),
    ([], "Input should be a valid dictionary or instance of _Ledger"),
]


@pytest.mark.parametrize(("data", "said"), DAMAGED_LEDGERS)
def test_error_of_a_hostile_sweep(tmp_path, monkeypatch, data, said):
    from assembler.sweeps import load

    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.json").write_text(json.dumps(data))
    with pytest.raises(AssemblerError) as error:
        load(tmp_path)
    instead = "move it away, or give the sweep another sweep.name"
    assert str(error.value) == f"sweep.json: it is damaged ({said}); {instead}"


RESULT = {"status": "passed", "identity": "a", "overrides": [], "started": "", "plan": None, "outcomes": []}
DAMAGED_RESULTS = [
    ("[" * 100_000, "it is nested too deep"),
    (
        json.dumps({**RESULT, "outcomes": [{"check": 1, "passed": True}]}),
        "outcomes.0.check: Input should be a valid string",
    ),
    (json.dumps({**RESULT, "plan": {"layers": 3}}), "plan.layers: Input should be a valid list"),
    (json.dumps({**RESULT, "seconds": {"plan": "long"}}), "seconds.plan: Input should be a valid number"),
    (json.dumps({**RESULT, "overrides": None}), "overrides: Input should be a valid list"),
]


@pytest.mark.parametrize(("text", "said"), DAMAGED_RESULTS)
def test_a_damaged_result_is_told_in_its_row(tmp_path, text, said):
    from assembler.sweeps import load

    (tmp_path / "sweep.json").write_text(json.dumps({"jobs": [JOB]}))
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "result.json").write_text(text)
    table = load(tmp_path)
    assert table["status"] == ["pending"]
    assert table["message"] == [f"its result.json cannot be read: {said}"]


# ---- what a newcomer tried


@pytest.mark.parametrize("name", ["w.npy", "w.safetensors"])
def test_error_of_a_pipe_where_a_file_is_named(run, recipe_file, tmp_path, name):
    """Reading it would never end."""
    os.mkfifo(tmp_path / name)
    more = ", name: a" if name.endswith("s") else ""
    recipe_file(f"input: {{shape: [4, 8]}}\nstack: Dense(8, 8)\ninit: {{'*': {{file: {name}{more}}}}}\n")
    done = run(*MINE)
    assert done.code == 2
    assert "is not a regular file" in done.err
    assert "Traceback" not in done.err


def test_error_of_a_recipe_that_is_a_pipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("mine.yaml")
    with pytest.raises(AssemblerError) as error:
        plan(Path("mine.yaml"))
    assert str(error.value) == "mine.yaml: is not a regular file"


@pytest.mark.parametrize("name", ["x\x1b]0;y\x07", "a\0b", "a\nb", "a\x9b31m"])
@pytest.mark.parametrize("task", ["eject", "plan"])
def test_error_of_a_name_that_a_terminal_would_obey(run, recipe_file, tmp_path, name, task):
    line = f"name: {json.dumps(name)}"
    recipe_file(f"{line}\n{GOOD}")
    done = run(*MINE, f"task={task}")
    assert (done.code, done.err) == (2, f"{FILE}:1:1: a name cannot contain control characters\n    {line}\n    ^^^^\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conf", "run"]


NULS = {
    "a network": 'input: {shape: [1, 3, 8, 8]}\nfile: "a\\0b.yaml"\n',
    "a terminal's": 'input: {shape: [1, 3, 8, 8]}\nfile: "a\\eb.yaml"\n',
    "values": GOOD + 'init: {"*": {file: "a\\0b.npy"}}\n',
    "output": GOOD + 'checks: {golden: {file: "a\\0b.npy"}}\n',
}


@pytest.mark.parametrize("text", NULS.values(), ids=NULS)
def test_error_of_a_file_name_that_no_file_has(run, recipe_file, text):
    recipe_file(text)
    done = run(*MINE)
    assert done.code == 2
    assert "a name cannot contain control characters" in done.err
    assert "Traceback" not in done.err
    with pytest.raises(AssemblerError, match="a name cannot contain control characters"):
        prepare_all(Path(FILE))


def prepare_all(file):
    from assembler.analysis.analyse import analyse
    from assembler.analysis.files import files_of
    from assembler.analysis.project import Project
    from assembler.errors import raise_all

    files_of(file, Project.at(None))  # which `watch` looks at; it leaves the message to the plan
    raise_all(analyse(file, Project.at(None), shapes=False).errors)


STRANGE = ("yaml", "typer", "numpy", "mindspore", "rich", "pydantic", "te", "decimal", "safetensors", "torch")
COMMANDS = {
    "python -m": [sys.executable, "-m", "assembler"],
    "assembler": [str(Path(sys.executable).parent / "assembler")],
}


@pytest.mark.parametrize(
    "arguments", [["layers"], ["show", "Dense"], ["validate", "--plan", FILE], ["recipes"]], ids=" ".join
)
@pytest.mark.parametrize("command", mostly_slow(COMMANDS, "assembler".__eq__))
def test_a_command_imports_nothing_of_the_folder_that_it_looks_at(recipe_file, tmp_path, command, arguments):
    recipe_file(GOOD)
    for name in STRANGE:
        (tmp_path / f"{name}.py").write_text(f"open({f'ran {name}'!r}, 'w')\nraise SystemExit")
    done = subprocess.run([*COMMANDS[command], *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not list(tmp_path.glob("ran *"))
    assert (done.returncode, done.stderr) == (0, "")


def test_error_of_a_base_that_no_file_has(run, recipe_file, tmp_path):
    (tmp_path / "net.yaml").write_text('__BASE__: ["a\\0b.yaml"]\n')
    recipe_file("input: {shape: [1, 3, 8, 8]}\nfile: net.yaml\n")
    done = run(*MINE)
    assert done.code == 2
    assert done.err.startswith("net.yaml:1:12: a name cannot contain control characters\n")


def test_a_refusal_does_not_advise_to_trust_the_standard_library(run, recipe_file):
    recipe_file(GOOD + "checks: {os.system: {}}\n")
    done = run(*MINE)
    assert done.code == 2
    assert (
        "os.system is in 'os', which is not trusted. It is Python's standard library, which has no layers or checks\n"
        in done.err
    )
    assert "trusted = [" not in done.err
