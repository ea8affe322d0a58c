"""Items as Dask tasks: on a cluster that runs, or on one started for the occasion."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, final
from weakref import WeakKeyDictionary

from seepage.errors import InputError
from seepage.work.cluster import PATIENCE, TaskLost, check_that_it_answers
from seepage.work.cluster_parcel import Packed, compute
from seepage.work.engine import WorkersLost

__all__ = ["dask_cluster"]

_OWNER = "SEEPAGE_DASK_OWNER"  # process and folder for which workers were started
_DISCONNECTED = (
    "the connection to the Dask scheduler is lost. What is done is kept; the same command again finishes the rest."
)
_START = "`dask scheduler` and `dask worker`"
_opened: WeakKeyDictionary[Packed, Any] = WeakKeyDictionary()


@contextmanager
def dask_cluster(
    address: str | None, *, at_most: int, jobs: int | None = None, timeout: float = 10.0
) -> Iterator[DaskCluster]:
    """Connect to the scheduler at the address, this process's client or the configured one; else start one here.

    Parameters
    ----------
    address : "HOST:PORT", "tcp://HOST:PORT" or "tls://HOST:PORT" of a scheduler, or None.
    at_most, jobs : workers to start if none run, at most; None for one per core.
    timeout : seconds to wait for the address to answer.

    Raises
    ------
    InputError
        If no scheduler answers at the address, or no worker could be started.
    """
    with ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import dask
            import distributed
        stack.enter_context(_quiet())
        if address is None:
            with suppress(ValueError):
                yield DaskCluster(distributed.Client.current())
                return
        address = address or dask.config.get("scheduler-address", None)
        if address is None:
            import joblib

            address = stack.enter_context(_own_workers(max(1, min(jobs or joblib.cpu_count(), at_most))))
        else:
            check_that_it_answers("Dask", address, _START, timeout)
        try:
            client = distributed.Client(address, timeout=timeout, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"no Dask scheduler answers at {address} ({error}). Start one with {_START}, or leave the address out "
                "to start one on this machine."
            ) from error
        stack.callback(client.close)
        yield DaskCluster(client)


@final
class DaskCluster:
    """The scheduler that a client is connected to."""

    name = "Dask"

    def __init__(self, client: Any) -> None:
        self._client = client
        self._given: Packed | None = None
        self._packed: Any = None

    def share(self, packed: Packed) -> None:
        """Send the data to all workers; those that come later fetch it from one of them."""
        from distributed import wait

        self._given = packed
        if not self.slots():
            # a cluster that grows with its work has no worker before it has work
            with suppress(TimeoutError), self._client.as_current():
                wait(self._client.submit(os.getpid, pure=False), timeout=PATIENCE)
        if not self.slots():
            raise WorkersLost(f"the Dask cluster has had no worker for {PATIENCE:.0f} s. Start some: `dask worker`.")
        with _connection_kept():
            self._packed = self._client.scatter(packed, broadcast=True, hash=False)

    def submit(self, item: bytes) -> Any:
        """Start one task."""
        with _connection_kept():
            return self._client.submit(_compute_here, self._packed, item, pure=False)

    def finished(self, tasks: Collection[Any], seconds: float) -> Collection[Any]:
        """Return the tasks that have ended in time."""
        from concurrent.futures import CancelledError

        from distributed import wait

        with suppress(TimeoutError, CancelledError), self._client.as_current():
            wait(list(tasks), timeout=seconds, return_when="FIRST_COMPLETED")
        return [task for task in tasks if task.status != "pending"]

    def answer(self, task: Any) -> bytes:
        """Fetch the answer."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        try:
            answer: bytes = task.result()
        except KilledWorker as error:
            raise WorkersLost(
                f"workers of the Dask cluster died {error.allowed_failures + 1} times over the same item. "
                "The usual cause is too little memory: use fewer --jobs. What is done is kept."
            ) from error
        except CancelledError as error:
            if self._client.status != "running":
                raise WorkersLost(_DISCONNECTED) from error
            # the only workers that held the data are gone, and with them every task that waited for it
            if self._packed.status != "finished" and self._given is not None:
                self.share(self._given)
            raise TaskLost("the workers that held the data are gone.") from error
        except Exception as error:
            raise InputError(
                f"the Dask workers cannot run seepage: {type(error).__name__}: {error}. "
                "Install the same versions of Python, seepage and your model's libraries on every machine."
            ) from error
        return answer

    def cancel(self, tasks: Collection[Any]) -> None:
        """Take back what has not begun, and let the data go; a worker cannot be stopped in the middle."""
        with suppress(Exception):
            self._client.cancel(list(tasks), force=True)
        self._given = self._packed = None

    def slots(self) -> int:
        """Return the number of workers: in one process items go one after the other, whatever its threads."""
        with _connection_kept():
            return len(self._client.nthreads())


def _compute_here(packed: Packed, item: bytes) -> bytes:
    _end_with_owner()

    def opened() -> Any:
        # kept as long as the worker keeps the packed data, so that nothing stays behind on a cluster of others
        if packed not in _opened:
            _opened[packed] = packed.open()
        return _opened[packed]

    return compute(opened, item)


@contextmanager
def _connection_kept() -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise WorkersLost(_DISCONNECTED) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's log off the terminal; what matters comes as an error."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _own_workers(count: int) -> Iterator[str]:
    """Run a scheduler in this process and workers beside it; their own command starts them, not a copy of this script.

    They listen on this machine only, end with this process, and hear no Ctrl-C.
    """
    from distributed import LocalCluster

    with (
        tempfile.TemporaryDirectory(prefix="seepage-dask-", ignore_cleanup_errors=True) as folder,
        LocalCluster(
            n_workers=0,
            host="127.0.0.1",
            processes=True,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL + 1,
        ) as scheduler,
    ):
        words = [scheduler.scheduler_address, "--nworkers", str(count), "--nthreads", "1", "--no-dashboard"]
        words += ["--host", "127.0.0.1", "--memory-limit", "0", "--local-directory", folder, "--death-timeout", "60"]
        log = Path(folder) / "log"
        with log.open("wb") as file:
            workers = subprocess.Popen(
                [sys.executable, "-P", "-m", "dask", "worker", *words],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(place or os.getcwd() for place in sys.path),
                    _OWNER: f"{os.getpid()} {folder}",
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,
            )
        try:
            until = time.monotonic() + PATIENCE
            while len(scheduler.scheduler_info["workers"]) < count:
                if workers.poll() is not None or time.monotonic() > until:
                    last = (log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]
                    raise InputError(f"{count} Dask workers could not be started on this machine. They said: {last}")
                time.sleep(0.05)
            yield scheduler.scheduler_address
        finally:
            _end(workers)


@cache
def _end_with_owner() -> None:
    """Have workers that were started for one process end at once when it is killed, not when their item is done."""
    if _OWNER not in os.environ:
        return
    pid, _, folder = os.environ[_OWNER].partition(" ")

    def watch() -> None:
        with suppress(ProcessLookupError):
            while True:
                os.kill(int(pid), 0)
                time.sleep(0.5)
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the workers to end, and end them if they are in the middle of something."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
