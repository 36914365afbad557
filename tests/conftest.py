"""Fixtures. MindSpore is prepared once, as a run does it."""

import base64
import functools
import gc
import gzip
import itertools
import os
import re
import runpy
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra

from assembler import LAYERS
from assembler.runtime import collector, exits
from assembler.settings import DeviceSettings

ROOT = Path(__file__).parent.parent

collector.set_up()  # as a run does

# An example may take long on a machine with other work; what never ends is for pytest's timeout.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

RECIPES = sorted(path.stem for path in (ROOT / "conf" / "recipe").glob("*.yaml") if path.stem != "yolo")
"""The recipes that ship, but for the one that reads a file; tests/test_yolo.py is of that."""


@pytest.fixture(scope="session")
def planned():
    """The plan of a recipe that ships; each is made once."""
    from assembler import plan

    return functools.cache(lambda name: plan(ROOT / "conf" / "recipe" / f"{name}.yaml"))


def mostly_slow(cases, quick):
    """Cases for ``parametrize``; those that ``quick`` does not accept are left out of `pytest`."""
    marks = {True: (), False: (pytest.mark.slow,)}
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=marks[quick(case)]) for case in cases]


def every_third(cases):
    """Cases for ``parametrize``, of which `pytest` takes every third; `pytest -m slow` takes the others."""
    numbers = itertools.count()
    return mostly_slow(cases, lambda _: next(numbers) % 3 == 0)


OF_EACH_KIND = ("centered", "fourier", "gpt2_small", "inline", "lenet5", "mlp", "mylinear", "resnet18", "swin_t", "t5_small",
                "unet", "vae")  # fmt: skip
"""Recipes with which `pytest` tests what holds for all that ship; `pytest -m slow` takes the others."""

ZOO = mostly_slow(RECIPES, OF_EACH_KIND.__contains__)
"""The recipes that ship, as cases."""


DIAGRAMS = ["diagram.mmd", "diagram.svg"]
"""What a run leaves of a diagram."""


SLOW = 1200
"""Seconds that a slow test may take; pyproject.toml says how many a quick one may."""

PLATFORM = "platform: "
"""How the reason of a skip begins that no installation can mend."""


@pytest.hookimpl(tryfirst=True)  # before slow ones are left out
def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where NO_SKIPS is set, as in CI, a test that is skipped for want of a program or a package fails."""
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if skipped and os.environ.get("NO_SKIPS") and PLATFORM not in str(report.longrepr):
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session", autouse=True)
def _prepared_device():
    from assembler.runtime import device  # the process that hands out the tests needs no MindSpore, which takes a while

    device.prepare(device.pick(DeviceSettings()))
    gc.collect()
    gc.freeze()  # what is imported stays: collections, of which graph mode makes many, took a third of the time


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
    monkeypatch.delenv("COLUMNS", raising=False)  # tables are as wide as in a file
    # A test's own layers are imported from its working directory, and forgotten with it, as is what it registers and trusts.
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(LAYERS) > 100  # they are read
    monkeypatch.setattr(LAYERS, "_entries", dict(LAYERS._entries))
    monkeypatch.setattr(LAYERS, "trusted", LAYERS.trusted)
    monkeypatch.setattr(LAYERS, "modules", ())

    def call(*arguments: str, script: Path = ROOT / "run.py", placed: bool = True) -> Run:
        where = "hydra.sweep.dir=sweep" if "-m" in arguments else "hydra.run.dir=run"
        chosen = "--help" in arguments or any(argument.startswith("hydra.run.dir=") for argument in arguments)
        chosen |= not placed  # the run goes where its configuration says
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

    handlers = {number: signal.getsignal(number) for number in exits.SIGNALS}
    yield call
    for number, handler in handlers.items():  # or a Ctrl-C here would be ignored from now on
        signal.signal(number, handler)
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


def data_of_page(html):
    """The data of the page of a sweep, as JSON."""
    (packed,) = re.findall(r'<script type="text/plain" id="data">([A-Za-z0-9+/=]*)</script>', html)
    return gzip.decompress(base64.b64decode(packed)).decode()
