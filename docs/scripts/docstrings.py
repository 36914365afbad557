"""Docstrings as mkdocstrings shows them: doctests become code, and reStructuredText becomes Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe


def as_markdown(text: str) -> str:
    """A docstring in Markdown.

    >>> print(as_markdown("See ``plan``.\\n\\n>>> 1 + 1\\n2"))
    See `plan`.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    """
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    return re.sub(r"^>>> .*(?:\n.+)*", r"```pycon\n\g<0>\n```", text, flags=re.M)


class Markdown(griffe.Extension):
    """Rewrites every docstring that griffe reads."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each function, class and module."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
