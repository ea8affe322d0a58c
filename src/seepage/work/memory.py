"""How much memory this process holds, and how far it rises while something runs."""

from __future__ import annotations

import os
import resource
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["MemoryWatch", "machine_memory", "own_memory"]

_EVERY = 0.01
"""Seconds between two looks."""


def own_memory() -> float:
    """Return the MiB this process holds itself: resident memory without pages of files, which processes share.

    Where the system does not tell (anything but Linux), the peak of resident memory so far.

    Examples
    --------
    >>> own_memory() > 1
    True
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:"))) / 1024


def machine_memory() -> float | None:
    """Return the MiB that new work can have on this machine now, or None where the system does not tell.

    A container's own limit counts too.
    """
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found = [int(line.split()[1]) / 1024 for line in lines if line.startswith("MemAvailable:")]
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
        if limit != "max":
            found.append(max(0.0, (int(limit) - int(used)) / 2**20))
    except (OSError, ValueError):
        if not found and "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
            found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20]
    return min(found, default=None)


class MemoryWatch:
    """A context manager that sees how far this process's own memory rises while it is open.

    Attributes
    ----------
    rise_mb : MiB between the memory at the beginning and the highest seen; 0 before.

    Examples
    --------
    >>> with MemoryWatch() as watch:
    ...     held = bytearray(50 * 2**20)
    >>> watch.rise_mb > 25
    True
    """

    def __init__(self) -> None:
        self.rise_mb = 0.0
        self._start = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory watch", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._start = own_memory()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look once more and stop."""
        self._done.set()
        self._thread.join()
        self._see()

    def _look(self) -> None:
        while not self._done.wait(_EVERY):
            self._see()

    def _see(self) -> None:
        self.rise_mb = max(self.rise_mb, own_memory() - self._start)
