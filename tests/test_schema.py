"""JSON Schemas: what ships is valid by them, and mistakes are found where they are."""

import json

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from assembler import settings
from assembler.analysis.project import Project
from assembler.commands.schema import SHIPPED, documents, print_json, shipped_entries, signatures
from assembler.views.schema import KINDS
from assembler.views.schema.words import DESCRIPTIONS
from tests.conftest import ROOT

FILES = [file for file in sorted((ROOT / "conf").rglob("*.yaml")) if "hydra" not in file.parts]  # Hydra's own groups
WRITTEN = ("mindcv", "mindyolo", "mint")
"""Registries that `assembler scaffold-registry` writes, and nobody edits."""


def stored(kind):
    return json.loads((SHIPPED / f"{kind}.json").read_text())


RESOURCES = Registry().with_resources(
    (f"file:///{kind}.json", Resource.from_contents(stored(kind), default_specification=DRAFT7)) for kind in KINDS
)


def mistakes(kind, data):
    """The places of the mistakes in a file's data, the deepest where there are alternatives."""
    validator = jsonschema.Draft7Validator({"$ref": f"file:///{kind}.json"}, registry=RESOURCES, format_checker=None)
    return sorted(
        {".".join(map(str, error.absolute_path)) for found in validator.iter_errors(data) for error in _deepest(found)}
    )


def _deepest(error):
    deeper = [inner for inner in error.context or () if len(inner.absolute_path) > len(error.absolute_path)]
    return deeper or [error]


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_one_of_draft_7(kind):
    schema = stored(kind)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)
    text = json.dumps(schema)
    assert not any(f'"{word}"' in text for word in ("$defs", "prefixItems", "discriminator"))


def test_the_schemas_that_ship_are_what_the_command_makes():
    project = Project(None)
    made = documents(shipped_entries(project.registry), project)
    assert set(made) == {f"{kind}.json" for kind in KINDS}
    for name, data in made.items():
        assert (SHIPPED / name).read_text() == print_json(data), f"python -m assembler schema writes another {name}"


def test_the_signatures_that_ship_are_those_of_the_classes():
    assert (SHIPPED / "signatures.json").read_text() == print_json(signatures(Project(None).registry))


@pytest.mark.parametrize("scope", WRITTEN)
def test_a_written_registry_is_valid(scope):
    assert mistakes("registry", yaml.safe_load((ROOT / "conf" / "registry" / f"{scope}.yaml").read_text())) == []


@pytest.mark.parametrize("file", [file for file in FILES if file.stem not in WRITTEN], ids=lambda file: file.stem)
def test_a_shipped_file_names_its_schema_and_is_valid(file):
    (line,) = [line for line in file.read_text().splitlines() if line.startswith("# yaml-language-server: $schema=")]
    schema = (file.parent / line.partition("=")[2]).resolve()
    assert schema.parent == SHIPPED
    assert mistakes(schema.stem, yaml.safe_load(file.read_text())) == []


RECIPE = {"input": {"shape": [4, 8]}, "stack": "Dense(8, 1)"}

