"""What MkDocs calls: pages that are generated are written before the site is built."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import pages  # noqa: E402 - beside this file


def on_pre_build(config: Any) -> None:
    """Write docs/reference/."""
    pages.write_all(Path(config["docs_dir"]) / "reference")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to files beside docs/ to their pages."""
    return pages.with_links_of_the_site(markdown, page.file.src_uri)
