"""Ray and Dask for real: two Ray nodes and two Dask worker processes compute what this process would, whoever dies."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from seepage.errors import InputError, MissingExtra, RecipeError
from seepage.work import WorkersLost, run_items

WAIT = 90.0


@contextlib.contextmanager
def ray_nodes():
    from ray.cluster_utils import Cluster

    settings = {"health_check_period_ms": 500, "health_check_failure_threshold": 4}
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    before = dict(os.environ)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={**node, "_system_config": settings})
    try:
        cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
        yield cluster
    finally:
        cluster.shutdown()
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def dask_workers(workers=2, threads=1):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers,
        threads_per_worker=threads,
        processes=True,
        dashboard_address="127.0.0.1:0",
        silence_logs=60,
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module", params=["ray", "dask"])
def cluster(request):
    """A cluster that runs, and the text that names it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ray_nodes() if request.param == "ray" else dask_workers() as running:
            address = running.address if request.param == "ray" else running.scheduler_address
            yield running, f"{request.param}={address}"


@pytest.fixture
def engine(cluster):
    return cluster[1]


def collect(function, items, **options):
    seen = {}

    def keep(item, result):
        assert item not in seen
        seen[item] = result

    run_items(function, items, on_result=keep, **options)
    return seen


def note(folder: str, text: object) -> None:
    with open(os.path.join(folder, "log"), "a") as log:
        log.write(f"{text}\n")


