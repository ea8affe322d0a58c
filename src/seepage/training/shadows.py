"""Train shadow models over one pool of rows in one call: the table for research and for attacks by hand."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seepage.errors import InputError
from seepage.records import Records, as_records
from seepage.spec import Task
from seepage.training.inclusion import draw_pool
from seepage.training.recipes import EstimatorRecipe, as_recipe
from seepage.training.standin import SurrogateRecipe
from seepage.training.table import Recipe, Signals
from seepage.training.trainer import run_shadows
from seepage.work import Progress, Store

__all__ = ["train_shadows"]


def train_shadows(
    model_or_recipe: Any,
    data: Any,
    n_shadows: int = 64,
    *,
    seed: int = 0,
    trainer: Literal["auto", "one-by-one"] = "auto",
    engine: str | None = None,
    jobs: int | None = None,
    task: Task | str | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
) -> Signals:
    """Train `n_shadows` models on halves of the data and return each one's signal on every row.

    Models 2p and 2p + 1 hold complementary halves (of persons, where records have them), so every row is in half of
    the models.

    Parameters
    ----------
    model_or_recipe : estimator (cloned), function fit(X, y, seed) -> model, or recipe.
    data : (X, y) or Records.
    n_shadows : at least 2.
    seed : of the draw and of the training.
    trainer : "one-by-one" trains in a plain loop; "auto" takes the fastest trainer that gives the same models.
    engine : None works in this process, "local" in `jobs` processes.
    jobs : processes; None for one per core.
    task : classification or regression; None finds out.
    store : keeps rows, so that more models later train only those; None keeps nothing.
    progress : told of each model.

    Returns
    -------
    Signals with `arrays["margin"]` (classification: log odds of the true class, from probabilities) or
    `arrays["residual"]` (regression: y − prediction), float32 (n_shadows, n), and `inclusion.mask` of that shape.

    Raises
    ------
    InputError
        For data, a recipe or settings that cannot be used.
    RecipeError
        If a model could not be trained.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.naive_bayes import GaussianNB
    >>> x = np.arange(40.0).reshape(20, 2)
    >>> signals = train_shadows(GaussianNB(), (x, np.arange(20) % 2), n_shadows=4)
    >>> signals.arrays["margin"].shape, signals.inclusion.included.sum(axis=0).tolist() == [2] * 20
    ((4, 20), True)
    """
    records: Records = as_records(data, what="data")
    if records.y is None:
        raise InputError("shadow models need outcomes: pass (X, y).")
    recipe = as_recipe(model_or_recipe)
    kind = _task(task, recipe, records.y)
    units = records.ids if records.persons is None else records.persons
    return run_shadows(
        recipe,
        records,
        draw_pool(units, n_shadows, seed=seed),
        ("residual",) if kind is Task.REGRESSION else ("margin",),
        task=kind,
        seed=seed,
        classes=None if kind is Task.REGRESSION else np.unique(records.y),
        store=store,
        engine=engine,
        jobs=jobs,
        progress=progress,
        trainer=trainer,
    )


def _task(given: Task | str | None, recipe: Recipe, y: NDArray[Any]) -> Task:
    from seepage.targets.estimator import task_of

    if given is not None:
        try:
            return Task(given)
        except ValueError:
            raise InputError(f"unknown task {given!r}. Known: classification, regression.") from None
    inner = recipe.recipe if isinstance(recipe, SurrogateRecipe) else recipe
    declared = task_of(inner.estimator) if isinstance(inner, EstimatorRecipe) else getattr(inner, "task", None)
    if isinstance(declared, Task):
        return declared
    levels = len(np.unique(y))
    if y.dtype.kind not in "fiu" or (levels <= 100 and 2 * levels <= len(y) and not np.mod(y, 1).any()):
        return Task.CLASSIFICATION
    if y.dtype.kind == "f":
        return Task.REGRESSION
    raise InputError(
        f"y has {levels} different whole numbers in {len(y)} rows; it is unclear whether these are classes. "
        "Say task='classification' or task='regression'."
    )
