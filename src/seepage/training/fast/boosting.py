"""Gradient boosting as scikit-learn's `GradientBoosting*` does it, on rows sorted once for a whole model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from seepage.errors import RecipeError
from seepage.training.fast.forest import models_at_once
from seepage.training.fast.presorted import Presorted
from seepage.training.fast.protocol import Stack
from seepage.training.fast.trees import float32_rows
from seepage.work import derive_seed

__all__ = ["BoostingTrainer", "trainer_for"]

_DEEPEST = 6
_TINY = 1e-150
"""Curvature below which a leaf stays where it is."""
_PLAIN = {
    "subsample": 1.0,
    "init": None,
    "max_features": None,
    "max_leaf_nodes": None,
    "n_iter_no_change": None,
    "min_weight_fraction_leaf": 0.0,
    "min_impurity_decrease": 0.0,
    "ccp_alpha": 0.0,
}


def trainer_for(estimator: Any, prefix: str) -> BoostingTrainer | str:
    """Return the trainer of a `GradientBoostingClassifier` or `GradientBoostingRegressor`, or why there is none."""
    if estimator.loss not in ("log_loss", "squared_error"):
        return f"the loss {estimator.loss!r} is boosted one model after the other"
    if estimator.criterion not in ("deprecated", "squared_error", "friedman_mse"):
        return f"splits by {estimator.criterion!r} are found one model after the other"
    for name, plain in _PLAIN.items():
        value = getattr(estimator, name)
        if value is not plain and value != plain:
            return f"{name}={value!r} is boosted one model after the other"
    depth = estimator.max_depth
    if not isinstance(depth, (int, np.integer)) or depth > _DEEPEST:
        return f"trees of depth {depth} are grown one model after the other: more than {_DEEPEST} levels"
    return BoostingTrainer(
        int(estimator.n_estimators),
        float(estimator.learning_rate),
        int(depth),
        estimator.min_samples_split,
        estimator.min_samples_leaf,
        prefix,
    )


@final
@dataclass(frozen=True)
class BoostingTrainer:
    """Boost by Friedman's algorithm: log loss (one tree a class and stage, or one for two classes) or squared error.

    Splits, leaf values and starting point are scikit-learn's, so that two models differ only where several splits are
    equally good and chance chooses: there the random numbers are others.

    Parameters
    ----------
    stages : trees, or sets of one tree a class.
    rate : share of each tree that is added.
    depth : levels of splits.
    min_split, min_leaf : rows, or shares of them, in a node that is split and in a leaf.
    prefix : of the estimator's parameters in its pipeline.

    References
    ----------
    Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 29 (2001).
    """

    stages: int
    rate: float
    depth: int
    min_split: int | float
    min_leaf: int | float
    prefix: str

    name: ClassVar[str] = "boosting"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "boosting on presorted rows"
    tolerance: ClassVar[float | None] = None
    floor: ClassVar[float] = 1e-7

    def at_once(self, n: int, width: int, n_classes: int) -> int:
        """See `seepage.training.fast.forest.models_at_once`."""
        return models_at_once(n)

    def scores(self, stack: Stack) -> Iterator[NDArray[Any]]:
        """Yield (1, N, C) probabilities, or (1, N) predictions.

        Raises
        ------
        RecipeError
            When there is one class only.
        """
        if stack.n_classes == 1:
            raise RecipeError("boosting needs at least two classes")
        n = stack.members.shape[1]
        shared = None if stack.own_rows else float32_rows(stack.x)
        for model, inside in enumerate(stack.members):
            x = float32_rows(stack.rows_of(model)) if shared is None else shared
            random = np.random.RandomState(derive_seed(stack.seeds[model], f"{self.prefix}random_state"))
            rows = np.flatnonzero(inside)
            raw = self._boosted(x, rows, stack.y[:n][rows], stack.n_classes, random)
            if stack.n_classes == 0:
                yield raw[None, :, 0]
            elif stack.n_classes == 2:
                second = expit(raw)
                yield np.concatenate([1.0 - second, second], axis=1)[None]
            else:
                yield softmax(raw, axis=1)[None]

    def _boosted(
        self, x: NDArray[np.float32], rows: NDArray[np.intp], y: NDArray[Any], n_classes: int, random: Any
    ) -> NDArray[np.float64]:
        """Return (N, 1 or C) what the trees add up to."""
        sorted_rows = Presorted(
            x[rows], self.depth, max(2, _count(self.min_split, len(rows))), _count(self.min_leaf, len(rows))
        )
        columns = 1 if n_classes <= 2 else n_classes
        truth = y[:, None] == np.arange(n_classes) if columns > 1 else y[:, None]
        truth = truth.astype(np.float64)
        raw = np.repeat(_start(truth, n_classes)[None], len(x), axis=0)
        for _ in range(self.stages):
            gradients = _gradients(truth, raw[rows], n_classes)
            for k in range(columns):
                gradient = gradients[:, k]
                leaves = sorted_rows.grow(gradient, random).leaves(x)
                inside = leaves[rows]
                step = np.bincount(inside, gradient, 2**self.depth)
                p = truth[:, k] - gradient
                # Newton's step for a log loss, the mean for squared error
                weight = np.bincount(inside, p * (1.0 - p) if n_classes else None, 2**self.depth)
                scale = 1.0 if n_classes <= 2 else (n_classes - 1) / n_classes
                step = np.divide(scale * step, weight, out=np.zeros_like(step), where=np.abs(weight) >= _TINY)
                raw[:, k] += self.rate * step.take(leaves)
        return raw


def _count(share: int | float, n: int) -> int:
    return int(share) if isinstance(share, (int, np.integer)) else ceil(share * n)


def _gradients(truth: NDArray[np.float64], raw: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """Return (n, 1 or C) truth less expectation."""
    if n_classes == 0:
        return truth - raw
    if n_classes > 2:
        gradients: NDArray[np.float64] = truth - softmax(raw, axis=1)
        return gradients
    # written as scikit-learn writes it: many splits are equally good, and rounding decides between them
    odds = np.exp(-np.clip(raw, -700.0, None))
    rounded: NDArray[np.float64] = (truth * odds - (1.0 - truth)) / (1.0 + odds)
    return rounded


def _start(truth: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """Return (1 or C,) where boosting starts: the mean, or the log odds of the classes' shares."""
    mean = truth.mean(axis=0)
    if n_classes == 0:
        start: NDArray[np.float64] = mean
        return start
    if n_classes == 2:
        odds: NDArray[np.float64] = logit(mean)
        return odds
    log = np.log(mean)
    centred: NDArray[np.float64] = log - log.mean()
    return centred
