"""A file that the command line names chooses what it says, or the run is refused with the names of both files."""

import json

import pytest

from tests.test_docs import write_steps

BASE = 'hydra: {searchpath: ["pkg://assembler.conf"]}\n'
PLAIN = "task=plan"


@pytest.fixture
def project(run, tmp_path, monkeypatch):
    """The project of docs/project.md, with files for experiments, and a way to run it."""
    write_steps(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def with_files(files, *arguments):
        for name, text in files.items():
            file = tmp_path / "conf" / f"{name}.yaml"
            file.parent.mkdir(exist_ok=True, parents=True)
            file.write_text(text if "package" in text or "/" not in name else f"# @package _global_\n{text}")
        return run(*arguments, script=tmp_path / "run.py")

    return with_files


def recipe_of(done):
    assert (done.code, done.err) == (0, "")
    return json.loads((done.folder / "result.json").read_text())["recipe"]["name"]


SMALL = "defaults: [override /recipe: mlp, override /checks: none]\nseed: 3\n"
KEPT = [
    # files, arguments, the recipe that runs
    ({}, [], "gated"),
    ({"experiment/small": SMALL}, ["+experiment=small"], "mlp"),
    ({"search/small": SMALL}, ["+search=small"], "mlp"),
    ({"experiment/small": SMALL}, ["+experiment=small", "recipe=lenet5"], "lenet5"),
    ({"experiment/small": SMALL, "experiment/more": "defaults: [small, override /recipe: lenet5]\n"},
     ["+experiment=more"], "lenet5"),
    ({"experiment/small": SMALL, "search/same": SMALL}, ["+experiment=small", "+search=same"], "mlp"),
    ({"experiment/small": SMALL, "config": f"defaults: [project, experiment: small, _self_]\n{BASE}"}, [], "mlp"),
    ({"experiment/small": SMALL, "config": f"defaults: [project, experiment: null, _self_]\n{BASE}"},
     ["experiment=small"], "mlp"),
    ({"experiment/small": SMALL, "config": f"defaults: [assembler, override recipe: mlp, _self_]\n{BASE}"},
     ["+experiment=small"], "mlp"),
    ({"experiment/small": SMALL, "config": f"defaults: [assembler, override recipe: gated, _self_]\n{BASE}"},
     ["+experiment=small", "recipe=mlp"], "mlp"),
    ({"config": f"defaults: [project, override recipe: lenet5, _self_]\n{BASE}"}, [], "lenet5"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "arguments", "recipe"), KEPT)
def test_a_file_from_the_command_line_chooses(project, files, arguments, recipe):
    assert recipe_of(project(files, PLAIN, *arguments)) == recipe


OVERRIDES = f"defaults: [assembler, override recipe: gated, _self_]\n{BASE}"
AWAY = "Move the overrides of conf/config.yaml into a file beside it, and name that in its defaults; or add"
DROPPED = [
    # files, arguments, the message
    ({"experiment/small": SMALL, "config": OVERRIDES}, ["+experiment=small"],
     "conf/experiment/small.yaml chooses recipe=mlp, but conf/config.yaml overrides it with recipe=gated. "
     f"{AWAY} recipe=mlp to the command line\n"),
    ({"search/small": SMALL, "config": OVERRIDES}, ["+search=small"],
     "conf/search/small.yaml chooses recipe=mlp, but conf/config.yaml overrides it with recipe=gated. "
     f"{AWAY} recipe=mlp to the command line\n"),
    ({"experiment/small": SMALL, "config": OVERRIDES.replace("_self_", "experiment: null, _self_").replace(
        "override recipe: gated, experiment: null, _self_", "experiment: null, _self_, override recipe: gated")},
     ["experiment=small"],
     "conf/experiment/small.yaml chooses recipe=mlp, but conf/config.yaml overrides it with recipe=gated. "
     f"{AWAY} recipe=mlp to the command line\n"),
    ({"experiment/small": SMALL, "config": OVERRIDES.replace("recipe: gated", "checks: full")}, ["+experiment=small"],
     "conf/experiment/small.yaml chooses checks=none, but conf/config.yaml overrides it with checks=full. "
     f"{AWAY} checks=none to the command line\n"),
    ({"experiment/small": SMALL, "search/other": "defaults: [override /recipe: lenet5]\n"},
     ["+experiment=small", "+search=other"],
     "conf/experiment/small.yaml chooses recipe=mlp, but conf/search/other.yaml overrides it with recipe=lenet5. "
     "Choose one on the command line: recipe=mlp\n"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "arguments", "message"), DROPPED)
def test_a_choice_that_hydra_would_drop_is_refused(project, files, arguments, message):
    done = project(files, PLAIN, *arguments)
    assert (done.code, done.out, done.err) == (2, "", message)


@pytest.mark.parametrize("files", [{"experiment/small": SMALL, "config": OVERRIDES}])
def test_a_job_whose_choice_hydra_would_drop_is_refused(project, files):
    done = project(files, "-m", "+experiment=small", "seed=1,2", PLAIN)
    assert done.code == 2
    assert (
        "conf/experiment/small.yaml chooses recipe=mlp, but conf/config.yaml overrides it with recipe=gated" in done.err
    )
