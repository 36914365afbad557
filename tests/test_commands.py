"""``python -m assembler``: each command as a person calls it."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from assembler import LAYERS, plan
from assembler.analysis.analyse import analyse
from assembler.analysis.project import Project
from assembler.commands import watch
from assembler.commands.app import app
from assembler.commands.examples import example
from assembler.live import follow
from assembler.registry.entries import parameters_of
from assembler.registry.signatures import known_parameters, print_parameters, read_parameters
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments):
    """(exit code, what was printed, what was told as wrong) of a command in this process."""
    done = CliRunner().invoke(app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return 2, done.stdout, str(done.exception)
    return done.exit_code, done.stdout, done.stderr


def write(name, text):
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def own_process(*arguments):
    """The command in a process of its own, which tells at the end whether it imported MindSpore or Hydra."""
    code = "import sys; from assembler.__main__ import main\ntry: main()\nfinally: print(bool({'mindspore', 'hydra'} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["layers"],
        ["recipes"],
        ["new", "first"],
        [
            "validate",
            *(
                str(file)
                for group in ("recipe", "blocks", "registry")
                for file in (ROOT / "conf" / group).glob("*.yaml")
                if file.stem != "dcgan"  # initializers are MindSpore's, and are made to check their arguments
            ),
        ],
    ],
    ids=lambda arguments: arguments[0],
)
def test_neither_mindspore_nor_hydra_is_imported(arguments):
    code, _, err = own_process(*arguments)
    assert (code, err) == (0, "False\n")


# ---- signatures


def test_every_class_that_ships_is_known_as_it_is():
    """The stored signatures and those that are read from sources are those of the classes."""
    for entry in LAYERS.all_entries():
        if entry.signature is None:
            known = known_parameters(entry.target, of_function=bool(entry.inputs))
            assert known is not None, entry.target
            made = entry.implementation
            real = inspect.signature(made).parameters if entry.inputs else parameters_of(made)
            assert print_parameters(known) == print_parameters(real)
            assert [one.kind for one in known.values()] == [one.kind for one in real.values()]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a, b=1, c='x', d=(1, 2), e=None, f=1e-05",
        "*args",
        "a, /, b, *, c, d=1",
        "*branches, merge='concat'",
        "a, dtype=float32, norm=BatchNorm2d, **kwargs",
    ],
)
def test_printing_what_was_read_gives_it_again(text):
    assert print_parameters(read_parameters(text)) == text


SOURCE = "from mindspore import nn\nimport base\n\n\n"
PLAIN = "class Gate(nn.Cell):\n    def __init__(self, channels, scale=1.0): super().__init__()\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (PLAIN, "channels, scale=1.0"),
        ("class Gate(nn.Cell):\n    def construct(self, x): return x\n", ""),
        ("class Gate(base.Cell):\n    def __init__(self, a): super().__init__()\n", None),
        ("class Gate(nn.Cell, base.Mixed):\n    def __init__(self, a): super().__init__()\n", None),
        ("@base.changed\n" + PLAIN, None),
        (PLAIN.replace("    def", "    @base.changed\n    def"), None),
        (PLAIN + "    __init__ = base.other\n", None),
        (PLAIN + "Gate = base.changed(Gate)\n", None),
        (PLAIN + "if base.new:\n    class Gate(nn.Cell): pass\n", None),
        ("Gate = base.Gate\n", None),
        ("class Gate(nn.Cell:\n", None),
        ("", None),
    ],
)
def test_a_source_is_believed_where_it_is_plain(tmp_path, monkeypatch, text, found):
    monkeypatch.syspath_prepend(str(tmp_path))
    from assembler.registry import signatures

    signatures.statements.cache_clear()
    write("goods.py", SOURCE + text)
    known = known_parameters("goods.Gate")
    assert (None if known is None else print_parameters(known)) == found


def test_signatures_of_another_version_are_not_believed(monkeypatch):
    from assembler.registry import signatures

    monkeypatch.setattr(signatures, "_version", lambda package: "2.11.0")
    signatures._stored.cache_clear()
    try:
        assert known_parameters("mindspore.nn.Dense") is None
    finally:
        signatures._stored.cache_clear()


@pytest.mark.slow
def test_once_mindspore_is_imported_the_class_itself_is_asked():
    code = (
        "from assembler import LAYERS; entry = LAYERS['Dense']; before = entry.parameters['dtype'].default; import mindspore;"
        "print(type(before).__name__, entry.parameters['dtype'].default is mindspore.float32)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "Verbatim True\n"


# ---- layers, show, recipes


def test_layers_are_listed_by_part_of_a_name_or_a_pattern():
    assert call("layers", "Denze") == (2, "", "no layer matches 'Denze'. Did you mean 'Dense' or 'BiDense'?")
    assert call("layers", "centr")[1] == "CentralCrop\tmindspore\tcentral_fraction\t\n"
    lines = [line.split("\t") for line in call("layers", "conv?d")[1].splitlines()]
    assert [(name, scope, infer) for name, scope, _, infer in lines][:3] == [
        ("Conv1d", "mindspore", "in_channels"),
        ("Conv2d", "mindspore", "in_channels"),
        ("Conv3d", "mindspore", "in_channels"),
    ]
    assert ("Conv2d", "mint") in [(line[0], line[1]) for line in lines]


def test_all_layers_are_listed_with_what_describes_them():
    lines = call("layers")[1].splitlines()
    entries = list(LAYERS.all_entries())
    assert [f"{line.split(chr(9))[0]}({line.split(chr(9))[2]})" for line in lines] == [
        one.describe() for one in entries
    ]


def test_show_tells_all_of_a_layer():
    code, out, _ = call("show", "Centered")
    source = (ROOT / "layers" / "centered.py").read_text().split("\n\n\n")[1]
    assert code == 0
    assert (
        out
        == f"""\
