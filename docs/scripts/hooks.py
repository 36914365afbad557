"""What MkDocs calls: pages that are generated are written before the site is built."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import chinese  # noqa: E402 - beside this file
import pages  # noqa: E402


def on_pre_build(config: Any) -> None:
    """Write docs/reference/."""
    pages.write_all(Path(config["docs_dir"]) / "reference")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Lead links to files beside docs/ to their pages, and prepare the pages of the site in Chinese."""
    file = Path(page.file.abs_src_path)
    if chinese.is_chinese(file):
        markdown = chinese.as_shown(markdown, chinese.english(file).read_text(encoding="utf-8"))
    elif config.theme["language"] == "zh":
        markdown = chinese.without_translation(markdown)
    return pages.with_links_of_the_site(markdown, page.file.src_uri)
