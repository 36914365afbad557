"""Times of contenders that run alternately, and their ratio."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable
from statistics import median


def cpu_of_children() -> float:
    """Seconds of CPU, user and system, of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(
    rounds: int, *contenders: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> list[list[float]]:
    """Seconds of each contender, measured alternately; the first round is not counted."""
    seconds: list[list[float]] = [[] for _ in contenders]
    for round_ in range(rounds + 1):
        for times, contender in zip(seconds, contenders, strict=True):
            gc.collect()
            start = clock()
            contender()
            if round_:
                times.append(clock() - start)
    return seconds


def report(what: str, ours: list[float], theirs: list[float], bound: str) -> None:
    pairs = [one / other for one, other in zip(ours, theirs, strict=True)]
    print(
        f"{what:<58} {median(ours) * 1e3:9.2f} ms {median(theirs) * 1e3:9.2f} ms"
        f" {median(pairs):6.2f}x ({min(pairs):.2f} to {max(pairs):.2f})  {bound}"
    )