Centered()

assembler.layers.centered.Centered, scope layers
in NumPy: assembler.layers.centered.reference

{LAYERS["Centered"].cell.__doc__.replace(chr(10) + "    ", chr(10)).strip()}

{ROOT / "assembler" / "layers" / "centered.py"}:10

{source}

for example

input: {{shape: [4, 8]}}
stack: Centered

(4, 8) float32 → (4, 8) float32: 1 layer, 0 parameters (0 B), 0 MACs, 260 B of activations
"""
    )


def test_show_tells_what_may_be_left_to_the_input():
    out = call("show", "mindspore.LayerNorm")[1]
    assert "normalized_shape may be _: the sizes of axes -1 of the input\n" in out
    assert ", 1" in out.split("layer/normalization.py:")[1].splitlines()[0]
    assert "\ninput: {shape: [4, 8]}\nstack: LayerNorm(_)\n" in out


def test_show_of_a_block():
    write("conf/blocks/mine.yaml", "Wide(width, inner=ReLU): Dense(_, 2 * width) + inner\n")
    code, out, _ = call("show", "Wide")
    assert (code, out) == (
        0,
        "Wide(width, inner=ReLU)\n\nconf/blocks/mine.yaml\n\nWide(width, inner=ReLU): Dense(_, 2 * width) + inner\n\n"
        "a recipe includes it by\n\ndefaults: [/blocks@blocks: mine, _self_]\n\n"
        "for example\n\ninput: {shape: [4, 8]}\nstack: Wide(8)\n\n"
        "(4, 8) float32 → (4, 16) float32: 2 layers, 144 parameters (576 B), 512 MACs, 640 B of activations\n",
    )
    assert "ConvNorm(channels, kernel=3, stride=1, group=1)\n" in call("show", "ConvNorm")[1]


@pytest.mark.parametrize("said", ["mine", "conf/recipe/mine.yaml"])
def test_show_of_a_recipe(said):
    write("conf/recipe/mine.yaml", "# Mine.\ndefaults: [mlp, _self_]\nname: mine\nparams: {depth: 1}\n")
    code, out, _ = call("show", said)
    assert (code, out.replace(str(ROOT), "…")) == (
        0,
        f"{said}: Mine.\n\nconf/recipe/mine.yaml\n…/assembler/conf/recipe/mlp.yaml\n\n"
        "recipe.params.width=256\nrecipe.params.depth=1\n\n"
        "7 layers, 269,322 trainable parameters (1.0 MiB), 8,601,600 MACs\n"
        "(32, 1, 28, 28) → (32, 10) float32, about 194.0 KiB of activations\n\n"
        f"its layers and its diagram: assembler plan {said}\n",
    )


def test_show_of_a_recipe_that_has_no_plan_yet():
    assert "it cannot be planned as it is: " in call("show", "yolo")[1]


def test_show_of_a_name_that_means_two_things():
    write("conf/recipe/Dense.yaml", "input: {shape: [4, 8]}\nstack: ReLU\n")
    said = "'Dense' is both a layer and a recipe; write 'Dense()' for the layer, conf/recipe/Dense.yaml for the recipe"
    assert call("show", "Dense") == (2, "", said)


def test_show_of_a_function():
    said = "'range' is a function of the recipe language, for values: Dense(_, range(…)); it is not a layer"
    assert call("show", "range") == (2, "", said)


def test_show_of_a_layer_that_is_not_there():
    assert call("show", "Dens") == (2, "", "no layer named 'Dens'. Did you mean 'Dense' or 'BiDense'?")


@pytest.mark.slow
def test_an_example_is_there_for_nearly_every_layer_and_the_others_say_why():
    without = {}
    for name, entry in LAYERS.items():
        found = example(entry, LAYERS)
        if isinstance(found, str):
            without[name] = found
        else:
            assert plan(found[0]).summary() == found[1]
            assert name in str(found[0])
    two = {f"MaxUnpool{n}d": f"#0 MaxUnpool{n}d(2) takes 2 inputs: x, indices" for n in (1, 2, 3)}
    two["LSTMCell"] = "#0 LSTMCell(8, 8) takes 2 inputs: x, hx"
    two["Together"] = '#0.inner ReLU does not accept it: Failed calling ReLU with "ReLU()(input=Tuple<Tensor>)".'
    two["Turns"] = "#0 Turns(…, …) does not accept it: Turns takes several inputs: Turns(A) @ (x, memory)"
    two["WindowBias"] = (
        "#0 WindowBias(2, 8) does not accept it: WindowBias: the tokens must be those of a window, size × size"
    )
    assert {name: why.partition("; ")[2] for name, why in without.items()} == two


def test_recipes_are_listed_with_the_sizes_that_they_expect():
    write(
        "conf/recipe/mine.yaml",
        "# run it\n# Mine.\ninput: {shape: [4, 8]}\nparams: {width: [1, 2], deep: true}\nstack: Dense(_, 2)\nexpect: {trainable: 18, macs: 64}\n",
    )
    write("conf/recipe/resnet18.yaml", "defaults: [nothing, _self_]\n")
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in call("recipes")[1].splitlines()}
    assert set(rows) == {*(file.stem for file in (ROOT / "conf" / "recipe").glob("*.yaml")), "mine"}
    assert rows["mine"] == ["18", "64", "width=[1, 2] deep=true", "run it"]
    assert rows["resnet50"] == [
        "25,610,152",
        "4,089,184,256",
        'classes=1000 depths=[3, 4, 6, 3] bottleneck=true groups=1 group_width=64 pool="pad"',
        "based on resnet",
    ]
    assert rows["lenet5"] == [
        "61,706",
        "",
        "",
        "LeNet-5 (LeCun et al., 1998) in its usual modern form, with ReLU and max pooling.",
    ]
    assert rows["resnet18"] == [
        "", "", "", "wrong: conf/recipe/resnet18.yaml: its defaults include conf/recipe/nothing.yaml, which does not exist",
    ]  # fmt: skip


@pytest.mark.slow
def test_recipes_are_planned_where_they_do_not_say():
    rows = {line.split("\t")[0]: line.split("\t")[1:3] for line in call("recipes", "--plan")[1].splitlines()}
    assert rows["lenet5"] == ["61,706", "833,040"]
    assert [name for name, sizes in rows.items() if not all(sizes)] == ["yolo"]


# ---- validate

WRONG = """\
name: bad
input: {shape: [4, 0], sampel: uniform}
params: {width: 8}
stack: Dense(8, width, has_bais=False) + Centerd
checks:
  outptu: {shape: [4, 128]}
  mean: {equals: zero}
