"""What shadow models will cost: a few are trained by the trainer that will train them all."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.records import Records
from seepage.spec import Task
from seepage.training.fast.choose import Choice, choose
from seepage.training.fast.run import TWINS, stack_size
from seepage.training.rows import ShadowWork
from seepage.training.table import Inclusion, Recipe, Signals
from seepage.training.trainer import run_shadows
from seepage.work import parse_engine, run_items, work_key
from seepage.work.memory import MemoryWatch, own_memory

__all__ = ["TrainingCost", "cost_key", "measure_training"]

Train = Callable[[int], tuple[float, Signals, float]]

_VERSION = 1
_LONG = 0.5
"""Seconds from which a trial is not run again to tell the first call's extra from the rest."""
_LARGER = 8
"""Models in the larger stack of a quick trial."""
_SHARED = 0.97
"""Speed of a process beside others, with which it shares caches and memory."""
_TRACKER_MB = 12.0
"""Held by the process that cleans up after workers."""


@dataclass(frozen=True)
class TrainingCost:
    """What shadow models of one recipe cost, measured.

    Parameters
    ----------
    first : seconds spent once: first calls, and a fast trainer's proof beyond its own stack.
    stack : seconds of each stack beside its models; 0 where they are trained one by one.
    each : seconds a model, reading included.
    at_once : models in a stack; 1 where they are trained one by one.
    proves : True where the first stack is trained in the main process.
    worker : seconds until worker processes are ready.
    memory_mb : how far memory rose in the process that trained.
    worker_mb : memory that a worker process holds before it trains; 0 without workers.
    spent : seconds that measuring took.
    note : why a fast trainer will not be used after all, or None.
    """

    first: float
    stack: float
    each: float
    at_once: int = 1
    proves: bool = False
    worker: float = 0.0
    memory_mb: float = 0.0
    worker_mb: float = 0.0
    spent: float = 0.0
    note: str | None = None

    def seconds(self, models: int, jobs: int = 1) -> float:
        """Return the seconds that `models` models take in `jobs` processes.

        Examples
        --------
        >>> TrainingCost(first=1.0, stack=0.0, each=2.0).seconds(8)
        17.0
        >>> TrainingCost(first=1.0, stack=0.5, each=0.25, at_once=4, proves=True).seconds(8)
        4.0
        """
        if models < 1:
            return 0.0
        sizes = [min(self.at_once, models - first) for first in range(0, models, self.at_once)]
        took = [self.stack + size * self.each for size in sizes]
        processes = min(jobs, len(took) - self.proves)
        if processes < 2:
            return self.first + sum(took) + (self.worker if jobs > 1 and processes == 1 else 0.0)
        here = took[0] if self.proves else 0.0
        free = [0.0] * processes
        for item in took[1:] if self.proves else took:
            at = int(np.argmin(free))
            free[at] += item
        return self.first + here + self.worker + max(free) / _SHARED

    def memory(self, models: int, jobs: int = 1) -> float:
        """Return the MiB that training needs beside what the main process holds already.

        Examples
        --------
        >>> TrainingCost(first=0, stack=0, each=1, memory_mb=50, worker_mb=100).memory(8, jobs=2)
        312.0
        """
        stacks = -(-models // self.at_once) - self.proves
        processes = min(jobs, stacks)
        if jobs < 2 or processes < 1:
            return float(self.memory_mb)
        here = self.memory_mb if self.proves else 0.0
        idle = self.worker_mb / 2 if processes == 1 else 0.0  # two are started even for one stack
        return float(here + processes * (self.worker_mb + self.memory_mb) + idle + _TRACKER_MB)

    def to_dict(self) -> dict[str, Any]:
        """Return the cost as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainingCost:
        """Return the cost that `to_dict` wrote."""
        return cls(**data)


def measure_training(
    recipe: Recipe,
    records: Records,
    inclusion: Inclusion,
    readers: Iterable[str],
    *,
    task: Task,
    seed: int,
    classes: NDArray[Any] | None = None,
    floor: float | None = None,
    population: Records | None = None,
    engine: str | None = None,
    jobs: int | None = None,
) -> TrainingCost:
    """Train the first one or two shadow models as the audit would, drop them, and return what all will cost.

    A fast trainer trains a stack of two with its proof; where that was quick, a larger stack tells what a stack costs
    from what a model costs. Where models are trained one by one, one is. With engine "local", worker processes are
    started once, to see how long that takes and what they hold. Parameters are those of `run_shadows`.

    Raises
    ------
    RecipeError
        If the recipe fails.
    """
    began = time.perf_counter()
    readers = tuple(dict.fromkeys(readers))
    choice = choose(recipe, task, readers)

    def train(models: int) -> tuple[float, Signals, float]:
        with MemoryWatch() as watch:
            mark = time.perf_counter()
            signals = run_shadows(
                recipe,
                records,
                inclusion,
                readers,
                task=task,
                seed=seed,
                classes=classes,
                floor=floor,
                models=min(models, len(inclusion.mask)),
            )
            took = time.perf_counter() - mark
        return took, signals, watch.rise_mb

    if choice.trainer is None:
        cost = _one_by_one(train)
    else:
        plain = Records(records.x, records.y)
        work = ShadowWork(recipe, plain, plain, inclusion, readers, task, classes, floor, seed, ("", ""))
        cost = _in_stacks(train, choice, stack_size(choice, work), work.count)
    worker, worker_mb = _workers(recipe, records, engine, jobs)
    return replace(cost, worker=worker, worker_mb=worker_mb, spent=time.perf_counter() - began)


def cost_key(
    recipe: Recipe, records: Records, readers: Iterable[str], *, engine: str | None, jobs: int | None
) -> str | None:
    """Return the name under which the cost is kept in a store: of this recipe, on these records, on this machine."""
    where = {"engine": parse_engine(engine).kind, "jobs": jobs, "machine": platform.node(), "cores": os.cpu_count()}
    return work_key(
        "training-cost",
        "trial",
        version=_VERSION,
        parameters={"readers": sorted(readers), **where},
        inputs={"recipe": recipe.fingerprint, "records": records.fingerprint},
    )


def _one_by_one(train: Train) -> TrainingCost:
    """Time one model; where that was quick, two more, since the first call pays for imports and caches."""
    took, signals, rise = train(1)
    each = float(signals.seconds[0])
    if took >= _LONG:
        return TrainingCost(max(0.0, took - each), 0.0, each, memory_mb=rise)
    again, signals, more = train(2)
    each = again / 2
    return TrainingCost(max(0.0, took - each), 0.0, each, memory_mb=max(rise, more))


def _in_stacks(train: Train, choice: Choice, size: int, count: int) -> TrainingCost:
    """Time a stack of two with its proof, and where that was quick a larger one, of at most `count` models."""
    trainer = choice.trainer
    assert trainer is not None
    beside, later = (TWINS, 0) if trainer.tolerance is None else (0, 1)
    took, signals, rise = train(2)
    if signals.trainer == "one-by-one":
        each = float(signals.seconds.mean())
        note = next((text for text in signals.notes if "one by one" in text), None)
        return TrainingCost(max(0.0, took - signals.seconds.sum()), 0.0, each, memory_mb=rise, note=note)
    small = min(2, size)
    made = small + beside
    once = 0.0
    if took < _LONG:
        again, signals, more = train(2)
        once, took, rise = max(0.0, took - again), again, max(rise, more)
    first_stack = float(signals.seconds[0]) * made
    each, stack = first_stack / made, 0.0
    proof = max(0.0, took - float(signals.seconds.sum()) - (first_stack - float(signals.seconds[:small].sum())))
    larger = min(size, count, _LARGER)
    if took < _LONG and larger > small:
        _, signals, more = train(larger)
        large = float(signals.seconds[0]) * (larger + beside)
        each = max(0.0, large - first_stack) / (larger - small)
        stack = max(0.0, large - each * (larger + beside))
        rise = max(rise, more + (more - rise) / (larger - small) * (size - larger))
    return TrainingCost(once + proof + (beside + later) * each, stack, each, size, True, memory_mb=rise)


def _workers(recipe: Recipe, records: Records, engine: str | None, jobs: int | None) -> tuple[float, float]:
    """Start worker processes as the audit will, and return how long it took and what one of them holds, in MiB."""
    if parse_engine(engine).kind != "local" or jobs == 1:
        return 0.0, 0.0
    held: list[float] = []
    began = time.perf_counter()
    run_items(
        _memory_of_worker,
        [0, 1],
        shared=(recipe, records.x, records.y),
        engine=engine,
        jobs=jobs,
        on_result=lambda item, memory: held.append(memory),
    )
    return time.perf_counter() - began, max(held)


def _memory_of_worker(shared: Any, item: int) -> float:
    return own_memory()
