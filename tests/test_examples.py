"""Every code block of the pages in docs/ is run, in order, and prints and draws what its page shows."""

import importlib.util
import re
import sys

import pytest

from tests.conftest import ROOT

DOCS = ROOT / "docs"


def script(name):
    """A module of docs/scripts, which is no package."""
    spec = importlib.util.spec_from_file_location(f"docs_scripts_{name}", DOCS / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


examples = script("examples")
PAGES = [DOCS / "tutorial.md", *sorted(page for page in (DOCS / "how-to").glob("*.md") if page.suffixes == [".md"])]
CHINESE = sorted(DOCS.rglob("*.zh.md"))
NAMES = [str(page.relative_to(DOCS)) for page in PAGES]


@pytest.mark.slow  # a process for each command
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_page_shows_what_its_examples_print_and_draw(page):
    assert [(file.name, text) for file, text in examples.changed_files(page)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_of_a_page_is_run_or_written(page):
    text = page.read_text()
    for block in examples.BLOCK.finditer(text):
        assert block["title"] or block["language"] in ("console", "bash", "text"), block[0]
    assert text.count("```") == 2 * len(examples.BLOCK.findall(text))


@pytest.mark.parametrize("page", CHINESE, ids=[str(page.relative_to(DOCS)) for page in CHINESE])
def test_a_page_in_chinese_has_the_code_of_the_page_in_english(page):
    english = page.with_name(page.name.replace(".zh.md", ".md"))
    assert examples.code_of(page) == examples.code_of(english)
    pictures = [re.findall(r"\]\(([\w./-]+\.(?:svg|png))\)", one.read_text()) for one in (page, english)]
    assert pictures[0] == pictures[1]


def test_an_example_that_fails_is_reported(tmp_path):
    page = tmp_path / "page.md"
    page.write_text('```python title="a.py"\nraise SystemExit(3)\n```\n\n```console\n$ python a.py\n```\n')
    (tmp_path / "empty").mkdir()
    with pytest.raises(examples.ExampleFails) as error:
        examples.run_page(page, tmp_path / "empty")
    assert str(error.value) == "exit code 3: python a.py\n"


def test_another_output_and_another_picture_are_changes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text('```text title="a"\nnew\n```\n\n```console\n$ cat a\nold\n```\n')
    ((file, text),) = examples.changed_files(page)
    assert (file, text) == (page, page.read_text().replace("old", "new"))
    assert examples.labels("<text x='1'>A</text><text>B</text>") == ["A", "B"]


def test_rounding_times_and_places_do_not_count():
    text = "│ mean │ 1.07e-09 │ [-2.011e-06, 2.011e-06] │\n│ range │ [14.84, 23.04] │ 529 │ 0.01948\nsaved in outputs/2026-01-02/03-04-05-000006 in 1.5 s \n"
    assert (
        examples.comparable(text)
        == "│ mean │ # │ [#, #] │\n│ range │ [#, #] │ 529 │ #\nsaved in outputs/2026-11-24/15-00-00-000000 in # s"
    )
