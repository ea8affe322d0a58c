"""Train shadow models, by the fastest trainer that proves itself, and keep each row of signals the moment it exists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.errors import InputError, did_you_mean
from seepage.records import Records, concat
from seepage.spec import Task
from seepage.training.fast.choose import Choice, choose
from seepage.training.fast.run import Reference, train_in_stacks
from seepage.training.one_by_one import PlainItem, PlainJob, Row, train_one
from seepage.training.rows import STEP, Rows, ShadowWork
from seepage.training.table import Inclusion, Recipe, Signals
from seepage.work import Progress, SilentProgress, Store, run_items

__all__ = ["STEP", "TRAINERS", "Reference", "run_shadows"]

TRAINERS = ("auto", "one-by-one")
VERSION = 1


def run_shadows(
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
    store: Store | None = None,
    engine: str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    models: int | None = None,
    trainer: str = "auto",
    reference: Reference | None = None,
) -> Signals:
    """Train the shadow models of `inclusion` and return what each says of every record.

    Model k is trained on the records that `inclusion` puts into it, with a seed that depends on (seed, k) alone, in
    one thread. Its row goes into the store at once, under a key of recipe, records, members, seed and readers: a run
    that was killed goes on where it stopped, and 16 more models train 16. Numbers do not depend on engine or jobs.

    With trainer "auto" a fast trainer makes many models at once where there is one for the recipe. It has to prove
    itself first: it makes the target once more, from the target's members, and the answers must be the target's, or
    else those of a plain fit with the same seed. If they are not, all models are trained one by one, and a note
    says why.

    Parameters
    ----------
    recipe : how a model is made.
    records : (N) rows with outcomes.
    inclusion : mask (K, N).
    readers : names of signals, see `seepage.signals`.
    task : classification or regression.
    seed : of the training.
    classes : (C,) the target's classes; a class that a model has not seen gets probability 0.
    floor : smallest probability told apart from zero; None takes what fits each model.
    population : further records to read, on which no model is trained.
    store : where rows are kept and looked for; None keeps nothing.
    engine, jobs : see `seepage.work.run_items`.
    progress : told of each model, under the step "shadow models".
    models : train only the first so many; None for all.
    trainer : "auto" or "one-by-one".
    reference : the target, if there is one; without it the first shadow model is made again for the proof.

    Returns
    -------
    Signals, arrays (K, N) float32.

    Raises
    ------
    RecipeError
        Naming the model, if the recipe fails or its model cannot be read; finished rows stay in the store.
    InputError
        If inclusion and records differ in length, or `models` or `trainer` is not possible.
    """
    if trainer not in TRAINERS:
        raise InputError(f"unknown trainer {trainer!r}.{did_you_mean(trainer, TRAINERS)} Known: {', '.join(TRAINERS)}.")
    chosen = _first(inclusion, models)
    if chosen.mask.shape[1] != records.n:
        raise InputError(f"the inclusion covers {chosen.mask.shape[1]} records, but there are {records.n}.")
    plain = Records(records.x, records.y)
    work = ShadowWork(
        recipe,
        plain,
        plain if population is None else concat(plain, Records(population.x, population.y)),
        chosen,
        tuple(dict.fromkeys(readers)),
        task,
        classes,
        floor,
        seed,
        ("", "") if store is None else (records.fingerprint, "none" if population is None else population.fingerprint),
    )
    progress = progress or SilentProgress()
    choice = choose(recipe, task, work.readers) if trainer == "auto" else Choice(recipe, None)
    progress.start(STEP, work.count)
    try:
        notes: tuple[str, ...] = ()
        if choice.trainer is not None:
            stacked = Rows(work, choice.trainer.name, choice.trainer.version, store, progress)
            progress.advance(STEP, stacked.found)
            refused = train_in_stacks(stacked, choice, engine=engine, jobs=jobs, reference=reference)
            if refused is None:
                return stacked.signals()
            notes = (f"the shadow models were trained one by one; {refused}",)
            progress.start(STEP, work.count)
        rows = Rows(work, "one-by-one", VERSION, store, progress)
        progress.advance(STEP, rows.found)
        _one_by_one(rows, engine, jobs)
    finally:
        progress.finish(STEP)
    return rows.signals(notes)


def _one_by_one(rows: Rows, engine: str | None, jobs: int | None) -> None:
    work = rows.work

    def keep(item: PlainItem, row: Row) -> None:
        rows.keep(item.model, row)

    run_items(
        train_one,
        [PlainItem(k, work.seed_of(k), np.packbits(work.members_of(k))) for k in rows.missing],
        shared=PlainJob(work.recipe, work.records, work.everything, work.readers, work.task, work.classes, work.floor),
        engine=engine,
        jobs=jobs,
        on_result=keep,
    )


def _first(inclusion: Inclusion, models: int | None) -> Inclusion:
    count = len(inclusion.mask)
    if models is None or models == count:
        return inclusion
    if not 1 <= models <= count:
        raise InputError(f"models must be between 1 and {count}, the number of rows in the inclusion (got {models}).")
    return replace(inclusion, mask=inclusion.mask[:models])
