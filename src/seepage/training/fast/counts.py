"""The naive Bayes family on counts: features recoded to columns, and smoothed log probabilities of their sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.errors import RecipeError

__all__ = ["Features", "Smoothing", "features_of", "log_probabilities"]

_MOST_LEVELS = 5_000
"""Levels of all categorical columns together that are still written out as columns of 0 and 1."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Smoothing:
    """Which estimator of the family, and how it smooths.

    Parameters
    ----------
    kind : "MultinomialNB", "BernoulliNB", "ComplementNB" or "CategoricalNB".
    alpha : one number, or one a feature.
    threshold : above which a feature of BernoulliNB counts as 1; None leaves features as they are.
    norm : whether ComplementNB divides its weights by their sum.
    least : fewest levels a feature of CategoricalNB has.
    """

    kind: str
    alpha: tuple[float, ...]
    threshold: float | None = None
    norm: bool = False
    least: int = 0


@dataclass(frozen=True)
class Features:
    """Recoded features.

    Parameters
    ----------
    columns : (N, m) float64.
    feature : (m,) the feature each column came from; only for categories, where a column is one level.
    levels : (k, d) levels that each model knows of each feature; only for categories.
    """

    columns: Float
    feature: NDArray[np.intp] | None = None
    levels: NDArray[np.intp] | None = None


def features_of(smoothing: Smoothing, x: NDArray[Any], members: NDArray[np.bool_]) -> Features:
    """Return the columns whose sums the estimator needs.

    Raises
    ------
    RecipeError
        For features that the estimator refuses, or categories that a model has not seen.

    Examples
    --------
    >>> made = features_of(Smoothing("CategoricalNB", (1.0,)), np.array([[0], [2]]), np.array([[True, True]]))
    >>> made.columns.tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if len(smoothing.alpha) not in (1, x.shape[1]):
        raise RecipeError(f"alpha has {len(smoothing.alpha)} values for {x.shape[1]} features")
    if smoothing.kind == "BernoulliNB":
        if smoothing.threshold is None and not ((x == 0) | (x == 1)).all():
            raise RecipeError("without a threshold (binarize) the features have to be 0 or 1")
        return Features((x if smoothing.threshold is None else x > smoothing.threshold).astype(np.float64))
    # rows that are only read may be below zero, after a scaling that was fitted on the members
    read_too = smoothing.kind == "CategoricalNB"
    if ((x if read_too else x[: members.shape[1]][members.any(axis=0)]) < 0).any():
        raise RecipeError("counts must not be negative")
    return _levels(smoothing, x, members) if smoothing.kind == "CategoricalNB" else Features(x.astype(np.float64))


def _levels(smoothing: Smoothing, x: NDArray[Any], members: NDArray[np.bool_]) -> Features:
    level = x.astype(np.intp)
    known = level.max(axis=0) + 1
    if int(known.sum()) > _MOST_LEVELS:
        raise RecipeError(f"the features have {int(known.sum())} levels together, too many for columns of their own")
    n = members.shape[1]
    largest = np.stack([level[:n][inside].max(axis=0) + 1 for inside in members])
    levels = np.maximum(largest, smoothing.least)
    if (known > levels).any():
        raise RecipeError("a model has not seen the highest category; min_categories says how many there are")
    first = np.concatenate([[0], np.cumsum(known)[:-1]])
    columns = np.zeros((len(x), int(known.sum())))
    columns[np.arange(len(x))[:, None], first + level] = 1.0
    return Features(columns, np.repeat(np.arange(x.shape[1]), known), levels)


def log_probabilities(smoothing: Smoothing, features: Features, sums: Float, count: Float) -> tuple[Float, Float]:
    """Return weights (k, C, m) of the columns and constants (k, C), without the priors.

    Parameters
    ----------
    sums : (k, C, m), over each model's members of each class.
    count : (k, C) members.
    """
    alpha = np.asarray(smoothing.alpha)
    nothing = np.zeros(count.shape)
    if smoothing.kind == "CategoricalNB":
        assert features.feature is not None
        assert features.levels is not None
        whole = count[:, :, None] + alpha * features.levels[:, None, :]
        return np.log(sums + alpha) - np.log(whole)[:, :, features.feature], nothing
    if smoothing.kind == "BernoulliNB":
        present = np.log(sums + alpha) - np.log(count[:, :, None] + 2.0 * alpha)
        absent = np.log(1.0 - np.exp(present))
        return present - absent, absent.sum(axis=2)
    if smoothing.kind == "ComplementNB":
        others = sums.sum(axis=1, keepdims=True) + alpha - sums
        logged = np.log(others / others.sum(axis=2, keepdims=True))
        return logged / logged.sum(axis=2, keepdims=True) if smoothing.norm else -logged, nothing
    smoothed = sums + alpha
    return np.log(smoothed) - np.log(smoothed.sum(axis=2, keepdims=True)), nothing