init: {"*.weight": HeNormall}
"""
TOLD = """\
bad.yaml:2:20: must be at least 1, not 0
    input: {shape: [4, 0], sampel: uniform}
                       ^
bad.yaml:2:24: unknown key 'sampel'. Did you mean 'sample' or 'shape'?
    input: {shape: [4, 0], sampel: uniform}
                           ^^^^^^
bad.yaml:4:24: Dense has no argument 'has_bais'. Did you mean 'has_bias'?
    stack: Dense(8, width, has_bais=False) + Centerd
                           ^^^^^^^^
bad.yaml:4:42: no layer named 'Centerd'. Did you mean 'Centered'?
    stack: Dense(8, width, has_bais=False) + Centerd
                                             ^^^^^^^
bad.yaml:6:3: no check named 'outptu'. Did you mean 'output'?
    outptu: {shape: [4, 128]}
    ^^^^^^
bad.yaml:7:10: must be a number, not 'zero'
    mean: {equals: zero}
           ^^^^^^
bad.yaml:8:20: no initializer named 'HeNormall'. Did you mean 'HeNormal' or 'Normal' or 'XavierNormal'?
    init: {"*.weight": HeNormall}
                       ^^^^^^^^^
"""


def test_validate_tells_every_mistake_with_its_place():
    write("bad.yaml", WRONG)
    assert call("validate", "bad.yaml") == (2, "1 file, 1 with errors\n", TOLD)
    assert call("validate", "centered", "bad.yaml") == (2, "2 files, 1 with errors\n", TOLD)


def test_validate_tells_the_same_without_mindspore():
    write("bad.yaml", WRONG.replace('init: {"*.weight": HeNormall}\n', ""))
    code, _, err = own_process("validate", "bad.yaml")
    assert (code, err) == (2, TOLD[: TOLD.index("bad.yaml:8")] + "False\n")


START = "input: {shape: [4, 8]}\nstack: Dense(8, 8)\n"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.yaml", "input: {shape: [4, 8]}\nstack: [ReLU\n", "a.yaml:3:1: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
        ("a.yaml", "- ReLU\n", "a.yaml: a recipe must be a mapping of keys to values"),
        ("a.yaml", "input: {shape: [4, 8]}\n", "a.yaml:1:1: 'stack' is missing"),
        ("a.yaml", "", "a.yaml: 'input' is missing"),
        ("a.yaml", "defaults: [b, _self_]\n" + START, "a.yaml: its defaults include b.yaml, which does not exist"),
        ("a.yaml", START + "blocks: {A(n: ReLU}\n", "a.yaml:3:11: '(' is never closed\n    blocks: {A(n: ReLU}\n              ^"),
        ("a.yaml", START + "params: {Tanh: 1}\n", "a.yaml:3:10: 'Tanh' is a parameter and a layer of the registry; one of them needs another name"),
        ("a.yaml", START + "params: {if: 3}\n", "a.yaml:3:10: 'if' cannot be used as a name"),
        ("a.yaml", START + "init: {b: true}\n", "a.yaml:3:8: init takes an initializer such as HeNormal(mode='fan_out'), a number, {values: …} or {file: …}, not True"),
        ("a.yaml", START + "checks: {mine.checks.small: {}}\n", "a.yaml:3:10: mine.checks.small is in 'mine', which is not trusted."),
        ("registry/mine.yaml", "Gate: mindspore.nn.ReLU\n", "registry/mine.yaml:1: the first line of a registry must be # @package registry.mine"),
        ("mine.yaml", "# @package registry.mine\nGate: mindspore.nn.Relu\n", "mine.yaml:2:1: 'mindspore.nn' has no 'Relu'. Did you mean 'ReLU' or 'RReLU' or 'ReLU6'?"),
        ("mine.yaml", "# @package registry.mine\nGate: {target: mindspore.nn.ReLU, infer: {n: 1}}\n", "mine.yaml:2:1: infer names 'n', not an argument of Gate."),
        ("mine.yaml", "# @package registry.mine\nGate: {traget: mindspore.nn.ReLU}\n", "mine.yaml:2:1: 'target' is missing"),
        ("mine.yaml", "# @package registry.mine\nDense: mindspore.nn.ReLU\n", "mine.yaml:2:1: 'Dense' is already mindspore.nn.Dense (from registry.mindspore); choose another name for mindspore.nn.ReLU"),
        ("mine.yaml", "# @package registry.mine\nGate: os.path.Gate\n", "mine.yaml:2:1: os.path.Gate is in 'os', which is not trusted."),
        ("blocks/mine.yaml", "A(n): 3\n", "blocks/mine.yaml:1:1: a stack is a string or a list, not the number 3"),
        ("blocks/mine.yaml", "A(n): Dense(\n", "blocks/mine.yaml:1:12: '(' is never closed"),
    ],
)  # fmt: skip
def test_validate_finds(name, text, told):
    write(name, text)
    code, _, err = call("validate", name)
    assert code == 2
    assert err.startswith(told), err


@pytest.mark.parametrize(
    "text",
    [
        "input: {shape: [4, 6], sample: integers, high: '${recipe.params.n}'}\nparams: {n: 9}\nstack: Embedding(n, 3)\n",
        "input: {shape: [4, 8], high: '${..params.n}'}\nparams: {n: 9}\nstack: Dense(_, 3)\n",
        "input: {shape: '???'}\nstack: '???'\n",
        "input: {shape: [4, 8]}\nstack: ReLU\nparams: {n: [0]}\nchecks: {mean: {equals: '${recipe.params.n[0]}'}}\n",
    ],
)
def test_what_only_a_run_knows_is_no_mistake(text):
    assert analyse(write("a.yaml", text), Project(None), shapes=False).errors == []


def test_validate_plans_where_it_is_asked_to():
    write("a.yaml", "input: {shape: [4, 8]}\nstack: Dense(9, 3)\n")
    assert call("validate", "a.yaml")[0] == 0
    code, out, err = call("validate", "--plan", "a.yaml", "mlp")
    assert (code, out) == (2, "2 files, 1 with errors\n")
    assert err.startswith("a.yaml:2:8: the input is (4, 8) float32; #0 Dense(9, 3) wants (…, 9)")


def test_a_mistake_in_a_file_that_several_take_up_is_told_once():
    write("below.yaml", "input: {shape: [4, 8]}\nstack: Dence(8, 3)\n")
    for name in ("a.yaml", "b.yaml"):
        write(name, "defaults: [below, _self_]\n")
    told = "below.yaml:2:8: no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?\n    stack: Dence(8, 3)\n           ^^^^^\n"
    assert call("validate", "a.yaml", "b.yaml") == (2, "2 files, 2 with errors\n", told)


def test_a_registry_that_is_wrong_is_told_with_its_line():
    write("conf/registry/mine.yaml", "# @package registry.mine\nDense: {traget: a.B}\n")
    code, _, err = call("validate", "mlp", "lenet5")
    assert (code, err.count("'target' is missing")) == (2, 1)
    assert err.startswith("conf/registry/mine.yaml:2:1: 'target' is missing")


def test_validate_of_what_is_not_there():
    told = "there is no file a.yaml\nno recipe named 'centred'. Did you mean 'centered' or 'centered_vector'?\n"
    assert call("validate", "a.yaml", "centred") == (2, "2 files, 2 with errors\n", told)
    assert call("validate", "--config-dir", "none", "mlp") == (2, "", "--config-dir: there is no folder none")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a layer and a check of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))
    write("pyproject.toml", '[tool.assembler]\ntrusted = ["shop"]\n')
    write("shop/__init__.py", "")
    write("shop/layers.py", SOURCE.replace("import base\n", "") + PLAIN)
    write(
        "own/registry/mine.yaml", "# @package registry.mine\nGate: {target: shop.layers.Gate, infer: {channels: -1}}\n"
    )
    return tmp_path


def test_a_projects_own_layers_are_seen_without_importing_them(project):
    write("own/recipe/gated.yaml", "input: {shape: [4, 8]}\nstack: Gate(_) + Gate(_, scal=2)\n")
    code, out, err = own_process("validate", "--config-dir", "own", "gated", "own/registry/mine.yaml")
    assert (code, out) == (2, "2 files, 1 with errors\n")
    assert err.splitlines()[0] == "own/recipe/gated.yaml:2:26: Gate has no argument 'scal'. Did you mean 'scale'?"
    assert err.endswith("False\n")
    assert call("layers", "Gate", "--config-dir", "own")[1] == "Gate\tmine\tchannels, scale=1.0\tchannels\n"


def test_a_projects_own_layers_are_in_its_schema(project):
    assert call("schema", "--config-dir", "own", "--out", "schemas")[0] == 0
    gate = json.loads(Path("schemas/recipe.json").read_text())["definitions"]["layer Gate"]
    assert list(gate["properties"]) == ["channels", "scale"]
    assert sorted(path.name for path in Path("schemas").iterdir()) == sorted(
        f"{kind}.json" for kind in ("recipe", "blocks", "registry", "checks", "device", "task", "show", "config")
    )


# ---- new, watch


def test_a_new_recipe_runs_and_passes(run):
    code, out, _ = call("new", "first")
    assert (code, out) == (0, "wrote conf/recipe/first.yaml; run it with\nassembler run first\n")
    lines = Path("conf/recipe/first.yaml").read_text().splitlines()
    assert lines[:2] == ["# assembler run first", "# yaml-language-server: $schema=../../schemas/recipe.json"]
    assert Path("schemas/recipe.json").read_text() == (ROOT / "assembler/schemas/recipe.json").read_text()
    done = run("--config-dir", "conf", "recipe=first", "checks=full")
    assert (done.code, done.err) == (0, "")


def test_new_says_how_to_run_it_in_another_folder():
    said = "wrote own/recipe/first.yaml; run it with\nassembler run first --config-dir own\n"
    assert call("new", "first", "--config-dir", "own")[1] == said


@pytest.mark.parametrize("folder", ["schemas", "assembler/schemas"])
def test_a_new_recipe_names_the_schema_that_is_there(folder):
    schema = write(f"{folder}/recipe.json", "{}")
    call("new", "first")
    line = Path("conf/recipe/first.yaml").read_text().splitlines()[1]
    assert line == f"# yaml-language-server: $schema=../../{folder}/recipe.json"
    assert schema.read_text() == "{}"


@pytest.mark.parametrize("name", ["null", "true", "no"])
def test_error_of_a_new_recipe_whose_name_yaml_reads_as_a_value(name):
    assert call("new", name) == (2, "", f"{name!r} is a value in YAML, not a name; write another one")


def test_new_overwrites_nothing():
    write("conf/recipe/first.yaml", "mine")
    assert call("new", "first") == (2, "", "conf/recipe/first.yaml already exists")
    assert Path("conf/recipe/first.yaml").read_text() == "mine"
    assert call("new", "../first") == (2, "", "a recipe's name consists of letters, digits and _, not '../first'")


def saves(monkeypatch, *steps):
    """Watch ``conf/recipe/a.yaml``, with a step in each pause instead; it ends in the last."""
    steps = iter(steps)

    def pause(changes):
        step = next(steps, None)
        if step is None:
            raise SystemExit(0)
        step()

    monkeypatch.setattr(follow, "wait", pause)
    monkeypatch.setattr(watch.time, "strftime", lambda form: "12:00:00")
    return call("watch", "a")


def test_watch_plans_anew_whenever_a_file_is_saved(monkeypatch):
    a = write("conf/recipe/a.yaml", "defaults: [b, _self_]\nname: a\n")
    b = write("conf/recipe/b.yaml", "input: {shape: [4, 8]}\nstack: Dense(_, 3)\n")

    def replace():
        """As editors do that write a new file and put it in the old one's place."""
        new = write("conf/recipe/new", "input: {shape: [4, 8]}\nstack: Dense(_, 5)\n")
        os.utime(new, ns=(b.stat().st_atime_ns, b.stat().st_mtime_ns))
        new.rename(b)

    code, out, err = saves(
        monkeypatch,
        lambda: None,
        replace,
        lambda: a.write_text("defaults: [b, _self_]\nstack: Dence(_, 3)\n"),
        b.unlink,
        lambda: a.write_text("input: {shape: [4, 8]}\nstack: ReLU\n"),
    )
    assert (code, err) == (0, "")
    shown = [line for line in out.splitlines() if "parameters (" in line or line.startswith(("conf", "a, "))]
    assert shown == [
        "a, 12:00:00",
        "1 layer, 27 trainable parameters (108 B), 96 MACs",
        "a, 12:00:00",
        "1 layer, 45 trainable parameters (180 B), 160 MACs",
        "conf/recipe/a.yaml:2:8: no layer named 'Dence'. Did you mean 'Dense' or 'BiDense'?",
        "conf/recipe/a.yaml: its defaults include conf/recipe/b.yaml, which does not exist",
        "a, 12:00:00",
        "1 layer, 0 trainable parameters (0 B), 0 MACs",
    ]


