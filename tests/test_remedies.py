"""What people type who know another framework, YAML or keyboard better: the one line that says what to write instead.

Each table has what was typed and the message, or that it works. Each row goes every way that it can be typed: Python's
``plan``, ``validate`` and run.py say the same.
"""

from pathlib import Path

import pytest
import yaml

from assembler import plan
from assembler.commands.project import Project
from assembler.commands.validate import mistakes_in
from assembler.errors import AssemblerError, flatten
from tests.conftest import MINE

MAX_WORDS = 30
"""Of a message; what follows a colon is an example."""


def by_python(text):
    with pytest.raises(AssemblerError) as error:
        plan(yaml.safe_load(text))
    return [one.message for one in flatten([error.value])]


def by_validate(text, folder):
    file = Path(folder) / "conf" / "recipe" / "mine.yaml"
    found = mistakes_in(file, Project.at(folder / "conf"))
    return [one.message for one in found]


def all_ways(text, said, run, recipe_file, tmp_path):
    """Whether each way to type a recipe ends with one line, and exit code 2."""
    recipe_file(text)
    typed = run(*MINE, "task=plan")
    assert typed.code == 2
    (line,) = [line for line in typed.err.splitlines() if line.startswith(("conf/", "override", "recipe"))]
    assert line.endswith(f": {said}")
    assert by_python(text) == [said]
    assert by_validate(text, tmp_path) in ([said], [])  # it does not plan
    assert len(said.split()) <= MAX_WORDS


def of_stack(stack):
    return yaml.safe_dump({"input": {"shape": [4, 8]}, "stack": stack}, allow_unicode=True)


JOINED = "layers are joined by '+'"

JOINTS = [
    ("ReLU -> Tanh", f"{JOINED}, not '->': A + B"),
    ("ReLU => Tanh", f"{JOINED}, not '=>': A + B"),
    ("ReLU → Tanh", f"{JOINED}, not '→': A + B"),
    ("ReLU |> Tanh", f"{JOINED}, not '|>': A + B"),
    ("ReLU ; Tanh", f"{JOINED}, not ';': A + B"),
    ("ReLU | Tanh", f"{JOINED}, not '|': A + B"),
    ("ReLU >> Tanh", f"{JOINED}, not '>>': A + B"),
    ("ReLU & Tanh", f"{JOINED}, not '&': A + B"),
    ("[ReLU, Tanh]", f"expected a layer, found a list; {JOINED}: A + B"),
    ("Mean + [ReLU, Tanh]", f"expected a layer, found a list; {JOINED}: A + B"),
    ("ReLU, Tanh", f"expected a layer, found a tuple; {JOINED}: A + B"),
    ("(ReLU, Tanh)", f"expected a layer, found a tuple; {JOINED}: A + B"),
    ("{ReLU, Tanh}", f"{JOINED}, not in braces: A + B"),
    ("ReLU > Tanh", f"expected a layer, found ReLU > Tanh; {JOINED}: A + B"),
    ("ReLU - Tanh", f"expected a layer, found ReLU - Tanh; {JOINED}: A + B"),
    ("ReLU @ Tanh", "'@' is for lines of a graph; the layers of a stack are joined by '+': A + B"),
    ("'ReLU' + Tanh", "expected a layer, found a string; remove the quotes: ReLU"),
    ("Dense(8, 4)(x)", "a layer is not called with its input, which comes from the layer before it"),
    ("Dense(8; 4)", "arguments are separated by ',', not ';'"),
    ("3ReLU", "cannot parse this: a number is followed by letters; a repeat is written 3 * ReLU"),
]

WIDE = [
    ("Dense(8，4)", "， is not ASCII; write ,"),
    ("Dense（8，4）＋ReLU", "（ ， ） ＋ are not ASCII; write ( , ) +"),
    ("ReLU、Tanh", "、 is not ASCII; write ,"),
    ("2 × ReLU", "× is not ASCII; write *"),
    ("GELU(“tanh”)", '“ ” are not ASCII; write "'),
    ("GELU(‘tanh’)", "‘ ’ are not ASCII; write '"),
    ("ReLU\u3000+ Tanh", "U+3000 is not ASCII; write a space"),
    ("Dense(8：4)", "： is not ASCII; write :"),
    ("Dense(8, 4 − 1)", "− is not ASCII; write -"),
]


@pytest.mark.parametrize(("typed", "said"), [*JOINTS, *WIDE], ids=lambda one: one)
def test_a_stack_in_another_language(typed, said, run, recipe_file, tmp_path):
    all_ways(of_stack(typed), said, run, recipe_file, tmp_path)


GRAPHS = [
    ("Identity @ a + input", "'@' comes last: Add @ (a, input)"),
    ("Identity @ a + ReLU", "'@' comes last: (Identity + ReLU) @ a"),
    ("a + Identity @ input", "'@' comes last; put brackets around the layers: (a + Identity) @ input"),
    ("Add @ (a, input) + ReLU", "'@' comes last; put ReLU on the next line of the graph"),
    ("Identity @ a @ input", "'@' comes last, once: Add @ (a, b)"),
    ("Add @ a, input", "several sources are in brackets: Add @ (a, input)"),
    ("Add @ [a, input]", "several sources are in round brackets, with commas: Add @ (a, b)"),
    ("Add @ (a + input)", "several sources are in round brackets, with commas: Add @ (a, b)"),
    ("a @ ReLU", "layers are before '@', their sources after it: Add @ (a, b)"),
    ("(a, input) @ Add", "layers are before '@', their sources after it: Add @ (a, b)"),
    ("a -> ReLU", f"{JOINED}, not '->': A + B"),
]


@pytest.mark.parametrize(("typed", "said"), GRAPHS, ids=lambda one: one)
def test_a_line_of_a_graph_in_another_language(typed, said, run, recipe_file, tmp_path):
    text = yaml.safe_dump({"input": {"shape": [4, 8]}, "graph": {"a": "ReLU", "b": typed}})
    all_ways(text, said, run, recipe_file, tmp_path)


def test_characters_of_other_keyboards_are_allowed_in_strings():
    assert plan("ReLU", input=[4, 8]).rows
    with pytest.raises(AssemblerError, match="'（，）'"):
        plan("GELU(approximate='（，）')", input=[4, 8])


def test_a_wire_may_have_the_name_of_its_layers():
    planned = plan({"input": {"shape": [4, 8]}, "blocks": {"a": "ReLU"}, "graph": {"a": "a", "b": "a @ a"}})
    assert len(planned.rows) > 1
