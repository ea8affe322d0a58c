"""Train one stack of shadow models and read their signals; models whose members lack a class form their own stack."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.errors import RecipeError
from seepage.records import Records
from seepage.signals.readers import class_index, signals_of_predictions, signals_of_scores
from seepage.spec import Task
from seepage.training.fast.choose import Choice
from seepage.training.fast.design import Design, ScaledRows, design_of
from seepage.training.fast.protocol import FastTrainer, Stack

__all__ = ["ChunkItem", "ChunkJob", "train_chunk"]

Rows = list[dict[str, NDArray[Any]]]


@dataclass(frozen=True)
class ChunkJob:
    """What all stacks share; see `seepage.training.trainer.run_shadows`."""

    choice: Choice
    records: Records
    everything: Records
    readers: tuple[str, ...]
    task: Task
    classes: NDArray[Any] | None
    floor: float | None


@dataclass(frozen=True)
class ChunkItem:
    """The models of one stack: their numbers, seeds, and (k, n) members as packed bits."""

    models: tuple[int, ...]
    seeds: tuple[int, ...]
    members: NDArray[np.uint8]


def train_chunk(job: ChunkJob, item: ChunkItem) -> Rows:
    """Train the stack and return one row of signals a model, in order, with `seconds` and `warnings`.

    Raises
    ------
    RecipeError
        When such models cannot be trained together.
    """
    began = time.perf_counter()
    n = job.records.n
    members = np.unpackbits(item.members, axis=1, count=n).view(np.bool_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        design = design_of(job.choice, job.records, job.everything, members, item.seeds)
        if job.task is Task.REGRESSION:
            rows = _regressors(job, item, members, design)
        else:
            rows = _classifiers(job, item, members, design)
    each = np.array((time.perf_counter() - began) / len(rows))
    for row in rows:
        row["warnings"] = np.array([], dtype=np.str_)
        row["seconds"] = each
    return rows


def _stack(
    trainer: FastTrainer,
    item: ChunkItem,
    design: Design,
    y: NDArray[Any],
    members: NDArray[np.bool_],
    models: list[int],
    n_classes: int,
) -> Stack:
    seeds = tuple(item.seeds[i] for i in models)
    if isinstance(design, ScaledRows):
        some = design if len(models) == len(design) else design[np.array(models)]
        scaled = some if getattr(trainer, "takes_scaled_rows", False) else some.written_out()
        return Stack(scaled, y, members[models], seeds, n_classes, own_rows=True)
    if not isinstance(design, list):
        return Stack(design, y, members[models], seeds, n_classes)
    own = design[models[0]][None] if len(models) == 1 else np.stack([design[i] for i in models])
    return Stack(own, y, members[models], seeds, n_classes, own_rows=True)


def _widths(design: Design, k: int) -> list[int]:
    return [design[i].shape[1] for i in range(k)] if isinstance(design, list) else [0] * k


def _regressors(job: ChunkJob, item: ChunkItem, members: NDArray[np.bool_], design: Design) -> Rows:
    trainer = job.choice.trainer
    assert trainer is not None
    y = np.asarray(job.records.y, dtype=np.float64)
    truth = np.asarray(job.everything.y, dtype=np.float64)
    rows: Rows = [{} for _ in item.models]
    widths = _widths(design, len(rows))
    for width in sorted(set(widths)):
        models = [i for i, w in enumerate(widths) if w == width]
        place = iter(models)
        for block in trainer.scores(_stack(trainer, item, design, y, members, models, 0)):
            read = signals_of_predictions(block, truth)
            for i in range(len(block)):
                rows[next(place)] = {name: values[i] for name, values in read.items()}
    return rows


def _classifiers(job: ChunkJob, item: ChunkItem, members: NDArray[np.bool_], design: Design) -> Rows:
    trainer = job.choice.trainer
    assert trainer is not None
    own, y = np.unique(np.asarray(job.records.y), return_inverse=True)
    y = y.reshape(-1)
    classes = own if job.classes is None else np.asarray(job.classes)
    # columns follow the classes given, then those only the records know, as for a model fitted alone
    extra = own[class_index(own, classes) < 0]
    classes = np.concatenate([classes, extra]) if len(extra) else classes
    column = class_index(np.asarray(job.everything.y), classes)
    floor = trainer.floor if job.floor is None else job.floor
    rows: Rows = [{} for _ in item.models]
    widths = _widths(design, len(rows))
    counts = np.zeros((len(rows), len(own)), dtype=np.intp)
    for label in range(len(own)):
        counts[:, label] = members[:, y == label].sum(axis=1)
    groups: dict[tuple[int, bytes], list[int]] = {}
    for i in range(len(rows)):
        groups.setdefault((widths[i], (counts[i] > 0).tobytes()), []).append(i)
    for models in groups.values():
        present = np.flatnonzero(counts[models[0]] > 0)
        if len(present) < 2:
            raise RecipeError(f"the members of model {item.models[models[0]]} are all of one class")
        renumbered = np.full(len(own), 0)
        renumbered[present] = np.arange(len(present))
        stack = _stack(trainer, item, design, renumbered[y], members, models, len(present))
        place = class_index(own[present], classes)
        in_order = len(place) == len(classes) and bool((place == np.arange(len(place))).all())
        where = iter(models)
        for block in trainer.scores(stack):
            scores = block
            if not in_order:
                scores = np.zeros((*block.shape[:2], len(classes)), dtype=block.dtype)
                scores[:, :, place] = block
            read = signals_of_scores(scores, column, job.readers, floor=floor)
            for i in range(len(block)):
                rows[next(where)] = {name: values[i] for name, values in read.items()}
    return rows