def test_watch_reports_a_recipe_that_is_gone(monkeypatch):
    a = write("conf/recipe/a.yaml", "input: {shape: [4, 8]}\nstack: ReLU\n")
    assert "\nconf/recipe/a.yaml: No such file or directory\n" in saves(monkeypatch, a.unlink)[1]


def test_watch_shows_a_change_in_well_under_a_second(monkeypatch):
    write("conf/recipe/a.yaml", yaml.safe_dump(yaml.safe_load((ROOT / "conf/recipe/lenet5.yaml").read_text())))
    took = []
    shown = watch.show
    monkeypatch.setattr(
        watch, "show", lambda *given: took.append((time.process_time(), shown(*given), time.process_time()))
    )
    saves(monkeypatch, lambda: os.utime("conf/recipe/a.yaml"))
    assert len(took) == 2
    assert took[1][2] - took[1][0] < 0.5  # of the processor: a busy machine may take longer


def test_watch_takes_up_new_layers_of_the_registry(monkeypatch):
    write("conf/recipe/a.yaml", "input: {shape: [4, 8]}\nstack: Wavy\n")
    _, out, _ = saves(
        monkeypatch, lambda: write("conf/registry/mine.yaml", "# @package registry.mine\nWavy: mindspore.nn.SiLU\n")
    )
    said = "conf/recipe/a.yaml:2:8: no layer named 'Wavy'. Searched the "
    assert out.splitlines()[0].startswith(said)
    assert "1 layer, 0 trainable parameters (0 B), 0 MACs" in out


