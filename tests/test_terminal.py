"""Nothing that a stranger wrote reaches the terminal as more than text."""

import ast
import json
import unicodedata

import pytest
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from assembler.commands.app import app
from assembler.errors import GrammarError, Mistakes, Place
from assembler.views import summary
from assembler.words import make_text, printable, say
from tests.conftest import MINE, every_third, mostly_slow
from tests.test_floors import MODULES

OBEYED = {
    character
    for character in map(chr, range(0x110000))
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
} - set("\n\t\u200c\u200d")
"""What controls, reorders or hides; joiners belong to some scripts and to emoji."""

HOSTILE = {
    "colour": "\x1b[31m",
    "title": "\x1b]0;x\x07",
    "link": "\x1b]8;;http://x\x07",
    "carriage return": "a\rb",
    "C1": "\x9b31m",
    "override": "\u202egpj.exe",
    "isolate": "\u2066x\u2069",
    "mark": "\u200fx",
    "line separator": "a\u2028b",
    "zero width": "a\u200bb",
    "tag": "\U000e0041",
}


def is_harmless(text):
    return not OBEYED & set(text)


def test_what_is_escaped():
    assert all(printable(character).startswith("\\") for character in OBEYED)
    plain = "Ä 宽度 → × 👩\u200d🔬 می\u200cخواهم\t\n"
    assert printable(plain) == plain
    assert printable("a\x1b[31m\u202e") == "a\\x1b[31m\\u202e" == printable(printable("a\x1b[31m\u202e"))


@pytest.mark.parametrize("module", sorted(MODULES))
def test_one_function_prints(module):
    """And one makes consoles; both are in ``words``."""
    called = {ast.unparse(node.func) for node in ast.walk(MODULES[module]) if isinstance(node, ast.Call)}
    printing = {"print", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write", "Console"}
    assert not called & printing or module == "words"


# Where the text of a recipe file is a stranger's: §, in quotes or without.
PLACES = {
    "a key": 'input: {shape: [4, 8]}\nstack: Dense(8, 8)\n"§": 1\n',
    "a key of the input": 'input: {shape: [4, 8], "§": 1}\nstack: Dense(8, 8)\n',
    "a layer": 'input: {shape: [4, 8]}\nstack: "Dense§(8, 8)"\n',
    "an argument": "input: {shape: [4, 8]}\nstack: \"Dense(8, 8, activation='§')\"\n",
    "an argument's name": 'input: {shape: [4, 8]}\nstack: "Dense(8, 8, §=1)"\n',
    "an argument that fits": "input: {shape: [4, 8]}\nstack: \"Dense(8, 8, bias_init='§')\"\n",
    "a param": 'input: {shape: [4, 8]}\nparams: {"§": 1}\nstack: Dense(8, 8)\n',
    "a param's value": 'input: {shape: [4, 8]}\nparams: {width: "§"}\nstack: Dense(8, width)\n',
    "a block": 'input: {shape: [4, 8]}\nblocks: {"B§": ReLU}\nstack: Dense(8, 8)\n',
    "a wire": 'inputs: {x: {shape: [4, 8]}}\ngraph: {"§": "ReLU @ x"}\n',
    "a check": 'input: {shape: [4, 8]}\nstack: Dense(8, 8)\nchecks: {"§": {}}\n',
    "an initializer": 'input: {shape: [4, 8]}\nstack: Dense(8, 8)\ninit: {"*": "§"}\n',
    "a pattern": 'input: {shape: [4, 8]}\nstack: Dense(8, 8)\nfreeze: ["§"]\n',
    "a network": 'input: {shape: [4, 8]}\nfile: "§.yaml"\n',
    "defaults": 'defaults: ["§"]\ninput: {shape: [4, 8]}\nstack: Dense(8, 8)\n',
    "a name": 'name: "§"\ninput: {shape: [4, 8]}\nstack: Dense(8, 8)\n',
    "a reference": 'name: "${§}"\ninput: {shape: [4, 8]}\nstack: Dense(8, 8)\n',
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "hostile",
    mostly_slow(map(HOSTILE.get, ("colour", "override", "line separator")), HOSTILE["colour"].__eq__),
    ids=ascii,
)
def test_a_recipe_prints_as_text(run, recipe_file, place, hostile):
    recipe_file(PLACES[place].replace("§", json.dumps(hostile)[1:-1]))
    done = run(*MINE, "task=plan")
    assert is_harmless(done.out)
    assert is_harmless(done.err)


@pytest.mark.parametrize("hostile", every_third(HOSTILE.values()), ids=HOSTILE)
@pytest.mark.parametrize("command", ["validate", "recipes", "sweep"])
def test_the_name_of_a_file_prints_as_text(run, recipe_file, tmp_path, command, hostile):
    name = f"x{hostile.replace('/', '')}"
    recipe_file("# " + hostile.replace("\r", "") + "\nstack: [\n", name)
    if command == "sweep":
        done = run("-m", "--config-dir", "conf", "recipe=glob(x*)", "task=plan")
        printed = done.out + done.err
    else:
        said = [f"conf/recipe/{name}.yaml"] if command == "validate" else []
        printed = CliRunner().invoke(app, [command, *said]).output
    assert printed
    assert is_harmless(printed)


def test_a_record_of_a_sweep_prints_as_text(run, tmp_path):
    """Resuming reads what is there, and prints it in the table."""
    command = ("-m", "recipe=inline", "recipe.input.shape=[4,8]", "checks=none", "task=plan", "recipe.stack=ReLU,Tanh")
    done = run(*command)
    file = done.folder / "0" / "result.json"
    record = json.loads(file.read_text())
    every = "".join(HOSTILE.values())
    record.update(status="error", error=f"a\n{every}", overrides=[f"recipe.name={every}", f"{every}=1"])
    file.write_text(json.dumps(record))
    again = run(*command)
    assert "\\x07" in again.out
    assert is_harmless(again.out)
    assert is_harmless(again.err)


@pytest.mark.parametrize("hostile", [*HOSTILE.values(), "[link=http://x]y[/link]", "[red]y", ":smiley:"], ids=ascii)
def test_tables_and_lines_print_as_text(capsys, hostile):
    console = summary.make_console()
    table = Table()
    table.add_column(make_text(hostile))
    table.add_row(make_text(hostile))
    for print_one in (console.print, console.out, summary.make_console(stderr=True).out):
        print_one(Text(hostile) if print_one == console.print else f"a {hostile}")
    console.print(table)
    say(hostile)
    say(hostile, err=True)
    printed = capsys.readouterr()
    assert is_harmless(printed.out)
    assert is_harmless(printed.err)
    assert sum(printable(hostile) in line for line in printed.out.splitlines()) >= 3
    widths = {len(line) for line in printed.out.splitlines()[2:-1]}
    assert len(widths) == 1


def test_carets_stay_under_what_is_wrong():
    text = "A\x1b + B\u202eB + C"
    error = GrammarError("wrong", Place(text, 5, 8, "recipe.stack"))
    assert str(error) == "recipe.stack:6: wrong\n    A\\x1b + B\\u202eB + C\n            ^^^^^^^^"
    assert str(Mistakes([error, error])) == f"{error}\n{error}"
