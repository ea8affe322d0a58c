"""Run independent items one after the other, in processes through joblib, or on a Ray or Dask cluster."""

from __future__ import annotations

import importlib.util
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from seepage.errors import InputError, MissingExtra, SeepageError, did_you_mean
from seepage.work.parcel import Parcel, end_with_parent, unpack

__all__ = ["Engine", "WorkersLost", "parse_engine", "run_items"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkersLost(SeepageError, RuntimeError):
    """Worker processes died again and again over the same items, or none are left."""


@dataclass(frozen=True)
class Engine:
    """Where items run, and the address of the cluster if one was given."""

    kind: Literal["sequential", "local", "ray", "dask"]
    address: str | None = None


def parse_engine(text: str | None) -> Engine:
    """Read `None`, `"local"`, `"ray"`, `"ray=ADDRESS"`, `"dask"` or `"dask=ADDRESS"`.

    Raises
    ------
    InputError
        For anything else.
    MissingExtra
        If the library of the cluster is not installed.

    Examples
    --------
    >>> parse_engine("local")
    Engine(kind='local', address=None)
    """
    if text is None or text in ("", "sequential"):
        return Engine("sequential")
    kind, _, address = text.partition("=")
    if kind == "local" and not address:
        return Engine("local")
    if kind in ("ray", "dask"):
        if importlib.util.find_spec("ray" if kind == "ray" else "distributed") is None:
            raise MissingExtra(f"engine {kind!r}", "cluster")
        return Engine("ray" if kind == "ray" else "dask", address or None)
    known = ("local", "ray", "dask")
    raise InputError(
        f"unknown engine {text!r}.{did_you_mean(kind, known)} Known: local, ray[=ADDRESS], dask[=ADDRESS]; "
        "leave it out to work in this process."
    )


def run_items(
    function: Callable[[Any, Item], Result],
    items: Sequence[Item],
    *,
    shared: Any = None,
    engine: str | None = None,
    jobs: int | None = None,
    on_result: Callable[[Item, Result], None],
) -> None:
    """Call `function(shared, item)` for every item and hand each result to `on_result` the moment it exists.

    The order of results is that of completion. Every item computes with one thread, so that numbers do not depend on
    the engine. If a worker process dies, items without a result run once more in fresh and fewer processes; on a
    cluster they are handed in again. On Ctrl-C, or when an item or `on_result` fails, the rest is cancelled and the
    error passed on; results already handed over stay.

    Parameters
    ----------
    function : what to compute; it and its results must be picklable (lambdas and closures are) unless sequential.
    items : small things that tell the items apart.
    shared : large things that all items read; each worker receives them once.
    engine : None for this process, "local" for processes, "ray[=ADDRESS]" or "dask[=ADDRESS]".
    jobs : items at a time; None for one per core, on a cluster for all it has.
    on_result : called in this process with the item and its result.

    Raises
    ------
    InputError
        For an unknown engine, fewer than one job, or a cluster that does not answer.
    WorkersLost
        If workers died again while the missing items ran a second time, or a cluster has no worker left.

    Examples
    --------
    >>> seen = {}
    >>> run_items(lambda base, x: base + x, [1, 2], shared=10, on_result=seen.__setitem__)
    >>> seen
    {1: 11, 2: 12}
    """
    where = parse_engine(engine)
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs must be at least 1 (got {jobs}). Leave it out for one per core.")
    if not items:
        return
    if where.kind == "sequential" or (where.kind == "local" and jobs == 1):
        with one_thread():
            for item in items:
                on_result(item, function(shared, item))
    elif where.kind == "local":
        _run_processes(function, items, shared, jobs, on_result)
    else:
        from seepage.work.cluster import cluster_results, connect

        with (
            connect(where, at_most=len(items), jobs=jobs) as cluster,
            closing(cluster_results(cluster, function, items, shared, jobs)) as results,
        ):
            for index, result in results:
                on_result(items[index], result)


def one_thread() -> AbstractContextManager[Any]:
    """Limit numerical libraries to one thread while the context lasts."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits


def _run_processes(
    function: Callable[[Any, Item], Result],
    items: Sequence[Item],
    shared: Any,
    jobs: int | None,
    on_result: Callable[[Item, Result], None],
) -> None:
    import joblib
    from joblib.externals.loky.process_executor import BrokenProcessPool

    processes = min(jobs or joblib.cpu_count(), len(items))
    missing = set(range(len(items)))
    with Parcel((function, shared)) as folder, _workers_let_go():
        for attempt in (1, 2):
            try:
                numbered = [(index, items[index]) for index in sorted(missing)]
                with _local_results(folder, numbered, processes) as results:
                    for index, result in results:
                        missing.discard(index)
                        on_result(items[index], result)
                return
            except BrokenProcessPool as error:
                if attempt == 2:
                    raise WorkersLost(
                        f"worker processes died twice; {len(missing)} of {len(items)} items have no result. "
                        "The usual cause is too little memory: use fewer --jobs. What is done is kept."
                    ) from error
                processes = max(1, processes // 2)


@contextmanager
def _workers_let_go() -> Iterator[None]:
    """Give the workers' memory back at the end; they would idle for minutes beside what comes next."""
    from joblib.externals.loky import get_reusable_executor

    try:
        yield
    finally:
        get_reusable_executor(reuse=True).shutdown(wait=True)


@contextmanager
def _local_results(folder: str, numbered: list[tuple[int, Any]], processes: int) -> Iterator[Iterable[tuple[int, Any]]]:
    import joblib

    # joblib runs a single job in this process; two workers fed one item at a time keep it out of here
    alone = processes == 1
    processes = max(2, processes)
    with joblib.parallel_config("loky", n_jobs=processes, inner_max_num_threads=1, initializer=_leave_interrupts_alone):
        parallel = joblib.Parallel(
            return_as="generator_unordered", batch_size=1, pre_dispatch=1 if alone else "2*n_jobs"
        )
        with _interrupts_held():
            started = parallel(joblib.delayed(_call_unpacked)(folder, index, item) for index, item in numbered)
        with _cancelled_at_the_end(started) as stream:
            yield stream


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C waiting while workers start: they inherit not to hear it, and this process hears it right after."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_interrupts_alone() -> None:
    """Let Ctrl-C reach the main process only, which ends its workers; theirs would each print a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _call_unpacked(folder: str, index: int, item: Any) -> tuple[int, Any]:
    end_with_parent(folder)
    function, shared = unpack(folder)
    return index, function(shared, item)


@contextmanager
def _cancelled_at_the_end(stream: Any) -> Iterator[Iterable[tuple[int, Any]]]:
    """Cancel what is left of a stream; joblib's advice on cancelled tasks is meant for other readers."""
    try:
        yield stream
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*tasks which (were|have been)", category=UserWarning)
            stream.close()
