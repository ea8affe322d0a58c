"""Items as Ray tasks: on a cluster that runs, or on one started for the occasion."""

from __future__ import annotations

import logging
import os
import signal
import threading
import uuid
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, final

from seepage.errors import InputError
from seepage.work.cluster import TaskLost, check_that_it_answers
from seepage.work.cluster_parcel import Packed, compute

__all__ = ["ray_cluster"]

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # workers see the GPUs that this process sees
}
_held: dict[str, Any] = {}


@contextmanager
def ray_cluster(address: str | None, *, timeout: float = 10.0) -> Iterator[RayCluster]:
    """Connect to Ray as it runs in this process, at the address, or where RAY_ADDRESS says; else start it here.

    Parameters
    ----------
    address : "HOST:PORT" of a cluster that this machine belongs to, "ray://HOST:PORT" of any other, or None.
    timeout : seconds to wait for the address to answer.

    Raises
    ------
    InputError
        If there is no such cluster, or it cannot be used from here.
    """
    with warnings.catch_warnings(), _environment(_QUIET):
        warnings.simplefilter("ignore")
        import ray

        running = ray.is_initialized()
        if not running:
            known = address or os.environ.get("RAY_ADDRESS")
            if known and known not in ("auto", "local"):
                check_that_it_answers("Ray", known, "`ray start --head`", timeout)
    if running:
        yield RayCluster()
        return
    with _environment(_QUIET):
        try:
            with warnings.catch_warnings(), _terminations_kept():
                warnings.simplefilter("ignore")
                # without an address Ray would join whatever cluster someone else has started on this machine
                joined = address or os.environ.get("RAY_ADDRESS") or "local"
                ray.init(address=joined, logging_level=logging.CRITICAL, log_to_driver=False, include_dashboard=False)
        except Exception as error:
            ray.shutdown()
            reason = (str(error).strip().splitlines() or [""])[0]
            what = f"the Ray cluster at {address!r} could not be used" if address else "Ray could not be started"
            raise InputError(
                f"{what}: {type(error).__name__}: {reason} With HOST:PORT this machine must be a node of the cluster; "
                "from outside use ray://HOST:10001. Python and Ray must have the same versions on both sides."
            ) from error
        try:
            yield RayCluster()
        finally:
            ray.shutdown()


@final
class RayCluster:
    """The cluster that this process is connected to."""

    name = "Ray"

    def __init__(self) -> None:
        import ray

        self._ray = ray
        self._key = uuid.uuid4().hex
        self._packed: Any = None
        # dead workers are counted by whoever asked; the interpreter's own retries would hide them
        self._task = ray.remote(num_cpus=1, max_retries=0)(_compute_here)

    def share(self, packed: Packed) -> None:
        """Put the data into the object store, whence each machine fetches it once."""
        self._packed = self._ray.put(packed)

    def submit(self, item: bytes) -> Any:
        """Start one task."""
        return self._task.remote(self._key, self._packed, item)

    def finished(self, tasks: Collection[Any], seconds: float) -> Collection[Any]:
        """Return a task that has ended, if there is one in time."""
        ended: list[Any] = self._ray.wait(list(tasks), num_returns=1, timeout=seconds)[0]
        return ended

    def answer(self, task: Any) -> bytes:
        """Fetch the answer."""
        lost = self._ray.exceptions
        try:
            answer: bytes = self._ray.get(task)
        except (
            lost.WorkerCrashedError,
            lost.NodeDiedError,
            lost.OutOfMemoryError,
            lost.ObjectLostError,
            lost.TaskCancelledError,
        ) as error:
            raise TaskLost(f"{type(error).__name__}.") from error
        except lost.RayTaskError as error:
            raise InputError(
                f"the Ray workers cannot run seepage: {str(error).strip().splitlines()[-1]}. "
                "Install the same versions of Python, seepage and your model's libraries on every machine."
            ) from error
        return answer

    def cancel(self, tasks: Collection[Any]) -> None:
        """End the tasks' worker processes, and let the data go."""
        for task in tasks:
            with suppress(Exception):
                self._ray.cancel(task, force=True)
        self._packed = None

    def slots(self) -> int:
        """Return the number of CPUs of the cluster."""
        return int(self._ray.cluster_resources().get("CPU", 0))


def _compute_here(key: str, packed: Packed, item: bytes) -> bytes:
    def opened() -> Any:
        if key not in _held:
            _held.clear()
            _held[key] = packed.open()
        return _held[key]

    return compute(opened, item)


@contextmanager
def _environment(more: dict[str, str]) -> Iterator[None]:
    """Set variables that the user has not set, and leave the environment as it was: Ray adds some itself."""
    before = dict(os.environ)
    os.environ.update({name: value for name, value in more.items() if name not in before})
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            if name.startswith("RAY_"):
                del os.environ[name]


@contextmanager
def _terminations_kept() -> Iterator[None]:
    """Give SIGTERM back to whom it belonged to; what Ray started ends with this process anyhow."""
    in_charge = threading.current_thread() is threading.main_thread()
    before: Callable[..., Any] | int | None = signal.getsignal(signal.SIGTERM) if in_charge else None
    try:
        yield
    finally:
        if in_charge and before is not None:
            signal.signal(signal.SIGTERM, before)