def test_the_page_of_watch_has_its_address_in_the_first_line(monkeypatch):
    write("conf/recipe/a.yaml", "input: {shape: [4, 8]}\nstack: Dense(_, 3)\n")

    def ended(changes):
        raise SystemExit(0)

    monkeypatch.setattr(follow, "wait", ended)
    code, out, err = call("watch", "a", "--page")
    assert (code, err) == (0, "")
    address, said = out.splitlines()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[0-9a-f]{16}/\?token=[\w-]{43}", address)
    assert said == "The page of conf/recipe/a.yaml, for this machine only. Ctrl-C ends it."
    port = address.split(":")[2].split("/")[0]
    assert call("watch", "a", "--page", "--port", port) == (2, "", f"--port: {port} is in use; choose another, or omit it")  # fmt: skip


# ---- the shell


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("show MixtureO", ["MixtureOfExperts"]),
        ("show mint.Lin", ["mint.Linear"]),
        ("validate resnet1", ["resnet18"]),
        ("watch vgg16", ["vgg16", "vgg16_bn"]),
        ("la", ["layers"]),
    ],
)
def test_the_shell_completes(words, offered):
    told = {
        "COMP_WORDS": f"assembler {words}",
        "COMP_CWORD": str(len(words.split())),
        "_ASSEMBLER_COMPLETE": "complete_bash",
    }
    done = CliRunner().invoke(app, [], prog_name="assembler", env=told)
    assert done.stdout.split() == offered


