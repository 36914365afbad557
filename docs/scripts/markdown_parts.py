"""Markdown, put together."""

from __future__ import annotations


def joined(parts: list[str]) -> str:
    """Parts of a page with an empty line between them; empty parts are left out."""
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
