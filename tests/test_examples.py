"""Every code block of the pages in docs/ is run, in order, and prints and draws what its page shows."""

import difflib
import importlib.util
import re
import sys

import pytest

from tests.conftest import ROOT

DOCS = ROOT / "docs"


def script(name):
    """A module of docs/scripts, which is no package; there, modules import each other by name."""
    if str(DOCS / "scripts") not in sys.path:
        sys.path.append(str(DOCS / "scripts"))
    spec = importlib.util.spec_from_file_location(f"docs_scripts_{name}", DOCS / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


examples = script("examples")
PAGES = [
    DOCS / "index.md",
    DOCS / "tutorial.md",
    *sorted(page for page in (DOCS / "how-to").glob("*.md") if page.suffixes == [".md"]),
]
NAMES = [str(page.relative_to(DOCS)) for page in PAGES]


@pytest.mark.slow  # a process for each command
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_page_shows_what_its_examples_print_and_draw(page):
    for file, text in examples.changed_files(page):
        lines = difflib.unified_diff(file.read_text().splitlines(), text.splitlines(), lineterm="", n=1)
        pytest.fail(
            f"python docs/scripts/examples.py docs/{page.relative_to(DOCS)} changes {file}:\n" + "\n".join(lines)
        )


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_of_a_page_is_run_or_written(page):
    text = page.read_text()
    for block in examples.BLOCK.finditer(text):
        assert block["title"] or block["language"] in ("console", "bash", "text"), block[0]
    assert text.count("```") == 2 * len(examples.BLOCK.findall(text))


def test_a_page_in_chinese_has_the_code_and_the_pictures_of_the_page_in_english():
    for page in DOCS.rglob("*.zh.md"):
        english = page.with_name(page.name.replace(".zh.md", ".md"))
        assert examples.code_of(page) == examples.code_of(english)
        pictures = [re.findall(r"\]\(([\w./-]+\.(?:svg|png))\)", one.read_text()) for one in (page, english)]
        assert pictures[0] == pictures[1]


def test_code_in_chinese_may_differ_in_comments_and_docstrings(tmp_path):
    english, chinese, other = (tmp_path / name for name in ("a.md", "a.zh.md", "b.md"))
    english.write_text('```python title="a.py, at the end"\ndef f():\n    """One."""\n    return 1  # one\n```\n')
    chinese.write_text('```python title="a.py，末尾"\ndef f():\n    """一。"""\n    return 1  # 一\n```\n')
    other.write_text('```python title="a.py, at the end"\ndef f():\n    """One."""\n    return 2  # one\n```\n')
    assert examples.code_of(english) == examples.code_of(chinese) != examples.code_of(other)
    assert examples.chinese(english) == chinese


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
    text = "│ mean │ 1.07e-09 │ [-2.011e-06, 2.011e-06] │\n│ range │ [14.84, 23.04] │ 529 │ 2.1 KiB │ 0.01948 │ 0.1\nsaved in outputs/2026-01-02/03-04-05-000006 in 1.5 s \n"
    assert (
        examples.comparable(text)
        == "│ mean │ # │ [#, #] │\n│ range │ [#, #] │ 529 │ 2.1 KiB │ # │ #\nsaved in outputs/2026-11-24/15-00-00-000000 in # s"
    )