GOOD = [
    ("recipe", {"stack": [{"Dense": {"in_channels": "_", "out_channels": "width"}}]}),
    ("recipe", {"stack": [{"Dense": [8, 128]}, {"Centered": None}, {"Mine": {"anything": 1}}]}),
    ("recipe", {"stack": [{"Residual": {"inner": {"stack": [{"Dense": {"in_channels": 8, "out_channels": 8}}]}}}]}),
    (
        "recipe",
        {"stack": [{"stem": "Dense(8, 8) + ReLU"}, {"a": {"stack": ["ReLU"]}}, {"b": {"graph": {"c": "ReLU"}}}]},
    ),
    ("recipe", {"stack": [{"ConvNorm": {"channels": 8, "mine": 3}}]}),  # a recipe may have a block of that name
    ("recipe", {"stack": [{"graph": {"a": "Dense(8, 8)", "b": "ReLU @ a"}, "outputs": "b"}]}),
    ("recipe", {"input": {"shape": [4, 8], "sample": "integers", "high": "${recipe.params.vocabulary}"}}),
    ("recipe", {"input": "${recipe.params.input}"}),
    ("recipe", {"file": "yolov8.yaml", "scale": "n", "classes": 3}),
    ("recipe", {"input": {"shape": "???"}}),
    ("recipe", {"checks": {"output": None, "mean": {"equals": 0.5}, "mine.checks.small": {"at": 1}}}),
    ("recipe", {"init": {"*.bias": "zeros", "a.weight": "Normal(std)", "b": 0.5, "c": {"values": [1, 2]}}}),
    ("recipe", {"expect": {"output": [["_", 768], ["_", 768]]}, "freeze": ["*.bias"]}),
    ("recipe", {"blocks": {"A(n, m=2)": "Dense(_, n)", "B": {"graph": {"x": "ReLU"}}, "C": ["ReLU", {"ReLU": None}]}}),
    ("config", {"defaults": ["assembler", "_self_"], "hydra": {"searchpath": ["pkg://assembler.conf"]}, "seed": 3}),
    ("config", {"task": {"repeat": 5}, "recipe": {"params": {"width": 3}}, "checks": {"run": {"finite": {}}}}),
    ("registry", {"Gate": "my_project.layers.Gate", "Gelu": {"target": "mindspore.nn.GELU", "defaults": {"a": 1}}}),
]


@pytest.mark.parametrize(("kind", "data"), GOOD)
def test_what_may_be_said_is_valid(kind, data):
    layers = {} if {"file", "graph"} & set(data) else {"stack": "Dense(8, 1)"}
    data = {"input": {"shape": [4, 8]}, **layers, **data} if kind == "recipe" else data
    assert mistakes(kind, data) == []


