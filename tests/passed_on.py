"""Checks of one's own under another module's name."""

from tests.own_checks import smaller_than

__all__ = ["smaller_than"]
