import pytest

from assembler.errors import AssemblerError
from assembler.settings import EntrySettings, Settings
from assembler.validation import read

GOOD = {"recipe": {"stack": "A", "input": {"shape": [4, 8]}}}


def recipe(**changes):
    return {"recipe": {"stack": "A", "input": {"shape": [4]}, **changes}}


def test_defaults_fill_what_is_not_said():
    settings = read(Settings, GOOD)
    assert (settings.mode, settings.dtype, settings.seed) == ("pynative", "float32", 0)
    assert settings.recipe.input.shape == (4, 8)


BAD = [
    ({}, "recipe: 'recipe' is missing"),
    ({"recipe": {"stack": "A"}}, "recipe: 'input' is missing"),
    ({"recipe": 3}, "recipe: must be a mapping, not 3"),
    ({**GOOD, "sead": 1}, "sead: unknown key 'sead'. Did you mean 'seed'?"),
    ({**GOOD, "zebra": 1}, "zebra: unknown key 'zebra'. Known here: recipe, registry, device, checks, task, mode, "
                           "seed, dtype, amp, guard, weights, show, sweep, objective."),
    ({**GOOD, "mode": "grph"}, "mode: 'grph' is not one of pynative or graph. Did you mean 'graph'?"),
    ({**GOOD, "seed": -1}, "seed: must be at least 0, not -1"),
    ({**GOOD, "seed": 2**32}, "seed: must be below 4294967296, not 4294967296"),
    ({**GOOD, "seed": "x"}, "seed: must be an integer, not 'x'"),
    ({**GOOD, "device": {"target": "gup"}}, "device.target: 'gup' is not one of auto, cpu, gpu or ascend. "
                                            "Did you mean 'gpu'?"),
    ({**GOOD, "device": {"fallback": "maybe"}}, "device.fallback: must be true or false, not 'maybe'"),
    (recipe(input={}), "recipe.input: needs a shape such as [4, 8], or values"),
    (recipe(input={"shape": [4, "a"]}), "recipe.input.shape[1]: must be an integer, not 'a'"),
    (recipe(input={"shape": [0]}), "recipe.input.shape[0]: must be at least 1, not 0"),
    (recipe(input={"shape": []}), "recipe.input.shape: must have at least 1 item, not []"),
    (recipe(input={"shape": "4,8"}), "recipe.input.shape: a shape is a list: write shape: [4, 8]"),
    (recipe(input={"shape": [4], "low": 2}), "recipe.input: low (2) must be below high (1)"),
    (recipe(input={"shape": [4], "low": float("nan")}), "recipe.input.low: must be a number, not nan"),
    (recipe(input={"shape": [10**6, 10**6]}), "recipe.input: 1,000,000,000,000 elements are too many; the limit is "
                                              "1,073,741,824"),
    (recipe(input={"shape": [4], "sample": "integers"}), "recipe.input: integers need 'high', an exclusive bound such "
                                                         "as the size of a vocabulary"),
    (recipe(input={"shape": [4], "sample": "integers", "high": 1.5}), "recipe.input: low and high of integers must be "
                                                                      "integers of at most 31 bits"),
    (recipe(input={"shape": [4], "sampel": 1}), "recipe.input.sampel: unknown key 'sampel'. "
                                                "Did you mean 'sample' or 'shape'?"),
    (recipe(checks={"mean": 3}), "recipe.checks.mean: must be a mapping, not 3"),
    ({**GOOD, "task": {"name": "chek"}}, "task: 'chek' is not one of check, plan, export, eject, bench. "
                                         "Did you mean 'check'?"),
    ({**GOOD, "task": {}}, "task: 'name' is missing"),
    ({**GOOD, "task": 3}, "task: must be a mapping, not 3"),
    ({**GOOD, "task": {"name": "export", "formats": ["mindr"]}}, "task.formats[0]: 'mindr' is not one of mindir or "
                                                                 "onnx. Did you mean 'mindir'?"),
    ({**GOOD, "task": {"name": "export", "format": []}}, "task.format: unknown key 'format'. Did you mean 'formats'?"),
    ({**GOOD, "task": {"name": "bench", "repeat": 0}}, "task.repeat: must be at least 1, not 0"),
    (recipe(name=["x"]), "recipe.name: must be a string, not ['x']"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), BAD)
def test_error_of_settings(data, message):
    with pytest.raises(AssemblerError) as error:
        read(Settings, data)
    assert str(error.value) == message


def test_error_of_settings_tells_every_key():
    data = {"recipe": {"stack": "A", "input": {"shape": [4, "a"]}, "nam": "x"}, "mode": 3, "seed": -1}
    with pytest.raises(AssemblerError) as error:
        read(Settings, data)
    assert [str(mistake.place) for mistake in error.value.mistakes] == [
        "recipe.input.shape[1]",
        "recipe.nam",
        "mode",
        "seed",
    ]


def test_error_of_a_registry_entry_has_its_key():
    with pytest.raises(AssemblerError) as error:
        read(EntrySettings, {"target": 3, "infer": {"in_channels": "x"}}, "registry.mine.Gate")
    assert str(error.value) == (
        "registry.mine.Gate.target: must be a string, not 3\n"
        "registry.mine.Gate.infer.in_channels: must be an integer, not 'x'"
    )