BAD = [
    ("recipe", {"stak": "ReLU"}, ""),
    ("recipe", {"name": 3}, "name"),
    ("recipe", {"input": {"shape": [4, 0]}}, "input.shape.1"),
    ("recipe", {"input": {"shape": []}}, "input.shape"),
    ("recipe", {"input": {"shape": [4], "sampel": "normal"}}, "input"),
    ("recipe", {"input": {"shape": [4], "sample": "gauss"}}, "input.sample"),
    ("recipe", {"input": {"shape": [4], "low": "none"}}, "input.low"),
    (
        "recipe",
        {"inputs": {"a": {"shape": [4, "x"]}}, "input": None, "stack": None, "graph": {"a": "ReLU"}},
        "inputs.a.shape.1",
    ),
    ("recipe", {"file": 3, "stack": None}, "file"),
    ("recipe", {"stack": 3}, "stack"),
    ("recipe", {"stack": []}, "stack"),
    ("recipe", {"stack": ["ReLU", 3]}, "stack.1"),
    ("recipe", {"stack": [{"Dense": {"in_channels": 8}}]}, "stack.0.Dense"),
    ("recipe", {"stack": [{"Dense": {"in_channels": 8, "out_channels": 8, "has_bais": True}}]}, "stack.0.Dense"),
    ("recipe", {"stack": [{"LeakyReLU": {"alpha": "_"}}]}, "stack.0.LeakyReLU.alpha"),
    ("recipe", {"stack": [{"Dense": [8]}]}, "stack.0.Dense"),
    ("recipe", {"stack": [{"Dense": None}]}, "stack.0.Dense"),
    ("recipe", {"stack": [{"ReLU": {"inplace": True}}]}, "stack.0.ReLU"),
    ("recipe", {"stack": [{"ReLU": None, "Tanh": None}]}, "stack.0"),
    ("recipe", {"stack": [{"Residual": {"inner": {"stack": [{"ReLU": [1]}]}}}]}, "stack.0.Residual.inner.stack.0.ReLU"),
    ("recipe", {"stack": [{"Mine": 3}]}, "stack.0.Mine"),
    ("recipe", {"shared": {"a part": "ReLU"}}, "shared"),
    ("recipe", {"shared": {"mix": 3}}, "shared.mix"),
    ("recipe", {"blocks": {"A(n": "ReLU"}}, "blocks"),
    ("recipe", {"checks": {"outptu": {}}}, "checks"),
    ("recipe", {"checks": {"mean": {}}}, "checks.mean"),
    ("recipe", {"checks": {"mean": {"equals": True}}}, "checks.mean.equals"),
    ("recipe", {"checks": {"output": {"shap": [4]}}}, "checks.output"),
    ("recipe", {"checks": {"trains": {"steps": 0}}}, "checks.trains.steps"),
    ("recipe", {"checks": {"reload": {"format": "npz"}}}, "checks.reload.format"),
    ("recipe", {"init": {"*.bias": True}}, "init.*.bias"),
    ("recipe", {"init": {"*.bias": {"fiel": "w.npy"}}}, "init.*.bias"),
    ("recipe", {"freeze": "*.bias"}, "freeze"),
    ("recipe", {"expect": {"macs": -1}}, "expect.macs"),
    ("recipe", {"graph": {"a": "ReLU"}}, ""),  # an editor marks the key; jsonschema has no path for it
    ("recipe", {"outputs": "a"}, ""),
    ("recipe", {"file": "yolov8n.yaml"}, ""),
    ("recipe", {"scale": "n"}, ""),
    ("recipe", {"stack": None}, ""),
    ("recipe", {"input": None}, ""),
    ("blocks", {"A": 3}, "A"),
    ("registry", {"Gate": "Gate"}, "Gate"),
    ("registry", {"Gate": {"traget": "a.Gate"}}, "Gate"),
    ("registry", {"Gate": {"target": "a.Gate", "infer": {"n": "last"}}}, "Gate.infer.n"),
    ("checks", {"run": {"finit": {}}}, "run"),
    ("device", {"target": "tpu"}, "target"),
    ("task", {"name": "bench", "repeat": 0}, "repeat"),
    ("task", {"repeat": 3}, ""),
    ("show", {"by": "rows"}, "by"),
    ("show", {"by": "blocks", "depth": 0}, "depth"),
    ("config", {"sed": 3}, ""),
    ("config", {"dtype": "int8"}, "dtype"),
    ("config", {"recipe": {"stack": [{"ReLU": {"x": 1}}]}}, "recipe.stack.0.ReLU"),
    ("config", {"registry": {"mine": {"Gate": 3}}}, "registry.mine.Gate"),
]


@pytest.mark.parametrize(("kind", "data", "place"), BAD, ids=[f"{case[0]}-{case[1]}" for case in BAD])
def test_a_mistake_is_found_at_its_place(kind, data, place):
    if kind == "recipe":
        data = {name: value for name, value in {**RECIPE, **data}.items() if value is not None}
    assert mistakes(kind, data) == [place]


def test_every_key_has_a_description():
    models = [
        model for model in vars(settings).values() if isinstance(model, type) and issubclass(model, settings.Model)
    ]
    public = [model for model in models if not model.__name__.startswith("_")]
    keys = {f"{model.__name__}.{name}" for model in public for name in model.model_fields}
    assert set(DESCRIPTIONS) == keys


def test_a_layer_says_what_it_takes_in_its_own_words_where_it_is_ours():
    layers = stored("recipe")["definitions"]
    attention = layers["layer Attention"]
    assert (
        attention["properties"]["heads"]["description"]
        == "How many heads; it divides `embed_dim` unless `head_dim` is given."
    )
    assert attention["properties"]["causal"]["default"] is False
    assert "`_` infers it from axis -1 of the input." in attention["properties"]["embed_dim"]["description"]
    assert layers["layer Dense"]["description"].endswith("mindspore.nn.Dense")
