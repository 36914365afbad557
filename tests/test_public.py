"""docs/api.md lists what is public, and all that it lists is there."""

import importlib
import re
import subprocess
import sys
from importlib.resources import files

import pytest

from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "api.md").read_text()
SECTIONS = dict(re.findall(r"^## `(\S+)`\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
PATHS = set(re.findall(r"`(assembler(?:\.\w+)*)`", TEXT))


def names_in(section):
    """The first column of its table, and what its other lines list."""
    listed = [line for line in section.splitlines() if line.startswith("`")]
    return [*re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE), *re.findall(r"`(\w+)`", " ".join(listed))]


@pytest.mark.parametrize("module", SECTIONS)
def test_the_names_of_a_module_are_those_that_are_listed(module):
    found = importlib.import_module(module)
    names = names_in(SECTIONS[module])
    assert sorted(names) == sorted(found.__all__)
    for name in names:
        assert getattr(found, name) is not None


@pytest.mark.parametrize("path", sorted(PATHS))
def test_a_path_that_is_listed_can_be_imported(path):
    importlib.import_module(path)


@pytest.mark.parametrize("path", sorted((ROOT / "layers").glob("[!_]*.py")), ids=lambda path: path.stem)
def test_a_layer_can_be_imported_by_hand(path):
    module = importlib.import_module(f"assembler.layers.{path.stem}")
    wanted = path.stem.replace("_", "")
    assert [name for name in vars(module) if name.casefold() == wanted], path.stem


def test_the_schemas_are_files_of_the_package():
    assert (files("assembler.schemas") / "recipe.json").is_file()


def test_the_command_line_is_that_of_the_module():
    done = subprocess.run([sys.executable, "-m", "assembler", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "validate" in done.stdout
