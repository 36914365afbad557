"""What people type who know another framework, YAML or keyboard better: the one line that says what to write instead.

Each table has what was typed and the message, or that it works. Each row goes every way that it can be typed: Python's
``plan``, ``validate`` and run.py say the same.
"""

import re
from pathlib import Path

import pytest
import yaml

from assembler import LAYERS, plan
from assembler.commands.project import Project
from assembler.commands.validate import mistakes_in
from assembler.errors import AssemblerError, flatten
from assembler.registry.frameworks import NAMES
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
    ("ReLU(a)", "'a' is a line of the graph, not a layer; sources are after '@': Add @ (a, b)"),
    ("a", "'a' is a line of the graph, not a layer; sources are after '@': Add @ (a, b)"),
    ("a + input", "outputs of lines are added by a layer: Add @ (a, input)"),
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


NAMED = [
    ("nn.Dense(8, 4)", "write Dense instead of nn.Dense"),
    ("nn.Linear(8, 4)", "write Dense instead of nn.Linear"),
    ("mindspore.nn.Dense(8, 4)", "write Dense instead of mindspore.nn.Dense"),
    ("mint.nn.Linear(8, 4)", "write mint.Linear instead of mint.nn.Linear"),
    ("torch.nn.Linear(8, 4)", "Linear of PyTorch is Dense here; mint.Linear takes the same arguments"),
    ("torch.nn.ConvTranspose1d(8, 4, 3)", "ConvTranspose1d of PyTorch is Conv1dTranspose here"),
    ("torch.nn.ReLU()", "write ReLU instead of torch.nn.ReLU"),
    ("nn.Sequential(ReLU, Tanh)", "write a + b instead of nn.Sequential"),
    ("Sequential(ReLU, Tanh)", "instead of Sequential of PyTorch, write a + b"),
    ("ModuleList([ReLU, Tanh])", "instead of ModuleList of PyTorch, write a + b, or 3 * a"),
    ("torch.relu", "write ReLU instead of torch.relu"),
    ("F.relu", "write ReLU instead of F.relu"),
    ("keras.Sequential([ReLU])", "instead of Sequential of Keras, write a + b"),
    ("Conv2D(3, 8, 3)", "Conv2D of Keras is Conv2d here"),
    ("keras.layers.Conv2D(3, 8, 3)", "Conv2D of Keras is Conv2d here"),
    ("tf.keras.layers.Dense(4, 8)", "write Dense instead of tf.keras.layers.Dense"),
    ("tf.nn.relu", "write ReLU instead of tf.nn.relu"),
    ("BatchNormalization()", "instead of BatchNormalization of Keras, write BatchNorm2d or BatchNorm1d"),
    ("GlobalAveragePooling2D()", "instead of GlobalAveragePooling2D of Keras, write AdaptiveAvgPool2d(1) + Flatten"),
    ("paddle.nn.Linear(8, 4)", "Linear of PaddlePaddle is Dense here"),
]


@pytest.mark.parametrize(("typed", "said"), NAMED, ids=lambda one: one)
def test_a_layer_of_another_framework(typed, said, run, recipe_file, tmp_path):
    all_ways(of_stack(typed), said, run, recipe_file, tmp_path)


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in NAMES.items() for name in names])
def test_every_name_of_another_framework_leads_to_layers_that_are_here(owner, name):
    here = NAMES[owner][name]
    words = {word for word in re.findall(r"\b[A-Z]\w+", here) if word not in ("True", "False")}
    assert words <= {*LAYERS}
    assert words or here in ("a + b", "a + b, or 3 * a", "the key input: {shape: [4, 8]}")
    assert name not in LAYERS


UNDEFINED = [
    ("Dense(_, width)", {}, "'width' is not defined; give it a value: params: {width: 16}"),
    ("Dense(_, width * 2)", {}, "'width' is not defined; give it a value: params: {width: 16}"),
    ("Dense(_, width + 1)", {}, "'width' is not defined; give it a value: params: {width: 16}"),
    ("Dense(_, a + b)", {"params": {"a": 1}}, "'b' is not defined; give it a value: params: {b: 16}"),
    ("Dense(_, sizes[0])", {}, "'sizes' is not defined; give it a value: params: {sizes: 16}"),
    ("depth * ReLU", {}, "'depth' is not defined; give it a value: params: {depth: 16}"),
    ("ReLU if deep else Tanh", {}, "'deep' is not defined; give it a value: params: {deep: 16}"),
    ("Dense(_, 4, has_bias=bias)", {}, "'bias' is not defined; give it a value: params: {bias: true}"),
    ("Dense(_, widht)", {"params": {"width": 3}}, "'widht' is not defined. Did you mean 'width'?"),
    ("B(n)", {"blocks": {"B(m)": "Dense(_, m)"}}, "'n' is not defined; give it a value: params: {n: 16}"),
    ("B(3)", {"blocks": {"B(m)": "Dense(_, n)"}}, "'n' is not defined; give it a value: params: {n: 16}"),
    ("AvgPool2d(2, pad_mode=same)", {}, "'same' is not defined; a string needs quotes: pad_mode='same'"),
    ("ReLU + relu", {}, "no layer named 'relu'. Did you mean 'ReLU' or 'RReLU' or 'ReLU6'?"),
    ("Residual(relu)", {}, "no layer named 'relu'. Did you mean 'ReLU' or 'RReLU' or 'ReLU6'?"),
]

STRINGS = [
    ("Dense(_, 3) + act", {"params": {"act": "ReLU"}}),
    ("act", {"params": {"act": "ReLU"}}),
    ("3 * act", {"params": {"act": "ReLU"}}),
    ("act()", {"params": {"act": "ReLU"}}),
    ("B(act)", {"params": {"act": "ReLU"}, "blocks": {"B(f)": "f"}}),
    ("Residual(act)", {"params": {"act": "ReLU"}}),
]
STRING = "'ReLU' is a string; a layer in params is written {stack: ReLU}"


@pytest.mark.parametrize(
    ("typed", "keys", "said"),
    [
        *UNDEFINED,
        *((typed, keys, STRING) for typed, keys in STRINGS),
        ("act", {"params": {"act": ["ReLU", "Tanh"]}}, f"a list is not layers; {JOINED}: ReLU + Tanh"),
        ("3 * [ReLU, Tanh]", {}, f"a list is not layers; {JOINED}: ReLU + Tanh"),
    ],
    ids=str,
)
def test_a_name_without_a_value_and_a_value_that_is_no_layer(typed, keys, said, run, recipe_file, tmp_path):
    all_ways(yaml.safe_dump({"input": {"shape": [4, 8]}, "stack": typed, **keys}), said, run, recipe_file, tmp_path)


@pytest.mark.parametrize("typed", [typed for typed, _ in STRINGS])
def test_the_remedy_for_a_string_works(typed):
    keys = {"params": {"act": {"stack": "ReLU"}}, "blocks": {"B(f)": "f"}}
    assert plan({"input": {"shape": [4, 8]}, "stack": typed.replace("act()", "act"), **keys}).rows
