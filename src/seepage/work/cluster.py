"""Stream items through a cluster's own scheduler, and hand in again what died with a worker."""

from __future__ import annotations

import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from urllib.parse import urlsplit

from seepage.errors import InputError
from seepage.work.cluster_parcel import Packed, answer_of, pack, pickled
from seepage.work.engine import Engine, WorkersLost

__all__ = ["Cluster", "TaskLost", "check_that_it_answers", "cluster_results", "connect"]

TRIES = 3  # times an item may be started before its workers' deaths are its own doing
PATIENCE = 60.0  # seconds to wait for a first or next worker
_LOOK = 5.0  # seconds between looks for workers while nothing finishes


class TaskLost(Exception):
    """A task ended with its worker or machine, and not by itself."""


class Cluster(Protocol):
    """What Ray and Dask both do, in few words. Tasks are whatever the library calls its futures."""

    name: str

    def share(self, packed: Packed) -> None:
        """Make the function and shared data known to all workers."""

    def submit(self, item: bytes) -> Any:
        """Hand in one item."""

    def finished(self, tasks: Collection[Any], seconds: float) -> Collection[Any]:
        """Wait until some task has ended, but not longer than so many seconds, and return those that have."""

    def answer(self, task: Any) -> bytes:
        """Return what `compute` returned, or raise TaskLost."""

    def cancel(self, tasks: Collection[Any]) -> None:
        """Give up tasks and forget the shared data."""

    def slots(self) -> int:
        """Return how many items the cluster computes at a time now."""


def connect(where: Engine, at_most: int, jobs: int | None) -> AbstractContextManager[Cluster]:
    """Return the cluster as a context: what is started on entry is stopped at the end, what ran before stays.

    Raises
    ------
    InputError
        On entry, if the cluster cannot be reached.
    """
    if where.kind == "ray":
        from seepage.work.ray_engine import ray_cluster

        return ray_cluster(where.address)
    from seepage.work.dask_engine import dask_cluster

    return dask_cluster(where.address, at_most=at_most, jobs=jobs)


def check_that_it_answers(name: str, address: str, start: str, timeout: float) -> None:
    """Ask the port whether anything is there: the libraries try for long, or end the process.

    Raises
    ------
    InputError
        If nothing answers within `timeout` seconds, or the address has no port.

    Examples
    --------
    >>> check_that_it_answers("Dask", "nowhere", "`dask scheduler`", 1.0)
    Traceback (most recent call last):
    seepage.errors.InputError: 'nowhere' is no address of a Dask cluster. Give HOST:PORT.
    """
    place = urlsplit(address if "://" in address else f"tcp://{address}")
    try:
        host, port = place.hostname, place.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise InputError(f"{address!r} is no address of a {name} cluster. Give HOST:PORT.")
    try:
        socket.create_connection((host, port), timeout=timeout).close()
    except OSError as error:
        raise InputError(
            f"no {name} cluster answers at {address} ({error}). Start one with {start}, or leave the address out to "
            "start one on this machine."
        ) from error


def cluster_results(
    cluster: Cluster, function: Callable[[Any, Any], Any], items: Sequence[Any], shared: Any, jobs: int | None
) -> Generator[tuple[int, Any], None, None]:
    """Yield (index, result) of every item as it ends; close the iterator to cancel the rest.

    No more than `jobs` items, or twice as many as the cluster computes at a time, are under way, so that results do
    not pile up.

    Raises
    ------
    WorkersLost
        If an item's workers died several times, or no worker is left.
    """
    waiting = deque(enumerate(pickled(item) for item in items))
    running: dict[Any, tuple[int, bytes]] = {}
    starts: Counter[int] = Counter()
    missing = len(items)
    seen = time.monotonic()
    try:
        cluster.share(pack((function, shared)))
        while missing:
            limit = jobs or max(2, 2 * cluster.slots())
            while waiting and len(running) < limit:
                index, item = waiting.popleft()
                starts[index] += 1
                running[cluster.submit(item)] = index, item
            ended = cluster.finished(running, _LOOK)
            if ended or cluster.slots():
                seen = time.monotonic()
            elif time.monotonic() - seen > PATIENCE:
                raise WorkersLost(
                    f"the {cluster.name} cluster has had no worker for {PATIENCE:.0f} s; {missing} of {len(items)} "
                    "items have no result. Start workers and run the same command again. What is done is kept."
                )
            for task in ended:
                index, item = running.pop(task)
                try:
                    answer = cluster.answer(task)
                except TaskLost as error:
                    if starts[index] >= TRIES:
                        raise WorkersLost(
                            f"workers of the {cluster.name} cluster died {starts[index]} times over the same item; "
                            f"{missing} of {len(items)} items have no result. Last reason: {error} "
                            "The usual cause is too little memory: use fewer --jobs. What is done is kept."
                        ) from error
                    waiting.append((index, item))
                    continue
                missing -= 1
                yield index, answer_of(answer)
    finally:
        cluster.cancel(list(running))
