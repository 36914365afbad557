"""Values of a job that its overrides do not give: keys of later commands, and versions of a configuration."""

import pytest
from omegaconf import OmegaConf

from assembler.hydra_edge.configuration import plain
from assembler.hydra_edge.identity import identity_without_seed
from assembler.sweeps import load
from assembler.sweeps.keys import fill, number_versions
from tests.test_sweeps import rows

RECORD = {
    "mode": "pynative",
    "seed": 0,
    "task": "check",
    "device": {"asked": "auto"},
    "recipe": {
        "name": "mlp",
        "input": {"shape": [4, 8]},
        "params": {"rank": 4, "act": "ReLU", "bias": True, "none": None},
        "stack": ["ReLU", "Dense(_, 4)"],
    },
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recipe.params.rank", 4),
        ("recipe.params.act", "ReLU"),
        ("recipe.params.bias", True),
        ("recipe.params.none", "null"),  # as the override null is read
        ("recipe.input.shape", "[4,8]"),
        ("recipe.stack", '["ReLU","Dense(_, 4)"]'),
        ("mode", "pynative"),
        ("seed", 0),
        ("task", "check"),
        ("recipe.params.other", None),
        ("recipe.params.rank.deeper", None),
        ("recipe", None),  # a choice; the configuration holds what was chosen
        ("device", None),
        ("started", None),
    ],
)
def test_a_key_that_other_jobs_override_has_the_configured_value(key, value):
    values = [{}, {key: "theirs"}, {}]
    fill(values, [RECORD, RECORD, None])
    assert values == [{} if value is None else {key: value}, {key: "theirs"}, {}]


@pytest.mark.parametrize("recipe", [None, "mlp", [1]])
def test_a_record_of_another_form_fills_nothing(recipe):
    values = [{}, {"recipe.params.rank": 1}]
    fill(values, [{"recipe": recipe}, {"recipe": recipe}])
    assert values[0] == {}


@pytest.mark.parametrize(
    ("jobs", "versions"),
    [
        ([({"seed": 0}, "a"), ({"seed": 1}, "a")], [None, None]),
        ([({"seed": 0}, "a"), ({"seed": 1}, "a"), ({"seed": 0}, "b"), ({"seed": 2}, "b")], [1, 1, 2, 2]),
        ([({}, "a"), ({}, "b"), ({}, "c"), ({}, "a")], [1, 2, 3, 1]),
        ([({"rank": 4}, "a"), ({"rank": 8}, "b"), ({"rank": 4}, "c")], [1, None, 2]),
        ([({"rank": 4}, None), ({"rank": 4}, "a")], [1, 2]),  # of a list without this identity
        ([({"rank": 4, "seed": 0}, "a"), ({"seed": 1, "rank": 4}, "a")], [None, None]),
    ],
)
def test_configurations_of_equal_overrides_are_numbered(jobs, versions):
    values = [dict(one) for one, _ in jobs]
    number_versions(values, [identity for _, identity in jobs])
    assert [one.get("version") for one in values] == versions


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ({"seed": 0, "mode": "graph"}, {"seed": 1, "mode": "graph"}, True),
        ({"seed": 0, "mode": "graph"}, {"seed": 1, "mode": "pynative"}, False),
        ({"seed": 0, "weights": {"save": "${seed}.npz"}}, {"seed": 1, "weights": {"save": "${seed}.npz"}}, True),
        ({"seed": 0, "weights": {"save": "${seed}.npz"}}, {"seed": 1, "weights": {"save": "w${seed}.npz"}}, False),
        ({"seed": 0, "weights": {"save": "0.npz"}}, {"seed": 1, "weights": {"save": "1.npz"}}, False),
    ],
)
def test_an_identity_without_the_seed(first, second, equal):
    one, other = (identity_without_seed(config, plain(config)) for config in map(OmegaConf.create, (first, second)))
    assert (one == other) is equal


def test_an_edited_recipe_is_another_group(run, tmp_path):
    recipe = tmp_path / "gp.yaml"
    recipe.write_text("input: {shape: [3, 8]}\nparams: {width: 4}\nstack: Dense(_, width) + Softmax\n")
    command = ("-m", f"recipe={recipe}", "task=plan", "seed=0,1")
    run(*command)
    recipe.write_text(recipe.read_text().replace("Softmax", "Scale(5) + Softmax"))
    done = run(*command)
    assert "2 groups over seed\n" in done.out
    assert [row["version"] for row in rows(done.folder)] == ["1", "1", "2", "2"]
    layers = {
        name: column for name, column in load(done.folder).groups().items() if name in ("version", "metric", "mean")
    }
    found = zip(*layers.values(), strict=True)
    assert [row for row in found if row[1] == "plan.layers"] == [(1, "plan.layers", 2.0), (2, "plan.layers", 3.0)]


def test_a_default_that_is_swept_later_has_its_value(run):
    command = ("-m", "recipe=mlp", "task=plan", "seed=0,1")
    run(*command)
    done = run(*command, "recipe.params.width=256,16", "dtype=float32")
    assert "2 of them are done; 2 jobs to run\n" in done.out
    assert [row["recipe.params.width"] for row in rows(done.folder)] == ["256"] * 2 + ["16"] * 2
    assert "2 groups over seed\n" in done.out
    done = run(*command, "mode=graph")
    assert [row["mode"] for row in rows(done.folder)] == ["pynative"] * 4 + ["graph"] * 2
    assert [row["recipe.params.width"] for row in rows(done.folder)][4:] == ["256"] * 2
    assert "version" not in rows(done.folder)[0]
