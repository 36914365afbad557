"""Sentences in README, SECURITY and docs/ are short, and use the field's words: see tests/test_words.py for the table."""

import re

import pytest

from tests.conftest import ROOT
from tests.test_words import PLAIN

LONGEST = 30
"""Words in a sentence."""

PAGES = [
    str(page.relative_to(ROOT))
    for page in [
        *(ROOT / name for name in ("README.md", "SECURITY.md", "editors/README.md", "editors/vscode/README.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    if not page.name.endswith((".zh.md", ".zh-CN.md")) and "reference" not in page.parts  # generated
]


def prose(text):
    """The paragraphs, list items and cells of tables of a page, without code.

    A piece of code is one word, ``x``, and so is a list of them.
    """
    text = re.sub(r"^---\n.*?^---\n|^```.*?^```$|^<.*?>$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`+[^`]+`+", "x", re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text))
    text = re.sub(r"\bx\b(?:,? (?:and |or )?x\b)+", "x", text)
    text = re.sub(r"^(?:\||- |\d+\. |#+ )", "\n\n", text, flags=re.MULTILINE).replace("|", "\n\n")
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip(" \n-:")]


def sentences(text):
    return [one for part in prose(text) for one in re.split(r"(?<=[.!?;])\s+", part)]


def long_sentences(text):
    return [one for one in sentences(text) if len(one.split()) > LONGEST]


@pytest.mark.parametrize("page", PAGES)
def test_sentences_are_short(page):
    assert long_sentences((ROOT / page).read_text()) == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_use_plain_words(page):
    text = " ".join(prose((ROOT / page).read_text()))
    found = {match[0]: plain for pattern, plain in PLAIN.items() if (match := re.search(pattern, text))}
    assert found == {}


def test_sentences_of_paragraphs_lists_and_tables_are_found():
    text = "---\na: b\n---\n# T\n\nOne `a b c` [two](x.md). Three:\n\n- item\n\n| a | b c |\n| --- | --- |\n\n```yaml\nno: no\n```\n"
    assert sentences(text) == ["T", "One x two.", "Three:", "item", "a", "b c"]
    assert long_sentences(" ".join(["word"] * 31) + ".") == [" ".join(["word"] * 31) + "."]
