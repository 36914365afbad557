"""Python's search for cyclic garbage, which is rare in the assembler's own processes.

Python looks through the youngest objects whenever there are 700 more of them, and twice through all when a process
ends. MindSpore's import makes a million objects that stay: the searches take a fifth of a start's time, and half a
second of its end.
"""

from __future__ import annotations

import atexit
import gc

YOUNGEST = 50_000
"""Python looks through the youngest objects whenever there are so many more."""

OLDER = 20
"""It looks through the older ones after so many searches of the younger."""


SELDOM = 5
"""The same, in a process that lives on: what is there when it begins is not looked at any more."""


def set_up() -> None:
    """Let this process, which must be the assembler's own, search rarely, and not when it ends."""
    gc.set_threshold(YOUNGEST, OLDER, OLDER)
    atexit.register(gc.freeze)


def settle() -> None:
    """Let this process, which lives on, never look at what is there now, such as modules, and more often at the rest.

    The searches took a fifth of the time of small jobs.
    """
    gc.freeze()
    gc.set_threshold(YOUNGEST, SELDOM, SELDOM)