def notes(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines() if (folder / "log").exists() else []


def wait_for(claim):
    until = time.monotonic() + WAIT
    while not claim():
        assert time.monotonic() < until
        time.sleep(0.02)


class Counted:
    """Says in a file that it was unpickled, and in which process."""

    def __init__(self, folder: str, x: np.ndarray) -> None:
        self.folder, self.x = folder, x

    def __reduce__(self):
        return load, (self.folder, self.x)


def load(folder: str, x: np.ndarray) -> Counted:
    note(folder, os.getpid())
    return Counted(folder, x)


def test_results_are_those_of_this_process(engine):
    shared = {"x": np.random.default_rng(1).normal(size=(2000, 30)), "add": lambda a, b: a + b}

    def work(given, item):
        given["x"][0, 0] = given["x"][0, 0]
        return given["add"](given["x"].T @ given["x"], item).sum(axis=0)

    there = collect(work, list(range(7)), shared=shared, engine=engine)
    here = collect(work, list(range(7)), shared=shared)
    assert there.keys() == here.keys()
    assert all(there[item].tobytes() == here[item].tobytes() for item in here)


def test_shared_data_arrive_once_in_each_worker(engine, tmp_path):
    shared = Counted(str(tmp_path), np.ones(2_000_000))

    def work(given, item):
        time.sleep(0.1)
        return os.getpid(), float(given.x.sum())

    seen = collect(work, list(range(12)), shared=shared, engine=engine)
    workers = {pid for pid, _ in seen.values()}
    assert len(workers) == 2
    assert Counter(notes(tmp_path)) == {str(pid): 1 for pid in workers}


def test_results_are_handed_over_as_they_come(engine, tmp_path):
    """The slow item goes on only once the quick ones have been handed over."""

    def work(folder, item):
        until = time.monotonic() + WAIT
        while item == 0 and not os.path.exists(os.path.join(folder, "quick ones are here")):
            assert time.monotonic() < until
            time.sleep(0.02)
        return item

    order = []

    def keep(item, result):
        order.append(item)
        if len(order) == 4:
            (tmp_path / "quick ones are here").touch()

    run_items(work, list(range(5)), shared=str(tmp_path), engine=engine, on_result=keep)
    assert sorted(order[:4]) == [1, 2, 3, 4]
    assert order[4] == 0


def test_one_thread_in_each_worker(engine):
    def threads(shared, item):
        import numpy  # noqa: F401
        from threadpoolctl import threadpool_info

        return [pool["num_threads"] for pool in threadpool_info()]

    for counts in collect(threads, [0, 1, 2], engine=engine).values():
        assert counts
        assert set(counts) == {1}


def test_no_more_at_a_time_than_jobs(engine, tmp_path):
    def work(folder, item):
        note(folder, 1)
        time.sleep(0.1)
        note(folder, -1)

    collect(work, list(range(5)), shared=str(tmp_path), engine=engine, jobs=1)
    assert max(np.cumsum([int(line) for line in notes(tmp_path)])) == 1


def test_a_killed_worker_loses_nothing(engine, tmp_path):
    def work(folder, item):
        first = item == 3 and not any(line.startswith("3 ") for line in notes(Path(folder)))
        note(folder, f"{item} {os.getpid()}")
        if first:
            time.sleep(WAIT)
        time.sleep(0.05)
        return item * item

    def kill():
        wait_for(lambda: any(line.startswith("3 ") for line in notes(tmp_path)))
        pid = next(int(line.split()[1]) for line in notes(tmp_path) if line.startswith("3 "))
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    killed: list[int] = []
    killer = threading.Thread(target=kill)
    killer.start()
    assert collect(work, list(range(8)), shared=str(tmp_path), engine=engine) == {i: i * i for i in range(8)}
    killer.join()
    ran = [int(line.split()[1]) for line in notes(tmp_path) if line.startswith("3 ")]
    assert ran[0] == killed[0]
    assert len(ran) == 2
    assert ran[1] != ran[0]
    assert not os.path.exists(f"/proc/{killed[0]}")


def test_items_that_always_kill_their_worker_are_an_error(engine):
    def work(shared, item):
        if item == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.raises(WorkersLost, match="times over the same item.*fewer --jobs"):
        collect(work, list(range(3)), engine=engine)
    assert collect(work, [0, 2], engine=engine) == {0: 0, 2: 2}


class OddError(Exception):
    """Cannot be pickled the usual way: it is called with other things than its arguments."""

    def __init__(self, code: int, *, where: str) -> None:
        super().__init__(f"code {code} in {where}")
        self.code = code


@pytest.mark.parametrize(
    "error", [ValueError("item three"), RecipeError("model 3"), MissingExtra("this", "torch"), OddError(7, where="x")]
)
def test_an_error_passes_on_as_what_it_is(engine, error):
    kind, text, attributes = type(error), str(error), dict(vars(error))

    def work(shared, item):
        if item == 3:
            if kind is OddError:
                raise OddError(7, where="x")
            if kind is MissingExtra:
                raise MissingExtra("this", "torch")
            raise kind(text)
        return item

    seen = {}
    with pytest.raises(kind) as caught:
        run_items(work, list(range(6)), engine=engine, on_result=seen.__setitem__)
    assert type(caught.value) is kind
    assert str(caught.value) == text
    assert attributes.items() <= vars(caught.value).items()
    assert "in work" in caught.value.__notes__[0]
    assert seen.items() <= {i: i for i in range(6)}.items()


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_stopping_in_the_middle_cancels_the_rest(engine, failure, tmp_path):
    def work(folder, item):
        note(folder, item)
        time.sleep(0.1)
        return item

    seen = []

    def stop(item, result):
        seen.append(item)
        raise failure

    with pytest.raises(failure):
        run_items(work, list(range(40)), shared=str(tmp_path), engine=engine, on_result=stop)
    assert len(seen) == 1
    begun = len(notes(tmp_path))
    assert begun < 10
    assert collect(lambda s, i: i, [1, 2], engine=engine) == {1: 1, 2: 2}
    assert len(notes(tmp_path)) <= begun + 2


def test_shadow_models_are_those_of_this_process(engine):
    from sklearn.naive_bayes import GaussianNB

    from seepage.training import train_shadows

    draw = np.random.default_rng(5)
    data = draw.normal(size=(60, 4)), draw.integers(0, 2, 60)
    here = train_shadows(GaussianNB(), data, n_shadows=6, trainer="one-by-one")
    there = train_shadows(GaussianNB(), data, n_shadows=6, trainer="one-by-one", engine=engine)
    assert there.arrays["margin"].tobytes() == here.arrays["margin"].tobytes()
    assert np.array_equal(there.inclusion.mask, here.inclusion.mask)


def test_a_lost_machine_loses_nothing(tmp_path):
    """A third Ray node is killed with all its processes while it computes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ray_nodes() as cluster:
            node = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)

            def work(given, item):
                import ray

                folder, lost = given
                where = ray.get_runtime_context().get_node_id()
                note(folder, f"{item} {where}")
                time.sleep(WAIT if where == lost else 0.1)
                return item

            def kill():
                wait_for(lambda: any(line.endswith(node.node_id) for line in notes(tmp_path)))
                cluster.remove_node(node, allow_graceful=False)

            killer = threading.Thread(target=kill)
            killer.start()
            seen = collect(work, list(range(9)), shared=(str(tmp_path), node.node_id), engine=f"ray={cluster.address}")
            killer.join()
    assert seen == {i: i for i in range(9)}
    there = {line.split()[0] for line in notes(tmp_path) if line.endswith(node.node_id)}
    elsewhere = {line.split()[0] for line in notes(tmp_path) if not line.endswith(node.node_id)}
    assert there
    assert elsewhere == {str(i) for i in range(9)}


def test_data_that_died_with_all_dask_workers_are_sent_again(tmp_path):
    def work(folder, item):
        note(folder, f"{item} {os.getpid()}")
        if len(notes(Path(folder))) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with dask_workers(1) as only:
        seen = collect(work, list(range(5)), shared=str(tmp_path), engine=f"dask={only.scheduler_address}")
    assert seen == {i: i for i in range(5)}
    assert len({line.split()[1] for line in notes(tmp_path)}) == 2


def test_items_do_not_meet_in_one_process(tmp_path):
    """A Dask worker with four threads computes one item at a time: they seed global generators and count threads."""

    def work(folder, item):
        note(folder, 1)
        time.sleep(0.05)
        note(folder, -1)

    with dask_workers(1, threads=4) as only:
        collect(work, list(range(6)), shared=str(tmp_path), engine=f"dask={only.scheduler_address}", jobs=4)
    assert max(np.cumsum([int(line) for line in notes(tmp_path)])) == 1


def test_a_scheduler_that_goes_away_is_said():
    def close(item, result):
        gone.close()

    with (
        dask_workers(1) as gone,
        pytest.raises(WorkersLost, match="connection to the Dask scheduler is lost"),
    ):
        run_items(lambda s, i: i, list(range(30)), engine=f"dask={gone.scheduler_address}", on_result=close)


def test_what_is_connected_already_is_used_and_stays(cluster):
    running, engine = cluster
    if engine.startswith("dask"):
        from distributed import Client

        with Client(running) as client:
            assert collect(lambda s, i: i + s, [1, 2], shared=1, engine="dask") == {1: 2, 2: 3}
            assert client.status == "running"
            assert len(client.nthreads()) == 2
    else:
        import ray

        ray.init(running.address, log_to_driver=False, logging_level=50)
        try:
            assert collect(lambda s, i: i + s, [1, 2], shared=1, engine="ray") == {1: 2, 2: 3}
            assert ray.is_initialized()
            assert ray.cluster_resources()["CPU"] == 2
        finally:
            ray.shutdown()


@pytest.mark.parametrize("kind", ["ray", "dask"])
@pytest.mark.parametrize("address", ["127.0.0.1:1", "somewhere", "127.0.0.1:x", "tcp://127.0.0.1:1"])
def test_an_address_without_a_cluster_is_said(kind, address):
    with pytest.raises(InputError, match=r"no address of a|no (Ray|Dask) cluster answers at .*127.0.0.1:1"):
        collect(lambda s, i: i, [1], engine=f"{kind}={address}")
