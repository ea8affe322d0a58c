"""Groups of similar records: same outcome, near features, none too small to say anything of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seepage.spec import Task

__all__ = ["cluster"]

_MOST_CLUSTERS = 200
_LEVELS = 5


def cluster(features: NDArray[np.float64], task: Task, *, size: int, least: int, seed: int) -> NDArray[np.intp]:
    """Return the cluster of each record, −1 for records of clusters too small to be reported.

    Records of one outcome (regression: of one fifth of the outcomes) are split by k-means on standardised features
    into as many clusters as make `size` records on average, 200 at most in all.

    Parameters
    ----------
    features : (n, d) numeric encoding with the outcome in the last column; missing values take the column's median.
    task : classification or regression.
    size : records wanted in a cluster on average.
    least : clusters of fewer records are left out.
    seed : of the starting places.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = np.repeat(rng.normal(size=(2, 3)) * 9, 30, axis=0)
    >>> made = cluster(np.column_stack([x, np.zeros(60)]), Task.CLASSIFICATION, size=30, least=20, seed=0)
    >>> np.bincount(made).tolist()
    [30, 30]
    """
    from sklearn.cluster import KMeans

    n = len(features)
    outcome = _outcomes(features[:, -1], task)
    matrix = _standardised(features[:, :-1])
    size = max(size, -(-n // _MOST_CLUSTERS))
    found = np.full(n, -1, dtype=np.intp)
    count = 0
    for level in np.unique(outcome):
        rows = np.flatnonzero(outcome == level)
        wanted = min(max(1, round(len(rows) / size)), len(np.unique(matrix[rows], axis=0)))
        if wanted == 1:
            part = np.zeros(len(rows), dtype=np.intp)
        else:
            part = KMeans(wanted, n_init=1, max_iter=50, random_state=seed).fit(matrix[rows]).labels_.astype(np.intp)
        for piece in range(wanted):
            inside = rows[part == piece]
            if len(inside) >= least:
                found[inside] = count
                count += 1
    return found


def _outcomes(outcome: NDArray[np.float64], task: Task) -> NDArray[np.float64]:
    if task is Task.CLASSIFICATION:
        return outcome
    cuts = np.quantile(outcome, np.arange(1, _LEVELS) / _LEVELS)
    return np.searchsorted(cuts, outcome).astype(np.float64)


def _standardised(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill gaps by the median and scale to unit spread; columns that say nothing are dropped."""
    known = ~np.isnan(features)
    use = known.any(axis=0)
    matrix = features[:, use]
    matrix = np.where(np.isnan(matrix), np.nanmedian(matrix, axis=0) if use.any() else 0.0, matrix)
    spread = matrix.std(axis=0)
    matrix = matrix[:, spread > 0]
    scaled: NDArray[np.float64] = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    return scaled if scaled.shape[1] else np.zeros((len(features), 1))
