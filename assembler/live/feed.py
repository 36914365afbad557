"""What the live page shows, part by part: the newest value of each, and its readers, who wait for newer ones."""

from __future__ import annotations

import threading


class Feed:
    """Parts by name, each with its newest value.

    A reader that is slow, or came late, gets the newest values and misses the others.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._parts: dict[str, tuple[int, str]] = {}
        self._number = 0

    def publish(self, name: str, value: str) -> None:
        """Replace a part. If it is the same as before, readers get nothing."""
        with self._changed:
            if self._parts.get(name, (0, None))[1] != value:
                self._number += 1
                self._parts[name] = (self._number, value)
                self._changed.notify_all()

    def newer(self, than: int, seconds: float) -> tuple[int, dict[str, str]]:
        """The parts that are newer than a number, and the number of the newest; none if none come within some seconds.

        Args:
            than: what this returned before; 0 at first.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._number > than, seconds)
            return self._number, {name: value for name, (number, value) in self._parts.items() if number > than}