def test_a_wrong_option_is_exit_code_2():
    assert call("layers", "--nothing")[0] == 2
    assert call("nothing")[0] == 2


@pytest.mark.skipif(shutil.which("assembler") is None, reason="the package is not installed anew")
def test_the_console_script_is_there():
    done = subprocess.run(["assembler", "layers", "Centered"], capture_output=True, text=True)
    assert done.stdout == "Centered\tlayers\t\t\n"


def test_the_hook_of_pre_commit_runs_what_there_is():
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] == "assembler-validate"
    assert hook["entry"] == "python -m assembler validate"


@pytest.mark.slow
def test_the_commands_know_the_layers_of_the_project_in_the_readme(tmp_path):
    from tests.test_docs import write_steps

    write_steps(tmp_path)
    assert own_process("validate", "gated")[:2] == (0, "1 file, no errors\n")
    code, out, err = own_process("show", "Gate")
    assert (code, err) == (0, "True\n")
    assert "stack: Gate(_)" in out
    assert "layers.Gate, registered in Python\n" in out
    assert "It has no docstring." in out  # and not that of nn.Cell
    assert own_process("watch", "nothing")[2].startswith("no recipe named 'nothing'.")


@pytest.mark.parametrize("folder", [None, pytest.param("elsewhere", marks=pytest.mark.slow)])
def test_the_commands_know_the_layers_and_checks_of_the_example(tmp_path, monkeypatch, folder):
    """From its own folder, and from another one."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "examples" / "other_project", project)
    monkeypatch.chdir(project)
    named = []
    if folder:
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        named = ["--config-dir", str(project / "conf")]
    files = [str(file) for file in sorted((project / "conf").rglob("*.yaml")) if file.stem not in ("config", "project")]
    assert own_process("validate", *named, *files) == (0, "5 files, no errors\n", "True\n")


def test_error_of_a_module_of_layers_that_does_not_import():
    write("pyproject.toml", '[tool.assembler]\nlayers = ["absent_module"]\n')
    assert call("layers", "Dense") == (
        2, "", "tool.assembler.layers: cannot import 'absent_module': ModuleNotFoundError: No module named 'absent_module'"
    )  # fmt: skip
    write("pyproject.toml", '[tool.assembler]\nlayer = ["absent_module"]\n')
    assert call("layers", "Dense")[2].endswith(
        "pyproject.toml: tool.assembler.layer: unknown key 'layer'. Did you mean 'layers'?"
    )


def test_a_registry_of_ones_own_under_the_scope_of_a_library_is_known():
    write("conf/registry/mint.yaml", "# @package registry.mint\nMyReLU: mindspore.nn.ReLU\n")
    write("conf/recipe/mine.yaml", "input: {shape: [2, 3]}\nstack: MyReLU + mint.MyReLU + mint.Tanh\n")
    assert call("validate", "mine") == (0, "1 file, no errors\n", "")


def test_error_of_a_module_that_ends_the_program():
    write("pyproject.toml", '[tool.assembler]\ntrusted = ["ends"]\n')
    write("ends.py", "import sys\nfrom mindspore import nn\nsys.exit(0)\n")
    write("conf/registry/mine.yaml", "# @package registry.mine\nA: ends.A\n")
    write("conf/recipe/mine.yaml", "input: {shape: [2, 3]}\nstack: A\n")
    code, out, err = own_process("validate", "mine")
    assert (code, out) == (2, "1 file, 1 with errors\n")
    assert err.startswith("conf/registry/mine.yaml:2:1: cannot import 'ends': SystemExit: 0\n")


def test_what_editors_leave_beside_files_is_passed_over():
    write("conf/registry/mine.yaml", "# @package registry.mine\nMine: mindspore.nn.ReLU\n")
    (Path("conf/registry") / ".#mine.yaml").symlink_to("somebody@somewhere")
    Path("conf/registry/folder.yaml").mkdir()
    code, out, err = call("layers", "Mine")
    assert (code, err) == (0, "")
    assert out.startswith("Mine\tmine\t")


def test_two_files_of_a_scope_have_different_names():
    for file in ("one", "other"):
        write(f"conf/registry/{file}.yaml", "# @package registry.mine\nMine: mindspore.nn.ReLU\n")
    assert call("layers", "Mine")[2] == "conf/registry/other.yaml: 'Mine' is also in another file of the same scope"


@pytest.mark.parametrize(("name", "text"), [("conf/recipe/empty.yaml", ""), ("conf/blocks/empty.yaml", "")])
def test_error_of_an_empty_file_names_it(name, text):
    write(name, text)
    code, _, err = call("validate", name)
    assert code == 2
    assert err.startswith(name)


@pytest.mark.parametrize("name", ["mint.Conv2d", "mindcv.Bottleneck", "mindyolo.Bottleneck", "Linear"])
def test_the_example_of_a_librarys_layer_is_of_that_layer(name):
    entry = LAYERS.find(name)
    recipe, _ = example(entry, LAYERS)
    assert plan(recipe).steps[0].entry is entry


def test_layers_are_listed_by_their_names_with_scopes():
    code, out, _ = call("layers", "mint.conv2d")
    assert (code, out.split("\t")[:2]) == (0, ["Conv2d", "mint"])


def test_validate_refuses_a_reference_that_a_run_would_refuse():
    write("mine.yaml", "input: {shape: [4, 8]}\nstack: ReLU\nchecks: {reference: {function: subprocess.call}}\n")
    code, _, err = call("validate", "mine.yaml")
    assert code == 2
    assert err.startswith(
        "mine.yaml:3:22: subprocess.call is in 'subprocess', which is not trusted. It is Python's standard library, which has no layers or checks\n"
    )
