"""Another project installs the assembler and uses it beside folders of its own with the same names.

What is slow here installs wheels into virtual environments, one for each line of Hydra that is supported.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from filelock import FileLock

from tests.conftest import ROOT
from tests.test_docs import STEPS, STEPS_SHOWN, write_steps

EXAMPLE = ROOT / "examples" / "other_project"
LINES = {"1.3": "hydra-core>=1.3.8,<1.4", "1.4": "hydra-core>=1.4.0rc1,<1.5"}
"""The lines of Hydra that pyproject.toml admits, and what to type for the newest of each."""


# ---- the example, with this process's own MindSpore and Hydra


@pytest.fixture
def example(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "theirs", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "theirs"


@pytest.fixture
def run_example(run, example, monkeypatch):
    """Run the example's script from a folder that is not its own."""
    monkeypatch.syspath_prepend(str(example))
    return lambda *arguments: run(*arguments, script=example / "run.py")


@pytest.mark.parametrize("recipe", ["bearing", pytest.param("raw", marks=pytest.mark.slow)])
def test_every_check_of_the_example_passes(run_example, recipe):
    done = run_example(f"recipe={recipe}", "checks=full")
    assert (done.code, done.err) == (0, "")
    marks = dict(re.findall(r"^([\w.]+) +(passed|–|FAILED) ", done.out, re.MULTILINE))
    assert [name for name, mark in marks.items() if mark != "passed"] == ["frozen"]
    assert {"checks.sums_to_one", "reference", "modes", "trains"} <= set(marks)


def test_the_example_takes_up_one_of_our_recipes(run_example):
    done = run_example("recipe=spectrogram", "task=plan")
    assert (done.code, done.err) == (0, "")
    assert "expect.trainable  passed  4,907,844" in done.out


def test_a_script_is_trusted_with_what_its_own_folder_trusts(run_example, example):
    (example / "pyproject.toml").unlink()
    done = run_example("task=plan")
    assert (done.code, done.out) == (2, "")
    assert "layers.bands.Bands is in 'layers', which is not trusted." in done.err


# ---- what is built


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder that all workers of this session see."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    base = tmp_path_factory.getbasetemp()
    return base.parent if worker else base


def made_once(folder, make):
    """The folder, made by whoever comes first."""
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            make(folder)
    return folder


@pytest.fixture(scope="session")
def tree(shared):
    """A copy of the project, for building leaves files behind."""
    left_out = shutil.ignore_patterns(
        ".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "outputs", "multirun"
    )
    return made_once(shared / "tree", lambda to: shutil.copytree(ROOT, to, symlinks=True, ignore=left_out))


@pytest.fixture(scope="session")
def wheel(shared, tree):
    def build(folder):
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, tree]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    (built,) = made_once(shared / "wheel", build).glob("*.whl")
    return built


def in_wheel(file):
    with zipfile.ZipFile(file) as opened:
        return {name: opened.read(name) for name in opened.namelist() if ".dist-info/" not in name}


def differences(some, others):
    """The names of files that are not in both, or hold something else."""
    return sorted(name for name in some.keys() | others.keys() if some.get(name) != others.get(name))


@pytest.mark.slow
def test_a_wheel_and_a_source_archive_hold_the_package_and_nothing_else(tree, wheel, tmp_path):
    there = {}
    for folder, _, files in os.walk(tree / "assembler", followlinks=True):
        there |= {str((Path(folder) / name).relative_to(tree)): (Path(folder) / name).read_bytes() for name in files}
    assert {"assembler/layers/centered.py", "assembler/conf/recipe/mlp.yaml", "assembler/py.typed"} <= set(there)
    assert differences(in_wheel(wheel), there) == []

    copy = shutil.copytree(tree, tmp_path / "copy", symlinks=True)
    command = [sys.executable, "-m", "build", "--outdir", tmp_path, copy]  # the wheel from the archive
    subprocess.run(command, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        members = [member for member in opened if not member.isdir()]
        assert all(member.isfile() for member in members)  # no links
        held = {member.name.partition("/")[2]: opened.extractfile(member).read() for member in members}
    assert differences({name: text for name, text in held.items() if name.startswith("assembler/")}, there) == []
    assert not [name for name in held if name.startswith(("tests", "benchmarks", "docs", "examples"))]
    assert differences(in_wheel(next(tmp_path.glob("*.whl"))), there) == []


# ---- what is installed


class Environment:
    """A virtual environment with a wheel of ours in it, seen from a folder that is not a project's."""

    def __init__(self, folder, cwd):
        self.python = folder / "bin" / "python"
        self.cwd = cwd
        self.clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}

    def __call__(self, *arguments, cwd=None):
        """Run Python; the exit code, what was printed, and what was complained of."""
        done = subprocess.run(
            [self.python, *arguments], cwd=cwd or self.cwd, env=self.clean, capture_output=True, text=True, timeout=300
        )
        return done.returncode, done.stdout, done.stderr


