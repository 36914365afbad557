"""The site in Chinese: ``PAGE.zh.md`` is ``PAGE.md`` in Chinese, with the same headings, code and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

HEADING = re.compile(r"^```.*?^```$|^(?P<heading>(?P<level>#+) (?P<title>[^\n]*))$", re.M | re.S)
"""A heading, or a code block, in which ``# …`` is a comment."""

ONLY_ENGLISH = '\n!!! note "本页只有英文版"\n'


def is_chinese(file: str | Path) -> bool:
    """Whether a page is written in Chinese."""
    return str(file).endswith(".zh.md")


def english(page: Path) -> Path:
    """The page in English of a page in Chinese."""
    return page.with_name(re.sub(r"\.zh(-CN)?\.md$", ".md", page.name))


def headings(markdown: str) -> Iterator[tuple[str, str]]:
    """(level, title) of each heading: ``("##", "Install")``."""
    return ((one["level"], one["title"]) for one in HEADING.finditer(markdown) if one["heading"])


def as_shown(chinese: str, english: str) -> str:
    """A page in Chinese as the site shows it. Its headings have the anchors of the page in English.

    So a link such as ``index.md#install`` is valid in both languages.

    >>> as_shown("# 首页", "# Start here")
    '# 首页 { #start-here }'
    """
    from markdown.extensions.toc import slugify  # comes with MkDocs

    anchors = (slugify(title, "-") for _, title in headings(english))

    def with_anchor(one: re.Match[str]) -> str:
        return f"{one[0]} {{ #{next(anchors)} }}" if one["heading"] else one[0]

    return HEADING.sub(with_anchor, chinese)


def without_translation(english: str) -> str:
    """A page in English as the site in Chinese shows it: a note below its title states the language."""
    return re.sub(r"^# .*\n", lambda title: f"{title[0]}{ONLY_ENGLISH}", english, count=1, flags=re.M)
