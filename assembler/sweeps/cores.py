"""A share of the machine's cores for each worker, so that workers do not compete for them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

THREADS = "OMP_NUM_THREADS"
"""Launchers set the number of threads of a worker with it. MindSpore's thread pools ignore it."""

_taken: list[FileLock] = []


def take_share() -> None:
    """Bind this process to as many cores as it may have threads, separate from other workers on this machine.

    It does nothing if the system does not support it, no number of threads is given, or all cores may be used. Call it
    before MindSpore is imported, which creates one thread per visible core.
    """
    share = os.environ.get(THREADS, "")
    if not share.isdecimal() or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    if not 0 < int(share) < len(cores):
        return
    folder = Path(tempfile.gettempdir()) / f"assembler-cores-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for start in range(0, len(cores) - int(share) + 1, int(share)):
        lock = FileLock(folder / f"{'-'.join(map(str, cores[start : start + int(share)]))}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        _taken.append(lock)  # until this process ends
        os.sched_setaffinity(0, cores[start : start + int(share)])
        return
