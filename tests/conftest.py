"""Fixtures. MindSpore is prepared once, as a run does it."""

import os
import runpy
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra

from assembler import LAYERS
from assembler.runtime import device
from assembler.settings import DeviceSettings

ROOT = Path(__file__).parent.parent

RECIPES = sorted(path.stem for path in (ROOT / "conf" / "recipe").glob("*.yaml") if path.stem != "yolo")
"""The recipes that ship, but for the one that reads a file; tests/test_yolo.py is of that."""

DIAGRAMS = ["diagram.mmd", *(["diagram.svg"] if shutil.which("dot") else [])]
"""What a run leaves of a diagram on this machine."""


@pytest.fixture(scope="session", autouse=True)
def _prepared_device():
    device.prepare(device.pick(DeviceSettings()))


@dataclass
class Run:
    code: int
    out: str
    err: str
    folder: Path


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Call run.py in this process, in an empty working directory; the run folder is ``run`` or ``sweep`` there."""
    monkeypatch.chdir(tmp_path)
    # A test's own layers are imported from its working directory, and forgotten with it, as is what it registers and trusts.
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(LAYERS) > 100  # they are read
    monkeypatch.setattr(LAYERS, "_entries", dict(LAYERS._entries))
    monkeypatch.setattr(LAYERS, "trusted", LAYERS.trusted)
    monkeypatch.setattr(LAYERS, "modules", ())

    def call(*arguments: str, script: Path = ROOT / "run.py") -> Run:
        where = "hydra.sweep.dir=sweep" if "-m" in arguments else "hydra.run.dir=run"
        chosen = "--help" in arguments or any(argument.startswith("hydra.run.dir=") for argument in arguments)
        extra = [] if chosen else [where]
        monkeypatch.setattr(sys, "argv", [str(script), *arguments, *extra])
        monkeypatch.setitem(os.environ, "HYDRA_FULL_ERROR", "")
        # Hydra composes everything once more to ask for hydra.mode, which nothing here sets: a third of the suite's time.
        monkeypatch.setattr(Hydra, "get_mode", lambda self, **_: None)
        GlobalHydra.instance().clear()
        from assembler import launch

        monkeypatch.setattr(launch, "_codes", [])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(script), run_name="__main__")
        printed = capfd.readouterr()
        return Run(stop.value.code, printed.out, printed.err, tmp_path / ("sweep" if "-m" in arguments else "run"))

    yield call
    for name in [name for name, module in sys.modules.items() if _lies_below(module, tmp_path)]:
        del sys.modules[name]


def _lies_below(module, folder):
    return str(getattr(module, "__file__", None) or "").startswith(str(folder))


MINE = ("--config-dir", "conf", "recipe=mine")


@pytest.fixture
def recipe_file(tmp_path):
    """Write a recipe file, found by --config-dir."""

    def write(text, name="mine"):
        folder = tmp_path / "conf" / "recipe"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").write_text(text)

    return write
