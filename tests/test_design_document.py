"""docs/design.md describes the house that is there: its packages, its files, and an example with the values it prints."""

import doctest
import re

import pytest

from tests.conftest import ROOT
from tests.test_floors import FLOORS, MODULES

DESIGN = (ROOT / "docs" / "design.md").read_text()


def section(heading):
    return DESIGN.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def table(heading):
    """The cells of the first table under a heading, without its head."""
    rows = [line.strip("| ").split(" | ") for line in section(heading).splitlines() if line.startswith("|")]
    return rows[2:]


def named(text):
    return re.findall(r"`([\w/.]+)`", text)


def modules_of(package):
    """The modules of a package, and the packages in it."""
    inside = (name.split(".")[1] for name in MODULES if name.startswith(f"{package}."))
    return {name for name in inside if not name.startswith("_")}


def test_the_floors_are_listed_the_lowest_first():
    listed = [set(named(row[0])) for row in table("Floors")]
    assert set.union(*listed) == set(" ".join(FLOORS).split())
    height = {name: at for at, names in enumerate(listed) for name in names}
    order = [height[name] for names in FLOORS for name in names.split()]
    assert order == sorted(order)


ROWS = {package: row[2] for row in table("Floors") for package in named(row[0]) if modules_of(package)}
"""What the table says of each package. In its last column, what is in backticks is a module."""


@pytest.mark.parametrize("package", ROWS)
def test_every_module_of_a_package_is_listed(package):
    assert set(named(ROWS[package])) == modules_of(package)


def test_every_file_that_a_question_leads_to_is_there():
    rows = table("Where is …?")
    assert len(rows) >= 15
    for question, answer in rows:
        files = [name for name in named(answer) if name.endswith(".py")]
        assert files, question
        for file in files:
            assert (ROOT / "assembler" / file).is_file(), f"{question} {file}"


def test_every_module_in_the_text_is_there():
    """Such as ``planning/probing``."""
    paths = {name for name in named(DESIGN) if re.fullmatch(r"[a-z_]+/[a-z_/]+", name)} - {
        "docs/reference/"
    }  # generated
    assert len(paths) > 20
    places = (ROOT, ROOT / "assembler")
    assert not {
        path for path in paths if not any((at / path).is_dir() or (at / f"{path}.py").is_file() for at in places)
    }


def test_the_glossary_explains_each_word_in_a_line():
    words = [row[0] for row in table("Words")]
    assert len(words) == len(set(words)) >= 27
    assert all(len(row) == 2 for row in table("Words"))


@pytest.mark.filterwarnings("ignore")
def test_the_example_prints_what_is_shown(tmp_path, monkeypatch):
    example = section("One example, all stages")
    (recipe,) = re.findall(r"```yaml\n# (tiny\.yaml)\n(.*?)```", example, re.DOTALL)
    (tmp_path / recipe[0]).write_text(recipe[1])
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```pycon\n(.*?)```", example, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, {}, "example", "docs/design.md", 0)
    report = []
    found = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert found.attempted > 20
    assert not found.failed, "".join(report)
