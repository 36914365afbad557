"""Two trees of parts → the fewest edits.

Parts of two lists are aligned by the least cost, where a part costs by its size if it is removed or added, and a part
of the same kind costs one edit if its own text differs, and then whatever differs inside. For ``A + B + C`` and
``A + B(2) + D + C`` the edits are ``B → B(2)`` and ``+ D``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TypeAlias

from assembler.views.diff.parts import Part

_ONE_SIDED, _REPLACED, _TEXT = 4, 3, 4
"""What it costs to remove or add a part, by its size; to replace one by another, by both sizes; to change its text."""

MAX_PAIRS = 1_000_000
"""Pairs of parts that are compared to align two lists. In longer lists, parts are paired by their position."""

Pair: TypeAlias = tuple[Part | None, Part | None]


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit, or several equal ones.

    Args:
        before, after: the part; None if it was added, or removed.
        parameters, macs: what all of them cost.
        before_paths, after_paths: where these parts are in the models.
    """

    before: Part | None
    after: Part | None
    parameters: int
    macs: int
    before_paths: tuple[str, ...] = ()
    after_paths: tuple[str, ...] = ()

    @property
    def times(self) -> int:
        """How many equal edits."""
        return max(len(self.before_paths), len(self.after_paths))

    @property
    def name(self) -> str:
        """``added``, ``removed`` or ``changed``."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    @property
    def sign(self) -> str:
        """``+``, ``-`` or ``~``."""
        return {"added": "+", "removed": "-", "changed": "~"}[self.name]

    @property
    def sides(self) -> tuple[tuple[Part | None, tuple[str, ...]], tuple[Part | None, tuple[str, ...]]]:
        """The part and its paths, before and after."""
        return ((self.before, self.before_paths), (self.after, self.after_paths))


def script(before: Sequence[Part], after: Sequence[Part], redefined: frozenset[str] = frozenset()) -> list[Edit]:
    """The edits that lead from some parts to others, in reading order; equal ones are one.

    Args:
        redefined: blocks whose definitions differ.
    """
    found: dict[object, Edit] = {}
    for edit in _Aligner(redefined).edits(before, after):
        inside = edit.before is None or edit.after is None
        key = tuple(one and (one.key if inside else (one.kind, one.text)) for one in (edit.before, edit.after))
        first = found.get(key)
        found[key] = edit if first is None else _joined(first, edit)
    return list(found.values())


def _joined(first: Edit, other: Edit) -> Edit:
    return replace(
        first,
        parameters=first.parameters + other.parameters,
        macs=first.macs + other.macs,
        before_paths=(*first.before_paths, *other.before_paths),
        after_paths=(*first.after_paths, *other.after_paths),
    )


class _Aligner:
    def __init__(self, redefined: frozenset[str]):
        self.redefined = redefined
        self.costs: dict[tuple[int, int], int] = {}

    def edits(self, before: Sequence[Part], after: Sequence[Part]) -> Iterator[Edit]:
        for old, new in self.aligned(before, after):
            if old is None or new is None or not self.is_same(old, new):
                yield _edit(old, new)
            elif old.key != new.key:
                yield from self.changed(old, new)

    def changed(self, old: Part, new: Part) -> Iterator[Edit]:
        """The edits of a part that is there before and after."""
        follows = self.follows(old, new)
        if old.text != new.text:
            yield _edit(old, new, own=not follows)
        if not follows:
            yield from self.edits(old.inside, new.inside)

    def follows(self, old: Part, new: Part) -> bool:
        """Whether all that differs inside follows from the arguments: in uses of a block that is defined alike."""
        kind, _, name = old.kind.partition(" ")
        return kind == "block" and old.text != new.text and name not in self.redefined

    def is_same(self, old: Part, new: Part) -> bool:
        """Whether the one is the other changed, and not another in its place."""
        return old.kind == new.kind and self.inner_cost(old, new) <= _REPLACED * (old.size + new.size)

    def cost(self, old: Part, new: Part) -> int:
        if old.key == new.key:
            return 0
        key = (old.key, new.key)
        if key not in self.costs:
            replaced = _REPLACED * (old.size + new.size)
            self.costs[key] = min(replaced, self.inner_cost(old, new)) if old.kind == new.kind else replaced
        return self.costs[key]

    def inner_cost(self, old: Part, new: Part) -> int:
        own = _TEXT if old.text != new.text else 0
        if self.follows(old, new):
            return own
        pairs = self.aligned(old.inside, new.inside)
        return own + sum(self.pair_cost(*pair) for pair in pairs)

    def pair_cost(self, old: Part | None, new: Part | None) -> int:
        if old is not None and new is not None:
            return self.cost(old, new)
        return _ONE_SIDED * ((old.size if old else 0) + (new.size if new else 0))

    def aligned(self, before: Sequence[Part], after: Sequence[Part]) -> list[Pair]:
        """Pairs of parts in order, by the least cost; None where a part has no other."""
        same = len(list(takewhile(_are_equal, zip(before, after, strict=False))))
        left, right = before[same:], after[same:]
        tail = len(list(takewhile(_are_equal, zip(reversed(left), reversed(right), strict=False))))
        middle = self.least(left[: len(left) - tail], right[: len(right) - tail])
        ends: list[Pair] = list(zip(before[:same], after[:same], strict=True))
        return [*ends, *middle, *zip(left[len(left) - tail :], right[len(right) - tail :], strict=True)]

    def least(self, before: Sequence[Part], after: Sequence[Part]) -> list[Pair]:
        """As ``aligned``, of lists whose ends differ."""
        if len(before) * len(after) > MAX_PAIRS:
            both = min(len(before), len(after))
            rest: list[Pair] = [(old, None) for old in before[both:]]
            return [*zip(before, after, strict=False), *rest, *((None, new) for new in after[both:])]
        # least[i][j]: what the parts from i and from j on cost
        least = [[0] * (len(after) + 1) for _ in range(len(before) + 1)]
        for at in reversed(range(len(before))):
            least[at][-1] = least[at + 1][-1] + _ONE_SIDED * before[at].size
        for at in reversed(range(len(after))):
            least[-1][at] = least[-1][at + 1] + _ONE_SIDED * after[at].size
        for i in reversed(range(len(before))):
            for j in reversed(range(len(after))):
                least[i][j] = min(
                    self.cost(before[i], after[j]) + least[i + 1][j + 1],
                    _ONE_SIDED * before[i].size + least[i + 1][j],
                    _ONE_SIDED * after[j].size + least[i][j + 1],
                )
        return list(self.walked(before, after, least))

    def walked(self, before: Sequence[Part], after: Sequence[Part], least: Sequence[Sequence[int]]) -> Iterator[Pair]:
        """The pairs of the least cost. Of equal costs, parts are paired first, so that a turn is added at the end."""
        i = j = 0
        while i < len(before) or j < len(after):
            if i < len(before) and j < len(after):
                paired = self.cost(before[i], after[j]) + least[i + 1][j + 1]
                if least[i][j] == paired:
                    yield before[i], after[j]
                    i, j = i + 1, j + 1
                    continue
            if i < len(before) and least[i][j] == _ONE_SIDED * before[i].size + least[i + 1][j]:
                yield before[i], None
                i += 1
            else:
                yield None, after[j]
                j += 1


def _are_equal(pair: tuple[Part, Part]) -> bool:
    return pair[0].key == pair[1].key


def _edit(old: Part | None, new: Part | None, own: bool = False) -> Edit:
    """An edit of a whole part, or of its text alone."""
    if own:
        assert old is not None
        assert new is not None
        figures = (new.own[0] - old.own[0], new.own[1] - old.own[1])
    else:
        figures = (
            (new.parameters if new else 0) - (old.parameters if old else 0),
            (new.macs if new else 0) - (old.macs if old else 0),
        )
    return Edit(old, new, *figures, (old.path,) if old else (), (new.path,) if new else ())
