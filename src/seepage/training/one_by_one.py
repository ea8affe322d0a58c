"""Train one model and read its signals: the plain way, which works for every recipe and judges the fast ones."""

from __future__ import annotations

import time
import traceback
import warnings
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seepage.errors import RecipeError
from seepage.records import Records
from seepage.spec import Access, Task
from seepage.targets.protocol import Target
from seepage.training.table import Recipe

__all__ = ["PlainItem", "PlainJob", "failure", "train_one"]

Row = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class PlainJob:
    """What all models share; `everything` is the records followed by the population."""

    recipe: Recipe
    records: Records
    everything: Records
    readers: tuple[str, ...]
    task: Task
    classes: NDArray[Any] | None
    floor: float | None


@dataclass(frozen=True)
class PlainItem:
    """One model: its number, its seed, and its members as packed bits."""

    model: int
    seed: int
    members: NDArray[np.uint8]


def train_one(job: PlainJob, item: PlainItem) -> Row:
    """Train the model, read every signal, add `seconds` and `warnings`, and drop the model."""
    from seepage.signals import read_signals
    from seepage.targets import open_target
    from seepage.targets.floor import probability_floor

    began = time.perf_counter()
    is_in = np.unpackbits(item.members, count=job.records.n).astype(bool)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            model = job.recipe.fit(job.records.take(is_in), item.seed)
            target = cast(Target, open_target(model, access=(Access.WEIGHTS,), task=job.task, classes=job.classes))
            floor = probability_floor(model) if job.floor is None else job.floor
            row: Row = dict(read_signals(target, job.everything, job.readers, floor=floor))
        except Exception as error:
            raise RecipeError(failure(f"shadow model {item.model}", error)) from error
    texts = [_first_line(w.message) for w in caught if issubclass(w.category, (UserWarning, RuntimeWarning))]
    row["warnings"] = np.array(sorted(set(texts)), dtype=np.str_)
    row["seconds"] = np.array(time.perf_counter() - began)
    return row


def failure(what: str, error: Exception) -> str:
    """Say what went wrong and where in the user's own code."""
    where = ""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "seepage" not in f.filename.split("/")]
    if frames:
        where = f" (in {frames[-1].name}, line {frames[-1].lineno} of {frames[-1].filename.rsplit('/', 1)[-1]})"
    return f"{what} could not be trained and read: {type(error).__name__}: {_first_line(error)}{where}"


def _first_line(message: object) -> str:
    lines = str(message).strip().splitlines()
    return lines[0][:300] if lines else type(message).__name__
