"""What people type who know another framework, YAML or keyboard better: the one line that says what to write instead.

Each table has what was typed and the message, or that it works. Each row goes every way that it can be typed: Python's
``plan``, ``validate`` and run.py say the same.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mindspore import nn

from assembler import LAYERS, plan
from assembler.analysis.analyse import analyse
from assembler.analysis.project import Project
from assembler.errors import AssemblerError, DuplicateLayer, flatten
from assembler.registry.frameworks import NAMES
from assembler.registry.registry import Registry
from tests.conftest import MINE, ROOT, every_third, mostly_slow

MAX_WORDS = 30
"""Of a message; what follows a colon is an example."""


def by_python(text):
    with pytest.raises(AssemblerError) as error:
        plan(yaml.safe_load(text))
    return [one.message for one in flatten([error.value])]


def by_validate(text, folder):
    file = Path(folder) / "conf" / "recipe" / "mine.yaml"
    found = analyse(file, Project.at(folder / "conf"), shapes=False).errors
    return [one.message for one in found]


def all_ways(text, said, run, recipe_file, tmp_path, *, is_yaml=True):
    """Whether each way to type a recipe ends with one line, and exit code 2.

    Args:
        is_yaml: whether it can be read as YAML, and so be given to Python's ``plan``.
    """
    recipe_file(text)
    typed = run(*MINE, "task=plan")
    assert typed.code == 2
    (line,) = [line for line in typed.err.splitlines() if line.startswith(("conf/", "override", "recipe"))]
    assert line.endswith(f": {said}")
    if is_yaml:
        assert by_python(text) == [said]
    found = [one.splitlines()[0] for one in by_validate(text, tmp_path)]
    assert found == [] or (len(found) == 1 and found[0].endswith(said))  # it does not plan
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


@pytest.mark.parametrize(("typed", "said"), every_third([*JOINTS, *WIDE]), ids=lambda one: one)
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


@pytest.mark.parametrize(("typed", "said"), every_third(GRAPHS), ids=lambda one: one)
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


@pytest.mark.parametrize(("typed", "said"), every_third(NAMED), ids=lambda one: one)
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
    every_third(
        [
            *UNDEFINED,
            *((typed, keys, STRING) for typed, keys in STRINGS),
            ("act", {"params": {"act": ["ReLU", "Tanh"]}}, f"a list is not layers; {JOINED}: ReLU + Tanh"),
            ("3 * [ReLU, Tanh]", {}, f"a list is not layers; {JOINED}: ReLU + Tanh"),
        ]
    ),
    ids=str,
)
def test_a_name_without_a_value_and_a_value_that_is_no_layer(typed, keys, said, run, recipe_file, tmp_path):
    all_ways(yaml.safe_dump({"input": {"shape": [4, 8]}, "stack": typed, **keys}), said, run, recipe_file, tmp_path)


@pytest.mark.parametrize("typed", [typed for typed, _ in STRINGS])
def test_the_remedy_for_a_string_works(typed):
    keys = {"params": {"act": {"stack": "ReLU"}}, "blocks": {"B(f)": "f"}}
    assert plan({"input": {"shape": [4, 8]}, "stack": typed.replace("act()", "act"), **keys}).rows


SHAPE = "each size must be an integer, the batch too: write shape: [1, 8]"
NO_LIST = "a shape is a list: write shape: [4, 8]"
UNDER_STACK = "layers are written under 'stack'"
MAPPING = "a stack is a string or a list, not a mapping"

KEYS = [
    ("input: [4, 8]\nstack: ReLU", "write input: {shape: [4, 8]}"),
    ("input: 4, 8\nstack: ReLU", "write input: {shape: [4, 8]}"),
    ("input: 8\nstack: ReLU", "write input: {shape: [8]}"),
    ("input: (4, 8)\nstack: ReLU", "write input: {shape: [4, 8]}"),
    ("input: {shape: 4, 8}\nstack: ReLU", NO_LIST),
    ("input: {shape: (4, 8)}\nstack: ReLU", NO_LIST),
    ("input: {shape: '4, 8'}\nstack: ReLU", NO_LIST),
    ("input: {shape: 8}\nstack: ReLU", "a shape is a list: write shape: [8]"),
    ("input: {shape: [4， 8]}\nstack: ReLU", "， is not ASCII; write shape: [4, 8], not 4， 8"),
    ("input: {shape: [None, 8]}\nstack: ReLU", SHAPE),
    ("input: {shape: [null, 8]}\nstack: ReLU", SHAPE),
    ("input: {shape: [-1, 8]}\nstack: ReLU", SHAPE),
    ("input: {shape: [N, 8]}\nstack: ReLU", SHAPE),
    ("input: {size: [4, 8]}\nstack: ReLU", "unknown key 'size'; write shape: [4, 8]"),
    ("inputs: {shape: [4, 8]}\nstack: ReLU", "write input: {shape: [4, 8]}"),
    ("inputs: [4, 8]\nstack: ReLU", "write input: {shape: [4, 8]}"),
    ("inputs: {x: [4, 8]}\ngraph: {a: ReLU @ x}", "write x: {shape: [4, 8]}"),
    ("input_shape: [4, 8]\nstack: ReLU", "unknown key 'input_shape'; write input: {shape: [4, 8]}"),
    ("shape: [4, 8]\nstack: ReLU", "unknown key 'shape'; write input: {shape: [4, 8]}"),
    ("input: {shape: [4, 8]}\nlayers: [ReLU]", f"unknown key 'layers'; {UNDER_STACK}"),
    ("input: {shape: [4, 8]}\nmodel: ReLU", f"unknown key 'model'; {UNDER_STACK}"),
    ("input: {shape: [4, 8]}\nforward: ReLU", f"unknown key 'forward'; {UNDER_STACK}"),
    ("input: {shape: [4, 8]}\nvars: {a: 3}\nstack: ReLU", "unknown key 'vars'; values are under 'params'"),
    (
        "input: {shape: [4, 8]}\nstack: {Dense: [8, 4]}",
        f"{MAPPING}; write each layer with a dash: - Dense: …",
    ),
]

VALUES = [
    ("dtype: fp16", "'fp16' is not one of float16, float32, float64, bfloat16, int32, int64 or bool.", "float16"),
    (
        "dtype: torch.half",
        "'torch.half' is not one of float16, float32, float64, bfloat16, int32, int64 or bool.",
        "float16",
    ),
    ("dtype: long", "'long' is not one of float16, float32, float64, bfloat16, int32, int64 or bool.", "int64"),
    ("sample: randn", "'randn' is not one of uniform, normal, integers, zeros or ones.", "normal"),
    ("sample: rand", "'rand' is not one of uniform, normal, integers, zeros or ones.", "uniform"),
    ("dtype: None", "'None' is a string in YAML; write null", ""),
    ("sample: None", "'None' is a string in YAML; leave the key out", ""),
]

STRINGS_IN_YAML = [
    ("name: no", "must be a string, not False; YAML reads yes, no, on and off as booleans: write quotes around it"),
    ("name: on", "must be a string, not True; YAML reads yes, no, on and off as booleans: write quotes around it"),
    ("name: 123", "must be a string, not 123; write quotes around it: '123'"),
    ("name: 1.5", "must be a string, not 1.5; write quotes around it: '1.5'"),
    ("params: None", "'None' is a string in YAML; leave the key out"),
    ("params: {act: None}", "'None' is a string in YAML; write null"),
    ("params: {acts: [None]}", "'None' is a string in YAML; write null"),
]


@pytest.mark.parametrize(
    ("typed", "said"),
    every_third(
        [
            *KEYS,
            *(
                (
                    f"input: {{shape: [4, 8], {typed}}}\nstack: ReLU",
                    f"{said}{f' Did you mean {meant!r}?' if meant else ''}",
                )
                for typed, said, meant in VALUES
            ),
            *((f"{typed}\ninput: {{shape: [4, 8]}}\nstack: ReLU", said) for typed, said in STRINGS_IN_YAML),
        ]
    ),
    ids=lambda one: one,
)
def test_a_key_or_a_value_as_another_format_has_it(typed, said, run, recipe_file, tmp_path):
    all_ways(typed, said, run, recipe_file, tmp_path)


COLONS = [
    ("input： {shape: [4, 8]}\nstack: ReLU", "： is not ASCII; write :"),
    ("input: {shape： [4, 8]}\nstack: ReLU", "： is not ASCII; write :"),
    ("input: {shape: [4, 8]｝\nstack: ReLU", "｝ is not ASCII; write }"),
    ("input: {shape: [4, 8]}\nstack： ReLU", "： is not ASCII; write :"),
    ("input: {shape: [4, 8]}\nstack：ReLU", "： is not ASCII; write :"),
    ("input: {shape: [4, 8]}\nstack:ReLU", "a space is missing after ':'"),
]


@pytest.mark.parametrize(("typed", "said"), COLONS, ids=lambda one: one)
def test_a_file_that_yaml_cannot_read_for_a_character(typed, said, run, recipe_file, tmp_path):
    all_ways(typed, said, run, recipe_file, tmp_path, is_yaml=False)


TAKES_ONE = "takes one tensor."
TUPLES = [
    ("LSTM(8, 4) + Dense(_, 2)", f"#1 Dense(_, 2) {TAKES_ONE} In a graph, states[0] is its first element"),
    ("LSTM(8, 4) + Dense(4, 2)", f"#1 Dense(4, 2) {TAKES_ONE} In a graph, states[0] is its first element"),
    ("GRU(8, 4) + ReLU", f"#1 ReLU {TAKES_ONE} In a graph, states[0] is its first element"),
    (
        {"rnn": "LSTM(8, 4)", "out": "Dense(_, 2) @ rnn"},
        f"#out Dense(_, 2) {TAKES_ONE} Write rnn[0] for its first element",
    ),
]


@pytest.mark.parametrize(("typed", "said"), TUPLES, ids=str)
def test_a_tuple_where_a_layer_takes_one_tensor(typed, said, run, recipe_file):
    text = yaml.safe_dump(
        {"input": {"shape": [4, 5, 8]}, "stack" if isinstance(typed, str) else "graph": typed}, sort_keys=False
    )
    (message,) = by_python(text)
    emits = "emits" if isinstance(typed, str) else "is"
    assert re.fullmatch(rf"(#0 .*|rnn) {emits} a tuple \(.*\); {re.escape(said)}", message)
    recipe_file(text)
    done = run(*MINE, "task=plan")
    assert (done.code, said in done.err) == (2, True)


A_BLOCK = f"{TAKES_ONE} What takes several is a block with a graph"
SEVERAL = [
    ("ReLU", f"ReLU {A_BLOCK}"),
    ("Residual(Attention(_, 2))", f"Residual(…) {A_BLOCK}"),
    ("Attention(_, 2)", "Attention(8, 2) does not accept it: "),  # it takes several, but not of other sizes
    ("Concat(axis=1)", "Concat(axis=1) does not accept it: "),
]


@pytest.mark.parametrize(("typed", "said"), SEVERAL)
def test_several_sources_of_a_layer_that_refuses_them(typed, said):
    inputs = {"x": {"shape": [2, 5, 8]}, "memory": {"shape": [2, 7, 9]}}
    with pytest.raises(AssemblerError) as error:
        plan({"inputs": inputs, "graph": {"seen": f"{typed} @ (x, memory)"}})
    assert said in error.value.message


def test_the_remedy_for_a_tuple_works():
    graph = {"states": "LSTM(8, 4)", "out": "Dense(_, 2) @ states[0]"}
    assert plan({"input": {"shape": [4, 5, 8]}, "graph": graph}).output.shape == (4, 5, 2)


SIZES = [
    ("Dense(_, width * ratio)", "Dense(_, 6)"),
    ("Dense(8 / 1, 12 / 2)", "Dense(8, 6)"),
    ("LayerNorm([width * 2.0])", "LayerNorm([8])"),
    ("(width / 2) * ReLU", "2 * ReLU"),
    ("Unflatten(1, (2, width / 1))", "Unflatten(1, (2, 4))"),
    ("Flatten(start_dim=width / 4)", "Flatten(start_dim=1)"),
]


@pytest.mark.parametrize(("typed", "same"), SIZES, ids=lambda one: one)
def test_a_whole_float_is_a_size(typed, same):
    params = {"params": {"width": 4, "ratio": 1.5}}
    made, meant = (plan({"input": {"shape": [4, 8]}, "stack": stack, **params}) for stack in (typed, same))
    assert [str(row) for row in made.rows] == [str(row) for row in meant.rows]


@pytest.mark.parametrize("stack", ["Dropout(1.0)", "LeakyReLU(1.0)", "Threshold(1.0, 2.0)", "ConstantPad1d(1, 2.0)"])
def test_a_float_that_is_no_size_stays_one(stack):
    (row,) = plan({"input": {"shape": [4, 8]}, "stack": stack}).rows
    assert ".0" in str(row)


OVERRIDES = [
    ("recipe.params.宽度=32", "Hydra reads only ASCII in keys; set 宽度 in the recipe's file, or rename it there"),
    (
        "recipe.params={宽度: 3}",
        "Hydra reads only ASCII in keys; set such a key in the recipe's file, or rename it there",
    ),
    ("recipe.name=宽度", """a string outside ASCII needs double quotes inside single quotes: 'recipe.name="宽度"'"""),
    ("recipe.params/width=3", "keys are separated by dots: recipe.params.width=3"),
    ("recipe/input.shape=3", "keys are separated by dots: recipe.input.shape=3"),
    (
        "recipe.input.shape[0]=3",
        "an element of a list cannot be set; write the whole list: 'recipe.input.shape=[1, 2]'",
    ),
    ("recipe=123", """123 is not a name; for a file 123.yaml, write 'recipe="123"'"""),
    ("recipe=1.5", """1.5 is not a name; for a file 1.5.yaml, write 'recipe="1.5"'"""),
    ("device=true", """true is not a name; for a file true.yaml, write 'device="true"'"""),
    ("+recipe.input.sample=zeros", "recipe.input.sample is there already; remove the +"),
    ("+seed=3", "seed is there already; remove the +"),
    ("+weights.strict=false", "weights.strict is there already; remove the +"),
    ("+recipe=mlp", "the recipe is chosen already; remove the +"),
    ("+device=cpu", "the device is chosen already; remove the +"),
    ("recipe：mlp", "： is not ASCII; write ="),
    ("recipe＝mlp", "＝ is not ASCII; write ="),
    ("recipe.input.shape=［4，8］", "， is not ASCII; write ,"),
    ("recipe:mlp", "write = instead of the colon: recipe=mlp"),
    ("recipe.input=[4,8]", "recipe.input has keys of its own; write 'recipe.input.shape=[4,8]'"),
    ("dtype=fp16", "'fp16' is not one of float16, float32, float64 or bfloat16. Did you mean 'float16'?"),
    ("dtype=bf16", "'bf16' is not one of float16, float32, float64 or bfloat16. Did you mean 'bfloat16'?"),
    ("dtype=fp32", "'fp32' is not one of float16, float32, float64 or bfloat16. Did you mean 'float32'?"),
    ("dtype=half", "'half' is not one of float16, float32, float64 or bfloat16. Did you mean 'float16'?"),
    ("dtype=None", "'None' is a string in YAML; leave the key out"),
    ("weights.load=None", "'None' is a string in YAML; write null"),
    ("mode=eager", "'eager' is not one of pynative or graph. Did you mean 'pynative'?"),
    ("device.target=cuda", "'cuda' is not one of auto, cpu, gpu or ascend. Did you mean 'gpu'?"),
]

CHOICES = [
    ("recipe=conf/recipe/lenet5.yaml", "there is no file conf/recipe/lenet5.yaml; write recipe=lenet5"),
    ("recipe=other/net.yml", "there is no file other/net.yml"),
    ("checks=my/full.yml", "a checks is chosen by its name, not its file: checks=full"),
    ("checks=mine/checks/net.yaml", "a checks is chosen by its name in a folder: --config-dir mine checks=net"),
    (
        "checks=other/net.yaml",
        "a checks is chosen by its name in a folder: --config-dir DIR checks=net for DIR/checks/net.yaml",
    ),
    *((f"device={name}", f"no device named {name!r}. Did you mean {meant!r}? There are: ascend, auto, cpu, gpu.") for name, meant in (("cuda", "gpu"), ("npu", "ascend"), ("gpu:0", "gpu"), ("cuda:1", "gpu"), ("GPU", "gpu"))),
    ("--recipe=mlp", "unknown option --recipe; an override has no dashes: recipe=mlp"),
    ("--seed", "unknown option --seed; an override has no dashes: seed=VALUE"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "said"),
    every_third([*((one, f"override {one}: {said}") for one, said in OVERRIDES), *CHOICES]),
    ids=lambda one: one,
)
def test_an_override_that_leads_nowhere(typed, said, run, tmp_path):
    (tmp_path / "mine" / "checks").mkdir(parents=True)
    (tmp_path / "mine" / "checks" / "net.yaml").write_text("run: {}\n")
    recipe = [] if "recipe=" in typed or typed.startswith(("recipe：", "recipe＝", "recipe:")) else ["recipe=lenet5"]
    done = run(typed, *recipe, "task=plan")
    assert (done.code, done.err.splitlines()) == (2, [said])
    assert len(said.split()) <= MAX_WORDS


@pytest.mark.parametrize(
    "typed",
    [
        ["recipe=net", "--config-dir", "mine", "task=plan"],
        ["--config-dir", "mine", "recipe=net", "task=plan"],
        ["task=plan", "-cd", "mine", "recipe=net"],
        ["recipe=net", "--config-dir=mine", "task=plan"],
        ["recipe=net", "-m", "task=plan", "--config-dir", "mine", "seed=1,2"],
    ],
    ids=" ".join,
)
def test_an_option_may_be_between_overrides(typed, run, tmp_path):
    (tmp_path / "mine" / "recipe").mkdir(parents=True)
    (tmp_path / "mine" / "recipe" / "net.yaml").write_text("input: {shape: [4, 8]}\nstack: ReLU\n")
    done = run(*typed)
    assert (done.code, done.err) == (0, "")


EXPECTS = "the recipe expects this of its own input; '~recipe.expect' drops it"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (["recipe.input.shape=[1,3,32,32]"], 1),
        (["recipe.input.shape=[2,2,32,32]"], 1),
        (["recipe.input.shape=[1,3,32,32]", "~recipe.expect"], 0),
        (["recipe.input.sample=zeros"], 0),
        ([], 0),
    ],
    ids=str,
)
def test_an_override_that_breaks_what_a_recipe_expects(typed, code, run):
    done = run("recipe=lenet5", "task=plan", *typed)
    assert (done.code, EXPECTS in done.out.splitlines()) == (code, code == 1)


def test_a_recipe_whose_own_numbers_are_wrong_is_not_told_to_drop_them(run, recipe_file):
    recipe_file("input: {shape: [4, 8]}\nstack: ReLU\nexpect: {trainable: 3}\n")
    done = run(*MINE, "task=plan")
    assert (done.code, EXPECTS in done.out) == (1, False)


RANDOM = """\
from mindspore import nn, ops

