"""Pages in Chinese: their examples run, their headings match the English ones, their prose keeps the rules of typesetting."""

import difflib
import re

import pytest
import yaml

from tests.conftest import ROOT
from tests.test_examples import DOCS, examples, script

chinese = script("chinese")

PAGES = [DOCS / name for name in ("index.zh.md", "tutorial.zh.md", "how-to/layers.zh.md", "how-to/live-page.zh.md")]
NAMES = [str(page.relative_to(DOCS)) for page in PAGES]
README = ROOT / "README.zh-CN.md"

HAN = "一-龥"


def test_these_pages_are_in_chinese():
    assert sorted(DOCS.rglob("*.zh.md")) == sorted(PAGES)


@pytest.mark.slow  # a process for each command
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_page_in_chinese_shows_what_its_examples_print(page, tmp_path):
    written, found = page.read_text().splitlines(), examples.run_page(page, tmp_path).text.splitlines()
    assert list(difflib.unified_diff(written, found, lineterm="", n=0)) == []


def test_places_in_files_are_written_in_chinese(tmp_path):
    (tmp_path / "a.py").write_text("b\n")
    examples.write(tmp_path, "a.py，开头", "a\n")
    examples.write(tmp_path, "a.py，末尾", "c\n")
    assert (tmp_path / "a.py").read_text() == "a\nb\n\n\nc\n"
    assert [page.name for page in PAGES if re.search(r'title="[^"]*, at the', page.read_text())] == []


@pytest.mark.parametrize("page", [*PAGES, README], ids=[*NAMES, "README"])
def test_a_page_in_chinese_has_the_headings_of_the_page_in_english(page):
    levels = [[level for level, _ in chinese.headings(one.read_text())] for one in (page, chinese.english(page))]
    assert levels[0] == levels[1]


def test_the_readme_in_chinese_has_the_code_and_the_pictures_of_the_readme():
    english = ROOT / "README.md"
    assert examples.code_of(README) == examples.code_of(english)
    pictures = [re.findall(r"!\[[^]]*\]\(([^)]+)\)", one.read_text()) for one in (README, english)]
    assert pictures[0] == pictures[1]


def test_the_readmes_link_to_each_other_in_their_first_lines():
    for one, other in ((README, "README.md"), (ROOT / "README.md", README.name)):
        assert f"]({other})" in "".join(one.read_text().splitlines()[:3])


@pytest.mark.parametrize("page", [*PAGES, README], ids=[*NAMES, "README"])
def test_a_page_in_chinese_links_to_pages_in_chinese_where_they_exist(page):
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert not (page.parent / link).with_suffix(".zh.md").is_file()


def test_links_of_the_readme_in_chinese_lead_to_files():
    assert [link for link in re.findall(r"\]\(([^)#]+)", README.read_text()) if not (ROOT / link).is_file()] == []


def prose(text):
    """A page without code blocks and HTML, the text of links and pictures without their addresses."""
    text = re.sub(r"^---\n.*?^---\n|^```.*?^```$|^<.*?>$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", text)


RULES = {
    "no space between Chinese and code, letters or digits": rf"[{HAN}][`A-Za-z0-9]|[`A-Za-z0-9%][{HAN}]",
    "punctuation of English behind Chinese": rf"[{HAN}`][,;:?!()]|[{HAN}`]\.(?!\w)",
    "a line that ends inside a paragraph, which is shown as a space": rf"[{HAN}，。；：、][ ]*\n[ ]*[{HAN}A-Za-z`\[]",
}


def broken_rules(text):
    text = prose(text)
    return [f"{rule}: {match[0]!r}" for rule, pattern in RULES.items() for match in re.finditer(pattern, text)]


@pytest.mark.parametrize("page", [*PAGES, README], ids=[*NAMES, "README"])
def test_chinese_is_set_by_the_rules(page):
    assert broken_rules(page.read_text()) == []


@pytest.mark.parametrize(
    "text", ["用`_`代替", "用 MACs表示", "一个层,", "一个层(Dense)", "是 `Dense`.", "一行。\n又一行"]
)
def test_a_broken_rule_is_found(text):
    assert broken_rules(text) != []


@pytest.mark.slow  # needs the extra docs
def test_headings_have_the_anchors_of_the_page_in_english():
    pytest.importorskip("markdown")
    page, english = "# 首页\n```yaml\n# x\n```\n## 1. 安装 `x`\n", "# Start\n```yaml\n# x\n```\n## 1. Install `x`\n"
    assert chinese.as_shown(page, english) == (
        "# 首页 { #start }\n```yaml\n# x\n```\n## 1. 安装 `x` { #1-install-x }\n"
    )


def test_a_page_without_translation_has_a_note_below_its_title():
    shown = chinese.without_translation("---\nhide: [navigation]\n---\n\n# Export\n\nText.\n# Other\n")
    assert shown.count("本页只有英文版") == 1
    assert shown.index("# Export") < shown.index("本页只有英文版") < shown.index("Text.")


def test_the_search_of_the_site_finds_single_characters():
    plugins = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["plugins"]
    (separator,) = [one["search"]["separator"] for one in plugins if isinstance(one, dict) and "search" in one]
    assert [word for word in re.split(separator, "参数，Cell 与 safe-tensors") if word] == [
        *("参", "数", "Cell", "与", "safe", "tensors")
    ]
    assert re.split(separator, "参*") == ["参*"]  # a lone * would find every page