def install(folder, line, wheel):
    """A new virtual environment with the wheel and the newest Hydra of a line."""
    venv.create(folder, with_pip=True)
    constraints = folder / "constraints.txt"
    ours = (ROOT / ".ci" / "constraints.txt").read_text().splitlines() if sys.version_info[:2] == (3, 11) else []
    constraints.write_text("\n".join(one for one in ours if not one.startswith(("hydra-core==", "omegaconf=="))))
    environment = {**os.environ, "PIP_CONSTRAINT": str(constraints)}
    for what in (["--pre", LINES[line]], [str(wheel)]):
        command = [folder / "bin" / "python", "-m", "pip", "install", "-q", *what]
        subprocess.run(command, env=environment, check=True, capture_output=True)


@pytest.fixture(scope="session", params=LINES)
def installed(request, shared, wheel):
    line = request.param
    folder = made_once(shared / f"hydra-{line}", lambda to: install(to, line, wheel))
    return folder, line


@pytest.fixture
def elsewhere(installed, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    return Environment(installed[0], tmp_path / "elsewhere")


def site_packages(environment):
    return next((environment / "lib").glob("python*")) / "site-packages"


@pytest.mark.slow
def test_the_environment_has_the_wheel_and_that_hydra(elsewhere, installed):
    code = "import hydra, assembler, assembler.layers as layers; print(hydra.__version__, assembler.__file__, layers.__file__)"
    version, *files = elsewhere("-c", code)[1].split()
    assert version.startswith(f"{installed[1]}.")
    assert all(Path(file).is_relative_to(installed[0]) for file in files)


@pytest.mark.slow
def test_the_example_runs_where_the_wheel_is_installed(elsewhere, example):
    code, out, complaints = elsewhere(example / "run.py", "checks=full")
    assert (code, complaints) == (0, "")
    assert "checks.sums_to_one  passed  " in out
    code, out, complaints = elsewhere(example / "run.py", "recipe=spectrogram", "task=plan")
    assert (code, complaints) == (0, "")
    assert "expect.trainable  passed  4,907,844" in out
    library = ("recipe=inline", 'recipe.stack="mint.Linear(8, 2)"', "recipe.input.shape=[4,8]", "task=plan")
    assert elsewhere(example / "run.py", *library)[::2] == (0, "")
    code, out, complaints = elsewhere("-m", "run", "recipe=lenet5", cwd=example)  # ours
    assert (code, complaints) == (0, "")
    assert "expect.trainable  passed  61,706" in out
    assert (example / "outputs").is_dir()


@pytest.mark.slow
def test_the_commands_run_where_the_wheel_is_installed(elsewhere, example):
    """In an empty folder, and in that of a project, whose layers its pyproject.toml names."""
    for typed in (["new", "first"], ["run", "first"], ["plan", "Dense(8, 128) + Centered", "--input", "4,8"]):
        code, out, complaints = elsewhere("-m", "assembler", *typed)
        assert (code, complaints) == (0, "")
    net = elsewhere.cwd / "net.yaml"
    net.write_text("defaults: [lenet5, _self_]\nname: net\n")
    for command in ([example / "run.py", f"recipe={net}", "task=plan"], ["-m", "assembler", "plan", "net.yaml"]):
        code, out, complaints = elsewhere(*command)
        assert (code, complaints) == (0, "")
        assert re.search(r"^expect\.trainable +passed +61,706", out, re.MULTILINE)
    sweep = ("-m", "assembler", "sweep", f"bearing,{net}", "seed=1,2", "sweep.name=files")
    for launcher in ([], ["hydra/launcher=joblib"]):  # the second resumes
        code, out, complaints = elsewhere(*sweep, *launcher, cwd=example)
        assert (code, complaints) == (0, "")
        assert "4 jobs: 4 passed\n" in out


@pytest.mark.slow
def test_the_example_sweeps_where_the_wheel_is_installed(elsewhere, example):
    sweep = ("-m", "recipe=bearing,raw,lenet5", "seed=1,2", "sweep.name=s")
    code, out, complaints = elsewhere(example / "run.py", *sweep)
    assert (code, complaints) == (0, "")
    assert "6 jobs: 6 passed\n" in out


@pytest.mark.slow
def test_a_mistake_in_the_example_has_its_line_where_the_wheel_is_installed(elsewhere, example):
    file = example / "conf" / "blocks" / "spectra.yaml"
    file.write_text(file.read_text().replace("Bands(_", "Bandz(_"))
    assert elsewhere(example / "run.py") == (
        2,
        "",
        f"{file}:2:46: 'Bandz' is not defined. Did you mean 'bands'?\n"
        "    Features(bands): Standardize + LogSpectrum + Bandz(_, bands)\n"
        "                                                 ^^^^^\n"
        f"  in the block Features, used at {example}/conf/recipe/bearing.yaml:8:5\n"
        "    - Features(bands)\n"
        "      ^^^^^^^^\n",
    )


@pytest.mark.slow
def test_the_example_reuses_its_recipe_from_python(elsewhere, example):
    code, out, complaints = elsewhere(example / "score.py")
    assert (code, complaints) == (0, "")
    assert re.fullmatch(r"29 Hz: (0\.\d\d ?){4}\n162 Hz: (0\.\d\d ?){4}\n", out)


@pytest.mark.slow
def test_the_steps_of_the_readme_lead_to_a_project(elsewhere, tmp_path):
    project = tmp_path / "new"
    write_steps(project)
    for arguments, shown in zip(STEPS, STEPS_SHOWN, strict=True):
        code, out, complaints = elsewhere("run.py", *arguments, cwd=project)
        assert (code, complaints) == (0, "")
        assert shown in out
    assert elsewhere("-m", "assembler", "validate", "gated", cwd=project) == (0, "1 file, no errors\n", "")
    code, out, complaints = elsewhere("-m", "assembler", "show", "Gate", cwd=project)
    assert (code, complaints) == (0, "")
    assert "stack: Gate(_)" in out


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["-m"], ["-m", "hydra/launcher=joblib"]], ids=["run", "sweep", "joblib"])
def test_a_recipe_says_nothing_to_hydra_where_the_wheel_is_installed(elsewhere, example, more):
    file = example / "conf" / "recipe" / "evil.yaml"
    file.write_text("# @package _global_\nhydra: {callbacks: {x: {_target_: os.mkdir, path: pwned}}}\n")
    code, _, complaints = elsewhere(example / "run.py", *more, "recipe=evil")
    assert code == 2
    assert "a recipe file cannot choose where its keys are placed; remove this line" in complaints
    assert not list(example.parent.rglob("pwned"))


@pytest.mark.slow
@pytest.mark.parametrize("installed", ["1.3"], indirect=True)
def test_the_example_runs_where_a_clone_is_installed_to_be_edited(installed, tree, example, tmp_path):
    """In an environment that has all that the other one has but the assembler."""
    folder, _ = installed
    own, beside = tmp_path / "env", tmp_path / "beside"
    clone = shutil.copytree(tree, tmp_path / "clone", symlinks=True)  # what is imported from it leaves files there
    venv.create(own, with_pip=True)
    beside.mkdir()
    for there in site_packages(folder).iterdir():
        if not there.name.startswith("assembler"):
            (beside / there.name).symlink_to(there)
    (site_packages(own) / "beside.pth").write_text(f"{beside}\n")
    pip = [own / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", "-e", clone]
    subprocess.run(pip, check=True, capture_output=True)
    environment = Environment(own, tmp_path)
    assert environment("-c", "import assembler; print(assembler.__file__)")[1].startswith(str(clone))
    code, out, complaints = environment(example / "run.py")
    assert (code, complaints) == (0, "")
    assert "checks.sums_to_one  passed  " in out