from assembler import register


@register
class Noisy(nn.Cell):
    def construct(self, x):
        return x + ops.standard_normal(x.shape)
"""


@pytest.mark.parametrize(
    ("stack", "said", "code"),
    [
        ("Noisy", "{}", 1),
        ("Noisy", "{equals: true}", 1),
        ("Noisy", "{equals: false}", 0),
        ("ReLU", "{equals: false}", 1),
        ("ReLU", "{}", 0),
    ],
)
def test_a_model_that_draws_random_numbers_says_so(stack, said, code, run, recipe_file, tmp_path):
    (tmp_path / "noisy.py").write_text(RANDOM)
    (tmp_path / "pyproject.toml").write_text('[tool.assembler]\nlayers = ["noisy"]\n')
    recipe_file(f"input: {{shape: [4, 8]}}\nstack: {stack}\nchecks: {{deterministic: {said}}}\n")
    done = run(*MINE, "checks=none", "checks.own=true")
    assert done.code == code, done.out + done.err
    hint = "deterministic: {equals: false}" in " ".join(re.sub("[ \n]+", " ", done.out).split())
    assert hint == (stack == "Noisy" and code == 1)


GATE = "class Gate(nn.Cell):\n    def construct(self, x):\n        return x {}\n"


def test_a_class_that_is_defined_again_replaces_its_entry():
    registry = Registry()
    for version in ("", "* 2", "* 3"):
        names = {"nn": nn, "__name__": "notebook"}
        exec(GATE.format(version), names)
        registry.register(names["Gate"], infer={})
        assert registry["Gate"].cell is names["Gate"]
    planned = plan("Gate", input=[4, 8], registry=registry)
    assert len(planned.rows) == 1


def test_a_module_that_is_reloaded_replaces_its_entries(run, tmp_path):
    (tmp_path / "reloaded.py").write_text(RANDOM)
    import importlib

    module = importlib.import_module("reloaded")
    importlib.reload(module)
    assert LAYERS["Noisy"].cell is module.Noisy


@pytest.mark.parametrize("name", ["elsewhere", "notebook.inner"])
def test_a_class_of_another_module_is_still_refused(name):
    registry = Registry()
    for module in ("notebook", name):
        names = {"nn": nn, "__name__": module}
        exec(GATE.format(""), names)
        if module == "notebook":
            registry.register(names["Gate"])
    with pytest.raises(DuplicateLayer, match=r"'Gate' is already notebook\.Gate"):
        registry.register(names["Gate"])


@pytest.mark.parametrize("jobs", [[], ["-m"]])
def test_weights_are_loaded_from_where_the_command_was_typed(jobs, run, tmp_path):
    assert run("recipe=mylinear", "weights.save=w.safetensors", "checks=none").code == 0
    done = run("recipe=mylinear", "weights.load=w.safetensors", "hydra.job.chdir=true", "checks=none", *jobs)
    assert (done.code, done.err) == (0, ""), done.out


@pytest.mark.parametrize("where", mostly_slow([".", "pkg", "/"], "pkg".__eq__))
def test_a_script_in_a_package_finds_the_layers_of_its_project(where, tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "layers.py").write_text(RANDOM)
    (tmp_path / "pyproject.toml").write_text('[tool.assembler]\nlayers = ["pkg.layers"]\n')
    script = (ROOT / "run.py").read_text().replace('config_path="conf"', 'config_path="pkg://assembler.conf"')
    (tmp_path / "pkg" / "run.py").write_text(script)
    typed = [sys.executable, str(tmp_path / "pkg" / "run.py"), "recipe=inline", "recipe.stack=Noisy", "task=plan"]
    typed += ["recipe.input.shape=[4,8]", f"hydra.run.dir={tmp_path / 'run'}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(typed, cwd=tmp_path / where, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "Noisy" in done.stdout) == (0, True), done.stderr
